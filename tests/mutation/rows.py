"""Mutants of the derivatives in the tables: primitives, reductions, functions along an axis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from lossc.dsl import ast
from lossc.dsl.parser import parse_expression
from lossc.dsl.primitives import ALONG, PRIMITIVES, REDUCTIONS
from lossc.dsl.source import Source

from .mutant import Mutant

WHOLE = ("-({})", "2 * ({})", "({}) * 1001 / 1000", "({}) + 1 / 1000")
OPERATORS = {"+": "-", "-": "+", "*": "/", "/": "*"}
COMPARISONS = {"==": "!=", "!=": "==", ">": "<=", "<": ">=", ">=": "<", "<=": ">"}
BORDERS = {">": ">=", "<": "<=", ">=": ">", "<=": "<"}


def row_mutants() -> Iterator[Mutant]:
    """Every mutant of every row that has a derivative."""
    for name, row in PRIMITIVES.items():
        for k, text in enumerate(row.slopes):
            # The derivative of a power in its base is no row's: see `slopes._power`.
            for changed in variants(text, "xyz"[: row.arity]) if (name, k) != ("pow", 0) else ():
                slopes = tuple(changed if j == k else s for j, s in enumerate(row.slopes))
                yield _mutant(f"{name}, argument {k + 1}", text, changed, PRIMITIVES, name, slopes)
    for name, reduction in REDUCTIONS.items():
        for changed in variants(reduction.slope, ("x", "r", "n", "center")):
            yield _mutant(name, reduction.slope, changed, REDUCTIONS, name, changed)
    for name, along in ALONG.items():
        for changed in variants(along.slope, ("x", "r", "t", "i")):
            yield _mutant(name, along.slope, changed, ALONG, name, changed)


def _mutant(
    rule: str, old: str, new: str, table: dict[str, Any], name: str, value: object
) -> Mutant:
    return Mutant(rule, f"`{old}` to `{new}`", partial(_installed, table, name, value))


@contextmanager
def _installed(table: dict[str, Any], name: str, value: object) -> Iterator[None]:
    """A table with another derivative in one row."""
    row = table[name]
    field = "slopes" if isinstance(value, tuple) else "slope"
    table[name] = replace(row, **{field: value})
    try:
        yield
    finally:
        table[name] = row


def variants(text: str, names: tuple[str, ...] | str) -> list[str]:
    """A derivative changed: its sign, a factor, a trifle; each part of it dropped or turned."""
    if not text:
        return []
    found = [form.format(text) for form in WHOLE if text != "0" or "{}) +" in form]
    for node in ast.walk(parse_expression(Source.of("slope", text))):
        part = node.span.text
        for new in _changes(node, names):
            start, stop = node.span.start, node.span.stop
            found.append(f"{text[:start]}({new}){text[stop:]}" if part != text else new)
    return list(dict.fromkeys(found))


def _changes(node: ast.Node, names: tuple[str, ...] | str) -> Iterator[str]:
    """The texts that can stand in place of a part."""
    match node:
        case ast.Binary(op=op, left=left, right=right):
            yield from (left.span.text, right.span.text)
            if op in OPERATORS:
                yield f"({left.span.text}) {OPERATORS[op]} ({right.span.text})"
        case ast.Unary(operand=operand):
            yield operand.span.text
        case ast.Compare(ops=(op,), operands=(left, right)):
            for other in (COMPARISONS, BORDERS):
                if op in other:
                    yield f"({left.span.text}) {other[op]} ({right.span.text})"
        case ast.If(condition=c, then=then, other=other):
            yield from (then.span.text, other.span.text)
            yield f"if {c.span.text} then {other.span.text} else {then.span.text}"
        case ast.Number():
            yield f"{node.text} + 1"
        case ast.Name(id=name) if name in names:
            yield from (n for n in names if n != name)
        case ast.Call(function=function, args=(inner,)) if function != "indicator":
            yield inner.span.text
