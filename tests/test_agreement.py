"""Values against NumPy in float64, at every rank, eagerly, in a graph and under XLA."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

import lossc

Array = Any
SHAPES = [(), (7,), (5, 3), (4, 3, 2), (3, 2, 2, 3), (2, 3, 1, 2, 2)]
TOLERANCE = {np.float32: 1e-6, np.float64: 1e-12}

# Formula, NumPy in float64, and whether its inputs are probabilities.
PLAIN: list[tuple[str, Callable[..., Array], bool]] = [
    ("mean((y - yhat)^2)", lambda y, p: np.mean((y - p) ** 2), False),
    ("sum(abs(y - yhat))", lambda y, p: np.sum(np.abs(y - p)), False),
    (
        "mean(if abs(e) <= 1 then e^2 / 2 else abs(e) - 1 / 2) where e = y - yhat",
        lambda y, p: np.mean(special.huber(1, y - p)),
        False,
    ),
    (
        "-mean(xlogy(y, yhat) + xlogy(1 - y, 1 - yhat))",
        lambda y, p: -np.mean(special.xlogy(y, p) + special.xlogy(1 - y, 1 - p)),
        True,
    ),
    ("mean(y / sum(y) * yhat)", lambda y, p: np.mean(y / np.sum(y) * p), True),
    (
        "max(abs(y - yhat)) + norm(y) + size(...)",
        lambda y, p: np.max(np.abs(y - p)) + np.sqrt(np.sum(y * y)) + y.size,
        False,
    ),
    ("std(y) + var(yhat)", lambda y, p: np.std(y) + np.var(p), True),
    ("mean[... if y > 0](yhat)", lambda y, p: p[y > 0].mean() if (y > 0).any() else 0.0, False),
]  # fmt: skip
AXES: list[tuple[str, Callable[..., Array]]] = [
    (
        "loss ce(y[..., class], z[..., class]) = -mean[...](sum[class](y * log_softmax[class](z)))",
        lambda y, z: -np.mean(np.sum(y * special.log_softmax(z, -1), -1)),
    ),
    (
        "loss n(y[..., class], z[..., class]) = mean(abs(y / sum[class](y) - softmax[class](z)))",
        lambda y, z: np.mean(np.abs(y / y.sum(-1, keepdims=True) - special.softmax(z, -1))),
    ),
    (
        "loss d(y[batch, ...], z[batch, ...]) = mean[batch](sum[...](y * z) / sum[...](y + z^2))",
        lambda y, z: np.mean(
            np.sum((y * z).reshape(len(y), -1), 1) / np.sum((y + z * z).reshape(len(y), -1), 1)
        ),
    ),
    (
        "loss c(y[batch, ...], z[batch, ...]) = mean(z[0, ...] * y) + size(batch)",
        lambda y, z: np.mean(z[:1] * y) + len(y),
    ),
]


def data(shape: tuple[int, ...], dtype: Any, unit: bool) -> tuple[Array, Array]:
    rng = np.random.default_rng(len(shape))
    draw = rng.uniform if unit else rng.normal
    low = (0.05, 0.95) if unit else (0.1, 2.0)
    return tuple(np.asarray(draw(*low, size=shape)).astype(dtype) for _ in range(2))  # type: ignore[return-value]


def ways(text: str) -> dict[str, Callable[..., Any]]:
    """The same formula run in three ways."""
    plain = lossc.compile(text, jit=False)
    return {
        "eager": plain,
        "graph": tf.function(lambda y, p: plain(y, p), autograph=False),
        "xla": lossc.compile(text),
    }


Shapes = list[tuple[int, ...]]


def agree(text: str, numpy: Callable[..., Array], shapes: Shapes, unit: bool) -> None:
    """Compare at all shapes; at some of them where each shape is compiled anew."""
    for way, run in ways(text).items():
        for dtype, tolerance in TOLERANCE.items():
            for shape in shapes if way == "eager" else shapes[::3]:
                y, p = data(shape, dtype, unit)
                value = run(y, p)
                assert value.dtype == dtype and value.shape == ()
                expected = numpy(y.astype(np.float64), p.astype(np.float64))
                assert float(value) == pytest.approx(expected, rel=tolerance), (way, shape)


@pytest.mark.parametrize(("text", "numpy", "unit"), PLAIN, ids=[t for t, *_ in PLAIN])
def test_inputs_without_axes(text: str, numpy: Callable[..., Array], unit: bool) -> None:
    agree(text, numpy, SHAPES, unit)


@pytest.mark.parametrize(("text", "numpy"), AXES, ids=[t.split("(")[0] for t, _ in AXES])
def test_inputs_with_axes(text: str, numpy: Callable[..., Array]) -> None:
    agree(text, numpy, SHAPES[1:], True)


def test_one_trace_serves_every_batch_size() -> None:
    loss = lossc.compile("3 * mean((y - yhat)^2)", jit=False)  # of a text that is used here alone
    for n in (1, 2, 7, 256):
        x = np.arange(n, dtype=np.float32)
        loss(x, 2 * x)
    assert len(loss._runtime._traces) == 1


def test_another_number_for_a_param_needs_no_trace() -> None:
    text = "if abs(e) <= delta then e^2 / 2 else delta * (abs(e) - delta / 2)"
    loss = lossc.compile(f"loss huber(y, yhat; delta = 1) = mean({text})\nwhere e = y - yhat")
    x = np.arange(4.0)
    values = {d: float(loss(x, 2 * x, delta=d)) for d in (0.5, 1, 2, 3.5)}
    assert values[0.5] == pytest.approx(np.mean(special.huber(0.5, x)))
    assert len(loss._runtime._traces) == 1


def test_a_variable_is_live_and_has_a_gradient() -> None:
    loss = lossc.compile("loss l(y, yhat; w = 1) = w * mean((y - yhat)^2)")
    w = tf.Variable(2.0)
    y, p = tf.constant([1.0, 2.0]), tf.constant([0.0, 4.0])
    with tf.GradientTape() as tape:
        value = loss(y, p, w=w)
    assert float(value) == 5.0
    assert float(tape.gradient(value, w)) == 2.5
    w.assign(3.0)
    assert float(loss(y, p, w=w)) == 7.5


def test_float64_is_kept_and_half_is_widened() -> None:
    loss = lossc.compile("mean((y - yhat)^2)")
    third = np.array([1 / 3])
    assert loss(third, 0 * third).dtype == tf.float64
    assert float(loss(third, 0 * third)) == pytest.approx(1 / 9, rel=1e-15)
    half = np.full(4096, 300.0, np.float16)
    value, grads = loss.value_and_grad(half, 0 * half)
    assert value.dtype == tf.float32 and float(value) == 90000.0
    assert grads["yhat"].dtype == tf.float16


def test_large_labels_are_not_rounded() -> None:
    loss = lossc.compile("loss same(y[n], z[n]) = mean[n](indicator(y == z))")
    big = np.array([2**24 + 1, 2**53 + 1])
    assert float(loss(big, big - 1)) == 0.0


@pytest.mark.parametrize("jit", [False, True], ids=["eager", "xla"])
def test_a_label_without_an_int64_is_out_of_range(jit: bool) -> None:
    text = "loss f(y[n], p[n, k]) = mean[n](if y[n] == -1 then 0 else -log(p[n, y[n]]))"
    values = lossc.compile(f"{text}\nwhere\n    y in int", jit=jit).per_sample(
        np.array([2**64 - 1, 1], np.uint64), np.full((2, 3), 0.5, "f")
    )
    assert np.isnan(values[0]) and float(values[1]) == pytest.approx(np.log(2))


def test_label_out_of_range_is_nan_for_its_sample_alone() -> None:
    text = "loss ce(y[n], z[n, c]) = mean[n](logsumexp[c](z) - z[c=y])\nwhere y in index(c)"
    loss = lossc.compile(text)
    z = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    values = np.asarray(loss.per_sample(np.array([0, 3, -1, 2]), z))
    assert np.isnan(values).tolist() == [False, True, True, False]


def test_what_a_filter_leaves_out_is_not_there() -> None:
    loss = lossc.compile("mean[... if not isnan(y)]((y - yhat)^2)")
    y, p = np.array([1.0, np.nan, 3.0]), np.array([0.0, np.inf, 1.0])
    value, grads = loss.value_and_grad(y, p)
    assert float(value) == 2.5
    assert np.asarray(grads["yhat"]).tolist() == [-1.0, 0.0, -2.0]


@pytest.mark.parametrize(
    ("body", "value"),
    [("sum", 0.0), ("mean", 0.0), ("max", -np.inf), ("logsumexp", -np.inf), ("min", np.inf)],
)
def test_empty_sets(body: str, value: float) -> None:
    loss = lossc.compile(f"{body}[... if y > 9](yhat * y)")
    x = np.ones(3)
    result, grads = loss.value_and_grad(x, x)
    assert float(result) == value
    assert np.asarray(grads["yhat"]).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("jit", [False, True], ids=["eager", "xla"])
@pytest.mark.parametrize("body", ["max[k](z)", "min[k](z^2)", "max(z[n,0], z[n,1], z[n,2])"])
def test_the_largest_of_numbers_and_nan_is_nan(body: str, jit: bool) -> None:
    loss = lossc.compile(f"loss f(z[n, k]) = mean[n]({body})", jit=jit)
    for row in ([1.0, np.nan, 2.0], [np.nan, 1.0, 2.0], [np.nan] * 3):
        z = np.array([row])
        assert np.isnan(float(loss(z))) and np.isnan(float(loss.reference(z)))
        assert np.isnan(float(loss.value_and_grad(z)[0]))


@pytest.mark.parametrize("jit", [False, True], ids=["eager", "xla"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_zero_has_no_sign(dtype: type, jit: bool) -> None:
    text = (
        "loss f(x, y) = mean(atan2(-x, -1) + atan2(0 * y, -1) + atan(1 / round(y / 10))"
        " + atan(1 / ceil(y / 10)) + atan(1 / sin(-x)) + atan(1 / max(-x, y)))"
    )
    loss = lossc.compile(text, jit=jit)
    for zero in (0.0, -0.0):
        x, y = np.array(zero, dtype), np.array(-3.0, dtype)
        assert float(loss(x, y)) == pytest.approx(4 * np.pi, rel=1e-6)
        assert float(loss.reference(x, y)) == pytest.approx(4 * np.pi)


@pytest.mark.parametrize("jit", [False, True], ids=["eager", "xla"])
@pytest.mark.parametrize("x", [3.93, 6.01, 1e20, np.inf, -np.inf])
def test_the_error_function_far_out_is_one(x: float, jit: bool) -> None:
    loss = lossc.compile("mean(erf(x))", jit=jit)
    assert float(loss(np.float32(x))) == np.sign(x)
    if abs(x) > 6:
        assert float(loss(np.float64(x) ** 9)) == np.sign(x)


def test_reference_is_exact_to_its_digits() -> None:
    loss = lossc.compile("mean((y - yhat)^2)")
    assert str(loss.reference([0.5], [0.25], digits=30)) == "0.0625"


@pytest.mark.parametrize("jit", [False, True], ids=["eager", "xla"])
def test_params_given_as_numbers_are_not_rounded_before_they_are_used(jit: bool) -> None:
    """One tenth in single precision is off by 1.5e-8, which exp(8 / t) makes 1.2e-6."""
    loss = lossc.compile("loss l(y[n]; t = 0.1, w = 1) = w * mean(exp(y / t))", jit=jit)
    y = np.array([8.0], np.float32)
    assert float(loss(y)) == pytest.approx(np.exp(80.0), rel=1e-7)
    assert float(loss(y, t=0.2)) == pytest.approx(np.exp(40.0), rel=1e-7)
    assert loss(y).dtype == tf.float32
    value, slopes = loss.value_and_grad(y, wrt=["y", "t"], t=np.float64(0.1))
    assert float(value) == pytest.approx(np.exp(80.0), rel=1e-7)
    assert float(slopes["t"]) == pytest.approx(-800 * np.exp(80.0), rel=2e-7)
    assert {s.dtype for s in slopes.values()} == {tf.float32}
