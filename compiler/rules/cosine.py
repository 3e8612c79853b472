"""One and a cosine, which may be all but -1: half the square of the sum of the two directions.

    1 + sum[i](x * y) / (norm[i](x) * norm[i](y))    sum[i]((x / norm[i](x) + y / norm[i](y))^2) / 2

Over no places it is 1. The directions of opposite vectors cancel, but what is left of them is of
their small components, which have all their digits.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

from ..analyses.bounds import Inference
from ..fold import apply, select
from ..ir import BOOL, Const, Expr, Reduce, reduce_like
from ..passes.simplify import ONE, over
from .views import UNITY, factors_of, terms_of, total

TWO = Const(Fraction(2))


def one_and_cosine(term: Expr, _: Inference) -> Expr:
    """A sum with 1 and a cosine of two vectors in it, as a sum of squares; else the term itself."""
    terms = terms_of(term)
    for one, other in permutations(terms, 2):
        number, cosine = other
        if one != (number, ONE) or not (isinstance(cosine, Reduce) and cosine.op == "sum"):
            continue
        directions = _directions(cosine)
        if directions is not None:
            square = apply("pow", (apply("add", directions), TWO))
            squares = reduce_like(cosine, "sum", square, cosine.filter)
            some = reduce_like(cosine, "any", Const(True), cosine.filter, BOOL)
            rest = [t for t in terms if t not in (one, other)]
            return total([*rest, (number, select(some, over(squares, TWO), ONE))])
    return term


def _directions(cosine: Reduce) -> tuple[Expr, Expr] | None:
    """Two vectors, each over its norm, if a sum is of their product; else None."""
    number, factors = factors_of(cosine.body)
    vectors = [base for base, power in factors if power == 1]
    norms = [base for base, power in factors if power == -1]
    if number != UNITY or not len(vectors) == len(norms) == 2 or len(factors) != 4:
        return None
    lengths = [reduce_like(cosine, "norm", v, cosine.filter) for v in vectors]
    if lengths not in (norms, norms[::-1]):
        return None
    first, second = map(over, vectors, lengths)
    return first, second
