"""Domains checked while a model trains or is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from lossc.compiler.emit.blocks import in_xla
from lossc.dsl.diagnostics import Diagnostic, LosscError

from . import config as saved

if TYPE_CHECKING:
    from lossc.loss import Loss


def validate_at_each_step(loss: Loss, inputs: Mapping[str, Any], params: Mapping[str, Any]) -> None:
    """Check data now, or in a graph each time that it runs.

    Raises ArgumentError as `loss.validate` does; in a graph, TensorFlow's InvalidArgumentError with
    the same message. Raises LosscError where XLA compiles the graph.
    """
    known = {**inputs, **params}
    live = {n: tf.convert_to_tensor(v) for n, v in known.items() if _is_live(v)}
    fixed = {n: v for n, v in known.items() if n not in live}
    if tf.executing_eagerly():
        loss.validate(**live, **fixed)
        return
    if in_xla():
        raise LosscError(_under_xla(loss))

    def check(*tensors: Any) -> None:
        loss.validate(**dict(zip(live, tensors, strict=True)), **fixed)

    tf.py_function(check, list(live.values()), [])


def _is_live(value: Any) -> bool:
    return tf.is_tensor(value) or saved.is_live(value)


def _under_xla(loss: Loss) -> Diagnostic:
    return Diagnostic(
        "E0708",
        f"`{loss.name}` is to check its data, which XLA cannot do",
        notes=("the step is compiled by XLA, as with jit_compile=True",),
        help="model.compile(..., jit_compile=False), or leave out validate=True",
    )
