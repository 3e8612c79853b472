"""Enclosures of terms: intervals that hold every value a term takes over a box."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from ..ir import (
    BOOL,
    Access,
    Along,
    Apply,
    Bound,
    Const,
    Expr,
    Position,
    Range,
    Reduce,
    Select,
    Size,
    postorder,
)  # fmt: skip
from .interval import (
    ANY,
    EMPTY,
    INF,
    NONNEGATIVE,
    ONE,
    UNIT,
    ZERO,
    Interval,
    absolute,
    add,
    around,
    function,
    mul,
    whole_power,
)  # fmt: skip

Box = Mapping[str, Interval]  # the interval of each tensor, by name
Truth = bool | None  # of a condition over a box: True, False, or neither
Known = Any  # an Interval, or a Truth for a condition
NATURAL = Interval(0.0, INF)


class Tape:
    """Terms set up to be enclosed over many boxes. Shared parts are evaluated once."""

    def __init__(self, *roots: Expr) -> None:
        order = postorder(*roots)
        place = {t: k for k, t in enumerate(order)}
        self.roots = [place[r] for r in roots]
        self.steps = [_step(t, [place[p] for p in _read(t)]) for t in order]

    def run(self, box: Box) -> list[Known]:
        """The enclosure of each root, or for a condition whether it holds."""
        known: list[Known] = []
        for step in self.steps:
            known.append(step(known, box))
        return [known[k] for k in self.roots]


def enclose(term: Expr, box: Box) -> Interval:
    """The enclosure of a number."""
    found: Interval = Tape(term).run(box)[0]
    return found


class Enclosed:
    """The enclosures of many terms over one box. Shared parts are evaluated once."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.place: dict[Expr, int] = {}
        self.known: list[Known] = []

    def __getitem__(self, term: Expr) -> Known:
        for t in () if term in self.place else postorder(term):
            if t not in self.place:
                step = _step(t, [self.place[p] for p in _read(t)])
                self.place[t] = len(self.known)
                self.known.append(step(self.known, self.box))
        return self.known[self.place[term]]


def truth(condition: Expr, box: Box) -> Truth:
    """Whether a condition holds everywhere in a box, nowhere, or neither is known."""
    found: Truth = Tape(condition).run(box)[0]
    return found


Step = Callable[[list[Known], Box], Known]


def _read(term: Expr) -> tuple[Expr, ...]:
    """The terms whose enclosures a step reads: its parts, and what its condition compares."""
    compared = term.condition.parts if isinstance(term, Select) else ()
    return (*term.parts, *compared)


def _step(term: Expr, parts: Sequence[int]) -> Step:
    match term:
        case Const():
            value = _constant(term.value)
            return lambda known, box: value
        case Size():
            return lambda known, box: Interval(1.0, INF)
        case Position(index=index):
            span = _places(index.range) if isinstance(index, Bound) else NATURAL
            return lambda known, box: span
        case Access():
            return _access(term.tensor.name, term.kind == BOOL)
        case Apply():
            return _apply(term.op, parts)
        case Select():
            return _select(term, *parts)
        case Reduce():
            return _reduce(term, parts)
        case Along():
            return _along(term, parts)
    raise TypeError(type(term).__name__)


def _constant(value: object) -> Known:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, Fraction):
        return around(value)
    if value == "inf":
        return Interval(INF, INF)
    near = {"pi": math.pi, "e": math.e}[str(value)]
    return Interval(math.nextafter(near, 0), math.nextafter(near, INF), True, True)


def _access(name: str, is_bool: bool) -> Step:
    if is_bool:
        return lambda known, box: None
    return lambda known, box: box.get(name, ANY)


def _apply(op: str, parts: Sequence[int]) -> Step:
    if op in _CONDITIONS:
        decide = _CONDITIONS[op]
        return lambda known, box: decide(*(known[k] for k in parts))
    if op == "indicator":
        (k,) = parts
        return lambda known, box: {True: ONE, False: ZERO, None: UNIT}[known[k]]
    if op == "mul" and parts[0] == parts[1]:
        return lambda known, box: whole_power(known[parts[0]], 2)
    if op == "sub" and parts[0] == parts[1]:
        return lambda known, box: ZERO
    if len(parts) == 1:
        (k,) = parts
        return lambda known, box: function(op, [known[k]])
    return lambda known, box: function(op, [known[k] for k in parts])


def _select(term: Select, c: int, then: int, other: int, *compared: int) -> Step:
    """A branch; what a comparison says of a branch that is one of its sides counts there."""

    def step(known: list[Known], box: Box) -> Known:
        holds = known[c]
        if holds is not None:
            return known[then] if holds else known[other]
        a, b = known[then], known[other]
        if isinstance(a, Interval):
            sides = [known[i] for i in compared]
            yes, no = (_under(term, branch, sides) for branch in (True, False))
            return a.meet(yes).join(b.meet(no))
        return a if a == b else None

    return step


def _under(term: Select, branch: bool, sides: Sequence[Interval]) -> Interval:
    """What the condition says of the branch taken, where that is a side of its comparison."""
    condition, taken = term.condition, term.then if branch else term.other
    op = condition.op if isinstance(condition, Apply) else ""
    if op not in ("lt", "le", "gt", "ge") or taken not in condition.parts:
        return ANY
    left = condition.parts[0] == taken
    below = (op in ("lt", "le")) == (left == branch)
    bound = sides[1 if left else 0]
    return Interval(-INF, bound.high) if below else Interval(bound.low, INF)


