"""Values over many axes, which TensorFlow's kernels outside of XLA cannot broadcast."""

from __future__ import annotations

import numpy as np
import pytest

import lossc

SHAPE = (2, 3, 2, 3, 2, 3, 2)
Z = np.random.default_rng(0).normal(size=SHAPE)
X = np.random.default_rng(1).normal(size=SHAPE[::2])
WIDE = X[:, None, :, None, :, None, :]
HEAD = "loss f(z[a, b, c, d, g, h, k], x[a, c, g, k]) = "
EVERY = "a, b, c, d, g, h, k"

FORMULAS = {
    f"sum[{EVERY}](max(z, x))": np.maximum(Z, WIDE).sum(),
    f"max[{EVERY} if z > 1](x)": np.where(Z > 1, WIDE, -np.inf).max(),
    f"sum[{EVERY}](if z > x then x else z^2)": np.where(Z > WIDE, WIDE, Z**2).sum(),
    f"count[{EVERY}](x < z)": (WIDE < Z).sum(),
    f"logsumexp[{EVERY} if x < z](x)": np.log((np.exp(WIDE) * (WIDE < Z)).sum()),
}


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "XLA"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_dims_that_take_turns(formula: str, jit: bool) -> None:
    loss = lossc.compile(HEAD + formula, jit=jit)
    assert float(loss(Z, X)) == pytest.approx(float(FORMULAS[formula]), rel=1e-12)


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "XLA"])
def test_and_their_gradient(jit: bool) -> None:
    loss = lossc.compile(f"{HEAD}sum[{EVERY}](max(z, x)^2)", jit=jit)
    value, slopes = loss.value_and_grad(Z, X)
    assert float(value) == pytest.approx((np.maximum(Z, WIDE) ** 2).sum())
    assert np.asarray(slopes["z"]) == pytest.approx(2 * Z * (Z > WIDE))
    assert np.asarray(slopes["x"]) == pytest.approx((2 * WIDE * (WIDE > Z)).sum((1, 3, 5)))
