"""Terms as they are computed: by the work that they share, and without TensorFlow's lost digits.

Logsumexp and softmax are made of the same exponentials.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from ..analyses.instances import is_instance, places_of
from ..fold import apply, conjunction, select
from ..ir import (
    TABLE,
    Access,
    Along,
    Apply,
    Bound,
    Const,
    Expr,
    Index,
    Position,
    Reduce,
    Select,
    postorder,
    substitute,
)
from ..rules.views import terms_of

ZERO, ONE, TWO = Const(Fraction(0)), Const(Fraction(1)), Const(Fraction(2))
TRUE, MINUS_INFINITY = Const(True), apply("neg", (Const("inf"),))
# The first derivatives of lgamma at 1, each over its factorial, and where they are enough.
SERIES = tuple(map(Fraction, (
    "-0.57721566490153286061", "0.82246703342411321824", "-0.40068563438653142847",
    "0.27058080842778454788",
)))  # fmt: skip
NEAR_ONE = 1 << 11
BASES = {Apply("log", (Const(Fraction(b)),)): f"log{b}" for b in (2, 10)}
# From where down the normal density and its tail are divided by so many steps of a fraction.
FAR_DOWN, STEPS = Fraction(6), 24


def lowered(term: Expr) -> Expr | None:
    """The same value as a program computes it, or None where the term is computed as it is.

    `logsumexp(x)` is `log(total) + top` and `exp(x - logsumexp(x))`, which is softmax, is
    `exp(x - top) / total`; `total` is the sum of all `exp(x - top)`, and `top` the largest `x`.
    The exponentials that are 1 are added up for themselves: where the others are small, the
    logarithm is as small as they are.
    """
    match term:
        case Reduce(op="logsumexp", filter=None):
            return Select(
                _is_empty(term), MINUS_INFINITY, apply("add", (_log_of(term), _top(term)))
            )
        case Apply(op="sub", args=(x, Reduce(op="logsumexp", filter=None) as whole)) if is_instance(
            whole, x
        ):
            return _log_softmax(x, whole)
        case Apply(op="sub", args=(Reduce(op="logsumexp", filter=None) as whole, x)) if is_instance(
            whole, x
        ):
            return apply("neg", (_log_softmax(x, whole),))
        case Apply(op="sub", args=(a, Apply(op="div", args=(Access() as x, Access() as y)))) if (
            a == ONE
        ):
            return apply("div", (apply("sub", (y, x)), y))  # a difference of data is rounded once
        case Apply(op="add" | "sub" as op, args=(a, b)):
            return _beside_largest(op, a, b)
        case Apply(op="softplus" | "logaddexp"):
            largest, rest = _parts(term)
            return apply("add", (rest, largest))
        case Apply(op="sigmoid", args=(x,)):
            return _sigmoid(x)
        case Apply(op="exp", args=(Apply(op="sub", args=(x, Reduce(op="logsumexp") as whole)),)):
            if is_instance(whole, x):
                return apply("div", (_exponential(x, whole), _total(whole)))
        case Reduce(op="sum", filter=Expr()):
            return _others(term)
        case Apply(op="div", args=(Apply(op="log" | "log1p" as op, args=(x,)), base)):
            return _to_base(op, x, base)
        case Apply(op="lgamma", args=(Apply(op="add", args=(a, b)),)) if ONE in (a, b):
            return _lgamma_beyond_one(b if a == ONE else a)
        case Apply(op="exp", args=(Apply(op="sub", args=(a, Apply(op="log_ndtr", args=(x,)))),)):
            return _hazard(x) if terms_of(a) == terms_of(_half_square(x)) else None
    return None


def _is_empty(whole: Reduce) -> Expr:
    """Whether all terms of a logsumexp are -inf."""
    return apply("eq", (_total(whole), ZERO))


def _log_of(whole: Reduce) -> Expr:
    """The logarithm of the sum of exponentials of which the largest is 1."""
    ones, rest = _sums(whole)
    beyond_one = apply("add", (rest, apply("sub", (ones, ONE))))
    return apply("log1p", (Select(_is_empty(whole), ZERO, beyond_one),))


def _log_softmax(x: Expr, whole: Reduce) -> Expr:
    """`x - logsumexp(x)`, of differences from the largest x: as small as it is at that place."""
    x = _read(x, whole)
    below = apply("sub", (x, _top(whole)))
    least = apply("add", (x, Const("inf")))
    return Select(_is_empty(whole), least, apply("sub", (below, _log_of(whole))))


def _parts(term: Expr) -> tuple[Expr, Expr]:
    """A softplus, logaddexp or logsumexp as the largest of what it is of, and the rest.

    A sigmoid is 0 or 1, and the rest.
    """
    match term:
        case Apply(op="softplus", args=(x,)):
            return apply("relu", (x,)), apply("log1p", (_decay(x),))
        case Apply(op="logaddexp", args=(a, b)):
            largest = apply("max", (a, b))
            apart = apply("abs", (apply("sub", (a, b)),))
            rest = apply("log1p", (apply("exp", (apply("neg", (apart,)),)),))
            return largest, Select(apply("isfinite", (largest,)), rest, ZERO)
        case Apply(op="sigmoid", args=(x,)):
            decay, above = _decay(x), apply("ge", (x, ZERO))
            part = Select(above, apply("neg", (decay,)), decay)
            return Select(above, ONE, ZERO), apply("div", (part, apply("add", (ONE, decay))))
        case Reduce(op="logsumexp", filter=None):
            return Select(_is_empty(term), MINUS_INFINITY, _top(term)), _log_of(term)
    raise TypeError(type(term).__name__)


def _has_parts(term: Expr) -> bool:
    if isinstance(term, Apply):
        return term.op in ("softplus", "logaddexp", "sigmoid")
    return isinstance(term, Reduce) and term.op == "logsumexp" and term.filter is None


def _beside_largest(op: str, a: Expr, b: Expr) -> Expr | None:
    """`softplus(x) - b` as `(relu(x) - b) + log1p(exp(-abs(x)))`, and the like.

    Where b is about as large as the largest, the rest is what is left.
    """
    if _has_parts(a):
        largest, rest = _parts(a)
        return apply("add", (apply(op, (largest, b)), rest))
    if _has_parts(b):
        largest, rest = _parts(b)
        return apply(op, (apply(op, (a, largest)), rest))
    return None


def _decay(x: Expr) -> Expr:
    """`exp(-abs(x))`, of which softplus and sigmoid of `x` and `-x` are made."""
    while isinstance(x, Apply) and x.op == "neg":
        (x,) = x.args
    return apply("exp", (apply("neg", (apply("abs", (x,)),)),))


def _sigmoid(x: Expr) -> Expr:
    decay = _decay(x)
    above = apply("ge", (x, ZERO))
    return apply("div", (Select(above, ONE, decay), apply("add", (ONE, decay))))


def _read(x: Expr, whole: Reduce) -> Expr:
    """A term that a logsumexp is taken over, read where that has it: a sum is rounded once."""
    places = places_of(whole, x)
    is_sum = any(isinstance(t, Reduce) for t in postorder(x))
    if places is None or len(places) != 1 or not is_sum or x.free >= whole.body.free:
        return x
    ((index, place),) = places.items()
    return Along(TABLE, index, whole.body, place)


def _to_base(op: str, x: Expr, base: Expr) -> Expr | None:
    """`log(x)` or `log1p(x)` over the logarithm of 2 or 10: whole at powers of the base."""
    name = BASES.get(base) if isinstance(base, Apply) else None
    if name is None:
        return None
    if op == "log":
        return apply(name, (x,))
    # The sum and the quotient are written another way, so that they are not found again.
    whole = apply(name, (apply("sub", (x, Const(Fraction(-1)))),))
    part = apply("mul", (apply("log1p", (x,)), apply("div", (ONE, base))))
    return Select(apply("ge", (x, ONE)), whole, part)


def _lgamma_beyond_one(x: Expr) -> Expr:
    """`lgamma(1 + x)`, by its series where 1 + x would have too few digits of x."""
    near = apply("lt", (apply("abs", (x,)), Const(Fraction(1, NEAR_ONE))))
    series: Expr = ZERO
    for number in reversed(SERIES):
        series = apply("mul", (x, apply("add", (Const(number), series))))
    # The sum is written the other way round, so that it is not found again.
    beyond = apply("sub", (x, Const(Fraction(-1))))
    return Select(near, series, apply("lgamma", (beyond,)))


def _half_square(x: Expr) -> Expr:
    return apply("div", (apply("neg", (apply("pow", (x, Const(Fraction(2)))),)), TWO))


def _hazard(x: Expr) -> Expr:
    """`exp(-x^2 / 2) / ndtr(x)`; far down by a continued fraction, for there both vanish."""
    down = apply("max", (apply("neg", (x,)), Const(FAR_DOWN)))
    fraction = down
    for n in reversed(range(1, STEPS)):
        fraction = apply("add", (down, apply("div", (Const(Fraction(n)), fraction))))
    scaled = apply("mul", (fraction, apply("sqrt", (apply("mul", (TWO, Const("pi"))),))))
    up = apply("max", (x, Const(-FAR_DOWN)))
    plain = apply("div", (apply("exp", (_half_square(up),)), apply("ndtr", (up,))))
    return Select(apply("lt", (x, Const(-FAR_DOWN))), scaled, plain)


def _other_shares(body: Expr, places: Mapping[Bound, Expr]) -> Expr | None:
    """The sum of a softmax over all places but one, by the sums of its exponentials."""
    match body:
        case Apply(op="exp", args=(Apply(op="sub", args=(x, Reduce(op="logsumexp") as whole)),)):
            own = places_of(whole, x) if whole.filter is None else None
            if own is None or {p: b.range for b, p in own.items()} != {
                Position(b): b.range for b in places
            }:
                return None
            out = substitute(_exponential(x, whole), places)
            ones, rest = _sums(whole)
            of_ones = apply("add", (rest, apply("sub", (ones, ONE))))
            of_rest = apply("sub", (apply("add", (rest, ones)), out))
            others = Select(apply("eq", (out, ONE)), of_ones, of_rest)
            return apply("div", (others, _total(whole)))
    return None


def _others(term: Reduce) -> Expr | None:
    """A sum over all places but one, of arrays over either; None if it is another sum.

    It is the sum less what is left out where that is not the largest, and else the sum of the
    others, which lose no digits.
    """
    conditions = _conditions(term.filter)
    for k, condition in enumerate(conditions):
        places = dict(_left_out(condition, frozenset(term.indices)))
        same = term.body.free & frozenset[Index]().union(*(p.free for p in places.values()))
        if places.keys() == set(term.indices) and not same:
            chosen = conjunction((*conditions[:k], *conditions[k + 1 :]))
            shares = _other_shares(term.body, places) if chosen == TRUE else None
            return shares or _sum_but_one(term, select(chosen, term.body, ZERO), places)
    return None


def _sum_but_one(term: Reduce, body: Expr, places: Mapping[Bound, Expr]) -> Expr:
    """A sum without the term at one of its places."""
    size = apply("abs", (body,))
    is_top = apply("eq", (size, Reduce("max", term.indices, size)))
    tops = Reduce("sum", term.indices, Select(is_top, body, ZERO))
    rest = Reduce("sum", term.indices, Select(is_top, ZERO, body))
    out = substitute(body, places)
    of_top = apply("add", (rest, apply("sub", (tops, out))))
    of_rest = apply("sub", (apply("add", (rest, tops)), out))
    return Select(substitute(is_top, places), of_top, of_rest)


def _conditions(filter: Expr | None) -> tuple[Expr, ...]:
    """The conditions of a filter that all hold."""
    if isinstance(filter, Apply) and filter.op == "and":
        return tuple(c for part in filter.args for c in _conditions(part))
    return () if filter is None else (filter,)


def _left_out(condition: Expr, indices: frozenset[Bound]) -> Iterator[tuple[Bound, Expr]]:
    """The indices that a condition tells apart from a place, with the place."""
    match condition:
        case Apply(op="or", args=(a, b)):
            yield from (*_left_out(a, indices), *_left_out(b, indices))
        case Apply(op="ne", args=(Position(index=Bound() as index), place)) if index in indices:
            if not place.free & indices:
                yield index, place


def _top(whole: Reduce) -> Expr:
    """The largest term of a logsumexp; 0 if that is infinite."""
    top = apply("stop_gradient", (Reduce("max", whole.indices, whole.body),))
    return Select(apply("isfinite", (top,)), top, ZERO)


def _total(whole: Reduce) -> Expr:
    """The sum of the exponentials, each of them at most 1."""
    return apply("add", _sums(whole))


def _sums(whole: Reduce) -> tuple[Expr, Expr]:
    """The sum of the exponentials that are 1, and the sum of the others.

    Their indices keep their levels: the next ones may be those of reductions around it.
    """
    part = _exponential(whole.body, whole)
    is_one = apply("eq", (part, ONE))
    bodies = (Select(is_one, part, ZERO), Select(is_one, ZERO, part))
    ones, rest = (Reduce("sum", whole.indices, body) for body in bodies)
    return ones, rest


def _exponential(x: Expr, whole: Reduce) -> Expr:
    return apply("exp", (apply("sub", (x, _top(whole))),))
