"""Keras's own tests of its losses, run on the library's losses in place of Keras's classes.

The test module that the installed Keras ships is loaded anew, its `losses` replaced by adapters
that turn the arguments of Keras's classes into a loss of the library and its params.
"""

from __future__ import annotations

import importlib.util
import unittest
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import keras

import lossc

STDLIB = Path(__file__).parents[2] / "stdlib"


@dataclass(frozen=True)
class Stand:
    """What stands for a class of Keras: `NAME` of the library, or `NAME_from_logits`."""

    name: str
    ignored: frozenset[str] = frozenset({"axis"})
    """Arguments that the library has no param for; only their default is given to it."""
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, from_logits: bool = False, **given: Any) -> Any:
        name = f"{self.name}_from_logits" if from_logits else self.name
        params = {n: v for n, v in given.items() if n not in self.ignored}
        return library(name).keras(**{**self.defaults, **params})


@cache
def library(name: str) -> lossc.Loss:
    """A loss of the library, run without XLA, which would compile it for each of the shapes."""
    path = next(f for f in STDLIB.glob("*.loss") if f"\nloss {name}(" in f.read_text("utf-8"))
    return lossc.load(path, jit=False)[name]


STANDS = {
    "MeanSquaredError": Stand("mean_squared_error"),
    "MeanAbsoluteError": Stand("mean_absolute_error"),
    "MeanAbsolutePercentageError": Stand("mean_absolute_percentage_error"),
    "MeanSquaredLogarithmicError": Stand("mean_squared_logarithmic_error"),
    "Hinge": Stand("hinge"),
    "SquaredHinge": Stand("squared_hinge"),
    "CategoricalHinge": Stand("categorical_hinge"),
    "CosineSimilarity": Stand("cosine_similarity"),
    "Huber": Stand("huber"),
    "LogCosh": Stand("log_cosh"),
    "KLDivergence": Stand("kl_divergence"),
    "Poisson": Stand("poisson"),
    "BinaryCrossentropy": Stand("binary_crossentropy"),
    "CategoricalCrossentropy": Stand("categorical_crossentropy"),
    "SparseCategoricalCrossentropy": Stand("sparse_categorical_crossentropy"),
    "BinaryFocalCrossentropy": Stand("binary_focal_crossentropy"),
    "CategoricalFocalCrossentropy": Stand("categorical_focal_crossentropy"),
    "Dice": Stand("dice"),
    "Tversky": Stand("tversky"),
    "Circle": Stand("circle"),
    "CategoricalGeneralizedCrossEntropy": Stand("categorical_generalized_cross_entropy"),
}


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    return library("mean_squared_error").keras(reduction=None)(y_true, y_pred)


def circle(y_true: Any, y_pred: Any, ref_labels: Any, ref_embeddings: Any, **params: Any) -> Any:
    loss = library("circle_to_references").keras(
        reduction=None, ref_y=ref_labels, ref_e=ref_embeddings, **params
    )
    return loss(y_true, y_pred)


FUNCTIONS = {"mean_squared_error": mean_squared_error, "circle": circle}

AXIS = "an axis other than the last"
CONFIG = "the config object of Keras's class; ours has the text of the formula"
LEFT_OUT = {
    "CTCTest": "CTC",
    "test_config": CONFIG,
    "CosineSimilarityTest.test_axis": AXIS,
    "SparseCategoricalCrossentropyTest.test_binary_segmentation_different_axis": AXIS,
    "SparseCategoricalCrossentropyTest.test_multi_class_segmentation_different_axis": AXIS,
    "SparseCategoricalCrossentropyTest.test_squeezes_singleton_class_dim_on_user_axis": AXIS,
    "DiceTest.test_binary_segmentation_with_axis": AXIS,
    "TverskyTest.test_binary_segmentation_with_axis": AXIS,
    "TverskyTest.test_binary_segmentation_custom_coefficients_with_axis": AXIS,
}


def suite() -> ModuleType:
    """A fresh copy of Keras's test module, with our losses in it."""
    spec = importlib.util.find_spec("keras.src.losses.losses_test")
    assert spec is not None and spec.loader is not None, "this Keras ships no tests"
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.losses = SimpleNamespace(**STANDS, **FUNCTIONS)
    return module


def reason(case: str, test: str) -> str | None:
    return LEFT_OUT.get(f"{case}.{test}") or LEFT_OUT.get(test) or LEFT_OUT.get(case)


def kept(case: type[unittest.TestCase]) -> type[unittest.TestCase]:
    """A class of tests without those that are left out."""
    for test in unittest.defaultTestLoader.getTestCaseNames(case):
        if reason(case.__name__, test):
            setattr(case, test, None)
    return case


SUITE = suite()
CASES = {n: c for n, c in vars(SUITE).items() if isinstance(c, type) and n.endswith("Test")}
TESTS = {n: unittest.defaultTestLoader.getTestCaseNames(c) for n, c in CASES.items()}
globals().update({n: kept(c) for n, c in CASES.items()})


def test_the_suite_is_whole() -> None:
    """Every class of Keras's losses is tested, and what is left out is there to be left out."""
    theirs = {n for n in dir(keras.losses) if isinstance(getattr(keras.losses, n), type)}
    assert theirs == {*STANDS, "CTC", "Loss"}
    run = [f"{c}.{t}" for c, tests in TESTS.items() for t in tests if not reason(c, t)]
    assert len(run) >= 130
    known = {*TESTS, *(t for ts in TESTS.values() for t in ts)}
    known |= {f"{c}.{t}" for c, ts in TESTS.items() for t in ts}
    assert set(LEFT_OUT) <= known
