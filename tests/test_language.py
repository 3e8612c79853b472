"""What formulas mean: functions, definitions, params and branches, one rule a test."""

from __future__ import annotations

import numpy as np
import pytest

import lossc

X = np.arange(24.0).reshape(2, 3, 4)


def value(text: str, *data: object, **params: object) -> float:
    return float(lossc.compile(text, jit=False)(*data, **params))


def test_axes_around_dots_bind_by_place() -> None:
    first = "def f(a[b, ...]) = mean[b](sum[...](a))\nloss g(u[i, j, k]) = f(u)"
    assert value(first, X) == X.sum((1, 2)).mean()
    last = "def f(a[..., c]) = sum[c](a)\nloss g(u[i, j, k]) = mean[i, j](f(u))"
    assert value(last, X) == X.sum(2).mean()


def test_axes_bind_by_place_for_a_plain_input() -> None:
    text = "def total(a[p, q]) = sum[p](a)\nloss g(u[i, j]) = mean[j](total(u))"
    assert value(text, X[0]) == X[0].sum(0).mean()


def test_a_branch_that_none_drops_is_not_there() -> None:
    text = "loss f(z[b]; g = none) = mean[b](if g == none then z else g * abs(z))"
    z = np.array([-1.0, 2.0])
    assert value(text, z) == 0.5
    assert value(text, z, g=2) == 3.0
    assert value(text.replace("none)", "2)"), z, g=None) == 0.5


def test_an_indexed_definition_stands_bare_where_its_indices_are_axes() -> None:
    x = np.array([1.5, 2.0, 5.0])
    assert value("loss f(x[t]) = mean(d)\nwhere d[t] = x[t] * 2", x) == pytest.approx(17 / 3)
    assert value("loss f(x[t]) = mean[t](d)\nwhere d[t] = x[t+1] - x[t]", x) == 1.75
    with pytest.raises(lossc.LosscError) as caught:
        lossc.compile("loss f(x[t]) = mean(d)\nwhere d[q] = x[q] * 2")
    assert caught.value.code == "E0312"


def test_a_ragged_list_is_refused() -> None:
    with pytest.raises(lossc.LosscError) as caught:
        lossc.compile("loss g(z[k]; M[j, k] = [[1, 2], [3]]) = sum[j, k](M * z)")
    assert caught.value.code == "E0213"


def test_a_range_of_too_many_places_is_refused() -> None:
    with pytest.raises(lossc.LosscError) as caught:
        lossc.compile("mean(y) * sum[i in 0..10^12](i)")
    assert caught.value.code == "E0317"


def test_no_gradient_is_no_mistake() -> None:
    loss = lossc.compile("mean((y - yhat)^2)", jit=False)
    whole = np.arange(3)
    assert loss.value_and_grad(whole, whole)[1] == {}
    assert loss.value_and_grad(X, X, wrt=())[1] == {}
    with pytest.raises(lossc.ArgumentError):
        loss.value_and_grad(X, X, wrt=3)  # type: ignore[arg-type]
    with pytest.raises(lossc.ArgumentError):
        loss.reference(X, X, digits=0)
