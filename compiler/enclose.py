"""The interpreter on balls: a program's values at all places at once, each with a bound of error.

The value of a term is an array with one dim for each of its free indices. What `interpret` finds by
loops, a place at a time, is found here by NumPy: the fast way to digits that are surely right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import reduce
from math import prod
from typing import Any

import numpy as np
from flint import arb, ctx
from mpmath import mp

from . import balls
from .affine import affine
from .arithmetic import Arithmetic
from .balls import ANYTHING, FAILS, HOLDS, NAN, NONE, Array, Ball
from .forms import Form, forms
from .interpret import arrays_of
from .ir import (
    BOOL,
    Access,
    Along,
    Apply,
    Axis,
    Bound,
    Const,
    Expr,
    Index,
    Position,
    Program,
    Reduce,
    Select,
    Size,
    range_of,
)  # fmt: skip

MOST = 1 << 18  # elements of an array
FLOAT_BITS = 64  # enough for any number of the data


class TooLarge(Exception):
    """A term has too many places."""


Values = Mapping[str, object]
Lot = Mapping[str, Array]
Dims = tuple[Index, ...]
Shape = tuple[int, ...]


def enclose(
    program: Program, lots: Sequence[Lot], sizes: Mapping[Axis, int], bits: int,
    rows: Sequence[int] | None = None, check: Callable[[], None] = lambda: None,
    strict: bool = False,
) -> Array:  # fmt: skip
    """Balls around the values of a program at several lots of data of the same `sizes`.

    The first dim has the lots, the others the axes; of the first axis there are only some `rows`.
    A lot has balls and conditions by name (`lot_of`); `check` may raise. With `strict`, NaN is
    told, as far as it can be, from what may be any number or none; that takes longer. Raises
    TooLarge where a term has too many places even for a row alone.
    """
    tensors = (*program.inputs, *program.params)
    arrays = {t.name: np.stack([lot[t.name] for lot in lots]) for t in tensors}
    narrowed: dict[Index, Array] = {}
    if rows is not None:
        narrowed[program.axes[0]] = np.array(rows)
    with ctx.workprec(bits):
        return _Grid(sizes, len(lots), arrays, check, strict).parts(program, narrowed)


def lot_of(program: Program, values: Values, bits: int) -> Lot:
    """The inputs and params as arrays of balls and of conditions, by name.

    `values` has arrays, lists or numbers by name, as for `interpret`. Numbers are exact; of what is
    none, like a third or pi, so many bits are.
    """
    with mp.workprec(max(FLOAT_BITS, bits)), ctx.workprec(bits):
        exact = arrays_of(program, values, _CONSTANTS)
        return {
            t.name: _conditions(exact[t.name]) if t.kind == BOOL else _balls(exact[t.name])
            for t in (*program.inputs, *program.params)
        }


class _Constants(Arithmetic):
    """What data may hold beside numbers of mpmath's."""

    def number(self, value: Fraction) -> Ball:
        return balls.of_fraction(value)

    def constant(self, name: str) -> Ball:
        return balls.of_name(name)


_CONSTANTS = _Constants()


def _balls(array: Array) -> Array:
    return balls.objects(np.frompyfunc(_ball, 1, 1)(array))


def _ball(x: Any) -> Ball:
    return NONE if x is None else x if isinstance(x, arb) else balls.of_number(x)


def _conditions(array: Array) -> Array:
    return np.where(array.astype(bool), HOLDS, FAILS).astype(np.int8)


