"""The order of products: no partial product leaves the range of floats where the whole does not.

`w * d^2` is computed as `(w * d) * d`. If `w * d` is too large then `d` is above 1, and the whole
is too large as well; if it is too small then `d` is below 1. `0.5 * d^2` is `(0.5 * d) * d`.
And 0 times a number too large for any float is 0, as it is for real numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ..analyses.scales import Scales
from ..fold import apply
from ..ir import REAL, Apply, Const, Expr, Select, postorder, with_parts
from ..rules.views import factors_of
from .simplify import ZERO

# The exponent beyond which no float of double precision reaches.
ENDLESS = 1024.0


def arrange(root: Expr, scales: Scales) -> Expr:
    """The same value, with products in an order that keeps them in the range of floats."""
    done: dict[Expr, Expr] = {}
    for term in postorder(root):
        whole = with_parts(term, [done[p] for p in term.parts])
        if isinstance(whole, Apply) and whole.kind == REAL and whole.op in ("mul", "div"):
            whole = _one_at_a_time(whole)
        if isinstance(term, Apply) and term.kind == REAL and term.op == "mul":
            whole = _nothing_of_much(term, whole, [done[p] for p in term.parts], scales)
        done[term] = whole
    return done[root]


def _nothing_of_much(term: Apply, whole: Expr, made: Sequence[Expr], scales: Scales) -> Expr:
    """A product that is 0 where one factor is, however large the other one is.

    The factors as they are `made` are asked, which are those that the product is of.
    """
    for k, (part, other) in enumerate((term.args, term.args[::-1])):
        if isinstance(other, Const) or scales.of(part).high <= ENDLESS:
            continue
        if 0 not in scales.facts.of(other):
            continue
        known = apply("not", (apply("isnan", (made[k],)),))
        none = apply("and", (_is_nothing(made[1 - k]), known))
        return Select(none, ZERO, whole)
    return whole


def _is_nothing(term: Expr) -> Expr:
    """Whether a term is 0: of powers and products it is asked of what they are made of."""
    match term:
        case Apply(op="pow", args=(base, Const(value=Fraction() as power))) if power > 0:
            return _is_nothing(base)
        case Apply(op="mul", args=(a, b)):
            return apply("or", (_is_nothing(a), _is_nothing(b)))
        case Apply(op="neg" | "abs" | "sqrt", args=(a,)):
            return _is_nothing(a)
    return apply("eq", (term, ZERO))


def _one_at_a_time(term: Apply) -> Expr:
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
