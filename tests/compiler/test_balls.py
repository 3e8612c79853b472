"""Balls: they hold what mpmath gives, are narrow, and know what they cannot tell."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mpmath import mp

import lossc
from lossc.compiler import enclose as enclosing
from lossc.compiler.accuracy.batches import Batches
from lossc.compiler.accuracy.floats import FLOAT32
from lossc.compiler.arithmetic import NEAREST
from lossc.compiler.balls import (
    ANYTHING,
    FAILS,
    HOLDS,
    INF,
    NAN,
    NONE,
    OPEN,
    apply,
    is_infinite,
    middle,
    objects,
    of_number,
)
from lossc.compiler.check import check
from lossc.compiler.enclose import TooLarge, enclose, lot_of
from lossc.compiler.exact import Accuracy, enclosed, evaluate
from lossc.compiler.interpret import interpret, sizes_of
from lossc.compiler.passes.differentiate import differentiate
from lossc.dsl.primitives import BOOL, PRIMITIVES, Primitive
from lossc.dsl.source import Source
from lossc.files import reader
from tests.ir_builders import N, at, const, op, program, select, tensor
from tests.strategies import losses, sample

CORPUS = sorted((Path(__file__).parents[1] / "corpus").glob("*.loss"))
SPECIAL = ("-inf", "-1e30", "-40", "-2.5", "-2", "-1", "-0.5", "-1e-30", "0", "1e-30", "0.25",
           "0.5", "1", "1.5", "2", "3", "40", "1e30", "inf", "nan")  # fmt: skip
BITS, FINE = 120, 400
NARROW = 60  # bits that a ball tells at least, of an exact argument in the domain
RATIOS = tuple(n for n, p in PRIMITIVES.items() if p.takes != BOOL)


def exact(op_: str, *args: Any) -> Any:
    with mp.workprec(FINE):
        return NEAREST.apply(op_, [mp.mpf(a) for a in args])


def ball(op_: str, *args: Any, bits: int = BITS) -> Any:
    """The ball, or the condition, that a primitive gives at balls or numbers."""
    with ctx.workprec(bits):
        found = apply(
            op_, [objects(a if isinstance(a, arb) else of_number(mp.mpf(a))) for a in args]
        )
    return found[()]


def holds(found: Any, true: Any) -> bool:
    """Whether a ball or condition allows a value."""
    if isinstance(true, bool):
        return found in (OPEN, HOLDS if true else FAILS)
    if found is NAN:
        return bool(mp.isnan(true))
    if is_infinite(found):
        return bool(middle(found) == true)
    if not found.is_finite():
        return True
    with mp.workprec(FINE):
        slack = mp.ldexp(abs(true), -FINE // 2)
        return bool(abs(true - middle(found)) <= middle(found.rad()) + slack)


def arguments(row: Primitive, points: tuple[Any, ...]) -> Any:
    return product(points, repeat=max(len(row.domain), 1))


@pytest.mark.parametrize("name", RATIOS)
def test_balls_hold_the_values_at_special_points(name: str) -> None:
    row = PRIMITIVES[name]
    points = SPECIAL if len(row.domain) < 3 else SPECIAL[::3]
    for args in arguments(row, tuple(mp.mpf(p) for p in points)):
        assert holds(ball(name, *args), exact(name, *args)), args


@pytest.mark.parametrize("name", RATIOS)
def test_balls_of_exact_numbers_are_narrow(name: str) -> None:
    rng, row = Random(name), PRIMITIVES[name]
    for _ in range(40):
        args = [mp.mpf(rng.uniform(0.01, 0.99)) * (rng.random() < 0.9 or 1) for _ in row.domain]
        args = [a + (name == "acosh") - 2 * a * (name == "log1mexp") for a in args]
        found = ball(name, *args)
        if isinstance(found, arb):
            assert found.is_zero() or found.rel_accuracy_bits() > NARROW, args
        else:
            assert found != OPEN


@pytest.mark.parametrize("name", [n for n in RATIOS if n not in ("isnan", "isfinite")])
def test_wide_balls_hold_the_values_inside(name: str) -> None:
    rng, row = Random(name), PRIMITIVES[name]
    for _ in range(60):
        mids = [rng.choice((rng.uniform(-3, 3), rng.uniform(0, 1), 0.0, 1.0)) for _ in row.domain]
        radii = [rng.choice((0.0, 2.0 ** -rng.randint(0, 40))) for _ in row.domain]
        found = ball(name, *(arb(m, r) for m, r in zip(mids, radii, strict=True)))
        for _ in range(4):
            inside = [m + rng.uniform(-1, 1) * r for m, r in zip(mids, radii, strict=True)]
            assert holds(found, exact(name, *inside)), (mids, radii, inside)


def test_conditions_on_balls_that_overlap_are_open() -> None:
    wide = arb(1, 0.5)
    assert [ball(n, wide, 1) for n in ("lt", "le", "gt", "ge", "eq", "ne")] == [OPEN] * 6
    assert [ball(n, wide, 2) for n in ("lt", "ge", "eq")] == [HOLDS, FAILS, FAILS]
    assert [ball(n, NAN, 1) for n in ("lt", "ge", "eq", "ne")] == [FAILS, FAILS, FAILS, HOLDS]
    assert [ball("eq", NONE, x) for x in (NONE, NAN, 1)] == [HOLDS, FAILS, FAILS]
    assert [ball("isnan", x) for x in (NAN, NONE, ANYTHING, 1, INF)] == [1, 1, OPEN, -1, -1]
    assert [ball("isfinite", x) for x in (NAN, ANYTHING, wide, -INF)] == [-1, OPEN, 1, -1]


def test_where_a_condition_is_open_both_branches_count() -> None:
    x = tensor("x")
    root = op("mul", op("sqrt", at(x)), op("sqrt", at(x)))
    choice = program(select(op("lt", root, at(x)), 3.0, 5.0), x)
    (found,) = around(choice, [{"x": 2.0}])
    assert found.contains(3) and found.contains(5)
    assert around(choice, [{"x": 4.0}])[0] == 5  # the root of 4 is exact


# --- programs -------------------------------------------------------------------------------------

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
PARAMS = {"p": 0.5, "lag": 1.0, "q": np.array([0.1, 0.2, 0.3, 0.4])}


@settings(max_examples=int(os.environ.get("LOSSC_BALL_EXAMPLES", "120")), deadline=None,
          suppress_health_check=SLOW, derandomize=True)  # fmt: skip
@given(losses(), st.integers(0, 3))
def test_random_programs(text: str, seed: int) -> None:
    whole = check(Source.of("x", text), reader(None)).losses["random"].program
    values = {**sample(seed), **PARAMS}
    true = interpret(whole, values, FINE // 4)
    (found,) = around(whole, [values], strict=True)
    assert holds(found, true)


# Two windows of many places each: the interpreter takes seconds.
LONG = ("ssim", "cldice", "local_ncc", "sliced", "vicreg", "barlow", "hsic", "lovasz", "gram")


@pytest.mark.parametrize(
    "path", [p for p in CORPUS if not p.stem.startswith(LONG)], ids=lambda p: p.stem
)
def test_losses_and_their_gradients(path: Path) -> None:
    loss = next(iter(lossc.load(path).values()))
    batches = points(loss)
    whole = loss._checked.program
    real = [t.name for t in whole.inputs if t.kind == "real"][:1]
    for program_ in (whole, *(differentiate(whole, n) for n in real)):
        for values, found in zip(batches, around(program_, batches), strict=True):
            true = np.array(interpret(program_, values, 150), dtype=object)
            assert all(map(holds, objects(found).flat, true.flat))


def points(loss: lossc.Loss) -> list[dict[str, Any]]:
    """Two lots of inputs and params."""
    checked = loss._checked
    found = Batches(checked, checked.program, FLOAT32, 8, 1, None, False)
    return [dict(b.arrays) for b in list(found)[-2:]]


def around(whole: Any, lots: list[dict[str, Any]], **options: Any) -> Any:
    """Balls around the values at some lots."""
    balls = [lot_of(whole, values, BITS) for values in lots]
    return enclose(whole, balls, sizes_of(whole, lots[0]), BITS, **options)


def loss_of(text: str) -> Any:
    return next(iter(check(Source.of("x", text), reader(None)).losses.values())).program


ROWS = """
loss rows(x[n, k], y[n]) = mean[n](
    max[k if k != y](x) * sum[k](if k == y then exp(x) else sin(x))
    + sort[k](x)[k=0] + cumsum[k](x)[k=y] + argmax[k](x)
)
where
    x in real
    y in index(k)