# --- conditions ---------------------------------------------------------------------------------


def _less(a: Interval, b: Interval) -> Truth:
    if a.is_empty or b.is_empty:
        return None
    if a.high < b.low or (a.high == b.low and (a.high_open or b.low_open)):
        return True
    return False if a.low >= b.high else None


def _at_most(a: Interval, b: Interval) -> Truth:
    return _negation(_less(b, a))


def _equal(a: Known, b: Known) -> Truth:
    if not isinstance(a, Interval) or not isinstance(b, Interval):
        return None if a is None or b is None else a == b
    if a.low == a.high == b.low == b.high:
        return True
    return False if a.meet(b).is_empty else None


def _negation(a: Truth) -> Truth:
    return None if a is None else not a


def _both(a: Truth, b: Truth) -> Truth:
    if a is False or b is False:
        return False
    return True if a and b else None


_CONDITIONS: Mapping[str, Callable[..., Truth]] = {
    "lt": _less,
    "le": _at_most,
    "gt": lambda a, b: _less(b, a),
    "ge": lambda a, b: _at_most(b, a),
    "eq": _equal,
    "ne": lambda a, b: _negation(_equal(a, b)),
    "and": _both,
    "or": lambda a, b: _negation(_both(_negation(a), _negation(b))),
    "not": _negation,
    "isnan": lambda a: False,
    "isfinite": lambda a: True if a.is_bounded else None,
}


# --- reductions, of any length --------------------------------------------------------------------


def _places(span: Range) -> Interval:
    """The places of a range whatever the sizes of axes."""
    starts = [d.const for d in span.starts if all(n > 0 for _, n in d.sizes)]
    stops = [d.const for d in span.stops if d.is_const]
    return Interval(float(max(starts, default=0)), float(min(stops) - 1) if stops else INF)


def _count(term: Reduce) -> Interval:
    """How many places a reduction has."""
    total = ONE
    for b in term.indices:
        const = all(d.is_const for d in (*b.range.starts, *b.range.stops))
        if const:
            start, stop = b.range.bounds(lambda a: 0)
            total = mul(total, around(max(stop - start, 0)))
        else:
            total = mul(total, Interval(1.0, INF))
    return total if term.filter is None else Interval(0.0, total.high)


def _reduce(term: Reduce, parts: Sequence[int]) -> Step:
    body, op, places = parts[0], term.op, _count(term)
    if op in ("any", "all"):
        sure = op == "all" if term.filter is not None else None
        return lambda known, box: known[body] if known[body] is sure or sure is None else None
    if op == "count":
        return lambda known, box: places
    if op in ("argmax", "argmin"):
        span = _places(term.indices[0].range)
        return lambda known, box: span
    if op == "sum" and sums_to_one(term):
        return lambda known, box: ONE
    rule = _REDUCTIONS[op]
    empty = term.filter is not None
    return lambda known, box: rule(known[body], places, empty)


def sums_to_one(term: Reduce) -> bool:
    """Whether a reduction runs over the whole of a distribution."""
    body = term.body
    if not isinstance(body, Access) or body.tensor.sums_to_one is None or term.filter is not None:
        return False
    slot = body.slots[body.tensor.axes.index(body.tensor.sums_to_one)]
    whole = len(term.indices) == 1 and term.indices[0].range == Range.of(body.tensor.sums_to_one)
    return whole and slot == Position(term.indices[0])


def _sum(body: Interval, places: Interval, empty: bool) -> Interval:
    return mul(body, places)


def _mean(body: Interval, places: Interval, empty: bool) -> Interval:
    return body.join(ZERO) if empty else body


def _extreme(end: float) -> Callable[[Interval, Interval, bool], Interval]:
    def rule(body: Interval, places: Interval, empty: bool) -> Interval:
        return body.join(Interval(end, end)) if empty else body

    return rule


def _logsumexp(body: Interval, places: Interval, empty: bool) -> Interval:
    if body.is_empty:
        return EMPTY
    top = add(body, function("log", [places])) if places.high < INF else body._replace(high=INF)
    return Interval(-INF if empty else body.low, top.high, body.low_open, top.high_open)


def _prod(body: Interval, places: Interval, empty: bool) -> Interval:
    if body.low < 0:
        return ANY
    return Interval(0.0, 1.0 if body.high <= 1 else INF)


def _norm(body: Interval, places: Interval, empty: bool) -> Interval:
    return function("sqrt", [mul(whole_power(body, 2), places)])


def _spread(body: Interval, places: Interval, empty: bool) -> Interval:
    return NONNEGATIVE


_REDUCTIONS: Mapping[str, Callable[[Interval, Interval, bool], Interval]] = {
    "sum": _sum,
    "mean": _mean,
    "max": _extreme(-INF),
    "min": _extreme(INF),
    "logsumexp": _logsumexp,
    "prod": _prod,
    "norm": _norm,
    "norm1": lambda body, places, empty: mul(absolute(body), places),
    "var": _spread,
    "std": _spread,
}


def _along(term: Along, parts: Sequence[int]) -> Step:
    body = parts[0]
    if term.op == "sort" and term.filter is None:
        return lambda known, box: known[body]
    if term.op == "cumsum":
        return lambda known, box: mul(known[body], NATURAL)
    if term.op in ("rank", "argsort"):
        return lambda known, box: NATURAL
    return lambda known, box: ANY
