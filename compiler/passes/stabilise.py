"""Stabilising: each term by the form of it that does not lose digits.

Parts first, then wholes: a rule of the table (`compiler/rules/table.py`) that matches is applied,
and what it gives is looked at again. Every rule keeps the real value of the term on the declared
domains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from ..analyses.bounds import Domains, Inference
from ..depth import room_for
from ..fold import select
from ..ir import (
    REAL,
    Access,
    Apply,
    Const,
    Expr,
    Program,
    Reduce,
    Select,
    kept,
    levelled,
    with_parts,
)
from ..rules.alike import log_shares_apart
from ..rules.build import build, holds
from ..rules.cancel import without_cancelling
from ..rules.conditions import COMPARED
from ..rules.correlation import correlation_of_exponentials
from ..rules.cosine import one_and_cosine
from ..rules.logs import one_place, places_apart, weights_inside
from ..rules.match import common_factors, find
from ..rules.orders import numbers_apart, order_of_parts
from ..rules.own import own_parts_apart, without_deviations
from ..rules.patterns import Call, Over, Power, Product, Ready, Sum, ready
from ..rules.rising import rising_factorials
from ..rules.samples import label_beside_share, label_inside_mean, labels_beside_shares
from ..rules.softmax import (
    common_exponential_out,
    common_term_out,
    complements_apart,
    entropy_of_logit,
    inside_labels,
    shares_apart,
    whole_softmax,
)
from ..rules.table import RULES
from ..rules.views import gathered

# Functions that are looked at in each branch of their argument.
SPLIT = frozenset(("log", "log1p", "exp", "expm1", "pow", "sqrt", "sub", "add"))
SUMS = frozenset(("add", "sub"))
ORDERS = frozenset(("argmax", "argmin"))
# Terms that are no real numbers, but are rewritten too.
LOGICAL = ORDERS | frozenset(COMPARED)
LIKE_TERMS = "like terms"
SHARES = "softmax less its part"
OWN = "sums less their own parts"
COMPLEMENT = "complement of a softmax"
ENTROPY = "entropy of a logit"
INSIDE_MEAN = "a label inside a mean by softmax"
LABELS = "shares less labels over samples"
LABEL = "a share less its label"
EXPONENTIAL = "common exponential of a mean"
LOG_SHARES = "log-shares in two sums"
PLACES = "logarithm of sums over one place"
WEIGHTS = "logarithm of a sum less a share of its part"
DEVIATIONS = "sum of deviations from a mean"
CORRELATION = "correlation of exponentials"
COSINE = "one and a cosine"
INSIDE = "logsumexp less a mean of its terms"
RISING = "rising factorial"
ORDER = "order of what is compared"
NUMBER = "number beside what is compared"
Rewrite = Callable[[Expr, Inference], Expr]
# Rewrites that are no patterns, by the heads of the terms that they are for.
BY_HEAD: Mapping[str, tuple[tuple[str, Rewrite], ...]] = {
    **dict.fromkeys(
        ("add", "sub"),
        (
            (LIKE_TERMS, without_cancelling),
            (LABEL, label_beside_share),
            (SHARES, shares_apart),
            (LABELS, labels_beside_shares),
            (INSIDE_MEAN, label_inside_mean),
            (LOG_SHARES, log_shares_apart),
            (OWN, own_parts_apart),
            (ENTROPY, entropy_of_logit),
            (COSINE, one_and_cosine),
            (INSIDE, inside_labels),
            (RISING, rising_factorials),
        ),
    ),
    "sum": (
        ("sum over one place", one_place),
        ("sum of a softmax", whole_softmax),
        (DEVIATIONS, without_deviations),
    ),
    "mean": (
        (DEVIATIONS, without_deviations),
        (EXPONENTIAL, common_exponential_out),
    ),
    "log": (
        (COMPLEMENT, complements_apart),
        (PLACES, places_apart),
        (WEIGHTS, weights_inside),
    ),
    "mul": ((COMPLEMENT, complements_apart),),
    "div": ((COMPLEMENT, complements_apart), (CORRELATION, correlation_of_exponentials)),
    "logsumexp": (("common term of logsumexp", common_term_out),),
    **dict.fromkeys(ORDERS, ((ORDER, order_of_parts),)),
    **dict.fromkeys(COMPARED, ((NUMBER, numbers_apart),)),
}
# No chain of rules is longer; a longer one would be a circle in the table.
MOST = 40


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that was applied, the term before and the term after."""

    rule: str
    before: Expr
    after: Expr


def stabilise(program: Program, domains: Domains) -> Program:
    """The program with the same value, by forms that are right to the last bits."""
    return stabilised(program, domains)[0]


def stabilised(program: Program, domains: Domains) -> tuple[Program, tuple[Fired, ...]]:
    """The stable program, and the rules that made it, in order."""
    run = _Stabiliser(domains)
    with room_for(program.value):
        value = levelled(run.visit(program.value, Inference(domains)))
    return replace(program, value=value), tuple(run.fired)


