"""Sums of terms that are too large for any float, of either sign: the larger one decides.

`exp(u) * x - exp(v) * y` is NaN where both products are infinite. What is larger is told by the
logarithms of their magnitudes, `u + log(abs(x))` and `v + log(abs(y))`, which are in range.
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
    postorder,
    with_parts,
)
from ..rules.views import terms_of
from .simplify import ZERO, times

EXPONENTIALS = frozenset(("exp", "expm1", "cosh"))
NONE, BOTH = frozenset[int](), frozenset((1, -1))
# The logarithm of the largest float of double precision.
LARGEST = 709.0
INFINITE = Const("inf")
ENDED = Apply("neg", (INFINITE,))


def dominate(root: Expr, facts: Inference) -> Expr:
    """The same value, with infinite sums by the sign of the largest term."""
    run = _Dominance(facts)
    done: dict[Expr, Expr] = {}
    for term in postorder(root):
        whole = with_parts(term, [done[p] for p in term.parts])
        done[term] = run.decided(term, whole) if term.kind == REAL else whole
    return done[root]


@dataclass
class _Dominance:
    """The logarithms of magnitudes found so far, and the signs of the infinities of terms."""

    facts: Inference
    found: dict[Expr, Expr] = field(default_factory=dict)
    signs: dict[Expr, frozenset[int]] = field(default_factory=dict)

    def decided(self, term: Expr, whole: Expr) -> Expr:
        """A sum that can be infinite of either sign, by its largest term where it is lost."""
        match term, whole:
            case Apply(op="add" | "sub" as op), Apply(args=(a, b)):
                x, y = map(self.ends, term.args)
                if _opposite(x) & (_opposite(y) if op == "sub" else y):
                    return self.of_two(term, whole, a, b if op == "add" else apply("neg", (b,)))
            case Reduce(op="sum" | "mean"), Reduce(body=body):
                if self.ends(term.body) == BOTH:
                    return self.of_many(term, whole, body)
        return whole

    def of_two(self, term: Apply, whole: Expr, a: Expr, b: Expr) -> Expr:
        larger = apply("ge", tuple(map(self.logarithm, term.args)))
        lost = conjunction((_is_nan(whole), _is_number(a), _is_number(b)))
        return Select(lost, Select(larger, a, b), whole)

    def of_many(self, term: Reduce, whole: Expr, body: Expr) -> Expr:
        size = self.logarithm(term.body)

        def largest(op: str) -> Expr:
            sign = apply(op, (body, ZERO))
            chosen = sign if term.filter is None else conjunction((term.filter, sign))
            return Reduce("max", term.indices, size, chosen)

        sizes = Reduce("sum", term.indices, apply("abs", (body,)), term.filter)
        lost = conjunction((_is_nan(whole), _is_number(sizes)))
        sign = Select(apply("ge", (largest("gt"), largest("lt"))), INFINITE, ENDED)
        return Select(lost, sign, whole)

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

    def logarithm(self, term: Expr) -> Expr:
        """The logarithm of the magnitude of a term; of a sum, that of its largest term."""
        if term not in self.found:
            self.found[term] = self._logarithm(term)
        return self.found[term]

    def _logarithm(self, term: Expr) -> Expr:
        match term:
            case Apply(op="exp", args=(x,)):
                return x
            case Apply(op="expm1", args=(x,)):
                return apply("max", (x, ZERO))
            case Apply(op="cosh", args=(x,)):
                return apply("abs", (x,))
            case Apply(op="neg" | "abs", args=(x,)):
                return self.logarithm(x)
            case Apply(op="mul" | "div" as op, args=(x, y)):
                joined = "add" if op == "mul" else "sub"
                return apply(joined, (self.logarithm(x), self.logarithm(y)))
            case Apply(op="add" | "sub", args=(x, y)):
                return apply("max", (self.logarithm(x), self.logarithm(y)))
            case Apply(op="pow", args=(x, Const(value=Fraction()) as power)):
                return apply("mul", (power, self.logarithm(x)))
            case Select():
                return select(term.condition, self.logarithm(term.then), self.logarithm(term.other))
            case Reduce(op="sum" | "mean"):
                return Reduce("max", term.indices, self.logarithm(term.body), term.filter)
        return ENDED if term == ZERO else apply("log", (apply("abs", (term,)),))


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
