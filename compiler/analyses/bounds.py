"""Interval inference: between which numbers a term lies, given the domains of its tensors.

Bounds are sound for the real value of a term: they are rounded outward. A branch is looked at under
its condition, so that `if x > 0 then log(x) else 0` knows that `x` is positive there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import reduce
from operator import or_

from lossc.dsl.primitives import PRIMITIVES

from .. import domains as dom
from ..ir import (
    BOOL,
    Access,
    Along,
    Apply,
    Bound,
    Const,
    Dim,
    Expr,
    Index,
    Position,
    Reduce,
    Select,
    Size,
    Tensor,
)  # fmt: skip
from .instances import is_instance

Domains = Mapping[str, dom.Domain]
# Under so many assumptions a term is looked at.
MOST_CONTEXTS = 8


@dataclass(frozen=True, slots=True)
class Bounds:
    """The reals between `low` and `high`; a bound that is not reached is open."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    @property
    def positive(self) -> bool:
        """Whether all numbers are above 0."""
        return self.low > 0 or (self.low == 0 and self.low_open)

    @property
    def negative(self) -> bool:
        """Whether all numbers are below 0."""
        return (-self).positive

    @property
    def nonnegative(self) -> bool:
        """Whether no number is below 0."""
        return self.low >= 0

    @property
    def nonpositive(self) -> bool:
        """Whether no number is above 0."""
        return self.high <= 0

    @property
    def magnitude(self) -> float:
        """The least upper bound of the absolute values."""
        return max(abs(self.low), abs(self.high))

    def __neg__(self) -> Bounds:
        return Bounds(-self.high, -self.low, self.high_open, self.low_open)

    def __contains__(self, x: float) -> bool:
        above = x > self.low or (x == self.low and not self.low_open)
        return above and (x < self.high or (x == self.high and not self.high_open))

    def meet(self, other: Bounds) -> Bounds:
        """The numbers that are in both."""
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        high, high_shut = min((self.high, not self.high_open), (other.high, not other.high_open))
        return Bounds(low, high, low_open, not high_shut)

    def join(self, other: Bounds) -> Bounds:
        """The smallest bounds around both."""
        low, low_open = min((self.low, self.low_open), (other.low, other.low_open))
        high, high_shut = max((self.high, not self.high_open), (other.high, not other.high_open))
        return Bounds(low, high, low_open, not high_shut)


ANY = Bounds()
NATURAL = Bounds(0)
HOLDS, FAILS = Bounds(1, 1), Bounds(0, 0)  # of conditions
UNIT = Bounds(0, 1)
INCREASING: Mapping[str, Callable[[float], float]] = {
    "exp": math.exp, "expm1": math.expm1, "log": math.log, "log1p": math.log1p,
    "sqrt": math.sqrt, "cbrt": math.cbrt, "tanh": math.tanh, "atan": math.atan,
    "asinh": math.asinh, "sinh": math.sinh, "acosh": math.acosh, "atanh": math.atanh,
    "asin": math.asin, "erf": math.erf, "log2": math.log2, "log10": math.log10,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)), "relu": lambda x: max(x, 0.0),
    "softplus": lambda x: math.log1p(math.exp(x)) if x < 700 else x,
    "ndtr": lambda x: math.erfc(-x / math.sqrt(2)) / 2,
    "logit": lambda x: (
        2 * math.atanh(2 * x - 1) if 0.25 < x < 0.75 else math.log(x) - math.log1p(-x)
    ),
    "floor": lambda x: float(math.floor(x)), "ceil": lambda x: float(math.ceil(x)),
    "round": lambda x: float(round(x)), "sign": lambda x: float((x > 0) - (x < 0)),
}  # fmt: skip
# What a function reaches, or nears, at an end of the reals or at a pole.
ENDS: Mapping[str, tuple[float, float]] = {
    "exp": (0, math.inf), "expm1": (-1, math.inf), "tanh": (-1, 1), "erf": (-1, 1),
    "sigmoid": (0, 1), "softplus": (0, math.inf), "relu": (0, math.inf), "ndtr": (0, 1),
    "atan": (-math.pi / 2, math.pi / 2), "sign": (-1, 1),
}  # fmt: skip
STEPS = frozenset(("floor", "ceil", "round", "sign", "relu"))


