"""Quotients and sums over axes of any length, brought to forms whose sign is easier to see."""

from __future__ import annotations

from functools import partial, reduce

from ..ir import BOOL, Access, Bound, Expr, Reduce, rebuild, with_parts
from .normal import SINGLE, Monomial, Polynomial, Ratio, as_term, normal, quotient_of
from .tidy import ONE, ZERO, build, number

SUMS = ("sum", "mean")
Places = tuple[str, tuple[Bound, ...]]


def quotient(term: Expr, positive: frozenset[str]) -> tuple[Expr, Expr] | None:
    """A term as `top / bottom` in normal form; None where nothing is divided by."""
    ratio = quotient_of(term, positive)
    if ratio is None or set(ratio.bottom) == {()}:
        return None
    return as_term(Ratio(ratio.top, SINGLE)), as_term(Ratio(ratio.bottom, SINGLE))


def plain(term: Expr) -> Expr:
    """A term whose reductions are of terms in normal form."""

    def visit(t: Expr) -> Expr | None:
        if not isinstance(t, Reduce):
            return None
        parts = [plain(p) for p in t.parts]
        return with_parts(t, [p if p.kind == BOOL else normal(p) for p in parts])

    return rebuild(term, visit)


def joined(term: Expr) -> Expr | None:
    """A linear combination of sums over the same places as one sum; None where there is no other.

    `sum[i](x) - 2 * sum[i](y)` is `sum[i](x - 2 * y)`.
    """
    ratio = quotient_of(term)
    if ratio is None or set(ratio.bottom) != {()}:
        return None
    found = _grouped(ratio.top)
    return None if found is None else build("div", found, number(ratio.bottom[()]))


def _grouped(top: Polynomial) -> Expr | None:
    """A polynomial with its sums over the same places as one."""
    rest: Expr = ZERO
    bodies: dict[Places, Expr] = {}
    count = 0
    for monomial, c in top.items():
        factor, sums = _split(monomial)
        if factor is None or len(sums) > 1:
            return None
        scaled = build("mul", number(c), factor)
        for part in sums:
            places, count = (part.op, part.indices), count + 1
            body = build("mul", scaled, part.body)
            bodies[places] = build("add", bodies.get(places, ZERO), body)
        rest = rest if sums else build("add", rest, scaled)
    if count == len(bodies):
        return None
    joint = (Reduce(op, indices, body) for (op, indices), body in bodies.items())
    return reduce(partial(build, "add"), joint, rest)


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
