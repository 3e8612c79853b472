"""Derived gradients: as formulas to read, as compiled graphs, at kinks, and once more derived."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings

import lossc
from lossc.compiler.emit.to_tf import emit
from lossc.compiler.pipeline import prepare
from tests.strategies import losses, sample

CORPUS = Path(__file__).parent / "corpus"
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]

READABLE = [
    (
        "mean(w * (y - yhat)^2)",
        "yhat",
        "def d_loss_d_yhat(y, yhat, w) = 2 * w * (yhat - y) / size(...)",
    ),
    ("mean(abs(y - yhat))", "yhat", "def d_loss_d_yhat(y, yhat) = -(sign(y - yhat) / size(...))"),
    (
        "loss ce(y[batch], z[batch, class]) = mean[batch](logsumexp[class](z) - z[batch, y])\n"
        "where y in index(class)",
        "z",
        "def d_ce_d_z(y[batch], z[batch, class]) =\n"
        "    (softmax[class](z) - indicator(y == class)) / size(batch)\n"
        "where\n    y in index(class)",
    ),
    (
        "loss ce(y[batch, class], z[batch, class]) =\n"
        "    -mean[batch](sum[class](y * log_softmax[class](z)))\nwhere y in simplex[class]",
        "z",
        "def d_ce_d_z(y[batch, class], z[batch, class]) = (softmax[class](z) - y) / size(batch)\n"
        "where\n    y in simplex[class]",
    ),
    (
        "loss huber(y, yhat; delta = 1) =\n"
        "    mean(if abs(e) <= delta then e^2 / 2 else delta * (abs(e) - delta / 2))\n"
        "where e = y - yhat",
        "yhat",
        "def d_huber_d_yhat(y, yhat; delta = 1) =\n"
        "    (if abs(s) <= delta then yhat - y else -(delta * sign(s))) / size(...)\n"
        "where\n    s = y - yhat",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wrt", "said"), READABLE, ids=[w for _, w, _ in READABLE])
def test_a_gradient_reads_as_a_person_would_write_it(text: str, wrt: str, said: str) -> None:
    formula = lossc.compile(text).gradient(wrt)
    assert str(formula).strip() == said
    assert formula.latex.count("{") == formula.latex.count("}")


# Windows in windows: its text of 23,000 characters takes long to trace.
TEXTS = sorted(p.stem for p in CORPUS.glob("*.loss") if p.stem != "cldice_soft_skeleton")


@pytest.mark.by_plan
@pytest.mark.parametrize("name", TEXTS)
def test_a_printed_gradient_compiles_to_the_same_numbers(name: str) -> None:
    from tests.corpus.test_corpus import RECORDS, cast

    record = RECORDS[name]
    loss = lossc.load(record.path, jit=False, stable=False)[name]
    data = cast(record.inputs(), np.float64)
    for wrt in record.differentiable:
        direct = np.asarray(loss.value_and_grad(**data, wrt=wrt)[1][wrt])
        again = np.asarray(lossc.compile(str(loss.gradient(wrt)), jit=False, stable=False)(**data))
        scale = np.max(np.abs(direct)) or 1.0
        assert np.broadcast_to(again, direct.shape) == pytest.approx(direct, abs=1e-9 * scale)


@settings(max_examples=30, deadline=None, suppress_health_check=SLOW, derandomize=True)
@given(losses())
def test_random_gradients_are_those_of_tensorflow(text: str) -> None:
    loss = lossc.compile(text, jit=False)
    data = sample(2)
    names = ["x", "u", "v", "h", "s"]
    _, derived = loss.value_and_grad(**data, wrt=names)
    named = {n: tf.constant(x) for n, x in data.items()}
    named |= {"p": tf.constant(0.5, tf.float64), "lag": tf.constant(1.0, tf.float64)}
    named["q"] = tf.constant([0.1, 0.2, 0.3, 0.4], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch([named[n] for n in names])
        value = emit(prepare(loss._checked.program))(named)
    zero = tf.UnconnectedGradients.ZERO
    taped = tape.gradient(value, {n: named[n] for n in names}, unconnected_gradients=zero)
    for n in names:
        want = np.asarray(taped[n])
        if np.isfinite(want).all():
            scale = max(1.0, np.max(np.abs(want)))
            assert np.asarray(derived[n]) == pytest.approx(want, rel=1e-7, abs=1e-9 * scale)


def slopes(text: str, *data: Any, wrt: str = "yhat") -> list[float]:
    """The gradient of a sum, under XLA and without."""
    found = [
        np.asarray(lossc.compile(text, jit=jit).value_and_grad(*data, wrt=wrt)[1][wrt]).tolist()
        for jit in (True, False)
    ]
    assert found[0] == found[1]
    return found[0]  # type: ignore[no-any-return]


ZERO = np.zeros(2)


@pytest.mark.parametrize(
    ("text", "slope"),
    [
        ("sum(abs(y - yhat))", [0.0, 0.0]),
        ("sum(relu(y - yhat))", [0.0, 0.0]),
        ("sum(max(yhat, 0) + min(yhat, 0))", [0.0, 0.0]),
        ("sum(max(y, yhat))", [0.5, 0.5]),
        ("sum(clip(yhat, 0, 1))", [0.0, 0.0]),
        ("max(yhat)", [0.5, 0.5]),
        ("norm(y - yhat)", [0.0, 0.0]),
        ("std(yhat)", [0.0, 0.0]),
        ("sum(sqrt(yhat^2))", [0.0, 0.0]),
        ("sum(hypot(y, yhat))", [0.0, 0.0]),
        ("sum(xlogy(y, yhat))", [0.0, 0.0]),
        ("sum(if yhat > 0 then log(yhat) else 0)", [0.0, 0.0]),
        ("sum(if yhat > 0 then sqrt(yhat) / yhat else yhat)", [1.0, 1.0]),
        ("sum(yhat^2 + yhat^1 + yhat^0)", [1.0, 1.0]),
        ("sum(if y > 0 then 1 / yhat else y * yhat)", [0.0, 0.0]),
    ],
)
def test_kinks(text: str, slope: list[float]) -> None:
    if "y" not in text.replace("yhat", ""):
        text = f"{text} + 0 * sum(y)"
    assert slopes(text, ZERO, ZERO) == slope


def test_stop_gradient_and_flat_paths() -> None:
    assert slopes("sum(stop_gradient(yhat) * yhat + 0 * y)", ZERO, np.ones(2)) == [1.0, 1.0]
    assert slopes("sum(round(yhat) + indicator(yhat > y))", ZERO, np.ones(2)) == [0.0, 0.0]


def test_params_have_gradients() -> None:
    huber = lossc.std.huber
    y, p = np.array([0.0, 0.0]), np.array([0.5, 3.0])
    _, grads = huber.value_and_grad(y, p, wrt=("delta", "yhat"), delta=1.0)
    assert float(grads["delta"]) == pytest.approx((3.0 - 1.0) / 2)
    assert np.asarray(grads["yhat"]).tolist() == [0.25, 0.5]


@pytest.mark.parametrize("jit", [True, False])
def test_second_derivatives(jit: bool) -> None:
    loss = lossc.compile("mean(softplus(yhat) - y * yhat)", jit=jit)
    y, p = tf.constant([0.0, 1.0], tf.float64), tf.constant([-1.0, 2.0], tf.float64)
    with tf.GradientTape() as outer:
        outer.watch(p)
        with tf.GradientTape() as inner:
            inner.watch(p)
            value = loss(y, p)
        first = inner.gradient(value, p)
    second = np.asarray(outer.gradient(first, p))
    s = 1 / (1 + np.exp(-np.asarray(p)))
    assert np.asarray(first) == pytest.approx((s - np.asarray(y)) / 2, rel=1e-12)
    assert second == pytest.approx(s * (1 - s) / 2, rel=1e-12)


def test_per_sample_values_have_the_derived_gradient() -> None:
    loss = lossc.std.sparse_categorical_crossentropy_from_logits
    z = tf.constant(np.random.default_rng(1).normal(size=(3, 4)))
    y = np.array([0, 3, 1])
    with tf.GradientTape() as tape:
        tape.watch(z)
        values = loss.per_sample(y, z) * [1.0, 2.0, 0.0]
    got = np.asarray(tape.gradient(values, z))
    want = (np.asarray(tf.nn.softmax(z)) - np.eye(4)[y]) * [[1.0], [2.0], [0.0]]
    assert got == pytest.approx(want, abs=1e-12)


def test_a_gradient_of_half_precision_keeps_its_dtype() -> None:
    x = np.ones((2, 3), np.float16)
    _, grads = lossc.compile("mean((y - yhat)^2)").value_and_grad(x, 2 * x)
    assert grads["yhat"].dtype == tf.float16 and grads["yhat"].shape == (2, 3)


def test_gradients_of_a_function_with_axes_are_those_of_its_sum() -> None:
    function = lossc.compile("def share(x[a, b]) = x^2 / sum[b](x)")
    x = np.arange(1.0, 7.0).reshape(2, 3)
    value, grads = function.value_and_grad(x)
    total = x.sum(1, keepdims=True)
    want = 2 * x / total - (x**2).sum(1, keepdims=True) / total**2
    assert value.shape == (2, 3)
    assert np.asarray(grads["x"]) == pytest.approx(want, rel=1e-12)


def test_a_printed_gradient_of_a_function_takes_the_gradient_in_its_value() -> None:
    loss = lossc.compile("def f(x[n, m], upstream[m]) = x^2 * upstream / sum[m](x)", jit=False)
    x, weights = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([2.0, 7.0])
    derived = lossc.compile(str(loss.gradient("x")), jit=False)
    assert list(derived.inputs) == ["x", "upstream", "upstream_2"]
    again = np.asarray(derived(x, weights, np.ones((2, 2))))
    assert again == pytest.approx(np.asarray(loss.value_and_grad(x, weights)[1]["x"]))


def test_an_input_may_be_called_upstream() -> None:
    loss = lossc.compile("mean(upstream * (y - yhat)^2)", jit=False)
    y, p = tf.constant([0.0, 0.0]), tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(p)
        value = loss(y, p, upstream=tf.constant([3.0, 5.0]))
    assert np.asarray(tape.gradient(value, p)).tolist() == [3.0, 10.0]
