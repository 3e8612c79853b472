"""What a command works on: a file, standard input, a text, or a loss of the library."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from lossc.compiler.precision import AUTO, PRECISIONS
from lossc.dsl.diagnostics import Diagnostic, LosscError
from lossc.dsl.parser import MAX_BYTES
from lossc.dsl.source import Source
from lossc.files import Reader, decode, read_source, reader
from lossc.options import Options
from lossc.stdlib import families, family_source, homes

from .terminal import usage_error

if TYPE_CHECKING:
    from lossc.compiler.check import Checked, CheckedFile

_FORMS = "a .loss file, FILE#NAME, std.NAME, `-` for standard input"


@dataclass(frozen=True, slots=True)
class Target:
    """A source, what `use` in it may read, and the loss that is meant if one is named."""

    source: Source
    read: Reader
    name: str | None = None
    path: Path | None = None


def add_targets(parser: ArgumentParser, many: bool) -> None:
    """Declare the arguments that say what a command works on."""
    parser.add_argument("file", nargs="*" if many else "?", metavar="FILE", help=_FORMS)
    parser.add_argument("-e", "--expression", metavar="TEXT", help="this text in place of a file")
    parser.add_argument(
        "--search", action="append", default=[], metavar="DIR", type=Path,
        help="a folder that `use` may read besides the file's own",
    )  # fmt: skip


def add_options(parser: ArgumentParser) -> None:
    """Declare how a loss is computed: in its stable form or as written, and in what precision."""
    parser.add_argument(
        "-O", type=int, choices=(0, 1), default=1, dest="level",
        help="-O0 computes the formula as written, without rewrites or float64",
    )  # fmt: skip
    add_precision(parser)


def add_precision(parser: ArgumentParser) -> None:
    """Declare the choice of a precision."""
    parser.add_argument(
        "--precision", choices=PRECISIONS, default=AUTO,
        help="which steps are computed in float64: those that ordinary data need, none, or all "
        "that may lose digits",
    )  # fmt: skip


def options(args: Namespace) -> Options:
    """How a loss is computed."""
    return Options(stable=args.level > 0, precision=args.precision)


def sole_target(args: Namespace) -> Target:
    """The one thing that a command works on."""
    if (args.file is None) == (args.expression is None):
        raise usage_error(f"lossc {args.command} takes a FILE or -e TEXT, one of them")
    if args.expression is not None:
        return _of_text(args.expression, args.search)
    return open_target(args.file, args.search)


def target_names(args: Namespace) -> list[str]:
    """The names of the files that a command works on; none where it works on a text."""
    if bool(args.file) == (args.expression is not None):
        raise usage_error(f"lossc {args.command} takes FILEs or -e TEXT, one of them")
    return list(args.file)


def text_target(args: Namespace) -> Target:
    """The text that stands in place of a file."""
    return _of_text(args.expression, args.search)


def open_target(spec: str, search: Sequence[Path] = ()) -> Target:
    """What an argument names.

    Raises LosscError for a file that cannot be read.
    """
    base, mark, name = spec.rpartition("#")
    if not mark or (spec != "-" and Path(spec).is_file()):
        base, name = spec, ""
    wanted = name or None
    if base == "-":
        return Target(_stdin(), reader(None, search), wanted)
    if base.startswith("std.") and not Path(base).is_file():
        return _of_library(base.removeprefix("std."), wanted)
    path = Path(base)
    return Target(read_source(path), reader(path.parent, search), wanted, path)


def chosen(target: Target, checked: CheckedFile) -> list[Checked]:
    """The loss that is named, or all of a file in the order of the text.

    Raises LosscError where there is no such loss.
    """
    losses = checked.losses
    if target.name is None:
        return sorted(losses.values(), key=lambda loss: loss.item.span.start)
    if target.name not in losses:
        raise LosscError(_no_loss(target.source.name, target.name, sorted(losses)))
    return [losses[target.name]]


def named_losses(args: Namespace) -> Iterator[Checked | LosscError]:
    """Every loss named, or the error of a file that has none."""
    from lossc.api import sound

    names: list[str | None] = [*target_names(args)]
    for name in names or [None]:
        try:
            target = text_target(args) if name is None else open_target(name, args.search)
            yield from chosen(target, sound(target.source, target.read))
        except LosscError as error:
            yield error


def _of_text(text: str, search: Sequence[Path]) -> Target:
    return Target(Source.of("<text>", text), reader(None, search))


def _stdin() -> Source:
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        return Source.of("<stdin>", sys.stdin.read(MAX_BYTES + 1))
    return decode("<stdin>", stream.read(MAX_BYTES + 1))


def _of_library(base: str, name: str | None) -> Target:
    """A family of the library, or the loss of that name in whatever family has it."""
    if base in families():
        return Target(family_source(base), reader(None), name)
    if base in homes():
        return Target(family_source(homes()[base]), reader(None), name or base)
    raise LosscError(_no_loss("the standard library", base, [*homes(), *families()]))


def _no_loss(where: str, name: str, known: Sequence[str]) -> Diagnostic:
    near = get_close_matches(name, known, 1)
    some = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
    help = f"did you mean `{near[0]}`?" if near else f"there are: {some or 'none'}"
    return Diagnostic("E0609", f"{where} has no loss `{name}`", help=help)
