"""A normal form of terms: a quotient of polynomials with exact coefficients in atoms.

Atoms are variables and what the field operations do not reach (`exp(x)`, `abs(x)`), their arguments
in normal form again. Two terms with one normal form are equal wherever both have a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, reduce
from itertools import product
from math import gcd, lcm

from ..ir import Access, Apply, Expr, Select, postorder, with_parts
from .tidy import HALF, ONE, ZERO, build, number, tidied, unsigned, value_of

Monomial = tuple[tuple[Expr, Fraction], ...]  # atoms with exponents, in the order of their digests
Polynomial = Mapping[Monomial, Fraction]
LARGEST = 64  # monomials of a product
MOST_TERMS = 250  # terms that one normal form may take
SMALL_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31)
MOST_BITS = 2048  # of a number whose factors are looked for
KEPT = 1 << 15  # normal forms, of the terms that were asked for last

UNIT: Monomial = ()
NOTHING: Polynomial = {}
SINGLE: Polynomial = {UNIT: Fraction(1)}


class TooLarge(Exception):
    """A polynomial has more terms than is sensible."""


@dataclass(frozen=True)
class Ratio:
    """`top / bottom`."""

    top: Polynomial
    bottom: Polynomial


@dataclass(frozen=True)
class Normaliser:
    """Brings terms to normal form. `positive` names variables above 0."""

    positive: frozenset[str] = frozenset()

    def ratio(self, term: Expr) -> Ratio:
        """The normal form of a term. Raises TooLarge."""
        return _ratio(term, self.positive)

    def found(self, term: Expr) -> Ratio:
        value = value_of(term)
        if value is not None:
            return Ratio(_constant(value), SINGLE)
        if not isinstance(term, Apply):
            return Ratio(_atom(self.inside(term)), SINGLE)
        match term.op, term.args:
            case "add", (x, y):
                return _plus(self.ratio(x), self.ratio(y))
            case "sub", (x, y):
                return _plus(self.ratio(x), _times(_MINUS, self.ratio(y)))
            case "neg", (x,):
                return _times(_MINUS, self.ratio(x))
            case "mul", (x, y):
                return _times(self.ratio(x), self.ratio(y))
            case "div", (x, y):
                return _over(self.ratio(x), self.ratio(y))
            case "pow", (x, y):
                return self.power(x, y)
            case "sqrt", (x,):
                return self.power(x, HALF)
            case "exp", (x,):
                return self.exponential(x)
            case "xlogy", (x, y):
                return _times(self.ratio(x), self.ratio(build("log", y)))
            case "log", (x,):
                return self.logarithm(x)
            case "hypot", (x, y):
                squares = build("add", build("mul", x, x), build("mul", y, y))
                return self.power(squares, HALF)
            case "softplus", (x,):
                return self.softplus(x)
            case "sigmoid", (x,):
                e = self.exponential(x)
                return _over(e, _plus(_ONE, e))
            case "logaddexp", (x, y):
                rest = self.softplus(build("sub", y, x))
                return _plus(self.ratio(x), rest)
            case "cosh" | "sinh" as op, (x,):
                e = self.exponential(x)
                other = _scaled(_over(_ONE, e), Fraction(1 if op == "cosh" else -1))
                return _scaled(_plus(e, other), Fraction(1, 2))
            case "tanh", (x,):
                e = self.exponential(build("mul", number(2), x))
                return _over(_plus(e, _times(_MINUS, _ONE)), _plus(e, _ONE))
        return Ratio(_atom(self.inside(term)), SINGLE)

    def inside(self, term: Expr) -> Expr:
        """An atom, with its parts in normal form."""
        if isinstance(term, Apply | Select):
            parts = [self.plain(p) for p in term.parts]
            made = tidied(with_parts(term, parts))
            return _even(made)
        return term

    def plain(self, term: Expr) -> Expr:
        """A term rebuilt from its normal form."""
        if not _is_number(term):
            return self.inside(term)
        ratio = self.ratio(term)
        lead = ratio.bottom[min(ratio.bottom, key=_rank)]
        return as_term(ratio if lead > 0 else _turned(ratio))

    def power(self, x: Expr, y: Expr) -> Ratio:
        """`x ^ y`: whole powers multiplied out, others spread over the factors of a monomial."""
        n = value_of(y)
        base = self.ratio(x)
        if n is not None and n.denominator == 1 and abs(n) <= 8:
            found = _ONE
            for _ in range(abs(int(n))):
                found = _times(found, base)
            return found if n >= 0 else _over(_ONE, found)
        if n is None:
            return self.exponential_of(x, y)
        whole, part = n // 1, n % 1
        outer = self.power(x, number(whole)) if abs(whole) <= 8 else None
        if outer is None or part == 0:
            return Ratio(_atom(Apply("pow", (as_term(base), y))), SINGLE)
        return _times(outer, _over(self.root(base.top, part), self.root(base.bottom, part)))

    def root(self, polynomial: Polynomial, n: Fraction) -> Ratio:
        """A polynomial to a power that is no integer; a monomial's factors apart where they may."""
        if len(polynomial) == 1:
            ((monomial, c),) = polynomial.items()
            if c > 0 and all(self.is_positive(a) for a, _ in monomial):
                return _times(_constant_power(c, n), _factors({a: k * n for a, k in monomial}))
        return _root(polynomial, n)

    def exponential_of(self, x: Expr, y: Expr) -> Ratio:
        return Ratio(_atom(Apply("pow", (self.plain(x), self.plain(y)))), SINGLE)

    def exponential(self, x: Expr) -> Ratio:
        """`exp` of a sum as a product, one factor for each monomial."""
        ratio = self.ratio(x)
        if ratio.bottom != SINGLE:
            return Ratio(_atom(Apply("exp", (as_term(ratio),))), SINGLE)
        powers: dict[Expr, Fraction] = {}
        for monomial, c in ratio.top.items():
            base = as_term(Ratio({monomial: Fraction(1)}, SINGLE))
            log = base.args[0] if isinstance(base, Apply) and base.op == "log" else None
            atom = log if log is not None else build("exp", base)
            powers[atom] = powers.get(atom, Fraction(0)) + c
        return _factors(powers)

    def logarithm(self, x: Expr) -> Ratio:
        """`log` of a product whose factors are above 0 as a sum; else an atom."""
        ratio = self.ratio(x)
        powers = self.product(ratio)
        if powers is None:
            return _log(as_term(ratio))
        total = Ratio(NOTHING, SINGLE)
        for atom, n in powers.items():
            total = _plus(total, _scaled(self.log_of(atom), n))
        return total

    def product(self, ratio: Ratio) -> dict[Expr, Fraction] | None:
        """The factors of a quotient of monomials of which all, or all but one, are above 0."""
        if len(ratio.top) != 1 or len(ratio.bottom) != 1:
            return None
        ((top, c),), ((bottom, d),) = ratio.top.items(), ratio.bottom.items()
        if c / d <= 0:
            return None
        powers = dict(top) | {a: -n for a, n in bottom}
        others = [n for a, n in powers.items() if not self.is_positive(a)]
        if len(others) > 1 or any(n != 1 for n in others):
            return None
        factor = number(c / d)
        return powers | {factor: powers.get(factor, Fraction(0)) + 1}

    def is_positive(self, atom: Expr) -> bool:
        """Whether an atom is above 0 wherever it has a value."""
        if isinstance(atom, Access):
            return atom.tensor.name in self.positive
        value = value_of(atom)
        if value is not None:
            return value > 0
        if not isinstance(atom, Apply):
            return False
        if atom.op == "pow":
            return self.is_positive(atom.args[0])
        return atom.op in ("exp", "sigmoid", "softplus", "cosh")

    def log_of(self, atom: Expr) -> Ratio:
        value = value_of(atom)
        if value is not None:
            logs = (_scaled(_log(number(p)), Fraction(n)) for p, n in primes(value).items())
            return reduce(_plus, logs, Ratio(NOTHING, SINGLE))
        if isinstance(atom, Apply) and atom.op == "exp":
            return self.ratio(atom.args[0])
        return _log(atom)

    def softplus(self, x: Expr) -> Ratio:
        """One of `x` and `-x` stands for both, their difference being `x`."""
        plain = self.plain(x)
        sign, base = _signed(plain)
        atom = Ratio(_atom(tidied(Apply("softplus", (base,)))), SINGLE)
        value = value_of(base)
        if value == 0:
            atom = self.ratio(build("log", number(2)))
        return atom if sign > 0 else _plus(atom, _times(_MINUS, self.ratio(base)))


