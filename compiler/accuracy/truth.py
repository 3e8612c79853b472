"""What is true at the points of a batch: values and gradients in arbitrary precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from mpmath import mp

from ..arithmetic import Value
from ..check import Checked
from ..exact import Accuracy, Exact, Place, evaluate
from ..interpret import Compiler, Machine
from ..ir import Index, Program, Size, postorder
from ..passes.differentiate import differentiate, total
from ..pipeline import Numerics
from ..separate import separate
from .batches import Array, Batch
from .cancelling import Watch
from .floats import FLOAT32, Format

TEXT_BITS, STABLE_BITS = 1 << 11, 1 << 12  # the most for the text as written, and rewritten
SPARE = 20  # bits beyond those of the format
BELOW = 40  # powers of 2 below the smallest normal number, from where a value is 0
WATCHED_BITS = 160


@dataclass(frozen=True, slots=True)
class Truth:
    """The elements of a value or gradient: what they are, which are known, where sums cancel.

    `cancels` has an entry for each sample.
    """

    values: Array
    known: Array
    cancels: Array


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
        numerics = Numerics(self.checked.domains)
        whole = total(self.checked.program)
        stable = numerics.stable(whole)
        forms = {"": _Forms(self.program, numerics.stable(self.program))}
        for name in self.wrt:
            slopes = numerics.stable(differentiate(stable, name))
            forms[name] = _Forms(differentiate(whole, name), slopes)
        return forms

    def truth(
        self, batch: Batch, format: Format, check: Callable[[], None] = lambda: None
    ) -> dict[str, Truth]:
        """What is true of a batch: of the value, named "", and of the gradients by name.

        `check` is called now and then, and may raise.
        """
        return {name: forms.truth(batch, format, check) for name, forms in self.programs.items()}


@dataclass(frozen=True)
class _Forms:
    """A program as written and as rewritten, compiled once."""

    written: Program
    stable: Program

    @cached_property
    def compilers(self) -> tuple[Compiler, Compiler, Watch]:
        return Compiler(), Compiler(), Watch()

    def truth(self, batch: Batch, format: Format, check: Callable[[], None]) -> Truth:
        """What is true; where the text as written takes too many bits, by its rewritten form."""
        written, stable, _ = self.compilers
        floor = mp.ldexp(format.tiny, -BELOW)
        apart = 1 if batch.samples is not None else 0
        asked = Accuracy(format.digits + SPARE, floor, apart, TEXT_BITS)
        exact = evaluate(self.written, batch.arrays, asked, written, None, check)
        open_ = [tuple(map(int, p)) for p in np.argwhere(~exact.settled)]
        if open_:
            more = replace(asked, most=STABLE_BITS)
            found = evaluate(self.stable, batch.arrays, more, stable, open_, check)
            for place in open_:
                exact.values[place] = found.values[place]
                exact.settled[place] = found.settled[place]
        return Truth(exact.values, exact.settled, self.cancels(batch, exact, format))

    def cancels(self, batch: Batch, exact: Exact, format: Format) -> Array:
        """For each sample, whether the result rests on a sum that cancels in the rewritten form."""
        rows = [(k,) for k in range(batch.samples)] if batch.samples is not None else [()]
        found = np.zeros(len(rows), dtype=bool)
        with mp.workprec(WATCHED_BITS):
            for k, row in enumerate(rows):
                places = [(*row, *p) for p in np.ndindex(exact.values.shape[len(row) :])]
                found[k] = self._cancels(batch, places, max(format.digits, FLOAT32.digits))
        return found

    def _cancels(self, batch: Batch, places: list[Place], digits: int) -> bool:
        """Whether rounding the terms of sums that cancel moves a vector by its last place."""
        watch = self.compilers[2]
        watch.cancelled, watch.digits = False, None
        plain = self._stable(batch, places)
        if not watch.cancelled:
            return False
        watch.digits = digits
        moved = self._stable(batch, places)
        sizes = [abs(x) for x in plain if mp.isfinite(x)]
        unit = mp.ldexp(max(sizes, default=mp.mpf(0)), -digits)
        return any(not abs(a - b) <= unit for a, b in zip(plain, moved, strict=True) if a != b)

    def _stable(self, batch: Batch, places: list[Place]) -> list[Value]:
        """The rewritten form at some places."""
        machine = Machine(batch.sizes, batch.arrays, compiler=self.compilers[2])
        axes: tuple[Index, ...] = self.stable.axes
        envs = [dict(zip(axes, place, strict=True)) for place in places]
        return [machine.run(self.stable.value, env) for env in envs]