@dataclass
class _Kin:
    """Inferences under the same domains, by what they assume, and what each term rests on.

    A term's mask has a bit for each term that its bounds rest on, its own the highest; its leaves
    are the tensors that it rests on.
    """

    members: dict[frozenset[tuple[Expr, Bounds]], Inference] = field(default_factory=dict)
    masks: dict[Expr, int] = field(default_factory=dict)
    leaves: dict[Expr, frozenset[str]] = field(default_factory=dict)
    contexts: dict[tuple[bool, Expr], set[int]] = field(default_factory=dict)


@dataclass
class Inference:
    """The bounds of terms under the domains of their tensors and what is assumed beside them."""

    domains: Domains
    assumed: Mapping[Expr, Bounds] = field(default_factory=dict)
    known: dict[Expr, Bounds] = field(default_factory=dict)
    branches: dict[tuple[Expr, bool], Inference] = field(default_factory=dict)
    kin: _Kin = field(default_factory=_Kin)

    def __post_init__(self) -> None:
        self.kin.members[frozenset(self.assumed.items())] = self
        self.bits = {t: 1 << self.mask(t).bit_length() - 1 for t in self.assumed}
        self.all_bits = sum(self.bits.values())
        self.narrower = {self.all_bits: self}
        self.nearer: dict[tuple[frozenset[str], frozenset[Index]], Inference] = {}

    def of(self, term: Expr) -> Bounds:
        """Between which numbers a term lies."""
        home = self.about(term)
        if term not in home.known:
            stack = [(term, home)]
            while stack:
                top, facts = stack[-1]
                parts = [(p, facts.about(p)) for p in self.needs(top)]
                missing = [(p, of) for p, of in parts if p not in of.known]
                if top in facts.known or not missing:
                    stack.pop()
                    facts.known.setdefault(top, facts.infer(top))
                else:
                    stack += missing
        return home.known[term]

    def about(self, term: Expr) -> Inference:
        """What is assumed of a term and what it is made of: all that its bounds rest on.

        It does not `hold` other conditions that are assumed here.
        """
        within = self.mask(term) & self.all_bits if self.assumed else 0
        if within not in self.narrower:
            facts = {t: b for t, b in self.assumed.items() if within & self.bits[t]}
            self.narrower[within] = self.assuming(facts)
        return self.narrower[within].counted(term, bounded=True)

    def mask(self, term: Expr) -> int:
        """The bits of the terms that a term's bounds rest on."""
        masks, stack = self.kin.masks, [term]
        while term not in masks:
            top = stack[-1]
            missing = [p for p in self.grounds(top) if p not in masks]
            stack += missing
            if not missing:
                inner = [masks[p] for p in self.grounds(stack.pop())]
                masks.setdefault(top, reduce(or_, inner, 1 << len(masks)))
        return masks[term]

    def grounds(self, term: Expr) -> tuple[Expr, ...]:
        """The parts of a term, and of a tensor the ends of its domain."""
        if isinstance(term, Access) and term.tensor.name in self.domains:
            return (*term.parts, *_ends(self.domains[term.tensor.name]))
        return term.parts

    def around(self, term: Expr) -> Inference:
        """What is assumed of the tensors and open indices of a term: all that a rewrite may ask.

        A term that stands under many assumptions is looked at under some of them, and then without,
        so that branches within branches take no time for each way through them.
        """
        if not self.assumed:
            return self
        leaves = self.leaves(term)
        key = (leaves, term.free)
        if key not in self.nearer:
            facts = {t: b for t, b in self.assumed.items()
                     if t.free <= term.free and self.leaves(t) <= leaves}  # fmt: skip
            self.nearer[key] = self.assuming(facts)
        return self.nearer[key].counted(term)

    def counted(self, term: Expr, bounded: bool = False) -> Inference:
        """This, unless a term is looked at, or bounded, under as many assumptions already."""
        if not self.assumed:
            return self
        contexts = self.kin.contexts.setdefault((bounded, term), set())
        if id(self) in contexts:
            return self
        if len(contexts) == MOST_CONTEXTS:
            return self.assuming({})
        contexts.add(id(self))
        return self

    def leaves(self, term: Expr) -> frozenset[str]:
        """The names of the tensors that a term rests on."""
        known, stack = self.kin.leaves, [term]
        while term not in known:
            top = stack[-1]
            missing = [p for p in self.grounds(top) if p not in known]
            stack += missing
            if not missing:
                own = {top.tensor.name} if isinstance(top, Access) else ()
                known[top] = frozenset(own).union(*(known[p] for p in self.grounds(stack.pop())))
        return known[term]

    def assuming(self, facts: Mapping[Expr, Bounds]) -> Inference:
        """The inference of its kin that assumes just this."""
        known = self.kin.members.get(frozenset(facts.items()))
        return known or Inference(self.domains, facts, kin=self.kin)

    def needs(self, term: Expr) -> tuple[Expr, ...]:
        """The parts to look at first."""
        if isinstance(term, Select | Access):
            return ()
        return term.parts

    def under(self, condition: Expr, holds: bool = True) -> Inference:
        """The same where a condition holds, or where it fails."""
        key = (condition, holds)
        if key not in self.branches:
            facts = dict(self.assumed)
            for term, bounds in self.facts(condition, holds):
                facts[term] = facts.get(term, ANY).meet(bounds)
            self.branches[key] = self.assuming(facts)
        return self.branches[key]

    def hold(self, condition: Expr) -> bool:
        """Whether a condition is one of those that are assumed."""
        if isinstance(condition, Apply) and condition.op == "and":
            return all(map(self.hold, condition.args))
        return self.assumed.get(condition) == HOLDS

    def fails(self, condition: Expr) -> bool:
        """Whether a condition is one of those that are assumed not to hold."""
        return self.assumed.get(condition) == FAILS

    def facts(self, condition: Expr, holds: bool) -> Iterator[tuple[Expr, Bounds]]:
        """What a condition says of the terms in it, and that it holds: of the condition, 1."""
        yield condition, HOLDS if holds else FAILS
        if not isinstance(condition, Apply):
            return
        if condition.op == "not":
            yield from self.facts(condition.args[0], not holds)
        elif condition.op == ("and" if holds else "or"):
            for part in condition.args:
                yield from self.facts(part, holds)
        elif condition.op in COMPARED:
            x, y = condition.args
            op = condition.op if holds else OPPOSITE[condition.op]
            yield from ((x, b) for b in COMPARED[op](self.of(y)))
            yield from ((y, b) for b in COMPARED[MIRRORED[op]](self.of(x)))
            gap = Apply("sub", (x, y))
            yield from ((gap, b) for b in COMPARED[op](Bounds(0, 0)))

    # --- rules ----------------------------------------------------------------------------------

    def infer(self, term: Expr) -> Bounds:
        """The bounds of a term whose parts are known."""
        found = self.rule(term)
        return found.meet(self.assumed[term]) if term in self.assumed else found

    def rule(self, term: Expr) -> Bounds:
        match term:
            case Const():
                return _constant(term)
            case Size():
                return Bounds(1)
            case Position(index=index):
                return _position(index) if isinstance(index, Bound) else NATURAL
            case Access():
                return self.tensor(term.tensor)
            case Apply():
                return self.primitive(term)
            case Select(condition=c):
                then = self.under(c).of(term.then)
                return then.join(self.under(c, False).of(term.other))
            case Reduce():
                return self.reduction(term)
            case Along():
                return self.scan(term)
        return ANY

    def tensor(self, tensor: Tensor) -> Bounds:
        domain = self.domains.get(tensor.name)
        return ANY if domain is None else self.domain(domain)

    def domain(self, domain: dom.Domain) -> Bounds:
        """The bounds of a declared domain."""
        match domain:
            case dom.Between(low=low, high=high):
                below = ANY if low is None else self.of(low)
                above = ANY if high is None else self.of(high)
                return Bounds(below.low, above.high, domain.low_open, domain.high_open)
            case dom.IntRange(low=low, high=high):
                return Bounds(self.of(low).low, self.of(high).high)
            case dom.Values(values=values):
                return _hull([self.of(v) for v in values])
            case dom.Union(parts=parts):
                return _hull([self.domain(p) for p in parts])
            case dom.IndexOf():
                return NATURAL
            case dom.Simplex() | dom.OneHot() | dom.Bools():
                return UNIT
        return ANY

    def primitive(self, term: Apply) -> Bounds:
        if term.kind == BOOL:
            return UNIT
        row = PRIMITIVES[term.op].range
        floor = -math.inf if row.low is None else float(row.low)
        ceiling = math.inf if row.high is None else float(row.high)
        found = self.function(term, [self.of(a) for a in term.args])
        return found.meet(Bounds(floor, ceiling))

    def function(self, term: Apply, x: list[Bounds]) -> Bounds:
        """A primitive of arguments within bounds."""
        if any(b.low > b.high for b in x):
            return x[0]
        if term.op in INCREASING:
            return _increasing(term.op, x[0])
        match term.op:
            case "add":
                return _sum(x[0], x[1])
            case "sub":
                return self.difference(term, x)
            case "neg":
                return -x[0]
            case "mul":
                if term.args[0] == term.args[1]:
                    return _even_power(x[0], 2)
                return _product(x[0], x[1])
            case "div":
                return _product(x[0], _inverse(x[1]))
            case "pow":
                return _power(term, x)
            case "abs":
                return _absolute(x[0])
            case "max" | "min":
                return _extreme(term.op, x)
            case "clip":
                return _extreme("min", [_extreme("max", x[:2]), x[2]])
            case "stop_gradient":
                return x[0]
            case "cosh":
                return _monotone(math.cosh, _absolute(x[0]), (0,))
            case "erfc":
                return _sum(Bounds(1, 1), -_increasing("erf", x[0]))
            case "xlogy":
                return _product(x[0], _increasing("log", x[1]))
            case "hypot":
                return Bounds(max(_absolute(b).low for b in x))
            case "logaddexp":
                return Bounds(max(b.low for b in x))
        return ANY

    def difference(self, term: Apply, x: list[Bounds]) -> Bounds:
        """`a - b`, below 0 where b is the largest, or the log-sum-exp, of all such a."""
        a, b = term.args
        found = _sum(x[0], -x[1])
        if a == b:
            return Bounds(0, 0)
        match b:
            case Reduce(op="max" | "logsumexp") if is_instance(b, a):
                return found.meet(Bounds(high=0))
            case Reduce(op="min") if is_instance(b, a):
                return found.meet(Bounds(low=0))
        return found

    def reduction(self, term: Reduce) -> Bounds:
        body = self.of(term.body)
        if term.filter is not None:
            body = self.under(term.filter).of(term.body)
        match term.op:
            case "mean":
                return body if term.filter is None else body.join(Bounds(0, 0))
            case "max" | "min":
                empty = -math.inf if term.op == "max" else math.inf
                return body if term.filter is None else body.join(Bounds(empty, empty))
            case "sum":
                return self.total(term, body)
            case "prod":
                if body.nonnegative:
                    high = 1.0 if body.high <= 1 else math.inf
                    positive = body.positive and high == math.inf
                    return Bounds(0, high, low_open=positive or body.positive)
                return ANY
            case "logsumexp":
                return Bounds(body.low if term.filter is None else -math.inf)
            case "var" | "std" | "norm" | "norm1":
                return NATURAL
            case "count" | "argmax" | "argmin":
                return NATURAL
        return UNIT if term.kind == BOOL else ANY

    def total(self, term: Reduce, body: Bounds) -> Bounds:
        """A sum: of one sign if all terms are; 1 along the axis of a simplex."""
        if _is_whole(term):
            return Bounds(1, 1)
        low, low_open = (min(body.low, 0.0), False)
        if body.low > 0 and term.filter is None:
            low, low_open = body.low, body.low_open
        elif body.positive and term.filter is None:
            low_open = True
        low = -math.inf if low < 0 else low
        high = math.inf if body.high > 0 else 0.0
        open_above = body.negative and term.filter is None
        return Bounds(low, high, low_open, open_above and high == 0)

    def scan(self, term: Along) -> Bounds:
        body = self.of(term.body)
        match term.op:
            case "sort" | "table":
                return body
            case "cumsum" if body.nonnegative:
                return Bounds(0, math.inf, body.positive and term.filter is None)
            case "rank" | "argsort":
                return NATURAL
        return ANY


