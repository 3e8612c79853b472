"""Logarithms to base 2 and 10 lose no digits where the natural logarithm loses none."""

from __future__ import annotations

import math

import numpy as np
import pytest

import lossc

FORMS = (
    "{log}(sigmoid(x))",
    "{log}(softmax[n](x))",
    "{log}(1 + exp(x))",
    "{log}(1 - sigmoid(x))",
    "{log}(exp(x) / (1 + exp(x)))",
    "{log}(ndtr(x))",
    "{log}(exp(x) + exp(-x))",
    "{log}(cosh(x))",
    "{log}(exp(x) * sigmoid(-x))",
    "{log}(exp(-exp(x / 100)))",
    "{log}(1 + exp(x) / 1e9)",
    "exp({log}(exp(x)))",
    "-sigmoid(x) * {log}(sigmoid(x)) - sigmoid(-x) * {log}(sigmoid(-x))",
)
POINTS = np.array([-1000.0, -90.0, -1.5, -1e-6, 0.0, 0.25, 20.0, 88.0], np.float32)


@pytest.mark.parametrize("base", [2, 10])
@pytest.mark.parametrize("form", FORMS)
def test_they_are_as_right_as_the_natural_one(form: str, base: int) -> None:
    texts = (form.format(log=f"log{base}"), form.format(log=f"1 / log({base}) * log"))
    losses = (lossc.compile(f"loss f(x[n]) = sum[n]({t})") for t in texts)
    (value, slopes), (right, others) = (f.value_and_grad(POINTS) for f in losses)
    assert float(value) == pytest.approx(float(right), rel=1e-6)
    assert slopes["x"].numpy() == pytest.approx(others["x"].numpy(), rel=1e-6)


def test_what_was_infinite_is_not() -> None:
    loss = lossc.compile("loss f(x[n]) = sum[n](log2(sigmoid(x)))")
    value, slopes = loss.value_and_grad(np.float32([-1000.0]))
    assert float(value) == pytest.approx(-1000 / math.log(2))
    assert float(slopes["x"][0]) == pytest.approx(1 / math.log(2))


@pytest.mark.parametrize(
    ("base", "exponents", "dtype"),
    [
        (2, range(-126, 128), "float32"),
        (2, range(-1022, 1024), "float64"),
        (10, range(11), "float32"),
        (10, range(23), "float64"),
    ],
)
def test_powers_have_whole_logarithms(base: int, exponents: range, dtype: str) -> None:
    loss = lossc.compile(f"def f(x[n]) = floor(log{base}(x))")
    powers = np.array([float(base) ** k for k in exponents], dtype)
    assert loss(powers).numpy().tolist() == list(exponents)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("base", [2, 10])
def test_powers_that_are_sums_have_whole_logarithms(base: int, dtype: str) -> None:
    loss = lossc.compile(f"def f(x[n]) = floor(log{base}(1 + x))")
    powers = np.array([base**k - 1 for k in range(1, 7)], dtype)
    assert loss(powers).numpy().tolist() == [1, 2, 3, 4, 5, 6]
