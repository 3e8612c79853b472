"""The search of a witness: floats first, then the interpreter in arbitrary precision.

Points are drawn at random, at ends of intervals, at small numbers and at ties, and the best are
moved about. What looks like a witness is rounded to short numbers and certified by the
interpreter, on the formula as it was written, at two precisions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from mpmath import mp

from ..arithmetic import Value
from ..interpret import Machine
from ..ir import Access, Expr, postorder
from .frame import Case
from .goal import Budget, put
from .interval import INF, Interval
from .normal import is_zero
from .numeric import Array, evaluate, evaluate_all
from .tidy import number

POINTS, BEST, ROUNDS = 600, 6, 7
TIED = 8  # inputs that others are set equal to
PRECISIONS = (40, 90)
AGREE = mp.mpf(10) ** -20
LEAST = mp.mpf(10) ** -13
FLOAT_ERROR = 1e-9
SPECIAL = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 10.0, -10.0, 0.1, 0.01, 3.0)
SIMPLE = (0, 1, 2, -1, Fraction(1, 2), -2, 3, 10)
MARGIN = 1e-6  # from an open end

Point = Mapping[str, Fraction]


@dataclass(frozen=True)
class Question:
    """Whether `gap` is ever below 0, or with `zero` ever not 0.

    `exact` gives the gap by the interpreter. `integers` names variables that are whole numbers.
    """

    gap: Expr
    box: Mapping[str, Interval]
    exact: Callable[[Point], Value]
    given: tuple[Expr, ...] = ()
    zero: bool = False
    strict: bool = False
    integers: frozenset[str] = frozenset()
    seed: int = 0


def find(question: Question, budget: Budget, rounds: int = ROUNDS) -> Point | None:
    """A certified witness, made simple, or None."""
    found = _found(question, budget, rounds)
    return None if found is None else simpler(question, found)


def simpler(question: Question, point: Point) -> Point:
    """A witness with simple numbers in place of others, as long as it stays one."""
    best = dict(point)
    for name in sorted(point):
        for x in SIMPLE:
            if x not in question.box[name] or best[name] == x:
                if best[name] == x:
                    break
                continue
            trial = {**best, name: Fraction(x)}
            if confirms(question, trial):
                best = trial
                break
    return best


def _found(question: Question, budget: Budget, rounds: int) -> Point | None:
    names = sorted(question.box)
    rng = np.random.default_rng(question.seed)
    points = _start(question, names, rng)
    seen: set[tuple[Fraction, ...]] = set()
    for round_ in range(rounds):
        if budget.left <= 0:
            return None
        score = _score(question, points)
        order = np.argsort(score)[:BEST]
        for k in order[:3]:
            if score[k] < 0:
                found = _certified(question, {n: float(points[n][k]) for n in names}, seen)
                if found is not None:
                    return found
        if not names:
            return None
        points = _around(question, names, points, order, rng, 0.5 * 0.3**round_)
    return None


# --- points ---------------------------------------------------------------------------------------


def _start(question: Question, names: Sequence[str], rng: np.random.Generator) -> dict[str, Array]:
    points: dict[str, Array] = {}
    for name in names:
        points[name] = _column(question.box[name], rng)
        if name in question.integers:
            points[name] = np.round(points[name])
    some = [names[k] for k in rng.permutation(len(names))[:TIED]]
    for a in some:
        for b in names:
            tie = rng.random(POINTS) < 0.5 / len(some)
            near = rng.choice([0.0, 0.0, 1.0, -1.0, 1e-3], POINTS)
            moved = _inside(np.where(tie, points[a] + near, points[b]), question.box[b])
            points[b] = np.round(moved) if b in question.integers else moved
    return points


def _column(interval: Interval, rng: np.random.Generator) -> Array:
    """Numbers of an interval: everywhere, near its ends, and special ones."""
    size = rng.choice([0.1, 1.0, 3.0, 10.0, 40.0], POINTS)
    wide = rng.standard_normal(POINTS) * size
    special = rng.choice(SPECIAL, POINTS)
    column = np.where(rng.random(POINTS) < 0.35, special, wide)
    low, high = interval.low, interval.high
    if interval.is_bounded:
        even = low + (high - low) * rng.random(POINTS)
        ends = np.where(rng.random(POINTS) < 0.5, low, high)
        near = np.where(rng.random(POINTS) < 0.5, low, high)
        near = near + rng.standard_normal(POINTS) * 0.01 * (high - low)
        pick = rng.random(POINTS)
        column = np.where(pick < 0.5, even, np.where(pick < 0.65, ends, near))
        column = np.where(rng.random(POINTS) < 0.15, special, column)
    elif low > -INF:
        column = np.where(rng.random(POINTS) < 0.5, low + np.abs(wide), column)
    elif high < INF:
        column = np.where(rng.random(POINTS) < 0.5, high - np.abs(wide), column)
    return _inside(column, interval)


def _inside(column: Array, interval: Interval) -> Array:
    scale = interval.high - interval.low if interval.is_bounded else 1.0
    low = interval.low + (MARGIN * scale if interval.low_open and interval.low > -INF else 0.0)
    high = interval.high - (MARGIN * scale if interval.high_open and interval.high < INF else 0.0)
    return np.clip(column, low, high)


def _around(
    question: Question, names: Sequence[str], points: Mapping[str, Array], order: Array,
    rng: np.random.Generator, step: float,
) -> dict[str, Array]:  # fmt: skip
    """Points near the best, some variables moved."""
    chosen = rng.choice(order, POINTS)
    moved: dict[str, Array] = {}
    for name in names:
        base = points[name][chosen]
        shift = rng.standard_normal(POINTS) * step * np.maximum(np.abs(base), 0.3)
        column = _inside(base + np.where(rng.random(POINTS) < 0.6, shift, 0.0), question.box[name])
        moved[name] = np.round(column) if name in question.integers else column
    return moved


def _score(question: Question, points: Mapping[str, Array]) -> Array:
    """How far each point is from a witness: below 0 for one, by the precision of floats."""
    found, size = _sized(question.gap, points or {"#": np.zeros(1)})
    gap, scale = np.array(found), 1 + size
    if question.zero:
        gap = -np.abs(gap)
    tolerance = 0.0 if question.strict else FLOAT_ERROR * scale
    score = np.where(gap < -tolerance, gap / scale - FLOAT_ERROR, np.maximum(gap, 0.0) / scale)
    if question.strict:
        score = np.where(gap <= 0, -1.0, score)
    for condition in question.given:
        score = np.where(evaluate(condition, points).astype(bool), score, np.inf)
    return np.where(np.isnan(gap) | np.isinf(gap), np.inf, score)


def _sized(term: Expr, points: Mapping[str, Array]) -> tuple[Array, Array]:
    """A gap, and the size of its summands, which sets its rounding error."""
    parts = [p for p in term.parts if p.kind != "bool"] or [term]
    gap, *values = evaluate_all([term, *parts], points)
    size: Array = np.nan_to_num(np.max(np.abs(values), axis=0), nan=0.0, posinf=1e300)
    return gap, size


# --- certificates ---------------------------------------------------------------------------------


def _certified(
    question: Question, point: Mapping[str, float], seen: set[tuple[Fraction, ...]]
) -> Point | None:
    """The point, with as few digits as will do, if the interpreter confirms it."""
    for digits in (0, 1, 2, 3, None):
        short = {n: rounded(x, digits, n in question.integers) for n, x in point.items()}
        key = tuple(short.values())
        if key in seen and digits is not None:
            continue
        seen.add(key)
        if all(x in question.box[n] for n, x in short.items()) and confirms(question, short):
            return short
    return None


def draw(question: Question) -> dict[str, Array]:
    """Points of a question's box: random ones, ends, special numbers and ties."""
    return _start(question, sorted(question.box), np.random.default_rng(question.seed))


