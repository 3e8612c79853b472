"""Oracle 4: TensorFlow's automatic gradient of the formula as written, in float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..ir import Program
from ..passes.guard import guard
from .point import Array, Point
from .sampling import as_float


def load() -> None:
    """Import TensorFlow, which takes seconds the first time."""
    from ..emit import autodiff

    del autodiff


class Automatic:
    """The formula in TensorFlow; guarded, for automatic differentiation enters every branch."""

    def __init__(self, program: Program, wrt: Sequence[str]) -> None:
        from ..emit.autodiff import automatic_gradient

        self.tensors = (*program.inputs, *program.params)
        self.run = automatic_gradient(replace(program, value=guard(program.value)), wrt)

    def gradients(self, point: Point, dtype: Any = np.float64) -> dict[str, Array]:
        """The gradients at a point, by name."""
        arrays = {t.name: as_float(point.arrays[t.name], t.kind, dtype) for t in self.tensors}
        return self.run(arrays)
