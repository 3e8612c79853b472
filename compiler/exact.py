"""Values in arbitrary precision, raised until the digits stand still.

A program is enclosed in balls (`enclose`), at all places at once. What they tell to the digits
asked for is settled; for the rest the number of bits is doubled. So `log(1 - sigmoid(1000))` is
found, though it takes 1,450 bits to tell the sigmoid from 1.

No ball tells a zero that rests on numbers that are rounded from one that more digits would resolve,
nor which of two such numbers that are equal is the larger. What is left is therefore run twice at
each precision, rounded to nearest and rounded otherwise (`arithmetic.Nudged`); there, what agrees
is settled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flint import arb
from mpmath import mp

from .arithmetic import NEAREST, NUDGED, Value
from .balls import NAN, ZERO, Ball, is_infinite, middle, objects, of_number
from .enclose import Lot, TooLarge, Values, enclose, lot_of
from .interpret import Array, Compiler, Machine, arrays_of, sizes_of
from .ir import Axis, Index, Program

MOST_BITS = 1 << 16
SPARE_BITS = 80  # at the first precision, beyond the digits asked for
MORE = 4  # times as many bits make a rounding error smaller, as the precision is doubled
SURE = 3  # so many precisions must give NaN, until it counts

Place = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What is asked of a value: `bits` that are right, below `floor` none, with at most `most`.

    With `apart`, elements that share so many first indices make a vector, and need to be right to
    the last bit of its largest component only; components above `ceiling` do not count for this.
    """

    bits: int
    floor: Value = 0
    apart: int | None = None
    most: int = MOST_BITS
    ceiling: Value = mp.inf

    @staticmethod
    def of(digits: int) -> Accuracy:
        """So many decimal digits."""
        return Accuracy(int(digits * 3.3219281) + 2)

    def precisions(self) -> Iterable[int]:
        """The numbers of bits to compute with, in order."""
        bits = self.bits + SPARE_BITS
        while bits < self.most:
            yield bits
            bits *= 2
        yield max(self.most, self.bits + SPARE_BITS)


@dataclass
class _Element:
    """One element of a value: what it was at each precision, near and nudged."""

    near: list[Value] = field(default_factory=list)
    nudged: list[Value] = field(default_factory=list)

    @property
    def size(self) -> Value:
        """The larger magnitude of the last two results."""
        return max(abs(self.near[-1]), abs(self.nudged[-1]))

    def is_settled(self, asked: Accuracy, largest: Value) -> bool:
        """Whether the last two results agree."""
        a, b = self.near[-1], self.nudged[-1]
        if isinstance(a, bool) or a is None:
            return bool(a == b)
        if mp.isnan(a) or mp.isnan(b):
            return len(self.near) >= SURE and all(map(mp.isnan, self.near[-SURE:]))
        if mp.isinf(a) or mp.isinf(b):
            return bool(a == b)
        if 0 < self.size < asked.floor and not self.was_below(asked.floor):
            return False
        scale = max(self.size, largest)
        return bool(abs(a - b) <= mp.ldexp(scale, -asked.bits)) or self.size < asked.floor

    def was_below(self, floor: Value) -> bool:
        """Whether the results were as small before: an exponential can vanish by a rounding.

        So can a quotient of two of them, each time by another one. What is 0 but for its rounding
        has some times as many bits as before.
        """
        if len(self.near) < 2:
            return False
        before = max(abs(self.near[-2]), abs(self.nudged[-2]))
        if not 0 < before < floor:
            return bool(before < floor)
        sizes = [abs(mp.mag(x)) for x in (before, self.size)]
        return bool(max(sizes) <= MORE * min(sizes))

    @property
    def has_size(self) -> bool:
        """Whether the results are numbers that agree in size, by which others may be measured."""
        a, b = self.near[-1], self.nudged[-1]
        if isinstance(a, bool) or a is None or not mp.isfinite(a) or not mp.isfinite(b):
            return False
        return bool(abs(a - b) <= self.size / 2)

    def vanishes(self, bits: int) -> bool:
        """Whether the results get smaller as bits are added, like a sum of 0 that is rounded."""
        if len(self.near) < 2 or isinstance(self.near[-1], bool) or self.near[-1] is None:
            return False
        before = max(abs(self.near[-2]), abs(self.nudged[-2]))
        if not mp.isfinite(self.size) or not mp.isfinite(before):
            return False
        added = bits // 4
        return bool(self.size < mp.ldexp(before, -added) and self.size < mp.ldexp(1, -added))


@dataclass(frozen=True, slots=True)
class Exact:
    """The elements of a value, one dim an axis, and which of them are settled."""

    values: Array
    settled: Array

    @staticmethod
    def empty(program: Program, sizes: Mapping[Axis, int]) -> Exact:
        """Nothing settled yet."""
        lengths = [s.axis.size or sizes[s.axis] for s in program.axes if s.axis is not None]
        return Exact(np.empty(lengths, dtype=object), np.zeros(lengths, dtype=bool))

    @property
    def left(self) -> list[Place]:
        """The places that are not settled."""
        return [tuple(map(int, p)) for p in np.argwhere(~self.settled)]

    def or_else(self, other: Exact) -> Exact:
        """These elements, and what is not settled as it is there."""
        values = np.where(self.settled, self.values, other.values)
        return Exact(objects(values), self.settled | other.settled)


