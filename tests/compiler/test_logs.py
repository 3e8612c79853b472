"""Logarithms of sums over one place and of sums less a share of a part: the value stays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from mpmath import mp

import lossc
from lossc.compiler.interpret import interpret
from lossc.compiler.ir import Program
from lossc.compiler.passes.differentiate import differentiate, total
from lossc.compiler.passes.stabilise import PLACES, SHARES, WEIGHTS, stabilised
from tests.rewrites import DIGITS, rewritten, same, values

HEAD = "def f(k[], x[i], t[i], e[i], a[]) = "
WHERE = "\nwhere\n    k in -1..size(i)\n    e in {0, 1}\n    a in (-inf, 1)"
AT = "sum[i if i == k](sigmoid(x))"
PART = "sum[i if e == 1 and t == t[i=1]](exp(x))"
BEFORE = "count[i](e == 1 and t == t[i=1] and i < 1)"
TIED = "count[i](e == 1 and t == t[i=1])"
# Logarithms, and the rewrite that is for each.
LOGS = {
    f"log({AT} - sum[i if i == k - 1](sigmoid(x)))": PLACES,
    f"log((if k == size(i) then 1 else {AT}) - sum[i if k - 1 == i](sigmoid(x)))": PLACES,
    f"x * log(1 - {AT})": PLACES,
    f"log(sum[i if t >= t[i=1]](exp(x)) - a * {PART})": WEIGHTS,
    f"log(2 * sum[i if t - t[i=1] >= 0](exp(x)) - {PART}) + x": WEIGHTS,
    f"log(sum[i](exp(x)) - {BEFORE} / {TIED} * {PART})": WEIGHTS,
}
# Logarithms that are like them, and are not to be rewritten.
KEPT = (
    f"log({AT})", "log(2 - sum[i if i == k and e == 1](sigmoid(x)))",
    "log(2 - sum[i if i <= k](sigmoid(x)))", "log(1 - sum[i if i == k](x))",
    f"log(sum[i if t > t[i=1]](exp(x)) - a * {PART})",  # of which it is no part
    f"log(sum[i if t >= t[i=1]](exp(x)) + (a - 2) * {PART})",  # 2 - a may be more than 1
    f"log(sum[i](exp(x)) - {TIED} / {BEFORE} * {PART})",
    "log(sum[i](exp(x)) - a * sum[i if e == 1](exp(t)))",
    f"log(sum[i](exp(x)) - e * {PART})",  # another share at each place
)  # fmt: skip
POINTS: tuple[Mapping[str, object], ...] = tuple(
    {"k": k, "x": x, "t": t, "e": e, "a": a}
    for k, x, t, e, a in (
        (0, (0.5, -3.25, 2.0), (1.0, 1.0, 1.0), (1, 1, 1), 0.75),
        (1, (-4.5, 3.0, 2.5), (2.0, 1.0, 1.0), (0, 1, 1), -2.0),
        (2, (-50.0, 41.0, 700.0), (1.0, 1.0, 4.0), (1, 1, 0), 0.999),
        (3, (1.0, 1.5, -80.0), (0.5, 1.0, 2.0), (1, 1, 0), 1e-9),
        (-1, (0.0, 2.0, 3.0), (3.0, 1.0, 2.0), (0, 1, 1), 0.5),
    )
)


def program_of(text: str) -> tuple[Program, Program, list[str]]:
    return rewritten(HEAD + text + WHERE)


def agree(a: Program, b: Program) -> bool:
    """Whether two programs have one value wherever that of the first is a number."""
    return same(a, b, POINTS, digits=25, partial=True)


@pytest.mark.parametrize(("text", "rule"), LOGS.items())
def test_a_rewrite_fires_and_keeps_value_and_gradient(text: str, rule: str) -> None:
    before, after, fired = program_of(text)
    assert rule in fired
    assert any(mp.isfinite(v) for p in POINTS for v in values(before, p))
    assert agree(before, after)
    assert agree(*(differentiate(total(p), "x") for p in (before, after)))


@pytest.mark.parametrize("text", KEPT)
def test_another_logarithm_stays(text: str) -> None:
    assert not {PLACES, WEIGHTS} & set(program_of(text)[2])


@pytest.mark.parametrize("name", ["proportional_odds_nll", "cox_efron"])
def test_a_loss_is_finite_and_right_where_its_parts_are_equal_numbers(name: str) -> None:
    given: dict[str, dict[str, object]] = {
        "proportional_odds_nll": {"y": np.int32([1, 2, 0]), "z": np.float32([-60, 90, 1e-9]),
                                  "cuts": np.float32([0.0, 1e-7])},
        "cox_efron": {"time": np.float32([2, 2, 2, 9]), "risk": np.float32([60, 1, 60, -70]),
                      "event": np.int32([1, 1, 1, 1])},
    }  # fmt: skip
    loss, data = lossc.std[name], given[name]
    got, slopes = loss.value_and_grad(**data)
    assert float(got) == pytest.approx(float(loss.reference(**data)), rel=1e-6)
    assert all(np.all(np.isfinite(np.asarray(s))) for s in slopes.values())


def test_what_grows_under_an_index_keeps_what_it_says_of_it() -> None:
    text = "mean[b](sum[i](abs(sum[k](y[b, k]) * softmax[i](z) - y)))"
    checked = lossc.compile(f"loss f(z[b, i], y[b, i]) = {text}")._checked
    stable, fired = stabilised(checked.program, checked.domains)
    assert SHARES in [f.rule for f in fired]
    data = {"z": ((0.5, 2.0), (-1.0, 3.0), (0.25, 0.0)), "y": ((1.0, 2.5), (0.5, -2.0), (3.0, 1.0))}
    a, b = (interpret(p, data, DIGITS) for p in (checked.program, stable))
    assert mp.almosteq(a, b, 1e-40)
