"""Log-shares in two sums: the rewritten sums keep their values, and lose no digits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

import lossc
from lossc.compiler.ir import Program
from lossc.compiler.passes.differentiate import differentiate, total
from lossc.compiler.passes.stabilise import LOG_SHARES
from tests.rewrites import rewritten, same, values

L = "log_softmax[i](x)"
SUMS = (
    f"sum[i if i < y]({L}) - sum[i if i >= y]({L})",
    f"a * (3 + sum[i if i < y and x < a](-2 * {L} / a) + sum[i if i == 0](2 * {L} / a))",
    f"sum[i if i < y](a * {L}) - a * sum[i if i > y]({L} + x) + y",
)
# Sums that are like them, and are not to be rewritten.
KEPT = (
    f"sum[i if i < y]({L}) + sum[i if i >= y]({L})", f"sum[i if i < y]({L}) - sum[i]({L})",
    f"sum[i if i < y]({L}) - sum[i if i >= y](2 * {L})",
    "sum[i if i < y](x - a) - sum[i if i > y](x - a)",
    f"sum[i if i < y]({L}) - mean[i if i >= y]({L})",
)  # fmt: skip
POINTS: tuple[Mapping[str, object], ...] = tuple(
    {"x": x, "y": y, "a": a}
    for x in ((0.5, -3.25, 2.0, 1.0), (1e-9, 7.0, 700.0, -2.0))
    for y, a in ((0.5, 1.5), (2.0, -3.0), (-1.0, 0.25), (1.0, 1e4))
)


def program_of(text: str) -> tuple[Program, Program, list[str]]:
    return rewritten(f"def f(x[i], y[], a[]) = {text}")


def agree(a: Program, b: Program) -> bool:
    return same(a, b, POINTS)


@pytest.mark.parametrize("text", SUMS)
def test_a_rewrite_fires_and_keeps_the_value(text: str) -> None:
    before, after, fired = program_of(text)
    assert LOG_SHARES in fired
    assert agree(before, after)


@pytest.mark.parametrize("text", KEPT)
def test_another_sum_stays(text: str) -> None:
    before, after, fired = program_of(text)
    assert LOG_SHARES not in fired
    assert agree(before, after)


def test_the_slope_in_a_coordinate_between_two_places_keeps_its_digits() -> None:
    loss = lossc.std["distribution_focal"]
    y, z = np.float32([1e-30, 1.5]), np.float32([[1e-25, 3e-25, 0], [1, 2e-20, -3e-20]])
    got = np.asarray(loss.value_and_grad(y, z, wrt="y")[1]["y"])
    derived = differentiate(total(loss._checked.program), "y")
    given = {"y": tuple(map(float, y)), "z": tuple(map(tuple, z.tolist()))}
    true = values(derived, given)
    assert got == pytest.approx([float(v) for v in true], rel=1e-6, abs=0)
