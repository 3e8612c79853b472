"""A loss inside a model, for formulas of any number of inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.losses.loss import unscale_loss_for_distribution

from lossc.compiler.domains import Between
from lossc.compiler.elaborate.declare import Param
from lossc.compiler.ir import REAL, Const
from lossc.dsl.diagnostics import ArgumentError, Diagnostic, Label, LosscError

from . import config as saved
from .loss import CompiledLoss

if TYPE_CHECKING:
    from lossc.loss import Loss


@dataclass(frozen=True, slots=True)
class _Factor:
    """A number or variable, hidden from Keras, which would train it."""

    value: Any


@keras.saving.register_keras_serializable(package="lossc")
class LossLayer(keras.layers.Layer):  # type: ignore[misc]
    """Adds a loss to the model in which it stands, and passes the prediction on.

        shown = LossLayer(loss, trainable=("delta",))({"y": y, "yhat": yhat, "w": w})
        model = keras.Model([x, y, w], shown)
        model.compile("adam")

    It is called with a dict of tensors by input name, or with the tensors in declared order, as one
    list or one after another. It returns the second input as it is, or the one that `output` names.
    `loss` is a Loss or, with params and constants bound, what `loss.keras(...)` gives. The params
    in `trainable` are weights of the layer: they start at their values and are kept inside their
    domain where that is an interval with fixed bounds. `weight` is a factor of the loss, a number
    or a variable. A mask of the prediction, and a tensor named `sample_weight`, count as they do in
    `loss.keras()`.

    Raises ArgumentError for params that cannot be trained and for inputs that do not fit.
    """

    def __init__(
        self, loss: Loss | CompiledLoss, trainable: str | Iterable[str] = (), weight: Any = 1.0,
        output: str | None = None, name: str | None = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(name=name, dtype=dtype, autocast=False)
        self.supports_masking = True
        self._applied = loss if isinstance(loss, CompiledLoss) else loss.keras()
        self._factor = _Factor(weight)
        self._output = output or self._applied.prediction or ""
        if self._output not in self._applied.free:
            raise self._applied.formula._unknown(self._output, self._applied.free)
        names = (trainable,) if isinstance(trainable, str) else tuple(trainable)
        self.trained = {n: self._weight_of(n) for n in names}

    @property
    def loss(self) -> CompiledLoss:
        """The loss that the layer adds."""
        return self._applied

    def _weight_of(self, name: str) -> Any:
        """The variable of a param that is trained."""
        param = _trainable(self._applied.formula, name)
        start = np.asarray(self._applied.params[name], dtype="float64")
        return self.add_weight(
            name=name,
            shape=start.shape,
            initializer=lambda shape, dtype: tf.constant(start, dtype, shape),
            constraint=_constraint(param),
            autocast=False,
        )

    def call(self, inputs: Any, *others: Any) -> Any:
        """Add the loss of the inputs and return the prediction."""
        try:
            given = self._named(inputs, others)
            value = self._applied.reduced(*given, dict(self.trained))
        except LosscError as error:
            # Keras rebuilds the errors of layers from a text, unless they are marked like this.
            error._keras_call_info_injected = True  # type: ignore[attr-defined]
            raise
        factor = tf.cast(tf.convert_to_tensor(self._factor.value), value.dtype)
        # The trainer shares added losses out among replicas, which the loss has done already.
        self.add_loss(unscale_loss_for_distribution(tf.reduce_sum(value)) * factor)
        return given[0][self._output]

    def _named(self, inputs: Any, others: tuple[Any, ...]) -> tuple[dict[str, Any], Any]:
        if not isinstance(inputs, Mapping):
            listed = inputs if isinstance(inputs, (list, tuple)) else (inputs,)
            inputs = self._by_position((*listed, *others))
        return self._applied.named(inputs, None)

    def _by_position(self, tensors: tuple[Any, ...]) -> dict[str, Any]:
        name, free = self._applied.formula.name, self._applied.free
        if len(tensors) > len(free):
            message = f"`{name}` takes {len(free)} inputs, here are {len(tensors)}"
            raise ArgumentError(Diagnostic("E0602", message, help=f"they are: {', '.join(free)}"))
        return dict(zip(free, tensors, strict=False))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """No mask but the one that the tensor returned has already."""

    def get_config(self) -> dict[str, Any]:
        """The loss, the names of the params trained, and the weight as it is now."""
        base = super().get_config()
        return {
            "name": base["name"],
            "dtype": base["dtype"],
            "loss": keras.saving.serialize_keras_object(self._applied),
            "trainable": list(self.trained),
            "weight": saved.plain(self._factor.value),
            "output": self._output,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LossLayer:
        """The layer in a config."""
        parts = dict(config)
        parts["loss"] = keras.saving.deserialize_keras_object(parts["loss"])
        return cls(**parts)


@keras.saving.register_keras_serializable(package="lossc")
class Inside(keras.constraints.Constraint):  # type: ignore[misc]
    """Keeps a variable between two bounds, either of which may be infinite."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def __call__(self, w: Any) -> Any:
        """The variable's value, or the nearest bound."""
        return keras.ops.clip(w, self.low, self.high)

    def get_config(self) -> dict[str, float]:
        """The bounds."""
        return {"low": self.low, "high": self.high}


def _constraint(param: Param) -> Inside | None:
    """The constraint that keeps a param in its domain; open bounds are kept a little off."""
    domain = param.meaning
    if not isinstance(domain, Between):
        return None
    low, high = _number(domain.low, -np.inf), _number(domain.high, np.inf)
    room = (high - low) / 4
    if domain.low_open and np.isfinite(low):
        low += min(1e-6 * max(1.0, abs(low)), room)
    if domain.high_open and np.isfinite(high):
        high -= min(1e-6 * max(1.0, abs(high)), room)
    return Inside(low, high)


def _number(bound: Any, unknown: float) -> float:
    """A bound as a number; one that is infinite or depends on other params bounds nothing."""
    if isinstance(bound, Const) and not isinstance(bound.value, (str, bool, type(None))):
        return float(bound.value)
    return {"pi": np.pi, "e": np.e}.get(getattr(bound, "value", ""), unknown)


def _trainable(loss: Loss, name: str) -> Param:
    """A param that can be a weight: a real number or numbers that are not fixed when compiled."""
    if name not in loss.params:
        raise loss._unknown(name, list(loss.params))
    param = loss.params[name]
    if param.tensor.kind == REAL and param.default is not None and name not in loss._checked.static:
        return param
    raise ArgumentError(
        Diagnostic(
            "E0706",
            f"`{name}` cannot be trained",
            Label(param.span),
            notes=("it is no real number, or sets a place, a size or a range of the formula",),
            help="train params that the loss is differentiable in",
        )
    )
