"""Comparisons over the domain, values at points, and `zero iff`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from lossc.dsl import ast

from ...ir import Access, Apply, Expr
from ..algebra import is_identity
from ..context import Context, Doubt, Exact, Values, at_place, ladder
from ..enclose import enclose
from ..frame import Case, Frame
from ..goal import COMPARISONS, Goal, assignments, conjuncts, put, solutions, within
from ..interval import INF, Interval
from ..prove import EXACT, hardest
from ..scalars import open_places, scalar
from ..statements import NotStated
from ..tidy import FALSE, TRUE, build, negated
from ..verdict import Verdict, proved


@dataclass(frozen=True)
class Part:
    """One comparison of a claim: `left op right`."""

    op: str
    left: Expr
    right: Expr

    @property
    def is_equality(self) -> bool:
        """Whether it says that two values are equal."""
        return self.op == "eq"

    @property
    def strict(self) -> bool:
        """Whether equality is excluded."""
        return self.op in ("lt", "gt")

    def gap(self) -> Expr:
        """What must not be below 0 (or must be 0)."""
        falls = self.op in ("le", "lt")
        return Apply("sub", (self.right, self.left) if falls else (self.left, self.right))


def holds(context: Context, claim: ast.Claim) -> Verdict:
    """A comparison, or several of which all hold."""
    assert claim.expr is not None
    parts = list(_parts(context.statements.term(claim.expr)))
    verdicts = [decide_part(context, p) for p in parts]
    return all_of(verdicts)


def all_of(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on a claim that all of its parts make up."""
    for verdict in verdicts:
        if verdict.is_refuted:
            return verdict
    for verdict in verdicts:
        if not verdict.is_proved:
            return verdict
    if not verdicts:
        return proved(EXACT)
    how = verdicts[0].how
    for verdict in verdicts[1:]:
        how = hardest(how, verdict.how)
    return proved(how, max((v.scope for v in verdicts), key=len))


def _parts(term: Expr) -> Iterator[Part]:
    if term == TRUE:
        return
    if isinstance(term, Apply) and term.op == "and":
        yield from _parts(term.args[0])
        yield from _parts(term.args[1])
    elif isinstance(term, Apply) and term.op in COMPARISONS - {"ne"}:
        yield Part(term.op, *term.args)
    else:
        raise NotStated("comparisons joined by `or` or `not`")


def decide_part(context: Context, part: Part) -> Verdict:
    """One comparison: for axes of any length, then case by case."""
    gap = part.gap()
    how = None if part.is_equality else context.prove_whole(context.whole(gap), part.strict)
    if how is not None:
        return proved(how)
    return decide_gap(context, gap, part.is_equality, part.strict, _shown(part))


def _shown(part: Part) -> list[tuple[str, Expr]]:
    return [("left", part.left), ("right", part.right)]


def decide_gap(
    context: Context, gap: Expr, zero: bool, strict: bool, shown: Sequence[tuple[str, Expr]],
    others: Callable[[Frame, Values], Iterable[Values]] = lambda frame, values: (),
) -> Verdict:  # fmt: skip
    """Whether `gap` is 0, or not below 0, at small lengths.

    `others` gives the points beside a witness that must lie in the domain, too.
    """

    def prove(frame: Frame, case: Case) -> str | None:
        found = EXACT
        for env in open_places(gap, frame.writer):
            term = case.of(frame.write(gap, env))
            how = zero_or_more(context, Goal(term, case.box, case.given, strict), zero)
            if how is None:
                return None
            found = hardest(found, how)
        return found

    def refute(frame: Frame, case: Case) -> Verdict | None:
        for env in open_places(gap, frame.writer):
            term = case.of(frame.write(gap, env))
            numbers = tuple((label, at_place(t, env)) for label, t in shown)
            doubt = Doubt(term, at_place(gap, env), zero=zero, strict=strict, shown=numbers,
                          others=partial(others, frame))  # fmt: skip
            verdict = context.refute(frame, case, doubt)
            if verdict is not None:
                return verdict
        return None

    return ladder(context, prove, refute)


def zero_or_more(context: Context, goal: Goal, zero: bool) -> str | None:
    """How a term is shown to be 0, or not below 0."""
    if not zero:
        return context.prove_all([goal])
    how = is_identity(goal.term, goal, context.budget)
    if how is not None:
        return how
    return context.prove_all([goal, goal.with_term(negated(goal.term))], 0.3)


# --- zero iff -------------------------------------------------------------------------------------


def zero_iff(context: Context, claim: ast.Claim) -> Verdict:
    """`zero iff C`: the loss is 0 where C holds, and nowhere else."""
    assert claim.expr is not None
    condition = context.statements.term(claim.expr)
    value = context.checked.program.value
    exact = at_place(value, {})

    def prove(frame: Frame, case: Case) -> str | None:
        goal = Goal(case.of(frame.write(value)), case.box, case.given)
        return _zero_proof(context, goal, _everywhere(frame, case, condition))

    def refute(frame: Frame, case: Case) -> Verdict | None:
        chosen = _everywhere(frame, case, condition)
        return _zero_refuted(context, frame, case, case.of(frame.write(value)), chosen, exact)

    return ladder(context, prove, refute)