def _signed(term: Expr) -> tuple[int, Expr]:
    other = build("neg", term)
    return (1, term) if term.key <= other.key else (-1, other)


def _is_number(term: Expr) -> bool:
    return term.kind in ("real", "int")


def _even(term: Expr) -> Expr:
    """`abs` of the one of `x` and `-x` that stands for both."""
    if isinstance(term, Apply) and term.op in ("abs", "cos", "cosh"):
        plain = unsigned(term.args[0])
        _, base = _signed(plain)
        return tidied(Apply(term.op, (base,)))
    return term


# --- polynomials ----------------------------------------------------------------------------------


def primes(value: Fraction) -> dict[int, int]:
    """The small prime factors of a number above 0, and what is left, with their powers."""
    powers: dict[int, int] = {}
    for whole, sign in ((value.numerator, 1), (value.denominator, -1)):
        for prime in SMALL_PRIMES if whole.bit_length() <= MOST_BITS else ():
            while whole % prime == 0:
                whole //= prime
                powers[prime] = powers.get(prime, 0) + sign
        if whole > 1:
            powers[whole] = powers.get(whole, 0) + sign
    return powers


def _constant(value: Fraction) -> Polynomial:
    return {UNIT: value} if value else NOTHING


def _atom(term: Expr) -> Polynomial:
    value = value_of(term)
    if value is not None:
        return _constant(value)
    return {((term, Fraction(1)),): Fraction(1)}


