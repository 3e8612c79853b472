"""Values in arbitrary precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lossc.compiler.check import Checked, specialise
from lossc.compiler.elaborate.declare import Default
from lossc.compiler.interpret import interpret

from .defaults import to_python


def reference(
    checked: Checked, inputs: Sequence[Any], params: Mapping[str, Any], digits: int
) -> Any:
    """The value of a loss as an mpmath number of so many digits, from the text as written."""
    from fractions import Fraction

    import numpy as np

    def exact(value: Any) -> Default:
        if value is None or isinstance(value, bool):
            return value
        return Fraction(float(np.asarray(value)))

    fixed = {
        n: exact(v)
        for n, v in params.items()
        if n in checked.static or v is None or checked.params[n].default is None
    }
    if fixed:
        checked = specialise(checked, fixed)
    values = dict(zip(checked.inputs, inputs, strict=True))
    for tensor in checked.program.params:
        if tensor.name in params:
            values[tensor.name] = params[tensor.name]
        elif tensor.name in checked.hidden:
            values[tensor.name] = _exact_array(checked.hidden[tensor.name])
        else:
            values[tensor.name] = checked.params[tensor.name].default
    return interpret(checked.program, values, digits)


def _exact_array(node: Any) -> Any:
    from .defaults import _array

    return _array(node)


__all__ = ["reference", "to_python"]
