"""Goals tried at points in floats: where one fails, no proof is looked for. Proves nothing."""

from __future__ import annotations

import numpy as np

from ..numeric import Array, evaluate_all
from .goal import Goal, variables
from .interval import INF, Interval

POINTS = 40
SIZES = (0.1, 1.0, 3.0)  # of numbers that have no end in sight
SURE = 1e-6  # of the largest summand: a term so far below 0 is not so by rounding


def seems_false(goal: Goal) -> bool:
    """Whether a term is clearly below 0 at some point of the goal, by the precision of floats."""
    names = sorted(variables(goal.term, *goal.given))
    if not names or any(n not in goal.box or goal.box[n].is_empty for n in names):
        return False
    rng = np.random.default_rng(0)
    points = {n: _column(goal.box[n], rng) for n in names}
    parts = [p for p in goal.term.parts if p.kind != "bool"]
    try:
        value, *rest = evaluate_all([goal.term, *parts, *goal.given], points)
    except TypeError:  # a reduction, which has no value in floats
        return False
    sizes = [np.abs(x) for x in rest[: len(parts)]]
    least = -SURE * (1 + np.max(sizes, axis=0, initial=0.0))
    kept = np.all([c != 0 for c in rest[len(parts) :]], axis=0)
    return bool(np.any(np.isfinite(value) & (value < least) & kept))


def _column(interval: Interval, rng: np.random.Generator) -> Array:
    """Numbers inside an interval."""
    low, high = interval.low, interval.high
    if interval.is_bounded:
        share = rng.random(POINTS)
        return np.asarray((1 - share) * low + share * high)
    wide = rng.standard_normal(POINTS) * rng.choice(SIZES, POINTS)
    if low > -INF:
        return np.asarray(low + np.abs(wide))
    return np.asarray(high - np.abs(wide)) if high < INF else wide
