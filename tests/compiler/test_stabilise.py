"""Stabilised and arranged programs have the value of the text as written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from mpmath import mp

import lossc
from lossc.compiler.analyses.bounds import Inference
from lossc.compiler.analyses.scales import Scales
from lossc.compiler.interpret import interpret
from lossc.compiler.ir import Apply, Reduce, postorder
from lossc.compiler.passes.arrange import arrange
from lossc.compiler.passes.differentiate import differentiate
from lossc.compiler.passes.stabilise import stabilise
from lossc.compiler.passes.widen import widen
from lossc.compiler.pipeline import Numerics
from tests.strategies import losses, sample

DIGITS = 60


def near(a: object, b: object) -> bool:
    if isinstance(a, tuple) and isinstance(b, tuple):
        return all(map(near, a, b))
    return bool(mp.almosteq(a, b, 1e-40)) or (bool(mp.isnan(a)) and bool(mp.isnan(b)))


@settings(max_examples=60, deadline=None)
@given(losses())
def test_random_losses_keep_their_value(text: str) -> None:
    compiled = lossc.compile(text)._checked
    data = sample(7)
    data |= {n: p.default for n, p in compiled.params.items()}
    numerics = Numerics(compiled.domains)
    stable = numerics.arranged(numerics.stable(compiled.program))
    assert near(interpret(compiled.program, data, DIGITS), interpret(stable, data, DIGITS)), text


@settings(max_examples=25, deadline=None)
@given(losses())
def test_random_losses_keep_their_gradient(text: str) -> None:
    compiled = lossc.compile(text)._checked
    data = sample(9)
    data |= {n: p.default for n, p in compiled.params.items()}
    numerics = Numerics(compiled.domains)
    plain = differentiate(compiled.program, "x")
    stable = numerics.stable(differentiate(numerics.stable(compiled.program), "x"))
    assert near(interpret(plain, data, DIGITS), interpret(stable, data, DIGITS)), text


def wide_ops(text: str) -> set[str]:
    compiled = lossc.compile(text)._checked
    program = compiled.program
    terms = widen([program], compiled.domains)
    return {t.op for t in terms if isinstance(t, Apply | Reduce)} - {"sum", "mean"}


PLAIN = ("mean((y - x)^2)", "mean(abs(y - x))", "mean(softplus(x) - x * y)", "mean(w * abs(y))",
         "mean(max(0, 1 - y * x))", "mean(sum(x * y))")  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_plain_losses_stay_in_the_dtype_of_their_data(text: str) -> None:
    used = [n for n in "wxy" if n in text.replace("max", "")]
    bounds = "\n".join(f"    {n} in [-1e15, 1e15]" for n in used)
    assert wide_ops(f"{text}\nwhere\n{bounds}") == set()


def test_differences_have_room_at_the_largest_floats_and_their_parts_do_not_need_it() -> None:
    assert wide_ops("mean(abs(y - x))") == {"abs", "sub"}
    assert wide_ops("mean(softplus(y) - log1p(abs(x)))") == {"sub"}
    assert wide_ops("mean(x)") == set()


def test_a_matrix_product_is_wide_only_where_it_can_be_too_large() -> None:
    text = "loss f(u[i, d], v[j, d]) = mean[i, j](abs(sum[d](u * v)))"
    assert wide_ops(text) >= {"mul"}
    assert wide_ops(f"{text}\nwhere u, v in [-1e15, 1e15]") == set()


@pytest.mark.parametrize("jit", [True, False])
def test_a_mean_of_numbers_that_are_too_large_may_not_be(jit: bool) -> None:
    f32 = np.float32
    most = np.finfo(f32).max
    x, y = f32([most, 0, 0]), f32([-most, 1, 1])
    assert float(lossc.compile("mean(abs(y - x))", jit=jit)(x=x, y=y)) == f32(most * (2 / 3))
    far = lossc.compile("loss f(x[i, k], y[i, k]) = mean[i](norm[k](x - y))", jit=jit)
    assert float(far(f32([[most], [0]]), f32([[-most], [0]]))) == most
    three = lossc.compile("def f(x, y) = x + x - y", jit=jit)
    assert float(three(x=f32(most), y=f32(most))) == most


@pytest.mark.parametrize("jit", [True, False])
def test_squares_may_be_too_large_where_their_mean_is_not(jit: bool) -> None:
    y, x = np.float32([1.5e19, 0, 0]), np.float32([-1.5e19, 0, 1])
    true = pytest.approx(3e38, rel=1e-6)
    assert float(lossc.compile("mean((y - x)^2)", jit=jit)(y=y, x=x)) == true
    masked = lossc.compile("loss f(y[i], x[i]) = mean[i if not isnan(y)]((y - x)^2)", jit=jit)
    assert float(masked(y, x)) == true


@pytest.mark.parametrize("jit", [True, False])
def test_a_factor_may_bring_a_difference_into_range(jit: bool) -> None:
    most = np.finfo(np.float32).max
    y, x = np.float32([most, -most]), np.float32([-most, most])
    loss = lossc.compile("def f(y, x; q = 0.25) = max(q * (y - x), (q - 1) * (y - x))", jit=jit)
    assert [float(v) for v in loss(y, x)] == [most * np.float32(0.5), np.inf]


@pytest.mark.parametrize("jit", [True, False])
def test_the_sign_of_a_difference_below_the_smallest_float_is_kept(jit: bool) -> None:
    tiny = np.finfo(np.float32).tiny
    y, x = np.float32([tiny, 0]), np.float32([np.nextafter(tiny, np.float32(1)), 0])
    slopes = lossc.compile(
        "loss f(y[i], x[i]) = sum[i](abs(y - x))", jit=jit, precision="float64"
    ).value_and_grad(y, x)
    assert np.asarray(slopes[1]["x"]).tolist() == [1, 0]


@pytest.mark.parametrize("jit", [True, False])
def test_the_nearest_is_found_among_distances_beyond_single_precision(jit: bool) -> None:
    nearest = "loss f(x[b], c[k, d]) = mean[b](x * argmin[k](sum[d](c^2)))"
    c = np.float32([[9e20, 1e30], [3e25, 2e22], [1e22, 4e26]])
    loss = lossc.compile(nearest, jit=jit, precision="float64")
    assert float(loss(np.float32([1, 1]), c)) == 1


@pytest.mark.parametrize("jit", [True, False])
def test_a_factor_may_bring_back_what_is_too_small(jit: bool) -> None:
    f32 = np.float32
    penalty = lossc.compile("loss f(w[i]; lam = 0.0125) = lam * sum[i](w^2)", jit=jit)
    slopes = penalty.value_and_grad(f32([7.5e-37, 0]))[1]["w"]
    assert np.asarray(slopes) == pytest.approx([1.875e-38, 0], rel=1e-6)
    twice = lossc.compile("def f(s, x) = 4 * (exp(s) / x)", jit=jit)
    assert float(twice(f32(-20), f32(3e29))) == pytest.approx(4 * np.exp(-20) / 3e29, rel=1e-6)


@pytest.mark.parametrize("jit", [True, False])
def test_a_length_of_sums_that_are_too_large_may_have_a_mean_that_is_not(jit: bool) -> None:
    text = "loss f(u[i, k], v[j, k]) = mean[i, j](hypot(sum[k](u * v), 1))"
    loss = lossc.compile(text, jit=jit)
    u, v = np.float32([[6e19], [0]]), np.float32([[1e19], [0]])
    assert float(loss(u, v)) == pytest.approx(1.5e38, rel=1e-6)


@pytest.mark.parametrize("jit", [True, False])
def test_the_largest_of_wide_terms_is_not_rounded(jit: bool) -> None:
    """The scaled scores of a sample are too large for single precision, the mean loss is not."""
    text = "loss f(z[b, c], w[c]) = mean[b](logsumexp[c](z * w + w) - z[c=0] * w[c=0])"
    loss = lossc.compile(text, jit=jit)
    z, w = np.float32([[0, 1.2e19], [0, 0]]), np.float32([1, 5e19])
    assert float(loss(z, w)) == pytest.approx(3e38, rel=1e-6)


@pytest.mark.parametrize("jit", [True, False])
def test_the_slope_of_a_logarithm_needs_no_square_of_its_quotient(jit: bool) -> None:
    text = "loss f(x[i, k], y[i, k]) = mean[i](log(sum[k](x^4) / sum[k](y^4)))"
    x, y = np.float32([[3e38, 1e38]]), np.float32([[2e-36, 1e-36]])
    slopes = lossc.compile(text, jit=jit).value_and_grad(x, y)[1]
    true = 4 * y.astype(float) ** 3 / np.sum(y.astype(float) ** 4)
    assert np.asarray(slopes["y"]) == pytest.approx(-true, rel=1e-6)


@pytest.mark.parametrize("jit", [True, False])
def test_what_is_chosen_among_wide_terms_is_equal_to_one_of_them(jit: bool) -> None:
    text = "loss f(x[i], y[k]) = max(mean[k](min[i](d)), mean[i](min[k](d)))"
    loss = lossc.compile(f"{text}\nwhere d = hypot(x - y, 1)", jit=jit)
    x, y = np.float32([0.3, -1.7, 2.2]), np.float32([0.1, 0.9, -0.4])
    slopes = loss.value_and_grad(x, y)[1]
    assert all(np.any(np.asarray(s) != 0) for s in slopes.values())


def test_a_number_less_a_wide_term_is_not_rounded_before() -> None:
    text = """loss f(y[b], z[b, c], n[c]) = mean[b](logsumexp[c](z + log(n)) - z[c=y])
