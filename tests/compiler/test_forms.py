"""Terms that are equal but for the names of indices have one form, and no others have."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from mpmath import mp

import lossc
from lossc.compiler.balls import middle
from lossc.compiler.enclose import enclose, lot_of
from lossc.compiler.forms import forms
from lossc.compiler.interpret import interpret, sizes_of
from lossc.compiler.ir import Along, Bound, Expr, Position, Reduce, postorder
from tests.ir_builders import M, N, at, fresh, op, over, span, tensor

X, Z = tensor("x", N, M), tensor("z", N, N)
A, B = fresh("a", 1), fresh("b", 2)


def inside(body: Expr, length: int = 3) -> Reduce:
    """The sum of a body, whose parts have bound indices."""
    whole = over("sum", {A: span(0, length), B: span(0, 3)}, body)
    assert isinstance(whole, Reduce)
    return whole


def test_names_of_indices_are_no_matter() -> None:
    whole = inside(op("mul", op("exp", at(Z, A, B)), op("exp", at(Z, B, A))))
    known = forms(whole)
    one, other = whole.body.parts
    assert one != other
    assert known[one].key == known[other].key
    assert known[one].indices == known[other].indices[::-1]


def test_the_level_at_which_an_index_is_bound_is_no_matter() -> None:
    inner = over("max", {B: span(0, 3)}, op("exp", at(Z, A, B)))
    deep = over("max", {B: span(0, 3)}, op("add", inner, at(Z, A, B)))
    for whole in (inner, deep):
        shallow = inside(op("mul", op("exp", at(Z, A, B)), over("sum", {A: span(0, 3)}, whole)))
        known = forms(shallow)
        exps = {t for t in known if getattr(t, "op", "") == "exp"}
        assert len({t for t in exps if len(t.free) == 2}) > 1
        assert len({known[t].key for t in exps if len(t.free) == 2}) == 1


# No two of them are one function of their indices.
APART = {
    "a diagonal": inside(op("exp", at(Z, A, A))), "a transposed factor": inside(op(
        "mul", at(Z, A, B), at(Z, B, A))), "a square": inside(op("mul", at(Z, A, B), at(Z, A, B))),
    "another function": inside(op("sin", at(Z, A, B))), "all": inside(op("exp", at(Z, A, B))),
    "another range": inside(op("exp", at(Z, A, B)), 2), "another tensor": inside(
        op("exp", at(X, A, B))), "outside too": inside(op("exp", at(Z, A, B, padded=True))),
    "a number": inside(op("exp", op("add", at(Z, A, B), 1))), "another number": inside(
        op("exp", op("add", at(Z, A, B), 2))),
}  # fmt: skip


@pytest.mark.parametrize("pair", [*combinations(APART, 2)], ids=" and ".join)
def test_other_terms_have_other_forms(pair: tuple[str, str]) -> None:
    one, other = (APART[name] for name in pair)
    assert forms(one)[one].key != forms(other)[other].key
    if "range" not in "".join(pair):
        assert forms(one)[one.body] != forms(other)[other.body]


def test_symbols_of_axes_are_not_exchanged() -> None:
    a, b = (op("exp", at(tensor("w", N), fresh("i", k))) for k in (1, 2))
    assert forms(a)[a].key != forms(b)[b].key


def test_the_place_of_a_scan_is_outside_of_it() -> None:
    index = Bound(1, span(0, 3))
    term = Along("cumsum", index, at(Z, index, index), Position(index))
    assert forms(term)[term].indices == (index,)


# Formulas whose parts come again over other indices, and what they are.
TEXTS = {
    "sum[i, j](exp(x[n=i] - 2 * x[n=j]) * exp(x[n=j] - 2 * x[n=i]) * exp(x[n=i] - 2 * x[n=i]))":
        lambda x: np.einsum("ij,ji,ii->", *[np.exp(x[:, None] - 2 * x[None])] * 3),
    "sum[i, j](max[k](x[n=k] * x[n=i] - x[n=j]) * max[k](x[n=k] * x[n=j] - x[n=i]))":
        lambda x: np.einsum("ij,ji->", *[(x[:, None, None] * x[None, :, None]
                                          - x[None, None]).max(0)] * 2),
    "sum[i](cumsum[n](x)[n=i] * sum[n](x[n] * cumsum[n](x)[n=i] - cumsum[n](x)))":
        lambda x: (np.cumsum(x) * (x.sum() * np.cumsum(x) - np.cumsum(x).sum())).sum(),
    "sum[i in 0..1, j in 0..2](exp(x[n=i]) * exp(x[n=j])^2) + sum[i in 0..2](exp(x[n=i]))":
        lambda x: np.exp(x[:2]).sum() * (np.exp(x[:3]) ** 2).sum() + np.exp(x[:3]).sum(),
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_what_comes_again_has_its_own_value(text: str) -> None:
    x = np.array([0.3, -1.2, 0.7, 2.0])
    program = lossc.compile(f"loss f(x[n]) = {text}")._checked.program
    known = forms(program.value)
    assert len({f.key for f in known.values()}) < len(postorder(program.value))
    true = float(TEXTS[text](x))
    assert float(interpret(program, {"x": x})) == pytest.approx(true, rel=1e-12)
    ball = enclose(program, [lot_of(program, {"x": x}, 100)], sizes_of(program, {"x": x}), 100)
    with mp.workprec(100):
        assert float(middle(ball[0])) == pytest.approx(true, rel=1e-12)
