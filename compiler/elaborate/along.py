"""Functions with a value at every place of an axis: softmax, cumsum, sort and their like."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from lossc.dsl import ast
from lossc.dsl.primitives import ALONG

from ..fold import apply, select
from ..ir import ERROR, PACK, Const, Expr, Index, Position, Range, Symbol, along, reduce, substitute
from .lists import idle, listed, warn_everywhere
from .ranges import index_ranges
from .reductions import chosen_by
from .run import FAILED, Run
from .scope import Scope
from .suggest import instead_of_axis


def along_axis(run: Run, node: ast.Call, scope: Scope) -> Expr:
    """A function with a value at every place of an axis."""
    if not run.arity(node, 1, help=instead_of_axis(node, scope)):
        return FAILED
    body = run.number(node.args[0], scope)
    chosen = chosen_by(run, node, scope)
    if ERROR in (body.kind, chosen.kind if chosen else ""):
        return FAILED
    symbols = along_symbols(run, node, body, scope)
    if symbols is None:
        return FAILED
    if node.function == "one_hot":
        same = apply("eq", (Position(symbols[0]), body))
        return apply("indicator", (same,))
    fresh = {s: run.fresh(s.name, s.axis) for s in symbols}
    moved = {s: Position(f) for s, f in fresh.items()}
    inner = substitute(body, moved)
    inner_filter = substitute(chosen, moved) if chosen is not None else None
    spans = index_ranges(run, node, list(fresh.values()), {}, inner, inner_filter, scope)
    if spans is None:
        return FAILED
    if not ALONG[node.function].meaning:
        (old, new), *_ = fresh.items()
        return along(node.function, new, spans[new], inner, Position(old), inner_filter)
    return spread(run, node.function, spans, inner, inner_filter, body, chosen)


def spread(
    run: Run, name: str, spans: Mapping[Index, Range], inner: Expr, inner_filter: Expr | None,
    body: Expr, chosen: Expr | None,
) -> Expr:  # fmt: skip
    """softmax, log_softmax and normalize in terms of reductions; 0 where the filter fails."""
    if name == "normalize":
        value = apply("div", (body, reduce("norm", spans, inner, inner_filter)))
    else:
        value = apply("sub", (body, reduce("logsumexp", spans, inner, inner_filter)))
    if name == "softmax":
        value = apply("exp", (value,))
    if chosen is None:
        return value
    outside = apply("neg", (Const("inf"),)) if name == "log_softmax" else Const(Fraction(0))
    return select(chosen, value, outside)


def along_symbols(run: Run, node: ast.Call, body: Expr, scope: Scope) -> list[Symbol] | None:
    """The axes along which a function runs: those listed, or the only free one."""
    items = node.indices.indices if node.indices is not None else ()
    if not items:
        inside = body.free - scope.kept
        own = dict.fromkeys([*scope.ordered, *scope.indices.values()])
        free = [s for s in own if s in inside]
        if ALONG[node.function].meaning and [s.name for s in free] == [PACK]:
            warn_everywhere(run, node, scope)
    else:
        free = []
        for item in items:
            found = scope.pack if item.name == PACK else (scope.index(item.name),)
            if not found or found[0] is None:
                run.fail("E0303", item.span, f"nothing is named `{item.name}` here")
                return None
            listed_here = [s for s in found if s is not None]
            if node.function != "one_hot" and not any(s in body.free for s in listed_here):
                idle(run, node, item, scope)
                return None
            free += listed_here
    if node.function == "one_hot" and not items:
        free = []
    single = not ALONG[node.function].meaning or node.function == "one_hot"
    several = len(free) > 1 and (single or not items)
    taken = not items and any(s in scope.bound for s in free)
    if not free or several or taken:
        which = [s for s in free if s not in scope.bound] or free
        which = which or [s for s in scope.ordered if s not in body.free]
        help = f"name it: {listed(node, which[-1:])}" if which else None
        span, name = node.function_span or node.span, node.function
        run.fail("E0313", span, f"along which axis does `{name}` run?", help=help)
        return None
    return free
