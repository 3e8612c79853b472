"""The interpreter against loops written out in NumPy and values worked out by hand."""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from mpmath import mp

from lossc.compiler.interpret import interpret, sizes_of
from lossc.compiler.ir import Axis, Expr, Range, Tensor
from tests.ir_builders import (
    BOOL,
    INT,
    PACKED,
    Dim,
    K,
    M,
    N,
    Position,
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

X, Z, Y = tensor("x", N), tensor("z", N, K), tensor("y", N, kind=INT)
RNG = np.random.default_rng(7)
DATA = {"x": RNG.normal(size=5), "z": RNG.normal(size=(5, 3)), "y": np.array([0, 2, 1, 1, 0])}


def value(expr: Expr, *axes: Axis, digits: int = 50, **data: Any) -> Any:
    """The value of a term over x, z, y and scalars named in `data`."""
    known = {**DATA, **data}
    given = [t for t in (X, Z, Y) if t.name in known]
    more = [Tensor(k, (), BOOL if isinstance(v, bool) else "real", True)
            for k, v in data.items() if k not in DATA]  # fmt: skip
    return interpret(program(expr, *given, *more, axes=axes), known, digits)


def numbers(result: Any) -> Any:
    return np.array(result, dtype=object).astype(float)


def test_mean_squared_error_of_packed_inputs() -> None:
    y, p = tensor("y", PACKED), tensor("p", PACKED)
    e = op("sub", at(y), at(p))
    loss = program(over("mean", PACKED, op("mul", e, e)), y, p)
    a, b = RNG.normal(size=(2, 3, 2)), RNG.normal(size=(2, 3, 2))
    assert float(interpret(loss, {"y": a, "p": b})) == pytest.approx(np.mean((a - b) ** 2))
    assert interpret(loss, {"y": 3, "p": 1}) == 4


def test_a_pack_between_axes() -> None:
    z = tensor("z", PACKED, K)
    loss = program(over("sum", K, at(z)), z, axes=(PACKED,))
    a = RNG.normal(size=(2, 3, 4))
    assert numbers(interpret(loss, {"z": a})) == pytest.approx(a.sum(-1).reshape(-1))
    assert sizes_of(loss, {"z": a}) == {PACKED: 6, K: 4}


def test_shapes_that_do_not_fit_are_refused() -> None:
    loss = program(over("sum", (N, K), op("add", at(X), at(Z))), X, Z)
    with pytest.raises(ValueError, match="z has length 2 along n"):
        interpret(loss, {"x": np.zeros(3), "z": np.zeros((2, 2))})
    with pytest.raises(ValueError, match="does not fit"):
        interpret(loss, {"x": np.zeros(3), "z": np.zeros(3)})
    fixed = tensor("b", Axis("side", 4))
    with pytest.raises(ValueError, match="side has length 4"):
        interpret(program(over("sum", fixed.axes, at(fixed)), fixed), {"b": np.zeros(3)})


def test_cross_entropy_gathers_by_label() -> None:
    lse = over("logsumexp", K, at(Z))
    loss = over("mean", N, op("sub", lse, at(Z, own(N), at(Y))))
    z, y = DATA["z"], DATA["y"]
    want = np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(5), y])
    assert float(value(loss)) == pytest.approx(want)


def test_out_of_range_is_nan_and_padded_reads_any() -> None:
    assert mp.isnan(value(at(X, 5)))
    assert mp.isnan(value(at(X, const(-1))))
    assert value(at(X, 5, padded=True)) == DATA["x"][4]
    assert mp.isnan(value(at(X, Position(own(N))), N, x=[1, math.nan, 1, 1, 1])[1])
    bad = {"y": np.array([0, 2.5, 1, 1, 0])}
    assert [mp.isnan(v) for v in value(at(Z, own(N), at(Y)), N, **bad)][:3] == [False, True, False]


def test_shift_and_constant_range() -> None:
    t, u = fresh("t"), fresh("u", 2)
    difference = op("sub", at(X, op("add", slot(t), 1)), at(X, t))
    total = over("sum", {t: span(0, Dim.of(N) + -1)}, op("abs", difference))
    assert float(value(total)) == pytest.approx(np.abs(np.diff(DATA["x"])).sum())
    window = over("sum", {u: span(-1, 2)}, at(X, op("add", slot(t), slot(u))))
    moved = over("max", {t: span(1, Dim.of(N) + -1)}, window)
    want = np.convolve(DATA["x"], np.ones(3), "valid").max()
    assert float(value(moved)) == pytest.approx(want)


def test_a_filter_hides_what_it_leaves_out() -> None:
    kept = op("gt", at(X), 0)
    mean = over("mean", N, op("log", at(X)), kept)
    x = np.array([1.0, -2.0, math.nan, 4.0, -math.inf])
    assert float(value(mean, x=x)) == pytest.approx(np.log(4) / 2)


@pytest.mark.parametrize(
    ("name", "empty"),
    [("sum", 0), ("mean", 0), ("prod", 1), ("max", -math.inf), ("min", math.inf), ("var", 0),
     ("logsumexp", -math.inf), ("std", 0), ("norm", 0), ("norm1", 0), ("argmax", 0)],
)  # fmt: skip
def test_empty_sets(name: str, empty: float) -> None:
    assert value(over(name, N, at(X), op("gt", at(X), 100))) == empty
    assert value(over("any", N, op("gt", at(X), 100))) is False
    assert value(over("all", N, op("gt", at(X), 0), op("gt", at(X), 100))) is True
    assert value(over("count", N, op("gt", at(X), 100))) == 0


