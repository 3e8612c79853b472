"""`lossc verify`: an input on which an implementation in Python and a formula disagree."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from inspect import isclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossc.dsl.diagnostics import LosscError

from .target import chosen, open_target
from .terminal import FINDINGS, GOOD, Terminal, clear_progress, show_progress, usage_error

if TYPE_CHECKING:
    from lossc.compiler.check import Checked
    from lossc.foreign import Foreign
    from lossc.verification import Verification

_EXAMPLE = "lossc verify mylosses:huber --against huber.loss"


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "function", metavar="MODULE:FUNCTION", help="a function, a Keras loss or a class of them"
    )
    parser.add_argument("--against", required=True, metavar="FILE[#NAME]", help="the formula")
    parser.add_argument(
        "--search", action="append", default=[], metavar="DIR", type=Path,
        help="a folder that `use` may read besides the file's own",
    )  # fmt: skip
    parser.add_argument("--points", type=int, default=100, metavar="N", help="a dtype (100)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the random points")
    parser.add_argument(
        "--rounding", type=float, metavar="R",
        help="the relative error that counts as rounding (1e-4 in float32, 1e-9 in float64)",
    )  # fmt: skip


def run(args: Namespace, terminal: Terminal) -> int:
    """Look for a disagreement; 1 if one is found."""
    from lossc.verification import verify

    if args.points < 1:
        raise usage_error("--points takes a number from 1 on", help="--points 100")
    checked = _formula(args)
    called = _implementation(args.function, checked)
    found = verify(checked, called, args.points, args.seed, args.rounding, show_progress)
    clear_progress()
    if terminal.json:
        terminal.document(found.to_json())
    else:
        terminal.say(_text(found))
    return FINDINGS if found.disagreements else GOOD


def _formula(args: Namespace) -> Checked:
    """The one loss that is named."""
    from lossc.api import sound

    target = open_target(args.against, args.search)
    losses = chosen(target, sound(target.source, target.read))
    if len(losses) != 1:
        names = ", ".join(c.name for c in losses)
        help = f"--against {args.against}#NAME, of {names}" if names else None
        raise usage_error(f"{args.against} has {len(losses)} losses, and one is wanted", help=help)
    return losses[0]


def _implementation(spec: str, checked: Checked) -> Foreign:
    """What is to be verified.

    Raises LosscError where it cannot be imported or called.
    """
    from lossc.foreign import Foreign

    module, mark, name = spec.partition(":")
    if not (module and mark and name):
        raise usage_error(f"{spec} is not MODULE:FUNCTION", help=_EXAMPLE)
    found = _attribute(_imported(module), module, name)
    if not callable(found):
        raise usage_error(f"{spec} is a {type(found).__name__}, which cannot be called")
    if isclass(found) and not callable(getattr(found, "call", None)):
        raise usage_error(f"{spec} is a class, but none of Keras losses")
    foreign = Foreign(spec, found, tuple(checked.inputs))
    wrong = foreign.fits(checked.params)
    if wrong is not None:
        names = ", ".join(checked.inputs)
        raise usage_error(f"{spec} cannot be called with {names}", wrong)
    return foreign


def _imported(name: str) -> Any:
    """A module of the user's, the working directory included."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        with _no_greetings():
            return import_module(name)
    except LosscError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's module raises
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise usage_error(f"{name} cannot be imported", said) from None


@contextmanager
def _no_greetings() -> Iterator[None]:
    """Hide what TensorFlow writes to standard error as it is imported."""
    kept = os.dup(2)
    hidden = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(hidden, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(hidden)


def _attribute(module: Any, where: str, name: str) -> Any:
    """What a module has by a dotted name."""
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            near = get_close_matches(part, dir(found), 1)
            help = f"did you mean `{near[0]}`?" if near else None
            raise usage_error(f"{where} has no `{name}`", help=help)
        found = getattr(found, part)
    return found


def _text(found: Verification) -> str:
    """The result as text."""
    head = f"{found.implementation} and {found.loss}"
    if not found.disagreements:
        what = "value or gradient" if found.gradients else "value"
        lines = [f"{head}: no disagreement found in {what}, in {found.points} points"]
    else:
        lines = [f"{head}: disagree", *map(str, found.disagreements)]
    return "\n  ".join([*lines, *found.notes])
