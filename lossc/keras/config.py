"""A loss as plain data, as saved models keep it: texts, names, numbers and nested lists."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from lossc.api import only, sound
from lossc.dsl.diagnostics import Diagnostic, LosscError
from lossc.dsl.source import Source
from lossc.files import from_mapping
from lossc.options import Options

if TYPE_CHECKING:
    from lossc.loss import Loss


def save(loss: Loss) -> dict[str, Any]:
    """The loss with the whole text of its file and of the files that it uses, by name."""
    main, *others = loss.sources()
    short = short_names([s.name for s in (main, *others)])
    return {
        "loss": loss.name,
        "file": short[main.name],
        "formula": main.text,
        "files": {short[s.name]: s.text for s in others},
        "hash": loss.hash,
        "jit": loss.jit,
        "stable": loss.stable,
        "precision": loss.precision,
    }


def restore(config: Mapping[str, Any]) -> Loss:
    """The loss in a config; nothing is read but the config.

    Raises LosscError if the text no longer compiles, or means something else than when saved.
    """
    check_config(config)
    source = Source.of(config["file"], config["formula"])
    checked = sound(source, from_mapping(config["files"]))
    given = {name: config[name] for name in ("jit", "stable", "precision") if name in config}
    loss = only(checked, Options(**given), config["loss"])
    if loss.hash != config["hash"]:
        raise LosscError(_changed(loss))
    return loss


PARTS: Mapping[str, tuple[type, ...]] = {
    "loss": (str,),
    "file": (str,),
    "formula": (str,),
    "files": (Mapping,),
    "hash": (str,),
}
WHOLE: Mapping[str, tuple[type, ...]] = {
    **PARTS,
    "name": (str, type(None)),
    "reduction": (str, type(None)),
    "dtype": (object,),
    "params": (Mapping,),
    "bound": (Mapping,),
}


def check_config(config: Mapping[str, Any], parts: Mapping[str, tuple[type, ...]] = PARTS) -> None:
    """Raise LosscError for a config that lacks a part, or has one of another kind."""
    for name, kinds in parts.items():
        if name not in config:
            raise LosscError(_malformed(f"it has no `{name}`"))
        if not isinstance(config[name], kinds):
            raise LosscError(_malformed(f"`{name}` is {type(config[name]).__name__}"))
    if not all(isinstance(x, str) for pair in config["files"].items() for x in pair):
        raise LosscError(_malformed("`files` has something else than texts"))


def _malformed(why: str) -> Diagnostic:
    help = "save the model again, or compile it anew with the loss that you want"
    return Diagnostic("E0709", "this is no config of a saved loss", notes=(why,), help=help)


def _changed(loss: Loss) -> Diagnostic:
    return Diagnostic(
        "E0702",
        f"the saved loss `{loss.name}` does not mean what it meant when it was saved",
        notes=("its text was edited, or this version of lossc reads it differently.",),
        help="load the model with compile=False and compile it with the loss that you want",
    )


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Names of sources without the folders that all files share; saved models tell no paths."""
    names = list(names)
    paths = {n: os.path.abspath(n) for n in names if not _is_virtual(n)}
    if not paths:
        return {n: n for n in names}
    root = os.path.commonpath([os.path.dirname(p) for p in paths.values()])
    shown = {n: os.path.relpath(p, root).replace(os.sep, "/") for n, p in paths.items()}
    return {n: shown.get(n, n) for n in names}


def _is_virtual(name: str) -> bool:
    """Whether a source is no file: a text, or a family of the standard library."""
    return name.startswith("<") or (name.startswith("std.") and not name.endswith(".loss"))


# --- values -------------------------------------------------------------------------------------


def is_live(value: Any) -> bool:
    """Whether a value is a variable, read anew at each call."""
    return isinstance(value, (tf.Variable, keras.Variable))


def plain(value: Any) -> Any:
    """A param's present value as a number, bool, None or nested list."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return array(value).tolist()


def array(value: Any) -> Any:
    """A value as a NumPy array; variables as they are now, also while a graph is built."""
    if not is_live(value):
        return np.asarray(value)
    with tf.init_scope():
        return np.asarray(keras.ops.convert_to_numpy(value))


def save_array(value: Any) -> dict[str, Any]:
    """An array as nested lists with dtype and shape."""
    a = array(value)
    return {"dtype": a.dtype.name, "shape": list(a.shape), "values": a.tolist()}


def restore_array(config: Mapping[str, Any]) -> Any:
    """The array of `save_array`. Raises LosscError for anything else."""
    try:
        return np.asarray(config["values"], config["dtype"]).reshape(config["shape"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise LosscError(_malformed("`bound` has something else than arrays")) from None
