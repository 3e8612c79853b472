"""A program whose TensorFlow gradient is the derived one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import tensorflow as tf

from ..ir import PACK, REAL, Program
from ..ir import Tensor as Input
from ..passes.differentiate import SEED, differentiate, total
from ..passes.tabulate import tabulated
from ..pipeline import AS_WRITTEN, Numerics, prepare
from .schedule import schedule
from .to_tf import emit, emit_all, emit_plan
from .unrounded import fits

# TensorFlow's kernels take at most so many axes; nested windows can need more in the derivative.
WIDEST = 8

Tensor = Any
Build = Callable[[Mapping[str, Tensor]], Tensor]
Derive = Callable[[Program], Program]


def differentiable(program: Program, numerics: Numerics = AS_WRITTEN, once: bool = False) -> Build:
    """The program as a function of its tensors, by name, under its own gradient.

    The gradient is built of plain ops too, and only when asked for; a second derivative is
    TensorFlow's of the first. With `once` there is no second run for a value that is not finite.
    """
    program = numerics.stable(program)
    plain = narrowed(numerics.arranged(program))
    again = None if once else numerics.of_second_run(program)
    forward = _built([plain], lambda n: [narrowed(n.arranged(program))], numerics, again)
    names = [t.name for t in (*program.inputs, *program.params)]

    @cache
    def backward(name: str) -> Build:
        return gradient(program, name, numerics)

    def build(tensors: Mapping[str, Tensor]) -> Tensor:
        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def run(*values: Tensor) -> Any:
            named = dict(zip(names, values, strict=True))

            def slopes(upstream: Tensor) -> list[Tensor | None]:
                given = {**named, SEED: upstream}
                return [backward(n)(given) if is_smooth(program, n, x) else None
                        for n, x in named.items()]  # fmt: skip

            return forward(named)[0], slopes

        return run(*(tensors[n] for n in names))

    return build


def is_smooth(program: Program, name: str, value: Tensor) -> bool:
    """Whether a gradient with respect to a tensor makes sense: real by domain and by dtype."""
    tensor = _find(program, name)
    return tensor.kind == REAL and value.dtype.is_floating


def value_and_gradients(
    program: Program, names: Sequence[str], numerics: Numerics = AS_WRITTEN, once: bool = False
) -> Callable[[Mapping[str, Tensor]], tuple[Tensor, dict[str, Tensor]]]:
    """A program with its derivatives by name, in one graph that shares their work.

    Of a value that has axes, the derivatives are those of its sum. With `once` there is no second
    run for results that are not finite.
    """
    program = numerics.stable(program)
    whole = total(program)
    slopes_of = {n: partial(numerics.derivative, wrt=n) for n in names}
    found = {n: fitting(whole, derive, numerics) for n, derive in slopes_of.items()}
    derived = {n: d for n, d in found.items() if d is not None}
    taped = {n: _taped(whole, n) for n in names if n not in derived}

    def others(careful: Numerics) -> list[Program | None]:
        slopes = [fitting(whole, slopes_of[n], careful) for n in derived]
        return [narrowed(careful.arranged(program)), *slopes]

    again = None if once else second_run(program, names, numerics)
    programs = [narrowed(numerics.arranged(program)), *derived.values()]
    build = _built(programs, others, numerics, again)

    def run(tensors: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        value, *slopes = build(tensors)
        made = {n: as_input(program, n, x, tensors) for n, x in zip(derived, slopes, strict=True)}
        made |= {n: run_taped(tensors) for n, run_taped in taped.items()}
        return value, {n: made[n] for n in names}

    return run


def gradient(program: Program, name: str, numerics: Numerics = AS_WRITTEN) -> Build:
    """The derivative of `sum(upstream * value)` in one tensor, in its shape and dtype."""
    derive = partial(differentiate, wrt=name, seeded=True)
    derived = fitting(program, derive, numerics, prepare)
    if derived is None:
        return _taped(program, name)

    def others(careful: Numerics) -> list[Program | None]:
        return [fitting(program, derive, careful, prepare)]

    again = numerics.of_second_run(numerics.stable(derive(program)))
    build = _built([derived], others, numerics, again)
    return lambda tensors: as_input(program, name, build(tensors)[0], tensors)


def second_run(
    program: Program, names: Sequence[str], numerics: Numerics = AS_WRITTEN
) -> Numerics | None:
    """Those of a second run of a program and some derivatives, if their results may be lost."""
    program = numerics.stable(program)
    whole = total(program)
    slopes = (numerics.stable(numerics.derivative(whole, n)) for n in names)
    return numerics.of_second_run(program, *slopes)


def _built(
    programs: Sequence[Program],
    others: Callable[[Numerics], Sequence[Program | None]],
    numerics: Numerics,
    careful: Numerics | None,
) -> Callable[[Mapping[str, Tensor]], Sequence[Tensor]]:
    """Programs as one function; if a result is not finite, it is told by others with more care.

    Those are run only then, for they take longer. TensorFlow's slopes of the results are those of
    the first run.
    """
    plain = emit_all(*programs, wide=numerics.wide(*programs))
    sure = [p for p in others(careful) if p is not None] if careful else []
    if careful is None or len(sure) < len(programs):
        return plain
    plan = schedule(*sure, wide=careful.wide(*sure), unrounded=careful.unrounded(*sure))
    again = emit_plan(plan)

    def run(tensors: Mapping[str, Tensor]) -> Sequence[Tensor]:
        values, room = plain(tensors), fits(plan, tensors)
        if room is False:
            return values
        found = tf.cond(is_lost(values) & room, lambda: again(tensors), lambda: values)
        return [_instead(v, f) for v, f in zip(values, found, strict=True)]

    return run


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _instead(value: Tensor, found: Tensor) -> Any:
    """What was found for a value, with the slopes of the value."""
    return tf.identity(found), lambda g: (g, None)


def is_lost(values: Sequence[Tensor]) -> Tensor:
    """Whether a result is not finite, so that it is worth a second run."""
    found = [tf.reduce_any(~tf.math.is_finite(v)) for v in values if v.dtype.is_floating]
    return tf.reduce_any(tf.stack(found)) if found else tf.constant(False)


def fitting(
    program: Program, derive: Derive, numerics: Numerics, finish: Derive = lambda p: p
) -> Program | None:
    """A stable derivative of few enough axes, by tables if need be; None if that is too many."""
    derived = finish(numerics.arranged(numerics.stable(derive(program))))
    if width(derived) <= WIDEST:
        return derived
    stable = numerics.stable(derive(tabulated(program)))
    tables = finish(numerics.arranged(tabulated(stable)))
    return tables if width(tables) <= WIDEST else None


def narrowed(program: Program) -> Program:
    """A program, with tables if its arrays would have too many axes."""
    return program if width(program) <= WIDEST else tabulated(program)


def width(program: Program) -> int:
    """The number of axes of the widest array in the plan of a program."""
    return max(len(step.axes) for step in schedule(program).steps)


def as_input(program: Program, name: str, value: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
    """A derivative in the shape and dtype of the tensor that it is of."""
    target = tensors[name]
    value = tf.cast(value, target.dtype)
    axes = _find(program, name).axes
    is_flat = target.shape.rank == len(axes) or all(a.name != PACK for a in axes)
    return value if is_flat else tf.reshape(value, tf.shape(target))


def _taped(program: Program, name: str) -> Build:
    """TensorFlow's own derivative of the guarded program."""
    build = emit(prepare(program))

    def run(tensors: Mapping[str, Tensor]) -> Tensor:
        target, upstream = tensors[name], tensors.get(SEED)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(target)
            value = build(tensors)
        zero = tf.UnconnectedGradients.ZERO
        return tape.gradient(value, target, upstream, unconnected_gradients=zero)

    return run


def _find(program: Program, name: str) -> Input:
    return next(t for t in (*program.inputs, *program.params) if t.name == name)
