"""Proofs that a scalar term is never below 0, by rules of increasing cost.

Every rule is sound by itself: it shows the goal, or reduces it to goals that imply it, or gives up.
What comes back is how the proof went, in words; None is no proof, and says nothing about the claim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from lossc.dsl.primitives import PRIMITIVES

from ..analyses.instances import is_instance
from ..ir import (
    Access,
    Apply,
    Const,
    Expr,
    Reduce,
    Select,
    Tensor,
    postorder,
)
from .abstraction import abstracted
from .boxes import by_boxes
from .curvature import Shapes
from .derivative import derivative
from .enclose import Enclosed, enclose
from .goal import (
    Budget,
    Goal,
    OutOfBudget,
    comparisons,
    decided,
    excess,
    put,
    split,
    swap,
    variables,
)  # fmt: skip
from .interval import INF, Interval, absolute, around
from .normal import TooLarge, is_zero, normal, polynomial_of, quotient_of
from .sums import joined, quotient
from .tangents import tangent_sum
from .tidy import ONE, ZERO, build, exchanged, negated, number, size_of, value_of
from .trial import seems_false

DEPTH = 9
WIDEST = 8  # variables for which the dearer rules are tried
LARGEST = 300
FLAT = frozenset(("add", "sub", "mul", "div", "neg"))

EXACT, NORMAL_FORM, SYMPY = "exact arithmetic", "equal normal forms", "SymPy"
BOUNDS = "interval arithmetic"
RULES = "composition rules"
SLOPE = "sign of the derivative"
STATIONARY = "convexity and a stationary point"
BOXES = "branch and bound over boxes"


@dataclass
class Prover:
    """Proves goals within a budget.

    With `any_length` the terms have reductions over axes of any length, and only rules that hold
    for those are used.
    """

    budget: Budget
    any_length: bool = False
    failed: set[tuple[Expr, object, object, bool]] = field(default_factory=set)

    def prove(self, goal: Goal) -> str | None:
        """How the goal is proved, or None."""
        if size_of(goal.term) > LARGEST:
            return None
        try:
            return self.attempt(self.simpler(goal), DEPTH, True)
        except (OutOfBudget, TooLarge, RecursionError):
            return None

    def attempt(self, goal: Goal, depth: int, boxes: bool = False) -> str | None:
        """Try each rule in turn."""
        self.budget.check()
        key = (goal.term, tuple(sorted(goal.box.items())), goal.given, goal.strict)
        if depth <= 0 or key in self.failed or size_of(goal.term) > LARGEST:
            return None
        if not self.any_length and seems_false(goal):
            self.failed.add(key)
            return None
        for rule in RULES_FOR_AXES if self.any_length else RULES_IN_ORDER:
            how = rule(self, goal, depth - 1)
            if how is not None:
                return how
        if boxes and not self.any_length:
            how = by_boxes(goal, self.budget)
            if how is not None:
                return how
        self.failed.add(key)
        return None

    def all(self, goals: Sequence[Goal], depth: int) -> str | None:
        """Prove every goal; how the hardest went."""
        found = BOUNDS
        for goal in goals:
            how = self.attempt(self.simpler(goal), depth, depth >= DEPTH - 3)
            if how is None:
                return None
            found = max(found, how, key=_rank)
        return found

    def simpler(self, goal: Goal) -> Goal:
        """A goal that implies this one, of fewer variables."""
        if self.any_length:
            return goal
        return halved(generalised(decided(goal)))

    # --- rules ------------------------------------------------------------------------------------

    def by_bounds(self, goal: Goal, depth: int) -> str | None:
        """The interval of the term, as it stands or in normal form."""
        if _holds(goal, goal.term):
            return BOUNDS
        plain = normal(goal.term, goal.positive)
        return BOUNDS if plain != goal.term and _holds(goal, plain) else None

    def by_given(self, goal: Goal, depth: int) -> str | None:
        """The term less a multiple of what the conditions say is not below 0."""
        for condition in goal.given if len(variables(goal.term)) <= WIDEST else ():
            for comparison in comparisons(condition):
                gap = excess(comparison)
                for factor in _multipliers(goal, gap[0]) if gap is not None else ():
                    assert gap is not None
                    rest = build("sub", goal.term, build("mul", factor, gap[0]))
                    strict = goal.strict and not gap[1]
                    plain = normal(rest, goal.positive)
                    if _holds(Goal(plain, goal.box, goal.given, strict), plain):
                        return RULES
        return None

    def by_minorants(self, goal: Goal, depth: int) -> str | None:
        """Convex parts replaced by lines below them, one after another."""
        if depth <= 0 or len(variables(goal.term)) > WIDEST:
            return None
        for part in reversed(postorder(goal.term)):
            lines = _minorants(part) or _instances(part, goal.term)
            sign = 1 if lines else -1
            lines = lines or _majorants(part)
            if not lines or not _is_summand(goal.term, part, sign):
                continue
            for line in lines:
                lower = goal.with_term(swap(goal.term, part, line))
                if self.by_bounds(lower, 0) or self.by_minorants(lower, min(depth, 3) - 1):
                    return RULES
            return None
        return None

    def by_parts(self, goal: Goal, depth: int) -> str | None:
        """The signs of factors, summands and arguments."""
        term = goal.term
        if not isinstance(term, Apply):
            return None
        match term.op, term.args:
            case "mul", (a, b):
                return self.signs(goal, a, b, depth)
            case "div", (a, b):
                return self.ratio(goal, a, b, depth)
            case "neg", (Apply(op="add") as inner,):
                return self.summands(goal, negated(inner.args[0]), negated(inner.args[1]), depth)
            case "neg", (Reduce(op="sum" | "mean") as inner,):
                body = negated(inner.body)
                turned = Reduce(inner.op, inner.indices, body, inner.filter, inner.result)
                return self.all([goal.with_term(turned)], depth)
            case "neg", (Apply(op="mul") as inner,):
                return self.signs(goal, negated(inner.args[0]), inner.args[1], depth)
            case "neg", (Apply(op="div") as inner,):
                return self.ratio(goal, negated(inner.args[0]), inner.args[1], depth)
            case "pow", (a, n) if goal.strict and _is_even(value_of(n)):
                return self.nonzero(goal, a, depth)
            case "add", (a, b):
                return self.summands(goal, a, b, depth)
            case "sub", (a, b):
                return self.difference(goal, a, b, depth)
            case "log", (a,):
                return self.all([goal.with_term(build("sub", a, ONE))], depth)
        return None

    def difference(self, goal: Goal, a: Expr, b: Expr, depth: int) -> str | None:
        """`exp(x) >= exp(y)` if `x >= y`, and so on for functions that rise strictly."""
        if isinstance(a, Apply) and isinstance(b, Apply) and a.op == b.op and len(a.args) == 1:
            words = PRIMITIVES[a.op].monotone
            if words == ("inc",) and a.op not in ("sign", "floor", "ceil", "round"):
                return self.all([goal.with_term(build("sub", a.args[0], b.args[0]))], depth)
        return self.roots(goal, a, b, depth)

    def roots(self, goal: Goal, a: Expr, b: Expr, depth: int) -> str | None:
        """`sqrt(s) >= b` if `s >= b^2`."""
        square = None
        if isinstance(a, Apply) and a.op == "sqrt":
            square = a.args[0]
        elif isinstance(a, Apply) and a.op == "hypot":
            square = build("add", *(build("pow", x, number(2)) for x in a.args))
        if square is None:
            return None
        gap = normal(build("sub", square, build("pow", b, number(2))), goal.positive)
        return self.all([goal.with_term(gap)], depth)

    def signs(self, goal: Goal, a: Expr, b: Expr, depth: int) -> str | None:
        both = self.all([goal.with_term(a), goal.with_term(b)], depth)
        if both is not None:
            return both
        return self.all([goal.with_term(negated(a)), goal.with_term(negated(b))], depth)

    def ratio(self, goal: Goal, a: Expr, b: Expr, depth: int) -> str | None:
        """As a product; but `a / 0` has the sign of a, and `a / inf` is 0."""
        below = Goal(b, goal.box, goal.given, goal.strict)
        if goal.strict and not is_finite(enclose(b, goal.box)):
            return None
        both = self.all([goal.with_term(a), below], depth)
        if both is not None:
            return both
        below = Goal(negated(b), goal.box, goal.given, True)
        return self.all([goal.with_term(negated(a)), below], depth)

    def nonzero(self, goal: Goal, a: Expr, depth: int) -> str | None:
        for side in (a, negated(a)):
            how = self.all([goal.with_term(side)], depth)
            if how is not None:
                return how
        return None

    def summands(self, goal: Goal, a: Expr, b: Expr, depth: int) -> str | None:
        loose = Goal(a, goal.box, goal.given)
        for x, y in ((a, b), (b, a)) if goal.strict else ((a, b),):
            how = self.all([goal.with_term(x), loose.with_term(y)], min(depth, 3))
            if how is not None:
                return how
        return None

    def by_cases(self, goal: Goal, depth: int) -> str | None:
        """The cases at which the formula switches."""
        cases = split(goal)
        return None if cases is None else self.all(cases, depth)

    def by_corners(self, goal: Goal, depth: int) -> str | None:
        """A term linear in a variable is least at an end of its interval."""
        given = {name for condition in goal.given for name in variables(condition)}
        for name in sorted(variables(goal.term) - given):
            interval = goal.box.get(name)
            if interval is None or not interval.is_bounded or not _is_linear(goal.term, name):
                continue
            ends = _ends(goal, name, interval)
            how = self.all(ends, depth)
            if how is not None:
                return how
        return None

    def by_slope(self, goal: Goal, depth: int) -> str | None:
        """A term that rises in a variable is least at its lower end."""
        if goal.given or _switches(goal.term):
            return None
        for name in sorted(variables(goal.term)):
            self.budget.check()
            if name not in goal.box or not is_continuous(goal, name):
                continue
            slope = normal(derivative(goal.term, name), goal.positive)
            for sign in (1, -1):
                end = _end_of(goal, name, sign)
                if end is None or not is_regular(goal, name, end[0]):
                    continue
                rising = Goal(slope if sign > 0 else negated(slope), goal.box)
                if not self.is_signed(rising, depth):
                    continue
                strict = goal.strict and not (end[1] and self.is_signed(
                    Goal(rising.term, goal.box, (), True), depth))  # fmt: skip
                at = Goal(put(goal.term, name, number(end[0])), goal.box, (), strict)
                how = self.all([at], depth)
                if how is not None:
                    return max(SLOPE, how, key=_rank)
        return None

    def is_signed(self, goal: Goal, depth: int) -> bool:
        """Whether cheap rules show a sign."""
        simple = self.simpler(goal)
        if seems_false(simple):
            return False
        cheap = (Prover.by_bounds, Prover.by_minorants, Prover.by_parts)
        return any(rule(self, simple, min(depth, 3)) is not None for rule in cheap)

    def by_stationary(self, goal: Goal, depth: int) -> str | None:
        """A convex term is least where its derivative is 0."""
        if goal.given or _switches(goal.term):
            return None
        for name in sorted(variables(goal.term)):
            self.budget.check()
            if name not in goal.box or not self.is_convex(goal, name, depth):
                continue
            slope = derivative(goal.term, name)
            for point in _candidates(goal, name, slope):
                flat = put(slope, name, point)
                if not is_zero(flat, goal.positive) or not _inside(goal, name, point):
                    continue
                how = self.all(
                    [Goal(put(goal.term, name, point), goal.box, (), goal.strict)], depth
                )
                if how is not None:
                    return max(STATIONARY, how, key=_rank)
        return None

    def is_convex(self, goal: Goal, name: str, depth: int) -> bool:
        """Whether the term is convex in a variable."""
        if Shapes(goal.term, frozenset((name,)), goal.box).of(goal.term).convex:
            return True
        if not is_continuous(goal, name):
            return False
        slope = normal(derivative(goal.term, name), goal.positive)
        inner = goal.box[name]._replace(low_open=True, high_open=True)
        if not is_continuous(Goal(slope, {**goal.box, name: inner}), name):
            return False
        bend = derivative(slope, name)
        return self.is_signed(Goal(normal(bend, goal.positive), goal.box), depth)

    def by_reduction(self, goal: Goal, depth: int) -> str | None:
        """A sum, a mean or a least value of terms that are not below 0."""
        term = goal.term
        if not isinstance(term, Reduce) or term.op not in ("sum", "mean", "max", "min"):
            return None
        if term.filter is not None and (goal.strict or term.op == "max"):  # of nothing: 0, -inf
            return None
        body = goal.with_term(term.body)
        how = self.all([body], depth)
        if how is not None:
            return how
        scalars = abstracted(body)
        return None if scalars is None else Prover(self.budget.part(0.5)).prove(scalars)

    def by_quotient(self, goal: Goal, depth: int) -> str | None:
        """`a / b` has the sign of a where b is not below 0."""
        parts = quotient(goal.term, goal.positive)
        if parts is None or not _holds(Goal(parts[1], goal.box, goal.given), parts[1]):
            return None
        if goal.strict and not is_finite(enclose(parts[1], goal.box)):
            return None
        how = self.all([goal.with_term(parts[0])], depth)
        return hardest(RULES, how) if how else None

    def by_joined_sums(self, goal: Goal, depth: int) -> str | None:
        """Sums over the same places as one sum."""
        whole = joined(goal.term)
        how = None if whole is None else self.all([goal.with_term(whole)], depth)
        return hardest(RULES, how) if how else None

    def by_tangents(self, goal: Goal, depth: int) -> str | None:
        """A sum of logarithms over distributions, by their tangents."""
        lower = tangent_sum(goal.term, goal.box, _is_summand)
        if lower is None or goal.strict:
            return None
        how = self.all([goal.with_term(lower)], depth)
        return hardest(RULES, how) if how else None

    def by_factors(self, goal: Goal, depth: int) -> str | None:
        """The normal form, its common factors outside."""
        plain = normal(goal.term, goal.positive)
        if plain == goal.term:
            return None
        return self.all([goal.with_term(plain)], depth)


Rule = Callable[[Prover, Goal, int], str | None]
RULES_IN_ORDER: tuple[Rule, ...] = (
    Prover.by_bounds,
    Prover.by_given,
    Prover.by_minorants,
    Prover.by_parts,
    Prover.by_cases,
    Prover.by_factors,
    Prover.by_corners,
    Prover.by_stationary,
    Prover.by_slope,
    Prover.by_quotient,
)
RULES_FOR_AXES: tuple[Rule, ...] = (
    Prover.by_bounds,
    Prover.by_minorants,
    Prover.by_parts,
    Prover.by_tangents,
    Prover.by_reduction,
    Prover.by_quotient,
    Prover.by_joined_sums,
)
ORDER = (EXACT, NORMAL_FORM, BOUNDS, RULES, SLOPE, STATIONARY, SYMPY, BOXES)


def _rank(how: str) -> int:
    return next((k for k, name in enumerate(ORDER) if how.startswith(name)), len(ORDER))


def hardest(first: str, second: str) -> str:
    """The one of two proofs that took more."""
    return max(first, second, key=_rank)


def _is_even(n: Fraction | None) -> bool:
    """Whether a number is an even exponent above 0."""
    return n is not None and n > 0 and n % 2 == 0


def is_finite(a: Interval) -> bool:
    """Whether infinity is not in an interval."""
    return INF not in a and -INF not in a


def _holds(goal: Goal, term: Expr) -> bool:
    found = enclose(term, goal.box)
    return not found.is_empty and (found.positive if goal.strict else found.nonnegative)


# --- fewer variables ------------------------------------------------------------------------------


def generalised(goal: Goal, kept: frozenset[str] = frozenset()) -> Goal:
    """Flat expressions whose variables stand nowhere else, as variables of their own.

    Those of variables that are `kept` stay as they are.
    """
    while True:
        new = _generalised_once(goal, kept)
        if new is None:
            return goal
        goal = new


def _generalised_once(goal: Goal, kept: frozenset[str]) -> Goal | None:
    whole = (goal.term, *goal.given)
    order = postorder(*whole)
    users: dict[Expr, set[Expr]] = {}
    for part in order:
        for p in part.parts:
            users.setdefault(p, set()).add(part)
    box, fresh = dict(goal.box), dict[Expr, Expr]()
    for part in order:
        if part in whole or not isinstance(part, Apply) or part.op not in FLAT:
            continue
        own = {a for a in part.args if isinstance(a, Access)}
        flat = all(isinstance(a, Access | Const) for a in part.args)
        if not own or not flat or any(users[a] != {part} for a in own) or own & set(whole):
            continue
        names = sorted(a.tensor.name for a in own)
        if kept & set(names):
            continue
        new = Access(Tensor(f"({'+'.join(names)})", ()))
        box = {n: i for n, i in box.items() if n not in names}
        box[new.tensor.name] = enclose(part, goal.box)
        fresh[part] = new
    if not fresh:
        return None
    given = tuple(exchanged(c, fresh) for c in goal.given)
    return Goal(exchanged(goal.term, fresh), box, given, goal.strict)


def halved(goal: Goal) -> Goal:
    """A term even in a variable, over the absolute values of its interval."""
    names = variables(goal.term)
    for name in sorted(names) if len(names) <= WIDEST else ():
        interval = goal.box.get(name)
        if interval is None or interval.low >= 0 or goal.given:
            continue
        variable = Access(Tensor(name, ()))
        mirrored = put(goal.term, name, negated(variable))
        if mirrored == goal.term or is_zero(build("sub", mirrored, goal.term), goal.positive):
            box = {**goal.box, name: absolute(interval)}
            goal = decided(Goal(goal.term, box, (), goal.strict))
    return goal


# --- parts of rules -------------------------------------------------------------------------------


def _multipliers(goal: Goal, gap: Expr) -> Iterator[Expr]:
    """Numbers by which a condition's excess may cancel a monomial of the term."""
    yield ONE
    term, other = quotient_of(goal.term), quotient_of(gap)
    if term is None or other is None:
        return
    for monomial, c in other.top.items():
        if monomial and term.top.get(monomial, Fraction(0)) / c > 0:
            yield number(term.top[monomial] / c)


