"""`lossc check`: whether files are sound."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lossc.compiler.check import check
from lossc.compiler.wording import plural
from lossc.dsl.diagnostics import Diagnostic, LosscError

from .describe import signature
from .target import Target, add_targets, open_target, target_names, text_target
from .terminal import USAGE, Terminal, exit_code

HELP = "parse files and check their types, axes and domains"


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found in a file; `signatures` has what each loss takes, by its name."""

    file: str
    signatures: Mapping[str, str]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings are none."""
        return not any(d.is_error for d in self.diagnostics)


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser, many=True)


def run(args: Namespace, terminal: Terminal) -> int:
    """Check every file; 1 if any has an error, 2 if one cannot be read."""
    found = list(_checkups(args))
    if terminal.json:
        terminal.document(_document(found))
    else:
        for checkup in found:
            _say(checkup, terminal)
    return max((exit_code(checkup.diagnostics) for checkup in found), default=USAGE)


def _checkups(args: Namespace) -> Iterator[Checkup]:
    if args.expression is not None:
        target_names(args)
        yield _checkup("<text>", text_target(args))
        return
    for name in target_names(args):
        try:
            target = open_target(name, args.search)
        except LosscError as error:
            yield Checkup(name, {}, error.diagnostics)
        else:
            yield _checkup(target.source.name, target)


def _checkup(name: str, target: Target) -> Checkup:
    try:
        checked = check(target.source, target.read)
    except LosscError as error:
        return Checkup(name, {}, error.diagnostics)
    losses = sorted(checked.losses.values(), key=lambda loss: loss.item.span.start)
    return Checkup(name, {loss.name: signature(loss) for loss in losses}, checked.diagnostics)


def _say(checkup: Checkup, terminal: Terminal) -> None:
    if checkup.diagnostics:
        unreadable = exit_code(checkup.diagnostics) == USAGE
        terminal.report(checkup.diagnostics, sys.stderr if unreadable else sys.stdout)
    if any(d.code.startswith("E01") for d in checkup.diagnostics):
        terminal.say(f"{checkup.file}: more may follow once the syntax is mended")
    if checkup.ok:
        found = plural(len(checkup.signatures), "loss", "losses")
        terminal.say(f"{checkup.file}: ok, {found}")
        for text in checkup.signatures.values():
            terminal.say(f"    {text}")


def _document(found: list[Checkup]) -> dict[str, object]:
    return {
        "ok": all(checkup.ok for checkup in found),
        "diagnostics": [d.to_json() for checkup in found for d in checkup.diagnostics],
        "files": [_file(checkup) for checkup in found],
    }


def _file(checkup: Checkup) -> dict[str, object]:
    names, texts = list(checkup.signatures), list(checkup.signatures.values())
    return {"file": checkup.file, "ok": checkup.ok, "losses": names, "signatures": texts}
