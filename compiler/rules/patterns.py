"""Patterns: the formulas of the table of rewrites, ready to be matched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from lossc.dsl import ast
from lossc.dsl.parser import parse_expression
from lossc.dsl.source import Source

from .table import Rule


@dataclass(frozen=True, slots=True)
class Var:
    """Any term."""

    name: str


@dataclass(frozen=True, slots=True)
class Number:
    """A number."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Call:
    """A primitive of patterns."""

    op: str
    args: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Over:
    """A reduction of a pattern over the indices named `i`."""

    op: str
    body: Pattern


@dataclass(frozen=True, slots=True)
class Sum:
    """Numbers times patterns, added; a number alone goes with `Number(1)`."""

    terms: tuple[tuple[Fraction, Pattern], ...]


@dataclass(frozen=True, slots=True)
class Product:
    """A number times powers of patterns."""

    number: Fraction
    factors: tuple[tuple[Pattern, Fraction], ...]


@dataclass(frozen=True, slots=True)
class Power:
    """A pattern to a power that may be any term."""

    base: Pattern
    exponent: Pattern


Pattern = Var | Number | Call | Over | Sum | Product | Power
UNITY = Fraction(1)
VIEWED = frozenset(("sqrt",))  # functions of patterns that fit a term without them, as a power


@dataclass(frozen=True, slots=True)
class Ready:
    """A rule with its pattern parsed; `needs` are functions that a term it fits has somewhere."""

    rule: Rule
    pattern: Pattern
    needs: frozenset[str]

    @property
    def result(self) -> ast.Expr:
        """What the rule puts in the place of what it finds."""
        return _parse(self.rule.result)

    @property
    def given(self) -> tuple[ast.Expr, ...]:
        """The conditions under which it does."""
        return tuple(_parse(g) for g in (*self.rule.given, *self.rule.when))


@cache
def ready(rule: Rule) -> Ready:
    """A rule with its pattern parsed; the other texts of most rules are never needed."""
    wanted = pattern(_parse(rule.pattern))
    return Ready(rule, wanted, frozenset(_named(wanted)) - VIEWED)


def _named(part: Pattern) -> Iterator[str]:
    """The functions and reductions of a pattern."""
    if isinstance(part, Call | Over):
        yield part.op
    for inner in _inside(part):
        yield from _named(inner)


def _inside(part: Pattern) -> Iterable[Pattern]:
    match part:
        case Call(args=args):
            return args
        case Over(body=body):
            return (body,)
        case Sum(terms=terms):
            return (p for _, p in terms)
        case Product(factors=factors):
            return (p for p, _ in factors)
        case Power(base=base, exponent=exponent):
            return (base, exponent)
    return ()


@cache
def _parse(text: str) -> ast.Expr:
    return parse_expression(Source.of("rules", text))


def pattern(node: ast.Expr) -> Pattern:
    """A formula as a pattern."""
    match node:
        case ast.Number():
            return Number(node.value)
        case ast.Name(id=name):
            return Var(name)
        case ast.Call(indices=None):
            return Call(node.function, tuple(pattern(a) for a in node.args))
        case ast.Call():
            return Over(node.function, pattern(node.args[0]))
        case ast.Unary(op="-"):
            return _sum([(-UNITY, node.operand)])
        case ast.Binary(op="+" | "-"):
            return _sum(_addends(node))
        case ast.Binary(op="^", right=ast.Number() as n):
            return _product([(node.left, n.value)])
        case ast.Binary(op="^"):
            return Power(pattern(node.left), pattern(node.right))
        case ast.Binary(op="*" | "/"):
            return _product(_multiplied(node))
    raise TypeError(f"no pattern: {node}")


def _addends(node: ast.Expr, sign: Fraction = UNITY) -> list[tuple[Fraction, ast.Expr]]:
    if isinstance(node, ast.Binary) and node.op in ("+", "-"):
        right = sign if node.op == "+" else -sign
        return [*_addends(node.left, sign), *_addends(node.right, right)]
    return [(sign, node)]


def _multiplied(node: ast.Expr, power: Fraction = UNITY) -> list[tuple[ast.Expr, Fraction]]:
    if isinstance(node, ast.Binary) and node.op in ("*", "/"):
        right = power if node.op == "*" else -power
        return [*_multiplied(node.left, power), *_multiplied(node.right, right)]
    if isinstance(node, ast.Binary) and node.op == "^" and isinstance(node.right, ast.Number):
        return [(node.left, power * node.right.value)]
    return [(node, power)]


def _sum(addends: list[tuple[Fraction, ast.Expr]]) -> Sum:
    terms: list[tuple[Fraction, Pattern]] = []
    for number, node in addends:
        part = pattern(node)
        if isinstance(part, Number):
            terms.append((number * part.value, Number(UNITY)))
        else:
            terms.append((number, part))
    return Sum(tuple(sorted(terms, key=lambda t: _rank(t[1]))))


def _product(factors: list[tuple[ast.Expr, Fraction]]) -> Product:
    number, found = UNITY, []
    for node, power in factors:
        part = pattern(node)
        if isinstance(part, Number):
            number *= part.value ** int(power)
        else:
            found.append((part, power))
    return Product(number, tuple(sorted(found, key=lambda f: _rank(f[0]))))


def _rank(part: Pattern) -> int:
    """What is to be matched first: a number or a call tells more than a letter."""
    match part:
        case Number():
            return 0
        case Call() | Over() | Power():
            return 1
        case Var():
            return 3
    return 2
