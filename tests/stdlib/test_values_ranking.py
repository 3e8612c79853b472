"""Losses for the order of items agree with torch, optax, NumPy and the corpus."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from scipy import special

from tests.stdlib.corpus import corpus
from tests.stdlib.oracles import Case, labelled, numpy, optax, torch

Rng = np.random.Generator
N, M = 3, 5


def lists(rng: Rng) -> dict[str, Any]:
    y = np.stack([rng.permutation(M) for _ in range(N)]) * 0.7
    return {"y": y, "s": rng.normal(size=(N, M))}


def relevant(rng: Rng) -> dict[str, Any]:
    y = np.array([[1, 0, 1, 0, 0], [0, 0, 0, 1, 0], [1, 1, 1, 0, 0]])
    return {"y": y, "s": rng.normal(size=(N, M))}


def labels(rng: Rng) -> dict[str, Any]:
    return {"y": np.array([1, 0, 0, 1, 0, 1, 0]), "s": rng.normal(size=7)}


def pairs(rng: Rng) -> dict[str, Any]:
    return {"positive": rng.normal(size=8), "negative": rng.normal(size=8)}


def sampled(rng: Rng) -> dict[str, Any]:
    return {"positive": rng.normal(size=8), "negative": rng.normal(size=(8, 3))}


def choices(rng: Rng) -> dict[str, Any]:
    return {"t": rng.choice([-1.0, 1.0], 8), "x1": rng.normal(size=8), "x2": rng.normal(size=8)}


def over_pairs(cost: Any) -> Any:
    """The mean over lists of the mean cost of the pairs in order, by loops."""

    def value(y: np.ndarray, s: np.ndarray) -> np.ndarray:
        return np.array([
            np.mean([cost(s[n, i] - s[n, j]) for i, j in permutations(range(M), 2)
                     if y[n, i] > y[n, j]])
            for n in range(N)
        ])  # fmt: skip

    return numpy(value)


def squared_differences(y: np.ndarray, s: np.ndarray) -> float:
    """The mean over ordered pairs is twice the variance, with Bessel's correction."""
    return float(2 * np.var(y - s, axis=-1, ddof=1).mean())


def plackett_luce(y: np.ndarray, s: np.ndarray) -> np.ndarray:
    found = []
    for order, scores in zip(np.argsort(-y, axis=-1), s, strict=True):
        ranked = list(scores[order])
        found.append(sum(special.logsumexp(ranked[k:]) - ranked[k] for k in range(M)))
    return np.array(found)


def unique(y: np.ndarray, s: np.ndarray) -> float:
    total = 0.0
    for n, i in np.ndindex(N, M):
        rest = [s[n, i]] + [s[n, j] for j in range(M) if y[n, j] < y[n, i]]
        total += (2 ** y[n, i] - 1) * (special.logsumexp(rest) - s[n, i])
    return total / N


def soft_ranks(s: np.ndarray, temperature: float) -> np.ndarray:
    steps = special.expit((s[:, None, :] - s[:, :, None]) / temperature)
    return steps.sum(-1) + 0.5


def smooth_ap(y: np.ndarray, s: np.ndarray) -> np.ndarray:
    steps = special.expit((s[:, None, :] - s[:, :, None]) / 0.5) * (1 - np.eye(M))
    precision = (1 + (steps * y[:, None]).sum(-1)) / (1 + steps.sum(-1))
    return 1 - (precision * y).sum(-1) / y.sum(-1)


def bpr_max(p: np.ndarray, n: np.ndarray) -> np.ndarray:
    share = special.softmax(n, -1)
    return -np.log((share * special.expit(p[:, None] - n)).sum(-1)) + 0.5 * (share * n**2).sum(-1)


def gaps(y: np.ndarray, s: np.ndarray) -> np.ndarray:
    return s[y == 1][:, None] - s[y == 0][None, :]


CASES = [
    corpus("margin_ranking", margin=0.2),
    Case("margin_ranking", torch(lambda F, t, a, b: F.margin_ranking_loss(a, b, t)), choices),
    Case("ranknet", over_pairs(lambda gap: -special.log_expit(gap)), lists),
    Case("pairwise_hinge", over_pairs(lambda gap: max(0, 0.7 - gap)), lists, {"margin": 0.7}),
    Case("pairwise_squared_error", numpy(squared_differences), lists),
    corpus("lambdarank_ndcg"),
    corpus("listnet"),
    Case("listmle", numpy(plackett_luce), lists, wrt=("s",)),
    Case("ranking_softmax", optax(lambda o, y, s: o.ranking_softmax_loss(s, y)), lists),
    corpus("softmax_rank_masked"),
    Case("unique_softmax", numpy(unique), lists),
    corpus("approx_ndcg"),
    Case("approx_mrr", numpy(lambda y, s: -(y / soft_ranks(s, 0.5)).sum(-1) / y.sum(-1)),
         relevant, {"temperature": 0.5}),
    Case("smooth_ap", numpy(smooth_ap), relevant, {"temperature": 0.5}),
    Case("bpr", torch(lambda F, p, n: -F.logsigmoid(p - n)), pairs),
    Case("top1", torch(lambda F, p, n: (n - p[:, None]).sigmoid() + (n**2).sigmoid()), sampled),
    Case("bpr_max", numpy(bpr_max), sampled, {"lam": 0.5}),
    Case("hardest_negative_hinge",
         torch(lambda F, p, n: F.margin_ranking_loss(p, n.max(-1)[0], p * 0 + 1, margin=0.5)),
         sampled, {"margin": 0.5}),
    Case("auc_squared", numpy(lambda y, s: (1 - gaps(y, s)) ** 2), labels),
    Case("auc_logistic", numpy(lambda y, s: -special.log_expit(gaps(y, s))), labels),
    Case("wilcoxon_mann_whitney", numpy(lambda y, s: np.maximum(0.3 - gaps(y, s), 0) ** 2), labels),
    Case("p_norm_push", numpy(lambda y, s: np.exp(-gaps(y, s)).mean(0) ** 4), labels),
]  # fmt: skip


@pytest.mark.by_plan
@pytest.mark.parametrize("case", labelled(CASES))
def test_agrees(case: Case) -> None:
    case.check()
