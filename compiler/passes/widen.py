"""Which terms are computed in double precision, where single would lose digits or range.

A term is wide if rounding errors of its parts would grow in it beyond a few last places (`exp` of a
large computed number), or if a partial result can leave the range of a float where the whole does
not (`w * d^2`). Everything that it is computed of is then wide too, down to the data. What needs
more room only, such as `y - x` in a mean of such differences or in `q * (y - x)`, is wide alone:
its parts are not, unless they need room as well. So is a difference of which the sign is taken.
What is left is computed in the dtype of the data, which is faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from lossc.dsl.primitives import PRIMITIVES

from ..analyses.bounds import Bounds, Domains, Inference
from ..analyses.instances import is_instance
from ..analyses.scales import LARGEST, SLACK, SMALLEST, Scale, Scales
from ..emit.products import as_product
from ..emit.schedule import is_complement
from ..ir import (
    REAL,
    TABLE,
    Access,
    Along,
    Apply,
    Const,
    Expr,
    Program,
    Reduce,
    Select,
    Size,
    postorder,
)
from ..rules.softmax import share_of

# The rounding error that single precision may reach, in last places, before a term is wide.
LIMIT = 20.0
# How much errors are taken to grow where two terms, or the many terms of a sum, can cancel. Where
# they cancel by more, the data themselves leave the result uncertain.
CANCELLED, MIXED = 2.5, 1.5
# How much they can grow in one sum: it may be an eighth, and have last places of half that size.
# Where it is added up again with others, or raised to a power, that is felt.
MOST_CANCELLED = 16.0
LARGEST_EXPONENT = 104.0
MOST_ROUNDED = 9.5  # times 2^-24
ROUNDED = 0.5
DIGITS = 24.0
# The powers of two below the smallest float that a quotient of several data can reach.
DEEP = 64.0
# Where a term that needs room is looked for: these cost hardly more in double precision.
PLAIN = frozenset((
    "add", "sub", "mul", "div", "neg", "abs", "max", "min", "relu", "sum", "mean", "norm", "norm1",
))  # fmt: skip
POWERS = frozenset(Const(Fraction(n)) for n in (2, 3, 4))
# What is made of wide terms before they are rounded: a choice among them, or their length.
KEPT = frozenset(("max", "min", "sign", "hypot"))
PRODUCTS = frozenset(("mul", "div", "pow"))
COMPARISONS = frozenset(("lt", "le", "gt", "ge", "eq", "ne"))


def widen(programs: Iterable[Program], domains: Domains) -> frozenset[Expr]:
    """The terms of programs that are to be computed in double precision."""
    run = _Widener(Scales(Inference(domains)))
    terms = list(dict.fromkeys(t for p in programs for t in postorder(p.value)))
    for term in terms:
        run.visit(term)
    run.keep(terms)
    return frozenset(run.wide | run.roomy)


@dataclass
class _Widener:
    """The rounding error of each term, in last places, and the terms made wide so far.

    Those in `roomy` are wide alone.
    """

    scales: Scales
    errors: dict[Expr, float] = field(default_factory=dict)
    wide: set[Expr] = field(default_factory=set)
    roomy: set[Expr] = field(default_factory=set)
    numbers: set[Expr] = field(default_factory=set)

    def visit(self, term: Expr) -> None:
        """Note the error of a term whose parts are known, and make it wide where it is large."""
        if term in self.errors:
            return
        error = self.error(term) if term.kind == REAL else 0.0
        self.errors[term] = error
        if self.is_number(term):
            self.numbers.add(term)
        large = error > LIMIT or term in self.numbers or self.is_rough(term)
        if large or self.leaves_range(term) or self.decides(term):
            self.widen(term)

    def is_rough(self, term: Expr) -> bool:
        """Whether TensorFlow's float32 operation loses more than a few ulps."""
        return isinstance(term, Apply) and (PRIMITIVES[term.op].rounding or 0.0) > MOST_ROUNDED

    def is_number(self, term: Expr) -> bool:
        """Whether a term is computed of numbers alone: it is rounded once, and costs nothing."""
        parts = isinstance(term, Apply) and term.kind == REAL
        return parts and all(isinstance(p, Const | Size) or p in self.numbers for p in term.parts)

    def decides(self, term: Expr) -> bool:
        """Whether a term chooses between branches by numbers that carry more than one rounding."""
        order = isinstance(term, Reduce) and term.op in ("argmax", "argmin")
        order = order or (isinstance(term, Along) and term.op in ("rank", "argsort", "sort"))
        if order:
            return self.errors[term.parts[0]] > ROUNDED
        if not (isinstance(term, Apply) and term.op in COMPARISONS):
            return False
        if term.op in ("eq", "ne") and any(isinstance(p, Const) for p in term.parts):
            return False
        if any(map(_is_rest_of_softmax, term.parts)):
            return False
        return any(self.errors[p] > ROUNDED for p in term.parts)

    def widen(self, root: Expr) -> None:
        """Make a term wide, and all that it is computed of; of a comparison, what it compares."""
        stack = [root] if root.kind == REAL else [*root.parts]
        while stack:
            term = stack.pop()
            if term in self.wide or isinstance(term, Access | Const) or term.kind != REAL:
                continue
            self.wide.add(term)
            self.errors[term] = 0.5
            stack += term.parts

    def give_room(self, root: Expr) -> bool:
        """Make a term wide that can be too large where a mean of it is not; whether it is wide."""
        if self.is_wide(root) or root.kind != REAL or not _is_plain(root):
            return self.is_wide(root)
        if self.parts_with_room(root) or self.scales.of(root).overflows:
            self.roomy.add(root)
        return root in self.roomy

    def parts_with_room(self, term: Expr) -> int:
        """Give all parts of a term room; how many are wide, and no mere numbers."""
        return sum([self.give_room(p) and p not in self.numbers for p in term.parts])

    def keep(self, terms: Sequence[Expr]) -> None:
        """Give room, and let no wide term be rounded where it is chosen, compared or added up."""
        before = -1
        while before != (before := len(self.wide) + len(self.roomy)):
            for term in terms:
                if isinstance(term, Reduce) and _adds(term) and as_product(term) is None:
                    self.roomy.add(term)
                if _adds(term) and self.parts_with_room(term):
                    if self.is_mixed(term):
                        self.widen(term)
                    else:
                        self.roomy.update((term, *filter(self.fades, term.parts)))
                elif self.comes_into_range(term) and self.parts_with_room(term):
                    self.roomy.add(term)
                elif _is_sign_of_difference(term):
                    self.roomy.update((term, *term.parts))
                elif fading := self.fading(term):
                    self.roomy.update((term, *fading))
                elif any(map(self.is_wide, term.parts)) and not self.is_wide(term):
                    self.keep_parts(term)

    def comes_into_range(self, term: Expr) -> bool:
        """Whether a factor of a product can be too large where the other makes up for it."""
        if not (isinstance(term, Apply) and term.op == "mul"):
            return False
        a, b = (self.scales.of(p) for p in term.parts)
        return (a.overflows and b.low < 0) or (b.overflows and a.low < 0)

    def is_multiple(self, term: Expr) -> bool:
        """Whether a term is a wide one times or by a number, or less than 0 by as much."""
        if not (isinstance(term, Apply) and term.op in ("mul", "div", "neg")):
            return False
        return all(self.is_wide(p) or isinstance(p, Const | Size) for p in term.parts)

    def fading(self, term: Expr) -> list[Expr]:
        """The factors of a product that can be too small for floats where the product is not."""
        if not (isinstance(term, Apply) and term.op == "mul"):
            return []
        pairs = zip(term.args, term.args[::-1], strict=True)
        return [
            part for part, other in pairs if self.fades(part) and self.scales.of(other).high > 0
        ]

    def fades(self, part: Expr) -> bool:
        """Whether a product or quotient in single precision can be too small for it."""
        if not (isinstance(part, Apply) and part.op in ("mul", "div")) or self.is_wide(part):
            return False
        return self.scales.of(part).underflows

    def is_mixed(self, term: Expr) -> bool:
        """Whether a sum has wide parts and rounded ones, which may differ where they are equal."""
        rounded = any(self.errors[p] and not self.is_wide(p) for p in term.parts)
        return rounded and any(map(self.is_computed_wide, term.parts))

    def is_computed_wide(self, term: Expr) -> bool:
        """Whether a term is wide, and not alone: there is more in it than single precision has."""
        if term in self.roomy:
            return any(map(self.is_computed_wide, term.parts))
        return term in self.wide and term not in self.numbers

    def keep_parts(self, term: Expr) -> None:
        """Make wide what is made of wide terms at once, and all that is compared with one.

        So is a wide term times a number, which may bring it back into range.
        """
        kept = isinstance(term, Apply | Reduce) and term.op in KEPT
        if kept or self.is_multiple(term):
            self.roomy.add(term)
        elif isinstance(term, Apply) and term.op in COMPARISONS:
            self.widen(term)

    def is_wide(self, term: Expr) -> bool:
        return term in self.wide or term in self.roomy

    # --- rounding errors ------------------------------------------------------------------------

    def error(self, term: Expr) -> float:
        """The error of a term computed in single precision, in last places."""
        match term:
            case Const(value=Fraction() as value):
                return 0.0 if value.denominator & (value.denominator - 1) == 0 else 0.5
            case Access():
                return 0.0
            case Apply():
                return self.primitive(term)
            case Select():
                return max(self.errors[term.then], self.errors[term.other])
            case Reduce():
                return self.reduction(term)
            case Along():
                own = {"sort": 0.0, "cumsum": 1.0, TABLE: 0.0}.get(term.op, math.inf)
                return own + self.errors[term.body] * self.mixing(term.body)
        return 0.5

    def primitive(self, term: Apply) -> float:
        if term.op in ("add", "sub"):
            return self.sum(term)
        bounds = [self.scales.facts.of(a) for a in term.args]
        total = OWN.get(term.op, 1.0)
        for k, arg in enumerate(term.args):
            error = self.at_most(arg) if term.op == "pow" else self.errors[arg]
            if term.op in PRODUCTS and self.is_near_zero(arg):
                return math.inf
            if error and term.op == "exp" and self.is_share(arg):
                total += 1.0
            elif error and not (term.op == "xlogy" and is_complement(arg)):
                total += error * growth(term, k, bounds)
        return total

    def is_near_zero(self, term: Expr) -> bool:
        """Whether a term is a logsumexp, whose largest place can cancel with the rest's logarithm.

        In a sum its error is small beside the other terms; what multiplies it has no other.
        """
        if not (isinstance(term, Reduce) and term.op == "logsumexp"):
            return False
        return not self.scales.facts.of(term.body).nonnegative

    def is_share(self, term: Expr) -> bool:
        """Whether a term is log softmax of data, which is computed from its largest place."""
        match term:
            case Apply(op="sub", args=(x, Reduce(op="logsumexp", filter=None) as whole)):
                return not self.errors[whole.body] and is_instance(whole, x)
        return False

    def is_loss(self, term: Apply) -> bool:
        """Whether a difference is log softmax of data, or less than 0 by as much."""
        return self.is_share(term) or self.is_share(Apply("sub", term.args[::-1]))

    def sum(self, term: Apply) -> float:
        """A sum of terms of one sign keeps their errors; another can cancel."""
        if self.is_loss(term):
            return 2.0
        if not self.can_cancel(term):
            return 0.5 + max(self.errors[x] for x in term.args)
        return 0.5 + CANCELLED * max(map(self.at_most, term.args))

    def can_cancel(self, term: Apply) -> bool:
        """Whether the terms of a sum or difference may be of unlike sign."""
        a, b = (self.scales.facts.of(x) for x in term.args)
        b = -b if term.op == "sub" else b
        return not ((a.nonnegative and b.nonnegative) or (a.nonpositive and b.nonpositive))

    def at_most(self, term: Expr) -> float:
        """The error of a term if its parts cancel as far as they may, whatever multiplies them."""
        match term:
            case Apply(op="neg", args=(part,)):
                return self.at_most(part)
            case Apply(op="mul" | "div", args=args) if not self.is_wide(term):
                return 0.5 + sum(map(self.at_most, args))
            case Select(then=then, other=other):
                return max(self.at_most(then), self.at_most(other))
        is_sum = isinstance(term, Apply) and term.op in ("add", "sub")
        if not (isinstance(term, Apply) and is_sum) or self.is_wide(term) or self.is_loss(term):
            return self.errors[term]
        worst = max(self.errors[x] for x in term.args)
        if not (worst and self.can_cancel(term)):
            return self.errors[term]
        return 0.5 + MOST_CANCELLED * worst

    def reduction(self, term: Reduce) -> float:
        error = self.errors[term.body]
        match term.op:
            case "sum":
                return 1 + self.at_most(term.body) * self.mixing(term.body)
            case "mean":
                return 1 + error * self.mixing(term.body)
            case "max" | "min":
                return error
            case "norm" | "norm1":
                return 2 + error
            case "logsumexp":
                return 1 + error * MIXED
        return math.inf

    def mixing(self, body: Expr) -> float:
        """How much errors grow in a sum over the values of a term."""
        bounds = self.scales.facts.of(body)
        return 1.0 if bounds.nonnegative or bounds.nonpositive else MIXED

    # --- range ----------------------------------------------------------------------------------

    def leaves_range(self, term: Expr) -> bool:
        """Whether a part of a term can be too large or too small where the term is not."""
        if isinstance(term, Reduce) and term.op == "prod":
            body = self.scales.of(term.body)
            return body.high > 0 or body.low < 0
        if not isinstance(term, Apply):
            return False
        parts = [self.scales.of(a) for a in term.args]
        match term.op:
            case "mul":
                return self.product_leaves(term, parts)
            case "div":
                return self.quotient_leaves(term, parts)
            case "sqrt" | "cbrt" | "log" | "log1p" | "asinh" | "xlogy" | "logit" | "lgamma":
                return self.computed(term) and any(p.overflows or p.underflows for p in parts)
            case "pow":
                return self.power_leaves(term, parts[0])
            case "add" | "sub" | "lt" | "le" | "gt" | "ge" | "eq" | "ne":
                shares = any(map(self.is_logsumexp_in_range, term.args))
                over = self.computed(term) and not shares and all(p.overflows for p in parts)
                return over or (term.op in ("add", "sub") and self.addend_leaves(term, parts))
        return False

    def is_logsumexp_in_range(self, term: Expr) -> bool:
        """Whether a term is a logsumexp of terms that are not too large, so that it is not."""
        is_logsumexp = isinstance(term, Reduce) and term.op == "logsumexp"
        return is_logsumexp and not self.scales.of(term.parts[0]).overflows

    def computed(self, term: Apply) -> bool:
        return any(not isinstance(a, Access | Const) for a in term.args)

    def product_leaves(self, term: Apply, parts: list[Scale]) -> bool:
        for k in (0, 1):
            part, other = parts[k], parts[1 - k]
            if self.comes_back(term.args[k], term.args[1 - k]):
                continue
            if part.high > LARGEST + SLACK and other.low < 0:
                return True
            if part.low < SMALLEST - SLACK and other.high > SLACK:
                return True
        return False

    def comes_back(self, product: Expr, factor: Expr) -> bool:
        """Whether a product holds a factor, and a number in range: one more of it is no harm."""
        if not (isinstance(product, Apply) and product.op == "mul" and factor in product.args):
            return False
        rest = self.scales.of(product.args[product.args[0] == factor])
        return rest.high <= LARGEST + SLACK and rest.low >= SMALLEST - SLACK

    def quotient_leaves(self, term: Apply, parts: list[Scale]) -> bool:
        above, below = parts
        if above.overflows and below.high > 0:
            return True
        if above.underflows and below.low < 0:
            return True
        return (below.overflows and above.high > 2) or below.underflows

    def addend_leaves(self, term: Apply, parts: list[Scale]) -> bool:
        """Whether a quotient can be too small where what it is added to is hardly larger."""
        return any(
            isinstance(arg, Apply)
            and arg.op == "div"
            and part.low < SMALLEST - DEEP
            and other.low < SMALLEST + DIGITS
            for arg, part, other in zip(term.args, parts, parts[::-1], strict=True)
        )

    def power_leaves(self, term: Apply, base: Scale) -> bool:
        exponent = term.args[1]
        number = exponent.value if isinstance(exponent, Const) else None
        if isinstance(number, Fraction) and number >= 1:
            return False
        return self.computed(term) and (base.overflows or base.underflows)


