"""Reading the data files of the command line: .npz, .csv and .parquet."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from lossc.dsl.diagnostics import Diagnostic, LosscError
from lossc.dsl.names import ascii_name
from lossc.files import open_regular

Array = np.ndarray[Any, Any]

_TRUTH = {"true": True, "false": False}
_MISSING = frozenset(["", "na", "n/a", "null", "none"])


@dataclass(frozen=True, slots=True)
class Column:
    """What a file holds under a name: an array, or the columns `z_0`, `z_1`, ... side by side.

    `names` has the name in the file of each part.
    """

    array: Array
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A data file. `names` are those of its arrays, `read` gives one of them.

    `is_text` tells that numbers were written out, so that `1` may be a real.
    """

    path: str
    names: tuple[str, ...]
    read: Callable[[str], Array]
    is_text: bool = False

    def column(self, name: str) -> Column:
        """The array of a name, or the matrix of the columns `name_0`, `name_1`, ...

        Raises LosscError where there is none, or where it holds no numbers.
        """
        own = self.spelling(name)
        if own is not None:
            return Column(_numeric(self, own), (own,))
        parts = self.parts(name)
        if not parts:
            raise LosscError(self.no_column(name))
        arrays = [_numeric(self, part) for part in parts]
        if len({a.shape for a in arrays}) > 1:
            fact = ", ".join(f"{p} has shape {a.shape}" for p, a in zip(parts, arrays, strict=True))
            raise LosscError(_ragged(f"the columns of `{name}` differ in length", fact))
        return Column(np.stack(arrays, axis=-1), tuple(parts))

    def spelling(self, name: str) -> str | None:
        """The name as the file spells it: `ŷ` may stand for `yhat`."""
        if name in self.names:
            return name
        return next((n for n in self.names if ascii_name(n) == name), None)

    def parts(self, name: str) -> list[str]:
        """The columns `name_0`, `name_1`, ... or `name[0]`, `name[1]`, ..., in their order."""
        numbered = re.compile(rf"{re.escape(name)}(?:_(\d{{1,9}})|\[(\d{{1,9}})\])")
        found = [(m, n) for n in self.names if (m := numbered.fullmatch(ascii_name(n) or n))]
        places = {int(m[1] or m[2]): n for m, n in found}
        missing = [k for k in range(len(places)) if k not in places]
        if missing:
            fact = f"there is {places[max(places)]}, but none numbered {missing[0]}"
            raise LosscError(_ragged(f"the columns of `{name}` have a gap", fact, _COUNT_HELP))
        return [places[k] for k in range(len(places))]

    def no_column(self, name: str) -> Diagnostic:
        """The error for a name that the file does not have."""
        near = get_close_matches(name, self.names, 1)
        have = ", ".join(self.names[:12]) + (", ..." if len(self.names) > 12 else "")
        how = f"did you mean `{near[0]}`?" if near else "name it: --bind INPUT=COLUMN"
        notes = (f"it has: {have or 'nothing'}",)
        return Diagnostic("E0612", f"{self.path} has no column `{name}`", notes=notes, help=how)


_COUNT_HELP = "columns of one array are numbered from 0 without gaps: z_0, z_1, z_2"


