"""More inputs than two: constants, dicts, weights inside the formula, and what is refused."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

import lossc

rng = np.random.default_rng(5)
Y, P = rng.normal(size=(2, 6, 3)).astype("float32")
W = np.array([0.5, 1.0, 3.0])
BY_CLASS = lossc.compile(
    "loss by_class(y[b, k], p[b, k], w[k]; c = 1) = c * mean(w * (y - p)^2)\nwhere c in (0, inf)"
)
EXPECTED = np.mean(W * (Y - P) ** 2)


def test_a_constant_is_bound_by_name():
    loss = BY_CLASS.keras(w=W, c=2)
    value = loss(Y, P)
    assert value.dtype == tf.float32
    np.testing.assert_allclose(value, 2 * EXPECTED, rtol=1e-6)
    assert "c=2" in repr(loss) and "w=" in repr(loss)


def test_a_bound_variable_is_live():
    w = tf.Variable(W, dtype=tf.float32)
    loss = BY_CLASS.keras(w=w)
    np.testing.assert_allclose(loss(Y, P), EXPECTED, rtol=1e-6)
    w.assign(2 * W)
    np.testing.assert_allclose(loss(Y, P), 2 * EXPECTED, rtol=1e-6)


@pytest.mark.parametrize("y_true, y_pred", [
    ({"y": Y, "w": W}, P),
    (Y, {"p": P, "w": W}),
    ({"y": Y}, {"p": P, "w": W}),
    ({"w": W, "y": Y, "p": P}, None),
    ({"p": P, "w": W}, Y),
])  # fmt: skip
def test_dicts_go_by_name(y_true, y_pred):
    np.testing.assert_allclose(BY_CLASS.keras()(y_true, y_pred), EXPECTED, rtol=1e-6)


def test_a_missing_input_names_the_three_ways():
    with pytest.raises(lossc.ArgumentError) as caught:
        BY_CLASS.keras()(Y, P)
    shown = str(caught.value)
    assert caught.value.code == "E0705"
    assert all(way in shown for way in ("by_class.keras(w=array)", '"w": w', "LossLayer"))


def test_unknown_names_are_refused():
    for make in (lambda: BY_CLASS.keras(v=1), lambda: BY_CLASS.keras()({"y": Y, "v": W}, P)):
        with pytest.raises(lossc.ArgumentError) as caught:
            make()
        assert caught.value.code == "E0602"
    with pytest.raises(lossc.ArgumentError, match="given twice"):
        BY_CLASS.keras(w=W)({"y": Y, "w": W}, P)
    with pytest.raises(lossc.ArgumentError, match="must hold numbers"):
        BY_CLASS.keras(c="two")


def test_the_leading_axis_of_a_bound_first_input_is_no_sample():
    text = "loss f(w[k], y[b, k], p[b, k]) = mean(w * (y - p)^2)"
    loss = lossc.compile(text).keras(w=W)
    np.testing.assert_allclose(loss(Y, P), EXPECTED, rtol=1e-6)


def test_a_loss_of_one_input_reads_the_prediction():
    text = "loss roughness(x[b, t]) = mean[b, i]((x[b, i + 1] - x[b, i])^2)"
    expected = np.mean(np.diff(P, axis=1) ** 2)
    np.testing.assert_allclose(lossc.compile(text).keras()(None, P), expected, rtol=1e-6)
    np.testing.assert_allclose(lossc.compile(text).keras()(Y, P), expected, rtol=1e-6)


R2 = lossc.compile(
    "loss r2(y[b], p[b], sample_weight[b]) ="
    " sum(sample_weight * (y - p)^2) / sum(sample_weight * (y - m)^2)\n"
    "where m = sum(sample_weight * y) / sum(sample_weight)"
)


@pytest.mark.parametrize("column", [False, True])
def test_a_formula_may_take_the_weights_itself(column):
    y, p, w = Y[:, 0].astype("float64"), P[:, 0].astype("float64"), rng.random(6)
    center = np.sum(w * y) / np.sum(w)
    expected = np.sum(w * (y - p) ** 2) / np.sum(w * (y - center) ** 2)
    given = w[:, None] if column else w
    np.testing.assert_allclose(R2.keras()(y, p, given), expected, rtol=1e-12)
    unweighted = np.sum((y - p) ** 2) / np.sum((y - y.mean()) ** 2)
    np.testing.assert_allclose(R2.keras()(y[:, None], p), unweighted, rtol=1e-12)
    np.testing.assert_allclose(R2.keras().call(y, p), unweighted, rtol=1e-12)
    by_name = {"y": y, "sample_weight": list(w)}
    np.testing.assert_allclose(R2.keras()(by_name, p), expected, rtol=1e-6)
    np.testing.assert_allclose(R2.keras().call(by_name, p), expected, rtol=1e-6)


def test_its_weights_reach_undeclared_axes_and_respect_masks():
    loss = lossc.compile("sum(sample_weight * (y - yhat)^2) / sum(sample_weight)").keras()
    w = rng.random(6).astype("float32")
    expected = np.sum(w[:, None] * (Y - P) ** 2) / (3 * w.sum())
    np.testing.assert_allclose(loss(Y, P, w), expected, rtol=1e-5)
    prediction = tf.constant(P)
    prediction._keras_mask = tf.constant([True, False] * 3)
    np.testing.assert_allclose(loss(Y, prediction), np.mean((Y - P)[::2] ** 2), rtol=1e-5)


def test_weights_in_fit():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss=R2.keras())
    x, w = rng.normal(size=(6, 2)).astype("float32"), np.arange(6.0)
    value = model.evaluate(x, Y[:, :1], sample_weight=w, verbose=0)
    np.testing.assert_allclose(value, R2(Y[:, 0], np.asarray(model(x))[:, 0], w), rtol=1e-5)


def test_a_tf_function_of_the_user_is_left_alone():
    """AutoGraph rewrites no function of lossc, which it would warn of and wrap the errors of."""
    logged = []
    handler = logging.Handler()
    handler.emit = logged.append
    logging.getLogger("tensorflow").addHandler(handler)
    loss = lossc.compile("mean((y - yhat)^2 / (1 + abs(y)))")

    @tf.function
    def step(y, p):
        value, grads = loss.value_and_grad(y, p)
        return loss.keras()(y, p) + value + tf.reduce_mean(loss.per_sample(y, p)), grads

    value, grads = step(Y, P)
    np.testing.assert_allclose(value, 3 * np.mean((Y - P) ** 2 / (1 + np.abs(Y))), rtol=1e-5)
    assert grads["yhat"].shape == P.shape
    assert not [record for record in logged if "AutoGraph" in record.getMessage()]
    with pytest.raises(Exception, match="do not line up"):
        step(Y, P[:, :2])


def test_ragged_tensors_are_refused():
    ragged = tf.ragged.constant([[1.0], [2.0, 3.0]])
    with pytest.raises(lossc.ArgumentError, match="dense"):
        lossc.std.mse.keras()(ragged, Y[:2])


def test_a_mask_is_refused_without_values_per_sample():
    prediction = tf.constant(P)
    prediction._keras_mask = tf.ones(6, tf.bool)
    with pytest.raises(lossc.LosscError) as caught:
        lossc.compile("sqrt(mean((y - yhat)^2))").keras()(Y, prediction)
    assert caught.value.code == "E0701" and "mask" in str(caught.value)
