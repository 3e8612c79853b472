"""Params given as numbers or arrays are checked against their domains, in every call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import lossc
from lossc.dsl.diagnostics import ArgumentError

NAN, INF = float("nan"), float("inf")
Y, P = np.array([0.0, 1.0]), np.array([0.5, 3.0])

# The declaration of a param `a`, values inside, and values outside.
DOMAINS: list[tuple[str, list[Any], list[Any]]] = [
    ("a = 1 in (0, inf)", [0.1, 5, np.float32(2)], [0, -1, -0.5, INF, NAN, np.float64(-1)]),
    ("a = 1 in [0, inf)", [0, 0.0, 7], [-1e-9, INF]),
    ("a = 0.1 in [0.1, 0.9]", [0.1, np.float32(0.1), 0.9], [0.0999999, 1]),
    ("a = 1", [INF, -3, 0], [NAN]),
    ("a = 1 in int", [2, -3, 4.0], [0.5, INF]),
    ("a = 1 in 0..3", [0, 3, 2.0, True], [-1, 4, 1.5]),
    ("a = 1 in {1, 2, 5}", [1, 2.0, 5], [3, 0]),
    ("a = 1 in {-1} or [0, 1]", [-1, 0.5], [-0.5, 2]),
    ("b = 2, a = 1 in (0, b)", [1.5], [2, 3]),
    ("b = 2, a = 1 in (0, 2 * b - 1)", [2.9], [3]),
    ("a = 1 in (0, log(3))", [1.09], [1.1]),
    ("a = none in (0, 1)", [None, 0.5], [0, 2]),
]


def loss_of(params: str) -> lossc.Loss:
    value = "if a == none then 0 else a" if "none" in params else "a"
    return lossc.compile(f"loss f(y, p; {params}) = mean((y - p)^2) + ({value})")


def refused(call: Callable[[], object], name: str = "a") -> str:
    with pytest.raises(ArgumentError) as caught:
        call()
    assert caught.value.code == "E0605"
    assert f"`{name}` is outside its domain" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("declared", "good", "bad"), DOMAINS, ids=[row[0] for row in DOMAINS])
def test_domains(declared: str, good: list[Any], bad: list[Any]) -> None:
    loss = loss_of(declared)
    for value in good:
        loss.reference(Y, P, a=value, digits=5)
        loss.keras(a=value)
    for value in bad:
        said = refused(lambda v=value: loss(Y, P, a=v))
        assert f"a is {np.asarray(value)}; its domain is {loss.params['a'].domain}" in said
        refused(lambda v=value: loss.keras(a=v))
        refused(lambda v=value: loss(Y, P, a=v))  # also at the second call


CALLS: list[Callable[[lossc.Loss, Any], object]] = [
    lambda f, a: f(Y, P, a=a),
    lambda f, a: f(tf.constant(Y), tf.constant(P), a=a),
    lambda f, a: f.value_and_grad(Y, P, a=a),
    lambda f, a: f.per_sample(Y, P, a=a),
    lambda f, a: f.hessian_diagonal(Y, P, a=a),
    lambda f, a: f.hessian_vector_product(Y, P, vectors={"p": P}, a=a),
    lambda f, a: f.reference(Y, P, a=a),
    lambda f, a: f.reference_gradient(Y, P, a=a),
    lambda f, a: f.validate(Y, P, a=a),
    lambda f, a: f(Y, P, a=a, validate=True),
    lambda f, a: f.keras(a=a),
    lambda f, a: f.keras(a=np.array(a)),
    lambda f, a: tf.function(lambda y: f(y, P, a=a), autograph=False)(tf.constant(Y)),
]


@pytest.mark.parametrize("call", CALLS)
def test_every_call(call: Callable[[lossc.Loss, Any], object]) -> None:
    loss = lossc.compile("loss f(y, p; a = 1) = mean(a * (y - p)^2)\nwhere a > 0")
    call(loss, 2.0)
    said = refused(lambda: call(loss, -2.0))
    assert "a is -2.0; its domain is a > 0" in said


VECTORS: list[tuple[str, list[Any], list[tuple[Any, str]]]] = [
    (
        "[0, 1]",
        [[0, 1], np.array([0.5, 0.5])],
        [([0.5, 2], "w[1] is 2.0"), ([NAN, 1], "w[0] is nan")],
    ),
    ("(0, inf)", [[1, 2], (3, 4)], [([310, 0], "w[1] is 0"), (np.array([-1, 2]), "w[0] is -1")]),
    ("simplex[k]", [[0.25, 0.75]], [([0.5, 0.25], "w[:] sums to 0.75"), ([1.5, -0.5], "w[1] is")]),
    ("0..2", [[0, 2]], [([0, 3], "w[1] is 3")]),
]


@pytest.mark.parametrize(("domain", "good", "bad"), VECTORS, ids=[row[0] for row in VECTORS])
def test_vectors(domain: str, good: list[Any], bad: list[tuple[Any, str]]) -> None:
    default = "[0.5, 0.5]" if domain == "simplex[k]" else "[1, 1]"
    text = f"loss f(y[n, k], p[n, k]; w[k] = {default} in {domain}) = mean(w * (y - p)^2)"
    loss = lossc.compile(text)
    y = np.ones((3, 2))
    for value in good:
        loss(y, y, w=value)
    for value, fact in bad:
        assert fact in refused(lambda v=value: loss(y, y, w=v), "w")
        assert fact in refused(lambda v=value: loss.keras(w=v), "w")


def test_sizes() -> None:
    """A bound that depends on the data's shape is checked once the shape is known."""
    text = "loss f(y[n, c], p[n, c]; k = 1 in index(c)) = mean[n]((y[n, k] - p[n, k])^2)"
    loss, y = lossc.compile(text), np.ones((2, 3))
    assert float(loss(y, y, k=2)) == 0
    assert "k is 3; its domain is index(c)" in refused(lambda: loss(y, y, k=3), "k")
    assert "it is the default" in refused(lambda: loss(y[:, :1], y[:, :1]), "k")
    loss.keras(k=3)  # nothing is known yet of `c`
    assert "k is -1" in refused(lambda: loss(y, y, k=-1), "k")


