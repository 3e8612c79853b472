"""Differences of lgamma and of digamma are rising factorials, right for arguments of any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mpmath import mp

import lossc
from lossc.compiler.passes.stabilise import RISING
from tests.rewrites import rewritten, same

POINTS = tuple(
    {"a": a, "n": n, "m": m, "w": w}
    for a, n, m, w in ((0.5, 3.0, 1.25, 2.0), (7.25, 0.125, 0.0, -1.5), (1e6, 40.5, 2.0, 0.25))
)
FORMS = (
    "lgamma(a + n) - lgamma(a)",
    "lgamma(n + a) - lgamma(a) - lgamma(n + 1)",
    "lgamma(a) + lgamma(n + 1) - lgamma(n + a)",
    "w * lgamma(a + n) - w * lgamma(a)",
    "w * (m - lgamma(a) + lgamma(n + a))",
    "2 * lgamma(a + n + m) - 2 * lgamma(a + m)",
    "lgamma(a + 1) - lgamma(a)",
    "lgamma(a + 1 / 2) - lgamma(a)",
    "lgamma((a + 1) / 2) - lgamma(a / 2) + m",
    "lgamma(exp(m) + n) - lgamma(exp(m))",
    "digamma(a + n) - digamma(a)",
    "m - digamma(a) + w + digamma(a + n + 1)",
    "log(exp(lgamma(a + n)) / exp(lgamma(a)))",
)
KEPT = ("lgamma(a + n) + lgamma(a)", "lgamma(a) - lgamma(n)", "lgamma(a + n) - 2 * lgamma(a)",
        "lgamma(a + n) - digamma(a)", "w * lgamma(a + n) - m * lgamma(a)")  # fmt: skip


def text_of(form: str) -> str:
    used = [name for name in "anmw" if name in form.replace("lgamma", "").replace("digamma", "")]
    domains = {"a": "a in (0, inf)", "n": "n in [0, inf)", "m": "m in [0, inf)"}
    where = "".join(f"\n    {domains[name]}" for name in used if name in domains)
    return f"def f({', '.join(f'{name}[]' for name in used)}) = {form}\nwhere{where}"


@pytest.mark.parametrize("form", FORMS)
def test_a_difference_is_a_rising_factorial(form: str) -> None:
    before, after, rules = rewritten(text_of(form))
    assert RISING in rules
    assert same(before, after, POINTS)


@pytest.mark.parametrize("form", KEPT)
def test_other_sums_stay(form: str) -> None:
    before, after, rules = rewritten(text_of(form))
    assert RISING not in rules
    assert same(before, after, POINTS)


def nll(y: Any, mu: Any, theta: Any) -> Any:
    """Minus the log of the negative binomial distribution."""
    gone = theta * mp.log(theta / (theta + mu)) + y * mp.log(mu / (theta + mu))
    return mp.loggamma(theta) + mp.loggamma(y + 1) - mp.loggamma(y + theta) - gone


@pytest.mark.parametrize("theta", [0.01, 3.3, 1e4, 1e7, 1e8, 1e12, 1e16])
@pytest.mark.parametrize("y", [0.0, 1.0, 150.0, 2.5])
def test_a_negative_binomial_of_large_dispersion(y: float, theta: float) -> None:
    loss = lossc.std.negative_binomial_nll
    args = [np.array([x], np.float32) for x in (y, 140.0, theta)]
    value, slopes = loss.value_and_grad(*args)
    with mp.workdps(80):
        point = [mp.mpf(float(a[0])) for a in args]
        assert float(value) == pytest.approx(float(nll(*point)), rel=1e-6)
        if theta <= 1e8:
            slope = mp.diff(lambda t: nll(point[0], point[1], t), point[2], h=mp.mpf(10) ** -20)
            assert float(slopes["theta"][0]) == pytest.approx(float(slope), rel=1e-5)


@pytest.mark.parametrize(("a", "b"), [(2.0, 3.0), (1e16, 2.5), (2.5, 1e16), (1e12, 1e3)])
def test_the_logarithm_of_beta(a: float, b: float) -> None:
    loss = lossc.compile("loss f(a[n], b[n]) = sum[n](lgamma(a) + lgamma(b) - lgamma(a + b))")
    args = [np.array([x], np.float32) for x in (a, b)]
    value, slopes = loss.value_and_grad(*args)
    with mp.workdps(80):
        x, y = (mp.mpf(float(v[0])) for v in args)
        right = mp.loggamma(x) + mp.loggamma(y) - mp.loggamma(x + y)
        assert float(value) == pytest.approx(float(right), rel=1e-6)
        for name, z in (("a", x), ("b", y)):
            slope = mp.digamma(z) - mp.digamma(x + y)
            assert float(slopes[name][0]) == pytest.approx(float(slope), rel=1e-6)
