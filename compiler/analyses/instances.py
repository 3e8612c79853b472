"""Whether a term is one of those that a reduction is taken over."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import INT, Access, Apply, Axis, Bound, Expr, Index, Position, Range, Reduce, range_of

COMMUTING = frozenset(("add", "mul", "max", "min", "logaddexp", "hypot", "eq", "ne", "and", "or"))
Places = dict[Bound, Expr]
MOST = 6  # factors of a product that are tried in all orders


def is_instance(part: Reduce, term: Expr) -> bool:
    """Whether a term is the body of a reduction at some place that it runs over.

    True only where every index runs over the whole of an axis and no filter leaves a place out.
    """
    return part.filter is None and bool(places_of(part, term))


def places_of(part: Reduce, term: Expr) -> Places | None:
    """The places of a reduction's indices at which its body is a term; None if there are none.

    Every index runs over the whole of an axis, or over all that stands in its place. An index that
    the term itself binds is no place.
    """
    found = _matched(part.body, term, frozenset(part.indices), {})
    if found is None or any(place.free - term.free for place in found.values()):
        return None
    return found


def _matched(pattern: Expr, term: Expr, indices: frozenset[Bound], found: Places) -> Places | None:
    """The places of indices at which a pattern is a term; None if there are none."""
    if not pattern.free & indices:
        return found if pattern == term else None
    if isinstance(pattern, Position):
        return _placed(pattern, term, False, indices, found)
    if not _same_head(pattern, term):
        return None
    if isinstance(pattern, Apply) and pattern.op == "mul":
        factors = _factors(pattern)
        if len(factors) <= MOST:
            return _matched_products(factors, _factors(term), indices, found)
    orders = [term.parts]
    if isinstance(term, Apply) and term.op in COMMUTING:
        orders.append(term.parts[::-1])
    for parts in orders:
        matched = _matched_parts(pattern, parts, indices, found)
        if matched is not None:
            return matched
    return None


def _matched_products(
    patterns: Sequence[Expr], factors: Sequence[Expr], indices: frozenset[Bound], found: Places
) -> Places | None:
    """As `_matched`, of products whose factors stand in any order."""
    if len(patterns) != len(factors):
        return None
    if not patterns:
        return found
    first, *rest = patterns
    for k, factor in enumerate(factors):
        matched = _matched(first, factor, indices, found)
        if matched is not None:
            others = [*factors[:k], *factors[k + 1 :]]
            whole = _matched_products(rest, others, indices, matched)
            if whole is not None:
                return whole
    return None


def _factors(term: Expr) -> list[Expr]:
    """The factors of a product of products."""
    if not (isinstance(term, Apply) and term.op == "mul"):
        return [term]
    return [f for part in term.args for f in _factors(part)]


def _matched_parts(
    pattern: Expr, parts: tuple[Expr, ...], indices: frozenset[Bound], found: Places
) -> Places | None:
    for k, (p, o) in enumerate(zip(pattern.parts, parts, strict=True)):
        if isinstance(p, Position):
            whole = isinstance(pattern, Access) and _covers(p.index, pattern.tensor.axes[k])
            inner = _placed(p, o, whole, indices, found)
        else:
            inner = _matched(p, o, indices, found)
        if inner is None:
            return None
        found = inner
    return found


def _placed(
    pattern: Position, term: Expr, whole: bool, indices: frozenset[Bound], found: Places
) -> Places | None:
    """As `_matched`, of an index, which may run over the `whole` of an axis that is read there."""
    index = pattern.index
    if not (isinstance(index, Bound) and index in indices):
        return found if pattern == term else None
    whole = whole or (isinstance(term, Position) and range_of(term.index) == index.range)
    if not whole or term.kind != INT or found.get(index, term) != term:
        return None
    return {**found, index: term}


def _covers(index: Index, axis: Axis) -> bool:
    """Whether an index runs over the whole of an axis."""
    return isinstance(index, Bound) and index.range == Range.of(axis)


def _same_head(a: Expr, b: Expr) -> bool:
    match a, b:
        case Access(), Access():
            return a.tensor == b.tensor and not a.padded and not b.padded
        case Apply(), Apply():
            return a.op == b.op and len(a.args) == len(b.args)
        case Reduce(), Reduce():
            same = a.op == b.op and a.indices == b.indices
            return same and (a.filter is None) == (b.filter is None)
    return False