def _minorants(part: Expr) -> list[Expr]:
    """Lines below a convex function, and above minus a concave one."""
    if not isinstance(part, Apply):
        return []
    match part.op, part.args:
        case "softplus", (x,):
            return [x, ZERO]
        case "logaddexp" | "max", (x, y):
            return [x, y]
        case "abs", (x,):
            return [x, negated(x)]
        case "hypot", (x, y):
            return [x, negated(x), y, negated(y)]
        case "exp", (x,):
            return [build("add", ONE, x)]
    return []


def _majorants(part: Expr) -> list[Expr]:
    """Lines above a concave function."""
    if not isinstance(part, Apply):
        return []
    match part.op, part.args:
        case "log", (x,):
            return [build("sub", x, ONE)]
        case "min", (x, y):
            return [x, y]
    return []


def _instances(part: Expr, term: Expr) -> list[Expr]:
    """Terms that a largest value, or log-sum-exp, is taken over."""
    if not isinstance(part, Reduce) or part.op not in ("max", "logsumexp"):
        return []
    return [t for t in postorder(term) if t != part.body and is_instance(part, t)]


def _is_summand(term: Expr, part: Expr, sign: int = 1) -> bool:
    """Whether a part stands in a term only as a summand with a factor of a sign."""
    if term == part:
        return sign > 0
    if not isinstance(term, Apply) or term.op not in ("add", "sub", "neg", "mul"):
        return False
    a, b = term.args[0], term.args[-1]
    if term.op == "mul":
        factor, rest = (a, b) if value_of(a) is not None else (b, a)
        size = value_of(factor)
        return bool(size) and _is_summand(rest, part, sign if (size or 0) > 0 else -sign)
    if term.op == "neg":
        return _is_summand(a, part, -sign)
    signs = (sign, sign if term.op == "add" else -sign)
    return all(_is_summand(x, part, s) for x, s in zip((a, b), signs, strict=True)
               if part in postorder(x))  # fmt: skip


