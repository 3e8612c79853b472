"""Formulas as LaTeX: golden ones, and that every one is well formed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lossc.compiler.emit.to_latex import latex, latex_expr, latex_name
from lossc.dsl import ast
from lossc.dsl.parser import parse, parse_expression
from lossc.dsl.primitives import ALONG, PRIMITIVES, REDUCTIONS
from lossc.dsl.source import Source
from lossc.stdlib import families, family_source
from tests.dsl.examples import LOSSES
from tests.golden import Case, cases

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.loss"))


def tex(text: str) -> str:
    return latex_expr(parse_expression(Source.of("<text>", text)))


def losses(source: Source) -> list[ast.Loss | ast.Function]:
    return [item for item in parse(source).items if not isinstance(item, ast.Use)]


def faults(said: str) -> list[str]:
    """What is not well formed in a piece of LaTeX."""
    found = []
    depth = 0
    for token in re.findall(r"\\.|[{}]", said):
        depth += (token == "{") - (token == "}")
        if depth < 0:
            found.append("a brace too many")
    words = re.findall(r"\\([A-Za-z]+)", said)
    for opener, closer in (("left", "right"), ("begin", "end")):
        if words.count(opener) != words.count(closer):
            found.append(f"{opener} and {closer}")
    if re.search(r"\\(?:left|right)(?![(){}\[\]|.\\])", said):
        found.append("a delimiter is missing")
    if re.search(r"_(?:\{[^{}]*\}|.)\s*_", said) or re.search(r"\^\{[^{}]*\}\^", said):
        found.append("two scripts in one place")
    return found + ["a brace too few"] * (depth > 0)


@pytest.mark.parametrize(
    "said", ["{", "}", r"\left(x", r"\left x\right)", "x_{i}_{j}", "x^{2}^{3}"]
)
def test_faults_are_found(said: str) -> None:
    assert faults(said)


def everything() -> Iterator[Any]:
    for path in CORPUS:
        yield pytest.param(Source.of(path.name, path.read_text("utf-8")), id=path.stem)
    for family in families():
        yield pytest.param(family_source(family), id=f"std.{family}")
    for k, text in enumerate(LOSSES):
        yield pytest.param(Source.of("example.loss", text), id=f"example{k}")


@pytest.mark.parametrize("source", list(everything()))
def test_every_loss_is_well_formed(source: Source) -> None:
    for item in losses(source):
        assert faults(latex(item)) == []


@pytest.mark.parametrize("case", cases("latex"), ids=lambda case: case.id)
def test_golden(case: Case) -> None:
    said = [latex(item) for item in losses(Source.of("formula.loss", case["source"] + "\n"))]
    case.check("latex", "\n".join(said))


@pytest.mark.parametrize("name", [n for n, p in PRIMITIVES.items() if not p.symbol])
def test_every_function(name: str) -> None:
    args = ", ".join("xyz"[: PRIMITIVES[name].arity])
    said = tex(f"{name}({args}) + 1")
    assert faults(said) == []
    assert not re.search(r"\{args\}|\{\d\}(?![}])", said.replace("{10}", "").replace("{1}", ""))


@pytest.mark.parametrize("name", [*REDUCTIONS, *ALONG])
def test_every_reduction(name: str) -> None:
    assert faults(tex(f"{name}[i, j if x[i] > 0](x) * {name}[i](y)^2")) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("y", "y"),
        ("yhat", r"\hat{y}"),
        ("y_pred", r"y_{\mathrm{pred}}"),
        ("alpha", r"\alpha"),
        ("lam", r"\lambda"),
        ("eps", r"\varepsilon"),
        ("mubar", r"\bar{\mu}"),
        ("that", r"\hat{t}"),
        ("ddot", r"\dot{d}"),
        ("chat", r"\hat{c}"),
        ("z1", "z_{1}"),
        ("w_pos_2", r"w_{\mathrm{pos}, 2}"),
        ("mu_1", r"\mu_{1}"),
        ("yhat_1", r"\hat{y}_{1}"),
        ("mse_1", r"\mathrm{mse}_{1}"),
        ("label_smoothing", r"\mathrm{label\,smoothing}"),
        ("apply_class_balancing", r"\mathrm{apply\,class\,balancing}"),
        ("logits", r"\mathrm{logits}"),
        ("hat", r"\mathrm{hat}"),
        ("pi", r"\pi"),
        ("inf", r"\infty"),
        ("Sigma", r"\Sigma"),
        ("_x", "x"),
    ],
)
def test_names(name: str, said: str) -> None:
    assert latex_name(name) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a - (b - c)", r"a - \left(b - c\right)"),
        ("a - b - c", "a - b - c"),
        ("(a + b) * c", r"\left(a + b\right) \, c"),
        ("a / b / c", r"\frac{\frac{a}{b}}{c}"),
        ("-a / b", r"-\frac{a}{b}"),
        ("a + -b / c", r"a + \left(-\frac{b}{c}\right)"),
        ("(-a)^2", r"\left(-a\right)^{2}"),
        ("-a^2", "-a^{2}"),
        ("(a / b)^c", r"\left(\frac{a}{b}\right)^{c}"),
        ("a^b^c", "a^{b^{c}}"),
        ("(a^b)^c", r"\left(a^{b}\right)^{c}"),
        ("exp(x)^2", r"\left(e^{x}\right)^{2}"),
        ("|x|^2", r"\left|x\right|^{2}"),
        ("2 * 3", r"2 \cdot 3"),
        ("x * 2", r"x \cdot 2"),
        ("-a * b", r"-a \, b"),
        ("a * -b", r"a \, \left(-b\right)"),
        ("1e-7 * x", r"10^{-7} \, x"),
        ("2.5e3", r"2.5 \cdot 10^{3}"),
        ("(1e3)^2", r"\left(10^{3}\right)^{2}"),
        ("sum[i](a[i]) * b", r"\left(\sum_{i} a_{i}\right) \, b"),
        ("b * sum[i](a[i])", r"b \, \sum_{i} a_{i}"),
        ("c * sum[i](a[i]) * b", r"\left(c \, \sum_{i} a_{i}\right) \, b"),
        ("sum[i](a[i] + b)", r"\sum_{i} \left(a_{i} + b\right)"),
        ("sum[k in -1..n](a[k])", r"\sum_{k=-1}^{n} a_{k}"),
        ("mean[i, j if i != j](d[i, j])", r"\operatorname{mean}_{i, j \,:\, i \ne j}\left(d_{i, j}\right)"),  # noqa: E501
        ("max(a, b)", r"\max\left(a, b\right)"),
        ("max[i](a[i])", r"\max_{i}\left(a_{i}\right)"),
        ("0 <= p < 1 and not (q or r)", r"0 \le p < 1 \land \lnot \left(q \lor r\right)"),
        ("log1p(-x)", r"\log\left(1 + \left(-x\right)\right)"),
        ("if a then b else if c then d else f", r"\begin{cases} b & \text{if } a \\ d & \text{if } c \\ f & \text{otherwise} \end{cases}"),  # noqa: E501
        ("2 * (if a then b else c)", r"2 \, \left(\begin{cases} b & \text{if } a \\ c & \text{otherwise} \end{cases}\right)"),  # noqa: E501
        ("u[item=i]", r"u_{\mathrm{item} = i}"),
        ("size(class) + size(...)", r"N_{\mathrm{class}} + N"),
        ("area(b; s = 1)", r"\operatorname{area}\left(b; s = 1\right)"),
        ("log_softmax[c](z)", r"\operatorname{log\,softmax}_{c}\left(z\right)"),
    ],
)  # fmt: skip
def test_expressions(text: str, said: str) -> None:
    assert tex(text) == said


def test_a_bare_formula_has_no_name() -> None:
    (item,) = losses(Source.of("mse.loss", "mean((ŷ − y)²)"))
    assert latex(item) == r"\operatorname{mean}\left(\left(\hat{y} - y\right)^{2}\right)"
