"""Matching patterns with terms: sums and products in any order, letters with any term."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, permutations
from math import isqrt

from ..analyses.bounds import Inference
from ..fold import select
from ..ir import Apply, Bound, Const, Expr, Reduce, Select
from ..passes.simplify import ONE, ZERO, times
from .conditions import implied
from .patterns import Call, Number, Over, Pattern, Power, Product, Sum, Var
from .views import Factors, Terms, beside, factors_of, product, raised, terms_of, total

COMMUTATIVE = frozenset(("max", "min", "hypot", "logaddexp"))
UNITY = Fraction(1)
# Of a sum of more terms, no two are looked at for common factors.
MOST_TERMS = 6
# Sums and products of more parts are no patterns; those that they are made of in turn may be.
LONGEST = 12


@dataclass(frozen=True, slots=True)
class Places:
    """The indices and the filter of a reduction."""

    indices: tuple[Bound, ...]
    filter: Expr | None


Found = Mapping[str, Expr]


@dataclass(frozen=True, slots=True)
class Match:
    """What the letters stand for, and the places that `i` stands for."""

    terms: Found
    places: Places | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A match with a part of a term, and how the rest goes around what is put there."""

    match: Match
    around: Callable[[Expr], Expr]


def find(pattern: Pattern, term: Expr) -> Iterator[Hit]:
    """The matches of a pattern with a term, or with a part of the sum or product that it is."""
    match pattern:
        case Sum():
            yield from _in_sum(pattern, term)
        case Product():
            yield from _in_product(pattern, term)
        case _:
            for found in matches(pattern, term, Match({})):
                yield Hit(found, _alone)


def _alone(result: Expr) -> Expr:
    return result


def _in_sum(pattern: Sum, term: Expr) -> Iterator[Hit]:
    terms = terms_of(term)
    if len(terms) > LONGEST:
        return
    for found, scale, rest in _sums(pattern.terms, terms, None, Match({})):

        def around(result: Expr, scale: Fraction = scale, rest: Terms = rest) -> Expr:
            return total([*rest, (scale, result)])

        yield Hit(found, around)


def _in_product(pattern: Product, term: Expr) -> Iterator[Hit]:
    number, factors = factors_of(term)
    if len(factors) > LONGEST:
        return
    for found, rest in _products(pattern.factors, factors, Match({})):

        def around(result: Expr, rest: Factors = rest) -> Expr:
            return beside(product(number / pattern.number, rest), result)

        yield Hit(found, around)


def common_factors(term: Expr, facts: Inference) -> Iterator[tuple[Expr, Callable[[Expr], Expr]]]:
    """Two terms of a sum without the factors that they have in common, and what goes around them.

    So a pattern `1 - f(x)` is seen in `a - a * f(x)` too. Of two terms that are 0 where a
    condition does not hold, that is a common factor.
    """
    if not (isinstance(term, Apply) and term.op in ("add", "sub")):
        return
    terms = terms_of(term)
    if len(terms) > MOST_TERMS:
        return
    for j, k in combinations(range(len(terms)), 2):
        pair = _pair(terms[j], terms[k], facts)
        common = _in_common(pair[0][1], pair[1][1])
        if not common:
            continue
        inner = total([(n, product(UNITY, _divided(f, common))) for n, f in pair])
        rest = tuple(t for i, t in enumerate(terms) if i not in (j, k))
        outside = product(UNITY, tuple(common.items()))

        def around(result: Expr, rest: Terms = rest, outside: Expr = outside) -> Expr:
            return total([*rest, (UNITY, times(outside, result))])

        yield inner, around


def _pair(
    one: tuple[Fraction, Expr], other: tuple[Fraction, Expr], facts: Inference
) -> list[tuple[Fraction, dict[Expr, Fraction]]]:
    """The factors of two terms; one that is 1 or 0 in place of a branch that is 0.

    Where the condition of one branch implies that of the other, both have the latter.
    """
    guards = [t.condition for _, t in (one, other) if isinstance(t, Select) and t.other == ZERO]
    found = []
    for number, term in (one, other):
        own = isinstance(term, Select) and term.other == ZERO
        scale, factors = factors_of(term.then if isinstance(term, Select) and own else term)
        powers = dict(factors)
        if isinstance(term, Select) and own:
            wanted = [g for g in guards if implied(g, term.condition, facts)]
            powers |= {select(g, ONE, ZERO): UNITY for g in (term.condition, *wanted)}
        found.append((number * scale, powers))
    return found