def _switches(term: Expr) -> bool:
    """Whether a term has branches or steps."""
    steps = ("abs", "max", "min", "sign", "indicator", "floor", "ceil", "round", "atan2", "tan")
    return any(isinstance(t, Select) or (isinstance(t, Apply) and t.op in steps)
               for t in postorder(term))  # fmt: skip


def _is_linear(term: Expr, name: str) -> bool:
    top = polynomial_of(term)
    if top is None:
        return False
    for monomial in top:
        uses = [(a, n) for a, n in monomial if name in variables(a)]
        if uses and not (len(uses) == 1 and isinstance(uses[0][0], Access) and uses[0][1] == 1):
            return False
    return True


def _ends(goal: Goal, name: str, interval: Interval) -> list[Goal]:
    """The goals at both ends; between open ends one of them must be strict."""
    ends = []
    for x, is_open in ((interval.low, interval.low_open), (interval.high, interval.high_open)):
        at = put(goal.term, name, number(Fraction(x)))
        both_open = interval.low_open and interval.high_open
        strict = goal.strict and (not is_open or both_open)
        ends.append(Goal(at, goal.box, goal.given, strict))
    return ends


def _end_of(goal: Goal, name: str, sign: int) -> tuple[Fraction, bool] | None:
    """The end at which a rising (or falling) term is least, and whether it is open."""
    i = goal.box[name]
    x, is_open = (i.low, i.low_open) if sign > 0 else (i.high, i.high_open)
    return (Fraction(x), is_open) if abs(x) < INF else None


