"""Logarithms of sums in branches and of differences of sums of exponentials.

What a table holds at a label is written as a sum over its one place too,
`sum[i if i == k](f(x[i]))`, which is 0 outside of the table. The logarithm of a difference of such
sums is seen in each branch, `if 0 <= k and k < size(i) then log(f(x[i=k]) - ...) else ...`.

A sum of exponentials less a share of a part of it is a sum with weights:

    log(sum[i if p](exp(x)) - c * sum[i if q](exp(x)))
        logsumexp[i if p](x + (if q then log1p(-c) else 0))

where `c < 1`, or is a count by another one of no fewer places, and where `q` implies `p`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod

from ..analyses.bounds import Inference
from ..domains import IndexOf
from ..fold import apply, clamp, conjunction, select
from ..ir import (
    INT,
    Access,
    Apply,
    Bound,
    Const,
    Expr,
    Range,
    Reduce,
    Select,
    dim_term,
    rebuild,
    reduce_like,
    substitute,
)
from ..passes.simplify import ZERO, minus, plus
from .conditions import implied, place_of
from .views import Terms, factors_of, filtered_sum, product, terms_of, total

UNITY = Fraction(1)
# A logarithm is looked at in so many branches of its argument at most.
MOST = 16


# --- sums over one place --------------------------------------------------------------------------


def places_apart(term: Expr, facts: Inference) -> Expr:
    """The logarithm of a sum with sums over one place in it, in each branch; else the term."""
    if not (isinstance(term, Apply) and term.op == "log"):
        return term
    terms = terms_of(term.args[0])
    opened = [(n, _opened(t)) for n, t in terms]
    if len(terms) < 2 or all(a == b for (_, a), (_, b) in zip(terms, opened, strict=True)):
        return term
    leaves = prod(_leaves(t) for _, t in opened)
    return _in_branches(opened, ()) if leaves <= MOST else term


def one_place(term: Expr, facts: Inference) -> Expr:
    """A sum over the place of a label as what is at the place; else the term."""
    found = _one_place(term)
    if found is None:
        return term
    index, place, _ = found
    known = _is_label(place, index, facts)
    return substitute(term.body, {index: place}) if known and isinstance(term, Reduce) else term


def _is_label(place: Expr, index: Bound, facts: Inference) -> bool:
    """Whether a place is a label of the whole axis that an index runs over."""
    if not isinstance(place, Access):
        return False
    match facts.domains.get(place.tensor.name):
        case IndexOf(axis=axis):
            return index.range == Range.of(axis)
    return False


def _one_place(term: Expr) -> tuple[Bound, Expr, list[Expr]] | None:
    """The index of a sum over one place, the place, and the conditions that it is in range."""
    if not (isinstance(term, Reduce) and term.op == "sum" and len(term.indices) == 1):
        return None
    (index,) = term.indices
    place = place_of(term.filter, index)
    if place is None or place.kind != INT:
        return None
    inside = [apply("ge", (place, dim_term(start))) for start in index.range.starts]
    inside += [apply("lt", (place, dim_term(stop))) for stop in index.range.stops]
    return index, place, inside


def _opened(term: Expr) -> Expr:
    """A term with sums over one place, in any of its branches, as what is at the place."""
    if isinstance(term, Select):
        return select(term.condition, _opened(term.then), _opened(term.other))
    found = _one_place(term)
    if found is None or not isinstance(term, Reduce) or isinstance(term.body, Access):
        return term
    index, place, inside = found
    return select(conjunction(inside), _at(term.body, index, place), ZERO)


def _at(body: Expr, index: Bound, place: Expr) -> Expr:
    """A term at a place of an index, which a branch around it keeps within the range.

    Where the branch is not taken, what is read is a number all the same.
    """
    inside = clamp(place, index.range)

    def guarded(term: Expr) -> Expr | None:
        read = isinstance(term, Access) and index in term.free
        return substitute(term, {index: inside}) if read else None

    return substitute(rebuild(body, guarded), {index: place})


def _leaves(term: Expr) -> int:
    return _leaves(term.then) + _leaves(term.other) if isinstance(term, Select) else 1


def _in_branches(terms: Sequence[tuple[Fraction, Expr]], done: Terms) -> Expr:
    """The logarithm of a sum, in each branch of each of its terms."""
    if not terms:
        return apply("log", (total(done),))
    (number, term), *rest = terms
    if not isinstance(term, Select):
        return _in_branches(rest, (*done, (number, term)))
    ways = (_in_branches([(number, way), *rest], done) for way in (term.then, term.other))
    return select(term.condition, *ways)


# --- sums with weights ----------------------------------------------------------------------------


def weights_inside(term: Expr, facts: Inference) -> Expr:
    """The logarithm of a sum of exponentials less a share of a part of it; else the term."""
    if not (isinstance(term, Apply) and term.op == "log"):
        return term
    terms = terms_of(term.args[0])
    if len(terms) != 2:
        return term
    for (number, whole), less in (terms, terms[::-1]):
        if number > 0 and isinstance(whole, Reduce) and whole.op == "sum":
            left = _weighted(whole, less[0] / number, less[1], facts)
            if left is not None:
                return plus(left, apply("log", (Const(number),))) if number != 1 else left
    return term


def _weighted(whole: Reduce, number: Fraction, less: Expr, facts: Inference) -> Expr | None:
    """The logarithm of a sum and a number times a product with a sum over some of its places."""
    if not (isinstance(whole.body, Apply) and whole.body.op == "exp"):
        return None
    scale, factors = factors_of(less)
    for factor in factors:
        part = filtered_sum(factor[0], whole.indices) if factor[1] == 1 else None
        if part is None or part[1] != whole.body or not implied(whole.filter, part[0], facts):
            continue
        share = product(-number * scale, [f for f in factors if f != factor])
        if not share.free & frozenset(whole.indices) and _is_less(share, facts):
            weight = select(part[0], apply("log1p", (minus(share),)), ZERO)
            body = plus(whole.body.args[0], weight)
            return reduce_like(whole, "logsumexp", body, whole.filter)
    return None


def _is_less(share: Expr, facts: Inference) -> bool:
    """Whether a number is known to be less than 1, or a count by one of no fewer places."""
    bounds = facts.of(share)
    if bounds.high < 1 or (bounds.high == 1 and bounds.high_open):
        return True
    match share:
        case Apply(op="div", args=(Reduce(op="count") as some, Reduce(op="count") as all_)):
            return some.indices == all_.indices and implied(all_.body, some.body, facts)
    return False
