"""What needs a process of its own: other backends and distribution strategies."""

import os
import subprocess
import sys

import pytest


def run(code, **env):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_another_backend_is_refused_by_name(backend):
    code = (
        "import lossc\n"
        "try:\n    import lossc.keras\n"
        "except lossc.LosscError as error:\n    print(error)\n"
        "try:\n    lossc.std.mse.keras()\n"
        "except lossc.LosscError as error:\n    print(error.code)\n"
    )
    shown = run(code, KERAS_BACKEND=backend)
    assert shown.startswith("error[E0703]") and f"runs on {backend}" in shown
    assert shown.strip().endswith("E0703")


MIRRORED = """
import keras, numpy as np, tensorflow as tf, lossc
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
rng = np.random.default_rng(0)
x, y = rng.normal(size=(16, 4)).astype("f"), rng.normal(size=(16, 3)).astype("f")
w = rng.random(16).astype("f")

def train(loss, strategy, **how):
    with strategy.scope():
        keras.utils.set_random_seed(3)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        model.compile(keras.optimizers.SGD(0.1), loss=loss, jit_compile=False)
    data = tf.data.Dataset.from_tensor_slices((x, y, *how.values())).batch(16)
    history = model.fit(data, epochs=1, verbose=0).history["loss"]
    return history, model.get_weights()

def alike(a, b):
    np.testing.assert_allclose(a[0], b[0], rtol=1e-5)
    for u, v in zip(a[1], b[1]):
        np.testing.assert_allclose(u, v, rtol=1e-4, atol=1e-6)

two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
one = tf.distribute.get_strategy()
assert two.num_replicas_in_sync == 2
mse = lossc.std.mse.keras()
theirs, alone = keras.losses.MeanSquaredError(), train(mse, one)
alike(train(mse, two), alone)
alike(train(mse, two, weight=w), train(theirs, two, weight=w))
total = lossc.compile("sum((y - yhat)^2) / 50").keras()
alike(train(total, two), train(total, one))
root = lossc.compile("0 * sqrt(mean(y^2)) + log(exp(mean((y - yhat)^2)))").keras()
assert not root.formula.separable
alike(train(root, two), alone)
delta = keras.Variable(0.5)
alike(train(lossc.std.huber.keras(delta=delta), two), train(keras.losses.Huber(0.5), two))

def layered(strategy, loss):
    with strategy.scope():
        keras.utils.set_random_seed(3)
        a, b = keras.Input((4,)), keras.Input((3,))
        model = keras.Model([a, b], lossc.keras.LossLayer(loss)([b, keras.layers.Dense(3)(a)]))
        model.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    data = tf.data.Dataset.from_tensor_slices(((x, y),)).batch(16)
    return model.fit(data, verbose=0).history["loss"], model.get_weights()

for loss in (mse, total):
    alike(layered(two, loss), layered(one, loss))
print("alike")
"""


def test_two_replicas_train_like_one():
    assert run(MIRRORED).strip().endswith("alike")
