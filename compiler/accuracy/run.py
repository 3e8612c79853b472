"""The measurement itself: results of an engine beside what is true."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from mpmath import mp

from ..check import Checked
from ..gradcheck.point import Clock, OutOfTime
from ..ir import REAL
from ..precision import AUTO, FLOAT64, Precision
from .batches import ANY_FLOATS, ORDINARY_DATA, Array, Batch, Batches
from .errors import error_of
from .floats import FLOAT32, FORMATS, Format
from .ranges import Ranges
from .report import MEAN_BAR, AccuracyReport, Range, Row, Tally
from .truth import Ground, Subject, Truth

MOST_LOTS = 64  # batches whose truth is found at once
BITS = 256  # of the arithmetic on errors

Results = Mapping[str, Array]
# The value, named "", and the gradients by name, of a batch in a format.
Engine = Callable[[Batch, Format], Results]
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: so many points in each format.

    Points whose true results, and what they rest on, are not found in `seconds` for a format are
    left out. The loss is run in a `precision`; points are any floats if that is "float64", else
    ordinary data. With `vary`, some points have other params than the defaults; with `ranges`, it
    is found where results overflow.
    """

    points: int = 200
    seed: int = 0
    formats: Sequence[str] = tuple(FORMATS)
    seconds: float = float("inf")
    vary: bool = True
    ranges: bool = True
    precision: Precision = AUTO

    @property
    def styles(self) -> Sequence[str]:
        """How the points are drawn."""
        return ANY_FLOATS if self.precision == FLOAT64 else ORDINARY_DATA


def measure(
    checked: Checked, engines: Callable[[Subject], Mapping[str, Engine]], plan: Plan,
    progress: Progress = lambda text: None,
) -> AccuracyReport:  # fmt: skip
    """The errors of a loss over points of its domains, for each engine and format."""
    wrt = tuple(t.name for t in checked.program.inputs if t.kind == REAL)
    run = _Measurement(Subject(checked, wrt), plan, progress)
    with mp.workprec(BITS):
        for name in plan.formats:
            found = engines(run.subject)
            run.measure(FORMATS[name], found)
            if plan.ranges:
                run.find_ranges(FORMATS[name], found)
    rows, ranges, notes = tuple(run.rows), tuple(run.ranges), tuple(run.notes)
    return AccuracyReport(checked.name, plan.points, rows, ranges, notes)


@dataclass
class _Measurement:
    """One run over the points."""

    subject: Subject
    plan: Plan
    progress: Progress
    rows: list[Row] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left: float = 0.0  # seconds

    def measure(self, format: Format, engines: Mapping[str, Engine]) -> None:
        """Find the errors in one format."""
        tallies = {(e, of): _Tallies() for e in engines for of in ("", *self.subject.wrt)}
        self.left, points = self.plan.seconds, 0
        try:
            for batches in _growing(self.batches(format)):
                self.progress(f"{self.subject.checked.name}, {format.name}: {points} points")
                clock = Clock(self.left)
                truths = self.subject.truths(batches, format, clock.check)
                self.left -= clock.used
                for batch, truth in zip(batches, truths, strict=True):
                    self.run(engines, batch, format, truth, tallies)
                    points += batch.samples or 1
        except OutOfTime:
            self.notes.append(f"{format.name}: out of time after {points} points")
        for (engine, of), tally in tallies.items():
            self.rows.append(tally.row(format.name, engine, of))

    def find_ranges(self, format: Format, engines: Mapping[str, Engine]) -> None:
        """Find where results overflow."""
        for engine, run in engines.items():
            self.ranges += Ranges(self.subject, format, engine, run, self.batches(format))

    def run(
        self, engines: Mapping[str, Engine], batch: Batch, format: Format,
        truth: Mapping[str, Truth], tallies: Mapping[tuple[str, str], _Tallies],
    ) -> None:  # fmt: skip
        """Run the engines on a batch and add up their errors."""
        for engine, run in engines.items():
            results = run(batch, format)
            for of, true in truth.items():
                self.compare(tallies[engine, of], batch, format, of, results[of], true)

    def batches(self, format: Format) -> Batches:
        """The points."""
        separated = self.subject.separated
        lead = separated.axes[0].axis if separated is not None else None
        checked = self.subject.checked
        plan = self.plan
        return Batches(
            checked, checked.program, format, plan.points, plan.seed, lead, plan.vary, plan.styles
        )

    def compare(
        self, tallies: _Tallies, batch: Batch, format: Format, of: str, got: Array, truth: Truth
    ) -> None:
        """Add the errors of each sample."""
        if not of and format.digits < FLOAT32.digits:
            format = FLOAT32
        samples: list[Any] = [...] if batch.samples is None else [*range(batch.samples)]
        results = np.asarray(got, dtype=np.float64)
        for k, sample in enumerate(samples):
            true, known = truth.values[sample], np.all(truth.known[sample])
            if not known or _has_nan(true):
                tallies.unknown += not known
                continue
            error = error_of(format, np.ravel(results[sample]).tolist(), np.ravel(true).tolist())
            ground = self.ground(truth, k) if error.bits > MEAN_BAR else Ground.FIRM
            if ground is None:
                tallies.unknown += 1
                continue
            for tally in tallies.of(ground):
                at = "" if error.bits <= tally.worst else self.shown(batch, k)
                tally.add(error.bits, error.absolute, error.finite, at)

    def ground(self, truth: Truth, k: int) -> Ground | None:
        """What a result rests on, which takes time as the truth does; None if none is left."""
        clock = Clock(self.left)
        if clock.is_out:
            return None
        found = truth.ground(k)
        self.left -= clock.used
        return found

    def shown(self, batch: Batch, k: int) -> str:
        """The inputs of a sample, and the params, as a call has them."""
        inputs = [f"{n}={_text(batch.sample(n, k))}" for n in self.subject.checked.inputs]
        params = [f"{n}={_text(a)}" for n, a in batch.arrays.items() if n in self.params]
        return ", ".join(inputs + params)

    @property
    def params(self) -> set[str]:
        """The params that may have other values than their defaults."""
        return set(self.subject.checked.params) - self.subject.checked.static


def _growing(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    """Batches in lots: many at once cost less, but a lot is lost if time runs out."""
    rest, count = iter(batches), 1
    while lot := [*islice(rest, count)]:
        yield lot
        count = min(2 * count, MOST_LOTS)


@dataclass
class _Tallies:
    """The errors of a value or gradient by what the results rest on."""

    counted: Tally = field(default_factory=Tally)
    firm: Tally = field(default_factory=Tally)
    open: Tally = field(default_factory=Tally)
    unknown: int = 0

    def of(self, ground: Ground) -> tuple[Tally, ...]:
        """Those to which an error belongs."""
        match ground:
            case Ground.FIRM:
                return (self.counted, self.firm)
            case Ground.CANCELLING:
                return (self.counted,)
        return (self.open,)

    def row(self, format: str, engine: str, of: str) -> Row:
        counted, firm, open_ = (t.figures() for t in (self.counted, self.firm, self.open))
        return Row(format, engine, of, counted, firm, open_, self.unknown)


def _has_nan(values: Any) -> bool:
    return any(mp.isnan(x) for x in np.ravel(values))


def _text(array: Array) -> str:
    """Numbers as one types them."""
    return str(_plain(array.tolist()))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, bool) or value is None:
        return value
    return int(value) if mp.isint(value) and abs(value) < 1 << 53 else float(value)
