"""Which steps are computed in float64 under each precision, and that their digits are kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings

import lossc
from lossc.commands.hlo import optimized
from lossc.compiler.derive import real_inputs
from lossc.compiler.emit.schedule import Plan
from lossc.compiler.passes.differentiate import total
from lossc.compiler.pipeline import Numerics
from lossc.compiler.precision import AUTO, FLOAT32, FLOAT64, PRECISIONS, Precision
from lossc.options import Options
from tests.strategies import losses

# Formulas that float32 computes as well as the data tell, the subtle ones last.
NARROW = (
    "mean((y - yhat)^2)",
    "mean(abs(y - yhat))",
    "mean(log(cosh(y - yhat)))",
    "loss f(y[b], z[b]) = mean(log(1 + exp(-y * z)))\nwhere y in {-1, 1}",
    "loss f(u[n, d], v[n, d]) = mean[n](sum[d](u * v))",
    "loss f(x[n]) = mean[n]((x[n] - mean[m](x[m]))^2)",
)
# Formulas of which float32 loses digits on data that people have.
WIDE = (
    "loss f(x[n]) = sum[n](cos(x) + x^2 / 2 - 1)",
    "loss f(x[n], y[n]) = abs(sum[n](x * y) - norm[n](x) * norm[n](y))",
    "loss f(p[n], q[n]) = mean(p * log(p / q) - p + q)\nwhere\n    p > 0\n    q > 0",
)


def plan_of(loss: lossc.Loss, precision: Precision = AUTO) -> Plan:
    """The plan of value and gradient."""
    checked = loss._checked
    numerics = Numerics.of(checked, precision)
    value = numerics.stable(checked.program)
    slopes = [numerics.derivative(total(value), name) for name in real_inputs(checked)]
    return numerics.plan(*map(numerics.arranged, (value, *map(numerics.stable, slopes))))


def wide(plan: Plan) -> int:
    return sum(step.wide for step in plan.steps)


@pytest.mark.parametrize("text", NARROW)
def test_what_float32_computes_well_is_left_in_it(text: str) -> None:
    assert wide(plan_of(lossc.compile(text))) == 0


@pytest.mark.parametrize("text", WIDE)
def test_what_loses_digits_is_promoted_and_the_plan_says_why(text: str) -> None:
    plan = plan_of(lossc.compile(text))
    assert wide(plan)
    reasons = [step.why for step in plan.steps if step.wide and step.same is None]
    assert all(reasons)
    assert any(reason.startswith("loses") for reason in reasons)


@pytest.mark.parametrize("text", (*NARROW, *WIDE))
def test_float32_has_no_float64_step_and_float64_has_most(text: str) -> None:
    loss = lossc.compile(text)
    few, some, many = (wide(plan_of(loss, p)) for p in (FLOAT32, AUTO, FLOAT64))
    assert few == 0
    assert some <= max(many, some)


def test_a_plan_is_the_same_each_time() -> None:
    for name in ("kl_divergence", "info_nce", "giou_box"):
        assert str(plan_of(lossc.std[name])) == str(plan_of(lossc.std[name]))


def test_most_losses_of_the_library_have_no_float64_step() -> None:
    narrow = [name for name in lossc.std if not wide(plan_of(lossc.std[name]))]
    assert len(narrow) >= 0.6 * len(lossc.std)


@pytest.mark.parametrize("name", ["huber", "kl_divergence", "info_nce", "binary_crossentropy"])
def test_float32_emits_no_float64_operation(name: str) -> None:
    checked = lossc.std[name]._checked
    wrt = tuple(real_inputs(checked))
    assert "f64[" not in optimized(checked, {}, Options(precision=FLOAT32), wrt)


def test_digits_that_are_lost_in_float32_are_kept() -> None:
    """Next to each other, Kullback and Leibler's divergence is half of the square."""
    p, q = np.float32([0.5, 0.25]), np.float32([0.5001, 0.2501])
    text = WIDE[2]
    true = float(lossc.compile(text).reference(p, q))
    found = {how: float(lossc.compile(text, precision=how)(p, q)) for how in PRECISIONS}
    assert found[AUTO] == pytest.approx(true, rel=1e-6)
    assert found[FLOAT64] == pytest.approx(true, rel=1e-6)
    assert found[FLOAT32] != pytest.approx(true, rel=1e-3)


RUNS: tuple[Callable[[lossc.Loss, np.ndarray, np.ndarray], float], ...] = (
    lambda loss, x, y: float(loss(x, y)),
    lambda loss, x, y: float(loss.value_and_grad(x, y)[0]),
    lambda loss, x, y: float(loss.value_and_grad(x, y)[1]["x"][0]),
)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("jit", [True, False])
def test_what_leaves_the_range_of_float32_is_computed_again(
    run: Callable[[lossc.Loss, np.ndarray, np.ndarray], float], jit: bool
) -> None:
    text = "loss f(x[n], y[n]) = mean[n](exp(x) * y)"
    x, y = np.float32([100.0, -1.0]), np.float32([1e-12, 0.0])
    true = float(lossc.compile(text).reference(x, y))
    assert run(lossc.compile(text, jit=jit), x, y) == pytest.approx(true, rel=1e-5)
    assert not np.isfinite(run(lossc.compile(text, jit=jit, precision=FLOAT32), x, y))


def test_float64_data_is_computed_in_float64_whatever_the_precision() -> None:
    x, y = np.array([1.0, 1 + 1e-12]), np.array([1.0, 1.0])
    for precision in PRECISIONS:
        value = lossc.compile("mean((x - y)^2)", precision=precision)(x, y)
        assert value.dtype == "float64"
        assert float(value) == pytest.approx(5e-25, rel=1e-3)


def test_a_precision_is_kept_by_losses_keras_and_what_is_saved() -> None:
    loss = lossc.compile("mean((y - yhat)^2)", precision=FLOAT64)
    assert loss.precision == FLOAT64
    assert loss.keras().formula.precision == FLOAT64
    narrow = loss.keras(precision=FLOAT32)
    again = type(narrow).from_config(narrow.get_config())
    assert (narrow.formula.precision, again.formula.precision) == (FLOAT32, FLOAT32)


@pytest.mark.parametrize("wrong", ["double", "", None, 64])
def test_another_precision_is_refused(wrong: object) -> None:
    with pytest.raises(lossc.LosscError) as caught:
        lossc.compile("mean((y - yhat)^2)", precision=wrong)  # type: ignore[arg-type]
    assert caught.value.code == "E0619"


@given(losses())
@settings(max_examples=40, deadline=None)
def test_every_formula_has_a_plan_in_every_precision(text: str) -> None:
    loss = lossc.compile(text)
    counts = {precision: wide(plan_of(loss, precision)) for precision in PRECISIONS}
    assert counts[FLOAT32] == 0
