"""The reference: every digit that is asked for is right, however many the text as written loses."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from mpmath import mp

import lossc
from lossc.compiler.arithmetic import NEAREST, NUDGED
from lossc.compiler.exact import Accuracy, evaluate
from lossc.compiler.interpret import interpret

TINY, BIG = 1e-300, 1e300


def reference(text: str, x: Any = 1.0, digits: int = 50) -> Any:
    return lossc.compile(f"sum({text})").reference(x, digits=digits)


def exact(expected: str, digits: int = 50) -> Any:
    """A number of mpmath from Python text, with digits to spare."""
    with mp.workdps(1500):
        return eval(expected, {"mp": mp, "x": mp.mpf})


def same(got: Any, want: Any, digits: int = 50) -> bool:
    with mp.workdps(1500):
        return bool(abs(got - want) <= abs(want) * mp.mpf(10) ** -digits)


# Of each: the text, x, and the value in another form, which does not cancel.
CANCELS = [
    ("log(1 - sigmoid(x))", 1000.0, "-x(1000) - mp.log1p(mp.exp(-1000))"),
    ("log(1 - sigmoid(x))", -1000.0, "-mp.log1p(mp.exp(-1000))"),
    ("log(1 + exp(x))", -1000.0, "mp.log1p(mp.exp(-1000))"),
    ("1 + exp(-x) * log(1 + exp(x))", -1000.0, "1 + mp.exp(1000) * mp.log1p(mp.exp(-1000))"),
    ("sqrt(1 + x^2) - 1", TINY, "x(1e-300)**2 / (mp.sqrt(1 + x(1e-300)**2) + 1)"),
    ("mean(x^2) - mean(x)^2", [1e30, 1e30 + 2e14],
     "(x(1e30 + 2e14) - x(1e30))**2 / 4"),
    ("mean(x^2) - mean(x)^2", [1e30, 1.0], "(x(1e30) - 1)**2 / 4"),
    ("1 - tanh(x)", 400.0, "2 / (mp.exp(800) + 1)"),
    ("1 - erf(x)", 20.0, "mp.erfc(20)"),
    ("(exp(x) - 1) / x", 1e-200, "mp.expm1(x(1e-200)) / x(1e-200)"),
    ("1 - cos(x)", 1e-150, "2 * mp.sin(x(1e-150) / 2)**2"),
    ("log(cosh(x))", 1e-100, "mp.log1p(2 * mp.sinh(x(1e-100) / 2)**2)"),
    ("log(x) - log1p(-x)", math.nextafter(0.5, 1), "mp.log(x(math) / (1 - x(math)))"),
    ("logaddexp(x, -log(2))", -math.log(2), "mp.log((mp.exp(x(math)) + x(1)/2))"),
    ("exp(log(x)) - x + exp(-x)", 700.0, "mp.exp(-700)"),
    ("logsumexp(x) - x[0]", [0.0, -900.0], "mp.log1p(mp.exp(-900))"),
    ("var(x)", [1.0, 1.0 + 2**-52], "x(2)**-106"),
    ("norm(x) - 1", [1.0, 1e-100], "mp.sqrt(1 + x(1e-100)**2) - 1"),
    ("hypot(x, 1) - 1", 1e-100, "mp.sqrt(1 + x(1e-100)**2) - 1"),
    ("(1 + x)^3 - 1", 1e-200, "x(1e-200) * (3 + 3 * x(1e-200) + x(1e-200)**2)"),
    ("(1 + x)^0.5 - 1", 1e-200, "x(1e-200) / (mp.sqrt(1 + x(1e-200)) + 1)"),
    ("softplus(x) - x", 500.0, "mp.log1p(mp.exp(-500))"),
    ("log_ndtr(x) + x^2 - x^2", 30.0, "mp.log1p(-mp.erfc(30 / mp.sqrt(2)) / 2)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "at", "expected"), CANCELS, ids=[c[0] for c in CANCELS])
def test_digits_that_cancel_are_found(text: str, at: Any, expected: str) -> None:
    number = at if isinstance(at, float) else 0.0
    want = exact(expected.replace("x(math)", f"x({number!r})"))
    declared = "x[n]" if isinstance(at, list) else "x"
    loss = lossc.compile(f"loss f({declared}) = sum({text})" if "x[0]" in text else f"sum({text})")
    assert same(loss.reference(at), want)


@pytest.mark.parametrize("text", ["log(1 - sigmoid(x))", "1 + exp(x) * log(1 + exp(-x))"])
def test_a_fixed_precision_would_be_wrong(text: str) -> None:
    loss = lossc.compile(f"sum({text})")
    fixed = interpret(loss._checked.program, {"x": 1000.0}, 50)
    assert not same(fixed, loss.reference(1000.0))


ZEROS = ["x * 3 * 0.1 - x * 0.3", "sin(x)^2 + cos(x)^2 - 1", "exp(log(x)) - x",
         "log(x^2) - 2 * log(x)", "sqrt(x)^2 - x", "x - x", "log(1 + x * 0)", "relu(-x)",
         "x / 3 + x / 6 - x / 2"]  # fmt: skip


@pytest.mark.parametrize("text", ZEROS)
def test_zeros_are_zero(text: str) -> None:
    assert reference(text, 1.5) == 0


@pytest.mark.parametrize(
    ("text", "at", "want"),
    [("log(x)", 0.0, -math.inf), ("1 / x", 0.0, math.inf), ("-1 / x^2", 0.0, -math.inf),
     ("exp(exp(x))", 1e30, math.inf), ("exp(-exp(x))", 1e30, 0.0),
     ("log(abs(x) - 1)", 1.0, -math.inf), ("atanh(x)", 1.0, math.inf),
     ("lgamma(x)", 0.0, math.inf), ("x * inf", 2.0, math.inf)],
)  # fmt: skip
def test_infinities_are_kept(text: str, at: float, want: float) -> None:
    assert reference(text, at) == want


@pytest.mark.parametrize("text", ["log(x)", "sqrt(x)", "x^0.5", "0 * inf * x", "acosh(x)"])
def test_what_has_no_value_is_nan(text: str) -> None:
    assert mp.isnan(reference(text, -1.0))


@pytest.mark.parametrize(
    ("text", "want"),
    [("log(exp(x))", 1e30), ("log(cosh(x)) + log(2)", 1e30), ("logsumexp(x)", 1e30),
     ("log(sigmoid(-x))", -1e30), ("tanh(x)", 1), ("exp(x) / exp(x)", 1)],
)  # fmt: skip
def test_huge_exponents_do_not_hang(text: str, want: float) -> None:
    assert same(reference(text, 1e30), mp.mpf(want))


@pytest.mark.parametrize("digits", [1, 15, 50, 400])
def test_as_many_digits_as_asked(digits: int) -> None:
    with mp.workdps(450):
        want = mp.exp(mp.mpf(1) / 3)
    got = reference("exp(x / 3)", 1.0, digits)
    assert same(got, want, digits)


def test_beyond_the_most_bits_it_returns_what_it_has() -> None:
    program = lossc.compile("sum(log(1 - tanh(x)))")._checked.program
    found = evaluate(program, {"x": 400.0}, Accuracy(100, most=400))
    assert not found.settled[()]
    assert found.values[()] < -100
    assert evaluate(program, {"x": 400.0}, Accuracy(100, most=4096)).settled[()]


def test_a_value_below_the_floor_needs_no_digits() -> None:
    program = lossc.compile("sum(1 - tanh(x))")._checked.program
    asked = Accuracy(100, floor=mp.mpf(2) ** -150, most=400)
    found = evaluate(program, {"x": 400.0}, asked)
    assert found.settled[()]
    assert found.values[()] < asked.floor


@pytest.mark.parametrize("x", [1e20, 6.891891891891892e59, 8.243243243243242e59])
def test_a_quotient_of_two_that_vanish_is_not_below_the_floor(x: float) -> None:
    """As many bits as the exponents have are needed; with fewer it may be of any size."""
    program = lossc.compile("sum(exp(-x^2 / 2) / ndtr(-x))")._checked.program
    asked = Accuracy(44, floor=mp.mpf(2) ** -166, most=2048)
    found = evaluate(program, {"x": x}, asked)
    assert found.settled[()]
    assert float(found.values[()]) == pytest.approx(x * np.sqrt(2 * np.pi), rel=1e-9)


# --- gradients ------------------------------------------------------------------------------


def gradient(text: str, x: Any, digits: int = 50) -> Any:
    return lossc.compile(f"sum({text})").reference_gradient(x, digits=digits)["x"]


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [("log(1 - sigmoid(x))", 1000.0, "-1 / (1 + mp.exp(-1000))"),
     ("log(1 + exp(x))", -1000.0, "mp.exp(-1000) / (1 + mp.exp(-1000))"),
     ("sqrt(1 + x^2) - 1", TINY, "x(1e-300) / mp.sqrt(1 + x(1e-300)**2)"),
     ("1 - tanh(x)", 400.0, "-4 / (mp.exp(400) + mp.exp(-400))**2"),
     ("log(cosh(x))", 400.0, "mp.tanh(400)")],
)  # fmt: skip
def test_gradients(text: str, at: float, expected: str) -> None:
    assert same(gradient(text, at), exact(expected))


def test_a_gradient_has_the_shape_of_its_input() -> None:
    loss = lossc.compile("mean(w * (y - yhat)^2)")
    y, p, w = np.ones((2, 3)), np.zeros((2, 3)), np.full((2, 3), 2.0)
    found = loss.reference_gradient(y, p, w)
    assert list(found) == list(loss.inputs)
    assert found["yhat"].shape == (2, 3)
    assert same(found["yhat"][0, 1], exact("-x(2) / 3"))
    assert same(found["w"][1, 2], exact("x(1) / 6"))
    assert list(loss.reference_gradient(y, p, w, wrt="w")) == ["w"]


def test_kinks_follow_the_table() -> None:
    assert gradient("abs(x)", 0.0) == 0
    assert gradient("max(x, 0)", 0.0) == 0
    assert gradient("sqrt(x^2)", 0.0) == 0


def test_params_have_gradients() -> None:
    loss = lossc.compile("loss f(x; q = 1/3) = mean(q * x^2)")
    assert same(loss.reference(3.0), mp.mpf(3))
    assert same(loss.reference_gradient(3.0, wrt=["q"], q=0.25)["q"], mp.mpf(9))


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(lossc.LosscError, match="no input or param"):
        lossc.compile("sum(x)").reference_gradient(1.0, wrt="z")


# --- arithmetic that is rounded otherwise -----------------------------------------------------


@pytest.mark.parametrize(
    ("op", "args"),
    [("add", (1, 2)), ("sub", (0.1, 0.1)), ("mul", (3, 5)), ("div", (1, 4)), ("sqrt", (16,)),
     ("pow", (3, 4)), ("pow", (2, -3)), ("exp", (0,)), ("log", (1,)), ("sigmoid", (0,)),
     ("tanh", (0,)), ("erf", (0,)), ("max", (1, 2)), ("abs", (-7,)), ("softplus", (-math.inf,))],
)  # fmt: skip
def test_exact_results_stay(op: str, args: tuple[float, ...]) -> None:
    values = [mp.mpf(a) for a in args]
    assert NUDGED.apply(op, values) == NEAREST.apply(op, values)


@pytest.mark.parametrize(
    ("op", "args"),
    [("add", (1, 1e-100)), ("div", (1, 3)), ("sqrt", (2,)), ("pow", (1.1, 400)), ("exp", (1,)),
     ("pow", (2, 0.5)), ("sigmoid", (1000,)), ("tanh", (1000,)), ("erf", (1000,)),
     ("cos", (1e-50,)), ("cosh", (1e-50,)), ("ndtr", (100,)), ("softplus", (1000,)),
     ("hypot", (1, 1e-50)), ("logaddexp", (0, -1000)), ("log1p", (1e-90,)), ("atan", (1e50,))],
)  # fmt: skip
def test_rounded_results_move_by_little(op: str, args: tuple[float, ...]) -> None:
    values = [mp.mpf(a) for a in args]
    near, nudged = NEAREST.apply(op, values), NUDGED.apply(op, values)
    assert near != nudged
    assert abs(near - nudged) <= abs(near) * mp.mpf(2) ** (27 - mp.prec)


def test_constants_are_rounded_otherwise_too() -> None:
    assert NEAREST.number(Fraction(1, 10)) != NUDGED.number(Fraction(1, 10))
    assert NEAREST.number(Fraction(1, 8)) == NUDGED.number(Fraction(1, 8))
    assert NEAREST.constant("pi") != NUDGED.constant("pi")
