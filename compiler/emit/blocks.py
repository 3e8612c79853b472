"""Sums in blocks, which keep the last bits and, under XLA, are made as their terms are.

XLA adds up a long array one term after the other in a few lanes, so that a sum of a million terms
loses four bits, and it first writes the terms to memory. A sum of short blocks is fused with its
terms; an optimisation barrier behind each stage keeps XLA from joining the stages again.
Outside of XLA, TensorFlow's own sum is by halves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla
from tensorflow.python.framework.ops import get_default_graph
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

from .packing import lengths

Tensor = Any
BLOCK, STAGES = 32, 3
FEW = 2 * BLOCK


def total(x: Tensor, dims: Sequence[int]) -> Tensor:
    """The sum over some dims; in blocks where XLA compiles it and the dims are the last ones."""
    kept = len(x.shape) - len(dims)
    if not in_xla() or not dims or sorted(dims) != list(range(kept, len(x.shape))):
        return tf.reduce_sum(x, dims)
    if len(dims) > 1:
        around = lengths(x)
        x = tf.reshape(x, [*around[:kept], math.prod(around[kept:])])
    for _ in range(STAGES):
        x = _stage(x)
    return tf.reduce_sum(x, -1)


def _stage(x: Tensor) -> Tensor:
    """The sums of the last dim's blocks, and the places that fill none."""
    *around, length = lengths(x)
    if isinstance(length, int) and length <= FEW:
        return x
    block = _block(length)
    count = length // block
    whole = isinstance(length, int) and count * block == length
    first = x if whole else _last(x, 0, count * block)
    sums = _apart(tf.reduce_sum(tf.reshape(first, [*around, count, block]), -1))
    return sums if whole else tf.concat([sums, _last(x, count * block, length)], -1)


def _block(length: Any) -> int:
    """The length of a block: the largest, of half of BLOCK at least, that leaves no rest."""
    if not isinstance(length, int):
        return BLOCK
    return next((n for n in range(BLOCK, BLOCK // 2, -1) if length % n == 0), BLOCK)


def _last(x: Tensor, start: Any, stop: Any) -> Tensor:
    """A run of places of the last dim."""
    around = [0] * (len(x.shape) - 1)
    every = (1 << len(around)) - 1
    begin, end = [*around, start], [*around, stop]
    return tf.strided_slice(x, begin, end, begin_mask=every, end_mask=every)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _apart(x: Tensor) -> Any:
    """`x`, which XLA computes apart from what it is used for."""
    return xla.optimization_barrier(x)[0], lambda g: g


def in_xla() -> bool:
    """Whether XLA compiles what is being built."""
    return not tf.executing_eagerly() and bool(GraphOrParentsInXlaContext(get_default_graph()))
