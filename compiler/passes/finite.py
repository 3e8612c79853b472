"""Where adjoints and slopes may be 0 times infinity: what is not used has gradient 0."""

from __future__ import annotations

from ..fold import apply
from ..ir import Access, Apply, Const, Expr, Index, Reduce, Select, postorder
from .simplify import ZERO, chosen, times

LOGARITHMS = frozenset(
    ("log", "log1p", "log2", "log10", "log1mexp", "logit", "xlogy", "atanh", "log_ndtr")
)


def passed(adjoint: Expr, slope: Expr) -> Expr:
    """An adjoint times a slope; 0 where the adjoint is, even if the slope is infinite or NaN there.

    An adjoint that is a branch takes the slope inside. One that is a sum of branches, or a filtered
    sum, is asked whether it is 0, if the slope is of data; but never so that an array gets wider.
    """
    if isinstance(adjoint, Select) and ZERO in (adjoint.then, adjoint.other):
        then, other = passed(adjoint.then, slope), passed(adjoint.other, slope)
        return chosen(adjoint.condition, then, other)
    nested = slope.free <= adjoint.free or adjoint.free <= slope.free
    if nested and vanishes(adjoint, slope.free) and reads_data(slope):
        return chosen(apply("ne", (adjoint, ZERO)), times(adjoint, slope), ZERO)
    return times(adjoint, slope)


def vanishes(term: Expr, places: frozenset[Index]) -> bool:
    """Whether a term is 0 at some of the places since no branch or filter takes part in it."""
    match term:
        case Select(condition=c):
            there = c.free & places if c.free else reads_data(c)
            return bool(there) and ZERO in (term.then, term.other)
        case Reduce(op="sum", filter=None, body=body):
            return vanishes(body, places)
        case Reduce(op="sum", filter=Expr() as chosen_by):
            return bool(chosen_by.free & places & term.free)
        case Apply(op="add" | "sub"):
            return all(vanishes(a, places) for a in term.args)
        case Apply(op="mul"):
            return any(vanishes(a, places) for a in term.args)
        case Apply(op="neg" | "div"):
            return vanishes(term.args[0], places)
    return False


def reads_data(term: Expr) -> bool:
    """Whether an input takes part in a term."""
    accesses = (t for t in postorder(term) if isinstance(t, Access))
    return any(not t.tensor.is_param for t in accesses)


def above_infinity(value: Expr, body: Expr) -> Expr:
    """The condition that a log of a sum of exponentials is not -inf; true where that is clear."""
    if not any(map(_may_be_infinite, postorder(body))):
        return Const(True)
    return apply("gt", (value, apply("neg", (Const("inf"),))))


def _may_be_infinite(term: Expr) -> bool:
    """Whether a term of numbers can be infinite; inputs are real numbers, and so finite."""
    match term:
        case Const():
            return term.value == "inf"
        case Apply():
            return term.op in LOGARITHMS and reads_data(term)
        case Reduce():
            return term.op in ("max", "min", "logsumexp") and term.filter is not None
    return False
