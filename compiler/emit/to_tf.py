"""A program as TensorFlow ops.

Runs the plan step by step. A step's value is a tensor whose dims are the step's axes, of dtype
bool, int64 or the dtype of computation; constants stay exact until an operation needs them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any

import numpy as np
import tensorflow as tf

from ..ir import (
    BOOL,
    INT,
    NONE,
    PACK,
    REAL,
    Access,
    Along,
    Apply,
    Axis,
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
from ..ir import Tensor as Input
from . import tf_ops as ops
from .schedule import (
    COMPARISONS,
    Gather,
    Pick,
    Plan,
    Product,
    Slice,
    Slot,
    Step,
    fold_repeats,
    gathered,
    is_complement,
    merge,
    schedule,
    span_of,
    table_axes,
)  # fmt: skip

Tensor = Any
Length = Any  # an int, or a scalar int64 tensor
Value = Any  # a tensor, or a Const
Axes = Sequence[Index]

# The dims over which TensorFlow's kernels broadcast, neighbours that broadcast alike being one.
BROADCAST = 5

OUTSIDE = -(1 << 62)  # stands for a fraction where a slot wants an integer
WHOLE = ("add", "sub", "neg", "min", "max", "abs")


def emit(
    program: Program, wide: frozenset[Expr] = frozenset()
) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """The program as a function of its tensors, by name, that builds plain TensorFlow ops.

    Its value's dims are `program.axes`, an axis "..." flattened. It works eagerly, in a graph and
    under XLA, with known and unknown lengths of axes; a tensor whose shape does not fit fails.
    Terms in `wide` are computed in float64.
    """
    every = emit_all(program, wide=wide)
    return lambda tensors: every(tensors)[0]


def emit_all(
    *programs: Program, wide: frozenset[Expr] = frozenset()
) -> Callable[[Mapping[str, Tensor]], list[Tensor]]:
    """Several programs over the same tensors as one function, which does once what they share."""
    plan = schedule(*programs, wide=wide)

    def run(tensors: Mapping[str, Tensor]) -> list[Tensor]:
        return _Run(plan, tensors).run()

    function: Callable[[Mapping[str, Tensor]], list[Tensor]]
    function = tf.autograph.experimental.do_not_convert(run)
    return function


def compute_dtype(tensors: Sequence[Tensor]) -> tf.DType:
    """The widest float dtype among the inputs, float32 at least."""
    wide = any(tf.as_dtype(t.dtype) == tf.float64 for t in tensors)
    return tf.float64 if wide else tf.float32


class _Run:
    """One run of a plan: the lengths of the axes, and the values of the steps so far."""

    def __init__(self, plan: Plan, tensors: Mapping[str, Tensor]) -> None:
        program = plan.programs[0]
        self.plan = plan
        self.values: list[Value] = []
        self.ranges: dict[Range, tuple[Length, Length]] = {}
        self.reals: dict[object, Tensor] = {}
        every = (*program.inputs, *program.params)
        given = {t.name: _tensor(tensors[t.name]) for t in every if tensors[t.name] is not None}
        self.narrow = compute_dtype([given[t.name] for t in program.inputs])
        self.dtype = self.narrow
        self.sizes: dict[Axis, Length] = {}
        present = [t for t in every if t.name in given]
        lengths = {t.name: self.measure(t, given[t.name]) for t in present}
        self.tensors = {t.name: self.arrange(t, given[t.name], lengths[t.name]) for t in present}

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
                return _int64(self.size(axis))
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
                return self.reduce(step, step.term)
            case Along():
                return self.along(step, step.term)
        raise TypeError(f"no such term: {type(step.term).__name__}")

    # --- sizes and tensors

    def measure(self, t: Input, x: Tensor) -> list[Length]:
        """The lengths of a tensor's axes; those of axes that are not known yet are settled."""
        names = [a.name for a in t.axes]
        extra = len(x.shape) - len(names)
        if extra < -1 or (extra != 0 and PACK not in names):
            raise ValueError(f"{t.name} has shape {x.shape}, which does not fit its axes {names}")
        lengths = _lengths(t, x)
        for axis, length in zip(t.axes, lengths, strict=True):
            if axis.size is None and axis not in self.sizes:
                self.sizes[axis] = length
        return lengths

    def arrange(self, t: Input, x: Tensor, have: Sequence[Length]) -> Tensor:
        """A tensor with one dim an axis, all of the lengths that the axes have, in its kind."""
        want = [self.size(a) for a in t.axes]
        flat = len(x.shape) == len(want)
        if flat and all(map(_same, have, want)):
            return self.typed(t, x)
        with tf.control_dependencies(_checks(t, have, want)):
            x = tf.reshape(x, _shape(want))
        return self.typed(t, x)

    def typed(self, t: Input, x: Tensor) -> Tensor:
        """Booleans as conditions, integers in int64, floats in the dtype of computation.

        A param keeps double precision for the steps that are wide.
        """
        if t.kind == BOOL:
            return x if x.dtype == tf.bool else tf.not_equal(x, tf.zeros([], x.dtype))
        if x.dtype == tf.bool or x.dtype.is_integer:
            return tf.cast(x, tf.int64)
        return x if t.is_param and x.dtype == tf.float64 else tf.cast(x, self.dtype)

    def size(self, axis: Axis) -> Length:
        return axis.size if axis.size is not None else self.sizes[axis]

    def bounds(self, span: Range) -> tuple[Length, Length]:
        """Start and stop of a range; the stop is never below the start."""
        if span not in self.ranges:
            start = _extreme([d.value(self.size) for d in span.starts], max, tf.maximum)
            stop = _extreme([d.value(self.size) for d in span.stops], min, tf.minimum)
            self.ranges[span] = start, _extreme([start, stop], max, tf.maximum)
        return self.ranges[span]

    def length(self, index: Index) -> Length:
        start, stop = self.bounds(span_of(index))
        return stop - start

    def positions(self, index: Index) -> Tensor:
        start, stop = self.bounds(span_of(index))
        return tf.range(_int64(start), _int64(stop))

    # --- dtypes

    def real(self, x: Value) -> Tensor:
        """A value as a number in the dtype of computation, made once."""
        if not isinstance(x, Const) and x.dtype == self.dtype:
            return x
        key = (x if isinstance(x, Const) else x.ref(), self.dtype)
        if key not in self.reals:
            self.reals[key] = self.constant(x) if isinstance(x, Const) else tf.cast(x, self.dtype)
        return self.reals[key]

    def constant(self, x: Const) -> Tensor:
        """A constant in the dtype of computation."""
        if x.kind == NONE:
            return tf.constant(math.nan, self.dtype)
        number = Fraction(x.value) if isinstance(x.value, bool) else x.value
        return ops.constant(number, self.dtype)  # type: ignore[arg-type]

    def integer(self, x: Value) -> Tensor:
        """A value as an int64; a number that is none stands outside of every range."""
        if isinstance(x, Const):
            return tf.constant(int(x.value), tf.int64)  # type: ignore[arg-type]
        if not x.dtype.is_floating:
            return tf.cast(x, tf.int64)
        good = tf.equal(x, tf.floor(x)) & (tf.abs(x) < tf.constant(2.0**62, x.dtype))
        whole = tf.cast(tf.where(good, x, tf.zeros([], x.dtype)), tf.int64)
        return tf.where(good, whole, tf.constant(OUTSIDE, tf.int64))

    def condition(self, x: Value) -> Tensor:
        if isinstance(x, Const):
            return tf.constant(bool(x.value))
        return x if x.dtype == tf.bool else tf.not_equal(x, tf.zeros([], x.dtype))

    # --- axes

    def args(self, step: Step) -> list[tuple[Value, Axes]]:
        return [(self.values[a], self.plan.steps[a].axes) for a in step.args]

    def spread(self, x: Tensor, axes: Axes, target: Axes) -> Tensor:
        """`x` with all of the target's axes, repeated along those that it has not."""
        x = align(x, axes, target)
        if set(target) <= set(axes):
            return x
        if _runs([axes], target) <= BROADCAST:
            return tf.broadcast_to(x, _shape([self.length(i) for i in target]))
        x = tf.reshape(x, _shape([self.length(i) if i in axes else 1 for i in target]))
        return tf.tile(x, _shape([1 if i in axes else self.length(i) for i in target]))

    def aligned(self, values: Sequence[tuple[Tensor, Axes]], target: Axes) -> list[Tensor]:
        """Values with their dims in the target's order, repeated where no kernel would do that."""
        kernel = _runs([axes for _, axes in values if axes], target) <= BROADCAST
        return [
            align(x, axes, target) if kernel or not axes else self.spread(x, axes, target)
            for x, axes in values
        ]

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
        if term.op == "div" and _is_signed(term.args[1]):
            aligned[1] = ops.unsigned(aligned[1])
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

    def count(
        self, term: Reduce, mask: Tensor | None, around: Axes, left: Axes, axes: Axes
    ) -> Value:
        """What a mean divides by, or what a sum over indices that its body lacks is times."""
        if term.op == "sum":
            absent = [i for i in term.indices if i not in axes and i not in around]
            return self.number(absent) if absent else None
        if term.op not in ("mean", "var", "std"):
            return None
        present = [i for i in term.indices if i in axes or i in around]
        if mask is None:
            return self.number(present, least=1)
        dims = [k for k, i in enumerate(around) if i in term.indices]
        kept = tf.reduce_sum(tf.cast(mask, tf.int64), dims)
        beside = [i for i in present if i not in around]
        total = tf.cast(kept, self.dtype)
        total = total * self.number(beside) if beside else total
        return align(tf.maximum(total, 1), [i for i in around if i not in term.indices], left)

    def number(self, indices: Axes, least: int = 0) -> Tensor:
        """The number of places of some indices, `least` at least, in the dtype of computation."""
        number = math.prod(self.length(i) for i in indices)
        if isinstance(number, int):
            return tf.constant(max(number, least), self.dtype)
        number = tf.cast(number, self.dtype)
        return tf.maximum(number, least) if least else number

    def contract(self, step: Step, term: Reduce, product: Product) -> Tensor:
        """A sum of a product: its factors contracted, then the rest of the product."""
        args = [(self.real(v), axes) for v, axes in self.args(step)]
        factors, rest = args[: len(product.factors)], args[len(product.factors) :]
        value, axes = self.contracted(factors, term)
        absent = [i for i in term.indices if all(i not in a for _, a in factors)]
        if term.op == "mean":
            value = value / self.number([i for i in term.indices if i not in absent], least=1)
        elif absent:
            value = value * self.number(absent)
        for k, (x, around) in enumerate(rest):
            whole = merge([axes, around])
            join = tf.multiply if k < len(product.times) else tf.divide
            value, axes = join(align(value, axes, whole), align(x, around, whole)), whole
        return align(-value if product.negative else value, axes, step.axes)

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
                    x = _slice(x, dim, offset.value(self.size) - start, 1)
                    x = tf.squeeze(x, dim)
                case Gather():
                    labels.append(k)
        x, labels = _diagonals(x, labels)
        x, axes = self.gather(step, x, labels, spans, exact, padded)
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
            before = _extreme([-first, 0], max, tf.maximum)
            after = _extreme([first + stop - start - (end - origin), 0], max, tf.maximum)
            x, first = _pad(x, dim, before, after), first + before
        x = _slice(x, dim, first, stop - start)
        return x if slot.sign > 0 else tf.reverse(x, [dim])

    def gather(
        self,
        step: Step,
        x: Tensor,
        labels: list[Index | int],
        spans: Sequence[Range],
        exact: bool,
        padded: bool,
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
        places, inside, total = self.places(slots, spans, around, padded)
        rest = x.shape[len(shared) + len(slots) :]
        if len(slots) > 1:
            x = _merge_dims(x, len(shared), len(slots), total, rest)
        if x.dtype == tf.int64 and not exact and not padded:
            x = self.real(x)
        missing = None if padded else _missing(x.dtype)
        return ops.take(x, places, len(shared), inside, missing), gathered(kept, new)

    def places(
        self, slots: Mapping[int, Slot], spans: Sequence[Range], around: Axes, padded: bool
    ) -> tuple[Tensor, Tensor, Length]:
        """The places of several slots as one number each, whether in range, and how many."""
        places, inside, total = tf.zeros([], tf.int64), tf.constant(True), 1
        for k, slot in slots.items():
            assert isinstance(slot, Gather)
            start, stop = self.bounds(spans[k])
            at = self.integer(self.values[slot.step]) - start
            at = align(at, self.plan.steps[slot.step].axes, around)
            length = stop - start
            if padded:
                at = tf.clip_by_value(at, 0, _int64(length - 1))
            inside = inside & (at >= 0) & (at < length)
            places = places * length + at
            total = total * length
        return places, inside, total


# --- shapes ---------------------------------------------------------------------------------------


def align(x: Tensor, axes: Sequence[Any], target: Sequence[Any]) -> Tensor:
    """`x` with its dims in the target's order, and dims of 1 for the axes that it has not."""
    if list(axes) == list(target) or not axes:
        return x
    present = [i for i in target if i in axes]
    if present != list(axes):
        x = tf.transpose(x, [list(axes).index(i) for i in present])
    first = list(target).index(present[0])
    for k, i in enumerate(target[first:]):
        if i not in axes:
            x = tf.expand_dims(x, k)
    return x


def _runs(values: Sequence[Axes], target: Axes) -> int:
    """The dims that are left if neighbours that the same values have are joined."""
    return sum(1 for _ in groupby(target, lambda i: [i in axes for axes in values]))


def _tensor(value: object) -> Tensor:
    if isinstance(value, Fraction):
        value = float(value)
    if isinstance(value, tf.Variable):
        return tf.convert_to_tensor(value)
    return value if tf.is_tensor(value) else tf.convert_to_tensor(np.asarray(value))


def _is_none(value: Value) -> bool:
    return isinstance(value, Const) and value.kind == NONE


def _is_signed(term: Expr) -> bool:
    """Whether a zero may come out of a term as -0, the quotient by which has the other sign."""
    is_product = isinstance(term, Apply | Reduce) and term.op in ("mul", "div", "neg", "prod")
    return is_product and term.kind == REAL


def _all_integers(values: Sequence[Value]) -> bool:
    """Whether all values are int64 tensors, or constants that fit."""
    return all(_is_integer(v) for v in values)


def _is_integer(value: Value) -> bool:
    if isinstance(value, Const):
        number = value.value
        return value.kind == INT and isinstance(number, Fraction) and abs(number) < 1 << 62
    return bool(value.dtype == tf.int64)


def _lengths(t: Input, x: Tensor) -> list[Length]:
    """The lengths of a tensor's axes, those that "..." stands for as one."""
    names = [a.name for a in t.axes]
    pack = names.index(PACK) if PACK in names else len(names)
    extra = len(x.shape) - len(names)
    starts = [k if k <= pack else k + extra for k in range(len(names))]
    return [_length(x, s, s + 1 + (extra if k == pack else 0)) for k, s in enumerate(starts)]


def _length(x: Tensor, start: int, stop: int) -> Length:
    """The number of elements of some dims of a tensor."""
    known = x.shape.as_list()[start:stop]
    if None not in known:
        return math.prod(known)
    shape = tf.shape(x, tf.int64)
    return shape[start] if stop == start + 1 else tf.reduce_prod(shape[start:stop])


def _same(have: Length, want: Length) -> bool:
    """Whether two lengths are known to agree."""
    return have is want or (isinstance(have, int) and isinstance(want, int) and have == want)


def _checks(t: Input, have: Sequence[Length], want: Sequence[Length]) -> list[Tensor]:
    """Assertions that a tensor has the lengths of its axes, where only a run can tell.

    The reshape alone would not do: graph optimisation drops one of unknown lengths.
    """
    return [
        tf.debugging.assert_equal(
            _int64(h), _int64(w), f"{t.name} does not have the length of the axis {axis.name}"
        )
        for axis, h, w in zip(t.axes, have, want, strict=True)
        if not (_same(h, w) or (isinstance(h, int) and isinstance(w, int)))
    ]


def _shape(lengths: Sequence[Length]) -> Any:
    """Lengths as a shape; constant where they are."""
    known = all(isinstance(n, int) for n in lengths)
    return list(lengths) if known else _int64s(lengths)


def _extreme(
    lengths: Sequence[Length],
    known: Callable[[Sequence[int]], int],
    unknown: Callable[[Tensor, Tensor], Tensor],
) -> Length:
    first, *rest = lengths
    for n in rest:
        both = isinstance(first, int) and isinstance(n, int)
        first = known([first, n]) if both else unknown(_int64(first), _int64(n))
    return first


def _int64(n: Length) -> Tensor:
    return tf.constant(n, tf.int64) if isinstance(n, int) else tf.cast(n, tf.int64)


def _int64s(numbers: Sequence[Length]) -> Tensor:
    """Numbers as a vector, constant where they are."""
    known = all(isinstance(n, int) for n in numbers)
    return tf.constant(numbers, tf.int64) if known else tf.stack([_int64(n) for n in numbers])


def _slice(x: Tensor, dim: int, start: Length, length: Length) -> Tensor:
    """A run of places of one dim."""
    if isinstance(start, int) and start == 0 and x.shape[dim] == length:
        return x
    rank = len(x.shape)
    begin = [start if k == dim else 0 for k in range(rank)]
    size = [length if k == dim else -1 for k in range(rank)]
    return tf.slice(x, _int64s(begin), _int64s(size))


def _pad(x: Tensor, dim: int, before: Length, after: Length) -> Tensor:
    """Zeros around one dim."""
    ends = [_int64s([before, after] if k == dim else [0, 0]) for k in range(len(x.shape))]
    return tf.pad(x, tf.stack(ends))


def _merge_dims(x: Tensor, first: int, count: int, total: Length, rest: Any) -> Tensor:
    """`x` with `count` dims from `first` on made one."""
    shape = tf.shape(x, tf.int64)
    return tf.reshape(x, tf.concat([shape[:first], [_int64(total)], shape[first + count :]], 0))


def _diagonals(x: Tensor, labels: list[Any]) -> tuple[Tensor, list[Any]]:
    """The diagonals over indices that label several dims; such an index comes last."""
    target = fold_repeats(labels)
    while len(labels) > len(target):
        index = next(i for i in labels if labels.count(i) > 1)
        p = labels.index(index)
        q = labels.index(index, p + 1)
        others = [k for k in range(len(labels)) if k not in (p, q)]
        x = tf.linalg.diag_part(tf.transpose(x, [*others, p, q]))
        labels = [*(labels[k] for k in others), index]
    return align(x, labels, target), target


def _missing(dtype: tf.DType) -> Tensor:
    """What reading out of range gives."""
    if dtype.is_floating:
        return tf.constant(math.nan, dtype)
    return tf.constant(False) if dtype == tf.bool else tf.constant(OUTSIDE, dtype)
