"""Softmax and logsumexp share their exponentials, and mean what they say at the edges."""

import numpy as np
import pytest

import lossc
from lossc.api import sound
from lossc.compiler.emit.lower import lowered
from lossc.compiler.emit.schedule import schedule
from lossc.compiler.interpret import interpret
from lossc.compiler.ir import Apply, Program, postorder
from lossc.compiler.passes.differentiate import differentiate
from lossc.dsl.source import Source
from lossc.files import reader

CROSS_ENTROPY = "def f(y[b, c], z[b, c]) = mean[b](logsumexp[c](z) - sum[c](y * z))"
SOFTMAX = "def f(z[b, c]) = softmax[c](z)"


def program_of(text: str) -> Program:
    (function,) = sound(Source.of("t", text), reader(None)).losses.values()
    return function.program


def exponentials(*programs: Program) -> int:
    """The number of arrays of exponentials that are made."""
    steps = schedule(*programs).steps
    return sum(isinstance(s.term, Apply) and s.term.op == "exp" and s.same is None for s in steps)


def test_value_and_gradient_make_one_array_of_exponentials() -> None:
    program = program_of(CROSS_ENTROPY)
    assert exponentials(program, differentiate(program, "z")) == 1


def test_a_filtered_logsumexp_stays_as_it_is() -> None:
    program = program_of("def f(z[b, c]) = logsumexp[c if z > 0](z)")
    assert all(lowered(t) is None for t in postorder(program.value))


def test_an_exponential_of_something_else_stays_as_it_is() -> None:
    program = program_of("def f(z[b, c], x[b, c]) = exp(x - logsumexp[c](z))")
    assert lowered(program.value) is None


@pytest.mark.parametrize("jit", [True, False], ids=["xla", "plain"])
@pytest.mark.parametrize("shift", [0.0, 80.0, -3e4, 3e4])
def test_softmax_of_large_and_small_numbers(jit: bool, shift: float) -> None:
    z = np.array([[0.0, 1.0, -2.0], [-50.0, 0.0, 50.0]]) + shift
    e = np.exp(z - z.max(1, keepdims=True))
    got = lossc.compile(SOFTMAX, jit=jit)(z).numpy()
    assert got == pytest.approx(e / e.sum(1, keepdims=True), rel=1e-14)


@pytest.mark.parametrize("jit", [True, False], ids=["xla", "plain"])
def test_infinite_terms(jit: bool) -> None:
    z = np.array([[-np.inf, -np.inf], [-np.inf, 2.0], [np.inf, 0.0]])
    loss = lossc.compile("def f(z[b, c]) = logsumexp[c](z)", jit=jit)
    assert loss(z).numpy().tolist() == [-np.inf, 2.0, np.inf]


LOWERED = {
    "lgamma(1 + x)": (1e-300, 3e-25, -1e-9, 4.8e-4, 4.9e-4, -4.9e-4, 2.5, 40.0),
    "exp(-x^2 / 2) / ndtr(x)": (-1e40, -3e8, -40.0, -6.01, -5.99, -1.0, 0.0, 2.5, 30.0),
}


@pytest.mark.parametrize("text", LOWERED)
def test_what_is_computed_otherwise_is_right_to_the_last_bits(text: str) -> None:
    """In double precision, beside arbitrary precision."""
    loss = lossc.compile(f"def f(x[i]) = {text}")
    program = loss._checked.program
    for x, got in zip(LOWERED[text], loss(np.array(LOWERED[text])).numpy(), strict=True):
        (true,) = interpret(program, {"x": (x,)}, 400)
        assert float(got) == pytest.approx(float(true), rel=3e-11), x
