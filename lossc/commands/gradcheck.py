"""`lossc grad-check`: the gradient against independent oracles."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from lossc.dsl.diagnostics import Diagnostic, LosscError

from .target import add_targets, named_losses
from .terminal import (
    FINDINGS,
    GOOD,
    Terminal,
    clear_progress,
    exit_code,
    show_progress,
    usage_error,
)

if TYPE_CHECKING:
    from lossc.compiler.check import Checked
    from lossc.compiler.gradcheck.report import GradientReport

HELP = "the gradient against SymPy, differences and automatic differentiation"


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser, many=True)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the random points")
    parser.add_argument(
        "--seconds", type=float, default=12.0, metavar="S", help="the most for one loss (12)"
    )
    parser.add_argument("--details", action="store_true", help="the whole report of every loss")


def run(args: Namespace, terminal: Terminal) -> int:
    """Check every loss; 1 if an oracle disagrees or a file is not sound."""
    from .hlo import quiet

    if not args.seconds > 0:
        raise usage_error("--seconds takes a number above 0", help="--seconds 12")
    quiet()
    reports: list[GradientReport] = []
    diagnostics: list[Diagnostic] = []
    for found in named_losses(args):
        if isinstance(found, LosscError):
            diagnostics += found.diagnostics
            continue
        reports.append(_check(found, args))
        if not terminal.json:
            _say(reports[-1], args.details, terminal)
    if terminal.json:
        terminal.document(_document(reports, diagnostics))
    elif diagnostics:
        terminal.report(diagnostics)
    disagrees = any(not r.ok for r in reports)
    return max(FINDINGS if disagrees else GOOD, exit_code(diagnostics))


def _check(checked: Checked, args: Namespace) -> GradientReport:
    from lossc.compiler.gradcheck.run import check_gradient

    report = check_gradient(checked, None, args.seed, args.seconds, show_progress)
    clear_progress()
    return report


def _say(report: GradientReport, details: bool, terminal: Terminal) -> None:
    terminal.say(report.summary if report.ok and not details else str(report))


def _document(reports: list[GradientReport], diagnostics: list[Diagnostic]) -> dict[str, object]:
    return {
        "ok": not diagnostics and all(r.ok for r in reports),
        "diagnostics": [d.to_json() for d in diagnostics],
        "losses": [r.to_json() for r in reports],
    }
