"""The place of the largest number, asked of numbers before they are rounded."""

from __future__ import annotations

import numpy as np
import pytest

import lossc
from lossc.compiler.ir import Access, Reduce, postorder
from lossc.compiler.passes.stabilise import NUMBER, ORDER, stabilised
from lossc.compiler.rules.orders import INCREASING
from lossc.dsl.primitives import PRIMITIVES
from tests.rewrites import rewritten, same

WHERE = "\nwhere\n    x in (0, 1)\n    w > 0"


def compared(body: str, op: str = "argmax", where: str = WHERE) -> bool:
    """Whether what is compared comes down to the input alone."""
    text = f"loss f(x[i, k], w[i]) = mean[i](w + {op}[k]({body})){where}"
    checked = lossc.compile(text)._checked
    stable, fired = stabilised(checked.program, checked.domains)
    names = {f.rule for f in fired}
    (found,) = (t for t in postorder(stable.value) if isinstance(t, Reduce) and t.op == op)
    alone = isinstance(found.body, Access)
    assert ORDER in names or not alone
    return alone


@pytest.mark.parametrize("op", ["argmax", "argmin"])
@pytest.mark.parametrize("body", [
    *(f"{op}(x)" for op in sorted(INCREASING)),
    *("softmax[k](x)", "x - max[k](x)", "w + x", "x / w", "w * x", "3 * x - 2", "log(x * w)"),
])  # fmt: skip
def test_what_grows_with_its_argument_keeps_the_order(body: str, op: str) -> None:
    assert compared(body, op)


@pytest.mark.parametrize("body", [
    "-x", "w - x", "1 - x", "exp(-x)", "w / x", "x * (1 - w)", "x - x^2", "x + one_hot[k](2)",
])  # fmt: skip
def test_what_may_fall_with_its_argument_stays(body: str) -> None:
    assert not compared(body)


def test_a_factor_that_may_be_negative_or_nothing_stays() -> None:
    assert not compared("w * x", where="\nwhere w in [0, inf)")
    assert not compared("x / w", where="")


def test_the_functions_of_the_list_do_grow() -> None:
    x = np.linspace(0.01, 0.99, 50)
    for op in INCREASING:
        assert PRIMITIVES[op].arity == 1
        slopes = np.diff(np.asarray(lossc.compile(f"def f(x) = {op}(x)", jit=False)(x)))
        assert np.all(slopes > 0), op


@pytest.mark.parametrize("jit", [True, False])
def test_shares_that_are_equal_when_rounded_are_told_apart(jit: bool) -> None:
    text = "loss f(x[i, k], w[i]) = mean[i](w * argmax[k](softmax[k](x)))"
    x = np.float32([[0, 1e-30, 2e-30], [3e38, -3e38, 3.2e38]])
    assert float(lossc.compile(text, jit=jit)(x, np.float32([1, 1]))) == 2


@pytest.mark.parametrize("op", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("sides", [
    "1 + x {} y", "x {} y - 2", "x + 1 {} 3 + y", "2 - x {} y", "x * y - 1 {} y + 1 - x",
])  # fmt: skip
def test_a_number_is_kept_apart_from_what_is_compared(sides: str, op: str) -> None:
    before, after, fired = rewritten(f"def f(x[i], y[i]) = if {sides.format(op)} then x else y")
    assert fired == [NUMBER]
    grid = [[x, y] for x in (-2, -1, 0, 1, 2, 3) for y in (-2, -1, 0, 1, 2, 3)]
    assert same(before, after, [dict(zip("xy", map(list, zip(*grid, strict=True)), strict=True))])


@pytest.mark.parametrize("condition", [
    "x > y", "1 + x > 2", "1 > x + y", "1 + x > 1 + y", "i + 1 > size(i) - 2",
])  # fmt: skip
def test_where_nothing_is_lost_a_comparison_stays(condition: str) -> None:
    _, _, fired = rewritten(f"def f(x[i], y[i]) = if {condition} then x else y")
    assert NUMBER not in fired
