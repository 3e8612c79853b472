"""Losses that come in two forms: of labels or one-hot vectors, of logits or probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lossc.compiler.check import Checked
from lossc.compiler.ir import INT
from lossc.compiler.sizes import Shape
from lossc.dsl.diagnostics import ArgumentError, Diagnostic
from lossc.stdlib import homes

_SHAPE_CODES = ("E0301", "E0603", "E0606")


def with_other_form(
    error: ArgumentError, checked: Checked, shapes: Sequence[Shape]
) -> ArgumentError:
    """An error of shapes, which names the other form of the loss where it would take them."""
    first = error.first
    help = _labels(checked, shapes) if first.code in _SHAPE_CODES else None
    return error if help is None else ArgumentError(replace(first, help=help))


def _labels(checked: Checked, shapes: Sequence[Shape]) -> str | None:
    if len(checked.inputs) < 2:
        return None
    target, prediction = list(checked.inputs.values())[:2]
    y, p = shapes[0], shapes[1]
    missing = len(prediction.tensor.axes) - len(target.tensor.axes)
    are_labels = y == p[:-1] or (len(y) == len(p) > 1 and y == (*p[:-1], 1) != p)
    if missing == 0 and target.axes and are_labels and len(p) > 1 and p[-1] != 1:
        sparse = f"sparse_{checked.name}"
        use = f"use lossc.std.{sparse}, or " if sparse in homes() else ""
        one_hot = f"tf.one_hot({target.name}, {p[-1]})"
        return f"{target.name} holds one label for each sample: {use}make it one-hot: {one_hot}"
    if missing == 1 and y == p and target.tensor.kind == INT:
        dense = checked.name.removeprefix("sparse_")
        use = f"use lossc.std.{dense}, or " if dense != checked.name and dense in homes() else ""
        return f"{target.name} is one-hot here: {use}give labels: tf.argmax({target.name}, -1)"
    return None


def of_keyword(loss: str, keyword: str) -> str | None:
    """What to write in place of a keyword of Keras's that chooses between two forms."""
    if keyword != "from_logits":
        return None
    if loss.endswith("_from_logits"):
        other = loss.removesuffix("_from_logits")
        return f"`{loss}` takes logits; the loss of probabilities is {other}"
    logits = f"{loss}_from_logits"
    return f"for logits use lossc.std.{logits}" if logits in homes() else None


def refuse_names(text: str) -> Diagnostic | None:
    """The error for a text that is the name of a file or of a loss, and no formula."""
    name = text.strip()
    if name.endswith(".loss") and "\n" not in name and "(" not in name:
        message = f"`{name}` is the name of a file, and compile takes the text of a formula"
        return Diagnostic("E0620", message, help=f"load it: lossc.load({name!r})")
    short = name.removeprefix("lossc.").removeprefix("std.")
    if short in homes():
        message = f"`{name}` is the name of a loss, and compile takes the text of a formula"
        return Diagnostic("E0620", message, help=f"it is in the library: lossc.std.{short}")
    return None
