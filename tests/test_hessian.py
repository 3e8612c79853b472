"""Second derivatives beside differences, SymPy and TensorFlow's nested tapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy
import tensorflow as tf
from mpmath import mp

import lossc
from lossc.compiler.emit.gradient import WIDEST
from lossc.compiler.emit.schedule import schedule
from lossc.compiler.emit.to_tf import emit
from lossc.compiler.interpret import interpret
from lossc.compiler.passes.guard import guard
from lossc.compiler.passes.hessian import hessian_diagonal, hessian_vector_products

RNG = np.random.default_rng(5)
N, K = 4, 3
VECTORS = {
    "y": RNG.uniform(-1, 1, N), "yhat": RNG.uniform(-1.5, 1.5, N), "w": RNG.uniform(0.2, 2, N),
    "x": RNG.uniform(0.3, 1.7, N), "p": RNG.dirichlet(np.ones(K), N), "s": RNG.normal(size=N),
    "z": RNG.normal(size=(N, K)), "labels": np.array([2, 0, 1, 1]), "m": RNG.normal(size=(K, K)),
}  # fmt: skip

FORMULAS = {
    "squared error": ("mean(w * (y - yhat)^2)", ("yhat", "w")),
    "huber": (
        "mean(if abs(e) <= 1 then e^2 / 2 else abs(e) - 1 / 2)\nwhere e = y - yhat", ("yhat",)
    ),
    "log-cosh": ("mean(log(cosh(y - yhat)))", ("yhat", "y")),
    "poisson": ("mean(exp(yhat) - y * yhat)", ("yhat", "y")),
    "cross entropy": (
        "loss f(labels[n], z[n, k]) = mean[n](logsumexp[k](z) - z[n, labels])\n"
        "where labels in index(k)", ("z",),
    ),
    "soft labels": (
        "loss f(p[n, k], z[n, k]) = -mean[n](sum[k](p * log_softmax[k](z)))\n"
        "where p in simplex[k]", ("z",),
    ),
    "pairwise": (
        "loss f(y[n], s[n]) = mean[i, j if y[i] > y[j]](softplus(s[j] - s[i]))", ("s",)
    ),
    "windows": ("loss f(x[n]) = sum[t]((x[t+1] - 2 * x[t] + x[t-1])^2 * x[t])", ("x",)),
    "padded": ("loss f(x[n]) = sum[t]((x[t] - pad(x[t-1], 0))^3)", ("x",)),
    "filter": ("loss f(x[n], y[n]) = mean[n if y > 0](log(x)) * sum[n](x * y)", ("x", "y")),
    "sort": ("loss f(x[n]) = sum[n](sort[n](x)^2 * (n + 1))", ("x",)),
    "cumsum": ("loss f(x[n]) = sum[n](log(cumsum[n](x)))", ("x",)),
    "logcumsumexp": ("loss f(x[n]) = sum[n](logcumsumexp[n](x)^2)", ("x",)),
    "product": ("loss f(x[n]) = prod[n](x)", ("x",)),
    "variance": ("loss f(x[n], y[n]) = var[n](x * y) + std[n](x)", ("x", "y")),
    "norm": ("loss f(x[n]) = norm[n](x)^3 + norm1[n](x)", ("x",)),
    "max": ("loss f(z[n, k]) = mean[n](max[k](z)^2) + logsumexp[n, k](z)", ("z",)),
    "bilinear": ("loss f(x[n], y[n]) = sum[i, j](x[i] * y[j] * (i + 2 * j))^2", ("x", "y")),
    "transposed": ("loss f(m[k, k]) = sum[i, j](m[i, j]^2 * m[j, i]^3 * (i + 1))", ("m",)),
    "a param": ("loss f(y[n], yhat[n]; w = 2) = mean[n](abs(yhat)^w + exp(w * y))", ("w", "yhat")),
    "special": ("mean(lgamma(x) + log_ndtr(y) + bessel_i0e(yhat) + atan2(y, x))", ("x", "y")),
    "a function": ("def f(x[n], w[n]) = x^2 * exp(w) / sum[n](x)", ("x", "w")),
}  # fmt: skip


def arguments(loss: lossc.Loss) -> dict[str, np.ndarray[Any, Any]]:
    return {n: VECTORS[n] for n in loss.inputs}


def hessian(loss: lossc.Loss, names: tuple[str, ...]) -> np.ndarray[Any, Any]:
    """The whole matrix over the elements of some tensors, by TensorFlow's nested tapes."""
    program = loss._checked.program
    build = emit(replace(program, value=guard(program.value)))
    given = {n: tf.constant(x) for n, x in arguments(loss).items()}
    given |= {n: tf.constant(2.0, tf.float64) for n in loss.params}
    flat = tf.concat([tf.reshape(given[n], [-1]) for n in names], 0)
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(flat)
        with tf.GradientTape() as inner:
            inner.watch(flat)
            sizes = [int(tf.size(given[n])) for n in names]
            parts = zip(names, tf.split(flat, sizes), strict=True)
            moved = {n: tf.reshape(x, given[n].shape) for n, x in parts}
            value = tf.reduce_sum(build({**given, **moved}))
        slope = inner.gradient(value, flat)
    return np.asarray(outer.jacobian(slope, flat, experimental_use_pfor=False))


