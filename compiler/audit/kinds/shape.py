"""Convexity, monotonicity, smoothness and Lipschitz bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import islice
from types import MappingProxyType

from mpmath import mp

from lossc.dsl import ast

from ...arithmetic import Value
from ...ir import BOOL, INT, Expr
from .. import pieces
from ..context import (
    Context,
    Doubt,
    Exact,
    Others,
    Pairs,
    Values,
    at_place,
    ladder,
    value_of_variable,
)  # fmt: skip
from ..curvature import Shapes, is_quasiconvex
from ..enclose import enclose
from ..frame import Case, Frame
from ..goal import Goal, put_all, variables
from ..interval import INF, UNIT, Interval
from ..prove import EXACT, RULES, Prover
from ..scalars import open_places, scalar
from ..search import number_at_values
from ..statements import NotStated
from ..steepness import steepness
from ..tidy import FALSE, ONE, TRUE, ZERO, build, number
from ..verdict import Verdict, proved

ASIDE = mp.mpf(10) ** -20  # so far the domain must go on on both sides of it
TWIN = "'"  # marks the second point of a pair
ONCE = Fraction(1)  # the whole way to it
OTHERS = 12  # cases of the second point in which a witness is looked for


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
    """A term at two points that differ in the subjects, for questions about both.

    `other` has the case of the second point's subjects; by default it is that of the first.
    """

    def __init__(
        self, frame: Frame, case: Case, subjects: Sequence[str], value: Expr,
        other: Case | None = None,
    ) -> None:  # fmt: skip
        self.frame, self.case, self.value = frame, case, value
        self.own = [e for s in subjects for e in frame.elements(s)]
        self.names = [e for e in self.own if e in case.box]
        self.written = frame.write(value)
        self.term = case.of(self.written)
        self.twin = (_part(case, self.own) if other is None else other).renamed(TWIN)
        self.extra = self.twin.box

    @property
    def given(self) -> tuple[Expr, ...]:
        """The conditions on the second point."""
        moved = {n: self.second(n) for n in self.own}
        own = [put_all(c, moved) for c in self.case.given if variables(c) & set(self.own)]
        return tuple(dict.fromkeys(map(self.case.of, (*self.twin.given, *own))))

    @property
    def integers(self) -> frozenset[str]:
        """The scalars of the second point that are integers."""
        return frozenset(n + TWIN for n in self.own if self.frame.kind(n) == INT)

    def first(self, name: str) -> Expr:
        """An element of the subjects at the first point."""
        return self.case.fixed.get(name, scalar(name))

    def second(self, name: str) -> Expr:
        """An element of the subjects at the second point."""
        return self.twin.fixed.get(name + TWIN, scalar(name + TWIN))

    def step(self, name: str) -> Expr:
        """How far an element moves from the first point to the second."""
        return build("sub", self.second(name), self.first(name))

    def at(self, share: Fraction | Expr) -> Expr:
        """The term at `x + share * (x' - x)`."""
        factor = share if isinstance(share, Expr) else number(share)
        moved = {n: build("add", self.first(n), build("mul", factor, self.step(n)))
                 for n in self.own}  # fmt: skip
        if share in (0, 1):
            moved = {n: self.second(n) if share else self.first(n) for n in self.own}
        return self.case.of(put_all(self.written, moved))

    def point(self, values: Values, share: Fraction | str) -> Values:
        """The values of all scalars there; `share` may name a variable."""
        part = values[share] if isinstance(share, str) else _number(share)
        free = {n: values[n] for n in self.twin.box}
        moved = dict(values)
        for n in self.own:
            fixed = self.twin.fixed.get(n + TWIN)
            end = free[n + TWIN] if fixed is None else number_at_values(fixed, free)
            moved[n] = end if part == 1 else values[n] + part * (end - values[n])
        return moved

    def exact(self, share: Fraction | str) -> Exact:
        """The value there by the interpreter."""
        return lambda frame, values: frame.machine(self.point(values, share)).run(self.value, {})

    def others(self, *shares: Fraction | str) -> Others:
        """The points that must lie in the domain."""
        return lambda values: [self.point(values, s) for s in shares]

    @property
    def shown(self) -> tuple[tuple[str, Exact], ...]:
        """The second point's elements, where they are no variables."""

        def element(name: str) -> Exact:
            return lambda frame, values: self.point(values, ONCE)[name]

        return tuple((n + TWIN, element(n)) for n in self.own if n + TWIN in self.twin.fixed)


