"""Which terms are computed in all digits and rounded once, where double precision has too few.

They are the sums of products of data that may cancel: what is divided by such a sum, or weighed by
its exponential, is else infinite or no number though the true result is a float.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from ..analyses.bounds import Inference
from ..analyses.polynomials import LINEAR, Polynomials, is_one_number, numbers_of
from ..ir import Apply, Const, Expr, postorder

# What carries an error of its arguments on as it is.
CARRIED = LINEAR | {"mul", "div", "pow"}


def unrounded(roots: Iterable[Expr], facts: Inference) -> frozenset[Expr]:
    """The terms below some roots that are sums of products of data which may cancel.

    Those that nothing but other such terms is made of are left out. There are none at all if what
    is left of them does no harm: they stand over something computed, as the slope of a cosine over
    norms, which is taken to be as large as what cancels.
    """
    known = Polynomials(facts)
    roots = tuple(roots)
    found = set[Expr]()
    seen = set[tuple[Expr, bool]]()
    stack = [(root, False) for root in roots]
    while stack:
        term, inside = stack.pop()
        if (term, inside) in seen:
            continue
        seen.add((term, inside))
        if not inside and known.is_lossy(term):
            found.add(term)
            inside = True
        numbers = numbers_of(term) if inside else ()
        stack.extend((part, part in numbers) for part in term.parts)
    return frozenset(found) if _does_harm(found, roots) else frozenset()


def _does_harm(found: set[Expr], roots: Sequence[Expr]) -> bool:
    """Whether some terms decide a branch, a share or a quotient, or are results themselves."""
    carried = set(found)
    for term in postorder(*roots):
        if carried.isdisjoint(numbers_of(term)):
            continue
        match term:
            case Apply(op="div", args=(_, below)) if below in carried:
                return True
            case Apply(op="div", args=(_, below)) if not is_one_number(below):
                continue
            case Apply(op="pow", args=(_, Const(value=Fraction() as power))) if power < 0:
                return True
            case Apply(op=op) if op not in CARRIED:
                return True
        carried.add(term)
    return not carried.isdisjoint(roots)
