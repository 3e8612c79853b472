"""What formulas mean: functions, definitions, params and branches, one rule a test."""

from __future__ import annotations

import numpy as np
import pytest

import lossc
from lossc.compiler.ir import Select, postorder

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


PADDED = "pad(x[{n}, {m}+1], 0.5)"


@pytest.mark.parametrize("n, m", [("n-u", "m"), ("n+u", "m"), ("n", "m-u"), ("n-1", "m+u")])
def test_a_padded_definition_is_what_it_says_wherever_it_is_read(n: str, m: str) -> None:
    """Also at places that its own `pad` never moves to."""
    use = "loss f(x[n, m]) = sum[n, m](sum[u in 0..1](pad(x[n+u, m], 1) * {read}))"
    defined = use.format(read=f"a[{n}, {m}]") + f"\nwhere a[n, m] = {PADDED.format(n='n', m='m')}"
    written = use.format(read=PADDED.format(n=n, m=m))
    x = np.random.default_rng(1).normal(size=(3, 4))
    first, second = (lossc.compile(text, jit=False) for text in (defined, written))
    assert float(first(x)) == pytest.approx(float(second(x)), rel=1e-12)
    assert float(first.reference(x)) == pytest.approx(float(second.reference(x)), rel=1e-12)
    slopes = [loss.value_and_grad(x)[1]["x"] for loss in (first, second)]
    assert np.allclose(*slopes, rtol=1e-12)


def test_no_condition_is_left_where_no_index_can_leave_its_axis() -> None:
    first = lossc.compile("loss f(x[n, m]) = sum[n, m](a)\nwhere a[n, m] = pad(x[n, m+1], 0)")
    assert first.hash == lossc.compile("loss f(x[n, m]) = sum[n, m](pad(x[n, m+1], 0))").hash
    conditions = [t for t in postorder(first._checked.program.value) if isinstance(t, Select)]
    assert [str(c.condition).count("Size") for c in conditions] == [1]


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


KERNEL = "def kernel(d, g[k]) = sum[k](exp(-g * d))\n"
SUMMED = "sum[b, j](d[b, j+1] - d[b, j])\nwhere d[b, j] = "
Z = np.random.default_rng(2).normal(size=(4, 3))
SHARES = np.exp(Z) / np.exp(Z).sum(1, keepdims=True)
LABELS = np.array([0, 2, 1, 2])
READ = "loss f(z[item, k], y[item]) = mean[i, j](G[j, y[i]])\nwhere\n    y in index(k)\n    G"


@pytest.mark.parametrize("body", ["y^2", "y[b, j]^2", "e^2\n    e = y", "square(y)"])
def test_a_bare_name_follows_the_indices_of_a_definition(body: str) -> None:
    text = f"def square(x) = x^2\nloss f(y[b, j]) = {SUMMED}{body}"
    assert value(text, [[1.0, 2.0, 5.0]]) == 24


@pytest.mark.parametrize(
    "definition, right",
    [
        ("[item, k] = softmax[k](z)", SHARES),
        ("[item, k] = softmax[k](z[item, k])", SHARES),
        ("[n, c] = softmax[c](z[n, c])", SHARES),
        ("[item, k] = log_softmax[k](z)", np.log(SHARES)),
        ("[item, k] = cumsum[k](z)", Z.cumsum(1)),
        ("[item, k] = sort[k](z)", np.sort(Z, 1)),
        ("[item, k] = rank[k](z)", Z.argsort(1).argsort(1)),
        ("[item, k] = normalize[k](z)", Z / np.linalg.norm(Z, axis=1, keepdims=True)),
        ("[item, k] = z - logsumexp[k](z)", np.log(SHARES)),
    ],
)
def test_a_definition_along_an_axis_is_read_at_any_place(
    definition: str, right: np.ndarray
) -> None:
    assert value(READ + definition, Z, LABELS) == pytest.approx(right[:, LABELS].mean())


def test_an_argument_without_axes_is_any_term() -> None:
    x, y = np.array([1.0, 2.0, 4.0]), np.array([0.0, 1.0, 1.0])
    apart = np.abs(x[:, None] - y)
    both = (np.exp(-apart) + np.exp(-2 * apart)).mean()
    use = "loss f(x[i], y[i]; g[k] = [1, 2]) = mean[a, b](kernel(d[a, b], g))\nwhere\n"
    define = "    d[a, b] = abs(x[a] - y[b])\n"
    assert value(KERNEL + use + define, x, y) == pytest.approx(both)
    local = KERNEL.removeprefix("def ")
    assert value(f"{use}{define}    {local}", x, y) == pytest.approx(both)
    plain = KERNEL + "loss f(x, y; g[k] = [1, 2]) = mean(kernel(x - y, g))"
    assert value(plain, x, y) == pytest.approx((np.exp(y - x) + np.exp(2 * (y - x))).mean())
    same = KERNEL + "loss f(x[i, k], g[k]) = mean[i, k](kernel(x, g))"
    assert value(same, apart, y) == pytest.approx(np.exp(-apart[..., None] * y).sum(-1).mean())
    whole = lossc.compile(KERNEL, jit=False)
    assert np.allclose(whole(apart, y), np.exp(-apart[..., None] * y).sum(-1))


UNNAMED = [
    ("loss f(y[n, 2], p[n, 2]) = mean((y - p)^2)", "y[n, d=2]"),
    ("loss f(y[n, 2], p[n, 2]) = mean[n](abs(y - p))", "p[n, d=2]"),
    ("loss f(y[n, h, w, 3], p[n, h, w, 3]) = mean((y - p)^2)", "y[n, h, w, d=3]"),
    ("loss f(y[d, 2], p[d, 2]) = mean(y * p)", "y[d, k=2]"),
    ("loss f(y[n, 2, 2], p[n, 2]) = sum(y * p)", "y[n, d=2, k=2]"),
    ("loss f(y[n, 2], p[n, 2]) = mean(e^2)\nwhere e = y - p", "y[n, d=2]"),
    ("loss f(y[n, 2], p[n, 2]) = mean[n](y[n, ...] - p[n, 0])", "y[n, d=2]"),
    ("loss f(y[n, 2], p[n, 2]) = mean[n](y[n=0] - p[n, 0])", "y[n, d=2]"),
    ("use std.regression: mse\nloss f(y[n, 2], p[n, 2]) = mse(y, p)", "y[n, d=2]"),
    ("use std.boxes: giou_box\nloss f(y[n, 4], p[n, 4]) = giou_box(y, p)", "p[n, d=4]"),
    ("def g(a[n, 2]) = sum(a)\nloss f(y[n, 2], p[n, 2]) = g(y) - g(p)", "a[n, d=2]"),
    ("loss f(y[n], p[n]; q[2] = [1, 2]) = mean((y - p) * q)", "q[d=2]"),
]


@pytest.mark.parametrize("text, declared", UNNAMED)
def test_an_axis_without_a_name_is_read_by_place_alone(text: str, declared: str) -> None:
    with pytest.raises(lossc.LosscError) as caught:
        lossc.compile(text)
    assert {d.code for d in caught.value.diagnostics if d.is_error} == {"E0319"}
    said = str(caught.value)
    assert f"declared: {declared}" in said
    assert "#" not in said and "[]" not in said


def test_an_axis_without_a_name_is_read_by_place() -> None:
    text = "loss f(y[n, 2], p[n, 2]) = mean[n](sum[k in 0..1]((y[n, k] - p[n, k])^2))"
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert value(text, x, x) == 0
    assert value(text, x, 0 * x) == 15