# --- arithmetic -----------------------------------------------------------------------------------


def _ends(domain: dom.Domain) -> tuple[Expr, ...]:
    """The terms in a domain."""
    match domain:
        case dom.Between(low=low, high=high):
            return tuple(x for x in (low, high) if x is not None)
        case dom.IntRange(low=low, high=high):
            return (low, high)
        case dom.Values(values=values):
            return values
        case dom.Union(parts=parts):
            return tuple(x for part in parts for x in _ends(part))
    return ()


def _constant(term: Const) -> Bounds:
    value = term.value
    if value == "inf":
        return Bounds(math.inf, math.inf)
    if value in ("pi", "e") and isinstance(value, str):
        near = {"pi": math.pi, "e": math.e}[value]
        return Bounds(_below(near), _above(near))
    if isinstance(value, Fraction):
        return _around(value)
    return UNIT if isinstance(value, bool) else ANY


def _position(index: Bound) -> Bounds:
    starts = [d.const for d in index.range.starts if _is_low(d)]
    return Bounds(max(starts)) if starts else ANY


def _is_low(dim: Dim) -> bool:
    return all(n > 0 for _, n in dim.sizes)


def _is_whole(term: Reduce) -> bool:
    """Whether a sum runs over all of the axis along which a tensor sums to 1."""
    access = term.body
    if not isinstance(access, Access) or term.filter is not None or len(term.indices) != 1:
        return False
    if access.tensor.sums_to_one is None:
        return False
    slot = access.slots[access.tensor.axes.index(access.tensor.sums_to_one)]
    return isinstance(slot, Position) and slot.index == term.indices[0]


