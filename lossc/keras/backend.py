"""The Keras backend that lossc needs."""

from __future__ import annotations

import os

from lossc.dsl.diagnostics import Diagnostic, LosscError


def require_tensorflow() -> None:
    """Raise LosscError unless Keras runs on TensorFlow; the message names the backend found."""
    found = _backend()
    if found != "tensorflow":
        raise LosscError(
            Diagnostic(
                "E0703",
                f"lossc needs Keras on TensorFlow, and Keras runs on {found} here",
                notes=("a compiled loss is a TensorFlow graph, which other backends cannot run",),
                help="set KERAS_BACKEND=tensorflow before Keras is imported",
            )
        )


def _backend() -> str:
    """The backend's name, also where Keras cannot load it."""
    try:
        import keras
    except ImportError:
        named = os.environ.get("KERAS_BACKEND", "tensorflow")
        if named == "tensorflow":
            raise
        return named
    return str(keras.config.backend())
