# ruff: noqa: E501
"""Shifted reads: what a branch keeps inside narrows no range, what narrows one says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lossc
from lossc.compiler.check import check
from lossc.dsl.diagnostics import Diagnostic
from lossc.dsl.source import Source
from lossc.files import reader

Array = np.ndarray[Any, Any]
X = np.array([[3.0, 4.0, 6.0, 5.0], [1.0, -2.0, 0.5, 7.0]])
T = X.shape[1]


def over(term: Callable[[Array, int], float], places: range = range(T)) -> Callable[[Array], float]:
    """The mean over samples of the sum over time of a term."""
    return lambda x: float(np.mean([sum(term(row, t) for t in places) for row in x]))


def first(x: Array, t: int) -> float:
    return float((x[t] - x[t - 1]) ** 2 if t > 0 else x[t] ** 2)


def last(x: Array, t: int) -> float:
    return float((x[t + 1] - x[t]) ** 2 if t < len(x) - 1 else x[t] ** 2)


def slope(x: Array, t: int) -> float:
    if t == 0:
        return float(x[1] - x[0]) ** 2
    if t == len(x) - 1:
        return float(x[t] - x[t - 1]) ** 2
    return float((x[t + 1] - x[t - 1]) / 2) ** 2


FIRST = "(x[b,t] - x[b,t-1])^2"
LAST = "(x[b,t+1] - x[b,t])^2"
SQUARE = "x[b,t]^2"
# The sum over time, what stands in `where`, and the mean over samples of what it is.
GUARDED: dict[str, tuple[str, str, Callable[[Array], float]]] = {
    "above": (f"sum[t](if t > 0 then {FIRST} else {SQUARE})", "", over(first)),
    "at least": (f"sum[t](if t >= 1 then {FIRST} else {SQUARE})", "", over(first)),
    "unequal": (f"sum[t](if t != 0 then {FIRST} else {SQUARE})", "", over(first)),
    "turned": (f"sum[t](if 0 < t then {FIRST} else {SQUARE})", "", over(first)),
    "else": (f"sum[t](if t == 0 then {SQUARE} else {FIRST})", "", over(first)),
    "not": (f"sum[t](if not t == 0 then {FIRST} else {SQUARE})", "", over(first)),
    "half": (f"sum[t](if t > 0.5 then {FIRST} else {SQUARE})", "", over(first)),
    "twice": (f"sum[t](if 2 * t >= 1 then {FIRST} else {SQUARE})", "", over(first)),
    "sum": (
        f"sum[t]({SQUARE} + (if t == 0 then 0 else {FIRST}))",
        "",
        over(lambda x, t: x[t] ** 2 + (first(x, t) if t else 0)),
    ),
    "fresh": (
        "sum[i](if i > 0 then (x[b,i] - x[b,i-1])^2 else x[b,i]^2)", "", over(first)
    ),
    "only shifted": (
        "sum[i](if i > 0 then x[b,i-1] else 0)", "", over(lambda x, t: x[t - 1] if t else 0.0)
    ),
    "last": (f"sum[t](if t < size(t) - 1 then {LAST} else {SQUARE})", "", over(last)),
    "last, plus one": (f"sum[t](if t + 1 < size(t) then {LAST} else {SQUARE})", "", over(last)),
    "last, at most": (f"sum[t](if t <= size(t) - 2 then {LAST} else {SQUARE})", "", over(last)),
    "last, equal": (f"sum[t](if t == size(t) - 1 then {SQUARE} else {LAST})", "", over(last)),
    "last, fresh": (
        "sum[i](if i < size(i) - 1 then (x[b,i+1] - x[b,i])^2 else x[b,i]^2)", "", over(last)
    ),
    "chain": (
        "sum[t]((if t == 0 then x[b,1] - x[b,0] else if t == size(t) - 1 then x[b,t] - x[b,t-1]"
        " else (x[b,t+1] - x[b,t-1]) / 2)^2)", "", over(slope),
    ),
    "nested": (
        f"sum[t](if t > 0 then (if t < size(t) - 1 then x[b,t+1] * x[b,t-1] else 1) else {SQUARE})",
        "",
        over(lambda x, t: (x[t + 1] * x[t - 1] if t < T - 1 else 1.0) if t else x[t] ** 2),
    ),
    "and": (
        "sum[t](if t > 0 and t < size(t) - 1 then x[b,t+1] * x[b,t-1] else 0)", "",
        over(lambda x, t: x[t + 1] * x[t - 1] if 0 < t < T - 1 else 0.0),
    ),
    "or": (
        "sum[t](if t == 0 or t == size(t) - 1 then 0 else x[b,t+1] * x[b,t-1])", "",
        over(lambda x, t: x[t + 1] * x[t - 1] if 0 < t < T - 1 else 0.0),
    ),
    "chained comparison": (
        "sum[t](if 1 <= t < size(t) - 1 then x[b,t+1] * x[b,t-1] else 0)", "",
        over(lambda x, t: x[t + 1] * x[t - 1] if 0 < t < T - 1 else 0.0),
    ),
    "beside data": (
        f"sum[t](if t > 0 and x[b,t] > 0 then {FIRST} else {SQUARE})", "",
        over(lambda x, t: first(x, t) if t and x[t] > 0 else x[t] ** 2),
    ),
    "data in the condition": (
        "sum[t](if t > 0 and x[b,t-1] > 0 then x[b,t]^2 else 1)", "",
        over(lambda x, t: x[t] ** 2 if t and x[t - 1] > 0 else 1.0),
    ),
    "definition": (
        "sum[t](d)", f"d = if t > 0 then {FIRST} else {SQUARE}".replace("x[b,t]", "x"), over(first)
    ),
    "indexed definition": (
        "sum[t](d[b, t])", f"d[b, t] = if t > 0 then {FIRST} else {SQUARE}", over(first)
    ),
    "condition in a definition": (
        f"sum[t](if later[t] then {FIRST} else {SQUARE})", "later[t] = t >= 1", over(first)
    ),
    "definition that reads back": (
        "sum[t](if t > 0 then d[b, t-1] else 0)", "d[b, t] = x[b, t]^2",
        over(lambda x, t: x[t - 1] ** 2 if t else 0.0),
    ),
    "function": (
        "sum[t](step(x))", "step(a[t]) = if t > 0 then (a - a[t=t-1])^2 else a^2", over(first)
    ),
    "filter": (f"sum[t if t > 0]({FIRST})", "", over(first, range(1, T))),
    "filter and branch": (
        f"sum[t if t != 2](if t > 0 then {FIRST} else {SQUARE})", "",
        over(lambda x, t: first(x, t) if t != 2 else 0.0),
    ),
    "filter of two indices": (
        "sum[t, u if t >= u](x[b,t-u] * k[u])", "",
        over(lambda x, t: sum(x[t - u] * k for u, k in enumerate((0.5, -2.0, 3.0)) if t >= u)),
    ),
    "two indices": (
        "sum[t](sum[u](if t - u >= 0 then x[b,t-u] * k[u] else 0))", "",
        over(lambda x, t: sum(x[t - u] * k for u, k in enumerate((0.5, -2.0, 3.0)) if t >= u)),
    ),
    "given range": (
        "sum[t](sum[u in -1..1](if 0 <= t + u and t + u < size(t) then x[b,t+u]^2 else 0))", "",
        over(lambda x, t: sum(x[t + u] ** 2 for u in (-1, 0, 1) if 0 <= t + u < T)),
    ),
    "given range alone": (
        "sum[u in -2..2](if u >= 0 then x[b,u]^2 else 1)", "",
        over(lambda x, t: x[t] ** 2 if t < 3 else 1.0, range(5)),
    ),
    "strided": (
        "sum[i in 0..9 if 2 * i < size(t)](x[b, 2*i]^2)", "",
        over(lambda x, t: x[2 * t] ** 2, range(2)),
    ),
    "scan": (
        "sum[t](x[b,t] * (if t > 0 then cumsum[t](x)[t=t-1] else 1))", "",
        over(lambda x, t: x[t] * (x[:t].sum() if t else 1.0)),
    ),
    "half decided": (
        "sum[t](if t >= 1 then x[b,t-2]^2 else 5)", "", over(lambda x, t: x[t - 2] ** 2, range(2, T))
    ),
    "few places": (
        "sum[t](if t < 2 then x[b,t-3]^2 else x[b,t]^2)", "",
        over(lambda x, t: x[t] ** 2, range(2, T)),
    ),
    "size": (
        "(if size(t) > 9 then x[b, 9] else x[b, 1]^2)", "", over(lambda x, t: x[1] ** 2, range(1))
    ),
    "pad of a place": ("(x[b, 0]^2 + pad(x[b, 7], 2))", "", over(lambda x, t: x[0] ** 2 + 2, range(1))),
    "pad inside": ("(x[b, 0] * pad(x[b, 2], 9))", "", over(lambda x, t: x[0] * x[2], range(1))),
}  # fmt: skip


def loss_of(name: str) -> lossc.Loss:
    body, where, _ = GUARDED[name]
    where = f"\nwhere\n    {where}" if where else ""
    k = "; k[u] = [0.5, -2, 3]" if "k[u]" in body else ""
    return lossc.compile(f"loss f(x[b, t]{k}) = mean[b]({body}){where}", jit=False)


def differences(f: Callable[[Array], float], x: Array) -> Array:
    """The gradient of a function by central differences."""
    found = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = 1e-5
        found[place] = (f(x + step) - f(x - step)) / 2e-5
    return found


@pytest.mark.parametrize("name", GUARDED)
def test_a_guarded_read_narrows_nothing(name: str) -> None:
    loss, right = loss_of(name), GUARDED[name][2]
    value, slopes = loss.value_and_grad(X)
    assert float(value) == pytest.approx(right(X))
    np.testing.assert_allclose(slopes["x"], differences(right, X), atol=1e-7)
    assert float(loss.reference(X)) == pytest.approx(right(X))


@pytest.mark.parametrize("name", ["above", "chain", "two indices", "scan", "pad of a place"])
def test_what_is_made_of_the_formula_agrees(name: str) -> None:
    loss, right = loss_of(name), GUARDED[name][2]
    assert np.mean(loss.per_sample(X)) == pytest.approx(right(X))
    assert loss.check_gradient().ok
    again = lossc.compile(str(loss.gradient("x")), jit=False)
    slopes = np.broadcast_to(again(X), X.shape)
    np.testing.assert_allclose(slopes, differences(right, X), atol=1e-7)
    assert float(lossc.compile(loss.source)(X)) == pytest.approx(right(X))


def test_a_label_outside_is_nan_in_a_branch_too() -> None:
    text = "loss f(z[b, c], y[b]) = mean[b](if b > 0 then z[b-1, y[b]] else 0)\nwhere y in index(c)"
    z = np.array([[1.0, 2.0], [3.0, 4.0]])
    loss = lossc.compile(text, jit=False)
    assert float(loss(z, np.array([0, 1]))) == 1.0
    assert np.isnan(float(loss(z, np.array([0, 5]))))


def warnings(text: str) -> tuple[Diagnostic, ...]:
    return check(Source.of("file.loss", text), reader(None)).diagnostics


HEAD = "loss f(x[b, t], e[b, t], w[k]) = mean[b](0 * sum[k](w) + e[b, 0] + {})"
# A formula, the code, and what the message names.
NARROWED: dict[str, tuple[str, str, str]] = {
    "data": ("sum[t](if x[b,t] > 0 then x[b,t+1] else 1)", "W0215", "size(t) - 1"),
    "half": ("sum[t](if t >= 1 then x[b,t-3] else 1)", "W0215", "0 .. 2"),
    "two terms": ("sum[t](abs(e[b,t]) + abs(x[b,t+1] - x[b,t]))", "W0216", "size(t) - 1"),
    "back": ("sum[t](x[b,t]^2 + (x[b,t] - x[b,t-1])^2)", "W0216", "`t` = 0"),
    "mean": ("mean[t](abs(e[b,t]) + abs(x[b,t+2] - x[b,t]))", "W0216", "size(t) - 2 .. size(t) - 1"),
    "factor": ("sum[t](0.5 * (e[b,t]^2 + abs(x[b,t+1] - x[b,t])))", "W0216", "size(t) - 1"),
    "minus": ("sum[t](-log(e[b,t]) + (x[b,t+1] - x[b,t])^2)", "W0216", "log(e[b, t])"),
    "window": ("sum[t](e[b,t]^2 + sum[k](w[k] * x[b,t-k])^2)", "W0216", "0 .. size(k) - 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", NARROWED)
def test_what_is_left_out_is_said(name: str) -> None:
    body, code, named = NARROWED[name]
    (said,) = warnings(HEAD.format(body))
    assert said.code == code and named in said.message
    if code == "W0216":
        assert said.help is not None and said.help.startswith("write ")
        assert warnings(HEAD.format(said.help.removeprefix("write "))) == ()


APART = {
    "sum[t](abs(e[b,t]) + abs(x[b,t+1] - x[b,t]))": lambda e, x: (
        np.abs(e).sum(1) + np.abs(np.diff(x)).sum(1)
    ),
    "mean[t](0.5 * (e[b,t]^2 + abs(x[b,t+1] - x[b,t])))": lambda e, x: (
        0.5 * (e**2).mean(1) + 0.5 * np.abs(np.diff(x)).mean(1)
    ),
    "sum[t](d)": lambda e, x: (e**2).sum(1) - np.abs(np.diff(x)).sum(1),
}


@pytest.mark.parametrize("body", APART)
def test_the_two_sums_of_the_help_have_all_places(body: str) -> None:
    head = "loss f(e[b, t], x[b, t]) = mean[b](2 * {})"
    where = "\nwhere d = e^2 - abs(x[t=t+1] - x)" if body == "sum[t](d)" else ""
    (said,) = warnings(head.format(body) + where)
    cure = lossc.compile(head.format((said.help or "").removeprefix("write ")), jit=False)
    e = np.abs(X[::-1]) + 0.5
    assert float(cure(e, X)) == pytest.approx(np.mean(2 * APART[body](e, X)))


QUIET = (
    "sum[t](abs(x[b,t+1] - x[b,t]))",
    "sum[t](e[b,t] + 0.9 * x[b,t+1] - x[b,t])",
    "sum[t](x[b,t+1] - 2 * x[b,t] + x[b,t-1])",
    "sum[t](log(x[b,t+1]) - log(x[b,t]))",
    "sum[t](abs(x[b,t+1] - x[b,t]) + 0.1)",
    "sum[t](e[b,t] * abs(x[b,t+1] - x[b,t]))",
    "sum[t](sqrt(e[b,t]^2 + (x[b,t+1] - x[b,t])^2))",
    "sum[t](abs(e[b,t]) + (if t > 0 then abs(x[b,t] - x[b,t-1]) else 0))",
    "sum[t](abs(e[b,t]) + abs(x[b,t] - pad(x[b,t-1], 0)))",
    "sum[t if e[b,t] > 0](abs(x[b,t+1] - x[b,t]))",
)


@pytest.mark.parametrize("body", QUIET)
def test_what_is_meant_is_not_warned_of(body: str) -> None:
    assert warnings(HEAD.format(body)) == ()


def test_a_short_axis_is_refused_where_a_branch_reads_outside() -> None:
    text = "loss f(x[t]) = sum[t](if t == size(t) - 1 then x[t] - x[t-1] else x[t+1])"
    loss = lossc.compile(text, jit=False)
    assert float(loss(np.array([1.0, 5.0]))) == 9.0
    with pytest.raises(lossc.LosscError, match="E0310"):
        loss(np.array([1.0]))
