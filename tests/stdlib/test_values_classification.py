"""Losses for classes agree with Keras, torch, optax, SciPy, NumPy and the corpus."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from scipy import optimize, special

from tests.stdlib.corpus import corpus
from tests.stdlib.oracles import Case, labelled, numpy, optax, tensorflow, torch

K = keras.losses
Rng = np.random.Generator
N, C = 6, 4


def simplex(rng: Rng) -> np.ndarray:
    return special.softmax(rng.normal(size=(N, C)), axis=-1)


def one_hot(rng: Rng) -> np.ndarray:
    return np.eye(C)[rng.integers(0, C, N)]


def binary_p(rng: Rng) -> dict[str, Any]:
    return {"y": rng.integers(0, 2, (N, C)) * 1.0, "p": rng.uniform(0.05, 0.95, (N, C))}


def binary_z(rng: Rng) -> dict[str, Any]:
    return {"y": rng.integers(0, 2, (N, C)) * 1.0, "z": 2 * rng.normal(size=(N, C))}


def signs(rng: Rng) -> dict[str, Any]:
    return {"y": rng.choice([-1.0, 1.0], (N, C)), "yhat": 1.5 * rng.normal(size=(N, C))}


def soft_p(rng: Rng) -> dict[str, Any]:
    return {"y": simplex(rng), "p": simplex(rng)}


def soft_z(rng: Rng) -> dict[str, Any]:
    return {"y": simplex(rng), "z": rng.normal(size=(N, C))}


def hot_p(rng: Rng) -> dict[str, Any]:
    return {"y": one_hot(rng), "p": simplex(rng)}


def hot_z(rng: Rng) -> dict[str, Any]:
    return {"y": one_hot(rng), "z": rng.normal(size=(N, C))}


def label_p(rng: Rng) -> dict[str, Any]:
    return {"y": rng.integers(0, C, N), "p": simplex(rng)}


def label_z(rng: Rng) -> dict[str, Any]:
    return {"y": rng.integers(0, C, N), "z": 2 * rng.normal(size=(N, C))}


def ignored_p(rng: Rng) -> dict[str, Any]:
    data = label_p(rng)
    data["y"][[1, 4]] = 3
    return data


def padded_z(rng: Rng) -> dict[str, Any]:
    data = label_z(rng)
    data["y"][[1, 4]] = -1
    return data


def log_p(rng: Rng) -> dict[str, Any]:
    data = padded_z(rng)
    return {"y": data["y"], "logp": special.log_softmax(data["z"], axis=-1)}


def weighted(rng: Rng) -> dict[str, Any]:
    return {**binary_z(rng), "w": rng.uniform(0.2, 2, C)}


def scores(rng: Rng) -> dict[str, Any]:
    return {"y": one_hot(rng), "yhat": rng.normal(size=(N, C))}


def bits(rng: Rng) -> dict[str, Any]:
    return {"y": rng.integers(0, 2, (N, C)), "yhat": rng.normal(size=(N, C))}


def evidence(rng: Rng) -> dict[str, Any]:
    return {"y": one_hot(rng), "evidence": rng.gamma(2, 1, (N, C))}


def multilabel_margin(F: Any, y: Any, z: Any) -> Any:
    """torch's form: the indices of the true classes, ended by -1."""
    rows = [[j for j in range(C) if row[j] == 1] for row in y.tolist()]
    target = y.new_tensor([row + [-1] * (C - len(row)) for row in rows]).long()
    return F.multilabel_margin_loss(z, target)


