"""Sums of products as contractions, where no single factor has all of their indices."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..ir import INT, Apply, Const, Expr, Index, Reduce, Select

ZERO, ONE = Const(Fraction(0)), Const(Fraction(1))


@dataclass(frozen=True, slots=True)
class Product:
    """A reduction's body as a product: factors to contract, then those free of its indices.

    Where a `filter` leaves places out, a factor is 0 there; the last `open` factors are not, for
    they lack an index of the filter. What they have that is not finite must not be felt there, and
    where no place is left the sum is 0, whatever it is multiplied by.
    """

    factors: tuple[Expr, ...]
    times: tuple[Expr, ...]
    over: tuple[Expr, ...]
    negative: bool
    filter: Expr | None = None
    open: int = 0

    @property
    def terms(self) -> tuple[Expr, ...]:
        """All factors in the order of a step's `args`, and the filter if it is needed."""
        last = () if self.filter is None else (self.filter,)
        return (*self.factors, *self.times, *self.over, *last)

    @property
    def shape(self) -> tuple[int | bool, ...]:
        """What tells products of the same arrays apart."""
        counts = (len(self.factors), len(self.times), len(self.over), self.open)
        return (*counts, self.negative, self.filter is None)


def as_product(term: Expr) -> Product | None:
    """A sum's body as factors to contract, where no one factor has all of their indices."""
    if not isinstance(term, Reduce) or term.op not in ("sum", "mean") or term.kind == INT:
        return None
    if term.op == "mean" and term.filter is not None:
        return None
    above, below, negative = _factors(term.body)
    if len(above) + len(below) == 1 and term.filter is None:
        return None
    bound = frozenset(term.indices)
    inner = [t for t in above if t.free & bound]
    inner += [Apply("div", (ONE, t)) for t in below if t.free & bound]
    outer = tuple(t for t in above if not t.free & bound)
    under = tuple(t for t in below if not t.free & bound)
    groups = _grouped(inner)
    if term.filter is not None:
        groups = _masked(groups, term.filter)
    whole = frozenset[Index]().union(*(t.free for t in groups))
    widens = any(not t.free <= whole for t in (*outer, *under))
    splits = len(groups) > 1 and all(t.free != whole for t in groups)
    if not inner or not (widens or splits):
        return None
    if not splits:
        groups = [_product_of(inner)]
        groups = groups if term.filter is None else _masked(groups, term.filter)
    if term.filter is None:
        return Product(tuple(groups), outer, under, negative)
    left = [t for t in groups if not _is_masked(t, term.filter)]
    closed = [t for t in groups if _is_masked(t, term.filter)]
    asked = term.filter if left or outer or under else None
    return Product((*closed, *left), outer, under, negative, asked, len(left))


def _masked(groups: list[Expr], filter: Expr) -> list[Expr]:
    """The factors, 0 at what a filter leaves out if they have its indices; one has, at least."""
    masked = [Select(filter, t, ZERO) if filter.free <= t.free else t for t in groups]
    if masked == groups:
        masked.append(Select(filter, ONE, ZERO))
    return masked


def _is_masked(term: Expr, filter: Expr) -> bool:
    return isinstance(term, Select) and term.condition == filter


def _factors(term: Expr) -> tuple[list[Expr], list[Expr], bool]:
    """The factors of a product, those that divide it, and whether its sign is turned."""
    above: list[Expr] = []
    below: list[Expr] = []
    negative = False
    stack = [(term, False)]
    while stack:
        part, inverted = stack.pop()
        match part:
            case Apply(op="mul", args=(a, b)):
                stack += [(b, inverted), (a, inverted)]
            case Apply(op="div", args=(a, b)):
                stack += [(b, not inverted), (a, inverted)]
            case Apply(op="neg", args=(a,)):
                negative = not negative
                stack.append((a, inverted))
            case _:
                (below if inverted else above).append(part)
    return above, below, negative


def _grouped(factors: list[Expr]) -> list[Expr]:
    """The factors, each multiplied into one that has its indices, so that few are contracted."""
    groups: dict[frozenset[Index], list[Expr]] = {}
    for t in factors:
        groups.setdefault(t.free, []).append(t)
    for indices in sorted(groups, key=len):
        larger = [other for other in groups if indices < other]
        if larger:
            least = min(larger, key=len)
            groups[least] = [*groups[least], *groups.pop(indices)]
    return [_product_of(ts) for ts in groups.values()]


def _product_of(factors: list[Expr]) -> Expr:
    first, *rest = factors
    for t in rest:
        first = Apply("mul", (first, t))
    return first
