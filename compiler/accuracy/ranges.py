"""Where results stop being finite, as one element of an input grows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from mpmath import mp

from ..arithmetic import Value
from ..gradcheck.sampling import Sampler
from .batches import Array, Batch, Batches
from .floats import FLOAT32, Format
from .report import Range
from .truth import Subject

Run = Callable[[Batch, Format], Mapping[str, Array]]

MILD_POINT = 2  # the number of a point whose values are of a usual size


@dataclass
class Ranges:
    """The limits of one loss, in one format, run by one engine."""

    subject: Subject
    format: Format
    engine: str
    run: Run
    batches: Batches
    seen: dict[tuple[str, int], Mapping[str, Array]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Range]:
        for name in self.subject.wrt:
            for of in ("", *self.subject.wrt):
                for sign in (1, -1):
                    found = self.limit(name, of, sign)
                    if found is not None:
                        yield found

    @cached_property
    def point(self) -> Batch:
        """A point with values of a usual size."""
        point = self.batches.point(MILD_POINT, self.batches.params(0, False))
        return point if self.batches.lead is None else self.batches.joined([point])

    def limit(self, name: str, of: str, sign: int) -> Range | None:
        """The last number of the format for which a result is finite; None if all are."""
        low, high = 0, self.format.count
        if not self.admits(name, sign * high) or self.is_finite(name, of, sign * high):
            return None
        if not self.is_finite(name, of, sign):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.is_finite(name, of, sign * middle) else (low, middle)
        last = float(self.format.number(sign * low))
        right = not self.is_true(name, of, sign * high)
        return Range(self.format.name, self.engine, of, name, last, right)

    def admits(self, name: str, place: int) -> bool:
        """Whether a number is in the domain of an input."""
        sampler: Sampler = self.batches.sampler("range")
        sampler.params |= self.point.arrays
        decl = self.subject.checked.inputs[name]
        return sampler.contains(decl.meaning, self.format.number(place))

    def is_finite(self, name: str, of: str, place: int) -> bool:
        """Whether a result is finite if the first element of an input has a value."""
        if (name, place) not in self.seen:
            self.seen[name, place] = self.run(self.moved(name, place), self.format)
        return bool(np.all(np.isfinite(self.seen[name, place][of].astype(np.float64))))

    def is_true(self, name: str, of: str, place: int) -> bool:
        """Whether the true result there is a finite number of the format."""
        truth = self.subject.truth(self.moved(name, place), self.format)[of]
        format = self.format if of or self.format.digits > FLOAT32.digits else FLOAT32
        return all(_is_in(format, x) for x in truth.values.flat)

    def moved(self, name: str, place: int) -> Batch:
        """The point with another first element of an input."""
        array = self.point.arrays[name].copy()
        array[(0,) * array.ndim] = self.format.number(place)
        return replace(self.point, arrays={**self.point.arrays, name: array})


def _is_in(format: Format, x: Value) -> bool:
    return bool(mp.isfinite(x) and abs(x) <= format.largest)
