"""Defaults of params as plain numbers and arrays."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from lossc.compiler.check import Checked
from lossc.compiler.elaborate.declare import Default
from lossc.dsl import ast

_NAMED = {"pi": 3.141592653589793, "e": 2.718281828459045, "inf": float("inf")}


def to_python(value: Default) -> Any:
    """A default as a number, bool, None, or nested list; whole numbers are ints."""
    if isinstance(value, tuple):
        return [to_python(v) for v in value]
    if isinstance(value, str):
        return -_NAMED[value[1:]] if value.startswith("-") else _NAMED[value]
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else _float(value)
    return value


def _float(value: Fraction) -> float:
    """The nearest float, infinite where there is none."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def is_fixed(checked: Checked, name: str, value: Any) -> bool:
    """Whether a param's value is part of the compiled formula."""
    return name in checked.static or value is None or checked.params[name].default is None


def to_numpy(checked: Checked, name: str) -> Any:
    """The default of a param of a program, also of the lists of functions that it calls."""
    if name in checked.hidden:
        return _array(checked.hidden[name])
    return to_python(checked.params[name].default)


def _array(node: ast.Expr) -> Any:
    match node:
        case ast.Array(items=items):
            return [_array(i) for i in items]
        case ast.Number():
            return _float(node.value)
        case ast.Unary(op="-", operand=operand):
            return -_array(operand)
    return float("nan")
