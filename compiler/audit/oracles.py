"""A gradient check in few lines, and how many points a measurement of errors has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ..accuracy.report import AccuracyReport, Row
from ..gradcheck.report import AGREES, DISAGREES, NOT_RUN, ORACLES, GradientReport
from ..wording import plural


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one oracle says of the gradient in one input, over all points.

    `error` is the largest relative difference at the points where it agrees; `missing` counts by
    reason the points at which it was not run.
    """

    wrt: str
    oracle: str
    agreed: int
    disagreed: int
    error: float
    missing: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        parts = []
        if self.agreed:
            worst = f"to {self.error:.0e}" if self.error else "exactly"
            parts.append(f"agrees {worst} at {plural(self.agreed, 'point')}")
        if self.disagreed:
            parts.append(f"disagrees at {plural(self.disagreed, 'point')}")
        if self.missing:
            reasons = ", ".join(f"{n} ({why})" for why, n in self.missing)
            parts.append(f"not run at {reasons}")
        return "; ".join(parts) or "not run"


def opinions(report: GradientReport) -> Iterator[Opinion]:
    """The opinions on each input in turn."""
    for name in report.wrt:
        for oracle in ORACLES:
            mine = [v for c in report.cases if c.wrt == name
                    for v in c.verdicts if v.oracle == oracle]  # fmt: skip
            agreed = [v.error or 0.0 for v in mine if v.status == AGREES]
            missing = Counter(v.note or "no reason given" for v in mine if v.status == NOT_RUN)
            yield Opinion(
                name, oracle, len(agreed), sum(v.status == DISAGREES for v in mine),
                max(agreed, default=0.0), tuple(missing.items()),
            )  # fmt: skip


def disagreements(report: GradientReport) -> int:
    """How many findings there are: an oracle disagrees, or no gradient could be derived."""
    return sum(not c.ok for c in report.cases) + len(report.failures)


def agreement(report: GradientReport) -> str:
    """Whether the gradient is right, in few words."""
    if disagreements(report):
        return "gradient wrong"
    if report.unconfirmed:
        return f"gradient in {', '.join(report.unconfirmed)} not confirmed"
    return "gradient ok"


def conventions(report: GradientReport) -> Iterator[str]:
    """The slope that is taken at a kink or an edge, one line an input and a point."""
    for case in report.cases:
        yield from (c.said(case.wrt, case.point) for c in case.conventions[:1])


def points_of(row: Row) -> int:
    """The number of points that a row of figures has."""
    return row.figures.points + row.cancelling.points + row.unknown


def measured(report: AccuracyReport) -> int:
    """The number of points at which everything was measured; fewer than asked if time ran out."""
    return min(map(points_of, report.rows), default=0)


def bits(report: AccuracyReport) -> str:
    """The largest error in words, and at how many points, where that is not all."""
    points = measured(report)
    if not points:
        return "accuracy not measured"
    few = f" at {points} of {report.points} points" if points < report.points else ""
    above = "" if report.ok else ", above the bar"
    return f"{report.worst:.1f} bits{few}{above}"
