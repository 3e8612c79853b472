"""What a formula reads where: each slot with the cases in which its branch is taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from ..affine import Affine, Slot, affine
from ..ir import (
    Access,
    Along,
    Apply,
    Bound,
    Const,
    Dim,
    Expr,
    Index,
    Range,
    Reduce,
    Select,
    Symbol,
    range_of,
    rebuild,
)  # fmt: skip
from ..linear import (
    ANY,
    Case,
    Cases,
    Inequality,
    both,
    bounds_of,
    cases_of,
    is_empty,
    negative,
    within,
)

MOST_VISITS = 20_000


@dataclass(frozen=True, slots=True)
class Read:
    """A slot of an access or scan, the cases in which it is read, and whether in a branch."""

    term: Expr
    slot: Slot
    cases: Cases
    branch: bool = False

    @property
    def is_free(self) -> bool:
        """Whether no condition says anything of when it is read."""
        return self.cases == ANY

    @property
    def name(self) -> str:
        """What is read."""
        return self.term.tensor.name if isinstance(self.term, Access) else "a scan"


@dataclass
class Walk:
    """A walk over terms that knows the condition of each branch that it enters.

    A term that several branches share is visited once for each set of cases; past a number of
    visits conditions are no longer told apart.
    """

    fixed: Mapping[str, Fraction] = field(default_factory=dict)
    seen: set[tuple[Expr, Cases, bool]] = field(default_factory=set)
    known: dict[tuple[Expr, bool], Cases] = field(default_factory=dict)

    def reads(self, term: Expr, cases: Cases = ANY, branch: bool = False) -> Iterator[Read]:
        """Every slot with an integer form below a term, padded accesses aside."""
        stack = [(term, cases, branch)]
        while stack:
            at = stack.pop()
            if at in self.seen:
                continue
            self.seen.add(at)
            yield from (Read(at[0], s, *at[1:]) for s in slots_at(at[0]))
            stack.extend(reversed([*self.parts(*at)]))

    def parts(self, term: Expr, cases: Cases, branch: bool) -> Iterator[tuple[Expr, Cases, bool]]:
        """The parts of a term with the cases in which each is looked at."""
        parts = term.parts
        if not parts:
            return
        match term:
            case Select(condition=c, then=then, other=other):
                yield c, cases, branch
                yield then, self.with_(cases, c, True), True
                yield other, self.with_(cases, c, False), True
            case Apply(op="and" | "or" as op, args=(a, b)):
                yield a, self.with_(cases, b, op == "and"), True
                yield b, self.with_(cases, a, op == "and"), True
            case Reduce(filter=Expr() as chosen, body=body):
                yield body, self.with_(cases, chosen, True), branch
                yield chosen, cases, branch
            case Along(filter=Expr() as chosen, body=body, at=at):
                yield body, self.with_(cases, chosen, True), branch
                yield at, cases, branch
                yield chosen, cases, branch
            case _:
                yield from ((p, cases, branch) for p in parts)

    def with_(self, cases: Cases, condition: Expr, holds: bool) -> Cases:
        """The cases in which a condition holds too."""
        if len(self.seen) > MOST_VISITS:
            return cases
        more = self.known.get((condition, holds))
        if more is None:
            read = rebuild(condition, self.number) if self.fixed else condition
            more = self.known[condition, holds] = cases_of(read, holds)
        return both(cases, more)

    def number(self, term: Expr) -> Expr | None:
        """A param that is fixed, as its number."""
        if isinstance(term, Access) and term.tensor.is_param and not term.slots:
            value = self.fixed.get(term.tensor.name)
            return term if value is None else Const(value)
        return None


def slots_at(term: Expr) -> Iterator[Slot]:
    """The slots of one term that have an integer form; those of a padded access aside."""
    if isinstance(term, Access) and not term.padded:
        for slot, axis in zip(term.slots, term.tensor.axes, strict=True):
            form = affine(slot)
            if form is not None:
                yield Slot(form, Dim(), Dim.of(axis), axis)
    elif isinstance(term, Along):
        form, span = affine(term.at), term.index.range
        if form is not None:
            yield Slot(form, span.starts[0], span.stops[0])


# --- what is out of bounds ------------------------------------------------------------------------


def below(slot: Slot) -> Inequality:
    """That a slot is before the first place."""
    return negative(slot.form.plus(Affine(slot.start), -1))


def beyond(slot: Slot) -> Inequality:
    """That a slot is after the last place."""
    return negative(Affine(slot.stop - 1).plus(slot.form, -1))


def bad_cases(
    read: Read, outside: Inequality, known: Mapping[Index, Range], sure: Case
) -> list[Case]:
    """The cases in which a slot is read outside, its indices in their ranges."""
    found = []
    for case in read.cases:
        whole = case | {outside} | sure
        whole |= {f for i in _indices(whole) for f in _range(i, known)}
        if not is_empty(whole):
            found.append(whole)
    return found


def _indices(case: Case) -> set[Symbol | Bound]:
    return {v for f in case for v in f.variables if isinstance(v, Symbol | Bound)}


def _range(index: Symbol | Bound, known: Mapping[Index, Range]) -> Iterator[Inequality]:
    span = known.get(index) or range_of(index)
    if span is not None:
        yield from within(index, span)


def is_inside(read: Read, known: Mapping[Index, Range], sure: Case) -> bool:
    """Whether a slot is in bounds wherever it is read."""
    ends = (below(read.slot), beyond(read.slot))
    return not any(bad_cases(read, end, known, sure) for end in ends)


def last_bad(case: Case, index: Index) -> Dim | None:
    """The least number that an index is known not to exceed in a case."""
    found = bounds_of(case, Affine(Dim(), {index: 1}))
    return _tightest(case, found[1] if found else [], 1)


def first_bad(case: Case, index: Index) -> Dim | None:
    """The largest number that an index is known to reach in a case."""
    found = bounds_of(case, Affine(Dim(), {index: 1}))
    return _tightest(case, found[0] if found else [], -1)


def _tightest(case: Case, dims: list[Dim], sign: int) -> Dim | None:
    """The least (sign 1) or largest (-1) of some dims, by what the case says of sizes."""
    dims = sorted(dims, key=str)
    for d in dims:
        if all(is_empty(case | {negative(Affine((o - d) * sign))}) for o in dims if o != d):
            return d
    return dims[0] if dims else None