def _around(value: Fraction) -> Bounds:
    """The nearest floats around an exact number."""
    try:
        near = float(value)
    except OverflowError:
        big = math.nextafter(math.inf, 0)
        return Bounds(big, math.inf) if value > 0 else Bounds(-math.inf, -big)
    exact = Fraction(near) == value
    return Bounds(near if exact else _below(near), near if exact else _above(near))


def _below(x: float) -> float:
    return math.nextafter(math.nextafter(x, -math.inf), -math.inf)


def _above(x: float) -> float:
    return math.nextafter(math.nextafter(x, math.inf), math.inf)


def _hull(parts: list[Bounds]) -> Bounds:
    total = parts[0]
    for part in parts[1:]:
        total = total.join(part)
    return total


def _sum(a: Bounds, b: Bounds) -> Bounds:
    low, high = _plus(a.low, b.low, -math.inf), _plus(a.high, b.high, math.inf)
    return Bounds(
        low if _exact_sum(a.low, b.low, low) else _below(low),
        high if _exact_sum(a.high, b.high, high) else _above(high),
        a.low_open or b.low_open,
        a.high_open or b.high_open,
    )


def _plus(x: float, y: float, otherwise: float) -> float:
    total = x + y
    return otherwise if math.isnan(total) else total


def _exact_sum(x: float, y: float, total: float) -> bool:
    if math.isinf(total):
        return math.isinf(x) or math.isinf(y)
    return Fraction(x) + Fraction(y) == Fraction(total)


