"""What a loss makes best: `proper` for probabilities, `elicits` for functionals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from lossc.dsl import ast

from ... import domains as dom
from ...arithmetic import Value
from ...ir import INT, Expr
from ..algebra import is_identity
from ..context import Context, Doubt, Exact, Pairs, Values, ladder, value_of_variable
from ..curvature import Shapes
from ..derivative import derivative
from ..frame import Case, Frame
from ..goal import Goal, decided, holds_throughout, put, split_at, variables, within
from ..interval import INF, Interval
from ..normal import normal
from ..prove import is_continuous
from ..scalars import open_places, scalar
from ..search import number_at_values
from ..statements import NotStated
from ..tidy import ONE, ZERO, build, negated, number, value_of
from ..verdict import Verdict

STATIONARY = "the first-order condition"
IDENTIFIED = "an identification function"
STEP, SHARE, FIRST, APART = "#step", "#share", "#first", "#apart"
TRUTH = ", if true"  # marks the forecast that is true


@dataclass(frozen=True)
class Outcomes:
    """The loss for each outcome as a function of the forecast's elements, in one case."""

    losses: tuple[Expr, ...]
    labels: tuple[Mapping[str, Expr], ...]
    forecast: tuple[str, ...]
    chances: tuple[Expr, ...]  # of each outcome, that the forecast states
    case: Case


def _two(context: Context) -> tuple[str, str]:
    names = list(context.checked.inputs)
    if len(names) < 2:
        raise NotStated("a loss of fewer than two inputs")
    return names[0], names[1]


# --- proper ---------------------------------------------------------------------------------------


def proper(context: Context, claim: ast.Claim) -> Verdict:
    """`proper`: the expected loss is least where the forecast is the true distribution.

    Logits are forecasts by their sigmoid or softmax.
    """
    value = context.checked.program.value

    def prove(frame: Frame, case: Case) -> str | None:
        outcomes = _outcomes(context, frame, case)
        return _proper_proof(context, outcomes)

    def refute(frame: Frame, case: Case) -> Verdict | None:
        return context.refute(frame, case, _better(frame, _outcomes(context, frame, case), value))

    return ladder(context, prove, refute)


def _outcomes(context: Context, frame: Frame, case: Case) -> Outcomes:
    """The losses of all outcomes. Raises NotStated where the inputs are no label and forecast."""
    label, forecast = _two(context)
    own = frame.elements(label)
    other = frame.elements(forecast)
    values = _label_values(context, frame, label, own, len(other))
    whole = frame.write(context.checked.program.value)
    losses = []
    for labels in values:
        term = whole
        for name, x in labels.items():
            term = put(term, name, x)
        losses.append(case.of(term))
    chances = _chances(context, frame, forecast, other, case)
    if len(chances) != len(losses):
        raise NotStated("a forecast of another number of outcomes than the label has")
    free = tuple(e for e in other if e in case.box)
    return Outcomes(tuple(losses), tuple(values), free, tuple(chances), case)


def _label_values(
    context: Context, frame: Frame, label: str, own: list[str], width: int
) -> list[dict[str, Expr]]:
    meaning = frame.decls[label].meaning
    if isinstance(meaning, dom.Simplex | dom.OneHot):
        return [{e: ONE if j == k else ZERO for j, e in enumerate(own)} for k in range(len(own))]
    if len(own) != 1:
        raise NotStated("several labels")
    if isinstance(meaning, dom.IndexOf):
        return [{own[0]: number(k)} for k in range(frame.length(meaning.axis))]
    if isinstance(meaning, dom.Values) and len(meaning.values) == 2:
        ends = [value_of(frame.bound(v)) for v in meaning.values]
    elif isinstance(meaning, dom.Between) and not (meaning.low_open or meaning.high_open):
        ends = [value_of(frame.bound(v)) for v in (meaning.low, meaning.high) if v is not None]
    elif isinstance(meaning, dom.Bools):
        raise NotStated("a label that is true or false")
    else:
        raise NotStated("a label without two values")
    if len(ends) != 2 or None in ends:
        raise NotStated("a label without two values")
    low, high = (e for e in ends if e is not None)
    return [{own[0]: number(min(low, high))}, {own[0]: number(max(low, high))}]


