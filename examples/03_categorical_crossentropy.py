"""Categorical cross-entropy of clipped probabilities, and a training loop written by hand.

Nothing is clipped unless the formula says so; this one keeps probabilities in [1e-7, 1 - 1e-7].
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import lossc

HERE = Path(__file__).parent
Y = np.array([[1, 0], [0, 1]])
P = np.array([[0.7, 0.3], [0.2, 0.8]])


def main() -> None:
    loss_file = lossc.load(HERE / "categorical_crossentropy.loss")
    crossentropy = loss_file.categorical_crossentropy
    print(crossentropy)
    print(f"\nvalue {crossentropy(Y, P).numpy():.7f}")
    certain = np.array([[0.0, 1.0], [0.2, 0.8]])
    print(f"certain and wrong, clipped at 1e-7: {crossentropy(Y, certain).numpy():.7f}\n")

    x, y = np.eye(2), tf.constant(Y)
    layer = keras.layers.Dense(2, use_bias=False, activation="softmax", dtype="float64")
    layer.build((2, 2))
    layer.set_weights([np.log(P)])
    for step in range(21):
        with tf.GradientTape() as tape:
            loss = crossentropy(y, layer(x))
        (slope,) = tape.gradient(loss, layer.trainable_weights)
        layer.kernel.assign_sub(slope)
        if step % 5 == 0:
            print(f"step {step:2}  loss {loss.numpy():.7f}")


if __name__ == "__main__":
    main()