def split(flat: np.ndarray[Any, Any], loss: lossc.Loss, names: tuple[str, ...]) -> dict[str, Any]:
    """A vector over the elements of some tensors as one array each."""
    shapes = {n: arguments(loss)[n].shape if n in loss.inputs else () for n in names}
    ends = np.cumsum([int(np.prod(shapes[n])) for n in names])[:-1]
    parts = zip(names, np.split(flat, ends), strict=True)
    return {n: part.reshape(shapes[n]) for n, part in parts}


@pytest.mark.deep
@pytest.mark.parametrize("jit", [False, True], ids=["graph", "XLA"])
@pytest.mark.parametrize("case", FORMULAS)
def test_it_is_that_of_nested_tapes(case: str, jit: bool) -> None:
    text, names = FORMULAS[case]
    loss = lossc.compile(text, jit=jit)
    matrix = hessian(loss, names)
    scale = np.max(np.abs(matrix))
    diagonal = loss.hessian_diagonal(**arguments(loss), wrt=names)
    vectors = split(RNG.normal(size=len(matrix)), loss, names)
    product = loss.hessian_vector_product(**arguments(loss), vectors=vectors)
    along = np.concatenate([np.ravel(v) for v in vectors.values()])
    for found, flat in ((diagonal, np.diag(matrix)), (product, matrix @ along)):
        assert tuple(found) == names
        for name, want in split(flat, loss, names).items():
            assert found[name].shape == want.shape
            assert np.asarray(found[name]) == pytest.approx(want, rel=1e-9, abs=1e-10 * scale)


@pytest.mark.parametrize("case", [c for c in FORMULAS if c != "a function"])
def test_the_diagonal_is_that_of_differences(case: str) -> None:
    text, names = FORMULAS[case]
    loss = lossc.compile(text)
    program = loss._checked.program
    data: dict[str, Any] = {n: x.tolist() for n, x in arguments(loss).items()}
    data |= dict.fromkeys(loss.params, 2)
    step = mp.mpf(10) ** -20

    def value(name: str, place: tuple[int, ...], h: Any) -> Any:
        moved = np.array(data[name], dtype=object)
        moved[place] = mp.mpf(float(moved[place])) + h
        return interpret(program, {**data, name: moved if moved.shape else moved.item()}, 90)

    with mp.workdps(90):
        for name in names:
            derived = np.array(interpret(hessian_diagonal(program, name), data, 40), dtype=object)
            for place in list(np.ndindex(derived.shape))[:3]:
                ends = [value(name, place, h) for h in (-step, mp.mpf(0), step)]
                want = (ends[0] - 2 * ends[1] + ends[2]) / step**2
                assert mp.almosteq(derived[place], want, 1e-15, 1e-15), (name, place)


