"""Values in arbitrary precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from lossc.compiler.check import Checked, specialise
from lossc.compiler.elaborate.declare import Default
from lossc.compiler.interpret import interpret

from .defaults import is_fixed, to_numpy


def reference(
    checked: Checked, inputs: Sequence[Any], params: Mapping[str, Any], digits: int
) -> Any:
    """The value of a loss as an mpmath number of so many digits, from the text as written."""
    fixed = {n: _exact(v) for n, v in params.items() if is_fixed(checked, n, v)}
    if fixed:
        checked = specialise(checked, fixed)
    values = dict(zip(checked.inputs, inputs, strict=True))
    values |= {t.name: _param(checked, t.name, params) for t in checked.program.params}
    return interpret(checked.program, values, digits)


def _exact(value: Any) -> Default:
    if value is None or isinstance(value, bool):
        return value
    return Fraction(float(np.asarray(value)))


def _param(checked: Checked, name: str, params: Mapping[str, Any]) -> Any:
    """The value of a param: as given, else its exact default."""
    if name in params:
        return params[name]
    return to_numpy(checked, name) if name in checked.hidden else checked.params[name].default
