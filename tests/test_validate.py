"""Data against domains: what is inside, what is outside, and where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lossc
from lossc.dsl.diagnostics import ArgumentError

NAN, INF = float("nan"), float("inf")


def loss_of(domain: str, head: str = "x[row]") -> lossc.Loss:
    body = "mean(indicator(x))" if domain == "bool" else "mean(x)"
    return lossc.compile(f"loss f({head}) = {body}\nwhere\n    x in {domain}\n")


def found(loss: lossc.Loss, *args: Any, **params: Any) -> str:
    with pytest.raises(ArgumentError) as caught:
        loss.validate(*args, **params)
    assert caught.value.code == "E0605"
    return str(caught.value)


ELEMENTS = [
    ("real", [0.0, -1e300], [NAN, INF, -INF]),
    ("int", [0, -3, 5.0], [0.5, NAN, INF]),
    ("bool", [0, 1, True, False, 1.0], [2, -1, 0.5, NAN]),
    ("[0, 1]", [0, 1, 0.5], [-1e-9, 1.0000001, NAN, INF]),
    ("(0, 1)", [1e-300, 0.5], [0, 1, NAN]),
    ("[0, 1)", [0, 0.999], [1, -0.1]),
    ("(0, 1]", [1, 0.1], [0, 1.1]),
    ("[0, inf)", [0, 1e300], [-1e-300, INF, NAN]),
    ("[0, inf]", [0, INF], [-1, NAN]),
    ("(-inf, inf)", [-1e308, 0], [INF, -INF, NAN]),
    ("[1/3, pi]", [1 / 3, np.pi], [1 / 3 - 1e-12, np.pi + 1e-12]),
    ("0..3", [0, 3, 2.0], [-1, 4, 1.5, NAN, INF]),
    ("-2..2", [-2, 2], [-3, 3]),
    ("{0, 1}", [0, 1, 1.0, True], [2, 0.5, NAN]),
    ("{-1, 0.1}", [-1, 0.1], [0, 0.10001]),
    ("{0, 1} or [5, 6]", [0, 5.5], [2, 4.9, NAN]),
    ("0..3 or {-1}", [-1, 0, 3], [-2, 4]),
]


@pytest.mark.parametrize(("domain", "good", "bad"), ELEMENTS, ids=[row[0] for row in ELEMENTS])
def test_elements(domain: str, good: list[float], bad: list[float]) -> None:
    loss = loss_of(domain)
    for value in good:
        loss.validate(np.array([value]))
    for value in bad:
        said = found(loss, np.array([good[0], value], np.float64))
        assert "x[1] is " in said
        assert f"its domain is {domain}" in said


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_bound_is_rounded_as_the_data_is(dtype: Any) -> None:
    data = np.array([0.1, 0.9], dtype)
    loss_of("[0.1, 0.9]").validate(data)
    loss_of("{0.1, 0.9}").validate(data)
    assert "x[0]" in found(loss_of("(0.1, 0.9]"), data)
    assert "x[0]" in found(loss_of("[0.1, 0.9]"), np.nextafter(data, dtype(0)))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.uint64, np.bool_])
def test_integers_are_compared_exactly(dtype: Any) -> None:
    loss_of("[0, 1]").validate(np.array([0, 1], dtype))
    loss_of("0..1").validate(np.array([0, 1], dtype))
    loss_of("[-1/2, 10^30]").validate(np.array([0, 1], dtype))
    if dtype in (np.int64, np.uint64):
        data = np.array([2**53, 2**53 + 1], dtype)
        assert "x[1] is 9007199254740993" in found(loss_of("[0, 9007199254740992]"), data)


def test_sizes_and_params_in_bounds() -> None:
    text = """loss f(y[batch], z[batch, class]; k = 2, c[m] = [1, 3]) = mean[batch](z[batch, y] * k)
where
    y in 0..size(class) - 1
    z in [-k, k * max(c)]
    k in 0..size(class)
