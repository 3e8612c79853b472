"""Where a loss meets the language's table of kinks."""

from __future__ import annotations

from collections.abc import Iterator

from lossc.compiler.check import Checked
from lossc.compiler.ir import Access, Along, Apply, Expr, Reduce, postorder
from lossc.dsl import ast
from lossc.dsl.primitives import ALONG, PRIMITIVES, REDUCTIONS


def kinks(checked: Checked) -> list[tuple[ast.Call | str, str]]:
    """What has a kink, as it is written (its name if a function used has it), and the slope."""
    met = dict(_met(checked.program.value))
    written = [c for c in _calls(checked.item) if c.function in met]
    rows: list[tuple[ast.Call | str, str]] = [
        (call, met[call.function]) for call in dict.fromkeys(written)
    ]
    named = {call.function for call in written}
    return rows + [(name, rule) for name, rule in met.items() if name not in named]


def _met(value: Expr) -> Iterator[tuple[str, str]]:
    """The functions with kinks of a program that depend on a tensor."""
    for term in postorder(value):
        rule = _rule(term)
        if rule and any(isinstance(t, Access) and t.kind == "real" for t in postorder(term)):
            assert isinstance(term, Apply | Reduce | Along)
            yield term.op, rule


def _rule(term: Expr) -> str:
    """What the table says of a function's kink."""
    match term:
        case Apply(op=op):
            return PRIMITIVES[op].kink
        case Reduce(op=op):
            return REDUCTIONS[op].kink
        case Along(op=op):
            return ALONG[op].kink
    return ""


def _calls(item: ast.Loss | ast.Function) -> Iterator[ast.Call]:
    """The calls in a formula and its definitions."""
    defined = [e for e in item.where if isinstance(e, ast.Definition | ast.Function)]
    for part in (item.body, *(e.body for e in defined)):
        yield from (node for node in ast.walk(part) if isinstance(node, ast.Call))