def _log(x: Expr) -> Ratio:
    return Ratio(_atom(build("log", x)), SINGLE)


_MINUS = Ratio({UNIT: Fraction(-1)}, SINGLE)
_ONE = Ratio(SINGLE, SINGLE)


def _sum(a: Polynomial, b: Polynomial) -> Polynomial:
    total = dict(a)
    for monomial, c in b.items():
        total[monomial] = total.get(monomial, Fraction(0)) + c
    return {m: c for m, c in total.items() if c}


def _product(a: Polynomial, b: Polynomial) -> Polynomial:
    if len(a) * len(b) > LARGEST:
        raise TooLarge
    if a == SINGLE or b == SINGLE:
        return b if a == SINGLE else a
    total: dict[Monomial, Fraction] = {}
    for (m, c), (n, d) in product(a.items(), b.items()):
        for monomial, x in _joined(m, n).items():
            total[monomial] = total.get(monomial, Fraction(0)) + x * c * d
    return {m: c for m, c in total.items() if c}


def _joined(a: Monomial, b: Monomial) -> Polynomial:
    """The product of two monomials: squares of roots and of absolute values are resolved."""
    powers = dict(a)
    if not any(atom in powers for atom, _ in b):
        return {tuple(sorted((*a, *b), key=_by_key)): Fraction(1)}
    for atom, n in b:
        powers[atom] = powers.get(atom, Fraction(0)) + n
    found = _factors(powers)
    if found.bottom != SINGLE:
        raise TooLarge
    return found.top


def _by_key(power: tuple[Expr, Fraction]) -> bytes:
    return power[0].key


def _factors(powers: Mapping[Expr, Fraction]) -> Ratio:
    """A product of atoms with exponents; those below 0 stand in the bottom."""
    top, bottom, rest = [], [], _ONE
    for atom, n in sorted(powers.items(), key=_by_key):
        resolved = _resolved(atom, n)
        if resolved is not None:
            rest = _times(rest, resolved)
        elif n > 0:
            top.append((atom, n))
        elif n < 0:
            bottom.append((atom, -n))
    own = Ratio({tuple(top): Fraction(1)}, {tuple(bottom): Fraction(1)})
    return own if rest == _ONE else _times(own, rest)


def _resolved(atom: Expr, n: Fraction) -> Ratio | None:
    """A power of a root, or an even one of an absolute value, in terms of what stands inside."""
    if not isinstance(atom, Apply) or n.denominator != 1 or n < 2:
        return None
    exponent = value_of(atom.args[1]) if atom.op == "pow" else Fraction(1, 2)
    if exponent is None or atom.op not in ("abs", "pow") or n < exponent.denominator:
        return None
    rest = n % exponent.denominator
    outer = n - rest if atom.op == "abs" else (n - rest) * exponent
    inner = Normaliser().ratio(build("pow", atom.args[0], number(outer)))
    return _times(inner, Ratio({((atom, rest),): Fraction(1)}, SINGLE)) if rest else inner


