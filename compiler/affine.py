"""Slots as integer forms, and the range of an index from the slots that it is used in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from .ir import (
    INT,
    Access,
    Along,
    Apply,
    Axis,
    Bound,
    Const,
    Dim,
    Expr,
    Index,
    Position,
    Range,
    Size,
    postorder,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Affine:
    """`dim + sum(coefficient * index)`."""

    dim: Dim = field(default_factory=Dim)
    indices: Mapping[Index, int] = field(default_factory=dict)

    def plus(self, other: Affine, sign: int = 1) -> Affine:
        """The sum, or with sign -1 the difference."""
        total = dict(self.indices)
        for index, n in other.indices.items():
            total[index] = total.get(index, 0) + sign * n
        return Affine(self.dim + other.dim * sign, {i: n for i, n in total.items() if n})

    def times(self, factor: int) -> Affine:
        """The form multiplied by an integer."""
        return Affine(self.dim * factor, {i: n * factor for i, n in self.indices.items() if factor})

    @property
    def is_const(self) -> bool:
        """Whether this is one known integer."""
        return not self.indices and self.dim.is_const


def affine(expr: Expr) -> Affine | None:
    """The integer form of a slot, or None for a slot that is another kind of term."""
    match expr:
        case Const(value=value) if expr.kind == "int":
            return Affine(Dim(int(value)))  # type: ignore[arg-type]
        case Size(axis=axis):
            return Affine(Dim.of(axis))
        case Position(index=index):
            return Affine(Dim(), {index: 1})
        case Apply(op="neg", args=(a,)):
            inner = affine(a)
            return inner and inner.times(-1)
        case Apply(op="add" | "sub" as op, args=(a, b)):
            left, right = affine(a), affine(b)
            return left.plus(right, 1 if op == "add" else -1) if left and right else None
        case Apply(op="mul", args=(a, b)):
            left, right = affine(a), affine(b)
            if left and right and left.is_const:
                return right.times(left.dim.const)
            return left.times(right.dim.const) if left and right and right.is_const else None
    return None


@dataclass(frozen=True, slots=True)
class Slot:
    """One use of an index: the slot's integer form, and the places `start <= form < stop` of it.

    `axis` is the axis that the slot reads, or None where it reads a scan.
    """

    form: Affine
    start: Dim
    stop: Dim
    axis: Axis | None = None


def all_slots(*roots: Expr) -> Iterator[Slot]:
    """Every slot below the roots that has an integer form, padded accesses aside."""
    for term in postorder(*roots):
        if isinstance(term, Access) and not term.padded:
            for slot, axis in zip(term.slots, term.tensor.axes, strict=True):
                form = affine(slot)
                if form is not None:
                    yield Slot(form, Dim(), Dim.of(axis), axis)
        elif isinstance(term, Along):
            form, span = affine(term.at), term.index.range
            if form is not None:
                yield Slot(form, span.starts[0], span.stops[0])


def as_term(form: Affine) -> Expr:
    """An integer form as a term."""
    parts = sorted(form.indices.items(), key=lambda item: -item[1])
    terms: list[tuple[int, Expr]] = [(n, Position(i)) for i, n in parts]
    terms += [(n, Size(a)) for a, n in form.dim.sizes]
    if form.dim.const or not terms:
        terms.append((form.dim.const, Const(Fraction(1))))
    total: Expr | None = None
    for n, unit in terms:
        size = Const(Fraction(abs(n)))
        part = size if isinstance(unit, Const) else unit
        if abs(n) != 1 and part is unit:
            part = Apply("mul", (size, unit), INT)
        if total is None:
            total = part if n >= 0 else Apply("neg", (part,), INT)
        else:
            total = Apply("add" if n > 0 else "sub", (total, part), INT)
    assert total is not None
    return total


def extent(form: Affine, known: Mapping[Index, Range]) -> tuple[Dim, Dim] | None:
    """The least and largest value of a form, its indices in their ranges; None if one is open.

    `known` has the ranges of open indices that are settled; bound ones carry theirs.
    """
    low = high = form.dim
    for index, n in form.indices.items():
        span = index.range if isinstance(index, Bound) else known.get(index)
        if span is None:
            return None
        first, last = span.starts[0], span.stops[0] - 1
        low, high = low + (first if n > 0 else last) * n, high + (last if n > 0 else first) * n
    return low, high


def narrow(
    span: Range | None, index: Index, slot: Slot, known: Mapping[Index, Range]
) -> Range | None:
    """The part of `span` on which the slot stays inside its axis, whatever other indices do.

    A slot in which another open index stands, or whose factor is not 1 or -1, says nothing.
    """
    others = {i: n for i, n in slot.form.indices.items() if i != index}
    reach = extent(Affine(slot.form.dim, others), known)
    if reach is None:
        return span
    low, high = reach
    factor = slot.form.indices[index]
    if factor == 1:
        start, stop = slot.start - low, slot.stop - high
    elif factor == -1:
        start, stop = high - slot.stop + 1, low - slot.start + 1
    else:
        return span
    return Range((start,), (stop,)) if span is None else span.meet(start, stop)
