"""Goals that are tried at points: those that fail are seen, those that hold are never given up."""

from __future__ import annotations

from fractions import Fraction

import pytest

from lossc.compiler.audit.goal import Goal
from lossc.compiler.audit.interval import ANY, EMPTY, Interval
from lossc.compiler.audit.trial import seems_false
from lossc.compiler.ir import BOOL, Access, Apply, Const, Expr, Tensor

X = Access(Tensor("x", ()))
ZERO, ONE = Const(Fraction(0)), Const(Fraction(1))
SQUARE = Apply("mul", (X, X))
CASES: dict[str, tuple[Expr, Interval, tuple[Expr, ...], bool]] = {
    "a number of any sign": (X, ANY, (), True),
    "a square": (SQUARE, ANY, (), False),
    "a square less 1": (Apply("sub", (SQUARE, ONE)), Interval(-0.5, 0.5), (), True),
    "where a condition rules it out": (X, ANY, (Apply("gt", (X, ZERO), BOOL),), False),
    "where a condition admits it": (X, ANY, (Apply("lt", (X, ZERO), BOOL),), True),
    "a difference that rounding leaves": (
        Apply("sub", (Apply("log", (Apply("exp", (X,)),)), X)), Interval(0.0, 1.0), (), False,
    ),
    "where there is no point": (X, EMPTY, (), False),
    "where it has no value": (Apply("log", (X,)), Interval(-2.0, -1.0), (), False),
}  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", CASES)
def test_goals_are_tried(name: str) -> None:
    term, interval, given, fails = CASES[name]
    assert seems_false(Goal(term, {"x": interval}, given)) == fails
