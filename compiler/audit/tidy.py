"""Terms with small simplifications, of the same real value, that proofs by rules rest on.

What stands in several forms is brought to one: `log1p`, `relu` and `clip` are written in more basic
primitives, `log(1 + exp(x))` is softplus, `sqrt(x^2 + y^2)` is hypot, and operands that commute are
put in one order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from ..analyses.instances import COMMUTING
from ..fold import apply as folded
from ..fold import select
from ..ir import BOOL, NONE, Apply, Const, Expr, Select, postorder, with_parts


def number(value: Fraction | int) -> Const:
    """An exact number as a term."""
    return Const(Fraction(value))


ZERO, ONE, TWO, HALF = number(0), number(1), number(2), number(Fraction(1, 2))
TRUE, FALSE = Const(True), Const(False)
INF = Const("inf")
MINUS_INF = Apply("neg", (INF,))
LARGEST_FACTORIAL = 20
AT_ZERO: Mapping[str, Expr] = {
    "exp": ONE, "sin": ZERO, "cos": ONE, "tan": ZERO, "asin": ZERO, "atan": ZERO, "sinh": ZERO,
    "cosh": ONE, "tanh": ZERO, "asinh": ZERO, "atanh": ZERO, "sigmoid": HALF, "erf": ZERO,
    "erfc": ONE, "ndtr": HALF, "sqrt": ZERO, "cbrt": ZERO, "log": MINUS_INF,
    "softplus": Apply("log", (TWO,)), "log_ndtr": Apply("neg", (Apply("log", (TWO,)),)),
}  # fmt: skip
EXACT: Mapping[str, Callable[..., Fraction | int]] = {
    "abs": abs,
    "sign": lambda x: (x > 0) - (x < 0),
    "max": max,
    "min": min,
    "floor": math.floor,
    "ceil": math.ceil,
    "round": round,
}
COMPARED: Mapping[str, Callable[[Fraction, Fraction], bool]] = {
    "lt": lambda x, y: x < y,
    "le": lambda x, y: x <= y,
    "gt": lambda x, y: x > y,
    "ge": lambda x, y: x >= y,
    "eq": lambda x, y: x == y,
    "ne": lambda x, y: x != y,
}


def tidy(term: Expr) -> Expr:
    """A whole term, simplified."""
    done: dict[Expr, Expr] = {}
    for t in postorder(term):
        done[t] = tidied(with_parts(t, [done[p] for p in t.parts]))
    return done[term]


def exchanged(term: Expr, values: Mapping[Expr, Expr], order: Sequence[Expr] | None = None) -> Expr:
    """A tidy term with other tidy terms in place of some of its parts, all at once.

    `order` are its parts, itself last, where they are known.
    """
    moved = dict(values)
    for t in postorder(term) if order is None else order:
        if t not in moved and any(p in moved for p in t.parts):
            moved[t] = tidied(with_parts(t, [moved.get(p, p) for p in t.parts]))
    return moved.get(term, term)


def build(op: str, *args: Expr) -> Expr:
    """A primitive of tidy terms, simplified."""
    if op in COMMUTING and len(args) == 2 and args[1].key < args[0].key:
        args = (args[1], args[0])
    return tidied(folded(op, args))


def tidied(term: Expr) -> Expr:
    """A term of tidy parts, simplified at its head."""
    if isinstance(term, Select):
        return _branch(term)
    if not isinstance(term, Apply):
        return term
    exact = _exact(term)
    if exact is not None:
        return exact
    if term.op in COMMUTING:
        term = _ordered(term)
    rule = _RULES.get(term.op)
    found = rule(*term.args) if rule is not None else None
    if found is not None:
        return found
    if term.op in AT_ZERO and term.args[0] == ZERO:
        return AT_ZERO[term.op]
    return term


def _branch(term: Select) -> Expr:
    if isinstance(term.condition, Const) or term.then == term.other:
        return select(term.condition, term.then, term.other)
    return term


def _ordered(term: Apply) -> Apply:
    args = tuple(sorted(term.args, key=lambda a: a.key))
    return term if args == term.args else Apply(term.op, args, term.kind)


def _exact(term: Apply) -> Expr | None:
    """The value of a primitive of exact numbers, where it is one."""
    values = [a.value for a in term.args if isinstance(a, Const)]
    if len(values) < len(term.args):
        return None
    if term.op == "indicator":
        return ONE if values[0] else ZERO
    numbers = [v for v in values if isinstance(v, Fraction)]
    if len(numbers) < len(values):
        again = folded(term.op, term.args)
        return again if isinstance(again, Const) else None
    if term.op in EXACT:
        return number(EXACT[term.op](*numbers))
    if term.op in COMPARED:
        return Const(COMPARED[term.op](*numbers))
    again = folded(term.op, term.args)
    return again if isinstance(again, Const) and again.value != "huge" else None


def value_of(term: Expr) -> Fraction | None:
    """The number that a term is."""
    if isinstance(term, Const) and isinstance(term.value, Fraction):
        return term.value
    return None


def is_op(term: Expr, op: str) -> bool:
    """Whether a term is a primitive of that name."""
    return isinstance(term, Apply) and term.op == op


def negated(term: Expr) -> Expr:
    """`-term`."""
    return build("neg", term)


# --- arithmetic ---------------------------------------------------------------------------------


def _add(x: Expr, y: Expr) -> Expr | None:
    for a, b in ((x, y), (y, x)):
        if a == ZERO:
            return b
        if isinstance(b, Apply) and b.op == "neg":
            return build("sub", a, b.args[0])
        if isinstance(b, Apply) and b.op == "sub" and b.args[1] == a:
            return b.args[0]
    return build("mul", TWO, x) if x == y else None


def _sub(x: Expr, y: Expr) -> Expr | None:
    if y == ZERO or x == y:
        return ZERO if x == y else x
    if x == ZERO:
        return negated(y)
    if isinstance(y, Apply) and y.op == "neg":
        return build("add", x, y.args[0])
    if isinstance(y, Apply) and y.op == "sub" and y.args[0] == x:
        return y.args[1]
    if isinstance(y, Apply) and y.op == "add" and x in y.args:
        return negated(y.args[1] if y.args[0] == x else y.args[0])
    if isinstance(x, Apply) and x.op == "add" and y in x.args:
        return x.args[1] if x.args[0] == y else x.args[0]
    if isinstance(x, Apply) and x.op == "sub" and x.args[0] == y:
        return negated(x.args[1])
    if x == ONE and isinstance(y, Apply) and y.op == "sigmoid":
        return build("sigmoid", negated(y.args[0]))
    return None


def _mul(x: Expr, y: Expr) -> Expr | None:
    for a, b in ((x, y), (y, x)):
        if a in (ZERO, ONE):
            return ZERO if a == ZERO else b
        if a == number(-1):
            return negated(b)
        if isinstance(a, Apply) and a.op == "neg":
            return negated(build("mul", a.args[0], b))
        if isinstance(a, Apply) and a.op == "div" and a.args[1] == b:
            return a.args[0]
        if value_of(a) is not None and isinstance(b, Apply) and b.op == "mul":
            for c, rest in (b.args, b.args[::-1]):
                if value_of(c) is not None:
                    return build("mul", build("mul", a, c), rest)
    return build("pow", x, TWO) if x == y else None


def _div(x: Expr, y: Expr) -> Expr | None:
    if x == ZERO or y == ONE:
        return x
    if x == y:
        return ONE
    value = value_of(y)
    if value:
        return build("mul", number(1 / value), x)
    if isinstance(x, Apply) and x.op == "neg":
        return negated(build("div", x.args[0], y))
    if isinstance(y, Apply) and y.op == "neg":
        return negated(build("div", x, y.args[0]))
    if x == ONE and isinstance(y, Apply) and y.op == "add" and ONE in y.args:
        rest = y.args[0] if y.args[1] == ONE else y.args[1]
        if isinstance(rest, Apply) and rest.op == "exp":
            return build("sigmoid", negated(rest.args[0]))
    return None


def _neg(x: Expr) -> Expr | None:
    if isinstance(x, Apply) and x.op == "neg":
        return x.args[0]
    if isinstance(x, Apply) and x.op == "sub":
        return build("sub", x.args[1], x.args[0])
    if isinstance(x, Apply) and x.op == "mul":
        for c, rest in (x.args, x.args[::-1]):
            value = value_of(c)
            if value is not None:
                return build("mul", number(-value), rest)
    return None


def _pow(x: Expr, y: Expr) -> Expr | None:
    n = value_of(y)
    if y == ZERO or x == ONE:
        return ONE
    if n is None:
        return None
    if n == 1:
        return x
    if x == ZERO and n > 0:
        return ZERO
    if n == Fraction(1, 2):
        return build("sqrt", x)
    if n.denominator == 1 and n % 2 == 0 and isinstance(x, Apply):
        plain = unsigned(x)
        if plain != x:
            return build("pow", plain, y)
        if x.op == "abs":
            return build("pow", x.args[0], y)
    if n == 2 and isinstance(x, Apply) and x.op == "sqrt":
        return x.args[0]
    return None


def unsigned(x: Expr) -> Expr:
    """The one of `x` and `-x` that stands for both."""
    if isinstance(x, Apply) and x.op == "neg":
        return unsigned(x.args[0])
    if isinstance(x, Apply) and x.op == "sub" and x.args[1].key < x.args[0].key:
        return build("sub", x.args[1], x.args[0])
    if isinstance(x, Apply) and x.op in ("mul", "div"):
        return build(x.op, unsigned(x.args[0]), unsigned(x.args[1]))
    value = value_of(x)
    return x if value is None else number(abs(value))


# --- functions ----------------------------------------------------------------------------------


def _abs(x: Expr) -> Expr | None:
    if isinstance(x, Apply) and x.op in ("abs", "exp", "sqrt", "softplus", "sigmoid", "hypot"):
        return x
    plain = unsigned(x)
    return build("abs", plain) if plain != x else None


def _log(x: Expr) -> Expr | None:
    if not isinstance(x, Apply):
        return ZERO if x == ONE else None
    if x.op == "exp":
        return x.args[0]
    if x.op == "sigmoid":
        return negated(build("softplus", negated(x.args[0])))
    if x.op == "add":
        for one, rest in (x.args, x.args[::-1]):
            if one == ONE and isinstance(rest, Apply) and rest.op == "exp":
                return build("softplus", rest.args[0])
        a, b = x.args
        if is_op(a, "exp") and is_op(b, "exp"):
            return build("logaddexp", a.parts[0], b.parts[0])
    return None


def _sqrt(x: Expr) -> Expr | None:
    value = value_of(x)
    if value is not None and value > 0:
        root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
        return number(root) if root * root == value else None
    root_of = _root(x)
    if root_of is not None:
        return build("abs", root_of)
    if isinstance(x, Apply) and x.op == "add":
        a, b = (_root(part) for part in x.args)
        return build("hypot", a, b) if a is not None and b is not None else None
    return None


def _root(x: Expr) -> Expr | None:
    """The term of which another is the square."""
    if isinstance(x, Apply) and x.op == "pow" and x.args[1] == TWO:
        return x.args[0]
    value = value_of(x)
    if value is None or value <= 0:
        return None
    root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
    return number(root) if root * root == value else build("sqrt", x)


def _hypot(x: Expr, y: Expr) -> Expr | None:
    for a, b in ((x, y), (y, x)):
        if a == ZERO:
            return build("abs", b)
    plain = (unsigned(x), unsigned(y))
    return build("hypot", *plain) if plain != (x, y) else None


def _logaddexp(x: Expr, y: Expr) -> Expr | None:
    for a, b in ((x, y), (y, x)):
        if a == MINUS_INF:
            return b
        if a == ZERO:
            return build("softplus", b)
    return None


def _largest(*x: Expr) -> Expr | None:
    kept = tuple(dict.fromkeys(a for a in x if a != MINUS_INF))
    return _fewer("max", x, kept)


def _smallest(*x: Expr) -> Expr | None:
    kept = tuple(dict.fromkeys(a for a in x if a != INF))
    return _fewer("min", x, kept)


def _fewer(op: str, given: tuple[Expr, ...], kept: tuple[Expr, ...]) -> Expr | None:
    if not kept:
        return given[0]
    if len(kept) == 1:
        return kept[0]
    if len(kept) > 2:
        return build(op, build(op, *kept[:-1]), kept[-1])
    return build(op, *kept) if kept != given else None


def _xlogy(x: Expr, y: Expr) -> Expr | None:
    value = value_of(x)
    if value is None:
        return None
    return ZERO if value == 0 else build("mul", x, build("log", y))


def _lgamma(x: Expr) -> Expr | None:
    value = value_of(x)
    if value is None or value.denominator != 1 or not 1 <= value <= LARGEST_FACTORIAL:
        return None
    return build("log", number(math.factorial(int(value) - 1)))


def _indicator(x: Expr) -> Expr | None:
    return None if x.kind == BOOL else x


def _compared(op: str) -> Callable[[Expr, Expr], Expr | None]:
    def rule(x: Expr, y: Expr) -> Expr | None:
        if x == y and x.kind not in (BOOL, NONE):
            return Const(op in ("le", "ge", "eq"))
        return None

    return rule


_OPPOSITE = {"lt": "ge", "le": "gt", "gt": "le", "ge": "lt", "eq": "ne", "ne": "eq"}


def _not(x: Expr) -> Expr | None:
    if isinstance(x, Apply) and x.op in _OPPOSITE:
        return Apply(_OPPOSITE[x.op], x.args, BOOL)
    if isinstance(x, Apply) and x.op in ("and", "or"):
        other = "or" if x.op == "and" else "and"
        return build(other, *(build("not", a) for a in x.args))
    return x.args[0] if isinstance(x, Apply) and x.op == "not" else None


def _log10(base: int) -> Callable[[Expr], Expr]:
    return lambda x: build("div", build("log", x), build("log", number(base)))


def _rising(op: str) -> Callable[[Expr, Expr], Expr]:
    return lambda x, y: build("sub", build(op, build("add", x, y)), build(op, x))


_RULES: Mapping[str, Callable[..., Expr | None]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "neg": _neg,
    "pow": _pow,
    "abs": _abs,
    "log": _log,
    "sqrt": _sqrt,
    "hypot": _hypot,
    "logaddexp": _logaddexp,
    "max": _largest,
    "min": _smallest,
    "xlogy": _xlogy,
    "lgamma": _lgamma,
    "indicator": _indicator,
    "not": _not,
    "exp": lambda x: x.args[0] if is_op(x, "log") else None,
    "stop_gradient": lambda x: x,
    "log1p": lambda x: build("log", build("add", ONE, x)),
    "expm1": lambda x: build("sub", build("exp", x), ONE),
    "log_rising": _rising("lgamma"),
    "digamma_rising": _rising("digamma"),
    "log2": _log10(2),
    "log10": _log10(10),
    "relu": lambda x: build("max", ZERO, x),
    "clip": lambda x, low, high: build("min", build("max", x, low), high),
    "isnan": lambda x: FALSE,
    "isfinite": lambda x: TRUE,
    **{op: _compared(op) for op in COMPARED},
}


def size_of(term: Expr) -> int:
    """The number of distinct parts."""
    return len(postorder(term))