where y in index(c)
    n > 0"""
    y, z = np.int32([0, 1, 0]), np.float32([[1e20, 0], [0, 1e20], [1e20, 0]])
    slopes = lossc.compile(text).value_and_grad(y, z, np.float32([1, 1]), wrt="z")[1]
    assert not np.any(slopes["z"])


@pytest.mark.parametrize(
    ("text", "op"),
    [
        ("mean(exp(-(y - x)^2))", "exp"),
        ("mean(log(a * b + c))", "log"),
        ("mean(a * b / c)", "div"),
        ("mean(a^2 * b^2)", "mul"),
        ("var(x)", "var"),
        ("mean(sin(a * b))", "sin"),
        ("sqrt(mean(a * b))", "sqrt"),
    ],
)
def test_what_loses_digits_or_range_is_wide(text: str, op: str) -> None:
    assert op in wide_ops(text)


def test_differences_that_cancel_are_wide_where_they_are_added_up_or_squared() -> None:
    bounds = "\nwhere\n    y in (0, 1]\n    p in (0, 1]"
    difference = "xlogy(y, y) - xlogy(y, p)"
    assert wide_ops(f"mean({difference}){bounds}") == set()
    assert "xlogy" in wide_ops(f"sum({difference}){bounds}")
    assert "xlogy" in wide_ops(f"mean(({difference})^2){bounds}")
    assert "xlogy" in wide_ops(f"mean({difference} + 1){bounds}")
    assert wide_ops(f"sum(y - p){bounds}") == set()


def test_squares_are_multiplied_one_factor_at_a_time() -> None:
    program = lossc.compile("mean(0.5 * w * (y - x)^2)")._checked.program
    arranged = arrange(program.value, Scales(Inference({})))
    assert not any(isinstance(t, Apply) and t.op == "pow" for t in postorder(arranged))
    data = {"w": 3.0, "y": 2.0, "x": -1.0}
    assert interpret(program, data) == pytest.approx(13.5)


@pytest.mark.parametrize("jit", [True, False])
def test_overflow_of_a_part_is_no_overflow_of_the_whole(jit: bool) -> None:
    f32 = np.float32
    weighted = lossc.compile("mean(w * (y - yhat)^2)", jit=jit)
    value = weighted(w=f32([1e-30]), y=f32([1e25]), yhat=f32([-1e25]))
    assert float(value) == pytest.approx(4e20, rel=1e-6)
    ratio = lossc.compile("mean(a * b / c)", jit=jit)
    assert float(ratio(a=f32([1e30]), b=f32([1e30]), c=f32([1e35]))) == pytest.approx(
        1e25, rel=1e-6
    )


@pytest.mark.parametrize("jit", [True, False])
def test_a_power_may_be_too_large_or_too_small_where_its_product_is_not(jit: bool) -> None:
    loss = lossc.compile("def f(x, y; a = 2) = x^2 * (1 + y^a)\nwhere\n    y >= 0", jit=jit)
    x, y = np.float32([2.5e-17, 4e-30, 0]), np.float32([1.5e30, 1e29, 3e38])
    assert np.asarray(loss(x, y)) == pytest.approx([1.40625e27, 0.16, 0], rel=1e-6)


@pytest.mark.parametrize("jit", [True, False])
def test_nothing_times_too_much_is_nothing_and_nan_is_nan(jit: bool) -> None:
    f32 = np.float32
    loss = lossc.compile("def f(w, x) = w * exp(x)", jit=jit)
    got = loss(f32([0, 0, 2, 0]), f32([1e4, -1e4, 1, np.nan]))
    assert np.asarray(got)[:3] == pytest.approx([0, 0, 2 * np.e])
    assert np.isnan(np.asarray(got)[3])


def test_a_function_of_a_branch_is_seen_in_each_branch() -> None:
    where = "where\n    y in {0, 1}\n    p = sigmoid(z)\n    pt = if y == 1 then p else 1 - p\n"
    compiled = lossc.compile(f"def f(y, z) = log(pt)\n{where}")._checked
    stable = stabilise(compiled.program, compiled.domains)
    ops = {t.op for t in postorder(stable.value) if isinstance(t, Apply)}
    assert "softplus" in ops and not ops & {"log", "sigmoid"}


def test_complements_of_complements_are_gone() -> None:
    compiled = lossc.compile("def f(p) = 1 - (1 - p)")._checked
    assert (
        stabilise(compiled.program, {}).value
        == lossc.compile("def f(p) = p")._checked.program.value
    )


@pytest.mark.parametrize("jit", [True, False])
def test_textbook_forms_are_right_to_the_last_bits(jit: bool) -> None:
    x = np.float32([-90, -30, -1e-6, 0, 1e-8, 0.5, 30, 95])
    for text in (
        "def f(x) = log(1 + exp(x))",
        "def f(x) = -log(sigmoid(x))",
        "def f(x) = 1 - sigmoid(x)",
        "def f(x) = sqrt(1 + x^2) - 1",
        "def f(x) = log((exp(x) + exp(-x)) / 2)",
        "def f(x) = exp(-x^2 / 16)",
    ):
        loss = lossc.compile(text, jit=jit)
        got = np.asarray(loss(x), np.float64)
        want = np.array([float(v) for v in loss.reference(x)])
        tiny = np.abs(want) < np.finfo(np.float32).tiny
        assert np.all(np.abs(got - want)[~tiny] <= 4 * np.spacing(np.float32(want))[~tiny]), text
