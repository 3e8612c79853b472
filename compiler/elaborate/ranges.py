"""The ranges of the indices that a reduction binds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from fractions import Fraction

from lossc.dsl import ast
from lossc.dsl.source import Span

from ..affine import Affine, affine, extent, narrow
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
)  # fmt: skip
from ..linear import ANY, Case, Inequality, most_size, not_negative
from .access import violated
from .reads import Read, Walk, bad_cases, below, beyond, first_bad, is_inside, last_bad
from .run import Run, is_pending, pending
from .scope import Scope

LONGEST = 1_000_000  # places of a range that is written out


def index_ranges(
    run: Run, node: ast.Call, symbols: Sequence[Symbol], items: Mapping[Symbol, ast.BoundIndex],
    body: Expr, chosen: Expr | None, scope: Scope,
) -> dict[Index, Range] | None:  # fmt: skip
    """The range of each index: given, or the largest on which every access is in bounds."""
    given: set[Index] = {s for s, item in items.items() if item.low is not None}
    reads = [*reads_of(run, body, chosen, given)]
    known: dict[Index, Range] = {}
    for s in symbols:
        item = items.get(s)
        if item is not None and item.low is not None and item.high is not None:
            span = given_range(run, item, scope)
            if span is None:
                return None
            known[s] = span
    for s in [s for s in reversed(symbols) if s not in known]:
        item = items.get(s)
        place = item.span if item else (node.function_span or node.span)
        span = infer(run, s, place, reads, known)
        if span is None:
            return None
        known[s] = span
    return known if check_given(run, items, reads, known) else None


def reads_of(run: Run, body: Expr, chosen: Expr | None, given: Set[Index]) -> Iterator[Read]:
    """The slots of a body and its filter, each with what the conditions around it say.

    A slot of one index that only the filter keeps inside may as well narrow the range of that
    index, if it is not given: the filter leaves out the same places.
    """
    walk = Walk(run.fixed_params)
    if chosen is None:
        yield from walk.reads(body)
        return
    yield from walk.reads(chosen)
    kept = walk.with_(ANY, chosen, True)
    for read in walk.reads(body, kept):
        one = len(read.slot.form.indices) == 1 and given.isdisjoint(read.slot.form.indices)
        alone = one and not read.branch and read.cases == kept
        yield replace(read, cases=ANY) if alone else read


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
    run: Run, index: Symbol, place: Span, reads: Sequence[Read], known: Mapping[Index, Range]
) -> Range | None:
    """The range of an index from its axis and the slots it is used in."""
    own = Range.of(index.axis) if index.axis is not None else None
    mine = [r for r in reads if index in r.slot.form.indices]
    found = narrowed(index, mine, known, run.sure)
    span = found.span
    if span is None:
        why, help = untold(index, next((r for r in mine if r.slot.axis is not None), None))
        run.fail("E0306", place, f"nothing tells how far `{index.name}` goes", why, help=help)
        return None
    axes: dict[Axis | None, None] = dict.fromkeys([index.axis] if index.axis else [])
    axes |= dict.fromkeys(r.slot.axis for r in mine if ranges_over(r, index, known, run.sure))
    if not equal(run, index, [a for a in axes if a is not None], place):
        return None
    run.constraints.update(dict.fromkeys(found.needed))
    warn_dead(run, index, place, found)
    return span if not_empty(run, index, span, own, place) else None


def untold(index: Symbol, read: Read | None) -> tuple[str, str]:
    """Why no slot tells the range of an index, and what to write."""
    name = index.name
    give = f"give its range: {name} in 0..9"
    if read is None:
        return "no tensor is indexed by it", f"use it in a slot, name an axis, or {give}"
    return f"{read.name} is read at {shown(read.slot.form)}, which does not tell its range", give


def ranges_over(read: Read, index: Symbol, known: Mapping[Index, Range], sure: Case) -> bool:
    """Whether an index ranges over the axis of a slot: it stands there alone, unguarded."""
    if read.slot.form != Affine(Dim(), {index: 1}):
        return False
    if read.cases == ANY:
        return True
    anywhere = Range((Dim(),), ())
    return not is_inside(read, {**known, index: anywhere}, sure)


@dataclass
class Narrowed:
    """A range on the way from slot to slot.

    `whole` is what it would be without the slots in branches, `causes` are those of them that
    narrow it, and `needed` is asked of sizes where only few places make a branch read outside.
    """

    span: Range | None
    whole: Range | None = None
    causes: list[Read] = field(default_factory=list)
    needed: list[Inside] = field(default_factory=list)


def narrowed(
    index: Symbol, reads: Sequence[Read], known: Mapping[Index, Range], sure: Case
) -> Narrowed:
    """The largest range on which every slot in which an index stands is in bounds."""
    free = [r for r in reads if r.is_free]
    guarded = [r for r in reads if not r.is_free and is_solved(r, index, known)]
    now = Narrowed(Range.of(index.axis) if index.axis is not None else None)
    for r in free:
        if not r.branch:
            now.span = narrow(now.span, index, r.slot, known)
    now.whole = now.span
    for r in free:
        if r.branch:
            before, now.span = now.span, narrow(now.span, index, r.slot, known)
            if before is not None and now.span != before:
                now.causes.append(r)
    if now.span is None and guarded:
        plain = [r for r in guarded if r.slot.form == Affine(Dim(), {index: 1})]
        first = (plain or guarded)[0].slot
        now.span = now.whole = Range((first.start,), (first.stop,))
    guarded = [r for r in guarded if not ranges_over(r, index, known, sure)]
    as_axis = sure | same_size(index, now.span)
    found = by_branches(index, guarded, known, as_axis, now)
    if as_axis != sure and found.span != now.span:
        return by_branches(index, guarded, known, sure, now)
    return found


def is_solved(read: Read, index: Symbol, known: Mapping[Index, Range]) -> bool:
    """Whether a slot can tell the range of an index: all others in it have theirs."""
    form = read.slot.form
    others = {i: n for i, n in form.indices.items() if i != index}
    return abs(form.indices[index]) == 1 and extent(Affine(form.dim, others), known) is not None


def same_size(index: Symbol, span: Range | None) -> Case:
    """That the length of a fresh index, if it is asked for, is that of its range."""
    if index.axis is not None or span is None or len(span.starts) + len(span.stops) > 2:
        return frozenset()
    gap = Dim.of(pending(index)) - (span.stops[0] - span.starts[0])
    return frozenset(not_negative(Affine(gap * sign)) for sign in (1, -1))


def by_branches(
    index: Symbol, reads: Sequence[Read], known: Mapping[Index, Range], sure: Case, old: Narrowed
) -> Narrowed:
    """A range narrowed by the slots in branches, as far as their conditions leave them outside.

    Those that narrow it least come first: the range that they leave may keep others inside.
    """
    now = replace(old, causes=[*old.causes], needed=[])
    ends: list[tuple[bool, int, Read, Inequality]] = []
    for r in reads:
        alone = narrow(None, index, r.slot, known)
        assert alone is not None
        for outside in (below(r.slot), beyond(r.slot)):
            low = (outside == below(r.slot)) == (r.slot.form.indices[index] > 0)
            loose = alone.starts[0].const if low else -alone.stops[0].const
            ends.append((low, loose, r, outside))
    for low, _, r, outside in sorted(ends, key=lambda e: (not e[0], e[1])):
        assert now.span is not None
        before = now.span
        for case in bad_cases(r, outside, {**known, index: before}, sure):
            limit = most_size(case)
            if limit is not None and not is_pending(limit[0]):
                now.needed.append(Inside(limit[0], Dim(), Dim(limit[1]), index.name))
                continue
            end = (last_bad if low else first_bad)(case, index)
            start, stop = now.span.starts[0], now.span.stops[0]
            if end is not None:
                now.span = now.span.meet(end + 1, stop) if low else now.span.meet(start, end)
        if now.span != before and r.branch:
            now.causes.append(r)
    return now


def warn_dead(run: Run, index: Symbol, place: Span, found: Narrowed) -> None:
    """Warn of places that are left out because a branch might read outside there."""
    dead = left_out(found.whole, found.span)
    if not dead or not found.causes:
        return
    read = found.causes[0]
    at = shown(read.slot.form)
    run.findings.add(
        "W0215", place, f"{' and '.join(f'`{index.name}` = {d}' for d in dead)} is left out",
        f"a branch reads {read.name} at {at}, which its condition does not keep inside",
        help=f"compare `{index.name}` in the condition, or read pad(..., 0)",
    )  # fmt: skip


def left_out(whole: Range | None, span: Range | None) -> list[str]:
    """The places at either end that a range has and a narrower one has not."""
    if whole is None or span is None:
        return []
    found = []
    for start in span.starts:
        if start not in whole.starts:
            found.append(run_of(whole.starts[0], start - 1))
    for stop in span.stops:
        if stop not in whole.stops:
            found.append(run_of(stop, whole.stops[0] - 1))
    return found


def run_of(first: Dim, last: Dim) -> str:
    """Some places in a row."""
    return str(first) if first == last else f"{first} .. {last}"


def shown(form: Affine) -> str:
    """An integer form as it is written."""
    parts = [f"{'' if abs(n) == 1 else f'{abs(n)} * '}{i.name}" for i, n in form.indices.items()]
    signs = ["-" if n < 0 else "+" for n in form.indices.values()]
    rest = str(form.dim) if form.dim != Dim() or not parts else ""
    text = "".join(f" {s} {p}" for s, p in zip(signs, parts, strict=True))
    text = text[3:] if text.startswith(" + ") else text.strip().replace("- ", "-", 1)
    return f"{text} + {rest}".replace("+ -", "- ") if rest and text else text or rest


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
    run: Run, items: Mapping[Symbol, ast.BoundIndex], reads: Sequence[Read],
    known: Mapping[Index, Range],
) -> bool:  # fmt: skip
    """Indices of a given range must stay inside what they read."""
    for index, item in items.items():
        if item.low is None:
            continue
        for read in (r for r in reads if index in r.slot.form.indices):
            axis, reach = read.slot.axis, reach_of(read, known, run.sure)
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


def reach_of(read: Read, known: Mapping[Index, Range], sure: Case) -> tuple[Dim, Dim] | None:
    """The first and last place that a slot may read, where its conditions do not keep it inside."""
    slot, reach = read.slot, extent(read.slot.form, known)
    if reach is None or read.is_free:
        return reach
    low, high = reach
    if not bad_cases(read, below(slot), known, sure):
        low = slot.start
    if not bad_cases(read, beyond(slot), known, sure):
        return None if low == slot.start else (low, low)
    return low, high


def _fold_sizes(term: Expr) -> Expr:
    return rebuild(
        term,
        lambda t: (
            Const(Fraction(t.axis.size))
            if isinstance(t, Size) and t.axis.size is not None
            else None
        ),
    )
