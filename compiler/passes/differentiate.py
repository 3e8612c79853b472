"""Reverse mode on the index IR: the derivative of a program as another program.

Each term's adjoint is a term over the same indices. Terms are visited from the value down, each
after all that it stands in, so that its adjoint is complete; a reduction is opened with fresh
indices first, so that no index is ever captured. At an access the adjoint is carried to the
tensor's own axes: the indices that the slots determine are solved for, the others are summed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count

from lossc.dsl.primitives import ALONG, REDUCTIONS

from ..affine import Affine, affine, as_term, extent
from ..depth import room_for
from ..fold import apply, conjunction
from ..ir import (
    INT,
    REAL,
    TABLE,
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
    Program,
    Range,
    Reduce,
    Select,
    Symbol,
    Tensor,
    along,
    dim_term,
    postorder,
    rebuild,
    reduce,
    substitute,
)  # fmt: skip
from .finite import above_infinity, as_fraction, may_divide_by_zero, passed, saturates
from .simplify import ONE, ZERO, chosen, minus, over, plus, times
from .slopes import read_lazily, slope
from .tabulate import padded

SEED = "#upstream"  # no input of a formula can have this name


def differentiate(program: Program, wrt: str, seeded: bool = False) -> Program:
    """The derivative of a program's value in one of its inputs or params.

    Its axes are the tensor's own, in order. With `seeded`, or where the value has axes, the program
    has a further input `SEED` of the value's axes, and the result is the derivative of
    `sum(upstream * value)`. What reaches the value only through comparisons, rounding, argmax or
    stop_gradient has derivative 0.
    """
    tensor = next(t for t in (*program.inputs, *program.params) if t.name == wrt)
    seed: Expr = ONE
    inputs = program.inputs
    if seeded or program.axes:
        upstream = Tensor(SEED, tuple(s.axis for s in program.axes if s.axis is not None))
        seed = Access(upstream, tuple(Position(s) for s in program.axes))
        inputs = (*inputs, upstream)
    value = rebuild(program.value, _without_clip)
    with room_for(value):
        gradient, axes = _Backward(tensor).run(value, seed)
    return replace(
        program, name=f"d_{program.name}_d_{wrt}", inputs=inputs, value=gradient, axes=axes
    )


def diagonal(program: Program, wrt: str) -> Program:
    """The derivative of each element of a value in the element of a tensor at the same place.

    The program's axes are the tensor's own, as those of a gradient are.
    """
    tensor = next(t for t in (*program.inputs, *program.params) if t.name == wrt)
    value = rebuild(program.value, _without_clip)
    with room_for(value):
        slope = _Backward(tensor, held=program.axes).run(value, ONE)[0]
    return replace(program, name=f"d_{program.name}_d_{wrt}", value=slope)


def total(program: Program) -> Program:
    """The sum of a program's values as a program."""
    spans: dict[Index, Range] = {s: Range.of(s.axis) for s in program.axes if s.axis is not None}
    return (
        replace(program, value=reduce("sum", spans, program.value), axes=()) if spans else program
    )


def _without_clip(term: Expr) -> Expr | None:
    """Write clip as min and max, whose rule for ties is the rule of clip."""
    if not (isinstance(term, Apply) and term.op == "clip"):
        return None
    x, low, high = (rebuild(a, _without_clip) for a in term.args)
    return apply("min", (apply("max", (x, low)), high))


