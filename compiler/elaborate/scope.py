"""What names mean at a place in a formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lossc.dsl import ast
from lossc.dsl.source import Span

from ..ir import Access, Expr, Position, Symbol, Tensor, substitute
from ..link import Unit


@dataclass(frozen=True, slots=True)
class TensorValue:
    """An input or param. `order` has the default index of each axis."""

    tensor: Tensor
    order: tuple[Symbol, ...]
    declared: bool
    span: Span

    @property
    def term(self) -> Expr:
        """The tensor at its default indices."""
        return Access(self.tensor, tuple(Position(s) for s in self.order))

    def at(self, slots: Mapping[int, Expr]) -> Expr:
        """The tensor with some slots replaced, by their places."""
        default = enumerate(self.order)
        return Access(self.tensor, tuple(slots.get(k, Position(s)) for k, s in default))


@dataclass(frozen=True, slots=True)
class TermValue:
    """A definition, an argument of a function, or any term that brackets follow.

    `order` is None where only access by name makes sense; `indexed` marks `s[i, j] = ...`, whose
    indices are its own.
    """

    term: Expr
    order: tuple[Symbol, ...] | None = None
    span: Span | None = None
    indexed: bool = False

    def at(self, slots: Mapping[int, Expr]) -> Expr:
        """The term with some of its ordered indices replaced, by their places."""
        order = self.order or ()
        return substitute(self.term, {order[k]: e for k, e in slots.items()})


Value = TensorValue | TermValue


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that a formula sees.

    `axes` are the axes that its declarations name, `pack` what `...` stands for, `indices` the
    indices that enclosing reductions bind, `functions` local ones with the scope they were
    written in.
    """

    unit: Unit
    values: Mapping[str, Value] = field(default_factory=dict)
    axes: Mapping[str, Symbol] = field(default_factory=dict)
    pack: tuple[Symbol, ...] | None = None
    indices: Mapping[str, Symbol] = field(default_factory=dict)
    functions: Mapping[str, tuple[ast.Function, Scope]] = field(default_factory=dict)

    def bind(self, indices: Mapping[str, Symbol]) -> Scope:
        """The scope inside a reduction that binds the given indices."""
        return replace(self, indices={**self.indices, **indices})

    def index(self, name: str) -> Symbol | None:
        """What a name means as an index: a bound one, else an axis's own."""
        return self.indices.get(name) or self.axes.get(name)

    @property
    def ordered(self) -> list[Symbol]:
        """The indices that a reduction without a list may close, in declared order."""
        return list(dict.fromkeys([*self.axes.values(), *(self.pack or ())]))
