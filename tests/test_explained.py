"""Each diagnostic is explained by a wrong and a right example, which are run."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import lossc
import lossc.keras
from lossc.dsl.codes import CODES, Code

WITHOUT = {"E0407", "E0899"}  # what only an unusual derivative, or a mistake of ours, meets
PYTHON = [c for c in CODES.values() if c.wrong and not c.wrong.startswith(("$", "#"))]


def test_every_code_has_examples() -> None:
    assert {c.code for c in CODES.values() if not all(c.examples)} <= WITHOUT


@pytest.mark.parametrize("row", PYTHON, ids=lambda row: row.code)
def test_examples_in_python(row: Code) -> None:
    known = {"lossc": lossc, "np": np, "tf": tf, "keras": keras}
    exec(row.right, dict(known))
    with pytest.raises(lossc.LosscError) as caught:
        exec(row.wrong, dict(known))
    assert caught.value.code == row.code
