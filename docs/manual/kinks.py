"""Where a loss meets the language's table of kinks."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from lossc.compiler.check import Checked
from lossc.compiler.ir import Access, Along, Apply, Const, Expr, Reduce, postorder
from lossc.dsl import ast
from lossc.dsl.primitives import ALONG, BY_SYMBOL, PRIMITIVES, REDUCTIONS


def kinks(checked: Checked) -> list[tuple[ast.Expr | str, str]]:
    """What has a kink, as it is written (its name if a function used has it), and the slope."""
    met = dict(_met(checked.program.value))
    written = dict.fromkeys((name, node) for name, node in _written(checked.item) if name in met)
    rows: list[tuple[ast.Expr | str, str]] = [(node, met[name]) for name, node in written]
    named = {name for name, _ in written}
    return rows + [(name, rule) for name, rule in met.items() if name not in named]


def _met(value: Expr) -> Iterator[tuple[str, str]]:
    """The functions with kinks of a program that depend on a tensor."""
    for term in postorder(value):
        rule = _rule(term)
        if rule and any(isinstance(t, Access) and t.kind == "real" for t in postorder(term)):
            assert isinstance(term, Apply | Reduce | Along)
            yield term.op, rule


def _rule(term: Expr) -> str:
    """What the table says of a function's kink; a power from 1 on has none."""
    match term:
        case Apply(op="pow", args=(_, Const(value=Fraction() as power))) if power >= 1:
            return ""
        case Apply(op=op):
            return PRIMITIVES[op].kink
        case Reduce(op=op):
            return REDUCTIONS[op].kink
        case Along(op=op):
            return ALONG[op].kink
    return ""


def _written(item: ast.Loss | ast.Function) -> Iterator[tuple[str, ast.Expr]]:
    """The calls and operators in a formula and its definitions, with their names in the table."""
    defined = [e for e in item.where if isinstance(e, ast.Definition | ast.Function)]
    for part in (item.body, *(e.body for e in defined)):
        for node in ast.walk(part):
            match node:
                case ast.Call(function=name):
                    yield name, node
                case ast.Binary(op="^", right=ast.Number() as power) if power.value >= 1:
                    continue
                case ast.Binary(op=op):
                    yield BY_SYMBOL[op], node
