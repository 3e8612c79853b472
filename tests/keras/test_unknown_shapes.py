"""Where dims are unknown until a graph runs, shapes that differ are refused all the same."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import lossc

UNKNOWN = [tf.TensorSpec([None, None])] * 2
PAIRS = [((2, 3), (3, 2)), ((6, 1), (1, 6)), ((2, 3), (4, 3)), ((200, 300), (300, 200))]


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("call", [lossc.std.huber, lossc.std.huber.keras()], ids=["own", "keras"])
def test_shapes_that_differ_are_refused(call, jit):
    run = tf.function(lambda y, p: call(y, p), input_signature=UNKNOWN, jit_compile=jit)
    for one, other in PAIRS:
        with pytest.raises(tf.errors.InvalidArgumentError):
            run(np.ones(one, "f"), np.ones(other, "f"))
    y = np.arange(6, dtype="f").reshape(2, 3)
    assert float(run(y, y + 1)) == 0.5


def test_a_tape_and_named_axes():
    loss = lossc.compile("loss f(y[n, ...], p[n, ...]) = mean((y - p)^2)")
    spec = [tf.TensorSpec([None, None, None])] * 2

    @tf.function(input_signature=spec)
    def slope(y, p):
        with tf.GradientTape() as tape:
            tape.watch(p)
            value = loss(y, p)
        return tape.gradient(value, p)

    y = np.zeros((2, 3, 4), "f")
    assert slope(y, y + 1).numpy() == pytest.approx(np.full(y.shape, 2 / 24))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"p.must.(have|be)"):
        slope(y, np.zeros((2, 4, 3), "f"))


@pytest.mark.parametrize("jit", [False, True])
def test_names_of_other_alphabets(jit):
    loss = lossc.compile("mean((y - ŷ)^2)")
    run = tf.function(lambda y, p: loss(y, p), input_signature=UNKNOWN, jit_compile=jit)
    assert float(run(np.ones((2, 3), "f"), np.zeros((2, 3), "f"))) == 1
    with pytest.raises(tf.errors.InvalidArgumentError, match="must"):
        run(np.ones((2, 3), "f"), np.zeros((3, 2), "f"))


@pytest.mark.parametrize("jit", [False, True])
def test_a_cotangent_is_flat(jit):
    """The derivative in a param has the cotangent inside, flat whatever the shape of `...`."""
    gamma = tf.Variable(2.0)
    loss = lossc.std.binary_focal_crossentropy_from_logits.keras(gamma=gamma)

    def slope(y, z):
        with tf.GradientTape() as tape:
            value = loss(y, z)
        return tape.gradient(value, gamma)

    y, z = np.array([[0, 1, 1], [1, 0, 1]], "f"), np.arange(6, dtype="f").reshape(2, 3)
    run = tf.function(slope, input_signature=UNKNOWN, jit_compile=jit)
    assert float(run(y, z)) == pytest.approx(float(slope(tf.constant(y), tf.constant(z))))


def test_a_model_that_transposes_is_refused():
    x = keras.Input((None,))
    model = keras.Model(x, keras.ops.transpose(x))
    model.compile(loss=lossc.std.mean_squared_error.keras(), jit_compile=False)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"must.(have|be)"):
        model.evaluate(np.ones((2, 3), "f"), np.zeros((2, 3), "f"), verbose=0)