def evaluate(
    program: Program, values: Values, asked: Accuracy, check: Callable[[], None] = lambda: None
) -> Exact:
    """The value of a program in arbitrary precision.

    `values` has arrays, lists or numbers by name, as for `interpret`. An element that `asked.most`
    bits do not settle has the value found with so many, or is 0 if it went on vanishing, which
    counts as settled. `check` is called now and then, and may raise.
    """
    lots, sizes = [lot_of(program, values, asked.most)], sizes_of(program, values)
    (exact,) = enclosed(program, lots, sizes, asked, None, check)
    if not exact.left:
        return exact
    return exact.or_else(approached(program, values, asked, exact.left, None, check))


def enclosed(
    program: Program, lots: Sequence[Lot], sizes: Mapping[Axis, int], asked: Accuracy,
    only: Sequence[Sequence[Place]] | None = None, check: Callable[[], None] = lambda: None,
) -> list[Exact]:  # fmt: skip
    """As `evaluate`, for several lots of data of the same sizes, where a ball settles it.

    The other elements have no value. With `only`, some places of each lot are asked for.
    """
    exact = [Exact.empty(program, sizes) for _ in lots]
    left = {k: e.left for k, e in enumerate(exact)} if only is None else dict(enumerate(only))
    strict = False
    for bits in asked.precisions():
        left = {k: places for k, places in left.items() if places}
        if not left:
            break
        rows = sorted({p[0] for places in left.values() for p in places}) if program.axes else None
        try:
            found = enclose(program, [lots[k] for k in left], sizes, bits, rows, check, strict)
        except TooLarge:
            break
        for balls, (k, places) in zip(found, left.items(), strict=True):
            around = _by_place(objects(balls), rows, places)
            left[k] = _settle(exact[k], around, asked)
            strict = strict or any(around[p].is_nan() for p in left[k])
    return exact


def _by_place(
    balls: Array, rows: Sequence[int] | None, places: Sequence[Place]
) -> dict[Place, Ball]:
    """The balls at some places, from an array that has but some `rows` of the first axis."""
    row = {k: n for n, k in enumerate(rows or ())}
    return {p: balls[(row[p[0]], *p[1:]) if p else ()] for p in places}


def _settle(exact: Exact, around: Mapping[Place, Ball], asked: Accuracy) -> list[Place]:
    """Note the elements that their balls tell, and give the places of the others."""
    largest = _largest(around, asked)
    share, floor = arb((1, -asked.bits)), of_number(mp.mpf(asked.floor))
    left = []
    for place, ball in around.items():
        most = max(ball.abs_lower(), largest.get(place[: asked.apart], ZERO)) * share
        if _is_narrow(ball, most, floor):
            exact.values[place], exact.settled[place] = middle(ball), True
        else:
            left.append(place)
    return left


def approached(
    program: Program, values: Values, asked: Accuracy, only: Iterable[Place],
    compiler: Compiler | None = None, check: Callable[[], None] = lambda: None,
) -> Exact:  # fmt: skip
    """As `evaluate`, at some places only, by two runs at each precision."""
    sizes = sizes_of(program, values)
    exact = Exact.empty(program, sizes)
    unsettled = {p: _Element() for p in only}
    compiler = compiler or Compiler()
    largest: dict[Place, Value] = {}
    for bits in asked.precisions():
        with mp.workprec(bits):
            _run(program, values, sizes, compiler, unsettled, check)
            _note_largest(unsettled, asked, largest)
            for place, element in [*unsettled.items()]:
                if element.is_settled(asked, largest.get(place[: asked.apart], 0)):
                    exact.values[place], exact.settled[place] = element.near[-1], True
                    del unsettled[place]
        if not unsettled:
            break
    for place, element in unsettled.items():
        vanishes = element.vanishes(bits)
        exact.values[place] = mp.mpf(0) if vanishes else element.near[-1]
        exact.settled[place] = vanishes
    return exact


def _largest(found: Mapping[Place, Ball], asked: Accuracy) -> dict[Place, Ball]:
    """The largest component of each vector, as far as it is known."""
    largest: dict[Place, Ball] = {}
    if asked.apart is not None:
        for place, ball in found.items():
            size = ball.abs_lower()
            if size.is_finite() and middle(size) <= asked.ceiling:
                vector = place[: asked.apart]
                largest[vector] = max(largest.get(vector, ZERO), size)
    return largest


def _is_narrow(ball: Ball, most: Ball, floor: Ball) -> bool:
    """Whether a ball tells a number to `most`, or that it is below the floor."""
    if not ball.is_finite():
        return ball is NAN or is_infinite(ball)
    return bool(ball.rad() <= most or ball.abs_upper() < floor)


def _note_largest(
    elements: Mapping[Place, _Element], asked: Accuracy, largest: dict[Place, Value]
) -> None:
    """Note the largest component of each vector."""
    if asked.apart is not None:
        for place, element in elements.items():
            if element.has_size and element.size <= asked.ceiling:
                vector = place[: asked.apart]
                largest[vector] = max(largest.get(vector, 0), element.size)


def _run(
    program: Program, values: Values, sizes: Mapping[Any, int], compiler: Compiler,
    elements: Mapping[Place, _Element], check: Callable[[], None],
) -> None:  # fmt: skip
    """Evaluate elements at the precision that is set, in both roundings."""
    near = Machine(sizes, arrays_of(program, values, NEAREST), NEAREST, None, compiler, check)
    nudged = Machine(sizes, arrays_of(program, values, NUDGED), NUDGED, None, compiler, check)
    for place, element in elements.items():
        env: dict[Index, int] = dict(zip(program.axes, place, strict=True))
        element.near.append(near.run(program.value, env))
        element.nudged.append(nudged.run(program.value, env))
