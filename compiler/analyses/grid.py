"""A plan run in NumPy: each step an array over its axes, for many copies and samples at once.

The first two dims of a value are the copies and the samples (either may be 1); then come the step's
axes. All is float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..emit.scatter import Scatter
from ..emit.schedule import (
    Gather,
    Pick,
    Plan,
    Slice,
    Slot,
    Step,
    is_complement,
    merge,
    span_of,
    table_axes,
)
from ..ir import (
    TABLE,
    Access,
    Along,
    Apply,
    Axis,
    Const,
    Index,
    Position,
    Reduce,
    Select,
    Size,
    Tensor,
)
from ..numeric import Array, constant, function

Axes = Sequence[Index]
LEADING = 2


class TooLarge(Exception):
    """A step with too many numbers."""


@dataclass
class Grid:
    """The values of a plan's steps; `tensors` gives the data of a tensor."""

    plan: Plan
    sizes: Callable[[Axis], int]
    tensors: Callable[[Tensor], Array]
    most: int
    values: dict[int, Array] = field(default_factory=dict)
    largest: dict[int, Array] = field(default_factory=dict)

    def value(self, k: int) -> Array:
        """The value of a step whose arguments are known."""
        step = self.plan.steps[k]
        if step.same is not None:
            return self.values[step.same]
        axes = merge([step.axes, *(self.plan.steps[a].axes for a in step.args), step.term.binds])
        if math.prod(map(self.length, axes)) > self.most:
            raise TooLarge
        with np.errstate(all="ignore"):
            return np.asarray(self.made(k, step))

    def made(self, k: int, step: Step) -> Any:
        match step.term:
            case Const(value=value):
                return _leading(np.asarray(constant(value), dtype=float))
            case Size(axis=axis):
                return _leading(np.asarray(float(self.sizes(axis))))
            case Position(index=index):
                return _leading(self.positions(index))
            case Access():
                return self.access(step, step.term)
            case Apply():
                return self.apply(step, step.term)
            case Select():
                condition, then, other = (self.aligned(a, step.axes) for a in step.args)
                return np.where(condition != 0, then, other)
            case Reduce():
                return self.reduce(k, step, step.term)
            case Along():
                return self.along(step, step.term)
        raise TypeError(f"no such term: {type(step.term).__name__}")

    def positions(self, index: Index) -> Array:
        start, stop = span_of(index).bounds(self.sizes)
        return np.arange(start, max(start, stop), dtype=float)

    def length(self, index: Index) -> int:
        start, stop = span_of(index).bounds(self.sizes)
        return max(stop - start, 0)

    def aligned(self, k: int, axes: Axes) -> Array:
        """The value of a step along other axes, of length 1 where it has none."""
        return align(self.values[k], self.plan.steps[k].axes, axes)

    def apply(self, step: Step, term: Apply) -> Any:
        args = [self.aligned(a, step.axes) for a in step.args]
        if term.op == "xlogy" and is_complement(term.args[1]):
            rest = self.plan.steps[step.args[1]].args[1]
            x, y = args[0], self.aligned(rest, step.axes)
            return np.where(x == 0, 0.0, x * np.log1p(-y))
        return np.asarray(function(term.op)(*args), dtype=float)

    # --- reductions

    def reduce(self, k: int, step: Step, term: Reduce) -> Any:
        if step.product is not None:
            return self.contract(k, step, term)
        if step.scatter is not None:
            return self.scatter(step, term, step.scatter)
        axes = merge([*(self.plan.steps[a].axes for a in step.args), term.indices])
        body, *rest = (self.aligned(a, axes) for a in step.args)
        kept = rest[0] != 0 if rest else np.ones([1] * body.ndim, bool)
        dims = tuple(LEADING + axes.index(i) for i in term.indices)
        shape = [*np.broadcast_shapes(body.shape, kept.shape)]
        for d, i in zip(dims, term.indices, strict=True):
            shape[d] = self.length(i)
        body, kept = np.broadcast_to(body, shape), np.broadcast_to(kept, shape)
        left = [i for i in axes if i not in term.indices]
        if term.op in ("argmax", "argmin"):
            start = span_of(term.indices[0]).bounds(self.sizes)[0]
            return align(start + _first(term.op, body, kept, dims[0]), left, step.axes)
        if term.op in ("sum", "mean"):
            largest = np.where(kept, np.abs(body), 0.0).max(dims, initial=0.0)
            counted = np.maximum(kept.sum(dims), 1) if term.op == "mean" else 1
            self.largest[k] = align(largest / counted, left, step.axes)
        return align(REDUCTIONS[term.op](body, kept, dims), left, step.axes)

    def contract(self, k: int, step: Step, term: Reduce) -> Any:
        assert step.product is not None
        product = step.product
        axes = merge([*(self.plan.steps[a].axes for a in step.args), term.indices])
        args = [self.aligned(a, axes) for a in step.args]
        count = len(product.factors)
        kept = args.pop() != 0 if product.filter is not None else True
        body: Any = 1.0
        for x in args[:count]:
            body = body * x
        body = np.where(kept, body, 0.0)
        dims = tuple(LEADING + axes.index(i) for i in term.indices)
        shape = [*body.shape]
        for d, i in zip(dims, term.indices, strict=True):
            shape[d] = self.length(i)
        body = np.broadcast_to(body, shape)
        number = math.prod(shape[d] for d in dims) if term.op == "mean" else 1
        value = body.sum(dims, keepdims=True) / number
        largest = np.abs(body).max(dims, keepdims=True, initial=0.0) / number
        for j, x in enumerate(args[count:]):
            factor = x if j < len(product.times) else 1 / x
            value, largest = value * factor, largest * np.abs(factor)
        if product.filter is not None:
            value = np.where(np.any(kept, dims, keepdims=True), value, 0.0)
        left = [i for i in axes if i not in term.indices]
        self.largest[k] = align(np.squeeze(largest, dims), left, step.axes)
        return align(np.squeeze(-value if product.negative else value, dims), left, step.axes)

    def scatter(self, step: Step, term: Reduce, scatter: Scatter) -> Any:
        rest = [i for i in self.plan.steps[step.args[0]].axes if i not in term.indices]
        axes = (*term.indices, *rest, scatter.index)
        body, label = (self.aligned(a, axes) for a in step.args)
        body = np.where(label == self.positions(scatter.index), body, 0.0)
        dims = tuple(range(LEADING, LEADING + len(term.indices)))
        shape = [*body.shape]
        for d, i in zip(dims, term.indices, strict=True):
            shape[d] = self.length(i)
        body = np.broadcast_to(body, shape)
        return align(body.sum(dims), (*rest, scatter.index), step.axes)

    def along(self, step: Step, term: Along) -> Any:
        inputs = [self.plan.steps[a].axes for a in step.args]
        around = table_axes(term, inputs)
        whole = [*around, term.index]
        count = 1 if term.filter is None else 2
        body, *rest = (self.aligned(a, whole) for a in step.args[:count])
        kept = rest[0] != 0 if rest else np.ones([1] * body.ndim, bool)
        shape = [*np.broadcast_shapes(body.shape, kept.shape)]
        shape[-1] = self.length(term.index)
        body, kept = np.broadcast_to(body, shape), np.broadcast_to(kept, shape)
        table = SCANS[term.op](body, kept)
        if term.op == "argsort":
            table = table + span_of(term.index).bounds(self.sizes)[0]
        return self.read(step, table, [*around], [span_of(term.index).bounds(self.sizes)[0]])

    # --- places

    def access(self, step: Step, term: Access) -> Any:
        data = self.tensors(term.tensor)
        return self.read(step, data, [], [0] * len(step.slots))

    def read(self, step: Step, table: Array, labels: list[Index], starts: Sequence[int]) -> Any:
        """The places that the slots name, of a table whose first dims are `labels`."""
        axes = step.axes
        dims = LEADING + len(axes)
        where: list[Array] = []
        for k in range(LEADING):
            where.append(np.arange(table.shape[k]).reshape(-1, *[1] * (dims - 1 - k)))
        for label in labels:
            k = LEADING + axes.index(label)
            where.append(np.arange(self.length(label)).reshape(-1, *[1] * (dims - 1 - k)))
        outside: Any = False
        for slot, start, n in zip(
            step.slots, starts, table.shape[LEADING + len(labels) :], strict=True
        ):
            place = self.place(slot, axes) - start
            out = ~((place >= 0) & (place < n))
            clamped = np.clip(np.nan_to_num(place), 0, max(n - 1, 0)).astype(int)
            outside = outside | (out & (not _is_clamped(step, slot)))
            where.append(clamped)
        if any(n == 0 for n in table.shape):
            return np.full((1, 1, *(self.length(i) for i in axes)), np.nan)
        places = where[LEADING + len(labels) :]
        for k in range(LEADING):
            if table.shape[k] == 1 and any(w.shape[k] > 1 for w in places):
                where[k] = np.zeros_like(where[k])
        return np.where(outside, np.nan, table[tuple(where)])

    def place(self, slot: Slot, axes: Axes) -> Array:
        match slot:
            case Slice():
                at = slot.sign * self.positions(slot.index) + slot.offset.value(self.sizes)
                return align(_leading(at), [slot.index], axes)
            case Pick():
                return align(_leading(np.asarray(float(slot.offset.value(self.sizes)))), [], axes)
            case Gather():
                return self.aligned(slot.step, axes)


