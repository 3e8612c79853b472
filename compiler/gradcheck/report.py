"""What a gradient check found."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..wording import plural

DERIVED, SYMPY, DIFFERENCES, TENSORFLOW = "derived", "sympy", "differences", "tensorflow"
ORACLES = (SYMPY, DIFFERENCES, TENSORFLOW)
AGREES, DISAGREES, NOT_RUN = "agrees", "disagrees", "not run"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one oracle says of the derived gradient of one input at one point.

    `error` is the largest relative difference over the `elements` compared, found at `place`.
    """

    oracle: str
    status: str
    error: float | None = None
    place: tuple[int, ...] | None = None
    elements: int = 0
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """The verdict as JSON."""
        return {
            "oracle": self.oracle, "status": self.status, "error": self.error,
            "place": None if self.place is None else list(self.place),
            "elements": self.elements, "note": self.note,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Convention:
    """The derived slope of one element at a kink, between the slopes on both sides.

    A side is None where the loss has no value there. At an edge, each side that there is has an
    infinite slope, and any value is a convention.
    """

    place: tuple[int, ...]
    value: float
    left: float | None
    right: float | None

    @property
    def is_edge(self) -> bool:
        """Whether the slope is infinite from each side."""
        return all(x is None or math.isinf(x) for x in (self.left, self.right))

    def said(self, wrt: str, point: str) -> str:
        """One line."""
        at = f"{wrt}[{', '.join(map(str, self.place))}]" if self.place else wrt
        if self.is_edge:
            return f"edge: {self.value:.6g} for {at} at {point}, where the slope is infinite"
        sides = " and ".join("none" if x is None else f"{x:.6g}" for x in (self.left, self.right))
        known = [x for x in (self.left, self.right) if x is not None]
        where = "between" if min(known) <= self.value <= max(known) else "beside"
        return f"convention: {self.value:.6g} for {at} at {point}, {where} {sides}"

    def to_json(self) -> dict[str, Any]:
        """The convention as JSON."""
        return {
            "place": list(self.place), "value": self.value, "left": self.left, "right": self.right
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One input (or param) at one point."""

    wrt: str
    point: str
    verdicts: tuple[Verdict, ...]
    conventions: tuple[Convention, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no oracle disagrees."""
        return all(v.status != DISAGREES for v in self.verdicts)

    def to_json(self) -> dict[str, Any]:
        """The case as JSON."""
        return {
            "wrt": self.wrt, "point": self.point, "ok": self.ok,
            "verdicts": [v.to_json() for v in self.verdicts],
            "conventions": [c.to_json() for c in self.conventions],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class GradientReport:
    """A gradient check: str() to read, `ok`, `to_json()`.

    `wrt` are the inputs and params checked, `kinks` counts the points that lie on one, `notes` says
    what could not be checked, and `failures` where no gradient could be derived.
    """

    loss: str
    wrt: tuple[str, ...]
    cases: tuple[Case, ...]
    kinks: int
    seconds: float
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every input was confirmed by an oracle, and none disagrees anywhere."""
        return not self.failures and not self.unconfirmed and all(c.ok for c in self.cases)

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """The inputs that no oracle confirmed at any point."""
        sure = {c.wrt for c in self.cases for v in c.verdicts if v.status == AGREES}
        return tuple(name for name in self.wrt if name not in sure)

    @property
    def points(self) -> int:
        """The number of points."""
        return len({c.point for c in self.cases})

    @property
    def summary(self) -> str:
        """One line."""
        bad = sum(not c.ok for c in self.cases) + len(self.failures) + len(self.unconfirmed)
        said = "ok" if self.ok else f"{bad} {'finding' if bad == 1 else 'findings'}"
        counts = f"{plural(self.points, 'point')}, {self.kinks} on a kink"
        return f"{self.loss}: {said} ({counts}, {self.seconds:.1f} s)"

    def __str__(self) -> str:
        return "\n".join([self.summary, *self.findings(), *self._oracles(), *self._remarks()])

    def findings(self) -> Iterator[str]:
        """A line for each disagreement."""
        yield from (f"  {text}" for text in self.failures)
        yield from (f"  {name}: no oracle could confirm the gradient" for name in self.unconfirmed)
        for case in self.cases:
            for v in case.verdicts:
                if v.status == DISAGREES:
                    at = f"[{', '.join(map(str, v.place))}]" if v.place else ""
                    how = v.note or "relative difference"
                    by = "" if v.error is None else f" {v.error:.1e}"
                    yield f"  {case.wrt}{at} at {case.point}: {v.oracle} disagrees, {how}{by}"

    def _oracles(self) -> Iterator[str]:
        for name in self.wrt:
            said = [self._oracle(name, oracle) for oracle in ORACLES]
            yield f"  {name}: " + "; ".join(said)

    def _oracle(self, name: str, oracle: str) -> str:
        mine = [v for c in self.cases if c.wrt == name for v in c.verdicts if v.oracle == oracle]
        agreed = [v.error or 0.0 for v in mine if v.status == AGREES]
        if not agreed:
            return f"{oracle} not run"
        worst = f"to {max(agreed):.0e}" if any(agreed) else "exactly"
        return f"{oracle} {worst} at {plural(len(agreed), 'point')}"

    def _remarks(self) -> Iterator[str]:
        for case in self.cases:
            for c in case.conventions[:1]:
                yield f"  {c.said(case.wrt, case.point)}"
        seen = {
            f"  {v.oracle} not run at {c.point}: {v.note}"
            for c in self.cases for v in c.verdicts if v.status == NOT_RUN and v.note
        }  # fmt: skip
        yield from sorted(seen)
        yield from (f"  note: {text}" for text in self.notes)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "loss": self.loss, "ok": self.ok, "wrt": list(self.wrt), "kinks": self.kinks,
            "seconds": round(self.seconds, 3), "notes": list(self.notes),
            "failures": list(self.failures), "unconfirmed": list(self.unconfirmed),
            "cases": [c.to_json() for c in self.cases],
        }  # fmt: skip