def _is_rest_of_softmax(term: Expr) -> bool:
    """A softmax over all places but one, which is compared to choose between equal forms."""
    return isinstance(term, Reduce) and term.filter is not None and share_of(term.body) is not None


def _adds(term: Expr) -> bool:
    """Whether terms are added up, which can be too large where their sum or mean is not."""
    if isinstance(term, Reduce):
        return term.op in ("sum", "mean") and term.kind == REAL
    return isinstance(term, Apply) and term.op in ("add", "sub") and term.kind == REAL


def _is_sign_of_difference(term: Expr) -> bool:
    """Whether a sign is that of a difference, which is 0 in single precision if it is small."""
    if not (isinstance(term, Apply) and term.op == "sign"):
        return False
    (x,) = term.args
    return isinstance(x, Apply) and x.op in ("add", "sub")


def _is_plain(term: Expr) -> bool:
    """Whether a term costs hardly more in double precision."""
    if isinstance(term, Apply) and term.op == "pow":
        return term.args[1] in POWERS
    return isinstance(term, Select) or (isinstance(term, Apply | Reduce) and term.op in PLAIN)


OWN = {
    "add": 0.5, "sub": 0.5, "mul": 0.5, "div": 0.5, "neg": 0.0, "abs": 0.0, "max": 0.0, "min": 0.0,
    "sign": 0.0, "relu": 0.0, "clip": 0.0, "stop_gradient": 0.0, "sqrt": 0.5, "floor": 0.0,
    "ceil": 0.0, "round": 0.0, "pow": 2.0, "sigmoid": 2.0, "softplus": 1.0, "tanh": 2.0,
    "logaddexp": math.inf, "indicator": 0.0,
}  # fmt: skip


