"""Lipschitz bounds by composition, for axes of any length.

A term that never falls and moves by c when its inputs are shifted by c has a gradient of
nonnegative numbers that sum to 1: its 2-norm is at most 1, and that of the difference of two such
terms at most the square root of 2. The rest is the chain rule over the table's bounds of slopes.
"""

from __future__ import annotations

from fractions import Fraction

from lossc.dsl.primitives import PRIMITIVES

from ..ir import Access, Apply, Const, Expr, Position, Reduce, Select, postorder
from .curvature import Shapes
from .degrees import SHIFT, degrees
from .enclose import Box
from .tidy import ONE, TWO, ZERO, build, number

MEANS = ("max", "min")


def steepness(term: Expr, names: frozenset[str], box: Box) -> Expr | None:
    """A bound of the 2-norm of a term's gradient in some tensors; None where no rule applies."""
    moves = degrees(term, names, SHIFT)
    return _Steep(Shapes(term, names, box), moves, names).run(term)


class _Steep:
    """The bounds of a term and its parts."""

    def __init__(
        self, shapes: Shapes, moves: dict[Expr, Expr | None], names: frozenset[str]
    ) -> None:
        self.shapes, self.moves, self.names = shapes, moves, names

    def run(self, term: Expr) -> Expr | None:
        bounds: dict[Expr, Expr | None] = {}
        for t in postorder(term):
            bounds[t] = self.bound(t, bounds)
        return bounds[term]

    def averages(self, term: Expr) -> bool:
        """Whether a gradient is of nonnegative numbers that sum to 1."""
        return self.moves[term] == ONE and self.shapes.of(term).rises

    def bound(self, term: Expr, known: dict[Expr, Expr | None]) -> Expr | None:
        if self.shapes.of(term).is_constant:
            return ZERO
        if self.averages(term):
            return ONE
        match term:
            case Access():
                return ONE if term.tensor.name in self.names else None
            case Apply(op="sub", args=(a, b)) if self.averages(a) and self.averages(b):
                return build("sqrt", TWO)
            case Apply(op="sqrt", args=(Reduce(op="sum" | "mean", filter=None) as squares,)):
                return self.norm(squares, known)
            case Apply():
                return self.primitive(term, [known[a] for a in term.args])
            case Select(condition=c, then=a, other=b) if self.shapes.of(c).is_constant:
                return _largest(known[a], known[b])
            case Reduce(op="mean" | "max" | "min" | "logsumexp", filter=None, body=body):
                found = known[body]
                return None if found is None or found.free else found
        return None

    def norm(self, squares: Reduce, known: dict[Expr, Expr | None]) -> Expr | None:
        """The 2-norm of terms that each read a place of their own."""
        match squares.body:
            case Apply(op="pow", args=(inner, Const(value=Fraction(numerator=2, denominator=1)))):
                pass
            case Apply(op="mul", args=(inner, other)) if inner == other:
                pass
            case _:
                return None
        read = [t for t in postorder(inner)
                if isinstance(t, Access) and t.tensor.name in self.names]  # fmt: skip
        own = {Position(i) for i in squares.indices}
        if any(set(t.slots) != own or len(t.slots) != len(own) for t in read):
            return None
        found = known[inner]
        apart = all(t.slots == read[0].slots for t in read)
        return found if apart and found is not None and not found.free else None

    def primitive(self, term: Apply, inner: list[Expr | None]) -> Expr | None:
        if term.op == "mul":
            for k in (0, 1):
                if self.shapes.of(term.args[k]).is_constant:
                    return _scaled(build("abs", term.args[k]), inner[1 - k])
        if term.op == "div" and self.shapes.of(term.args[1]).is_constant:
            return _scaled(build("div", ONE, build("abs", term.args[1])), inner[0])
        slope = PRIMITIVES[term.op].lipschitz
        if slope is None or None in inner:
            return None
        if term.op in MEANS:
            return _largest(*inner)
        total: Expr = ZERO
        for found in inner:
            assert found is not None
            total = build("add", total, found)
        return build("mul", number(slope), total)


def _scaled(factor: Expr, bound: Expr | None) -> Expr | None:
    return None if bound is None else build("mul", factor, bound)


def _largest(*bounds: Expr | None) -> Expr | None:
    total: Expr = ZERO
    for b in bounds:
        if b is None:
            return None
        total = (
            build("max", total, b) if ZERO not in (total, b) else (b if total == ZERO else total)
        )
    return total