def _chances(
    context: Context, frame: Frame, forecast: str, elements: list[str], case: Case
) -> list[Expr]:
    """The chance of each outcome that a forecast states."""
    meaning = frame.decls[forecast].meaning
    if isinstance(meaning, dom.Simplex):
        return [case.of(scalar(e)) for e in elements]
    if len(elements) == 1 and isinstance(meaning, dom.Between):
        p: Expr = scalar(elements[0])
        interval = case.box[elements[0]]
        moves = elements[0] in variables(*case.given)
        if not (interval.low == 0 and interval.high == 1) or moves:
            raise NotStated("a forecast that is no probability")
        return [build("sub", ONE, p), p]
    if len(elements) == 1 and isinstance(meaning, dom.Reals):
        p = build("sigmoid", scalar(elements[0]))
        return [build("sub", ONE, p), p]
    if isinstance(meaning, dom.Reals):
        total = build("exp", scalar(elements[0]))
        for e in elements[1:]:
            total = build("add", total, build("exp", scalar(e)))
        return [build("div", build("exp", scalar(e)), total) for e in elements]
    raise NotStated("a forecast that is no distribution")


def _proper_proof(context: Context, o: Outcomes) -> str | None:
    """The first-order condition holds at the truth, and the expected loss has one valley."""
    used = [n for n in o.forecast if any(n in variables(t) for t in o.losses)]
    goal = Goal(ZERO, _inner(o.case.box, o.forecast), o.case.given)
    losses = [decided(goal.with_term(t)).term for t in o.losses]
    for n in used:
        slopes = [derivative(t, n) for t in losses]
        total: Expr = ZERO
        for chance, slope in zip(o.chances, slopes, strict=True):
            total = build("add", total, build("mul", chance, slope))
        if is_identity(total, goal.with_term(total), context.budget) is None:
            return None
    closed = Goal(ZERO, o.case.box, o.case.given)  # a loss may jump at an end that is a forecast
    whole = [decided(closed.with_term(t)) for t in o.losses]
    if all(_is_convex(g.term, o) for g in whole):
        return f"{STATIONARY} and convexity"
    if len(used) != 1 or len(losses) != 2:
        return None
    (n,) = used
    if any(split_at(g) or not is_continuous(g, n) for g in whole):
        return None
    slope = normal(derivative(losses[0], n), goal.positive)
    how = context.prove_all([goal.with_term(slope)])
    return f"{STATIONARY} and signs of slopes" if how else None


def _is_convex(term: Expr, o: Outcomes) -> bool:
    return Shapes(term, frozenset(o.forecast), o.case.box).of(term).convex


def _inner(box: Mapping[str, Interval], names: Sequence[str]) -> dict[str, Interval]:
    """A box without the ends of some intervals."""
    return {n: i._replace(low_open=True, high_open=True) if n in names else i
            for n, i in box.items()}  # fmt: skip


def _better(frame: Frame, o: Outcomes, value: Expr) -> Doubt:
    """Another forecast than the true one has a smaller expected loss."""
    extra = {n + TRUTH: o.case.box[n] for n in o.forecast}

    def true(term: Expr) -> Expr:
        for n in o.forecast:
            term = put(term, n, scalar(n + TRUTH))
        return term

    gap: Expr = ZERO
    for loss, chance in zip(o.losses, o.chances, strict=True):
        change = build("sub", loss, true(loss))
        gap = build("add", gap, build("mul", true(chance), change))

    def expected(at_truth: bool) -> Exact:
        def exact(f: Frame, values: Values) -> Value:
            truth = {n: values[n + TRUTH] for n in o.forecast}
            own = {n: x for n, x in values.items() if n in o.case.box}
            point = {**own, **truth} if at_truth else own
            fixed = {n: number_at_values(t, point) for n, t in o.case.fixed.items()}
            total = 0
            for labels, chance in zip(o.labels, o.chances, strict=True):
                share = number_at_values(chance, {**own, **truth})
                outcome = {n: number_at_values(t, {}) for n, t in labels.items()}
                run = f.machine({**values, **point, **fixed, **outcome}).run(value, {})
                total = total + share * run
            return total

        return exact

    def exact(f: Frame, values: Values) -> Value:
        return expected(False)(f, values) - expected(True)(f, values)

    given = tuple(true(c) for c in o.case.given)
    shown = (("expected loss", expected(False)), ("of the truth", expected(True)))
    return Doubt(gap, exact, extra, given, shown=shown)


