"""Separation: a loss that is a mean (or sum) of one value for each sample, as those values.

A loss is separable if it is linear in means (or in sums) that all run over the leading axis, where
no sample's value looks at another sample; beside means a constant may stand, for
`1 - mean(x)` is `mean(1 - x)`. Keras can then weight, mask and reduce the values itself.

A mean (or sum) whose list has the leading axis by its own name, `mean[batch](...)`, says whose each
value is. For Keras it is separable even if a value looks at other samples, as those of Circle do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from .fold import apply, select
from .ir import (
    PACK,
    Access,
    Apply,
    Axis,
    Bound,
    Const,
    Expr,
    Index,
    Position,
    Program,
    Range,
    Reduce,
    Size,
    Symbol,
    postorder,
    reduce,
    reduce_like,
    substitute,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Separated:
    """The values before the outer reduction: `op` ("mean" or "sum") over them is the loss.

    `program.axes` are the axes kept; `packed` tells that the samples are elements of tensors
    declared without axes, of which Keras keeps all axes but the last. `counted` is 1 where a value
    counts and 0 where a filter leaves it out, if one filter says so for all of them: their mean is
    then over the values that count, and `program` has them times all over counted. `masked` are the
    values as they are where they count, and 0 elsewhere.
    """

    program: Program
    op: str
    packed: bool
    counted: Program | None = None
    masked: Program | None = None


@dataclass(frozen=True, slots=True)
class _Term:
    """`factor * reduction`, or the factor alone; a factor of None is 1."""

    factor: Expr | None
    reduction: Reduce | None


def separate(program: Program, named: bool = False) -> Separated | None:
    """The loss's values for each sample, or None if it is not separable.

    With `named` the loss is one reduction over the samples' own name; a value may then look at
    other samples.
    """
    lead = leading(program)
    if lead is None or program.axes:
        return None
    terms = _linear(program.value, None, lead)
    if not terms:
        return None
    reductions = [t.reduction for t in terms if t.reduction is not None]
    ops = {r.op for r in reductions}
    if ops not in ({"mean"}, {"sum"}):
        return None
    if not all(_is_own(r, lead) or (named and _runs_once(r, lead)) for r in reductions):
        return None
    if ops == {"sum"} and len(reductions) < len(terms):
        return None
    kept = _kept(program, reductions, lead)
    value = _add([_value(t, kept) for t in terms])
    axes = tuple(Symbol(a.name, a) for a in kept)
    whole = all(t.axes == (lead,) or not t.axes for t in program.inputs)
    packed = lead.name == PACK and whole
    separated = replace(program, value=value, axes=axes)
    chosen = None if packed or ops != {"mean"} else _counted(terms, kept)
    if chosen is None:
        return Separated(separated, ops.pop(), packed)
    one, zero = Const(Fraction(1)), Const(Fraction(0))
    plain = _add([_value(replace(t, reduction=_unfiltered(t.reduction)), kept) for t in terms])
    counted, masked = (select(chosen, v, zero) for v in (one, plain))
    return Separated(
        separated, ops.pop(), packed, replace(separated, value=counted),
        replace(separated, value=masked),
    )  # fmt: skip


def _linear(value: Expr, factor: Expr | None, lead: Axis) -> list[_Term] | None:
    """`value` as a sum of reductions with factors that are the same for every sample."""
    op, args = (value.op, value.args) if isinstance(value, Apply) else ("", ())
    if isinstance(value, Reduce) and value.op in ("mean", "sum"):
        return [_Term(factor, value)]
    if _is_constant(value, lead):
        return [_Term(_times(value, factor), None)]
    if op in ("add", "sub"):
        left = _linear(args[0], factor, lead)
        right = _linear(
            args[1], factor if op == "add" else _times(Const(Fraction(-1)), factor), lead
        )
        return left + right if left and right else None
    if op == "neg":
        return _linear(args[0], _times(Const(Fraction(-1)), factor), lead)
    if op == "mul" and _is_constant(args[0], lead):
        return _linear(args[1], _times(args[0], factor), lead)
    if op == "mul" and _is_constant(args[1], lead):
        return _linear(args[0], _times(args[1], factor), lead)
    if op == "div" and _is_constant(args[1], lead):
        return _linear(args[0], _times(apply("div", (Const(Fraction(1)), args[1])), factor), lead)
    return None


def _times(a: Expr, b: Expr | None) -> Expr:
    return a if b is None else apply("mul", (a, b))


def _is_constant(term: Expr, lead: Axis) -> bool:
    """Whether a term is the same for every sample: nothing in it has the leading axis."""
    return not any(
        (isinstance(t, Access) and lead in t.tensor.axes)
        or (isinstance(t, Size) and t.axis == lead)
        for t in postorder(term)
    )


def leading(program: Program) -> Axis | None:
    """The first axis of the first input that has one."""
    return next((t.axes[0] for t in program.inputs if t.axes), None)


def _index_over(reduction: Reduce, axis: Axis) -> Bound | None:
    """The index of a reduction that runs over the whole of an axis."""
    return next((b for b in reduction.indices if b.range == Range.of(axis)), None)


def _runs_once(reduction: Reduce, lead: Axis) -> bool:
    """Whether one index of a reduction runs over the leading axis."""
    return [b.range for b in reduction.indices if lead in _axes_of(b)] == [Range.of(lead)]


def _is_own(reduction: Reduce, lead: Axis) -> bool:
    """Whether each value of a reduction reads its own sample only."""
    mine = _index_over(reduction, lead)
    if mine is None:
        return False
    roots = reduction.parts
    for term in postorder(*roots):
        if isinstance(term, Access):
            for slot, axis in zip(term.slots, term.tensor.axes, strict=True):
                if axis == lead and slot != Position(mine):
                    return False
        if isinstance(term, Size) and term.axis == lead:
            return False
        if any(lead in _axes_of(b) for b in term.binds):
            return False
    return True


def runs_over(index: Index, axis: Axis) -> bool:
    """Whether an index runs over an axis."""
    if isinstance(index, Symbol):
        return index.axis == axis
    return axis in _axes_of(index)


def reads_places(value: Expr, axis: Axis) -> bool:
    """Whether the place along an axis is a number somewhere, or a place along another axis."""
    return any(reads_place(term, axis) for term in postorder(value))


def reads_place(term: Expr, axis: Axis) -> bool:
    """Whether a term, but for its parts, does so."""
    along = term.tensor.axes if isinstance(term, Access) else (None,) * len(term.parts)
    return any(
        isinstance(part, Position) and runs_over(part.index, axis) and own != axis
        for part, own in zip(term.parts, along, strict=True)
    )


def _axes_of(bound: Bound) -> set[Axis]:
    return {a for d in (*bound.range.starts, *bound.range.stops) for a, _ in d.sizes}


def _kept(program: Program, reductions: Sequence[Reduce], lead: Axis) -> list[Axis]:
    """The axes that all reductions share, less the last of the prediction's as Keras does."""
    main = program.inputs[1] if len(program.inputs) > 1 else program.inputs[0]
    order = [a for a in main.axes if all(_index_over(r, a) for r in reductions)]
    inner = [a for a in order if a != lead and a.name != PACK and a != main.axes[-1]]
    return [lead, *inner]


