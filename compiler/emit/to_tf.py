"""A program as TensorFlow ops.

Runs the plan step by step. A step's value is a tensor whose dims are the step's axes, of dtype
bool, int64 or the dtype of computation; constants stay exact until an operation needs them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import tensorflow as tf

from lossc.dsl.primitives import PRIMITIVES, REDUCTIONS

from ..ir import (
    BOOL,
    INT,
    NONE,
    REAL,
    Access,
    Along,
    Apply,
    Const,
    Dim,
    Expr,
    Index,
    Position,
    Program,
    Range,
    Reduce,
    Select,
    Size,
)  # fmt: skip
from . import tf_ops as ops
from .arrays import (
    Arrays,
    Axes,
    Length,
    Tensor,
    Value,
    align,
    diagonals,
    extreme,
    int64,
    merge_dims,
    missing,
    pad,
    slice_of,
)
from .clusters import clustered
from .packing import lengths
from .products import Product
from .scatter import Scatter
from .schedule import (
    COMPARISONS,
    Gather,
    Pick,
    Plan,
    Slice,
    Step,
    gathered,
    is_complement,
    merge,
    schedule,
    span_of,
    table_axes,
)  # fmt: skip

WHOLE = ("add", "sub", "neg", "min", "max", "abs")


def emit(
    program: Program, wide: frozenset[Expr] = frozenset(), jit: bool = False
) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """The program as a function of its tensors, by name, that builds plain TensorFlow ops.

    Its value's dims are `program.axes`, an axis "..." flattened. It works eagerly, in a graph and
    under XLA, with known and unknown lengths of axes; a tensor whose shape does not fit fails.
    Terms in `wide` are computed in float64. With `jit`, XLA compiles its part of a graph by itself
    where its arrays are large.
    """
    every = emit_all(program, wide=wide, jit=jit)
    return lambda tensors: every(tensors)[0]


def emit_all(
    *programs: Program, wide: frozenset[Expr] = frozenset(), jit: bool = False
) -> Callable[[Mapping[str, Tensor]], list[Tensor]]:
    """Several programs over the same tensors as one function, which does once what they share."""
    return emit_plan(schedule(*programs, wide=wide), jit)


def emit_plan(plan: Plan, jit: bool = False) -> Callable[[Mapping[str, Tensor]], list[Tensor]]:
    """The programs of a plan as one function of their tensors, by name."""

    def run(tensors: Mapping[str, Tensor]) -> list[Tensor]:
        return _Run(plan, tensors).run()

    function: Callable[[Mapping[str, Tensor]], list[Tensor]]
    function = tf.autograph.experimental.do_not_convert(run)
    return clustered(plan, function) if jit else function


class _Run(Arrays):
    """One run of a plan: the lengths of the axes, and the values of the steps so far."""

    def run(self) -> list[Tensor]:
        """The value of each program, its dims in the order that the program asks for."""
        for step in self.plan.steps:
            self.dtype = tf.float64 if self.is_wide(step) else self.narrow
            self.values.append(self.make(step) if step.same is None else self.values[step.same])
        self.dtype = self.narrow
        return [
            self.value(self.values[k], self.plan.steps[k], p.axes)
            for k, p in zip(self.plan.outputs, self.plan.programs, strict=True)
        ]

    def is_wide(self, step: Step) -> bool:
        """Whether a step is in double precision; a condition or place if one of its numbers is."""
        if step.term.kind == REAL:
            return step.wide
        return any(self.plan.steps[a].wide for a in step.args)

    def value(self, value: Value, step: Step, axes: Axes) -> Tensor:
        value = value if step.term.kind == BOOL else self.real(value)
        return self.spread(value, step.axes, axes)

    def make(self, step: Step) -> Value:
        """The value of one step."""
        match step.term:
            case Const():
                return step.term
            case Size(axis=axis):
                return int64(self.size(axis))
            case Position(index=index):
                return self.positions(index)
            case Access():
                return self.access(step, step.term)
            case Apply():
                return self.apply(step, step.term)
            case Select():
                return self.select(step)
            case Reduce():
                if step.product is not None:
                    return self.contract(step, step.term, step.product)
                if step.scatter is not None:
                    return self.scatter(step, step.term, step.scatter)
                return self.reduce(step, step.term)
            case Along():
                return self.along(step, step.term)
        raise TypeError(f"no such term: {type(step.term).__name__}")

    # --- elementwise

    def apply(self, step: Step, term: Apply) -> Value:
        """A primitive of aligned values."""
        args = self.args(step)
        if term.op == "xlogy" and is_complement(term.args[1]):
            _, rest = self.args(self.plan.steps[step.args[1]])
            x, y = (align(self.real(v), axes, step.axes) for v, axes in (args[0], rest))
            return ops.xlog1py(x, -y)
        if term.op in ("eq", "ne") and any(a.kind == NONE for a in term.args):
            same = all(_is_none(v) for v, _ in args)
            return tf.constant(same == (term.op == "eq"))
        convert = self.conversion(step, term, [v for v, _ in args])
        aligned = self.aligned([(convert(v), axes) for v, axes in args], step.axes)
        if term.op == "indicator":
            return tf.cast(aligned[0], tf.int64)
        if convert == self.integer and term.op in ops.INTEGER:
            return ops.INTEGER[term.op](*aligned)
        for k in PRIMITIVES[term.op].signed:
            if _may_be_signed(term.args[k]):
                aligned[k] = ops.unsigned(aligned[k])
        fixed = [self.plan.steps[a].fixed for a in step.args]
        exponent = args[1][0] if term.op == "pow" else None
        if isinstance(exponent, Const) and isinstance(exponent.value, Fraction):
            return ops.power_to(aligned[0], exponent.value)
        return ops.primitive(term.op, aligned, fixed)

    def conversion(
        self, step: Step, term: Apply, values: Sequence[Value]
    ) -> Callable[[Value], Tensor]:
        """What the arguments of a primitive are computed as."""
        logical = term.op in ("and", "or", "not", "indicator")
        equal = term.op in ("eq", "ne") and all(a.kind == BOOL for a in term.args)
        if logical or equal:
            return self.condition
        if step.exact and term.op in ops.INTEGER:
            return self.integer
        if term.op in COMPARISONS:
            integers = all(a.kind == INT for a in term.args)
            return self.integer if integers or _all_integers(values) else self.real
        whole = term.op in WHOLE and term.kind == INT and _all_integers(values)
        return self.integer if whole else self.real

    def select(self, step: Step) -> Value:
        (condition, outer), (x, over), (y, under) = self.args(step)
        kinds = {step.term.then.kind, step.term.other.kind}  # type: ignore[attr-defined]
        whole = step.term.kind == INT and _all_integers([x, y])
        if kinds == {BOOL}:
            convert: Callable[[Value], Tensor] = self.condition
        else:
            convert = self.integer if step.exact or whole else self.real
        return tf.where(
            align(self.condition(condition), outer, step.axes),
            align(convert(x), over, step.axes),
            align(convert(y), under, step.axes),
        )

    # --- reductions

    def reduce(self, step: Step, term: Reduce) -> Value:
        """A reduction: the body with its filter, over those of the indices that they have."""
        (body, axes), *rest = self.args(step)
        mask = self.condition(rest[0][0]) if rest else None
        around = rest[0][1] if rest else ()
        counts = term.op in ("sum", "mean")
        whole = merge([axes, around, () if counts else term.indices])
        dims = [whole.index(i) for i in term.indices if i in whole]
        left = tuple(i for i in whole if i not in term.indices)
        x = self.body(step, term, body, mask is not None)
        if not counts:
            x, axes = self.spread(x, axes, whole), whole
        kept = mask
        if mask is None:
            x = align(x, axes, whole)
        else:
            x, kept = self.aligned([(x, axes), (mask, around)], whole)
        value = self.reduced(term, x, kept, dims, self.count(term, mask, around, left, axes))
        return align(value, left, step.axes)

    def reduced(
        self, term: Reduce, x: Tensor, mask: Tensor | None, dims: list[int], count: Value
    ) -> Tensor:
        if term.op in ops.BOOLEAN:
            return ops.BOOLEAN[term.op](x, mask, dims)
        if term.op in ("argmax", "argmin"):
            start, _ = self.bounds(term.indices[0].range)
            return ops.argmax(x, mask, dims[0], 1 if term.op == "argmax" else -1, start)
        value = ops.REDUCTIONS[term.op](x, mask, dims, count)
        return value * count if term.op == "sum" and count is not None else value

    def body(self, step: Step, term: Reduce, x: Value, masked: bool) -> Tensor:
        """The body in the dtype that the reduction computes in."""
        if term.op in ops.BOOLEAN:
            return self.condition(x)
        order = term.op in ("argmax", "argmin")
        exact = step.exact and term.op in ("sum", "prod", "norm1")
        if _all_integers([x]) and (exact or order or (term.op in ("max", "min") and not masked)):
            return self.integer(x)
        return self.real(x)

    def contract(self, step: Step, term: Reduce, product: Product) -> Tensor:
        """A sum of a product: its factors contracted, then the rest of the product."""
        args = self.args(step)
        mask = args.pop() if product.filter is not None else None
        numbers = [(self.real(v), axes) for v, axes in args]
        factors, rest = numbers[: len(product.factors)], numbers[len(product.factors) :]
        if mask is None or not product.open:
            value, axes = self.contracted(factors, term)
        else:
            value, axes = self.filtered(factors, (self.condition(mask[0]), mask[1]), term, product)
        absent = [i for i in term.indices if all(i not in a for _, a in factors)]
        if term.op == "mean":
            value = value / self.number([i for i in term.indices if i not in absent], least=1)
        elif absent:
            value = value * self.number(absent)
        for k, (x, around) in enumerate(rest):
            whole = merge([axes, around])
            join = tf.multiply if k < len(product.times) else tf.divide
            value, axes = join(align(value, axes, whole), align(x, around, whole)), whole
        if mask is not None and rest:
            value = tf.where(self.is_any(mask, term, axes), value, tf.zeros([], value.dtype))
        return align(-value if product.negative else value, axes, step.axes)

    def is_any(self, mask: tuple[Value, Axes], term: Reduce, axes: Axes) -> Tensor:
        """Whether a filter keeps any place, along other axes."""
        kept, around = self.condition(mask[0]), mask[1]
        dims = [k for k, i in enumerate(around) if i in term.indices]
        return align(tf.reduce_any(kept, dims), [i for i in around if i not in term.indices], axes)

    def scatter(self, step: Step, term: Reduce, scatter: Scatter) -> Tensor:
        """A sum by labels; a label that is no place of the index is left out."""
        (body, axes), (label, around) = self.args(step)
        rest = tuple(i for i in axes if i not in term.indices)
        x = self.spread(self.real(body), axes, (*term.indices, *rest))
        labels = self.spread(self.integer(label), around, term.indices)
        start, stop = self.bounds(span_of(scatter.index))
        place = tf.reshape(labels, [-1]) - int64(start)
        count = int64(stop) - int64(start)
        inside = (place >= 0) & (place < count)
        flat = tf.reshape(x, [-1, *lengths(x)[len(term.indices) :]])
        value = tf.math.unsorted_segment_sum(
            flat, tf.where(inside, place, tf.constant(-1, tf.int64)), count
        )
        return align(value, (scatter.index, *rest), step.axes)

    def filtered(
        self,
        factors: Sequence[tuple[Tensor, Axes]],
        mask: tuple[Tensor, Axes],
        term: Reduce,
        product: Product,
    ) -> tuple[Tensor, tuple[Index, ...]]:
        """A contraction in which what is not finite is felt only where the filter keeps it.

        There the sum is NaN. What is not finite is rare, and its places are looked for then only.
        """
        first = len(factors) - product.open
        lost = [(~tf.math.is_finite(x), axes) for x, axes in factors[first:]]
        clean = [
            (tf.where(bad, tf.zeros([], x.dtype), x), axes)
            for (x, axes), (bad, _) in zip(factors[first:], lost, strict=True)
        ]
        value, left = self.contracted([*factors[:first], *clean], term)
        kept = (tf.cast(mask[0], self.dtype), mask[1])

        def marked() -> Tensor:
            found = value
            for bad, axes in lost:
                count, around = self.contracted([kept, (tf.cast(bad, self.dtype), axes)], term)
                nan = tf.constant(math.nan, found.dtype)
                found = tf.where(align(count > 0, around, left), nan, found)
            return found

        is_lost = tf.reduce_any(tf.stack([tf.reduce_any(bad) for bad, _ in lost]))
        return tf.cond(is_lost, marked, lambda: value), left

    def contracted(
        self, factors: Sequence[tuple[Tensor, Axes]], term: Reduce
    ) -> tuple[Tensor, tuple[Index, ...]]:
        whole = merge([tuple(axes) for _, axes in factors])
        left = tuple(i for i in whole if i not in term.indices)
        if len(factors) == 1:
            dims = [k for k, i in enumerate(whole) if i in term.indices]
            return ops.summed(factors[0][0], dims), left
        letter = {i: chr(ord("a") + k) for k, i in enumerate(whole)}
        terms = ",".join("".join(letter[i] for i in axes) for _, axes in factors)
        formula = f"{terms}->{''.join(letter[i] for i in left)}"
        return tf.einsum(formula, *(x for x, _ in factors)), left

    # --- along an axis

    def along(self, step: Step, term: Along) -> Value:
        """A scan or sort: the table of its values, then the places that are read of it."""
        args = self.args(step)
        inputs = [tuple(axes) for _, axes in args]
        whole = (*table_axes(term, inputs), term.index)
        body, axes = args[0]
        masked = term.filter is not None
        whole_number = _all_integers([body]) and not masked and term.op != "logcumsumexp"
        x = self.integer(body) if whole_number else self.real(body)
        x = self.spread(x, axes, whole)
        mask = self.spread(self.condition(args[1][0]), args[1][1], whole) if masked else None
        start, _ = self.bounds(term.index.range)
        if term.op == "argsort":
            table = ops.argsort(x, mask, start)
        else:
            table = getattr(ops, term.op)(x, mask)
        return self.read(step, table, [*whole[:-1]], [term.index.range], step.exact)

    # --- reading places

    def access(self, step: Step, term: Access) -> Value:
        if term.tensor.name not in self.tensors:
            return Const(None)
        x = self.tensors[term.tensor.name]
        if term.tensor.kind == INT and x.dtype.is_floating and not step.exact:
            x = tf.where(tf.equal(x, tf.floor(x)), x, tf.constant(math.nan, x.dtype))
        if step.exact:
            x = self.integer(x)
        spans = [Range.of(a) for a in term.tensor.axes]
        return self.read(step, x, [], spans, step.exact, term.padded)

    def read(
        self,
        step: Step,
        x: Tensor,
        labels: list[Index | int],
        spans: Sequence[Range],
        exact: bool,
        padded: bool = False,
    ) -> Tensor:
        """The places of `x` that the slots name. The first dims are `labels`, whole.

        A dim that is gathered is labelled by its number among the slots until it is.
        """
        labels = [*labels]
        for k, (slot, span) in enumerate(zip(step.slots, spans, strict=True)):
            dim = len(labels)
            match slot:
                case Slice():
                    x = self.slice(x, dim, slot, span, padded)
                    labels.append(slot.index)
                case Pick(offset=offset):
                    start, _ = self.bounds(span)
                    x = slice_of(x, dim, offset.value(self.size) - start, 1)
                    x = tf.squeeze(x, dim)
                case Gather():
                    labels.append(k)
        x, labels = diagonals(x, labels)
        x, axes = self.gather(step, x, labels, spans, exact)
        return align(x, axes, step.axes)

    def slice(self, x: Tensor, dim: int, slot: Slice, span: Range, padded: bool) -> Tensor:
        """The places `sign * index + offset` of a dim that starts at the span's start."""
        if slot == Slice(slot.index, Dim()) and span_of(slot.index) == span:
            return x
        start, stop = self.bounds(span_of(slot.index))
        origin, end = self.bounds(span)
        offset = slot.offset.value(self.size) - origin
        first = offset + start if slot.sign > 0 else offset - (stop - 1)
        if padded:
            before = extreme([-first, 0], max, tf.maximum)
            after = extreme([first + stop - start - (end - origin), 0], max, tf.maximum)
            x, first = pad(x, dim, before, after), first + before
        x = slice_of(x, dim, first, stop - start)
        return x if slot.sign > 0 else tf.reverse(x, [dim])

    def gather(
        self,
        step: Step,
        x: Tensor,
        labels: list[Index | int],
        spans: Sequence[Range],
        exact: bool,
    ) -> tuple[Tensor, list[Index]]:
        """The dims that are gathered read at their places, all at once."""
        slots = {k: s for k, s in enumerate(step.slots) if isinstance(s, Gather)}
        kept = [i for i in labels if not isinstance(i, int)]
        if not slots:
            return x, kept
        new = merge([tuple(self.plan.steps[s.step].axes) for s in slots.values()])
        shared = [i for i in kept if i in new]
        around = shared + [i for i in new if i not in kept]
        x = align(x, labels, [*shared, *slots, *(i for i in kept if i not in new)])
        places, inside, total = self.places(slots, spans, around)
        anywhere = all(s.clamped for s in slots.values())
        rest = x.shape[len(shared) + len(slots) :]
        if len(slots) > 1:
            x = merge_dims(x, len(shared), len(slots), total, rest)
        if x.dtype == tf.int64 and not exact and not anywhere:
            x = self.real(x)
        outside = None if anywhere else missing(x.dtype)
        return ops.take(x, places, len(shared), inside, outside), gathered(kept, new)

    def places(
        self, slots: Mapping[int, Gather], spans: Sequence[Range], around: Axes
    ) -> tuple[Tensor, Tensor, Length]:
        """The places of several slots as one number each, whether in range, and how many."""
        places, inside, total = tf.zeros([], tf.int64), tf.constant(True), 1
        for k, slot in slots.items():
            start, stop = self.bounds(spans[k])
            at = self.integer(self.values[slot.step]) - start
            at = align(at, self.plan.steps[slot.step].axes, around)
            length = stop - start
            if slot.clamped:
                at = tf.clip_by_value(at, 0, int64(length - 1))
            inside = inside & (at >= 0) & (at < length)
            places = places * length + at
            total = total * length
        return places, inside, total


def _is_none(value: Value) -> bool:
    return isinstance(value, Const) and value.kind == NONE


def _may_be_signed(term: Expr) -> bool:
    """Whether a zero may come out of a term as -0; of a sum only if all its terms are -0."""
    match term:
        case Const():
            return False
        case Apply(op=op):
            return term.kind == REAL and not PRIMITIVES[op].unsigned
        case Reduce(op=op):
            return term.kind == REAL and not REDUCTIONS[op].unsigned
    return term.kind == REAL


def _all_integers(values: Sequence[Value]) -> bool:
    """Whether all values are int64 tensors, or constants that fit."""
    return all(_is_integer(v) for v in values)


def _is_integer(value: Value) -> bool:
    if isinstance(value, Const):
        number = value.value
        return value.kind == INT and isinstance(number, Fraction) and abs(number) < 1 << 62
    return bool(value.dtype == tf.int64)
