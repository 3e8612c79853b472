"""Losses for masks agree with Keras, torch, optax, NumPy and the corpus."""

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
N, H, W, C = 3, 4, 5, 3


def masks(rng: Rng) -> dict[str, Any]:
    y = rng.integers(0, 2, (N, H, W)) * 1.0
    return {"y": y, "p": rng.uniform(0.05, 0.95, (N, H, W))}


def logits(rng: Rng) -> dict[str, Any]:
    data = masks(rng)
    return {"y": data["y"], "z": special.logit(data["p"])}


def classes(rng: Rng) -> dict[str, Any]:
    y = np.eye(C)[rng.integers(0, C, (N, H, W))]
    return {"y": y, "p": special.softmax(rng.normal(size=(N, H, W, C)), -1)}


def labels(rng: Rng) -> dict[str, Any]:
    return {
        "y": rng.integers(0, C, (N, 8)), "p": special.softmax(rng.normal(size=(N, 8, C)), -1)
    }  # fmt: skip


def distances(rng: Rng) -> dict[str, Any]:
    return {**masks(rng), "dy": rng.gamma(1, 1, (N, H, W)), "dp": rng.gamma(1, 1, (N, H, W))}


def signed(rng: Rng) -> dict[str, Any]:
    return {"distance": rng.normal(size=(N, H, W)), "p": rng.uniform(0, 1, (N, H, W))}


def total(x: Any) -> Any:
    return x.sum((1, 2))


def dice(y: Any, p: Any, smooth: float = 1) -> Any:
    return 1 - (2 * total(y * p) + smooth) / (total(y) + total(p) + smooth)


def generalized(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        w = total(y) ** -2.0
    w[np.isinf(w)] = 0
    return 1 - 2 * (w * total(y * p)).sum(-1) / (w * (total(y) + total(p))).sum(-1)


def power_jaccard(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    inter = total(y * p)
    return 1 - (inter + 1) / (total(y**1.5) + total(p**1.5) - inter + 1)


def tversky(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    tp, fp, fn = total(y * p), total((1 - y) * p), total(y * (1 - p))
    return 1 - (tp + 1) / (tp + 0.3 * fp + 0.7 * fn + 1)


def two_sided(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    error = (y - p) ** 2
    return 0.05 * total(error * y) / total(y) + 0.95 * total(error * (1 - y)) / total(1 - y)


def combo(y: np.ndarray, p: np.ndarray) -> float:
    ce = -(0.7 * y * np.log(p) + 0.3 * (1 - y) * np.log(1 - p)).mean()
    return float(0.4 * ce - 0.6 * (2 * (y * p).sum() + 1) / (y.sum() + p.sum() + 1))


def lovasz(errors: np.ndarray, own: np.ndarray) -> float:
    """The extension by its definition: a sum of Jaccard losses of growing sets of mistakes."""
    order = np.argsort(-errors)
    found, before = 0.0, 0.0
    for k in range(len(order)):
        wrong = np.zeros(len(own), bool)
        wrong[order[: k + 1]] = True
        predicted = own.astype(bool) ^ wrong
        union = (predicted | own.astype(bool)).sum()
        jaccard = 1 - (predicted & own.astype(bool)).sum() / union if union else 0.0
        found += errors[order[k]] * (jaccard - before)
        before = jaccard
    return found


def lovasz_softmax(y: np.ndarray, p: np.ndarray) -> float:
    samples = []
    for labels, probabilities in zip(y, p, strict=True):
        present = np.unique(labels)
        own = [(labels == c) * 1.0 for c in present]
        each = [
            lovasz(np.abs(o - probabilities[:, c]), o) for o, c in zip(own, present, strict=True)
        ]
        samples.append(np.mean(each))
    return float(np.mean(samples))


def contour(y: np.ndarray, p: np.ndarray) -> float:
    dh, dw = np.diff(p, axis=1)[:, :, :-1], np.diff(p, axis=2)[:, :-1]
    length = np.sqrt(dh**2 + dw**2 + 1e-8).mean()
    return float(length + 2 * (p * (1 - y) ** 2 + (1 - p) * y**2).mean())


CASES = [
    Case("dice", tensorflow(K.dice), masks),
    Case("tversky", tensorflow(lambda y, p: K.tversky(y, p, 0.3, 0.8)), masks,
         {"alpha": 0.3, "beta": 0.8}),
    corpus("soft_dice_batch"),
    corpus("log_cosh_dice"),
    corpus("mcc_loss"),
    Case("soft_dice", torch(lambda F, y, p: dice(y, p)), masks),
    Case("squared_dice", numpy(lambda y, p: 1 - 2 * total(y * p) / (total(y**2) + total(p**2))),
         masks),
    Case("multiclass_dice",
         optax(lambda o, y, p: o.dice_loss(p, y, smooth=0.5, apply_softmax=False)), classes),
    Case("generalized_dice", numpy(generalized), classes),
    Case("noise_robust_dice",
         numpy(lambda y, p: total(abs(p - y) ** 1.5) / (total(p**2) + total(y**2) + 1e-5)), masks),
    Case("exp_log_dice", numpy(lambda y, p: (-np.log(1 - dice(y, p))) ** 0.3), masks),
    corpus("soft_jaccard"),
    Case("power_jaccard", numpy(power_jaccard), masks, {"power": 1.5}),
    corpus("soft_tversky", "tversky"),
    Case("focal_tversky", numpy(lambda y, p: tversky(y, p) ** 0.75), masks),
    Case("sensitivity_specificity", numpy(two_sided), masks),
    corpus("bce_dice_combo"),
    Case("combo", numpy(combo), masks, {"alpha": 0.4, "beta": 0.7}),
    corpus("lovasz_hinge"),
    Case("lovasz_softmax", numpy(lovasz_softmax), labels),
    Case("boundary", numpy(lambda d, p: d * p), signed),
    Case("hausdorff_distance", numpy(lambda y, p, dy, dp: (y - p) ** 2 * (dy**2 + dp**2)),
         distances, wrt=("p",)),
    Case("active_contour", numpy(contour), masks, {"weight": 2}),
    corpus("cldice_soft_skeleton"),
]  # fmt: skip


@pytest.mark.by_plan
@pytest.mark.parametrize("case", labelled(CASES))
def test_agrees(case: Case) -> None:
    case.check()
