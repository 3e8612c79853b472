"""Quotients and sums over axes of any length, brought to forms whose sign is easier to see."""

from __future__ import annotations

from collections.abc import Mapping

from ..ir import Access, Bound, Expr, Reduce
from .normal import SINGLE, Monomial, Normaliser, Polynomial, Ratio, TooLarge, as_term
from .tidy import ONE, ZERO, build, number

SUMS = ("sum", "mean")
Places = tuple[str, tuple[Bound, ...]]


def quotient(term: Expr, positive: frozenset[str]) -> tuple[Expr, Expr] | None:
    """A term as `top / bottom` in normal form; None where nothing is divided by."""
    try:
        ratio = Normaliser(positive).ratio(term)
        if set(ratio.bottom) == {()}:
            return None
        return as_term(Ratio(ratio.top, SINGLE)), as_term(Ratio(ratio.bottom, SINGLE))
    except TooLarge:
        return None


def joined(term: Expr) -> Expr | None:
    """A linear combination of sums over the same places as one sum; None where there is no other.

    `sum[i](x) - 2 * sum[i](y)` is `sum[i](x - 2 * y)`.
    """
    try:
        ratio = Normaliser().ratio(term)
    except TooLarge:
        return None
    if set(ratio.bottom) != {()}:
        return None
    found = _grouped(ratio.top)
    if found is None or sum(map(len, found.values())) == len(found):
        return None
    total: Expr = ZERO
    for (op, indices), bodies in found.items():
        body: Expr = ZERO
        for b in bodies:
            body = build("add", body, b)
        total = build("add", total, Reduce(op, indices, body) if op else body)
    return build("div", total, number(ratio.bottom[()]))


def _grouped(top: Polynomial) -> Mapping[Places, list[Expr]] | None:
    """The bodies of sums by what they run over; what is no sum is under ""."""
    found: dict[Places, list[Expr]] = {}
    for monomial, c in top.items():
        factor, sums = _split(monomial)
        if factor is None or len(sums) > 1:
            return None
        scaled = build("mul", number(c), factor)
        if not sums:
            found.setdefault(("", ()), []).append(scaled)
            continue
        part = sums[0]
        found.setdefault((part.op, part.indices), []).append(build("mul", scaled, part.body))
    plain = found.pop(("", ()), None)
    if plain is not None:
        total: Expr = ZERO
        for term in plain:
            total = build("add", total, term)
        found["", ()] = [total]
    return found


def _split(monomial: Monomial) -> tuple[Expr | None, list[Reduce]]:
    """The factor of a monomial that has no indices, and its sums."""
    factor: Expr = ONE
    sums: list[Reduce] = []
    for atom, n in monomial:
        if isinstance(atom, Reduce) and atom.op in SUMS and atom.filter is None and n == 1:
            sums.append(atom)
        elif isinstance(atom, Access) and not atom.slots:
            factor = build("mul", factor, build("pow", atom, number(n)))
        else:
            return None, []
    return factor, sums
