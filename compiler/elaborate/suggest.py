"""The lines that helps give for formulas which reduce everything at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeGuard

from lossc.dsl import ast
from lossc.dsl.primitives import ALONG, REDUCTIONS
from lossc.dsl.printer import print_expr

from .scope import Scope, TensorValue, Value, shown

FIRST, LAST = "batch", "class"


def is_plain(value: Value | None) -> bool:
    """Whether a value is an input declared without axes."""
    return isinstance(value, TensorValue) and not value.declared and not value.tensor.is_param


def head(scope: Scope, axes: str) -> str:
    """A head in which the inputs that have no axes are declared with some."""
    return f"loss f({', '.join(f'{n}[{axes}]' for n, v in scope.values.items() if is_plain(v))})"


def per_sample(body: ast.Expr, scope: Scope) -> str:
    """The loss in which a formula reduces the classes first, and then the samples."""
    return f"{head(scope, f'{FIRST}, {LAST}')} = {print_expr(with_lists(body))}"


def with_lists(node: ast.Expr) -> ast.Expr:
    """An expression whose outer reductions run over the samples and the inner ones over classes."""
    changed = _listed(node, False)
    assert isinstance(changed, ast.Expr)
    return changed


def _listed(node: ast.Node, inside: bool) -> ast.Node:
    if not isinstance(node, ast.Call):
        return ast.mapped(node, lambda n: _listed(n, inside))
    bare = node.indices is None and len(node.args) == 1
    reduces, along = bare and node.function in REDUCTIONS, bare and node.function in ALONG
    if is_norm(node):
        node, along = replace(node, function="norm", args=node.args[0].args), True
    inner = ast.mapped(node, lambda n: _listed(n, inside or reduces))
    if not reduces and not along:
        return inner
    assert isinstance(inner, ast.Call)
    if not reduces or inside:
        return _over(inner, LAST)
    return _over(inner, FIRST, LAST) if _is_open(node.args[0]) else _over(inner, FIRST)


def _is_open(node: ast.Node) -> bool:
    """Whether an expression without lists has a value for each element."""
    if isinstance(node, ast.Call):
        closes = is_norm(node) or (node.function in REDUCTIONS and len(node.args) == 1)
        return not closes and any(map(_is_open, node.args))
    return isinstance(node, ast.Name) or any(map(_is_open, ast.children(node)))


class _Norm(ast.Call):
    """A call of abs of a call of abs."""

    args: tuple[ast.Call, ...]


def is_norm(node: ast.Call) -> TypeGuard[_Norm]:
    """Whether a call is written `||x||`."""
    inner = node.args[0] if node.args else None
    return (
        node.function == "abs" and node.span.text.startswith("||")
        and isinstance(inner, ast.Call) and inner.function == "abs"
    )  # fmt: skip


def instead_of_axis(node: ast.Call, scope: Scope) -> str | None:
    """How the axis that `axis=1` means in other languages is named here."""
    given = next((k for k in node.keywords if k.name in ("axis", "dim", "axes", "dims")), None)
    if given is None or len(node.args) != 1:
        return None
    order = _order(node.args[0], scope)
    place = _integer(given.value)
    plain = replace(node, keywords=())
    if not order:
        name = FIRST if place == 0 else LAST
        said = (
            f"declare the axes, as in {head(scope, f'{FIRST}, {LAST}')}, and name the one meant: "
        )
    elif place is not None and -len(order) <= place < len(order):
        name, said = order[place], "axes have names: "
    else:
        name, said = order[-1], "axes have names: "
    return f"{said}{print_expr(_over(plain, name))}"


def _over(node: ast.Call, *names: str) -> ast.Call:
    indices = tuple(ast.BoundIndex(name, span=node.span) for name in names)
    return replace(node, indices=ast.IndexList(indices, span=node.span))


def _integer(node: ast.Expr) -> int | None:
    if isinstance(node, ast.Unary) and node.op == "-":
        inner = _integer(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Number) and node.value.denominator == 1:
        return int(node.value)
    return None


def _order(body: ast.Expr, scope: Scope) -> list[str]:
    """The names of the axes of the first input in an expression that has some."""
    for name in (n for n in ast.walk(body) if isinstance(n, ast.Name)):
        value = scope.values.get(name.id)
        if isinstance(value, TensorValue) and value.declared and value.order:
            return [shown(s) for s in value.order]
    return []
