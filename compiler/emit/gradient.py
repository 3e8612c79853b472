"""A program whose TensorFlow gradient is the derived one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import tensorflow as tf
from tensorflow.python.eager.record import stop_recording

from ..ir import PACK, REAL, Program, Symbol, postorder
from ..passes.cotangent import copied_axes, summed, tensor_of, unit_derivative
from ..passes.differentiate import SEED, differentiate, total
from ..passes.tabulate import tabulated
from ..pipeline import AS_WRITTEN, Numerics, prepare
from .arrays import align
from .blocks import in_xla
from .clusters import clustered
from .packing import packing
from .schedule import Plan, schedule
from .to_tf import emit, emit_plan

# TensorFlow's kernels take at most so many axes; nested windows can need more in the derivative.
WIDEST = 8
MOST_LOOKED_AT = 1 << 16  # numbers of a result that are looked at for infinite ones and NaN

Tensor = Any
Build = Callable[[Mapping[str, Tensor]], Tensor]
BuildAll = Callable[[Mapping[str, Tensor]], Sequence[Tensor]]
Derive = Callable[[Program], Program]


# --- a program under its own gradient -------------------------------------------------------------


def differentiable(
    program: Program,
    numerics: Numerics = AS_WRITTEN,
    *,
    over: str | None = None,
    watched: Collection[str] = (),
    jit: bool = False,
) -> Build:
    """The program as a function of its tensors, by name, under its own gradient.

    Values over `...` have the shape that it stands for; `over` ("mean" or "sum") reduces the last
    of its axes. If some tensors are `watched`, no others have a gradient, and it is computed beside
    the value, whose work it shares; else any has, and it is built only when it is asked for. The
    second derivative is TensorFlow's of the first. With `jit`, XLA compiles the parts of a graph
    whose arrays are large.
    """
    program = numerics.stable(program)
    shape = packing(program, over)
    names = [t.name for t in (*program.inputs, *program.params)]

    @cache
    def alone(jit: bool) -> Build:
        return _value(program, numerics, jit)

    @cache
    def slope(name: str, jit: bool) -> _Slope:
        return _slope(program, name, numerics, jit)

    @cache
    def beside(shared: tuple[str, ...], jit: bool) -> BuildAll:
        slopes = [slope(n, jit) for n in shared]
        return _beside(program, [s.program for s in slopes if s.program], numerics, jit)

    def build(tensors: Mapping[str, Tensor]) -> Tensor:
        own = jit and not in_xla()  # where gradients are built later, the graph no longer tells
        asked = [n for n in names if n in watched] if watched else names
        smooth = [n for n in asked if is_smooth(program, n, tensors[n])]
        shared = tuple(n for n in smooth if watched and slope(n, own).is_factored)

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def run(*values: Tensor) -> Any:
            named = dict(zip(names, values, strict=True))
            value, *units = beside(shared, own)(named) if shared else [alone(own)(named)]
            known = dict(zip(shared, units, strict=True))

            def gradients(upstream: Tensor) -> list[Tensor | None]:
                seed = shape.flat(upstream, named) if shape else upstream
                found = {n: slope(n, own).times(known.get(n), seed, named) for n in smooth}
                return [as_input(program, n, found[n], named) if n in found else None
                        for n in names]  # fmt: skip

            return shape.shaped(value, named) if shape else value, gradients

        return run(*(tensors[n] for n in names))

    return build


def _value(program: Program, numerics: Numerics, jit: bool) -> Build:
    """The value of a stable program alone."""
    build = emit_plan(numerics.plan(narrowed(numerics.arranged(program))), jit)
    return lambda tensors: unrecorded(build, tensors)[0]


def _beside(program: Program, units: Sequence[Program], numerics: Numerics, jit: bool) -> BuildAll:
    """The value of a stable program and derivatives of it, in one plan that shares their work."""
    programs = [narrowed(numerics.arranged(program)), *units]
    plain = emit_plan(numerics.plan(*programs), jit)
    again = _guarded(units, numerics, jit)

    def build(tensors: Mapping[str, Tensor]) -> Sequence[Tensor]:
        value, *found = unrecorded(plain, tensors)
        return [value, *again(found, tensors)]

    return build


@dataclass(frozen=True, slots=True)
class _Slope:
    """How the derivative in one tensor is made of the cotangent.

    If it is factored, `program` is the derivative for a cotangent of 1, and the cotangent, whose
    axes are `values`, multiplies it. Else `build` has the cotangent inside.
    """

    program: Program | None
    build: Build
    values: tuple[Symbol, ...] = ()
    is_factored: bool = False

    def times(
        self, unit: Tensor | None, cotangent: Tensor, tensors: Mapping[str, Tensor]
    ) -> Tensor:
        """The derivative for a cotangent, of that for a cotangent of 1 if it is there already."""
        if not self.is_factored or self.program is None:
            return self.build({**tensors, SEED: cotangent})
        unit = self.build(tensors) if unit is None else unit
        factor = align(tf.cast(cotangent, unit.dtype), self.values, self.program.axes)
        # A cotangent of 0 leaves a value out, also one with a derivative that is not finite.
        return tf.math.multiply_no_nan(unit, factor)


def _slope(program: Program, name: str, numerics: Numerics, jit: bool) -> _Slope:
    """The derivative of `sum(cotangent * values)` of a stable program in one tensor."""
    copied = copied_axes(program, name)
    if copied is None:
        return _Slope(None, _derivative(program, name, _seeded(name, numerics), numerics, jit)[1])
    if not copied:
        derived, build = _derivative(program, name, _of_total(name, numerics), numerics, jit)
        return _Slope(derived, build, program.axes, derived is not None)

    def derive(program: Program) -> Program:
        unit = numerics.stable(unit_derivative(program, name, copied))
        return summed(unit, program.axes, copied)

    return _Slope(None, _derivative(program, name, derive, numerics, jit)[1])


def _seeded(name: str, numerics: Numerics) -> Derive:
    return lambda p: numerics.stable(differentiate(p, name, seeded=True))


def _of_total(name: str, numerics: Numerics) -> Derive:
    return lambda p: numerics.stable(numerics.derivative(total(p), name))


def _derivative(
    program: Program, name: str, derive: Derive, numerics: Numerics, jit: bool
) -> tuple[Program | None, Build]:
    """A derivative as a program, if it has few enough axes, and as a function of the tensors."""
    derived = fitting(program, derive, numerics)
    if derived is None:
        return None, _taped(program, name, jit)
    plain = emit_plan(numerics.plan(derived), jit)
    again = _guarded([derived], numerics, jit)

    def build(tensors: Mapping[str, Tensor]) -> Tensor:
        return again(unrecorded(plain, tensors), tensors)[0]

    return derived, build


def unrecorded(build: Build, tensors: Mapping[str, Tensor]) -> Any:
    """What is built, whose slopes are given elsewhere, so that no tape need follow it."""
    with stop_recording():
        return build(tensors)


def _guarded(
    programs: Sequence[Program], numerics: Numerics, jit: bool
) -> Callable[[Sequence[Tensor], Mapping[str, Tensor]], Sequence[Tensor]]:
    """Gives values of programs the derivatives of the guarded programs."""

    @cache
    def safe() -> BuildAll:
        guarded = [prepare(p) for p in programs]
        return emit_plan(numerics.plan(*guarded), jit)

    def again(found: Sequence[Tensor], tensors: Mapping[str, Tensor]) -> Sequence[Tensor]:
        names = list(tensors)

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def run(*values: Tensor) -> Any:
            def gradients(*upstream: Tensor) -> list[Tensor | None]:
                floats = [x for x in values if x.dtype.is_floating]
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(floats)
                    results = safe()(dict(zip(names, values, strict=True)))
                slopes = iter(tape.gradient(results, floats, list(upstream)))
                return [next(slopes) if x.dtype.is_floating else None for x in values]

            return [tf.identity(x) for x in found], gradients

        return list(run(*(tf.convert_to_tensor(tensors[n]) for n in names)))

    return again


def is_smooth(program: Program, name: str, value: Tensor) -> bool:
    """Whether a gradient with respect to a tensor makes sense: real by domain and by dtype."""
    return tensor_of(program, name).kind == REAL and value.dtype.is_floating


# --- value and gradients in one graph -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Beside:
    """Builds a value with its derivatives by name, and the plan that it is built by."""

    plan: Plan
    build: Callable[[Mapping[str, Tensor]], tuple[Tensor, dict[str, Tensor]]]

    def __call__(self, tensors: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        return self.build(tensors)


def value_and_gradients(
    program: Program, names: Sequence[str], numerics: Numerics = AS_WRITTEN, jit: bool = False
) -> Beside:
    """A program with its derivatives by name, in one graph that shares their work.

    Of a value that has axes, the derivatives are those of its sum. With `jit`, XLA compiles the
    parts of a graph whose arrays are large.
    """
    program = numerics.stable(program)
    derive = {n: _of_total(n, numerics) for n in names}
    found = {n: fitting(program, derive[n], numerics) for n in names}
    derived = {n: d for n, d in found.items() if d is not None}
    taped = {n: _taped(total(program), n, jit) for n in names if n not in derived}

    programs = [narrowed(numerics.arranged(program)), *derived.values()]
    plan = numerics.plan(*programs)
    build = emit_plan(plan, jit)

    def run(tensors: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        value, *slopes = build(tensors)
        made = {n: as_input(program, n, x, tensors) for n, x in zip(derived, slopes, strict=True)}
        made |= {n: run_taped(tensors) for n, run_taped in taped.items()}
        return value, {n: made[n] for n in names}

    return Beside(plan, run)


def is_lost(values: Sequence[Tensor]) -> Tensor:
    """Whether a result is not finite; of large ones, some numbers are looked at."""
    floats = [tf.reshape(v, [-1])[:MOST_LOOKED_AT] for v in values if v.dtype.is_floating]
    found = [tf.reduce_any(~tf.math.is_finite(v)) for v in floats]
    return tf.reduce_any(tf.stack(found)) if found else tf.constant(False)


# --- programs of few enough axes ------------------------------------------------------------------


def fitting(program: Program, derive: Derive, numerics: Numerics) -> Program | None:
    """A stable derivative of few enough axes, by tables if need be; None if that is too many."""
    derived = numerics.arranged(derive(program))
    if is_narrow(derived):
        return derived
    tables = numerics.arranged(tabulated(derive(tabulated(program))))
    return tables if is_narrow(tables) else None


def narrowed(program: Program) -> Program:
    """A program, with tables if its arrays would have too many axes."""
    return program if is_narrow(program) else tabulated(program)


def is_narrow(program: Program) -> bool:
    """Whether no array in the plan of a program has too many axes.

    An array has an axis for each open index of its term, and for few places besides.
    """
    axes = max(len(term.free) for term in postorder(program.value))
    return axes <= WIDEST - 2 or width(program) <= WIDEST


def width(program: Program) -> int:
    """The number of axes of the widest array in the plan of a program."""
    return max(len(step.axes) for step in schedule(program).steps)


def as_input(program: Program, name: str, value: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
    """A derivative in the shape and dtype of the tensor that it is of."""
    target = tensors[name]
    value = tf.cast(value, target.dtype)
    axes = tensor_of(program, name).axes
    is_flat = target.shape.rank == len(axes) or all(a.name != PACK for a in axes)
    return value if is_flat else tf.reshape(value, tf.shape(target))


def _taped(program: Program, name: str, jit: bool) -> Build:
    """TensorFlow's own derivative of the guarded program."""
    guarded = prepare(program)
    build = emit(guarded)

    def run(tensors: Mapping[str, Tensor]) -> Tensor:
        target, upstream = tensors[name], tensors.get(SEED)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(target)
            value = build(tensors)
        zero = tf.UnconnectedGradients.ZERO
        return tape.gradient(value, target, upstream, unconnected_gradients=zero)

    return clustered(schedule(guarded), run) if jit else run