def _in_common(a: Mapping[Expr, Fraction], b: Mapping[Expr, Fraction]) -> dict[Expr, Fraction]:
    """The powers that two products have in common."""
    least = {t: min(p, b[t], key=abs) for t, p in a.items() if t in b and p * b[t] > 0}
    return {t: p for t, p in least.items() if t != ONE}


def _divided(
    factors: Mapping[Expr, Fraction], by: Mapping[Expr, Fraction]
) -> list[tuple[Expr, Fraction]]:
    left = {t: p - by.get(t, Fraction(0)) for t, p in factors.items()}
    return [(t, p) for t, p in left.items() if p]


def matches(pattern: Pattern, term: Expr, sofar: Match) -> Iterator[Match]:
    """The ways in which a pattern is the whole of a term."""
    match pattern:
        case Var(name=name):
            yield from _bind(name, term, sofar)
        case Number(value=value):
            if isinstance(term, Const) and term.value == value:
                yield sofar
        case Call():
            yield from _call(pattern, term, sofar)
        case Over():
            yield from _reduction(pattern, term, sofar)
        case Power(base=base, exponent=exponent):
            if isinstance(term, Apply) and term.op == "pow":
                for found in matches(base, term.args[0], sofar):
                    yield from matches(exponent, term.args[1], found)
        case Sum():
            for found, _, rest in _sums(pattern.terms, terms_of(term), UNITY, sofar):
                if not rest:
                    yield found
        case Product():
            yield from _whole_product(pattern, term, sofar)


def _bind(name: str, term: Expr, sofar: Match) -> Iterator[Match]:
    if name not in sofar.terms:
        yield Match({**sofar.terms, name: term}, sofar.places)
    elif same(sofar.terms[name], term):
        yield sofar


def same(a: Expr, b: Expr) -> bool:
    """Whether two terms are equal as sums of products."""
    return a == b or _canonical(a) == _canonical(b)


def _canonical(term: Expr) -> object:
    parts = []
    for number, core in terms_of(term):
        _, factors = factors_of(core)
        parts.append((number, frozenset(factors)))
    return frozenset(parts)


def _call(pattern: Call, term: Expr, sofar: Match) -> Iterator[Match]:
    if not isinstance(term, Apply) or term.op != pattern.op:
        return
    if len(pattern.args) != len(term.args):
        return
    orders = permutations(term.args) if term.op in COMMUTATIVE else iter((term.args,))
    for args in orders:
        yield from _each(pattern.args, args, sofar)


def _each(patterns: tuple[Pattern, ...], terms: tuple[Expr, ...], sofar: Match) -> Iterator[Match]:
    if not patterns:
        yield sofar
        return
    for found in matches(patterns[0], terms[0], sofar):
        yield from _each(patterns[1:], terms[1:], found)


def _reduction(pattern: Over, term: Expr, sofar: Match) -> Iterator[Match]:
    if not isinstance(term, Reduce) or term.op != pattern.op:
        return
    places = Places(term.indices, term.filter)
    if sofar.places is None or sofar.places == places:
        yield from matches(pattern.body, term.body, Match(sofar.terms, places))


def _sums(
    patterns: tuple[tuple[Fraction, Pattern], ...],
    terms: Terms,
    scale: Fraction | None,
    sofar: Match,
) -> Iterator[tuple[Match, Fraction, Terms]]:
    """Matches of all addends with some terms up to a common factor, and the terms left over."""
    if not patterns:
        yield sofar, scale or UNITY, terms
        return
    (number, part), *others = patterns
    left = _less_bound(part, number * (scale or UNITY), terms, sofar)
    if left is not None:
        yield from _sums(tuple(others), left, scale or UNITY, sofar)
    for k, (have, core) in enumerate(terms):
        rest = terms[:k] + terms[k + 1 :]
        ratio = have if number == 1 else have / number
        for factor, inner in _addend(part, ratio, core, scale):
            for found in matches(part, inner, sofar):
                yield from _sums(tuple(others), rest, factor, found)


