"""The expressions in claims as terms: a loss by its name, calls of it, and derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lossc.dsl import ast

from ..check import Checked
from ..elaborate.declare import declare
from ..elaborate.definitions import where
from ..elaborate.expressions import Elaborator
from ..elaborate.scope import Scope
from ..findings import Findings
from ..ir import (
    ERROR,
    REAL,
    Access,
    Along,
    Axis,
    Const,
    Dim,
    Expr,
    Index,
    Position,
    Program,
    Range,
    Reduce,
    Size,
    Symbol,
    Tensor,
    along,
    rebuild,
    reduce,
    substitute,
)  # fmt: skip
from ..passes.differentiate import differentiate


class NotStated(Exception):
    """A claim's expression has no meaning that the audit knows."""


@dataclass
class Statements(Elaborator):
    """Reads the expressions in a loss's claims."""

    checked: Checked | None = None
    scope: Scope | None = field(default=None, repr=False)

    @staticmethod
    def of(checked: Checked) -> Statements:
        """The reader of a loss's claims."""
        run = Statements(Findings(), checked=checked)
        declared = declare(checked.item, checked.unit, run, checked.defaults)
        run.scope = where(run, checked.item.where, declared.scope)
        return run

    @property
    def loss(self) -> Checked:
        """The loss whose claims are read."""
        assert self.checked is not None
        return self.checked

    def term(self, node: ast.Expr) -> Expr:
        """The term of an expression. Raises NotStated."""
        assert self.scope is not None
        self.findings, self.static_used = Findings(), set(self.loss.static)
        term = self.expr(node, self.scope)
        if self.findings.errors or term.kind == ERROR:
            said = self.findings.errors[0].message if self.findings.errors else "no meaning"
            raise NotStated(said)
        moving = self.static_used - self.loss.static
        if moving:
            raise NotStated(f"{', '.join(sorted(moving))} as a place, which the claim alone fixes")
        return term

    def expr(self, node: ast.Expr, scope: Scope) -> Expr:
        """As in formulas; the names of losses stand for their values."""
        if isinstance(node, ast.Name) and node.id not in scope.values:
            if node.id in (self.loss.name, "loss"):
                return self.loss.program.value
            if scope.index(node.id) is None and scope.unit.target(node.id) is not None:
                return self.expr(self.called(node, scope), scope)
        return super().expr(node, scope)

    def called(self, node: ast.Name, scope: Scope) -> ast.Call:
        """A loss named without arguments, called with those of this one: by name, else in order."""
        target = scope.unit.target(node.id)
        assert target is not None
        own = list(self.loss.inputs)
        theirs = [i.name for i in target.item.inputs]
        names = theirs if set(theirs) <= set(own) else own[: len(theirs)]
        args = tuple(ast.Name(n, span=node.span) for n in names)
        return ast.Call(node.id, args, span=node.span, function_span=node.span)

    def call(self, node: ast.Call, scope: Scope) -> Expr:
        """`diff(f, x)`, the loss itself at other arguments, or any function."""
        if node.function == "diff" and len(node.args) == 2:
            return self.diff(node, scope)
        if node.function in (self.loss.name, "loss") and node.function not in scope.functions:
            return self.itself(node, scope)
        return super().call(node, scope)

    def diff(self, node: ast.Call, scope: Scope) -> Expr:
        """The derivative of a value in an input or param."""
        value, x = self.number(node.args[0], scope), node.args[1]
        known = {t.name: t for t in (*self.loss.program.inputs, *self.loss.program.params)}
        if not isinstance(x, ast.Name) or x.id not in known:
            raise NotStated("a derivative in something else than an input or param")
        return derivative_in(value, known[x.id], self.loss)

    def itself(self, node: ast.Call, scope: Scope) -> Expr:
        """The loss with terms in place of inputs and params; params not named are as by default."""
        inputs = list(self.loss.inputs)
        if len(node.args) != len(inputs):
            raise NotStated(f"{node.function} takes {len(inputs)} arguments")
        terms = {n: self.number(a, scope) for n, a in zip(inputs, node.args, strict=True)}
        axes = self.axes_of(terms)
        params = {t.name for t in self.loss.program.params}
        for name in params & set(self.loss.params):
            default = self.loss.params[name].default
            if not isinstance(default, tuple | str):
                terms[name] = Const(default)
        for keyword in node.keywords:
            if keyword.name not in params or keyword.name in self.loss.static:
                raise NotStated(f"another value of {keyword.name}")
            terms[keyword.name] = self.number(keyword.value, scope)
        return on_axes(replaced(self.loss.program.value, terms), axes)

    def axes_of(self, terms: dict[str, Expr]) -> dict[Axis, Axis]:
        """The axes on which arguments stand in place of the inputs' own, as one tensor for another.

        Those arguments are read at the places of the inputs' axes instead.
        """
        found: dict[Axis, Axis] = {}
        for name, term in terms.items():
            own = self.loss.inputs[name].tensor
            if term.free <= {Symbol(a.name, a) for a in own.axes}:
                found |= {a: found.get(a, a) for a in own.axes}
                continue
            mine = term.tensor if isinstance(term, Access) else None
            if mine is None or len(mine.axes) != len(own.axes) or term != renamed(mine, mine):
                raise NotStated(f"an argument for {name} that has other axes")
            for theirs, axis in zip(own.axes, mine.axes, strict=True):
                if found.setdefault(theirs, axis) != axis:
                    raise NotStated("arguments of which the axes do not line up")
            terms[name] = renamed(mine, own)
        return found


