"""Linear inequalities over whole numbers: what a condition says of indices and sizes.

A condition is read as cases, one of which holds; each is a set of inequalities `0 <= const + sum
of coefficient * variable`. Whether a case can hold is decided by eliminating one variable after
the other (Fourier and Motzkin), each inequality rounded to whole numbers on the way. Where the
coefficient of an eliminated variable is 1 or -1 on one side, nothing is lost; elsewhere a case that
cannot hold may look as if it could.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor, gcd, lcm

from .affine import Affine
from .ir import INT, Apply, Axis, Bound, Const, Dim, Expr, Position, Range, Select, Size, Symbol

MOST_CASES = 64
MOST_INEQUALITIES = 300

# An index, the size of an axis, or an integer that is another kind of term.
Variable = Symbol | Bound | Axis | Expr
Sum = tuple[Fraction, dict[Variable, Fraction]]


@dataclass(frozen=True, slots=True)
class Inequality:
    """`0 <= const + sum(coefficient * variable)`, in the smallest whole numbers."""

    const: int
    terms: frozenset[tuple[Variable, int]] = frozenset()

    def of(self, variable: Variable) -> int:
        """The coefficient of a variable."""
        return next((n for v, n in self.terms if v == variable), 0)

    @property
    def variables(self) -> frozenset[Variable]:
        """The variables that take part."""
        return frozenset(v for v, _ in self.terms)


Case = frozenset[Inequality]
Cases = tuple[Case, ...]
ANY: Cases = (frozenset(),)


# --- reading --------------------------------------------------------------------------------------


def at_least_zero(const: Fraction | int, terms: Mapping[Variable, Fraction | int]) -> Inequality:
    """The inequality `0 <= const + terms`, divided by what its coefficients share."""
    scale = lcm(*(Fraction(n).denominator for n in (const, *terms.values())))
    whole = {v: int(n * scale) for v, n in terms.items() if n}
    share = gcd(*whole.values()) or 1
    return Inequality(
        floor(Fraction(int(const * scale), share)),
        frozenset((v, n // share) for v, n in whole.items()),
    )


def not_negative(form: Affine) -> Inequality:
    """The inequality `0 <= form`."""
    terms: dict[Variable, int] = dict(form.dim.sizes)
    terms |= dict(form.indices.items())
    return at_least_zero(form.dim.const, terms)


def negative(form: Affine) -> Inequality:
    """The inequality `form < 0`."""
    return not_negative(form.plus(Affine(Dim(1))).times(-1))


def within(index: Symbol | Bound, span: Range) -> Iterator[Inequality]:
    """That an index lies in its range."""
    for start in span.starts:
        yield not_negative(Affine(-start, {index: 1}))
    for stop in span.stops:
        yield not_negative(Affine(stop - 1, {index: -1}))


def linear(term: Expr) -> Sum | None:
    """A term as a constant and coefficients of variables; None for another kind of term."""
    match term:
        case Const(value=Fraction() as value):
            return value, {}
        case Size(axis=axis):
            return (Fraction(axis.size), {}) if axis.size is not None else (ZERO, {axis: ONE})
        case Position(index=index):
            return ZERO, {index: ONE}
        case Apply(op="neg", args=(a,)):
            inner = linear(a)
            return inner and _scaled(inner, -ONE)
        case Apply(op="add" | "sub" as op, args=(a, b)):
            left, right = linear(a), linear(b)
            return left and right and _plus(left, _scaled(right, ONE if op == "add" else -ONE))
        case Apply(op="mul", args=(a, b)):
            left, right = linear(a), linear(b)
            if left and right and not (left[1] and right[1]):
                return _scaled(left, right[0]) if left[1] else _scaled(right, left[0])
        case Apply(op="div", args=(a, b)):
            left, right = linear(a), linear(b)
            if left and right and right[0] and not right[1]:
                return _scaled(left, 1 / right[0])
    return (ZERO, {term: ONE}) if term.kind == INT else None


ZERO, ONE = Fraction(0), Fraction(1)


def _plus(a: Sum, b: Sum) -> Sum:
    terms = dict(a[1])
    for v, n in b[1].items():
        terms[v] = terms.get(v, ZERO) + n
    return a[0] + b[0], {v: n for v, n in terms.items() if n}


def _scaled(a: Sum, factor: Fraction) -> Sum:
    return a[0] * factor, {v: n * factor for v, n in a[1].items() if factor}


def cases_of(condition: Expr, holds: bool = True) -> Cases:
    """The cases in which a condition holds, or does not; what is not linear says nothing."""
    match condition:
        case Const(value=bool() as value):
            return ANY if value == holds else ()
        case Apply(op="not", args=(a,)):
            return cases_of(a, not holds)
        case Apply(op="and" | "or" as op, args=(a, b)):
            left, right = cases_of(a, holds), cases_of(b, holds)
            return both(left, right) if (op == "and") == holds else either(left, right)
        case Select(condition=c, then=a, other=b):
            yes, no = (
                both(cases_of(c, side), cases_of(x, holds)) for side, x in ((True, a), (False, b))
            )
            return either(yes, no)
        case Apply(op=op, args=(a, b)) if op in COMPARISONS:
            return _compared(op if holds else COMPARISONS[op], a, b)
    return ANY


# Each comparison and the one that holds where it does not.
COMPARISONS = {"lt": "ge", "ge": "lt", "gt": "le", "le": "gt", "eq": "ne", "ne": "eq"}


def _compared(op: str, a: Expr, b: Expr) -> Cases:
    left, right = linear(a), linear(b)
    if left is None or right is None:
        return ANY
    more = _plus(left, _scaled(right, -ONE))
    if op in ("lt", "le"):
        return _compared("gt" if op == "lt" else "ge", b, a)
    if op == "ge":
        return (frozenset((at_least_zero(*more),)),)
    if op == "gt":
        return (frozenset((_above_zero(more),)),)
    less = _scaled(more, -ONE)
    if op == "ne":
        return tuple(frozenset((_above_zero(x),)) for x in (more, less))
    return (frozenset((at_least_zero(*more), at_least_zero(*less))),)


def _above_zero(a: Sum) -> Inequality:
    """`0 < a`: in whole numbers, a is 1 at least."""
    scale = lcm(*(n.denominator for n in (a[0], *a[1].values())))
    return at_least_zero(a[0] * scale - 1, {v: n * scale for v, n in a[1].items()})


def both(left: Cases, right: Cases) -> Cases:
    """The cases in which one of each holds; where there are too many, the second are left out."""
    if ANY in (left, right):
        return right if left == ANY else left
    joined = tuple(dict.fromkeys(a | b for a in left for b in right if not is_empty(a | b)))
    return joined if len(joined) <= MOST_CASES else left


def either(left: Cases, right: Cases) -> Cases:
    """The cases of which one holds; where there are too many, nothing is known."""
    joined = tuple(dict.fromkeys(left + right))
    return ANY if frozenset() in joined or len(joined) > MOST_CASES else joined


# --- deciding -------------------------------------------------------------------------------------


def is_empty(case: Case) -> bool:
    """Whether a case cannot hold."""
    return _eliminated(case, frozenset()) is None


def bounds_of(case: Case, form: Affine) -> tuple[list[Dim], list[Dim]] | None:
    """Numbers that a form is at least, and at most, in a case; None if the case cannot hold."""
    value = Axis("#value")
    gap = not_negative(form)
    same = {
        at_least_zero(sign * gap_const, {value: -sign, **{v: sign * n for v, n in gap_terms}})
        for gap_const, gap_terms in [_exact(form)]
        for sign in (1, -1)
    }
    sizes = {v for f in (*case, gap) for v in f.variables if isinstance(v, Axis)}
    left = _eliminated(case | same, frozenset(sizes | {value}))
    if left is None:
        return None
    found: dict[int, list[Dim]] = {1: [], -1: []}
    for f in left:
        n = f.of(value)
        if abs(n) == 1:
            rest = sorted((v, k) for v, k in f.terms if v != value and isinstance(v, Axis))
            found[n].append(Dim(f.const, tuple(rest)) * -n)
    return found[1], found[-1]


def _exact(form: Affine) -> tuple[int, list[tuple[Variable, int]]]:
    return form.dim.const, [*form.dim.sizes, *form.indices.items()]


def most_size(case: Case) -> tuple[Axis, int] | None:
    """An axis whose size a case bounds by a number, and that number."""
    sizes = frozenset(v for f in case for v in f.variables if isinstance(v, Axis))
    for f in _eliminated(case, sizes) or ():
        (variable, n), *others = f.terms or ((None, 0),)
        if isinstance(variable, Axis) and n == -1 and not others:
            return variable, f.const
    return None


def _eliminated(case: Case, kept: frozenset[Variable]) -> Case | None:
    """What a case says of the variables kept; None if it cannot hold."""
    rest = set(case)
    while True:
        if any(not f.terms and f.const < 0 for f in rest):
            return None
        rest = _tightest(f for f in rest if f.terms)
        counts: dict[Variable, list[int]] = {}
        for f in rest:
            for v, n in f.terms:
                counts.setdefault(v, [0, 0])[n > 0] += 1
        open_ = [v for v in counts if v not in kept]
        if not open_ or len(rest) > MOST_INEQUALITIES:
            return frozenset(f for f in rest if f.variables <= kept)
        chosen = min(open_, key=lambda v: counts[v][0] * counts[v][1])
        rest = set(_without(chosen, rest))


def _without(variable: Variable, inequalities: set[Inequality]) -> Iterator[Inequality]:
    lower = [(f, f.of(variable)) for f in inequalities if f.of(variable) > 0]
    upper = [(f, -f.of(variable)) for f in inequalities if f.of(variable) < 0]
    yield from (f for f in inequalities if not f.of(variable))
    for f, a in lower:
        for g, b in upper:
            terms: dict[Variable, int] = {}
            for h, n in ((f, b), (g, a)):
                for v, k in h.terms:
                    terms[v] = terms.get(v, 0) + k * n
            yield at_least_zero(f.const * b + g.const * a, {v: n for v, n in terms.items() if n})


def _tightest(inequalities: Iterable[Inequality]) -> set[Inequality]:
    """Of those that differ in their constant only the one that says most."""
    found: dict[frozenset[tuple[Variable, int]], Inequality] = {}
    for f in inequalities:
        old = found.get(f.terms)
        if old is None or f.const < old.const:
            found[f.terms] = f
    return set(found.values())
