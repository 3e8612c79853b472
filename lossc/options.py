"""How a loss is run: the options of `compile`, `load` and `.keras`, as saved models keep them."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from lossc.compiler.precision import AUTO, FLOAT64, PRECISIONS, Precision
from lossc.dsl.diagnostics import ArgumentError, Diagnostic

if TYPE_CHECKING:
    from lossc.compiler.check import Checked
    from lossc.compiler.pipeline import Numerics


@dataclass(frozen=True, slots=True)
class Options:
    """`jit` runs a loss through XLA, and `stable` in a form that loses no digits.

    `precision` says how float32 data is computed: "auto" in float32 but for the steps that lose
    digits on ordinary data, "float64" with all steps in float64 that may lose digits or range on
    any data, "float32" without any float64 operation.

    Raises ArgumentError for a precision that there is not.
    """

    jit: bool = True
    stable: bool = True
    precision: Precision = AUTO

    def __post_init__(self) -> None:
        if self.precision in PRECISIONS:
            return
        near = get_close_matches(str(self.precision), PRECISIONS, 1)
        message = f"there is no precision {self.precision!r}"
        help = f"write precision={near[0]!r}" if near else f"there are: {', '.join(PRECISIONS)}"
        raise ArgumentError(Diagnostic("E0619", message, help=help))

    def numerics(self, checked: Checked, fallback: bool = False) -> Numerics:
        """How the programs of a loss are made; the fallback keeps range where float32 lost it."""
        from lossc.compiler.pipeline import AS_WRITTEN, Numerics

        if not self.stable:
            return AS_WRITTEN
        return Numerics.of(checked, FLOAT64 if fallback else self.precision)


DEFAULT = Options()
