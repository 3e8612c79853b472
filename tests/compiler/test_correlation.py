"""Correlations of exponentials: computed beside the largest, with the same value, in any size."""

from __future__ import annotations

import numpy as np
import pytest
from mpmath import mp

import lossc
from lossc.compiler.passes.stabilise import CORRELATION
from tests.rewrites import rewritten, same

D, E = "(exp(x) - mean[j](exp(x[j])))", "(exp(y) - mean[j](exp(y[j])))"
FORMULAS = (
    f"sum[i]({D} * y) / norm[i]({D})",
    f"sum[i]({D} * {E}) / (norm[i]({D}) * norm[i]({E}))",
    f"3 * sum[i](y^2 * {D}) / (2 * norm[i]({D}) * norm[i](y))",
    f"sum[i]({D} * y / (norm[k](exp(x[k]) - mean[j](exp(x[j]))) + i))",
)
FIRING = FORMULAS[:3]
KEPT = (
    FORMULAS[3],
    f"sum[i]({D} * y) / norm[i]({E})",
    f"sum[i]({D}^2 * y) / norm[i]({D})",
    f"sum[i if i > 0]({D} * y) / norm[i]({D})",
    "sum[i]((exp(x) - mean[j](exp(y[j]))) * y) / norm[i](exp(x) - mean[j](exp(y[j])))",
    "sum[i]((x - mean[j](x[j])) * y) / norm[i](x - mean[j](x[j]))",
)
POINTS = (
    {"x": (0.5, -2.0, 3.0), "y": (1.5, 4.0, -0.25)},
    {"x": (-3.0, 0.0, 1e-3), "y": (-30.0, 20.0, 7.0)},
)


def text_of(formula: str) -> str:
    return f"def f(x[i], y[i]) = {formula}"


@pytest.mark.parametrize("formula", FIRING)
def test_what_they_are_beside_the_largest_takes_their_place(formula: str) -> None:
    before, after, fired = rewritten(text_of(formula))
    assert CORRELATION in fired
    assert same(before, after, POINTS)


@pytest.mark.parametrize("formula", KEPT)
def test_other_quotients_are_left_as_they_are(formula: str) -> None:
    _, _, fired = rewritten(text_of(formula))
    assert CORRELATION not in fired


@pytest.mark.parametrize("low", [-50.0, -800.0, -1e30])
def test_exponentials_too_small_for_floats_have_a_correlation(low: float) -> None:
    loss = lossc.compile(text_of(FORMULAS[1]))
    x = np.float32([low, low * 1.25, low * 1.5])
    y = np.float32([0.0, 2.0, 1.0])
    with mp.workdps(30):
        shares = [mp.exp(mp.mpf(float(v)) - mp.mpf(float(x[0]))) for v in x]
        own = [s - sum(shares) / 3 for s in shares]
        others = [mp.exp(float(v)) for v in y]
        other = [e - sum(others) / 3 for e in others]
        product = sum(a * b for a, b in zip(own, other, strict=True))
        squares = sum(a * a for a in own) * sum(b * b for b in other)
        true = product / mp.sqrt(squares)
    assert float(loss(x, y)) == pytest.approx(float(true), rel=1e-6)


def test_exponentials_that_are_nearly_the_same_have_a_correlation() -> None:
    loss = lossc.compile(text_of(FORMULAS[1]))
    x, y = np.float32([1e-31, -2e-31, 5e-32]), np.float32([0.0, 2.0, 1.0])
    value, slopes = loss.value_and_grad(x, y, wrt=["x", "y"])
    reference = loss.reference_gradient(x, y, wrt=["x", "y"])
    assert float(value) == pytest.approx(float(loss.reference(x, y)), rel=1e-6)
    for name in ("x", "y"):
        true = [float(s) for s in reference[name]]
        assert np.asarray(slopes[name]) == pytest.approx(true, rel=1e-5, abs=1e-6 * max(true))
