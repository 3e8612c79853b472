"""`size(...)` and `pad(...)`."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from lossc.dsl import ast

from ..affine import Affine, Slot, affine, as_term, extent
from ..fold import apply, apply_all, clamp, conjunction, select
from ..ir import (
    ERROR,
    Access,
    Along,
    Apply,
    Const,
    Dim,
    Expr,
    Index,
    Position,
    Select,
    Size,
    Symbol,
    dim_term,
    postorder,
    range_of,
    rebuild,
)  # fmt: skip
from .access import base_value, named_places, places_of
from .reads import Read, Walk, is_inside
from .run import FAILED, Run, pending
from .scope import Scope, TensorValue


def size_of(run: Run, node: ast.Call, scope: Scope) -> Expr:
    """`size(class)` or `size(...)`."""
    if not run.arity(node, 1):
        return FAILED
    arg = node.args[0]
    if isinstance(arg, ast.Dots):
        if scope.pack is None:
            return run.fail("E0303", arg.span, "no axes stand for `...` here")
        return apply_all("mul", [length(run, s) for s in scope.pack])
    if isinstance(arg, ast.Name):
        index = scope.index(arg.id)
        if index is not None:
            return length(run, index)
    have = ", ".join(f"`{a}`" for a in scope.axes if a.isidentifier()) or "none are declared"
    help = "size takes an axis or index; `size(...)` counts all elements of undeclared axes"
    message = f"`{arg.span.text}` is no axis or index"
    return run.fail("E0303", arg.span, message, f"axes: {have}", help=help)


def length(run: Run, index: Symbol) -> Expr:
    """The number of places of an index; one yet unknown is filled in when it is closed."""
    return Size(index.axis or pending(index))


def padded(run: Run, node: ast.Call, scope: Scope) -> Expr:
    """`pad(x[h-1], v)`: v where an access falls outside its axis, narrowing no range."""
    if not run.arity(node, 2):
        return FAILED
    run.padding += 1
    body = run.number(node.args[0], scope)
    run.padding -= 1
    outside = run.number(node.args[1], scope)
    if ERROR in (body.kind, outside.kind):
        return FAILED
    written = (c for a in _own_accesses(node.args[0]) for c in inside(run, a, scope))
    reads = (r for r in Walk(run.fixed_params).reads(body) if not is_guarded(r))
    conditions = [*written, *(c for r in reads for c in _stays_inside(r.slot))]
    if not conditions:
        return body
    return select(conjunction(dict.fromkeys(conditions)), rebuild(body, _clamped), outside)


def is_guarded(read: Read) -> bool:
    """Whether the branch that a slot stands in keeps it inside."""
    return not read.is_free and is_inside(read, {}, frozenset())


def inside(run: Run, node: ast.Access, scope: Scope) -> Iterator[Expr]:
    """The conditions on which the slots of an access to a definition stay inside."""
    base = base_value(run, node.base, scope)
    if isinstance(base, TensorValue) or base.term.kind == ERROR:
        return
    places = named_places(run, base)
    for slot in node.slots:
        place = places.get(slot.name or "")
        if isinstance(place, Symbol) and place.axis is not None:
            form = affine(run.fixed(run.expr(slot.value, scope)))
            if form is not None:
                yield from _stays_inside(Slot(form, Dim(), Dim.of(place.axis), place.axis))
    for k, slot in (places_of(node, base.order) or {}).items() if base.order else ():
        axis = base.order[k].axis if base.order else None
        form = affine(run.fixed(run.expr(slot.value, scope)))
        if axis is not None and form is not None:
            yield from _stays_inside(Slot(form, Dim(), Dim.of(axis), axis))


def _own_accesses(node: ast.Node) -> Iterator[ast.Access]:
    """The accesses of an expression that stand inside no list of indices."""
    if isinstance(node, ast.Access):
        yield node
    if not (isinstance(node, ast.Call) and node.indices is not None):
        for child in ast.children(node):
            yield from _own_accesses(child)


def _stays_inside(slot: Slot) -> Iterator[Expr]:
    """The conditions on open indices on which a slot stays inside, whatever bound ones do."""
    form = slot.form.indices.items()
    own: dict[Index, int] = {i: n for i, n in form if isinstance(i, Symbol)}
    rest = {i: n for i, n in form if i not in own}
    reach = extent(Affine(slot.form.dim, rest), {})
    if reach is None or (rest and not own):
        return
    low, high = reach
    if not own:
        yield from (c for c in (_at_least(low, slot.start), _at_least(slot.stop - 1, high)) if c)
        return
    yield apply("ge", (as_term(Affine(low, own)), dim_term(slot.start)))
    yield apply("lt", (as_term(Affine(high, own)), dim_term(slot.stop)))


def _at_least(a: Dim, b: Dim) -> Expr | None:
    """That a number of sizes is no less than another, decided at once if it has none."""
    gap = a - b
    if gap.is_const:
        return None if gap.const >= 0 else Const(False)
    return apply("ge", (dim_term(a), dim_term(b)))


def settled(term: Expr) -> Expr:
    """A whole term without the conditions of `pad` that hold wherever their index may be.

    They are known only when all indices have their ranges: in a definition, `pad(x[n, m+1], 0)` has
    one on `n` too, for the definition may be read at `n - 1`.
    """
    if not any(isinstance(t, Access) and t.padded for t in postorder(term)):
        return term

    def visit(t: Expr) -> Expr | None:
        if not isinstance(t, Select):
            return None
        conditions = [*_conjuncts(t.condition)]
        open_ = [c for c in conditions if not _always_holds(c)]
        if len(open_) == len(conditions):
            return None
        return select(conjunction(open_), settled(t.then), settled(t.other))

    return rebuild(term, visit)


def _conjuncts(condition: Expr) -> Iterator[Expr]:
    if isinstance(condition, Apply) and condition.op == "and":
        for part in condition.args:
            yield from _conjuncts(part)
    else:
        yield condition


def _always_holds(condition: Expr) -> bool:
    """Whether an index is compared with an end of its axis, which its range keeps to."""
    match condition:
        case Apply(op="ge", args=(Position(index=index), Const(value=Fraction() as start))):
            span = range_of(index)
            return span is not None and any(d.is_const and d.const >= start for d in span.starts)
        case Apply(op="lt", args=(Position(index=index), stop)):
            span = range_of(index)
            return span is not None and any(dim_term(d) == stop for d in span.stops)
    return False


def _clamped(term: Expr) -> Expr | None:
    """Accesses that may be asked for any place: what they give outside is not looked at."""
    if isinstance(term, Access):
        return Access(term.tensor, term.slots, padded=True)
    if isinstance(term, Along) and affine(term.at) is not None and term.at.free:
        at = clamp(term.at, term.index.range)
        return Along(term.op, term.index, term.body, at, term.filter)
    return None
