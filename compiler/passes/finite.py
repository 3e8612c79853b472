"""Where adjoints and slopes may be 0 times infinity: what is not used has gradient 0."""

from __future__ import annotations

from fractions import Fraction

from lossc.dsl.primitives import PRIMITIVES

from ..fold import apply
from ..ir import (
    INT,
    Access,
    Apply,
    Const,
    Expr,
    Index,
    Position,
    Reduce,
    Select,
    Size,
    kept,
    postorder,
)
from .simplify import ONE, ZERO, chosen, minus, times

LOGARITHMS = frozenset(
    ("log", "log1p", "log2", "log10", "log1mexp", "logit", "xlogy", "atanh", "log_ndtr")
)


# Functions whose slope at infinity is 0, even times any power of their argument.
SATURATING = frozenset(
    ("exp", "expm1", "tanh", "sigmoid", "softplus", "logaddexp", "log1mexp", "erf", "erfc", "ndtr",
     "log_ndtr")
)  # fmt: skip
# Functions that are finite wherever their arguments are.
FINITE = frozenset(("add", "sub", "mul", "neg", "abs", "sign", "min", "max", "clip", "indicator"))


def passed(adjoint: Expr, slope: Expr, saturated: bool = False) -> Expr:
    """An adjoint times a slope; 0 where the adjoint is, even if the slope is infinite or NaN there.

    An adjoint that is a branch takes the slope inside. One that is a sum of branches, or a
    filtered sum, is asked whether it is 0, if the slope may be infinite; but never so that an
    array gets wider.
    So is one that is `saturated`, if a quotient by 0 may be in the slope.
    """
    if isinstance(adjoint, Select) and ZERO in (adjoint.then, adjoint.other):
        then, other = (passed(a, slope, saturated) for a in (adjoint.then, adjoint.other))
        return chosen(adjoint.condition, then, other)
    if saturated and may_divide_by_zero(slope):
        return chosen(apply("ne", (adjoint, ZERO)), times(adjoint, slope), ZERO)
    nested = slope.free <= adjoint.free or adjoint.free <= slope.free
    if nested and vanishes(adjoint, slope.free) and not _is_number(slope):
        return chosen(apply("ne", (adjoint, ZERO)), times(adjoint, slope), ZERO)
    return times(adjoint, slope)


def saturates(term: Expr) -> bool:
    """Whether a term nears a constant as its argument goes to infinity through a quotient by 0.

    It does so faster than any power, so that its slope times those of the quotient has the limit 0
    there; written out, it is 0 times infinity.
    """
    match term:
        case Apply(op=op, args=args) if op in SATURATING:
            return any(may_divide_by_zero(a) for a in args)
        case Reduce(op="logsumexp", body=body):
            return may_divide_by_zero(body)
    return False


@kept
def may_divide_by_zero(term: Expr) -> bool:
    """Whether a quotient of data or params is in a term whose denominator may be 0."""
    match term:
        case Apply(op="div", args=(above, below)):
            fixed = is_positive(below) or _is_direction(above, below) or _is_count(below)
            if not fixed:
                return True
        case Apply(op="pow", args=(base, Const(value=Fraction() as power))):
            if power < 0 and not is_positive(base):
                return True
    return any(map(may_divide_by_zero, term.parts))


def _is_count(term: Expr) -> bool:
    """Whether a denominator is a matter of sizes and whole params alone."""
    inputs = (t.tensor for t in postorder(term) if isinstance(t, Access))
    return all(t.is_param and t.kind == INT for t in inputs)


def _is_direction(above: Expr, below: Expr) -> bool:
    """Whether a quotient by norms is of vectors that are 0 where the norms are: never infinite.

    `x / norm(x)` is such a quotient, and a cosine.
    """
    norms = [t for t in postorder(below) if isinstance(t, Reduce) and t.op == "norm"]
    inputs = (t for n in norms for t in postorder(n.body) if isinstance(t, Access))
    inside = {t.tensor for t in postorder(above) if isinstance(t, Access)}
    return bool(norms) and {t.tensor for t in inputs} <= inside


def as_fraction(term: Expr) -> tuple[Expr, Expr]:
    """Numerator and denominator of sums and products of quotients, brought to one denominator."""
    match term:
        case Apply(op="div", args=(a, b)):
            (top, bottom), (low, high) = as_fraction(a), as_fraction(b)
            return times(top, high), times(bottom, low)
        case Apply(op="mul", args=(a, b)):
            (top, bottom), (other, below) = as_fraction(a), as_fraction(b)
            return times(top, other), times(bottom, below)
        case Apply(op="neg", args=(a,)):
            top, bottom = as_fraction(a)
            return minus(top), bottom
        case Apply(op="add" | "sub" as op, args=(a, b)):
            (top, bottom), (other, below) = as_fraction(a), as_fraction(b)
            if bottom == below:
                return apply(op, (top, other)), bottom
            return apply(op, (times(top, below), times(other, bottom))), times(bottom, below)
        case Apply(op="pow", args=(a, Const(value=Fraction() as power))) if power < 0:
            return ONE, apply("pow", (a, Const(-power)))
    return term, ONE


@kept
def is_positive(term: Expr) -> bool:
    """Whether a term is above 0 by its form, or by the domains of its tensors."""
    match term:
        case Const(value=value):
            return isinstance(value, str) or (isinstance(value, Fraction) and value > 0)
        case Access(tensor=tensor):
            return tensor.positive
        case Size():
            return True
        case Apply(op="exp" | "cosh"):
            return True
        case Apply(op="add" | "hypot", args=args):
            return any(map(is_positive, args)) and all(map(_is_nonnegative, args))
        case Apply(op="mul" | "div" | "min", args=args):
            return all(map(is_positive, args))
        case Apply(op="max", args=args):
            return any(map(is_positive, args))
        case Apply(op="pow" | "sqrt" | "cbrt" | "abs" | "stop_gradient", args=(x, *_)):
            return is_positive(x)
    return False


def _is_nonnegative(term: Expr) -> bool:
    match term:
        case Apply(op="pow", args=(x, Const(value=Fraction() as power))):
            return (power.denominator == 1 and power % 2 == 0) or _is_nonnegative(x)
        case Apply(op="add" | "mul" | "div" | "min", args=args):
            return all(map(_is_nonnegative, args))
        case Apply(op=op):
            low = PRIMITIVES[op].range.low
            return (low is not None and low >= 0) or is_positive(term)
        case Reduce(op="norm" | "norm1" | "std" | "var" | "count"):
            return True
        case Reduce(op="sum" | "mean" | "max" | "min" | "prod", body=body):
            return _is_nonnegative(body)
    return is_positive(term) or term == ZERO


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


@kept
def _is_number(term: Expr) -> bool:
    """Whether a term is of params and sizes, or of indices and finite at each of their places."""
    if reads_data(term):
        return False
    return _is_finite(term) or not any(isinstance(t, Position) for t in postorder(term))


def _is_finite(term: Expr) -> bool:
    """Whether a term without data is finite by its form."""
    match term:
        case Apply(op="div", args=(above, below)):
            return _is_finite(above) and is_positive(below)
        case Apply(op=op, args=args):
            return op in FINITE and all(map(_is_finite, args))
        case Select():
            return _is_finite(term.then) and _is_finite(term.other)
    return term != Const("inf")


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
