"""Formulas that say where they have no value, for rules that know only numbers.

Rules of proof simplify as for real numbers: `x / x` is 1, `not a < b` is `a >= b`. That is right
wherever a formula has a value, but a condition hides whether its operands do (NaN is not below 0,
nor at least 0), and a bounded function hides an infinite one (`1 / 0` is infinite, whichever side 0
is neared from). Both are written out before anything is simplified: a comparison of what may be
NaN says so, `isnan(log(x))` is `x < 0`, and a quotient whose denominator may be 0, and below it,
has a branch for 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from ..fold import apply, conjunction, disjunction, select
from ..ir import (
    BOOL,
    Access,
    Along,
    Apply,
    Const,
    Expr,
    Position,
    Reduce,
    Select,
    Size,
    postorder,
    reduce_like,
    with_parts,
)  # fmt: skip
from .enclose import Box, enclose, truth
from .scalars import NotWritten

TRUE, FALSE, ZERO, ONE = Const(True), Const(False), Const(Fraction(0)), Const(Fraction(1))
INFINITE = Const("inf")
COMPARED = frozenset(("lt", "le", "gt", "ge", "eq", "ne"))


class Lack(NamedTuple):
    """Conditions under which a term is NaN, and where it is not, infinite above or below."""

    nan: Expr = FALSE
    above: Expr = FALSE
    below: Expr = FALSE

    @property
    def infinite(self) -> Expr:
        """Whether it is infinite."""
        return _or(self.above, self.below)

    @property
    def is_none(self) -> bool:
        """Whether the term always has a finite value."""
        return self == Lack()


@dataclass
class Explicit:
    """Writes out where the terms over a box have no value."""

    box: Box
    done: dict[Expr, Expr] = field(default_factory=dict)
    lacks: dict[Expr, Lack] = field(default_factory=dict)

    def of(self, term: Expr) -> Expr:
        """A term that is equal to another wherever that has a value, with what it hides said."""
        for t in postorder(term):
            if t not in self.done:
                parts = [self.done[p] for p in t.parts]
                self.done[t] = self.said(with_parts(t, parts))
        return self.done[term]

    def said(self, term: Expr) -> Expr:
        if not isinstance(term, Apply):
            return term
        match term.op, term.args:
            case "isnan", (x,):
                return self.lack(x).nan
            case "isfinite", (x,):
                found = self.lack(x)
                return _not(_or(found.nan, found.infinite))
            case op, (x, y) if op in COMPARED and x.kind not in ("bool", "none"):
                nan = FALSE if y.kind in ("bool", "none") else self.nan(x, y)
                return _or(nan, term) if op == "ne" else _and(_not(nan), term)
            case "div", (x, y) if self.turns(y):
                return select(_is("eq", y, ZERO), apply("mul", (x, INFINITE)), term)
            case "xlogy", (x, y) if _has_powers(y) and self.known(_is("eq", x, ZERO)) != FALSE:
                return select(_is("eq", x, ZERO), ZERO, term)
            case "pow", (x, Const(value=Fraction() as n)) if n < 0 and self.turns(x):
                return select(_is("eq", x, ZERO), INFINITE, term)
        return term

    def turns(self, term: Expr) -> bool:
        """Whether a term may be 0, and below 0."""
        return (
            not enclose(term, self.box).nonnegative and self.known(_is("eq", term, ZERO)) != FALSE
        )

    def nan(self, *terms: Expr) -> Expr:
        """Whether one of some terms is NaN."""
        return disjunction(self.lack(t).nan for t in terms)

    def known(self, condition: Expr) -> Expr:
        """A condition, or false if the box says that."""
        return FALSE if truth(condition, self.box) is False else condition

    def lack(self, term: Expr) -> Lack:
        """Where a term that is written out has no finite value. Raises NotWritten."""
        for t in postorder(term):
            if t not in self.lacks and t.kind != BOOL:
                found = self.found(t)
                self.lacks[t] = Lack(*map(self.known, found))
        return self.lacks[term]

    def found(self, term: Expr) -> Lack:
        match term:
            case Const(value=value):
                return Lack(above=Const(value == "inf"))
            case Access() | Position() | Size():
                return Lack()
            case Select(condition=c, then=a, other=b):
                pairs = zip(self.lacks[a], self.lacks[b], strict=True)
                return Lack(*(_or(_and(c, x), _and(_not(c), y)) for x, y in pairs))
            case Apply(op="indicator"):
                return Lack()
            case Apply():
                return self.primitive(term, [self.lacks[a] for a in term.args])
            case Reduce():
                return self.reduction(term)
        return self.total(term)

    def total(self, term: Expr) -> Lack:
        """Of what is finite where its parts are."""
        parts = [p for p in term.parts if p.kind != BOOL]
        if all(self.lacks[p].is_none for p in parts) and not (
            isinstance(term, Along) and term.filter is not None
        ):
            return Lack()
        raise NotWritten(f"a condition on where {_name(term)} has a value")

    def primitive(self, term: Apply, lacks: list[Lack]) -> Lack:
        rule = _RULES.get(term.op)
        if rule is not None:
            return rule(self, term.args, lacks)
        nan = disjunction(found.nan for found in lacks)
        infinite = disjunction(found.infinite for found in lacks)
        if term.op in _BOUNDED:
            return Lack(nan)
        if term.op in _RISING:
            return Lack(nan, lacks[0].above, lacks[0].below if term.op in _ODD else FALSE)
        if term.op in _EVEN:
            return Lack(nan, infinite)
        if term.op in _WAVES:
            return Lack(_or(nan, infinite))
        if infinite == FALSE and term.op in _FINITE:
            return Lack(nan)
        raise NotWritten(f"a condition on where {term.op} has a value")

    def reduction(self, term: Reduce) -> Lack:
        if term.op in ("count", "argmax", "argmin"):
            return Lack()
        body = self.lacks[term.body]

        def somewhere(condition: Expr) -> Expr:
            if condition == FALSE:
                return FALSE
            return reduce_like(term, "any", condition, term.filter, BOOL)

        def everywhere(condition: Expr) -> Expr:
            if condition == FALSE and term.filter is None:
                return FALSE
            return reduce_like(term, "all", condition, term.filter, BOOL)

        nan, above, below = map(somewhere, body)
        match term.op:
            case "sum" | "mean":
                return Lack(_or(nan, _and(above, below)), above, below)
            case "max" | "logsumexp":
                return Lack(nan, above, everywhere(body.below))
            case "min":
                return Lack(nan, everywhere(body.above), below)
            case "norm" | "norm1":
                return Lack(nan, _or(above, below))
            case "var" | "std":
                return Lack(disjunction((nan, above, below)))
        return self.total(term)


def _has_powers(term: Expr) -> bool:
    """Whether the logarithm of a term may be simplified to a quotient that is infinite."""
    return any(isinstance(t, Apply) and t.op in ("exp", "pow") for t in postorder(term))


def _name(term: Expr) -> str:
    return term.op if isinstance(term, Apply | Reduce | Along) else "a term"


def _and(*conditions: Expr) -> Expr:
    return conjunction(conditions)


def _or(*conditions: Expr) -> Expr:
    return disjunction(conditions)


def _not(condition: Expr) -> Expr:
    return apply("not", (condition,))


def _is(op: str, x: Expr, y: Expr) -> Expr:
    return apply(op, (x, y)) if x != y else Const(op in ("eq", "le", "ge"))


# --- primitives -----------------------------------------------------------------------------------

_BOUNDED = frozenset(("tanh", "atan", "sigmoid", "erf", "erfc", "ndtr", "sign"))
_ODD = frozenset(("sinh", "cbrt", "asinh", "floor", "ceil", "round", "stop_gradient"))
_RISING = _ODD | {"exp", "expm1", "softplus", "relu"}  # infinite above where the argument is
_EVEN = frozenset(("abs", "cosh", "logcosh", "hypot"))
_WAVES = frozenset(("sin", "cos", "tan"))
_FINITE = frozenset(("bessel_i0e", "bessel_i1e", "atan2"))
Rule = Callable[[Explicit, tuple[Expr, ...], list[Lack]], Lack]


def _neg(e: Explicit, args: tuple[Expr, ...], lacks: list[Lack]) -> Lack:
    (x,) = lacks
    return Lack(x.nan, x.below, x.above)


def _add(e: Explicit, args: tuple[Expr, ...], lacks: list[Lack]) -> Lack:
    x, y = lacks
    clash = _or(_and(x.above, y.below), _and(x.below, y.above))
    return Lack(_or(x.nan, y.nan, clash), _or(x.above, y.above), _or(x.below, y.below))


def _sub(e: Explicit, args: tuple[Expr, ...], lacks: list[Lack]) -> Lack:
    return _add(e, args, [lacks[0], _neg(e, args, lacks[1:])])


def _same_sign(x: Expr, y: Expr) -> Expr:
    up, down = (_and(_is(op, x, ZERO), _is(op, y, ZERO)) for op in ("gt", "lt"))
    return _or(up, down)


def _unlike(x: Expr, y: Expr) -> Expr:
    return _or(_and(_is("gt", x, ZERO), _is("lt", y, ZERO)),
               _and(_is("lt", x, ZERO), _is("gt", y, ZERO)))  # fmt: skip


def _mul(e: Explicit, args: tuple[Expr, ...], lacks: list[Lack]) -> Lack:
    (a, b), (x, y) = args, lacks
    clash = _or(_and(x.infinite, _is("eq", b, ZERO)), _and(y.infinite, _is("eq", a, ZERO)))
    infinite = _or(x.infinite, y.infinite)
    return Lack(_or(x.nan, y.nan, clash), _and(infinite, _same_sign(a, b)),
                _and(infinite, _unlike(a, b)))  # fmt: skip


def _div(e: Explicit, args: tuple[Expr, ...], lacks: list[Lack]) -> Lack:
    (a, b), (x, y) = args, lacks
    pole = e.known(_is("eq", b, ZERO))
    clash = _or(_and(_is("eq", a, ZERO), pole), _and(x.infinite, y.infinite))
    above = _or(_and(_is("gt", a, ZERO), pole), _and(x.infinite, _same_sign(a, b)))
    below = _or(_and(_is("lt", a, ZERO), pole), _and(x.infinite, _unlike(a, b)))
    return Lack(_or(x.nan, y.nan, clash), above, below)


def _pow(e: Explicit, args: tuple[Expr, ...], lacks: list[Lack]) -> Lack:
    (a, b), (x, y) = args, lacks
    if b == ZERO:
        return Lack()
    if not y.is_none:
        raise NotWritten("a condition on where a power has a value")
    whole = _is("eq", apply("floor", (b,)), b)
    if isinstance(b, Const) and isinstance(b.value, Fraction):
        whole = Const(b.value.denominator == 1)
    nan = _or(x.nan, _and(_is("lt", a, ZERO), _not(whole)))
    above = e.known(_and(_is("eq", a, ZERO), _below_zero(b)))
    if x.infinite == FALSE:
        return Lack(nan, above)
    if isinstance(b, Const) and isinstance(b.value, Fraction) and b.value != 0:
        if b.value < 0:
            return Lack(nan, above)
        odd = b.value.denominator == 1 and b.value % 2 == 1
        even = b.value.denominator == 1 and not odd
        grows = x.infinite if even else x.above
        return Lack(nan, grows, x.below if odd else FALSE)
    raise NotWritten("a condition on where a power has a value")


def _below_zero(term: Expr) -> Expr:
    """Whether a term is below 0; at once of a number."""
    if isinstance(term, Const) and isinstance(term.value, Fraction):
        return Const(term.value < 0)
    return _is("lt", term, ZERO)


def _inside(
    low: Expr | None, high: Expr | None, at_low: str = "", at_high: str = "", ends: str = ""
) -> Rule:
    """A function of the reals between two bounds; what it is there, and whether it is unbounded."""

    def rule(e: Explicit, args: tuple[Expr, ...], lacks: list[Lack]) -> Lack:
        (a,), (x,) = args, lacks
        nan = x.nan
        above: Expr = FALSE
        below: Expr = FALSE
        for bound, op, at in ((low, "lt", at_low), (high, "gt", at_high)):
            if bound is None:
                continue
            nan = _or(nan, _is(op, a, bound))
            if at == "above":
                above = _or(above, _is("eq", a, bound))
            if at == "below":
                below = _or(below, _is("eq", a, bound))
        if ends == "above":
            above = _or(above, x.above)
        if ends == "below":
            below = _or(below, x.below)
        return Lack(nan, above, below)

    return rule


def _extreme(lowest: bool) -> Rule:
    def rule(e: Explicit, args: tuple[Expr, ...], lacks: list[Lack]) -> Lack:
        nan = disjunction(x.nan for x in lacks)
        above, below = ([x[k] for x in lacks] for k in (1, 2))
        if lowest:
            return Lack(nan, conjunction(above), disjunction(below))
        return Lack(nan, disjunction(above), conjunction(below))

    return rule


def _clip(e: Explicit, args: tuple[Expr, ...], lacks: list[Lack]) -> Lack:
    low = _extreme(False)(e, args[:2], lacks[:2])
    return _extreme(True)(e, args[1:], [low, lacks[2]])


def _xlogy(e: Explicit, args: tuple[Expr, ...], lacks: list[Lack]) -> Lack:
    (a, b), (x, y) = args, lacks
    if not (x.is_none and y.is_none):
        raise NotWritten("a condition on where xlogy has a value")
    pole = e.known(_is("eq", b, ZERO))
    nan = _and(_not(_is("eq", a, ZERO)), _is("lt", b, ZERO))
    return Lack(nan, _and(_is("lt", a, ZERO), pole), _and(_is("gt", a, ZERO), pole))


def _gamma(e: Explicit, args: tuple[Expr, ...], lacks: list[Lack]) -> Lack:
    """A gamma function, which has poles from 0 on down; only what is above 0 is known."""
    if all(x.is_none for x in lacks) and e.known(_is("le", args[0], ZERO)) == FALSE:
        return Lack()
    raise NotWritten("a condition on where a gamma function has a value")


_MINUS_ONE = Const(Fraction(-1))
_RULES: Mapping[str, Rule] = {
    "neg": _neg,
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "pow": _pow,
    "sqrt": _inside(ZERO, None, ends="above"),
    "log": _inside(ZERO, None, "below", ends="above"),
    "log2": _inside(ZERO, None, "below", ends="above"),
    "log10": _inside(ZERO, None, "below", ends="above"),
    "log1p": _inside(_MINUS_ONE, None, "below", ends="above"),
    "acosh": _inside(ONE, None, ends="above"),
    "log1mexp": _inside(None, ZERO, at_high="below"),
    "log_ndtr": _inside(None, None, ends="below"),
    "logit": _inside(ZERO, ONE, "below", "above"),
    "atanh": _inside(_MINUS_ONE, ONE, "below", "above"),
    "asin": _inside(_MINUS_ONE, ONE),
    "acos": _inside(_MINUS_ONE, ONE),
    "max": _extreme(False),
    "min": _extreme(True),
    "logaddexp": _extreme(False),
    "clip": _clip,
    "xlogy": _xlogy,
    "lgamma": _gamma,
    "digamma": _gamma,
    "trigamma": _gamma,
    "log_rising": _gamma,
    "digamma_rising": _gamma,
}
