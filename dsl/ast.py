"""The abstract syntax tree: what a `.loss` file says, before any meaning.

Two trees are equal when they say the same; where they stand in the text does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Any

from .source import Span

# Deeper trees are refused by the parser, so that every walk over a tree may recurse.
MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Node:
    """Anything that stands in a file; `span` is its place."""

    span: Span = field(compare=False, repr=False, kw_only=True)


# --- expressions ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A literal, exact: `0.1` is one tenth."""

    text: str

    @property
    def value(self) -> Fraction:
        """The exact value of the literal."""
        return Fraction(self.text)


@dataclass(frozen=True, slots=True)
class Boolean(Node):
    """`true` or `false`."""

    value: bool


@dataclass(frozen=True, slots=True)
class NoneLiteral(Node):
    """`none`, the value equal to no number."""


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name, in its ASCII spelling (`ŷ` is `yhat`)."""

    id: str


@dataclass(frozen=True, slots=True)
class Dots(Node):
    """`...`, as a slot, an axis, an index, or in `size(...)`."""


@dataclass(frozen=True, slots=True)
class Slot(Node):
    """One place between the brackets of an access; `name` is set in `u[item=i]`."""

    value: Expr
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Access(Node):
    """`base[slots]`: a tensor or definition at the given places."""

    base: Expr
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class BoundIndex(Node):
    """An index that a reduction binds: `i`, `u in -3..3`, or `...` (name "...")."""

    name: str
    low: Expr | None = None
    high: Expr | None = None


@dataclass(frozen=True, slots=True)
class IndexList(Node):
    """`[i, j if condition]` between a function's name and its arguments."""

    indices: tuple[BoundIndex, ...]
    filter: Expr | None = None


