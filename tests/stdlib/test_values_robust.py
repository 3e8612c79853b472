"""Robust losses agree with SciPy, and with their influence functions, integrated."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import integrate, optimize, special

from tests.stdlib.oracles import Case, Oracle, labelled, numpy

Rng = np.random.Generator


def real(rng: Rng) -> dict[str, Any]:
    return {"y": 3 * rng.normal(size=8), "yhat": 3 * rng.normal(size=8)}


def fitted(loss: str, scale: float) -> Oracle:
    """The cost that SciPy's least squares starts from."""

    def cost(y: np.ndarray, p: np.ndarray) -> float:
        options: Any = {"loss": loss, "f_scale": scale, "max_nfev": 1}
        return optimize.least_squares(lambda x: x - y, p, **options).cost / y.size

    return numpy(cost)


def influence(psi: Callable[[float], float], *kinks: float) -> Oracle:
    """The integral of an influence function from 0 to the error."""

    def rho(e: float) -> float:
        stops = [0.0, *(k for k in kinks if k < abs(e)), abs(e)]
        return sum(integrate.quad(psi, a, b, epsabs=1e-13)[0] for a, b in pairwise(stops))

    return numpy(lambda y, p: np.vectorize(rho)(y - p))


def redescending(u: float) -> float:
    """Hampel's influence function for 1, 2 and 4."""
    return min(u, 1) if u <= 2 else max(0, (4 - u) / 2)


def trimmed(y: np.ndarray, p: np.ndarray) -> float:
    return float(np.mean(np.sort((y - p) ** 2)[:5]))


ROBUST = [
    Case("pseudo_huber", numpy(lambda y, p: special.pseudo_huber(0.7, y - p)), real,
         {"delta": 0.7}),
    Case("pseudo_huber", fitted("soft_l1", 1.5), real, {"delta": 1.5}),
    Case("charbonnier", numpy(lambda y, p: np.hypot(y - p, 0.3)), real, {"epsilon": 0.3}),
    Case("generalized_charbonnier", numpy(lambda y, p: np.hypot(y - p, 0.3) ** 0.9), real,
         {"epsilon": 0.3, "a": 0.45}),
    Case("cauchy", fitted("cauchy", 1.5), real, {"c": 1.5}),
    Case("arctan", fitted("arctan", 1.5), real, {"c": 1.5}),
    Case("welsch", influence(lambda u: u * np.exp(-((u / 2) ** 2))), real, {"c": 2}),
    Case("tukey_biweight", influence(lambda u: u * max(0, 1 - (u / 4) ** 2) ** 2, 4), real,
         {"c": 4}),
    Case("andrews_wave", influence(lambda u: np.sin(min(u, np.pi)), np.pi), real, {"c": 1}),
    Case("hampel", influence(redescending, 1, 2, 4), real, {"a": 1, "b": 2, "c": 4}),
    Case("fair", influence(lambda u: u / (1 + u / 1.4)), real),
    Case("ramsay", influence(lambda u: u * np.exp(-0.3 * u)), real),
    Case("truncated_squared_error", influence(lambda u: u * (u < 3), 3), real, {"c": 3}),
    Case("reverse_huber", influence(lambda u: max(1, u / 2), 2), real, {"c": 2}),
    Case("least_trimmed_squares", numpy(trimmed), real, {"keep": 0.6}),
]  # fmt: skip


@pytest.mark.by_plan
@pytest.mark.parametrize("case", labelled(ROBUST))
def test_values_and_gradients(case: Case) -> None:
    case.check()
