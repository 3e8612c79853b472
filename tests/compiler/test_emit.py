"""The emitted TensorFlow against the interpreter: value and gradient, eager, graph and XLA."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from mpmath import mp

from lossc.compiler.emit.schedule import schedule
from lossc.compiler.emit.to_tf import emit
from lossc.compiler.interpret import interpret
from lossc.compiler.ir import Axis, Expr, Program, Range, Tensor, reduce
from tests.ir_builders import (
    BOOL,
    INT,
    PACKED,
    Dim,
    K,
    M,
    N,
    Size,
    at,
    const,
    fresh,
    op,
    over,
    own,
    program,
    scan,
    select,
    slot,
    span,
    tensor,
)  # fmt: skip

X, X2, W = tensor("x", N), tensor("x2", N), tensor("w", M)
Z, Y, U, V = tensor("z", N, K), tensor("y", N, kind=INT), tensor("u", N, K), tensor("v", M, K)
C, P, S = tensor("c", K), tensor("p", PACKED), tensor("s", N, N)
T, B = tensor("t", param=True), tensor("b", N, kind=BOOL)
TENSORS = (X, X2, W, Z, Y, U, V, C, P, S, T, B)
RNG = np.random.default_rng(11)
DATA: dict[str, Any] = {
    "x": np.array([0.5, -1.25, 2.0, 0.25, -0.5, 1.0]), "x2": RNG.normal(size=6),
    "w": RNG.normal(size=4), "z": RNG.normal(size=(6, 3)), "y": np.array([0, 2, 1, 1, 0, 2]),
    "u": RNG.normal(size=(6, 3)), "v": RNG.normal(size=(4, 3)), "c": RNG.normal(size=3),
    "p": RNG.normal(size=(2, 2)), "s": RNG.normal(size=(6, 6)), "t": np.array(1.5),
    "b": np.array([True, False, True, True, False, True]),
}  # fmt: skip
II, JJ, TT, UU = fresh("i", 1), fresh("j", 2), fresh("t", 3), fresh("u", 4)
WHOLE = Range.of(N)
PAIRS = {II: WHOLE, JJ: WHOLE}


def plus(index: Any, k: int) -> Expr:
    return op("add", slot(index), k)


def shifted() -> Expr:
    return op("sub", at(X, plus(TT, 1)), at(X, TT))


def similarity(a: Any, b: Any) -> Expr:
    return op("div", over("sum", K, op("mul", at(U, a, own(K)), at(V, b, own(K)))), at(T))


def padded(k: int) -> Expr:
    place = plus(own(N), k)
    inside = op("and", op("ge", place, 0), op("lt", place, Size(N)))
    return select(inside, at(X, place, padded=True), 7)


KEPT = op("gt", at(X), 0)
NEVER = op("gt", at(X), 100)

CASES: dict[str, tuple[Expr, tuple[Axis, ...]]] = {
    "squares": (over("mean", PACKED, op("pow", op("sub", at(P), at(T)), 2)), ()),
    "labels": (over("mean", N, op("sub", over("logsumexp", K, at(Z)), at(Z, own(N), at(Y)))), ()),
    "other order": (op("mul", at(Z), at(X)), (K, N)),
    "outer": (op("mul", at(X), at(W)), (N, M)),
    "three": (op("add", op("mul", at(Z), at(C)), op("sub", at(W), at(X))), (M, N, K)),
    "broadcast": (at(X), (M, N)),
    "constant": (op("mul", const("pi"), Fraction(1, 10)), ()),
    "position": (op("div", plus(own(N), 1), Size(N)), (N,)),
    "distance": (over("sum", PAIRS, op("abs", op("sub", slot(II), slot(JJ)))), ()),
    "contraction": (similarity(own(N), own(M)), (N, M)),
    "info nce": (over("mean", N, over("logsumexp", M, similarity(own(N), own(M)))), ()),
    "three factors": (over("sum", (N, M, K), op("mul", op("mul", at(U), at(V)), at(C))), ()),
    "quotient": (over("sum", K, op("div", op("mul", at(U), at(V)), op("neg", op("exp", at(C))))),
                 (N, M)),
    "invariant": (over("mean", N, op("mul", at(W), op("div", at(X), at(T)))), (M,)),
    "absent index": (op("add", over("sum", (N, M), at(X)), over("mean", (N, M), at(X))), ()),
    "absent max": (op("add", over("max", (N, M), at(X)), over("norm", (N, M), at(W))), ()),
    "shift": (over("sum", {TT: span(0, Dim.of(N) + -1)}, op("pow", shifted(), 2)), ()),
    "reverse": (over("sum", {II: WHOLE}, op("mul", at(X2, II), at(X, op("sub", op("sub",
                Size(N), 1), slot(II))))), ()),
    "window": (over("mean", {TT: span(1, Dim.of(N) + -1)}, over("max", {UU: span(-1, 2)}, op("mul",
               at(X, op("add", slot(TT), slot(UU))), at(X2, plus(UU, 1))))), ()),
    "pick": (op("sub", at(Z, own(N), slot(0)), at(Z, own(N), slot(2))), (N,)),
    "last": (at(X, op("sub", Size(N), 1)), ()),
    "diagonal": (over("sum", N, op("mul", at(S, own(N), own(N)), at(X))), ()),
    "off diagonal": (over("sum", {TT: span(0, Dim.of(N) + -1)}, at(S, TT, plus(TT, 1))), ()),
    "transpose": (over("sum", PAIRS, op("mul", at(S, II, JJ), op("exp", at(S, JJ, II)))), ()),
    "padding": (op("add", op("mul", padded(-2), at(X2)), padded(1)), (N,)),
    "two gathers": (at(S, at(Y), at(Y, op("sub", op("sub", Size(N), 1), slot(own(N))))), (N,)),
    "new axes": (at(S, at(Y), own(N)), (N,)),
    "table": (over("sum", (N, K), op("mul", at(V, at(Y), own(K)), at(C))), ()),
    "label of label": (at(X, at(Y, at(Y))), (N,)),
    "clamped": (at(X, plus(at(Y), 4), padded=True), (N,)),
    "filter": (over("mean", N, op("mul", at(X), at(X2)), KEPT), ()),
    "pairs": (over("mean", PAIRS, op("softplus", op("sub", at(X2, JJ), at(X2, II))),
              op("gt", at(X, II), at(X, JJ))), ()),
    "outer filter": (over("var", (N, K), at(Z), KEPT), ()),
    "filter of absent": (over("mean", (N, M), at(X2), op("gt", at(W), 0)), ()),
    "none kept": (op("add", over("mean", N, at(X), NEVER), over("var", N, at(X), NEVER)), ()),
    "max of none": (op("max", over("max", N, at(X), NEVER), over("sum", N, at(X2))), ()),
    "any all": (over("count", N, op("or", over("any", K, op("gt", at(Z), 1)),
                over("all", K, op("lt", at(Z), 0)))), ()),
    "select": (over("sum", N, select(at(B), op("mul", at(X), 2), op("exp", at(X2)))), ()),
    "bools": (over("sum", N, op("indicator", op("eq", at(B), KEPT))), ()),
    "ties": (over("sum", N, op("max", op("mul", at(X), 0), op("relu", at(X2)))), ()),
    "softmax": (op("exp", op("sub", at(Z), over("logsumexp", K, at(Z)))), (N, K)),
    "argmax": (op("mul", over("argmax", K, at(Z)), at(X)), (N,)),
    "argmin kept": (over("argmin", N, at(X2), KEPT), ()),
    "argmax shifted": (over("argmax", {TT: span(2, Dim.of(N))}, at(X2, TT)), ()),
    "gather argmax": (at(Z, own(N), over("argmax", K, at(Z))), (N,)),
    "cumsum": (op("mul", scan("cumsum", N, at(X)), at(X2)), (N,)),
    "cumsum kept": (scan("cumsum", N, at(X2), KEPT), (N,)),
    "logcumsumexp": (scan("logcumsumexp", K, at(Z)), (N, K)),
    "logcumsumexp kept": (op("mul", op("exp", scan("logcumsumexp", N, at(X2), KEPT)), at(X)), (N,)),
    "sort": (op("mul", scan("sort", N, at(X2)), at(X)), (N,)),
    "sort kept": (op("exp", op("neg", op("max", 0, scan("sort", N, at(X2), KEPT)))), (N,)),
    "largest": (over("mean", N, at(X2), op("lt", scan("rank", N, op("neg", at(X2))), 3)), ()),
    "argsort": (at(X, scan("argsort", N, at(X2))), (N,)),
    "rank kept": (over("sum", N, at(X2), op("lt", scan("rank", N, at(X2), KEPT), 2)), ()),
    "scan of absent": (scan("cumsum", N, at(W)), (N, M)),
    "scan elsewhere": (op("sub", scan("sort", N, at(X2), read=op("sub", Size(N), 1)),
                       scan("sort", N, at(X2), read=const(0))), ()),
    "next": (over("sum", {TT: span(0, Dim.of(N) + -1)}, op("mul", at(X, TT), op("sub",
             scan("sort", N, at(X2), read=plus(TT, 1)), scan("sort", N, at(X2), read=slot(TT))))),
             ()),
    "comparison": (over("mean", (N, K), op("indicator", op("eq", slot(own(K)), at(Y)))), ()),
    "integers": (over("sum", N, op("mul", op("abs", op("sub", at(Y), 1)), at(X))), ()),
}  # fmt: skip
for _name in ("sum", "mean", "prod", "max", "min", "logsumexp", "var", "std", "norm", "norm1"):
    CASES[_name] = (over(_name, K, at(Z)), (N,))
    CASES[f"{_name} kept"] = (over(_name, N, at(Z), KEPT), (K,))


def used(expr: Expr) -> tuple[Tensor, ...]:
    """The tensors of a term; x, w and c stand in for axes that nothing else has."""
    text = str(schedule(Program("", (), (), expr)))
    found = [t for t in TENSORS if f"{t.name}[" in text]
    known = {a for t in found for a in t.axes}
    return (*found, *(t for t in (X, W, C) if t.axes[0] not in known))


def cast(data: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    arrays = {k: np.asarray(v) for k, v in data.items()}
    return {k: a.astype(dtype) if a.dtype.kind == "f" else a for k, a in arrays.items()}


def slopes(f: Any, tensors: Mapping[str, Any], weight: Any) -> dict[str, Any]:
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = tf.reduce_sum(f(tensors) * weight)
    return tape.gradient(value, tensors, unconnected_gradients="zero")


def numeric(p: Program, data: Mapping[str, Any], name: str, weight: Any) -> Any:
    """The gradient by central differences of the interpreter, to some 20 digits."""
    array = np.asarray(data[name])
    result = np.zeros(array.shape)
    step = mp.mpf(10) ** -20
    for place in np.ndindex(array.shape):
        with mp.workdps(60):
            ends = []
            for sign in (1, -1):
                moved = np.array(array.tolist(), dtype=object)
                moved[place] = mp.mpf(float(array[place])) + sign * step
                got = np.array(interpret(p, {**data, name: moved}, 60), dtype=object)
                ends.append(sum(np.asarray(got * weight).reshape(-1).tolist()))
            result[place] = float((ends[0] - ends[1]) / (2 * step))
    return result


def loosely(signature: Mapping[str, Any]) -> dict[str, tf.TensorSpec]:
    return {k: tf.TensorSpec([None] * len(v.shape), v.dtype) for k, v in signature.items()}


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(name: str) -> None:
    """Eager float64 against the interpreter; float32 under XLA, lengths unknown, against that."""
    expr, axes = CASES[name]
    p = program(expr, *used(expr), axes=axes)
    data = {t.name: DATA[t.name] for t in (*p.inputs, *p.params)}
    f = emit(p)
    wide = {k: tf.constant(v) for k, v in cast(data, "float64").items()}
    want = np.array(interpret(p, data), dtype=object).astype(float)
    got = f(wide)
    assert got.dtype == tf.float64 or not any(v.dtype == tf.float64 for v in wide.values())
    np.testing.assert_allclose(got, want, rtol=1e-13 if got.dtype == tf.float64 else 1e-6)
    weight = np.random.default_rng(1).normal(size=want.shape)
    if np.isnan(want).any():
        return
    real = {k: v for k, v in wide.items() if v.dtype == tf.float64}
    rest = {k: v for k, v in wide.items() if k not in real}
    found = slopes(lambda t: f({**rest, **t}), real, weight)
    for k in real:
        np.testing.assert_allclose(found[k], numeric(p, data, k, weight), rtol=1e-9, atol=1e-12)
    narrow = {k: tf.constant(v) for k, v in cast(data, "float32").items()}
    weight32 = tf.constant(weight, tf.float32)

    def both(tensors: Mapping[str, Any]) -> Any:
        real = {k: v for k, v in tensors.items() if v.dtype == tf.float32}
        return f(tensors), slopes(lambda t: f({**tensors, **t}), real, weight32)

    graph = tf.function(both, jit_compile=True, input_signature=[loosely(narrow)])
    value, slope = graph(narrow)
    np.testing.assert_allclose(value, want, rtol=2e-5, atol=2e-6)
    for k, v in slope.items():
        np.testing.assert_allclose(v, found[k], rtol=1e-4, atol=1e-5)


def value(expr: Expr, *tensors: Tensor, axes: tuple[Axis, ...] = (), **data: Any) -> Any:
    known = {**{t.name: DATA.get(t.name) for t in tensors}, **data}
    converted = {k: tf.convert_to_tensor(v) for k, v in known.items()}
    return emit(program(expr, *tensors, axes=axes))(converted)


def test_out_of_range_is_nan_with_gradient_zero() -> None:
    z = tf.constant(DATA["z"], tf.float32)
    p = program(at(Z, own(N), at(Y)), Z, Y, axes=(N,))
    y = tf.constant([0, 3, 1, -1, 0, 2])
    for wrap in (lambda f: f, lambda f: tf.function(f, jit_compile=True)):
        f = wrap(emit(p))
        assert np.isnan(f({"z": z, "y": y})).tolist() == [False, True, False, True, False, False]
        slope = slopes(lambda t, f=f: f({"z": t["z"], "y": y}), {"z": z}, 1.0)["z"]
        assert np.array(slope).sum(1).tolist() == [1, 0, 1, 0, 1, 1]


def test_a_fraction_where_an_integer_belongs_is_nan() -> None:
    y = np.array([0, 0.5, 1, 1, 0, math.nan])
    assert np.isnan(value(at(Z, own(N), at(Y)), Z, Y, axes=(N,), y=y)).tolist() == [
        False, True, False, False, False, True,
    ]  # fmt: skip
    doubled = op("mul", at(Y), 2.5)
    assert np.isnan(value(doubled, Y, axes=(N,), y=y)).tolist() == [False, True] + [False] * 3 + [
        True
    ]


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64", "float32", "bool"])
def test_kinds_of_data(kind: str) -> None:
    y = np.array([0, 1, 1, 1, 0, 1]).astype(kind)
    got = value(at(Z, own(N), at(Y)), Z, Y, axes=(N,), y=y)
    np.testing.assert_allclose(got, DATA["z"][np.arange(6), [0, 1, 1, 1, 0, 1]])
    got = value(over("sum", N, select(at(B), at(X), 0)), X, B, b=y)
    assert float(got) == pytest.approx(DATA["x"][[1, 2, 3, 5]].sum())
    got = value(over("sum", N, op("mul", at(X2), at(X))), X, X2, x2=y)
    assert float(got) == pytest.approx(DATA["x"][[1, 2, 3, 5]].sum())


def test_large_integers_stay_exact() -> None:
    y = np.array([2**24 + 1, 2**24, 2**53 + 1, 2**53, 0, 1])
    a, b = tensor("a", N), tensor("b", N)
    same = over("count", N, op("eq", at(a), at(b)))
    assert int(value(same, a, b, a=y, b=y - y % 2)) == 3
    odd = over("count", N, op("ne", op("sub", at(Y), op("max", at(Y), 1)), 0))
    assert int(value(odd, Y, y=y)) == 1
    one = op("sub", op("add", at(Y), 0), 2**53)
    assert int(value(over("max", N, one, op("gt", at(Y), 2**53)), Y, y=y)) == 1


@pytest.mark.parametrize(
    ("kinds", "want"),
    [(("float16", "float16"), "float32"), (("bfloat16", "float32"), "float32"),
     (("float32", "float64"), "float64"), (("int32", "float16"), "float32"),
     (("int64", "int64"), "float32")],
)  # fmt: skip
def test_dtype_of_computation(kinds: tuple[str, str], want: str) -> None:
    a, b = (tf.cast(tf.ones(6), k) for k in kinds)
    f = emit(program(over("mean", N, op("mul", op("mul", at(X), at(X2)), at(T))), X, X2, T))
    result = f({"x": a, "x2": b, "t": tf.constant(0.1, tf.float64)})
    assert result.dtype == tf.as_dtype(want)
    assert float(result) == pytest.approx(0.1)


def test_gradients_have_their_inputs_dtype() -> None:
    f = emit(program(over("mean", N, op("mul", at(X), at(X2))), X, X2))
    xs = {"x": tf.ones(6, tf.float16), "x2": tf.ones(6, tf.float64)}
    found = slopes(f, xs, tf.constant(1.0, tf.float64))
    assert [found["x"].dtype, found["x2"].dtype] == [tf.float16, tf.float64]


@pytest.mark.parametrize("known", [True, False])
def test_a_length_of_one_never_broadcasts(known: bool) -> None:
    f = emit(program(over("mean", N, op("mul", at(X), at(X2))), X, X2))
    specs = {
        "x": tf.TensorSpec([6 if known else None]),
        "x2": tf.TensorSpec([1 if known else None]),
    }
    for jit in (False, True):
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
            graph = tf.function(f, input_signature=[specs], jit_compile=jit)
            graph({"x": tf.ones(6), "x2": tf.ones(1)})
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        f({"x": tf.ones(6), "x2": tf.ones(1)})
    with pytest.raises(ValueError, match="does not fit"):
        f({"x": tf.ones(6), "x2": tf.ones([6, 1])})


def test_packs() -> None:
    a = tensor("a", N, PACKED)
    b = tensor("b", PACKED, K)
    data = {"a": RNG.normal(size=(2, 3, 4)), "b": RNG.normal(size=(3, 4, 5))}
    expr = over("sum", PACKED, op("mul", at(a), at(b)))
    want = np.einsum("npq,pqk->nk", data["a"], data["b"])
    np.testing.assert_allclose(value(expr, a, b, axes=(N, K), **data), want)
    flat = {"a": data["a"][:, 0, 0], "b": data["b"][0, 0]}
    got = value(expr, a, b, axes=(N, K), **flat)
    np.testing.assert_allclose(got, np.outer(flat["a"], flat["b"]))
    whole = value(op("exp", at(P)), P, axes=(PACKED,))
    np.testing.assert_allclose(whole, np.exp(DATA["p"]).reshape(-1))
    assert float(value(at(P), P, axes=(PACKED,), p=2.0)[0]) == 2
    assert int(value(op("add", Size(PACKED), 0), P)) == 4


def test_empty_batches() -> None:
    none = np.zeros((0, 3))
    for name, want in {"sum": 0, "mean": 0, "max": -math.inf, "logsumexp": -math.inf}.items():
        assert float(value(over(name, (N, K), at(Z)), Z, z=none)) == want


def test_infinite_places_of_a_logsumexp() -> None:
    z = tf.constant([[-math.inf, 0.0, 1.0], [-math.inf] * 3, [1.0, 2.0, 3.0]])
    p = program(over("logsumexp", K, at(Z)), Z, axes=(N,))
    assert float(emit(p)({"z": z})[1]) == -math.inf
    slope = slopes(emit(p), {"z": z}, 1.0)["z"]
    assert np.isfinite(slope).all()
    assert np.array(slope).sum(1) == pytest.approx([1, 0, 1])


def test_norms_do_not_overflow() -> None:
    x = tf.constant([3e30, 4e30, 0, 0, 0, 0])
    p = program(over("norm", N, at(X)), X)
    assert float(emit(p)({"x": x})) == pytest.approx(5e30)
    assert slopes(emit(p), {"x": x}, 1.0)["x"][:2].numpy() == pytest.approx([0.6, 0.8])
    assert slopes(emit(p), {"x": tf.zeros(6)}, 1.0)["x"].numpy().tolist() == [0] * 6
    deviation = emit(program(over("std", N, at(X)), X))
    assert slopes(deviation, {"x": tf.ones(6)}, 1.0)["x"].numpy().tolist() == [0] * 6


def test_ties_share_the_gradient() -> None:
    x = tf.constant([1.0, 3, 3, 0, 0, 2])
    largest = emit(program(over("max", N, at(X)), X))
    assert slopes(largest, {"x": x}, 1.0)["x"].numpy().tolist() == [0, 0.5, 0.5, 0, 0, 0]
    held = emit(program(over("sum", N, op("clip", at(X), 0, 3)), X))
    assert slopes(held, {"x": x}, 1.0)["x"].numpy().tolist() == [1, 0, 0, 0, 0, 1]


def test_constants_stay_exact() -> None:
    huge = const(Fraction(10) ** 400)
    assert float(value(op("mul", huge, at(T)), T)) == math.inf
    third = op("mul", const(Fraction(1, 3)), over("mean", N, op("add", op("mul", at(X), 0), 1)))
    assert float(value(third, X)) == 1 / 3
    assert float(value(op("pow", 9, op("pow", 9, 9)))) == math.inf
    assert float(value(op("neg", const("inf")))) == -math.inf


def test_a_param_may_be_none() -> None:
    chosen = select(op("eq", at(T), const(None)), over("mean", N, at(X)), op("mul", at(T), 2))
    f = emit(program(chosen, X, T))
    assert float(f({"x": tf.constant(DATA["x"]), "t": None})) == pytest.approx(DATA["x"].mean())
    assert float(f({"x": tf.constant(DATA["x"]), "t": tf.constant(3.0)})) == 6


def test_a_variable_has_a_gradient() -> None:
    v = tf.Variable(2.0)
    f = emit(program(over("sum", N, op("mul", at(X), at(T))), X, T))
    with tf.GradientTape() as tape:
        loss = f({"x": tf.constant(DATA["x"], tf.float32), "t": v})
    assert float(tape.gradient(loss, v)) == pytest.approx(DATA["x"].sum())


def test_a_contraction_builds_no_wide_array() -> None:
    p = program(similarity(own(N), own(M)), U, V, T, axes=(N, M))
    n = 3000
    plan = schedule(p)
    assert "contract sum[k]" in str(plan)
    assert max(len(s.axes) for s in plan.steps) == 2
    big = {"u": tf.ones([n, 64]), "v": tf.ones([n, 64]), "t": tf.constant(1.0)}
    assert emit(p)(big).shape == (n, n)


def test_a_plan_has_each_term_once() -> None:
    e = op("sub", at(X), at(X2))
    p = program(over("mean", N, op("add", op("mul", e, e), op("abs", e))), X, X2)
    assert str(schedule(p)).splitlines() == [
        "%0[n] = x[n]",
        "%1[n] = x2[n]",
        "%2[n] = sub %0, %1",
        "%3[n] = mul %2, %2",
        "%4[n] = abs %2",
        "%5[n] = add %3, %4",
        "%6 = reduce mean[n] %5",
    ]


def test_the_axes_of_a_step_are_its_free_indices() -> None:
    for expr, axes in CASES.values():
        for step in schedule(program(expr, axes=axes)).steps:
            assert len(step.axes) == len(set(step.axes))
            assert set(step.axes) == step.term.free


def test_a_deep_formula() -> None:
    term: Expr = at(X)
    for k in range(3000):
        term = op("mul", term, Fraction(1, 2)) if k % 2 else op("add", term, term)
    p = program(over("sum", N, term), X)
    assert len(schedule(p).steps) == 3003


def test_shared_terms_are_steps_once() -> None:
    """Each round uses the term before it twice: written out, there would be a thousand."""
    term: Expr = at(X)
    for k in range(10):
        term = op("add", op("mul", term, at(X2)), op("sigmoid", op("sub", term, k)))
    p = program(over("mean", N, term), X, X2)
    assert len(schedule(p).steps) < 200


def test_a_second_derivative() -> None:
    x = tf.constant(DATA["x"])
    f = emit(program(over("logsumexp", N, op("mul", at(X), at(X))), X))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = f({"x": x})
        first = inner.gradient(y, x)
    got = outer.jacobian(first, x)
    a = DATA["x"]
    s = np.exp(a * a) / np.exp(a * a).sum()
    g = 2 * a * s
    want = np.diag(2 * s + 4 * a * a * s) - np.outer(g, g)
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


def test_equal_lengths_of_two_axes() -> None:
    both = {II: Range((Dim(0),), (Dim.of(N), Dim.of(M)))}
    expr = reduce("sum", both, op("mul", at(X, II), at(W, II)))
    p = program(expr, X, W)
    got = emit(p)({"x": tf.constant(DATA["x"][:4]), "w": tf.constant(DATA["w"])})
    assert float(got) == pytest.approx(DATA["x"][:4] @ DATA["w"])


def test_importing_the_plan_needs_no_tensorflow() -> None:
    code = "import lossc.compiler.emit.schedule, sys; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
