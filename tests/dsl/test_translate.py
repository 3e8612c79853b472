# ruff: noqa: E501
"""Formulas as papers print them: the text they become, and its value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lossc
from lossc.compiler.check import check
from lossc.dsl.diagnostics import LosscError
from lossc.dsl.source import Source
from lossc.dsl.translate import translate
from lossc.files import reader

# A formula as it is printed, and as it is written.
LATEX = {
    r"\frac{1}{N} \sum_{i=1}^{N} (y_i - \hat{y}_i)^2": "mean[i]((y[i] - yhat[i])^2)",
    r"\text{MSE} = \frac1N\sum_{i=1}^N \left(y_i-\hat y_i\right)^2": "mean[i]((y[i] - yhat[i])^2)",
    r"\frac{1}{n} \sum_{i=1}^n |y_i - \hat{y}_i|": "mean[i](abs(y[i] - yhat[i]))",
    r"\sqrt{\frac{1}{n}\sum_{i=1}^n (y_i-\hat{y}_i)^2}": "sqrt(mean[i]((y[i] - yhat[i])^2))",
    r"\frac{1}{2N}\sum_i (y_i - \hat{y}_i)^2": "mean[i]((y[i] - yhat[i])^2) / 2",
    r"\frac{1}{N}\sum (y - \hat{y})^2": "mean((y - yhat)^2)",
    r"\mathbb{E}\left[(y-\hat y)^2\right]": "mean((y - yhat)^2)",
    r"\frac{\sum_{i=1}^N w_i (y_i - \hat y_i)^2}{\sum_{i=1}^N w_i}": (
        "sum[i](w[i] * (y[i] - yhat[i])^2) / sum[i](w[i])"
    ),
    r"-\frac{1}{N}\sum_{i=1}^N y_i \log p_i + (1-y_i)\log(1-p_i)": (
        "-mean[i](y[i] * log(p[i]) + (1 - y[i]) * log(1 - p[i]))"
    ),
    r"-\frac{1}{N}\sum_{i=1}^N \left[ y_i \log(p_i) + (1-y_i)\log(1-p_i) \right]": (
        "-mean[i](y[i] * log(p[i]) + (1 - y[i]) * log(1 - p[i]))"
    ),
    r"-\frac{1}{N}\sum_{i=1}^{N}\sum_{c=1}^{C} y_{i,c}\log(p_{i,c})": (
        "-mean[i](sum[c](y[i, c] * log(p[i, c])))"
    ),
    r"-\frac{1}{NC}\sum_{i=1}^{N}\sum_{c=1}^{C} y_{ic}\log p_{ic}": (
        "-mean[i](mean[c](y[i, c] * log(p[i, c])))"
    ),
    r"-\sum_{c} y_c \log p_c": "-sum[c](y[c] * log(p[c]))",
    r"\sum_{k=1}^K p_k \log \frac{p_k}{q_k}": "sum[k](p[k] * log(p[k] / q[k]))",
    r"-\log \frac{e^{z_{y_i}}}{\sum_j e^{z_j}}": "-log(exp(z[y[i]]) / sum[j](exp(z[j])))",
    r"-\frac1N\sum_i \log \frac{\exp(z_{i,y_i})}{\sum_{c} \exp(z_{i,c})}": (
        "-mean[i](log(exp(z[i, y[i]]) / sum[c](exp(z[i, c]))))"
    ),
    r"-\alpha (1 - p_i)^\gamma \log(p_i)": "-alpha * (1 - p[i])^gamma * log(p[i])",
    r"\frac{1}{N}\sum_i \max(0, 1 - y_i \hat{y}_i)": "mean[i](max(0, 1 - y[i] * yhat[i]))",
    r"\frac{1}{N}\sum_i \max\{0, 1 - y_i \hat{y}_i\}^2": "mean[i](max(0, 1 - y[i] * yhat[i])^2)",
    r"\frac1N \sum_i [m - s_i]_+": "mean[i](relu(m - s[i]))",
    r"\begin{cases} \frac{1}{2}(y-\hat y)^2 & \text{if } |y - \hat y| \le \delta \\ \delta(|y-\hat y| - \frac12\delta) & \text{otherwise} \end{cases}": (
        "if abs(y - yhat) <= delta then (y - yhat)^2 / 2 "
        "else delta * (abs(y - yhat) - delta / 2)"
    ),
    r"\frac{1}{N}\sum_{i=1}^N \log\cosh(\hat y_i - y_i)": "mean[i](log(cosh(yhat[i] - y[i])))",
    r"1 - \frac{2\sum_i y_i p_i + 1}{\sum_i y_i + \sum_i p_i + 1}": (
        "1 - (2 * sum[i](y[i] * p[i]) + 1) / (sum[i](y[i]) + sum[i](p[i]) + 1)"
    ),
    r"\frac{1}{N}\sum_{i=1}^N \|x_i - c_{y_i}\|_2^2": "mean[i](norm[d](x[i, d] - c[y[i], d])^2)",
    r"\|y - \hat{y}\|_2^2": "norm(y - yhat)^2",
    r"\lVert y - \hat{y} \rVert_1": "norm1(y - yhat)",
    r"\frac{1}{2N}\sum_{n=1}^N (t_n - y_n)^2 + \frac{\lambda}{2}\|w\|^2": (
        "mean[n]((t[n] - y[n])^2) / 2 + lam * norm[d](w[d])^2 / 2"
    ),
    r"-\frac1N \sum_{i=1}^N \log \frac{\exp(u_i^\top v_i/\tau)}{\sum_{j=1}^N \exp(u_i^\top v_j/\tau)}": (
        "-mean[i](log(exp(sum[d](u[i, d] * v[i, d]) / tau) "
        "/ sum[j](exp(sum[k](u[i, k] * v[j, k]) / tau))))"
    ),
    r"\sum_{t=1}^{T-1} |x_{t+1}-x_t|": "sum[t if t < size(t) - 1](abs(x[t+1] - x[t]))",
    r"\sum_{t=2}^{T} (x_t - x_{t-1})^2": "sum[t if t >= 1]((x[t] - x[t-1])^2)",
    r"\sum_{i<j} \max(0, m - |s_i - s_j|)": "sum[i, j if i < j](max(0, m - abs(s[i] - s[j])))",
    r"\sum_{i \ne j} \log(1 + e^{-(s_i - s_j)})": "sum[i, j if i != j](log(1 + exp(-(s[i] - s[j]))))",
    r"\frac{1}{|B|}\sum_{i \in B} \ell_i": "mean[i](L[i])",
    r"\max_j |y_j - \hat y_j|": "max[j](abs(y[j] - yhat[j]))",
    r"\frac{1}{N}\sum_{i=1}^N\frac{|y_i-\hat{y}_i|}{|y_i|}": "mean[i](abs(y[i] - yhat[i]) / abs(y[i]))",
    r"\frac{1}{2 N}\sum_{i=1}^N\frac{x_i}{N w_i}": "mean[i](x[i] / w[i]) / 2 / size(i)",
    r"\sum_{i=1}^N \sum_{j=1, j \neq i}^N (s_i - s_j)^2": "sum[i](sum[j if j != i]((s[i] - s[j])^2))",
    r"\prod_{i=1}^n p_i": "prod[i](p[i])",
    r"\frac12 \sum_{i} \left( \sigma_i^2 + \mu_i^2 - 1 - \ln \sigma_i^2 \right)": (
        "sum[i](sigma[i]^2 + mu[i]^2 - 1 - log(sigma[i]^2)) / 2"
    ),
    r"\frac{(y - \mu)^2}{2\sigma^2} + \frac{1}{2}\log 2\pi\sigma^2": (
        "(y - mu)^2 / 2 / sigma^2 + log(2 * pi * sigma^2) / 2"
    ),
    r"\sum_{i=1}^N x_i \sigma(z_i)": "sum[i](x[i] * sigmoid(z[i]))",
    r"\frac1N\sum_i \mathbb{1}[y_i \neq z_i]": "mean[i](indicator(y[i] != z[i]))",
    r"\sum_{i=1}^{n} \frac{2^{y_i} - 1}{\log_2(i + 1)}": "sum[i]((2^y[i] - 1) / log2(i + 1 + 1))",
    r"\frac{1}{3}\sum_{k=1}^{3} x_k": "sum[k in 0..2](x[k]) / 3",
    r"\frac{1}{N} \sum_{n} \sqrt[3]{x_n}": "mean[n](x[n]^(1 / 3))",
    r"\frac{1}{N}\sum_i \left(y^{(i)} - \hat{y}^{(i)}\right)^2": "mean[i]((y[i] - yhat[i])^2)",
    r"\frac{1}{N} \cdot \sum_{i=1}^{N} \tanh(\boldsymbol{x}_i) \cdot w": "mean[i](tanh(x[i]) * w)",
}  # fmt: skip
UNICODE = {
    "Σᵢ (yᵢ - ŷᵢ)² / N": "mean[i]((y[i] - yhat[i])^2)",
    "1/N Σᵢ (yᵢ − ŷᵢ)²": "mean[i]((y[i] - yhat[i])^2)",
    "1/N * SUM_i (yᵢ - ŷᵢ)^2": "mean[i]((y[i] - yhat[i])^2)",
    "½ ∑ᵢ (yᵢ − ŷᵢ)²": "sum[i]((y[i] - yhat[i])^2) / 2",
    "∑_{i=1}^N y_i log(p_i)": "sum[i](y[i] * log(p[i]))",
    "-1/N ∑_{i=1}^N [y_i log p_i + (1 − y_i) log(1 − p_i)]": (
        "-mean[i](y[i] * log(p[i]) + (1 - y[i]) * log(1 - p[i]))"
    ),
    "-y log p": "-y * log(p)",
    "sum_i (y_i - yhat_i)^2": "sum[i]((y[i] - yhat[i])^2)",
    "Σ_i |y_i − ŷ_i|": "sum[i](abs(y[i] - yhat[i]))",
    "√(1/n Σᵢ (yᵢ − ŷᵢ)²)": "sqrt(mean[i]((y[i] - yhat[i])^2))",
    "‖y − ŷ‖²": "norm(y - yhat)^2",
    "-Σᵢ Σⱼ yᵢⱼ log pᵢⱼ": "-sum[i](sum[j](y[i, j] * log(p[i, j])))",
    "λ ∑_j w_j² + 1/n ∑_i max(0, 1 − y_i ŷ_i)": (
        "lam * sum[j](w[j]^2) + mean[i](max(0, 1 - y[i] * yhat[i]))"
    ),
    "L = −(1/N) Σᵢ₌₁ᴺ yᵢ log(ŷᵢ)": "-mean[i](y[i] * log(yhat[i]))",
    "mean((y_true - y_pred)^2)": "mean((y - yhat)^2)",
    "𝔼[(y − ŷ)²]": "mean((y - yhat)^2)",
}


def latex(text: str) -> str:
    return translate(Source.of("paper", text), "latex").text


@pytest.mark.parametrize(
    ("notation", "printed", "written"),
    [*(("latex", *row) for row in LATEX.items()), *(("unicode", *row) for row in UNICODE.items())],
)
def test_a_printed_formula(notation: str, printed: str, written: str) -> None:
    found = translate(Source.of("paper", printed), notation)
    assert found.formula == written
    for text in (found.text, found.line):
        assert not check(Source.of("paper.loss", text), reader(None)).errors


RNG = np.random.default_rng(0)
A, B = RNG.random(5) + 0.1, RNG.random(5) + 0.1
M, Q = RNG.random((5, 3)) + 0.1, RNG.random((5, 3)) + 0.1
LABELS = np.array([0, 2, 1, 1, 0])
SHARES = np.exp(M) / np.exp(M).sum(1, keepdims=True)
PAIRS = M @ Q.T / 0.5
# A formula, its data by name, and its value by NumPy.
VALUES: list[tuple[str, dict[str, Any], Any]] = [
    (r"\frac{1}{N} \sum_{i=1}^{N} (y_i - \hat{y}_i)^2", {"y": A, "yhat": B}, np.mean((A - B) ** 2)),
    (
        r"-\frac{1}{N}\sum_{i=1}^N y_i \log p_i + (1-y_i)\log(1-p_i)",
        {"y": A / 2, "p": B / 2},
        -np.mean(A / 2 * np.log(B / 2) + (1 - A / 2) * np.log(1 - B / 2)),
    ),
    (
        r"-\frac{1}{N}\sum_{i=1}^{N}\sum_{c=1}^{C} y_{i,c}\log(p_{i,c})",
        {"y": M, "p": Q},
        -np.mean(np.sum(M * np.log(Q), 1)),
    ),
    (
        r"-\frac1N\sum_i \log \frac{\exp(z_{i,y_i})}{\sum_{c} \exp(z_{i,c})}",
        {"y": LABELS, "z": M},
        -np.mean(np.log(SHARES[np.arange(5), LABELS])),
    ),
    (
        r"\frac{1}{N}\sum_{i=1}^N \|x_i - c_{y_i}\|_2^2",
        {"x": M, "c": Q[:3], "y": LABELS},
        np.mean(np.sum((M - Q[LABELS]) ** 2, 1)),
    ),
    (
        r"-\frac1N \sum_{i=1}^N \log \frac{\exp(u_i^\top v_i/\tau)}{\sum_{j=1}^N \exp(u_i^\top v_j/\tau)}",
        {"u": M, "v": Q, "tau": 0.5},
        -np.mean(np.diag(PAIRS) - np.log(np.exp(PAIRS).sum(1))),
    ),
    (
        r"\frac{100}{N}\sum_{i=1}^N\frac{|y_i-\hat{y}_i|}{|y_i|}",
        {"y": A, "yhat": B},
        100 * np.mean(np.abs(A - B) / A),
    ),
    (r"\sum_{t=1}^{T-1} |x_{t+1}-x_t|", {"x": A}, np.abs(np.diff(A)).sum()),
    (r"\sum_{t=2}^{T} (x_t - x_{t-1})^2", {"x": A}, (np.diff(A) ** 2).sum()),
    (
        r"\sum_{i<j} \max(0, m - |s_i - s_j|)",
        {"s": A, "m": 0.4},
        sum(max(0, 0.4 - abs(A[i] - A[j])) for j in range(5) for i in range(j)),
    ),
    (
        r"\begin{cases} \frac{1}{2}(y-\hat y)^2 & |y - \hat y| \le \delta \\ \delta(|y-\hat y| - \frac12\delta) & \text{otherwise} \end{cases}",
        {"y": A, "yhat": B, "delta": 0.2},
        np.mean([d**2 / 2 if d <= 0.2 else 0.2 * (d - 0.1) for d in np.abs(A - B)]),
    ),
    (
        r"\sum_{i=1}^{n} \frac{2^{y_i} - 1}{\log_2(i + 1)}",
        {"y": A},
        np.sum((2**A - 1) / np.log2(np.arange(1, 6) + 1)),
    ),
    (
        r"\frac{1}{2N}\sum_{n=1}^N (t_n - y_n)^2 + \frac{\lambda}{2}\|w\|^2",
        {"t": A, "y": B, "w": M[0], "lam": 0.1},
        np.mean((A - B) ** 2) / 2 + 0.05 * (M[0] ** 2).sum(),
    ),
    (r"\frac{1}{NC}\sum_{i=1}^N \sum_{c=1}^C (y_{ic} - p_{ic})^2", {"y": M, "p": Q}, np.mean((M - Q) ** 2)),
    (r"-\alpha (1 - p_i)^\gamma \log(p_i)", {"p": A / 2, "alpha": 0.25, "gamma": 2.0},
     np.mean(-0.25 * (1 - A / 2) ** 2 * np.log(A / 2))),
]  # fmt: skip


@pytest.mark.parametrize(("printed", "data", "right"), VALUES)
def test_the_value_of_a_printed_formula(printed: str, data: dict[str, Any], right: float) -> None:
    loss = lossc.compile(latex(printed), jit=False)
    assert float(loss(**data)) == pytest.approx(float(right))


UNREAD = {
    r"\int_0^1 x dx": r"`\int`",
    r"\frac{1}{N": "never closed",
    r"\sum_{i=1}^N": "the end",
    r"x + ": "the end",
    r"\|x\|_p": "norm",
    r"y_{i} + y_{i,j}": "1 subscripts",
    r"x(a, b)": "list of values",
    r"\sum_i f(x_i)": "`f` is no known function",
    r"\sum_i \log p_\theta(x_i)": "`p` is no known function",
    "": "no formula",
    "%": "cannot be read",
    "(" * 5000: "too long",
    "-" * 3000 + "x": "too long",
    r"\frac" * 3000: "too long",
    "9" * 500: "too long",
    "(" * 390 + "x" + ")" * 390: "too deep",
}


@pytest.mark.parametrize("printed", UNREAD)
def test_what_cannot_be_read_is_said(printed: str) -> None:
    with pytest.raises(LosscError) as caught:
        latex(printed)
    assert caught.value.code == "E0128"
    assert UNREAD[printed] in str(caught.value)


def test_pieces_of_formulas_never_crash() -> None:
    for printed in [*LATEX, *UNICODE]:
        for notation in ("latex", "unicode"):
            for stop in range(0, len(printed), 2):
                for piece in (printed[:stop], printed[stop:]):
                    try:
                        translate(Source.of("paper", piece), notation)
                    except LosscError as error:
                        assert {d.code for d in error.diagnostics} == {"E0128"}
