"""A loss where Keras wants one: as it is, with more targets, params that change, checked data."""

import copy
import inspect
import json
import multiprocessing
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

import lossc
import lossc.keras
from lossc.dsl.diagnostics import ArgumentError, LosscError

rng = np.random.default_rng(5)
X = rng.normal(size=(32, 3)).astype("float32")
Y = X[:, :1] * 2
W = rng.uniform(size=(32, 1)).astype("float32")
WEIGHTS = rng.uniform(size=32).astype("float32")
TEXT = "loss weighted(y[n, k], p[n, k], w[n, k]) = mean(w * (y - p)^2)"


def model(loss, kind=keras.Model, **options):
    x = keras.Input((3,))
    made = kind(x, keras.layers.Dense(1, kernel_initializer="ones")(x))
    made.compile(keras.optimizers.SGD(0.1), loss=loss, **options)
    return made


def trained(loss, weights=None, **options):
    """The losses of an epoch, and the loss after it."""
    made = model(loss, **options)
    fit = made.fit(X, Y, sample_weight=weights, batch_size=8, shuffle=False, verbose=0)
    return [fit.history["loss"][0], made.evaluate(X, Y, sample_weight=weights, verbose=0)], made


# --- a loss as it is ----------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", ["mse", "huber"])
def test_a_loss_given_as_it_is(name, weights, tmp_path):
    loss = lossc.std[name]
    found, made = trained(loss, weights)
    np.testing.assert_allclose(found, trained(loss.keras(), weights)[0], rtol=1e-6)
    theirs = {"mse": keras.losses.MeanSquaredError(), "huber": keras.losses.Huber()}[name]
    np.testing.assert_allclose(found, trained(theirs, weights)[0], rtol=1e-5)
    made.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert isinstance(again.loss, lossc.keras.CompiledLoss)
    assert again.evaluate(X, Y, sample_weight=weights, verbose=0) == pytest.approx(found[1])


