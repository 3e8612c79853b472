"""The order of products: no partial product leaves the range of floats where the whole does not.

`w * d^2` is computed as `(w * d) * d`. If `w * d` is too large then `d` is above 1, and the whole
is too large as well; if it is too small then `d` is below 1. `0.5 * d^2` is `(0.5 * d) * d`.
And 0 times a number too large for any float is 0, as it is for real numbers. A quotient of products
that not even double precision has room for is a product of quotients. A softmax of large computed
numbers is at most 1, though they are computed twice, and rounded otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import zip_longest

from ..analyses.scales import FAR, Scale, Scales
from ..fold import apply, select
from ..ir import REAL, Apply, Const, Expr, Select, kept, postorder, with_parts
from ..rules.softmax import share_of
from ..rules.views import Factors, factors_of, product, terms_of, total
from .simplify import ONE, ZERO, over

# The exponent beyond which no float of double precision reaches.
ENDLESS = 1024.0
# The exponent from which on a number in double precision may be off by enough to be seen in `exp`.
UNSURE = 20.0
# By how many powers of two a quotient of floats is smaller or larger than one of its parts.
NEAR = 150.0


def arrange(root: Expr, scales: Scales) -> Expr:
    """The same value, with products in an order that keeps them in the range of floats."""
    done: dict[Expr, Expr] = {}
    for term in postorder(root):
        whole = with_parts(term, [done[p] for p in term.parts])
        if isinstance(whole, Apply) and whole.kind == REAL and whole.op in ("mul", "div"):
            whole = _one_at_a_time(whole)
        if isinstance(term, Apply) and term.kind == REAL and term.op == "mul":
            whole = _nothing_of_much(term, whole, [done[p] for p in term.parts], scales)
        if isinstance(term, Apply) and term.kind == REAL and term.op == "div":
            whole = _by_quotients(term, whole, done, scales)
        if isinstance(term, Apply) and term.op == "exp":
            whole = _at_most_one(term, whole, scales)
        done[term] = whole
    return done[root]


def _at_most_one(term: Apply, whole: Expr, scales: Scales) -> Expr:
    """A softmax over some places that is at most 1, however the two numbers it is of are rounded.

    At a place that is left out of the whole it may be of any size. One over all places has no such
    difference in it when it is computed (`lowered` of `emit/lower.py`).
    """
    share = share_of(term)
    if share is None or share.whole.filter is None:
        return whole
    if scales.of(share.whole.body).high <= UNSURE:
        return whole
    (less,) = whole.parts
    least = apply("min", (less, ZERO))
    if not share.is_in(scales.facts):
        least = select(share.at(share.whole.filter), least, less)
    return apply("exp", (least,))


def _by_quotients(term: Apply, whole: Expr, done: Mapping[Expr, Expr], scales: Scales) -> Expr:
    """A quotient as a product of quotients, where both its parts leave the range of all floats.

    Factors that can be of many sizes stand over such factors, for these are often of one size.
    """
    if not _both_leave(*map(scales.of, term.args)):
        return whole
    number, factors = _factors(term)
    if any(power.denominator != 1 for _, power in factors):
        return whole
    pairs = zip_longest(*(_by_width(factors, sign, scales) for sign in (1, -1)), fillvalue=ONE)
    plain: Expr = Const(number)
    made = plain
    for pair in pairs:
        above, below = (done[p] if p in done else arrange(p, scales) for p in pair)
        if above == ONE:
            plain, made = over(plain, pair[1]), over(made, below)
            continue
        plain = step = Apply("mul", (plain, over(*pair)))
        factor = over(above, below)
        made = _nothing_of_much(step, apply("mul", (made, factor)), (made, factor), scales)
    return made


def _both_leave(above: Scale, below: Scale) -> bool:
    """Whether both parts of a quotient can be beyond all floats where the quotient is a float."""
    large, small = sorted((above.high, below.high)), sorted((-above.low, -below.low))
    return any(a > ENDLESS - NEAR and ENDLESS < b < FAR for a, b in (large, small))


def _factors(term: Apply) -> tuple[Fraction, Factors]:
    """A quotient as powers; what all terms of a sum have in common stands beside the sum."""
    number, factors = factors_of(term)
    found: dict[Expr, Fraction] = {}
    for base, power in factors:
        for part, exponent in _in_common(base) if power == 1 else ((base, power),):
            found[part] = found.get(part, Fraction(0)) + exponent
    return number, tuple(found.items())


def _in_common(term: Expr) -> Factors:
    """A sum as the powers that are in all its terms, and the sum of what is left of them."""
    terms = [(n, dict(factors_of(t)[1])) for n, t in terms_of(term)]
    if len(terms) < 2:
        return ((term, Fraction(1)),)
    bases = [b for b in terms[0][1] if all(powers.get(b, 0) > 0 for _, powers in terms)]
    common = {b: min(powers[b] for _, powers in terms) for b in bases}
    left = [
        (n, product(Fraction(1), [(b, p - common.get(b, 0)) for b, p in powers.items()]))
        for n, powers in terms
    ]
    return (*common.items(), (total(left) if common else term, Fraction(1)))


def _by_width(factors: Factors, sign: int, scales: Scales) -> list[Expr]:
    """The factors of a sign of powers, each as often as it is there, of many sizes first."""
    found = [base for base, power in factors for _ in range(sign * int(power))]
    return sorted(found, key=lambda base: scales.of(base).low - scales.of(base).high)


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


@kept
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
