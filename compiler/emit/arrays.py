"""The arrays of one run of a plan: their lengths, dtypes and axes.

An array is a tensor whose dims are the axes of its step.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any

import numpy as np
import tensorflow as tf

from ..ir import BOOL, NONE, PACK, Axis, Const, Index, Range, Reduce
from ..ir import Tensor as Input
from . import tf_ops as ops
from .blocks import in_xla
from .packing import lengths
from .schedule import Plan, Step, fold_repeats, span_of

Tensor = Any
Length = Any  # an int, or a scalar int64 tensor
Value = Any  # a tensor, or a Const
Axes = Sequence[Index]

# The dims over which TensorFlow's kernels broadcast, neighbours that broadcast alike being one.
BROADCAST = 5
OUTSIDE = -(1 << 62)  # stands for a fraction where a slot wants an integer


def compute_dtype(tensors: Sequence[Tensor]) -> tf.DType:
    """The widest float dtype among the inputs, float32 at least."""
    wide = any(tf.as_dtype(t.dtype) == tf.float64 for t in tensors)
    return tf.float64 if wide else tf.float32


class Lengths:
    """The lengths of the axes and indices of a plan, by the tensors given.

    Dims of unknown length are taken to be `guess` long, if that is given.
    """

    def __init__(self, plan: Plan, tensors: Mapping[str, Tensor], guess: int | None = None) -> None:
        program = plan.programs[0]
        self.plan = plan
        self.guess = guess
        self.ranges: dict[Range, tuple[Length, Length]] = {}
        self.sizes: dict[Axis, Length] = {}
        every = [*program.inputs, *program.params]
        self.given = {
            t.name: tensor_of(tensors[t.name]) for t in every if tensors[t.name] is not None
        }
        self.narrow = compute_dtype([self.given[t.name] for t in program.inputs])
        self.present = [t for t in every if t.name in self.given]
        self.measured = {t.name: self.measure(t, self.given[t.name]) for t in self.present}

    def measure(self, t: Input, x: Tensor) -> list[Length]:
        """The lengths of a tensor's axes; those of axes that are not known yet are settled."""
        names = [a.name for a in t.axes]
        extra = len(x.shape) - len(names)
        if extra < -1 or (extra != 0 and PACK not in names):
            raise ValueError(f"{t.name} has shape {x.shape}, which does not fit its axes {names}")
        lengths = _lengths(t, x, self.guess)
        for axis, length in zip(t.axes, lengths, strict=True):
            if axis.size is None and axis not in self.sizes:
                self.sizes[axis] = length
        return lengths

    def size(self, axis: Axis) -> Length:
        return axis.size if axis.size is not None else self.sizes[axis]

    def bounds(self, span: Range) -> tuple[Length, Length]:
        """Start and stop of a range; the stop is never below the start."""
        if span not in self.ranges:
            start = extreme([d.value(self.size) for d in span.starts], max, tf.maximum)
            stop = extreme([d.value(self.size) for d in span.stops], min, tf.minimum)
            self.ranges[span] = start, extreme([start, stop], max, tf.maximum)
        return self.ranges[span]

    def length(self, index: Index) -> Length:
        start, stop = self.bounds(span_of(index))
        return stop - start

    def volume(self, indices: Iterable[Index]) -> Length:
        """The number of places of some indices."""
        return math.prod(self.length(i) for i in indices)


