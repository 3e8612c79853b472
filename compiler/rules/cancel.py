"""Sums whose terms cancel in symbols: what is left of them, without the terms that cancel.

The rule of the quotient makes such sums: of `u / (u + c)` it gives `1 / (u + c) - u / (u + c)^2`,
two numbers of all but one size where u is large, and what is meant is `c / (u + c)^2`. The terms
are brought to one denominator and multiplied out; if that makes like terms cancel, and leaves no
more terms than there were, it is what the sum stands for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import blake2b
from itertools import combinations

from ..fold import select
from ..ir import Access, Apply, Const, Expr, Position, Select, kept
from ..passes.simplify import ZERO
from .views import Terms, factors_of, gathered, product, terms_of, total

Monomial = frozenset[tuple[Expr, Fraction]]
Powers = Mapping[Expr, Fraction]
Part = tuple[Fraction, Powers]  # a number times powers of terms
# Sums are multiplied out to so many terms at most.
LARGEST = 40
MOST_TERMS = 8
# Longer sums are left as they are: all that they are made of in turn is looked at anyway.
LONGEST = 16
# Of so many factors every set is tried.
FEW = 4
MOST_POWER = 3
SUMS = ("add", "sub")


def without_cancelling(term: Expr, _: object = None) -> Expr:
    """A sum without the terms that cancel each other; the term itself if there are none."""
    terms = terms_of(term)
    if not 2 <= len(terms) <= LONGEST:
        return term
    left = _Sums().left(terms) or _left_in_branches(terms)
    return term if left is None else left


def _left_in_branches(terms: Terms) -> Expr | None:
    """What is left of a sum, if terms of it cancel in a branch that several of them have."""
    conditions = Counter(t.condition for _, t in terms if isinstance(t, Select))
    for condition in [c for c, count in conditions.items() if count > 1]:
        chosen = [[_in_branch(n, t, condition, w) for n, t in terms] for w in (True, False)]
        ways = [total([(n, t) for n, t in way if t != ZERO]) for way in chosen]
        left = [without_cancelling(gathered(way)) for way in ways]
        if left != ways:
            return select(condition, *left)
    return None


def _in_branch(number: Fraction, term: Expr, condition: Expr, holds: bool) -> tuple[Fraction, Expr]:
    if isinstance(term, Select) and term.condition == condition:
        return number, term.then if holds else term.other
    return number, term


@dataclass
class _Sums:
    """The sums and exponentials that are factors, each under one name however it is written."""

    names: dict[bytes, tuple[int, Expr]] = field(default_factory=dict)

    def left(self, terms: Terms) -> Expr | None:
        """What is left of a sum, if terms of it cancel when some of the factors are opened."""
        parts = [self.factors(number, term) for number, term in terms]
        left = self.left_of(parts)
        if left is not None:
            return left
        flat = self.flat(parts)
        return self.left_of(flat) if len(parts) < len(flat) <= MOST_TERMS else None

    def left_of(self, parts: Sequence[Part]) -> Expr | None:
        """What is left of a sum of products, if terms of it cancel."""
        common = _common([powers for _, powers in parts])
        inner = [(number, _times(powers, common, -1)) for number, powers in parts]
        for opened in _choices(inner):
            monomials = self.added(inner, opened)
            if monomials is not None and len(monomials) <= len(parts):
                return _joined(monomials, common)
        return None

    def flat(self, parts: Sequence[Part]) -> list[Part]:
        """The products with those factors opened that are sums of computed terms."""
        found: list[Part] = []
        for number, powers in parts:
            sums = frozenset(b for b in powers if _is_computed(b))
            found += self.expanded(number, powers, sums) or [(number, powers)]
        return found

    def added(self, parts: Sequence[Part], opened: frozenset[Expr]) -> list[Part] | None:
        """The sum multiplied out; None if it is too long or nothing in it cancels."""
        kept: dict[Monomial, Part] = {}
        for number, powers in parts:
            found = self.expanded(number, powers, opened)
            if found is None or len(kept) + len(found) > LARGEST:
                return None
            for n, monomial in found:
                n, rest = _folded(n, monomial)
                before, first = kept.get(key := frozenset(rest.items()), (Fraction(0), rest))
                kept[key] = before + n, first
        monomials = [part for part in kept.values() if part[0]]
        return monomials if len(monomials) < len(kept) else None

    def factors(self, number: Fraction, term: Expr) -> Part:
        """A term as a number times powers of terms, sums by their names."""
        scale, found = _powers_of(term)
        number *= scale
        powers: dict[Expr, Fraction] = {}
        for base, power in found:
            sign, name = self.name(base) if power.denominator == 1 else (1, base)
            number *= sign ** int(power) if sign < 0 else 1
            powers[name] = powers.get(name, Fraction(0)) + power
        return number, {base: power for base, power in powers.items() if power}

    def name(self, base: Expr) -> tuple[int, Expr]:
        """A factor by its name and sign: -1 if it is known by its negative."""
        if not (_is_sum(base) or (isinstance(base, Apply) and base.op == "exp")):
            return 1, base
        sign, key = _alike(base)
        first, name = self.names.setdefault(key, (sign, base))
        return sign * first, name

    def expanded(
        self, number: Fraction, powers: Powers, opened: frozenset[Expr]
    ) -> list[Part] | None:
        """A product multiplied out; None if it is too long."""
        found: list[Part] = [(number, {})]
        for base, power in powers.items():
            if base not in opened or not _is_small(power):
                found = [(n, _times(p, {base: power})) for n, p in found]
                continue
            inner = [self.factors(n, t) for n, t in terms_of(base)]
            for _ in range(int(power)):
                found = [(n * m, _times(p, q)) for n, p in found for m, q in inner]
                if len(found) > LARGEST:
                    return None
        return found


@kept
def _powers_of(term: Expr) -> tuple[Fraction, tuple[tuple[Expr, Fraction], ...]]:
    """A term as a number times powers, roots of products apart."""
    number, found = factors_of(term)
    return number, tuple(_roots_apart(found))


@kept
def _alike(base: Expr) -> tuple[int, bytes]:
    """The sign of a factor, and a key that it shares with its negative.

    Factors have one key that are equal but for the order of sums and products in them.
    """
    if isinstance(base, Apply) and base.op == "exp":
        return 1, _digest(["exp", *_sum_key(base.args[0], 1)])
    if not _is_sum(base):
        return 1, base.key
    keys = {sign: _digest(_sum_key(base, sign)) for sign in (1, -1)}
    sign = min(keys, key=lambda s: keys[s])
    return sign, keys[sign]


def _sum_key(term: Expr, sign: int) -> list[str]:
    """What two sums have in common that are equal but for the order of sums and products."""
    return sorted(_product_key(sign * n, t) for n, t in terms_of(term))


def _product_key(number: Fraction, term: Expr) -> str:
    scale, found = _powers_of(term)
    number *= scale
    powers: dict[bytes, Fraction] = {}
    for base, power in found:
        sign, key = _alike(base) if power.denominator == 1 else (1, base.key)
        number *= sign ** int(power) if sign < 0 else 1
        powers[key] = powers.get(key, Fraction(0)) + power
    return f"{number} {sorted((key, str(p)) for key, p in powers.items() if p)}"


def _digest(words: Iterable[str]) -> bytes:
    return blake2b("\0".join(words).encode(), digest_size=16).digest()


def _choices(parts: Iterable[Part]) -> Iterator[frozenset[Expr]]:
    """The sets of factors to open, small ones first; of many factors only each, and all."""
    found = {b: None for _, powers in parts for b, p in powers.items() if _is_sum(b) and p > 0}
    computed = [b for b in found if _is_computed(b)]
    most = len(found) if len(found) <= FEW else 1
    some = (frozenset(c) for k in range(most + 1) for c in combinations(found, k))
    yield from dict.fromkeys([*some, frozenset(computed), frozenset(found)])


def _common(parts: Sequence[Powers]) -> Powers:
    """The powers of sums that all terms have in common, and those that any is divided by."""
    bases = {b: None for powers in parts for b in powers if _is_sum(b)}
    least = {b: min(powers.get(b, Fraction(0)) for powers in parts) for b in bases}
    return {b: power for b, power in least.items() if power}


def _roots_apart(factors: Iterable[tuple[Expr, Fraction]]) -> Iterator[tuple[Expr, Fraction]]:
    """Factors, with roots of products of numbers as products of roots."""
    for base, power in factors:
        match base:
            case Apply(op="sqrt", args=(Apply(op="mul", args=(Const() as a, Const() as b)),)):
                yield from ((a, power / 2), (b, power / 2))
            case Apply(op="sqrt", args=(Const() as a,)):
                yield a, power / 2
            case _:
                yield base, power


def _folded(number: Fraction, powers: Powers) -> Part:
    """A product with the whole powers of numbers multiplied out."""
    rest = dict(powers)
    for base, power in powers.items():
        value = base.value if isinstance(base, Const) else None
        if not isinstance(value, Fraction) or power.denominator != 1:
            continue
        if value or power > 0:  # 1 / 0 is no fraction
            number *= value ** int(rest.pop(base))
    return number, rest


def _is_small(power: Fraction) -> bool:
    return power.denominator == 1 and 0 < power <= MOST_POWER


def _is_sum(term: Expr) -> bool:
    return isinstance(term, Apply) and term.op in SUMS


def _is_computed(term: Expr) -> bool:
    """Whether a factor is a sum, and no difference of data, which loses nothing."""
    return _is_sum(term) and not all(isinstance(t, Access | Position) for _, t in terms_of(term))


def _times(a: Powers, b: Powers, sign: int = 1) -> Powers:
    """A product of powers, or a quotient."""
    found = dict(a)
    for base, power in b.items():
        own = power if sign == 1 else -power
        both = found[base] + own if base in found else own
        if both:
            found[base] = both
        else:
            found.pop(base, None)
    return found


def _joined(each: Sequence[Part], outside: Powers) -> Expr:
    """A sum of products times powers, what all have in common in front."""
    if not each:
        return Const(Fraction(0))
    common = dict(each[0][1])
    for _, powers in each[1:]:
        common = {b: min(p, powers[b]) for b, p in common.items() if b in powers}
    outside = _times(outside, common)
    rest = [(n, product(Fraction(1), [*_times(p, common, -1).items()])) for n, p in each]
    if len(rest) == 1:
        return product(rest[0][0], [*outside.items()])
    return product(Fraction(1), [(total(rest), Fraction(1)), *outside.items()])