def _product(a: Bounds, b: Bounds) -> Bounds:
    """All products: their corners, each with whether it is reached."""
    corners = [
        _corner(x, x_open, y, y_open)
        for x, x_open in ((a.low, a.low_open), (a.high, a.high_open))
        for y, y_open in ((b.low, b.low_open), (b.high, b.high_open))
    ]
    low = min(low for low, _, _ in corners)
    low_open = all(is_open for value, _, is_open in corners if value == low)
    high = max(value for _, value, _ in corners)
    high_open = all(is_open for _, value, is_open in corners if value == high)
    return Bounds(low, high, low_open and not _zero_inside(low, a, b), high_open)


def _zero_inside(low: float, a: Bounds, b: Bounds) -> bool:
    return low == 0 and (0 in a or 0 in b)


def _corner(x: float, x_open: bool, y: float, y_open: bool) -> tuple[float, float, bool]:
    if x == 0 or y == 0:
        return 0.0, 0.0, (x_open if x == 0 else True) and (y_open if y == 0 else True)
    value = x * y
    if math.isinf(x) or math.isinf(y):
        return value, value, x_open or y_open
    if math.isinf(value):
        big = math.copysign(math.nextafter(math.inf, 0), value)
        return min(value, big), max(value, big), x_open or y_open
    if value == 0 or Fraction(x) * Fraction(y) != Fraction(value):
        low = 0.0 if value == 0 and (x > 0) == (y > 0) else _below(value)
        high = 0.0 if value == 0 and (x > 0) != (y > 0) else _above(value)
        return low, high, True
    return value, value, x_open or y_open


