"""`limit p -> v equals expr`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice, pairwise

import numpy as np
from mpmath import mp

from lossc.dsl import ast

from ...arithmetic import NEAREST, NUDGED, Value
from ...ir import Apply, Expr
from ...numeric import evaluate
from ..algebra import is_identity
from ..context import Context, Doubt, Exact, at_place, ladder
from ..degrees import SCALE, degrees
from ..derivative import derivative
from ..enclose import enclose
from ..frame import Case, Frame
from ..goal import Goal, comparisons, excess, put, split_at, variables
from ..interval import INF as ENDLESS
from ..interval import Interval
from ..normal import normal
from ..prove import (
    NORMAL_FORM,
    SYMPY,
    generalised,
    hardest,
    is_continuous,
    is_finite,
    is_regular,
)  # fmt: skip
from ..scalars import open_places
from ..search import Question, completed, draw, rounded
from ..statements import NotStated
from ..sympy_terms import limit_is_zero
from ..tidy import INF, MINUS_INF, ONE, ZERO, build, negated, tidy, value_of
from ..verdict import Verdict, refuted

STEPS = (9, 14, 23, 37, 60)  # powers of 10 by which a param nears its limit
SEEN = 3  # the last ones, whose values must agree
DIGITS = 120
SMALLEST = 1e-3  # what a gap must be, and by how much its values may differ
TRIES = 6
Side = tuple[int, Interval]


def limit(context: Context, claim: ast.Claim) -> Verdict:
    """`limit p -> v equals expr`: the value nears the expression as the param nears v."""
    assert claim.expr is not None
    start, goal = claim.subjects
    if not isinstance(start, ast.Name):
        raise NotStated("a limit in something else than an input or param")
    main = context.frames[0]
    if start.id not in main.decls or len(main.elements(start.id)) != 1:
        raise NotStated("a limit in something else than one number")
    value = context.checked.program.value
    gap = Apply("sub", (value, context.statements.term(claim.expr)))
    end = tidy(context.statements.term(goal))

    def prove(frame: Frame, case: Case) -> str | None:
        (name,) = frame.elements(start.id)
        if name not in case.box:
            return None
        found = NORMAL_FORM
        for env in open_places(gap, frame.writer):
            term = case.of(frame.write(gap, env))
            how = _vanishes(context, Goal(term, case.box, case.given), name, end)
            if how is None:
                return None
            found = max(found, how, key=len)
        return found

    def refute(frame: Frame, case: Case) -> Verdict | None:
        (name,) = frame.elements(start.id)
        if name not in case.box:
            return None
        for env in open_places(gap, frame.writer):
            term = case.of(frame.write(gap, env))
            for at in _approaches(case.box[name], end):
                verdict = _stays_apart(context, frame, case, term, at_place(gap, env), name, at)
                if verdict is not None:
                    return verdict
        return None

    return ladder(context, prove, refute)


# --- proofs ---------------------------------------------------------------------------------------


def _sides(interval: Interval, end: Expr) -> list[int]:
    """From which sides a variable can near an end inside its interval: -1, 1."""
    if end in (INF, MINUS_INF):
        reached = interval.high == ENDLESS if end == INF else interval.low == -ENDLESS
        return [-1 if end == INF else 1] if reached else []
    point = value_of(end)
    if point is None:
        return []
    return [s for s in (-1, 1) if (interval.low < point if s < 0 else point < interval.high)
            and interval.low <= point <= interval.high]  # fmt: skip


def _vanishes(context: Context, goal: Goal, name: str, end: Expr) -> str | None:
    """How a term is shown to near 0 as a variable nears an end."""
    context.budget.check()
    cases = split_at(goal)
    if cases is None:
        return _smooth_limit(context, goal, name, end)
    if not any(name in variables(c) for c, _ in cases):
        inside = [(goal.where(c), t) for c, t in cases]
        steps = [_vanishes(context, g.with_term(t), name, end) for g, t in inside if g is not None]
        return None if None in steps else max((s for s in steps if s), key=len,
                                              default=NORMAL_FORM)  # fmt: skip
    for condition, term in cases:
        if _comes_true(context, condition, goal, name, end):
            return _vanishes(context, goal.with_term(term), name, end)
    return None


def _smooth_limit(context: Context, goal: Goal, name: str, end: Expr) -> str | None:
    sides = _sides(goal.box[name], end)
    if not sides:
        return None
    if name not in variables(goal.term):
        return is_identity(goal.term, goal, context.budget)
    point = value_of(end)
    if point is not None and is_regular(goal, name, point):
        at = put(goal.term, name, end)
        how = is_identity(at, Goal(at, goal.box, goal.given), context.budget)
        if how is not None:
            return f"continuity and {how}"
    found = NORMAL_FORM
    for lone in _of_one_variable(_simpler(goal, name), name, end):
        if lone is None:
            return None
        for side in sides:
            how = _alone(context, lone, name, end, side)
            if how is None:
                return None
            found = hardest(found, how)
    return found


def _simpler(goal: Goal, name: str) -> Goal:
    """A goal that implies one, of fewer variables beside the one that moves."""
    return generalised(_factor(Goal(goal.term, goal.box), name), frozenset((name,)))


def _factor(goal: Goal, name: str) -> Goal:
    """A goal about the factor of a term in which a variable stands; the others are finite."""
    match goal.term:
        case Apply(op="neg", args=(x,)):
            return _factor(goal.with_term(x), name)
        case Apply(op="mul", args=(x, y)):
            for a, b in ((x, y), (y, x)):
                if name not in variables(a) and is_finite(enclose(a, goal.box)):
                    return _factor(goal.with_term(b), name)
        case Apply(op="div", args=(x, y)):
            if name not in variables(y) and 0 not in enclose(y, goal.box):
                return _factor(goal.with_term(x), name)
            if x != ONE and name not in variables(x) and is_finite(enclose(x, goal.box)):
                return goal.with_term(build("div", ONE, y))
    return goal


def _of_one_variable(goal: Goal, name: str, end: Expr) -> Iterator[Goal | None]:
    """Goals of no other variable that imply one; None where they are not found.

    A term for which `f(k x, k p)` is `k^d f(x, p)` nears 0 at all x above 0 as p nears 0, or
    infinity, if it does so at 1; and so on below 0.
    """
    others = variables(goal.term) - {name}
    if not others:
        yield goal
        return
    alike = degrees(goal.term, frozenset((*others, name)), SCALE)[goal.term]
    if len(others) > 1 or alike is None or end not in (ZERO, INF, MINUS_INF):
        yield None
        return
    (other,) = others
    interval = goal.box[other]
    if interval.high > 0:
        yield goal.at(other, ONE)
    if interval.low < 0:
        yield goal.at(other, negated(ONE))
    if 0 in interval:
        yield goal.at(other, ZERO)


def _alone(context: Context, goal: Goal, name: str, end: Expr, side: int) -> str | None:
    if name not in variables(goal.term):
        return is_identity(goal.term, goal, context.budget)
    seconds = min(context.budget.left, 1.5)
    return SYMPY if limit_is_zero(goal, name, end, side, seconds) else None


def _comes_true(context: Context, condition: Expr, goal: Goal, name: str, end: Expr) -> bool:
    """Whether a comparison holds from some point on as a variable nears an end."""
    found = list(comparisons(condition))
    gap = excess(found[0]) if len(found) == 1 else None
    if gap is None:
        return False
    point = value_of(end)
    if not is_continuous(goal.with_term(gap[0]), name):
        return False
    if point is not None:
        if not is_regular(goal.with_term(gap[0]), name, point):
            return False
        at = Goal(put(gap[0], name, end), goal.box, goal.given, True)
        return context.prover().prove(at) is not None
    slope = normal(derivative(gap[0], name), goal.positive)
    if name in variables(slope):
        return False
    rising = slope if end == INF else negated(slope)
    return context.prover().prove(Goal(rising, goal.box, goal.given, True)) is not None


# --- witnesses ------------------------------------------------------------------------------------


def _approaches(interval: Interval, end: Expr) -> Iterator[list[Fraction]]:
    """Numbers of an interval that near an end, from each side that it has."""
    point = value_of(end)
    for side in _sides(interval, end):
        if point is None:
            found = [Fraction(-side) * Fraction(10) ** k for k in STEPS]
        else:
            found = [point + side / Fraction(10) ** k for k in STEPS]
        if all(x in interval for x in found):
            yield found


def _stays_apart(
    context: Context, frame: Frame, case: Case, term: Expr, exact: Exact, name: str,
    at: Sequence[Fraction],
) -> Verdict | None:  # fmt: skip
    """A point of the other variables at which a term does not near 0."""
    whole = frozenset(n for n in case.box if frame.kind(n) == "int")
    question = Question(term, case.box, lambda p, a: mp.nan, case.given, integers=whole,
                        seed=context.seed)  # fmt: skip
    points = draw(question)
    count = len(points[name])
    near = evaluate(term, {**points, name: np.full(count, float(at[0]))})
    kept = np.abs(near) > SMALLEST
    for condition in case.given:
        kept &= evaluate(condition, points).astype(bool)
    for k in islice(np.flatnonzero(kept), TRIES):
        context.check()
        for digits in (0, 1, None):
            point = {n: rounded(float(c[k]), digits, n in whole) for n, c in points.items()}
            if not all(x in case.box[n] for n, x in point.items() if n != name):
                continue
            rows = []
            for arithmetic in (NEAREST, NUDGED):
                with frame.computing(arithmetic):
                    rows.append([_value_at(frame, case, exact, {**point, name: x}) for x in at])
            if all(map(_is_apart, rows)):
                there = {**point, name: at[0]}
                doubt = Doubt(term, exact, shown=(("difference", exact),))
                return refuted(context.witness(frame, case, doubt, there))
    return None


def _value_at(frame: Frame, case: Case, exact: Exact, point: dict[str, Fraction]) -> Value:
    with mp.workdps(DIGITS):
        values = completed(case, point)
        return exact(frame, values) if frame.admits(values) else mp.nan


def _is_apart(values: Sequence[Value]) -> bool:
    """Whether values settle at a number other than 0, or grow without end."""
    if not all(map(mp.isfinite, values)):
        return False  # an infinite number may be neared, too
    sizes = [abs(v) for v in values]
    *last, end = values[-SEEN:]
    settled = all(abs(v - end) <= SMALLEST * abs(end) for v in last) and abs(end) > SMALLEST
    return settled or all(1 < x < y for x, y in pairwise(sizes))
