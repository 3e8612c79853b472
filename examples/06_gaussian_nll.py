"""A model that knows how sure it is: mean and log-variance, trained by their likelihood."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import lossc

HERE = Path(__file__).parent


def noisy_line(n: int = 2000, seed: int = 0):
    """y = 2 x + noise whose standard deviation grows from 0.1 at x = -1 to 0.9 at x = 1."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, n)
    y = 2 * x + rng.normal(0, 0.5 + 0.4 * x)
    return tf.constant(x[:, None], tf.float32), tf.constant(y, tf.float32)


def main() -> None:
    keras.utils.set_random_seed(0)
    nll = lossc.load(HERE / "gaussian_nll.loss").gaussian_nll
    print(f"{nll}\n")
    x, y = noisy_line()
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(32, "tanh"), keras.layers.Dense(2)]
    )
    optimizer = keras.optimizers.Adam(0.02)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = nll(y, model(x))
        optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_weights), model.trainable_weights, strict=True)
        )
        return loss

    for epoch in range(301):
        loss = step()
        if epoch % 100 == 0:
            print(f"step {epoch:3}  loss {loss.numpy():.4f}")
    for at in (-0.8, 0.8):
        mean, logvar = model(np.array([[at]], "float32")).numpy()[0]
        print(f"x = {at:4}: predicts {mean:.2f} +- {np.exp(logvar / 2):.2f}, "
              f"true {2 * at:.2f} +- {0.5 + 0.4 * at:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
