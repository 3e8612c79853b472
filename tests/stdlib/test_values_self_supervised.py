"""Self-supervised losses agree with torch, NumPy and the corpus."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special
from scipy.spatial import distance

import lossc
from tests.stdlib.corpus import RECORDS, corpus
from tests.stdlib.oracles import Case, labelled, numpy, torch

Rng = np.random.Generator
N, D, T = 5, 3, 6


def views(rng: Rng) -> dict[str, Any]:
    return {"u": rng.normal(size=(N, D)), "v": rng.normal(size=(N, D))}


def embeddings(rng: Rng) -> dict[str, Any]:
    return {"e": rng.normal(size=(N, D))}


def predicted(rng: Rng) -> dict[str, Any]:
    return {"target": rng.normal(size=(N, D)), "prediction": rng.normal(size=(N, D))}


def shares(rng: Rng) -> np.ndarray:
    return special.softmax(rng.normal(size=(N, D)), -1)


def assigned(rng: Rng) -> dict[str, Any]:
    return {
        "q1": shares(rng), "s1": rng.normal(size=(N, D)),
        "q2": shares(rng), "s2": rng.normal(size=(N, D)),
    }  # fmt: skip


def targets(rng: Rng) -> dict[str, Any]:
    return {"target": shares(rng), "s": rng.normal(size=(N, D))}


def patches(rng: Rng) -> dict[str, Any]:
    return {
        "y": rng.normal(size=(2, T, D)), "yhat": rng.normal(size=(2, T, D)),
        "hidden": rng.random((2, T)) < 0.5,
    }  # fmt: skip


def pixels(rng: Rng) -> dict[str, Any]:
    return {
        "y": rng.normal(size=(2, T, D)), "yhat": rng.normal(size=(2, T, D)),
        "hidden": rng.random((2, T, D)) < 0.5,
    }  # fmt: skip


def tokens(rng: Rng) -> dict[str, Any]:
    return {"y": rng.integers(0, 4, (2, T)), "z": rng.normal(size=(2, T, 4))}


def hidden_tokens(rng: Rng) -> dict[str, Any]:
    return {**tokens(rng), "hidden": rng.random((2, T)) < 0.5}


def padded(rng: Rng) -> dict[str, Any]:
    data = tokens(rng)
    data["y"][1, 4:] = -1
    return data


def spectral(u: np.ndarray, v: np.ndarray) -> float:
    s = u @ v.T
    apart = s[~np.eye(N, dtype=bool)]
    return float(-2 * np.diag(s).mean() + (apart**2).mean())


def spread(e: np.ndarray) -> np.ndarray:
    d = distance.squareform(distance.pdist(e)) + 1e9 * np.eye(N)
    return -np.log(N * d.min(-1))


def swapped(F: Any, q1: Any, s1: Any, q2: Any, s2: Any) -> Any:
    return (F.cross_entropy(s1 / 0.5, q2) + F.cross_entropy(s2 / 0.5, q1)) / 2


def siamese(F: Any, t: Any, s: Any) -> Any:
    average = (s / 0.5).softmax(-1).mean(0)
    return F.cross_entropy(s / 0.5, t) + 0.7 * (average * average.log()).sum()


CASES = [
    corpus("barlow_twins"),
    corpus("vicreg"),
    Case("byol",
         torch(lambda F, t, p: 2 - 2 * F.cosine_similarity(p, t)), predicted, wrt=("prediction",)),
    Case("spectral_contrastive", numpy(spectral), views, wrt=("u", "v")),
    Case("koleo", numpy(spread), embeddings, wrt=("e",)),
    Case("swav", torch(swapped), assigned, {"temperature": 0.5}),
    Case("masked_siamese", torch(siamese), targets, {"temperature": 0.5, "lam": 0.7}),
    Case("masked_autoencoder", torch(lambda F, y, p, h: F.mse_loss(p[h], y[h])), patches,
         wrt=("yhat",)),
    Case("masked_image_modeling", torch(lambda F, y, p, h: F.l1_loss(p[h], y[h])), pixels,
         wrt=("yhat",)),
    Case("masked_language_model", torch(lambda F, y, z, h: F.cross_entropy(z[h], y[h])),
         hidden_tokens, wrt=("z",)),
    Case("next_token",
         torch(lambda F, y, z: F.cross_entropy(z[:, :-1].flatten(0, 1), y[:, 1:].flatten(),
                                               ignore_index=-1)), padded),
]  # fmt: skip


@pytest.mark.by_plan
@pytest.mark.parametrize("case", labelled(CASES))
def test_agrees(case: Case) -> None:
    case.check()


@pytest.mark.by_plan
@pytest.mark.parametrize("name", ["simsiam", "dino_ce"])
def test_values_where_gradients_stop(name: str) -> None:
    """The slopes of the value are not the gradient, so values alone are compared."""
    data = RECORDS[name].inputs()
    value = float(lossc.std[name](**data))
    assert value == pytest.approx(RECORDS[name].value(data), rel=1e-6)
