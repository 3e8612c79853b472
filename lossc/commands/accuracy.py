"""`lossc accuracy`: bits of error of value and gradient."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from lossc.dsl.diagnostics import Diagnostic, LosscError

from .target import add_precision, add_targets, named_losses
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
    from lossc.compiler.accuracy.report import AccuracyReport
    from lossc.compiler.check import Checked

DTYPES = ("float32", "float16", "bfloat16", "float64")


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser, many=True)
    parser.add_argument("--points", type=int, default=200, metavar="N", help="how many (200)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the random points")
    parser.add_argument(
        "--dtype", action="append", choices=DTYPES, metavar="D",
        help=f"{', '.join(DTYPES)}; by default all, and it may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        metavar="S",
        help="the most for one loss, a dtype (60)",
    )
    add_precision(parser)
    parser.add_argument("--details", action="store_true", help="the whole report of every loss")


def run(args: Namespace, terminal: Terminal) -> int:
    """Measure every loss; 1 if a figure is above its bar or a file is not sound."""
    from .hlo import quiet

    if args.points < 1:
        raise usage_error("--points takes a number from 1 on", help="--points 200")
    if not args.seconds > 0:
        raise usage_error("--seconds takes a number above 0", help="--seconds 60")
    quiet()
    reports: list[AccuracyReport] = []
    diagnostics: list[Diagnostic] = []
    for found in named_losses(args):
        if isinstance(found, LosscError):
            diagnostics += found.diagnostics
            continue
        reports.append(_measure(found, args))
        if not terminal.json:
            report = reports[-1]
            terminal.say(report.summary if report.ok and not args.details else str(report))
    if terminal.json:
        terminal.document(_document(reports, diagnostics))
    elif diagnostics:
        terminal.report(diagnostics)
    above = any(not r.ok for r in reports)
    return max(FINDINGS if above else GOOD, exit_code(diagnostics))


def _measure(checked: Checked, args: Namespace) -> AccuracyReport:
    from lossc.accuracy import accuracy
    from lossc.compiler.accuracy.run import Plan

    formats = args.dtype or DTYPES
    plan = Plan(args.points, args.seed, formats, args.seconds, precision=args.precision)
    report = accuracy(checked, plan, progress=show_progress)
    clear_progress()
    return report


def _document(reports: list[AccuracyReport], diagnostics: list[Diagnostic]) -> dict[str, object]:
    return {
        "ok": not diagnostics and all(r.ok for r in reports),
        "diagnostics": [d.to_json() for d in diagnostics],
        "losses": [r.to_json() for r in reports],
    }