def bernoulli_cost(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return -special.xlogy(y, p) - special.xlog1py(1 - y, -p)


def rows(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return x[np.arange(len(y)), y]


def taylor(y: np.ndarray, z: np.ndarray) -> np.ndarray:
    p = rows(y, special.softmax(z, -1))
    return (1 - p) + (1 - p) ** 2 / 2 + (1 - p) ** 3 / 3


def projected(z: np.ndarray) -> np.ndarray:
    """The projection on the simplex, by a root search."""

    def excess(tau: float) -> float:
        return float(np.maximum(z - tau, 0).sum() - 1)

    return np.maximum(z - optimize.brentq(excess, z.min() - 1, z.max(), xtol=1e-15), 0)


def sparsemax(y: np.ndarray, z: np.ndarray) -> np.ndarray:
    p = np.stack([projected(row) for row in z])
    return rows(y, -z) + (p * z).sum(-1) - (p**2).sum(-1) / 2 + 0.5


def dirichlet_mse(y: np.ndarray, evidence: np.ndarray) -> float:
    """The expected squared error from the moments of the Dirichlet distribution."""
    a = evidence + 1
    s = a.sum(-1, keepdims=True)
    second = a * (a + 1) / (s * (s + 1))
    return float((y**2 - 2 * y * a / s + second).sum() / N)


def dirichlet_ce(y: np.ndarray, evidence: np.ndarray) -> float:
    """The expected cross-entropy from the digamma function."""
    a = evidence + 1
    return float((y * (special.psi(a.sum(-1, keepdims=True)) - special.psi(a))).sum() / N)


CROSS_ENTROPY = [
    Case("binary_crossentropy", tensorflow(K.binary_crossentropy), binary_p),
    Case(
        "binary_crossentropy", tensorflow(lambda y, p: K.binary_crossentropy(y, p, False, 0.2)),
        binary_p, {"label_smoothing": 0.2},
    ),
    Case("binary_crossentropy", torch(lambda F, y, p: F.binary_cross_entropy(p, y)), binary_p),
    Case(
        "binary_crossentropy_from_logits",
        tensorflow(lambda y, z: K.binary_crossentropy(y, z, True, 0.2)),
        binary_z, {"label_smoothing": 0.2},
    ),
    Case(
        "binary_crossentropy_from_logits",
        torch(lambda F, y, z: F.binary_cross_entropy_with_logits(z, y)), binary_z,
    ),
    Case(
        "binary_crossentropy_from_logits",
        optax(lambda o, y, z: o.sigmoid_binary_cross_entropy(z, y)), binary_z,
    ),
    Case("log_loss", torch(lambda F, y, p: F.binary_cross_entropy(p, y)), binary_p),
    Case("cross_entropy", numpy(lambda y, p: -(y * np.log(p)).sum(-1)), soft_p),
    Case("categorical_crossentropy", tensorflow(K.categorical_crossentropy), soft_p, wrt=("y",)),
    Case(
        "categorical_crossentropy",
        numpy(lambda y, p: -((0.9 * y + 0.025) * np.log(p / p.sum(-1, keepdims=True))).sum(-1)),
        soft_p, {"label_smoothing": 0.1},
    ),
    Case(
        "categorical_crossentropy_from_logits",
        tensorflow(lambda y, z: K.categorical_crossentropy(y, z, True, 0.1)),
        soft_z, {"label_smoothing": 0.1},
    ),
    Case(
        "categorical_crossentropy_from_logits", torch(lambda F, y, z: F.cross_entropy(z, y)), soft_z
    ),
    Case(
        "categorical_crossentropy_from_logits",
        optax(lambda o, y, z: o.softmax_cross_entropy(z, y)), soft_z,
    ),
    Case("sparse_cross_entropy", numpy(lambda y, p: -np.log(rows(y, p))), label_p),
    Case(
        "sparse_categorical_crossentropy",
        numpy(lambda y, p: np.log(p.sum(-1)) - np.log(rows(y, p))), label_p,
    ),
    Case(
        "sparse_cross_entropy",
        numpy(lambda y, p: -np.log(rows(y, p))[y != 3]), ignored_p, {"ignore_class": 3},
    ),
    Case(
        "sparse_categorical_crossentropy",
        numpy(lambda y, p: (np.log(p.sum(-1)) - np.log(rows(y, p)))[y != 3]), ignored_p,
        {"ignore_class": 3},
    ),
    Case(
        "sparse_categorical_crossentropy_from_logits",
        tensorflow(lambda y, z: K.sparse_categorical_crossentropy(y, z, True)), label_z,
    ),
    Case(
        "sparse_categorical_crossentropy_from_logits",
        torch(lambda F, y, z: F.cross_entropy(z, y, ignore_index=-1)), padded_z,
    ),
    Case(
        "sparse_categorical_crossentropy_from_logits",
        optax(lambda o, y, z: o.softmax_cross_entropy_with_integer_labels(z, y)), label_z,
    ),
    Case("nll", torch(lambda F, y, logp: F.nll_loss(logp, y, ignore_index=-1)), log_p),
    Case(
        "label_smoothing_ce", torch(lambda F, y, z: F.cross_entropy(z, y, label_smoothing=0.1)),
        label_z,
    ),
    corpus("label_smoothing_ce"),
    corpus("confidence_penalty_ce"),
    corpus("z_loss_ce"),
    Case(
        "logit_norm_ce",
        torch(lambda F, y, z: F.cross_entropy(F.normalize(z) / 0.5, y)),
        label_z, {"temperature": 0.5},
    ),
    Case(
        "squentropy",
        torch(
            lambda F, y, z: F.cross_entropy(z, y)
            + ((z**2).sum(-1) - z.gather(1, y[:, None])[:, 0] ** 2).mean() / (C - 1)
        ), label_z,
    ),
    Case(
        "rescaled_square",
        torch(lambda F, y, z: (1 + 2 * F.one_hot(y, C)) * (z - 5 * F.one_hot(y, C)) ** 2),
        label_z, {"k": 3, "M": 5},
    ),
]  # fmt: skip

NOISY = [
    Case(
        "categorical_generalized_cross_entropy",
        tensorflow(lambda y, p: K.categorical_generalized_cross_entropy(y, p, 0.3)),
        label_p, {"q": 0.3},
    ),
    corpus("generalized_ce"),
    corpus("symmetric_ce"),
    corpus("soft_bootstrap_ce"),
    Case(
        "hard_bootstrap_ce",
        torch(
            lambda F, y, z: F.cross_entropy(z, 0.8 * y + 0.2 * F.one_hot(z.argmax(-1), C).double())
        ), hot_z,
    ),
    Case("taylor_ce", numpy(taylor), label_z, {"t": 3}),
    Case(
        "normalized_ce",
        torch(lambda F, y, z: F.nll_loss(z.log_softmax(-1) / -z.log_softmax(-1).sum(-1, True), y)),
        label_z,
    ),
    corpus("poly1_ce"),
    Case(
        "poly_loss_cross_entropy",
        optax(lambda o, y, z: o.poly_loss_cross_entropy(z, y, epsilon=1.5)),
        soft_z, {"epsilon": 1.5},
    ),
]  # fmt: skip

MARGINS = [
    Case("hinge", tensorflow(K.hinge), signs),
    Case("hinge", tensorflow(K.hinge), bits),
    Case("hinge", optax(lambda o, y, x: o.hinge_loss(x, y)), signs),
    Case("squared_hinge", tensorflow(K.squared_hinge), signs),
    Case(
        "smooth_hinge", torch(lambda F, y, x: F.huber_loss(y.abs(), (y * x).clamp(max=1))), signs
    ),
    Case(
        "modified_huber",
        torch(lambda F, y, x: 2 * F.huber_loss(y.abs(), (y * x).clamp(max=1), delta=2.0)), signs,
    ),
    Case("ramp", torch(lambda F, y, x: (1 - y * x).clamp(0, 1.5)), signs, {"s": -0.5}),
    Case("perceptron", optax(lambda o, y, x: o.perceptron_loss(x, y)), signs),
    Case("soft_margin", torch(lambda F, y, x: F.soft_margin_loss(x, y)), signs),
    Case("exponential", torch(lambda F, y, x: (-x * y).exp()), signs),
    Case("savage", torch(lambda F, y, x: (-2 * x * y).sigmoid() ** 2), signs),
    Case("tangent", torch(lambda F, y, x: (2 * (x * y).arctan() - 1) ** 2), signs),
    Case("sparsemax", optax(lambda o, y, z: o.sparsemax_loss(z, y)), binary_z),
    Case(
        "categorical_hinge", tensorflow(K.categorical_hinge), scores,
    ),
    Case("multiclass_hinge", optax(lambda o, y, z: o.multiclass_hinge_loss(z, y)), label_z),
    Case(
        "multiclass_perceptron", optax(lambda o, y, z: o.multiclass_perceptron_loss(z, y)), label_z
    ),
    Case("multi_margin", torch(lambda F, y, z: F.multi_margin_loss(z, y)), label_z),
    Case(
        "multi_margin", torch(lambda F, y, z: F.multi_margin_loss(z, y, p=2, margin=0.5)),
        label_z, {"p": 2, "margin": 0.5},
    ),
    Case("multilabel_margin", torch(multilabel_margin), binary_z),
    Case(
        "multilabel_soft_margin",
        torch(lambda F, y, z, w: F.multilabel_soft_margin_loss(z, y, weight=w)),
        weighted, wrt=("z",),
    ),
    corpus("zlpr_multilabel"),
    Case("multiclass_sparsemax", numpy(sparsemax), label_z),
    Case("multiclass_sparsemax", optax(lambda o, y, z: o.multiclass_sparsemax_loss(z, y)), label_z),
]  # fmt: skip

SCORES = [
    Case("brier", torch(lambda F, y, p: F.mse_loss(p, y)), binary_p),
    Case("brier_multiclass", torch(lambda F, y, p: C * F.mse_loss(p, y)), hot_p),
    Case(
        "spherical_score",
        torch(lambda F, y, p: 1 - F.cosine_similarity(F.one_hot(y, C), p)), label_p,
    ),
    Case("evidential_mse", numpy(dirichlet_mse), evidence),
    Case("evidential_ce", numpy(dirichlet_ce), evidence),
    corpus("expected_cost_matrix"),
    corpus("soft_f1_macro"),
]  # fmt: skip


@pytest.mark.by_plan
@pytest.mark.parametrize("case", labelled(CROSS_ENTROPY + NOISY + MARGINS + SCORES))
def test_agrees(case: Case) -> None:
    case.check()
