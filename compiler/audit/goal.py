"""Goals: a scalar term that must not be below 0 (or must be above 0) over a box."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache

from ..ir import Access, Apply, Expr, Select, postorder
from .enclose import Box, enclose, truth
from .interval import INF, Interval
from .normal import KEPT, NOTHING, normal, polynomial_of
from .tidy import FALSE, ONE, TRUE, ZERO, build, exchanged, negated, number, tidied, value_of

COMPARISONS = frozenset(("lt", "le", "gt", "ge", "eq", "ne"))


class OutOfBudget(Exception):
    """A proof has used up its time."""


@dataclass
class Budget:
    """The seconds of the processor, and the boxes, that a proof may use."""

    seconds: float = 1.0
    boxes: int = 600
    start: float = field(default_factory=time.thread_time)

    def check(self) -> None:
        """Raise OutOfBudget if the time is over."""
        if self.left <= 0:
            raise OutOfBudget

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self.start + self.seconds - time.thread_time()

    def part(self, share: float) -> Budget:
        """A budget of a share of what is left."""
        return Budget(max(self.left, 0.0) * share, self.boxes)


@dataclass(frozen=True)
class Goal:
    """`term >= 0`, or `term > 0` if `strict`, over the points of `box` at which `given` holds."""

    term: Expr
    box: Mapping[str, Interval]
    given: tuple[Expr, ...] = ()
    strict: bool = False

    @property
    def positive(self) -> frozenset[str]:
        """The variables that are above 0."""
        return frozenset(n for n, i in self.box.items() if i.positive)

    def with_term(self, term: Expr) -> Goal:
        """The same of another term."""
        return replace(self, term=term)

    def where(self, condition: Expr) -> Goal | None:
        """The goal where a condition holds too, or None if it holds nowhere."""
        if condition == FALSE or truth(condition, self.box) is False:
            return None
        box = narrowed(self.box, condition)
        if box is None:
            return None
        given = self.given if condition == TRUE else (*self.given, condition)
        return replace(self, box=box, given=given)

    def at(self, name: str, value: Expr) -> Goal:
        """The goal with a term in place of a variable."""
        box = {n: i for n, i in self.box.items() if n != name}
        given = tuple(put(c, name, value) for c in self.given)
        return replace(self, term=put(self.term, name, value), box=box, given=given)


def variables(*terms: Expr) -> frozenset[str]:
    """The names of the scalars in some terms."""
    return frozenset(t.tensor.name for t in postorder(*terms) if isinstance(t, Access))


def put(term: Expr, name: str, value: Expr) -> Expr:
    """A term with another in place of a scalar."""
    return put_all(term, {name: value})


def put_all(term: Expr, values: Mapping[str, Expr]) -> Expr:
    """A term with others in place of scalars, all at once."""
    if not values:
        return term
    order = postorder(term)
    found = [t for t in order if isinstance(t, Access) and t.tensor.name in values]
    return exchanged(term, {t: values[t.tensor.name] for t in found}, order) if found else term


def swap(term: Expr, old: Expr, new: Expr) -> Expr:
    """A term with a part replaced."""
    return exchanged(term, {old: new})


# --- conditions -----------------------------------------------------------------------------------


def comparisons(condition: Expr) -> Iterator[Apply]:
    """The comparisons that all hold where a condition does."""
    if isinstance(condition, Apply):
        if condition.op == "and":
            for part in condition.args:
                yield from comparisons(part)
        elif condition.op in COMPARISONS:
            yield condition


def excess(condition: Apply) -> tuple[Expr, bool] | None:
    """A term that is not below 0, or above 0 if the flag is set, where a comparison holds."""
    x, y = condition.args
    match condition.op:
        case "ge" | "gt":
            return build("sub", x, y), condition.op == "gt"
        case "le" | "lt":
            return build("sub", y, x), condition.op == "lt"
    return None


def narrowed(box: Box, condition: Expr) -> dict[str, Interval] | None:
    """A box with what a condition leaves of it, or None for nothing."""
    found = dict(box)
    for comparison in comparisons(condition):
        x, y = comparison.args
        gaps = [excess(comparison)]
        if comparison.op == "eq":
            gaps = [(build("sub", x, y), False), (build("sub", y, x), False)]
        for gap in gaps:
            if gap is not None and not _narrow(found, *gap):
                return None
    return found


def _narrow(box: dict[str, Interval], term: Expr, strict: bool) -> bool:
    """Narrow the variables in which `term >= 0` is linear; whether any point is left."""
    for name, (factor, rest) in linear_parts(term).items():
        bound = enclose(build("div", negated(rest), factor), box)
        if bound.is_empty or name not in box:
            continue
        rising = (value_of(factor) or 0) > 0
        if rising:
            limit = Interval(bound.low, INF, strict or bound.low_open, True)
        else:
            limit = Interval(-INF, bound.high, True, strict or bound.high_open)
        box[name] = box[name].meet(limit)
        if box[name].is_empty:
            return False
    return True


@lru_cache(maxsize=KEPT)
def linear_parts(term: Expr) -> Mapping[str, tuple[Expr, Expr]]:
    """For each variable that stands in a sum with a number as its factor: that, and the rest."""
    found: dict[str, tuple[Expr, Expr]] = {}
    for monomial, c in (polynomial_of(term) or NOTHING).items():
        if len(monomial) == 1 and monomial[0][1] == 1 and isinstance(monomial[0][0], Access):
            variable = monomial[0][0]
            factor = number(c)
            rest = normal(build("sub", term, build("mul", factor, variable)))
            if variable.tensor.name not in variables(rest):
                found[variable.tensor.name] = (factor, rest)
    return found


# --- switches -------------------------------------------------------------------------------------


def split(goal: Goal) -> list[Goal] | None:
    """The goal as cases, by the first part at which its formula switches; None if none does."""
    cases = split_at(goal)
    if cases is None:
        return None
    inside = ((goal.where(condition), term) for condition, term in cases)
    return [g.with_term(term) for g, term in inside if g is not None]


def split_at(goal: Goal) -> list[tuple[Expr, Expr]] | None:
    """The conditions of the first part at which a formula switches, and what it then is."""
    for part in postorder(goal.term):
        cases = _cases(part)
        if cases is not None:
            return [(condition, swap(goal.term, part, value)) for condition, value in cases]
    return None


def _cases(part: Expr) -> list[tuple[Expr, Expr]] | None:
    """The conditions under which a part is a simpler term."""
    if isinstance(part, Select):
        return _branches(part.condition, part.then, part.other)
    if not isinstance(part, Apply):
        return None
    match part.op, part.args:
        case "abs", (x,):
            return [(build("ge", x, ZERO), x), (build("le", x, ZERO), negated(x))]
        case "max", (x, y):
            return [(build("ge", x, y), x), (build("le", x, y), y)]
        case "min", (x, y):
            return [(build("le", x, y), x), (build("ge", x, y), y)]
        case "sign", (x,):
            return [(build("gt", x, ZERO), ONE), (build("lt", x, ZERO), negated(ONE)),
                    (build("eq", x, ZERO), ZERO)]  # fmt: skip
        case "indicator", (c,):
            return _branches(c, ONE, ZERO)
    return None


def _branches(condition: Expr, then: Expr, other: Expr) -> list[tuple[Expr, Expr]]:
    """A branch, its condition taken apart."""
    if isinstance(condition, Apply) and condition.op in ("and", "or"):
        first, second = condition.args
        inner = tidied(Select(second, then, other))
        if condition.op == "and":
            return [(first, inner), (build("not", first), other)]
        return [(first, then), (build("not", first), inner)]
    return [(condition, then), (build("not", condition), other)]


def holds_throughout(condition: Expr, goal: Goal) -> bool:
    """Whether intervals show that a condition holds all over a box."""
    if condition == TRUE or truth(condition, goal.box) is True:
        return True
    gap = (
        excess(condition) if isinstance(condition, Apply) and condition.op in COMPARISONS else None
    )
    if gap is None:
        return False
    interval = enclose(normal(gap[0], goal.positive), goal.box)
    return not interval.is_empty and (interval.positive if gap[1] else interval.nonnegative)


def decided(goal: Goal) -> Goal:
    """The goal with the switches resolved that its box decides."""
    term = goal.term
    for part in postorder(term):
        cases = _cases(part)
        if cases is None:
            continue
        for condition, value in cases:
            if holds_throughout(condition, goal):
                term = swap(term, part, value)
                break
    return goal.with_term(term)


def within(term: Expr, interval: Interval) -> list[Expr]:
    """The conditions that a term lies in an interval."""
    found = []
    if interval.low > -INF:
        op = "gt" if interval.low_open else "ge"
        found.append(build(op, term, number(Fraction(interval.low))))
    if interval.high < INF:
        op = "lt" if interval.high_open else "le"
        found.append(build(op, term, number(Fraction(interval.high))))
    return found


# --- equalities -----------------------------------------------------------------------------------


def assignments(condition: Expr) -> dict[str, Expr]:
    """The scalars that a condition's equalities give, one after another."""
    found: dict[str, Expr] = {}
    for comparison in comparisons(condition):
        if comparison.op != "eq":
            continue
        a, b = comparison.args
        for x, y in ((a, b), (b, a)):
            value = put_all(y, found)
            if not isinstance(x, Access) or x.tensor.name in {*found, *variables(value)}:
                continue
            found = {n: put(v, x.tensor.name, value) for n, v in found.items()}
            found[x.tensor.name] = value
            break
    return found


def solutions(term: Expr, condition: Expr) -> tuple[Expr, tuple[Expr, ...]]:
    """A term with what a condition's equalities give put in, and the conditions that are left."""
    values = assignments(condition)
    rest = (put_all(c, values) for c in conjuncts(condition))
    return put_all(term, values), tuple(c for c in rest if c != TRUE)


def conjuncts(condition: Expr) -> Iterator[Expr]:
    """The conditions that a condition is made of by `and`."""
    if isinstance(condition, Apply) and condition.op == "and":
        for part in condition.args:
            yield from conjuncts(part)
    else:
        yield condition
