"""Reductions over indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lossc.dsl import ast
from lossc.dsl.diagnostics import Label
from lossc.dsl.primitives import REDUCTIONS

from ..ir import (
    BOOL,
    ERROR,
    INT,
    PACK,
    REAL,
    Axis,
    Const,
    Dim,
    Expr,
    Index,
    Range,
    Size,
    Symbol,
    dim_term,
    postorder,
    rebuild,
    reduce,
)
from .ranges import index_ranges
from .run import FAILED, Run, pending
from .scope import Scope

ONE_PLACE = Range((Dim(0),), (Dim(1),))


def reduction(run: Run, node: ast.Call, scope: Scope) -> Expr:
    """A reduction over the indices listed, or over all free ones."""
    row = REDUCTIONS[node.function]
    if not run.arity(node, 1):
        return FAILED
    listed = node.indices.indices if node.indices is not None else ()
    bound = bind_all(run, listed, scope)
    inner = scope.bind({b.name: s for b, s in bound if s.name != PACK})
    read = run.condition if row.takes == "bool" else run.number
    body = read(node.args[0], inner)
    chosen = chosen_by(run, node, inner)
    if ERROR in (body.kind, chosen.kind if chosen else ""):
        return FAILED
    if not listed and not may_close_all(run, node, body, scope):
        return FAILED
    symbols = [s for _, s in bound] if listed else all_free(run, body, chosen, scope)
    check_twice(run, node, bound, body, chosen)
    spans = index_ranges(run, node, symbols, {s: b for b, s in bound}, body, chosen, inner)
    return FAILED if spans is None else close(run, node, row.gives, spans, body, chosen)


def close(
    run: Run, node: ast.Call, gives: str, spans: Mapping[Index, Range], body: Expr,
    chosen: Expr | None,
) -> Expr:  # fmt: skip
    """The reduction term over settled ranges."""
    kinds = {"same": body.kind, "index": INT, "bool": BOOL, "int": INT}
    sizes = {pending(i): _length(r) for i, r in spans.items() if isinstance(i, Symbol)}
    body, chosen = _fill_sizes(body, sizes), chosen and _fill_sizes(chosen, sizes)
    if node.function in ("argmax", "argmin") and len(spans) != 1:
        return run.fail("E0313", node.span, f"`{node.function}` takes one index")
    if chosen == Const(True):
        chosen = None
    result = kinds.get(gives, REAL)
    if not spans:
        spans = {run.fresh("one"): ONE_PLACE}
    return reduce(node.function, spans, body, chosen, result)


def bind_all(
    run: Run, items: Sequence[ast.BoundIndex], scope: Scope
) -> list[tuple[ast.BoundIndex, Symbol]]:
    """The symbol of each index of a list: an axis's own, or a fresh one."""
    bound: list[tuple[ast.BoundIndex, Symbol]] = []
    for item in items:
        if item.name in {b.name for b, _ in bound}:
            run.fail("E0316", item.span, f"`{item.name}` is listed twice")
        elif item.name == PACK:
            if scope.pack is None:
                run.fail("E0303", item.span, "no axes stand for `...` here")
            bound += [(item, s) for s in scope.pack or ()]
        else:
            bound.append((item, binder(run, item, scope)))
    return bound


def binder(run: Run, item: ast.BoundIndex, scope: Scope) -> Symbol:
    """The symbol that a list's name binds."""
    if item.name in scope.axes:
        return scope.axes[item.name]
    if item.name in scope.indices:
        run.findings.add(
            "W0202", item.span, f"`{item.name}` is already an index outside",
            help="another name would make clear which is meant",
        )  # fmt: skip
    return run.fresh(item.name)


def chosen_by(run: Run, node: ast.Call, scope: Scope) -> Expr | None:
    """The filter of a list of indices."""
    if node.indices is None or node.indices.filter is None:
        return None
    return run.condition(node.indices.filter, scope)


def all_free(run: Run, body: Expr, chosen: Expr | None, scope: Scope) -> list[Symbol]:
    """The indices that a reduction without a list closes."""
    free = body.free | (chosen.free if chosen is not None else frozenset())
    return [s for s in scope.ordered if s in free]


def may_close_all(run: Run, node: ast.Call, body: Expr, scope: Scope) -> bool:
    """Whether no index of an enclosing reduction is spelled out in the body."""
    for access in ast.walk(node.args[0]):
        if not isinstance(access, ast.Access):
            continue
        for name in (n for s in access.slots for n in ast.walk(s.value)):
            if isinstance(name, ast.Name) and name.id in scope.indices:
                if name.id in scope.values or scope.indices[name.id] not in body.free:
                    continue
                run.fail(
                    "E0311", node.function_span or node.span,
                    f"which indices does this {node.function} reduce?",
                    f"its body spells out `{name.id}`, which is bound outside",
                    others=(Label(name.span),),
                    help=f"list them: {node.function}[...names...](...)",
                )  # fmt: skip
                return False
    return True


def check_twice(
    run: Run, node: ast.Call, bound: Sequence[tuple[ast.BoundIndex, Symbol]], body: Expr,
    chosen: Expr | None,
) -> None:  # fmt: skip
    """An axis that the body has reduced already cannot be reduced again."""
    free = body.free | (chosen.free if chosen is not None else frozenset())
    inner = [c for c in ast.walk(node.args[0]) if isinstance(c, ast.Call) and c.indices]
    for item, symbol in bound:
        again = [b for c in inner if c.indices for b in c.indices.indices if b.name == item.name]
        if symbol.axis is not None and symbol not in free and again:
            run.fail(
                "E0307", item.span, f"axis `{item.name}` is reduced twice",
                "nothing is left of it here", others=(Label(again[0].span, "reduced here"),),
                help=f"leave `{item.name}` out of one of the two lists",
            )  # fmt: skip


def _fill_sizes(term: Expr, sizes: Mapping[Axis, Expr]) -> Expr:
    if not any(isinstance(t, Size) and t.axis in sizes for t in postorder(term)):
        return term
    return rebuild(term, lambda t: sizes.get(t.axis) if isinstance(t, Size) else None)


def _length(span: Range) -> Expr:
    """The number of places of a range."""
    return dim_term(span.stops[0] - span.starts[0])
