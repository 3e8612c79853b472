"""A contrastive loss: every pair of a batch takes part, so it is no mean of values per sample.

Two views of a digit, each with other pixels hidden, are embedded so that they find each other again
among the batch.
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

import lossc

HERE = Path(__file__).parent


def main() -> None:
    keras.utils.set_random_seed(0)
    info_nce = lossc.load(HERE / "info_nce.loss").info_nce
    print(f"{info_nce}\n")
    images = (load_digits(return_X_y=True)[0] / 16).astype("float32")
    encoder = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dense(16),
            keras.layers.UnitNormalization(),
        ]
    )
    optimizer = keras.optimizers.Adam(0.003)
    rng = np.random.default_rng(0)

    @tf.function
    def step(u, v):
        with tf.GradientTape() as tape:
            a, b = encoder(u), encoder(v)
            loss = info_nce(a, b, t=0.1)
        optimizer.apply_gradients(
            zip(tape.gradient(loss, encoder.trainable_weights), encoder.trainable_weights,
                strict=True)
        )  # fmt: skip
        found = tf.argmax(a @ tf.transpose(b), axis=1) == tf.range(len(a), dtype=tf.int64)
        return loss, tf.reduce_mean(tf.cast(found, tf.float32))

    for k in range(301):
        batch = images[rng.choice(len(images), 128, replace=False)]
        u, v = (np.where(rng.random(batch.shape) < 0.25, 0, batch) for _ in range(2))
        loss, found = step(u, v)
        if k % 100 == 0:
            print(f"step {k:3}  loss {loss.numpy():.3f}  partners found {found.numpy():.0%}")


if __name__ == "__main__":
    main()