"""


def test_lots_and_rows_are_split_where_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    whole = differentiate(loss_of(ROWS), "x")
    lots = [{"x": rng.normal(size=(6, 4)), "y": np.array([0, 1, 1, 3, 2, 1])} for _ in range(5)]
    found = around(whole, lots)
    assert found.shape == (5, 6, 4)
    for lot, balls in zip(lots, found, strict=True):
        assert all(map(holds, balls.flat, np.ravel(interpret(whole, lot, 40))))
    for most in (64, 16):  # some lots at once, and some rows
        monkeypatch.setattr(enclosing, "MOST", most)
        parts = around(whole, lots)
        assert all(a.overlaps(b) for a, b in zip(found.flat, parts.flat, strict=True))
    some = around(whole, lots, rows=[1, 4])
    assert all(a.overlaps(b) for a, b in zip(found[:, [1, 4]].flat, some.flat, strict=True))
    monkeypatch.setattr(enclosing, "MOST", 3)
    with pytest.raises(TooLarge):
        around(whole, lots)


def test_what_is_left_out_is_not_surely_nan() -> None:
    """The logarithm of a number that may be 0 is not known; that of the one left out is NaN."""
    text = "loss f(x[n]) = sum[n if x > 0](log(x - sqrt(2) * sqrt(2)))"
    whole, values = loss_of(text), {"x": np.array([2.0, -1.0])}
    (found,) = around(whole, [values], strict=True)
    assert found.is_nan() and found is not NAN


def test_what_is_surely_nan_is_told_if_asked() -> None:
    text = "loss f(x[n]) = sum[n](sqrt(x)) + 1"
    whole, values = loss_of(text), {"x": np.array([1.0, -1.0])}
    assert around(whole, [values])[0] is not NAN
    assert around(whole, [values], strict=True)[0] is NAN
    lots, sizes = [lot_of(whole, values, BITS)], sizes_of(whole, values)
    assert mp.isnan(enclosed(whole, lots, sizes, Accuracy(60))[0].values[()])


def test_a_place_that_is_not_known_may_be_any() -> None:
    x = tensor("x", N)
    root = op("mul", op("sqrt", const(3)), op("sqrt", const(3)))  # 3, as far as it is known
    picked = program(at(x, op("sub", root, 2)), x)
    found = around(picked, [{"x": np.arange(4.0)}], strict=True)
    assert found[0].is_nan() and found[0] is not NAN


def test_numbers_that_differ_by_less_than_the_first_digits_are_told_apart() -> None:
    """A margin of 1 is lost beside 1e30, in any rounding to 84 bits."""
    whole = loss_of("loss f(x, y) = sum(max(0, 1 + abs(x) - abs(y)))")
    asked = Accuracy(24 + 20, 0, 0, 1 << 11)
    values = {"x": [1e30], "y": [1e30]}
    assert evaluate(whole, values, asked).values[()] == 1
    lots, sizes = [lot_of(whole, values, BITS)], sizes_of(whole, values)
    assert enclosed(whole, lots, sizes, asked)[0].settled[()]
