"""LossLayer: losses of any number of inputs inside a model, with params that are trained."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import lossc

rng = np.random.default_rng(9)
X = rng.normal(size=(12, 4)).astype("float32")
Y = rng.normal(size=(12, 1)).astype("float32")
W = rng.random((12, 1)).astype("float32")
LossLayer = lossc.keras.LossLayer


def build(make_layer, positional=False, activation=None):
    keras.utils.set_random_seed(1)
    x, y, w = keras.Input((4,), name="x"), keras.Input((1,), name="y"), keras.Input((1,), name="w")
    yhat = keras.layers.Dense(1, activation=activation)(x)
    layer = make_layer()
    shown = layer(y, yhat, w) if positional else layer({"y": y, "yhat": yhat, "w": w})
    return keras.Model([x, y, w], shown), layer


@pytest.mark.parametrize("positional", [False, True])
@pytest.mark.parametrize("jit", [False, True])
def test_a_third_input_inside_the_model(positional, jit):
    model, _ = build(lambda: LossLayer(lossc.std.weighted_mse, weight=2.0), positional)
    model.compile(keras.optimizers.SGD(0.1), jit_compile=jit)
    p = np.asarray(model([X, Y, W]))
    kernel = np.asarray(model.get_weights()[0])
    np.testing.assert_allclose(p, X @ kernel + model.get_weights()[1], rtol=1e-5, atol=1e-6)
    value = model.train_on_batch([X, Y, W])
    np.testing.assert_allclose(value, 2 * np.mean(W * (Y - p) ** 2), rtol=1e-5)
    step = 0.1 * 2 * X.T @ (2 * W * (p - Y)) / 12
    np.testing.assert_allclose(model.get_weights()[0], kernel - step, rtol=1e-4, atol=1e-6)


def adaptive():
    return lossc.compile(
        "loss nll(y[b], p[b]; s = 1, lo = 0.5) = mean((y - p)^2 / (2 * s^2) + log(s) + 0 * lo)\n"
        "where s in (0, inf); lo in [0.25, 0.75]"
    )


def two_inputs(make_layer, rate=0.1):
    keras.utils.set_random_seed(1)
    x, y = keras.Input((4,), name="x"), keras.Input((1,), name="y")
    model = keras.Model([x, y], make_layer()({"y": y, "p": keras.layers.Dense(1)(x)}))
    model.compile(keras.optimizers.SGD(rate))
    return model


def test_params_are_trained():
    model = two_inputs(lambda: LossLayer(adaptive(), trainable=("s",), name="fit"))
    p = np.asarray(model([X, Y]), "float64")
    model.train_on_batch([X, Y])
    expected = 1 - 0.1 * (1 - np.mean((Y - p) ** 2))
    np.testing.assert_allclose(model.get_layer("fit").trained["s"], expected, rtol=1e-5)


def test_params_stay_inside_their_domain():
    model = two_inputs(lambda: LossLayer(adaptive(), trainable=("s", "lo"), name="fit"), rate=100.0)
    s = model.get_layer("fit").trained["s"]
    for _ in range(4):
        model.train_on_batch([X, Y])
        assert float(s) > 0
    layer = LossLayer(adaptive(), trainable="lo")
    low, high = (layer.trained["lo"].constraint(np.float32(v)) for v in (-3, 3))
    assert (float(low), float(high)) == (0.25, 0.75)


def test_bound_params_are_where_training_starts():
    layer = LossLayer(adaptive().keras(s=2.5), trainable="s")
    assert float(layer.trained["s"]) == 2.5


@pytest.mark.parametrize("name, code", [("t", "E0602"), ("m", "E0706"), ("f", "E0706")])
def test_what_cannot_be_trained(name, code):
    text = (
        "loss lag(y[t1], p[t1]; m = 1, f = true, s = 1) ="
        " mean[t](s * (y[t] - p[t - m])^2 * indicator(f))"
    )
    with pytest.raises(lossc.ArgumentError) as caught:
        LossLayer(lossc.compile(text), trainable=(name,))
    assert caught.value.code == code


def test_saving(tmp_path):
    weight = keras.Variable(0.5)
    make = lambda: LossLayer(adaptive(), trainable=("s",), weight=weight, name="fit")  # noqa: E731
    model = two_inputs(make)
    assert all(v is not weight for v in model.trainable_variables)
    model.fit([X, Y], verbose=0, epochs=2)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.get_layer("fit").get_config() == model.get_layer("fit").get_config()
    assert float(again.get_layer("fit").trained["s"]) == float(model.get_layer("fit").trained["s"])
    assert again.evaluate([X, Y], verbose=0) == model.evaluate([X, Y], verbose=0)
    history = [m.fit([X, Y], verbose=0).history for m in (model, again)]
    assert history[0] == history[1]


def test_the_weight_may_be_scheduled():
    weight = tf.Variable(1.0)
    model, _ = build(lambda: LossLayer(lossc.std.weighted_mse, weight=weight))
    model.compile("sgd")
    before = model.evaluate([X, Y, W], verbose=0)
    weight.assign(3.0)
    np.testing.assert_allclose(model.evaluate([X, Y, W], verbose=0), 3 * before, rtol=1e-6)


def test_a_mask_of_the_prediction_counts():
    x, y = keras.Input((5, 2)), keras.Input((5, 2))
    hidden = keras.layers.Masking()(x)
    shown = LossLayer(lossc.std.mse)([y, hidden])
    model = keras.Model([x, y], keras.layers.GlobalAveragePooling1D()(shown))
    model.compile("sgd")
    data = rng.normal(size=(3, 5, 2)).astype("float32")
    data[0, 2:] = 0
    target = rng.normal(size=(3, 5, 2)).astype("float32")
    kept = np.any(data != 0, -1)
    expected = np.mean((target - data)[kept] ** 2)
    np.testing.assert_allclose(model.evaluate([data, target], verbose=0), expected, rtol=1e-5)
    mean = data.sum(1) / kept.sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict([data, target], verbose=0), mean, rtol=1e-5)


def test_sample_weight_by_name():
    layer = LossLayer(lossc.std.mse)
    w = np.arange(12, dtype="float32")
    shown = layer({"y": Y, "yhat": 0 * Y, "sample_weight": w})
    np.testing.assert_array_equal(shown, 0 * Y)
    np.testing.assert_allclose(layer.losses[0], np.mean(w[:, None] * Y**2), rtol=1e-6)


def test_float64_and_labels_pass_untouched():
    layer = LossLayer(lossc.std.mae)
    layer({"y": np.array([1.0]), "yhat": np.array([1.0 + 1e-12])})
    np.testing.assert_allclose(layer.losses[0], 1e-12, rtol=1e-3)


def test_errors_keep_their_type():
    with pytest.raises(lossc.ArgumentError) as caught:
        LossLayer(lossc.std.weighted_mse)([Y, Y])
    assert caught.value.code == "E0705"
    with pytest.raises(lossc.ArgumentError, match="takes 2 inputs"):
        LossLayer(lossc.std.mse)([Y, Y, Y])
    with pytest.raises(lossc.ArgumentError, match="no input"):
        LossLayer(lossc.std.mse, output="z")
