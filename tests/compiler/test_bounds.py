"""The bounds inferred for a term hold its value, and are tight where that is easy to see."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mpmath import mp

import lossc
from lossc.compiler.analyses.bounds import ANY, INCREASING, Bounds, Inference
from lossc.compiler.interpret import interpret
from lossc.compiler.ir import REAL, Access, Const, Expr, Program, Reduce, Select, postorder
from tests.strategies import losses, sample

INF = math.inf
SCALARS = "x[], y[], n[], p[], s[c]"
WHERE = "where\n    y >= 0\n    n < 0\n    p in (0, 1)\n    s in simplex[c]\n"
KNOWN = {
    "y + p": Bounds(0, INF, True, True),
    "1 - p": Bounds(0, 1, True, True),
    "x^2": Bounds(0, INF, False, True),
    "x * x": Bounds(0, INF, False, True),
    "abs(x) + 1": Bounds(1, INF, False, True),
    "exp(n)": Bounds(0, 1, True, True),
    "log(p)": Bounds(-INF, 0, True, True),
    "1 / p": Bounds(1, INF, True, True),
    "n * y": Bounds(-INF, 0, True, False),
    "sigmoid(x) - 1": Bounds(-1, 0, True, True),
    "max(x, 2)": Bounds(2, INF, False, True),
    "min(x, 2)": Bounds(-INF, 2, True, False),
    "clip(x, 0.25, 0.5)": Bounds(0.25, 0.5),
    "if x > 3 then x else 4": Bounds(3, INF, True, True),
    "if x > 3 and x < 5 then x - 3 else 1": Bounds(0, 2, True, True),
    "if x > y then x - y else 1": Bounds(0, INF, True, True),
    "sum[c](s)": Bounds(1, 1),
    "mean[c](s) * 2": Bounds(0, 2),
    "sum[c](abs(s - x))": Bounds(0, INF, False, True),
    "sum[c](exp(s) + 1)": Bounds(2, INF, False, True),
    "mean[c if s > 0.5](s)": Bounds(0, 1),
    "mean[c](log_softmax[c](s))": Bounds(-INF, 0, True, False),
    "x - x": Bounds(0, 0),
    "sqrt(y + 4)": Bounds(2, INF, False, True),
    "stop_gradient(y)": Bounds(0, INF, False, True),
}


def checked(text: str) -> tuple[Program, Inference]:
    compiled = lossc.compile(f"def f({SCALARS}) = {text}\n{WHERE}")._checked
    return compiled.program, Inference(compiled.domains)


@pytest.mark.parametrize("text", KNOWN)
def test_bounds_are_as_tight_as_one_sees(text: str) -> None:
    program, facts = checked(text)
    found, want = facts.of(program.value), KNOWN[text]
    assert (found.low, found.high) == (want.low, want.high)
    for end, is_open in ((want.low, want.low_open), (want.high, want.high_open)):
        if math.isfinite(end):
            assert (end in found) != is_open


@pytest.mark.parametrize("text", ["x", "x * y", "sin(x) + x", "x^3", "cumsum[c](s - 1)"])
def test_nothing_is_claimed_of_what_is_not_bounded(text: str) -> None:
    if text.startswith("cumsum"):
        text = f"max[c]({text})"
    program, facts = checked(text)
    assert facts.of(program.value).low == ANY.low


def closed(program: Program) -> list[Expr]:
    """The terms of a program that stand for one number."""
    terms = postorder(program.value)
    return [t for t in terms if t.kind == REAL and not t.free and not isinstance(t, Const)]


@settings(max_examples=60, deadline=None)
@given(losses())
def test_bounds_hold_the_values_of_random_terms(text: str) -> None:
    compiled = lossc.compile(text)._checked
    data = sample(3)
    data |= {n: p.default for n, p in compiled.params.items()}
    facts = Inference(compiled.domains)
    for term in closed(compiled.program):
        values = [term]
        program = Program("t", compiled.program.inputs, compiled.program.params, values[0])
        value = interpret(program, data, 30)
        if mp.isfinite(value):
            bounds = facts.of(term)
            assert bounds.low <= value <= bounds.high, (text, bounds, value)


@settings(max_examples=40, deadline=None)
@given(losses())
def test_bounds_hold_inside_reductions(text: str) -> None:
    """The largest and smallest value of a body are within the bounds of the body."""
    compiled = lossc.compile(text)._checked
    data = sample(5)
    data |= {n: p.default for n, p in compiled.params.items()}
    facts = Inference(compiled.domains)
    for term in closed(compiled.program):
        if not isinstance(term, Reduce) or term.body.kind != REAL or term.filter is not None:
            continue
        bounds = facts.of(term.body)
        for op in ("max", "min"):
            extreme = Reduce(op, term.indices, term.body)
            program = Program("t", compiled.program.inputs, compiled.program.params, extreme)
            value = interpret(program, data, 30)
            if mp.isfinite(value):
                assert bounds.low <= value <= bounds.high, (text, bounds, value)


def test_a_tensor_without_a_domain_may_be_anything() -> None:
    program, _ = checked("x")
    assert isinstance(program.value, Access)
    assert Inference({}).of(program.value) == ANY


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TERMS = [
    *(f"{op}(x)" for op in sorted(INCREASING)),
    *(f"x {op} z" for op in "+-*/"),
    *("1 / x", "x^2", "x^3", "x^-1", "x^-3", "abs(x)^1.5", "abs(x)^z", "cosh(x)", "erfc(x)"),
    *("abs(x)", "max(x, z)", "min(x, z)", "hypot(x, z)", "xlogy(x, abs(z))", "logaddexp(x, z)"),
]


@pytest.mark.parametrize("text", TERMS)
@settings(max_examples=30, deadline=None)
@given(st.lists(FLOATS, min_size=2, max_size=2), st.lists(FLOATS, min_size=2, max_size=2))
@example([8.98846567431158e307, 0.0], [8.988465674311579e307] * 2)
def test_bounds_of_a_function_hold_its_values_at_the_ends(
    text: str, x: list[float], z: list[float]
) -> None:
    """Bounds are rounded outward: a single number is within what is said of it."""
    program = lossc.compile(f"def f(x[], z[]) = {text}\n")._checked.program
    for ends in (x[:1], x):
        hulls = {"x": Bounds(min(ends), max(ends)), "z": Bounds(min(z), max(z))}
        inputs = [t for t in postorder(program.value) if isinstance(t, Access)]
        facts = Inference({}, {t: hulls[t.tensor.name] for t in inputs})
        bounds = facts.of(program.value)
        for point in itertools.product(ends, z):
            value = interpret(program, dict(zip("xz", map(np.float64, point), strict=True)), 60)
            assert not mp.isfinite(value) or bounds.low <= value <= bounds.high, (bounds, point)


@pytest.mark.parametrize(
    ("text", "high"),
    [
        ("max[c](s - max[c](s))", 0),
        ("max[c](s - max[k in 0..0](s[k]))", 1),
        ("max[c](s - max[c if s < 0.5](s))", INF),
    ],
)
def test_nothing_exceeds_the_largest_of_all(text: str, high: float) -> None:
    """A term is at most the largest of terms that it is one of, and of those only."""
    program, facts = checked(text)
    assert facts.of(program.value).high == high


def count_of(depth: int) -> int:
    """How many inferences are made of so many nested branches."""
    steps = [
        f"    a{k} = if a{k - 1} > {k} then a{k - 1} + 1 else a{k - 1} - 1"
        for k in range(1, depth + 1)
    ]
    text = "\n".join([f"def f(x[]) = a{depth}", "where", "    x in [0, 1]", "    a0 = x", *steps])
    compiled = lossc.compile(text + "\n")._checked
    facts = Inference(compiled.domains)
    found = facts.of(compiled.program.value)
    assert found.low == -depth and found.high <= 1 + depth
    return len(facts.kin.members)


def test_branches_of_branches_take_no_longer_than_there_are_facts() -> None:
    """What is assumed beside a term, and not of what it is made of, is left aside."""
    assert count_of(12) - count_of(8) == count_of(8) - count_of(4)


def test_what_is_assumed_of_the_end_of_a_domain_is_known_of_its_numbers() -> None:
    text = "def f(x[]; d = 0.3) = if d < 0.5 then log(1 - x) else 0\n"
    compiled = lossc.compile(f"{text}where\n    x in [0, d]\n    d in (0, 1]\n")._checked
    choice = compiled.program.value
    assert isinstance(choice, Select)
    within = Inference(compiled.domains).under(choice.condition)
    assert within.of(choice.then).low == pytest.approx(math.log(0.5))
