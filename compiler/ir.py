"""The typed index IR: what a formula means, term by term.

    Dim     integer linear in axis sizes: 3, size(h) - 1
    Range   max(starts) <= i < min(stops)
    Index   Symbol (open: an axis's own name, or a fresh one) | Bound (closed by a reduction)
    Expr    Const | Size | Position | Access | Apply | Select | Reduce | Along

A term is immutable and carries its kind (real, int, bool, none), its free indices and a digest of
its structure. Equality and hash are those of the digest, so equal terms share one entry in any
dictionary, and the digest of a whole loss is its canonical hash.

Bound indices are named by height: a reduction's index takes the first level above all levels
inside its body, so formulas that differ in the names of their indices are the same term, and
substituting under a binder cannot capture. An index carries its range, so a term means the same
wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import wraps
from hashlib import blake2b
from typing import TypeVar, cast

Kind = str
REAL, INT, BOOL, NONE = "real", "int", "bool", "none"
ERROR = "error"
PACK = "..."
# The function along an axis that is its body: only passes write it, to name what is made once.
TABLE = "table"


# --- axes, sizes, ranges, indices -------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Axis:
    """An axis of a loss: its name is unique there; `size` is set when the text fixes it.

    The axis named "..." stands for all axes that `...`, or no declaration, stands for; they count
    as one, flattened.
    """

    name: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Dim:
    """An integer that is linear in axis sizes: `const + sum(coefficient * size(axis))`."""

    const: int = 0
    sizes: tuple[tuple[Axis, int], ...] = ()

    @staticmethod
    def of(axis: Axis) -> Dim:
        """The size of an axis."""
        return Dim(axis.size) if axis.size is not None else Dim(0, ((axis, 1),))

    def __add__(self, other: Dim | int) -> Dim:
        if isinstance(other, int):
            return Dim(self.const + other, self.sizes)
        total = dict(self.sizes)
        for axis, n in other.sizes:
            total[axis] = total.get(axis, 0) + n
        return Dim(self.const + other.const, tuple(sorted((a, n) for a, n in total.items() if n)))

    def __neg__(self) -> Dim:
        return Dim(-self.const, tuple((a, -n) for a, n in self.sizes))

    def __sub__(self, other: Dim | int) -> Dim:
        return self + -other

    def __mul__(self, factor: int) -> Dim:
        return Dim(self.const * factor, tuple((a, n * factor) for a, n in self.sizes if factor))

    @property
    def is_const(self) -> bool:
        """Whether no size takes part."""
        return not self.sizes

    def value(self, size: Callable[[Axis], int]) -> int:
        """The number, given each axis's size."""
        return self.const + sum(n * size(a) for a, n in self.sizes)

    def __str__(self) -> str:
        terms = [f"{'' if n == 1 else f'{n}*'}size({a.name})" for a, n in self.sizes]
        if self.const or not terms:
            terms.append(str(self.const))
        return " + ".join(terms).replace("+ -", "- ")


@dataclass(frozen=True, slots=True)
class Range:
    """The integers i with `max(starts) <= i < min(stops)`."""

    starts: tuple[Dim, ...]
    stops: tuple[Dim, ...]

    @staticmethod
    def of(axis: Axis) -> Range:
        """All places of an axis."""
        return Range((Dim(0),), (Dim.of(axis),))

    def meet(self, start: Dim, stop: Dim) -> Range:
        """The part of this range that also lies in `start <= i < stop`."""
        return Range(_keep(self.starts, start, max), _keep(self.stops, stop, min))

    def bounds(self, size: Callable[[Axis], int]) -> tuple[int, int]:
        """Start and stop, given each axis's size."""
        start = max(d.value(size) for d in self.starts)
        return start, min(d.value(size) for d in self.stops)

    def __str__(self) -> str:
        start, stop = ", ".join(map(str, self.starts)), ", ".join(map(str, self.stops))
        return f"{start if len(self.starts) == 1 else f'max({start})'} : " + (
            stop if len(self.stops) == 1 else f"min({stop})"
        )


def _keep(dims: tuple[Dim, ...], new: Dim, best: Callable[[int, int], int]) -> tuple[Dim, ...]:
    """`dims` with `new` added; of two that differ by a constant only the binding one stays."""
    for k, old in enumerate(dims):
        if old.sizes == new.sizes:
            return (*dims[:k], Dim(best(old.const, new.const), old.sizes), *dims[k + 1 :])
    return tuple(sorted((*dims, new), key=str))


@dataclass(frozen=True, slots=True)
class Symbol:
    """An open index. `axis` is set for an axis's own index; `uid` tells fresh ones apart."""

    name: str
    axis: Axis | None = None
    uid: int = 0


