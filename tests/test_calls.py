"""What is said about calls that do not fit, with the declaration that they break."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import lossc
from tests.golden import Case, cases


def ones(*shape: int) -> Any:
    return np.ones(shape, np.float32)


def ints(*shape: int) -> Any:
    return np.zeros(shape, np.int32)


MASKED = np.ma.masked_array([1.0, 2.0], mask=[True, False])
WORDS = {
    "masked": MASKED,
    "sparse": tf.sparse.from_dense([1.0, 0.0]),
    "ones": ones,
    "ints": ints,
    "array": np.array,
    "nan": np.nan,
    "a": ones(2),
}


@pytest.mark.parametrize("case", cases("calls"), ids=lambda case: case.id)
def test_message(case: Case) -> None:
    loss = lossc.compile(case["source"], jit=False)
    with pytest.raises(lossc.LosscError) as caught:
        eval(case["call"], {**WORDS, "loss": loss})
    case.check("said", str(caught.value))
    if case.id != "not_separable":
        assert isinstance(caught.value, ValueError)


def test_the_same_text_is_the_same_loss() -> None:
    text = "mean(w * (y - yhat)^2)"
    loss = lossc.compile(text)
    assert lossc.compile(text) is loss
    assert lossc.compile(text, jit=False) is not loss
    assert lossc.compile(text, stable=False) is not loss
    assert lossc.compile(text + " ") is not loss


def test_a_text_whose_files_differ_is_another_loss(tmp_path: Path) -> None:
    text = 'use "scale.loss": scaled\nloss l(y, yhat) = mean(scaled(y - yhat))\n'
    values = []
    for factor in (2, 3):
        (tmp_path / "scale.loss").write_text(f"def scaled(x) = {factor} * x\n")
        values.append(float(lossc.compile(text, search=[tmp_path])([3.0], [1.0])))
    assert values == [4, 6]
