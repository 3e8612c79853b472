"""The precisions in which a loss of float32 data can be computed."""

from __future__ import annotations

from typing import Literal

Precision = Literal["auto", "float32", "float64"]
AUTO: Precision = "auto"
FLOAT32: Precision = "float32"
FLOAT64: Precision = "float64"
PRECISIONS = (AUTO, FLOAT32, FLOAT64)