def growth(term: Apply, k: int, bounds: list[Bounds]) -> float:
    """How much a relative error of one argument can grow: the condition number's upper bound."""
    x = bounds[k]
    if term.op == "pow":
        return _power_growth(term, k, bounds)
    if term.op == "xlogy":
        return 1.0 if k == 0 else _logarithm(x)
    if term.op in GROWTH:
        return GROWTH[term.op](x)
    return math.inf if term.op in ROUGH else 1.0


def _power_growth(term: Apply, k: int, bounds: list[Bounds]) -> float:
    exponent = bounds[1].magnitude
    return exponent if k == 0 else LARGEST_EXPONENT


def _exponential(x: Bounds) -> float:
    return min(x.magnitude, LARGEST_EXPONENT)


def _left_tail(x: Bounds) -> float:
    return max(1.0, min(-x.low, LARGEST_EXPONENT))


def _logarithm(x: Bounds) -> float:
    if x.low >= 2 or x.high <= 0.5:
        return 1 / math.log(2)
    return math.inf


# Primitives with zeros or jumps, near which no relative error of an argument is small.
ROUGH = frozenset((
    "sin", "cos", "tan", "lgamma", "log_rising", "digamma_rising",
    "digamma", "trigamma", "logit", "floor", "ceil", "round",
    "logaddexp", "asin", "acos", "acosh", "atanh",
))  # fmt: skip
GROWTH: Mapping[str, Callable[[Bounds], float]] = {
    "exp": _exponential,
    "expm1": lambda x: max(1.0, min(x.high, LARGEST_EXPONENT)),
    "sinh": _exponential,
    "cosh": _exponential,
    "sigmoid": _left_tail,
    "softplus": _left_tail,
    "log1mexp": _left_tail,
    "log": _logarithm,
    "log2": _logarithm,
    "log10": _logarithm,
    "log1p": lambda x: 1.5 if x.low >= -0.5 else math.inf,
    "sqrt": lambda x: 0.5,
    "cbrt": lambda x: 0.4,
    "erfc": lambda x: 2 * min(max(x.high, 1.0), 10.0) ** 2,
    "ndtr": lambda x: min(max(-x.low, 1.0), 14.0) ** 2,
    "log_ndtr": lambda x: min(max(x.high, 2.0), 14.0) ** 2,
    "sign": lambda x: 0.0,
    "logcosh": lambda x: 2.0,
}  # fmt: skip
