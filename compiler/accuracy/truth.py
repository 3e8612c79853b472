"""What is true at the points of a batch: values and gradients in arbitrary precision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cache, cached_property
from random import Random

import numpy as np
from mpmath import mp

from ..arithmetic import Value
from ..check import Checked
from ..enclose import Lot, lot_of
from ..exact import Accuracy, Exact, Place, approached, enclosed
from ..interpret import Compiler, Machine
from ..ir import REAL, Index, Program, Size, postorder
from ..passes.differentiate import total
from ..passes.tabulate import tabulated
from ..pipeline import Numerics
from ..separate import separate
from .batches import Array, Batch
from .cancelling import LEFT, Watch
from .floats import FLOAT32, Format

TEXT_BITS, STABLE_BITS = 1 << 11, 1 << 12  # the most for the text as written, and rewritten
SPARE = 20  # bits beyond those of the format
BELOW = 40  # powers of 2 below the smallest normal number, from where a value is 0
WATCHED_BITS = 1 << 10  # so many that numbers are equal only where they are the same
MOVED = 4  # last places, by which a result is moved if it rests on a sum that cancels
NEARER = 3  # last places, by which inputs are changed
BESIDE = 3  # points beside a point, at which a gradient is seen to be sensitive or not


class Ground(Enum):
    """What a result rests on: whether terms of unlike sign cancel in it, and what that means.

    A result that is `OPEN` is decided by the last places of the inputs, or by rounding in a sum
    that the author wrote. One that is `CANCELLING` is not: another form could have all its digits.
    """

    FIRM = auto()
    CANCELLING = auto()
    OPEN = auto()


@dataclass(frozen=True, slots=True)
class Truth:
    """The elements of a value or gradient: what they are, which are known, what they rest on.

    `ground` tells it of a sample, by its number, when asked.
    """

    values: Array
    known: Array
    ground: Callable[[int], Ground]


@dataclass(frozen=True)
class Subject:
    """A loss that is measured: a sample at a time, if each can stand for itself."""

    checked: Checked
    wrt: tuple[str, ...]

    @cached_property
    def separated(self) -> Program | None:
        """The values per sample, if no sample's value or gradient looks at another."""
        found = separate(self.checked.program)
        if found is None or not found.program.axes:
            return None
        lead = found.program.axes[0].axis
        inputs = self.checked.program.inputs
        sizes = [t for t in postorder(found.program.value) if isinstance(t, Size)]
        alone = all(t.axes[:1] == (lead,) for t in inputs) and all(s.axis != lead for s in sizes)
        return found.program if alone and lead is not None and lead.size is None else None

    @cached_property
    def program(self) -> Program:
        """The program of the values."""
        return self.separated or self.checked.program

    @cached_property
    def programs(self) -> dict[str, _Forms]:
        """The value, named "", and the gradients by name, as written and as rewritten."""
        numerics = Numerics.of(self.checked)
        whole = total(self.checked.program)
        stable = numerics.stable(whole)
        forms = {"": _Forms(self.program, numerics.stable(self.program), True)}
        for name in self.wrt:
            slopes = numerics.stable(numerics.derivative(stable, name))
            forms[name] = _Forms(tabulated(numerics.derivative(whole, name)), slopes, False)
        return forms

    def truth(self, batch: Batch, format: Format) -> dict[str, Truth]:
        """What is true of a batch."""
        return self.truths([batch], format)[0]

    def truths(
        self, batches: Sequence[Batch], format: Format, check: Callable[[], None] = lambda: None
    ) -> list[dict[str, Truth]]:
        """What is true of each batch: of the value, named "", and of the gradients by name.

        `check` is called now and then, and may raise.
        """
        found: list[dict[str, Truth]] = [{} for _ in batches]
        for alike in _alike(batches):
            some = [batches[k] for k in alike]
            lots = [lot_of(self.checked.program, b.arrays, STABLE_BITS) for b in some]
            for name, forms in self.programs.items():
                for k, truth in zip(alike, forms.truths(some, lots, format, check), strict=True):
                    found[k][name] = truth
        return found


def _alike(batches: Sequence[Batch]) -> Iterable[list[int]]:
    """The numbers of the batches whose arrays have the same shapes."""
    groups: dict[object, list[int]] = {}
    for k, batch in enumerate(batches):
        shapes = tuple(sorted((n, np.shape(a)) for n, a in batch.arrays.items()))
        groups.setdefault(shapes, []).append(k)
    return groups.values()


