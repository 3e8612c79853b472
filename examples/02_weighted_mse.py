"""Mean squared error with weights: defined in the formula, then given as data.

`weighted_mse.loss` computes its weights from the targets. The same loss with the weights as an
input of their own is one line, and both train the same.
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import lossc

HERE = Path(__file__).parent
Y = np.array([[0.1, 0.2], [0.3, 0.4]])
YHAT = np.array([[0.15, 0.25], [0.25, 0.35]])


def main() -> None:
    weighted = lossc.load(HERE / "weighted_mse.loss").weighted_mse
    given = lossc.compile("mean(w * (y - yhat)^2)")
    print(weighted)
    print(f"\nweights from the formula {weighted(Y, YHAT).numpy():.7f}")
    print(f"weights given as data    {given(Y, YHAT, w=Y + 0.1).numpy():.7f}\n")

    x, y = np.eye(2), tf.constant(Y)
    layer = keras.layers.Dense(2, use_bias=False, dtype="float64")
    layer.build((2, 2))
    layer.set_weights([YHAT])
    for step in range(21):
        with tf.GradientTape() as tape:
            loss = weighted(y, layer(x))
        (slope,) = tape.gradient(loss, layer.trainable_weights)
        layer.kernel.assign_sub(2.0 * slope)
        if step % 5 == 0:
            print(f"step {step:2}  loss {loss.numpy():.7f}")


if __name__ == "__main__":
    main()
