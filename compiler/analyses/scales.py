"""How large and how small the numbers of a term can be, as powers of two.

A float32 holds magnitudes from 2^-126 to 2^128. A partial product may leave that range where the
whole does not; this is the analysis that finds such places. It takes data to be in a window: any
float32, or what ordinary data, their powers and exponentials are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction

from ..ir import INT, Access, Along, Apply, Const, Expr, Reduce, Select, Size, postorder
from ..passes.differentiate import SEED
from .bounds import Bounds, Inference

LARGEST, SMALLEST = 128.0, -126.0
REPRESENTABLE, ORDINARY = (SMALLEST, LARGEST), (-40.0, 40.0)
GROWING = frozenset(("exp", "expm1", "log1p", "pow", "sinh", "cosh"))
FAR = 1e9
# The powers of two by which numbers may leave the range at the edges of the data alone.
SLACK = 8.0


@dataclass(frozen=True, slots=True)
class Scale:
    """The powers of two between which the magnitudes of a term's non-zero values lie."""

    low: float = -FAR
    high: float = FAR

    @property
    def overflows(self) -> bool:
        """Whether values can be too large for single precision."""
        return self.high > LARGEST

    @property
    def underflows(self) -> bool:
        """Whether values can be too small for single precision."""
        return self.low < SMALLEST


@dataclass
class Scales:
    """The scales of terms, by what is inferred of their bounds."""

    facts: Inference
    window: tuple[float, float] = REPRESENTABLE
    known: dict[Expr, Scale] = field(default_factory=dict)

    def of(self, term: Expr) -> Scale:
        """The scale of a term."""
        if term not in self.known:
            for part in postorder(term):
                if part not in self.known:
                    self.known[part] = _meet(self.rule(part), self.bounded(part))
        return self.known[term]

    def bounded(self, term: Expr) -> Scale:
        """What the bounds of a term say of its scale."""
        bounds = self.facts.of(term) if not isinstance(term, Const) else Bounds()
        least = max(bounds.low, -bounds.high, 0.0)
        return Scale(_log2(least), _log2(bounds.magnitude))

    def rule(self, term: Expr) -> Scale:
        """What the scales of the parts say of the whole's."""
        match term:
            case Const(value=Fraction() as value) if value:
                size = float(abs(math.log2(abs(value.numerator)) - math.log2(value.denominator)))
                sign = 1 if abs(value) >= 1 else -1
                return Scale(sign * size, sign * size)
            case Const():
                return Scale(0, 2)
            case Size():
                return Scale(0, 31)
            case Access(tensor=tensor):
                if tensor.name == SEED:
                    return Scale(0, 0)
                return Scale(0, 63) if term.kind == INT else Scale(*self.window)
            case Apply(op=op) if op in GROWING and self.window == ORDINARY:
                return _meet(self.primitive(term), Scale(*self.window))
            case Apply():
                return self.primitive(term)
            case Select():
                return _join(self.known[term.then], self.known[term.other])
            case Reduce():
                return self.reduction(term)
            case Along():
                return Scale(-1, 63) if term.kind == INT else self.known[term.body]
        return Scale(0, 63)

    def primitive(self, term: Apply) -> Scale:
        x = [self.known[a] for a in term.args]
        match term.op:
            case "mul":
                return Scale(x[0].low + x[1].low, x[0].high + x[1].high)
            case "div":
                return Scale(x[0].low - x[1].high, x[0].high - x[1].low)
            case "add" | "sub":
                return Scale(max(min(p.low for p in x), SMALLEST), max(p.high for p in x) + 1)
            case "neg" | "abs" | "relu" | "stop_gradient":
                return x[0]
            case "max" | "min" | "clip":
                return Scale(min(p.low for p in x), max(p.high for p in x))
            case "sqrt":
                return Scale(x[0].low / 2, x[0].high / 2)
            case "pow":
                return _power(term, x[0])
            case "hypot":
                return Scale(min(p.low for p in x), max(p.high for p in x) + 1)
            case "expm1" | "sinh" | "tanh" | "asinh" | "atan" | "erf" | "log1p" | "sin" | "tan":
                return Scale(x[0].low - 1, FAR)
            case "indicator" | "sign" | "floor" | "ceil" | "round":
                return Scale(0, x[0].high)
            case "log":
                return Scale(-24, 7.5)
            case "xlogy":
                return Scale(-60, x[0].high + 7.5)
            case "softplus":
                return Scale(-FAR, max(x[0].high, 1))
        return Scale(-FAR if term.op in ("exp", "sigmoid", "softplus") else -60, FAR)

    def reduction(self, term: Reduce) -> Scale:
        body = self.known[term.body]
        match term.op:
            case "sum" if _is_contraction(term.body) and body.high <= LARGEST + SLACK:
                # Matrix products are what single precision is fast at: these are taken to fit.
                return Scale(SMALLEST, min(body.high + 4, LARGEST))
            case "sum":
                return Scale(body.low, body.high + 4)
            case "mean" | "max" | "min" | "norm" | "norm1" | "std":
                return Scale(max(body.low, SMALLEST), body.high + (0 if term.op == "mean" else 4))
            case "var":
                return Scale(2 * body.low, 2 * body.high)
            case "logsumexp":
                return Scale(-24, max(body.high, 7))
            case "count" | "argmax" | "argmin":
                return Scale(0, 31)
        return Scale()


def _is_contraction(body: Expr) -> bool:
    """Whether a sum is one over a product of arrays of which none has all the axes."""
    if not (isinstance(body, Apply) and body.op == "mul"):
        return False
    return all(factor.free != body.free for factor in body.args)


def _power(term: Apply, base: Scale) -> Scale:
    exponent = term.args[1]
    if not (isinstance(exponent, Const) and isinstance(exponent.value, Fraction)):
        return Scale()
    n = float(exponent.value)
    ends = (base.low * n, base.high * n)
    return Scale(min(ends), max(ends))


def _log2(x: float) -> float:
    if x == 0:
        return -FAR
    return FAR if math.isinf(x) else math.log2(x)


def _meet(a: Scale, b: Scale) -> Scale:
    return Scale(max(a.low, b.low), min(a.high, b.high))


def _join(a: Scale, b: Scale) -> Scale:
    return Scale(min(a.low, b.low), max(a.high, b.high))
