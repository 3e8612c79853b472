"""The command line: `lossc COMMAND`, the commands as rows of one table.

Exit codes: 0 good, 1 findings, 2 usage or unreadable input.
"""

from __future__ import annotations

import os
import sys
import traceback
from argparse import ArgumentParser
from collections.abc import Sequence
from difflib import get_close_matches
from types import ModuleType
from typing import Any, NoReturn

from lossc.dsl.diagnostics import Diagnostic, LosscError

from .commands.terminal import USAGE, Terminal, usage_error
from .loading import load

INTERRUPTED, BROKEN_PIPE = 130, 141

# The module of each command and what it is for.
COMMANDS = {
    "check": ("check", "whether files are sound: syntax, types, axes, domains"),
    "fmt": ("fmt", "set files in the canonical layout"),
    "show": ("show", "a formula and its types, as LaTeX, or at a stage of the compiler"),
    "eval": ("evaluate", "the loss on the data of a file"),
    "grad-check": ("gradcheck", "the gradient against independent oracles"),
    "accuracy": ("accuracy", "bits of error of value and gradient, in each dtype"),
    "audit": ("audit", "claims proved or refuted, hazards, kinks, batches"),
    "diff": ("diff", "whether two losses mean the same, and how they differ"),
    "verify": ("verify", "an input on which a Python implementation and a formula disagree"),
    "list": ("library", "the losses of the standard library"),
    "explain": ("explain", "a diagnostic, with a wrong and a right example"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code. Nothing that is wrong with the input raises."""
    given = list(sys.argv[1:] if argv is None else argv)
    terminal = Terminal("--json" in given)
    _never_fail_to_print()
    try:
        code = _run(given, terminal)
        sys.stdout.flush()
        return code
    except SystemExit as end:
        return int(end.code or 0)
    except LosscError as error:
        return terminal.fail(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return _leave_pipe()
    except Exception as error:
        return terminal.fail(LosscError(_internal(error)))


def _run(given: list[str], terminal: Terminal) -> int:
    """Parse the arguments and run the command."""
    name = next((text for text in given if not text.startswith("-")), "")
    args, rest = _parser(name).parse_known_args(_joined(given))
    if args.command is None:
        _parser("").print_help()
        return USAGE
    if rest:
        what = f"lossc {name} does not take {' '.join(rest)}"
        raise usage_error(what, help=f"lossc {name} --help")
    return int(_module(args.command).run(args, terminal))


def _joined(given: list[str]) -> list[str]:
    """The arguments with `-e TEXT` as one word: the text may begin with a minus."""
    words: list[str] = []
    rest = iter(given)
    for word in rest:
        if word in ("-e", "--expression"):
            text = next(rest, None)
            words.append(word if text is None else f"--expression={text}")
        elif word == "--":
            return [*words, word, *rest]
        else:
            words.append(word)
    return words


class _Parser(ArgumentParser):
    """A parser whose errors are diagnostics."""

    def error(self, message: str) -> NoReturn:
        usage = " ".join(self.format_usage().split())
        raise usage_error(f"{self.prog}: {message}", usage, help=f"{self.prog} --help")


def _parser(name: str) -> ArgumentParser:
    """The parser; only the command that is called is declared in full."""
    from lossc import __version__

    parser = _Parser(prog="lossc", description="The loss compiler.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"lossc {__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for command, (_, help) in COMMANDS.items():
        own = commands.add_parser(command, help=help, description=help, allow_abbrev=False)
        own.add_argument("--json", action="store_true", help="write one JSON document")
        if command == name:
            _module(command).add(own)
    _check_command(name)
    return parser


def _check_command(name: str) -> None:
    if name and name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, 1)
        help = f"did you mean `lossc {near[0]}`?" if near else f"there are: {', '.join(COMMANDS)}"
        raise usage_error(f"lossc has no command `{name}`", help=help)


def _module(command: str) -> ModuleType | Any:
    return load(f"lossc.commands.{COMMANDS[command][0]}")


def _never_fail_to_print() -> None:
    """Let characters that a stream cannot encode be written as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if getattr(stream, "errors", "") == "strict" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _leave_pipe() -> int:
    """End quietly when the reader of the output is gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


def _internal(error: Exception) -> Diagnostic:
    """The diagnostic for a mistake in lossc itself."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "?"
    said = f"{type(error).__name__}: {error}"
    return Diagnostic(
        "E0899", "internal error", notes=(f"{said} (at {place})",),
        help="please report this with the file that caused it",
    )  # fmt: skip
