"""What is said of calls with the wrong shapes, keywords and names leads to the fix."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import lossc
from lossc.dsl.diagnostics import LosscError

S = lossc.std
LABELS, ONE_HOT = np.array([0, 1, 2]), np.eye(4)[:3]
P = np.full((3, 4), 0.25)
ROWS = lossc.compile("loss rows(y[n, k], p[n, k]) = mean((y - p)^2)")
BARE = lossc.compile("mean((y - yhat)^2)")


def ones(*shape: int) -> object:
    return np.ones(shape)


MESSAGES: list[tuple[str, Callable[[], object], list[str]]] = [
    (
        "labels into one-hot",
        lambda: S.categorical_crossentropy.keras()(LABELS, P),
        ["y has shape (3,), p has shape (3, 4)", "use lossc.std.sparse_categorical_crossentropy,"],
    ),
    (
        "as many labels as classes",
        lambda: S.categorical_crossentropy.keras()(np.arange(4), np.full((4, 4), 0.25)),
        ["y has shape (4,), p has shape (4, 4)", "use lossc.std.sparse_categorical_crossentropy,"],
    ),
    (
        "a column of labels",
        lambda: S.categorical_crossentropy_from_logits.keras()(LABELS[:, None], P),
        ["(3, 1)", "use lossc.std.sparse_categorical_crossentropy_from_logits,"],
    ),
    (
        "labels, no other form",
        lambda: S.categorical_hinge(LABELS, P),
        ["one label for each sample: make it one-hot: tf.one_hot(y, 4)"],
    ),
    (
        "one-hot into labels",
        lambda: S.sparse_categorical_crossentropy.keras()(ONE_HOT, P),
        ["y has shape (3, 4), p has shape (3, 4)", "use lossc.std.categorical_crossentropy,"],
    ),
    (
        "batch sizes",
        lambda: S.huber.keras()(ones(8, 1), ones(5, 1)),
        ["the batch sizes differ: y has 8 samples, yhat has 5"],
    ),
    (
        "batch sizes, named axes",
        lambda: ROWS(ones(8, 2), ones(5, 2)),
        ["y has shape (8, 2), p has shape (5, 2)", "the batch sizes differ"],
    ),
    (
        "batch sizes, packed axes",
        lambda: S.categorical_crossentropy.keras()(ones(8, 4), ones(5, 4)),
        ["y has shape (8, 4), p has shape (5, 4)", "the batch sizes differ"],
    ),
    ("a column", lambda: S.huber(ones(8), ones(8, 1)), ["yhat[..., 0]", "`.keras()`, does so"]),
    ("a column of targets", lambda: BARE(ones(8, 1), ones(8)), ["y[..., 0]", "`.keras()`"]),
    ("other shapes", lambda: S.huber(ones(8, 2), ones(8, 1)), ["give them one shape"]),
    ("own text", lambda: BARE(ones(8, 2), ones(8, 1)), ["declare them: loss NAME(y[batch, class]"]),
    (
        "classes",
        lambda: ROWS(ones(8, 2), ones(8, 3)),
        ["y has shape (8, 2), p has shape (8, 3)", "an axis has one length"],
    ),
    (
        "from_logits",
        lambda: S.binary_crossentropy(ones(2), ones(2), from_logits=True),
        ["for logits use lossc.std.binary_crossentropy_from_logits"],
    ),
    (
        "from_logits in Keras",
        lambda: S.sparse_categorical_crossentropy.keras(from_logits=True),
        ["for logits use lossc.std.sparse_categorical_crossentropy_from_logits"],
    ),
    (
        "from_logits twice",
        lambda: S.binary_crossentropy_from_logits.keras(from_logits=True),
        ["takes logits; the loss of probabilities is binary_crossentropy"],
    ),
    ("by position", lambda: S.huber.keras(2), ["E0602", "write huber.keras(delta=2)"]),
    (
        "an unknown keyword",
        lambda: S.huber.keras(zzz=2),
        ["there are: y, yhat, delta, reduction, name, dtype, validate"],
    ),
    ("a family", lambda: S.regression, ["is a family of losses", "its losses are: mean_squared"]),
    ("a file", lambda: lossc.compile("huber.loss"), ["E0620", "lossc.load('huber.loss')"]),
    ("a path", lambda: lossc.compile("a/b c.loss\n"), ["E0620", "lossc.load('a/b c.loss')"]),
    ("a name", lambda: lossc.compile("mse"), ["E0620", "lossc.std.mse"]),
    ("a dotted name", lambda: lossc.compile("std.huber"), ["E0620", "lossc.std.huber"]),
    ("a whole name", lambda: lossc.compile("lossc.std.huber"), ["E0620", "lossc.std.huber"]),
    ("an attribute", lambda: setattr(S.huber, "delta", 2), ["E0618", "huber(..., delta=2)"]),
]


@pytest.mark.parametrize(
    ("call", "said"), [row[1:] for row in MESSAGES], ids=[r[0] for r in MESSAGES]
)
def test_messages(call: Callable[[], object], said: list[str]) -> None:
    with pytest.raises(LosscError) as caught:
        call()
    for part in said:
        assert part in str(caught.value)
