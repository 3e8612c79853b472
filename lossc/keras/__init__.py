"""Losses for Keras: `CompiledLoss`, `LossLayer`, and `Model` for losses of more inputs than two.

Importing this module registers them, so that saved models load under safe mode. Raises LosscError
if Keras runs on another backend than TensorFlow.
"""

from __future__ import annotations

from .backend import require_tensorflow

require_tensorflow()

from .layer import LossLayer  # noqa: E402
from .loss import CompiledLoss  # noqa: E402
from .model import Model  # noqa: E402

__all__ = ["CompiledLoss", "LossLayer", "Model"]
