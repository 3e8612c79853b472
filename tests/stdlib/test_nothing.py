"""What the library makes of nothing: zero vectors, empty masks, lists without relevance, 0/0.

Each row has data that people have, the right value by hand, and the loss is asked for a finite
gradient in all its inputs but the target; `slopes` has gradients by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossc

STDLIB = Path(__file__).parents[2] / "stdlib"
INF = np.inf
ROOT = np.sqrt(0.5)


@cache
def library(name: str) -> lossc.Loss:
    path = next(f for f in STDLIB.glob("*.loss") if f"\nloss {name}(" in f.read_text("utf-8"))
    return lossc.load(path, jit=False)[name]


@dataclass(frozen=True)
class Row:
    """A loss, its inputs in order, and its value there."""

    name: str
    inputs: Sequence[Any]
    value: float | None
    """None where only finiteness is asked for."""
    params: Mapping[str, Any] = field(default_factory=dict)
    slopes: Mapping[str, Any] = field(default_factory=dict)


ZERO, ONE = [[0.0, 0, 0]], [[1.0, 0, 0]]
PAIR, HALF = [[0.0, 0], [1, 1]], [[1.0, 0], [1, 0]]
EMPTY = [[0.0, 0, 0]]
LISTS, SCORES = [[0.0, 0, 0], [1, 0, 0]], [[0.1, 0.2, 0.3], [0.5, 0.5, 0.5]]
MASKED = [[1.0, 2, -INF, 0]]
LOG_MASKED = [[np.log(0.5), np.log(0.5), -INF, -INF]]
TARGET = [[0.0, 1, 0, 0]]
NLL = float(np.log(np.exp([1.0, 2, 0]).sum()) - 2)

COSINES = [
    Row("cosine_similarity", (ZERO, ONE), 0),
    Row("cosine_similarity", (PAIR, HALF), -ROOT / 2),
    Row("cosine_distance", (ZERO, ONE), 1),
    Row("cosine_distance", (PAIR, HALF), (1 + 1 - ROOT) / 2),
    Row("cosine_distance", (ZERO, ZERO), 1),
    Row("cosine_embedding", ([1, -1], PAIR, HALF), (1 + ROOT) / 2),
    Row("spectral_angle", (PAIR, HALF), (np.pi / 2 + np.pi / 4) / 2),
    Row("quaternion_distance", ([[0.0, 0, 0, 0]], [[1.0, 0, 0, 0]]), 1),
    Row("rotation_angle", ([[1.0, 0, 0, 0]], [[0.0, 0, 0, 0]]), np.pi),
    Row("simsiam", (PAIR, HALF, PAIR, HALF), -ROOT / 2),
    Row("byol", (PAIR, HALF), (1 + 2 - 2 * ROOT) / 2),
    Row("pearson", ([1.0, 1, 1], [1.0, 2, 3]), 1),
    Row("pearson", ([1.0, 2, 3], [2.0, 2, 2]), 1),
    Row("concordance", ([2.0, 2, 2], [2.0, 2, 2]), 0),
    Row("normalized_cross_correlation", ([[1.0, 1, 1]], [[1.0, 2, 3]]), 1),
    Row("clip_contrastive", (PAIR, HALF), None),
    Row("siglip", (PAIR, HALF), None),
    Row("nt_xent", (PAIR, HALF), None),
    Row("ntxent_labels", ([0, 0], PAIR), 0),
    Row("supervised_contrastive", ([0, 0], PAIR), 0),
    Row("decoupled_contrastive", (PAIR, HALF), None),
    Row("hardest_pair_hinge", (PAIR, HALF), None),
    Row("circle_loss", ([0, 0, 1], [[0.0, 0], [1, 1], [1, 0]]), None),
    Row("multi_similarity", ([0, 0, 1], [[0.0, 0], [1, 1], [1, 0]]), None),
    Row("proxy_nca", ([0, 1], PAIR, HALF), None),
    Row("proxy_anchor", ([0, 1], PAIR, HALF), None),
    Row("dist_correlation", ([[0.0, 0, 0], [1, 2, 3]], [[1.0, 0, 2], [0, 0, 0]]), None),
    Row("attention_transfer", ([[[0.0], [0]]], [[[1.0], [0]]]), 1),
    Row("similarity_preserving", (PAIR, HALF), None),
    Row("logit_norm_ce", ([0], ZERO), np.log(3)),
]
LISTS_OF_NOTHING = [
    Row("approx_ndcg", (LISTS, SCORES), -0.5 / np.log2(3)),
    Row("approx_mrr", (LISTS, SCORES), -0.25),
    Row("smooth_ap", (LISTS, SCORES), 1 - 0.25),
    Row("lambdarank_ndcg", (EMPTY, EMPTY), 0),
    Row("ranknet", (EMPTY, EMPTY), 0),
    Row("pairwise_hinge", (EMPTY, EMPTY), 0),
    Row("ranking_softmax", (EMPTY, EMPTY), 0),
    Row("unique_softmax", (EMPTY, EMPTY), 0),
    Row("softmax_rank_masked", (EMPTY, EMPTY, [[False, False, False]]), 0),
    Row("auc_squared", ([0, 0], [0.1, 0.2]), 0),
    Row("auc_logistic", ([1, 1], [0.1, 0.2]), 0),
]
MASKS = [
    Row("dice", (EMPTY, EMPTY), 1),
    Row("tversky", (EMPTY, EMPTY), 1),
    Row("soft_dice", (EMPTY, EMPTY), 0),
    Row("squared_dice", (EMPTY, EMPTY), 0),
    Row("squared_dice", ([[0.0, 0], [1, 1]], [[0.0, 0], [1, 0]]), (1 - 2 / 3) / 2),
    Row("soft_jaccard", (EMPTY, EMPTY), 0),
    Row("soft_tversky", (EMPTY, EMPTY), 0),
]
QUOTIENTS = [
    Row("smape", ([0.0, 1], [0.0, 2]), 1 / 3, slopes={"yhat": [0, 2 / 9]}),
    Row("smape", ([0.0], [1.0]), 2),
    Row("mean_absolute_percentage_error", ([0.0, 2], [0.0, 1]), 25),
]
MASKED_CLASSES = [
    Row(
        "categorical_crossentropy_from_logits",
        (TARGET, MASKED),
        NLL,
        slopes={"z": [[0.24472848, -0.33475906, 0, 0.09003057]]},
    ),
    Row(
        "kl_divergence_from_logits",
        (TARGET, MASKED),
        NLL,
        slopes={"z": [[0.24472848, -0.33475906, 0, 0.09003057]]},
    ),
    Row("sparse_categorical_crossentropy_from_logits", ([1], MASKED), NLL),
    Row(
        "kl_divergence_from_log_probabilities",
        ([[0.0, 1, 0, 0]], LOG_MASKED),
        np.log(2),
        slopes={"logp": [[0, -1, 0, 0]]},
    ),
    Row(
        "kl_divergence_with_log_targets",
        (LOG_MASKED, LOG_MASKED),
        0,
        slopes={"logp": [[-0.5, -0.5, 0, 0]]},
    ),
    Row("relative_entropy", (ONE, ONE), 0),
    Row("jensen_shannon", (ONE, [[0.0, 1, 0]]), np.log(2)),
]
COUNTS = [
    Row("class_balanced_ce", ([0, 1], [[1.0, 2, 0, 1], [0, 0, 0, 0]]), None,
        {"n": [310, 2489, 0, 17]}),
    Row("balanced_softmax_ce", ([0], [[0.0, 0, 0]], [1.0, 3, 0]), np.log(4)),
    Row("ldam", ([0], [[0.0, 0, 0]], [1.0, 16, 0]), np.log(1 + 2 * np.exp(15))),
]  # fmt: skip

ROWS = [*COSINES, *LISTS_OF_NOTHING, *MASKS, *QUOTIENTS, *MASKED_CLASSES, *COUNTS]


@pytest.mark.by_plan
@pytest.mark.parametrize("row", ROWS, ids=[r.name for r in ROWS])
def test_nothing(row: Row) -> None:
    loss = library(row.name)
    arrays = [np.array(x) for x in row.inputs]
    data = [a.astype("float32") if a.dtype == np.float64 else a for a in arrays]
    value, grads = loss.value_and_grad(*data, **row.params)
    assert np.isfinite(value)
    if row.value is not None:
        assert float(value) == pytest.approx(row.value, rel=2e-6, abs=1e-7)
    target = next(iter(loss.inputs))
    for name, grad in grads.items():
        assert name == target or np.isfinite(grad).all(), name
    for name, right in row.slopes.items():
        np.testing.assert_allclose(grads[name], right, rtol=1e-5, atol=1e-7)


def test_counts_of_nothing_leave_their_class_out() -> None:
    """The weights are Cui's over the classes that have samples, and add up to their number."""
    z = np.array([[1.0, 2, 0, 1], [0, 0, 0, 0], [3, 1, 2, 0]])
    y, n = np.array([0, 1, 3]), np.array([310, 2489, 17])
    w = 0.01 / (1 - 0.99**n)
    w = (3 * w / w.sum())[[0, 1, 2]]
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    expected = -np.mean(w * log_p[np.arange(3), y])
    found = library("class_balanced_ce")(y, z, n=[310, 2489, 0, 17])
    assert float(found) == pytest.approx(expected, rel=1e-12)
