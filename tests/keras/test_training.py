"""Models trained with a compiled loss and with Keras's own give the same numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import lossc
from tests.keras.models import assert_alike, flat, image, masked

rng = np.random.default_rng(3)
X = rng.normal(size=(16, 5)).astype("float32")
IMAGES = rng.normal(size=(16, 4, 3, 2)).astype("float32")
REAL = rng.normal(size=(16, 3)).astype("float32")
ONE = rng.normal(size=(16, 1)).astype("float32")
LABELS = rng.integers(0, 3, 16)
ONE_HOT = np.eye(3, dtype="float32")[LABELS]
BITS = rng.integers(0, 2, (16, 3)).astype("float32")
PIXELS = rng.integers(0, 3, (16, 4, 3))
std = lossc.std


def shares(units):
    return keras.Sequential([flat(units), keras.layers.Activation("sigmoid")])


CASES = {
    "mse": (lambda: std.mse.keras(), keras.losses.MeanSquaredError, lambda: flat(3), X, REAL),
    "mae": (lambda: std.mae.keras(), keras.losses.MeanAbsoluteError, lambda: flat(3), X, REAL),
    "huber": (
        lambda: std.huber.keras(delta=0.5), lambda: keras.losses.Huber(0.5),
        lambda: flat(1), X, ONE[:, 0],
    ),
    "log_cosh": (lambda: std.log_cosh.keras(), keras.losses.LogCosh, lambda: flat(3), X, REAL),
    "bits": (
        lambda: std.binary_crossentropy_from_logits.keras(),
        lambda: keras.losses.BinaryCrossentropy(from_logits=True), lambda: flat(3), X, BITS,
    ),
    "one_hot": (
        lambda: std.categorical_crossentropy_from_logits.keras(),
        lambda: keras.losses.CategoricalCrossentropy(from_logits=True), lambda: flat(3), X, ONE_HOT,
    ),
    "sparse": (
        lambda: std.sparse_categorical_crossentropy_from_logits.keras(),
        lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        lambda: flat(3), X, LABELS,
    ),
    "sparse_column": (
        lambda: std.sparse_categorical_crossentropy_from_logits.keras(),
        lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        lambda: flat(3), X, LABELS[:, None],
    ),
    "pixels": (
        lambda: std.sparse_categorical_crossentropy_from_logits.keras(),
        lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        lambda: image(3), IMAGES, PIXELS,
    ),
    "pixels_declared": (
        lambda: lossc.compile(
            "loss seg(y[b, h, w], z[b, h, w, c]) = mean[b, h, w](logsumexp[c](z) - z[c=y])\n"
            "where y in index(c)"
        ).keras(),
        lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        lambda: image(3), IMAGES, PIXELS,
    ),
    "focal": (
        lambda: std.binary_focal_crossentropy_from_logits.keras(gamma=1.5),
        lambda: keras.losses.BinaryFocalCrossentropy(gamma=1.5, from_logits=True),
        lambda: flat(3), X, BITS,
    ),
    "hinge": (lambda: std.hinge.keras(), keras.losses.Hinge, lambda: flat(3), X, BITS),
    "pixels_ignored": (
        lambda: std.sparse_categorical_crossentropy_from_logits.keras(ignore_class=2),
        lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=2),
        lambda: image(3), IMAGES, PIXELS,
    ),
    "dice": (
        lambda: std.dice.keras(), keras.losses.Dice, lambda: shares(3), X, BITS,
    ),
}  # fmt: skip


@pytest.mark.deep
@pytest.mark.parametrize("name", CASES)
def test_every_loss_trains_like_kerass(name):
    ours, theirs, make, x, y = CASES[name]
    assert_alike(make, ours(), theirs(), x, y, compiled={"jit_compile": False})


@pytest.mark.parametrize(
    "how", [{"jit_compile": True}, {"jit_compile": "auto"}, {"run_eagerly": True}]
)
@pytest.mark.parametrize("name", ["mse", "sparse_column"])
def test_ways_to_run(name, how):
    ours, theirs, make, x, y = CASES[name]
    assert_alike(make, ours(), theirs(), x, y, compiled=how)


@pytest.mark.parametrize("jit", [False, True])
def test_last_batch_may_be_smaller(jit):
    ours, theirs, make, x, y = CASES["mse"]
    assert_alike(make, ours(), theirs(), x, y, compiled={"jit_compile": jit}, batch_size=10)


@pytest.mark.parametrize("name", ["mse", "huber", "sparse", "one_hot"])
def test_sample_weight(name):
    ours, theirs, make, x, y = CASES[name]
    weight = np.linspace(0, 2, 16, dtype="float32")
    assert_alike(
        make, ours(), theirs(), x, y, sample_weight=weight, compiled={"jit_compile": False}
    )


def test_weight_for_each_pixel():
    ours, theirs, make, x, y = CASES["pixels"]
    weight = rng.random((16, 4, 3)).astype("float32")
    assert_alike(
        make, ours(), theirs(), x, y, sample_weight=weight, compiled={"jit_compile": False}
    )


@pytest.mark.parametrize("name", ["sparse", "sparse_column", "one_hot"])
def test_class_weight(name):
    ours, theirs, make, x, y = CASES[name]
    weights = {0: 1.0, 1: 5.0, 2: 0.5}
    assert_alike(
        make, ours(), theirs(), x, y, class_weight=weights, compiled={"jit_compile": False}
    )


def sequences():
    x = rng.normal(size=(16, 6, 3)).astype("float32")
    x[::2, 4:] = 0
    return x


@pytest.mark.parametrize("weighted", [False, True])
def test_masking(weighted):
    y = rng.normal(size=(16, 6, 2)).astype("float32")
    fit = {"sample_weight": rng.random((16, 1)).astype("float32")} if weighted else {}
    assert_alike(
        lambda: masked(2), std.mse.keras(), keras.losses.MeanSquaredError(), sequences(), y,
        compiled={"jit_compile": False}, **fit,
    )  # fmt: skip


def test_masking_of_sparse_labels():
    ours, theirs, *_ = CASES["sparse"]
    y = rng.integers(0, 3, (16, 6))
    how = {"compiled": {"jit_compile": True}}
    assert_alike(lambda: masked(3), ours(), theirs(), sequences(), y, **how)


def test_mixed_precision():
    ours, theirs, _, x, y = CASES["sparse"]

    def make():
        dense = keras.layers.Dense(3, dtype="mixed_float16")
        return keras.Sequential([keras.Input((5,)), dense])

    assert_alike(make, ours(), theirs(), x, y, rtol=2e-3, atol=2e-3)
    model = make()
    assert ours()(y, model(x)).dtype == tf.float32


def test_datasets_without_static_shapes():
    ours, theirs, make, x, y = CASES["sparse_column"]
    kinds = (tf.TensorSpec((None, 5)), tf.TensorSpec((None, None), tf.int64))
    data = tf.data.Dataset.from_generator(lambda: iter([(x, y)]), output_signature=kinds)
    model = make()
    model.compile("sgd", loss=ours())
    value = model.evaluate(data, verbose=0)
    np.testing.assert_allclose(value, theirs()(y, model(x)), rtol=1e-5)


def test_loss_weights_and_several_outputs():
    inputs = keras.Input((5,))
    ends = [keras.layers.Dense(3, name="a")(inputs), keras.layers.Dense(3, name="b")(inputs)]

    def run(first, second):
        keras.utils.set_random_seed(5)
        model = keras.Model(inputs, ends)
        model.compile("sgd", loss=[first, second], loss_weights=[0.25, 2.0])
        return model.evaluate(X, [REAL, LABELS], verbose=0)

    theirs = run(CASES["mse"][1](), CASES["sparse"][1]())
    np.testing.assert_allclose(run(CASES["mse"][0](), CASES["sparse"][0]()), theirs, rtol=1e-5)


def test_params_can_be_scheduled():
    delta = keras.Variable(1.0, trainable=False)
    model = flat(1)
    model.compile("sgd", loss=std.huber.keras(delta=delta))
    before = model.evaluate(X, ONE, verbose=0)
    delta.assign(0.25)
    after = model.evaluate(X, ONE, verbose=0)
    np.testing.assert_allclose(after, keras.losses.Huber(0.25)(ONE, model(X)), rtol=1e-5)
    assert after < before
    assert "delta=0.25" in repr(model.loss)


def test_a_loss_without_values_per_sample_trains_and_refuses_weights():
    text = "loss dice(y[b, k], p[b, k]) = 1 - (2 * sum(y * p) + 1) / (sum(y) + sum(p) + 1)"
    model = flat(3)
    model.compile("sgd", loss=lossc.compile(text).keras())
    p = np.asarray(model(X), "float64")
    expected = 1 - (2 * (BITS * p).sum() + 1) / (BITS.sum() + p.sum() + 1)
    np.testing.assert_allclose(model.evaluate(X, BITS, verbose=0), expected, rtol=1e-4)
    for weights in ({"sample_weight": np.ones(16)}, {"class_weight": {0: 1.0, 1: 2.0, 2: 1.0}}):
        with pytest.raises(lossc.LosscError) as caught:
            model.fit(X, BITS, verbose=0, **weights)
        assert caught.value.code == "E0701"
