"""What lossc does, in one minute: compile the example losses, evaluate them, train, save, load."""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import lossc

HERE = Path(__file__).parent
Y, YHAT = [[0.1, 0.2], [0.3, 0.4]], [[0.15, 0.25], [0.25, 0.35]]
LABELS, P = [[1, 0], [0, 1]], [[0.7, 0.3], [0.2, 0.8]]


def title(text: str) -> None:
    print(f"\n--- {text} ---\n")


def load_tensorflow() -> None:
    """Import Keras with TensorFlow; what their libraries log about missing GPUs is left out."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import keras  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def compile_all() -> dict[str, lossc.Loss]:
    """Every loss of every example file."""
    title("Compiling every .loss file in examples/ (TensorFlow is not loaded yet)")
    lossc.compile("mean(y - yhat)")  # loads the parser, so that the times below are without it
    losses: dict[str, lossc.Loss] = {}
    for path in sorted(HERE.glob("*.loss")):
        start = time.perf_counter()
        for name, loss in lossc.load(path).items():
            took = 1000 * (time.perf_counter() - start)
            inputs = ", ".join(
                f"{i.name}[{', '.join(i.axes)}]" if i.axes else i.name for i in loss.inputs.values()
            )
            kind = "per sample" if loss.separable else "whole batch"
            print(f"{name:<26} {inputs:<38} {kind:<12} {took:5.1f} ms")
            losses[name] = loss
    return losses


def evaluate(losses: dict[str, lossc.Loss]) -> None:
    """Values and gradients on small data, next to values in arbitrary precision."""
    title("Evaluating three of them (TensorFlow is loaded, and XLA compiles at the first call)")
    load_tensorflow()
    for name, data in (
        ("mse", (Y, YHAT)), ("weighted_mse", (Y, YHAT)), ("categorical_crossentropy", (LABELS, P))
    ):  # fmt: skip
        value, grads = losses[name].value_and_grad(*data)
        wrt = list(losses[name].inputs)[1]
        exact = losses[name].reference(*data, digits=30)
        print(f"{name:<26} {value.numpy():.9f}   exactly {float(exact):.9f}")
        print(f"{'':<17} gradient {np.array2string(grads[wrt].numpy().ravel(), precision=6)}")


def explain_an_error() -> None:
    title("What an error looks like")
    try:
        lossc.compile("mean(w * (y - yhat)^2)")(np.ones((4, 3)), np.ones((4, 3)), np.ones(4))
    except lossc.LosscError as error:
        print(error)


def train(loss: lossc.Loss) -> None:
    """A classifier of real handwritten digits, trained with a loss from a file."""
    import keras

    title("Training a Keras model on 1,797 handwritten digits with examples/sparse_ce.loss")
    print(loss, "\n", sep="")
    keras.utils.set_random_seed(0)
    images, labels = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        (images / 16).astype("float32"), labels, random_state=0
    )
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(10)]
    )
    model.compile("adam", loss=loss.keras(), metrics=["accuracy"])
    history = model.fit(x_train, y_train, epochs=12, batch_size=32, verbose=0).history
    for epoch in (0, 3, 7, 11):
        print(f"epoch {epoch + 1:2}   loss {history['loss'][epoch]:.4f}   "
              f"accuracy {history['accuracy'][epoch]:.3f}")  # fmt: skip
    before, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"test       loss {before:.4f}   accuracy {accuracy:.3f}")

    title("Saving the model, and loading it again")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.keras"
        model.save(path)
        print(f"saved {path.name}, {path.stat().st_size // 1024} kB")
        again = keras.saving.load_model(path)
    after = again.evaluate(x_test, y_test, verbose=0)[0]
    assert abs(before - after) < 1e-6 and again.loss.formula.source == loss.source
    print(f"test loss  {before:.4f} before, {after:.4f} after loading")
    formula = " ".join(again.loss.formula.source.split("where")[0].split())
    print(f"the formula came back with it:\n    {formula}")


def main() -> None:
    start = time.perf_counter()
    losses = compile_all()
    evaluate(losses)
    explain_an_error()
    train(losses["sparse_ce"])
    print(f"\ndone in {time.perf_counter() - start:.0f} s; next: README.md, docs/tutorial.md")


if __name__ == "__main__":
    main()
