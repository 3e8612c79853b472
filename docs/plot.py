"""Draws docs/images/huber.svg: a loss and its gradient, as formulas and as curves.

`python docs/plot.py` needs the extra `docs`. The formulas are the loss's own LaTeX; what Matplotlib
cannot set, the rows of an `if`, is set here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, OffsetBox, TextArea, VPacker

import lossc

HERE = Path(__file__).parent
COLOURS = {0.5: "#c2571a", 1: "#2a7f86", 2: "#6a5acd"}
STYLE = {"svg.hashsalt": "lossc", "font.size": 9, "mathtext.fontset": "cm"}
# What Matplotlib spells in another way; its delimiters that grow are too small.
SPELLINGS = {r"\operatorname": r"\mathrm", r"\le ": r"\leq ", r"\left": "", r"\right": ""}
CASES = re.compile(r"(.*?)\\begin\{cases\} (.*) \\end\{cases\}(.*)")
OVER_N = re.compile(r"\\frac\{(\\begin\{cases\}.*\\end\{cases\})\}\{N\}")


def main() -> None:
    """Write the picture."""
    huber = lossc.load(HERE.parent / "examples" / "huber.loss").huber
    errors = np.linspace(-3, 3, 241)
    with rc_context(STYLE):
        figure = Figure(figsize=(8, 3.6), layout="constrained")
        above, panels = figure.subplots(2, 2, height_ratios=(1, 2.6))
        for place, said in zip(above, formulas(huber), strict=True):
            place.axis("off")
            box = AnchoredOffsetbox("center left", child=typeset(said), frameon=False, pad=0)
            place.add_artist(box)
        for delta, colour in COLOURS.items():
            for panel, curve in zip(panels, curves(huber, errors, delta), strict=True):
                panel.plot(errors, curve, color=colour, label=rf"$\delta = {delta}$")
        for panel in panels:
            panel.set_xlabel(r"$\hat{y}$, for $y = 0$")
            panel.grid(alpha=0.25, linewidth=0.5)
            panel.spines[["top", "right"]].set_visible(False)
        panels[0].legend(frameon=False)
        figure.savefig(HERE / "images" / "huber.svg", metadata={"Date": None})


def formulas(loss: lossc.Loss) -> tuple[str, str]:
    """The loss and its gradient in the prediction, as LaTeX."""
    _, _, slope = loss.gradient("yhat").latex.partition(r"\right) = ")
    slope = OVER_N.sub(r"\\frac{1}{N} \\, \1", slope)
    name = rf"\operatorname{{{loss.name}}}"
    return loss.formula.latex, rf"\frac{{\partial\,{name}}}{{\partial\,\hat{{y}}}} = {slope}"


def typeset(latex: str) -> OffsetBox:
    """A formula as boxes; its definitions stand below it."""
    head, *definitions = latex.split(r", \quad ")
    lines = [statement(head), *map(text, definitions)]
    return VPacker(children=lines, align="left", pad=0, sep=3)


def statement(latex: str) -> OffsetBox:
    """A formula with one brace of cases, or none."""
    found = CASES.fullmatch(latex)
    if found is None:
        return text(latex)
    before, rows, after = found.groups()
    parts = [text(before.removesuffix(r"\left("))] if before else []
    brackets = [text("(", 24), text(")", 24)] if after.startswith(r"\right)") else []
    parts += [*brackets[:1], text(r"\{", 26), cases(rows.split(r" \\ ")), *brackets[1:]]
    return HPacker(children=parts, align="center", pad=0, sep=2)


def cases(rows: Sequence[str]) -> OffsetBox:
    """Values in one column, conditions in the next."""
    columns = zip(*(row.split(" & ") for row in rows), strict=True)
    stacks = [VPacker(children=[*map(text, c)], align="left", pad=0, sep=4) for c in columns]
    return HPacker(children=stacks, align="center", pad=0, sep=10)


def text(latex: str, size: float = 11) -> OffsetBox:
    """A piece of a formula that Matplotlib can set."""
    said = re.sub(r"\\text\{([^{}]*)\}", r"\\mathrm{\1}", latex).replace("if }", r"if\ }")
    for ours, theirs in SPELLINGS.items():
        said = said.replace(ours, theirs)
    return TextArea(f"${said}$", textprops={"size": size})


def curves(loss: lossc.Loss, errors: np.ndarray, delta: float) -> tuple[np.ndarray, np.ndarray]:
    """The loss and its gradient at each error, for a batch of one."""
    yhat = tf.constant(errors)
    with tf.GradientTape() as tape:
        tape.watch(yhat)
        values = loss.per_sample(tf.zeros_like(yhat), yhat, delta=delta)
    return values.numpy(), tape.gradient(values, yhat).numpy()


if __name__ == "__main__":
    main()
