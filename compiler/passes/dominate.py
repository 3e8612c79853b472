"""Sums of terms that are too large for any float, of either sign.

`exp(u) * x - exp(v) * y` is NaN where both products are infinite. It is `exp(m) * c`, of
`m = max(u, v)` and `c = exp(u - m) * x - exp(v - m) * y`, whose sign can be told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from ..analyses.bounds import Bounds, Inference
from ..fold import apply, conjunction, select
from ..ir import (
    REAL,
    Access,
    Apply,
    Const,
    Expr,
    Reduce,
    Select,
    Tensor,
    levelled,
    postorder,
    reduce_like,
    with_parts,
)
from ..rules.views import terms_of, total
from .simplify import ONE, ZERO, minus, plus, times

EXPONENTIALS = frozenset(("exp", "expm1", "cosh"))
Scaled = tuple[Expr, Expr]  # an exponent, and a factor
NONE, BOTH = frozenset[int](), frozenset((1, -1))
# The logarithm of the largest float of double precision.
LARGEST = 709.0
HALF = Const(Fraction(1, 2))


def dominate(root: Expr, facts: Inference) -> Expr:
    """The same value, with infinite sums by the sign of their largest terms."""
    run = _Dominance(facts)
    done: dict[Expr, Expr] = {}
    for term in postorder(root):
        whole = with_parts(term, [done[p] for p in term.parts])
        done[term] = run.decided(term, whole) if term.kind == REAL else whole
    return root if done[root] == root else levelled(done[root])


@dataclass
class _Dominance:
    """What terms are times exponentials, and the signs of their infinities, as far as found."""

    facts: Inference
    found: dict[Expr, Scaled] = field(default_factory=dict)
    signs: dict[Expr, frozenset[int]] = field(default_factory=dict)

    def decided(self, term: Expr, whole: Expr) -> Expr:
        """A sum that can be infinite of either sign, as one product where it is lost."""
        match term, whole:
            case Apply(op="add" | "sub" as op), Apply(args=args):
                x, y = map(self.ends, term.args)
                if _opposite(x) & (_opposite(y) if op == "sub" else y):
                    return self.unless_lost(term, whole, *args)
            case Reduce(op="sum" | "mean"), Reduce(indices=indices, body=body):
                if self.ends(term.body) == BOTH:
                    sizes = Reduce("sum", indices, apply("abs", (body,)), whole.filter)
                    return self.unless_lost(term, whole, sizes)
        return whole

    def unless_lost(self, term: Expr, whole: Expr, *parts: Expr) -> Expr:
        """A term, or its product if it is no number though its parts are."""
        exponent, factor = self.scaled(term)
        product = apply("mul", (apply("exp", (exponent,)), factor))
        lost = conjunction((_is_nan(whole), *map(_is_number, parts)))
        return Select(lost, select(apply("eq", (factor, ZERO)), ZERO, product), whole)

    def ends(self, term: Expr) -> frozenset[int]:
        """The signs of the infinities that a term can be, by an exponential beyond all floats."""
        if term not in self.signs:
            self.signs[term] = self._ends(term)
        return self.signs[term]

    def _ends(self, term: Expr) -> frozenset[int]:
        match term:
            case Apply(op=op, args=(x,)) if op in EXPONENTIALS:
                return frozenset((1,)) if self.is_beyond(x) else NONE
            case Apply(op="neg", args=(x,)):
                return _opposite(self.ends(x))
            case Apply(op="add", args=(x, y)):
                return self.ends(x) | self.ends(y)
            case Apply(op="sub", args=(x, y)):
                return self.ends(x) | _opposite(self.ends(y))
            case Apply(op="mul", args=(x, y)):
                ways = (self.ends(x), self.facts.of(y)), (self.ends(y), self.facts.of(x))
                return _signed(*ways[0]) | _signed(*ways[1])
            case Apply(op="div", args=(x, y)):
                return _signed(self.ends(x), self.facts.of(y))
            case Apply(op="pow", args=(x, _)) if self.ends(x):
                return frozenset((1,)) if self.facts.of(term).nonnegative else BOTH
            case Select():
                return self.ends(term.then) | self.ends(term.other)
            case Reduce(op="sum" | "mean"):
                return self.ends(term.body)
        return NONE

    def is_beyond(self, exponent: Expr) -> bool:
        """Whether data make an exponent large that no reduction in it may make up for.

        Of a number less a logsumexp of such numbers bounds say too little: it is not above 0.
        """
        if self.facts.of(exponent).high <= LARGEST:
            return False
        terms = [times(Const(number), core) for number, core in terms_of(exponent)]
        reduced = [t for t in terms if any(isinstance(p, Reduce) for p in postorder(t))]
        inside = {t for r in reduced for t in _tensors(r)}
        free = [t for t in terms if _tensors(t) - inside]
        return any(t not in reduced and self.facts.of(t).high > LARGEST for t in free)

    def scaled(self, term: Expr) -> Scaled:
        """An exponent and a factor: the term is the factor times the exponential."""
        if term not in self.found:
            self.found[term] = self._scaled(term)
        return self.found[term]

    def _scaled(self, term: Expr) -> Scaled:
        match term:
            case Apply(op="exp" | "expm1", args=(x,)):
                return x, ONE
            case Apply(op="cosh", args=(x,)):
                return apply("abs", (x,)), HALF
            case Apply(op="neg", args=(x,)):
                exponent, factor = self.scaled(x)
                return exponent, apply("neg", (factor,))
            case Apply(op="mul" | "div" as op, args=(x, y)):
                (u, a), (v, b) = self.scaled(x), self.scaled(y)
                return (plus(u, v) if op == "mul" else plus(u, minus(v))), apply(op, (a, b))
            case Apply(op="add" | "sub" as op, args=(x, y)):
                return _of_two(op, self.scaled(x), self.scaled(y))
            case Apply(op="pow", args=(x, Const(value=Fraction()) as power)):
                exponent, factor = self.scaled(x)
                return times(power, exponent), apply("pow", (factor, power))
            case Select(condition=condition):
                (u, a), (v, b) = self.scaled(term.then), self.scaled(term.other)
                exponent = u if b == ZERO else v if a == ZERO else select(condition, u, v)
                return exponent, select(condition, a, b)
            case Reduce(op="sum" | "mean"):
                exponent, factor = self.scaled(term.body)
                if exponent == ZERO:
                    return ZERO, term
                return _of_many(term, exponent, factor)
        return ZERO, term


def _of_two(op: str, one: Scaled, other: Scaled) -> Scaled:
    """A sum or difference; what the exponents have in common does not hide how they differ."""
    (u, a), (v, b) = one, other
    if u == v:
        return u, apply(op, (a, b))
    gap = total(terms_of(apply("sub", (v, u))))
    most = apply("max", (_where(a, u, v), _where(b, v, u)))
    left = apply("mul", (a, _share(_where(b, minus(gap), ZERO))))
    right = apply("mul", (b, _share(_where(a, gap, ZERO))))
    return most, apply(op, (left, right))


def _of_many(term: Reduce, exponent: Expr, factor: Expr) -> Scaled:
    """A sum, of which the terms of the largest exponent tell the size."""
    own = [t for t in terms_of(exponent) if t[1].free & frozenset(term.indices)]
    common = total([t for t in terms_of(exponent) if t not in own])
    if not own:
        return common, reduce_like(term, term.op, factor, term.filter)
    some = apply("ne", (factor, ZERO))
    filter = some if term.filter is None else conjunction((term.filter, some))
    most = reduce_like(term, "max", total(own), filter)
    body = apply("mul", (factor, _share(_where(factor, plus(total(own), minus(most)), ZERO))))
    return plus(common, most), reduce_like(term, term.op, body, term.filter)


def _where(factor: Expr, then: Expr, other: Expr) -> Expr:
    """A term where a factor counts, another one where it is 0."""
    return select(apply("ne", (factor, ZERO)), then, other)


def _share(gap: Expr) -> Expr:
    """The exponential of how far an exponent is below another one, at most 1."""
    return apply("exp", (apply("min", (gap, ZERO)),))


def _tensors(term: Expr) -> set[Tensor]:
    return {t.tensor for t in postorder(term) if isinstance(t, Access)}


def _opposite(signs: frozenset[int]) -> frozenset[int]:
    return frozenset(-sign for sign in signs)


def _signed(signs: frozenset[int], factor: Bounds) -> frozenset[int]:
    """The signs of the infinities of a term times or by a factor."""
    if factor.nonnegative or not signs:
        return signs
    return _opposite(signs) if factor.nonpositive else BOTH


def _is_nan(term: Expr) -> Expr:
    return apply("isnan", (term,))


def _is_number(term: Expr) -> Expr:
    return apply("not", (_is_nan(term),))
