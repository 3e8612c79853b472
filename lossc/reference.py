"""Values and gradients in arbitrary precision, from the text as written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from lossc.compiler.check import Checked, specialise
from lossc.compiler.elaborate.declare import Default
from lossc.compiler.exact import Accuracy, evaluate
from lossc.compiler.passes.differentiate import differentiate, total

from .defaults import is_fixed, to_numpy


def reference(
    checked: Checked, inputs: Sequence[Any], params: Mapping[str, Any], digits: int
) -> Any:
    """The value of a loss as an mpmath number with so many right digits.

    That of a `def` which has axes is an array of them.
    """
    checked, values = _bound(checked, inputs, params)
    return evaluate(checked.program, values, Accuracy.of(digits)).values[()]


def reference_gradient(
    checked: Checked, inputs: Sequence[Any], params: Mapping[str, Any], wrt: Iterable[str],
    digits: int,
) -> dict[str, Any]:  # fmt: skip
    """The gradients by name, as arrays of mpmath numbers in the shapes of the tensors."""
    checked, values = _bound(checked, inputs, params)
    whole = total(checked.program)
    return {n: _gradient(differentiate(whole, n), values, n, digits) for n in wrt}


def _gradient(program: Any, values: Mapping[str, Any], wrt: str, digits: int) -> Any:
    found = evaluate(program, values, Accuracy.of(digits)).values
    return found.reshape(np.shape(values[wrt]))[()]


def _bound(
    checked: Checked, inputs: Sequence[Any], params: Mapping[str, Any]
) -> tuple[Checked, dict[str, Any]]:
    """The loss with its fixed params in place, and the values of all tensors by name."""
    fixed = {n: _exact(v) for n, v in params.items() if is_fixed(checked, n, v)}
    if fixed:
        checked = specialise(checked, fixed)
    values = dict(zip(checked.inputs, inputs, strict=True))
    values |= {t.name: _param(checked, t.name, params) for t in checked.program.params}
    return checked, values


def _exact(value: Any) -> Default:
    if value is None or isinstance(value, bool):
        return value
    return Fraction(float(np.asarray(value)))


def _param(checked: Checked, name: str, params: Mapping[str, Any]) -> Any:
    """The value of a param: as given, else its exact default."""
    if name in params:
        return params[name]
    return to_numpy(checked, name) if name in checked.hidden else checked.params[name].default