@pytest.mark.parametrize(
    ("name", "want"),
    [("sum", np.sum), ("mean", np.mean), ("prod", np.prod), ("max", np.max), ("min", np.min),
     ("var", np.var), ("std", np.std), ("norm", np.linalg.norm), ("argmax", np.argmax),
     ("norm1", lambda x: np.abs(x).sum()), ("argmin", np.argmin),
     ("logsumexp", lambda x: np.log(np.exp(x).sum()))],
)  # fmt: skip
def test_reductions(name: str, want: Any) -> None:
    assert float(value(over(name, N, at(X)))) == pytest.approx(want(DATA["x"]))


def test_ties() -> None:
    x = np.array([1.0, 3, 3, 0, 0])
    assert value(over("argmax", N, at(X)), x=x) == 1
    assert value(over("argmin", N, at(X)), x=x) == 3
    assert list(map(int, value(scan("rank", N, at(X)), N, x=x))) == [2, 3, 4, 0, 1]
    assert list(map(int, value(scan("argsort", N, at(X)), N, x=x))) == [3, 4, 0, 1, 2]
    assert list(map(int, value(scan("sort", N, at(X)), N, x=x))) == [0, 0, 1, 3, 3]


def test_argmax_counts_from_the_start_of_its_range() -> None:
    t = fresh("t")
    assert value(over("argmax", {t: span(2, 5)}, at(X, t)), x=[9, 8, 1, 7, 2]) == 3


def test_scans() -> None:
    x = DATA["x"]
    assert numbers(value(scan("cumsum", N, at(X)), N)) == pytest.approx(np.cumsum(x))
    lse = np.logaddexp.accumulate(x)
    assert numbers(value(scan("logcumsumexp", N, at(X)), N)) == pytest.approx(lse)


def test_scans_with_a_filter() -> None:
    kept = op("gt", at(X), 0)
    x = np.array([3.0, -1, 2, -1, 5])
    assert numbers(value(scan("cumsum", N, at(X), kept), N, x=x)).tolist() == [3, 3, 5, 5, 10]
    ranks = numbers(value(scan("rank", N, at(X), kept), N, x=x))
    assert ranks.tolist() == [1, math.inf, 0, math.inf, 2]
    ordered = numbers(value(scan("sort", N, at(X), kept), N, x=x))
    assert ordered[:3].tolist() == [2, 3, 5]
    assert np.isnan(ordered[3:]).all()


def test_a_scan_read_elsewhere() -> None:
    last = op("sub", Size(N), 1)
    total = scan("cumsum", N, at(X), read=last)
    assert float(value(total)) == pytest.approx(DATA["x"].sum())
    assert mp.isnan(value(scan("cumsum", N, at(X), read=Size(N))))


def test_the_branch_not_taken_is_not_evaluated() -> None:
    endless = over("sum", {fresh("t"): span(0, 10**12)}, 1)
    assert value(select(op("lt", 1, 2), 3, endless)) == 3
    assert value(select(op("and", op("lt", 1, 2), op("gt", 1, 2)), endless, 4)) == 4


def test_bools_none_and_params() -> None:
    p = Tensor("p", (), BOOL, True)
    assert value(select(at(p), 1, 2), p=True) == 1
    assert value(op("indicator", at(p)), p=False) == 0
    q = Tensor("q", (), "real", True)
    assert value(op("eq", at(q), const(None)), q=None) is True
    assert value(op("eq", at(q), const(None)), q=0) is False
    assert value(op("ne", at(q), 1), q=None) is True
    assert value(op("mul", at(q), 10), q=Fraction(1, 10)) == 1


def test_digits() -> None:
    got = value(op("exp", 1), digits=60)
    assert mp.nstr(got, 55) == "2.718281828459045235360287471352662497757247093699959575"[:56]
    tiny = op("sub", op("sqrt", op("add", 1, Fraction(1, 10**40))), 1)
    assert value(tiny, digits=80) == pytest.approx(mp.mpf(10) ** -40 / 2)


def test_large_integers_are_exact() -> None:
    y = np.array([2**53 + 1, 2**62 + 3, 0, 1, 2])
    same = op("eq", at(Y), 2**62 + 3)
    assert value(over("count", N, same), y=y, digits=5) == 1


def test_depth_and_sharing_cost_little() -> None:
    term: Expr = at(X)
    for _ in range(sys.getrecursionlimit() * 2):
        term = op("div", op("add", term, term), 2)
    assert float(value(over("sum", N, term))) == pytest.approx(DATA["x"].sum())


def test_open_axes_nest_in_their_order() -> None:
    got = numbers(value(op("mul", at(Z), at(X)), K, N))
    assert got == pytest.approx((DATA["z"] * DATA["x"][:, None]).T)


def test_a_repeated_axis() -> None:
    i, j = fresh("i"), fresh("j", 2)
    pairs = {i: Range.of(N), j: Range.of(N)}
    kept = op("gt", at(X, i), at(X, j))
    total = over("sum", pairs, op("sub", at(X, i), at(X, j)), kept)
    x = DATA["x"]
    want = sum(a - b for a in x for b in x if a > b)
    assert float(value(total)) == pytest.approx(want)


def test_an_unused_axis_has_a_length() -> None:
    w = tensor("w", M)
    loss = program(op("mul", Size(M), over("sum", N, 1)), X, w)
    assert interpret(loss, {"x": np.zeros(5), "w": np.zeros(3)}) == 15