def _is_clamped(step: Step, slot: Slot) -> bool:
    padded = isinstance(step.term, Access) and step.term.padded
    return slot.clamped if isinstance(slot, Gather) else padded


def _leading(x: Array) -> Array:
    return x.reshape(*[1] * LEADING, *x.shape)


def align(x: Array, axes: Axes, wanted: Axes) -> Array:
    """An array over some axes as one over others, of length 1 along those that it has not."""
    if tuple(axes) == tuple(wanted):
        return x
    order = [axes.index(i) for i in wanted if i in axes]
    x = np.transpose(x, [*range(LEADING), *(LEADING + k for k in order)])
    shape = iter(x.shape[LEADING:])
    return x.reshape(*x.shape[:LEADING], *(next(shape) if i in axes else 1 for i in wanted))


def _first(op: str, body: Array, kept: Array, dim: int) -> Array:
    lost = -np.inf if op == "argmax" else np.inf
    find = np.argmax if op == "argmax" else np.argmin
    return np.asarray(find(np.where(kept, body, lost), dim), dtype=float)


def _sum(x: Array, kept: Array, dims: tuple[int, ...]) -> Array:
    return np.asarray(np.where(kept, x, 0.0).sum(dims))


def _mean(x: Array, kept: Array, dims: tuple[int, ...]) -> Array:
    count = kept.sum(dims)
    return np.asarray(np.where(count == 0, 0.0, _sum(x, kept, dims) / np.maximum(count, 1)))


