"""`lossc list`: the standard library."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

from lossc.compiler.elaborate.declare import declare
from lossc.compiler.elaborate.expressions import Elaborator
from lossc.compiler.findings import Findings
from lossc.compiler.link import link
from lossc.dsl import ast
from lossc.files import reader
from lossc.stdlib import families, family_source

from .describe import declarations, facts
from .terminal import GOOD, Terminal, aligned

HELP = "the losses of the standard library"


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    help = "only losses with this word in their name, family or docstring"
    parser.add_argument("word", nargs="?", metavar="WORD", help=help)


def run(args: Namespace, terminal: Terminal) -> int:
    """List the losses; none found is no error."""
    word = (args.word or "").lower()
    losses = [loss for loss in library() if word in _searched(loss)]
    if terminal.json:
        terminal.document(losses)
    elif losses:
        rows = [(loss["name"], loss["family"], _summary(loss["doc"])) for loss in losses]
        terminal.say("\n".join(aligned(rows)))
    else:
        print(f"the standard library has no loss with `{args.word}`", file=sys.stderr)
    return GOOD


def library() -> Iterator[dict[str, Any]]:
    """Every loss of the library: its declarations are read, its formula is not elaborated."""
    for family in families():
        findings = Findings()
        unit = link(family_source(family), reader(None), findings)
        losses = [item for item in unit.own.values() if isinstance(item, ast.Loss)]
        for item in sorted(losses, key=lambda item: item.span.start):
            known = declare(item, unit, Elaborator(findings), {})
            declared = declarations(known.inputs.values(), known.params.values())
            yield {"name": item.name, "family": family, **facts(item), **declared}


def _searched(loss: dict[str, Any]) -> str:
    return f"{loss['name']}\n{loss['family']}\n{loss['doc'] or ''}".lower()


def _summary(doc: str | None) -> str:
    return (doc or "").split("\n")[0]
