"""A line through the arguments of a loss along which it is drawn, chosen from the declarations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from random import Random
from typing import Any

import numpy as np
from mpmath import mp

from .. import domains as dom
from ..check import Checked
from ..elaborate.declare import Input, Param
from ..gradcheck.point import Clock, OutOfTime
from ..gradcheck.points import Points, lengths_of_params
from ..gradcheck.sampling import INSIDE, Sampler, as_float, exact_array
from ..gradcheck.sizes import smallest
from ..interpret import Compiler, Machine
from ..ir import REAL, Axis, Index, Program
from ..passes.differentiate import differentiate

Array = np.ndarray[Any, Any]
Place = tuple[int, ...]

POINTS = 101
DIGITS = 30  # of the interpreter
REACH = 4.0  # how far an unbounded input is followed
INSET = 1 / 250  # of the width, from an open end
SHOWN = 6  # longer arrays are not spelt out
FACTORS = (Fraction(1, 2), Fraction(1), Fraction(2))


@dataclass(frozen=True)
class Curve:
    """One curve: what sets it apart, and its values and slopes along the line."""

    label: str
    values: Array
    slopes: Array


@dataclass(frozen=True)
class Slice:
    """What varies, over which numbers, what is fixed (in words), and the curves."""

    varied: str
    xs: Array
    fixed: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Case:
    """Arguments at which one curve is drawn."""

    label: str
    arrays: Mapping[str, Array]
    params: Mapping[str, float] = field(default_factory=dict)


def choose(checked: Checked, seconds: float = float("inf")) -> Slice | None:
    """The first line along which the loss is finite and not constant; None if there is none.

    None too where none is found in so many seconds.
    """
    if checked.program.axes:
        return None
    clock = Clock(seconds)
    try:
        with mp.workdps(DIGITS):
            return _first(checked, clock)
    except OutOfTime:
        return None


def _first(checked: Checked, clock: Clock) -> Slice | None:
    for sizes in _sizes(checked):
        for decl in _candidates(checked):
            for ramp in sorted((False, True), reverse=_has_corners(decl)):
                found = _Line(checked, decl, sizes, ramp, clock).slice()
                if found is not None:
                    return found
    return None


def _sizes(checked: Checked) -> Iterator[dict[Axis, int]]:
    """Lengths of axes to try: one sample if that says something, then several."""
    inputs = [d.tensor for d in checked.inputs.values()]
    leading = {t.axes[0]: 1 for t in inputs if t.axes and t.axes[0].size is None}
    given = lengths_of_params(checked, checked.program)
    for known, least in ((leading, 3), ({}, 2), ({}, 3), ({}, 6)):
        try:
            yield smallest(checked.program, {**known, **given}, least)
        except ValueError:
            continue


def _candidates(checked: Checked) -> list[Input]:
    """The real inputs, the prediction first."""
    inputs = list(checked.inputs.values())
    ordered = [*inputs[1:2], *inputs[:1], *inputs[2:]]
    return [d for d in ordered if d.tensor.kind == REAL and d.meaning.kind == REAL]


@dataclass(frozen=True)
class _Line:
    """A loss along one element of one input.

    With `ramp`, tensors of reals ascend, as the corners of boxes do; else they are samples.
    """

    checked: Checked
    decl: Input
    sizes: Mapping[Axis, int]
    ramp: bool
    clock: Clock

    def slice(self) -> Slice | None:
        """The curves along the line, or None if they say nothing."""
        arrays = {d.name: self.start(k, d) for k, d in enumerate(self.checked.inputs.values())}
        if not arrays[self.decl.name].size:
            return None
        cases = self.cases(arrays)
        xs = self.xs()
        drawn = self.curves(cases, xs)
        curves = tuple(c for c in drawn if _says_something(c.values))
        fixed = self.fixed(arrays, cases)
        return Slice(self.element(), xs, fixed, curves) if curves else None

    # --- points ---------------------------------------------------------------------------------

    def sampler(self) -> Sampler:
        """A sampler that knows the params; the same numbers at every build."""
        params = {p.name: exact_array(p.default) for p in self.params.values()}
        return Sampler(Random(f"slice {self.decl.name}"), self.sizes, params)

    def start(self, k: int, decl: Input) -> Array:
        """Where an input stands: plain numbers where there are few, else samples."""
        sampler = self.sampler()
        sampler.rng.seed(f"{decl.name} {k}")
        array = sampler.array(decl, INSIDE)
        if isinstance(decl.meaning, dom.Simplex | dom.OneHot):
            row = np.moveaxis(array, _axis(decl), -1)
            row[...] = mp.mpf(0)
            row[..., 0] = mp.mpf(1)
        elif array.size == 1:
            array[...] = _plain(sampler, decl.meaning)
        elif self.ramp and isinstance(decl.meaning, dom.Reals):
            array[...] = _ascending(array.shape, k)
        elif isinstance(decl.meaning, dom.Reals | dom.Between):
            for place in np.ndindex(array.shape):
                near = mp.mpf(round(float(array[place]), 1))
                array[place] = near if sampler.contains(decl.meaning, near) else array[place]
        return as_float(array, decl.tensor.kind)

    def xs(self) -> Array:
        """The numbers that the element runs through."""
        domain = self.decl.meaning
        low, high = -REACH, REACH
        inside = [True, True]
        if isinstance(domain, dom.Simplex):
            low, high, inside = 0.0, 1.0, [False, False]
        elif isinstance(domain, dom.Between):
            ends = [float(x) for x in self.sampler().ends(domain)]
            low = ends[0] if np.isfinite(ends[0]) else min(-REACH, ends[1] - REACH)
            high = ends[1] if np.isfinite(ends[1]) else max(REACH, low + REACH)
            inside = [not np.isfinite(ends[0]), not np.isfinite(ends[1])]
        step = (high - low) * INSET
        return np.linspace(low + step * (not inside[0]), high - step * (not inside[1]), POINTS)

    def moved(self, array: Array, x: float) -> Array:
        """The input with its element at `x`; what is left of 1 is shared in a distribution."""
        moved = array.copy()
        if isinstance(self.decl.meaning, dom.Simplex):
            row = np.moveaxis(moved, _axis(self.decl), -1)
            row[...] = (1 - x) / max(1, row.shape[-1] - 1)
            row[..., 0] = x
        else:
            moved[self.place] = x
        return moved

    @property
    def place(self) -> Place:
        """The element that varies: the first."""
        return (0,) * len(self.decl.tensor.axes)

    def curves(self, cases: list[Case], xs: Array) -> Iterator[Curve]:
        """Values and slopes along the line for each case, by the interpreter."""
        for case in cases:
            pairs = [self.at(case, float(x)) for x in xs]
            yield Curve(case.label, *(np.array(c) for c in zip(*pairs, strict=True)))

    def at(self, case: Case, x: float) -> tuple[float, float]:
        """Value and slope at a point of a curve."""
        self.clock.check()
        arrays: dict[str, Array] = {**self.around, **case.arrays}
        arrays[self.decl.name] = self.moved(case.arrays[self.decl.name], x)
        arrays |= {n: np.array(v, dtype=object) for n, v in case.params.items()}
        exact = {n: _exact(a) for n, a in arrays.items()}
        machine = Machine(self.sizes, exact, compiler=self.compiler)
        env: dict[Index, int] = dict(zip(self.derived.axes, self.place, strict=True))
        value = _number_at(machine, self.checked.program, {})
        return value, _number_at(machine, self.derived, env)

    @cached_property
    def derived(self) -> Program:
        """The derivative in what varies."""
        return differentiate(self.checked.program, self.decl.name)

    @cached_property
    def compiler(self) -> Compiler:
        """The terms read so far."""
        return Compiler()

    @cached_property
    def params(self) -> dict[str, Param]:
        """The params that have a value."""
        return {n: p for n, p in self.checked.params.items() if p.default is not None}

    @cached_property
    def around(self) -> dict[str, Array]:
        """The params at their defaults, those of functions called among them."""
        points = Points(self.checked, self.checked.program, self.sizes, self.sizes, 0)
        hidden = {n: exact_array(v) for n, v in points.hidden.items()}
        return {**{p.name: exact_array(p.default) for p in points.params}, **hidden}

    # --- several curves -------------------------------------------------------------------------

    def cases(self, arrays: Mapping[str, Array]) -> list[Case]:
        """A case for each label, else for some values of a param, else one."""
        for decl in self.checked.inputs.values():
            if decl.name != self.decl.name and (found := self.labels(decl, arrays)):
                return found
        for param in self.params.values():
            if found := self.settings(param, arrays):
                return found
        return [Case("", arrays)]

    def labels(self, decl: Input, arrays: Mapping[str, Array]) -> list[Case]:
        """The values of a label beside the element that varies."""
        where = tuple(0 for _ in decl.tensor.axes)
        cases = []
        for value in self.choices(decl):
            array = arrays[decl.name].copy()
            if isinstance(decl.meaning, dom.Simplex | dom.OneHot):
                row = np.moveaxis(array, _axis(decl), -1)
                if value >= row.shape[-1]:
                    return []
                row[...] = 0
                row[..., int(value)] = 1
                label = f"{decl.name} has its 1 at place {int(value)}"
            else:
                array[where] = value
                label = f"{_element(decl)} = {_number(value)}"
            cases.append(Case(label, {**arrays, decl.name: array}))
        return cases

    def choices(self, decl: Input) -> list[float]:
        """The few values of a label, or none if its domain is no set of labels."""
        sampler = self.sampler()
        match decl.meaning:
            case dom.Values(values) if len(values) <= 3:
                return [float(sampler.bound(v)) for v in values]
            case dom.IndexOf(axis):
                return [float(k) for k in range(min(2, sampler.length(axis)))]
            case dom.Simplex() | dom.OneHot():
                return [0.0, 1.0]
            case dom.Union(parts=(dom.IndexOf(axis), *_)):
                return [float(k) for k in range(min(2, sampler.length(axis)))]
            case dom.Between(low=low, high=high) if low is not None and high is not None:
                ends = [float(x) for x in sampler.ends(decl.meaning)]
                closed = not (decl.meaning.low_open or decl.meaning.high_open)
                return ends if closed and ends == [0.0, 1.0] else []
        return []

    def settings(self, param: Param, arrays: Mapping[str, Array]) -> list[Case]:
        """Half, once and twice the default of a real param, as far as its domain has them."""
        default = param.default
        simple = isinstance(default, Fraction) and default != 0 and param.tensor.kind == REAL
        if not simple or param.axes or param.name in self.checked.static:
            return []
        assert isinstance(default, Fraction)
        sampler = self.sampler()
        values = [f * default for f in FACTORS]
        inside = [float(v) for v in values if sampler.contains(param.meaning, mp.mpf(float(v)))]
        return [Case(f"{param.name} = {_number(v)}", arrays, {param.name: v}) for v in inside]

    # --- words ----------------------------------------------------------------------------------

    def element(self) -> str:
        """The element that varies, as it is written."""
        return _element(self.decl)

    def fixed(self, arrays: Mapping[str, Array], cases: list[Case]) -> str:
        """What is fixed, and at what."""
        named = {c.label.split(" ")[0].split("[")[0] for c in cases}
        others = [n for n in arrays if n != self.decl.name and n not in named]
        said = [f"{n} = {_spelt(arrays[n])}" for n in others if arrays[n].size <= SHOWN]
        drawn = [n for n in others if arrays[n].size > SHOWN]
        if drawn:
            said.append(f"{' and '.join(drawn)} drawn once from the domain")
        for decl in self.checked.inputs.values():
            joint = isinstance(decl.meaning, dom.Simplex | dom.OneHot)
            if decl.name in named and arrays[decl.name].size > 1 and not joint:
                said.append(f"the other values of {decl.name} drawn once from the domain")
        rest = arrays[self.decl.name].size - 1
        if rest and isinstance(self.decl.meaning, dom.Simplex):
            said.append(f"what is left of 1 is shared by the rest of {self.decl.name}")
        elif rest:
            others_too = arrays[self.decl.name].ravel()[1:]
            shown = f" at {_spelt(others_too)}" if rest < SHOWN else ""
            said.append(f"the other values of {self.decl.name} fixed{shown}")
        said += [f"{p.name} = {_default(p)}" for p in self.params.values()
                 if p.name not in named and isinstance(p.default, Fraction)]  # fmt: skip
        return "; ".join(said)


def _exact(array: Array) -> Array:
    """Numbers as the interpreter has them."""
    if array.dtype == bool or array.dtype == object:
        return array
    out = np.empty(array.shape, dtype=object)
    for place in np.ndindex(array.shape):
        out[place] = mp.mpf(float(array[place]))
    return out


def _number_at(machine: Machine, program: Program, env: Mapping[Index, int]) -> float:
    try:
        return float(machine.run(program.value, dict(env)))
    except (ArithmeticError, ValueError):
        return float("nan")


def _has_corners(decl: Input) -> bool:
    """Whether an input's last axis is of a fixed length, as the corners of a box are."""
    axes = decl.tensor.axes
    return bool(axes) and axes[-1].size is not None


