"""Derivatives whose cotangent is factored out.

The derivative of `sum(cotangent * values)` is asked for by a tape, by sample weights, and by
whatever multiplies a loss. A cotangent inside of its terms hides what the rewrites look for: the
derivative of a softmax times a vector is no softmax. So the derivative is taken for a cotangent of
1, whatever asks for it. Where each element of a tensor reaches one value alone, as in the values
per sample of a separable loss, the cotangent of that value multiplies it afterwards. A tensor that
lacks axes of the values, such as a param or the weights of classes, is first given a copy for each
value, and the products are summed over the copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..ir import (
    Access,
    Expr,
    Index,
    Position,
    Program,
    Range,
    Select,
    Symbol,
    Tensor,
    postorder,
    rebuild,
    reduce,
)
from .differentiate import SEED, differentiate, total
from .simplify import ZERO, times


def copied_axes(program: Program, wrt: str) -> tuple[Symbol, ...] | None:
    """The axes of the values that a tensor lacks, and along which it is to be copied.

    None where the cotangent cannot be factored out: an element of the tensor reaches several
    values along an axis that both have.
    """
    tensor = tensor_of(program, wrt)
    own = {s.axis: Position(s) for s in program.axes}
    if any(tensor.axes.count(axis) > 1 for axis in own):
        return None
    for term in postorder(program.value):
        if isinstance(term, Access) and term.tensor == tensor:
            slots = zip(term.slots, tensor.axes, strict=True)
            if any(axis in own and slot != own[axis] for slot, axis in slots):
                return None
    return tuple(s for s in program.axes if s.axis not in tensor.axes)


def unit_derivative(program: Program, wrt: str, copied: Sequence[Symbol]) -> Program:
    """The derivative for a cotangent of 1, of a tensor that is copied along some axes.

    The axes of the result are those, and then the tensor's own.
    """
    if not copied:
        return differentiate(total(program), wrt)
    tensor = tensor_of(program, wrt)
    axes = tuple(s.axis for s in copied if s.axis is not None)
    copy = replace(tensor, name=f"#copied.{wrt}", axes=(*axes, *tensor.axes))
    places = tuple(Position(s) for s in copied)

    def copies(term: Expr) -> Expr | None:
        if not (isinstance(term, Access) and term.tensor == tensor):
            return None
        slots = tuple(rebuild(s, copies) for s in term.slots)
        return Access(copy, (*places, *slots), term.padded)

    def originals(term: Expr) -> Expr | None:
        if not (isinstance(term, Access) and term.tensor == copy):
            return None
        slots = tuple(rebuild(s, originals) for s in term.slots[len(places) :])
        return Access(tensor, slots, term.padded)

    value = rebuild(program.value, copies)
    several = replace(program, inputs=(*program.inputs, copy), value=value)
    derived = differentiate(total(several), copy.name)
    back = rebuild(derived.value, originals)
    return replace(derived, inputs=program.inputs, value=back)


def summed(derivative: Program, values: Sequence[Symbol], copied: Sequence[Symbol]) -> Program:
    """The sum over copies of a derivative times the cotangent, which is a further input `SEED`."""
    seed = Tensor(SEED, tuple(s.axis for s in values if s.axis is not None))
    value = times(Access(seed, tuple(Position(s) for s in values)), derivative.value)
    spans: dict[Index, Range] = {s: Range.of(s.axis) for s in copied if s.axis is not None}
    if isinstance(value, Select) and value.other == ZERO:
        whole = reduce("sum", spans, value.then, value.condition)
    else:
        whole = reduce("sum", spans, value)
    axes = tuple(s for s in derivative.axes if s not in copied)
    return replace(derivative, inputs=(*derivative.inputs, seed), value=whole, axes=axes)


def tensor_of(program: Program, name: str) -> Tensor:
    """The input or param of that name."""
    return next(t for t in (*program.inputs, *program.params) if t.name == name)
