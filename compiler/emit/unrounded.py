"""Steps in all digits: what a plan makes of data by sums, products and choices, rounded once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import reduce as fold

import tensorflow as tf

from ..ir import Access, Apply, Const, Reduce, Select
from . import digits as dg
from .arrays import Arrays, Axes, Length, Lengths, Tensor, align, shape_of
from .digits import Digits
from .schedule import Plan, Product, Step, merge, origin

DIGIT = "digit"  # labels the last dim of digits, beside the axes
SQUARE = Const(Fraction(2))
# How many numbers in memory the steps in all digits may take, and about how many each takes for
# each of its places: digits or, for a product, pairs of digits.
ROOM, DIGITS, PAIRS = 1 << 25, 1 << 6, 1 << 10


def fits(plan: Plan, tensors: Mapping[str, Tensor]) -> Tensor | bool:
    """Whether the unrounded steps of a plan, if it has any, can be computed in all digits.

    Data in double precision have too many digits for it, and so have very large arrays.
    """
    if not any(step.unrounded for step in plan.steps):
        return True
    lengths = Lengths(plan, tensors)
    return lengths.narrow == tf.float32 and sum(_rooms(lengths)) <= ROOM


def _rooms(lengths: Lengths) -> Iterator[Length]:
    """How many numbers in memory each step takes that is made in all digits."""
    steps = lengths.plan.steps
    todo, seen = [k for k, step in enumerate(steps) if step.unrounded], set[int]()
    while todo:
        k = origin(steps, todo.pop())
        if k not in seen:
            seen.add(k)
            parts = _parts(steps, steps[k])
            todo += parts
            yield _room(lengths, steps[k], [steps[p].axes for p in parts])


def _room(lengths: Lengths, step: Step, axes: Sequence[Axes]) -> Length:
    """How many numbers a step takes of arrays of some axes; too many if its sums are too long."""
    indices = step.term.indices if isinstance(step.term, Reduce) else ()
    over = lengths.volume(indices) // (dg.MANY + 1)
    if not _is_product(lengths.plan.steps, step):
        around = merge([*axes, step.axes])
        return lengths.volume(around) * DIGITS + over * ROOM
    others = merge(axes[: len(step.product.factors) - 1]) if step.product else ()
    inner = lengths.volume(others) if step.product and len(step.product.factors) > 2 else 0
    return (lengths.volume(step.axes) + inner) * PAIRS + over * ROOM


def _is_product(steps: Sequence[Step], step: Step) -> bool:
    """Whether digits of a step are made of pairs of digits."""
    if isinstance(step.term, Apply):
        return step.term.op in ("mul", "div", "pow")
    return step.product is not None or bool(_factors(steps, step))


def _parts(steps: Sequence[Step], step: Step) -> tuple[int, ...]:
    """The steps of which the digits are needed for those of a step."""
    match step.term:
        case Select():
            return step.args[1:]
        case Reduce(kind="real"):
            if step.product is not None:
                return step.args[: len(step.args) - len(step.product.over)]
            return _factors(steps, step) or step.args[:1]
        case Apply(kind="real", op="div" | "pow"):
            return step.args[:1]
        case Apply(kind="real"):
            return step.args
    return ()


def _factors(steps: Sequence[Step], step: Step) -> tuple[int, ...]:
    """The two steps of which a step is the sum of the products, if it is such a sum."""
    if not (isinstance(step.term, Reduce) and step.term.op in ("sum", "mean")):
        return ()
    body = steps[step.args[0]]
    plain = step.product is None and len(step.args) == 1 and body.same is None
    if not plain or not set(step.term.indices) <= set(body.axes):
        return ()
    match body.term:
        case Apply(op="mul", args=(_, _)):
            return body.args
        case Apply(op="pow", args=(_, power)) if power == SQUARE:
            return body.args[:1] * 2
    return ()


class Unrounded:
    """The steps of one run in all digits, each made once when it is asked for."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.steps = arrays.plan.steps
        self.made: dict[int, Digits] = {}

    def rounded(self, k: int, plain: Tensor) -> Tensor:
        """A step rounded once; the plain one where that is infinite or no number."""
        found = dg.rounded(self.of(k))
        known = tf.math.is_finite(plain) & tf.math.is_finite(found)
        return tf.where(known, found, plain)

    def of(self, k: int) -> Digits:
        """All digits of a step."""
        k = origin(self.steps, k)
        if k not in self.made:
            self.made[k] = self.make(k, self.steps[k])
        return self.made[k]

    def make(self, k: int, step: Step) -> Digits:
        """The digits of one step, of those of its parts."""
        match step.term:
            case Const(value=Fraction() as value):
                return dg.constant(value)
            case Access(kind="real", tensor=tensor) if not tensor.is_param:
                return dg.digits_of(self.value(k), *dg.FLOAT)
            case Select():
                return self.select(step)
            case Reduce(kind="real") if step.product is not None:
                return self.contract(step, step.term, step.product)
            case Reduce(kind="real", op="sum" | "mean"):
                return self.total(step, step.term)
            case Reduce(kind="real"):
                return self.choice(step, step.term)
            case Apply(kind="real"):
                return self.apply(step, step.term)
        return self.number(self.value(k))

    def value(self, k: int) -> Tensor:
        """A step in double precision."""
        value = self.arrays.values[k]
        if isinstance(value, Const):
            return tf.constant(float(value.value), tf.float64)  # type: ignore[arg-type]
        return tf.cast(value, tf.float64)

    def number(self, value: Tensor) -> Digits:
        """The digits of numbers in double precision."""
        return dg.digits_of(value, *dg.PARAM)

    def spread(self, x: Digits, axes: Axes, target: Axes) -> Digits:
        """Numbers with all of the target's axes."""
        places = align(x.places, [*axes, DIGIT], [*target, DIGIT])
        if not set(target) <= set(axes):
            lengths = [*map(self.arrays.length, target), x.count]
            places = tf.broadcast_to(places, shape_of(lengths))
        return Digits(places, x.low, x.bound)

    def parts(self, args: Sequence[int], axes: Axes) -> list[Digits]:
        """The digits of some steps, with all of some axes."""
        return [self.spread(self.of(a), self.steps[a].axes, axes) for a in args]

    # --- elementwise

    def select(self, step: Step) -> Digits:
        """A choice by a condition."""
        (condition, axes), *_ = self.arrays.args(step)
        chosen = self.arrays.spread(self.arrays.condition(condition), axes, step.axes)
        return dg.where(chosen, *self.parts(step.args[1:], step.axes))

    def apply(self, step: Step, term: Apply) -> Digits:
        """A primitive."""
        x, *others = self.parts(_parts(self.steps, step), step.axes)
        match term.op:
            case "add":
                return dg.add(x, *others)
            case "sub":
                return dg.subtract(x, *others)
            case "mul":
                return dg.multiply(x, *others)
            case "div":
                return dg.multiply(x, self.number(1 / self.value(step.args[1])))
            case "pow":
                return dg.power(x, int(term.args[1].value))  # type: ignore[attr-defined]
            case "max" | "min":
                return fold(lambda a, b: dg.extreme(a, b, term.op), others, x)
            case "neg":
                return dg.negative(x)
            case "abs":
                return dg.extreme(x, dg.negative(x), "max")
            case "relu":
                return dg.extreme(x, dg.subtract(x, x), "max")
        return x

    # --- reductions

    def choice(self, step: Step, term: Reduce) -> Digits:
        """The largest or smallest, or the product, over some indices."""
        (_, axes), *rest = self.arrays.args(step)
        whole = merge([axes, *(around for _, around in rest), term.indices])
        dims = [whole.index(i) for i in term.indices]
        (x,) = self.parts(step.args[:1], whole)
        mask = self.mask(rest, whole)
        if term.op == "prod":
            number = self.arrays.volume(term.indices)
            found = dg.product(x, mask, dims, number)
        else:
            found = dg.largest(x, mask, dims, 1 if term.op == "max" else -1)
        return self.spread(found, [i for i in whole if i not in term.indices], step.axes)

    def total(self, step: Step, term: Reduce) -> Digits:
        """A sum or mean; that of products of two is made at once."""
        (_, axes), *rest = self.arrays.args(step)
        filters = [around for _, around in rest]
        whole = merge([axes, *filters])
        left = [i for i in whole if i not in term.indices]
        mask = self.mask(rest, whole)
        if factors := _factors(self.steps, step):
            found = self.einsum([(self.of(f), self.steps[f].axes) for f in factors], left)
        else:
            (x,) = self.parts(step.args[:1], whole)
            found = dg.summed(x, mask, [whole.index(i) for i in term.indices if i in whole])
        condition = self.arrays.condition(rest[0][0]) if rest else None
        around = filters[0] if filters else ()
        count = self.arrays.count(term, condition, around, tuple(left), axes)
        if count is not None:
            number = tf.cast(count, tf.float64)
            scale = dg.inverse(number) if term.op == "mean" else self.number(number)
            found = dg.multiply(found, scale)
        return self.spread(found, left, step.axes)

    def mask(self, filters: Sequence[tuple[Tensor, Axes]], whole: Axes) -> Tensor | None:
        """The places that count, with all of some axes; None if all do."""
        if not filters:
            return None
        ((value, axes),) = filters
        return self.arrays.spread(self.arrays.condition(value), axes, whole)

    def contract(self, step: Step, term: Reduce, product: Product) -> Digits:
        """A sum of a product: its factors contracted, then the rest of the product."""
        first, last = len(product.factors), len(step.args) - len(product.over)
        *others, end = step.args[:first]
        around = merge([self.steps[f].axes for f in others])
        factors = [(self.of(end), self.steps[end].axes)]
        if others:
            factors.append((fold(dg.multiply, self.parts(others, around)), around))
        whole = merge([axes for _, axes in factors])
        left = [i for i in whole if i not in term.indices]
        found = self.spread(self.einsum(factors, left), left, step.axes)
        absent = [i for i in term.indices if i not in whole]
        present = [i for i in term.indices if i in whole]
        scales = [self.number(1 / self.value(k)) for k in step.args[last:]]
        if term.op == "mean":
            scales.append(dg.inverse(self.length(present)))
        elif absent:
            scales.append(self.number(self.length(absent)))
        times = self.parts(step.args[first:last], step.axes)
        found = fold(dg.multiply, [*times, *scales], found)
        return dg.negative(found) if product.negative else found

    def length(self, indices: Axes) -> Tensor:
        """The number of places of some indices, in double precision."""
        return tf.cast(self.arrays.number(indices, least=1), tf.float64)

    def einsum(self, factors: Sequence[tuple[Digits, Axes]], left: Axes) -> Digits:
        """The sum of one or two factors over all indices but those left."""
        whole = merge([axes for _, axes in factors])
        if len(factors) == 1:
            ((x, axes),) = factors
            return dg.summed(x, None, [k for k, i in enumerate(axes) if i not in left])
        letter = {i: chr(ord("a") + k) for k, i in enumerate(whole)}
        first, second, kept = (
            "".join(letter[i] for i in axes) for axes in (*(a for _, a in factors), left)
        )
        (x, _), (y, _) = factors
        return dg.contracted(f"{first},{second}->{kept}", x, y)
