"""Tables of nested windows: fewer axes, and the same values and derivatives."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import lossc
from lossc.compiler.emit import gradient as emitted
from lossc.compiler.emit.autodiff import automatic_gradient
from lossc.compiler.emit.gradient import WIDEST, width
from lossc.compiler.emit.to_tf import emit
from lossc.compiler.ir import TABLE, Along, Program, postorder
from lossc.compiler.passes.differentiate import differentiate
from lossc.compiler.passes.tabulate import tabulated

RNG = np.random.default_rng(3)
CLDICE = Path(__file__).parents[1] / "corpus" / "cldice_soft_skeleton.loss"

# Texts of a loss of `x[n, m]`, and whether something in it becomes a table.
TEXTS = {
    "sum[n, m](max[u in -1..1](a[n+u, m]))\nwhere a[n, m] = min[v in 0..2](x[n+v, m])": True,
    "sum[n, m](a[n, m] * max[u in 0..1](a[n+1-u, m]^2))\nwhere "
    "a[n, m] = sum[v in -1..1](pad(x[n-v, m], 0))^2": True,
    "sum[n, m](prod[u in 0..1, v in 0..1](a[n+u, m+v]))\nwhere "
    "a[n, m] = 1 + max[u in -1..1, v in -1..1](pad(x[n+u, m+v], -9))": True,
    "sum[n, m](max[u in -1..1](a[n+u, m] * n))\nwhere a[n, m] = min[v in 0..2](x[n+v, m])": True,
    "sum[n, m](max[u in -1..1](pad(x[n+u, m], 0)))": False,
    "sum[n, m](max[u in 0..2](x[n, m] * sum[v in 0..1](x[v, m] * x[u, m] * n)))": False,
}


def loss_of(text: str) -> lossc.Loss:
    return lossc.compile(f"loss f(x[n, m]) = {text}", jit=False, stable=False)


def tables(program: Program) -> int:
    return sum(isinstance(t, Along) and t.op == TABLE for t in postorder(program.value))


def values(program: Program, x: Any) -> Any:
    return np.asarray(emit(program)({"x": tf.constant(x)}))


@pytest.mark.parametrize("text", TEXTS)
def test_the_values_are_the_same(text: str) -> None:
    program = loss_of(text)._checked.program
    made = tabulated(program)
    assert bool(tables(made)) == TEXTS[text]
    x = RNG.uniform(0.5, 2, (6, 5))
    assert values(made, x) == pytest.approx(values(program, x), rel=1e-12)


@pytest.mark.parametrize("text", [t for t, any_ in TEXTS.items() if any_])
def test_the_derivatives_are_those_of_tensorflow(text: str) -> None:
    program = loss_of(text)._checked.program
    taped = automatic_gradient(program, ["x"])
    made = tabulated(differentiate(tabulated(program), "x"))
    for x in (RNG.uniform(0.5, 2, (6, 5)), np.ones((6, 5))):  # smooth, and with ties
        assert values(made, x) == pytest.approx(taped({"x": x})["x"], rel=1e-12)


def test_windows_over_windows_have_fewer_axes() -> None:
    program = lossc.load(CLDICE)["cldice_soft_skeleton"]._checked.program
    assert width(differentiate(program, "p")) > WIDEST
    assert width(tabulated(program)) < width(program)
    assert width(tabulated(differentiate(tabulated(program), "p"))) <= 6


def test_the_gradient_of_windows_over_windows_is_derived(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = lossc.load(CLDICE, jit=False)["cldice_soft_skeleton"]
    p = np.round(RNG.uniform(0, 1, (1, 6, 5)) * 8) / 8
    y = np.round(RNG.uniform(0, 1, (1, 6, 5)))
    taped = emitted._taped(loss._checked.program, "p", jit=False)
    named = {"y": y, "p": p, "k": np.asarray(3), "s": np.asarray(1.0)}
    want = np.asarray(taped({n: tf.constant(x) for n, x in named.items()}))
    monkeypatch.delattr(emitted, "_taped")
    found = np.asarray(loss.value_and_grad(y, p, wrt="p")[1]["p"])
    assert found == pytest.approx(want, rel=1e-9, abs=1e-12)
    assert np.abs(found).max() > 1e-3


def test_many_windows_over_windows() -> None:
    """Four windows are ten axes, which TensorFlow's kernels do not take."""
    names = ("x", "a", "b", "c", "d")
    windows = "\n    ".join(
        f"{after}[n, m] = max[u in 0..1, v in 0..1]({before}[n+u, m+v] * (2 + u * v))"
        for before, after in pairwise(names)
    )
    loss = loss_of(f"sum[n, m](d[n, m])\nwhere\n    {windows}")
    assert width(loss._checked.program) > WIDEST
    x = RNG.uniform(1, 2, (6, 6))
    want = x
    for _ in range(4):
        near = (want[:-1, :-1], want[1:, :-1], want[:-1, 1:], want[1:, 1:] * 1.5)
        want = 2 * np.maximum.reduce(near)
    value, gradient = loss.value_and_grad(x)
    assert float(value) == pytest.approx(want.sum())
    assert float(loss(x)) == pytest.approx(want.sum())
    # The loss is linear where no two values tie.
    assert np.sum(np.asarray(gradient["x"]) * x) == pytest.approx(want.sum())
