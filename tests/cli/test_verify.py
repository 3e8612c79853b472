"""`lossc verify`: right implementations pass, wrong ones give a witness, broken ones a message."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from lossc.cli import main
from tests.cli.files import write_all

NUMBER = itertools.count()  # each test has a module of its own: Python keeps those it imported

ARRAYS = """
import numpy as np

class Plain: pass

def right(y, yhat, delta=1.0):
    e = np.abs(y - yhat)
    return np.mean(np.where(e <= delta, e**2 / 2, delta * (e - delta / 2)))

def in_order(a, b):
    return right(a, b)

def per_element(y, yhat):
    e = np.abs(y - yhat)
    return np.where(e <= 1, e**2 / 2, e - 1 / 2)

def steep(y, yhat):
    e = np.abs(y - yhat)
    return np.mean(np.where(e <= 1, e**2 / 2, 2 * e - 1))

def summed(y, yhat):
    return right(y, yhat) * y.size

def fixed(y, yhat, delta):
    return right(y, yhat, 1.0)

def rounded(y, yhat):
    return right(y, yhat) * (1 + 1e-6)

def fails(y, yhat):
    if y.min() < 0:
        raise RuntimeError("no negative targets")
    return right(y, yhat)

def text(y, yhat):
    return "nothing"

def one(y):
    return y
"""

TENSORS = """
import keras
import tensorflow as tf

Class = keras.losses.Huber
instance = keras.losses.Huber()
other = keras.losses.Huber(2.0)

def right(y, yhat, delta=1.0):
    e = tf.abs(y - yhat)
    return tf.reduce_mean(tf.where(e <= delta, e**2 / 2, delta * (e - delta / 2)))

def stopped(y, yhat):
    return right(y, tf.stop_gradient(yhat))
"""

# The function, the exit code, and what is said.
CASES = {
    "right": (ARRAYS, 0, "no disagreement found in value, in 80 points"),
    "in_order": (ARRAYS, 0, "no disagreement found"),
    "per_element": (ARRAYS, 0, "their mean is compared"),
    "steep": (ARRAYS, 1, "the value is 2 times as large where abs(y - yhat) > delta"),
    "summed": (ARRAYS, 1, "the value is size(...) times as large"),
    "fixed": (ARRAYS, 1, "the value differs"),
    "rounded": (ARRAYS, 1, "(float64)"),
    "fails": (ARRAYS, 1, "RuntimeError: no negative targets"),
    "text": (ARRAYS, 1, "the call fails at all 40 points"),
    "one": (ARRAYS, 2, "cannot be called with y, yhat"),
    "rihgt": (ARRAYS, 2, "did you mean `right`?"),
    "Plain": (ARRAYS, 2, "is a class, but none of Keras losses"),
    "unfinished": ("def f(", 2, "SyntaxError"),
    "broken": ("raise OSError('no data')", 2, "OSError: no data"),
    "leaves": ("import sys; sys.exit(0)", 2, "SystemExit"),
}
OF_TENSORS = {
    "Class": (TENSORS, 0, "no disagreement found in value or gradient"),
    "instance": (TENSORS, 0, "no disagreement found in value or gradient"),
    "right": (TENSORS, 0, "no disagreement found in value or gradient"),
    "other": (TENSORS, 1, "the value differs"),
    "stopped": (TENSORS, 1, "the gradient in yhat is 0"),
}


@pytest.fixture
def verify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    write_all(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def call(text: str, name: str, against: str = "huber.loss") -> tuple[int, str]:
        module = f"implementations_{next(NUMBER)}"
        (tmp_path / f"{module}.py").write_text(text)
        words = ["verify", f"{module}:{name}", "--against", against, "--points", "40"]
        code = main(words)
        said = "".join(capsys.readouterr())
        assert "Traceback" not in said
        assert "internal error" not in said
        return code, said

    return call


@pytest.mark.parametrize("name", CASES)
def test_functions_of_arrays(verify: Any, name: str) -> None:
    text, code, wanted = CASES[name]
    found, said = verify(text, name)
    assert found == code, said
    assert wanted in said


@pytest.mark.parametrize("name", OF_TENSORS)
def test_functions_of_tensors(verify: Any, name: str) -> None:
    text, code, wanted = OF_TENSORS[name]
    found, said = verify(text, name)
    assert found == code, said
    assert wanted in said


def test_nothing_is_called_equal(verify: Any) -> None:
    _, said = verify(ARRAYS, "right")
    assert "equal" not in said


def test_labels_are_whole_numbers(verify: Any) -> None:
    text = (
        "import numpy as np\n"
        "def f(y, z):\n"
        "    top = z.max(axis=1, keepdims=True)\n"
        "    total = np.log(np.exp(z - top).sum(axis=1)) + top[:, 0]\n"
        "    return np.mean(total - z[np.arange(len(y)), y])\n"
    )
    code, said = verify(text, "f", "ce.loss")
    assert code == 0, said
    assert "no disagreement found" in said
