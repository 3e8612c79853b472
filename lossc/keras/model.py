"""A model whose one loss gets all targets and predictions, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from lossc.loss import Loss

from .arguments import ByName
from .loss import CompiledLoss


@keras.saving.register_keras_serializable(package="lossc")
class Model(keras.Model):  # type: ignore[misc]
    """A `keras.Model` whose loss may have any number of inputs.

        model = lossc.keras.Model(x, prediction)
        model.compile("adam", loss=weighted.keras())
        model.fit(X, {"y": y, "w": w})

    Compiled with one loss of lossc, it gives that loss a dict of targets, and a dict of outputs, as
    a whole; `keras.Model` looks for a loss for each entry. Metrics are given the same. With other
    losses, or several, it is a `keras.Model`.
    """

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None,
        training: bool = True,
    ) -> Any:  # fmt: skip
        """The loss of a batch, with what other layers add."""
        y, y_pred, sample_weight = self._whole(y), self._whole(y_pred), self._weight(sample_weight)
        return super().compute_loss(x, y, y_pred, sample_weight, training=training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The metrics of a batch."""
        y, y_pred, sample_weight = self._whole(y), self._whole(y_pred), self._weight(sample_weight)
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def _whole(self, part: Any) -> Any:
        """A dict in one piece, where one loss takes it."""
        return ByName(part) if self._has_one and isinstance(part, Mapping) else part

    def _weight(self, weight: Any) -> Any:
        """The weight of a sample, which Keras repeats for each target of a dict."""
        repeated = self._has_one and isinstance(weight, Mapping)
        return next(iter(weight.values())) if repeated else weight

    @property
    def _has_one(self) -> bool:
        return isinstance(getattr(self, "loss", None), (Loss, CompiledLoss))