def test_it_is_that_of_sympy() -> None:
    y, x, w = sympy.symbols("y x w", positive=True)
    cases = {
        "mean(w * (y - yhat)^2)": w * (y - x) ** 2,
        "mean(log(cosh(y - yhat)) * w)": w * sympy.log(sympy.cosh(y - x)),
        "mean(-y * log(yhat) - w * log(2 + yhat))": -y * sympy.log(x) - w * sympy.log(2 + x),
        "mean(yhat^w * y + sigmoid(yhat))": x**w * y + 1 / (1 + sympy.exp(-x)),
        "mean(softplus(yhat) - y * yhat^3 * w)": sympy.log(1 + sympy.exp(x)) - y * x**3 * w,
        "mean(sqrt(yhat^2 + y) + erf(w * yhat))": sympy.sqrt(x**2 + y) + sympy.erf(w * x),
    }
    point = {"y": 0.7, "yhat": 1.3, "w": 0.4}
    for text, formula in cases.items():
        loss = lossc.compile(text, jit=False)
        names = tuple(loss.inputs)
        given = {n: np.array([v]) for n, v in point.items() if n in names}
        symbols = {"y": y, "yhat": x, "w": w}
        at = {symbols[n]: v for n, v in point.items()}
        diagonal = loss.hessian_diagonal(**given)
        vectors = {n: np.array([k + 1.0]) for k, n in enumerate(names)}
        product = loss.hessian_vector_product(**given, vectors=vectors)
        for n in names:
            want = sympy.diff(formula, symbols[n], 2).subs(at)
            assert float(diagonal[n][0]) == pytest.approx(float(want), rel=1e-12)
            row = sum(
                (k + 1) * sympy.diff(formula, symbols[n], symbols[m]) for k, m in enumerate(names)
            )
            assert float(product[n][0]) == pytest.approx(float(row.subs(at)), rel=1e-12)


# --- how much it computes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wrt", "axes"),
    [
        ("mean((y - yhat)^2)", "yhat", 0),
        ("mean(w * log(cosh(y - yhat)))", "yhat", 1),
        ("mean(if abs(y - yhat) < 1 then (y - yhat)^2 else abs(y - yhat))", "yhat", 1),
        (FORMULAS["cross entropy"][0], "z", 2),
        (FORMULAS["soft labels"][0], "z", 2),
        (FORMULAS["windows"][0], "x", 1),
        ("var(yhat)", "yhat", 1),
        ("loss f(p[b, c]) = mean[b](1 - (2 * sum[c](p) + 1) / (sum[c](p^2) + 1))", "p", 2),
    ],
)
def test_no_array_over_pairs_of_places_is_built(text: str, wrt: str, axes: int) -> None:
    program = lossc.compile(text)._checked.program
    diagonal = hessian_diagonal(program, wrt)
    assert max(len(step.axes) for step in schedule(diagonal).steps) <= axes
    product = hessian_vector_products(program, [wrt])[wrt]
    assert max(len(step.axes) for step in schedule(product).steps) <= max(axes, 1)


# --- kinks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("sum(abs(yhat))", 0),
        ("sum(relu(yhat))", 0),
        ("sum(relu(yhat)^2)", 0),
        ("sum(max(yhat, 0)^3)", 0),
        ("sum(if abs(yhat) <= 1 then yhat^2 / 2 else abs(yhat))", 1),
        ("sum(if yhat > 0 then log(yhat) else yhat^2)", 2),
        ("sum(xlogy(y, yhat))", 0),
        ("sum(yhat^2 + yhat^1 + yhat^0)", 2),
        ("sum(round(yhat) + floor(yhat))", 0),
        ("norm(yhat)", 0),
        ("std(yhat)", 0),
        ("sum(stop_gradient(yhat) * yhat)", 0),
    ],
)
def test_kinks(text: str, second: float) -> None:
    loss = lossc.compile(f"loss f(y, yhat) = {text}", jit=False)
    zero = np.zeros(2)
    assert np.asarray(loss.hessian_diagonal(zero, zero)["yhat"]).tolist() == [second] * 2
    product = loss.hessian_vector_product(zero, zero, vectors={"yhat": np.array([1.0, -1.0])})
    assert np.asarray(product["yhat"]).tolist() == [second, -second]


# --- arguments ----------------------------------------------------------------------------------


