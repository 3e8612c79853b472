"""Tiny models, and two of them trained alike."""

import keras
import numpy as np


def flat(units):
    return keras.Sequential([keras.Input((5,)), keras.layers.Dense(units)])


def image(classes):
    return keras.Sequential([keras.Input((4, 3, 2)), keras.layers.Conv2D(classes, 1)])


def masked(units):
    layers = [keras.Input((6, 3)), keras.layers.Masking(), keras.layers.Dense(units)]
    return keras.Sequential(layers)


def train(make, loss, x, y, epochs=2, rate=0.1, compiled=None, **fit):
    """The losses of some steps, the final loss, and the weights."""
    keras.utils.set_random_seed(7)
    model = make()
    model.compile(keras.optimizers.SGD(rate), loss=loss, **(compiled or {}))
    batch = fit.pop("batch_size", 8)
    history = model.fit(
        x, y, batch_size=batch, epochs=epochs, shuffle=False, verbose=0, **fit
    ).history["loss"]
    weights = [np.asarray(w) for w in model.get_weights()]
    return history, model.evaluate(x, y, batch_size=batch, verbose=0), weights


def assert_alike(make, ours, theirs, x, y, rtol=2e-5, atol=2e-6, **how):
    """Both losses train the same model to the same numbers."""
    a, b = train(make, ours, x, y, **how), train(make, theirs, x, y, **how)
    np.testing.assert_allclose(a[0], b[0], rtol=rtol, atol=atol)
    np.testing.assert_allclose(a[1], b[1], rtol=rtol, atol=atol)
    for u, v in zip(a[2], b[2], strict=True):
        np.testing.assert_allclose(u, v, rtol=rtol, atol=atol)
    assert np.isfinite(a[0]).all()
