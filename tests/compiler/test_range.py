"""Points at which a formula is right only in the form and the precision that it is emitted in."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from mpmath import mp

import lossc

BITS = 2.0
# What is asked for, the formula, and the inputs in the order of the formula's.
POINTS = {
    "a logsumexp near 0, squared": (
        "loss f(z[i, k]) = mean[i](log(sum[k](exp(z)))^2)",
        [[[-43.56184005737305, -3.4356110095977783, -0.03448552265763283]]],
    ),
    "a number beside large ones that are compared": (
        "loss f(x[i], y[i]) = mean[i](if 1 + x > y then y else -y)", [[1e20], [1e20]],
    ),
    "a quotient by a product that is -0": (
        "loss f(x[i], y[i], a[i]) = mean[i](a / (x * y))", [[-1.0], [0.0], [2.0]],
    ),
    "a quotient by a product over an axis that is -0": (
        "loss f(x[i, k], a[i]) = mean[i](a / prod[k](x))", [[[-1.0, 0.0]], [2.0]],
    ),
    "a quotient by what is -0": (
        "loss f(x[i], a[i]) = mean[i](a / -x)", [[0.0], [2.0]],
    ),
    "a share below the smallest float beside a number that is not": (
        "loss f(y, rate) = mean(rate * y - log(rate))\nwhere\n    y >= 0\n    rate > 0",
        [[3.857044595786308e-38] * 8, [5.612337341504593e34] * 8],
    ),
    "a slope below the smallest float, times an infinite ratio": (
        "loss f(a, x, y) = -mean(min(exp(x - y) * a, clip(exp(x - y), 0.8, 1.2) * a))",
        [[-8.429709336008485e-38] * 8, [-1.5] * 8, [-97811555155968.0] * 8],
    ),
    "how far two shares disagree, both of them tiny": (
        "loss f(y, p; s = 0) = -mean((1 - t * p - (1 - t) * (1 - p))^2 * xlogy(t, p))\n"
        "where\n    y, p, s in [0, 1]\n    t = (1 - s) * y + s / 2",
        [[1.9721522630525295e-31], [0.0]],
    ),
    "powers of exponentials that no float holds, beside shares that are 0": (
        "loss f(s[j], t[i]) = mean[j](mean[i](exp(s - t))^2.5)",
        [[22631.33789], [-31974.783203125, 3.5457996552520335e18]],
    ),
    "a power of a mean of no exponentials": (
        "loss f(s[j], t[i]) = mean[j](mean[i if t > 0](exp(s - t))^2.5)", [[1.0], [-1.0]],
    ),
    "a quotient both parts of which are beyond double precision": (
        "loss f(x[i, r], F[s, r], y[i, s]) =\n    mean[i](sum[s, r](y * F * x)^2 / "
        "(sum[r](F[s=0] * x)^2 + sum[s](F[r=0] * y)^2))",
        [[[3e38, 2e38]], [[1e38, -2e38], [3e38, 1e38]], [[1e30, 1e30]]],
    ),
    "logarithms of sums of exponentials of sums too large for single precision": (
        "loss f(z[i, k]) = mean[i](logsumexp[k](sum[j if j >= k](z[k=j])) - logsumexp[k if k > 0]("
        "sum[j if j >= k](z[k=j])))",
        [[[3.4e38, 3.4e38, 1.0]]],
    ),
}  # fmt: skip


def bits(got: float, true: mp.mpf) -> float:
    """The bits that are wrong of a number in single precision; infinite if none is right."""
    limit = float(np.finfo(np.float32).max)
    if abs(true) > limit:
        return 0.0 if got == math.copysign(math.inf, true) else math.inf
    size = max(abs(true), mp.mpf(float(np.finfo(np.float32).tiny)))
    gap = abs(mp.mpf(got) - true) if math.isfinite(got) else mp.inf
    ulp = mp.ldexp(1, int(mp.floor(mp.log(size, 2))) - 23)
    return float(mp.log(1 + gap / ulp, 2))


def results(text: str, data: Sequence[object], jit: bool) -> list[tuple[float, mp.mpf]]:
    """The elements of value and gradient, and what they truly are."""
    loss = lossc.compile(text, jit=jit, precision="float64")
    arrays = [np.asarray(x, np.float32) for x in data]
    value, slopes = loss.value_and_grad(*arrays)
    true = mp.mpf(loss.reference(*arrays))
    pairs = [(float(value), true), (float(loss(*arrays)), true)]
    for name, true in loss.reference_gradient(*arrays).items():
        pairs += zip(map(float, np.ravel(slopes[name])), np.ravel(true), strict=True)
    return pairs


@pytest.mark.deep
@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize("name", POINTS)
def test_all_but_the_last_bits_are_right(name: str, jit: bool) -> None:
    for got, true in results(*POINTS[name], jit):
        assert mp.isnan(true) or bits(got, true) <= BITS, (got, true)


@pytest.mark.parametrize("jit", [True, False])
def test_what_is_no_number_is_not_hidden_by_what_is_infinite(jit: bool) -> None:
    for text in ("exp(u) * x - exp(v) * y", "mean(exp(u) * x) - mean(exp(v) * y)"):
        loss = lossc.compile(f"loss f(u, v, x, y) = mean({text})", jit=jit)
        data = np.float32([[2000.0, 1.0], [1000.0, 1.0], [np.nan, 1.0], [1.0, 1.0]])
        assert math.isnan(loss(*data))