def test_dtypes_shapes_and_names() -> None:
    loss = lossc.compile("mean(w * (y - yhat)^2)")
    for dtype in (np.float16, np.float32, np.float64):
        x = np.ones((2, 3), dtype)
        found = loss.hessian_diagonal(x, 2 * x, x)
        assert set(found) == {"y", "yhat", "w"}
        assert all(g.dtype.as_numpy_dtype == dtype and g.shape == (2, 3) for g in found.values())
        assert np.asarray(found["yhat"]) == pytest.approx(np.full((2, 3), 1 / 3), rel=1e-3)
    tensors = [tf.constant(x) for x in (x, 2 * x, x)]
    again = loss.hessian_vector_product(*tensors, vectors={"yhat": tensors[0]})
    assert list(again) == ["yhat"]
    assert np.asarray(again["yhat"]) == pytest.approx(np.full((2, 3), 1 / 3))
    assert loss.hessian_diagonal(x, x, x, wrt=[]) == {}
    assert loss.hessian_vector_product(x, x, x, vectors={}) == {}


def test_wrong_arguments_are_named() -> None:
    loss = lossc.compile("mean((y - yhat)^2)", jit=False)
    x = np.ones(3)
    with pytest.raises(lossc.LosscError, match="no input or param `z`"):
        loss.hessian_vector_product(x, x, vectors={"z": x})
    with pytest.raises(lossc.LosscError, match=r"shape \(2,\) for `yhat`"):
        loss.hessian_vector_product(x, x, vectors={"yhat": np.ones(2)})
    with pytest.raises(lossc.LosscError, match="no input or param"):
        loss.hessian_diagonal(x, x, wrt="z")


def test_inside_a_function_of_tensorflow() -> None:
    loss = lossc.compile("mean(exp(y * yhat))")

    @tf.function
    def step(y: tf.Tensor, p: tf.Tensor) -> Mapping[str, tf.Tensor]:
        found: Mapping[str, tf.Tensor] = loss.hessian_diagonal(y, p, wrt="yhat")
        return found

    y, p = tf.constant([1.0, 2.0]), tf.constant([0.5, -0.5])
    want = np.square(y) * np.exp(np.asarray(y) * np.asarray(p)) / 2
    assert np.asarray(step(y, p)["yhat"]) == pytest.approx(want, rel=1e-6)


def test_programs_of_many_axes() -> None:
    windows = "\n    ".join(
        f"{b}[i, j] = max[u in -1..1, v in -1..1]({a}[i+u, j+v] * (2 + u * v))"
        for a, b in ("xa", "ab", "bc")
    )
    loss = lossc.compile(f"loss f(x[n, m]) = sum[i, j](c[i, j]^2)\nwhere\n    {windows}", jit=False)
    wide = schedule(hessian_diagonal(loss._checked.program, "x")).steps
    assert max(len(step.axes) for step in wide) > WIDEST
    x = RNG.uniform(1, 2, (7, 7))
    diagonal = np.asarray(loss.hessian_diagonal(x)["x"])
    place = np.unravel_index(np.argmax(np.abs(diagonal)), x.shape)
    unit = np.zeros_like(x)
    unit[place] = 1
    column = np.asarray(loss.hessian_vector_product(x, vectors={"x": unit})["x"])
    step = 1e-5 * unit
    ends = [np.asarray(loss.value_and_grad(x + h)[1]["x"]) for h in (step, -step)]
    assert column == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-6 * np.max(column))
    assert diagonal[place] == pytest.approx(column[place], rel=1e-9)
    assert diagonal[place] > 1


def test_nested_tapes_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "loss f(y[n], x[n]) = mean[n](exp(x * y)) * logsumexp[n](x)"
    y, x, v = RNG.uniform(1, 2, (3, 4))
    found = []
    for widest in (WIDEST, 0):
        monkeypatch.setattr("lossc.compiler.emit.hessian.WIDEST", widest)
        loss = lossc.compile(text, jit=False)
        found.append(np.asarray(loss.hessian_diagonal(y, x)["x"]))
        found.append(np.asarray(loss.hessian_vector_product(y, x, vectors={"x": v})["x"]))
    assert found[2] == pytest.approx(found[0], rel=1e-9)
    assert found[3] == pytest.approx(found[1], rel=1e-9)
