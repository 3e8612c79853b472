"""`lossc explain`: what a diagnostic means."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from difflib import get_close_matches
from textwrap import indent

from lossc.dsl.codes import CODES, Code
from lossc.dsl.diagnostics import Diagnostic, LosscError

from .terminal import GOOD, Terminal, aligned

HELP = "a diagnostic, with a wrong and a right example"


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("code", nargs="?", metavar="CODE", help="such as E0301; without it, all")


def run(args: Namespace, terminal: Terminal) -> int:
    """Explain one code, or list all."""
    if args.code is None:
        rows = list(CODES.values())
        if terminal.json:
            terminal.document([_plain(row) for row in rows])
        else:
            terminal.say("\n".join(aligned([(row.code, row.title) for row in rows])))
        return GOOD
    row = _find(args.code)
    if terminal.json:
        terminal.document(_plain(row))
    else:
        terminal.say(_text(row))
    return GOOD


def _find(code: str) -> Code:
    name = code.strip().upper()
    if name in CODES:
        return CODES[name]
    near = get_close_matches(name, CODES, 1)
    help = f"did you mean {near[0]}?" if near else "`lossc explain` lists all codes"
    raise LosscError(Diagnostic("E0803", f"there is no diagnostic `{code}`", help=help))


def _plain(row: Code) -> dict[str, str]:
    bad, good = row.examples
    return {"code": row.code, "title": row.title, "why": row.why, "bad": bad, "good": good}


def _text(row: Code) -> str:
    parts = [f"{row.code}: {row.title}", row.why]
    for word, example in zip(("Wrong", "Right"), row.examples, strict=True):
        if example:
            parts.append(f"{word}:\n\n" + indent(example.rstrip(), "    "))
    return "\n\n".join(parts)
