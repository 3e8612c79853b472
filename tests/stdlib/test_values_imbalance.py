"""Losses for classes of unequal size agree with Keras, torch, optax, NumPy and the corpus."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from scipy import special

from tests.stdlib.corpus import corpus
from tests.stdlib.oracles import Case, labelled, numpy, optax, tensorflow, torch

K = keras.losses
Rng = np.random.Generator
N, C = 6, 4


def binary_p(rng: Rng) -> dict[str, Any]:
    return {"y": rng.integers(0, 2, (N, C)) * 1.0, "p": rng.uniform(0.05, 0.95, (N, C))}


def binary_z(rng: Rng) -> dict[str, Any]:
    return {"y": rng.integers(0, 2, (N, C)) * 1.0, "z": 2 * rng.normal(size=(N, C))}


def soft_z(rng: Rng) -> dict[str, Any]:
    return {"y": special.softmax(rng.normal(size=(N, C)), -1), "z": rng.normal(size=(N, C))}


def soft_p(rng: Rng) -> dict[str, Any]:
    data = soft_z(rng)
    return {"y": data["y"], "p": special.softmax(data["z"], -1)}


def label_z(rng: Rng) -> dict[str, Any]:
    return {"y": rng.integers(0, C, N), "z": rng.normal(size=(N, C))}


def counted(rng: Rng) -> dict[str, Any]:
    return {**label_z(rng), "n": np.array([200.0, 50.0, 10.0, 3.0])}


def weighted(rng: Rng) -> dict[str, Any]:
    data = label_z(rng)
    data["y"][2] = -1
    return {**data, "w": rng.uniform(0.2, 2, C)}


def scaled(rng: Rng) -> dict[str, Any]:
    return {**label_z(rng), "delta": rng.uniform(0.2, 2, C), "iota": rng.normal(size=C)}


def quality(rng: Rng) -> dict[str, Any]:
    data = binary_z(rng)
    return {"y": data["y"] * rng.uniform(0.1, 1, (N, C)), "z": data["z"]}


def bce(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return -special.xlogy(y, p) - special.xlog1py(1 - y, -p)


def quality_focal(y: np.ndarray, z: np.ndarray) -> np.ndarray:
    p = special.expit(z)
    return (y - p) ** 2 * bce(y, p)


def varifocal(y: np.ndarray, z: np.ndarray) -> np.ndarray:
    p = special.expit(z)
    return np.where(y > 0, y * bce(y, p), -0.75 * p**2 * np.log(1 - p))


def asymmetric(y: np.ndarray, z: np.ndarray) -> np.ndarray:
    p = special.expit(z)
    shifted = np.maximum(p - 0.05, 0)
    positive = (1 - p) * np.log(p)
    return -np.where(y == 1, positive, shifted**4 * np.log(1 - shifted))


def balanced(y: np.ndarray, z: np.ndarray) -> np.ndarray:
    p = special.expit(z)
    share = y.mean(-1, keepdims=True)
    return (-(1 - share) * y * np.log(p) - share * (1 - y) * np.log(1 - p)).sum(-1)


def ldam(y: np.ndarray, z: np.ndarray, n: np.ndarray) -> np.ndarray:
    m = n**-0.25
    m = 0.5 * m / m.max()
    moved = z - np.eye(C)[y] * m[y][:, None]
    return -special.log_softmax(30 * moved, -1)[np.arange(N), y]


def hardest(y: np.ndarray, z: np.ndarray) -> float:
    ce = -special.log_softmax(z, -1)[np.arange(N), y]
    return float(np.sort(ce)[-3:].mean())


def self_adjusting(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    q = (1 - p) ** 0.5 * p
    return 1 - (2 * q * y + 1) / (q + y + 1)


def focal_of(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The focal loss of probabilities of sum 1, a tenth of each label spread."""
    return (0.3 * (1 - p) ** 1.5 * -(0.9 * y + 0.025) * np.log(p)).sum(-1)


BALANCED = {"apply_class_balancing": True, "alpha": 0.3, "gamma": 1.5, "label_smoothing": 0.1}
FOCAL = {"alpha": 0.3, "gamma": 1.5, "label_smoothing": 0.1}

CASES = [
    Case("binary_focal_crossentropy", tensorflow(K.binary_focal_crossentropy), binary_p),
    Case(
        "binary_focal_crossentropy",
        tensorflow(lambda y, p: K.binary_focal_crossentropy(y, p, **BALANCED)),
        binary_p, BALANCED,
    ),
    Case(
        "binary_focal_crossentropy_from_logits",
        tensorflow(lambda y, z: K.binary_focal_crossentropy(y, z, from_logits=True, **BALANCED)),
        binary_z, BALANCED,
    ),
    Case("sigmoid_focal", optax(lambda o, y, z: o.sigmoid_focal_loss(z, y, alpha=0.25)), binary_z),
    corpus("sigmoid_focal"),
    Case(
        "categorical_focal_crossentropy",
        numpy(lambda y, p: focal_of(y, p / p.sum(-1, keepdims=True))), soft_p, FOCAL,
    ),
    Case(
        "categorical_focal_crossentropy_from_logits",
        tensorflow(lambda y, z: K.categorical_focal_crossentropy(y, z, from_logits=True, **FOCAL)),
        soft_z, FOCAL,
    ),
    Case(
        "sparse_focal_from_logits",
        torch(lambda F, y, z: (1 - (-F.cross_entropy(z, y, reduction="none")).exp()) ** 2
              * F.cross_entropy(z, y, reduction="none")),
        label_z,
    ),
    Case(
        "poly1_focal",
        optax(lambda o, y, z: o.sigmoid_focal_loss(z, y)
              + abs(y - 1 / (1 + np.e ** -z)) ** 3), binary_z,
    ),
    Case("quality_focal", numpy(quality_focal), quality, wrt=("z",)),
    Case("varifocal", numpy(varifocal), quality, wrt=("z",)),
    Case("asymmetric_multilabel", numpy(asymmetric), binary_z, {"gamma_pos": 1}),
    corpus("centernet_heatmap_focal"),
    Case(
        "weighted_ce", torch(lambda F, y, z, w: F.cross_entropy(z, y, weight=w, ignore_index=-1)),
        weighted, wrt=("z",),
    ),
    Case(
        "pos_weighted_bce",
        torch(lambda F, y, z, w: F.binary_cross_entropy_with_logits(z, y, pos_weight=w)),
        lambda rng: {**binary_z(rng), "pos_weight": rng.uniform(0.2, 5, C)}, wrt=("z",),
    ),
    Case("balanced_bce", numpy(balanced), binary_z),
    corpus("class_balanced_ce"),
    corpus("logit_adjusted_ce"),
    Case(
        "balanced_softmax_ce", torch(lambda F, y, z, n: F.cross_entropy(z + n.log(), y)), counted
    ),
    Case(
        "vector_scaling_ce", torch(lambda F, y, z, d, i: F.cross_entropy(d * z + i, y)), scaled
    ),
    Case("ldam", numpy(ldam), counted, wrt=("z",)),
    Case("hard_example_ce", numpy(hardest), label_z, {"k": 3}),
    Case("self_adjusting_dice", numpy(self_adjusting), binary_p, {"alpha": 0.5}),
]  # fmt: skip


@pytest.mark.by_plan
@pytest.mark.parametrize("case", labelled(CASES))
def test_agrees(case: Case) -> None:
    case.check()
