"""Formulas written out in scalars: every reduction unrolled at given lengths of axes.

Each element of a tensor becomes a scalar tensor of its own, named as it is written (`z[0, 2]`; a
tensor of one element keeps its name). What is left are constants, those scalars, primitives and
branches. Axes whose length is not given stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product

from ..affine import affine
from ..fold import apply
from ..ir import (
    REAL,
    Access,
    Along,
    Apply,
    Axis,
    Bound,
    Const,
    Expr,
    Index,
    Position,
    Range,
    Reduce,
    Select,
    Size,
    Symbol,
    Tensor,
    with_parts,
)  # fmt: skip
from ..separate import runs_over
from .tidy import FALSE, INF, MINUS_INF, ONE, TRUE, ZERO, build, number, tidied

Place = tuple[int, ...]
LARGEST = 4000  # terms of a formula written out


class NotWritten(Exception):
    """A formula that has no form in scalars here."""


def scalar(name: str, kind: str = REAL) -> Access:
    """A scalar variable."""
    return Access(Tensor(name, (), kind))


@dataclass
class Writer:
    """Writes terms out; `elements` has the tensor and place of each scalar made so far.

    `check` is called for each part, and may raise. `sample` is the axis of a batch of which one
    sample stands for all: its place cannot be a number.
    """

    sizes: Mapping[Axis, int]
    check: Callable[[], None] = lambda: None
    sample: Axis | None = None
    elements: dict[str, tuple[Tensor, Place]] = field(default_factory=dict)
    done: dict[tuple[Expr, frozenset[tuple[Index, int]]], Expr] = field(default_factory=dict)
    most: int = LARGEST

    def size(self, axis: Axis) -> int | None:
        """The length of an axis, if it is given."""
        return axis.size if axis.size is not None else self.sizes.get(axis)

    def write(self, term: Expr, env: Mapping[Index, int] | None = None) -> Expr:
        """A term in scalars, at places of its open indices.

        Raises NotWritten for one that is too long, or has no such form.
        """
        self.most = len(self.done) + LARGEST
        return self.part(term, {} if env is None else env)

    def part(self, term: Expr, places: Mapping[Index, int]) -> Expr:
        """A part of a term."""
        key = (term, frozenset((i, places[i]) for i in term.free if i in places))
        if key not in self.done:
            if len(self.done) > self.most:
                raise NotWritten("the formula is too long")
            self.check()
            self.done[key] = self.written(term, places)
        return self.done[key]

    def written(self, term: Expr, env: Mapping[Index, int]) -> Expr:
        match term:
            case Const():
                return term
            case Size():
                length = self.size(term.axis)
                return term if length is None else number(length)
            case Position(index=index):
                if self.sample is not None and runs_over(index, self.sample):
                    raise NotWritten("the place of a sample in its batch is a number")
                return number(env[index]) if index in env else term
            case Access():
                return self.access(term, env)
            case Apply():
                return tidied(
                    Apply(term.op, tuple(self.part(a, env) for a in term.args), term.kind)
                )
            case Select():
                condition = self.part(term.condition, env)
                if isinstance(condition, Const):
                    return self.part(term.then if condition.value else term.other, env)
                return tidied(
                    Select(condition, self.part(term.then, env), self.part(term.other, env))
                )
            case Reduce():
                return self.reduce(term, env)
            case Along():
                return self.along(term, env)
        raise NotWritten(type(term).__name__)

    # --- elements

    def element(self, tensor: Tensor, place: Place) -> Expr:
        """One element of a tensor as a scalar."""
        lengths = [self.size(a) for a in tensor.axes]
        alone = all(n == 1 for n in lengths)
        name = tensor.name if alone else f"{tensor.name}[{', '.join(map(str, place))}]"
        self.elements[name] = (tensor, place)
        return scalar(name, tensor.kind)

    def access(self, term: Access, env: Mapping[Index, int]) -> Expr:
        slots = [self.slot(s, a, env) for s, a in zip(term.slots, term.tensor.axes, strict=True)]
        lengths = [self.size(a) for a in term.tensor.axes]
        if None in lengths:
            return Access(term.tensor, tuple(slots), term.padded)
        known = [n or 0 for n in lengths]
        if term.padded:
            for k, (slot, n) in enumerate(zip(term.slots, known, strict=True)):
                if affine(slot) is not None and isinstance(slots[k], Const):
                    slots[k] = number(min(max(_integer(slots[k]), 0), n - 1))
        return self.gathered(term.tensor, slots, known)

    def slot(self, term: Expr, axis: Axis, env: Mapping[Index, int]) -> Expr:
        """A place along an axis; that of a sample may stand along the axis of samples alone."""
        if isinstance(term, Position) and axis == self.sample:
            return number(env[term.index]) if term.index in env else term
        return self.part(term, env)

    def gathered(self, tensor: Tensor, slots: list[Expr], lengths: list[int]) -> Expr:
        """An element, chosen by conditions where a slot is data."""
        for k, (slot, length) in enumerate(zip(slots, lengths, strict=True)):
            if isinstance(slot, Const):
                continue
            total = self.gathered(tensor, _with(slots, k, length - 1), lengths)
            for place in reversed(range(length - 1)):
                here = self.gathered(tensor, _with(slots, k, place), lengths)
                total = tidied(Select(apply("eq", (slot, number(place))), here, total))
            return total
        at = tuple(_integer(s) for s in slots)
        if not all(0 <= p < n for p, n in zip(at, lengths, strict=True)):
            raise NotWritten("a place is outside")
        return self.element(tensor, at)

    # --- reductions

    def bounds(self, span: Range) -> tuple[int, int] | None:
        """Start and stop of a range, if its sizes are given."""
        if any(self.size(a) is None for d in (*span.starts, *span.stops) for a, _ in d.sizes):
            return None
        return span.bounds(lambda a: self.size(a) or 0)

    def reduce(self, term: Reduce, env: Mapping[Index, int]) -> Expr:
        spans = {b: self.bounds(b.range) for b in term.indices}
        given = [b for b, s in spans.items() if s is not None]
        if len(given) < len(term.indices):
            return self.partly(term, env, given)
        ranges = [range(*s) for s in spans.values() if s is not None]
        parts: list[tuple[Expr, Expr]] = []
        for place in product(*ranges):
            inner: dict[Index, int] = {**env}
            inner.update(zip(term.indices, place, strict=True))
            kept = TRUE if term.filter is None else self.part(term.filter, inner)
            if kept != FALSE:
                parts.append((kept, self.part(term.body, inner)))
        first = [p[0] for p in product(*ranges)]
        if term.op in ("argmax", "argmin"):
            if any(kept != TRUE for kept, _ in parts):
                raise NotWritten(f"{term.op} with a filter")
            return _argument(term.op, first, [b for _, b in parts])
        return tidied_reduction(term.op, parts)

    def partly(self, term: Reduce, env: Mapping[Index, int], given: list[Bound]) -> Expr:
        """A reduction some of whose axes have no length: those of length 1 are dropped."""
        single = {b: (self.bounds(b.range) or (0, 0))[0] for b in given}
        lengths = [s[1] - s[0] for s in map(self.bounds, (b.range for b in given)) if s]
        if any(n != 1 for n in lengths):
            raise NotWritten("a reduction over axes of known and of unknown length")
        inner: dict[Index, int] = {**env}
        inner.update(single.items())
        rest = tuple(b for b in term.indices if b not in single)
        parts = [self.part(p, inner) for p in term.parts]
        body, chosen = parts[0], parts[1] if len(parts) > 1 else None
        return Reduce(term.op, rest, body, chosen, term.result)

    def along(self, term: Along, env: Mapping[Index, int]) -> Expr:
        span = self.bounds(term.index.range)
        if span is None:
            return with_parts(term, [self.part(p, env) for p in term.parts])
        at = self.part(term.at, env)
        if not isinstance(at, Const):
            raise NotWritten(f"{term.op} at a place that is data")
        places = [{**env, term.index: k} for k in range(*span)]
        values = [self.part(term.body, p) for p in places]
        if term.filter is not None:
            if term.op not in _SCANS:
                raise NotWritten(f"{term.op} with a filter")
            kept = [self.part(term.filter, p) for p in places]
            parts = list(zip(kept, values, strict=True))[: _integer(at) - span[0] + 1]
            return tidied_reduction(_SCANS[term.op], [p for p in parts if p[0] != FALSE])
        return _ALONG[term.op](values, _integer(at) - span[0])


def _with(slots: list[Expr], k: int, place: int) -> list[Expr]:
    return [*slots[:k], number(place), *slots[k + 1 :]]


def _integer(term: Expr) -> int:
    if not isinstance(term, Const) or not isinstance(term.value, Fraction):
        raise NotWritten("a place is no number")
    if term.value.denominator != 1:
        raise NotWritten("a place is no integer")
    return int(term.value)


# --- reductions of written values -----------------------------------------------------------------

Parts = list[tuple[Expr, Expr]]  # whether a place is kept, and the body there


def tidied_reduction(op: str, parts: Parts) -> Expr:
    """A reduction of values of which some may be left out."""
    if op in ("any", "all", "count"):
        return _logic(op, parts)
    if op == "mean":
        return build("div", tidied_reduction("sum", parts), _kept(parts, False))
    if op in ("var", "std"):
        center = tidied_reduction("mean", parts)
        spread = [(c, build("pow", build("sub", b, center), number(2))) for c, b in parts]
        total = tidied_reduction("mean", spread)
        return total if op == "var" else build("sqrt", total)
    start, join = _JOINS[op]
    body: Callable[[Expr], Expr] = _BODY.get(op, lambda x: x)
    if not parts:
        return start
    values = [_chosen(c, body(b), start) for c, b in parts]
    total = values[0]
    for value in values[1:]:
        total = build(join, total, value)
    return build("abs", total) if op == "norm" and len(values) == 1 else total


def _kept(parts: Parts, really: bool) -> Expr:
    """How many places are kept, at least 1 so that it can divide."""
    total: Expr = ZERO
    for condition, _ in parts:
        one = ONE if condition == TRUE else build("indicator", condition)
        total = build("add", total, one)
    if isinstance(total, Const):
        return total if really or total != ZERO else ONE
    return total if really else build("max", total, ONE)


def _logic(op: str, parts: Parts) -> Expr:
    if op == "count":
        return _kept([(build("and", c, b), b) for c, b in parts], True)
    total: Expr = FALSE if op == "any" else TRUE
    for kept, body in parts:
        if op == "any":
            total = build("or", total, build("and", kept, body))
        else:
            total = build("and", total, build("or", build("not", kept), body))
    return total


def _chosen(condition: Expr, value: Expr, other: Expr) -> Expr:
    return tidied(Select(condition, value, other)) if condition != TRUE else value


def _argument(op: str, places: list[int], values: list[Expr]) -> Expr:
    """The place of the largest, or least, value; the first on ties."""
    if len(values) != len(places):
        raise NotWritten("argmax with a filter")
    better = "gt" if op == "argmax" else "lt"
    best = values[0]
    where: Expr = number(places[0])
    for place, value in zip(places[1:], values[1:], strict=True):
        wins = build(better, value, best)
        where = tidied(Select(wins, number(place), where))
        best = build("max" if op == "argmax" else "min", best, value)
    return where


def _sorted(values: list[Expr], at: int) -> Expr:
    """The value at a place in ascending order, by exchanging neighbours."""
    row = list(values)
    for end in reversed(range(1, len(row))):
        for k in range(end):
            low, high = build("min", row[k], row[k + 1]), build("max", row[k], row[k + 1])
            row[k], row[k + 1] = low, high
    return row[at]


def _rank(values: list[Expr], at: int) -> Expr:
    total: Expr = ZERO
    for k, value in enumerate(values):
        if k != at:
            before = build("le" if k < at else "lt", value, values[at])
            total = build("add", total, build("indicator", before))
    return total


def _argsort(values: list[Expr], at: int) -> Expr:
    total: Expr = number(len(values) - 1)
    for k in reversed(range(len(values) - 1)):
        total = tidied(Select(build("eq", _rank(values, k), number(at)), number(k), total))
    return total


def _joined(op: str) -> Callable[[list[Expr], int], Expr]:
    return lambda values, at: tidied_reduction(op, [(TRUE, v) for v in values[: at + 1]])


_JOINS: Mapping[str, tuple[Expr, str]] = {
    "sum": (ZERO, "add"),
    "prod": (ONE, "mul"),
    "max": (MINUS_INF, "max"),
    "min": (INF, "min"),
    "logsumexp": (MINUS_INF, "logaddexp"),
    "norm": (ZERO, "hypot"),
    "norm1": (ZERO, "add"),
}
_BODY: Mapping[str, Callable[[Expr], Expr]] = {
    "norm1": lambda x: build("abs", x),
}
_SCANS = {"cumsum": "sum", "logcumsumexp": "logsumexp"}
_ALONG: Mapping[str, Callable[[list[Expr], int], Expr]] = {
    **{op: _joined(over) for op, over in _SCANS.items()},
    "sort": _sorted,
    "rank": _rank,
    "argsort": _argsort,
}


def open_places(term: Expr, writer: Writer) -> Iterator[dict[Index, int]]:
    """Every place of a term's open indices, whose axes must have a length."""
    symbols = sorted((i for i in term.free if isinstance(i, Symbol)), key=repr)
    lengths = [writer.size(s.axis) if s.axis is not None else None for s in symbols]
    if None in lengths:
        raise NotWritten("an index has no length")
    for place in product(*(range(n or 0) for n in lengths)):
        yield dict(zip(symbols, place, strict=True))