def test_a_default_that_another_param_puts_outside() -> None:
    loss = loss_of("lo = 0, a = 1 in (lo, inf)")
    said = refused(lambda: loss(Y, P, lo=2))
    assert "a is 1; its domain is (lo, inf)" in said
    assert "it is the default" in said
    loss(Y, P, lo=2, a=3)


def test_variables_and_tensors_are_not_looked_at() -> None:
    loss = loss_of("a = 1 in (0, inf)")
    assert float(loss(Y, P, a=tf.constant(-1.0))) == 1.125
    assert float(loss(Y, P, a=tf.Variable(-1.0))) == 1.125
    refused(lambda: loss(Y, P, a=tf.constant(-1.0), validate=True))
    loss.keras(a=tf.Variable(-1.0))
    two = loss_of("b = 2, a = 1 in (0, b)")
    assert float(two(Y, P, a=5, b=tf.constant(9.0))) == 7.125


def test_all_are_named_in_one_error() -> None:
    loss = lossc.compile(
        "loss f(y, p; a = 1, b = 1) = mean(a * b * (y - p)^2)\nwhere a, b in (0, 1]"
    )
    with pytest.raises(ArgumentError) as caught:
        loss(Y, P, a=2, b=-1)
    assert len(caught.value.diagnostics) == 2


def test_values_that_passed_are_not_checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import lossc.validate

    loss, calls = loss_of("a = 1 in (0, inf)"), []
    real = lossc.validate.check_params
    monkeypatch.setattr("lossc.validate.check_params", lambda *args: (calls.append(1), real(*args)))
    for _ in range(3):
        loss(Y, P, a=2)
        loss(Y, P, a=np.array(2))
    assert len(calls) == 2


DEFAULTS = [
    ("a = -1 in (0, inf)", "a is -1"),
    ("a = 0.5 in 0..3", "a is 0.5"),
    ("a = inf in (0, inf)", "a is inf"),
    ("a = 3 in {1, 2}", "a is 3"),
    ("a = 2 in {-1} or (0, 1)", "a is 2"),
    ("b = 2, a = 2 in (0, b)", "a is 2"),
    ("a[k] = [1, -1] in [0, 1]", "a has -1"),
    ("a[k] = [1/2, 1/4] in simplex[k]", "a sums to 0.75"),
    ("a = -1 in index(c)", "a is -1"),
    ("a = 3 in index(d)", "a is 3"),
]


@pytest.mark.parametrize(("declared", "fact"), DEFAULTS)
def test_defaults(declared: str, fact: str) -> None:
    body = "sum[k](a)" if "[k]" in declared else "a"
    text = f"loss f(y[n, c, d=3]; {declared}) = mean(y) + {body}"
    with pytest.raises(lossc.LosscError) as caught:
        lossc.compile(text)
    assert caught.value.code == "E0617"
    assert fact in str(caught.value)


@pytest.mark.parametrize(
    "declared",
    ["a = 2 in index(c)", "a = 1 in (0, log(2))", "a = none in (0, 1)", "a = inf in (0, inf]"],
)
def test_defaults_that_are_fine_or_left_to_the_call(declared: str) -> None:
    value = "if a == none then 0 else a" if "none" in declared else "a"
    lossc.compile(f"loss f(y[n, c]; {declared}) = mean(y) + ({value})")
