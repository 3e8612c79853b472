"""Spellings of one cross entropy have equal digits, where a sample is told apart well."""

from __future__ import annotations

import numpy as np
import pytest
from mpmath import mp

import lossc

LOGITS = np.array(
    [[16.369247, -5.3e-06, 0.001446, -3.6e-05, -0.00873], [-3, 20.5, -2, 1, 2]], np.float32
)
LABELS = np.array([0, 1])
DATA = {"z": LOGITS, "y": LABELS, "o": np.eye(5, dtype=np.float32)[LABELS],
        "m": np.array([1, 0.5], np.float32)}  # fmt: skip
# Inputs; the loss; what its `where` holds; what is told of it.
SPELLINGS = [
    ("y[n], z[n,c]", "mean[n](-log(exp(z[n,y])/sum[c](exp(z))))", "y in index(c)", ""),
    ("o[n,c], z[n,c]", "mean[n](-sum[c](o * log(softmax[c](z))))", "", ""),
    ("o[n,c], z[n,c]", "mean[n](-sum[c](o * log(softmax[c](z))))", "o in one_hot[c]", ""),
    ("o[n,c], z[n,c]", "mean[n](logsumexp[c](z) - sum[c](o*z))", "o in one_hot[c]", ""),
    ("o[n,c], z[n,c]", "mean[n](logsumexp[c](z) - sum[c](o*z))", "o in simplex[c]", ""),
    ("o[n,c], z[n,c]", "mean[n](-log(sum[c](o * softmax[c](z))))", "o in one_hot[c]", ""),
    ("o[n,c], z[n,c]", "mean[n](-log(sum[c](o * exp(z)) / sum[c](exp(z))))", "o in one_hot[c]", ""),
    ("y[n], z[n,c]", "mean[n](-sum[c](one_hot[c](y) * log_softmax[c](z)))", "y in index(c)", ""),
    (
        "y[n], z[n,c]",
        "mean[n](-sum[c](if c == y then log(softmax[c](z)) else 0))",
        "y in index(c)",
        "",
    ),
    (
        "y[n], z[n,c]",
        "mean[n](-sum[c](indicator(c == y) * (z - logsumexp[c](z))))",
        "y in index(c)",
        "",
    ),
    (
        "y[n], z[n,c]",
        "mean[n](-sum[c if c == y](log(exp(z) / sum[c](exp(z)))))",
        "y in index(c)",
        "",
    ),
    ("y[n], z[n,c]", "mean[n](log(1 + sum[c if c != y](exp(z - z[n,y]))))", "y in index(c)", ""),
    ("y[n], z[n,c]", "mean[n](log1p(sum[c if c != y](exp(z)) / exp(z[n,y])))", "y in index(c)", ""),
    (
        "y[n], z[n,c]",
        "mean[n](-log(1 - sum[c if c != y](exp(z))/sum[c](exp(z))))",
        "y in index(c)",
        "",
    ),
    (
        "y[n], z[n,c], m[n]",
        "sum[n](m * -log(exp(z[n,y])/sum[c](exp(z)))) / sum[n](m)",
        "y in index(c); m in [0, inf)",
        "mask",
    ),
    (
        "y[n], z[n,c], m[n]",
        "sum[n](if m > 0 then m * (logsumexp[c](z) - z[n,y]) else 0) / sum[n](m)",
        "y in index(c); m in [0, inf)",
        "mask",
    ),
    (
        "y[n], z[n,c]",
        "mean[n](-log(exp(z[n,y]/t)/sum[c](exp(z/t))))",
        "y in index(c); t in (0,inf)",
        "temperature",
    ),
    (
        "y[n], z[n,c]",
        "mean[n](-log(softmax[c](z/t)[c=y]))",
        "y in index(c); t in (0,inf)",
        "temperature",
    ),
    (
        "o[n,c], z[n,c]",
        "mean[n](-sum[c](o*log_softmax[c](z/t)))",
        "o in one_hot[c]; t in (0,inf)",
        "temperature",
    ),
    (
        "y[n], z[n,c], m[n]",
        "sum[n](m * (logsumexp[c](z/t) - z[n,y]/t)) / sum[n](m)",
        "y in index(c); m in [0, inf); t in (0,inf)",
        "mask temperature",
    ),
    ("y[n], z[n,c]", "mean[n](-(z[n,y] - log(sum[c](exp(z)))))", "y in index(c)", ""),
    (
        "y[n], z[n,c]",
        "mean[n](logaddexp(z[n,y], logsumexp[c if c != y](z)) - z[n,y])",
        "y in index(c)",
        "",
    ),
    ("y[n], z[n,c]", "mean[n](softplus(logsumexp[c if c != y](z) - z[n,y]))", "y in index(c)", ""),
    ("y[n], z[n,c]", "mean[n](log(sum[c](exp(z - z[n,y]))))", "y in index(c)", ""),
    (
        "y[n], z[n,c]",
        "mean[n](log(sum[c](exp(z - mx))) + mx - z[n,y])",
        "y in index(c); mx[n] = max[c](z)",
        "",
    ),
    (
        "y[n], z[n,c]",
        "mean[n](log(sum[c](exp(z - mx))) - (z[n,y] - mx))",
        "y in index(c); mx[n] = max[c](z)",
        "",
    ),
    (
        "y[n], z[n,c]",
        "mean[n](-log(sigmoid(z[n,y] - logsumexp[c if c != y](z))))",
        "y in index(c)",
        "",
    ),
    ("z[n,c]", "mean[n](-log(exp(z[n,0])/sum[c](exp(z))))", "", "fixed"),
    (
        "y[n], z[n,c]",
        "mean[n](-sum[c](q * log(softmax[c](z))))",
        "y in index(c); q[n,c] = (1 - a) * one_hot[c](y) + a / size(c)",
        "smooth",
    ),
    (
        "y[n], z[n,c]",
        "mean[n](logsumexp[c](z) - (1 - a) * z[n,y] - a * mean[c](z))",
        "y in index(c)",
        "smooth",
    ),
    (
        "o[n,c], z[n,c]",
        "mean[n](-sum[c]((o * (1 - a) + a / 5) * log_softmax[c](z)))",
        "o in one_hot[c]",
        "smooth",
    ),
]


