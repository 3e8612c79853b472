"""Parts of a graph that XLA compiles by themselves give what calls from outside of a graph give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import lossc
from lossc.compiler.emit.clusters import LARGE

TEXT = "loss f(y[n, c], z[n, c]) = mean[n](logsumexp[c](z) - sum[c](y * z))"
CLASSES = 64
RNG = np.random.default_rng(0)
UNKNOWN = tf.TensorSpec([None, CLASSES], tf.float64)


def data(rows: int) -> tuple[Any, Any, Any]:
    y, z, v = (tf.constant(RNG.normal(size=(rows, CLASSES))) for _ in range(3))
    return tf.nn.softmax(y), z, v


def value(loss: lossc.Loss, y: Any, z: Any, _: Any) -> list[Any]:
    return [loss(y, z), loss.per_sample(y, z)]


def slope(loss: lossc.Loss, y: Any, z: Any, _: Any) -> list[Any]:
    with tf.GradientTape() as tape:
        tape.watch(z)
        found = tf.reduce_sum(loss.per_sample(y, z) ** 2)
    return [tape.gradient(found, z), *loss.value_and_grad(y, z, wrt="z")[1].values()]


def second(loss: lossc.Loss, y: Any, z: Any, v: Any) -> list[Any]:
    with tf.GradientTape() as outer:
        outer.watch(z)
        with tf.GradientTape() as inner:
            inner.watch(z)
            found = loss(y, z)
        along = tf.reduce_sum(inner.gradient(found, z) * v)
    product = loss.hessian_vector_product(y, z, vectors={"z": v})["z"]
    return [outer.gradient(along, z), product, *loss.hessian_diagonal(y, z, wrt="z").values()]


@pytest.mark.parametrize("what", [value, slope, second])
@pytest.mark.parametrize("rows", [3, 2 * LARGE // CLASSES])
def test_graphs_give_what_calls_give(what: Any, rows: int) -> None:
    loss = lossc.compile(TEXT)
    given = data(rows)
    graph = tf.function(lambda *x: what(loss, *x), input_signature=[UNKNOWN] * 3, autograph=False)
    found, wanted = graph(*given), what(loss, *given)
    for a, b in zip(found, wanted, strict=True):
        scale = np.max(np.abs(b))
        assert np.asarray(a) == pytest.approx(np.asarray(b), rel=1e-12, abs=1e-13 * scale)


@pytest.mark.parametrize("jit", [True, False])
def test_a_tape_around_a_graph(jit: bool) -> None:
    """The gradient of a graph is built where nothing tells that XLA compiles it."""
    loss = lossc.compile(TEXT)
    y, z, _ = data(2 * LARGE // CLASSES)
    graph = tf.function(loss.per_sample, input_signature=[UNKNOWN] * 2, jit_compile=jit)
    with tf.GradientTape() as tape:
        tape.watch(z)
        found = tf.reduce_sum(graph(y, z) ** 2)
    wanted = slope(loss, y, z, None)[0]
    assert tape.gradient(found, z).numpy() == pytest.approx(wanted.numpy(), rel=1e-12, abs=1e-13)
