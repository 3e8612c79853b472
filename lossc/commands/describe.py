"""Losses as plain data and as text: what `show` and `list` print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lossc.compiler.check import Checked
from lossc.compiler.elaborate.declare import Input, Param
from lossc.compiler.emit.to_latex import latex
from lossc.defaults import to_python
from lossc.dsl import ast
from lossc.dsl.printer import print_item
from lossc.loss import citation_of, doc_of

from .terminal import aligned


def facts(item: ast.Loss | ast.Function) -> dict[str, Any]:
    """The name, docstring and citation of a loss."""
    return {"name": item.name, "doc": doc_of(item), "source": citation_of(item)}


def declarations(inputs: Iterable[Input], params: Iterable[Param]) -> dict[str, Any]:
    """Inputs and params with their axes, kinds and domains."""
    return {
        "inputs": [_declaration(i) for i in inputs],
        "params": [{**_declaration(p), "default": to_python(p.default)} for p in params],
    }


def _declaration(decl: Input | Param) -> dict[str, Any]:
    return {
        "name": decl.name,
        "axes": None if decl.axes is None else list(decl.axes),
        "kind": decl.tensor.kind,
        "domain": decl.domain,
        "description": decl.description,
    }


def description(checked: Checked) -> dict[str, Any]:
    """All that is known of a loss."""
    separated = checked.separated
    return {
        **facts(checked.item),
        "formula": print_item(checked.item),
        "latex": latex(checked.item),
        **declarations(checked.inputs.values(), checked.params.values()),
        "value": {
            "kind": checked.program.value.kind,
            "axes": [s.name for s in checked.program.axes],
        },
        "separable": separated.op if separated else None,
    }


def types_text(checked: Checked) -> str:
    """The declarations of a loss and the type of its value, a line each."""
    known = description(checked)
    rows = [_row(d, None) for d in known["inputs"]]
    rows += [_row(d, str(_default(d["default"]))) for d in known["params"]]
    value = known["value"]
    axes = f"[{', '.join(value['axes'])}]" if value["axes"] else ""
    rows.append((f"{checked.name}{axes}", value["kind"], "", _separable(known["separable"])))
    return "\n".join(aligned(rows))


def signature(checked: Checked) -> str:
    """What a loss takes: `mse(y[batch], yhat[batch]; delta = 1)`."""
    known = declarations(checked.inputs.values(), checked.params.values())
    inputs = ", ".join(_row(d, None)[0] for d in known["inputs"])
    params = ", ".join(_row(d, str(_default(d["default"])))[0] for d in known["params"])
    return f"{checked.name}({inputs}{'; ' if params else ''}{params})"


def _row(decl: Mapping[str, Any], default: str | None) -> tuple[str, str, str, str]:
    axes = f"[{', '.join(decl['axes'])}]" if decl["axes"] is not None else ""
    shown = decl["name"] + (axes if default is None or decl["axes"] else "")
    given = "" if default is None else f" = {default}"
    return shown + given, decl["kind"], decl["domain"], decl["description"] or ""


def _default(value: Any) -> Any:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else value


def _separable(op: str | None) -> str:
    return f"a {op} of values per sample" if op else "not separable: no values per sample"