@dataclass(frozen=True)
class _Forms:
    """A program as written and as rewritten, compiled once."""

    written: Program
    stable: Program
    is_value: bool

    @cached_property
    def compilers(self) -> tuple[Compiler, Compiler, Watch]:
        return Compiler(), Compiler(), Watch()

    def truths(
        self, batches: Sequence[Batch], lots: Sequence[Lot], format: Format,
        check: Callable[[], None],
    ) -> list[Truth]:  # fmt: skip
        """What is true of batches alike, whose data are the `lots`.

        What the text as written does not tell in balls of so many bits, its rewritten form does.
        What they both leave open rests on rounded numbers that are equal: it is approached.
        """
        apart = 1 if batches[0].samples is not None else 0
        floor = mp.ldexp(format.tiny, -BELOW)
        asked = Accuracy(format.digits + SPARE, floor, apart, TEXT_BITS, format.largest)
        more, sizes = replace(asked, most=STABLE_BITS), batches[0].sizes
        exact = enclosed(self.written, lots, sizes, asked, None, check)
        left = [e.left for e in exact]
        if any(left):
            others = enclosed(self.stable, lots, sizes, more, left, check)
            exact = [e.or_else(o) for e, o in zip(exact, others, strict=True)]
        ways = [(self.written, asked, self.compilers[0]), (self.stable, more, self.compilers[1])]
        for k, batch in enumerate(batches):
            for program, accuracy, compiler in ways:
                if open_ := exact[k].left:
                    found = approached(program, batch.arrays, accuracy, open_, compiler, check)
                    exact[k] = exact[k].or_else(found)
        return [
            Truth(e.values, e.settled, cache(self.ground(b, e, format)))
            for e, b in zip(exact, batches, strict=True)
        ]

    def ground(self, batch: Batch, exact: Exact, format: Format) -> Callable[[int], Ground]:
        """Whether the result of a sample rests on a sum that cancels in the rewritten form."""

        def ground_of(k: int) -> Ground:
            row = () if batch.samples is None else (k,)
            places = [(*row, *p) for p in np.ndindex(exact.values.shape[len(row) :])]
            with mp.workprec(WATCHED_BITS):
                return self._ground(batch, places, format)

        return ground_of

    def _ground(self, batch: Batch, places: list[Place], format: Format) -> Ground:
        """Whether rounding decides: it moves sums that cancel, and the result by some last places.

        A gradient is open only if it is sensitive to its inputs, for a derivative has sums that no
        author wrote; or if a comparison decides it of numbers that are all but equal.
        """
        watch, moved = self.compilers[2], _Moved(format)
        watch.clear(moved.digits, moved.tiny)
        plain = self._stable(batch, places)
        if not self.is_value and watch.tied:
            return Ground.OPEN
        if not watch.cancelled:
            return Ground.FIRM
        if not any(moved.by(MOVED, plain, other) for other in self._shifted(batch, places, moved)):
            return Ground.FIRM
        watch.clear(moved.digits, moved.tiny)
        is_open = self.is_value or self._is_sensitive(batch, places, plain, moved)
        return Ground.OPEN if is_open else Ground.CANCELLING

    def _is_sensitive(
        self, batch: Batch, places: list[Place], plain: list[Value], moved: _Moved
    ) -> bool:
        """Whether a change of the inputs in their last places is magnified in the result."""
        beside = (_beside(batch, self.stable, moved.digits, k) for k in range(BESIDE))
        return any(moved.by(LEFT * NEARER, plain, self._stable(b, places)) for b in beside)

    def _shifted(self, batch: Batch, places: list[Place], moved: _Moved) -> Iterator[list[Value]]:
        """The rewritten form with what cancels moved up or down, or gone."""
        for move, lose in ((1, False), (-1, False), (0, True)):
            self.compilers[2].clear(moved.digits, moved.tiny, move, lose)
            yield self._stable(batch, places)

    def _stable(self, batch: Batch, places: list[Place]) -> list[Value]:
        """The rewritten form at some places."""
        machine = Machine(batch.sizes, batch.arrays, compiler=self.compilers[2])
        axes: tuple[Index, ...] = self.stable.axes
        envs = [dict(zip(axes, place, strict=True)) for place in places]
        return [machine.run(self.stable.value, env) for env in envs]


@dataclass(frozen=True, slots=True)
class _Moved:
    """Tells of vectors of a format whether one is another one, moved."""

    format: Format

    @property
    def digits(self) -> int:
        """The bits of the numbers, float32's at least."""
        return max(self.format.digits, FLOAT32.digits)

    @property
    def tiny(self) -> Value:
        """The smallest of them that is not 0."""
        return min(self.format.tiny, FLOAT32.tiny)

    def by(self, units: int, a: list[Value], b: list[Value]) -> bool:
        """Whether vectors differ by more than so many last places of the largest component.

        As where errors are measured, only the sign counts of components beyond the range: it is
        another one, or might be, if such a component is moved by more than its size.
        """
        largest = max(self.format.largest, FLOAT32.largest)
        sizes = [abs(x) for x in a if abs(x) <= largest]
        most = mp.ldexp(units * max(sizes, default=mp.mpf(0)), -self.digits)
        pairs = ((x, y) for x, y in zip(a, b, strict=True) if x != y)
        return any(
            not abs(x - y) <= (abs(x) if min(abs(x), abs(y)) > largest else most) for x, y in pairs
        )


def _beside(batch: Batch, program: Program, digits: int, seed: int) -> Batch:
    """A batch whose real numbers are nearer to 0 by some last places, each by its own share."""
    rng = Random(seed)
    arrays = dict(batch.arrays)
    for tensor in (*program.inputs, *program.params):
        if tensor.kind == REAL:
            array = arrays[tensor.name].copy()
            for place in np.ndindex(array.shape):
                array[place] *= 1 - mp.ldexp(rng.randint(0, NEARER), -digits)
            arrays[tensor.name] = array
    return replace(batch, arrays=arrays)
