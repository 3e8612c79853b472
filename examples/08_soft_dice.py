"""Soft Dice loss, added to cross-entropy: a model restores the ink of noisy digits.

Losses are functions of the language, so a sum of two is a formula of its own.
"""

from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits

import lossc

HERE = Path(__file__).parent
BOTH = """
use "soft_dice.loss": soft_dice

loss dice_and_crossentropy(y[batch, h, w], z[batch, h, w]) =
    mean(softplus(z) - y * z) + soft_dice(y, sigmoid(z))
where
    y in {0, 1} "mask"
    z in real   "logits of the mask"
"""


def main() -> None:
    keras.utils.set_random_seed(0)
    both = lossc.compile(BOTH, search=[HERE])
    print(f"{both}\n")
    images = load_digits().images / 16
    ink = (images > 0.4).astype("float32")
    noisy = (images + np.random.default_rng(0).normal(0, 0.4, images.shape)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((8, 8)),
            keras.layers.Reshape((8, 8, 1)),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(1, 3, padding="same"),
            keras.layers.Reshape((8, 8)),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), loss=both.keras())
    model.fit(noisy, ink, epochs=5, batch_size=64, verbose=0)
    predicted = model.predict(noisy, verbose=0) > 0
    print(f"pixels right {np.mean(predicted == (ink > 0)):.1%}")
    overlap = 2 * np.sum(predicted * ink) / (np.sum(predicted) + np.sum(ink))
    print(f"Dice overlap {overlap:.3f}")


if __name__ == "__main__":
    main()
