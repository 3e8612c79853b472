"""What Python's help shows of a loss: its signature, and a docstring with its declarations."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import Parameter, Signature
from keyword import iskeyword
from typing import Any

from lossc.compiler.check import Checked
from lossc.compiler.elaborate.declare import Input, Param

from .defaults import to_python

_CALL = {"validate": False}
_KERAS = {"reduction": "auto", "name": None, "dtype": None, "validate": False, "precision": None}


def of_call(checked: Checked) -> Signature:
    """How a loss is called: its inputs, then its params by name."""
    inputs = [Parameter(n, Parameter.POSITIONAL_OR_KEYWORD) for n in checked.inputs if _fits(n)]
    return Signature([*inputs, *_params(checked), *_keywords(_CALL)])


def of_keras(checked: Checked) -> Signature:
    """How its Keras loss is made: params and further inputs by name."""
    further = [n for n in list(checked.inputs)[2:] if _fits(n) and n != "sample_weight"]
    return Signature(
        [*_params(checked), *_keywords(dict.fromkeys(further, ...)), *_keywords(_KERAS)]
    )


def _params(checked: Checked) -> list[Parameter]:
    defaults = {n: to_python(p.default) for n, p in checked.params.items() if _fits(n)}
    return _keywords(defaults)


def _keywords(defaults: dict[str, Any]) -> list[Parameter]:
    return [Parameter(n, Parameter.KEYWORD_ONLY, default=v) for n, v in defaults.items()]


def _fits(name: str) -> bool:
    """Whether Python can write a name in a signature."""
    return name.isidentifier() and not iskeyword(name)


def docstring(checked: Checked) -> str:
    """The docstring of a loss, or its text, with what it declares."""
    doc = (checked.item.doc or checked.item.span.text).strip()
    inputs = list(_lines(checked.inputs.values()))
    params = list(_lines(checked.params.values()))
    parts = [doc, "\n".join(["Inputs:", *inputs]) if inputs else ""]
    parts += ["\n".join(["Params:", *params])] if params else []
    return "\n\n".join(p for p in parts if p)


def _lines(decls: Iterable[Input | Param]) -> Iterable[str]:
    for decl in decls:
        axes = f"[{', '.join(decl.axes)}]" if decl.axes else ""
        default = f" = {to_python(decl.default)}" if isinstance(decl, Param) else ""
        description = f": {decl.description}" if decl.description else ""
        yield f"    {decl.name}{axes}{default}, {decl.domain}{description}"
