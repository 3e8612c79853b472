"""Contrastive losses agree with torch, optax, NumPy and the corpus."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special
from scipy.spatial import distance

from tests.stdlib.corpus import corpus
from tests.stdlib.oracles import Case, labelled, numpy, optax, torch

Rng = np.random.Generator
N, D = 5, 3


def views(rng: Rng) -> dict[str, Any]:
    return {"u": rng.normal(size=(N, D)), "v": rng.normal(size=(N, D))}


def both(rng: Rng) -> dict[str, Any]:
    return {"z1": rng.normal(size=(N, D)), "z2": rng.normal(size=(N, D))}


def anchors(rng: Rng) -> dict[str, Any]:
    return {"anchor": rng.normal(size=(N, D)), "positive": rng.normal(size=(N, D))}


def clusters(rng: Rng) -> dict[str, Any]:
    return {"y": np.array([0, 0, 1, 1, 1, 2]), "e": rng.normal(size=(6, D))}


def signed(rng: Rng) -> dict[str, Any]:
    return {
        "y": rng.choice([-1.0, 1.0], N),
        "a": rng.normal(size=(N, D)),
        "b": rng.normal(size=(N, D)),
    }


def keys(rng: Rng) -> dict[str, Any]:
    return {
        "q": rng.normal(size=(N, D)), "k": rng.normal(size=(N, D)), "queue": rng.normal(size=(7, D))
    }  # fmt: skip


def sampled(rng: Rng) -> dict[str, Any]:
    return {"positive": rng.uniform(-1, 1, N), "negative": rng.uniform(-1, 1, (N, 4))}


def noise(rng: Rng) -> dict[str, Any]:
    return {
        "positive": rng.normal(size=N), "log_q": rng.normal(size=N),
        "negative": rng.normal(size=(N, 4)), "log_q_negative": rng.normal(size=(N, 4)),
    }  # fmt: skip


def similar(F: Any, u: Any, v: Any) -> Any:
    """The cosines of all pairs."""
    return F.normalize(u) @ F.normalize(v).T


def diagonal(F: Any, scores: Any) -> Any:
    """The cross-entropy of the rows, each of which should pick itself."""
    return F.cross_entropy(scores, scores.new_tensor(range(len(scores))).long())


def siglip(F: Any, u: Any, v: Any) -> Any:
    signs = 2 * F.one_hot(u.new_tensor(range(N)).long(), N) - 1
    return -F.logsigmoid(signs * (10 * similar(F, u, v) - 10)).sum() / N


def supervised(y: np.ndarray, e: np.ndarray) -> float:
    """By loops; the class of one has no partner and counts as 0."""
    z = e / np.linalg.norm(e, axis=1, keepdims=True)
    s = z @ z.T / 0.1
    total = 0.0
    for i in range(len(y)):
        others = [j for j in range(len(y)) if j != i]
        partners = [j for j in others if y[j] == y[i]]
        if partners:
            total -= np.mean([s[i, j] - special.logsumexp(s[i, others]) for j in partners])
    return total / len(y)


def decoupled(F: Any, u: Any, v: Any) -> Any:
    own, cross = similar(F, u, u) / 0.1, similar(F, u, v) / 0.1
    hidden = F.one_hot(u.new_tensor(range(N)).long(), N).bool()
    others = own.masked_fill(hidden, -np.inf).logaddexp(cross.masked_fill(hidden, -np.inf))
    return others.logsumexp(-1) - cross.diagonal()


def moco(F: Any, q: Any, k: Any, queue: Any) -> Any:
    scores = F.pad(q @ queue.T, (1, 0)) + F.pad((q * k).sum(-1, True), (0, len(queue)))
    return F.cross_entropy(scores / 0.2, scores.new_tensor([0] * len(q)).long())


def vse(F: Any, u: Any, v: Any) -> Any:
    s = similar(F, u, v)
    own = s.diagonal()
    s = s - 10 * F.one_hot(s.new_tensor(range(N)).long(), N)
    return F.relu(0.2 - own + s.max(1)[0]) + F.relu(0.2 - own + s.max(0)[0])


def told_apart(F: Any, p: Any, q: Any, n: Any, qn: Any) -> Any:
    odds, noise = p - q - np.log(4), n - qn - np.log(4)
    right = F.binary_cross_entropy_with_logits(odds, odds * 0 + 1)
    return right + 4 * F.binary_cross_entropy_with_logits(noise, noise * 0)


def debiased(p: np.ndarray, n: np.ndarray, beta: float = 0) -> np.ndarray:
    """As the authors' code: exponentials first, then the correction."""
    positive, negative = np.exp(p / 0.5), np.exp(n / 0.5)
    weight = negative**beta
    reweighted = (weight * negative).sum(-1) / weight.mean(-1)
    rest = np.maximum((reweighted - 4 * 0.1 * positive) / 0.9, 4 * np.exp(-1 / 0.5))
    return -np.log(positive / (positive + rest))


