"""`lossc diff`: whether two losses mean the same, and how they differ."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .target import chosen, open_target
from .terminal import FINDINGS, GOOD, Terminal, clear_progress, show_progress, usage_error

if TYPE_CHECKING:
    from lossc.compiler.audit.compare import Comparison
    from lossc.compiler.check import Checked

_FORMS = "a .loss file, FILE#NAME, std.NAME, `-` for standard input"


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("old", metavar="OLD", help=_FORMS)
    parser.add_argument("new", metavar="NEW", help=_FORMS)
    parser.add_argument(
        "--search", action="append", default=[], metavar="DIR", type=Path,
        help="a folder that `use` may read besides the file's own",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the random points")
    parser.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="the most for one loss (10)"
    )


def run(args: Namespace, terminal: Terminal) -> int:
    """Compare the losses of two files; 1 unless all are proved to be equal."""
    from lossc.compiler.audit.compare import compare

    if not args.seconds > 0:
        raise usage_error("--seconds takes a number above 0", help="--seconds 10")
    old, new = _losses(args.old, args), _losses(args.new, args)
    pairs = {n: n for n in old if n in new}
    if len(old) == len(new) == 1:
        pairs = dict(zip(old, new, strict=True))
    lost = [n for n in old if n not in pairs]
    added = [n for n in new if n not in pairs.values()]
    found: list[Comparison] = []
    for name, other in pairs.items():
        show_progress(f"{name}: compared")
        found.append(compare(old[name], new[other], args.seconds, args.seed))
        clear_progress()
        if not terminal.json:
            terminal.say(_text(found[-1], other))
    same = not lost and not added and all(c.same for c in found)
    if terminal.json:
        losses = [c.to_json() for c in found]
        terminal.document({"ok": same, "losses": losses, "lost": lost, "new": added})
    else:
        for name in lost:
            terminal.say(f"{name}: lost")
        for name in added:
            terminal.say(f"{name}: new")
    return GOOD if same else FINDINGS


def _losses(spec: str, args: Namespace) -> Mapping[str, Checked]:
    """The losses that an argument names, by name."""
    from lossc.api import sound

    target = open_target(spec, args.search)
    return {c.name: c for c in chosen(target, sound(target.source, target.read))}


def _text(comparison: Comparison, other: str) -> str:
    """A comparison as text."""
    c = comparison
    name = c.name if other == c.name else f"{c.name} and {other}"
    points = f"; no difference at {c.points} points" if c.verdict == "unknown" and c.points else ""
    head = {
        "equal": f"equal, proved by {c.how}",
        "differs": "differs" if c.differences else f"differs: {c.how}",
        "unknown": f"unknown: {c.how}{points}",
    }[c.verdict]
    lines = [f"{name}: {head}", *c.changes, *map(str, c.differences), *c.notes]
    return "\n  ".join(lines)
