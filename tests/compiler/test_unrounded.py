"""Sums of products that may cancel: which there are, and forms in which they can be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

import lossc
from lossc.compiler.analyses.bounds import Inference
from lossc.compiler.analyses.polynomials import Polynomials
from lossc.compiler.ir import Apply, Expr, Program, Reduce, Select, postorder
from lossc.compiler.passes.combine import combine
from lossc.compiler.passes.expose import expose
from lossc.compiler.passes.unrounded import unrounded
from tests.rewrites import Point, same

HEAD = """def f(x[i], y[i], b[i], n[i]; t = 2) = {}
where b in [0, 1]; n in [0, inf); t in (0, inf)"""
# Sums with how many terms are to be computed in all digits.
LOSSY = {
    "x * y - x * y[0]": 1,
    "x^2 - y^2": 1,
    "sum[i](x * y)": 1,
    "sum[i]((x - y)^2) - sum[i](x^2)": 1,
    "mean[i](x * abs(y))": 1,
    "max[i](x * y) - min[i](x * y)": 1,
    "x * y / t - x * x": 1,
    "exp(sum[i](x * y)) / (x^2 - y^2)": 2,
    "(x^2 - y^2) / (size(i) * t)": 1,
    "(x^2 - y^2) / exp(x) + 1 / (x * y - x^2)": 2,
    "(if x * y > y * y then x else y)": 0,
    "(if x^2 - y^2 > 0 then x else y)": 1,
    "prod[k in 0..1](x[k]) - prod[k in 0..1](y[k])": 1,
    "(x * y - x^2) * sqrt(y^2 - x^2)": 2,
    "(x * y - x^2) * y - x^3": 1,
}
LOSSLESS = (
    "x - y", "sum[i](x)", "x^2 + y^2", "sum[i]((x - y)^2)", "mean[i](n * (x - y)^2)", "n * n + n",
    "-x^2 - n * y^2", "x * y", "x * y + 1", "x * y - x", "b * b - b", "x^9 - y^9",
    "exp(x) - exp(y)", "sum[i](t * x)", "(x^2 - y^2) / sqrt(x^2 + y^2)",
    "mean[i](if abs(x) <= t then x^2 / 2 else t * (abs(x) - t / 2))",
)  # fmt: skip
POINTS: tuple[Point, ...] = (
    {"x": (0.5, -2, 3), "y": (1.5, 4, -0.25), "b": (0, 1, 0.5), "n": (1, 0, 3), "t": 2},
    {"x": (-3, 0, 1e-3), "y": (-30, 20, 7), "b": (1, 0, 0.5), "n": (0, 2, 3), "t": 3},
    {"x": (1e20, 3, 1e-5), "y": (-1e20, 3, 1e5), "b": (0, 1, 0.1), "n": (1, 1e9, 0), "t": 0.5},
)


def parts(formula: str) -> tuple[Program, Inference]:
    checked = lossc.compile(HEAD.format(formula))._checked
    return checked.program, Inference(checked.domains)


def found(formula: str) -> frozenset[Expr]:
    program, facts = parts(formula)
    return unrounded([program.value], facts)


@pytest.mark.parametrize("formula", LOSSY)
def test_products_that_may_cancel_are_found(formula: str) -> None:
    assert len(found(formula)) == LOSSY[formula]


@pytest.mark.parametrize("formula", LOSSLESS)
def test_other_sums_are_computed_in_double_precision(formula: str) -> None:
    assert not found(formula)


def test_what_only_others_are_made_of_is_left_out() -> None:
    (whole,) = found("(x^2 - y^2) * x - y^3")
    assert isinstance(whole, Apply)
    assert whole.op == "sub"
    assert len(found("((x^2 - y^2) * x - y^3) / exp(x^2 - y^2)")) == 2


@pytest.mark.parametrize(
    ("formula", "degree"),
    [("x", 1), ("b", 0), ("t * x", 1), ("x * y^2", 3), ("max(x, y)^4", 4), ("x^8", 8),
     ("x^9", None), ("x / t", 1), ("x / y", None), ("exp(x)", None), ("3", 0), ("size(i) * x", 1),
     ("if x > exp(y) then x * y else 1", 2), ("mean[i](x)^2", 2)],
)  # fmt: skip
def test_degrees(formula: str, degree: int | None) -> None:
    program, facts = parts(formula)
    assert Polynomials(facts).degree(program.value) == degree


# --- one quotient ---------------------------------------------------------------------------------

QUOTIENTS = (
    "x / y - y / x",
    "2 * n * x / (x^2 + y^2) - 2 * n^2 * y / (x^2 + y^2)^2",
    "x / (x^2 + 1) - (if n > 0 then y^2 / (x^2 + 1)^2 else 0)",
    "(x - y / x) * y - x * x",
    "sum[i](x * y / (x^2 + 1)) - sum[i](n * n / (x^2 + 1)^2)",
    "sum[i](n * t * x) / (y^2 + 1) - n * x / (y^2 + 1)^2",
    "(x * y - n * x) / (x^2 + 1) + x / (x^2 + 1)^2",
    "y^2 / x - (if x > 0 then n^3 / x^2 else 0)",
)
OTHERS = (
    "x / y", "x * y - y * n", "x / exp(y) - y / exp(x)", "n / (x^2 + 1) + n / (x^2 + 1)^2",
    "sum[i](x / (y^2 + 1)) - sum[i if n > 0](y / (x^2 + 1))", "x / 2 - y / 3",
)  # fmt: skip


@pytest.mark.parametrize("formula", QUOTIENTS)
def test_quotients_that_may_cancel_are_one(formula: str) -> None:
    program, facts = parts(formula)
    value = combine(program.value, facts)
    assert value != program.value
    assert any(map(Polynomials(facts).is_lossy, postorder(value)))
    assert same(program, replace(program, value=value), POINTS, partial=True)


@pytest.mark.parametrize("formula", OTHERS)
def test_other_quotients_stay(formula: str) -> None:
    program, facts = parts(formula)
    assert combine(program.value, facts) == program.value


def test_a_quotient_by_zero_is_what_it_was() -> None:
    text = "y^2 / x - (if x > 0 then n^3 / x^2 else 0)"
    loss = lossc.compile(HEAD.format(text))
    checked = loss._checked
    value = combine(checked.program.value, Inference(checked.domains))
    (choice,) = [
        t for t in postorder(value) if isinstance(t, Select) and t.then.free and t == value
    ]
    assert choice.other == checked.program.value


def test_long_products_of_sums_are_not_multiplied_out() -> None:
    program, facts = parts(" * ".join(["(x / y - y / x)"] * 5) + " - x")
    assert len(postorder(combine(program.value, facts))) < 100


# --- differences that decide ----------------------------------------------------------------------

EXPOSED: dict[str, Callable[[Expr], bool]] = {
    "x^2 > y^2": lambda t: isinstance(t, Apply) and t.op == "gt" and t.args[0].kind == "real",
    "x * y - logsumexp[i](x * y)": lambda t: isinstance(t, Reduce) and t.op == "max",
    "x * y - logsumexp[i if n > 0](x * y[0])": lambda t: isinstance(t, Reduce) and t.op == "max",
}


@pytest.mark.parametrize("formula", EXPOSED)
def test_differences_are_written_out(formula: str) -> None:
    text = f"if {formula} then 1 else 0" if ">" in formula and "[" not in formula else formula
    program, facts = parts(text)
    value = expose(program.value, facts)
    assert value != program.value
    assert any(map(EXPOSED[formula], postorder(value)))
    assert unrounded([value], facts)
    assert same(program, replace(program, value=value), POINTS)


@pytest.mark.parametrize("formula", ["if x > y then 1 else 0", "x - logsumexp[i](x)", "x * y"])
def test_others_are_left_as_they_are(formula: str) -> None:
    program, facts = parts(formula)
    assert expose(program.value, facts) == program.value