@dataclass
class _Grid:
    """The terms on arrays of some lots, and what is `known` of the places of indices.

    Every array has a first dim for the lots, of length 1 where they do not differ.
    """

    sizes: Mapping[Axis, int]
    lots: int
    arrays: Mapping[str, Array]
    check: Callable[[], None]
    strict: bool
    known: dict[Index, Array] = field(default_factory=dict)
    done: dict[bytes, Array] = field(default_factory=dict)
    forms: Mapping[Expr, Form] = field(default_factory=dict)
    shapes: dict[bytes, Shape] = field(default_factory=dict)

    def parts(self, program: Program, narrowed: Mapping[Index, Array]) -> Array:
        """The values with indices narrowed to some places, by halves where they are too many."""
        part = replace(self, known=dict(narrowed), forms=forms(program.value), done={}, shapes={})
        try:
            return part.value(program)
        except TooLarge:
            if self.lots == 1:
                return part.by_rows(program)
        halves = np.array_split(np.arange(self.lots), 2)
        return np.concatenate([self.of(half).parts(program, narrowed) for half in halves])

    def by_rows(self, program: Program) -> Array:
        """The values in two parts along the first axis."""
        first, *_ = program.axes or [None]
        if first is None or len(self.places(first)) == 1:
            raise TooLarge
        halves = np.array_split(self.places(first), 2)
        return np.concatenate([self.parts(program, {first: half}) for half in halves], axis=1)

    def of(self, lots: Array) -> _Grid:
        """Some of the lots."""
        return replace(self, lots=len(lots), arrays={n: a[lots] for n, a in self.arrays.items()})

    def value(self, program: Program) -> Array:
        """The values of a program; what is too large is told before any work is done."""
        for term in self.forms:
            if term.binds:
                self._shape((*self._outer(term), *term.binds))
        for term in self.forms:
            self.check()
            key = self.forms[term].key
            if key not in self.done:
                self.done[key] = self._term(term)
        found = balls.numbers(self._aligned(program.value, program.axes))
        return np.broadcast_to(found, (self.lots, *self._shape(program.axes)))

    def size(self, axis: Axis) -> int:
        return axis.size if axis.size is not None else self.sizes[axis]

    def places(self, index: Index) -> Array:
        """The places of an index."""
        if index not in self.known:
            span = range_of(index)
            if span is None:
                raise ValueError(f"the index {index.name} has no range")
            self.known[index] = np.arange(*span.bounds(self.size))
        return self.known[index]

    def layout(self, term: Expr) -> tuple[Dims, Shape]:
        """The free indices of a term, in the order of the dims of its array, and their lengths."""
        form = self.forms[term]
        if form.key not in self.shapes:
            self.shapes[form.key] = self._shape(form.indices)
        return form.indices, self.shapes[form.key]

    def _shape(self, dims: Dims) -> Shape:
        shape = tuple(len(self.places(i)) for i in dims)
        if prod(shape) * self.lots > MOST:
            raise TooLarge
        return shape

    def _aligned(self, term: Expr, dims: Dims) -> Array:
        """The array of a term with dims for other indices too, of length 1 where it has none."""
        own, shape = self.layout(term)
        array = self.done[self.forms[term].key]
        if own == dims:
            return array
        at = [own.index(i) if i in own else -1 for i in dims]
        array = np.transpose(array, [0, *(1 + k for k in at if k >= 0)])
        return array.reshape([len(array), *(shape[k] if k >= 0 else 1 for k in at)])

    def _flat(self, term: Expr, dims: Dims, last: Dims) -> Array:
        """The array of a term, with all places of some indices in one last dim."""
        array, shape = self._aligned(term, (*dims, *last)), self._shape((*dims, *last))
        whole = np.broadcast_to(array, (len(array), *shape))
        return whole.reshape(len(array), *shape[: len(dims)], prod(shape[len(dims) :]))

    def _term(self, term: Expr) -> Array:
        dims, _ = self.layout(term)
        match term:
            case Const(value=value):
                return _constant(value)[None]
            case Size(axis=axis):
                return _integers(np.array([self.size(axis)]))
            case Position(index=index):
                return _integers(self.places(index))[None]
            case Access():
                return self._access(term)
            case Apply(op=op, args=args):
                return self._apply(op, [self._aligned(a, dims) for a in args])
            case Select():
                return balls.select(*(self._aligned(p, dims) for p in term.parts))
            case Reduce():
                return self._reduce(term)
            case Along():
                return self._along(term)
        raise TypeError(f"no such term: {type(term).__name__}")

    def _apply(self, op: str, args: list[Array]) -> Array:
        found = balls.apply(op, args)
        if self._is_lenient(op) or found.dtype != object:
            return found
        return balls.strict(found, reduce(np.logical_or, map(balls.missing, args)))

    def _is_lenient(self, op: str) -> bool:
        """Whether no heed is paid to arguments that are NaN."""
        return not self.strict or op in balls.LENIENT

    def _access(self, term: Access) -> Array:
        dims, shape = self.layout(term)
        slots = [self._lots(len(dims)), *(self._slot(s, dims) for s in term.slots)]
        padded = [False, *(term.padded and affine(s) is not None for s in term.slots)]
        return _read(self.arrays[term.tensor.name], slots, (self.lots, *shape), padded)

    def _lots(self, others: int) -> Slot:
        """Every lot, where there are so many other dims."""
        return _sure(np.arange(self.lots).reshape(-1, *[1] * others))

    def _slot(self, slot: Expr, dims: Dims) -> Slot:
        """The places that an integer term names."""
        if isinstance(slot, Position):
            return self._each(slot.index, self.places(slot.index), dims)
        return _whole(self._aligned(slot, dims))

    def _each(self, index: Index, places: Array, dims: Dims) -> Slot:
        """Places of an index, along its own dim."""
        return _sure(places.reshape([1, *(-1 if i == index else 1 for i in dims)]))

    def _inner(self, term: Reduce | Along, dims: Dims) -> tuple[Array, Array | None]:
        """The body, its bound indices in one last dim, and where the filter holds."""
        body = self._flat(term.body, dims, term.binds)
        return body, None if term.filter is None else self._flat(term.filter, dims, term.binds)

    def _reduce(self, term: Reduce) -> Array:
        body, kept = self._inner(term, self.layout(term)[0])
        found = balls.REDUCTIONS[term.op](body, kept)
        if not self._is_lenient(term.op):
            missing = balls.missing(body) if kept is None else balls.missing(body) & (kept == HOLDS)
            return balls.strict(found, np.asarray(missing.any(axis=-1)))
        if term.op in ("argmax", "argmin"):
            return balls.objects(found + self._start(term.indices[0]))
        return found

    def _along(self, term: Along) -> Array:
        """The whole along the index, read at the places asked for."""
        dims, shape = self.layout(term)
        outer = self._outer(term)
        start, _ = term.index.range.bounds(self.size)
        body, kept = self._inner(term, outer)
        table = balls.ALONG[term.op](body, kept)
        if term.op == "argsort":
            table = balls.objects(table + arb(start))
        places = [self._each(i, np.arange(len(self.places(i))), dims) for i in outer]
        at, known = _whole(self._aligned(term.at, dims))
        table = np.broadcast_to(table, (self.lots, *table.shape[1:]))
        slots = [self._lots(len(dims)), *places, (at - start, known)]
        return _read(table, slots, (self.lots, *shape), [False] * len(slots))

    def _outer(self, term: Expr) -> Dims:
        """The indices that a term has beside those that it binds."""
        dims, _ = self.layout(term)
        if not isinstance(term, Along):
            return dims
        free = term.body.free | (term.filter.free if term.filter else frozenset())
        return tuple(i for i in dims if i in free and i != term.index)

    def _start(self, index: Bound) -> Ball:
        return arb(index.range.bounds(self.size)[0])


