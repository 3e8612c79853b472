"""Shares less labels over samples: the rewritten sums keep their values, and lose no digits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

import lossc
from lossc.compiler.ir import Program
from lossc.compiler.passes.differentiate import differentiate, total
from lossc.compiler.passes.stabilise import LABEL, LABELS, stabilised
from tests.rewrites import same, values

P = "softmax[k](z)"
# Of what all samples share: a loss, and in what its derivative is a sum over them.
LOSSES = {
    "mean[b](logsumexp[k](z + log(n)) - z[k=y] - log(n[k=y]))": "n",
    "mean[b](logsumexp[k](z * w) - (z * w)[k=y])": "w",
    "mean[b if m > 0](c[k=y] * (logsumexp[k](z + w) - z[k=y] - w[k=y]))": "w",
    "sum[b](m * (logsumexp[k](z * w) - (z * w)[k=y])) + sum[k](w^2)": "w",
    "mean[b](logsumexp[a](u[b] * v[a]) - u * v)": "v",
}
# A loss in whose derivative in z each share is less its own label.
CROSS_ENTROPIES = (
    "mean[b](logsumexp[k](z) - z[k=y])", "mean[b if m > 0](m * (logsumexp[k](z + w) - z[k=y]))",
    "sum[b](logsumexp[k](z * w) - (z * w)[k=y] + 3 * (1 - softmax[k](z * w)[k=y]))",
    "mean[b if y != 1](c[k=y] * (logsumexp[k](z) - z[k=y]))",
    "mean[b](logsumexp[k](z + log(n)) - z[k=y])",
)  # fmt: skip
# Sums of `z[b, k]`, `y[b]` and `m[b]` for each `k` that are like them.
KEPT = (
    f"sum[b]({P} * m) - sum[b if y == k](1)", f"sum[b]({P}) + sum[b if y == k](1)",
    f"sum[b]({P}^2) - sum[b if y == k](1)", f"sum[b]({P}) - sum[b if y != k](1)",
    f"sum[b]({P}) - sum[b if y == k](m)", f"sum[b]({P}[k=0]) - sum[b if y == 0](1)",
    f"mean[b]({P}) - mean[b if y == k](m)", f"max[b]({P}) - sum[b if y == k](1)",
)  # fmt: skip
INPUTS = {"y": "[b]", "z": "[b, k]", "m": "[b]", "u": "[b]", "v": "[b]", "n": "[k]", "w": "[k]",
          "c": "[k]"}  # fmt: skip
Z = ((0.5, -3.25, 2.0), (90.0, 0.0, -0.5), (1.0, -41.0, 1.0))
POINTS: tuple[Mapping[str, object], ...] = tuple(
    {"z": Z, "y": y, "m": (2.0, 0.5, -1.0), "u": (0.5, -2.0, 3.0), "v": (1.5, 40.0, -0.25),
     "n": n, "w": (0.25, 3.0, -1.0), "c": (1.0, 2.0, 0.125)}
    for y, n in (((2, 0, 0), (1.0, 2e-3, 7.0)), ((1, 1, 1), (1e9, 1.0, 0.5)))
)  # fmt: skip


def head(text: str) -> str:
    used = [f"{n}{axes}" for n, axes in INPUTS.items() if f"{n}" in text.replace("sum", "")]
    where = [w for w in ("y in index(k)", "n > 0") if f"{w[0]}[" in " ".join(used)]
    conditions = "".join(f"\n    {w}" for w in where)
    return f"f({', '.join(used)}) = {text}" + (f"\nwhere{conditions}" if where else "")


def agree(a: Program, b: Program) -> bool:
    return same(a, b, POINTS)


@pytest.mark.parametrize(("text", "name"), LOSSES.items())
def test_labels_stand_beside_shares_and_the_gradient_stays(text: str, name: str) -> None:
    checked = lossc.compile(f"loss {head(text)}")._checked
    derived = differentiate(total(checked.program), name)
    stable, fired = stabilised(derived, checked.domains)
    assert LABELS in [f.rule for f in fired]
    assert agree(derived, stable)


@pytest.mark.parametrize("text", CROSS_ENTROPIES)
def test_a_label_stands_beside_its_share_and_the_gradient_stays(text: str) -> None:
    checked = lossc.compile(f"loss {head(text)}")._checked
    derived = differentiate(total(checked.program), "z")
    stable, fired = stabilised(derived, checked.domains)
    assert LABEL in [f.rule for f in fired]
    assert agree(derived, stable)


UNLIKE = (
    f"{P} - (if k == y then m else 0)", f"{P}[k=0] - indicator(k == y)",
    f"{P} + (if k == y then 1 else 0)",
    f"{P} - (if k != y then 1 else 0)", f"(if y > 0 then {P} else 0) - (if k == y then 2 else 0)",
    "exp(z - logsumexp[k if k > 0](z)) - (if k == y then 1 else 0)",
)  # fmt: skip


@pytest.mark.parametrize("text", UNLIKE)
def test_another_share_stays(text: str) -> None:
    checked = lossc.compile(f"def {head(text)}")._checked
    stable, fired = stabilised(checked.program, checked.domains)
    assert LABEL not in [f.rule for f in fired]
    assert agree(checked.program, stable)


@pytest.mark.parametrize("text", KEPT)
def test_another_sum_stays(text: str) -> None:
    checked = lossc.compile(f"def {head(text)}")._checked
    stable, fired = stabilised(checked.program, checked.domains)
    assert LABELS not in [f.rule for f in fired]
    assert agree(checked.program, stable)


def test_the_slope_keeps_its_digits_where_all_samples_are_right() -> None:
    loss = lossc.std["balanced_softmax_ce"]
    y, n = np.int32([0, 1, 2]), np.float32([1, 5, 0.25])
    z = np.float32([[80, 0, 1], [3, 95, 4], [-20, 1, 70]])
    got = np.asarray(loss.value_and_grad(y, z, n, wrt="n")[1]["n"])
    derived = differentiate(total(loss._checked.program), "n")
    given = {"y": tuple(map(int, y)), "z": tuple(map(tuple, z.tolist())), "n": tuple(n.tolist())}
    true = [float(v) for v in values(derived, given)]
    assert got == pytest.approx(true, rel=1e-6)


def test_the_gradient_keeps_its_digits_where_all_samples_are_right() -> None:
    loss = lossc.compile("loss f(y[b], z[b, k]) = mean[b](logsumexp[k](z) - z[k=y])\nwhere\n"
                         "    y in index(k)")  # fmt: skip
    y, z = np.int32([0, 1]), np.float32([[9, 0, 1], [3, 9.5, 4]])
    got = np.asarray(loss.value_and_grad(y, z, wrt="z")[1]["z"])
    derived = differentiate(total(loss._checked.program), "z")
    true = values(derived, {"y": tuple(map(int, y)), "z": tuple(map(tuple, z.tolist()))})
    assert got.ravel() == pytest.approx([float(v) for v in true], rel=2e-6)