SINGULAR = frozenset(("log", "logit", "atanh", "lgamma", "digamma", "trigamma", "log_ndtr"))


def is_continuous(goal: Goal, name: str) -> bool:
    """Whether a term has no jump on an interval, and a value everywhere inside it."""
    known = Enclosed(goal.box)
    own = goal.box[name]._replace(low_open=True, high_open=True)
    inner = Enclosed({**goal.box, name: own})
    parts = list(_dependent(goal.term, name))
    return all(_is_defined(p, name, known) and _has_value(p, inner) for p in parts)


def is_regular(goal: Goal, name: str, end: Fraction) -> bool:
    """Whether a term is continuous and finite at an end of an interval, too."""
    known = Enclosed({**goal.box, name: around(end)})
    return all(
        _is_defined(p, name, known)
        and _has_value(p, known)
        and isinstance(p, Apply)
        and (p.op not in SINGULAR or _is_within(p, known[p.args[0]]))
        for p in _dependent(goal.term, name)
    )


def _dependent(term: Expr, name: str) -> Iterator[Expr]:
    """The parts of a term that a variable reaches, itself left out."""
    reached: set[Expr] = set()
    for part in postorder(term):
        is_it = isinstance(part, Access) and part.tensor.name == name
        if is_it or any(p in reached for p in part.parts):
            reached.add(part)
            if not isinstance(part, Access):
                yield part


