"""What names mean at a place in a formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lossc.dsl import ast
from lossc.dsl.source import Span

from ..ir import PACK, Access, Expr, Index, Position, Symbol, Tensor, substitute
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
class Unlisted:
    """A reduction without a list, and the indices that it reduces."""

    node: ast.Call
    symbols: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class TermValue:
    """A definition, an argument of a function, or any term that brackets follow.

    `order` is None where only access by name makes sense; `indexed` marks `s[i, j] = ...`, whose
    indices are its own. `unlisted` has the reductions without a list in a definition.
    """

    term: Expr
    order: tuple[Symbol, ...] | None = None
    span: Span | None = None
    indexed: bool = False
    unlisted: tuple[Unlisted, ...] = ()

    def at(self, slots: Mapping[int, Expr]) -> Expr:
        """The term with some of its ordered indices replaced, by their places."""
        order = self.order or ()
        return substitute(self.term, {order[k]: e for k, e in slots.items()})


Value = TensorValue | TermValue


@dataclass(frozen=True, slots=True)
class Through:
    """A call inside the list or head that binds an index, and the function that it calls.

    `unit` is the file of the function, and `rest` names for each argument its axes that nothing
    binds.
    """

    call: ast.Call
    item: ast.Function | ast.Loss
    unit: Unit
    rest: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Outer:
    """An index bound around a place: its name there, and the call that lies between, if any."""

    name: str
    through: Through | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that a formula sees.

    `axes` are the axes that its declarations name, `pack` what `...` stands for, `indices` the
    indices that enclosing lists and heads of definitions bind, `functions` local ones with the
    scope they were written in. `bound` has all indices that are bound around, calls included, and
    `kept` the axes of the caller that arguments bring along.
    """

    unit: Unit
    values: Mapping[str, Value] = field(default_factory=dict)
    axes: Mapping[str, Symbol] = field(default_factory=dict)
    pack: tuple[Symbol, ...] | None = None
    indices: Mapping[str, Symbol] = field(default_factory=dict)
    functions: Mapping[str, tuple[ast.Function, Scope]] = field(default_factory=dict)
    bound: Mapping[Symbol, Outer] = field(default_factory=dict)
    kept: frozenset[Index] = frozenset()

    def bind(self, symbols: Sequence[tuple[str, Symbol]]) -> Scope:
        """The scope inside a list or a head that binds the given indices."""
        named = {name: s for name, s in symbols if name != PACK}
        bound = {s: Outer(name) for name, s in symbols}
        indices = {**self.indices, **named}
        return replace(self, indices=indices, bound={**self.bound, **bound})

    def index(self, name: str) -> Symbol | None:
        """What a name means as an index: a bound one, else an axis's own."""
        return self.indices.get(name) or self.axes.get(name)

    @property
    def ordered(self) -> list[Symbol]:
        """The indices that a reduction without a list may close, in declared order."""
        own = dict.fromkeys([*self.axes.values(), *(self.pack or ())])
        return [s for s in own if s not in self.kept]


def shown(index: Index) -> str:
    """An index as a text names it: an axis without a name by its size."""
    unnamed = index.name.startswith("#") and isinstance(index, Symbol) and index.axis is not None
    return str(index.axis.size) if unnamed else index.name  # type: ignore[union-attr]
