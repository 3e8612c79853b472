"""Identities: by normal form, and where that is not enough by SymPy within a time limit."""

from __future__ import annotations

import numpy as np

from ..ir import Expr
from ..numeric import Array, evaluate
from .goal import Budget, Goal, split, variables
from .interval import INF, Interval
from .normal import is_zero
from .prove import NORMAL_FORM, SYMPY
from .sympy_terms import simplifies_to_zero

POINTS = 64
TOLERANCE = 1e-6


def is_identity(term: Expr, goal: Goal, budget: Budget) -> str | None:
    """How a term is shown to be 0 over a box."""
    if is_zero(term, goal.positive):
        return NORMAL_FORM
    budget.check()
    if not seems_zero(term, goal):
        return None
    cases = split(goal)
    if cases is not None:
        how = [is_identity(c.term, c, budget) for c in cases]
        return None if None in how else max((h for h in how if h), key=len, default=NORMAL_FORM)
    return _by_sympy(term, goal, budget)


def seems_zero(term: Expr, goal: Goal) -> bool:
    """Whether a term is 0 at random points, by the precision of floats."""
    rng = np.random.default_rng(0)
    names = sorted(variables(term, *goal.given))
    points = {n: _column(goal.box.get(n, Interval()), rng) for n in names}
    values = np.asarray(evaluate(term, points or {"#": np.zeros(1)}))
    kept = np.isfinite(values)
    for condition in goal.given:
        kept &= evaluate(condition, points).astype(bool)
    return bool(np.all(np.abs(values[kept]) < TOLERANCE))


def _column(i: Interval, rng: np.random.Generator) -> Array:
    if i.is_bounded:
        return i.low + (i.high - i.low) * rng.random(POINTS)
    column = rng.standard_normal(POINTS) * 2
    if i.low > -INF:
        return i.low + np.abs(column)
    return i.high - np.abs(column) if i.high < INF else column


def _by_sympy(term: Expr, goal: Goal, budget: Budget) -> str | None:
    return SYMPY if simplifies_to_zero(term, goal, min(budget.left, 1.5)) else None