def _part(case: Case, names: Sequence[str]) -> Case:
    """A case of some scalars alone; what conditions say of them is said elsewhere."""
    fixed = {n: v for n, v in case.fixed.items() if n in names}
    return Case(fixed, {n: i for n, i in case.box.items() if n in names})


def _number(x: Fraction) -> Value:
    return mp.mpf(x.numerator) / x.denominator


def _of_shape(context: Context, claim: ast.Claim, rule: Rule, show: Show, ask: Ask) -> Verdict:
    """By composition rules for axes of any length, then at small lengths, then by search."""
    subjects = _names(context, claim)
    value = context.checked.program.value
    whole = context.whole(value)
    if whole is not None:
        own = context.variables_of(whole, subjects)
        if rule(whole, Shapes(whole, own, context.whole_box)):
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

    def apart(frame: Frame, case: Case, other: Case) -> str | None:
        return _apart(context, ask(Pair(frame, case, subjects, value, other)), case)

    def refute(frame: Frame, case: Case) -> Verdict | None:
        return _refuted(context, frame, case, subjects, value, ask)

    between = ask in (_bent, _hump)  # about a third point, whose case may be another
    return ladder(context, prove, refute, Pairs(subjects, None if between else apart))


def _apart(context: Context, doubt: Doubt, case: Case) -> str | None:
    """How a doubt about points of two cases is shown to be none."""
    box = {**case.box, **doubt.extra}
    if FALSE in doubt.given:
        return EXACT
    return context.prove_all([Goal(doubt.gap, box, (*case.given, *doubt.given))], 0.3)


def _refuted(
    context: Context, frame: Frame, case: Case, subjects: Sequence[str], value: Expr, ask: Ask
) -> Verdict | None:
    """A witness whose second point is of any case."""
    for other in islice(frame.alone(subjects), OTHERS):
        doubt = ask(Pair(frame, case, subjects, value, other))
        verdict = context.refute(frame, case, doubt)
        if verdict is not None:
            return verdict
    return None


def _names(context: Context, claim: ast.Claim) -> list[str]:
    known = context.frames[0].decls
    names = [s.id for s in claim.subjects if isinstance(s, ast.Name) and s.id in known]
    if len(names) < len(claim.subjects):
        raise NotStated("a claim about something else than inputs and params")
    if any(known[n].tensor.kind == BOOL for n in names):
        raise NotStated("a claim about something that is true or false")
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
    ends = build("add", pair.at(Fraction(0)), pair.at(ONCE))
    gap = build("sub", build("mul", number(half), ends), pair.at(half))

    def exact(frame: Frame, values: Values) -> Value:
        left, middle, right = (pair.exact(s)(frame, values) for s in (Fraction(0), half, ONCE))
        return (left + right) / 2 - middle

    shown = (*pair.shown, ("left", pair.exact(Fraction(0))), ("middle", pair.exact(half)),
             ("right", pair.exact(ONCE)))  # fmt: skip
    return _doubt(pair, gap, exact, shown, (half,))


def _hump(pair: Pair) -> Doubt:
    """A point between two lies above both."""
    share = "#share"
    ends = build("max", pair.at(Fraction(0)), pair.at(ONCE))
    gap = build("sub", ends, pair.at(scalar(share)))

    def exact(frame: Frame, values: Values) -> Value:
        left, right = (pair.exact(s)(frame, values) for s in (Fraction(0), ONCE))
        return max(left, right) - pair.exact(share)(frame, values)

    shown = (*pair.shown, ("share of the way", value_of_variable(share)),
             ("left", pair.exact(Fraction(0))), ("between", pair.exact(share)),
             ("right", pair.exact(ONCE)))  # fmt: skip
    return _doubt(pair, gap, exact, shown, (share,), {share: UNIT})


def _doubt(
    pair: Pair, gap: Expr, exact: Exact, shown: tuple[tuple[str, Exact], ...],
    shares: Sequence[Fraction | str] = (), extra: Mapping[str, Interval] = MappingProxyType({}),
    given: tuple[Expr, ...] = (),
) -> Doubt:  # fmt: skip
    """A doubt about both points of a pair, and some between them."""
    return Doubt(
        gap, exact, {**pair.extra, **extra}, (*pair.given, *given), shown=shown,
        others=pair.others(ONCE, *shares), integers=pair.integers,
    )  # fmt: skip


