"""Losses for real targets agree with Keras, torch, optax and plain NumPy."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from tests.stdlib.oracles import Case, labelled, numpy, optax, tensorflow, torch

K = keras.losses
Rng = np.random.Generator


def real(rng: Rng) -> dict[str, Any]:
    return {"y": 2 * rng.normal(size=(5, 4)), "yhat": 2 * rng.normal(size=(5, 4))}


def positive(rng: Rng) -> dict[str, Any]:
    return {"y": rng.uniform(0.2, 4, (5, 4)), "yhat": rng.uniform(0.2, 4, (5, 4))}


def weighted(rng: Rng) -> dict[str, Any]:
    return {**real(rng), "w": rng.uniform(0.1, 2, (5, 4))}


def gaps(rng: Rng) -> dict[str, Any]:
    data = real(rng)
    data["y"][1, 2] = data["y"][4, 0] = np.nan
    return data


def series(rng: Rng) -> dict[str, Any]:
    return {
        "y": rng.normal(size=(3, 4)), "yhat": rng.normal(size=(3, 4)),
        "history": rng.normal(size=(3, 12)),
    }  # fmt: skip


def samples(rng: Rng) -> dict[str, Any]:
    y = rng.normal(size=20)
    return {"y": y, "yhat": 0.6 * y + 0.4 * rng.normal(size=20) + 0.3}


def lin(y: np.ndarray, p: np.ndarray) -> float:
    """The concordance correlation, from the mean squared difference."""
    expected = np.var(y) + np.var(p) + (y.mean() - p.mean()) ** 2
    return float(np.mean((y - p) ** 2) / expected)


def mase(y: np.ndarray, p: np.ndarray, history: np.ndarray) -> np.ndarray:
    naive = np.abs(history[:, 3:] - history[:, :-3]).mean(-1)
    return np.abs(y - p).mean(-1) / naive


REGRESSION = [
    Case("mean_squared_error", tensorflow(K.mean_squared_error), real),
    Case("mse", torch(lambda F, y, p: F.mse_loss(p, y)), real),
    Case("mse", optax(lambda o, y, p: o.squared_error(p, y)), real),
    Case("mean_absolute_error", tensorflow(K.mean_absolute_error), real),
    Case("mae", torch(lambda F, y, p: F.l1_loss(p, y)), real),
    Case("l2_loss", optax(lambda o, y, p: o.l2_loss(p, y)), real),
    Case("root_mean_squared_error", numpy(lambda y, p: np.linalg.norm(y - p) / 20**0.5), real),
    Case("weighted_mse", torch(lambda F, y, p, w: F.mse_loss(p, y, weight=w) * w.mean()), weighted),
    Case(
        "masked_mean_squared_error",
        numpy(lambda y, p: np.nanmean((y - p) ** 2)), gaps,
    ),
    Case("minkowski_error", numpy(lambda y, p: abs(y - p) ** 2.5), real, {"p": 2.5}),
    Case("mean_absolute_percentage_error", tensorflow(K.mean_absolute_percentage_error), real),
    Case("mean_squared_logarithmic_error", tensorflow(K.mean_squared_logarithmic_error), positive),
    Case("smape", numpy(lambda y, p: abs(y - p) / (abs(y) + abs(p)) * 2), real),
    Case("wmape", numpy(lambda y, p: np.abs(y - p).mean() / np.abs(y).mean()), real),
    Case("mase", numpy(mase), series, {"season": 3}, ("yhat",)),
    Case("huber", tensorflow(lambda y, p: K.huber(y, p, 0.7)), real, {"delta": 0.7}),
    Case("huber", torch(lambda F, y, p: F.huber_loss(p, y, delta=1.3)), real, {"delta": 1.3}),
    Case("huber", optax(lambda o, y, p: o.huber_loss(p, y, delta=2.0)), real, {"delta": 2}),
    Case("smooth_l1", torch(lambda F, y, p: F.smooth_l1_loss(p, y, beta=0.7)), real, {"beta": 0.7}),
    Case("log_cosh", tensorflow(K.log_cosh), real),
    Case("log_cosh", optax(lambda o, y, p: o.log_cosh(p, y)), real),
    Case("epsilon_insensitive", numpy(lambda y, p: np.clip(abs(y - p) - 0.3, 0, None)), real,
         {"epsilon": 0.3}),
    Case("squared_epsilon_insensitive", numpy(lambda y, p: np.clip(abs(y - p) - 0.3, 0, None) ** 2),
         real, {"epsilon": 0.3}),
    Case("linex", numpy(lambda y, p: np.expm1(-0.4 * (p - y)) + 0.4 * (p - y)), real, {"a": -0.4}),
    Case("cosine_similarity", tensorflow(K.cosine_similarity), real),
    Case("cosine_distance", optax(lambda o, y, p: o.cosine_distance(p, y)), real),
    Case("cosine_distance", torch(lambda F, y, p: 1 - F.cosine_similarity(p, y)), real),
    Case("pearson", numpy(lambda y, p: 1 - np.corrcoef(y, p)[0, 1]), samples),
    Case("concordance", numpy(lin), samples),
]  # fmt: skip


@pytest.mark.by_plan
@pytest.mark.parametrize("case", labelled(REGRESSION))
def test_values_and_gradients(case: Case) -> None:
    case.check()
