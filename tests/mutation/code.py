"""Mutants of the derivative rules that are Python: one change of one place in their source."""

from __future__ import annotations

import ast
import inspect
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

from .mutant import Mutant

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
TERMS = {
    "eq": "ne", "ne": "eq", "ge": "gt", "le": "lt", "gt": "ge", "lt": "le", "and": "or",
    "or": "and", "add": "sub", "sub": "add", "mul": "div", "div": "mul", "pow": "mul",
    "max": "min", "min": "max", "mean": "sum", "sum": "mean", "prod": "sum", "rank": "argsort",
}  # fmt: skip
CONSTANTS = {"ZERO": "ONE", "ONE": "ZERO"}
# Functions that give one of their arguments, changed: dropping the call drops a part of the rule.
BUILDERS = (
    "times", "over", "plus", "minus", "chosen", "summed", "substitute", "rebuild", "conjunction",
    "padded", "clamp",
)  # fmt: skip


def code_mutants(rules: Mapping[ModuleType, Sequence[str]]) -> Iterator[Mutant]:
    """Every mutant of some functions, named by module."""
    for module, functions in rules.items():
        tree = ast.parse(inspect.getsource(module))
        name = module.__name__.rpartition(".")[2]
        seen: Counter[tuple[str, str]] = Counter()
        for k, (function, node) in enumerate(_nodes(tree)):
            for n, new in enumerate(_changes(node) if function in functions else ()):
                change = f"`{_said(node)}` to `{_said(new)}`"
                seen[function, change] += 1
                again = seen[function, change]
                said = change if again == 1 else f"{change}, place {again}"
                yield Mutant(f"{name}.{function}", said, partial(_installed, module, tree, k, n))


def _nodes(tree: ast.Module) -> list[tuple[str, ast.AST]]:
    """Every node inside a function or method, with its name."""
    places = [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef))]
    functions = [f for p in places for f in p.body if isinstance(f, ast.FunctionDef)]
    return [(f.name, n) for f in functions for s in f.body for n in ast.walk(s)]


def _said(node: ast.AST) -> str:
    """A node in one short line."""
    text = " ".join(ast.unparse(node).split()) if not isinstance(node, ast.Pass) else "nothing"
    return text if len(text) < 90 else f"{text[:86]} ..."


def _changes(node: ast.AST) -> list[ast.AST]:
    """The nodes that can stand in place of one."""
    match node:
        case ast.Compare(left=left, ops=[op], comparators=right):
            return [ast.Compare(left, [new()], right) for new in COMPARISONS[type(op)]]
        case ast.BoolOp(op=op, values=values):
            other = ast.And() if isinstance(op, ast.Or) else ast.Or()
            fewer = [[v for v in values if v is not w] for w in values]
            dropped = [v[0] if len(v) == 1 else ast.BoolOp(op, v) for v in fewer]
            return [ast.BoolOp(other, values), *dropped]
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            return [operand]
        case ast.IfExp(body=body, orelse=orelse):
            return [body, orelse]
        case ast.If(body=body, orelse=orelse):
            return [ast.If(ast.Constant(value), body, orelse) for value in (True, False)]
        case ast.BinOp(right=ast.Constant(value=None)):  # a type
            return []
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return [ast.BinOp(left, OPERATORS[type(op)](), right)]
        case ast.Constant(value=bool() as value):
            return [ast.Constant(not value)]
        case ast.Constant(value=int() as value):
            return [ast.Constant(value + 1)]
        case ast.Constant(value=str() as value) if value in TERMS:
            return [ast.Constant(TERMS[value])]
        case ast.Name(id=name, ctx=ast.Load()) if name in CONSTANTS:
            return [ast.Name(CONSTANTS[name], ast.Load())]
        case ast.Call(func=func, args=args) if ast.unparse(func).split(".")[-1] in BUILDERS:
            return [a for a in args if not isinstance(a, ast.Starred)][:3]
        case ast.Expr(value=ast.Call() | ast.YieldFrom() | ast.Yield()) | ast.AugAssign():
            return [ast.Pass()]
        case ast.comprehension(ifs=[_, *_]):
            return [ast.comprehension(node.target, node.iter, [], node.is_async)]
    return []


class _Replace(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else super().generic_visit(node)


@contextmanager
def _installed(module: ModuleType, tree: ast.Module, k: int, n: int) -> Iterator[None]:
    """A module run anew from changed source, and its functions where others import them."""
    changed = deepcopy(tree)
    node = _nodes(changed)[k][1]
    changed = ast.fix_missing_locations(_Replace(node, _changes(node)[n]).visit(changed))
    before = dict(module.__dict__)
    users = [m for name, m in sys.modules.items() if name.startswith("lossc.compiler")]
    exec(compile(changed, module.__file__ or "", "exec"), module.__dict__)
    patched: list[tuple[ModuleType, str, object]] = []
    try:
        for user in users:
            for name, value in list(vars(user).items()):
                own = isinstance(value, FunctionType) and before.get(name) is value
                if own and user is not module and value.__module__ == module.__name__:
                    patched.append((user, name, value))
                    setattr(user, name, module.__dict__[name])
        yield
    finally:
        module.__dict__.update(before)
        for user, name, value in patched:
            setattr(user, name, value)
