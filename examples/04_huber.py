"""Huber loss against outliers: the same linear model on diabetes data with some labels spoilt."""

from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

import lossc

HERE = Path(__file__).parent


def spoilt_diabetes(seed: int = 0):
    """Scaled features and targets; one training target in ten is wrong."""
    x, y = load_diabetes(return_X_y=True)
    x, y = scale(x).astype("float32"), scale(y).astype("float32")
    x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=seed)
    wrong = np.random.default_rng(seed).random(len(y_train)) < 0.1
    y_train = np.where(wrong, y_train + 8, y_train).astype("float32")
    return x_train, x_test, y_train[:, None], y_test[:, None]


def test_error(loss) -> float:
    """Mean absolute error on clean data after training with a loss."""
    keras.utils.set_random_seed(0)
    x_train, x_test, y_train, y_test = spoilt_diabetes()
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), loss=loss)
    model.fit(x_train, y_train, epochs=25, batch_size=64, verbose=0)
    return float(np.mean(np.abs(model.predict(x_test, verbose=0) - y_test)))


def main() -> None:
    huber = lossc.load(HERE / "huber.loss").huber
    print(f"{huber}\n")
    print(f"trained with mse            test error {test_error(lossc.std.mse.keras()):.3f}")
    for delta in (1, 0.3):
        error = test_error(huber.keras(delta=delta))
        print(f"trained with huber, delta {delta:<3} test error {error:.3f}")


if __name__ == "__main__":
    main()
