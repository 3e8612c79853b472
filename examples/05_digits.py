"""A Keras classifier of handwritten digits with a loss from a file; saved, and loaded again."""

import tempfile
from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import lossc
import lossc.keras  # all that a program needs which loads a saved model

HERE = Path(__file__).parent


def main() -> None:
    keras.utils.set_random_seed(0)
    images, labels = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        (images / 16).astype("float32"), labels, random_state=0
    )
    sparse_ce = lossc.load(HERE / "sparse_ce.loss").sparse_ce
    print(f"{sparse_ce}\n")

    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(10)]
    )
    model.compile("adam", loss=sparse_ce.keras(), metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=15, batch_size=32, verbose=0)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"test loss {loss:.4f}, accuracy {accuracy:.3f}")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.keras"
        model.save(path)
        again = keras.saving.load_model(path)
    print(f"loaded:   {again.evaluate(x_test, y_test, verbose=0)[0]:.4f}")
    assert np.allclose(again.predict(x_test, verbose=0), model.predict(x_test, verbose=0))


if __name__ == "__main__":
    main()
