"""Second derivatives as programs: a second backward sweep, over the derived gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..fold import apply
from ..ir import Access, Expr, Position, Program, Tensor
from .differentiate import diagonal, differentiate, total
from .simplify import ZERO, plus


def hessian_diagonal(program: Program, wrt: str) -> Program:
    """The second derivative in each element of a tensor, over the tensor's axes.

    Of a value that has axes, it is that of its sum. Places that do not match are never looked at,
    so a mean of pointwise losses takes as many steps as it has elements.
    """
    return diagonal(differentiate(total(program), wrt), wrt)


def hessian_vector_products(program: Program, names: Sequence[str]) -> dict[str, Program]:
    """The matrix of second derivatives in some tensors times a vector, by tensor.

    Each program has a further input for each name, `direction(name)`, of the tensor's axes: the
    parts of the vector.
    """
    whole = total(program)
    slopes = [along(differentiate(whole, name), name) for name in names]
    value: Expr = ZERO
    for slope in slopes:
        value = plus(value, slope.value)
    inputs = (*program.inputs, *(s.inputs[-1] for s in slopes))
    directional = replace(whole, inputs=inputs, value=value)
    return {name: differentiate(directional, name) for name in names}


def along(gradient: Program, name: str) -> Program:
    """The derivative in a direction: the sum of a gradient times the direction."""
    vector = Tensor(direction(name), tuple(s.axis for s in gradient.axes if s.axis is not None))
    step = Access(vector, tuple(Position(s) for s in gradient.axes))
    product = replace(gradient, value=apply("mul", (gradient.value, step)))
    return replace(total(product), inputs=(*gradient.inputs, vector))


def direction(name: str) -> str:
    """The name of the tensor that holds a tensor's part of a vector; no formula can have it."""
    return f"#along.{name}"
