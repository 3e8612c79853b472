"""Short ways to write terms of the IR in tests."""

from __future__ import annotations

from fractions import Fraction

from lossc.compiler.ir import (
    BOOL,
    INT,
    REAL,
    Access,
    Apply,
    Axis,
    Const,
    Dim,
    Expr,
    Index,
    Position,
    Program,
    Range,
    Select,
    Size,
    Symbol,
    Tensor,
    along,
    reduce,
)  # fmt: skip
from lossc.dsl.primitives import PRIMITIVES, REDUCTIONS

N, M, K, PACKED = Axis("n"), Axis("m"), Axis("k"), Axis("...")


def const(value: float | Fraction | bool | str | None) -> Const:
    """A constant; a float stands for the decimal that it prints as."""
    if isinstance(value, bool | str) or value is None:
        return Const(value)
    return Const(Fraction(str(value)))


def term(x: Expr | float | Fraction | bool | str | None) -> Expr:
    """A term, from a term or a constant."""
    return x if isinstance(x, Expr) else const(x)


def own(axis: Axis) -> Symbol:
    """An axis's own index."""
    return Symbol(axis.name, axis)


def fresh(name: str, uid: int = 1) -> Symbol:
    """An index that is no axis's own."""
    return Symbol(name, None, uid)


def tensor(name: str, *axes: Axis, kind: str = REAL, param: bool = False) -> Tensor:
    """An input or a param."""
    return Tensor(name, axes, kind, param)


def at(t: Tensor, *slots: Expr | Index | int, padded: bool = False) -> Expr:
    """An access; without slots, at the axes' own indices."""
    given = slots or tuple(own(a) for a in t.axes)
    return Access(t, tuple(slot(s) for s in given), padded)


def slot(s: Expr | Index | int) -> Expr:
    """A slot, from an index, an integer or a term."""
    if isinstance(s, Expr):
        return s
    return const(s) if isinstance(s, int) else Position(s)


def op(name: str, *args: Expr | float | Fraction | bool | str | None) -> Expr:
    """A primitive, with the kind of its value worked out."""
    parts = tuple(term(a) for a in args)
    gives = PRIMITIVES[name].gives
    if gives == "same":
        gives = INT if all(p.kind == INT for p in parts) else REAL
    return Apply(name, parts, gives)


def select(c: Expr, a: Expr | float | None, b: Expr | float | None) -> Expr:
    """A conditional."""
    return Select(c, term(a), term(b))


def over(
    name: str,
    indices: Axis | Index | dict[Index, Range] | tuple[Axis, ...],
    body: Expr | float,
    where: Expr | None = None,
) -> Expr:
    """A reduction over whole axes or over indices with ranges."""
    inside = term(body)
    gives = REDUCTIONS[name].gives
    if gives == "same":
        gives = inside.kind
    kind = INT if gives == "index" else gives
    return reduce(name, ranges(indices), inside, where, kind)


def ranges(
    indices: Axis | Index | dict[Index, Range] | tuple[Axis, ...],
) -> dict[Index, Range]:
    """The ranges of a reduction's indices."""
    if isinstance(indices, dict):
        return indices
    if isinstance(indices, Axis):
        indices = (indices,)
    if isinstance(indices, Symbol):
        assert indices.axis is not None
        return {indices: Range.of(indices.axis)}
    return {own(a): Range.of(a) for a in indices}


def span(start: int | Dim, stop: int | Dim) -> Range:
    """The range start <= i < stop."""
    dims = [d if isinstance(d, Dim) else Dim(d) for d in (start, stop)]
    return Range((dims[0],), (dims[1],))


def scan(
    name: str, axis: Axis, body: Expr, where: Expr | None = None, read: Expr | None = None
) -> Expr:
    """A scan or sort along an axis, read at its own index unless told otherwise."""
    place = read if read is not None else Position(own(axis))
    return along(name, own(axis), Range.of(axis), body, place, where)


def program(value: Expr, *tensors: Tensor, axes: tuple[Axis, ...] = ()) -> Program:
    """A program of the given tensors."""
    inputs = tuple(t for t in tensors if not t.is_param)
    params = tuple(t for t in tensors if t.is_param)
    return Program("test", inputs, params, value, tuple(own(a) for a in axes))


__all__ = [
    "BOOL",
    "INT",
    "PACKED",
    "REAL",
    "Dim",
    "K",
    "M",
    "N",
    "Position",
    "Size",
    "at",
    "const",
    "fresh",
    "op",
    "over",
    "own",
    "program",
    "ranges",
    "scan",
    "select",
    "slot",
    "span",
    "tensor",
    "term",
]  # fmt: skip
