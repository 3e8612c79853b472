"""Parts of a graph that XLA compiles by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import tensorflow as tf

from .blocks import in_xla
from .schedule import Plan
from .work import work

# XLA compiles what has arrays of so many elements. Below, TensorFlow's kernels take less than a
# millisecond, and to compile takes as long as hundreds of steps.
LARGE = 1 << 14
# XLA takes some ten milliseconds for a step: so many are worth it for large arrays alone.
LONG_PLAN = 256
# Lengths that are not known when a graph is built, batches mostly, are taken to be between these.
SHORT, LONG = 1 << 5, 1 << 13

Tensor = Any
Build = Callable[[Mapping[str, Tensor]], Any]


def is_long(plan: Plan) -> bool:
    """Whether XLA takes seconds to compile a plan, whatever the size of its arrays."""
    return sum(step.same is None for step in plan.steps) > LONG_PLAN


def clustered(plan: Plan, build: Build) -> Build:
    """What builds a plan's part of a graph, and has XLA compile it where its arrays are large.

    It is compiled once for each shape. Where XLA compiles the whole graph it is a part of that.
    """
    compiled = tf.function(build, jit_compile=True, autograph=False)

    def run(tensors: Mapping[str, Tensor]) -> Any:
        if in_xla():
            return build(tensors)
        size = partial(work, plan, tensors)
        if size(SHORT) >= LARGE:
            return compiled(tensors)
        if size(LONG) < LARGE:
            return build(tensors)
        return tf.cond(size() >= LARGE, lambda: compiled(tensors), lambda: build(tensors))

    return run
