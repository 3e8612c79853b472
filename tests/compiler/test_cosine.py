"""One and a cosine: as a sum of squares, which keeps the digits where vectors are opposite."""

from __future__ import annotations

import numpy as np
import pytest

import lossc
from lossc.compiler.passes.stabilise import COSINE
from tests.rewrites import rewritten, same

C = "sum[i](normalize[i](x) * normalize[i](y))"
FIRING = (
    f"1 + {C}", f"(1 + {C}) / 2", f"y[0] - 3 * {C} + x[0] - 3",
    "1 + sum[i if i > 0](x * y / (norm[i if i > 0](x) * norm[i if i > 0](y)))",
)  # fmt: skip
KEPT = (
    f"1 - {C}", f"2 + {C}", "1 + sum[i](x * y) / norm[i](x)^2", "1 + sum[i](normalize[i](x) * y)",
    "1 + sum[i if i > 0](x * y / (norm[i](x) * norm[i](y)))",
    "1 + sum[i](x * y / (norm[i](x) * norm[i](x * y)))",
)  # fmt: skip
POINTS = (
    {"x": (0.5, -2.0, 3.0), "y": (1.5, 4.0, -0.25)},
    {"x": (-3.0, 0.0, 1e-3), "y": (-30.0, 20.0, 7.0)},
    {"x": (1e20, 3.0, 1e-5), "y": (-1e22, 2.0, 1e-5)},
)


def text_of(formula: str) -> str:
    return f"def f(x[i], y[i]) = {formula}"


@pytest.mark.parametrize("formula", FIRING)
def test_a_sum_of_squares_takes_its_place(formula: str) -> None:
    before, after, fired = rewritten(text_of(formula))
    assert COSINE in fired
    assert same(before, after, POINTS)


@pytest.mark.parametrize("formula", KEPT)
def test_other_sums_are_left_as_they_are(formula: str) -> None:
    before, after, fired = rewritten(text_of(formula))
    assert COSINE not in fired
    assert same(before, after, POINTS)


def test_over_no_places_it_is_one() -> None:
    where = "i if m > 0"
    text = f"sum[{where}](x * y / (norm[{where}](x) * norm[{where}](y)))"
    loss = lossc.compile(f"def f(x[i], y[i], m[i]) = 1 + {text}")
    x, y = np.float32([1, 2]), np.float32([1, 3])
    assert float(loss(x, y, np.float32([-1, -1]))) == 1
    assert float(loss(x, y, np.float32([1, -1]))) == 2


@pytest.mark.parametrize("small", [1e-3, 1e-9, 1e-30])
def test_opposite_vectors_keep_their_digits(small: float) -> None:
    loss = lossc.compile(text_of(f"log(1 + {C})"))
    x, y = np.float32([2.0, small, 0.0]), np.float32([-3.0, small, small])
    value, slopes = loss.value_and_grad(x, y, wrt=["x"])
    true = [float(s) for s in loss.reference_gradient(x, y, wrt="x")["x"]]
    assert float(value) == pytest.approx(float(loss.reference(x, y)), rel=1e-6)
    assert np.asarray(slopes["x"]) == pytest.approx(true, rel=1e-6)
