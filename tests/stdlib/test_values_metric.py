"""Losses for metric learning agree with Keras, torch, optax, NumPy and the corpus."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any

import keras
import numpy as np
import pytest
from scipy import special
from scipy.spatial import distance

from tests.stdlib.corpus import corpus
from tests.stdlib.oracles import Case, labelled, numpy, optax, tensorflow, torch

Rng = np.random.Generator
N, D, C = 6, 3, 3
LABELS = np.array([0, 0, 1, 1, 1, 2])


def triplets(rng: Rng) -> dict[str, Any]:
    return {name: rng.normal(size=(N, D)) for name in ("anchor", "positive", "negative")}


def quadruplets(rng: Rng) -> dict[str, Any]:
    return {**triplets(rng), "other": rng.normal(size=(N, D))}


def clusters(rng: Rng) -> dict[str, Any]:
    return {"y": LABELS, "e": rng.normal(size=(N, D))}


def sphere(rng: Rng) -> dict[str, Any]:
    e = rng.normal(size=(N, D))
    return {"y": LABELS, "e": e / np.linalg.norm(e, axis=1, keepdims=True)}


def apart(rng: Rng) -> dict[str, Any]:
    return {"positive": rng.gamma(2, 1, 8), "negative": rng.gamma(2, 1, 8)}


def pairs(rng: Rng) -> dict[str, Any]:
    return {"y": rng.choice([-1.0, 1.0], 8), "distance": rng.gamma(2, 1, 8)}


def cosines(rng: Rng) -> dict[str, Any]:
    return {"y": LABELS, "s": rng.uniform(-0.9, 0.9, (N, C))}


def centres(rng: Rng) -> dict[str, Any]:
    return {"y": LABELS, "s": rng.uniform(-0.9, 0.9, (N, C, 2))}


def with_centres(rng: Rng) -> dict[str, Any]:
    return {**clusters(rng), "centers": rng.normal(size=(C, D))}


def tuplets(rng: Rng) -> dict[str, Any]:
    return {"positive": rng.uniform(-0.9, 0.9, N), "negative": rng.uniform(-0.9, 0.9, (N, 4))}


def euclidean(e: np.ndarray, metric: str = "euclidean") -> np.ndarray:
    return distance.squareform(distance.pdist(e, metric))


def semi_hard(y: np.ndarray, e: np.ndarray) -> float:
    d = euclidean(e, "sqeuclidean")
    found = []
    for i, j in permutations(range(N), 2):
        if y[i] == y[j]:
            negatives = d[i][y != y[i]]
            farther = negatives[negatives > d[i, j]]
            negative = farther.min() if len(farther) else negatives.max()
            found.append(max(0, d[i, j] - negative + 0.5))
    return float(np.mean(found))


def squared(u: Any, v: Any) -> Any:
    return ((u - v) ** 2).sum(-1)


def quadruplet(F: Any, a: Any, p: Any, n: Any, o: Any) -> Any:
    return F.relu(squared(a, p) - squared(a, n) + 1) + F.relu(squared(a, p) - squared(n, o) + 0.5)


def angular(F: Any, a: Any, p: Any, n: Any) -> Any:
    return F.relu(squared(a, p) - 4 * np.tan(0.6) ** 2 * squared(n, (a + p) / 2))


def contrastive(y: np.ndarray, e: np.ndarray) -> float:
    d = euclidean(e)
    return float(np.mean([
        max(0, d[i, j] - 0.2) ** 2 if y[i] == y[j] else max(0, 1.5 - d[i, j]) ** 2
        for i, j in combinations(range(N), 2)
    ]))  # fmt: skip


def lifted(y: np.ndarray, e: np.ndarray) -> float:
    d = euclidean(e)
    found = []
    for i, j in combinations(range(N), 2):
        if y[i] == y[j]:
            others = y != y[i]
            both = np.concatenate([1 - d[i][others], 1 - d[j][others]])
            found.append(max(0, special.logsumexp(both) + d[i, j]) ** 2 / 2)
    return float(np.mean(found))


def neighbours(y: np.ndarray, e: np.ndarray) -> float:
    weights = np.exp(-euclidean(e, "sqeuclidean"))
    np.fill_diagonal(weights, 0)
    p = weights / weights.sum(-1, keepdims=True)
    return float(1 - (p * (y[:, None] == y)).sum() / N)


def tuplet(p: np.ndarray, n: np.ndarray) -> np.ndarray:
    return np.log(1 + np.exp(16 * (n - np.cos(np.arccos(p) - 0.1)[:, None])).sum(-1))


def soft_triple(y: np.ndarray, s: np.ndarray) -> np.ndarray:
    best = (special.softmax(s / 0.1, -1) * s).sum(-1)
    return -special.log_softmax(20 * (best - 0.01 * np.eye(C)[y]), -1)[np.arange(N), y]


def arcface(F: Any, y: Any, s: Any) -> Any:
    moved = (s.arccos() + 0.5).cos()
    return F.cross_entropy(16 * s.where(F.one_hot(y, C) == 0, moved), y)


CASES = [
    Case("triplet_margin", torch(lambda F, a, p, n: F.triplet_margin_loss(a, p, n)), triplets,
         wrt=("anchor", "positive", "negative")),
    Case("triplet_margin",
         torch(lambda F, a, p, n: F.triplet_margin_loss(a, p, n, margin=2, p=3, swap=True)),
         triplets, {"margin": 2, "p": 3, "swap": True}),
    Case("smooth_triplet_margin",
         optax(lambda o, a, p, n: o.triplet_margin_loss(a, p, n, margin=0.5)),
         triplets, {"margin": 0.5}),
    corpus("smooth_triplet_margin", "triplet_margin"),
    Case("triplet_margin_with_distance",
         torch(lambda F, p, n: F.triplet_margin_with_distance_loss(
             p[:, None], p[:, None] * 0, n[:, None],
             distance_function=lambda u, v: abs(u - v)[:, 0] if v.sum() == 0 else v[:, 0])),
         apart),
    corpus("triplet_batch_all"),
    corpus("triplet_batch_hard"),
    Case("triplet_semi_hard", numpy(semi_hard), clusters, {"margin": 0.5}),
    Case("quadruplet", torch(quadruplet), quadruplets),
    Case("angular", torch(angular), triplets, {"alpha": 0.6}),
    Case("circle", tensorflow(keras.losses.Circle(gamma=8, margin=0.3, dtype="float64")), sphere,
         {"gamma": 8, "margin": 0.3}),
    Case("circle",
         tensorflow(keras.losses.Circle(gamma=8, remove_diagonal=False, dtype="float64")), sphere,
         {"gamma": 8, "remove_diagonal": False}),
    corpus("circle_loss"),
    corpus("multi_similarity"),
    Case("contrastive_batch", numpy(contrastive), clusters,
         {"positive_margin": 0.2, "negative_margin": 1.5}),
    Case("margin_pairs", torch(lambda F, y, d: F.relu(0.2 + y * (d - 1.2))), pairs),
    Case("lifted_structure", numpy(lifted), clusters),
    Case("nca", numpy(neighbours), clusters),
    Case("tuplet_margin", numpy(tuplet), tuplets, {"scale": 16}),
    corpus("proxy_nca"),
    corpus("proxy_anchor"),
    Case("soft_triple", numpy(soft_triple), centres),
    Case("center", torch(lambda F, y, e, c: ((e - c[y]) ** 2).sum(-1) / 2), with_centres),
    Case("normface", torch(lambda F, y, s: F.cross_entropy(30 * s, y)), cosines),
    Case("cosface",
         torch(lambda F, y, s: F.cross_entropy(16 * (s - 0.35 * F.one_hot(y, C)), y)), cosines,
         {"scale": 16}),
    Case("arcface", torch(arcface), cosines, {"scale": 16}),
]  # fmt: skip


@pytest.mark.by_plan
@pytest.mark.parametrize("case", labelled(CASES))
def test_agrees(case: Case) -> None:
    case.check()