def soft_neighbours(y: np.ndarray, e: np.ndarray) -> float:
    weights = np.exp(-distance.squareform(distance.pdist(e, "sqeuclidean")) / 0.8)
    np.fill_diagonal(weights, 0)
    own = (weights * (y[:, None] == y)).sum(-1)
    shares = (own / weights.sum(-1))[own > 0]
    return float(-np.log(shares).mean())


CASES = [
    corpus("contrastive_pair"),
    Case("hinge_embedding", torch(lambda F, y, d: F.hinge_embedding_loss(d, y, margin=1.5)),
         lambda rng: {"y": rng.choice([-1.0, 1.0], 8), "distance": rng.gamma(2, 1, 8)},
         {"margin": 1.5}),
    Case("cosine_embedding",
         torch(lambda F, y, a, b: F.cosine_embedding_loss(a, b, y, margin=0.1)), signed,
         {"margin": 0.1}),
    Case("info_nce", torch(lambda F, u, v: diagonal(F, u @ v.T / 0.5)), views,
         {"temperature": 0.5}),
    Case("clip_contrastive",
         torch(lambda F, u, v: (diagonal(F, similar(F, u, v) / 0.07)
                                + diagonal(F, similar(F, v, u) / 0.07)) / 2), views),
    Case("siglip", torch(siglip), views),
    corpus("nt_xent"),
    Case("ntxent_labels", optax(lambda o, y, e: o.ntxent(e, y)), clusters),
    Case("supervised_contrastive", numpy(supervised), clusters),
    Case("decoupled_contrastive", torch(decoupled), both),
    Case("moco", torch(moco), keys, {"temperature": 0.2}, ("q", "k", "queue")),
    Case("n_pair", torch(lambda F, a, p: diagonal(F, a @ p.T)), anchors),
    Case("hardest_pair_hinge", torch(vse), views),
    Case("negative_sampling",
         torch(lambda F, p, n: -F.logsigmoid(p) - F.logsigmoid(-n).sum(-1)), sampled),
    Case("noise_contrastive", torch(told_apart), noise),
    Case("debiased_contrastive", numpy(debiased), sampled),
    Case("hard_negative_contrastive", numpy(lambda p, n: debiased(p, n, 0.7)), sampled,
         {"beta": 0.7}),
    Case("alignment", numpy(lambda u, v: np.linalg.norm(u - v, axis=1) ** 3), views, {"alpha": 3}),
    Case("uniformity",
         numpy(lambda u: np.log(np.exp(-2 * distance.pdist(u, "sqeuclidean")).mean())),
         lambda rng: {"u": rng.normal(size=(N, D))}, wrt=("u",)),
    Case("soft_nearest_neighbor", numpy(soft_neighbours), clusters, {"temperature": 0.8}),
]  # fmt: skip


@pytest.mark.by_plan
@pytest.mark.parametrize("case", labelled(CASES))
def test_agrees(case: Case) -> None:
    case.check()
