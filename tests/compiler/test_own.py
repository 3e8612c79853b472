"""Differences of sums whose own parts cancel: they fire, keep the value, and keep its digits."""

from __future__ import annotations

import re

import numpy as np
import pytest
from mpmath import mp

import lossc
from lossc.compiler.interpret import interpret
from lossc.compiler.ir import Program
from lossc.compiler.passes.stabilise import DEVIATIONS, OWN, stabilised
from lossc.compiler.precision import FLOAT64
from lossc.options import Options

DIGITS = 60
WHERE = {
    "s": "\nwhere\n    s = sum[j](x[j] * y[j])",
    "q": "\nwhere\n    q = sqrt(mean[j](x[j]^2) + 2)",
    "g": "\nwhere\n    g[i] = sum[k](x[k] * y[i])",
}
# What is computed at each place of an axis, from which rule: the slopes of quotients of norms.
FORMULAS = {
    "s * x / norm[j](x[j])^3 - y / norm[j](x[j])": OWN,
    "y / norm[j](x[j]) - s * x / norm[j](x[j])^3": OWN,
    "(x - y)^2 * sum[j](y[j] * x[j]^2) - x^2 * sum[j](y[j] * (x[j] - y[j])^2)": OWN,
    "(x - y) / (norm[j](x[j]) * norm[j](x[j] - y[j])) - norm[j](x[j] - y[j]) * x / norm[j](x[j])^3":
        OWN,
    "mean[j](x[j]) * x - mean[j](x[j]^2)": OWN,
    "exp(y) / q - mean[j](x[j]) * x * exp(y) / q^3": OWN,
    "g / norm[j](x[j]) - x * sum[j](x[j] * g[j]) / norm[j](x[j])^3": OWN,
    "exp(y) + s * x / norm[j](x[j])^3 - y / norm[j](x[j])": OWN,
    "sum[j if y[j] != 0](x[j] * y[j] / q^2) * x - y * sum[j](x[j]^2) / q^2": OWN,
    "y * sum[j](x[j] - mean[k](x[k]))": DEVIATIONS,
    "y + sum[j](s * (y[j] + mean[k](x[k]) - x[j]) / 3)": DEVIATIONS,
    "y * sum[j](sum[m if m != i](y[m] * (x[j] - mean[k](x[k]))))": DEVIATIONS,
    "y + sum[j](s * mean[m](y[m]^2 * (x[j] + y[m] - mean[k](x[k]))))": DEVIATIONS,
}  # fmt: skip
# Sums in which nothing cancels at a place.
KEPT = (
    "s * x - y * sum[j](y[j]^2)", "s * y / norm[j](x[j])^3 - x / norm[j](x[j])",
    "sum[j](x[j] - mean[k](y[k]))", "sum[j](x[j] * (x[j] - mean[k](x[k])))",
    "sum[j if j > 0](x[j] - mean[k](x[k]))",
    "sum[j](sum[m if m != j](y[m] * (x[j] - mean[k](x[k]))))",
    "sum[j](y[j] * sum[m](y[m] * (x[j] - mean[k](x[k]))))",
    "sum[j if x[j] > 1](x[j] * y[j]) * x - y * sum[j](x[j]^2)",
)  # fmt: skip
POINTS = (
    ((0.5, -2.0, 3.0), (1.5, 4.0, -0.25)),
    ((1e-9, 7.0, 1e12), (-3.0, 2e5, 1e-8)),
    ((-1e20, 1.0, 3.0), (1e18, 2.0, -7.0)),
)


def compiled(text: str) -> lossc.Loss:
    where = [w for name, w in WHERE.items() if name in re.findall(r"\w+", text)]
    return lossc.compile(f"def f(x[i], y[i]) = {text}{''.join(where)}")


def rewritten(text: str) -> tuple[Program, Program, set[str]]:
    checked = compiled(text)._checked
    stable, fired = stabilised(checked.program, checked.domains)
    return checked.program, stable, {f.rule for f in fired}


@pytest.mark.parametrize("text", FORMULAS)
def test_own_parts_are_left_out_and_the_value_stays(text: str) -> None:
    program, stable, fired = rewritten(text)
    assert FORMULAS[text] in fired
    for x, y in POINTS:
        a, b = (interpret(p, {"x": x, "y": y}, DIGITS) for p in (program, stable))
        with mp.workdps(DIGITS):
            most = max(abs(v) for v in (*a, *x)) * mp.mpf(10) ** -20
            assert all(abs(v - w) <= most for v, w in zip(a, b, strict=True))


@pytest.mark.parametrize("text", KEPT)
def test_other_sums_are_kept(text: str) -> None:
    assert not rewritten(text)[2] & {OWN, DEVIATIONS}


@pytest.mark.parametrize("name", ["cosine_similarity", "relative_l2"])
@pytest.mark.parametrize("jit", [True, False])
def test_a_slope_beside_one_large_number_keeps_its_digits(name: str, jit: bool) -> None:
    y, x = np.float32([[3e-11, -4e11, 1e-32]]), np.float32([[2e-37, 789, -1.6e-12]])
    loss = lossc.std[name]
    runner = lossc.loss.Loss(loss._checked, Options(jit, precision=FLOAT64))
    got = np.asarray(runner.value_and_grad(y, x, wrt="yhat")[1]["yhat"])
    true = loss.reference_gradient(y, x)["yhat"]
    assert np.max(np.abs(got - np.float64(true))) <= 4 * np.spacing(np.max(np.abs(got)))
