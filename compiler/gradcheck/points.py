"""The points of a check: random ones, edges of domains, ties, and on and beside every kink."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from random import Random

import numpy as np
from mpmath import mp

from .. import domains as dom
from ..check import Checked
from ..elaborate.declare import Input, Param
from ..interpret import Compiler
from ..ir import REAL, Access, Apply, Axis, Program, postorder
from .kinks import Gap, gaps, solve
from .point import Array, Point, places
from .sampling import EDGE, INSIDE, MILD, ZERO, Sampler, exact_array

BESIDE = mp.mpf(1) / (1 << 10)
KINKS = 8  # the most that are visited
TRIES = 40  # to find a point at which the loss has a value
AROUND = 24  # the points nearby at which slopes are taken
NEAR = mp.mpf(10) ** -20


@dataclass(frozen=True)
class Points:
    """The points at which a loss is checked; the same for the same seed."""

    checked: Checked
    program: Program
    sizes: Mapping[Axis, int]
    larger: Mapping[Axis, int]
    seed: int
    compiler: Compiler = field(default_factory=Compiler, compare=False)

    def __iter__(self) -> Iterator[Point]:
        first = self.valued(self.sample("a random point", INSIDE, 0))
        yield first
        yield self.missing(self.sample("a random point, other params", INSIDE, 1, vary=True))
        if self.larger != self.sizes:
            yield replace(self, sizes=self.larger).sample("longer axes", INSIDE, 6)
        yield replace(self.equal(), special=True)
        yield replace(self.sample("zeros", ZERO, 3), special=True)
        yield from self.kinks(first)
        for k in range(2):
            yield replace(self.sample(f"edges of the domains {k + 1}", EDGE, 4 + k), special=True)

    def sample(self, label: str, style: str, salt: int, vary: bool = False) -> Point:
        """Values from the domains."""
        sampler = self.sampler(salt)
        varied = {d.name for d in self.params} - self.checked.static if vary else frozenset()
        arrays = sampler.draw_params(self.params, varied)
        arrays |= {n: exact_array(v) for n, v in self.hidden.items()}
        sampler.params |= arrays
        arrays |= {d.name: sampler.array(d, style) for d in self.checked.inputs.values()}
        return Point(label, arrays, self.sizes, compiler=self.compiler)

    def missing(self, point: Point) -> Point:
        """NaN among the values of which the formula asks whether they are."""
        terms = (t for t in postorder(self.program.value) if isinstance(t, Apply))
        asked = [t.args[0] for t in terms if t.op in ("isnan", "isfinite")]
        for name in {t.tensor.name for t in asked if isinstance(t, Access)}:
            point = point.moved(name, next(places(point.arrays[name])), mp.nan)
        return point

    def valued(self, point: Point) -> Point:
        """A point at which the loss has a value, if one is found."""
        value = self.program.value
        tries = (p for p in self.tries(point) if mp.isfinite(p.machine().run(value, {})))
        return next(tries, point)

    def tries(self, point: Point) -> Iterator[Point]:
        """A point, and others in its place if it has no value: reals between 0 and 1, in order."""
        yield point
        if point.focus is None:
            yield self.sample(point.label, MILD, 7)
        if point.focus is None and not point.special:
            yield from (self.ascending(point.label, salt) for salt in range(8, 8 + TRIES))

    def ascending(self, label: str, salt: int) -> Point:
        """Reals that ascend along the last axis, as the corners of boxes do."""
        point = self.sample(label, MILD, salt)
        free = (d for d in self.checked.inputs.values() if isinstance(d.meaning, dom.Reals))
        ordered = {d.name: np.sort(point.arrays[d.name]) for d in free if d.tensor.axes}
        return replace(point, arrays=dict(point.arrays) | ordered)

    def around(self, point: Point) -> Iterator[Point]:
        """Some points a trifle from one, toward others: in convex domains they stay inside."""
        for salt in range(100, 100 + AROUND):
            here, there = point.arrays, self.sample("nearby", INSIDE, salt).arrays
            moved = {n: np.asarray(here[n] + NEAR * (there[n] - here[n])) for n in self.convex}
            yield replace(point, arrays={**here, **moved})

    def sampler(self, salt: int) -> Sampler:
        """A sampler of its own random numbers."""
        return Sampler(Random(f"{self.seed} {salt} {self.checked.name}"), self.sizes)

    def equal(self) -> Point:
        """Real inputs of one shape equal to each other, where their domains allow."""
        point = self.sample("equal inputs", INSIDE, 2)
        sampler = self.sampler(2)
        sampler.params |= {d.name: point.arrays[d.name] for d in self.params}
        arrays = dict(point.arrays)
        known: dict[object, Array] = {}
        for d in self.checked.inputs.values():
            other = known.setdefault(d.tensor.axes, arrays[d.name])
            if d.tensor.kind == REAL and _admits(sampler, d, other):
                arrays[d.name] = other
        return replace(point, arrays=arrays)

    def kinks(self, around: Point) -> Iterator[Point]:
        """On each kink that can be reached from a point, and beside it."""
        rng = Random(f"{self.seed} kinks")
        seen: set[str] = set()
        for gap in gaps(self.program)[:KINKS]:
            on = solve(gap, around, self.movable, rng)
            if on is not None and self.admits(on):
                yield from self.beside(gap, around, on, seen)

    def beside(self, gap: Gap, around: Point, on: Point, seen: set[str]) -> Iterator[Point]:
        """A point on a kink, and those a little below and above it."""
        name, place = next(
            (n, p) for n in on.arrays for p in places(on.arrays[n])
            if on.arrays[n][p] != around.arrays[n][p]
        )  # fmt: skip
        number = sum(s == gap.name for s in seen)
        label = f"a kink of {gap.name}" + ("" if gap.name not in seen else f" ({len(seen) + 1})")
        seen.add(label if number else gap.name)
        yield replace(on, label=label, special=True, focus=(name, place))
        x = on.arrays[name][place]
        for step, side in ((-BESIDE, "below"), (BESIDE, "above")):
            moved = on.moved(name, place, x + step)
            if self.admits(moved):
                yield replace(moved, label=f"{side} {label}", focus=(name, place))

    @cached_property
    def movable(self) -> frozenset[str]:
        """The inputs of which one element can move by itself."""
        kinds = (dom.Reals, dom.Between)
        return frozenset(
            d.name for d in self.checked.inputs.values() if isinstance(d.meaning, kinds)
        )

    @cached_property
    def convex(self) -> list[str]:
        """The real inputs whose domains are convex."""
        kinds = (dom.Reals, dom.Between, dom.Simplex)
        return [d.name for d in self.checked.inputs.values() if isinstance(d.meaning, kinds)]

    def admits(self, point: Point) -> bool:
        """Whether all movable inputs are inside their domains."""
        sampler = self.sampler(0)
        sampler.params |= {d.name: point.arrays[d.name] for d in self.params}
        inputs = self.checked.inputs
        return all(_admits(sampler, inputs[n], point.arrays[n]) for n in self.movable)

    @cached_property
    def params(self) -> list[Param]:
        """The params that have a value."""
        names = {t.name for t in self.program.params}
        return [p for p in self.checked.params.values() if p.name in names]

    @cached_property
    def hidden(self) -> dict[str, object]:
        """The lists that are defaults of functions called."""
        return {n: _numbers(node) for n, node in self.checked.hidden.items()}


def lengths_of_params(checked: Checked, program: Program) -> dict[Axis, int]:
    """The lengths of axes that the defaults of params settle."""
    values = {n: p.default for n, p in checked.params.items()}
    lists: dict[str, object] = {**values, **{n: _numbers(x) for n, x in checked.hidden.items()}}
    return {
        axis: length
        for t in program.params
        for axis, length in zip(t.axes, exact_array(lists[t.name]).shape, strict=True)
    }


def _admits(sampler: Sampler, decl: Input, array: Array) -> bool:
    return all(sampler.contains(decl.meaning, array[p]) for p in places(array))


def _numbers(node: object) -> object:
    """A list in the text as nested lists of exact numbers."""
    from lossc.dsl import ast

    match node:
        case ast.Array(items=items):
            return [_numbers(i) for i in items]
        case ast.Unary(operand=operand):
            return -_numbers(operand)  # type: ignore[operator]
        case ast.Number(value=value):
            return value
    raise ValueError("a list holds something else than numbers")
