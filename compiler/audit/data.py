"""What an audit finds on data: ranges, branches taken, gradients, and who carries the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ranged:
    """The values of an input or param beside its domain.

    `low` and `high` are over the finite ones; `outside` of `total` values are outside the domain,
    of which `first` tells the first.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    domain: str
    low: float
    high: float
    nans: int
    infinities: int
    outside: int
    total: int
    first: str

    def __str__(self) -> str:
        values = f"{self.low:.6g} to {self.high:.6g}"
        odd = [
            f"{n} {what}" for n, what in ((self.nans, "nan"), (self.infinities, "infinite")) if n
        ]
        bad = f"; {self.outside} of {self.total} outside: {self.first}" if self.outside else ""
        shape = "x".join(map(str, self.shape)) or "one number"
        return f"{self.name}: {', '.join([values, *odd])} ({shape}), declared {self.domain}{bad}"


@dataclass(frozen=True, slots=True)
class Taken:
    """How often each side of a branch is taken, of `met` times that it is met."""

    branch: str
    text: str
    line: int
    column: int
    met: int
    sides: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        shares = ", ".join(f"{label} {share(n, self.met)}" for label, n in self.sides)
        return f"{self.branch} `{self.text}` (line {self.line}): {shares} of {self.met}"

    def to_json(self) -> dict[str, Any]:
        """The branch as JSON has it."""
        return {**asdict(self), "sides": dict(self.sides)}


@dataclass(frozen=True, slots=True)
class Pull:
    """The gradient in an input, sample by sample: the largest element of each, times the samples.

    `dead` samples have a gradient of 0, `exploding` ones more than 1,000 times the median of the
    others, `nonfinite` ones NaN or infinity. `worst` is the sample of the largest finite one.
    """

    input: str
    samples: int
    dead: int
    exploding: int
    nonfinite: int
    median: float
    largest: float
    worst: int

    def __str__(self) -> str:
        parts = [f"median {self.median:.3g}, largest {self.largest:.3g} at sample {self.worst}"]
        counts = (
            (self.dead, "dead"),
            (self.exploding, "exploding"),
            (self.nonfinite, "not finite"),
        )
        parts += [f"{word} {share(n, self.samples)}" for n, word in counts if n]
        return f"gradient in {self.input}: {'; '.join(parts)}"


@dataclass(frozen=True, slots=True)
class Carrier:
    """A sample, its value, and its share of what all samples have."""

    sample: int
    value: float
    share: float


@dataclass(frozen=True, slots=True)
class DataReport:
    """The audit of a loss on data. `by` says what the carriers' shares are of.

    `top` has the shares of the hundredth and the tenth of the samples that have most.
    """

    source: str
    samples: int
    value: float
    ranges: tuple[Ranged, ...]
    branches: tuple[Taken, ...]
    gradients: tuple[Pull, ...]
    by: str
    carriers: tuple[Carrier, ...]
    top: tuple[tuple[str, float], ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all values are inside their domains."""
        return not any(r.outside for r in self.ranges)

    def lines(self) -> Iterator[str]:
        """The report as text."""
        yield f"{self.source}: {self.samples} samples, loss {self.value:.9g}"
        yield from map(str, self.ranges)
        yield from map(str, self.branches)
        yield from map(str, self.gradients)
        if self.carriers:
            shares = ", ".join(f"{name} of the samples have {x:.1%}" for name, x in self.top)
            yield f"by {self.by}: {shares}"
            for c in self.carriers:
                yield f"  sample {c.sample}: {c.value:.6g}, {c.share:.1%}"
        yield from (f"note: {n}" for n in self.notes)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {
            "source": self.source, "ok": self.ok, "samples": self.samples, "value": self.value,
            "ranges": [{**asdict(r), "shape": list(r.shape)} for r in self.ranges],
            "branches": [b.to_json() for b in self.branches],
            "gradients": [asdict(g) for g in self.gradients], "by": self.by,
            "carriers": [asdict(c) for c in self.carriers], "top": dict(self.top),
            "notes": list(self.notes),
        }  # fmt: skip


def share(n: int, total: int) -> str:
    """A count as a share of all, exact where it is none or all."""
    if n in (0, total):
        return "0%" if n == 0 else "100%"
    return f"{n / total:.1%}" if n / total >= 0.001 else f"{n} times"
