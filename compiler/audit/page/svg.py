"""Curves as SVG, in the colours of the page around them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..slices import Array, Slice
from .html import escape

WIDTH, HEIGHT = 360.0, 230.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 8.0, 24.0, 34.0
TICKS = 5
DASHES = ("", "7 4", "2 3")


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where numbers stand in a panel."""

    low: float
    high: float
    bottom: float
    top: float

    def x(self, value: float) -> float:
        """The place of a number along the panel."""
        return LEFT + (value - self.low) / (self.high - self.low) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """The place of a number up the panel."""
        share = (value - self.bottom) / (self.top - self.bottom)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def panels(line: Slice, name: str) -> str:
    """Two panels: the loss, and its derivative in what varies."""
    value = _panel(line, [c.values for c in line.curves], name, f"{name} over {line.varied}")
    title = f"derivative in {line.varied}"
    slope = _panel(line, [c.slopes for c in line.curves], title, f"{title} of {name}")
    return f'<div class="panels">{value}{slope}</div>{_legend(line)}'


def _panel(line: Slice, curves: Sequence[Array], title: str, label: str) -> str:
    frame = _frame(line, curves)
    drawn = "".join(
        f'<path class="curve c{k % 3}" d="{" ".join(_path(line.xs, ys, frame))}" '
        f'stroke-dasharray="{DASHES[k % 3]}"/>'
        for k, ys in enumerate(curves)
    )
    box = f"0 0 {WIDTH:.0f} {HEIGHT:.0f}"
    return (
        f'<svg viewBox="{box}" role="img" aria-label="{escape(label)}">'
        f'<text class="title" x="{LEFT:.0f}" y="13">{escape(title)}</text>'
        f"{''.join(_grid(frame))}{drawn}"
        f'<text class="axis" x="{(WIDTH + LEFT - RIGHT) / 2:.0f}" y="{HEIGHT - 3:.0f}" '
        f'text-anchor="middle">{escape(line.varied)}</text></svg>'
    )


def _frame(line: Slice, curves: Sequence[Array]) -> _Frame:
    """The part of the plane that is shown: a pole is cut, so that the rest is seen."""
    every = np.concatenate(curves)
    every = every[np.isfinite(every)]
    if not every.size:
        every = np.zeros(1)
    low, high = np.quantile(every, [0.03, 0.97])
    room = 3 * max(float(high - low), 1e-9)
    bottom, top = max(every.min(), low - room / 6), min(every.max(), high + room / 6)
    if every.max() <= high + room and every.min() >= low - room:
        bottom, top = every.min(), every.max()
    margin = 0.06 * float(top - bottom) or 0.5
    low_x, high_x = float(line.xs[0]), float(line.xs[-1])
    return _Frame(low_x, high_x, float(bottom) - margin, float(top) + margin)


def _path(xs: Array, ys: Array, frame: _Frame) -> Iterator[str]:
    """The points of a curve, with a new start after what is not finite or not in view."""
    down = False
    reach = frame.top - frame.bottom
    for x, y in zip(xs, ys, strict=True):
        seen = bool(np.isfinite(y)) and frame.bottom - reach <= y <= frame.top + reach
        if seen:
            at = min(max(float(y), frame.bottom), frame.top)
            yield f"{'L' if down else 'M'}{frame.x(float(x)):.1f} {frame.y(at):.1f}"
        down = seen


def _grid(frame: _Frame) -> Iterator[str]:
    """Lines and numbers at round places; the lines at 0 are stronger."""
    end_x, end_y = WIDTH - RIGHT, HEIGHT - BOTTOM
    for value in ticks(frame.bottom, frame.top):
        y = frame.y(value)
        kind = "zero" if value == 0 else "grid"
        yield f'<path class="{kind}" d="M{LEFT:.0f} {y:.1f}H{end_x:.0f}"/>'
        place = f'x="{LEFT - 5:.0f}" y="{y + 3.5:.1f}" text-anchor="end"'
        yield f"<text {place}>{_number(value)}</text>"
    for value in ticks(frame.low, frame.high):
        x = frame.x(value)
        kind = "zero" if value == 0 else "grid"
        yield f'<path class="{kind}" d="M{x:.1f} {TOP:.0f}V{end_y:.0f}"/>'
        yield (
            f'<text x="{x:.1f}" y="{end_y + 14:.0f}" text-anchor="middle">{_number(value)}</text>'
        )


def ticks(low: float, high: float) -> list[float]:
    """Round numbers between two, about five of them."""
    raw = (high - low) / TICKS
    if not raw > 0 or not math.isfinite(raw):
        return []
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(s * size for s in (1, 2, 2.5, 5, 10) if s * size >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [_clean(k * step) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _clean(x: float) -> float:
    return float(f"{x:.10g}") + 0.0


def _number(x: float) -> str:
    return f"{x:.4g}".replace("-", "−")


def _legend(line: Slice) -> str:
    """What tells several curves apart, by dash as well as by colour."""
    if len(line.curves) < 2:
        return ""
    items = "".join(
        f'<li><svg viewBox="0 0 30 8" aria-hidden="true"><path class="curve c{k % 3}" d="M0 4H30" '
        f'stroke-dasharray="{DASHES[k % 3]}"/></svg>{escape(curve.label)}</li>'
        for k, curve in enumerate(line.curves)
    )
    return f'<ul class="legend">{items}</ul>'
