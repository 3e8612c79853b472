"""Axes of a fixed size without a name: they are read by place alone."""

from __future__ import annotations

from collections.abc import Iterator

from lossc.dsl.source import Span

from ..ir import Expr, Index, Symbol
from .run import Run
from .scope import Scope, TensorValue, Value, shown

# What an axis is called in a help, the first that nothing else is called.
NAMES = ("d", "k", "m", "q", "u", "v")


def is_unnamed(index: Index) -> bool:
    """Whether an index is that of an axis without a name."""
    return shown(index) != index.name


def all_named(run: Run, span: Span, name: str, value: Value, term: Expr, scope: Scope) -> Expr:
    """The term of a value that is read, or an error if an axis without a name is left in it."""
    if not any(is_unnamed(s) for s in term.free):
        return term
    return refuse(run, span, name, value, scope)


def refuse(run: Run, span: Span, name: str, value: Value, scope: Scope) -> Expr:
    """The error for a value whose axis without a name would have to be written."""
    by_place = ", ".join("0" if is_unnamed(s) else shown(s) for s in value.order or ())
    return run.fail(
        "E0319", span, f"`{name}` has an axis without a name, which is read by place alone",
        help=f"name it where it is declared: {_declaration(name, value, scope)}; "
        f"or read one place of it: {name}[{by_place}]",
    )  # fmt: skip


def _declaration(name: str, value: Value, scope: Scope) -> str:
    """The declaration of a value with all axes named; those of one size share a name."""
    taken = {*scope.values, *scope.axes, *scope.indices}
    free = iter([n for n in NAMES if n not in taken])
    names: dict[tuple[str, int], str] = {}
    tensors = [v for v in scope.values.values() if isinstance(v, TensorValue)]
    for v in [*tensors, value]:
        for key, _ in _unnamed(v):
            if key not in names:
                names[key] = next(free, f"axis{len(names)}")
    own = {s: f"{names[key]}={key[0]}" for key, s in _unnamed(value)}
    return f"{name}[{', '.join(own.get(s, shown(s)) for s in value.order or ())}]"


def _unnamed(value: Value) -> Iterator[tuple[tuple[str, int], Symbol]]:
    """The axes of a value without a name, each with its size and how many of it came before."""
    seen: list[str] = []
    for s in value.order or ():
        if is_unnamed(s):
            yield (shown(s), seen.count(shown(s))), s
            seen.append(shown(s))
