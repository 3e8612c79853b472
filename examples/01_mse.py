"""Mean squared error, and a training loop written by hand.

The layer's kernel is its prediction for the two rows of the identity matrix, so the loop starts
from known predictions: the loss is 0.0025 before the first step.
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
    mse = lossc.load(HERE / "mse.loss").mse
    print(mse)
    value, grads = mse.value_and_grad(Y, YHAT)
    print(f"\nvalue {value.numpy():.7f}, gradient in yhat\n{grads['yhat'].numpy()}\n")

    x, y = np.eye(2), tf.constant(Y)
    layer = keras.layers.Dense(2, use_bias=False, dtype="float64")
    layer.build((2, 2))
    layer.set_weights([YHAT])
    for step in range(21):
        with tf.GradientTape() as tape:
            loss = mse(y, layer(x))
        (slope,) = tape.gradient(loss, layer.trainable_weights)
        layer.kernel.assign_sub(0.5 * slope)
        if step % 5 == 0:
            print(f"step {step:2}  loss {loss.numpy():.7f}")


if __name__ == "__main__":
    main()
