"""Sums of like terms: what cancels in symbols is left out, and the value stays."""

from __future__ import annotations

import pytest
from mpmath import mp

import lossc
from lossc.compiler.interpret import interpret
from lossc.compiler.ir import Apply, Expr, postorder
from lossc.compiler.passes.differentiate import differentiate
from lossc.compiler.passes.stabilise import LIKE_TERMS, stabilised

POINTS = ((0.5, 1.75, -2.25), (-3.0, 0.125, 0.75), (1e-9, 3.0, 40.0), (7.5, 1e6, 0.25))
DIGITS = 60
# Sums, and the number of additions and subtractions that are left of each.
SUMS = {
    "1 / (x^2 + y) - x^2 / (x^2 + y)^2": 1,
    "(x - y) * exp(z) + y * exp(z)": 0,
    "x * (1 + exp(z)) - x": 0,
    "(exp(x) + y) / z - y / z": 0,
    "(1 - x / y)^2 * (1 + x / y)^3 - (1 - x / y)^3 * (1 + x / y)^2": 2,
    "exp(-(x / y)^2 / 2) * z - exp(-(x / (y * sqrt(2)))^2) * z": 0,
    "(x - y) * z + (y - x) * z + exp(x)": 0,
    "x / sqrt(2 * pi) * sqrt(2) - x / sqrt(pi)": 0,
    "cos(x) * (y + exp(z)) - cos(x) * exp(z) + z": 1,
    "(if y > 2 then x * exp(z) else 0) + z + (if y > 2 then y else 0) - x * exp(z)": 2,
}
# Sums in which nothing cancels, however they are multiplied out.
KEPT = (
    "x * exp(y) - y * exp(x)", "(x - y) * exp(z)", "x / (1 + exp(y)) - z", "(x - y)^2 + (y - z)^2",
    "x^2 - y * z", "exp(x) / (y + z) - exp(y) / (x + z)",
)  # fmt: skip


def compiled(text: str) -> lossc.Loss:
    return lossc.compile(f"def f(x[], y[], z[]) = {text}")


def sums(term: Expr) -> int:
    return sum(isinstance(t, Apply) and t.op in ("add", "sub") for t in postorder(term))


@pytest.mark.parametrize(("text", "left"), SUMS.items())
def test_like_terms_cancel_and_the_value_stays(text: str, left: int) -> None:
    checked = compiled(text)._checked
    stable, fired = stabilised(checked.program, checked.domains)
    assert LIKE_TERMS in [f.rule for f in fired]
    assert sums(stable.value) == left
    for x, y, z in POINTS:
        point = {n: v for n, v in zip("xyz", (x, y, z), strict=True) if n in checked.inputs}
        before, after = (interpret(p, point, DIGITS) for p in (checked.program, stable))
        with mp.workdps(DIGITS):
            assert abs(before - after) <= mp.mpf(10) ** (20 - DIGITS) * max(abs(before), 1)


@pytest.mark.parametrize("text", KEPT)
def test_a_sum_stays_where_nothing_cancels(text: str) -> None:
    checked = compiled(text)._checked
    _, fired = stabilised(checked.program, checked.domains)
    assert LIKE_TERMS not in [f.rule for f in fired]


def test_the_rule_of_the_quotient_leaves_no_difference() -> None:
    """The slope of u / (u + 1) is 1 / (u + 1)^2, also where u is large."""
    checked = lossc.compile("mean(y^2 / (1 + y^2))")._checked
    slope, _ = stabilised(differentiate(checked.program, "y"), checked.domains)
    assert not [t for t in postorder(slope.value) if isinstance(t, Apply) and t.op == "sub"]
