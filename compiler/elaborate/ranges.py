"""The ranges of the indices that a reduction binds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from lossc.dsl import ast
from lossc.dsl.source import Span

from ..affine import Affine, affine, extent, narrow, slots_of
from ..ir import (
    ERROR,
    Axis,
    Const,
    Dim,
    Equal,
    Expr,
    Index,
    Inside,
    NotEmpty,
    Range,
    Size,
    Symbol,
    rebuild,
)
from .access import violated
from .run import Run
from .scope import Scope

LONGEST = 1_000_000  # places of a range that is written out


def index_ranges(
    run: Run, node: ast.Call, symbols: Sequence[Symbol], items: Mapping[Symbol, ast.BoundIndex],
    body: Expr, chosen: Expr | None, scope: Scope,
) -> dict[Index, Range] | None:  # fmt: skip
    """The range of each index: given, or the largest on which every access is in bounds."""
    roots = (body,) if chosen is None else (body, chosen)
    known: dict[Index, Range] = {}
    for s in symbols:
        item = items.get(s)
        if item is not None and item.low is not None and item.high is not None:
            given = given_range(run, item, scope)
            if given is None:
                return None
            known[s] = given
    for s in [s for s in reversed(symbols) if s not in known]:
        item = items.get(s)
        place = item.span if item else (node.function_span or node.span)
        span = infer(run, s, place, roots, known)
        if span is None:
            return None
        known[s] = span
    return known if check_given(run, items, roots, known) else None


def given_range(run: Run, item: ast.BoundIndex, scope: Scope) -> Range | None:
    """A range written out: `u in -3..3`."""
    bounds: list[Dim] = []
    for node in (item.low, item.high):
        assert node is not None
        term = run.fixed(run.number(node, scope))
        form = affine(_fold_sizes(term))
        if form is None or form.indices:
            if term.kind != ERROR:
                run.fail(
                    "E0317", node.span, "the bounds of a range must be known when compiled",
                    help="integers, integer params and sizes may stand here",
                )  # fmt: skip
            return None
        bounds.append(form.dim)
    if (bounds[1] - bounds[0]).is_const and (bounds[1] - bounds[0]).const < 0:
        run.fail("E0309", item.span, f"the range of `{item.name}` is empty")
        return None
    length = bounds[1] - bounds[0]
    if length.is_const and length.const > LONGEST:
        message = f"the range of `{item.name}` is too long"
        run.fail("E0317", item.span, message, f"at most {LONGEST:,} places")
        return None
    return Range((bounds[0],), (bounds[1] + 1,))


def infer(
    run: Run, index: Symbol, place: Span, roots: Sequence[Expr], known: Mapping[Index, Range]
) -> Range | None:
    """The range of an index from its axis and the slots it is used in."""
    own = Range.of(index.axis) if index.axis is not None else None
    span, axes = own, dict.fromkeys([index.axis] if index.axis else [])
    for slot in slots_of(index, *roots):
        span = narrow(span, index, slot, known)
        if slot.form == Affine(Dim(), {index: 1}) and slot.axis is not None:
            axes[slot.axis] = None
    if span is None:
        run.fail(
            "E0306", place, f"nothing tells how far `{index.name}` goes",
            "no tensor is indexed by it",
            help=f"use it in a slot, name an axis, or give its range: {index.name} in 0..9",
        )  # fmt: skip
        return None
    if not equal(run, index, list(axes), place):
        return None
    return span if not_empty(run, index, span, own, place) else None


def equal(run: Run, index: Symbol, axes: Sequence[Axis], place: Span) -> bool:
    """Record that the axes an index ranges over have one length."""
    first = axes[0] if axes else None
    for axis in axes[1:]:
        assert first is not None
        if None not in (first.size, axis.size) and first.size != axis.size:
            run.fail(
                "E0308", place, f"`{index.name}` ranges over axes of unequal size",
                f"`{first.name}` has {first.size} places, `{axis.name}` has {axis.size}",
            )  # fmt: skip
            return False
        run.constraints[Equal(first, axis, index.name)] = None
    return True


def not_empty(run: Run, index: Symbol, span: Range, own: Range | None, place: Span) -> bool:
    """Check, or record for the call, that a shifted index has a place left."""
    rooms = [stop - start for stop in span.stops for start in span.starts]
    if any(r.is_const and r.const < 1 for r in rooms):
        message = f"the shifts leave no place for `{index.name}`"
        run.fail("E0309", place, message, f"its range is {span}")
        return False
    shifted = any(d.const for d in (*span.starts, *span.stops)) or len(span.stops) > 1
    if span != own and shifted and not all(r.is_const for r in rooms):
        run.constraints[NotEmpty(span, index.name)] = None
    return True


def check_given(
    run: Run, items: Mapping[Symbol, ast.BoundIndex], roots: Sequence[Expr],
    known: Mapping[Index, Range],
) -> bool:  # fmt: skip
    """Indices of a given range must stay inside what they read."""
    for index, item in items.items():
        if item.low is None:
            continue
        for slot in slots_of(index, *roots):
            reach, axis = extent(slot.form, known), slot.axis
            if reach is None or axis is None:
                continue
            constraint = Inside(axis, *reach, index.name)
            if violated(run, constraint):
                low, high = reach
                size = f"{axis.size} places" if axis.size is not None else "places from 0"
                run.fail(
                    "E0310", item.span, f"`{index.name}` leaves the axis it reads",
                    f"reads places {low} to {high} of an axis with {size}",
                )  # fmt: skip
                return False
            run.constraints[constraint] = None
    return True


def _fold_sizes(term: Expr) -> Expr:
    return rebuild(
        term,
        lambda t: (
            Const(Fraction(t.axis.size))
            if isinstance(t, Size) and t.axis.size is not None
            else None
        ),
    )