def _counted(terms: Sequence[_Term], kept: Sequence[Axis]) -> Expr | None:
    """The filter of all terms, if it is one filter, over the kept axes alone."""
    filters: set[Expr | None] = set()
    for r in (t.reduction for t in terms):
        filters.add(
            None if r is None or r.filter is None else substitute(r.filter, _opened(r, kept))
        )
    chosen = filters.pop()
    symbols = {Symbol(a.name, a) for a in kept}
    if filters or chosen is None or not chosen.free <= symbols:
        return None
    return chosen


def _unfiltered(r: Reduce | None) -> Reduce | None:
    return None if r is None else replace(r, filter=None)


def _opened(r: Reduce, kept: Sequence[Axis]) -> dict[Index, Expr]:
    """The places that stand for a reduction's indices over the kept axes."""
    chosen = {a: _index_over(r, a) for a in kept}
    return {b: Position(Symbol(a.name, a)) for a, b in chosen.items() if b is not None}


def _value(term: _Term, kept: Sequence[Axis]) -> Expr:
    """One term's value at each kept place."""
    r = term.reduction
    if r is None:
        return term.factor or Const(Fraction(1))
    opened = _opened(r, kept)
    body = substitute(r.body, opened)
    rest: dict[Index, Range] = {b: b.range for b in r.indices if b not in opened}
    if r.filter is None:
        value = reduce(r.op, rest, body) if rest else body
    else:
        value = _filtered(r, opened, rest, kept)
    return value if term.factor is None else apply("mul", (term.factor, value))


def _filtered(
    r: Reduce, opened: dict[Index, Expr], rest: dict[Index, Range], kept: Sequence[Axis]
) -> Expr:
    """The values of a filtered reduction; those of a mean are scaled by kept over all places."""
    assert r.filter is not None
    body, chosen = substitute(r.body, opened), substitute(r.filter, opened)
    zero = Const(Fraction(0))
    value = reduce("sum", rest, body, chosen) if rest else select(chosen, body, zero)
    if r.op == "sum":
        return value
    count = reduce_like(r, "count", r.filter, None, "int")
    places: Expr = Const(Fraction(1))
    for axis in kept:
        places = apply("mul", (places, Size(axis))) if places != Const(Fraction(1)) else Size(axis)
    share = apply("div", (places, apply("max", (count, Const(Fraction(1))))))
    return apply("mul", (value, share))


def _add(values: Sequence[Expr]) -> Expr:
    total = values[0]
    for value in values[1:]:
        total = apply("add", (total, value))
    return total