@dataclass
class _Stabiliser:
    """Rewrites terms, each once for every set of facts that it stands under."""

    domains: Domains
    done: dict[tuple[Expr, int], Expr] = field(default_factory=dict)
    fired: list[Fired] = field(default_factory=list)
    trail: set[tuple[Expr, int]] = field(default_factory=set)
    depth: int = 0

    def visit(self, root: Expr, around: Inference) -> Expr:
        """The stable form of a term under what is known around it."""
        start = (root, around.around(root))
        stack = [start]
        while stack:
            term, facts = stack[-1]
            key = (term, id(facts))
            missing = [t for t in self.needs(term, facts) if (t[0], id(t[1])) not in self.done]
            if key in self.done or not missing:
                stack.pop()
                if key not in self.done:
                    self.done[key] = self.whole(self.inside(term, facts), facts)
            else:
                stack += missing
        return self.done[root, id(start[1])]

    def needs(self, term: Expr, facts: Inference) -> list[tuple[Expr, Inference]]:
        """The parts of a term, each with what is known where it stands and may matter to it."""
        match term:
            case Access():
                return []
            case Select(condition=c):
                then, other = facts.under(c), facts.under(c, False)
                near = [(c, facts), (term.then, then), (term.other, other)]
            case Reduce(filter=f) if f is not None:
                near = [(term.body, facts.under(f)), (f, facts)]
            case _:
                near = [(p, facts) for p in term.parts]
        return [(part, known.around(part)) for part, known in near]

    def inside(self, term: Expr, facts: Inference) -> Expr:
        """A term with its parts made stable."""
        parts = [self.done[t, id(f)] for t, f in self.needs(term, facts)]
        if list(term.parts) == parts or not parts:
            return gathered(term) if isinstance(term, Apply) and term.op in SUMS else term
        return gathered(with_parts(term, parts))

    def whole(self, term: Expr, facts: Inference) -> Expr:
        """A term whose parts are stable, made stable itself."""
        if self.depth > MOST or (term.kind != REAL and _head(term) not in LOGICAL):
            return term
        if isinstance(term, Apply) and term.op in SPLIT and self.splits(term):
            return self.split(term, facts)
        early = self.by_table(term, facts, early=True)
        if early != term:
            return early
        for name, rewrite in BY_HEAD.get(_head(term), ()):
            left = rewrite(term, facts)
            if left != term:
                return self.again(name, term, left, facts)
        return self.by_table(term, facts)

    def by_table(self, term: Expr, facts: Inference, early: bool = False) -> Expr:
        """A term by the first rule of the table that applies, to it or to two terms of a sum."""
        apart = () if early else common_factors(term, facts)
        for part, around in (_alone(term), *apart):
            for rule in _table(early).get(_head(part), ()):
                if not rule.needs <= heads_in(part):
                    continue
                for hit in find(rule.pattern, part):
                    if all(holds(g, hit.match, facts) for g in rule.given):
                        after = around(hit.around(build(rule.result, hit.match)))
                        return self.again(rule.rule.name, term, after, facts)
        return term

    def splits(self, term: Apply) -> bool:
        """Whether a term is a function of a branch and of constants."""
        branches = [a for a in term.args if isinstance(a, Select) and a.kind == REAL]
        return len(branches) == 1 and all(a in branches or _is_constant(a) for a in term.args)

    def split(self, term: Apply, facts: Inference) -> Expr:
        """A function of a branch as a branch of functions, which rules can see."""
        (branch,) = (a for a in term.args if isinstance(a, Select))
        ways = []
        for holds_, way in ((True, branch.then), (False, branch.other)):
            args = [way if a == branch else a for a in term.args]
            ways.append(self.visit(with_parts(term, args), facts.under(branch.condition, holds_)))
        return select(branch.condition, *ways)

    def again(self, rule: str, before: Expr, after: Expr, facts: Inference) -> Expr:
        """What a rule gave, looked at again; not if this is what it came from in the end."""
        own, next_ = (before, id(facts)), (after, id(facts.around(after)))
        if after == before or not self.trail.isdisjoint((own, next_)):
            return before
        self.fired.append(Fired(rule, before, after))
        self.trail.add(own)
        self.depth += 1
        stable = self.visit(after, facts)
        self.depth -= 1
        self.trail.remove(own)
        return stable


def _alone(term: Expr) -> tuple[Expr, Callable[[Expr], Expr]]:
    return term, lambda result: result


@cache
def _table(early: bool) -> Mapping[str, tuple[Ready, ...]]:
    """The rules by the heads of the terms that they can match."""
    table: dict[str, list[Ready]] = {}
    for rule in (ready(r) for r in RULES if r.early == early):
        for head in _heads(rule):
            table.setdefault(head, []).append(rule)
    return {head: tuple(rules) for head, rules in table.items()}


def _heads(rule: Ready) -> tuple[str, ...]:
    match rule.pattern:
        case Sum():
            return ("add", "sub")
        case Product():
            return ("mul", "div")
        case Power():
            return ("pow",)
        case Call(op=op) | Over(op=op):
            return (op,)
    raise TypeError(f"no head: {rule.pattern}")


def _is_constant(term: Expr) -> bool:
    """Whether a term is a number, or a param that stands alone."""
    is_param = isinstance(term, Access) and term.tensor.is_param and not term.slots
    return is_param or isinstance(term, Const)


@kept
def heads_in(term: Expr) -> frozenset[str]:
    """The primitives and reductions of a term."""
    return frozenset((_head(term),)).union(*(heads_in(p) for p in term.parts))


def _head(term: Expr) -> str:
    return term.op if isinstance(term, Apply | Reduce) else ""
