"""The whole audit of a loss: what its text shows, and what is measured when it runs."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING

from lossc.compiler.audit.cost import Cost, cost
from lossc.compiler.audit.report import AuditReport, audit
from lossc.compiler.derive import real_inputs
from lossc.compiler.gradcheck.points import lengths_of_params
from lossc.compiler.gradcheck.sizes import smallest
from lossc.compiler.separate import leading, separate
from lossc.dsl.diagnostics import LosscError

if TYPE_CHECKING:
    from lossc.compiler.accuracy.report import AccuracyReport
    from lossc.compiler.check import Checked
    from lossc.compiler.link import Reader

SAMPLES, JOINED_SAMPLES, LENGTH = 1024, 64, 8  # of the axes that a cost is for
LIBRARIES = ("tensorflow", "keras", "numpy")

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done: so many seconds at most for a claim, hazards, the gradient, and a dtype.

    `measured` tells whether the loss is run at all; with `ranges` it is found where it overflows.
    With `brief` there is only what the summary of a report says.
    """

    claim: float = 2.0
    hazards: float = 1.5
    gradient: float = 0.6
    accuracy: float = 5.0
    points: int = 200
    formats: Sequence[str] = ("float32",)
    engines: Sequence[str] = ("xla",)
    ranges: bool = False
    measured: bool = True
    brief: bool = False


QUICK = Effort()
# For many losses at once; XLA takes long to compile.
BRIEF = Effort(
    claim=0.3, hazards=0.3, gradient=0.2, accuracy=0.6, engines=("eager",), brief=True
)  # fmt: skip
FULL = Effort(
    hazards=10.0, gradient=12.0, accuracy=60.0, points=1000,
    formats=("float32", "float16", "bfloat16", "float64"), engines=("xla", "eager"), ranges=True,
)  # fmt: skip


def whole_audit(
    checked: Checked, read: Reader | None = None, effort: Effort = QUICK,
    progress: Progress = lambda text: None,
) -> AuditReport:  # fmt: skip
    """The audit of a loss. `read` opens the files that a claim `equals` names."""
    progress(f"audit of {checked.name}: claims")
    found = audit(checked, read, effort.claim, effort.brief, effort.hazards)
    found = replace(found, versions=versions(), date=datetime.now(UTC).date().isoformat())
    return measured(found, effort, progress) if effort.measured else found


def measured(report: AuditReport, effort: Effort, progress: Progress) -> AuditReport:
    """A report with what is measured when the loss runs."""
    from lossc.compiler.gradcheck.run import check_gradient

    checked = report.checked
    gradient = check_gradient(checked, None, 0, effort.gradient, progress)
    progress(f"audit of {checked.name}: accuracy")
    bits = _accuracy(checked, effort, progress)
    progress(f"audit of {checked.name}: cost")
    notes = list(report.notes)
    try:
        costs = () if effort.brief else tuple(_costs(checked))
    except (LosscError, ValueError) as error:
        costs = ()
        notes.append(f"the cost was not found: {str(error).splitlines()[0]}")
    return replace(report, gradient=gradient, accuracy=bits, cost=costs, notes=tuple(notes))


def versions() -> dict[str, str]:
    """The versions that a measurement depends on."""
    from lossc import __version__

    found = {name: metadata.version(name) for name in LIBRARIES}
    return {"lossc": __version__, "python": platform.python_version(), **found}


def _accuracy(checked: Checked, effort: Effort, progress: Progress) -> AccuracyReport:
    from lossc.compiler.accuracy.run import Plan

    from .accuracy import accuracy

    plan = Plan(effort.points, 0, effort.formats, effort.accuracy, ranges=effort.ranges)
    return accuracy(checked, plan, effort.engines, progress)


def _costs(checked: Checked) -> Iterator[Cost]:
    """The cost of the value, and of value and gradient, on many samples."""
    from .commands.hlo import optimized

    lead = leading(checked.program)
    samples = SAMPLES if separate(checked.program) is not None else JOINED_SAMPLES
    known = lengths_of_params(checked, checked.program)
    if lead is not None and lead.size is None:
        known.setdefault(lead, samples)
    found = smallest(checked.program, known, LENGTH)
    axes = dict.fromkeys(a for t in checked.program.inputs for a in t.axes if a.size is None)
    sizes = {a.name: found[a] for a in axes}
    wrt = tuple(real_inputs(checked))
    count = found.get(lead, 1) if lead is not None else 1
    yield cost(optimized(checked, sizes), "value", sizes, count)
    if wrt:
        module = optimized(checked, sizes, wrt=wrt)
        yield cost(module, "value and gradient", sizes, count)
