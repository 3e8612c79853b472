"""Sums over a distribution, bounded below by the tangents of the logarithm (Gibbs' inequality).

From `1 - 1 / b <= log(b) <= b - 1` follow `a log(b) >= a - a / b` and `-a log(b) >= a - a b` for a
that is not below 0. What is left in the sum is a polynomial, and each distribution in it sums to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from ..ir import Access, Apply, Expr, Reduce, postorder
from .enclose import Box, enclose, sums_to_one
from .normal import Monomial, as_sum, polynomial_of
from .tidy import ONE, ZERO, build, exchanged, number

IsSummand = Callable[[Expr, Expr, int], bool]


def tangent_sum(term: Expr, box: Box, is_summand: IsSummand) -> Expr | None:
    """A term that a sum of logarithms is never below; None where the rule does not apply."""
    if not isinstance(term, Reduce) or term.op != "sum" or term.filter is not None:
        return None
    body = exchanged(term.body, _quotients(term.body))
    lines = {p: line for p in postorder(body)
             if (line := _line(p, body, box, is_summand)) is not None}  # fmt: skip
    if not lines or len(term.indices) != 1:
        return None
    return _summed(term, exchanged(body, lines))


def _quotients(body: Expr) -> dict[Expr, Expr]:
    """`a log(b) - a log(c)` as `a log(b / c)`."""
    found: dict[Expr, Expr] = {}
    for part in postorder(body):
        match part:
            case Apply(op="sub", args=(Apply(op="xlogy") as x, Apply(op="xlogy") as y)):
                if x.args[0] == y.args[0]:
                    ratio = build("div", x.args[1], y.args[1])
                    found[part] = build("xlogy", x.args[0], ratio)
    return found


def _line(part: Expr, body: Expr, box: Box, is_summand: IsSummand) -> Expr | None:
    """The tangent below a weighted logarithm, as it stands in a sum."""
    if not isinstance(part, Apply) or part.op != "xlogy":
        return None
    a, b = part.args
    if not enclose(a, box).nonnegative or not enclose(b, box).nonnegative:
        return None
    if is_summand(body, part, 1):
        ratio = _simple(build("div", a, b))
        if ratio is not None and enclose(ratio, box).nonnegative:
            return build("sub", a, ratio)
    if is_summand(body, part, -1):
        return build("sub", build("mul", a, b), a)
    return None


def _simple(term: Expr) -> Expr | None:
    """A quotient that is a polynomial."""
    top = polynomial_of(term)
    return None if top is None else as_sum(top)


def _summed(term: Reduce, body: Expr) -> Expr | None:
    """The sum of a polynomial, each monomial a constant times at most one distribution."""
    top = polynomial_of(body)
    if top is None:
        return None
    total: Expr = ZERO
    for monomial, c in top.items():
        part = _summed_monomial(term, monomial, c)
        if part is None:
            return None
        total = build("add", total, part)
    return total


def _summed_monomial(term: Reduce, monomial: Monomial, c: Fraction) -> Expr | None:
    own = [(a, n) for a, n in monomial if a.free & set(term.indices)]
    if len(own) != 1 or own[0][1] != 1 or not isinstance(own[0][0], Access):
        return None
    if not sums_to_one(Reduce("sum", term.indices, own[0][0])):
        return None
    factor: Expr = ONE
    for a, n in monomial:
        if a != own[0][0]:
            factor = build("mul", factor, build("pow", a, number(n)))
    return build("mul", number(c), factor)
