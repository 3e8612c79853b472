"""Second derivatives in TensorFlow: the diagonal of the Hessian, and its product with a vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import tensorflow as tf

from ..ir import Program
from ..passes.differentiate import total
from ..passes.hessian import direction, hessian_diagonal, hessian_vector_products
from ..passes.tabulate import tabulated
from ..pipeline import AS_WRITTEN, Numerics, prepare
from .clusters import clustered
from .gradient import WIDEST, as_input, width
from .schedule import schedule
from .to_tf import emit, emit_plan

Tensor = Any
Build = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
Derive = Callable[[Program], Mapping[str, Program]]


def diagonals(
    program: Program, names: Sequence[str], numerics: Numerics = AS_WRITTEN, jit: bool = False
) -> Build:
    """The second derivatives in each element of some tensors, by name, in their shapes."""
    program = numerics.stable(program)

    def derive(whole: Program) -> dict[str, Program]:
        return {n: hessian_diagonal(whole, n) for n in names}

    return _built(program, names, derive, numerics, _taped_diagonal, jit)


def products(
    program: Program, names: Sequence[str], numerics: Numerics = AS_WRITTEN, jit: bool = False
) -> Build:
    """The Hessian in some tensors times a vector, by name.

    The parts of the vector are further tensors, named `direction(name)`.
    """
    program = numerics.stable(program)
    derive = partial(hessian_vector_products, names=names)
    return _built(program, names, derive, numerics, lambda p, n: _taped_product(p, n, names), jit)


def _built(
    program: Program, names: Sequence[str], derive: Derive, numerics: Numerics,
    taped: Callable[[Program, str], Callable[[Mapping[str, Tensor]], Tensor]], jit: bool,
) -> Build:  # fmt: skip
    """Derivatives as one function, those of too many axes by TensorFlow's own."""
    narrow = _fitting(program, derive, numerics)
    build = emit_plan(numerics.plan(*narrow.values()), jit) if narrow else None
    rest = {n: taped(program, n) for n in names if n not in narrow}
    if jit and rest:
        plan = schedule(program)
        rest = {n: clustered(plan, run_taped) for n, run_taped in rest.items()}

    def run(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        values = build(tensors) if build is not None else []
        pairs = zip(narrow, values, strict=True)
        found = {n: as_input(program, n, x, tensors) for n, x in pairs}
        found |= {n: run_taped(tensors) for n, run_taped in rest.items()}
        return {n: found[n] for n in names}

    return run


def _fitting(program: Program, derive: Derive, numerics: Numerics) -> dict[str, Program]:
    """The stable derivatives of few enough axes, by tables if need be."""
    made = {n: numerics.arranged(numerics.stable(d)) for n, d in derive(program).items()}
    found = {n: d for n, d in made.items() if width(d) <= WIDEST}
    if len(found) < len(made):
        again = derive(tabulated(program)).items()
        rest = {n: tabulated(numerics.stable(d)) for n, d in again if n not in found}
        made = {n: numerics.arranged(d) for n, d in rest.items()}
        found |= {n: d for n, d in made.items() if width(d) <= WIDEST}
    return found


# --- programs of more axes than TensorFlow's kernels take -----------------------------------------


def _taped_product(
    program: Program, name: str, names: Sequence[str]
) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """One part of the Hessian times a vector, by nested tapes."""
    build = emit(prepare(total(program)))

    def run(tensors: Mapping[str, Tensor]) -> Tensor:
        targets = {n: tensors[n] for n in names}
        zero = tf.UnconnectedGradients.ZERO
        with tf.GradientTape(watch_accessed_variables=False) as outer:
            outer.watch(tensors[name])
            with tf.GradientTape(watch_accessed_variables=False) as inner:
                inner.watch(targets)
                value = build(tensors)
            slopes = inner.gradient(value, targets, unconnected_gradients=zero)
            parts = [tf.reduce_sum(slopes[n] * tensors[direction(n)]) for n in names]
            along = tf.add_n(parts)
        return outer.gradient(along, tensors[name], unconnected_gradients=zero)

    return run


def _taped_diagonal(program: Program, name: str) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """The diagonal from the products with each unit vector, one after another."""
    product = _taped_product(program, name, (name,))

    def run(tensors: Mapping[str, Tensor]) -> Tensor:
        target = tensors[name]
        size = tf.size(target)

        def element(k: Tensor) -> Tensor:
            unit = tf.reshape(tf.one_hot(k, size, dtype=target.dtype), tf.shape(target))
            row = product({**tensors, direction(name): unit})
            return tf.reshape(row, [-1])[k]

        found = tf.map_fn(element, tf.range(size), fn_output_signature=target.dtype)
        return tf.reshape(found, tf.shape(target))

    return run