def test_a_sum_is_a_sum():
    loss = lossc.compile("sum((y - yhat)^2)")
    made = model(loss)
    expected = np.sum((Y - made.predict(X, verbose=0)) ** 2)
    assert made.evaluate(X, Y, batch_size=32, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_several_outputs_and_metrics(tmp_path):
    x = keras.Input((3,))
    a, b = keras.layers.Dense(1, name="a")(x), keras.layers.Dense(1, name="b")(x)
    made = keras.Model(x, {"a": a, "b": b})
    losses = {"a": lossc.std.mse, "b": lossc.std.huber}
    made.compile("sgd", loss=losses, loss_weights={"a": 1.0, "b": 2.0},
                 metrics={"a": [lossc.std.mae]})  # fmt: skip
    made.fit(X, {"a": Y, "b": Y}, verbose=0)
    found = made.evaluate(X, {"a": Y, "b": Y}, verbose=0, return_dict=True)
    p = made.predict(X, verbose=0)
    assert found["a_loss"] == pytest.approx(np.mean((Y - p["a"]) ** 2), rel=1e-5)
    assert found["a_mae"] == pytest.approx(np.mean(abs(Y - p["a"])), rel=1e-5)
    assert found["loss"] == pytest.approx(found["a_loss"] + 2 * found["b_loss"], rel=1e-5)
    made.save(tmp_path / "m.keras")
    keras.saving.load_model(tmp_path / "m.keras").evaluate(X, {"a": Y, "b": Y}, verbose=0)


def test_what_keras_cannot_give_is_refused_at_once():
    with pytest.raises(ArgumentError, match="E0705"):
        model(lossc.compile(TEXT)).fit(X, Y, verbose=0)
    with pytest.raises(LosscError, match="E0701"):
        trained(lossc.std.info_nce, WEIGHTS)


def test_it_stays_a_loss_for_everybody_else():
    loss = lossc.std.huber
    assert loss.__class__ is lossc.Loss
    assert isinstance(loss, lossc.Loss) and not isinstance(loss, keras.losses.Loss)
    with pytest.raises(ArgumentError, match="E0602"):
        loss(Y, Y, WEIGHTS)
    with pytest.raises(ArgumentError, match="E0301"):
        loss(Y, Y[:, 0])


# --- more targets -------------------------------------------------------------------------------


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("bare", [False, True])
def test_a_dict_of_targets(jit_compile, bare, tmp_path):
    loss = lossc.compile(TEXT)
    made = model(loss if bare else loss.keras(), lossc.keras.Model, jit_compile=jit_compile,
                 metrics=[loss])  # fmt: skip
    before = made.evaluate(X, {"y": Y, "w": W}, verbose=0)[0]
    made.fit(X, {"y": Y, "w": W}, validation_data=(X, {"y": Y, "w": W}), verbose=0)
    found = made.evaluate(X, {"y": Y, "w": W}, verbose=0)
    expected = np.mean(W * (Y - made.predict(X, verbose=0)) ** 2)
    np.testing.assert_allclose(found, [expected, expected], rtol=1e-5)
    assert found[0] < before
    made.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(again.evaluate(X, {"y": Y, "w": W}, verbose=0), found, rtol=1e-6)


def test_weights_and_dicts_of_targets():
    made = model(lossc.compile(TEXT), lossc.keras.Model)
    found = made.evaluate(X, {"y": Y, "w": W}, sample_weight=WEIGHTS, verbose=0)
    each = (W * (Y - made.predict(X, verbose=0)) ** 2)[:, 0]
    assert found == pytest.approx(np.mean(WEIGHTS * each), rel=1e-5)


def test_a_dict_of_outputs():
    loss = lossc.compile("loss f(y[n], mu[n], s[n]) = mean[n]((y - mu)^2 / s + log(s))")
    x = keras.Input((3,))
    mu, s = (keras.layers.Dense(1, a)(x)[:, 0] for a in (None, "softplus"))
    made = lossc.keras.Model(x, {"mu": mu, "s": s})
    made.compile("sgd", loss=loss)
    p = made.predict(X, verbose=0)
    expected = np.mean((Y[:, 0] - p["mu"]) ** 2 / p["s"] + np.log(p["s"]))
    assert made.evaluate(X, {"y": Y[:, 0]}, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_a_model_with_another_loss():
    found = model("mse", lossc.keras.Model).evaluate(X, Y, verbose=0)
    assert found == pytest.approx(model("mse").evaluate(X, Y, verbose=0))


# --- params that change -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [tf.Variable, keras.Variable])
def test_a_param_bound_to_a_variable_can_be_set(kind):
    loss = lossc.std.huber.keras(delta=kind(1.0))
    made = model(loss)
    error = np.abs(Y - made.predict(X, verbose=0))
    for delta in (1.0, 0.5, 2.0):
        loss.delta = delta
        assert (loss.delta, loss.params["delta"]) == (delta, delta)
        each = np.where(error <= delta, error**2 / 2, delta * (error - delta / 2))
        assert made.evaluate(X, Y, verbose=0) == pytest.approx(np.mean(each), rel=1e-5)
    loss.params["delta"] = 3
    assert loss.delta == 3
    with pytest.raises(ArgumentError, match="E0605"):
        loss.delta = -1


def set_attribute(loss):
    loss.delta = 2


def set_item(loss):
    loss.params["delta"] = 2


@pytest.mark.parametrize("change", [set_attribute, set_item])
def test_another_param_is_not_set_in_silence(change):
    loss = lossc.std.huber.keras(delta=1)
    with pytest.raises(ArgumentError, match="E0707"):
        change(loss)
    with pytest.raises((ArgumentError, TypeError)):
        change(lossc.std.huber)
    assert loss.params == {"delta": 1}
    with pytest.raises(AttributeError):
        _ = loss.gamma


# --- checked data -------------------------------------------------------------------------------


@pytest.mark.parametrize("eager", [False, True])
def test_data_are_checked_in_training_and_evaluation(eager, tmp_path):
    bad = (Y > 0).astype("float32")
    bad[7] = 3
    loss = lossc.std.binary_crossentropy_from_logits.keras(validate=True)
    made = model(loss, run_eagerly=eager)
    made.fit(X, np.clip(bad, 0, 1), verbose=0)
    for run in (made.fit, made.evaluate):
        arguments = {"shuffle": False} if run == made.fit else {}
        with pytest.raises((tf.errors.InvalidArgumentError, ArgumentError)) as caught:
            run(X, bad, verbose=0, **arguments)
        assert "E0605" in str(caught.value)
        assert "`y` is outside its domain" in str(caught.value)
        assert "y[7, 0] is 3.0" in str(caught.value)
    made.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    errors = (tf.errors.InvalidArgumentError, ArgumentError)
    with pytest.raises(errors, match=r"y\[7, 0\] is 3.0"):
        again.evaluate(X, bad, verbose=0)
    plain = lossc.std.binary_crossentropy_from_logits.keras()
    assert not plain.get_config()["validate"]
    model(plain, run_eagerly=eager).evaluate(X, bad, verbose=0)


def test_checked_variables_and_the_whole_batch():
    loss = lossc.std.huber.keras(delta=tf.Variable(-1.0), validate=True)
    with pytest.raises(ArgumentError, match="delta is -1"):
        loss(Y, Y)
    dice = lossc.compile("loss d(y, p) = 1 - sum(y * p) / sum(y + p)\nwhere y, p in [0, 1]")
    with pytest.raises(ArgumentError, match="E0605"):
        dice.keras(validate=True)(Y, Y)


def test_xla_cannot_check():
    loss = lossc.std.huber.keras(validate=True)
    with pytest.raises(LosscError, match="E0708"):
        model(loss, jit_compile=True).fit(X, Y, verbose=0)


# --- copies, configs, help ----------------------------------------------------------------------


def value_of(loss):
    return float(loss(np.array([1.0]), np.array([3.0])))


def test_losses_pickle_and_copy_after_a_call():
    loss = lossc.compile(
        "loss f(y, yhat; a = 1 in (0, inf)) = a * mean((y - yhat)^2)", stable=False
    )
    loss.value_and_grad([1.0], [2.0], a=2)
    for again in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss), copy.copy(loss)):
        assert value_of(again) == 4
        assert (again.hash, again.stable, again.jit) == (loss.hash, False, True)
        assert again.__doc__ == loss.__doc__
    module = pickle.loads(pickle.dumps(lossc.std))
    assert value_of(module.mse) == 4
    compiled = copy.deepcopy(loss.keras(a=2))
    assert compiled(np.array([1.0]), np.array([3.0])) == 8