class Arrays(Lengths):
    """The lengths of the axes, the tensors, and the values of the steps so far."""

    def __init__(self, plan: Plan, tensors: Mapping[str, Tensor]) -> None:
        super().__init__(plan, tensors)
        self.values: list[Value] = []
        self.reals: dict[object, Tensor] = {}
        self.dtype = self.narrow
        self.tensors = {
            t.name: self.arrange(t, self.given[t.name], self.measured[t.name]) for t in self.present
        }

    # --- tensors

    def arrange(self, t: Input, x: Tensor, have: Sequence[Length]) -> Tensor:
        """A tensor with one dim an axis, all of the lengths that the axes have, in its kind."""
        want = [self.size(a) for a in t.axes]
        flat = len(x.shape) == len(want)
        if flat and all(map(_same, have, want)):
            return self.typed(t, x)
        shape, same, name = shape_of(want), self.has_same_pack(t, x), None
        checks = _checks(t, have, want)
        if same is not None and in_xla():  # which has no assertions, and refuses negative lengths
            shape = tf.where(same, shape, tf.constant(-2, tf.int64))
            name = re.sub(r"\W", "_", f"shape_of_{t.name}_must_be_that_of_other_inputs", flags=re.A)
        elif same is not None:
            checks.append(_assertion(same, f"{t.name} must have the shape of the other inputs"))
        with tf.control_dependencies(checks):
            x = tf.reshape(x, shape, name)
        return self.typed(t, x)

    def has_same_pack(self, t: Input, x: Tensor) -> Tensor | None:
        """Whether `...` is the same shape as in the first tensor with it; None if that is known."""
        first = next((o for o in self.present if PACK in [a.name for a in o.axes]), t)
        if first is t or PACK not in [a.name for a in t.axes]:
            return None
        one, other = _packed(first, self.given[first.name]), _packed(t, x)
        if len(one) != len(other) or all(isinstance(n, int) for n in one + other):
            return None  # the cotangent's `...` is one dim
        return tf.reduce_all(tf.equal(int64s(one), int64s(other)))

    def typed(self, t: Input, x: Tensor) -> Tensor:
        """Booleans as conditions, integers in int64, floats in the dtype of computation.

        A param keeps double precision for the steps that are wide.
        """
        if t.kind == BOOL:
            return x if x.dtype == tf.bool else tf.not_equal(x, tf.zeros([], x.dtype))
        if x.dtype == tf.uint64:  # what has no int64 is out of every range
            x = tf.minimum(x, tf.constant(tf.int64.max, tf.uint64))
        if x.dtype == tf.bool or x.dtype.is_integer:
            return tf.cast(x, tf.int64)
        return x if t.is_param and x.dtype == tf.float64 else tf.cast(x, self.dtype)

    def positions(self, index: Index) -> Tensor:
        start, stop = self.bounds(span_of(index))
        return tf.range(int64(start), int64(stop))

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
        if runs([axes], target) <= BROADCAST:
            return tf.broadcast_to(x, shape_of([self.length(i) for i in target]))
        x = tf.reshape(x, shape_of([self.length(i) if i in axes else 1 for i in target]))
        return tf.tile(x, shape_of([1 if i in axes else self.length(i) for i in target]))

    def aligned(self, values: Sequence[tuple[Tensor, Axes]], target: Axes) -> list[Tensor]:
        """Values with their dims in the target's order, repeated where no kernel would do that."""
        kernel = runs([axes for _, axes in values if axes], target) <= BROADCAST
        return [
            align(x, axes, target) if kernel or not axes else self.spread(x, axes, target)
            for x, axes in values
        ]

    # --- counts

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
        number = self.volume(indices)
        if isinstance(number, int):
            return tf.constant(max(number, least), self.dtype)
        number = tf.cast(number, self.dtype)
        return tf.maximum(number, least) if least else number


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


def runs(values: Sequence[Axes], target: Axes) -> int:
    """The dims that are left if neighbours that the same values have are joined."""
    return sum(1 for _ in groupby(target, lambda i: [i in axes for axes in values]))


def tensor_of(value: object) -> Tensor:
    """A value as a tensor."""
    if isinstance(value, Fraction):
        value = float(value)
    if isinstance(value, tf.Variable):
        return tf.convert_to_tensor(value)
    return value if tf.is_tensor(value) else tf.convert_to_tensor(np.asarray(value))


def _lengths(t: Input, x: Tensor, guess: int | None = None) -> list[Length]:
    """The lengths of a tensor's axes, those that "..." stands for as one."""
    names = [a.name for a in t.axes]
    pack = names.index(PACK) if PACK in names else len(names)
    extra = len(x.shape) - len(names)
    starts = [k if k <= pack else k + extra for k in range(len(names))]
    stops = [s + 1 + (extra if k == pack else 0) for k, s in enumerate(starts)]
    return [_length(x, a, b, guess) for a, b in zip(starts, stops, strict=True)]


