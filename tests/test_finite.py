"""Gradients are finite wherever the true gradient is: eager, in graphs and under XLA."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import lossc
from lossc.compiler.interpret import interpret
from lossc.compiler.passes.differentiate import differentiate

INF, NAN = np.inf, np.nan

# Text; the data of its inputs; the gradient in `x`.
CASES: list[tuple[str, dict[str, Any], Any]] = [
    # roots, norms and powers at 0
    ("sum(sqrt(x^2))", {"x": [0, 3]}, [0, 1]),
    ("sum(sqrt(x^2 + y^2))", {"x": [0, 3], "y": [0, 4]}, [0, 0.6]),
    ("sum(sqrt(x^4))", {"x": [0, 2]}, [0, 4]),
    ("norm(x)", {"x": [0, 0]}, [0, 0]),
    ("norm(x)^2", {"x": [0, 0]}, [0, 0]),
    ("norm(x - y)", {"x": [1, 2], "y": [1, 2]}, [0, 0]),
    ("std(x)", {"x": [2, 2]}, [0, 0]),
    ("std(x)^2", {"x": [2, 2]}, [0, 0]),
    ("var(x)", {"x": [2, 2]}, [0, 0]),
    ("hypot(x, y)", {"x": 0, "y": 0}, 0),
    ("x^2 + x^1 + x^0", {"x": 0}, 1),
    ("x^1.5", {"x": 0}, 0),
    ("(x^2)^0.5", {"x": 0}, 0),
    ("(x^2)^0.75", {"x": 0}, 0),
    ("(x^4)^0.5", {"x": 0}, 0),
    ("x^y", {"x": 0, "y": 0}, 0),
    ("x^y", {"x": 0, "y": 1}, 1),
    ("x^y", {"x": 0, "y": 2}, 0),
    ("y^x", {"x": 2, "y": 0}, 0),
    ("(x^2)^y", {"x": 0, "y": 0.75}, 0),
    ("cbrt(x^6)", {"x": 0}, 0),
    ("1 / (1 + sqrt(x^2))", {"x": 0}, 0),
    ("atan2(x, y)", {"x": 0, "y": 0}, 0),
    ("atan2(y, x)", {"x": [0, 0], "y": [0, 2]}, [0, -0.5]),
    ("abs(x) + relu(x) + sign(x)", {"x": 0}, 0),
    # xlogy
    ("xlogy(y, x)", {"x": 0, "y": 0}, 0),
    ("xlogy(y, x) + xlogy(1 - y, 1 - x)", {"x": [0, 1], "y": [0, 1]}, [-1, 1]),
    ("sum[k](xlogy(y, y) - xlogy(y, x))", {"x[k]": [0, 1], "y[k]": [0, 1]}, [0, -1]),
    ("xlogy(y, x)^2", {"x": 0, "y": 0}, 0),
    ("xlogy(x^2, y)", {"x": 0, "y": 0.5}, 0),
    ("xlogy(x, y)", {"x": 0, "y": 0.5}, -0.6931),
    ("xlogy(x, y)", {"x": [0, 0, 2], "y": [0, NAN, 0]}, [0, 0, -INF]),
    ("xlogy(x, 1 - y)", {"x": [0, 0, 2], "y": [1, NAN, 1]}, [0, 0, -INF]),
    ("xlogy(x, x)", {"x": [0, 1]}, [0, 1]),
    ("xlogy(y * (1 - x)^2, x)", {"x": [0, 0], "y": [0, 1]}, [0, INF]),
    ("xlogy(y, y / m) + xlogy(x, x / m)\nwhere m = (x + y) / 2",
     {"x": [0, 0.5], "y": [0, 0.5]}, [0, 0]),
    # guards
    ("if x > 0 then log(x) else 0", {"x": [0, 2]}, [0, 0.5]),
    ("if x > 0 then sqrt(x) else x", {"x": [-1, 0, 4]}, [1, 1, 0.25]),
    ("if x != 0 then sin(x) / x else 1", {"x": [0]}, [0]),
    ("if y > 0 then 1 / x else x", {"x": [0, 2], "y": [0, 1]}, [1, -0.25]),
    ("if y > 0 then x / y else 0", {"x": [1, 1], "y": [0, 2]}, [0, 0.5]),
    ("exp(if x > 0 then log(x) else 0)", {"x": [-1, 0, 2]}, [0, 0, 1]),
    ("(if x > 0 then log(x) else 0)^2", {"x": [-1, 0, 1]}, [0, 0, 0]),
    ("(if y > 0 then u else 0) + (if y < -1 then 2 * u else 0)\nwhere u = log(x)",
     {"x": [0, 2], "y": [-0.5, 1]}, [0, 0.5]),
    ("(if y > 0 then u else 0) * (if y < -1 then 2 * u else 3)\nwhere u = sqrt(x)",
     {"x": [-4, 4], "y": [-0.5, 1]}, [0, 0.75]),
    ("(if y > 0 then u^2 else 0) + (if y < -1 then u else 0)\nwhere u = x",
     {"x": [NAN, 2], "y": [-0.5, 1]}, [0, 4]),
    ("if y > 0 then u * u else 0\nwhere u = log(x)", {"x": [0, 1], "y": [0, 1]}, [0, 0]),
    ("if y > 0 then u else (if y < -1 then u else 0)\nwhere u = log(x)",
     {"x": [0, 2], "y": [-0.5, 1]}, [0, 0.5]),
    ("max(if x > 0 then log(x) else -5, -5)", {"x": [0, 1]}, [0, 1]),
    # what a filter leaves out
    ("mean[k if y > 0](log(x))", {"x[k]": [0, 2], "y[k]": [0, 1]}, [0, 0.5]),
    ("sum[k if y > 0](x^2)", {"x[k]": [NAN, 2], "y[k]": [0, 1]}, [0, 4]),
    ("mean[k if isfinite(x)]((x - 1)^2)", {"x[k]": [NAN, INF, 2]}, [0, 0, 2]),
    ("sum[k if y > 0](1 / x)", {"x[k]": [0, 2], "y[k]": [0, 1]}, [0, -0.25]),
    ("var[k if y > 0](x)", {"x[k]": [NAN, 2, 4], "y[k]": [0, 1, 1]}, [0, -1, 1]),
    ("std[k if y > 0](x)", {"x[k]": [NAN, 2, 4], "y[k]": [0, 1, 1]}, [0, -0.5, 0.5]),
    ("norm[k if y > 0](x)", {"x[k]": [NAN, 3, 4], "y[k]": [0, 1, 1]}, [0, 0.6, 0.8]),
    ("norm1[k if y > 0](x)", {"x[k]": [NAN, 3, -4], "y[k]": [0, 1, 1]}, [0, 1, -1]),
    ("prod[k if y > 0](x)", {"x[k]": [NAN, 3, 4], "y[k]": [0, 1, 1]}, [0, 4, 3]),
    ("max[k if y > 0](x)", {"x[k]": [NAN, 3, 4], "y[k]": [0, 1, 1]}, [0, 0, 1]),
    ("logsumexp[k if y > 0](x)", {"x[k]": [NAN, 3, 3], "y[k]": [0, 1, 1]}, [0, 0.5, 0.5]),
    ("sum[k if y > 0](softmax[k if y > 0](x) * z)",
     {"x[k]": [NAN, 0, 0], "y[k]": [0, 1, 1], "z[k]": [NAN, 1, 3]}, [0, -0.5, 0.5]),
    ("sum[k if y > 0](cumsum[k if y > 0](x))", {"x[k]": [1, NAN, 3], "y[k]": [1, 0, 1]}, [2, 0, 1]),
    ("sum[k if y > 0](logcumsumexp[k if y > 0](x))", {"x[k]": [NAN, 1], "y[k]": [0, 1]}, [0, 1]),
    ("sort[k if y > 0](x)[k=0]", {"x[k]": [NAN, 1], "y[k]": [0, 1]}, [0, 1]),
    ("sum[i, j if y[i] > y[j]](u[i] * y[j])\nwhere u[i] = log(x[i])",
     {"x[k]": [0, 2], "y[k]": [1, 2]}, [0, 0.5]),
    ("sum[i](sum[j if y[j] > y[i]](v[i] * y[j]))\nwhere v[i] = sqrt(x[i])",
     {"x[k]": [4, -1], "y[k]": [1, 2]}, [0.5, 0]),
    ("sum[j if y[j] > 0](e[j]^2) + sum[j if y[j] < -1](e[j])\nwhere e[j] = x[j] * z[j]",
     {"x[k]": [NAN, 2], "y[k]": [-0.5, 1], "z[k]": [NAN, 1]}, [0, 4]),
    ("sum[j if y[j] > 0](e[j]^2) + sum[j if y[j] < -1](e[j])\nwhere e[j] = x[j]^3",
     {"x[k]": [NAN, 1], "y[k]": [-0.5, 1]}, [0, 6]),
    ("sum[k if y > 0](sum[k if y > 5](log(x)) + x)", {"x[k]": [0, 2], "y[k]": [1, 1]}, [1, 1]),
    # infinities
    ("logsumexp[k](x)", {"x[k]": [-INF, 0, 0]}, [0, 0.5, 0.5]),
    ("sum(relu(log(x)))", {"x": [0, 2]}, [0, 0.5]),
    ("sum(acos(1 - x^4) + acosh(1 + x^4) + asin(1 - x^4))", {"x": [0, 0]}, [0, 0]),
    ("max(logsumexp[k](log(x)), -9)", {"x[k]": [0, 0]}, [0, 0]),
    ("exp(logsumexp[k](if y > 0 then x else -inf))", {"x[k]": [1, 2], "y[k]": [0, 0]}, [0, 0]),
    ("sum[k](softmax[k](if y > 0 then x else -inf) * z)",
     {"x[k]": [0, 0, 9], "y[k]": [1, 1, 0], "z[k]": [1, 3, 7]}, [-0.5, 0.5, 0]),
    ("logcumsumexp[k](x)[k=1]", {"x[k]": [-INF, 0]}, [0, 1]),
    ("sum[k](exp(logcumsumexp[k](if k > 0 then x else -inf)))", {"x[k]": [5, 0]}, [0, 1]),
    ("sum[k if k > 0](logcumsumexp[k](x))", {"x[k]": [-INF, 0]}, [0, 1]),
    ("min(max[k](x), 1)", {"x[k]": [INF, INF, 0]}, [0, 0, 0]),
    ("1 / max[k](x)", {"x[k]": [INF, INF, 0]}, [0, 0, 0]),
    ("logaddexp(x, y)", {"x": -INF, "y": 0}, 0),
    ("exp(logaddexp(x, y))", {"x": -INF, "y": -INF}, 0),
    ("exp(logaddexp(y, x))", {"x": -INF, "y": -INF}, 0),
    ("sigmoid(x) + tanh(x) + softplus(-x)", {"x": INF}, 0),
    # what saturates at infinity, of a quotient by 0
    ("tanh(1 / x)", {"x": [0, 1]}, [0, -0.41997]),
    ("sigmoid(1 / x)", {"x": [0, 1]}, [0, -0.19661]),
    ("exp(-1 / x)", {"x": [0, 1]}, [0, 0.36788]),
    ("exp(-1 / x^2)", {"x": [0, 1]}, [0, 0.73576]),
    ("exp(-y^2 / x)", {"x": [0, 1], "y": [2, 1]}, [0, 0.36788]),
    ("exp(-x^2 / y)", {"x": [2, 1], "y": [0, 1]}, [0, -0.73576]),
    ("exp(-(y / x)^2)", {"x": [0, 1], "y": [2, 1]}, [0, 0.73576]),
    ("exp(-abs(x - y) / h)", {"x": [2, 1], "y": [1, 0], "h": [0, 1]}, [0, -0.36788]),
    ("1 - exp(-3 * (y / x) - 1)", {"x": [0, 1], "y": [2, 1]}, [0, -0.05495]),
    ("erf(y / x)", {"x": [0, 1], "y": [2, 1]}, [0, -0.41511]),
    ("erfc(-1 / x)", {"x": [0, 1]}, [0, -0.41511]),
    ("ndtr(1 / x)", {"x": [0, 1]}, [0, -0.24197]),
    ("log(ndtr(1 / x))", {"x": [0, 1]}, [0, -0.2876]),
    ("expm1(-1 / x)", {"x": [0, 1]}, [0, 0.36788]),
    ("softplus(-1 / x)", {"x": [0, 1]}, [0, 0.26894]),
    ("log(1 + exp(-1 / x))", {"x": [0, 1]}, [0, 0.26894]),
    ("log(1 - exp(-1 / x))", {"x": [0, 1]}, [0, -0.58198]),
    ("sum[m](exp(-sum[k](y^2) / x))", {"x[m]": [0], "y[k]": [1, 2]}, [0]),
    ("sum[m](exp(-norm[k](y / x)))", {"x[m]": [0, 1], "y[k]": [3, 4]}, [0, 0.03369]),
    ("sum[m](logaddexp(1, -1 / x))", {"x[m]": [0, 1]}, [0, 0.1192]),
    ("sum[m](log(1 + sum[k](exp(-y / x))))", {"x[m]": [0, 1], "y[k]": [1, 1]}, [0, 0.4239]),
    ("sum[m, k](exp(-(y - z / x)^2))", {"x[m]": [0], "y[k]": [0, 1], "z[m]": [1]}, [0]),
    ("tanh(1 / x) * x", {"x": [0, 1]}, [1, 0.34162]),
    ("atan(1 / x)", {"x": [0, 1]}, [-1, -0.5]),
    ("atan(y / x)", {"x": [0, 1], "y": [2, 1]}, [-0.5, -0.5]),
    ("atan(x / y)", {"x": [2, 1], "y": [0, 1]}, [0, 0.5]),
    ("atan(2 * (y / x) - 1)", {"x": [0, 1], "y": [2, 1]}, [-0.25, -1]),
    ("atan(-y / x)^2", {"x": [0, 1], "y": [2, 1]}, [-1.5708, -0.7854]),
    # large and small
    ("log(cosh(x))", {"x": [-800, 800]}, [-1, 1]),
    ("log(1 + exp(x))", {"x": [-800, 800]}, [0, 1]),
    ("log(sigmoid(x))", {"x": [-800, 800]}, [1, 0]),
    ("softplus(x) + tanh(x)", {"x": [-800, 800]}, [0, 1]),
    ("sqrt(1 + x^2)", {"x": [-1e3, 1e3]}, [-1, 1]),
    ("norm(x)", {"x": [3e30, 4e30]}, [0.6, 0.8]),
    ("norm(x)", {"x": [3e-30, 4e-30]}, [0.6, 0.8]),
    ("hypot(x, y)", {"x": 3e30, "y": 4e30}, 0.6),
    ("x / y", {"x": 1e-30, "y": 1e30}, 0),
    ("log_ndtr(x)", {"x": [-30, 30]}, [30.0333, 0]),
    ("logsumexp[k](x)", {"x[k]": [1e4, -1e4]}, [1, 0]),
    ("erf(x) + erfc(x) + atan(x)", {"x": [-1e3, 1e3]}, [0, 0]),
]  # fmt: skip


def text_of(text: str, data: dict[str, Any]) -> str:
    """A formula as a loss of its inputs; of a value for each element, the sum."""
    body, _, rest = text.partition("\n")
    whole = any("[" in name for name in data) or body.startswith(("sum(", "norm(", "std(", "var("))
    return f"loss f({', '.join(sorted(data))}) = {body if whole else f'sum({body})'}\n{rest}"


def arrays_of(data: dict[str, Any], dtype: type) -> dict[str, np.ndarray[Any, Any]]:
    return {n.partition("[")[0]: np.atleast_1d(np.array(x, dtype)) for n, x in data.items()}


def tensors_of(data: dict[str, Any], dtype: type) -> dict[str, tf.Tensor]:
    return {name: tf.constant(array) for name, array in arrays_of(data, dtype).items()}


def close(found: Any, want: Any) -> bool:
    return np.allclose(np.asarray(found, np.float64), want, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize(("text", "data", "want"), CASES, ids=[c[0] for c in CASES])
def test_finite(text: str, data: dict[str, Any], want: Any) -> None:
    tensors = tensors_of(data, np.float64)
    loss = lossc.compile(text_of(text, data), jit=False)
    assert close(loss.value_and_grad(**tensors, wrt="x")[1]["x"], want)
    with tf.GradientTape() as tape:
        tape.watch(tensors["x"])
        value = loss(**tensors)
    assert close(tape.gradient(value, tensors["x"]), want)


@pytest.mark.deep
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_finite_inside_a_function_of_tensorflow(dtype: type) -> None:
    """All in one graph, under XLA and without."""
    compiled = [lossc.compile(text_of(text, data), jit=False) for text, data, _ in CASES]
    arrays = [tensors_of(data, dtype) for _, data, _ in CASES]

    def gradients(given: list[dict[str, tf.Tensor]]) -> list[tf.Tensor]:
        pairs = zip(compiled, given, strict=True)
        return [loss.value_and_grad(**data, wrt="x")[1]["x"] for loss, data in pairs]

    for jit in (False, True):
        found = tf.function(gradients, jit_compile=jit, autograph=False)(arrays)
        for (text, _, want), gradient in zip(CASES, found, strict=True):
            assert close(gradient, want), (text, jit, np.asarray(gradient))


def test_the_interpreter_agrees() -> None:
    for text, data, want in CASES:
        program = lossc.compile(text_of(text, data))._checked.program
        found = interpret(differentiate(program, "x"), arrays_of(data, np.float64), 30)
        assert close([float(x) for x in found], want), (text, found)


def test_soft_ranks_of_ties_have_a_gradient() -> None:
    """Quotients by `k - j + 1` have no slope at places that a filter around them leaves out."""
    text = """loss soft_spearman(ranks[batch, item], s[batch, item]; eps = 1) =
    mean[batch](sum[item]((ranks - soft)^2)) / 2
where
    eps in (0, inf)
    order = argsort[item](-s)
    u = s[item=order] / eps - (size(item) - item)
    C = cumsum[item](u)
    average[batch, j, k] = (C[item=k] - C[item=j] + u[item=j]) / (k - j + 1)
    v[batch, i] = min[j if j <= i](max[k if k >= i](average[batch, j, k]))
    place = rank[item](-s)
    soft = s / eps - v[batch, place]
"""
    ranks = np.array([[1, 2, 3, 4], [4, 3, 2, 1]], np.float32)
    s = np.array([[0, 0, 0, 0], [1e4, -1e4, 3, 3]], np.float32)
    value, slopes = lossc.compile(text, jit=False).value_and_grad(ranks, s, wrt=["s"])
    assert float(value) == pytest.approx(2.875)
    right = [[0.75, 0.25, -0.25, -0.75], [0, 0, -0.25, 0.25]]
    assert slopes["s"].numpy() == pytest.approx(np.array(right))
