"""Building what a rule puts in place of a match, and deciding its conditions."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

from lossc.dsl import ast
from lossc.dsl.primitives import BY_SYMBOL

from ..analyses.bounds import Inference
from ..fold import apply, select
from ..ir import INT, REAL, Access, Const, Expr, Index, Range, Size, postorder, reduce
from ..passes.simplify import ONE, ZERO, minus, over, plus
from .match import Match
from .views import beside, gathered


def build(node: ast.Expr, match: Match) -> Expr:
    """The term of a formula whose letters stand for terms."""
    match node:
        case ast.Number():
            return Const(node.value)
        case ast.Boolean(value=value):
            return Const(value)
        case ast.Name(id=name):
            return match.terms[name]
        case ast.Unary():
            return minus(build(node.operand, match))
        case ast.Binary():
            return _joined(node.op, build(node.left, match), build(node.right, match))
        case ast.Compare(operands=(a, b), ops=(op,)):
            return apply(BY_SYMBOL[op], (build(a, match), build(b, match)))
        case ast.If():
            parts = (build(p, match) for p in (node.condition, node.then, node.other))
            return select(*parts)
        case ast.Call(indices=None):
            return _applied(node.function, tuple(build(a, match) for a in node.args))
        case ast.Call():
            return _reduction(node.function, build(node.args[0], match), match)
    raise TypeError(f"no term: {node}")


def _applied(op: str, args: tuple[Expr, ...]) -> Expr:
    """A primitive; roots and logarithms of numbers at once where they are exact."""
    args = tuple(gathered(a) for a in args)
    if op == "sqrt" and isinstance(args[0], Const) and isinstance(args[0].value, Fraction):
        above, below = args[0].value.numerator, args[0].value.denominator
        root = Fraction(isqrt(abs(above)), isqrt(below))
        if root**2 == args[0].value:
            return Const(root)
    if op == "log" and args[0] == ONE:
        return ZERO
    return apply(op, args)


def _joined(op: str, a: Expr, b: Expr) -> Expr:
    if op == "+":
        return plus(a, b)
    if op == "-":
        return plus(a, minus(b)) if a != b else ZERO
    if op == "*":
        return beside(a, b)
    return over(a, b) if op == "/" else apply("pow", (a, b))


def _reduction(op: str, body: Expr, match: Match) -> Expr:
    assert match.places is not None
    spans: dict[Index, Range] = {b: b.range for b in match.places.indices}
    return reduce(op, spans, body, match.places.filter, INT if op == "count" else REAL)


def holds(condition: ast.Expr, match: Match, facts: Inference) -> bool:
    """Whether a condition of a rule follows from what is known."""
    match condition:
        case ast.Call(function="constant", args=(x,)):
            return not any(isinstance(t, Access | Size) for t in postorder(build(x, match)))
        case ast.Call(function="fractional", args=(x,)):
            term = build(x, match)
            return not (isinstance(term, Const) and term.kind == INT)
        case ast.Call(function="whole", args=(x,)):
            return build(x, match).kind == INT
        case ast.Call(function="label", args=(x,)):
            label = build(x, match)
            return label.kind == INT and 0 <= facts.of(label).low <= facts.of(label).high <= 1
        case ast.Compare(operands=(a, b), ops=(op,)):
            return _follows(op, build(a, match), build(b, match), facts)
    raise TypeError(f"no condition: {condition}")


def _follows(op: str, a: Expr, b: Expr, facts: Inference) -> bool:
    x, y = facts.of(a), facts.of(b)
    if op in ("<", "<="):
        x, y = y, x
    strict = op in ("<", ">")
    apart = x.low == y.high and (x.low_open or y.high_open)
    return x.low > y.high or (x.low == y.high if not strict else apart)
