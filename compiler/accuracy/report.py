"""What a measurement found: str() to read, `to_json()` for programs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

MEAN_BAR, WORST_BAR = 1.0, 4.0  # bits that a value or gradient may be wrong by


def share(part: float) -> str:
    """A part of points, in hundredths."""
    return f"{part:.0%}" if part >= 1 / 10 else f"{100 * part:.2g}%"


@dataclass(frozen=True, slots=True)
class Figures:
    """Bits of error over some points: on average, at worst and where.

    `absolute` is the largest absolute error, `nonfinite` the share of results that are NaN or
    infinite where the true one is a normal number, `above` that of errors above the bar for one.
    """

    points: int = 0
    mean: float = 0.0
    worst: float = 0.0
    absolute: float = 0.0
    nonfinite: float = 0.0
    above: float = 0.0
    worst_at: str = ""

    @property
    def ok(self) -> bool:
        """Whether the errors are as small as they should be."""
        return self.mean <= MEAN_BAR and self.worst <= WORST_BAR and self.nonfinite == 0

    def __str__(self) -> str:
        above = f", {share(self.above)} above {WORST_BAR:.0f}" if self.above else ""
        lost = f", {share(self.nonfinite)} not finite" if self.nonfinite else ""
        return f"{self.mean:.2f} bits on average, {self.worst:.1f} at worst{above}{lost}"


@dataclass(frozen=True, slots=True)
class Row:
    """A value (`of` is "") or gradient in one format, run by one engine.

    `cancelling` has the points apart where terms of unlike sign cancel, the result is wrong by more
    than a bit, and the inputs leave it open. `firm` has those of `figures` at which no terms cancel
    at all. `unknown` counts points whose true value could not be found.
    """

    format: str
    engine: str
    of: str
    figures: Figures
    firm: Figures
    cancelling: Figures
    unknown: int = 0

    def to_json(self) -> dict[str, Any]:
        """The row as JSON."""
        return {**asdict(self), "ok": self.figures.ok}


@dataclass(frozen=True, slots=True)
class Range:
    """The last number of an input for which a result is finite, the other numbers being ordinary.

    `true` tells that the true result is beyond the range of the format from there on.
    """

    format: str
    engine: str
    of: str
    input: str
    limit: float
    true: bool

    def __str__(self) -> str:
        what = f"gradient in {self.of}" if self.of else "value"
        sign = "<=" if self.limit > 0 else ">="
        why = "" if self.true else ", though the true one is finite beyond"
        return (
            f"{self.format:8} {self.engine:5} {what}: finite for {self.input} {sign} "
            f"{self.limit:.6g}{why}"
        )


@dataclass(frozen=True, slots=True)
class AccuracyReport:
    """A measurement of a loss."""

    loss: str
    points: int
    rows: tuple[Row, ...]
    ranges: tuple[Range, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no figure is above its bar."""
        return all(r.figures.ok for r in self.rows)

    @property
    def worst(self) -> float:
        """The largest error in bits."""
        return max((r.figures.worst for r in self.rows), default=0.0)

    @property
    def summary(self) -> str:
        """One line."""
        bad = sum(not r.figures.ok for r in self.rows)
        said = "ok" if self.ok else f"{bad} of {len(self.rows)} figures above the bar"
        return f"{self.loss}: {said} ({self.points} points, {self.worst:.1f} bits at worst)"

    def __str__(self) -> str:
        return "\n".join([self.summary, *self._lines()])

    def _lines(self) -> Iterator[str]:
        for row in self.rows:
            what = f"gradient in {row.of}" if row.of else "value"
            yield f"  {row.format:8} {row.engine:5} {what}: {row.figures}"
            if not row.figures.ok:
                yield f"    worst at {row.figures.worst_at}"
            if row.cancelling.points:
                yield f"    where terms cancel ({row.cancelling.points}): {row.cancelling}"
        yield from (f"  {r}" for r in self.ranges)
        yield from (f"  note: {n}" for n in self.notes)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "loss": self.loss, "ok": self.ok, "points": self.points,
            "rows": [r.to_json() for r in self.rows],
            "ranges": [asdict(r) for r in self.ranges], "notes": list(self.notes),
        }  # fmt: skip


@dataclass
class Tally:
    """Errors that are added one by one."""

    points: int = 0
    total: float = 0.0
    worst: float = -1.0
    absolute: float = 0.0
    nonfinite: int = 0
    above: int = 0
    worst_at: str = ""

    def figures(self) -> Figures:
        """The figures of all that was added."""
        n = max(self.points, 1)
        return Figures(
            self.points, self.total / n, max(self.worst, 0.0), self.absolute, self.nonfinite / n,
            self.above / n, self.worst_at,
        )  # fmt: skip

    def add(self, bits: float, absolute: float, finite: bool, at: str) -> None:
        """Add the error at a point."""
        self.points += 1
        self.total += bits
        self.nonfinite += not finite
        self.above += bits > WORST_BAR
        if not math.isnan(absolute):
            self.absolute = max(self.absolute, absolute)
        if bits > self.worst:
            self.worst, self.worst_at = bits, at