def _constant(value: Fraction | bool | str | None) -> Array:
    match value:
        case bool():
            return np.asarray(HOLDS if value else FAILS, dtype=np.int8)
        case Fraction():
            return balls.objects(balls.of_fraction(value))
        case str():
            return balls.objects(balls.of_name(value))
    return balls.objects(NONE)


def _integers(places: Array) -> Array:
    return balls.objects(np.frompyfunc(arb, 1, 1)(places.tolist()))


# Places along a dim, and whether each is surely one (FAILS: surely not).
Slot = tuple[Array, Array]


def _sure(places: Array) -> Slot:
    return places, np.full(places.shape, HOLDS, dtype=np.int8)


def _whole(x: Array) -> Slot:
    """Balls as integers."""
    pairs = [_place(ball) for ball in balls.numbers(x).flat]
    at = np.array([p for p, _ in pairs], dtype=int).reshape(x.shape)
    return at, np.array([k for _, k in pairs], dtype=np.int8).reshape(x.shape)


def _place(ball: Ball) -> tuple[int, int]:
    if ball.is_integer() and abs(ball) < MOST:
        return int(ball.unique_fmpz()), HOLDS
    known = balls.is_missing(ball) or (ball.is_exact() and not ball.is_nan())
    return -1, FAILS if known else balls.OPEN


def _read(
    array: Array, slots: Sequence[Slot], shape: tuple[int, ...], padded: Sequence[bool]
) -> Array:
    """The elements at some places: NaN, or false, outside; anything where a place is not known."""
    ends = array.shape
    inside: Any = np.asarray(HOLDS, dtype=np.int8)
    at = []
    for (place, known), n, anywhere in zip(slots, ends, padded, strict=True):
        within = np.where((place >= 0) & (place < n) | anywhere, HOLDS, FAILS)
        inside = np.minimum(inside, np.where(known == HOLDS, within, known))
        at.append(np.clip(place, 0, max(n - 1, 0)))
    if 0 in ends:
        return np.full(shape, FAILS if array.dtype != object else NAN, dtype=array.dtype)
    found = np.broadcast_to(array[tuple(np.broadcast_arrays(*at))] if at else array, shape)
    if (inside == HOLDS).all():
        return found
    if array.dtype != object:
        return np.where(inside == HOLDS, found, inside).astype(np.int8)
    return balls.objects(balls.chosen(inside, found, NAN, ANYTHING))
