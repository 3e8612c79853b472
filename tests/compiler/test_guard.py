"""Guards: the same value, and finite slopes wherever the taken branches have them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from lossc.compiler.emit.schedule import schedule
from lossc.compiler.emit.to_tf import emit
from lossc.compiler.interpret import interpret
from lossc.compiler.ir import Expr, Range, Select, postorder
from lossc.compiler.passes.guard import guard
from tests.ir_builders import (
    INT,
    K,
    M,
    N,
    at,
    const,
    fresh,
    op,
    over,
    own,
    program,
    scan,
    select,
    tensor,
)  # fmt: skip

X, W, Z, T = tensor("x", N), tensor("w", N), tensor("z", N, K), tensor("t", param=True)
U, V, Y = tensor("u", N, K), tensor("v", M, K), tensor("y", N, kind=INT)
II, JJ = fresh("i", 1), fresh("j", 2)
NAN, INF = math.nan, math.inf

FINE = np.array([0.5, 2.0, 1.5, 0.25])
BAD = np.array([0.5, -1.0, 0.0, 2.0])
POSITIVE = op("gt", at(X), 0)


def given(k: int) -> list[Expr]:
    """Terms with a singularity that the branch, or the filter, x > 0 keeps out."""
    x, w, z = at(X), at(W), at(Z)
    inside = [
        op("log", x), op("sqrt", x), op("div", 1, x), op("pow", x, 0.5), op("pow", x, -2),
        op("xlogy", w, x), op("logit", op("div", x, 10)), op("lgamma", x),
        op("acosh", op("add", 1, x)),
        op("exp", op("div", 1, x)), op("mul", w, op("log", x)), op("pow", x, w),
        op("neg", op("abs", op("log", x))), op("max", op("log", x), w),
        op("clip", op("log", x), -1, 1),
        over("logsumexp", K, op("div", z, x)), over("norm", K, op("mul", z, op("log", x))),
        over("prod", K, op("div", z, x)), over("max", K, op("div", z, x)),
        over("std", K, op("div", z, x)), over("sum", K, op("mul", op("sqrt", x), op("exp", z))),
        select(op("gt", w, 0), op("log", op("mul", w, x)), op("sqrt", x)),
        over("mean", K, op("log", op("mul", z, x)), op("gt", z, 0)),
        op("sigmoid", op("digamma", x)), op("hypot", op("log", x), w), op("div", w, op("expm1", x)),
    ]  # fmt: skip
    return [inside[k]] if k >= 0 else inside


COUNT = len(given(-1))
DATA: dict[str, Any] = {
    "x": BAD, "w": np.array([0.3, -0.7, 0.0, 0.6]), "t": np.array(1.5), "y": np.array([0, 2, 1, 7]),
    "z": np.array([[1.0, 2, 3], [0, 0, 0], [-1, 0, 1], [0.5, -0.5, 2]]),
    "u": np.ones((4, 3)), "v": np.ones((2, 3)),
}  # fmt: skip
TENSORS = (X, W, Z, T, U, V, Y)


def slopes(expr: Expr, data: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    names = [t for t in TENSORS if f"{t.name}[" in str(schedule(program(expr)))]
    p = program(expr, *(n for n in names))
    tensors = {t.name: tf.constant(data[t.name]) for t in names}
    real = {k: v for k, v in tensors.items() if v.dtype == tf.float64}
    with tf.GradientTape() as tape:
        tape.watch(real)
        value = emit(p)({**tensors, **real})
    found = tape.gradient(value, real, unconnected_gradients="zero")
    return float(value), {k: np.array(v) for k, v in found.items()}


@pytest.mark.parametrize("kind", ["branch", "filter"])
@pytest.mark.parametrize("k", range(COUNT))
def test_what_is_left_out_is_not_there(k: int, kind: str) -> None:
    (inside,) = given(k)
    if kind == "branch":
        whole = over("sum", N, select(POSITIVE, inside, op("mul", at(W), 3)))
    else:
        whole = over("sum", N, inside, POSITIVE)
    guarded = guard(whole)
    value, found = slopes(guarded, DATA)
    used = [t for t in TENSORS if f"{t.name}[" in str(schedule(program(whole)))]
    want = interpret(program(whole, *used), DATA)
    assert value == pytest.approx(float(want), rel=1e-12)
    assert all(np.isfinite(g).all() for g in found.values())
    assert found["x"][1:3].tolist() == [0, 0]
    fine = {**DATA, "x": FINE, "w": FINE, "z": np.abs(DATA["z"]) + 0.1}
    plain, direct = slopes(whole, fine)
    again, guided = slopes(guarded, fine)
    assert again == pytest.approx(plain)
    for name in direct:
        np.testing.assert_allclose(guided[name], direct[name], rtol=1e-12)


def test_the_plain_gradient_does_fail() -> None:
    whole = over("sum", N, op("sqrt", op("log", at(X))), POSITIVE)
    _, found = slopes(whole, {**DATA, "x": np.array([2.0, -1, 0, 3])})
    assert np.isnan(found["x"]).any()
    _, found = slopes(guard(whole), {**DATA, "x": np.array([2.0, -1, 0, 3])})
    assert np.isfinite(found["x"]).all()


def test_missing_data_under_a_filter() -> None:
    known = op("not", op("isnan", at(X)))
    e = op("sub", at(X), op("mul", at(W), at(T)))
    loss = guard(over("mean", N, op("mul", e, e), known))
    x = np.array([1.0, NAN, 2.0, NAN])
    value, found = slopes(loss, {**DATA, "x": x})
    assert math.isfinite(value)
    assert np.isfinite(found["w"]).all()
    assert found["w"][[1, 3]].tolist() == [0, 0]
    assert np.isfinite(found["t"])


def test_a_param_that_makes_a_branch_singular() -> None:
    loss = guard(over("sum", N, select(op("eq", at(T), 0), at(X), op("div", at(X), at(T)))))
    _, found = slopes(loss, {**DATA, "t": np.array(0.0)})
    assert found["x"].tolist() == [1] * 4
    assert found["t"] == 0
    endless = guard(over("sum", N, select(op("lt", at(T), const("inf")), op("mul", at(X), at(T)),
                                          at(X))))  # fmt: skip
    _, found = slopes(endless, {**DATA, "t": np.array(INF)})
    assert found["x"].tolist() == [1] * 4


def test_nested_filters_and_pairs() -> None:
    pairs = {II: Range.of(N), JJ: Range.of(N)}
    gap = op("sub", at(X, II), at(X, JJ))
    loss = over("mean", pairs, op("log", gap), op("gt", at(X, II), at(X, JJ)))
    _, found = slopes(guard(loss), DATA)
    assert np.isfinite(found["x"]).all()
    inner = over("logsumexp", {JJ: Range.of(N)}, op("log", gap), op("lt", at(X, JJ), at(X, II)))
    best = over("sum", {II: Range.of(N)}, op("exp", inner), op("gt", at(X, II), 0.25))
    value, found = slopes(guard(best), DATA)
    assert value == pytest.approx(float(interpret(program(best, X), DATA)))
    assert np.isfinite(found["x"]).all()


def test_a_condition_with_reductions_of_its_own_captures_nothing() -> None:
    i = fresh("i")
    above = op("gt", at(X, i), over("mean", {JJ: Range.of(N)}, at(X, JJ)))
    body = over("logsumexp", {JJ: Range.of(N)}, op("log", op("mul", at(X, i), at(W, JJ))))
    loss = over("sum", {i: Range.of(N)}, op("mul", body, at(X, i)), above)
    data = {**DATA, "w": FINE}
    value, found = slopes(guard(loss), data)
    assert value == pytest.approx(float(interpret(program(loss, X, W), data)))
    assert interpret(program(guard(loss), X, W), data) == interpret(program(loss, X, W), data)
    assert np.isfinite(found["x"]).all()


def test_scans_are_guarded_inside_a_branch() -> None:
    inside = over("sum", N, op("mul", scan("logcumsumexp", N, op("log", at(X))), at(W)))
    loss = select(op("gt", over("min", N, at(X)), 0), inside, 0)
    _, found = slopes(guard(loss), DATA)
    assert found["x"].tolist() == [0] * 4
    assert found["w"].tolist() == [0] * 4


def test_a_guard_builds_no_wider_arrays() -> None:
    i, j = fresh("i"), fresh("j", 2)
    dot = over("sum", K, op("mul", at(U, i, own(K)), at(V, j, own(K))))
    near = op("lt", op("abs", op("sub", at(X, i), 1)), over("sum", K, at(V, j, own(K))))
    loss = over("mean", {i: Range.of(N)}, over("logsumexp", {j: Range.of(M)}, dot, near))
    plan = schedule(program(guard(loss), X, U, V))
    assert max(len(s.axes) for s in plan.steps) == 2
    assert "contract" in str(plan)
    _, found = slopes(guard(loss), DATA)
    assert np.isfinite(found["u"]).all()


def test_nothing_is_added_where_nothing_is_left_out() -> None:
    plain = over("mean", N, op("mul", op("log", at(X)), at(W)))
    assert guard(plain) is plain
    linear = over("sum", N, select(POSITIVE, op("mul", 2, at(X)), op("div", at(W), 3)))
    assert guard(linear) == linear
    kept = over("mean", N, op("sub", at(X), at(W)), POSITIVE)
    assert guard(kept) == kept
    gather = over("mean", N, at(Z, own(N), at(Y)), op("ge", at(Y), 0))
    assert guard(gather) == gather


def test_few_guards_are_enough() -> None:
    softplus = op("softplus", op("neg", at(X)))
    guarded = guard(over("sum", N, op("mul", softplus, softplus), POSITIVE))
    assert sum(isinstance(t, Select) for t in postorder(guarded)) == 1


def test_guards_are_steps_of_little_depth() -> None:
    term: Expr = at(X)
    for _ in range(400):
        term = op("exp", op("neg", term))
    guarded = guard(over("sum", N, term, POSITIVE))
    value, found = slopes(guarded, {**DATA, "x": FINE})
    assert math.isfinite(value)
    assert np.isfinite(found["x"]).all()