def _less_bound(part: Pattern, number: Fraction, terms: Terms, sofar: Match) -> Terms | None:
    """Terms less a multiple of what a letter stands for, if that is a sum of some of them."""
    if not (isinstance(part, Var) and part.name in sofar.terms):
        return None
    wanted = terms_of(times(Const(number), sofar.terms[part.name]))
    if len(wanted) < 2 or not set(wanted) <= set(terms):
        return None
    return tuple(t for t in terms if t not in wanted)


def _addend(
    part: Pattern, ratio: Fraction, core: Expr, scale: Fraction | None
) -> Iterator[tuple[Fraction, Expr]]:
    """How one term can stand for one addend: the common factor, and what the pattern has to be."""
    if isinstance(part, Number):
        if core == ONE and scale in (None, ratio):
            yield ratio, core
    elif core == ONE and not isinstance(part, Var):
        return
    elif scale is None and not isinstance(part, Var):
        yield ratio, core
    else:
        factor = scale if scale is not None else UNITY
        inner = core if ratio == factor else times(Const(ratio / factor), core)
        yield factor, inner


def _whole_product(pattern: Product, term: Expr, sofar: Match) -> Iterator[Match]:
    number, factors = factors_of(term)
    ratio = number / pattern.number
    match pattern.factors:
        case ((Var(name=name), power),) if power > 1:
            root = _root(ratio, factors, power)
            if root is not None:
                yield from _bind(name, root, sofar)
            return
    letters = [p.name for p, power in pattern.factors if isinstance(p, Var) and power == 1]
    open_ = [n for n in letters if n not in sofar.terms]
    fixed = tuple(f for f in pattern.factors if not (isinstance(f[0], Var) and f[0].name in open_))
    for found, rest in _products(fixed, factors, sofar):
        if not open_:
            if ratio == 1 and not rest:
                yield found
            continue
        for shares in _shared(rest, len(open_)):
            bound = {n: product(UNITY, s) for n, s in zip(open_, shares, strict=True)}
            bound[open_[0]] = times(Const(ratio), bound[open_[0]])
            if all(same(found.terms.get(n, t), t) for n, t in bound.items()):
                yield Match({**found.terms, **bound}, found.places)


def _root(number: Fraction, factors: Factors, power: Fraction) -> Expr | None:
    """What a product is the given power of, where that has whole exponents."""
    scale = Fraction(isqrt(abs(number.numerator)), isqrt(number.denominator))
    if number != (scale**2 if power == 2 else 1):
        return None
    if any((have / power).denominator != 1 for _, have in factors):
        return None
    return product(scale, [(base, have / power) for base, have in factors])


def _shared(factors: Factors, count: int) -> Iterator[tuple[Factors, ...]]:
    """Factors given to so many letters: one to each, the rest to the last."""
    if count == 1:
        yield (factors,)
    else:
        for k, factor in enumerate(factors):
            rest = factors[:k] + factors[k + 1 :]
            for others in _shared(rest, count - 1):
                yield ((factor,), *others)


def _products(
    patterns: tuple[tuple[Pattern, Fraction], ...], factors: Factors, sofar: Match
) -> Iterator[tuple[Match, Factors]]:
    """Matches of all factors of a pattern with some of a term's, and the factors left over."""
    if not patterns:
        yield sofar, factors
        return
    (part, power), *others = patterns
    for k, (base, have) in enumerate(factors):
        rest = factors[:k] + factors[k + 1 :]
        ratio = have / power
        if isinstance(part, Var):
            if ratio.denominator != 1 or ratio <= 0:
                continue
            inner = raised(base, ratio)
        elif ratio.denominator == 1 and ratio >= 1:
            inner = base
            rest += ((base, have - power),) if ratio > 1 else ()
        else:
            continue
        for found in matches(part, inner, sofar):
            yield from _products(tuple(others), rest, found)
