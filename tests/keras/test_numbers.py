"""Values of direct calls, against Keras's own losses and NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import lossc

rng = np.random.default_rng(11)
std = lossc.std
REDUCTIONS = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", None, "none"]
Y, P = rng.normal(size=(2, 7, 4)).astype("float32")
W = rng.random(7).astype("float32")


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weight", [None, W, W[:, None], 2.0], ids=["none", "n", "n1", "scalar"])
def test_reductions(reduction, weight):
    ours = std.mse.keras(reduction=reduction)(Y, P, weight)
    theirs = keras.losses.MeanSquaredError(reduction=reduction)(Y, P, weight)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_masks(reduction, weighted):
    y, p = rng.normal(size=(2, 5, 3, 2)).astype("float32")
    mask = tf.constant(rng.random((5, 3)) < 0.6)
    weight = rng.random((5, 1)).astype("float32") if weighted else None

    def value(loss):
        prediction = tf.constant(p)
        prediction._keras_mask = mask
        return loss(y, prediction, weight)

    ours = value(std.mae.keras(reduction=reduction))
    theirs = value(keras.losses.MeanAbsoluteError(reduction=reduction))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


SHAPES = [((6,), (6, 1)), ((6, 1), (6,)), ((6, 2), (6, 2, 1))]
DTYPES = ["float32", "float64", "float16", keras.DTypePolicy("mixed_float16")]


@pytest.mark.parametrize("target, prediction", SHAPES)
def test_a_trailing_one_is_squeezed(target, prediction):
    y = rng.normal(size=target).astype("float32")
    p = rng.normal(size=prediction).astype("float32")
    expected = np.mean((y.reshape(-1) - p.reshape(-1)) ** 2)
    np.testing.assert_allclose(std.mse.keras()(y, p), expected, rtol=1e-6)
    np.testing.assert_allclose(keras.losses.MeanSquaredError()(y, p), expected, rtol=1e-6)


@pytest.mark.parametrize("text", [
    "loss f(y[b], p[b]) = mean((y - p)^2)",
    "loss f(y[b, k], p[b, k]) = mean((y - p)^2)",
    "loss f(y[b, ...], p[b, ...]) = mean((y - p)^2)",
    "loss f(y[..., k], p[..., k]) = mean((y - p)^2)",
])  # fmt: skip
def test_squeezing_follows_the_declaration(text):
    y, p = rng.normal(size=(2, 6)).astype("float32")
    loss = lossc.compile(text).keras()
    for left, right in [(y, p[:, None]), (y[:, None], p), (y[:, None], p[:, None])]:
        if "k]" in text and right.ndim == 1:
            continue
        np.testing.assert_allclose(loss(left, right), np.mean((y - p) ** 2), rtol=1e-6)


def test_what_does_not_line_up_is_refused():
    with pytest.raises(lossc.ArgumentError, match="do not line up"):
        std.mse.keras()(np.zeros(6, "f"), np.zeros((6, 6), "f"))


def test_large_labels_and_float64_arrive():
    text = "loss f(y[b], p[b]) = sum(indicator(y == 16777217) + 0 * p)\nwhere y in int"
    assert float(lossc.compile(text).keras()(np.array([2**24 + 1]), np.zeros(1, "f"))) == 1
    y, p = np.array([1.0]), np.array([1.0 + 1e-12])
    value = std.mae.keras()(y, p)
    assert value.dtype == tf.float64
    np.testing.assert_allclose(value, 1e-12, rtol=1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype(dtype):
    value = std.mse.keras(dtype=dtype)(Y, P)
    expected = keras.losses.MeanSquaredError(dtype=dtype)(Y, P)
    assert value.dtype == expected.dtype
    np.testing.assert_allclose(value, expected, rtol=1e-2 if value.dtype == tf.float16 else 1e-6)


def test_auto_is_what_the_formula_says():
    total = lossc.compile("sum((y - yhat)^2)").keras()
    assert (total.reduction, std.mse.keras().reduction) == ("sum", "sum_over_batch_size")
    np.testing.assert_allclose(total(Y, P), np.sum((Y - P) ** 2), rtol=1e-6)
    expected = np.sum(W[:, None] * (Y - P) ** 2)
    np.testing.assert_allclose(total(Y, P, W), expected, rtol=1e-6)


@pytest.mark.parametrize("text", [
    "mean(if y > 0 then y - yhat else 2 * (y - yhat)^2)",
    "loss f(y[b, k], p[b, k]) = mean[i, j if y[i, j] > 0]((y[i, j] - p[i, j])^2)",
    "2 * mean((y - yhat)^2) - mean(abs(y - yhat)) / 3 + 1",
    "loss f(y[b, k], p[b, k]) = mean[b](max[k](abs(y - p)))",
    "loss f(y[b, k], p[b, k]) = 0.5 * sum[b](norm[k](y - p))",
    "loss f(y[b, k], p[b, k]) = sqrt(mean((y - p)^2))",
])  # fmt: skip
def test_without_weights_the_loss_is_the_formula(text):
    loss = lossc.compile(text)
    np.testing.assert_allclose(loss.keras()(Y, P), loss(Y, P), rtol=2e-6)


def test_call_gives_the_values_per_sample():
    np.testing.assert_allclose(std.mse.keras().call(Y, P), np.mean((Y - P) ** 2, -1), rtol=1e-6)
    whole = lossc.compile("sqrt(mean((y - yhat)^2))").keras()
    assert whole.call(Y, P).shape == ()


def test_a_trailing_mean_keeps_its_axes_for_a_mask_of_elements():
    """Keras's own losses fail here: a mask (N, T) for targets (N, T) and predictions (N, T, 1)."""
    y, p = rng.normal(size=(2, 5, 3)).astype("float32")
    mask = rng.random((5, 3)) < 0.6
    prediction = tf.constant(p[..., None])
    prediction._keras_mask = tf.constant(mask)
    expected = np.mean((y - p)[mask] ** 2)
    np.testing.assert_allclose(std.mse.keras()(y, prediction), expected, rtol=1e-6)


def test_weights_belong_to_the_leading_axes():
    y, p = rng.normal(size=(2, 4, 4, 2)).astype("float32")
    w = rng.random(4).astype("float32")
    expected = np.mean(w[:, None, None] * (y - p) ** 2)
    np.testing.assert_allclose(std.mse.keras()(y, p, w), expected, rtol=1e-6)
    with pytest.raises(lossc.ArgumentError) as caught:
        std.mse.keras()(y, p, w[:3])
    assert caught.value.code == "E0704"
    with pytest.raises(lossc.ArgumentError):
        std.mse.keras()(Y, P, np.ones((7, 4), "f"))


def test_gradients_of_a_weighted_loss():
    p = tf.constant(P)
    with tf.GradientTape() as tape:
        tape.watch(p)
        value = std.mse.keras()(Y, p, W)
    np.testing.assert_allclose(tape.gradient(value, p), 2 * W[:, None] * (P - Y) / 28, rtol=1e-5)