def rounded(x: float, digits: int | None, whole: bool) -> Fraction:
    """A float as a fraction, with so many decimals or exactly."""
    if whole:
        return Fraction(round(x))
    if digits is None or not math.isfinite(x):
        return Fraction(x)
    return Fraction(round(x, digits)).limit_denominator(10**digits)


def confirms(question: Question, point: Point) -> bool:
    """Whether a point is a witness beyond doubt: two precisions agree that the gap is one."""
    gaps = []
    for digits in PRECISIONS:
        with mp.workdps(digits):
            if not _admits(question, point):
                return False
            gap = question.exact(point)
            if not mp.isfinite(gap):
                return False
            gaps.append(gap)
    with mp.workdps(PRECISIONS[0]):
        first, second = gaps
        if question.strict and first == second == 0:
            return _is_zero(question.gap, point)
        if abs(first - second) > AGREE * max(abs(second), LEAST):
            return False
        return bool(abs(second) > LEAST if question.zero else second < -LEAST)


def _is_zero(gap: Expr, point: Point) -> bool:
    """Whether a gap is exactly 0 at a point, by its normal form."""
    for name, x in point.items():
        gap = put(gap, name, number(x))
    return is_zero(gap)


def _admits(question: Question, point: Point) -> bool:
    arrays = _arrays(point)
    return all(Machine({}, arrays).run(c, {}) for c in question.given)


def _arrays(point: Point) -> dict[str, Array]:
    return {n: np.array(mp.mpf(x.numerator) / x.denominator, dtype=object)
            for n, x in point.items()}  # fmt: skip


def number_at(term: Expr, point: Point) -> Value:
    """The value of a scalar term at a point."""
    return Machine({}, _arrays(point)).run(term, {})


def number_at_values(term: Expr, values: Mapping[str, Value]) -> Value:
    """The value of a scalar term at numbers of the interpreter."""
    arrays = {n: np.array(x, dtype=object) for n, x in values.items()}
    return Machine({}, arrays).run(term, {})


def completed(case: Case, point: Point) -> dict[str, Value]:
    """The values of all scalars of a case at a point of its box."""
    values = {n: mp.mpf(x.numerator) / x.denominator for n, x in point.items()}
    for name, term in case.fixed.items():
        values[name] = number_at(term, {n: point.get(n, Fraction(0)) for n in _names(term)})
    return values


def _names(term: Expr) -> set[str]:
    return {t.tensor.name for t in postorder(term) if isinstance(t, Access)}
