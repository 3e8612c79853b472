"""Implementations written by others: Keras losses, and functions of tensors or arrays."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter, Signature, isclass, signature
from typing import Any

import numpy as np


@dataclass
class Foreign:
    """A function, a Keras loss or a class of them, called with inputs by name or in order.

    Inputs are tensors if what comes out is one, else arrays.
    """

    name: str
    called: Any
    inputs: tuple[str, ...]
    tensors: bool = field(init=False)

    def __post_init__(self) -> None:
        self.tensors = "tensorflow" in sys.modules
        self.known = _parameters(self.called)
        self.by_name = not isclass(self.called) and set(self.inputs) <= set(self.known)

    def takes(self, param: str) -> bool:
        """Whether a param can be given, to the function or to the constructor of the class."""
        return param in self.known

    def value(self, inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Any:
        """What it gives, as an array."""
        if self.tensors:
            import tensorflow as tf

            given = {n: tf.constant(x) for n, x in inputs.items()}
            try:
                found = self.call(given, params)
            except Exception:
                self.tensors = False
            else:
                if tf.is_tensor(found):
                    return found.numpy()
                self.tensors = False
        return np.asarray(self.call(inputs, params))

    def call(self, inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Any:
        """Call it."""
        called: Callable[..., Any] = self.called
        if isclass(self.called):
            made: Callable[..., Any] = called(**params)
            return made(*inputs.values())
        if self.by_name:
            return called(**inputs, **params)
        return called(*inputs.values(), **params)

    def gradients(
        self, inputs: Mapping[str, Any], params: Mapping[str, Any], wrt: list[str], mean: bool
    ) -> dict[str, Any] | None:
        """The gradients of the mean or sum of what it gives; None for functions of arrays."""
        if not self.tensors:
            return None
        import tensorflow as tf

        given = {n: tf.constant(x) for n, x in inputs.items()}
        with tf.GradientTape() as tape:
            tape.watch([given[n] for n in wrt])
            found = self.call(given, params)
            whole = tf.reduce_mean(found) if mean else tf.reduce_sum(found)
        slopes = tape.gradient(whole, [given[n] for n in wrt], unconnected_gradients="zero")
        return {n: tf.convert_to_tensor(s).numpy() for n, s in zip(wrt, slopes, strict=True)}

    def fits(self, params: Iterable[str]) -> str | None:
        """Why it cannot be called with the inputs and those params it takes; None if it can."""
        made = _signature(self.called.__call__) if _is_loss_class(self.called) else None
        found = made or (None if isclass(self.called) else _signature(self.called))
        if found is None:
            return None
        own = ["self"] if made else []
        given = {} if made else {n: None for n in params if self.takes(n)}
        try:
            if self.by_name:
                found.bind(**dict.fromkeys(self.inputs), **given)
            else:
                found.bind(*own, *self.inputs, **given)
        except TypeError as error:
            return str(error)
        return None


def _is_loss_class(called: Any) -> bool:
    return isclass(called) and "__call__" in dir(called)


def _parameters(called: Any) -> list[str]:
    """The names that a function, or the constructor of a class, takes."""
    found = _signature(called)
    kinds = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return [n for n, p in found.parameters.items() if p.kind in kinds] if found else []


def _signature(called: Any) -> Signature | None:
    try:
        return signature(called)
    except (TypeError, ValueError):
        return None