def _inverse(b: Bounds) -> Bounds:
    """1 / b; all reals if 0 is inside."""
    if b.low < 0 < b.high or b.low == b.high == 0:
        return ANY
    if b.nonpositive:
        return -_inverse(-b)
    low, low_open = _reciprocal(b.high, b.high_open, _below)
    high, high_open = _reciprocal(b.low, b.low_open, _above)
    return Bounds(low, high, low_open, high_open)


def _reciprocal(x: float, is_open: bool, rounded: Callable[[float], float]) -> tuple[float, bool]:
    """1 / x for x >= 0, rounded outward; at 0 it grows without bound."""
    if x == 0:
        return math.inf, is_open
    if math.isinf(x):
        return 0.0, True
    value = 1 / x
    if math.isfinite(value) and Fraction(value) * Fraction(x) == 1:
        return value, is_open
    return rounded(value), False


def _absolute(b: Bounds) -> Bounds:
    if b.nonnegative:
        return b
    if b.nonpositive:
        return -b
    high = max(-b.low, b.high)
    is_open = all(o for v, o in ((-b.low, b.low_open), (b.high, b.high_open)) if v == high)
    return Bounds(0, high, False, is_open)


def _even_power(b: Bounds, n: int) -> Bounds:
    size = _absolute(b)
    total = size
    for _ in range(n - 1):
        total = _product(total, size)
    return total


def _power(term: Apply, x: list[Bounds]) -> Bounds:
    """`x ^ y`: whole exponents one product at a time, else by logarithms."""
    exponent = term.args[1]
    number = exponent.value if isinstance(exponent, Const) else None
    if isinstance(number, Fraction) and number.denominator == 1 and abs(number) <= 8:
        n = abs(int(number))
        found = _whole_power(x[0], n)
        return found if number >= 0 else _inverse(found)
    if not x[0].nonnegative:
        return ANY
    logs = _product(_increasing("log", x[0]), x[1])
    found = _increasing("exp", logs)
    if x[0].positive:
        return found
    return replace(found, low=0.0, low_open=False)


