"""Terms as sums with numeric coefficients and as products with exponents, and back."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ..fold import apply
from ..ir import (
    Apply,
    Bound,
    Const,
    Expr,
    Index,
    Position,
    Range,
    Reduce,
    Select,
    kept,
    substitute,
)
from ..passes.simplify import ONE, ZERO, minus, over, plus, times

Terms = tuple[tuple[Fraction, Expr], ...]
Factors = tuple[tuple[Expr, Fraction], ...]
UNITY = Fraction(1)


@kept
def terms_of(term: Expr) -> Terms:
    """A term as a sum of numbers times terms; the number alone goes with 1."""
    found: dict[Expr, Fraction] = {}
    stack = [(UNITY, term)]
    while stack:
        scale, part = stack.pop()
        match part:
            case Apply(op="add", args=(a, b)):
                stack += [(scale, b), (scale, a)]
            case Apply(op="sub", args=(a, b)):
                stack += [(-scale, b), (scale, a)]
            case Apply(op="neg", args=(a,)):
                stack.append((-scale, a))
            case _:
                number, core = scaled(part)
                if isinstance(core, Apply) and core.op in ("add", "sub") and number != 1:
                    stack.append((scale * number, core))
                else:
                    share = number if scale is UNITY else scale * number
                    found[core] = found[core] + share if core in found else share
    return tuple((n, t) for t, n in found.items() if n)


@kept
def scaled(term: Expr) -> tuple[Fraction, Expr]:
    """A term as a number times a term without one."""
    match term:
        case Const(value=Fraction() as value):
            return value, ONE
        case Apply(op="neg", args=(a,)):
            number, core = scaled(a)
            return -number, core
        case Apply(op="mul" | "div"):
            number, factors = factors_of(term)
            if number == 1:
                return number, term
            return number, product(UNITY, factors)
    return UNITY, term


@kept
def factors_of(term: Expr) -> tuple[Fraction, Factors]:
    """A term as a number times powers of terms."""
    number = UNITY
    found: dict[Expr, Fraction] = {}
    stack = [(term, UNITY)]
    while stack:
        part, power = stack.pop()
        match part:
            case Const(value=Fraction() as value) if value and power.denominator == 1:
                number *= value ** int(power) if abs(power) < 64 else UNITY
                if abs(power) >= 64:
                    found[part] = found.get(part, Fraction(0)) + power
            case Apply(op="mul", args=(a, b)) if power.denominator == 1:
                stack += [(b, power), (a, power)]
            case Apply(op="div", args=(a, b)) if power.denominator == 1:
                stack += [(b, -power), (a, power)]
            case Apply(op="neg", args=(a,)) if power.denominator == 1:
                number *= (-1) ** int(power % 2)
                stack.append((a, power))
            case Apply(op="pow", args=(a, Const(value=Fraction() as exponent))) if (
                exponent.denominator == 1
            ):
                stack.append((a, power * exponent))
            case Apply(op="sqrt", args=(a,)) if power % 2 == 0:
                stack.append((a, power / 2))
            case _:
                found[part] = found[part] + power if part in found else power
    return number, tuple((t, n) for t, n in found.items() if n)


def total(terms: Terms | Sequence[tuple[Fraction, Expr]]) -> Expr:
    """The sum of numbers times terms."""
    result: Expr = ZERO
    for number, term in sorted(terms, key=lambda t: t[0] < 0):
        part = times(Const(abs(number)), term)
        if number < 0:
            result = minus(part) if result == ZERO else apply("sub", (result, part))
        else:
            result = plus(result, part)
    return result


def product(number: Fraction, factors: Sequence[tuple[Expr, Fraction]]) -> Expr:
    """The product of a number and powers of terms."""
    above: Expr = Const(number)
    below: Expr = ONE
    for term, power in factors:
        if power > 0:
            above = times(above, raised(term, power))
        else:
            below = times(below, raised(term, -power))
    return over(above, below)


def beside(a: Expr, b: Expr) -> Expr:
    """`a * b` with both as they stand: the order of products says what is multiplied first."""
    return times(a, b) if isinstance(a, Const) or isinstance(b, Const) else apply("mul", (a, b))


def raised(term: Expr, power: Fraction) -> Expr:
    """A term to a constant power."""
    if power == Fraction(1, 2):
        return apply("sqrt", (term,))
    return term if power == 1 else apply("pow", (term, Const(power)))


def gathered(term: Expr) -> Expr:
    """A product or sum in which equal parts are cancelled and numbers are one."""
    if isinstance(term, Apply) and term.op in ("add", "sub"):
        terms = terms_of(term)
        return total(terms) if len(terms) < _addends(term) else term
    if not (isinstance(term, Apply) and term.op in ("mul", "div")):
        return term
    number, factors = factors_of(term)
    return product(number, factors) if len(factors) + (number != 1) < _leaves(term) else term


@kept
def _addends(term: Expr) -> int:
    """The number of addends of a sum as written."""
    if isinstance(term, Apply) and term.op in ("add", "sub", "neg"):
        return sum(map(_addends, term.args))
    return 1


@kept
def _leaves(term: Expr) -> int:
    """The number of factors of a product as written."""
    if isinstance(term, Apply) and term.op in ("mul", "div"):
        return sum(map(_leaves, term.args))
    if isinstance(term, Apply) and term.op == "neg":
        return 1 + _leaves(term.args[0])
    return 1


def filtered_sum(term: Expr, indices: tuple[Bound, ...]) -> tuple[Expr, Expr] | None:
    """Filter and body of a sum over some places only, by other indices of the same ranges."""
    if not (isinstance(term, Reduce) and term.op == "sum"):
        return None
    if [b.range for b in term.indices] != [b.range for b in indices]:
        return None
    names = {b: Position(own) for b, own in zip(term.indices, indices, strict=True)}
    body = substitute(term.body, names)
    if term.filter is not None:
        return substitute(term.filter, names), body
    if isinstance(body, Select) and body.other == ZERO:
        return body.condition, body.then
    return None


def ranges_of(term: Reduce) -> list[Range]:
    """What the indices of a reduction run over."""
    return [index.range for index in term.indices]


def body_at(term: Reduce, places: Sequence[Index]) -> Expr:
    """What a reduction is taken over, at given places of its indices."""
    named = {b: Position(i) for b, i in zip(term.indices, places, strict=True)}
    return substitute(term.body, named)
