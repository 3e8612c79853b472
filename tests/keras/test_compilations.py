"""How often XLA compiles while a model trains, told by the modules that it dumps."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

STEPS = """
import glob
import sys

import keras
import numpy as np

import lossc

rng = np.random.default_rng(0)
x = rng.normal(size=(8, 5)).astype("float32")
labels = rng.integers(0, 4, 8)
kinds = {
    "real": rng.normal(size=(8, 4)).astype("float32"),
    "bits": rng.integers(0, 2, (8, 4)).astype("float32"),
    "positive": rng.uniform(0.1, 2, (8, 4)).astype("float32"),
    "labels": labels.astype("int32"),
    "one_hot": np.eye(4, dtype="float32")[labels],
}
weights = {"none": None, "weights": rng.uniform(0, 1, 8).astype("float32")}
for name, kind, last, given in (case.split(":") for case in sys.argv[2:]):
    loss = lossc.std[name] if name in lossc.std else lossc.compile("mean(abs(y - yhat)^3)")
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4, activation=last)])
    model.compile("sgd", loss=loss.keras(), jit_compile=True)
    counts = []
    for step in range(6):
        model.train_on_batch(x, kinds[kind], sample_weight=weights[given])
        counts.append(len(glob.glob(sys.argv[1] + "/*before_optimizations.txt")))
    print(name, given, counts[1], counts[5])
"""
CASES = (
    "huber:real:linear:none", "mean_squared_error:real:linear:weights", "text:real:linear:none",
    "quantile:real:linear:none", "binary_crossentropy:bits:sigmoid:weights",
    "binary_focal_crossentropy_from_logits:bits:linear:none", "poisson:positive:softplus:none",
    "categorical_crossentropy_from_logits:one_hot:linear:weights", "dice:bits:sigmoid:none",
    "sparse_categorical_crossentropy_from_logits:labels:linear:none",
    "kl_divergence:one_hot:softmax:none", "cosine_similarity:real:linear:none",
    "info_nce:real:linear:none",
)  # fmt: skip
EPOCHS = """
import keras
import numpy as np

import lossc

rng = np.random.default_rng(0)
x = rng.normal(size=(168, 5)).astype("float32")
y = rng.integers(0, 512, 168).astype("int32")
model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(512)])
loss = lossc.std.sparse_categorical_crossentropy_from_logits.keras()
model.compile("sgd", loss=loss, jit_compile=False)
for _ in range(5):
    model.fit(x, y, batch_size=64, verbose=0)
    model.fit(x[:96], y[:96], batch_size=48, verbose=0)
    model.evaluate(x, y, batch_size=64, verbose=0)
"""


def dumped(script: str, folder: Path, arguments: Iterable[str] = ()) -> str:
    """What a script prints that is run with XLA's modules dumped to a folder."""
    env = {**os.environ, "XLA_FLAGS": f"--xla_dump_to={folder}", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return done.stdout


def test_a_step_of_the_same_shapes_is_compiled_once(tmp_path: Path) -> None:
    printed = dumped(STEPS, tmp_path, [str(tmp_path), *CASES]).splitlines()
    assert len(printed) == len(CASES)
    for line in printed:
        *_, early, late = line.split()
        assert early == late, line


@pytest.mark.deep
def test_a_loss_is_compiled_once_for_each_large_shape(tmp_path: Path) -> None:
    dumped(EPOCHS, tmp_path)
    names = [p.name for p in tmp_path.glob("*before_optimizations.txt")]
    # Once for each of three batches, value and gradient; for `evaluate` the values alone, of two.
    assert len(names) == 5, names