def _is_within(part: Apply, interval: Interval) -> bool:
    """Whether an interval stays away from the ends of a function's domain."""
    domain = PRIMITIVES[part.op].domain[0]
    low = 0 if part.op in ("lgamma", "digamma", "trigamma") else domain.low
    above = low is None or interval.low > low
    return above and (domain.high is None or interval.high < domain.high)


def _is_defined(part: Expr, name: str, known: Enclosed) -> bool:
    """Whether a part is defined, and continuous in the extended reals, over a box."""
    if not isinstance(part, Apply) or not PRIMITIVES[part.op].continuous:
        return False
    inside: list[Interval] = [known[a] for a in part.args]
    match part.op:
        case "div":
            return 0 not in inside[1]
        case "pow":
            n = value_of(part.args[1])
            if n is not None and n.denominator == 1 and n >= 0:
                return True
            return inside[0].positive or (n is not None and n > 0 and inside[0].nonnegative)
        case "xlogy":
            fixed = name not in variables(part.args[0])
            return inside[1].positive or (fixed and inside[1].nonnegative)
        case "lgamma" | "digamma" | "trigamma":
            return inside[0].positive
    row = PRIMITIVES[part.op]
    pairs = zip(
        inside, (row.domain[min(k, row.arity - 1)] for k in range(len(inside))), strict=True
    )
    return all(
        (d.low is None or i.low >= d.low) and (d.high is None or i.high <= d.high) for i, d in pairs
    )