# --- elicits --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Functional:
    """A functional: what identifies it below and above the outcome, and its value for two points.

    `below` and `above` take the error `yhat - y`; `of_two` takes the points, the chance of the
    second, and gives alternatives of a value and the condition under which it is that.
    """

    below: Callable[[Expr], Expr]
    above: Callable[[Expr], Expr]
    of_two: Callable[[Expr, Expr, Expr], list[tuple[Expr, Expr | None]]]


def _functional(context: Context, node: ast.Expr, frame: Frame) -> Functional:
    match node:
        case ast.Name(id="mean"):
            return Functional(lambda e: e, lambda e: e, lambda a, b, p: [(_mix(a, b, p), None)])
        case ast.Name(id="median"):
            return _quantile(number(Fraction(1, 2)))
        case ast.Call(function="quantile" | "expectile" as word, args=(level,)):
            term = context.statements.term(level)
            q = frame.write(term, next(iter(open_places(term, frame.writer))))
            return _quantile(q) if word == "quantile" else _expectile(q)
    raise NotStated("another functional than mean, median, quantile(q) or expectile(q)")


def _mix(a: Expr, b: Expr, p: Expr) -> Expr:
    return build("add", build("mul", build("sub", ONE, p), a), build("mul", p, b))


def _quantile(q: Expr) -> Functional:
    def of_two(a: Expr, b: Expr, p: Expr) -> list[tuple[Expr, Expr | None]]:
        first = build("sub", ONE, p)
        return [(a, build("lt", q, first)), (b, build("gt", q, first))]

    return Functional(lambda e: negated(q), lambda e: build("sub", ONE, q), of_two)


def _expectile(q: Expr) -> Functional:
    other = build("sub", ONE, q)

    def of_two(a: Expr, b: Expr, p: Expr) -> list[tuple[Expr, Expr | None]]:
        low, high = build("mul", other, build("sub", ONE, p)), build("mul", q, p)
        top = build("add", build("mul", low, a), build("mul", high, b))
        return [(build("div", top, build("add", low, high)), None)]

    return Functional(lambda e: build("mul", q, e), lambda e: build("mul", other, e), of_two)


def elicits(context: Context, claim: ast.Claim) -> Verdict:
    """`elicits T`: the best single forecast for a distribution is its T."""
    assert claim.expr is not None
    node = claim.expr
    label, forecast = _two(context)
    value = context.checked.program.value

    def names(frame: Frame) -> tuple[str, str]:
        found = [frame.elements(n) for n in (label, forecast)]
        if any(len(f) != 1 for f in found):
            raise NotStated("functionals of several outcomes")
        return found[0][0], found[1][0]

    def prove(frame: Frame, case: Case) -> str | None:
        y, x = names(frame)
        functional = _functional(context, node, frame)
        return _elicited(context, Goal(case.of(frame.write(value)), case.box, case.given), y, x,
                         functional)  # fmt: skip

    def refute(frame: Frame, case: Case) -> Verdict | None:
        y, x = names(frame)
        functional = _functional(context, node, frame)
        for wide in frame.around((label, forecast)):
            if not (wide.includes(case) and y in wide.box and x in wide.box):
                continue
            for doubt in _worse(frame, wide, value, y, x, functional):
                verdict = context.refute(frame, wide, doubt)
                if verdict is not None:
                    return verdict
        return None

    return ladder(context, prove, refute, Pairs((label, forecast)))


def _elicited(context: Context, goal: Goal, y: str, x: str, functional: Functional) -> str | None:
    """The slope is the identification function times a factor above 0 without the outcome."""
    if y not in goal.box or x not in goal.box:
        return None
    below, above = (_side(goal, y, x, functional, sign) for sign in (1, -1))
    if below is None or above is None:
        return None
    (left, left_value), (right, right_value) = below, above
    same = build("sub", left, right)
    joined = put(build("sub", left_value, right_value), STEP, ZERO)
    for zero in (same, joined):
        if is_identity(zero, goal.with_term(zero), context.budget) is None:
            return None
    box = {**goal.box, x: goal.box[x]._replace(low_open=True, high_open=True)}
    return IDENTIFIED if context.prove_all([Goal(left, box, (), True)]) else None