def _root(polynomial: Polynomial, n: Fraction) -> Ratio:
    """A polynomial to a power that is no integer."""
    if polynomial == SINGLE:
        return _ONE
    content = _content(polynomial)
    inner = as_term(Ratio({m: c / content for m, c in polynomial.items()}, SINGLE))
    found = _ONE if inner == ONE else Ratio(_atom(Apply("pow", (inner, number(n)))), SINGLE)
    return _times(_constant_power(content, n), found)


def _constant_power(x: Fraction, n: Fraction) -> Ratio:
    """A positive number to a power, exactly where it is a fraction."""
    root = value_of(build("sqrt", number(x))) if n.denominator == 2 else None
    if x == 1:
        return _ONE
    if root is not None and abs(n) <= 8:
        return Ratio(_constant(root ** int(2 * n)), SINGLE)
    return _factors({Apply("pow", (number(x), number(abs(n)))): Fraction(1 if n > 0 else -1)})


def _content(polynomial: Polynomial) -> Fraction:
    """The positive number that can be taken out of all coefficients."""
    tops = [abs(c.numerator) for c in polynomial.values()]
    bottoms = [c.denominator for c in polynomial.values()]
    return Fraction(gcd(*tops), lcm(*bottoms)) if tops else Fraction(1)


# --- quotients ------------------------------------------------------------------------------------


def _scaled(a: Ratio, c: Fraction) -> Ratio:
    return Ratio({m: v * c for m, v in a.top.items()} if c else NOTHING, a.bottom)


def _plus(a: Ratio, b: Ratio) -> Ratio:
    if a.bottom != b.bottom and a.bottom == _negated(b.bottom):
        b = _turned(b)
    if a.bottom == b.bottom:
        return _reduced(_sum(a.top, b.top), a.bottom)
    top = _sum(_product(a.top, b.bottom), _product(b.top, a.bottom))
    return _reduced(top, _product(a.bottom, b.bottom))


def _negated(a: Polynomial) -> Polynomial:
    return {m: -c for m, c in a.items()}


def _turned(a: Ratio) -> Ratio:
    """A quotient with both signs changed."""
    return Ratio(_negated(a.top), _negated(a.bottom))


def _times(a: Ratio, b: Ratio) -> Ratio:
    return _reduced(_product(a.top, b.top), _product(a.bottom, b.bottom))


def _over(a: Ratio, b: Ratio) -> Ratio:
    return _reduced(_product(a.top, b.bottom), _product(a.bottom, b.top))


def _reduced(top: Polynomial, bottom: Polynomial) -> Ratio:
    """Common monomials cancelled, and the bottom with first coefficient 1 or -1.

    The bottom keeps its sign: what is divided by 0 is infinite, with the sign of the top.
    """
    if not top:
        return Ratio(NOTHING, SINGLE)
    if not bottom:
        raise TooLarge
    if bottom == SINGLE:
        return Ratio(top, SINGLE)
    shared = dict(_shared(top))
    other = dict(_shared(bottom))
    common = {a: min(n, other[a]) for a, n in shared.items() if a in other}
    common = {a: n for a, n in common.items() if n > 0}
    if common:
        top, bottom = _without(top, common), _without(bottom, common)
    if top == bottom:
        return _ONE
    top, bottom = _without_factor(top, bottom)
    lead = bottom[min(bottom, key=_rank)]
    size = lead if set(bottom) == {UNIT} else abs(lead)
    scaled = {m: c / size for m, c in bottom.items()}
    return Ratio({m: c / size for m, c in top.items()}, scaled)


def _without_factor(top: Polynomial, bottom: Polynomial) -> tuple[Polynomial, Polynomial]:
    """A quotient whose sides are monomials times one polynomial, without that."""
    if len(top) != len(bottom) or len(top) < 2:
        return top, bottom
    (a, x), (b, y) = _split(top), _split(bottom)
    return ({a[0]: a[1]}, {b[0]: b[1]}) if x == y else (top, bottom)


