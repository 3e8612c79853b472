"""lossc, the loss compiler: a formula in a text file becomes a fused, compiled Keras loss.

    loss = lossc.compile("mean(w * (y - yhat)^2)")
    huber = lossc.load("huber.loss").huber
    lossc.std.huber

Importing lossc is quick: the compiler is loaded when first used, TensorFlow when first run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lossc.dsl.diagnostics import ArgumentError, Diagnostic, LosscError

    from . import keras
    from .api import compile, load
    from .loss import Formula, Loss, Module

    std: Module

__version__ = "0.1.0"

_HOMES = {
    "compile": "lossc.api",
    "load": "lossc.api",
    "Loss": "lossc.loss",
    "Module": "lossc.loss",
    "Formula": "lossc.loss",
    "LosscError": "lossc.dsl.diagnostics",
    "ArgumentError": "lossc.dsl.diagnostics",
    "Diagnostic": "lossc.dsl.diagnostics",
}

__all__ = [
    "ArgumentError", "Diagnostic", "Formula", "Loss", "LosscError", "Module", "compile", "keras",
    "load", "std",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "std":
        return import_module("lossc.api").library()
    if name == "keras":
        return import_module("lossc.keras")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lossc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
