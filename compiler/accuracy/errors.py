"""The error of a result beside its truth, in units in the last place."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mpmath import mp

from ..arithmetic import Value
from .floats import FLOAT32, Format


@dataclass(frozen=True, slots=True)
class Error:
    """The error of a vector, in units of its largest component."""

    bits: float
    absolute: float
    finite: bool


def error_of(format: Format, got: list[float], true: list[Value]) -> Error:
    """The error of a result; in double precision where that has digits enough to tell."""
    found = usual_error(format, got, true) if format.digits <= FLOAT32.digits else None
    return exact_error(format, got, true) if found is None else found


def usual_error(format: Format, got: list[float], true: list[Value]) -> Error | None:
    """The error where all numbers are finite and in range; None if it takes more digits."""
    truths = [float(t) for t in true]
    sizes = [abs(t) for t in truths]
    scale = max(sizes, default=0.0)
    share, power = math.frexp(scale)
    tiny, largest = float(format.tiny), float(format.largest)
    edge = share == 0.5 or tiny in sizes  # where rounding may have changed the unit, or what counts
    if edge or not scale < largest or not all(map(math.isfinite, got)):
        return None
    pairs = [(abs(g - t), max(abs(g), abs(t)) > tiny) for g, t in zip(got, truths, strict=True)]
    gap = max((gap for gap, ordinary in pairs if ordinary), default=0.0)
    unit = math.ldexp(1.0, max(power - 1, format.least) - format.digits + 1)
    bits = min(math.log2(1 + gap / unit), float(format.bits))
    return Error(bits, max((gap for gap, _ in pairs), default=0.0), True)


def exact_error(format: Format, got: list[float], true: list[Value]) -> Error:
    """The error in arbitrary precision."""
    triples = [(g, t, abs(t)) for g, t in zip(got, true, strict=True)]
    normal = [(g, size) for g, _, size in triples if size <= format.largest]
    scale = max((size for _, size in normal), default=mp.mpf(0))
    # Ordinary numbers are in units of one size, so the largest of their gaps has the most bits.
    gaps, ordinary, bits = [mp.mpf(0)], [mp.mpf(0)], [0.0]
    for g, t, size in triples:
        if math.isfinite(g) and size < mp.inf:
            gaps.append(abs(g - t))
        if size > format.largest or not math.isfinite(g):
            bits.append(format.error(mp.mpf(g), t, scale))
        elif size >= format.tiny or abs(g) > format.tiny:
            ordinary.append(gaps[-1])
    worst = max(format.lost(max(ordinary), scale), *bits)
    return Error(worst, float(max(gaps)), all(math.isfinite(g) for g, _ in normal))