def _split(polynomial: Polynomial) -> tuple[tuple[Monomial, Fraction], Polynomial]:
    """The monomial in all summands with the first coefficient, and the rest."""
    shared = _shared(polynomial)
    rest = _without(polynomial, dict(shared))
    lead = rest[min(rest, key=_rank)]
    return (shared, lead), {m: c / lead for m, c in rest.items()}


def _rank(monomial: Monomial) -> tuple[tuple[bytes, Fraction], ...]:
    return tuple((a.key, n) for a, n in monomial)


def _shared(polynomial: Polynomial) -> Monomial:
    """The atoms in every monomial, with their least exponents."""
    rows = [dict(m) for m in polynomial]
    first = rows[0]
    return tuple((a, min(r[a] for r in rows)) for a in first if all(a in r for r in rows))


def _without(polynomial: Polynomial, common: Mapping[Expr, Fraction]) -> Polynomial:
    found: dict[Monomial, Fraction] = {}
    for monomial, c in polynomial.items():
        rest = ((a, n - common.get(a, Fraction(0))) for a, n in monomial)
        found[tuple((a, n) for a, n in rest if n)] = c
    return found


# --- back to terms --------------------------------------------------------------------------------


def as_term(ratio: Ratio) -> Expr:
    """The term of a normal form."""
    return build("div", _polynomial_term(ratio.top), _polynomial_term(ratio.bottom))


def as_sum(polynomial: Polynomial) -> Expr:
    """The term of a polynomial, multiplied out."""
    return _sum_term(polynomial)


def _polynomial_term(polynomial: Polynomial) -> Expr:
    """A sum, its common factor outside."""
    if len(polynomial) < 2:
        return _sum_term(polynomial)
    content, shared = _content(polynomial), _shared(polynomial)
    rest = _without({m: c / content for m, c in polynomial.items()}, dict(shared))
    return build("mul", _monomial_term(shared, content), _sum_term(rest))


def _sum_term(polynomial: Polynomial) -> Expr:
    total: Expr = ZERO
    for monomial in sorted(polynomial, key=_rank):
        total = build("add", total, _monomial_term(monomial, polynomial[monomial]))
    return total


def _monomial_term(monomial: Monomial, c: Fraction) -> Expr:
    product: Expr = ONE
    for atom, n in monomial:
        product = build("mul", product, build("pow", _shown(atom), number(n)))
    return build("mul", number(c), product)


def _shown(atom: Expr) -> Expr:
    """A root by its name."""
    if isinstance(atom, Apply) and atom.op == "pow" and atom.args[1] == HALF:
        return build("sqrt", atom.args[0])
    return atom


# --- normal forms that are kept -------------------------------------------------------------------


@lru_cache(maxsize=KEPT)
def _ratio(term: Expr, positive: frozenset[str]) -> Ratio:
    """The normal form of a term, and of its parts for those that share them."""
    return Normaliser(positive).found(term)


@lru_cache(maxsize=KEPT)
def quotient_of(term: Expr, positive: frozenset[str] = frozenset()) -> Ratio | None:
    """The normal form of a term; None where it would be too large."""
    if len(postorder(term)) > MOST_TERMS:
        return None
    try:
        return Normaliser(positive).ratio(term)
    except TooLarge:
        return None


def polynomial_of(term: Expr, positive: frozenset[str] = frozenset()) -> Polynomial | None:
    """The polynomial that a term is; None where it divides, or would be too large."""
    ratio = quotient_of(term, positive)
    return ratio.top if ratio is not None and set(ratio.bottom) == {UNIT} else None


@lru_cache(maxsize=KEPT)
def normal(term: Expr, positive: frozenset[str] = frozenset()) -> Expr:
    """A term in normal form, or as it is where that would be too large."""
    try:
        if not _is_number(term):
            return Normaliser(positive).inside(term)
        ratio = quotient_of(term, positive)
        return term if ratio is None else as_term(ratio)
    except TooLarge:
        return term


def is_zero(term: Expr, positive: frozenset[str] = frozenset()) -> bool:
    """Whether the normal form of a term is 0."""
    ratio = quotient_of(term, positive)
    return ratio is not None and not ratio.top


def is_equal(a: Expr, b: Expr, positive: frozenset[str] = frozenset()) -> bool:
    """Whether two terms have one normal form."""
    return a == b or is_zero(build("sub", a, b), positive)
