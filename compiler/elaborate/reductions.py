"""Reductions over indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lossc.dsl import ast
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
from .lists import may_reduce, warn_unlisted
from .ranges import index_ranges
from .run import FAILED, Run, pending
from .scope import Scope, Unlisted
from .suggest import instead_of_axis
from .uneven import warn_uneven

ONE_PLACE = Range((Dim(0),), (Dim(1),))


def reduction(run: Run, node: ast.Call, scope: Scope) -> Expr:
    """A reduction over the indices listed, or over all free ones."""
    row = REDUCTIONS[node.function]
    if not run.arity(node, 1, help=instead_of_axis(node, scope)):
        return FAILED
    listed = node.indices.indices if node.indices is not None else ()
    bound = bind_all(run, listed, scope)
    inner = scope.bind([(b.name, s) for b, s in bound])
    read = run.condition if row.takes == "bool" else run.number
    before = len(run.unlisted)
    given = [b.name for b in listed if b.low is not None]
    with run.guarding(node.indices.filter if node.indices else None, given):
        body = read(node.args[0], inner)
    chosen = chosen_by(run, node, inner)
    if ERROR in (body.kind, chosen.kind if chosen else ""):
        return FAILED
    free = body.free | (chosen.free if chosen is not None else frozenset())
    reduced = run.unlisted[before:]
    if not may_reduce(run, node, scope, bound, body, free, reduced):
        return FAILED
    symbols = [s for _, s in bound] if listed else [s for s in scope.ordered if s in free]
    if not listed:
        run.unlisted.append(Unlisted(node, tuple(symbols)))
        warn_unlisted(run, node, symbols, scope)
    spans = index_ranges(run, node, symbols, {s: b for b, s in bound}, body, chosen, inner)
    if spans is None:
        return FAILED
    warn_uneven(run, node, symbols, spans, body, chosen, inner)
    return close(run, node, row.gives, spans, body, chosen)


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


def _fill_sizes(term: Expr, sizes: Mapping[Axis, Expr]) -> Expr:
    if not any(isinstance(t, Size) and t.axis in sizes for t in postorder(term)):
        return term
    return rebuild(term, lambda t: sizes.get(t.axis) if isinstance(t, Size) else None)


def _length(span: Range) -> Expr:
    """The number of places of a range."""
    return dim_term(span.stops[0] - span.starts[0])
