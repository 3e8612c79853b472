"""Curvature and monotonicity by composition rules, as in disciplined convex programming.

The rules hold for axes of any length: a sum or mean of convex terms is convex, and so is the
largest of them. What the table of primitives says of each function is composed with what is known
of its arguments and of the intervals that they lie in.

Convexity in several variables follows the rules of disciplined convex programming: M. Grant,
S. Boyd, Y. Ye, "Disciplined convex programming", in Global Optimization, Springer 2006; S. Boyd,
L. Vandenberghe, Convex Optimization, 2004, section 3.2. Quasiconvexity follows A. Agrawal, S. Boyd,
"Disciplined quasiconvex programming", Optimization Letters 14, 2020. They have no product of two
terms that vary, and none takes monotone for quasiconvex: both hold along a line only (Boyd and
Vandenberghe, exercise 3.32), so they are used where a term reads a single scalar.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from lossc.dsl.primitives import PRIMITIVES

from ..ir import Access, Along, Apply, Const, Expr, Reduce, Select, postorder
from .corners import corner_hull
from .enclose import Box, Enclosed
from .interval import ANY, Interval
from .tidy import value_of


class Shape(NamedTuple):
    """What is known of a term as a function of the subjects; a constant is all four."""

    convex: bool = False
    concave: bool = False
    rises: bool = False
    falls: bool = False

    @property
    def is_affine(self) -> bool:
        """Whether it is both convex and concave."""
        return self.convex and self.concave

    @property
    def is_constant(self) -> bool:
        """Whether it does not depend on the subjects."""
        return all(self)

    def __neg__(self) -> Shape:
        return Shape(self.concave, self.convex, self.falls, self.rises)

    def both(self, other: Shape) -> Shape:
        """What holds of two terms alike."""
        return Shape(*(a and b for a, b in zip(self, other, strict=True)))


SUMS = frozenset(("add", "sub", "neg"))
CONSTANT, UNKNOWN = Shape(True, True, True, True), Shape()
VARIABLE = Shape(True, True, True, False)


class Shapes:
    """The shapes of a term and its parts in some tensors, over a box."""

    def __init__(self, term: Expr, subjects: frozenset[str], box: Box) -> None:
        self.subjects, self.box = subjects, box
        self.known = Enclosed(box)
        self.shapes: dict[Expr, Shape] = {}
        self.reads: dict[Expr, frozenset[Access] | None] = {}
        for part in postorder(term):
            self.shapes[part] = self.shape(part)
            self.reads[part] = self.read_by(part)

    def interval(self, term: Expr) -> Interval:
        """The interval that a number lies in."""
        found = self.known[term]
        if not isinstance(found, Interval):
            return ANY
        if found.low < 0 < found.high and isinstance(term, Apply) and term.op in SUMS:
            return found.meet(corner_hull(term, self.box))
        return found

    def of(self, term: Expr) -> Shape:
        """The shape of a part."""
        return self.shapes[term]

    def read_by(self, term: Expr) -> frozenset[Access] | None:
        """The elements of the subjects that a part reads; None for what an index runs over."""
        total: frozenset[Access] = frozenset()
        for part in term.parts:
            found = self.reads[part]
            if found is None or any(a.free & set(term.binds) for a in found):
                return None
            total |= found
        is_subject = isinstance(term, Access) and term.tensor.name in self.subjects
        return total | {term} if is_subject and isinstance(term, Access) else total

    def is_of_one(self, *terms: Expr) -> bool:
        """Whether terms together read one scalar of the subjects, and so vary along a line."""
        found = [self.reads[t] for t in terms]
        return None not in found and len(frozenset().union(*(f or () for f in found))) <= 1

    def shape(self, term: Expr) -> Shape:
        if all(self.shapes[p].is_constant for p in term.parts):
            varies = isinstance(term, Access) and term.tensor.name in self.subjects
            return VARIABLE if varies else CONSTANT
        match term:
            case Apply():
                return self.primitive(term)
            case Select() if self.of(term.condition).is_constant:
                return self.of(term.then).both(self.of(term.other))
            case Reduce():
                return self.reduction(term)
            case Along(op="cumsum" | "logcumsumexp" as op) if self.is_fixed(term):
                return self.reduced("sum" if op == "cumsum" else "logsumexp", term.body)
        return UNKNOWN

    def is_fixed(self, term: Along) -> bool:
        """Whether the place, and the filter, do not depend on the subjects."""
        return all(self.of(p).is_constant for p in term.parts if p != term.body)

    # --- primitives

    def primitive(self, term: Apply) -> Shape:
        match term.op:
            case "mul":
                return self.product(*term.args)
            case "div":
                return self.quotient(*term.args)
            case "pow":
                return self.power(*term.args)
            case "xlogy":
                return self.xlogy(*term.args)
            case "sqrt" if self.is_square(term.args[0]):
                return Shape(convex=True)
        row = PRIMITIVES[term.op]
        words = [row.monotone[min(k, len(row.monotone) - 1)] if row.monotone else ""
                 for k in range(len(term.args))]  # fmt: skip
        return self.composed(row.curve, words, term.args)

    def composed(self, curve: str, words: Sequence[str], args: Sequence[Expr]) -> Shape:
        """A function of convex, concave, rising or falling arguments."""
        bend = self.word(curve, args[0]) if len(args) == 1 else curve
        signs = [self.word(w, a) for w, a in zip(words, args, strict=True)]
        inner = [self.of(a) for a in args]
        pairs = list(zip(signs, inner, strict=True))
        convex = bend in ("convex", "affine") and all(
            s.is_affine or (sign == "inc" and s.convex) or (sign == "dec" and s.concave)
            for sign, s in pairs
        )
        concave = bend in ("concave", "affine") and all(
            s.is_affine or (sign == "inc" and s.concave) or (sign == "dec" and s.convex)
            for sign, s in pairs
        )
        return Shape(convex, concave, _moves(pairs, True), _moves(pairs, False))

    def word(self, words: str, arg: Expr) -> str:
        """The word for the side of 0 that an argument lies on."""
        parts = words.split() or ["none"]
        if len(parts) == 1 or parts[0] == parts[1]:
            return parts[0]
        interval = self.interval(arg)
        if interval.low >= 0:
            return parts[1]
        return parts[0] if interval.high <= 0 else "none"

    def product(self, a: Expr, b: Expr) -> Shape:
        for x, y in ((a, b), (b, a)):
            if self.of(x).is_constant:
                return self.scaled(self.of(y), self.interval(x))
        for x, y in ((a, b), (b, a)):
            if isinstance(y, Apply) and y.op == "log" and y.args[0] == x:
                return self.xlogy(x, x)
        if a == b:
            return self.composed("convex", ["dec inc"], [a])
        one, two = self.of(a), self.of(b)
        if self.interval(a).nonnegative and self.interval(b).nonnegative:
            both, line = one.both(two), self.is_of_one(a, b)
            same, opposite = both.rises or both.falls, _oppose(one, two)
            return Shape(
                both.convex and same and line, both.concave and opposite and line, both.rises,
                both.falls,
            )  # fmt: skip
        return UNKNOWN

    def is_square(self, term: Expr) -> bool:
        """Whether a term is a sum of squares of affine terms, the square of a 2-norm of them."""
        if self.of(term).is_constant:
            return self.interval(term).nonnegative
        match term:
            case Apply(op="pow", args=(a, Const(value=Fraction(numerator=2, denominator=1)))):
                return self.of(a).is_affine
            case Apply(op="mul", args=(a, b)) if a == b:
                return self.of(a).is_affine
            case Apply(op="add", args=(a, b)):
                return self.is_square(a) and self.is_square(b)
            case Apply(op="mul" | "div" as op, args=(a, b)):
                factors = ((a, b), (b, a)) if op == "mul" else ((b, a),)
                return any(self.is_factor(x) and self.is_square(y) for x, y in factors)
            case Reduce(op="sum" | "mean", body=body, filter=chosen):
                return (chosen is None or self.of(chosen).is_constant) and self.is_square(body)
        return False

    def is_factor(self, term: Expr) -> bool:
        """Whether a term is constant and not below 0."""
        return self.of(term).is_constant and self.interval(term).nonnegative

    def scaled(self, shape: Shape, factor: Interval) -> Shape:
        if factor.low >= 0:
            return shape
        return -shape if factor.high <= 0 else Shape(shape.is_affine, shape.is_affine)

    def quotient(self, a: Expr, b: Expr) -> Shape:
        top, bottom = self.interval(a), self.interval(b)
        if self.of(b).is_constant:
            return self.scaled(self.of(a), bottom)
        if not self.of(a).is_constant or not bottom.positive:
            return UNKNOWN
        inverse = Shape(self.of(b).concave, False, self.of(b).falls, self.of(b).rises)
        if top.low >= 0:
            return inverse
        return -inverse if top.high <= 0 else UNKNOWN

    def power(self, a: Expr, n: Expr) -> Shape:
        if not self.of(n).is_constant:
            return self.exponential(a, n)
        curve, words = _power_rules(value_of(n), self.interval(n), self.interval(a))
        return self.composed(curve, [words], [a])

    def exponential(self, a: Expr, n: Expr) -> Shape:
        """A constant to a power that varies."""
        base = self.interval(a)
        if not self.of(a).is_constant or not base.positive:
            return UNKNOWN
        sign = "inc" if base.low >= 1 else "dec" if base.high <= 1 else "none"
        return self.composed("convex", [sign], [n])

    def xlogy(self, a: Expr, b: Expr) -> Shape:
        if self.of(a).is_constant:
            log = self.composed("concave", ["inc"], [b])
            return self.scaled(log, self.interval(a))
        if a == b and self.of(a).is_affine:
            return Shape(convex=True)
        return UNKNOWN

    # --- reductions

    def reduction(self, term: Reduce) -> Shape:
        if term.filter is not None and not self.of(term.filter).is_constant:
            return UNKNOWN
        return self.reduced(term.op, term.body)

    def reduced(self, op: str, body: Expr) -> Shape:
        shape, interval = self.of(body), self.interval(body)
        match op:
            case "sum" | "mean":
                return shape
            case "max" | "logsumexp":
                return shape._replace(concave=False)
            case "min":
                return shape._replace(convex=False)
            case "norm" | "norm1":
                return self.composed("convex", ["dec inc"], [body])
            case "var" | "std":
                return Shape(convex=shape.is_affine)
            case "prod" if interval.nonnegative:
                return Shape(rises=shape.rises, falls=shape.falls)
        return UNKNOWN


def _moves(pairs: Sequence[tuple[str, Shape]], up: bool) -> bool:
    """Whether a function rises (or falls) as its arguments do what they do."""
    for sign, shape in pairs:
        rises, falls = (shape.rises, shape.falls) if up else (shape.falls, shape.rises)
        if not (shape.is_constant or (sign == "inc" and rises) or (sign == "dec" and falls)):
            return False
    return True


def _oppose(a: Shape, b: Shape) -> bool:
    """Whether one term rises where the other falls."""
    return (a.rises and b.falls) or (a.falls and b.rises)


def _power_rules(value: object, n: Interval, base: Interval) -> tuple[str, str]:
    """Curvature and monotonicity of `x ^ n` for x in an interval."""
    whole = isinstance(value, Fraction) and value.denominator == 1
    if whole and isinstance(value, Fraction) and value > 0 and not base.nonnegative:
        return ("convex", "dec inc") if value % 2 == 0 else ("concave convex", "inc")
    if not base.nonnegative:
        return "", "none"
    if n.low >= 1:
        return "convex", "inc"
    if n.low >= 0:
        return ("concave" if n.high <= 1 else ""), "inc"
    if n.high <= 0 and base.positive:
        return "convex", "dec"
    return "", "none"


def is_quasiconvex(term: Expr, shapes: Shapes, upper: bool = True) -> bool:
    """Whether composition rules make a term quasiconvex (or, not `upper`, quasiconcave).

    Monotone along a line is both; in several variables it is neither.
    """
    shape = shapes.of(term)
    if shape.convex if upper else shape.concave:
        return True
    if (shape.rises or shape.falls) and shapes.is_of_one(term):
        return True
    if isinstance(term, Reduce) and term.op == ("max" if upper else "min"):
        chosen = term.filter is None or shapes.of(term.filter).is_constant
        return chosen and is_quasiconvex(term.body, shapes, upper)
    if not isinstance(term, Apply):
        return False
    varying = [a for a in term.args if not shapes.of(a).is_constant]
    if term.op == ("max" if upper else "min"):
        return all(is_quasiconvex(a, shapes, upper) for a in varying)
    if len(varying) != 1:
        return term.op == "div" and _ratio(term, shapes, upper)
    outer = _Held(shapes, varying[0]).primitive(term)
    if outer.rises:
        return is_quasiconvex(varying[0], shapes, upper)
    return outer.falls and is_quasiconvex(varying[0], shapes, not upper)


def _ratio(term: Apply, shapes: Shapes, upper: bool) -> bool:
    """Convex over concave, of one sign: its sublevel sets are convex."""
    top, bottom = (shapes.of(a) for a in term.args)
    if not shapes.interval(term.args[1]).positive or not shapes.interval(term.args[0]).nonnegative:
        return False
    return (top.convex and bottom.concave) if upper else (top.concave and bottom.convex)


class _Held(Shapes):
    """The shapes of a primitive in one argument, taken for a variable."""

    def __init__(self, base: Shapes, argument: Expr) -> None:
        self.subjects, self.known, self.box = base.subjects, base.known, base.box
        self.shapes = {**base.shapes, argument: VARIABLE}
        self.reads = dict(base.reads)
