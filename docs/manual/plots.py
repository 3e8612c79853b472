"""The curves of a slice as SVG: the loss in one panel, its slope in another."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lossc.compiler.audit.slices import Array, Slice

COLOURS = ("#c2571a", "#2a7f86", "#6a5acd")
STYLES = ("-", "--", "-.")
INK = "#010203"  # replaced by the colour of the page's text
SIZE = (3.7, 2.5)
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "font.size": 9, "text.color": INK, "axes.edgecolor": INK,
    "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.linewidth": 0.6,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "lines.linewidth": 1.6,
    "path.simplify_threshold": 0.5, "axes.unicode_minus": True,
}  # fmt: skip


def draw(line: Slice, name: str) -> tuple[str, str]:
    """Two `svg` elements: the loss, and its derivative in what varies."""
    value = _panel(line, [c.values for c in line.curves], name, f"{name} value")
    slope = _panel(line, [c.slopes for c in line.curves], "gradient", f"{name} gradient", False)
    return value, slope


def _panel(line: Slice, curves: list[Array], label: str, salt: str, legend: bool = True) -> str:
    with rc_context({**STYLE, "svg.hashsalt": salt}):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        for k, (curve, ys) in enumerate(zip(line.curves, curves, strict=True)):
            shown = np.where(np.isfinite(ys), ys, np.nan)
            axes.plot(line.xs, shown, STYLES[k % 3], color=COLOURS[k % 3], label=curve.label)
        _frame(axes, line.varied, label, curves)
        if legend and len(line.curves) > 1:
            axes.legend(frameon=False, fontsize=8, handlelength=1.8)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return _inline(out.getvalue(), label)


def _frame(axes: Axes, varied: str, label: str, curves: list[Array]) -> None:
    axes.set_xlabel(varied.replace("_", " "))
    axes.set_title(label.replace("_", " "), fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.15, linewidth=0.5)
    _keep_in_view(axes, curves)


def _keep_in_view(axes: Axes, curves: list[Array]) -> None:
    """Leave out what shoots up to a pole, so that the rest is seen."""
    every = np.concatenate(curves)
    every = every[np.isfinite(every)]
    low, high = np.quantile(every, [0.03, 0.97])
    room = 3 * max(high - low, 1e-9)
    if every.max() > high + room or every.min() < low - room:
        axes.set_ylim(max(every.min(), low - room / 6), min(every.max(), high + room / 6))


def _inline(svg: str, label: str) -> str:
    """The `svg` element alone, in the colours of the page."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>\s*", "", element, flags=re.DOTALL)
    element = re.sub(r' (?:width|height)="[\d.]+pt"', "", element, count=2)
    element = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", element)
    element = element.replace(INK, "currentColor")
    return element.replace("<svg ", f'<svg role="img" aria-label="plot of {label}" ', 1).strip()