def open_table(path: Path) -> Table:
    """The data file of a path, by its extension.

    Raises LosscError for a file that cannot be read or is not what its extension says.
    """
    shown = str(path)
    readers = {".npz": _npz, ".csv": _csv, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        kinds = ", ".join(readers)
        what = f"`{path.suffix}` is no kind of data file" if path.suffix else "it has no extension"
        help = "save arrays by name: np.savez('data.npz', y=y, yhat=yhat)"
        raise LosscError(_unreadable(shown, what, f"there are: {kinds}", help=help))
    try:
        open_regular(path).close()
        return reader(path)
    except (OSError, ValueError) as error:
        raise LosscError(_unreadable(shown, _reason(error))) from None


def _reason(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else ""
    return said[0].lower() + said[1:] if said else "it is damaged, or of another kind"


def _unreadable(path: str, why: str, *notes: str, help: str | None = None) -> Diagnostic:
    return Diagnostic("E0613", f"cannot read {path}: {why}", notes=notes, help=help)


def _ragged(message: str, fact: str, help: str | None = None) -> Diagnostic:
    return Diagnostic("E0615", message, notes=(fact,), help=help)


def _numeric(table: Table, name: str) -> Array:
    array = table.read(name)
    if array.dtype.kind in "biuf":
        return array
    what = "Python objects" if array.dtype.kind == "O" else f"values of dtype {array.dtype}"
    raise LosscError(_no_numbers(table.path, name, f"it holds {what}"))


def _no_numbers(path: str, name: str, why: str) -> Diagnostic:
    message = f"`{name}` of {path} is not numeric"
    return Diagnostic("E0614", message, notes=(why,), help="give numbers or truth values")


# --- npz -----------------------------------------------------------------------------------


def _npz(path: Path) -> Table:
    try:
        file = np.load(path, allow_pickle=False)
    except (BadZipFile, EOFError):
        raise ValueError from None
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise ValueError("one array without a name")

    def read(name: str) -> Array:
        try:
            array: Array = file[name]
        except Exception as error:  # what NumPy raises for damaged archives is of many kinds
            pickled = "Object arrays" in str(error)
            why = "it holds Python objects, never unpickled" if pickled else "it is damaged"
            raise LosscError(_no_numbers(str(path), name, why)) from None
        return array

    return Table(str(path), tuple(file.files), read)


# --- csv -----------------------------------------------------------------------------------


def _csv(path: Path) -> Table:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (csv.Error, UnicodeDecodeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise LosscError(_unreadable(str(path), why)) from None
    if not rows:
        raise LosscError(_unreadable(str(path), "it is empty", "its first line names its columns"))
    names = [name.strip() for name in rows[0]]
    _check_rows(str(path), names, rows)
    places = {name: k for k, name in enumerate(names)}

    def read(name: str) -> Array:
        return _parse(str(path), name, [row[places[name]].strip() for row in rows[1:]])

    return Table(str(path), tuple(names), read, is_text=True)


def _check_rows(path: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise LosscError(_ragged(f"{path} has two columns `{twice}`", "the first line names them"))
    for number, row in enumerate(rows):
        if len(row) != len(names):
            fact = f"row {number - 1} has {len(row)} cells, the first line names {len(names)}"
            raise LosscError(_ragged(f"{path} is no table", fact, "rows are counted from 0"))


def _parse(path: str, name: str, cells: Sequence[str]) -> Array:
    """The numbers in some cells: integers or truth values if all are, else floats."""
    words = [cell.lower() for cell in cells]
    if words and all(word in _TRUTH for word in words):
        return np.array([_TRUTH[word] for word in words])
    numbers = [_cell(path, name, k, word) for k, word in enumerate(words)]
    if numbers and all(isinstance(n, int) and abs(n) < 1 << 63 for n in numbers):
        return np.array(numbers, np.int64)
    return np.array([_as_float(n) for n in numbers], np.float64)


def _as_float(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def _cell(path: str, name: str, row: int, word: str) -> int | float:
    if word in _MISSING:
        return float("nan")
    if re.fullmatch(r"[+-]?\d{1,4000}", word, re.ASCII):
        return int(word)
    try:
        return float(word) if "_" not in word else float("no number")
    except ValueError:
        shown = word if len(word) <= 40 else word[:40] + "..."
        raise LosscError(_no_numbers(path, name, f"row {row} (from 0) holds `{shown}`")) from None


# --- parquet -------------------------------------------------------------------------------


def _parquet(path: Path) -> Table:
    try:
        from pyarrow import ArrowException
        from pyarrow import parquet as pq
    except ImportError:
        help = "pip install 'lossc[parquet]', or save the data as .npz or .csv"
        raise LosscError(_unreadable(str(path), "pyarrow is not installed", help=help)) from None
    try:
        file = pq.ParquetFile(path)
    except ArrowException:
        raise ValueError from None

    def read(name: str) -> Array:
        try:
            column = file.read(columns=[name]).column(name)
        except (ArrowException, KeyError):
            raise LosscError(_unreadable(str(path), f"its column `{name}` is damaged")) from None
        return _arrow(str(path), name, column)

    return Table(str(path), tuple(file.schema_arrow.names), read)


def _arrow(path: str, name: str, column: Any) -> Array:
    """A column of numbers, or of lists of numbers of one length."""
    array: Array = column.to_numpy()
    if array.dtype.kind != "O":
        return array
    values: Iterable[Any] = column.to_pylist()
    try:
        filled = [float("nan") if v is None else v for v in values]
        return np.array(filled)
    except ValueError:
        fact = "its lists differ in length"
        raise LosscError(_ragged(f"`{name}` of {path} is no array", fact)) from None
