"""Convexity, monotonicity, smoothness and Lipschitz bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from mpmath import mp

from lossc.dsl import ast

from ...arithmetic import Value
from ...ir import Expr
from .. import pieces
from ..context import Context, Doubt, Exact, at_place, ladder, value_of_variable
from ..curvature import Shapes, is_quasiconvex
from ..enclose import enclose
from ..frame import Case, Frame
from ..goal import Goal, put_all, variables
from ..interval import INF, Interval
from ..prove import EXACT, RULES, Prover
from ..scalars import open_places, scalar
from ..search import number_at_values
from ..statements import NotStated
from ..steepness import steepness
from ..tidy import ONE, ZERO, build, number
from ..verdict import Verdict, proved

HAIR = 30  # digits of a step beside a kink
TWIN = "'"  # marks the second point of a pair


def convex(context: Context, claim: ast.Claim) -> Verdict:
    """`convex in x`."""
    return _of_shape(context, claim, lambda t, s: s.of(t).convex, pieces.convex, _bent)


def quasiconvex(context: Context, claim: ast.Claim) -> Verdict:
    """`quasiconvex in x`: no value between two points is above both of theirs."""
    return _of_shape(context, claim, is_quasiconvex, _valley, _hump)


def increasing(context: Context, claim: ast.Claim) -> Verdict:
    """`increasing in x`: never falling."""
    return _of_shape(context, claim, lambda t, s: s.of(t).rises, pieces.increasing, _fall)


def decreasing(context: Context, claim: ast.Claim) -> Verdict:
    """`decreasing in x`: never rising."""
    return _of_shape(context, claim, lambda t, s: s.of(t).falls, _falling, _rise)


Rule = Callable[[Expr, Shapes], bool]
Show = Callable[[Prover, Goal, str], str | None]
Ask = Callable[["Pair"], Doubt]


class Pair:
    """A term at two points that differ in the subjects, for questions about both."""

    def __init__(self, frame: Frame, case: Case, subjects: Sequence[str], value: Expr) -> None:
        self.frame, self.case, self.value = frame, case, value
        self.names = [e for s in subjects for e in frame.elements(s) if e in case.box]
        self.term = case.of(frame.write(value))
        self.extra = {n + TWIN: case.box[n] for n in self.names}

    def at(self, share: Fraction | Expr) -> Expr:
        """The term at `x + share * (x' - x)`."""
        factor = share if isinstance(share, Expr) else number(share)
        moved: dict[str, Expr] = {}
        for n in self.names:
            step = build("mul", factor, build("sub", scalar(n + TWIN), scalar(n)))
            moved[n] = build("add", scalar(n), step)
        return put_all(self.term, moved)

    def exact(self, share: Fraction | str) -> Exact:
        """The value there by the interpreter; `share` may name a variable."""

        def value(frame: Frame, values: Mapping[str, Value]) -> Value:
            part = values[share] if isinstance(share, str) else _number(share)
            moved = dict(values)
            for n in self.names:
                moved[n] = values[n] + part * (values[n + TWIN] - values[n])
            free = {n: x for n, x in moved.items() if n in self.case.box}
            fixed = {n: number_at_values(t, free) for n, t in self.case.fixed.items()}
            return frame.machine({**moved, **fixed}).run(self.value, {})

        return value


def _number(x: Fraction) -> Value:
    return mp.mpf(x.numerator) / x.denominator


def _of_shape(context: Context, claim: ast.Claim, rule: Rule, show: Show, ask: Ask) -> Verdict:
    """By composition rules for axes of any length, then at small lengths, then by search."""
    subjects = _names(context, claim)
    value = context.checked.program.value
    whole = context.whole(value)
    if whole is not None and rule(whole, Shapes(whole, frozenset(subjects), context.whole_box)):
        return proved(RULES)

    def prove(frame: Frame, case: Case) -> str | None:
        pair = Pair(frame, case, subjects, value)
        if rule(pair.term, Shapes(pair.term, frozenset(pair.names), case.box)):
            return RULES
        used = [n for n in pair.names if n in variables(pair.term)]
        if len(used) > 1 and show in (pieces.convex, _valley):
            return None
        goal = Goal(pair.term, case.box, case.given)
        steps = [show(context.prover(), goal, n) for n in used]
        return None if None in steps else (next(filter(None, steps), EXACT))

    def refute(frame: Frame, case: Case) -> Verdict | None:
        pair = Pair(frame, case, subjects, value)
        return context.refute(frame, case, ask(pair)) if pair.names else None

    return ladder(context, prove, refute)


def _names(context: Context, claim: ast.Claim) -> list[str]:
    known = context.frames[0].decls
    names = [s.id for s in claim.subjects if isinstance(s, ast.Name) and s.id in known]
    if len(names) < len(claim.subjects):
        raise NotStated("a claim about something else than inputs and params")
    return names


def _falling(prover: Prover, goal: Goal, name: str) -> str | None:
    return pieces.increasing(prover, goal.with_term(build("neg", goal.term)), name)


def _valley(prover: Prover, goal: Goal, name: str) -> str | None:
    """Falling up to some point and rising from there."""
    others = [scalar(n) for n in sorted(variables(goal.term)) if n != name and n in goal.box]
    for low in (*others, ZERO):
        steps = [_rising(prover, side) for side in _sides(goal, name, low)]
        if None not in steps:
            return pieces.FIRST
    return None


def _rising(prover: Prover, goal: Goal) -> str | None:
    """How a term is shown to rise with the step, by rules or by its slope."""
    if Shapes(goal.term, frozenset(("#step",)), goal.box).of(goal.term).rises:
        return RULES
    return pieces.increasing(prover, goal, "#step")


def _sides(goal: Goal, name: str, low: Expr) -> list[Goal]:
    """The term right and left of a point, as it moves away from there."""
    step = scalar("#step")
    far = Interval(0.0, INF, False, True)
    moves = [(build("add", low, step), far), (build("sub", low, step), far)]
    if goal.box[name].positive and enclose(low, goal.box).positive:
        near = Interval(0.0, 1.0, False, True)
        moves = [(build("mul", low, build("add", ONE, step)), far),
                 (build("mul", low, build("sub", ONE, step)), near)]  # fmt: skip
    sides = []
    for value, span in moves:
        moved = goal.at(name, value)
        sides.append(Goal(moved.term, {**moved.box, "#step": span}, moved.given))
    return sides


# --- questions ------------------------------------------------------------------------------------


def _bent(pair: Pair) -> Doubt:
    """The middle lies above the chord."""
    half = Fraction(1, 2)
    ends = build("add", pair.at(Fraction(0)), pair.at(Fraction(1)))
    gap = build("sub", build("mul", number(half), ends), pair.at(half))

    def exact(frame: Frame, values: Mapping[str, Value]) -> Value:
        shares = (Fraction(0), half, Fraction(1))
        left, middle, right = (pair.exact(s)(frame, values) for s in shares)
        return (left + right) / 2 - middle

    shown = (("left", pair.exact(Fraction(0))), ("middle", pair.exact(half)),
             ("right", pair.exact(Fraction(1))))  # fmt: skip
    return Doubt(gap, exact, pair.extra, shown=shown)


def _hump(pair: Pair) -> Doubt:
    """A point between two lies above both."""
    share = "#share"
    ends = build("max", pair.at(Fraction(0)), pair.at(Fraction(1)))
    gap = build("sub", ends, pair.at(scalar(share)))

    def exact(frame: Frame, values: Mapping[str, Value]) -> Value:
        left, right = (pair.exact(s)(frame, values) for s in (Fraction(0), Fraction(1)))
        return max(left, right) - pair.exact(share)(frame, values)

    shown = (("share of the way", value_of_variable(share)), ("left", pair.exact(Fraction(0))),
             ("between", pair.exact(share)), ("right", pair.exact(Fraction(1))))  # fmt: skip
    return Doubt(gap, exact, {**pair.extra, share: Interval(0.0, 1.0)}, shown=shown)


def _fall(pair: Pair) -> Doubt:
    """The value falls as the subjects grow."""
    return _moving(pair, 1)


def _rise(pair: Pair) -> Doubt:
    """The value grows as the subjects grow."""
    return _moving(pair, -1)


def _moving(pair: Pair, sign: int) -> Doubt:
    change = build("sub", pair.at(Fraction(1)), pair.at(Fraction(0)))
    gap = change if sign > 0 else build("neg", change)
    given = tuple(build("ge", scalar(n + TWIN), scalar(n)) for n in pair.names)

    def exact(frame: Frame, values: Mapping[str, Value]) -> Value:
        low, high = (pair.exact(s)(frame, values) for s in (Fraction(0), Fraction(1)))
        return sign * (high - low)

    shown = (("first", pair.exact(Fraction(0))), ("second", pair.exact(Fraction(1))))
    return Doubt(gap, exact, pair.extra, given, shown=shown)


# --- slopes ---------------------------------------------------------------------------------------


def lipschitz(context: Context, claim: ast.Claim) -> Verdict:
    """`lipschitz in x by c`: the value moves at most c times as far as x, in the 2-norm."""
    assert claim.expr is not None
    subjects = _names(context, claim)
    value = context.checked.program.value
    bound = context.statements.term(claim.expr)
    whole = context.whole(value)
    if whole is not None:
        steep = steepness(whole, frozenset(subjects), context.whole_box)
        limit = context.whole(bound)
        if steep is not None and limit is not None and not steep.free:
            how = context.prove_whole(build("sub", limit, steep))
            if how is not None:
                return proved(RULES)

    def prove(frame: Frame, case: Case) -> str | None:
        pair = Pair(frame, case, subjects, value)
        used = [n for n in pair.names if n in variables(pair.term)]
        if len(used) > 1:
            return None
        limit = _bound(frame, case, bound)
        goal = Goal(pair.term, case.box, case.given)
        if context.prove_all([goal.with_term(limit)]) is None:
            return None
        steps = [pieces.lipschitz(context.prover(), goal, n, limit) for n in used]
        return None if None in steps else next(filter(None, steps), EXACT)

    def refute(frame: Frame, case: Case) -> Verdict | None:
        pair = Pair(frame, case, subjects, value)
        if not pair.names:
            return None
        return context.refute(frame, case, _steep(pair, _bound(frame, case, bound), bound))

    return ladder(context, prove, refute)


def _bound(frame: Frame, case: Case, bound: Expr) -> Expr:
    env = next(iter(open_places(bound, frame.writer)))
    return case.of(frame.write(bound, env))


def _steep(pair: Pair, limit: Expr, bound: Expr) -> Doubt:
    """The value moves farther than the bound allows."""
    moved = [build("sub", scalar(n + TWIN), scalar(n)) for n in pair.names]
    distance: Expr = build("abs", moved[0])
    for m in moved[1:]:
        distance = build("hypot", distance, m)
    change = build("abs", build("sub", pair.at(Fraction(1)), pair.at(Fraction(0))))
    gap = build("sub", build("mul", limit, distance), change)
    at_bound = at_place(bound, next(iter(open_places(bound, pair.frame.writer))))

    def exact(frame: Frame, values: Mapping[str, Value]) -> Value:
        first, second = (pair.exact(s)(frame, values) for s in (Fraction(0), Fraction(1)))
        apart = mp.sqrt(sum((values[n + TWIN] - values[n]) ** 2 for n in pair.names))
        return at_bound(frame, values) * apart - abs(second - first)

    shown = (("first", pair.exact(Fraction(0))), ("second", pair.exact(Fraction(1))),
             ("bound", at_bound))  # fmt: skip
    return Doubt(gap, exact, pair.extra, shown=shown)


def smooth(context: Context, claim: ast.Claim) -> Verdict:
    """`smooth in x`: the derivative exists and does not jump."""
    subjects = _names(context, claim)
    value = context.checked.program.value

    def prove(frame: Frame, case: Case) -> str | None:
        pair = Pair(frame, case, subjects, value)
        goal = Goal(pair.term, case.box, case.given)
        used = [n for n in pair.names if n in variables(pair.term)]
        if len(used) > 1:
            return None
        steps = [pieces.smooth(context.prover(), goal, n) for n in used]
        return None if None in steps else next(filter(None, steps), EXACT)

    def refute(frame: Frame, case: Case) -> Verdict | None:
        pair = Pair(frame, case, subjects, value)
        goal = Goal(pair.term, case.box, case.given)
        for n in pair.names:
            for joint in pieces.joints_of(context.prover(0.3), goal, n):
                there = Case({**case.fixed, n: joint.place}, joint.goal.box, joint.goal.given)
                verdict = context.refute(frame, there, _kink(joint, n, value))
                if verdict is not None:
                    return verdict
        return None

    return ladder(context, prove, refute)


def _kink(joint: pieces.Joint, name: str, value: Expr) -> Doubt:
    """The slope on the right is not the one on the left."""

    def slope(sign: int) -> Exact:
        def exact(frame: Frame, values: Mapping[str, Value]) -> Value:
            with mp.workdps(mp.dps + 3 * HAIR):
                step = sign * mp.mpf(10) ** -HAIR
                here, there = (frame.machine({**values, name: values[name] + s}).run(value, {})
                               for s in (0, step))  # fmt: skip
                return (there - here) / step

        return exact

    def exact(frame: Frame, values: Mapping[str, Value]) -> Value:
        return slope(1)(frame, values) - slope(-1)(frame, values)

    shown = (("slope below", slope(-1)), ("slope above", slope(1)))
    return Doubt(joint.slope_jump(name), exact, zero=True, shown=shown)
