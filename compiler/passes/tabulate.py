"""Windows over windows made as tables: what depends on `h + a` alone is computed once a place.

`min[a](max[b](x[h+a+b]))` has as many axes as it has indices, though the inner window is the same
wherever `h + a` is. As a table over `t = h + a` it has one for both. Derivatives of such formulas
would need more axes than TensorFlow's kernels take.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from ..affine import Affine, affine, as_term, extent
from ..fold import apply, clamp
from ..ir import (
    INT,
    REAL,
    TABLE,
    Access,
    Along,
    Apply,
    Axis,
    Dim,
    Expr,
    Index,
    Position,
    Program,
    Range,
    Reduce,
    Symbol,
    along,
    rebuild,
    reduce,
    substitute,
    with_parts,
)  # fmt: skip

# A sum of indices, up to its sign.
Form = frozenset[tuple[Index, int]]
COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")


def tabulated(program: Program) -> Program:
    """The program with reductions that move along axes made once for each place."""
    return replace(program, value=_Tables().visit(program.value))


def padded(term: Expr, partial: frozenset[Index]) -> Expr:
    """A term whose accesses at some indices may be asked for places outside."""

    def visit(t: Expr) -> Expr | None:
        if not t.free & partial:
            return t
        if isinstance(t, Along) and t.at.free & partial:
            kept = None if t.filter is None else padded(t.filter, partial)
            at = clamp(padded(t.at, partial), t.index.range)
            return Along(t.op, t.index, padded(t.body, partial), at, kept)
        return Access(t.tensor, t.slots, padded=True) if isinstance(t, Access) else None

    return rebuild(term, visit) if partial else term


@dataclass
class _Tables:
    """Reductions are opened with fresh indices on the way down, and closed on the way up."""

    done: dict[Expr, Expr] = field(default_factory=dict)
    ranges: dict[Index, Range] = field(default_factory=dict)
    forms: dict[Expr, frozenset[Form]] = field(default_factory=dict)
    reduces: dict[Expr, bool] = field(default_factory=dict)
    uid: Iterator[int] = field(default_factory=lambda: count(1 << 21))

    def visit(self, term: Expr) -> Expr:
        """A term with tables in it."""
        if not self.has_reduction(term):
            return term
        if term not in self.done:
            self.done[term] = self.table(term) or self.inside(term)
        return self.done[term]

    def inside(self, term: Expr) -> Expr:
        """A term with tables in its parts."""
        match term:
            case Reduce():
                spans: dict[Index, Range] = {self.fresh(b.range, b.name): b.range
                                             for b in term.indices}  # fmt: skip
                moved = dict(zip(term.indices, map(Position, spans), strict=True))
                body = self.visit(substitute(term.body, moved))
                kept = term.filter and self.visit(substitute(term.filter, moved))
                return reduce(term.op, spans, body, kept, term.result)
            case Along():
                here = self.fresh(term.index.range, term.index.name)
                at = {term.index: Position(here)}
                body = self.visit(substitute(term.body, at))
                kept = term.filter and self.visit(substitute(term.filter, at))
                return along(term.op, here, term.index.range, body, self.visit(term.at), kept)
        return with_parts(term, [self.visit(p) for p in term.parts])

    def table(self, term: Expr) -> Expr | None:
        """A term as a place of a table, if some of its indices stand in one sum alone."""
        if term.kind not in (REAL, INT) or (isinstance(term, Along) and term.op == TABLE):
            return None
        for form in self.sums(term):
            reach = extent(form, self.ranges | _whole(form.indices))
            if reach is not None:
                return self.over(term, form, Range((reach[0],), (reach[1] + 1,)))
        return None

    def over(self, term: Expr, form: Affine, span: Range) -> Expr | None:
        """A term as a place of a table over the values of a form."""
        here = self.fresh(span, "t")
        index, sign = next((i, n) for i, n in form.indices.items() if abs(n) == 1)
        others = {i: n for i, n in form.indices.items() if i != index}
        value = Affine(Dim(), {here: 1}).plus(Affine(Dim(), others), -1).times(sign)
        body = rebuild(substitute(term, {index: as_term(value)}), _tidy)
        if body.free & form.indices.keys():
            return None
        return along(TABLE, here, span, self.visit(padded(body, frozenset((here,)))), as_term(form))

    def sums(self, term: Expr) -> Iterator[Affine]:
        """The sums of several indices whose indices stand nowhere else in a term."""
        found = self.forms_of(term)
        for form in sorted((f for f in found if len(f) > 1), key=_by_name):
            names = {i for i, _ in form}
            alone = all(f == form or not names & {i for i, _ in f} for f in found)
            if alone and any(abs(n) == 1 for _, n in form):
                yield Affine(Dim(), dict(sorted(form, key=repr)))

    # --- what a term is made of -----------------------------------------------------------------

    def forms_of(self, term: Expr) -> frozenset[Form]:
        """The sums of open indices that a term depends on."""
        if term not in self.forms:
            self.forms[term] = self.read(term)
        return self.forms[term]

    def read(self, term: Expr) -> frozenset[Form]:
        whole = _difference(term) if isinstance(term, Apply) else None
        if isinstance(term, Position):
            whole = affine(term)
        if whole is not None:
            return frozenset((_form(whole),)) if whole.indices else frozenset()
        found = frozenset[Form]().union(*map(self.forms_of, term.parts))
        if not isinstance(term, Reduce | Along):
            return found
        bound = {*(term.indices if isinstance(term, Reduce) else (term.index,))}
        rest = (frozenset(p for p in f if p[0] not in bound) for f in found)
        return frozenset(_form(Affine(Dim(), dict(f))) for f in rest if f)

    def has_reduction(self, term: Expr) -> bool:
        """Whether there is something in a term that is worth a table."""
        if term not in self.reduces:
            own = isinstance(term, Reduce | Along)
            self.reduces[term] = own or any(map(self.has_reduction, term.parts))
        return self.reduces[term]

    def fresh(self, span: Range, name: str) -> Symbol:
        """A new open index."""
        symbol = Symbol(name, None, next(self.uid))
        self.ranges[symbol] = span
        return symbol


def _whole(indices: Iterable[Index]) -> dict[Index, Range]:
    """The ranges of the indices that stand for axes."""
    axes = ((i, i.axis) for i in indices if isinstance(i, Symbol))
    return {i: Range.of(a) for i, a in axes if isinstance(a, Axis)}


def _difference(term: Apply) -> Affine | None:
    """The integer form that a term is, or that it compares with 0."""
    if term.op not in COMPARISONS:
        return affine(term) if term.kind == INT else None
    left, right = (affine(a) if a.kind == INT else None for a in term.args)
    return None if left is None or right is None else left.plus(right, -1)


def _by_name(form: Form) -> list[tuple[str, str]]:
    """A key by which forms have one order wherever a term stands."""
    return sorted((i.name, repr((i, n))) for i, n in form)


def _form(whole: Affine) -> Form:
    """The indices of a form with their factors, the first of them positive."""
    pairs = sorted(whole.indices.items(), key=repr)
    return frozenset((i, n if pairs[0][1] > 0 else -n) for i, n in pairs)


def _tidy(term: Expr) -> Expr | None:
    """Integer forms written small, and those that are compared without what both sides have."""
    form = _difference(term) if isinstance(term, Apply) else None
    if form is None or not isinstance(term, Apply):
        return None
    if term.op not in COMPARISONS:
        return as_term(form)
    positive = {i: n for i, n in form.indices.items() if n > 0}
    negative = {i: -n for i, n in form.indices.items() if n < 0}
    sides = (as_term(Affine(form.dim, positive)), as_term(Affine(Dim(), negative)))
    return apply(term.op, sides)