def _has_value(part: Expr, known: Enclosed) -> bool:
    """Whether infinite arguments leave a primitive a value that does not jump."""
    assert isinstance(part, Apply)
    inside: list[Interval] = [known[a] for a in part.args]
    match part.op:
        case "add" | "sub" | "div":
            return sum(not is_finite(i) for i in inside) < 2
        case "mul":
            return not any(0 in i and not is_finite(j) for i, j in (inside, inside[::-1]))
        case "sin" | "cos":
            return is_finite(inside[0])
    return True


def _candidates(goal: Goal, name: str, slope: Expr) -> Iterator[Expr]:
    """Points at which a derivative may be 0: other variables, small numbers, a linear solution."""
    solution = solved(slope, name, goal.positive)
    if solution is not None:
        yield solution
    yield from (Access(Tensor(n, ())) for n in sorted(variables(goal.term)) if n != name)
    yield from (number(n) for n in (0, 1, -1, 2, Fraction(1, 2)))


def solved(slope: Expr, name: str, positive: frozenset[str]) -> Expr | None:
    """The solution of a linear equation."""
    ratio = quotient_of(slope, positive)
    if ratio is None:
        return None
    factor: Expr = ZERO
    rest: Expr = ZERO
    for monomial, c in ratio.top.items():
        term: Expr = number(c)
        power = Fraction(0)
        for atom, n in monomial:
            if isinstance(atom, Access) and atom.tensor.name == name:
                power += n
            elif name in variables(atom):
                return None
            else:
                term = build("mul", term, build("pow", atom, number(n)))
        if power not in (0, 1):
            return None
        factor, rest = (build("add", factor, term), rest) if power else (
            factor, build("add", rest, term))  # fmt: skip
    if factor == ZERO:
        return None
    return normal(build("div", negated(rest), factor), positive)


def _inside(goal: Goal, name: str, point: Expr) -> bool:
    """Whether a point surely lies in the interval of a variable."""
    if name in variables(point):
        return False
    own, other = goal.box[name], enclose(point, goal.box)
    low = other.low > own.low or (other.low == own.low)
    high = other.high < own.high or (other.high == own.high)
    return not other.is_empty and low and high
