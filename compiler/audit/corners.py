"""The exact range of a polynomial that is linear in each variable: its values at the corners."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

from ..ir import Access, Expr
from .enclose import Box
from .goal import variables
from .interval import ANY, Interval, around, join_all
from .normal import Polynomial, polynomial_of

MOST = 6  # variables


def corner_hull(term: Expr, box: Box) -> Interval:
    """An interval around a term; the exact one if it is linear in each of a few variables."""
    if len(variables(term)) > MOST:
        return ANY
    top = polynomial_of(term)
    names = None if top is None else _variables(top)
    if top is None or names is None:
        return ANY
    spans = [box.get(n) for n in names]
    if any(s is None or not s.is_bounded for s in spans):
        return ANY
    ends = [(Fraction(s.low), Fraction(s.high)) for s in spans if s is not None]
    corners = (dict(zip(names, c, strict=True)) for c in product(*ends))
    return join_all(around(_value(top, c)) for c in corners)


def _variables(polynomial: Polynomial) -> list[str] | None:
    """The variables of a polynomial that is linear in each; else None."""
    names: dict[str, None] = {}
    for monomial in polynomial:
        for atom, n in monomial:
            if not isinstance(atom, Access) or atom.slots or n != 1:
                return None
            names[atom.tensor.name] = None
    return list(names)


def _value(polynomial: Polynomial, point: dict[str, Fraction]) -> Fraction:
    total = Fraction(0)
    for monomial, c in polynomial.items():
        term = c
        for atom, _ in monomial:
            assert isinstance(atom, Access)
            term *= point[atom.tensor.name]
        total += term
    return total