def renamed(mine: Tensor, theirs: Tensor) -> Expr:
    """A tensor read at the indices of another's axes."""
    return Access(mine, tuple(Position(Symbol(a.name, a)) for a in theirs.axes))


def on_axes(value: Expr, axes: Mapping[Axis, Axis]) -> Expr:
    """A term over other axes."""
    if all(a == b for a, b in axes.items()):
        return value

    def span(r: Range) -> Range:
        return Range(tuple(map(dim, r.starts)), tuple(map(dim, r.stops)))

    def dim(d: Dim) -> Dim:
        total = Dim(d.const)
        for axis, n in d.sizes:
            total = total + Dim.of(axes.get(axis, axis)) * n
        return total

    def visit(t: Expr) -> Expr | None:
        if isinstance(t, Size):
            return Size(axes.get(t.axis, t.axis))
        if not isinstance(t, Reduce | Along):
            return None
        body, *rest = [rebuild(p, visit) for p in t.parts]
        chosen = rest[-1] if t.filter is not None else None
        if isinstance(t, Along):
            return along(t.op, t.index, span(t.index.range), body, rest[0], chosen)
        return reduce(t.op, {b: span(b.range) for b in t.indices}, body, chosen, t.result)

    return rebuild(value, visit)


def replaced(value: Expr, terms: Mapping[str, Expr]) -> Expr:
    """A term with others in place of tensors, at the same places."""

    def visit(term: Expr) -> Expr | None:
        if not isinstance(term, Access) or term.tensor.name not in terms:
            return None
        places: dict[Index, Expr] = {
            Symbol(a.name, a): rebuild(slot, visit)
            for a, slot in zip(term.tensor.axes, term.slots, strict=True)
        }
        return substitute(terms[term.tensor.name], places)

    return rebuild(value, visit)


def derivative_in(value: Expr, tensor: Tensor, checked: Checked) -> Expr:
    """The derivative over the tensor's own axes; of a value with axes, of its sum."""
    spans: dict[Index, Range] = {
        i: Range.of(i.axis) for i in value.free if isinstance(i, Symbol) and i.axis is not None
    }
    whole = reduce("sum", spans, value) if spans else value
    if whole.kind != REAL:
        raise NotStated("a derivative of something that is not real")
    program = Program("f", checked.program.inputs, checked.program.params, whole)
    return differentiate(program, tensor.name).value