def test_a_loss_goes_to_another_process():
    loss = lossc.std.mse
    value_of(loss)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(value_of, [loss]) == [4.0]


def test_stable_is_saved():
    loss = lossc.compile("mean(log(1 + exp(yhat)) + 0 * y)", stable=False).keras()
    config = json.loads(json.dumps(loss.get_config()))
    y, yhat = np.zeros((1, 1)), np.full((1, 1), 1000.0)
    assert np.isinf(loss(y, yhat))
    assert np.isinf(type(loss).from_config(config)(y, yhat))
    del config["stable"], config["validate"]  # as earlier versions saved it
    assert type(loss).from_config(config)(y, yhat) == 1000


def test_help_shows_the_loss():
    huber = lossc.std.huber
    assert str(inspect.signature(huber)) == "(y, yhat, *, delta=1, validate=False)"
    shown = str(inspect.signature(huber.keras))
    options = "reduction='auto', name=None, dtype=None, validate=False, precision=None"
    assert shown == f"(*, delta=1, {options})"
    assert inspect.getdoc(huber).startswith("Huber loss")
    assert "delta = 1, delta > 0" in inspect.getdoc(huber)
    assert "Huber loss" in inspect.getdoc(huber.keras)
    assert next(iter(inspect.signature(lossc.compile(TEXT).keras).parameters)) == "w"
    assert inspect.signature(lossc.compile("mean(class * y)")).parameters.keys() == {
        "y",
        "validate",
    }
    assert inspect.getdoc(lossc.Loss).startswith("A loss, ready")
    assert len(repr(lossc.std)) < 100
    assert huber.keras()._repr_latex_() == huber._repr_latex_()


# --- unknown shapes -----------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["y", "yhat", "sample_weight"])
def test_an_unknown_rank_is_named(place):
    loss = lossc.std.huber.keras()
    names = ["y", "yhat", "sample_weight"]
    specs = [tf.TensorSpec(None if n == place else [None], tf.float32) for n in names]
    run = tf.function(lambda *xs: loss(*xs), input_signature=specs, autograph=False)
    with pytest.raises(ArgumentError) as caught:
        run.get_concrete_function()
    assert caught.value.code == "E0603"
    assert f"`{place}` has an unknown" in str(caught.value)
    assert f"{place} = tf.ensure_shape({place}, [None])" in str(caught.value)


def test_labels_of_unknown_rank_in_fit():
    labels = tf.data.Dataset.from_tensor_slices(X).map(
        lambda x: (x, tf.numpy_function(lambda v: v[:1], [x], tf.float32))
    )
    with pytest.raises(ArgumentError, match=r"tf\.ensure_shape\(y, \[None\]\)"):
        model(lossc.std.huber.keras()).fit(labels.batch(8), verbose=0)
    named = lossc.std.sparse_categorical_crossentropy_from_logits
    specs = [tf.TensorSpec([None], tf.int32), tf.TensorSpec(None)]
    run = tf.function(lambda y, z: named(y, z), autograph=False, input_signature=specs)
    with pytest.raises(ArgumentError, match=r"tf\.ensure_shape\(z, \[None, None\]\)"):
        run.get_concrete_function()