@dataclass(frozen=True, slots=True)
class Bound:
    """An index bound by a reduction: its level and its range; `name` is only for show."""

    level: int
    range: Range
    name: str = field(default="", compare=False)


Index = Symbol | Bound
AnyIndex = TypeVar("AnyIndex", bound=Index)
NOTHING_FREE = frozenset[Index]()


def range_of(index: Index) -> Range | None:
    """The range of an index, if it has one; an axis's own index has all of its axis."""
    if isinstance(index, Bound):
        return index.range
    return None if index.axis is None else Range.of(index.axis)


# --- tensors ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or a param: its axes in order and the kind of its elements.

    `axes` is `()` for a scalar, `(Axis("..."),)` for an input declared without axes. By its domain
    (simplex, one_hot) it may sum to 1 along an axis, and be above 0 everywhere.
    """

    name: str
    axes: tuple[Axis, ...]
    kind: Kind = REAL
    is_param: bool = False
    sums_to_one: Axis | None = None
    positive: bool = False


# --- terms ----------------------------------------------------------------------------------------


class Expr:
    """A term. Subclasses are frozen; `key` is the digest of the structure."""

    __slots__ = ("__dict__",)

    key: bytes
    kind: Kind
    free: frozenset[Index]
    level: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expr) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def parts(self) -> tuple[Expr, ...]:
        """The terms directly inside."""
        return ()

    @property
    def binds(self) -> tuple[Bound, ...]:
        """The indices that this term closes over its parts."""
        return ()

    def _finish(self, kind: Kind, head: str) -> None:
        """Fill in the derived fields; `head` says all that the parts do not."""
        keys, level, free = [head.encode()], 0, NOTHING_FREE
        for part in self.parts:
            keys.append(part.key)
            level = max(level, part.level)
            if part.free and part.free is not free:
                free = free | part.free if free else part.free
        if self.binds:
            level = max(level, *(b.level for b in self.binds))
            free = free.difference(self.binds)
        key = blake2b(b"".join(keys), digest_size=16).digest()
        self.__dict__.update(key=key, kind=kind, free=free, level=level)


Found = TypeVar("Found")


def kept(function: Callable[[Expr], Found]) -> Callable[[Expr], Found]:
    """A function of nothing but a term, whose result the term keeps once it is found."""
    name = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def found(term: Expr) -> Found:
        known = term.__dict__
        if name not in known:
            known[name] = function(term)
        return cast(Found, known[name])

    return found


@dataclass(frozen=True, eq=False)
class Const(Expr):
    """An exact number, a bool, None (the value of `none`), or "pi", "e", "inf".

    "?" stands where an error was found, so that elaboration can go on; no program holds it.
    """

    value: Fraction | bool | str | None

    def __post_init__(self) -> None:
        value = self.value
        if value is None:
            kind = NONE
        elif isinstance(value, bool):
            kind = BOOL
        elif value == "?":
            kind = ERROR
        else:
            kind = INT if isinstance(value, Fraction) and value.denominator == 1 else REAL
        self._finish(kind, f"const {value}")


@dataclass(frozen=True, eq=False)
class Size(Expr):
    """The length of an axis."""

    axis: Axis

    def __post_init__(self) -> None:
        self._finish(INT, f"size {self.axis}")


@dataclass(frozen=True, eq=False)
class Position(Expr):
    """An index as a number."""

    index: Index

    def __post_init__(self) -> None:
        head = f"{self.index.level} {self.index.range}" if isinstance(self.index, Bound) else ""
        self._finish(INT, f"position {head or self.index}")
        object.__setattr__(self, "free", frozenset((self.index,)))


@dataclass(frozen=True, eq=False)
class Access(Expr):
    """`tensor[slots]`, one integer term a slot.

    A slot that can fall outside its axis gives NaN there. With `padded` the access is guarded by a
    surrounding Select, narrows no range, and where a slot that is a sum of indices and sizes is
    outside, any element may be read; a label outside still gives NaN.
    """

    tensor: Tensor
    slots: tuple[Expr, ...] = ()
    padded: bool = False

    def __post_init__(self) -> None:
        t = self.tensor
        axes = " ".join(f"{a.name}={a.size}" for a in t.axes)
        self._finish(t.kind, f"access {t.name} [{axes}] {t.kind} {t.is_param} {self.padded}")

    @property
    def parts(self) -> tuple[Expr, ...]:
        return self.slots


@dataclass(frozen=True, eq=False)
class Apply(Expr):
    """An elementwise primitive, by its name in the table, of terms aligned by index."""

    op: str
    args: tuple[Expr, ...]
    result: Kind = REAL

    def __post_init__(self) -> None:
        self._finish(self.result, f"apply {self.op} {self.result}")

    @property
    def parts(self) -> tuple[Expr, ...]:
        return self.args


@dataclass(frozen=True, eq=False)
class Select(Expr):
    """`if condition then this else other`; the branch not taken is not there."""

    condition: Expr
    then: Expr
    other: Expr

    def __post_init__(self) -> None:
        kinds = {self.then.kind, self.other.kind}
        self._finish(REAL if REAL in kinds else self.then.kind, "select")

    @property
    def parts(self) -> tuple[Expr, ...]:
        return (self.condition, self.then, self.other)


@dataclass(frozen=True, eq=False)
class Reduce(Expr):
    """A reduction, by its name in the table, over the places of `indices` where `filter` holds.

    `argmax` and `argmin` bind one index and give its value. Build with `reduce`.
    """

    op: str
    indices: tuple[Bound, ...]
    body: Expr
    filter: Expr | None = None
    result: Kind = REAL

    def __post_init__(self) -> None:
        ranges = [f"{b.level} {b.range}" for b in self.indices]
        self._finish(self.result, f"reduce {self.op} {ranges} {self.filter is None} {self.result}")

    @property
    def parts(self) -> tuple[Expr, ...]:
        return (self.body,) if self.filter is None else (self.body, self.filter)

    @property
    def binds(self) -> tuple[Bound, ...]:
        return self.indices


@dataclass(frozen=True, eq=False)
class Along(Expr):
    """A scan or sort, by its name in the table: `op` of `body` along `index`, read at `at`.

    `at` stands outside the binder: it is an integer term whose indices are free in this one.
    Only places where `filter` holds take part. Build with `along`.
    """

    op: str
    index: Bound
    body: Expr
    at: Expr
    filter: Expr | None = None

    def __post_init__(self) -> None:
        kind = INT if self.op in ("rank", "argsort") else self.body.kind
        index = f"{self.index.level} {self.index.range}"
        self._finish(kind, f"along {self.op} {index} {self.filter is None}")
        object.__setattr__(self, "free", self.free | self.at.free)

    @property
    def parts(self) -> tuple[Expr, ...]:
        return (self.body, self.at) if self.filter is None else (self.body, self.at, self.filter)

    @property
    def binds(self) -> tuple[Bound, ...]:
        return (self.index,)


# --- building and rebuilding --------------------------------------------------------------------


def reduce(
    op: str,
    ranges: Mapping[Index, Range],
    body: Expr,
    filter: Expr | None = None,
    result: Kind = REAL,
) -> Reduce:
    """A reduction that closes the given indices of body and filter, each over its range."""
    within = [body] if filter is None else [body, filter]
    order = _in_order_of_use(ranges, within)
    bound, inside = _close(order, ranges, within)
    return Reduce(op, bound, inside[0], inside[1] if filter is not None else None, result)


def reduce_like(
    whole: Reduce, op: str, body: Expr, filter: Expr | None = None, result: Kind = REAL
) -> Reduce:
    """A reduction that closes the indices of another one, each over its range there."""
    return reduce(op, {b: b.range for b in whole.indices}, body, filter, result)


def along(
    op: str, index: Index, span: Range, body: Expr, at: Expr, filter: Expr | None = None
) -> Expr:
    """A scan or sort that closes `index` of body and filter over its range, read at `at`."""
    within = [body] if filter is None else [body, filter]
    bound, inside = _close([index], {index: span}, within)
    return Along(op, bound[0], inside[0], at, inside[1] if filter is not None else None)


def _close(
    order: list[Index], ranges: Mapping[Index, Range], within: list[Expr]
) -> tuple[tuple[Bound, ...], list[Expr]]:
    """The bound index for each index, and the terms over them.

    A level that an outer index has is left out: a term that grew under it would capture it.
    """
    base = max(e.level for e in within)
    outer = {i.level for e in within for i in e.free if isinstance(i, Bound) and i not in ranges}
    while not outer.isdisjoint(range(base + 1, base + 1 + len(order))):
        base += 1
    bound = tuple(Bound(base + 1 + k, ranges[i], i.name) for k, i in enumerate(order))
    moved = {i: Position(b) for i, b in zip(order, bound, strict=True) if i != b}
    return bound, [substitute(e, moved) for e in within] if moved else within


def _in_order_of_use(indices: Iterable[Index], within: list[Expr]) -> list[Index]:
    """The indices as they first occur: the order in which a list names them is no matter."""
    rest = sorted(indices, key=lambda i: i.name)
    if len(rest) < 2:
        return rest
    wanted, used = frozenset(rest), dict[Index, None]()
    seen, stack = set[Expr](), within[::-1]
    while stack and len(used) < len(rest):
        term = stack.pop()
        if term in seen or not term.free & wanted:
            continue
        seen.add(term)
        if isinstance(term, Position):
            used[term.index] = None
        stack.extend(reversed(term.parts))
    return [*used, *(i for i in rest if i not in used)]


def substitute(expr: Expr, mapping: Mapping[AnyIndex, Expr]) -> Expr:
    """`expr` with integer terms put in place of free indices; nothing is captured."""
    places = cast(Mapping[Index, Expr], mapping)
    targets = frozenset(places)

    def leaf(term: Expr) -> Expr | None:
        if not term.free & targets:
            return term
        return places[term.index] if isinstance(term, Position) else None

    return rebuild(expr, leaf)


def rebuild(expr: Expr, visit: Callable[[Expr], Expr | None]) -> Expr:
    """`expr` with each term t replaced by `visit(t)`, or, where that is None, rebuilt of its parts.

    Shared terms are visited once.
    """
    done: dict[Expr, Expr] = {}
    stack: list[tuple[Expr, bool]] = [(expr, False)]
    while stack:
        term, ready = stack.pop()
        if term in done:
            continue
        if ready:
            done[term] = with_parts(term, [done[p] for p in term.parts])
            continue
        new = visit(term)
        if new is not None:
            done[term] = new
            continue
        stack.append((term, True))
        stack.extend((p, False) for p in term.parts)
    return done[expr]


def with_parts(term: Expr, parts: list[Expr]) -> Expr:
    """The same kind of term with other parts; bound indices are levelled anew."""
    if all(a is b for a, b in zip(term.parts, parts, strict=True)):
        return term
    match term:
        case Access():
            return Access(term.tensor, tuple(parts), term.padded)
        case Apply():
            return Apply(term.op, tuple(parts), term.result)
        case Select():
            return Select(*parts)
        case Reduce():
            chosen = parts[1] if term.filter is not None else None
            return reduce_like(term, term.op, parts[0], chosen, term.result)
        case Along():
            chosen = parts[2] if term.filter is not None else None
            return along(term.op, term.index, term.index.range, parts[0], parts[1], chosen)
    raise TypeError(f"{type(term).__name__} has no parts")


def levelled(expr: Expr) -> Expr:
    """`expr` with its bound indices named by height again, where terms have grown under others."""
    done: dict[Expr, Expr] = {}
    for term in postorder(expr):
        parts = [done[p] for p in term.parts]
        match term:
            case Reduce(indices=indices):
                ranges: dict[Index, Range] = {b: b.range for b in indices}
                body, *chosen = parts
                filter = chosen[0] if chosen else None
                done[term] = reduce(term.op, ranges, body, filter, term.result)
            case Along(index=index):
                done[term] = along(term.op, index, index.range, *parts)
            case _:
                done[term] = with_parts(term, parts)
    return done[expr]


def postorder(*roots: Expr) -> list[Expr]:
    """Every distinct term below the roots, parts before wholes, without recursion."""
    order: dict[Expr, None] = {}
    stack = [(r, False) for r in reversed(roots)]
    while stack:
        term, ready = stack.pop()
        if term in order:
            continue
        if ready:
            order[term] = None
            continue
        stack.append((term, True))
        stack.extend((p, False) for p in reversed(term.parts))
    return list(order)


# --- programs ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Equal:
    """Two axes must have one length in a call, since one index ranges over both."""

    left: Axis
    right: Axis
    index: str


@dataclass(frozen=True, slots=True)
class Inside:
    """`0 <= low` and `high < size`: an index of constant range stays inside the axis it reads."""

    axis: Axis
    low: Dim
    high: Dim
    index: str


@dataclass(frozen=True, slots=True)
class NotEmpty:
    """A shifted index must have a place left."""

    range: Range
    index: str


Constraint = Equal | Inside | NotEmpty


@dataclass(frozen=True, slots=True)
class Program:
    """A whole loss: its tensors, its term, the order of the axes of its value, its constraints."""

    name: str
    inputs: tuple[Tensor, ...]
    params: tuple[Tensor, ...]
    value: Expr
    axes: tuple[Symbol, ...] = ()
    constraints: tuple[Constraint, ...] = ()

    @property
    def hash(self) -> str:
        """The canonical hash: equal for formulas that differ in names of indices alone."""
        return self.value.key.hex()


def dim_term(dim: Dim) -> Expr:
    """A dim as a term."""
    total: Expr = Const(Fraction(dim.const))
    for axis, n in dim.sizes:
        scaled: Expr = Apply("mul", (Const(Fraction(n)), Size(axis)), INT) if n != 1 else Size(axis)
        total = Apply("add", (scaled, total), INT) if total != Const(Fraction(0)) else scaled
    return total
