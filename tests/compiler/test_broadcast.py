"""Values over many axes, which TensorFlow's kernels outside of XLA cannot broadcast."""

from __future__ import annotations

import numpy as np
import pytest

import lossc

SHAPE = (2, 3, 2, 3, 2, 3, 2)
X, Y = (np.random.default_rng(k).normal(size=SHAPE[k::2]) for k in (0, 1))
LEFT, RIGHT = X[:, None, :, None, :, None, :], Y[None, :, None, :, None, :, None]
HEAD = "loss f(x[a, c, g, k], y[b, d, h]) = "
EVERY = "a, b, c, d, g, h, k"

FORMULAS = {
    f"sum[{EVERY}](max(x, y))": np.maximum(LEFT, RIGHT).sum(),
    f"sum[{EVERY} if x > y](exp(x))": (np.exp(LEFT) * (LEFT > RIGHT)).sum(),
    f"sum[{EVERY}](if x > y then x else y^2)": np.where(LEFT > RIGHT, LEFT, RIGHT**2).sum(),
    f"count[{EVERY}](x < y)": (LEFT < RIGHT).sum(),
    f"max[{EVERY} if y > 0](x)": X.max(),
}


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "XLA"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_dims_that_take_turns(formula: str, jit: bool) -> None:
    loss = lossc.compile(HEAD + formula, jit=jit)
    assert float(loss(X, Y)) == pytest.approx(FORMULAS[formula], rel=1e-12)


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "XLA"])
def test_and_their_gradient(jit: bool) -> None:
    loss = lossc.compile(f"{HEAD}sum[{EVERY}](max(x, y)^2)", jit=jit)
    value, slopes = loss.value_and_grad(X, Y)
    wins = LEFT > RIGHT
    assert float(value) == pytest.approx((np.maximum(LEFT, RIGHT) ** 2).sum())
    assert np.asarray(slopes["x"]) == pytest.approx((2 * LEFT * wins).sum((1, 3, 5)))
    assert np.asarray(slopes["y"]) == pytest.approx((2 * RIGHT * ~wins).sum((0, 2, 4, 6)))
