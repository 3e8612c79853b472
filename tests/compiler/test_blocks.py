"""Sums in blocks: right to two last places, for all lengths and dims, and differentiable."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from lossc.compiler.emit.blocks import total

LENGTHS = (0, 1, 31, 32, 33, 1023, 1024, 1025, 33 * 1024 + 5)


def run(mode: str, function: Callable[[Any], Any], x: Any) -> Any:
    """The function's value eagerly, in a graph or under XLA, traced without lengths."""
    if mode == "eager":
        return function(tf.constant(x)).numpy()
    compiled = tf.function(function, jit_compile=mode == "xla")
    spec = tf.TensorSpec([None] * x.ndim, x.dtype)
    return compiled.get_concrete_function(spec)(tf.constant(x)).numpy()


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
@pytest.mark.parametrize("length", [1_000_003, 2**21])
def test_long_sums_are_right_to_two_last_places(mode: str, length: int) -> None:
    x = np.random.default_rng(length).uniform(0, 1, length).astype(np.float32)
    exact = x.astype(np.float64).sum()
    assert abs(float(run(mode, lambda t: total(t, [0]), x)) - exact) <= 2 * np.spacing(
        np.float32(exact)
    )


@pytest.mark.parametrize("length", LENGTHS)
def test_every_length(length: int) -> None:
    x = np.arange(length, dtype=np.float64)
    assert run("xla", lambda t: total(t, [0]), x) == x.sum()


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
@pytest.mark.parametrize("dims", [[], [0], [2], [1, 2], [2, 0], [0, 1, 2]], ids=str)
def test_every_choice_of_dims(mode: str, dims: Sequence[int]) -> None:
    x = np.arange(5 * 7 * 70, dtype=np.float64).reshape(5, 7, 70)
    assert np.array_equal(run(mode, lambda t: total(t, dims), x), x.sum(tuple(dims)))


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_slopes_of_first_and_second_order(mode: str) -> None:
    def curvature(x: Any) -> Any:
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = total(x**3, [0])
            slope = tape.gradient(value, x)
        return outer.gradient(slope, x)

    x = np.arange(70, dtype=np.float64)
    assert np.array_equal(run(mode, curvature, x), 6 * x)
