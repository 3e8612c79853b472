"""`lossc fmt`: files in the canonical layout."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass

from lossc.dsl.diagnostics import Diagnostic, LosscError
from lossc.dsl.printer import format_source
from lossc.dsl.source import visible
from lossc.dsl.translate import NOTATIONS, translate

from .target import Target, add_targets, open_target, target_names, text_target
from .terminal import FINDINGS, GOOD, USAGE, Terminal, exit_code

HELP = "set files in the canonical layout, in place; comments are kept"


@dataclass(frozen=True, slots=True)
class Formatted:
    """A file, its text in the canonical layout and whether that is another text."""

    file: str
    text: str | None = None
    changed: bool = False
    diagnostics: tuple[Diagnostic, ...] = ()


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser, many=True)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 if a file would change"
    )
    parser.add_argument(
        "--from", choices=NOTATIONS, dest="notation",
        help="translate a formula as a paper prints it, to standard output",
    )  # fmt: skip


def run(args: Namespace, terminal: Terminal) -> int:
    """Format every file in place, standard input and texts to standard output."""
    names = target_names(args)
    if args.expression is not None:
        found = [_format(text_target(args), args)]
    else:
        found = [_format_file(name, args) for name in names]
    if terminal.json:
        terminal.document(_document(found, args.check))
    else:
        for formatted in found:
            _say(formatted, args.check, terminal)
    codes = [exit_code(formatted.diagnostics) for formatted in found]
    late = FINDINGS if args.check and any(f.changed for f in found) else GOOD
    return max([*codes, late])


def _format_file(name: str, args: Namespace) -> Formatted:
    try:
        target = open_target(name, args.search)
    except LosscError as error:
        return Formatted(name, diagnostics=error.diagnostics)
    return _format(target, args)


def _format(target: Target, args: Namespace) -> Formatted:
    """Format one target; a file is written if that is asked for and changes it."""
    name = target.source.name
    try:
        if args.notation is not None:
            return Formatted(name, translate(target.source, args.notation).text, True)
        text = format_source(target.source)
        if target.path is None:
            return Formatted(name, text, text != target.source.text)
        changed = target.path.read_bytes() != text.encode()
        if changed and not args.check:
            target.path.write_text(text, encoding="utf-8", newline="\n")
    except LosscError as error:
        return Formatted(name, diagnostics=error.diagnostics)
    except OSError as error:
        why = (error.strerror or "an error").lower()
        return Formatted(name, diagnostics=(Diagnostic("E0804", f"cannot write {name}: {why}"),))
    return Formatted(name, None, changed)


def _say(formatted: Formatted, check: bool, terminal: Terminal) -> None:
    if formatted.diagnostics:
        unreadable = exit_code(formatted.diagnostics) == USAGE
        terminal.report(formatted.diagnostics, sys.stderr if unreadable else sys.stdout)
    elif formatted.text is not None and not check:
        sys.stdout.write(visible(formatted.text) if sys.stdout.isatty() else formatted.text)
    elif formatted.changed:
        verb = "would change" if check else "changed"
        terminal.say(f"{formatted.file}: {verb}")


def _document(found: list[Formatted], check: bool) -> dict[str, object]:
    good = not any(f.diagnostics or (check and f.changed) for f in found)
    return {
        "ok": good,
        "diagnostics": [d.to_json() for f in found for d in f.diagnostics],
        "files": [{"file": f.file, "changed": f.changed, "text": f.text} for f in found],
    }