@dataclass(frozen=True, slots=True)
class Keyword(Node):
    """A named argument `name = value` of a call."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`function[indices](args; keywords)`; `|x|` is a call of abs, `√x` of sqrt."""

    function: str
    args: tuple[Expr, ...]
    keywords: tuple[Keyword, ...] = ()
    indices: IndexList | None = None
    function_span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`-x`, `+x` or `not c`; `op` is "-", "+" or "not"."""

    op: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`a op b` with `op` one of + - * / ^ and or."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """A chain `a < b <= c`: one operator of == != < <= > >= between each two operands."""

    operands: tuple[Expr, ...]
    ops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class If(Node):
    """`if condition then this else other`."""

    condition: Expr
    then: Expr
    other: Expr


@dataclass(frozen=True, slots=True)
class Array(Node):
    """`[0.1, 0.5]`, nested for a matrix; only as the default of a param."""

    items: tuple[Expr, ...]


Expr = (
    Number | Boolean | NoneLiteral | Name | Dots | Access | Call | Unary | Binary | Compare
    | If | Array
)  # fmt: skip


# --- domains -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NamedDomain(Node):
    """`real`, `int` or `bool`."""

    name: str


@dataclass(frozen=True, slots=True)
class IntervalDomain(Node):
    """`[0, 1)`: the reals between two bounds, an end open or closed."""

    low: Expr
    high: Expr
    low_open: bool
    high_open: bool


@dataclass(frozen=True, slots=True)
class IntRangeDomain(Node):
    """`0..n`: the integers from `low` to `high`, both included."""

    low: Expr
    high: Expr


@dataclass(frozen=True, slots=True)
class SetDomain(Node):
    """`{0, 1}`: the values listed."""

    values: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class AxisDomain(Node):
    """`index(class)`, `simplex[class]` or `one_hot[class]`; `kind` is that word."""

    kind: str
    axis: str


@dataclass(frozen=True, slots=True)
class UnionDomain(Node):
    """`a or b`: what is in any of the parts."""

    parts: tuple[Domain, ...]


Domain = NamedDomain | IntervalDomain | IntRangeDomain | SetDomain | AxisDomain | UnionDomain


# --- declarations --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AxisDecl(Node):
    """An axis of an input: `class`, `side=4`, `2` (no name), or `...` (name "...")."""

    name: str | None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class InputDecl(Node):
    """An input; `axes` is None when it was declared without brackets, `()` for a scalar."""

    name: str
    axes: tuple[AxisDecl, ...] | None


@dataclass(frozen=True, slots=True)
class ParamDecl(Node):
    """A param with its default and, where given on the spot, its domain."""

    name: str
    axes: tuple[AxisDecl, ...]
    default: Expr
    domain: Domain | None = None


@dataclass(frozen=True, slots=True)
class DomainEntry(Node):
    """`x, y in [0, 1] "description"` in a `where`."""

    names: tuple[Name, ...]
    domain: Domain
    description: str | None = None


@dataclass(frozen=True, slots=True)
class ConditionEntry(Node):
    """`delta > 0 "description"` in a `where`: a domain given as a comparison."""

    condition: Compare
    description: str | None = None


@dataclass(frozen=True, slots=True)
class DescriptionEntry(Node):
    """`z "logits"` in a `where`: words about an input or param, its domain left as it is."""

    name: Name
    description: str


@dataclass(frozen=True, slots=True)
class Definition(Node):
    """`e = ...`, or `s[i, j] = ...` with `indices`."""

    name: str
    body: Expr
    indices: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Function(Node):
    """`area(b; s = 1) = ...` in a `where`, or `def area(b) = ...` at the top of a file."""

    name: str
    inputs: tuple[InputDecl, ...]
    params: tuple[ParamDecl, ...]
    body: Expr
    where: tuple[WhereEntry, ...] = ()
    doc: str | None = None


WhereEntry = DomainEntry | ConditionEntry | DescriptionEntry | Definition | Function


@dataclass(frozen=True, slots=True)
class Claim(Node):
    """One claim.

    `kind` is "holds" (a comparison in `expr`), "zero iff" (`expr`), "convex", "quasiconvex",
    "increasing", "decreasing", "smooth" (in `subjects`), "lipschitz" (in `subjects` by `expr`),
    "symmetric" (in `subjects`), "invariant" (under `word` of `subjects`), "proper", "elicits"
    (`expr`: mean, median, quantile(q) or expectile(q)), "limit" (`subjects[0]` to `subjects[1]`
    equals `expr`), or "equals" (`word`: the dotted name of another loss).
    """

    kind: str
    subjects: tuple[Expr, ...] = ()
    expr: Expr | None = None
    word: str | None = None


@dataclass(frozen=True, slots=True)
class Loss(Node):
    """`loss NAME(inputs; params) = body where ... claims ...`.

    A bare formula is a loss with `bare` set, named after its file; its inputs are its free names,
    found when it is elaborated.
    """

    name: str
    inputs: tuple[InputDecl, ...]
    params: tuple[ParamDecl, ...]
    body: Expr
    where: tuple[WhereEntry, ...] = ()
    claims: tuple[Claim, ...] = ()
    doc: str | None = None
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Use(Node):
    """`use std.regression: huber, mse` or `use "shared.loss": smooth_abs`.

    `path` is the dotted name, or the file's path when `is_file`.
    """

    path: str
    names: tuple[Name, ...]
    is_file: bool


Item = Use | Function | Loss


@dataclass(frozen=True, slots=True)
class File(Node):
    """A whole file; `doc` is a docstring that stands before no item, at the top."""

    items: tuple[Item, ...]
    doc: str | None = None


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below `node`, in the order of the text."""
    for f in fields(node):
        value = getattr(node, f.name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (item for item in value if isinstance(item, Node))


def mapped(node: Node, change: Callable[[Node], Node]) -> Node:
    """`node` with each node directly below it changed."""

    def new(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(new, value))
        return change(value) if isinstance(value, Node) else value

    return replace(node, **{f.name: new(getattr(node, f.name)) for f in fields(node)})


def walk(node: Node) -> Iterator[Node]:
    """`node` and everything below it, parents first."""
    stack = [node]
    while stack:
        top = stack.pop()
        yield top
        stack.extend(reversed(list(children(top))))
