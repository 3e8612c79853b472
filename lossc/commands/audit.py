"""`lossc audit`: what losses claim, proved or refuted, and what can go wrong in their domains."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lossc.compiler.audit.report import FAILS, AuditReport, audit
from lossc.dsl.diagnostics import Diagnostic, LosscError

from .target import add_targets, chosen, open_target, target_names, text_target
from .terminal import (
    FINDINGS,
    GOOD,
    Terminal,
    clear_progress,
    exit_code,
    show_progress,
    usage_error,
)  # fmt: skip

if TYPE_CHECKING:
    from lossc.compiler.check import Checked
    from lossc.compiler.link import Reader

HELP = "claims proved or refuted with a witness; domains, hazards, kinks, batches"


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser, many=True)
    parser.add_argument(
        "--fail-on", action="append", default=[], choices=FAILS, metavar="WHAT", dest="fail_on",
        help=f"exit with 1 if there is one: {', '.join(FAILS)}",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=float, default=2.0, metavar="S", help="the most for one claim (2)"
    )
    parser.add_argument("--details", action="store_true", help="the whole report of every loss")


def run(args: Namespace, terminal: Terminal) -> int:
    """Audit every loss; 1 only for what --fail-on names, or if a file is not sound."""
    if not args.seconds > 0:
        raise usage_error("--seconds takes a number above 0", help="--seconds 2")
    reports: list[AuditReport] = []
    diagnostics: list[Diagnostic] = []
    for found in _losses(args):
        if isinstance(found, LosscError):
            diagnostics += found.diagnostics
            continue
        checked, read = found
        show_progress(f"audit of {checked.name}")
        reports.append(audit(checked, read, args.seconds))
        clear_progress()
    _write(reports, diagnostics, args, terminal)
    failed = any(r.fails(*args.fail_on) for r in reports)
    return max(FINDINGS if failed else GOOD, exit_code(diagnostics))


def _write(
    reports: list[AuditReport], diagnostics: list[Diagnostic], args: Namespace, terminal: Terminal
) -> None:
    if terminal.json:
        terminal.document({
            "ok": not diagnostics and not any(r.fails(*args.fail_on) for r in reports),
            "diagnostics": [d.to_json() for d in diagnostics],
            "losses": [r.to_json() for r in reports],
        })  # fmt: skip
        return
    whole = args.details or len(reports) == 1
    for report in reports:
        terminal.say(report.text if whole else report.summary)
    if diagnostics:
        terminal.report(diagnostics)


def _losses(args: Namespace) -> Iterator[tuple[Checked, Reader] | LosscError]:
    """Every loss named with what `use` may read there, or the error of a file that has none."""
    from lossc.api import sound
    from lossc.dsl import ast

    names: list[str | None] = [*target_names(args)]
    for name in names or [None]:
        try:
            target = text_target(args) if name is None else open_target(name, args.search)
            found = chosen(target, sound(target.source, target.read))
            yield from ((c, target.read) for c in found if isinstance(c.item, ast.Loss))
        except LosscError as error:
            yield error
