"""Bits of error of a loss as it is run: `loss.accuracy()`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lossc.compiler.accuracy.batches import Batch
from lossc.compiler.accuracy.floats import FORMATS, Format
from lossc.compiler.accuracy.report import AccuracyReport
from lossc.compiler.accuracy.run import Engine, Plan, measure
from lossc.compiler.accuracy.truth import Subject
from lossc.compiler.check import Checked
from lossc.dsl.diagnostics import ArgumentError, Diagnostic

from .options import Options
from .runtime import PER_SAMPLE, VALUE, Runtime, Task

ENGINES = {"xla": True, "eager": False}


def accuracy(
    checked: Checked, plan: Plan, engines: Sequence[str] = tuple(ENGINES),
    progress: Callable[[str], None] = lambda text: None,
) -> AccuracyReport:  # fmt: skip
    """Measure a loss over points of its domains."""

    def runs(subject: Subject) -> Mapping[str, Engine]:
        each = {
            name: Runtime(checked, Options(ENGINES[name], precision=plan.precision), shaped=True)
            for name in engines
        }
        return {name: engine(runtime, subject) for name, runtime in each.items()}

    return measure(checked, runs, plan, progress)


def formats_named(names: str | Iterable[str] | None) -> tuple[str, ...]:
    """The formats of that name, all if None.

    Raises ArgumentError for one that is not measured.
    """
    wanted = tuple(FORMATS) if names is None else (names,) if isinstance(names, str) else (*names,)
    for name in wanted:
        if name not in FORMATS:
            message, help = (
                f"accuracy is not measured in {name}",
                f"there are: {', '.join(FORMATS)}",
            )
            raise ArgumentError(Diagnostic("E0602", message, help=help))
    return wanted


def engine(runtime: Runtime, subject: Subject) -> Engine:
    """A loss as it is run, on a batch: value and gradients in one graph."""
    program = subject.checked.program
    given = set(subject.checked.params) - subject.checked.static
    task = Task(VALUE if subject.separated is None else PER_SAMPLE, subject.wrt)

    def run(batch: Batch, format: Format) -> Mapping[str, Any]:
        arrays = batch.floats(program, format)
        inputs = [arrays[t.name] for t in program.inputs]
        params: dict[str, Any] = {t.name: arrays[t.name] for t in program.params if t.name in given}
        with np.errstate(all="ignore"):
            found = runtime.run(task, inputs, params)
        value, slopes = found if subject.wrt else (found, {})
        return {"": np.asarray(value), **{n: np.asarray(g) for n, g in slopes.items()}}

    return run
