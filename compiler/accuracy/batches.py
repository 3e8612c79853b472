"""Batches of points: samples of the domains, corners, kinks, and inputs that are close."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from math import prod
from random import Random
from typing import Any

import numpy as np
from mpmath import mp

from .. import domains as dom
from ..check import Checked
from ..gradcheck.point import Point, places
from ..gradcheck.points import Points, lengths_of_params
from ..gradcheck.sampling import EDGE, MILD, ZERO, as_float, exact_array
from ..gradcheck.sizes import smallest
from ..ir import REAL, Axis, Program
from .floats import Format
from .sampling import FLOATS, ORDINARY, FloatSampler

Array = np.ndarray[Any, Any]

CLOSE = "close"  # inputs of one shape that are equal or nearly so
# Of ten samples: most are any floats; the rest are what data looks like, and corners.
ANY_FLOATS = (FLOATS, FLOATS, MILD, FLOATS, EDGE, FLOATS, FLOATS, CLOSE, MILD, FLOATS)
ORDINARY_DATA = (MILD, ORDINARY, MILD, CLOSE, ORDINARY)
VARIED = 4  # a batch in so many has other params than the defaults
SIZE = 3  # of the axes
MOST = 100  # numbers of an input; where there would be more, axes are shorter
STEPS = 4  # powers of 2 of last places, by which close inputs differ
CHUNK = 25  # the most samples of a batch
KINKS = 12  # the most points at kinks


@dataclass(frozen=True, slots=True)
class Batch:
    """Numbers of a format for all inputs and params; `...` counts as one axis.

    The first axis has so many `samples`, each a point of its own; if None, the whole is one point.
    """

    arrays: Mapping[str, Array]
    sizes: Mapping[Axis, int]
    samples: int | None

    def floats(self, program: Program, format: Format) -> dict[str, Array]:
        """The inputs and params as NumPy arrays."""
        tensors = (*program.inputs, *program.params)
        return {t.name: as_float(self.arrays[t.name], t.kind, format.dtype) for t in tensors}

    def sample(self, name: str, k: int) -> Array:
        """The part of an input that belongs to a sample, with all its axes."""
        array = self.arrays[name]
        return array if self.samples is None else array[k : k + 1]


@dataclass(frozen=True)
class Batches:
    """The points at which a loss is measured; the same for the same seed."""

    checked: Checked
    program: Program
    format: Format
    count: int
    seed: int
    lead: Axis | None
    vary: bool = True
    styles: Sequence[str] = ANY_FLOATS

    def __iter__(self) -> Iterator[Batch]:
        """Batches of some samples, each batch with params of its own, or of one point each."""
        if self.lead is None:
            yield from self.points(self.count)
            return
        varied = self.count // VARIED if self.varied else 0
        for count, vary in ((self.count - varied, False), (varied, True)):
            points = self.points(count, vary)
            while chunk := [*islice(points, CHUNK)]:
                yield self.joined(chunk)

    def points(self, count: int, vary: bool = False) -> Iterator[Batch]:
        """So many points, each of its own."""
        params = self.params(0, vary)
        if not vary:
            kinks = list(islice(self.kinks(), KINKS))[: count // 4]
            yield from kinks
            count -= len(kinks)
        for k in range(count):
            if self.lead is None and self.varied and k % VARIED == VARIED - 1:
                yield self.point(k, self.params(k, True))
            else:
                yield self.point(k, params, vary)

    def point(self, k: int, params: Mapping[str, Array], vary: bool = False) -> Batch:
        """A point of its own."""
        style = self.styles[k % len(self.styles)]
        sampler = self.sampler(f"{vary} {k}")
        sampler.params |= params
        drawn = MILD if style == CLOSE else style
        arrays = {d.name: sampler.array(d, drawn) for d in self.checked.inputs.values()}
        if style == CLOSE:
            self.bring_together(arrays, sampler)
        return Batch({**params, **arrays}, self.sizes, None)

    def bring_together(self, arrays: dict[str, Array], sampler: FloatSampler) -> None:
        """Make real inputs of one shape equal or nearly so, where their domains allow."""
        known: dict[object, Array] = {}
        for d in self.checked.inputs.values():
            if d.tensor.kind != REAL:
                continue
            array = known.setdefault(d.tensor.axes, arrays[d.name]).copy()
            for place in places(array):
                near = self.beside(array[place], sampler.rng)
                array[place] = near if sampler.contains(d.meaning, near) else array[place]
            if all(sampler.contains(d.meaning, x) for x in array.flat):
                arrays[d.name] = array

    def beside(self, x: Any, rng: Random) -> Any:
        """A number equal to x or some last places away."""
        steps = rng.choice((0, 1, -1, *(rng.randint(-(1 << STEPS), 1 << STEPS) for _ in range(3))))
        place = self.format.place(x) + steps
        return self.format.number(min(max(place, -self.format.count), self.format.count))

    def params(self, salt: int, vary: bool) -> dict[str, Array]:
        """The params: their defaults, or others near them; and the lists of functions called."""
        drawn = self.sampler(f"params {salt}").draw_params(
            self.around.params, self.varied if vary else ()
        )
        return {**drawn, **{n: exact_array(v) for n, v in self.around.hidden.items()}}

    @cached_property
    def varied(self) -> frozenset[str]:
        """The params that get other values too."""
        real = {d.name for d in self.around.params if d.tensor.kind == REAL}
        return frozenset(real - self.checked.static if self.vary else ())

    def kinks(self) -> Iterator[Batch]:
        """Points on kinks and beside them, rounded to the format."""
        params = self.params(0, False)
        sampler = self.sampler("kinks")
        sampler.params |= params
        for style in (ZERO, EDGE):
            yield self.rounded(self.around.sample("", style, 0), params, sampler)
        for point in self.around.kinks(self.around.sample("", MILD, 0)):
            if all(mp.isfinite(x) for n in self.reals for x in point.arrays[n].flat):
                yield self.rounded(point, params, sampler)

    def rounded(self, point: Point, params: Mapping[str, Array], sampler: FloatSampler) -> Batch:
        """A point with its inputs in the format; what leaves its domain is drawn anew."""
        arrays = {}
        for d in self.checked.inputs.values():
            array = point.arrays[d.name]
            if d.tensor.kind == REAL:
                array = sampler._map(array, sampler.rounded)
                joint = d.tensor.sums_to_one is not None
                inside = not joint and all(sampler.contains(d.meaning, x) for x in array.flat)
                array = array if inside else sampler.array(d, EDGE)
            arrays[d.name] = array
        return Batch({**params, **arrays}, point.sizes, None)

    @property
    def reals(self) -> list[str]:
        """The real inputs."""
        return [d.name for d in self.checked.inputs.values() if d.tensor.kind == REAL]

    def joined(self, batches: list[Batch]) -> Batch:
        """Points as the samples of one batch."""
        assert self.lead is not None
        names = self.checked.inputs
        arrays = {n: np.concatenate([b.arrays[n] for b in batches]) for n in names}
        sizes = {**batches[0].sizes, self.lead: len(batches)}
        return Batch({**batches[0].arrays, **arrays}, sizes, len(batches))

    @cached_property
    def sizes(self) -> dict[Axis, int]:
        """The lengths of the axes: a point of a joined batch has one sample."""
        known = lengths_of_params(self.checked, self.program)
        if self.lead is not None:
            known[self.lead] = 1
        for length in range(SIZE, 0, -1):
            found = smallest(self.program, known, length)
            numbers = (prod(found[a] for a in t.axes) for t in self.program.inputs)
            if max(numbers, default=0) <= MOST:
                break
        return found

    @cached_property
    def around(self) -> Points:
        """The points of a gradient check, which know kinks."""
        return Points(self.checked, self.program, self.sizes, self.sizes, self.seed)

    @cached_property
    def intervals(self) -> dict[dom.Between, tuple[int, int]]:
        """The places of the intervals that were drawn from, for all samplers."""
        return {}

    def sampler(self, salt: str) -> FloatSampler:
        """A sampler of its own random numbers."""
        rng = Random(f"{self.seed} {salt} {self.checked.name}")
        return FloatSampler(rng, self.sizes, format=self.format, known=self.intervals)
