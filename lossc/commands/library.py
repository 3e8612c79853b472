"""`lossc list`: the standard library."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from typing import Any

from lossc.stdlib import docs, families, family_source, homes

from .terminal import GOOD, Terminal, aligned

HELP = "the losses of the standard library"


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    help = "only losses with this word in their name, family or docstring"
    parser.add_argument("word", nargs="?", metavar="WORD", help=help)


def run(args: Namespace, terminal: Terminal) -> int:
    """List the losses; none found is no error."""
    found = matching((args.word or "").lower())
    if terminal.json:
        terminal.document([loss for loss in library(found) if loss["name"] in found])
    elif found:
        rows = [(name, family, _summary(doc)) for name, (family, doc) in found.items()]
        terminal.say("\n".join(aligned(rows)))
    else:
        print(f"the standard library has no loss with `{args.word}`", file=sys.stderr)
    return GOOD


def matching(word: str = "") -> dict[str, tuple[str, str]]:
    """The family and docstring of each loss with a word in its name, family or docstring."""
    known = {n: (family, doc) for family in families() for n, doc in docs(family).items()}
    return {n: known[n] for n in known if word in "\n".join([n, *known[n]]).lower()}


def library(names: Iterable[str] | None = None) -> Iterator[dict[str, Any]]:
    """The losses of the families that have some names, by default of all.

    Their declarations are read, their formulas are not elaborated.
    """
    from lossc.compiler.elaborate.declare import declare
    from lossc.compiler.elaborate.expressions import Elaborator
    from lossc.compiler.findings import Findings
    from lossc.compiler.link import link
    from lossc.dsl import ast
    from lossc.files import reader

    from .describe import declarations, facts

    wanted = {homes()[n] for n in names} if names is not None else set(families())
    for family in sorted(wanted):
        findings = Findings()
        unit = link(family_source(family), reader(None), findings)
        losses = [item for item in unit.own.values() if isinstance(item, ast.Loss)]
        for item in sorted(losses, key=lambda item: item.span.start):
            known = declare(item, unit, Elaborator(findings), {})
            declared = declarations(known.inputs.values(), known.params.values())
            yield {"name": item.name, "family": family, **facts(item), **declared}


def _summary(doc: str) -> str:
    return doc.strip().split("\n")[0]