def _says_something(values: Array) -> bool:
    """Whether a curve is mostly finite and not constant."""
    finite = values[np.isfinite(values)]
    return bool(finite.size > 0.6 * values.size and np.ptp(finite) > 1e-9)


def _ascending(shape: Place, k: int) -> Array:
    """Numbers that ascend along the last axis, other ones for each input."""
    return np.broadcast_to(np.arange(shape[-1]) * (1 + k / 4) - k / 2, shape)


def _axis(decl: Input) -> int:
    """The dimension along which a distribution stands."""
    assert isinstance(decl.meaning, dom.Simplex | dom.OneHot)
    names = [a.name for a in decl.tensor.axes]
    return names.index(decl.meaning.axis.name) if decl.meaning.axis.name in names else -1


def _plain(sampler: Sampler, domain: dom.Domain) -> Any:
    """A plain number of a domain."""
    match domain:
        case dom.Between():
            low, high = sampler.ends(domain)
            if mp.isfinite(low) and mp.isfinite(high):
                return (low + high) / 2
            return low + 1 if mp.isfinite(low) else high - 1 if mp.isfinite(high) else mp.mpf(0)
        case dom.Values(values):
            return sampler.bound(values[-1])
        case dom.IntRange(low, high):
            return min(sampler.bound(low) + 1, sampler.bound(high))
        case dom.Union(parts):
            return _plain(sampler, parts[0])
        case dom.Bools():
            return True
    return mp.mpf(0)


def _element(decl: Input) -> str:
    named = [a for a in decl.tensor.axes if decl.axes]
    return f"{decl.name}[{', '.join('0' for _ in named)}]" if named else decl.name


def _number(x: float) -> str:
    return f"{x:.4g}"


def _spelt(array: Array) -> str:
    if array.size == 1:
        return _number(float(array.ravel()[0]))
    return f"[{', '.join(_number(float(x)) for x in array.ravel())}]"


def _default(param: Param) -> str:
    assert isinstance(param.default, Fraction)
    return _number(float(param.default))
