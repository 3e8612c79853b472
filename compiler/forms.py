"""Terms that are equal but for the names of their open indices: they have one form.

A derivative has a part of the formula wherever a slope passes through it, each time over indices of
other levels. What is found once for a form is found for all such terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from .ir import (
    Access,
    Along,
    Apply,
    Bound,
    Const,
    Expr,
    Index,
    Position,
    Reduce,
    Select,
    Size,
    kept,
    postorder,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Form:
    """What a term computes of its open indices in a given order.

    Terms with the same `key` are one function of `indices`, whose ranges agree too. The symbols of
    axes are not exchanged: a run may narrow one of them.
    """

    key: bytes
    indices: tuple[Index, ...]


@kept
def forms(whole: Expr) -> Mapping[Expr, Form]:
    """The forms of a term and of all terms below it, parts before wholes."""
    found: dict[Expr, Form] = {}
    for term in postorder(whole):
        found[term] = form_of(term, found)
    return found


def form_of(term: Expr, found: Mapping[Expr, Form]) -> Form:
    """The form of a term from those of its parts; indices are numbered as they first occur."""
    if isinstance(term, Position):
        return _position(term.index)
    parts = [found[p] for p in term.parts]
    numbers: dict[Index, int] = {}
    outside = 1 if isinstance(term, Along) else None  # the place that is read
    words = [_head(term).encode()]
    for k, form in enumerate(parts):
        closed = () if k == outside else term.binds
        own = [f"b{closed.index(i)}" if i in closed else str(numbers.setdefault(i, len(numbers)))
               for i in form.indices]  # fmt: skip
        words += [form.key, " ".join(own).encode()]
    return Form(_digest(words), tuple(numbers))


def _position(index: Index) -> Form:
    head = f"position {index.range if isinstance(index, Bound) else index}"
    return Form(_digest([head.encode()]), (index,))


def _head(term: Expr) -> str:
    """What a term is, beside its parts."""
    count = len(term.parts)
    match term:
        case Const(value=value):
            return f"const {type(value).__name__} {value}"
        case Size(axis=axis):
            return f"size {axis}"
        case Access(tensor=tensor, padded=padded):
            return f"access {tensor.name} {padded} {count}"
        case Apply(op=op):
            return f"apply {op} {count}"
        case Select():
            return "select"
        case Reduce(op=op, indices=indices):
            return f"reduce {op} {[str(b.range) for b in indices]} {count}"
        case Along(op=op, index=index):
            return f"along {op} {index.range} {count}"
    raise TypeError(f"no such term: {type(term).__name__}")


def _digest(words: Iterable[bytes]) -> bytes:
    return blake2b(b"\0".join(words), digest_size=16).digest()
