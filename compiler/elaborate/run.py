"""One run of elaboration: what it collects, and the checks that every part of it needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count

from lossc.dsl import ast
from lossc.dsl.diagnostics import Label
from lossc.dsl.source import Span

from ..affine import Affine
from ..findings import Findings
from ..ir import (
    BOOL,
    ERROR,
    NONE,
    Access,
    Axis,
    Const,
    Constraint,
    Dim,
    Equal,
    Expr,
    Index,
    Inside,
    Symbol,
    rebuild,
)  # fmt: skip
from ..linear import Case, not_negative
from ..wording import plural
from .scope import Scope, TermValue, Unlisted, Value

FAILED = Const("?")


@dataclass
class Run:
    """A run over one loss; its subclass reads expressions.

    `static` has the values of params that are fixed when compiled, `static_used` those that were
    looked at; `constraints` is what a call must check, `hidden` the lists that are defaults of
    functions called, `used` the declarations that something refers to, `cuts` the places through
    which no gradient passes, with their terms. An error is recorded and leaves the term "?" in its
    place, so that the rest is still checked. `unlisted` has the reductions without a list so
    far, those of a definition again wherever it is read. `body` is the formula of the loss,
    `guarded` the names in the conditions around, `divisors` the indices that something is divided
    by.
    `bodies` has the definitions without indices, by where they stand, and `padding` is the number
    of `pad` around.
    """

    findings: Findings
    static: Mapping[str, Fraction | bool | None] = field(default_factory=dict)
    static_used: set[str] = field(default_factory=set)
    constraints: dict[Constraint, None] = field(default_factory=dict)
    hidden: dict[str, ast.Array] = field(default_factory=dict)
    used: set[Span] = field(default_factory=set)
    cuts: list[tuple[Span, Expr]] = field(default_factory=list)
    bodies: dict[Span, ast.Expr] = field(default_factory=dict)
    padding: int = 0
    path: tuple[str, ...] = ()
    expansions: dict[object, Expr] = field(default_factory=dict)
    unlisted: list[Unlisted] = field(default_factory=list)
    body: ast.Expr | None = None
    guarded: tuple[str, ...] = ()
    divisors: set[Symbol] = field(default_factory=set)
    _uid: Iterator[int] = field(default_factory=lambda: count(1))

    def expr(self, node: ast.Expr, scope: Scope) -> Expr:
        """The term that an expression denotes."""
        raise NotImplementedError

    @property
    def fixed_params(self) -> Mapping[str, Fraction]:
        """The params that are fixed when compiled, with their values."""
        values = ((n, self.static.get(n)) for n in self.static_used)
        return {n: v for n, v in values if isinstance(v, Fraction)}

    @property
    def sure(self) -> Case:
        """What the constraints say of sizes."""
        found: list[Affine] = []
        for c in self.constraints:
            if isinstance(c, Inside):
                found.append(Affine(Dim.of(c.axis) - c.high - 1))
            elif isinstance(c, Equal):
                gap = Affine(Dim.of(c.left) - Dim.of(c.right))
                found += [gap, gap.times(-1)]
        return frozenset(not_negative(f) for f in found)

    def fresh(self, name: str, axis: Axis | None = None) -> Symbol:
        """A new index."""
        return Symbol(name, axis, next(self._uid))

    def fail(
        self, code: str, span: Span | None, message: str, label: str = "", *,
        others: tuple[Label, ...] = (), notes: tuple[str, ...] = (), help: str | None = None,
    ) -> Const:  # fmt: skip
        """Record an error and give the term that stands for it."""
        self.findings.add(code, span, message, label, others=others, notes=notes, help=help)
        return FAILED

    def number(self, node: ast.Expr, scope: Scope) -> Expr:
        """The term of an expression that must be a number."""
        return self.as_number(self.expr(node, scope), node.span)

    def as_number(self, term: Expr, span: Span) -> Expr:
        """The term, or an error if it is no number."""
        if term.kind == BOOL:
            help = f"write indicator({span.text}) for 1 where it holds and 0 where not"
            return self.fail("E0401", span, "a condition is no number", "true or false", help=help)
        if term.kind == NONE:
            help = "compare it: `x == none` is false for every number"
            return self.fail("E0404", span, "`none` is no number", help=help)
        return term

    def condition(self, node: ast.Expr, scope: Scope) -> Expr:
        """The term of an expression that must be true or false."""
        term = self.expr(node, scope)
        if term.kind in (BOOL, ERROR):
            return term
        help = f"compare it: `{node.span.text} != 0`"
        return self.fail("E0402", node.span, "a number is no condition", "a number", help=help)

    def as_value(self, term: Expr, span: Span) -> Expr:
        """The term, or an error if it is `none`."""
        return self.as_number(term, span) if term.kind == NONE else term

    def value(self, node: ast.Name, scope: Scope) -> Value | None:
        """The input, param, definition or argument of a name, marked as used."""
        value = scope.values.get(node.id)
        if value is not None and value.span is not None:
            self.used.add(value.span)
        if isinstance(value, TermValue):
            self.unlisted += value.unlisted
        return value

    def fixed(self, term: Expr) -> Expr:
        """A term of a slot, size or range, its params replaced by the values they have now."""

        def visit(t: Expr) -> Expr | None:
            if not isinstance(t, Access) or not t.tensor.is_param or t.tensor.axes:
                return None
            value = self.static.get(t.tensor.name)
            if not isinstance(value, Fraction) or value.denominator != 1:
                return t
            self.static_used.add(t.tensor.name)
            return Const(value)

        return rebuild(term, visit)

    @contextmanager
    def guarding(self, condition: ast.Expr | None, names: Iterable[str] = ()) -> Iterator[None]:
        """While something is read that stands under a condition, or has these indices."""
        before = self.guarded
        asked = ast.walk(condition) if condition is not None else ()
        self.guarded = (*before, *names, *(n.id for n in asked if isinstance(n, ast.Name)))
        yield
        self.guarded = before

    def arity(
        self, node: ast.Call, wanted: int, variadic: bool = False, help: str | None = None
    ) -> bool:
        """Check the number of arguments, and that none is named."""
        for keyword in node.keywords:
            message = f"`{node.function}` has no param `{keyword.name}`"
            self.fail("E0206", keyword.span, message, help=help)
        have = len(node.args)
        if have == wanted or (variadic and have > wanted):
            return not node.keywords
        least = "at least " if variadic else ""
        message = f"`{node.function}` takes {least}{plural(wanted, 'argument')}, here are {have}"
        self.fail("E0205", node.function_span or node.span, message)
        return False


PENDING = "places of "  # no axis of a text has a name with a blank


def pending(index: Index) -> Axis:
    """Stands for the length of an index until it is closed."""
    return Axis(f"{PENDING}{index.name} {getattr(index, 'uid', 0)}")


def is_pending(axis: Axis) -> bool:
    """Whether an axis stands for the length of an index that is not closed yet."""
    return axis.name.startswith(PENDING)
