"""The derivative of each primitive, reduction and scan, read from its row in the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache

from lossc.dsl import ast
from lossc.dsl.diagnostics import Diagnostic, LosscError
from lossc.dsl.parser import parse_expression
from lossc.dsl.primitives import PRIMITIVES
from lossc.dsl.source import Source

from ..elaborate.expressions import Elaborator
from ..elaborate.scope import Scope, TermValue
from ..findings import Findings
from ..fold import apply
from ..ir import Access, Apply, Const, Expr, Size, postorder
from ..link import Unit
from .simplify import ONE, ZERO, chosen, over, times


def slope(term: Apply, k: int) -> Expr:
    """The derivative of a primitive's value in its argument number `k`."""
    if term.op in ("max", "min"):
        return _share(term, k)
    if term.op == "pow" and k == 0:
        return _power(*term.args)
    row = PRIMITIVES[term.op]
    if not row.slopes:
        raise LosscError(Diagnostic("E0407", f"`{term.op}` has no derivative in the language"))
    named = dict(zip("xyz", term.args, strict=False)) | {"r": term}
    return read(row.slopes[k], named)


def read_lazily(text: str, makers: Mapping[str, Callable[[], Expr]]) -> Expr:
    """A formula of the table, with terms for its names; only those that it mentions are made."""
    mentioned = {n.id for n in ast.walk(_parsed(text)) if isinstance(n, ast.Name)}
    return read(text, {name: make() for name, make in makers.items() if name in mentioned})


def read(text: str, named: Mapping[str, Expr]) -> Expr:
    """A formula of the table, with terms for its names."""
    node = _parsed(text)
    unit = Unit(node.span.source, ast.File((), span=node.span))
    scope = Scope(unit, {name: TermValue(value) for name, value in named.items()})
    return Elaborator(Findings()).expr(node, scope)


@cache
def _parsed(text: str) -> ast.Expr:
    return parse_expression(Source.of("slopes", text))


def _power(x: Expr, y: Expr) -> Expr:
    """`y * x^(y - 1)`; 0 for y = 0 whatever x is, and 0 at x = 0 where it would be infinite."""
    lower = apply("sub", (y, ONE))
    if y in (ZERO, ONE):
        return y
    slope = times(y, x if lower == ONE else apply("pow", (x, lower)))
    inside = apply("ne", (x, ZERO))
    if isinstance(y, Const) and isinstance(y.value, Fraction):
        return chosen(inside, slope, ZERO) if 0 < y.value < 1 else slope
    return chosen(apply("or", (inside, apply("ge", (y, ONE)))), slope, ZERO)


def _share(term: Apply, k: int) -> Expr:
    """Of max and min: a constant that ties takes all, other operands that tie share equally."""
    fixed = [a for a in term.args if _is_fixed(a)]
    others = [a for n, a in enumerate(term.args) if n != k and a not in fixed]
    arg = term.args[k]
    if arg in fixed:
        return ZERO
    wins = "gt" if term.op == "max" else "lt"
    condition: Expr = Const(True)
    for a in fixed:
        condition = apply("and", (condition, apply(wins, (arg, a))))
    for a in others:
        reaches = apply("ge" if term.op == "max" else "le", (arg, a))
        condition = apply("and", (condition, reaches))
    ties: Expr = ONE
    for a in others:
        ties = apply("add", (ties, apply("indicator", (apply("eq", (arg, a)),))))
    return chosen(condition, over(ONE, ties), ZERO)


def _is_fixed(term: Expr) -> bool:
    """Whether a term is a constant: nothing of the data or the params is in it."""
    return not any(isinstance(t, (Access, Size)) for t in postorder(term))
