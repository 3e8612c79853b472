"""The search of a witness: floats first, then the interpreter in arbitrary precision.

Points are drawn at random, at ends of intervals, at small numbers and at ties, and the best are
moved about. What looks like a witness is rounded to short numbers and certified by the
interpreter, on the formula as it was written: in digits that are raised until they stand still, as
`loss.reference` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from mpmath import mp

from ..arithmetic import NEAREST, NUDGED, Arithmetic, Value
from ..interpret import Machine
from ..ir import Access, Expr, postorder
from ..numeric import Array, evaluate, evaluate_all
from .frame import Case
from .goal import Budget, put
from .interval import INF, Interval
from .normal import is_zero
from .tidy import number

POINTS, BEST, ROUNDS = 600, 6, 7
TIED = 8  # inputs that others are set equal to
PRECISIONS = (40, 90, 200, 450, 1000)  # digits
AGREE = mp.mpf(10) ** -20
LEAST = mp.mpf(10) ** -13
FLOAT_ERROR = 1e-9
LAST = -1e-30  # the score of an infinite gap: a witness with numbers is a better one
SPECIAL = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 10.0, -10.0, 0.1, 0.01, 3.0)
SIMPLE = (0, 1, 2, -1, Fraction(1, 2), -2, 3, 10)
SIZES = (0.1, 1.0, 3.0, 10.0, 40.0)
NEAR = (0.0, 0.0, 1.0, -1.0, 1e-3)  # from a number that a tied one is
MARGIN = 1e-6  # from an open end

Point = Mapping[str, Fraction]


@dataclass(frozen=True)
class Question:
    """Whether `gap` is ever below 0, or with `zero` ever not 0.

    `exact` gives the gap by the interpreter in some arithmetic. `integers` names variables that are
    whole numbers.
    """

    gap: Expr
    box: Mapping[str, Interval]
    exact: Callable[[Point, Arithmetic], Value]
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
    space = _Space.of(question, names)
    points = space.inside(space.columns(rng))
    some = rng.permutation(len(names))[:TIED]
    for a in some:
        tie = rng.random(points.shape) < 0.5 / len(some)
        near = _chosen(NEAR, points.shape, rng)
        points = space.inside(np.where(tie, points[a] + near, points))
    return dict(zip(names, points, strict=True))


@dataclass(frozen=True)
class _Space:
    """The intervals of some variables, one a row; `whole` tells which are of integers."""

    low: Array
    high: Array
    low_end: Array
    high_end: Array
    whole: Array

    @staticmethod
    def of(question: Question, names: Sequence[str]) -> _Space:
        """That of a question; its ends are where points may lie, a margin from open ones."""
        intervals = [question.box[n] for n in names]
        low, high = np.array([(i.low, i.high) for i in intervals]).reshape(-1, 2).T[:, :, None]
        bounded = np.array([i.is_bounded for i in intervals], dtype=bool)[:, None]
        margin = MARGIN * np.where(bounded, high - low, 1.0)
        opens = np.array([(i.low_open, i.high_open) for i in intervals], dtype=bool)
        low_open, high_open = opens.reshape(-1, 2).T[:, :, None]
        ends = low + margin * low_open, high - margin * high_open
        whole = np.array([n in question.integers for n in names], dtype=bool)[:, None]
        return _Space(low, high, *ends, whole)

    def columns(self, rng: np.random.Generator) -> Array:
        """Numbers of each interval: everywhere, near its ends, and special ones."""
        shape = (len(self.low), POINTS)
        wide = rng.standard_normal(shape) * _chosen(SIZES, shape, rng)
        special = _chosen(SPECIAL, shape, rng)
        column = np.where(rng.random(shape) < 0.35, special, wide)
        half = rng.random(shape) < 0.5
        above, below = self.low > -INF, self.high < INF
        with np.errstate(invalid="ignore"):
            aside = np.where(above, self.low + np.abs(wide), self.high - np.abs(wide))
            column = np.where((above ^ below) & half, aside, column)
            return np.where(above & below, self.between(special, half, rng), column)

    def between(self, special: Array, half: Array, rng: np.random.Generator) -> Array:
        """Numbers of intervals with two ends."""
        shape, width = special.shape, self.high - self.low
        ends = np.where(half, self.low, self.high)
        near = ends + rng.standard_normal(shape) * 0.01 * width
        even, pick = self.low + width * rng.random(shape), rng.random(shape)
        column = np.where(pick < 0.5, even, np.where(pick < 0.65, ends, near))
        return np.where(rng.random(shape) < 0.15, special, column)

    def inside(self, columns: Array) -> Array:
        """Numbers moved into their intervals, and rounded where these are of integers."""
        moved = np.clip(columns, self.low_end, self.high_end)
        return np.where(self.whole, np.round(moved), moved) if self.whole.any() else moved


def _chosen(numbers: Sequence[float], shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return np.asarray(numbers)[rng.integers(len(numbers), size=shape)]


def _around(
    question: Question, names: Sequence[str], points: Mapping[str, Array], order: Array,
    rng: np.random.Generator, step: float,
) -> dict[str, Array]:  # fmt: skip
    """Points near the best, some variables moved."""
    chosen = rng.choice(order, POINTS)
    base = np.stack([points[n][chosen] for n in names])
    shift = rng.standard_normal(base.shape) * step * np.maximum(np.abs(base), 0.3)
    moved = base + np.where(rng.random(base.shape) < 0.6, shift, 0.0)
    return dict(zip(names, _Space.of(question, names).inside(moved), strict=True))


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
    endless = np.where((gap == -np.inf) & (not question.zero), LAST, np.inf)
    score = np.where(np.isfinite(gap), score, endless)
    for condition in question.given:
        score = np.where(evaluate(condition, points).astype(bool), score, np.inf)
    return score


def _sized(term: Expr, points: Mapping[str, Array]) -> tuple[Array, Array]:
    """A gap, and the size of its finite summands, which sets its rounding error."""
    parts = [p for p in term.parts if p.kind != "bool"] or [term]
    gap, *values = evaluate_all([term, *parts], points)
    size: Array = np.nan_to_num(np.max(np.abs(values), axis=0), nan=0.0, posinf=0.0)
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
    """Whether a point is a witness beyond doubt."""
    gap = settled(question, point)
    if gap is None or mp.isnan(gap):
        return False
    if question.strict and gap == 0:
        return _is_zero(question.gap, point)
    return bool(mp.isfinite(gap) and abs(gap) > LEAST if question.zero else gap < -LEAST)


def settled(question: Question, point: Point) -> Value | None:
    """The gap at a point, in as many digits as it takes; None outside, or if it does not settle.

    What rests on digits that are not there differs when they are rounded otherwise.
    """
    before: Value | None = None
    for digits in PRECISIONS:
        with mp.workdps(digits):
            if not _admits(question, point):
                return None
            near, nudged = (question.exact(point, a) for a in (NEAREST, NUDGED))
            if before is not None and _agree(near, nudged) and _agree(near, before):
                return near
            before = near if _agree(near, nudged) else None
    return None


def _agree(a: Value, b: Value) -> bool:
    if not (mp.isfinite(a) and mp.isfinite(b)):
        return bool(a == b or (mp.isnan(a) and mp.isnan(b)))
    return bool(abs(a - b) <= AGREE * max(abs(b), LEAST))


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