def _variance(x: Array, kept: Array, dims: tuple[int, ...]) -> Array:
    count = np.maximum(kept.sum(dims, keepdims=True), 1)
    middle = np.where(kept, x, 0.0).sum(dims, keepdims=True) / count
    return _mean((x - middle) ** 2, kept, dims)


def _largest(x: Array, kept: Array, dims: tuple[int, ...]) -> Array:
    return np.asarray(np.where(kept, x, -np.inf).max(dims, initial=-np.inf))


def _logsumexp(x: Array, kept: Array, dims: tuple[int, ...]) -> Array:
    x = np.where(kept, x, -np.inf)
    top = x.max(dims, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0)
    return np.asarray(np.log(np.exp(x - top).sum(dims)) + np.squeeze(top, dims))


REDUCTIONS: Mapping[str, Callable[[Array, Array, tuple[int, ...]], Array]] = {
    "sum": _sum,
    "mean": _mean,
    "prod": lambda x, kept, dims: np.asarray(np.where(kept, x, 1.0).prod(dims)),
    "max": _largest,
    "min": lambda x, kept, dims: -_largest(-x, kept, dims),
    "logsumexp": _logsumexp,
    "any": lambda x, kept, dims: np.asarray((kept & (x != 0)).any(dims), dtype=float),
    "all": lambda x, kept, dims: np.asarray((~kept | (x != 0)).all(dims), dtype=float),
    "count": lambda x, kept, dims: np.asarray((kept & (x != 0)).sum(dims), dtype=float),
    "var": _variance,
    "std": lambda x, kept, dims: np.sqrt(_variance(x, kept, dims)),
    "norm": lambda x, kept, dims: np.sqrt(_sum(x * x, kept, dims)),
    "norm1": lambda x, kept, dims: _sum(np.abs(x), kept, dims),
}


def _order(x: Array, kept: Array) -> Array:
    return np.argsort(np.where(kept, x, np.inf), -1, kind="stable")


def _sorted(x: Array, kept: Array) -> Array:
    return np.asarray(np.sort(np.where(kept, x, np.inf), -1))


SCANS: Mapping[str, Callable[[Array, Array], Array]] = {
    TABLE: lambda x, kept: np.asarray(x),
    "sort": _sorted,
    "cumsum": lambda x, kept: np.asarray(np.where(kept, x, 0.0).cumsum(-1)),
    "logcumsumexp": lambda x, kept: np.asarray(
        np.logaddexp.accumulate(np.where(kept, x, -np.inf), -1)
    ),
    "argsort": lambda x, kept: _order(x, kept).astype(float),
    "rank": lambda x, kept: np.argsort(_order(x, kept), -1).astype(float),
}
