"""`lossc eval`: a loss on the data of a file."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from lossc.compiler.ir import REAL
from lossc.data import Column, Table, open_table
from lossc.dsl.diagnostics import ArgumentError, Diagnostic, LosscError
from lossc.loss import Loss
from lossc.options import DEFAULT, Options

from .target import Target, add_options, add_targets, chosen, options, sole_target
from .terminal import GOOD, Terminal, plain, usage_error

HELP = "the loss on the data of a .npz, .csv or .parquet file"
_WORDS = {"true": True, "false": False, "none": None, "inf": float("inf"), "-inf": float("-inf")}


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser, many=False)
    add_options(parser)
    add_data(parser)
    parser.add_argument("--grad", action="store_true", help="the gradient by each real input")
    parser.add_argument("--per-sample", action="store_true", help="the values per sample")


def add_data(parser: ArgumentParser) -> None:
    """Declare the arguments that name data."""
    parser.add_argument(
        "--data", metavar="D", type=Path, help="the data: a .npz, .csv or .parquet file"
    )
    parser.add_argument(
        "--bind", action="extend", nargs="+", default=[], metavar="INPUT=COLUMN",
        help="the column that an input is, where its name is another",
    )  # fmt: skip
    parser.add_argument(
        "--param", "--set", action="extend", nargs="+", default=[], metavar="NAME=VALUE",
        help="the value of a param, or of an input that is one number",
    )  # fmt: skip


def run(args: Namespace, terminal: Terminal) -> int:
    """Evaluate the loss; data outside its declared domain is a finding."""
    loss = sole_loss(sole_target(args), options(args))
    columns, given = data_of(loss, args)
    result = evaluate(loss, columns, given, args.grad, args.per_sample)
    if terminal.json:
        terminal.document(result)
    else:
        terminal.say(_text(result))
    return GOOD


def data_of(loss: Loss, args: Namespace) -> tuple[dict[str, Column], dict[str, Any]]:
    """The columns of the inputs, and the inputs and params given as numbers."""
    values = named_values(args.param, "--param", "delta=2")
    given = {name: number_of(name, text) for name, text in values.items()}
    for name in given:
        check_known(loss, name, [*loss.inputs, *loss.params], "input or param")
    bound = named_values(args.bind, "--bind", "yhat=pred")
    for name in bound:
        check_known(loss, name, list(loss.inputs), "input")
    return read_columns(loss, args.data, bound, given), given


def evaluate(
    loss: Loss, columns: Mapping[str, Column], given: Mapping[str, Any], grad: bool, samples: bool
) -> dict[str, Any]:
    """The value of a loss on columns of data, and what else is asked for."""
    from .hlo import quiet

    quiet()
    arguments = {name: column.array for name, column in columns.items()} | dict(given)
    _check_domains(loss, columns, given)
    result: dict[str, Any] = {"loss": loss.name}
    if grad:
        value, grads = loss.value_and_grad(**arguments)
        result["value"] = _array(value)
        result["grad"] = {name: _array(g) for name, g in grads.items()}
    else:
        result["value"] = _array(loss(**arguments))
    if samples:
        result["per_sample"] = _array(loss.per_sample(**arguments))
    return result


def _array(tensor: Any) -> Any:
    return np.asarray(tensor)


def sole_loss(target: Target, how: Options = DEFAULT) -> Loss:
    """The loss that is named, or the only one of the file."""
    from lossc.api import only, sound

    checked = sound(target.source, target.read)
    if target.name:
        return Loss(chosen(target, checked)[0], how)
    return only(checked, how)


# --- arguments -----------------------------------------------------------------------------


def named_values(texts: Sequence[str], option: str, example: str) -> dict[str, str]:
    """What an option gives as NAME=VALUE, by name."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not (name.strip() and mark and value.strip()):
            raise usage_error(f"{option} {text} is not NAME=VALUE", help=f"{option} {example}")
        if name.strip() in pairs:
            raise usage_error(f"{option} gives `{name.strip()}` twice")
        pairs[name.strip()] = value.strip()
    return pairs


def number_of(name: str, text: str) -> Any:
    """A param's value: a number, true, false, none, or a list `[0.1, 0.5]`."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        if text.startswith("["):
            return np.array(json.loads(text), np.float64)
        if "_" in text or text.lower().strip("+-") == "nan":
            raise ValueError
        return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else float(text)
    except (ValueError, TypeError, RecursionError):
        help = "give a number, true, false, none, or a list such as [0.1,0.5]"
        raise usage_error(f"--param {name}={text} has no number", help=help) from None


def check_known(loss: Loss, name: str, known: Sequence[str], what: str) -> None:
    """Raise LosscError for a name that is not known."""
    if name not in known:
        near = get_close_matches(name, known, 1)
        help = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(known)}"
        raise usage_error(f"`{loss.name}` has no {what} `{name}`", help=help)


# --- data ----------------------------------------------------------------------------------


def read_columns(
    loss: Loss, path: Path | None, bound: Mapping[str, str], given: Mapping[str, Any]
) -> dict[str, Column]:
    """The data of each input that is not given as a number."""
    wanted = [name for name in loss.inputs if name not in given]
    if not wanted:
        return {}
    if path is None:
        names = ", ".join(f"`{name}`" for name in wanted)
        raise usage_error(f"`{loss.name}` needs data for {names}", help="--data FILE")
    table = open_table(path)
    read: dict[str, Column] = {}
    found: list[Diagnostic] = []
    for name in wanted:
        try:
            read[name] = _column(loss, name, table, bound.get(name, name))
        except LosscError as error:
            found += error.diagnostics
    if found:
        raise LosscError(found)
    return read


def _column(loss: Loss, name: str, table: Table, column: str) -> Column:
    """The data of one input; numbers written out are real where the input is."""
    data = table.column(column)
    is_integer = data.array.dtype.kind in "iu"
    if table.is_text and is_integer and loss.inputs[name].tensor.kind == REAL:
        return Column(data.array.astype(np.float64), data.names)
    return data


def _check_domains(loss: Loss, columns: Mapping[str, Column], given: Mapping[str, Any]) -> None:
    """Refuse data outside the declared domains, naming its row and column in the file."""
    from lossc.validate import find_outside

    inputs = [columns[n].array if n in columns else given[n] for n in loss.inputs]
    params = {name: value for name, value in given.items() if name in loss.params}
    found = [
        outside.diagnostic(*_where(columns.get(outside.decl.name), outside.place))
        for outside in find_outside(loss._checked, inputs, params)
    ]
    if found:
        raise ArgumentError(found)


def _where(column: Column | None, place: tuple[int, ...]) -> tuple[str, ...]:
    """The row and column of a place, for data that has them."""
    if column is None or not place:
        return ()
    if len(column.names) > 1:
        name = column.names[place[-1]] if len(place) > 1 else ", ".join(column.names)
    else:
        name = column.names[0]
    return (f"row {place[0]} (counted from 0) of column `{name}`",)


# --- text ----------------------------------------------------------------------------------


def _text(result: Mapping[str, Any]) -> str:
    lines = [f"{result['loss']} = {_shown(result['value'])}"]
    for name, value in result.get("grad", {}).items():
        lines.append(f"gradient by {name} = {_shown(value)}")
    if "per_sample" in result:
        lines.append(f"per sample = {_shown(result['per_sample'])}")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if np.ndim(value) == 0:
        return str(plain(value)) if np.asarray(value).dtype.kind != "f" else str(value[()])
    return np.array2string(value, separator=", ", threshold=100)
