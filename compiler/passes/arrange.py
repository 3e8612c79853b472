"""The order of products: no partial product leaves the range of floats where the whole does not.

`w * d^2` is computed as `(w * d) * d`. If `w * d` is too large then `d` is above 1, and the whole
is too large as well; if it is too small then `d` is below 1. `0.5 * d^2` is `(0.5 * d) * d`.
"""

from __future__ import annotations

from fractions import Fraction

from ..ir import REAL, Apply, Const, Expr, postorder, with_parts
from ..rules.views import factors_of


def arrange(root: Expr) -> Expr:
    """The same value, with squares multiplied in one factor at a time."""
    done: dict[Expr, Expr] = {}
    for term in postorder(root):
        done[term] = _arranged(with_parts(term, [done[p] for p in term.parts]))
    return done[root]


def _arranged(term: Expr) -> Expr:
    if not (isinstance(term, Apply) and term.kind == REAL and term.op in ("mul", "div")):
        return term
    number, factors = factors_of(term)
    squares = [base for base, power in factors if power == 2]
    others = [base for base, power in factors if power == 1]
    if len(squares) != 1 or len(squares) + len(others) != len(factors) or len(others) > 1:
        return term
    if number == 1 and not others:
        return term
    (base,) = squares
    scaled = base if number == 1 else Apply("mul", (Const(Fraction(number)), base))
    first = Apply("mul", (others[0], scaled)) if others else scaled
    return Apply("mul", (first, base))
