"""Which terms are polynomials of the data, piece by piece, and which of these may lose digits.

Of `a * b - c * d` double precision keeps no digit when both products are near 2^256 and their
difference is 1. The digits of a polynomial of floats come to an end, so that none need be lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod

from ..ir import INT, REAL, Access, Apply, Const, Expr, Reduce, Select, postorder
from ..rules.views import factors_of
from .bounds import Inference

# The degrees for which it matters: what is linear in the data loses no more than the data do, and
# products of more than eight floats leave double's range.
LEAST, MOST = 2, 8
# From where on data are large; products of smaller ones leave too little to be seen.
LARGE = 2.0**32
LINEAR = frozenset(("add", "sub", "neg", "abs", "relu", "min", "max", "stop_gradient"))
CHOICES = frozenset(("sum", "mean", "max", "min"))


@dataclass
class Polynomials:
    """The degrees of terms in the data, as far as found."""

    facts: Inference
    degrees: dict[Expr, int | None] = field(default_factory=dict)

    def degree(self, term: Expr) -> int | None:
        """The degree of a term that is a polynomial of data of at most degree 8; else None."""
        if term not in self.degrees:
            for part in postorder(term):
                if part not in self.degrees:
                    self.degrees[part] = self._degree(part)
        return self.degrees[term]

    def is_lossy(self, term: Expr) -> bool:
        """Whether a term is a sum in which products of data may cancel each other."""
        if term.kind != REAL or not self._has_products(term):
            return False
        match term:
            case Apply(op="add" | "sub" as op, args=(a, b)):
                turned = 1 if op == "add" else -1
                apart = not self._signs(a) & {turned * sign for sign in self._signs(b)}
                return apart and self._has_products(a) and self._has_products(b)
            case Reduce(op="sum" | "mean"):
                return not self._signs(term.body)
        return False

    def _has_products(self, term: Expr) -> bool:
        degree = self.degree(term)
        return degree is not None and degree >= LEAST

    def _degree(self, term: Expr) -> int | None:
        if term.kind == INT:
            return 0
        match term:
            case Const(value=Fraction()):
                return 0
            case Access() if term.kind == REAL:
                large = self.facts.of(term).magnitude > LARGE
                return int(large and not term.tensor.is_param)
            case Apply(op=op, args=args) if op in LINEAR:
                return self._largest(args)
            case Apply(op="mul", args=args):
                return self._sum(args)
            case Apply(op="div", args=args) if is_one_number(args[1]):
                return self._sum(args)
            case Apply(op="pow", args=(base, Const(value=Fraction() as power))):
                whole = power.denominator == 1 and 1 <= power <= MOST
                return self._sum([base] * int(power)) if whole else None
            case Select():
                return self._largest((term.then, term.other))
            case Reduce(op=op) if op in CHOICES:
                return self.degrees[term.body]
            case Reduce(op="prod") if places := _number_of_places(term):
                return self._sum([term.body] * places)
        return None

    def _largest(self, terms: Iterable[Expr]) -> int | None:
        degrees = [self.degrees[t] for t in terms]
        return None if None in degrees else max(d for d in degrees if d is not None)

    def _sum(self, terms: Iterable[Expr]) -> int | None:
        degrees = [self.degrees[t] for t in terms]
        total = sum(d for d in degrees if d is not None)
        return None if None in degrees or total > MOST else total

    def _signs(self, term: Expr) -> set[int]:
        """The signs, 1 and -1, that all values of a term have, 0 and pieces without products aside.

        What is linear in the data cancels without harm.
        """
        bounds = self.facts.of(term)
        if bounds.nonnegative or bounds.nonpositive:
            return {1} if bounds.nonnegative else {-1}
        if isinstance(term, Select):
            pieces = [p for p in (term.then, term.other) if self._has_products(p)]
            return set[int]({1, -1}).intersection(*map(self._signs, pieces))
        number, factors = factors_of(term)
        odd = [base for base, power in factors if power % 2]
        if term in odd:
            return set()
        signs = [self._signs(base) for base in odd]
        turned = prod(-1 if s == {-1} else 1 for s in signs) * (1 if number > 0 else -1)
        return {turned} if all(signs) else set()


def numbers_of(term: Expr) -> tuple[Expr, ...]:
    """The numbers that a term is made of; the conditions by which they are chosen are none."""
    match term:
        case Select():
            return term.then, term.other
        case Reduce():
            return (term.body,)
        case Apply():
            return term.args
    return ()


def is_one_number(term: Expr) -> bool:
    """Whether a term is a number without data, by which many are divided alike."""
    data = (isinstance(t, Access) and not t.tensor.is_param for t in postorder(term))
    return not term.free and not any(data)


def _number_of_places(term: Reduce) -> int | None:
    """How many places a reduction has, where no size is asked for that."""
    total = 1
    for index in term.indices:
        ends = (*index.range.starts, *index.range.stops)
        if not all(d.is_const for d in ends):
            return None
        start, stop = index.range.bounds(lambda axis: 0)
        total *= max(stop - start, 0)
    return total
