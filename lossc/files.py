"""Reading `.loss` files, and what `use` may read."""

from __future__ import annotations

import errno
import posixpath
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from lossc.dsl import ast
from lossc.dsl.diagnostics import Diagnostic, Label, LosscError
from lossc.dsl.source import Source, Span
from lossc.stdlib import families, family_source

MAX_BYTES = 1_000_000
Reader = Callable[[ast.Use, Source], Source]


def read_source(path: Path, shown: str | None = None, span: Span | None = None) -> Source:
    """The source in a file.

    Raises LosscError for a file that cannot be read, is too large, or is not UTF-8.
    """
    name = shown or str(path)
    label = Label(span) if span is not None else None
    try:
        with open_regular(path) as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            message = f"{name} is too large for a loss file: over {MAX_BYTES:,} bytes"
            raise LosscError(Diagnostic("E0501", message, label))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "a bad path"
        message = f"cannot read {name}: {why[0].lower()}{why[1:]}"
        raise LosscError(Diagnostic("E0501", message, label)) from None
    return decode(name, data, label)


def open_regular(path: Path) -> BinaryIO:
    """A file opened for reading. Raises OSError for a pipe or device, which may never end."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "It is no regular file")
    return path.open("rb")


def decode(name: str, data: bytes, label: Label | None = None) -> Source:
    """The source in some bytes, which must be UTF-8."""
    try:
        return Source.of(name, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        message = f"{name} is not UTF-8 text"
        note = f"byte {data[error.start]:#04x} at line {line}, byte {column} of the line"
        help = "save the file as UTF-8"
        raise LosscError(Diagnostic("E0502", message, label, notes=(note,), help=help)) from None


def reader(root: Path | None, search: Iterable[Path] = ()) -> Reader:
    """What `use` reads: the standard library, files below `root`, and below the search paths.

    Without a root only the library and the search paths can be read.
    """
    allowed = [p.resolve() for p in ([root] if root is not None else [])] + [
        Path(p).resolve() for p in search
    ]

    def read(use: ast.Use, source: Source) -> Source:
        if not use.is_file:
            return _library(use)
        near = Path(source.name).parent if root is not None else None
        places = [p for p in [near, *allowed] if p is not None]
        inside = [q for q in ((p / use.path) for p in places) if _is_below(q, allowed)]
        found = [q for q in inside if _is_file(q)]
        if not inside:
            raise LosscError(_outside(use, bool(allowed)))
        return read_source((found or inside)[0], None, use.span)

    return read


def from_mapping(files: Mapping[str, str]) -> Reader:
    """A reader of texts kept by name, as a saved model has them; nothing else is read.

    A family of the standard library that was saved is taken as it was; others as they are now.
    """

    def read(use: ast.Use, source: Source) -> Source:
        if not use.is_file:
            saved = use.path in files
            return Source.of(use.path, files[use.path]) if saved else _library(use)
        key = _saved_name(use.path, source, files)
        if key is None:
            message = f"the saved loss has no file `{use.path}`"
            raise LosscError(Diagnostic("E0501", message, Label(use.span)))
        return Source.of(key, files[key])

    return read


def _saved_name(path: str, source: Source, files: Mapping[str, str]) -> str | None:
    """The saved file beside the one that uses it, or the one that a search path had."""
    near = posixpath.normpath(posixpath.join(posixpath.dirname(source.name), path))
    plain = posixpath.normpath(path)
    ends = (name for name in files if name.endswith(f"/{plain}"))
    return next((name for name in (near, plain, *ends) if name in files), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _is_below(path: Path, allowed: Iterable[Path]) -> bool:
    try:
        resolved = path.resolve()
    except (OSError, ValueError, RuntimeError):
        return False
    return any(resolved.is_relative_to(p) for p in allowed)


def _outside(use: ast.Use, has_root: bool) -> Diagnostic:
    if not has_root:
        message = f'`use "{use.path}"` needs a file to stand beside, and this text is in none'
        help = "save the text as a file and load that, or pass a search path"
    else:
        message = f'"{use.path}" is outside the folder of this file'
        help = "move it below the folder, or pass its folder as a search path"
    return Diagnostic("E0505", message, Label(use.span), help=help)


def _library(use: ast.Use) -> Source:
    family = use.path.removeprefix("std.")
    if use.path.startswith("std.") and family in families():
        return family_source(family)
    have = ", ".join(f"std.{f}" for f in families())
    message = f"there is no library `{use.path}`"
    raise LosscError(Diagnostic("E0501", message, Label(use.span), help=f"there are: {have}"))