def _whole_power(b: Bounds, n: int) -> Bounds:
    if n == 0:
        return Bounds(1, 1)
    if n % 2 == 0:
        return _even_power(b, n)
    return b if n == 1 else _monotone(lambda x: x**n, b, (-1, 0, 1))


def _monotone(f: Callable[[float], float], b: Bounds, exact: tuple[float, ...]) -> Bounds:
    """An increasing function over bounds; it is exact at the points named."""

    def at(x: float) -> float:
        try:
            return f(x)
        except OverflowError:
            return math.copysign(math.inf, x)

    low, high = at(b.low), at(b.high)
    return Bounds(
        low if b.low in exact else _outward(low, 0),
        high if b.high in exact else _outward(high, 1),
        b.low_open, b.high_open,
    )  # fmt: skip


def _increasing(op: str, b: Bounds) -> Bounds:
    """An increasing function over bounds within its domain."""
    domain = PRIMITIVES[op].domain[0]
    floor = -math.inf if domain.low is None else float(domain.low)
    ceiling = math.inf if domain.high is None else float(domain.high)
    inside = b.meet(Bounds(floor, ceiling))
    if inside.low > inside.high:
        return ANY
    low, low_open = _end(op, inside.low, inside.low_open, 0)
    high, high_open = _end(op, inside.high, inside.high_open, 1)
    return Bounds(low, high, low_open, high_open)


def _end(op: str, x: float, is_open: bool, side: int) -> tuple[float, bool]:
    """A function at one end; where it has no value there, what it nears."""
    if math.isinf(x):
        value = ENDS.get(op, (-math.inf, math.inf))[side]
        return (_outward(value, side) if op == "atan" else value), op not in STEPS
    try:
        value = INCREASING[op](x)
    except (ValueError, OverflowError):
        return (-math.inf, math.inf)[side], is_open
    exact = op in STEPS or _is_exact(op, x, value)
    if exact:
        return value, is_open and op not in STEPS
    return _outward(value, side), False


def _is_exact(op: str, x: float, value: float) -> bool:
    if op == "sqrt":
        return Fraction(value) ** 2 == Fraction(x)
    at_zero = op in ("expm1", "tanh", "atan", "asinh", "sinh", "asin", "erf", "log1p", "atanh",
                     "cbrt", "sigmoid", "exp", "ndtr")  # fmt: skip
    at_one = op in ("log", "log2", "log10", "acosh", "cbrt")
    return (x == 0 and at_zero) or (x == 1 and at_one) or (op == "logit" and x == 0.5)


def _outward(value: float, side: int) -> float:
    """Beyond what the elementary functions of any mathematical library are wrong by."""
    away = value * (1 + math.copysign(2.0**-40, value if side else -value))
    if math.isinf(away):
        away = value
    return _above(away) if side else _below(away)


def _extreme(op: str, parts: list[Bounds]) -> Bounds:
    if op == "min":
        return -_extreme("max", [-p for p in parts])
    total = parts[0]
    for p in parts[1:]:
        low, low_open = max((total.low, total.low_open), (p.low, p.low_open))
        high = max(total.high, p.high)
        high_open = all(b.high_open for b in (total, p) if b.high == high)
        total = Bounds(low, high, low_open, high_open)
    return total


# What `x op y` says of x, given the bounds of y.
COMPARED: Mapping[str, Callable[[Bounds], list[Bounds]]] = {
    "lt": lambda y: [Bounds(high=y.high, high_open=True)],
    "le": lambda y: [Bounds(high=y.high, high_open=y.high_open)],
    "gt": lambda y: [Bounds(low=y.low, low_open=True)],
    "ge": lambda y: [Bounds(low=y.low, low_open=y.low_open)],
    "eq": lambda y: [y],
    "ne": lambda y: [],
}
OPPOSITE = {"lt": "ge", "le": "gt", "gt": "le", "ge": "lt", "eq": "ne", "ne": "eq"}
MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}