"""
    loss = lossc.compile(text)
    y, z = np.array([0, 1]), np.array([[1.0, 2.0], [6.0, -2.0]])
    loss.validate(y, z)
    assert "y[1] is 2" in found(loss, np.array([0, 2]), z)
    assert "z[1, 0] is 6.0" in found(loss, y, z, k=1)
    assert "k is 3" in found(loss, y, z, k=3)
    assert "z[0, 1] is 2.0" in found(loss, y, z, k=1, c=[1.0, 1.5])


def test_index_of_an_axis() -> None:
    loss = lossc.compile(
        "loss f(y[b], z[b, c]) = mean[b](z[b, max(y, 0)])\nwhere\n    y in index(c) or {-1}\n"
    )
    z = np.zeros((3, 4))
    loss.validate(np.array([0, 3, -1]), z)
    loss.validate(np.array([0.0, 3.0, -1.0]), z)
    assert "y[2] is 4" in found(loss, np.array([0, 3, 4]), z)
    assert "y[0] is -2" in found(loss, np.array([-2, 3, 4]), z)
    assert "y[1] is 0.5" in found(loss, np.array([0, 0.5, 1]), z)


@pytest.mark.parametrize("head", ["x[row, class]", "x[..., class]", "x[class, row]"])
def test_simplex(head: str) -> None:
    loss = loss_of("simplex[class]", head)
    p = np.array([[0.25, 0.75], [0.5, 0.5], [1, 0]])
    turned = head == "x[class, row]"
    loss.validate(p.T if turned else p)
    off = p.copy()
    off[1, 0] = 0.4
    assert "sums to 0.9" in found(loss, off.T if turned else off)
    negative = p.copy()
    negative[2] = [1.5, -0.5]
    place = "x[1, 2]" if turned else "x[2, 1]"
    assert f"{place} is -0.5" in found(loss, negative.T if turned else negative)
    broken = p.copy()
    broken[0, 1] = NAN
    assert "is nan" in found(loss, broken.T if turned else broken)


def test_simplex_allows_for_rounding() -> None:
    rng = np.random.default_rng(0)
    for dtype in (np.float16, np.float32, np.float64):
        p = rng.dirichlet(np.ones(50), size=20).astype(dtype)
        loss_of("simplex[class]", "x[row, class]").validate(p)
    assert "sums to" in found(loss_of("simplex[class]", "x[row, class]"), np.full((2, 2), 0.501))


def test_one_hot() -> None:
    loss = loss_of("one_hot[class]", "x[row, class]")
    loss.validate(np.eye(3))
    loss.validate(np.eye(3, dtype=np.int32))
    assert "x[0, :] sums to 2.0" in found(loss, np.array([[1, 1], [0, 1]]))
    assert "x[1, :] sums to 0.0" in found(loss, np.array([[1, 0], [0, 0]]))
    assert "x[0, 0] is 0.5" in found(loss, np.array([[0.5, 0.5]]))


def test_conditions_and_descriptions() -> None:
    loss = lossc.compile(
        'loss f(x; a = 1) = a * mean(x)\nwhere\n    0 < a <= 3 "scale"\n    x >= 0\n'
    )
    loss.validate(np.array([0.0, 2.0]), a=3)
    assert "a is 0" in found(loss, np.array([1.0]), a=0)
    assert "a is 3.5" in found(loss, np.array([1.0]), a=3.5)
    assert "x[1] is -1.0; its domain is x >= 0" in found(loss, np.array([1.0, -1.0]))


def test_params_may_be_infinite_bool_or_none() -> None:
    text = "loss f(x; top = inf, on = true, k = none) = if on then mean(min(x, top)) else 0\n"
    text += "where\n    k in (0, inf)\n"
    loss = lossc.compile(text)
    x = np.ones(2)
    loss.validate(x)
    loss.validate(x, on=False, k=2.0, top=1)
    assert "k is -1" in found(loss, x, k=-1)
    assert "top is nan" in found(loss, x, top=NAN)


def test_what_the_formula_asks_about_may_be_there() -> None:
    text = "loss f(y[i], x[i]) = mean[i if not isnan(y)](x)"
    lossc.compile(text).validate(np.array([NAN, 1]), np.ones(2))
    assert "y[1] is inf" in found(lossc.compile(text), np.array([NAN, INF]), np.ones(2))
    finite = lossc.compile(text.replace("not isnan", "isfinite"))
    finite.validate(np.array([NAN, INF]), np.ones(2))
    assert "x[0] is nan" in found(finite, np.ones(2), np.array([NAN, 1]))


def test_the_message() -> None:
    loss = lossc.compile(
        "loss f(y, p) = mean(y - p)\nwhere\n    p in [0, 1]  'x'\n".replace("'", '"')
    )
    p = np.array([[0.5, 1.5], [0.5, 7.0]])
    assert found(loss, np.zeros((2, 2)), p).split("\n") == [
        "error[E0605]: `p` is outside its domain",
        "  --> <text>:1:11",
        "  1 | loss f(y, p) = mean(y - p)",
        "    |           ^ declared here",
        "  p[0, 1] is 1.5; its domain is [0, 1]",
        "  2 of its 4 values are outside",
    ]


def test_every_input_is_reported_once() -> None:
    loss = lossc.compile("loss f(y, p) = mean(y - p)\nwhere\n    y, p in [0, 1]\n")
    with pytest.raises(ArgumentError) as caught:
        loss.validate(np.array([2.0, 3.0]), np.array([-1.0, 0.5]))
    assert [d.code for d in caught.value.diagnostics] == ["E0605", "E0605"]


def test_scalars_and_empty_data() -> None:
    loss = loss_of("[0, 1]", "x[]")
    loss.validate(0.5)
    assert "x is 2" in found(loss, 2)
    loss_of("[0, 1]").validate(np.zeros(0))


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (["a"], "E0604"),
        (np.array([1j]), "E0604"),
        (np.array([{}], dtype=object), "E0604"),
        ([[1], [2, 3]], "E0604"),
        (np.zeros((2, 2)), "E0603"),
        (0.5, "E0603"),
    ],
)
def test_what_is_no_data(value: Any, code: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        loss_of("[0, 1]").validate(value)
    assert caught.value.code == code


def test_in_calls() -> None:
    import tensorflow as tf

    loss = loss_of("[0, 1]")
    bad = tf.constant([0.5, 2.0])
    assert float(loss(bad)) == 1.25
    for call in (loss, loss.value_and_grad, loss.per_sample):
        with pytest.raises(ArgumentError, match="E0605"):
            call(bad, validate=True)
    with pytest.raises(ArgumentError, match="E0605"):
        loss(tf.cast(bad, tf.bfloat16), validate=True)
    with pytest.raises(ArgumentError, match="E0616"):
        tf.function(lambda x: loss(x, validate=True), autograph=False)(bad)
