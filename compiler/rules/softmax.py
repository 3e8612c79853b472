"""Sums in which a softmax is less its own part: they by what is left of it.

The derivative of a mean of `a` with a softmax `p` as weights is
`p[k] * (a[k] - sum[i](p[i] * a[i]))`, and that of a cross entropy is `p[k] * sum[i](a[i]) - a[k]`.
Both are differences of equal numbers where `p[k]` is 1 but for less than its last place; what is
left is in the other places. No other form is needed where `p[k]` is at most a half:

    p[k] * sum[i](a[i]) - a[k]           p[k] * sum[i if i != k](a[i]) - a[k] * (1 - p[k])
    p[k] * (a[k] - sum[i](p[i] * a[i]))  p[k] * ((a[k] - b) - sum[i](p[i] * (a[i] - b)))
    p[k] * (a + c) - a * indicator(q)    p[k] * c + a * (if q then -(1 - p[k]) else p[k])
    p[k] * (a + c) - a * y               p[k] * c + a * ((1 - y) - (1 - p[k]))

with `b` the largest `a[i]` at which `p[i]` is largest, and `1 - p[k]` as `sum[i if i != k](p[i])`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from ..analyses.bounds import Inference
from ..analyses.instances import is_instance, places_of
from ..fold import apply, conjunction, disjunction, select
from ..ir import (
    Access,
    Apply,
    Bound,
    Const,
    Expr,
    Index,
    Position,
    Reduce,
    Select,
    kept,
    range_of,
    reduce_like,
    substitute,
)
from ..passes.simplify import ZERO, minus, plus, times
from .views import Factors, Terms, factors_of, product, terms_of, total

Monomial = frozenset[tuple[Expr, Fraction]]
Flat = Mapping[Monomial, Fraction]
UNITY = Fraction(1)
ONE, HALF = Const(UNITY), Const(Fraction(1, 2))
SUMS = ("add", "sub")
# Sums are multiplied out to so many terms at most, and those of more terms are left as they are.
LARGEST = 40


@dataclass(frozen=True)
class Share:
    """A softmax `exp(x - logsumexp(x))` at a place of the indices that the whole runs over."""

    term: Expr
    whole: Reduce
    places: Mapping[Bound, Expr]

    @property
    def part(self) -> Expr:
        """The softmax over the indices of the whole."""
        return apply("exp", (apply("sub", (self.whole.body, self.whole)),))

    def at(self, term: Expr) -> Expr:
        """A term over the indices of the whole, at the place."""
        return substitute(term, self.places)

    def is_in(self, facts: Inference) -> bool:
        """Whether the place is known to be one of those that the whole runs over."""
        chosen = self.whole.filter
        return chosen is None or facts.hold(self.at(chosen))

    def over(self, op: str, body: Expr, condition: Expr | None = None) -> Expr:
        """A reduction over the places of the whole, or those of them where a condition holds."""
        chosen = conjunction(c for c in (self.whole.filter, condition) if c is not None)
        return reduce_like(self.whole, op, body, None if chosen == Const(True) else chosen)

    @property
    def highest(self) -> Expr:
        """Whether a place of the whole is one of the largest."""
        x = self.whole.body
        return apply("eq", (x, self.over("max", x)))

    @property
    def is_most(self) -> Expr:
        """Whether the softmax is more than half of the whole; it is the largest alone then."""
        return apply("lt", (self.complement, HALF))

    @property
    def complement(self) -> Expr:
        """The softmax of all other places."""
        apart = (apply("ne", (Position(index), place)) for index, place in self.places.items())
        return self.over("sum", self.part, disjunction(apart))

    def others(self, body: Expr) -> Expr:
        """The sum of a term over all other places, if this one is most of the whole."""
        return self.over("sum", body, apply("not", (self.highest,)))

    def body(self, term: Expr) -> Expr | None:
        """What a sum over the same places, or some of them, adds up at each place of the whole."""
        if not (isinstance(term, Reduce) and term.op == "sum"):
            return None
        names = {b: Position(own) for b in term.indices for own in self.whole.indices
                 if b.range == own.range}  # fmt: skip
        if not len(set(names.values())) == len(term.indices) == len(self.whole.indices):
            return None
        filter = None if term.filter is None else substitute(term.filter, names)
        body = substitute(term.body, names)
        if filter is None or filter == self.whole.filter:
            return body if filter == self.whole.filter else None
        return select(filter, body, ZERO) if self.whole.filter is None else None

    def less_label(self, body: Expr) -> Expr:
        """`p[k] * sum[i](a[i]) - a[k]`; a factor that is the same everywhere stands in front."""
        if isinstance(body, Access) and summed_index(body) in self.whole.indices:
            return self.less_number(self.at(body))
        number, factors = factors_of(body)
        bound = frozenset(self.whole.indices)
        own = product(UNITY, [f for f in factors if f[0].free & bound])
        common = product(number, [f for f in factors if not f[0].free & bound])
        own_share = times(self.term, self.others(own))
        most = plus(own_share, minus(times(self.at(own), self.complement)))
        less = plus(times(self.term, self.over("sum", own)), minus(self.at(own)))
        return times(common, select(self.is_most, most, less))

    def less_number(self, label: Expr) -> Expr:
        """`p[k] - y` for a number that may be 1."""
        apart = plus(plus(ONE, minus(label)), minus(self.complement))
        return select(self.is_most, apart, plus(self.term, minus(label)))

    def less_mean(self, body: Expr) -> Expr:
        """`p[k] * (sum[i](p[i] * a[i]) - a[k])`."""
        off = plus(body, minus(self.over("max", body, self.highest)))
        mean = self.over("sum", times(self.part, off))
        return times(self.term, plus(mean, minus(self.at(off))))


def shares_apart(term: Expr, facts: Inference) -> Expr:
    """A sum with each softmax that is less its own part by what is left; else the term itself."""
    terms = terms_of(term)
    if not 2 <= len(terms) <= LARGEST:
        return term
    for k, (number, core) in enumerate(terms):
        rest = terms[:k] + terms[k + 1 :]
        for share, weights in shares_of(number, core):
            if not share.is_in(facts) or facts.fails(share.is_most):
                continue
            for less in (_less_sum, _less_indicator, _less_distribution, _less_label):
                left = less(share, weights, rest)
                if left is not None:
                    return left
    return term


def shares_of(number: Fraction, core: Expr) -> Iterator[tuple[Share, Terms]]:
    """The softmaxes that are factors of a term, each with the sum that it is multiplied by."""
    scale, factors = factors_of(_unguarded(core))
    for k, (base, power) in enumerate(factors):
        share = share_of(base) if power == 1 else None
        if share is not None:
            yield share, opened(number * scale, factors[:k] + factors[k + 1 :])


def share_of(term: Expr) -> Share | None:
    """A term as a softmax, if it is one."""
    match term:
        case Apply(op="exp", args=(Apply(op="sub", args=(x, Reduce(op="logsumexp") as whole)),)):
            places = places_of(whole, x)
            if places is not None and len(places) == len(whole.indices):
                return Share(term, whole, places)
    return None


def _unguarded(term: Expr) -> Expr:
    """A product with a softmax without the question whether what it is multiplied by is 0."""
    match term:
        case Select(condition=Apply(op="ne", args=(x, zero)), then=then, other=other):
            factors = [base for base, _ in factors_of(then)[1]]
            if zero == other == ZERO and x in factors and any(map(share_of, factors)):
                return then
    return term


def opened(number: Fraction, factors: Iterable[tuple[Expr, Fraction]]) -> Terms:
    """A product as a sum: multiplied out if it has one sum among its factors."""
    factors = tuple(factors)
    sums = [f for f in factors if f[1] == 1 and isinstance(f[0], Apply) and f[0].op in SUMS]
    if len(sums) != 1:
        return ((number, product(UNITY, factors)),)
    rest = product(UNITY, [f for f in factors if f != sums[0]])
    return tuple((number * n, times(t, rest)) for n, t in terms_of(sums[0][0]))


def _less_sum(share: Share, weights: Terms, rest: Terms) -> Expr | None:
    """What is left of `p[k] * sum[i](a[i]) - a[k]`, or of `p[k] * (sum[i](p[i] * a[i]) - a[k])`."""
    for k, (number, weight) in enumerate(weights):
        scale, factors = factors_of(weight)
        for base, power in factors:
            body = share.body(base) if power == 1 else None
            if body is None:
                continue
            outside = product(number * scale, [f for f in factors if f[0] != base])
            others = _without(rest, times(outside, share.at(body)))
            if others is not None:
                more = times(share.term, total(weights[:k] + weights[k + 1 :]))
                left = times(outside, _left(share, body))
                return total((*others, (UNITY, more), (UNITY, left)))
    return None


def _left(share: Share, body: Expr) -> Expr:
    if isinstance(body, Select):
        return share.less_label(body)
    products = (_products(body) or {}).values()
    parts = [_divided(number, dict(factors), share.part) for number, factors in products]
    means = [p for p in parts if p is not None]
    if not means or len(means) < len(parts):
        return share.less_label(body)
    bound = frozenset(share.whole.indices)
    varying = total([(UNITY, p) for p in means if p.free & bound])
    return ZERO if varying == ZERO else share.less_mean(varying)


def _divided(number: Fraction, powers: dict[Expr, Fraction], by: Expr) -> Expr | None:
    """A product without one of its factors."""
    return product(number, [*powers.items()]) if powers.pop(by, None) == 1 else None


def _without(terms: Terms, part: Expr) -> Terms | None:
    """A sum less a part of it, if its terms that are of that part are just the part."""
    wanted = flat(part)
    if not wanted:
        return None
    found = [(t, flat(times(Const(t[0]), t[1]))) for t in terms]
    inside = [t for t, f in found if f and f.keys() <= wanted.keys()]
    taken = flat(total(inside)) or {}
    if {key: -n for key, n in taken.items()} != wanted:
        return None
    return tuple(t for t in terms if t not in inside)


def _less_indicator(share: Share, weights: Terms, rest: Terms) -> Expr | None:
    """What is left of `p[k] * (a + c) - a * indicator(q)`."""
    if len(weights) < 2:
        return None
    for k, (number, weight) in enumerate(weights):
        for j, (other, core) in enumerate(rest):
            found = indicated(core)
            wanted = flat(times(Const(number), weight))
            if found is None or not wanted or flat(times(Const(-other), found[1])) != wanted:
                continue
            least = plus(share.term, minus(ONE))
            label = select(share.is_most, minus(share.complement), least)
            ones = select(found[0], label, share.term)
            more = times(share.term, total(weights[:k] + weights[k + 1 :]))
            left = (number, times(weight, ones))
            return total((*rest[:j], *rest[j + 1 :], (UNITY, more), left))
    return None


def _less_distribution(share: Share, weights: Terms, rest: Terms) -> Expr | None:
    """What is left of `p[k] * a - a * y[k]` where y sums to 1 by its domain."""
    for k, (number, weight) in enumerate(weights):
        wanted = flat(times(Const(number), weight))
        for j, (other, core) in enumerate(rest):
            scale, factors = factors_of(core)
            for base in (b for b, power in factors if power == 1):
                body = _distribution(base, share)
                outside = product(-other * scale, [f for f in factors if f[0] != base])
                if body is None or not wanted or flat(outside) != wanted:
                    continue
                more = times(share.term, total(weights[:k] + weights[k + 1 :]))
                left = times(outside, share.less_label(body))
                return total((*rest[:j], *rest[j + 1 :], (UNITY, more), (UNITY, left)))
    return None


def _less_label(share: Share, weights: Terms, rest: Terms) -> Expr | None:
    """What is left of `p[k] * a - a * y` for a number y of the data, which may be 1."""
    for k, (number, weight) in enumerate(weights):
        wanted = flat(times(Const(number), weight))
        for j, (other, core) in enumerate(rest):
            scale, factors = factors_of(core)
            for label in (b for b, power in factors if power == 1 and isinstance(b, Access)):
                outside = product(-other * scale, [f for f in factors if f[0] != label])
                if label.tensor.is_param or not wanted or flat(outside) != wanted:
                    continue
                more = times(share.term, total(weights[:k] + weights[k + 1 :]))
                left = times(outside, share.less_number(label))
                return total((*rest[:j], *rest[j + 1 :], (UNITY, more), (UNITY, left)))
    return None


def _distribution(term: Expr, share: Share) -> Expr | None:
    """A tensor that sums to 1 over the places of a softmax, over the indices of its whole."""
    if len(share.places) != 1 or share.whole.filter is not None:
        return None
    ((own, at),) = share.places.items()
    index = summed_index(term)
    if index is None or at != Position(index) or range_of(index) != own.range:
        return None
    return substitute(term, {index: Position(own)})


def summed_index(term: Expr) -> Index | None:
    """The index over which a tensor sums to 1 by its domain, if it stands in no other slot."""
    if not isinstance(term, Access):
        return None
    axis = term.tensor.sums_to_one
    for slot, own in zip(term.slots, term.tensor.axes, strict=True):
        if own == axis and axis is not None and isinstance(slot, Position):
            others = [s for s in term.slots if s is not slot]
            return None if any(slot.index in s.free for s in others) else slot.index
    return None


def inside_labels(term: Expr, _: Inference) -> Expr:
    """`logsumexp[i](x) - sum[i](y[i] * x[i])`, y a distribution, as `sum[i](y * (logsumexp - x))`.

    No term of that sum cancels. Else the term itself.
    """
    terms = terms_of(term)
    for k, (number, core) in enumerate(terms if 2 <= len(terms) <= LARGEST else ()):
        scale, factors = factors_of(core)
        for base in (b for b, power in factors if power == 1):
            if not (isinstance(base, Reduce) and base.op == "logsumexp" and base.filter is None):
                continue
            outside = product(number * scale, [f for f in factors if f[0] != base])
            for j, (other, less) in enumerate(terms):
                left = None if j == k else _inside(base, outside, times(Const(-other), less))
                if left is not None:
                    rest = [t for i, t in enumerate(terms) if i not in (j, k)]
                    return total([*rest, (UNITY, left)])
    return term


def _inside(whole: Reduce, outside: Expr, less: Expr) -> Expr | None:
    """`outside * sum[i](y * (whole - x))` for `less` that is `outside * sum[i](y * x)`."""
    number, factors = factors_of(less)
    for base in (b for b, power in factors if power == 1):
        if not (isinstance(base, Reduce) and base.op == "sum" and base.filter is None):
            continue
        scale, inner = factors_of(base.body)
        for label in (b for b, power in inner if power == 1 and summed_index(b) in base.indices):
            x = product(UNITY, [f for f in inner if f[0] != label])
            found = product(number * scale, [f for f in factors if f[0] != base])
            if len(base.indices) == 1 and is_instance(whole, x) and flat(found) == flat(outside):
                body = times(label, apply("sub", (whole, x)))
                return times(outside, reduce_like(base, "sum", body))
    return None


def indicated(term: Expr) -> tuple[Expr, Expr] | None:
    """The condition outside of which a term is 0, and the term where it holds."""
    if isinstance(term, Select) and term.other == ZERO:
        return term.condition, term.then
    number, factors = factors_of(term)
    for base, power in factors:
        if isinstance(base, Apply) and base.op == "indicator" and power == 1:
            return base.args[0], product(number, [f for f in factors if f[0] != base])
    return None


def complements_apart(term: Expr, facts: Inference) -> Expr:
    """The logarithm of a softmax at a label less 1, or a softmax divided by it, by all others.

    `expm1(x[k] - logsumexp[i](x))` is then `-sum[i if i != k](exp(x - logsumexp[i](x)))`. Beside
    the logarithm of such a sum it is that sum too, so that what they have in common cancels.
    """
    if not isinstance(term, Apply):
        return term
    number, factors = factors_of(term.args[0] if term.op == "log" else term)
    found = [(_complement(base, facts), power) for base, power in factors]
    divided = any(share_of(base) for base, _ in factors)
    always = term.op == "log" or any(_is_of_others(base) for base, _ in factors)
    if not any(c and (always or (divided and power < 0)) for c, power in found):
        return term
    left = [(c or base, power) for (c, power), (base, _) in zip(found, factors, strict=True)]
    result = product(number, left)
    return apply("log", (result,)) if term.op == "log" else result


def _is_of_others(term: Expr) -> bool:
    """Whether a sum has the logarithm of a sum of exponentials over some of the places."""
    logs = (t for _, t in terms_of(term) if isinstance(t, Reduce) and t.op == "logsumexp")
    return any(t.filter is not None for t in logs)


def _complement(term: Expr, facts: Inference) -> Expr | None:
    """A softmax at a label less 1, by the sum of all others; None if it is no such term."""
    share = _share_less_one(term)
    if share is None or not term.free <= share.whole.free or not share.is_in(facts):
        return None
    return minus(share.complement)


@kept
def _share_less_one(term: Expr) -> Share | None:
    """The softmax that a term is less 1."""
    is_less = isinstance(term, Apply) and term.op == "expm1"
    return share_of(apply("exp", term.parts)) if is_less else None


def entropy_of_logit(term: Expr, facts: Inference) -> Expr:
    """`softplus(x) - x * sigmoid(x)`, which is even in x, by the x below 0; else the term itself.

    Above 0 both terms are as large as x, and what is left is as small as `exp(-x)`.
    """
    terms = terms_of(term)
    for k, (number, core) in enumerate(terms if 2 <= len(terms) <= LARGEST else ()):
        scale, factors = factors_of(core)
        parts = opened(number * scale, factors)
        for j, part in enumerate(parts):
            rest = (*terms[:k], *terms[k + 1 :], *parts[:j], *parts[j + 1 :])
            left = _less_share(part, rest, facts)
            if left is not None:
                return left
    return term


def _less_share(term: tuple[Fraction, Expr], rest: Terms, facts: Inference) -> Expr | None:
    """What is left of a multiple of `softplus(x)` beside a sum that has its `x * sigmoid(x)`."""
    number, factors = factors_of(times(Const(term[0]), term[1]))
    for base, power in factors:
        if not (isinstance(base, Apply) and base.op == "softplus" and power == 1):
            continue
        (x,) = base.args
        if facts.of(x).nonpositive:
            continue
        outside = product(number, [f for f in factors if f[0] != base])
        kept = _without(rest, times(outside, times(x, apply("sigmoid", (x,)))))
        if kept is not None:
            below = minus(apply("abs", (x,)))
            least = times(below, apply("sigmoid", (below,)))
            left = plus(apply("softplus", (below,)), minus(least))
            return total((*kept, (UNITY, times(outside, left))))
    return None


def flat(term: Expr) -> Flat | None:
    """The numbers of the products that a sum is when multiplied out; None if it is too long."""
    found = _products(term)
    return None if found is None else {key: number for key, (number, _) in found.items()}


def _products(term: Expr) -> dict[Monomial, tuple[Fraction, Factors]] | None:
    """A sum of products multiplied out, each with its factors in order; None if it is too long."""
    found: dict[Monomial, tuple[Fraction, Factors]] = {}
    stack = [(UNITY, term)]
    while stack:
        scale, part = stack.pop()
        for number, core in terms_of(part):
            own, factors = _factors(_unguarded(core))
            parts = opened(scale * number * own, factors)
            if len(parts) > 1:
                stack += parts
            else:
                before, _ = found.get(key := frozenset(factors), (Fraction(0), factors))
                found[key] = before + scale * number * own, factors
        if len(stack) + len(found) > LARGEST:
            return None
    return {key: found[key] for key in found if found[key][0]}


def _factors(term: Expr) -> tuple[Fraction, Factors]:
    """The factors of a product; of a branch that is 0 otherwise, those of it and its condition."""
    if not (isinstance(term, Select) and term.other == ZERO):
        return factors_of(term)
    number, factors = _factors(term.then)
    return number, (*factors, (apply("indicator", (term.condition,)), UNITY))


def whole_softmax(term: Expr, _: Inference) -> Expr:
    """`sum[i](c * p[i])` of a softmax over all its places, which is c; else the term itself."""
    if not (isinstance(term, Reduce) and term.op == "sum" and term.filter is None):
        return term
    number, factors = factors_of(term.body)
    shares = [(k, share_of(base)) for k, (base, power) in enumerate(factors) if power == 1]
    everywhere = {Position(b) for b in term.indices}
    for k, share in shares:
        rest = product(number, factors[:k] + factors[k + 1 :])
        alone = (
            share is not None
            and share.whole.filter is None
            and not rest.free & frozenset(term.indices)
        )
        if share is not None and alone and set(share.places.values()) == everywhere:
            return rest
    return term


def common_term_out(term: Expr, _: Inference) -> Expr:
    """`logsumexp[i](x + c)`, of which c is the same for all i, as `logsumexp[i](x) + c`."""
    if not (isinstance(term, Reduce) and term.op == "logsumexp"):
        return term
    bound = frozenset(term.indices)
    terms = terms_of(term.body)
    outside = [t for t in terms if not t[1].free & bound]
    inside = [t for t in terms if t[1].free & bound]
    if not outside or not inside:
        return term
    return plus(reduce_like(term, "logsumexp", total(inside), term.filter), total(outside))


def common_exponential_out(term: Expr, _: Inference) -> Expr:
    """`mean[i](exp(c) * x)`, of which c is the same for all i, as `exp(c) * mean[i](x)`.

    Where the exponential is too large, the products are infinite, and may be of either sign.
    """
    if not (isinstance(term, Reduce) and term.op == "mean"):
        return term
    bound = frozenset(term.indices)
    number, factors = factors_of(term.body)
    outside = [f for f in factors if _is_exp(f[0]) and not f[0].free & bound]
    inside = product(number, [f for f in factors if f not in outside])
    if not outside or not inside.free & bound:
        return term
    return times(product(UNITY, outside), reduce_like(term, "mean", inside, term.filter))


def _is_exp(term: Expr) -> bool:
    return isinstance(term, Apply) and term.op == "exp"
