"""Losses for Keras: `lossc.keras.CompiledLoss` and `lossc.keras.LossLayer`.

Importing this module registers both, so that saved models load under safe mode. Raises LosscError
if Keras runs on another backend than TensorFlow.
"""

from __future__ import annotations

from .backend import require_tensorflow

require_tensorflow()

from .layer import LossLayer  # noqa: E402
from .loss import CompiledLoss  # noqa: E402

__all__ = ["CompiledLoss", "LossLayer"]