@dataclass
class _Backward:
    """One backward sweep: the adjoints so far, and the terms still to visit, highest first.

    Without `held` the value is a single number. Else its indices `held` stand for one place, and
    the derivative is that in the tensor's element at this place alone.
    """

    tensor: Tensor
    held: tuple[Symbol, ...] = ()
    adjoints: dict[Expr, Expr] = field(default_factory=dict)
    heights: dict[Expr, int] = field(default_factory=dict)
    active: dict[Expr, bool] = field(default_factory=dict)
    saturated: set[Expr] = field(default_factory=set)
    ranges: dict[Index, Range] = field(default_factory=dict)
    queue: list[tuple[int, int, Expr]] = field(default_factory=list)
    uid: Iterator[int] = field(default_factory=lambda: count(1 << 20))

    def run(self, value: Expr, seed: Expr) -> tuple[Expr, tuple[Symbol, ...]]:
        """The gradient and its axes."""
        self.survey(value)
        axes = self.tensor.axes
        targets = self.held or tuple(self.fresh(Range.of(a), a.name, a) for a in axes)
        total: Expr = ZERO
        self.add(value, seed, frozenset())
        while self.queue:
            _, _, term = heappop(self.queue)
            adjoint = self.adjoints[term]
            if isinstance(term, Access):
                if term.tensor == self.tensor:
                    total = plus(total, self.place(term, adjoint, targets))
            else:
                self.visit(term, adjoint)
        return self.finish(total, targets)

    def finish(self, total: Expr, targets: tuple[Symbol, ...]) -> tuple[Expr, tuple[Symbol, ...]]:
        """The gradient over the tensor's own axes; one that comes twice is told apart."""
        axes: list[Symbol] = []
        for target in targets:
            twins = sum(a.axis == target.axis for a in axes)
            axes.append(Symbol(target.name, target.axis, twins))
        moved = {old: Position(new) for old, new in zip(targets, axes, strict=True)}
        return substitute(rebuild(total, _tidy), moved), tuple(axes)

    # --- bookkeeping ----------------------------------------------------------------------------

    def survey(self, root: Expr) -> None:
        """Note the height of each term, and whether the tensor is in it."""
        for term in postorder(root):
            if term not in self.heights:
                self.heights[term] = 1 + max((self.heights[p] for p in term.parts), default=0)
                own = isinstance(term, Access) and term.tensor == self.tensor
                self.active[term] = own or any(self.active[p] for p in term.parts)

    def fresh(self, span: Range, name: str, axis: Axis | None = None) -> Symbol:
        """A new open index."""
        symbol = Symbol(name, axis, next(self.uid))
        self.ranges[symbol] = span
        return symbol

    def range_of(self, index: Index) -> Range:
        """The range of an open index."""
        if index not in self.ranges and isinstance(index, Symbol) and index.axis is not None:
            self.ranges[index] = Range.of(index.axis)
        return self.ranges[index]

    def add(self, term: Expr, adjoint: Expr, around: frozenset[Index]) -> None:
        """Add to a term's adjoint, summed over the indices around that the term lacks."""
        if not self.active[term] or term.kind != REAL or adjoint == ZERO:
            return
        adjoint = self.summed(adjoint, around - term.free - frozenset(self.held))
        if term not in self.adjoints:
            heappush(self.queue, (-self.heights[term], next(self.uid), term))
        self.adjoints[term] = plus(self.adjoints.get(term, ZERO), adjoint)

    def summed(self, term: Expr, over_: frozenset[Index]) -> Expr:
        """The sum over some open indices; a branch that is 0 otherwise becomes the filter."""
        if not over_ or term == ZERO:
            return term
        if isinstance(term, Access) and _total(term) in over_:
            return self.summed(ONE, over_ - {_total(term)})
        spans = {i: self.range_of(i) for i in over_}
        if isinstance(term, Select) and term.other == ZERO:
            return reduce("sum", spans, term.then, term.condition)
        if isinstance(term, Apply) and term.op == "neg":
            return minus(self.summed(term.args[0], over_))
        if isinstance(term, Apply) and term.op == "div" and not term.args[1].free & over_:
            return over(self.summed(term.args[0], over_), term.args[1])
        return reduce("sum", spans, term)

    # --- rules ----------------------------------------------------------------------------------

    def visit(self, term: Expr, adjoint: Expr) -> None:
        """Pass a term's adjoint on to its parts."""
        self.saturate(term, term.parts)
        match term:
            case Apply(op="log" | "log2" | "log10", args=(Apply(op="div" | "mul") as inside,)):
                self.visit_logarithm(term, inside, adjoint)
            case Apply(op="atan", args=(inside,)) if may_divide_by_zero(inside):
                self.visit_angle(inside, adjoint, term.free)
            case Apply():
                for k, arg in enumerate(term.args):
                    if self.active[arg]:
                        part = passed(adjoint, slope(term, k), term in self.saturated)
                        self.add(arg, part, term.free)
            case Select():
                c = term.condition
                self.add(term.then, chosen(c, adjoint, ZERO), term.free)
                self.add(term.other, chosen(apply("not", (c,)), adjoint, ZERO), term.free)
            case Reduce():
                self.visit_reduce(term, adjoint)
            case Along(op=op) if op == TABLE:
                self.visit_table(term, adjoint)
            case Along():
                self.visit_along(term, adjoint)

    def saturate(self, term: Expr, parts: Iterable[Expr]) -> None:
        """Note the parts whose adjoints are 0 where they are infinite."""
        if term in self.saturated or saturates(term):
            self.saturated.update(p for p in parts if may_divide_by_zero(p))

    def visit_angle(self, inside: Expr, adjoint: Expr, around: frozenset[Index]) -> None:
        """Through the arctangent of a quotient, as the angle of a point whose x may be 0."""
        point = as_fraction(inside)
        for k, part in enumerate(point):
            self.survey(part)
            if self.active[part]:
                self.add(part, passed(adjoint, slope(Apply("atan2", point), k)), around)

    def visit_logarithm(self, term: Apply, inside: Apply, adjoint: Expr) -> None:
        """Through the logarithm of a product or quotient, as of the sum of two logarithms.

        The product may leave the range of floats, and its slope has both factors twice.
        """
        for k, part in enumerate(inside.args):
            if self.active[part]:
                own = passed(adjoint, slope(replace(term, args=(part,)), 0))
                self.add(part, minus(own) if k and inside.op == "div" else own, term.free)

    def visit_reduce(self, term: Reduce, adjoint: Expr) -> None:
        """Through a reduction, opened with fresh indices."""
        if not REDUCTIONS[term.op].slope:
            return
        opened = {b: self.fresh(b.range, b.name) for b in term.indices}
        body, kept = self.opened(term.body, term.filter, opened)
        self.saturate(term, (body,))
        slope = self.reduction_slope(term, body, kept, opened)
        part = passed(adjoint, slope, term in self.saturated)
        if kept is not None:
            part = chosen(kept, part, ZERO)
        self.add(body, part, term.free | frozenset(opened.values()))

    def opened(
        self, body: Expr, filter: Expr | None, indices: Mapping[Bound, Symbol]
    ) -> tuple[Expr, Expr | None]:
        """Body and filter over fresh indices."""
        moved = {b: Position(s) for b, s in indices.items()}
        inside = substitute(body, moved)
        self.survey(inside)
        return inside, substitute(filter, moved) if filter is not None else None

    def reduction_slope(
        self, term: Reduce, body: Expr, kept: Expr | None, opened: Mapping[Bound, Symbol]
    ) -> Expr:
        """The derivative of a reduction's value in its body at the opened indices."""

        def again(op: str, inner: Expr) -> Expr:
            """Another reduction over the same places."""
            spans = dict(self.spans(opened))
            result = "int" if op == "count" else REAL
            return reduce(op, spans, inner, kept, result)

        def places() -> Expr:
            return again("count", Const(True)) if kept is not None else self.places(opened)

        makers = {
            "x": lambda: body,
            "r": lambda: term,
            "n": places,
            "center": lambda: again("mean", body),
            "ties": lambda: again("count", apply("eq", (body, term))),
            "others": lambda: self.others(body, kept, opened),
            "finite": lambda: above_infinity(term, body),
        }
        return read_lazily(REDUCTIONS[term.op].slope, makers)

    def spans(self, opened: Mapping[Bound, Symbol]) -> Iterator[tuple[Index, Range]]:
        """The opened indices with their ranges."""
        return ((s, self.ranges[s]) for s in opened.values())

    def places(self, opened: Mapping[Bound, Symbol]) -> Expr:
        """The number of places of a reduction without a filter."""
        total: Expr = ONE
        for _, span in self.spans(opened):
            if len(span.starts) == len(span.stops) == 1:
                total = times(total, dim_term(span.stops[0] - span.starts[0]))
            else:
                inner = Symbol("i", None, next(self.uid))
                total = times(total, reduce("count", {inner: span}, Const(True), None, "int"))
        return total

    def others(self, body: Expr, kept: Expr | None, opened: Mapping[Bound, Symbol]) -> Expr:
        """The product of the body at all other places."""
        twins = {s: self.fresh(self.ranges[s], s.name) for s in opened.values()}
        moved = {s: Position(t) for s, t in twins.items()}
        same = conjunction(apply("eq", (Position(s), Position(t))) for s, t in twins.items())
        elsewhere = apply("not", (same,))
        if kept is not None:
            elsewhere = apply("and", (elsewhere, substitute(kept, moved)))
        spans: dict[Index, Range] = {t: self.ranges[t] for t in twins.values()}
        return reduce("prod", spans, substitute(body, moved), elsewhere)

    def visit_along(self, term: Along, adjoint: Expr) -> None:
        """Through a scan or a sort: from the places read to the place that is opened."""
        if not ALONG[term.op].slope:
            return
        span = term.index.range
        here = self.fresh(span, term.index.name)
        body, kept = self.opened(term.body, term.filter, {term.index: here})

        def place() -> Expr:
            rank = along("rank", here, span, body, Position(here), kept)
            first = dim_term(span.starts[0])
            return rank if first == ZERO else apply("add", (rank, first))

        makers = {
            "x": lambda: body,
            "r": lambda: term,
            "t": lambda: term.at,
            "i": lambda: Position(here),
            "place": place,
            "finite": lambda: above_infinity(term, body),
        }
        part = passed(adjoint, read_lazily(ALONG[term.op].slope, makers))
        if kept is not None:
            part = chosen(kept, part, ZERO)
        self.add(body, part, term.free | {here})

    def visit_table(self, term: Along, adjoint: Expr) -> None:
        """Through a table: to the place that is opened from all places that read it."""
        here = self.fresh(term.index.range, term.index.name)
        body, _ = self.opened(term.body, None, {term.index: here})
        carried, solved = self.carried((term.at,), adjoint, (here,))
        self.add(body, carried, (term.free | {here}) - solved.keys())

    # --- accesses -------------------------------------------------------------------------------

    def place(self, term: Access, adjoint: Expr, targets: tuple[Symbol, ...]) -> Expr:
        """An access's adjoint at each place of the tensor's own axes."""
        carried, solved = self.carried(term.slots, adjoint, targets)
        rest = frozenset(i for i in term.free if i not in solved and i not in self.held)
        return self.summed(carried, rest)

    def carried(
        self, slots: tuple[Expr, ...], adjoint: Expr, targets: tuple[Symbol, ...]
    ) -> tuple[Expr, dict[Index, Expr]]:
        """An adjoint at the places that slots read, 0 elsewhere, and the indices solved for."""
        solved: dict[Index, Expr] = {}
        conditions: list[Expr] = []
        for slot, target in zip(slots, targets, strict=True):
            self.solve(substitute(slot, solved), target, targets, solved, conditions)
        partial = frozenset(i for i, e in solved.items() if not self.is_whole(i, e))
        value = substitute(padded(adjoint, partial), solved)
        read = partial.union(*(solved[i].free for i in partial))
        conditions = [substitute(padded(c, read), solved) for c in conditions]
        return chosen(conjunction(conditions), value, ZERO), solved

    def solve(
        self, slot: Expr, target: Symbol, targets: tuple[Symbol, ...], solved: dict[Index, Expr],
        conditions: list[Expr],
    ) -> None:  # fmt: skip
        """Find the index for which a slot reads the target's place, or ask that it does."""
        form = affine(slot)
        unknown = {} if form is None else form.indices
        free = [i for i, n in unknown.items() if i not in targets and abs(n) == 1]
        if form is None or not free:
            conditions.append(_same(slot, target))
            return
        index = free[0]
        sign = form.indices[index]
        others = {i: n for i, n in form.indices.items() if i != index}
        found = Affine(-form.dim, {target: 1}).plus(Affine(indices=others), -1).times(sign)
        value = as_term(found)
        for old in solved:
            solved[old] = substitute(solved[old], {index: value})
        solved[index] = value
        conditions += self.inside(index, value)

    def is_whole(self, index: Index, value: Expr) -> bool:
        """Whether a value found for an index is another index of the same range."""
        found = isinstance(value, Position) and value.index
        return isinstance(found, Symbol) and self.range_of(found) == self.range_of(index)

    def inside(self, index: Index, value: Expr) -> Iterator[Expr]:
        """The conditions on which a value found for an index lies in its range."""
        if self.is_whole(index, value):
            return
        span = self.range_of(index)
        form = affine(value)
        assert form is not None
        for start in span.starts:
            yield from self.at_least(form.plus(Affine(start), -1))
        for stop in span.stops:
            yield from self.at_least(Affine(stop - 1).plus(form, -1))

    def at_least(self, form: Affine) -> Iterator[Expr]:
        """The condition that a form is not negative, unless its index's own range says so."""
        reach = extent(form, self.ranges)
        if reach is not None and reach[0].is_const and reach[0].const >= 0:
            return
        positive = {i: n for i, n in form.indices.items() if n > 0}
        negative = {i: -n for i, n in form.indices.items() if n < 0}
        if positive:
            yield apply(
                "ge", (as_term(Affine(Dim(), positive)), as_term(Affine(-form.dim, negative)))
            )
        else:
            yield apply("le", (as_term(Affine(Dim(), negative)), as_term(Affine(form.dim))))


def _same(slot: Expr, target: Symbol) -> Expr:
    """Whether a slot reads the target's place, decided at once where it can be."""
    form = affine(slot)
    gap = None if form is None else form.plus(Affine(indices={target: 1}), -1)
    if gap is not None and not gap.indices and gap.dim.is_const:
        return Const(gap.dim.const == 0)
    return apply("eq", (slot, Position(target)))


def _total(term: Access) -> Index | None:
    """The index along which a tensor sums to 1 by its domain, where it stands alone in its slot."""
    for slot, axis in zip(term.slots, term.tensor.axes, strict=True):
        if axis == term.tensor.sums_to_one and isinstance(slot, Position):
            others = [s for s in term.slots if s is not slot]
            return None if any(slot.index in s.free for s in others) else slot.index
    return None


def _tidy(term: Expr) -> Expr | None:
    """Places written small: `h` for `h - 1 + 1`."""
    form = affine(term) if isinstance(term, Apply) and term.kind == INT else None
    return as_term(form) if form is not None else None
