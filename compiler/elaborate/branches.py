"""What stands in branches of a whole term, when all indices have their ranges."""

from __future__ import annotations

from ..affine import affine
from ..fold import clamp
from ..ir import Access, Along, Axis, Expr, Inside, with_parts
from ..linear import ANY, Case, Cases
from .reads import Read, Walk, is_inside
from .run import Run


def placed(run: Run, term: Expr) -> Expr:
    """A whole term in which reads that only their branch keeps inside are padded.

    Outside they may then give anything, for it is not looked at. Places that are numbers and that
    no branch keeps inside are recorded for the call.
    """
    outside: set[tuple[Expr, Cases, bool]] = set()
    for read in Walk(run.fixed_params).reads(term):
        if not read.slot.form.indices:
            fixed_place(run, read)
        if not read.is_free and _needs_branch(read, run.sure):
            outside.add((read.term, read.cases, read.branch))
    return _padded(run, term, outside) if outside else term


def fixed_place(run: Run, read: Read) -> None:
    """Record a place that is a number, unless its branch asks for the size that it needs."""
    axis = read.slot.axis
    if isinstance(axis, Axis) and axis.size is None and not is_inside(read, {}, frozenset()):
        run.constraints[Inside(axis, read.slot.form.dim, read.slot.form.dim, "")] = None


def _needs_branch(read: Read, sure: Case) -> bool:
    """Whether a slot is inside by its branch alone, not by the ranges of its indices."""
    anywhere = Read(read.term, read.slot, ANY)
    return not is_inside(anywhere, {}, sure) and is_inside(read, {}, sure)


def _padded(run: Run, root: Expr, outside: set[tuple[Expr, Cases, bool]]) -> Expr:
    walk = Walk(run.fixed_params)
    done: dict[tuple[Expr, Cases, bool], Expr] = {}
    first = (root, ANY, False)
    stack = [(first, False)]
    while stack:
        at, ready = stack.pop()
        if at in done:
            continue
        parts = [*walk.parts(*at)]
        if not ready:
            stack.append((at, True))
            stack.extend((p, False) for p in parts)
            continue
        term = with_parts(at[0], [done[p] for p in parts])
        done[at] = _clamped(term) if at in outside else term
    return done[first]


def _clamped(term: Expr) -> Expr:
    """An access or scan that may be asked for any place."""
    if isinstance(term, Access):
        return Access(term.tensor, term.slots, padded=True)
    if isinstance(term, Along) and affine(term.at) is not None:
        return Along(term.op, term.index, term.body, clamp(term.at, term.index.range), term.filter)
    return term
