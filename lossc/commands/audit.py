"""`lossc audit`: what losses claim, proved or refuted, and what can go wrong in their domains."""

from __future__ import annotations

import gc
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossc.auditing import BRIEF, FULL, QUICK, Effort, whole_audit
from lossc.compiler.audit.report import FAILS, AuditReport
from lossc.dsl.diagnostics import Diagnostic, LosscError
from lossc.stdlib import families

from .evaluate import add_data
from .target import Target, add_targets, chosen, open_target, target_names, text_target
from .terminal import (
    FINDINGS,
    GOOD,
    Terminal,
    clear_progress,
    exit_code,
    plain,
    show_progress,
    usage_error,
)  # fmt: skip

if TYPE_CHECKING:
    from lossc.compiler.audit.page import Entry
    from lossc.compiler.check import Checked, CheckedFile
    from lossc.compiler.link import Reader

HELP = "claims proved or refuted with a witness; domains, hazards, gradient, accuracy, cost"
LIBRARY = "std"
STDOUT = Path("-")
MANY = 8  # losses, from which on several processes are worth their start


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is written of one loss, and which kinds of findings it has."""

    summary: str
    text: str
    json: dict[str, Any]
    entry: Entry | None
    fails: frozenset[str]


@dataclass(frozen=True, slots=True)
class Job:
    """One loss of a file; `number` is its place in a page, 0 where there is none."""

    spec: str
    search: tuple[Path, ...]
    name: str
    effort: Effort
    number: int


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser, many=True)
    parser.add_argument(
        "--html", metavar="PAGE", type=Path, nargs="?", const=STDOUT,
        help="write one page that needs no network; without a name to standard output",
    )  # fmt: skip
    add_data(parser)
    parser.add_argument(
        "--fail-on", action="append", default=[], choices=FAILS, metavar="WHAT", dest="fail_on",
        help=f"exit with 1 if there is one: {', '.join(FAILS)}",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=float, metavar="S",
        help=f"the most for one claim ({QUICK.claim:g}, or {BRIEF.claim:g} where there is a line "
        "for each loss)",
    )  # fmt: skip
    parser.add_argument(
        "--full", action="store_true", help="all dtypes, more points, no short limits of time"
    )
    parser.add_argument(
        "--static", action="store_true", help="only what the text shows, without running the loss"
    )
    parser.add_argument("--details", action="store_true", help="the whole report of every loss")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
        help="processes, where there are many losses (one for each core)",
    )  # fmt: skip


def run(args: Namespace, terminal: Terminal) -> int:
    """Audit every loss; 1 only for what --fail-on names, or if a file is not sound."""
    _check(args)
    if args.data is not None or args.param or args.bind:
        return _run_on_data(args, terminal)
    diagnostics: list[Diagnostic] = []
    outcomes: list[Outcome] = []
    jobs = list(_jobs(args, diagnostics))
    whole = args.details or len(jobs) == 1
    if not (whole or terminal.json or args.html):
        jobs = [replace(j, effort=_brief(j.effort, args)) for j in jobs]
    for outcome in _outcomes(jobs, args):
        if isinstance(outcome, Diagnostic):
            diagnostics.append(outcome)
            continue
        outcomes.append(outcome)
        if not terminal.json and args.html is None:
            terminal.say(outcome.text if whole else outcome.summary)
    _write(outcomes, diagnostics, args, terminal)
    failed = any(o.fails & set(args.fail_on) for o in outcomes)
    return max(FINDINGS if failed else GOOD, exit_code(diagnostics))


def _run_on_data(args: Namespace, terminal: Terminal) -> int:
    """Audit one loss on the data of a file."""
    from lossc.data_audit import audit_data

    from .evaluate import data_of, sole_loss
    from .hlo import quiet

    if args.static:
        raise usage_error("--data runs the loss, --static does not: give one of them")
    target = _sole_target(args)
    loss = sole_loss(target)
    columns, given = data_of(loss, args)
    quiet()
    report = whole_audit(loss._checked, target.read, _effort(args), show_progress)
    clear_progress()
    arrays = {n: columns[n].array if n in columns else given[n] for n in loss.inputs}
    params = {n: v for n, v in given.items() if n in loss.params}
    name = str(args.data) if args.data is not None else "the command line"
    report = replace(report, data=audit_data(loss._checked, arrays, params, name))
    outcome = outcome_of(report, int(args.html is not None))
    if not terminal.json and args.html is None:
        terminal.say(outcome.text)
    _write([outcome], [], args, terminal)
    return FINDINGS if outcome.fails & set(args.fail_on) else GOOD


def _sole_target(args: Namespace) -> Target:
    """The one loss that data is for."""
    names = target_names(args)
    if not names:
        return text_target(args)
    if len(names) > 1:
        raise usage_error("--data is for one loss: give one FILE, FILE#NAME, or -e TEXT")
    return open_target(names[0], args.search)


def _effort(args: Namespace) -> Effort:
    effort = FULL if args.full else QUICK
    return replace(effort, claim=args.seconds or effort.claim, measured=not args.static)


def _brief(effort: Effort, args: Namespace) -> Effort:
    """The effort where there is a line for each of many losses."""
    if args.full:
        return replace(effort, brief=True)
    return replace(BRIEF, claim=args.seconds or BRIEF.claim, measured=effort.measured)


def _check(args: Namespace) -> None:
    if args.html is not None and args.html.suffix == ".loss":
        raise usage_error(
            f"--html takes the page to write, and {args.html} is a formula",
            help="lossc audit FILE --html audit.html",
        )
    if args.html == STDOUT and args.json:
        raise usage_error("--html without a name and --json both write to standard output")
    if args.seconds is not None and not args.seconds > 0:
        raise usage_error("--seconds takes a number above 0", help="--seconds 2")
    if args.jobs < 1:
        raise usage_error("--jobs takes a number from 1 on", help="--jobs 2")
    if args.full and args.static:
        raise usage_error("--full measures, --static does not: give one of them")


def _write(
    outcomes: Sequence[Outcome], diagnostics: list[Diagnostic], args: Namespace, terminal: Terminal
) -> None:
    if args.html is not None:
        _write_page(outcomes, args.html, terminal)
        if not terminal.json and args.html != STDOUT:
            for outcome in outcomes:
                terminal.say(outcome.summary)
    if terminal.json:
        failed = any(o.fails & set(args.fail_on) for o in outcomes)
        terminal.document({
            "ok": not diagnostics and not failed,
            "diagnostics": [d.to_json() for d in diagnostics],
            "losses": [o.json for o in outcomes],
        })  # fmt: skip
    elif diagnostics:
        terminal.report(diagnostics)


def _write_page(outcomes: Sequence[Outcome], path: Path, terminal: Terminal) -> None:
    from lossc.compiler.audit.page import document

    page = document([o.entry for o in outcomes if o.entry])
    if path == STDOUT:
        terminal.say(page)
        return
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise usage_error(f"cannot write {path}: {error.strerror or error}") from None


# --- losses ---------------------------------------------------------------------------------------


def _jobs(args: Namespace, diagnostics: list[Diagnostic]) -> Iterator[Job]:
    """Every loss named; what is wrong with a file goes to the diagnostics."""
    from lossc.dsl import ast

    effort = _effort(args)
    number = 0
    texts = [""] if args.expression is not None else []
    for spec in texts + list(_specs(target_names(args))):
        try:
            found, _ = _opened(spec, args.expression or "", tuple(args.search))
        except LosscError as error:
            diagnostics += error.diagnostics
            continue
        for checked in found:
            if isinstance(checked.item, ast.Loss):
                number += args.html is not None
                yield Job(spec, tuple(args.search), checked.name, effort, number)


def _specs(names: Iterable[str]) -> Iterator[str]:
    """The files that names stand for: all of a folder, or of the library."""
    for name in names:
        if name == LIBRARY and not Path(name).exists():
            yield from (f"{LIBRARY}.{family}" for family in families())
        elif Path(name).is_dir():
            inside = sorted(p for p in Path(name).rglob("*.loss") if p.is_file())
            if not inside:
                raise usage_error(f"there is no .loss file in {name}")
            yield from map(str, inside)
        else:
            yield name


@cache
def _opened(spec: str, expression: str, search: tuple[Path, ...]) -> tuple[list[Checked], Reader]:
    """The losses of a file, of standard input, or of a text."""
    from lossc.api import sound

    args = Namespace(expression=expression, search=list(search))
    target: Target = open_target(spec, search) if spec else text_target(args)
    file: CheckedFile = sound(target.source, target.read)
    return chosen(target, file), target.read


# --- audits ---------------------------------------------------------------------------------------


def _outcomes(jobs: Sequence[Job], args: Namespace) -> Iterator[Outcome | Diagnostic]:
    """The audits in order, in several processes where there are many."""
    workers = min(args.jobs, len(jobs) // (MANY // 2))
    if workers < 2 or args.expression is not None or "-" in args.file:
        for job in jobs:
            yield _tried(job, args.expression or "", show_progress)
            clear_progress()
        return
    ready = (_ready, (jobs[0].effort.measured,))
    with ProcessPoolExecutor(workers, get_context(_start()), *ready) as pool:
        for k, outcome in enumerate(pool.map(_one_of_many, jobs)):
            show_progress(f"audit: {k + 1} of {len(jobs)}")
            clear_progress()
            yield outcome


def _start() -> str:
    """How processes start: as copies, which have all losses, unless TensorFlow runs threads."""
    return "fork" if sys.platform == "linux" and "tensorflow" not in sys.modules else "spawn"


def _ready(measured: bool) -> None:
    """Make a process ready for many audits: what is loaded stays, and is not looked at again."""
    from lossc.compiler.audit.sympy_terms import warm_up

    from .hlo import quiet

    if measured:
        quiet()
    warm_up()
    gc.collect()
    gc.freeze()
    gc.disable()


def _one_of_many(job: Job) -> Outcome | Diagnostic:
    """The audit of one loss; its garbage is collected after it, and not amid a claim's time."""
    try:
        return _tried(job)
    finally:
        gc.collect(1)


def _tried(
    job: Job, expression: str = "", progress: Any = lambda text: None
) -> Outcome | Diagnostic:
    """The audit of one loss; a mistake in lossc itself is named, and does not end the others."""
    try:
        return _audited(job, expression, progress)
    except Exception as error:
        said = f"{job.name}: {type(error).__name__}: {error}"
        help = "please report this with the file that caused it"
        return Diagnostic("E0899", "internal error", notes=(said,), help=help)


def _audited(job: Job, expression: str = "", progress: Any = lambda text: None) -> Outcome:
    """The audit of one loss."""
    from .hlo import quiet

    if job.effort.measured:
        quiet()
    found, read = _opened(job.spec, expression, job.search)
    checked = next(c for c in found if c.name == job.name)
    report = whole_audit(checked, read, job.effort, progress)
    return outcome_of(report, job.number)


def outcome_of(report: AuditReport, number: int) -> Outcome:
    """What is written of a report."""
    shown = None
    if number:
        from lossc.compiler.audit.page import entry

        shown = entry(report, number)
    fails = frozenset(kind for kind in FAILS if report.fails(kind))
    return Outcome(report.summary, report.text, plain(report.to_json()), shown, fails)