def _everywhere(frame: Frame, case: Case, condition: Expr) -> Expr:
    """A condition at all places of its open indices, in scalars."""
    total: Expr = TRUE
    for env in open_places(condition, frame.writer):
        total = build("and", total, case.of(frame.write(condition, env)))
    return total


def _zero_proof(context: Context, goal: Goal, condition: Expr) -> str | None:
    """0 where the condition holds, and above 0 where it does not."""
    inside = _where_it_holds(context, goal, condition)
    if inside is None:
        return None
    outside = goal.where(build("not", condition))
    if outside is None or condition == TRUE:
        return inside
    others = _alternatives(build("not", condition))
    for other in others:
        how = context.prove_all(_apart(outside, other), 0.5)
        if how is None:
            return None
        inside = hardest(inside, how)
    return inside


def _where_it_holds(context: Context, goal: Goal, condition: Expr) -> str | None:
    if condition == FALSE:
        return EXACT
    term, rest = solutions(goal.term, condition)
    inside = goal.with_term(term)
    for part in rest:
        narrower = inside.where(part)
        if narrower is None:
            return EXACT
        inside = narrower
    return zero_or_more(context, inside, True)


def _alternatives(condition: Expr) -> list[Expr]:
    if isinstance(condition, Apply) and condition.op == "or":
        return [c for a in condition.args for c in _alternatives(a)]
    return [condition]


def _apart(goal: Goal, condition: Expr) -> list[Goal]:
    """The goals that a term is above 0 where a condition holds; `a != b` on both sides."""
    plain = Goal(goal.term, goal.box, tuple(c for c in goal.given if not _is_or(c)), True)
    if not (isinstance(condition, Apply) and condition.op == "ne"):
        inside = plain.where(condition)
        return [inside] if inside is not None else []
    a, b = condition.args
    goals = []
    for sign in (1, -1):
        moved = _moved(plain, a, b, sign)
        if moved is not None:
            goals.append(moved)
    return goals


def _is_or(condition: Expr) -> bool:
    return isinstance(condition, Apply) and condition.op in ("or", "ne")


def _moved(goal: Goal, a: Expr, b: Expr, sign: int) -> Goal | None:
    """The goal with `a = b + t` (or `b - t`), t above 0; or `a = b * t` where b is above 0."""
    pairs = [(x, y) for x, y in ((a, b), (b, a))
             if isinstance(x, Access) and not x.slots and x.tensor.name in goal.box]  # fmt: skip
    for x, y in sorted(pairs, key=lambda p: not enclose(p[1], goal.box).positive):
        name, step = x.tensor.name, scalar("#step")
        value, span = _step_from(goal, name, y, step, sign)
        box = {n: i for n, i in goal.box.items() if n != name} | {"#step": span}
        given = tuple(put(c, name, value) for c in goal.given)
        return Goal(put(goal.term, name, value), box, given, True)
    return goal.where(build("gt" if sign > 0 else "lt", a, b))


def _step_from(goal: Goal, name: str, start: Expr, step: Expr, sign: int) -> tuple[Expr, Interval]:
    """What a variable is as it moves away from a term, and the interval of the step."""
    own, base = goal.box[name], enclose(start, goal.box)
    if base.positive and own.nonnegative:
        low = Interval(0.0, 1.0, own.positive, True)
        return build("mul", start, step), Interval(1.0, INF, True, True) if sign > 0 else low
    op = "add" if sign > 0 else "sub"
    return build(op, start, step), Interval(0.0, INF, True, True)


def _zero_refuted(
    context: Context, frame: Frame, case: Case, term: Expr, condition: Expr, exact: Exact
) -> Verdict | None:
    """A point of the condition where the loss is not 0, or one beside it where it is 0."""
    shown = (("loss", exact),)
    if condition != FALSE:
        inside = _inside(case, condition)
        doubt = Doubt(inside.of(term), exact, zero=True, shown=shown)
        verdict = context.refute(frame, inside, doubt)
        if verdict is not None:
            return verdict
    if condition == TRUE:
        return None
    outside = (build("not", condition),)
    doubt = Doubt(build("abs", term), _absolute(exact), given=outside, strict=True, shown=shown)
    return context.refute(frame, case, doubt)


def _inside(case: Case, condition: Expr) -> Case:
    """The case where a condition holds: what its equalities give is no longer free."""
    values = {n: v for n, v in assignments(condition).items() if n in case.box}
    box = {n: i for n, i in case.box.items() if n not in values}
    given = [c for n, v in values.items() for c in within(v, case.box[n])]
    whole = Case(values, box)
    rest = [whole.of(c) for c in (*case.given, *conjuncts(condition))]
    fixed = {n: whole.of(v) for n, v in case.fixed.items()} | values
    return Case(fixed, box, tuple(c for c in (*given, *rest) if c != TRUE))


def _absolute(exact: Exact) -> Exact:
    return lambda frame, values: abs(exact(frame, values))
