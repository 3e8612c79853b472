"""Values over `...` in the shape that it stands for, and cotangents of that shape flattened."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from ..ir import PACK, Program
from ..ir import Tensor as Input

Tensor = Any


@dataclass(frozen=True, slots=True)
class Packing:
    """Where a program's value has the axis `...`, and the input whose shape tells its axes.

    `over` ("mean" or "sum") reduces the last of them, if there are several.
    """

    at: int
    holder: Input
    over: str | None = None

    def shaped(self, flat: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
        """A value with the axes that `...` stands for, the last of them reduced if it is to be."""
        own = self.axes(tensors)
        if len(own) == 1:
            return flat
        around = lengths(flat)
        value = tf.reshape(flat, [*around[: self.at], *own, *around[self.at + 1 :]])
        if self.over is None or not own:
            return value
        return (tf.reduce_mean if self.over == "mean" else tf.reduce_sum)(value, axis=-1)

    def flat(self, cotangent: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
        """The cotangent of the flat value from that of the value with its shape."""
        own = self.axes(tensors)
        if len(own) == 1:
            return cotangent
        if self.over is not None and own:
            if self.over == "mean":
                cotangent = cotangent / tf.cast(own[-1], cotangent.dtype)
            cotangent = tf.broadcast_to(tf.expand_dims(cotangent, -1), own)
        around = lengths(cotangent)
        after = around[self.at + len(own) :]
        return tf.reshape(cotangent, [*around[: self.at], product(own), *after])

    def axes(self, tensors: Mapping[str, Tensor]) -> list[Any]:
        """The lengths of the axes that `...` stands for."""
        source = tensors[self.holder.name]
        at = [a.name for a in self.holder.axes].index(PACK)
        count = source.shape.rank - (len(self.holder.axes) - 1)
        return lengths(source)[at : at + count]


def packing(program: Program, over: str | None = None) -> Packing | None:
    """How the values of a program are packed; None if they have no axis `...`."""
    at = next((k for k, s in enumerate(program.axes) if s.name == PACK), None)
    if at is None:
        return None
    holder = next(t for t in program.inputs if PACK in [a.name for a in t.axes])
    return Packing(at, holder, over)


def lengths(x: Tensor) -> list[Any]:
    """The length of each dim, an int where it is known."""
    known = x.shape.as_list()
    shape = tf.shape(x) if None in known else known
    return [shape[k] if n is None else n for k, n in enumerate(known)]


def product(numbers: list[Any]) -> Any:
    """The product of lengths, an int if all are known."""
    known = all(isinstance(n, int) for n in numbers)
    return math.prod(numbers) if known else tf.reduce_prod(tf.stack(numbers))
