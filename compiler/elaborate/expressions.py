"""Elaboration of expressions: a formula's syntax tree to typed terms."""

from __future__ import annotations

from difflib import get_close_matches

from lossc.dsl import ast
from lossc.dsl.diagnostics import Label
from lossc.dsl.foreign import FOREIGN
from lossc.dsl.primitives import ALONG, BY_SYMBOL, PRIMITIVES, REDUCTIONS, Primitive
from lossc.dsl.printer import print_expr
from lossc.dsl.source import Span

from ..findings import Findings
from ..flat import is_flat
from ..fold import apply, conjunction, select
from ..ir import BOOL, ERROR, NONE, Const, Expr, Position, Symbol
from ..link import Target
from .access import access, named
from .along import along_axis
from .functions import apply_function
from .padding import padded, size_of
from .reductions import reduction
from .run import FAILED, Run
from .scope import Scope
from .suggest import is_norm, is_plain, per_sample, with_lists

# How alike a name must be to be taken for a slip: `logdet` is no `logit`.
NEAR = 0.75


class Elaborator(Run):
    """A run that reads expressions: names, axes and kinds are resolved on the way."""

    def expr(self, node: ast.Expr, scope: Scope) -> Expr:
        """The term that an expression denotes."""
        match node:
            case ast.Number():
                return Const(node.value)
            case ast.Boolean():
                return Const(node.value)
            case ast.NoneLiteral():
                return Const(None)
            case ast.Name():
                return named(self, node, scope)
            case ast.Access():
                return access(self, node, scope)
            case ast.Call():
                return self.noted(node, is_flat(node.function), self.call(node, scope))
            case ast.Unary():
                return self.unary(node, scope)
            case ast.Binary():
                return self.binary(node, scope)
            case ast.Compare():
                return self.noted(node, True, self.compare(node, scope))
            case ast.If():
                return self.branch(node, scope)
            case ast.Dots():
                help = (
                    "in a list of indices, of slots, or in size(...) it stands for all further axes"
                )
                return self.fail("E0303", node.span, "`...` is no value", help=help)
            case ast.Array():
                help = "a list of numbers can only be the default of a param: `q[k] = [0.1, 0.9]`"
                return self.fail("E0213", node.span, "a list is no value", help=help)

    def noted(self, node: ast.Expr, cuts: bool, term: Expr) -> Expr:
        """The term, its place noted if no gradient passes through."""
        if cuts:
            self.cuts.append((node.span, term))
        return term

    def unary(self, node: ast.Unary, scope: Scope) -> Expr:
        """`-x`, `+x`, `not c`."""
        if node.op == "not":
            return apply("not", (self.condition(node.operand, scope),))
        operand = self.number(node.operand, scope)
        return operand if node.op == "+" else apply("neg", (operand,))

    def binary(self, node: ast.Binary, scope: Scope) -> Expr:
        """Arithmetic, `and`, `or`."""
        read = self.condition if node.op in ("and", "or") else self.number
        left, right = read(node.left, scope), read(node.right, scope)
        if node.op == "/":
            self.divided(node, right)
        term = apply(BY_SYMBOL[node.op], (left, right))
        if term == Const("huge"):
            return self.fail(
                "E0405", node.span, "this power is too large a number", "has over 1,000 digits",
                help="numbers are exact until a loss is compiled; write exp(...) of its log",
            )  # fmt: skip
        return term

    def divided(self, node: ast.Binary, right: Expr) -> None:
        """Warn of a division by an index, which is 0 at its first place."""
        by = node.right
        if not isinstance(by, ast.Name) or not isinstance(right, Position):
            return
        if not isinstance(right.index, Symbol) or by.id in self.guarded:
            return
        self.divisors.add(right.index)
        self.findings.add(
            "W0207", by.span, f"`{by.id}` is an index here, and 0 at the first place",
            help=f"its length is size({by.id}): {print_expr(node.left)} / size({by.id})",
        )  # fmt: skip

    def compare(self, node: ast.Compare, scope: Scope) -> Expr:
        """A chain of comparisons: each holds."""
        terms = [self.expr(o, scope) for o in node.operands]
        spans = [o.span for o in node.operands]
        pairs = list(zip(terms, spans, strict=True))
        links = zip(node.ops, pairs, pairs[1:], strict=False)
        return conjunction(self.link(op, a, b) for op, a, b in links)

    def link(self, op: str, left: tuple[Expr, Span], right: tuple[Expr, Span]) -> Expr:
        """One comparison."""
        (a, a_span), (b, b_span) = left, right
        if op in ("==", "!=") and NONE in (a.kind, b.kind):
            return Const((a.kind == b.kind) == (op == "=="))
        if op in ("==", "!=") and a.kind == b.kind == BOOL:
            return apply(BY_SYMBOL[op], (a, b))
        terms = (self.as_number(a, a_span), self.as_number(b, b_span))
        return apply(BY_SYMBOL[op], terms)

    def branch(self, node: ast.If, scope: Scope) -> Expr:
        """`if c then a else b`."""
        condition = self.condition(node.condition, scope)
        if isinstance(condition, Const) and isinstance(condition.value, bool):
            return self.decided(condition.value, node, scope)
        with self.guarding(node.condition):
            then, other = self.expr(node.then, scope), self.expr(node.other, scope)
        if (then.kind == BOOL) != (other.kind == BOOL) and ERROR not in (then.kind, other.kind):
            label = Label(node.then.span, "a condition" if then.kind == BOOL else "a number")
            return self.fail(
                "E0406", node.other.span, "the branches are of different kinds",
                "a condition" if other.kind == BOOL else "a number", others=(label,),
                help="make both numbers with indicator(...)",
            )  # fmt: skip
        if ERROR in (condition.kind, then.kind, other.kind):
            return FAILED
        then, other = self.as_value(then, node.then.span), self.as_value(other, node.other.span)
        return select(condition, then, other)

    def decided(self, holds: bool, node: ast.If, scope: Scope) -> Expr:
        """The branch that a condition known when compiled takes; the other is not there."""
        taken, dropped = (node.then, node.other) if holds else (node.other, node.then)
        found, self.findings = self.findings, Findings()
        self.expr(dropped, scope)
        self.findings = found
        return self.expr(taken, scope)

    def call(self, node: ast.Call, scope: Scope) -> Expr:
        """A function: the user's, a reduction, one along an axis, or elementwise."""
        name = node.function
        if name in scope.functions:
            item, home = scope.functions[name]
            self.used.add(item.span)
            return apply_function(self, node, Target(home.unit, item), home, scope)
        target = scope.unit.target(name)
        if target is not None:
            return apply_function(self, node, target, Scope(target.unit), scope)
        if name == "size":
            return size_of(self, node, scope)
        if name == "pad":
            return padded(self, node, scope)
        if name in REDUCTIONS and not (name in ("min", "max") and len(node.args) > 1):
            return reduction(self, node, scope)
        if name in ALONG:
            return along_axis(self, node, scope)
        if name in PRIMITIVES and not PRIMITIVES[name].symbol:
            return self.elementwise(node, PRIMITIVES[name], scope)
        return self.unknown_function(node, scope)

    def elementwise(self, node: ast.Call, primitive: Primitive, scope: Scope) -> Expr:
        """An elementwise function of its arguments."""
        name = node.function
        if node.indices is not None:
            help = f"`{name}` works on each element: write {name}(...)"
            self.fail("E0205", node.indices.span, f"`{name}` takes no list of indices", help=help)
        if not self.arity(node, primitive.arity, primitive.variadic):
            return FAILED
        if is_norm(node):
            return self.norm(node, scope)
        read = self.condition if primitive.takes == "bool" else self.number
        return apply(name, tuple(read(a, scope) for a in node.args))

    def norm(self, node: ast.Call, scope: Scope) -> Expr:
        """The error for `||x||`, which reads as `abs(abs(x))`."""
        plain = any(is_plain(v) for v in scope.values.values())
        whole = self.body is not None and node in ast.walk(self.body) and plain
        written = print_expr(with_lists(node))
        line = per_sample(self.body, scope) if whole and self.body is not None else written
        message = "this is the absolute value of an absolute value, no norm"
        return self.fail("E0321", node.span, message, help=f"write {line}")

    def unknown_function(self, node: ast.Call, scope: Scope) -> Expr:
        """The error for a function that does not exist; its arguments are checked all the same."""
        from lossc.dsl.hints import suggestion  # which only errors need

        name = node.function
        if name in scope.unit.missing:
            return FAILED
        span = node.function_span or node.span
        known = [
            *PRIMITIVES,
            *REDUCTIONS,
            *ALONG,
            *scope.functions,
            *scope.unit.own,
            *scope.unit.used,
        ]
        near = get_close_matches(name, [*(k for k in known if k != "pow"), *FOREIGN], 1, NEAR)
        foreign = FOREIGN.get(name) or FOREIGN.get(near[0] if near else "")
        stem, _, index = name.partition("_")
        printed = suggestion(span) if "_" in name else None
        if printed is not None:
            help: str | None = printed
        elif name == "diff":
            help = "a derivative can be asked for in a claim, not in a formula"
        elif foreign:
            help = f"write {foreign}"
        elif stem in REDUCTIONS and index:
            help = f"name the index in brackets: {stem}[{index}](...)"
        elif name in scope.values:
            help = f"`{name}` is a value: for a product write `{name} * (...)`"
        else:
            help = f"did you mean `{near[0]}`?" if near else "`lossc list` shows the library"
        for arg in node.args if node.indices is None else ():
            self.expr(arg, scope)
        return self.fail("E0202", span, f"there is no function `{name}`", help=help)