def _side(
    goal: Goal, y: str, x: str, functional: Functional, sign: int
) -> tuple[Expr, Expr] | None:
    """The factor of the identification function on one side of the outcome, and the loss."""
    place = build("add" if sign > 0 else "sub", scalar(x), scalar(STEP))
    box = {n: i for n, i in goal.box.items() if n != y} | {STEP: Interval(0.0, INF, True, True)}
    term = _resolved(goal, y, place, box)
    if term is None:
        return None
    inside = Goal(put(term, y, place), box)
    if not is_continuous(Goal(term, {**goal.box}), x):
        return None
    side = functional.below if sign > 0 else functional.above
    identified = side(build("mul", number(-sign), scalar(STEP)))
    slope = put(derivative(term, x), y, place)
    factor = normal(build("div", slope, identified), inside.positive)
    if STEP in variables(factor):
        return None
    return factor, inside.term


def _resolved(goal: Goal, y: str, place: Expr, box: Mapping[str, Interval]) -> Expr | None:
    """A term without switches, where the outcome is at a place."""
    term = goal.term
    while True:
        cases = split_at(goal.with_term(term))
        if cases is None:
            return term
        there = Goal(ZERO, box)
        chosen = [t for c, t in cases if holds_throughout(put(c, y, place), there)]
        if not chosen:
            return None
        term = chosen[0]


def _worse(
    frame: Frame, case: Case, value: Expr, y: str, x: str, functional: Functional
) -> list[Doubt]:
    """Two points with chances, for which another forecast than the functional is better."""
    interval = case.box[y]
    first, apart, share = scalar(FIRST), scalar(APART), scalar(SHARE)
    second = build("add", first, apart)
    width = interval.high - interval.low
    is_open = interval.low_open or interval.high_open
    extra = {FIRST: interval, APART: Interval(0.0, width, True, is_open),
             SHARE: Interval(0.0, 1.0, True, True)}  # fmt: skip
    term = case.of(frame.write(value))
    doubts = []
    for best, condition in functional.of_two(first, second, share):
        best = case.of(best)

        def expected(at: Expr) -> Expr:
            low, high = (put(put(term, y, s), x, at) for s in (first, second))
            return _mix(low, high, share)

        gap = build("sub", expected(scalar(x)), expected(best))
        given = [] if condition is None else [case.of(condition)]
        given += within(second, interval) + within(best, case.box[x])
        doubt = _doubt(case, value, y, x, best, gap, tuple(given), extra)
        whole = frozenset((FIRST, APART)) if frame.kind(y) == INT else frozenset[str]()
        doubts.append(replace(doubt, integers=whole))
    return doubts


def _doubt(
    case: Case, value: Expr, y: str, x: str, best: Expr, gap: Expr, given: tuple[Expr, ...],
    extra: Mapping[str, Interval],
) -> Doubt:  # fmt: skip
    def expected(at_best: bool) -> Exact:
        def exact(f: Frame, values: Values) -> Value:
            own = {n: v for n, v in values.items() if n in case.box or n in extra}
            at = number_at_values(best, own) if at_best else values[x]
            low, share = values[FIRST], values[SHARE]
            runs = [f.machine({**values, y: v, x: at}).run(value, {})
                    for v in (low, low + values[APART])]  # fmt: skip
            return (1 - share) * runs[0] + share * runs[1]

        return exact

    def exact(f: Frame, values: Values) -> Value:
        return expected(False)(f, values) - expected(True)(f, values)

    def other(f: Frame, values: Values) -> Value:
        return values[FIRST] + values[APART]

    def functional(f: Frame, values: Values) -> Value:
        return number_at_values(
            best, {n: v for n, v in values.items() if n in case.box or n in extra}
        )

    def others(values: Values) -> list[Values]:
        own = {n: v for n, v in values.items() if n in case.box or n in extra}
        at = number_at_values(best, own)
        outcomes = values[FIRST], values[FIRST] + values[APART]
        return [{**values, x: at}, *({**values, y: v} for v in outcomes)]

    shown = (("an outcome", value_of_variable(FIRST)), ("another", other),
             ("chance of that", value_of_variable(SHARE)), ("expected loss", expected(False)),
             ("functional", functional), ("its expected loss", expected(True)))  # fmt: skip
    return Doubt(gap, exact, extra, given, shown=shown, others=others)