def _fall(pair: Pair) -> Doubt:
    """The value falls as the subjects grow."""
    return _moving(pair, 1)


def _rise(pair: Pair) -> Doubt:
    """The value grows as the subjects grow."""
    return _moving(pair, -1)


def _moving(pair: Pair, sign: int) -> Doubt:
    change = build("sub", pair.at(ONCE), pair.at(Fraction(0)))
    gap = change if sign > 0 else build("neg", change)
    given = tuple(c for n in pair.own if (c := build("ge", pair.step(n), ZERO)) != TRUE)

    def exact(frame: Frame, values: Values) -> Value:
        low, high = (pair.exact(s)(frame, values) for s in (Fraction(0), ONCE))
        return sign * (high - low)

    shown = (*pair.shown, ("first", pair.exact(Fraction(0))), ("second", pair.exact(ONCE)))
    return _doubt(pair, gap, exact, shown, given=given)


# --- slopes ---------------------------------------------------------------------------------------


def lipschitz(context: Context, claim: ast.Claim) -> Verdict:
    """`lipschitz in x by c`: the value moves at most c times as far as x, in the 2-norm."""
    assert claim.expr is not None
    subjects = _names(context, claim)
    value = context.checked.program.value
    bound = context.statements.term(claim.expr)
    whole = context.whole(value)
    if whole is not None:
        own = context.variables_of(whole, subjects)
        steep = steepness(whole, own, context.whole_box)
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

    def ask(pair: Pair) -> Doubt:
        return _steep(pair, _bound(pair.frame, pair.case, bound), bound)

    def apart(frame: Frame, case: Case, other: Case) -> str | None:
        return _apart(context, ask(Pair(frame, case, subjects, value, other)), case)

    def refute(frame: Frame, case: Case) -> Verdict | None:
        return _refuted(context, frame, case, subjects, value, ask)

    return ladder(context, prove, refute, Pairs(subjects, apart))


def _bound(frame: Frame, case: Case, bound: Expr) -> Expr:
    env = next(iter(open_places(bound, frame.writer)))
    return case.of(frame.write(bound, env))


def _steep(pair: Pair, limit: Expr, bound: Expr) -> Doubt:
    """The value moves farther than the bound allows."""
    distance: Expr = ZERO
    for n in pair.own:
        distance = build("hypot", distance, pair.step(n))
    change = build("abs", build("sub", pair.at(ONCE), pair.at(Fraction(0))))
    gap = build("sub", build("mul", limit, distance), change)
    at_bound = at_place(bound, next(iter(open_places(bound, pair.frame.writer))))

    def exact(frame: Frame, values: Values) -> Value:
        first, second = (pair.exact(s)(frame, values) for s in (Fraction(0), ONCE))
        there = pair.point(values, ONCE)
        apart = mp.sqrt(sum((there[n] - values[n]) ** 2 for n in pair.own))
        return at_bound(frame, values) * apart - abs(second - first)

    shown = (*pair.shown, ("first", pair.exact(Fraction(0))), ("second", pair.exact(ONCE)),
             ("bound", at_bound))  # fmt: skip
    return _doubt(pair, gap, exact, shown)


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

    return ladder(context, prove, refute, Pairs(subjects))


def _kink(joint: pieces.Joint, name: str, value: Expr) -> Doubt:
    """The slope on the right is not the one on the left."""

    def slope(sign: int) -> Exact:
        def exact(frame: Frame, values: Mapping[str, Value]) -> Value:
            digits = mp.dps
            with mp.workdps(4 * digits):
                step = sign * mp.mpf(10) ** -digits
                here, there = (frame.machine({**values, name: values[name] + s}).run(value, {})
                               for s in (0, step))  # fmt: skip
                return (there - here) / step

        return exact

    def exact(frame: Frame, values: Values) -> Value:
        return slope(1)(frame, values) - slope(-1)(frame, values)

    shown = (("slope below", slope(-1)), ("slope above", slope(1)))
    return Doubt(
        joint.slope_jump(name), exact, zero=True, shown=shown,
        others=lambda values: [{**values, name: values[name] + s} for s in (ASIDE, -ASIDE)],
    )  # fmt: skip