def true(tag: str) -> tuple[float, np.ndarray]:
    """The loss and its gradient in 60 digits."""
    with mp.workdps(60):
        t = mp.mpf(float(np.float32(0.9))) if "temperature" in tag else mp.mpf(1)
        a = mp.mpf(float(np.float32(0.1))) if tag == "smooth" else mp.mpf(0)
        weights = DATA["m"] if "mask" in tag else np.ones(2)
        labels = [0, 0] if tag == "fixed" else LABELS.tolist()
        value, slopes = mp.mpf(0), []
        for row, label, w in zip(LOGITS.tolist(), labels, weights.tolist(), strict=True):
            weight = mp.mpf(w) / sum(weights.tolist())
            parts = [mp.exp(mp.mpf(x) / t) for x in row]
            whole = sum(parts)
            target = [(1 - a) * (k == label) + a / 5 for k in range(5)]
            logs = [mp.log(whole) - mp.mpf(x) / t for x in row]
            value += weight * sum(q * s for q, s in zip(target, logs, strict=True))
            off = zip(parts, target, strict=True)
            slopes.append([float(weight * (p / whole - q) / t) for p, q in off])
        return float(value), np.array(slopes)


@pytest.mark.parametrize(
    ("inputs", "body", "where", "tag"), SPELLINGS, ids=[s[1] for s in SPELLINGS]
)
def test_spellings_have_equal_digits(inputs: str, body: str, where: str, tag: str) -> None:
    params = {"temperature": "; t = 0.9", "smooth": "; a = 0.1 in [0, 1]"}
    param = next((p for word, p in params.items() if word in tag), "")
    text = f"loss f({inputs}{param}) = {body}" + (f"\nwhere {where}" if where else "")
    args = {name: data for name, data in DATA.items() if f"{name}[" in inputs}
    value, slopes = lossc.compile(text).value_and_grad(wrt=["z"], **args)
    right, gradient = true(tag)
    assert float(value) == pytest.approx(right, rel=1e-6)
    assert slopes["z"].numpy() == pytest.approx(gradient, rel=1e-5)
