"""Names, and brackets after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from lossc.dsl import ast
from lossc.dsl.diagnostics import Label
from lossc.dsl.primitives import ALONG, CONSTANTS, PRIMITIVES, REDUCTIONS
from lossc.dsl.printer import print_expr
from lossc.dsl.source import Span

from ..affine import Affine, affine
from ..ir import (
    ERROR,
    INT,
    PACK,
    Axis,
    Const,
    Dim,
    Expr,
    Inside,
    Position,
    Symbol,
    substitute,
)
from ..wording import plural
from .lists import may_be_read
from .run import FAILED, Run
from .scope import Scope, TensorValue, TermValue, Value, shown
from .unnamed import all_named, is_unnamed


def named(run: Run, node: ast.Name, scope: Scope) -> Expr:
    """What a name denotes: a value, else an index as a number, else a constant."""
    value = looked_up(run, node, scope)
    if value is not None:
        return bare(run, node, value, scope)
    index = scope.index(node.id)
    if index is not None:
        return Position(index)
    return Const(node.id) if node.id in CONSTANTS else unknown(run, node, scope)


def looked_up(run: Run, node: ast.Name, scope: Scope) -> Value | None:
    """What a name stands for, if it may be read here."""
    value = run.value(node, scope)
    if isinstance(value, TermValue) and not may_be_read(run, node, value, scope):
        return TermValue(FAILED)
    return value


def bare(run: Run, node: ast.Name, value: Value, scope: Scope) -> Expr:
    """A value without brackets: at its own axes, or, if indexed, at the indices of those names."""
    if isinstance(value, TensorValue) or not value.indexed:
        return all_named(run, node.span, node.id, value, value.term, scope)
    order = value.order or ()
    found = {k: scope.index(s.name) for k, s in enumerate(order)}
    slots = {k: Position(i) for k, i in found.items() if i is not None}
    if len(slots) < len(order):
        listed = ", ".join(s.name for s in order)
        help = f"give them: {node.id}[{listed}]"
        return run.fail("E0312", node.span, f"`{node.id}` is defined with indices", help=help)
    return value.at(slots)


def unknown(run: Run, node: ast.Name, scope: Scope) -> Expr:
    """The error for a name that stands for nothing."""
    name = node.id
    known = [*scope.values, *scope.axes, *scope.indices, *CONSTANTS]
    near = get_close_matches(name, known, 1)
    if near:
        help = f"did you mean `{near[0]}`?"
    elif name in PRIMITIVES or name in REDUCTIONS or name in ALONG:
        help = f"`{name}` is a function: write {name}(...)"
    else:
        help = f"declare it as an input or param, or define it: where {name} = ..."
    return run.fail("E0201", node.span, f"nothing is named `{name}` here", help=help)


def access(run: Run, node: ast.Access, scope: Scope) -> Expr:
    """`base[slots]`."""
    base = base_value(run, node.base, scope)
    if base.term.kind == ERROR:
        for slot in node.slots:
            if not isinstance(slot.value, ast.Dots):
                run.expr(slot.value, scope)
        return FAILED
    by_name = all(slot.name is not None for slot in node.slots)
    read = access_by_name if by_name else access_by_place
    term = read(run, node, base, scope)
    return all_named(run, node.span, node.base.span.text, base, term, scope)


def base_value(run: Run, node: ast.Expr, scope: Scope) -> Value:
    """What stands before brackets."""
    if isinstance(node, ast.Name):
        value = looked_up(run, node, scope)
        if value is not None:
            return value
    return TermValue(run.expr(node, scope))


def access_by_name(run: Run, node: ast.Access, base: Value, scope: Scope) -> Expr:
    """`u[item=i]`: the axes named change, the rest stay."""
    if isinstance(base, TermValue) and base.indexed and len(node.slots) < len(base.order or ()):
        return by_place_alone(run, node, base)
    places = named_places(run, base)
    slots: dict[int | Symbol, Expr] = {}
    for slot in node.slots:
        if slot.name is None or slot.name not in places:
            have = ", ".join(f"`{n}`" for n in places) or "none"
            message = f"`{node.base.span.text}` has no axis `{slot.name}`"
            run.fail("E0303", slot.span, message, f"its axes: {have}")
            continue
        place = places[slot.name]
        slots[place] = slot_term(run, slot, scope, axis_at(run, base, place), node)
    if len(slots) < len(node.slots) or FAILED in slots.values():
        return FAILED
    by_symbol = {k: v for k, v in slots.items() if isinstance(k, Symbol)}
    by_place = {k: v for k, v in slots.items() if isinstance(k, int)}
    return base.at(by_place) if by_place else substitute(base.term, by_symbol)


def by_place_alone(run: Run, node: ast.Access, base: TermValue) -> Expr:
    """The error for a definition with indices of which only some are given, by name."""
    given = {slot.name: slot.value.span.text for slot in node.slots}
    what = node.base.span.text
    listed = ", ".join(given.get(s.name, s.name) for s in base.order or ())
    message = f"`{what}` is defined with indices, and is read by place"
    return run.fail("E0312", node.span, message, help=f"give them all: {what}[{listed}]")


def named_places(run: Run, base: Value) -> Mapping[str, int | Symbol]:
    """The axes of a value by name: places of a tensor, free indices of a term."""
    if isinstance(base, TensorValue):
        places = enumerate(base.order)
        return {s.name: k for k, s in places if s.name != PACK and not is_unnamed(s)}
    return {s.name: s for s in base.term.free if isinstance(s, Symbol) and not is_unnamed(s)}


def axis_at(run: Run, base: Value, place: int | Symbol) -> Axis | None:
    """The axis that a slot reads, where it is known."""
    if isinstance(place, Symbol):
        return place.axis
    return base.order[place].axis if base.order else None


def access_by_place(run: Run, node: ast.Access, base: Value, scope: Scope) -> Expr:
    """`y[b, c]`: one slot for each axis, `...` for all that are not spelled out."""
    what = node.base.span.text
    if isinstance(base, TensorValue) and not base.declared:
        if len(node.slots) == 1 and isinstance(node.slots[0].value, ast.Dots):
            return base.term
        return run.fail(
            "E0315", node.span, f"`{what}` is declared without axes and cannot be indexed",
            others=(Label(base.span, "declared here"),),
            help=f"name its axes where it is declared, as in `{what}[batch, class]`",
        )  # fmt: skip
    if base.order is None:
        names = list(named_places(run, base))
        return run.fail(
            "E0312", node.span, f"`{what}` has no order of axes",
            help=f"name the axis that changes: {what}{_changed(node, names, scope)}",
        )  # fmt: skip
    places = places_of(node, base.order)
    if places is None:
        have = ", ".join(shown(s) for s in base.order)
        count = plural(len(base.order), "axis", "axes")
        message = f"`{what}` has {count}, the brackets hold {len(node.slots)}"
        others = (Label(base.span, "declared here"),) if base.span else ()
        return run.fail("E0304", node.span, message, f"its axes: {have}", others=others)
    slots = {k: slot_term(run, slot, scope, base.order[k].axis, node) for k, slot in places.items()}
    return FAILED if FAILED in slots.values() else base.at(slots)


def _changed(node: ast.Access, names: Sequence[str], scope: Scope) -> str:
    """The slots by name: those that only repeat the name of an axis are left out."""
    texts = [slot.value.span.text for slot in node.slots]
    rest = [n for n in (*scope.axes, *names) if n in names and n not in texts]
    new = [t for t in texts if t not in names] or texts[:1]
    pairs = zip(dict.fromkeys(rest or names or ["axis"]), new, strict=False)
    return f"[{', '.join(f'{name}={text}' for name, text in pairs)}]"


def places_of(node: ast.Access, order: Sequence[Symbol]) -> dict[int, ast.Slot] | None:
    """The place that each slot stands for; named ones find theirs, `...` is skipped."""
    named = {s.name: k for k, s in enumerate(order)}
    found = {named[s.name]: s for s in node.slots if s.name in named and s.name is not None}
    plain = [s for s in node.slots if s.name is None]
    dots = [k for k, s in enumerate(plain) if isinstance(s.value, ast.Dots)]
    rest = [k for k in range(len(order)) if k not in found]
    if len(found) + len(plain) != len(node.slots) or len(dots) > 1:
        return None
    if not dots:
        return dict(zip(rest, plain, strict=True)) | found if len(rest) == len(plain) else None
    before, after = plain[: dots[0]], plain[dots[0] + 1 :]
    if len(before) + len(after) > len(rest):
        return None
    tail = rest[len(rest) - len(after) :]
    return dict(zip(rest, before, strict=False)) | dict(zip(tail, after, strict=True)) | found


def slot_term(
    run: Run, slot: ast.Slot, scope: Scope, axis: Axis | None, access: ast.Access
) -> Expr:
    """The integer term of a slot."""
    node = slot.value
    if isinstance(node, ast.Name) and is_unbound(run, node, scope):
        help = f"bind it in a reduction: sum[{node.id}](...) or mean[{node.id}](...)"
        return run.fail("E0305", node.span, f"nothing binds the index `{node.id}`", help=help)
    term = run.fixed(run.number(node, scope))
    if term.kind == ERROR:
        return FAILED
    form = affine(term)
    if form is not None:
        return check_place(run, form, axis, node.span) or term
    if term.kind != INT:
        return run.fail("E0403", node.span, "a label or place must be an integer", "a real number",
                        help=whole_number(slot, scope, axis, access))  # fmt: skip
    return term


def whole_number(slot: ast.Slot, scope: Scope, axis: Axis | None, access: ast.Access) -> str:
    """What to write for a slot that is real: a domain, or a sum over the places that are it."""
    node = slot.value
    if isinstance(node, ast.Name) and isinstance(scope.values.get(node.id), TensorValue):
        where = axis.name if axis is not None and axis.name.isidentifier() else "class"
        return f"declare what it is: where {node.id} in index({where})"
    used = {n.id for n in ast.walk(access) if isinstance(n, ast.Name)} | set(scope.values)
    used |= set(scope.axes) | set(scope.indices)
    name = next(c for c in "kijlmnabcdpqruvw" if c not in used)
    place = replace(slot, value=ast.Name(name, span=node.span))
    read = replace(access, slots=tuple(place if s is slot else s for s in access.slots))
    return f"write sum[{name} if {name} == {print_expr(node)}]({print_expr(read)})"


def is_unbound(run: Run, node: ast.Name, scope: Scope) -> bool:
    """Whether a name in a slot stands for nothing at all."""
    return node.id not in scope.values and scope.index(node.id) is None


def check_place(run: Run, form: Affine, axis: Axis | None, span: Span) -> Expr | None:
    """Check a constant place against its axis."""
    if axis is None or form.indices or run.padding:
        return None
    constraint = Inside(axis, form.dim, form.dim, "")
    if violated(run, constraint):
        size = f"has size {axis.size}" if axis.size is not None else "counts from 0"
        return run.fail("E0310", span, f"there is no place {form.dim}: the axis {size}")
    return None


def violated(run: Run, c: Inside) -> bool:
    """Whether an index is known to leave its axis."""
    room = Dim.of(c.axis) - c.high
    return (c.low.is_const and c.low.const < 0) or (room.is_const and room.const < 1)