def _length(x: Tensor, start: int, stop: int, guess: int | None) -> Length:
    """The number of elements of some dims of a tensor."""
    known = [guess if n is None else n for n in x.shape.as_list()[start:stop]]
    if None not in known:
        return math.prod(known)
    shape = tf.shape(x, tf.int64)
    return shape[start] if stop == start + 1 else tf.reduce_prod(shape[start:stop])


def _packed(t: Input, x: Tensor) -> list[Length]:
    """The lengths of the dims that "..." stands for."""
    start = [a.name for a in t.axes].index(PACK)
    return lengths(x)[start : start + len(x.shape) - len(t.axes) + 1]


def _same(have: Length, want: Length) -> bool:
    """Whether two lengths are known to agree."""
    return have is want or (isinstance(have, int) and isinstance(want, int) and have == want)


def _checks(t: Input, have: Sequence[Length], want: Sequence[Length]) -> list[Tensor]:
    """Assertions that a tensor has the lengths of its axes, where only a run can tell.

    The reshape alone would not do: graph optimisation drops one of unknown lengths. XLA knows all
    lengths when it compiles, and has no assertions.
    """
    if in_xla():
        return []
    return [
        _assertion(
            tf.equal(int64(h), int64(w)),
            f"{t.name} does not have the length of the axis {axis.name}",
        )
        for axis, h, w in zip(t.axes, have, want, strict=True)
        if not (_same(h, w) or (isinstance(h, int) and isinstance(w, int)))
    ]


def _assertion(condition: Tensor, message: str) -> Tensor:
    return tf.raw_ops.Assert(condition=condition, data=[message])


def shape_of(lengths: Sequence[Length]) -> Any:
    """Lengths as a shape; constant where they are."""
    known = all(isinstance(n, int) for n in lengths)
    return list(lengths) if known else int64s(lengths)


def extreme(
    lengths: Sequence[Length],
    known: Callable[[Sequence[int]], int],
    unknown: Callable[[Tensor, Tensor], Tensor],
) -> Length:
    """The largest or smallest of some lengths; an int where all are known."""
    first, *rest = lengths
    for n in rest:
        both = isinstance(first, int) and isinstance(n, int)
        first = known([first, n]) if both else unknown(int64(first), int64(n))
    return first


def int64(n: Length) -> Tensor:
    """A length as a scalar tensor."""
    return tf.constant(n, tf.int64) if isinstance(n, int) else tf.cast(n, tf.int64)


def int64s(numbers: Sequence[Length]) -> Tensor:
    """Numbers as a vector, constant where they are."""
    known = all(isinstance(n, int) for n in numbers)
    return tf.constant(numbers, tf.int64) if known else tf.stack([int64(n) for n in numbers])


def slice_of(x: Tensor, dim: int, start: Length, length: Length) -> Tensor:
    """A run of places of one dim."""
    if isinstance(start, int) and start == 0 and x.shape[dim] == length:
        return x
    rank = len(x.shape)
    begin = [start if k == dim else 0 for k in range(rank)]
    size = [length if k == dim else -1 for k in range(rank)]
    return tf.slice(x, int64s(begin), int64s(size))


def pad(x: Tensor, dim: int, before: Length, after: Length) -> Tensor:
    """Zeros around one dim."""
    ends = [int64s([before, after] if k == dim else [0, 0]) for k in range(len(x.shape))]
    return tf.pad(x, tf.stack(ends))


def merge_dims(x: Tensor, first: int, count: int, total: Length, rest: Any) -> Tensor:
    """`x` with `count` dims from `first` on made one."""
    shape = tf.shape(x, tf.int64)
    return tf.reshape(x, tf.concat([shape[:first], [int64(total)], shape[first + count :]], 0))


def diagonals(x: Tensor, labels: list[Any]) -> tuple[Tensor, list[Any]]:
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


def missing(dtype: tf.DType) -> Tensor:
    """What reading out of range gives."""
    if dtype.is_floating:
        return tf.constant(math.nan, dtype)
    return tf.constant(False) if dtype == tf.bool else tf.constant(OUTSIDE, dtype)
