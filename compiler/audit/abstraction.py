"""Formulas over axes of any length as formulas of a few scalars.

A log-sum-exp (or a largest value) less one of its own terms is never below 0: that difference
becomes a scalar of its own, and so does everything else that has indices, with the interval it lies
in. What is shown of the scalars holds for every length of the axes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..analyses.instances import is_instance
from ..ir import (
    BOOL,
    Access,
    Along,
    Apply,
    Expr,
    Position,
    Reduce,
    Select,
    Size,
    postorder,
    with_parts,
)
from .enclose import Enclosed
from .goal import Goal
from .interval import ANY, INF, NONNEGATIVE, Interval
from .scalars import scalar
from .tidy import build, negated, tidied


def abstracted(goal: Goal) -> Goal | None:
    """A goal about scalars that implies one about axes; None where conditions stand in the way."""
    maker = _Maker(Enclosed(goal.box))
    term = maker.term(goal.term)
    return None if term is None else Goal(term, maker.intervals, (), goal.strict)


@dataclass
class _Maker:
    """Replaces what has indices by scalars."""

    known: Enclosed
    intervals: dict[str, Interval] = field(default_factory=dict)
    names: dict[Expr, str] = field(default_factory=dict)

    def term(self, term: Expr) -> Expr | None:
        match term:
            case Apply(op="sub", args=(a, b)):
                if _is_above(a, b):
                    return self.opaque(term, NONNEGATIVE)
                if _is_above(b, a):
                    other = build("sub", b, a)
                    return negated(self.opaque(other, NONNEGATIVE))
                return self.rebuilt(term)
            case Apply(kind=kind) if kind != BOOL:
                return self.rebuilt(term)
            case Select():
                return self.rebuilt(term) if not _has_axes(term.condition) else self.opaque(term)
            case Apply():
                return self.rebuilt(term) if not _has_axes(term) else None
            case Access(slots=()):
                self.intervals.setdefault(
                    term.tensor.name, self.known.box.get(term.tensor.name, ANY)
                )
                return term
            case Access() | Reduce() | Along() | Size() | Position():
                return self.opaque(term) if term.kind != BOOL else None
        return term

    def rebuilt(self, term: Expr) -> Expr | None:
        parts = [self.term(p) for p in term.parts]
        if any(p is None for p in parts):
            return self.opaque(term) if term.kind != BOOL else None
        return tidied(with_parts(term, [p for p in parts if p is not None]))

    def opaque(self, term: Expr, at_most: Interval | None = None) -> Expr:
        """A scalar that stands for a term."""
        if term not in self.names:
            name = f"<{len(self.names)}>"
            self.names[term] = name
            interval: Interval = self.known[term]
            if at_most is not None:
                interval = interval.meet(at_most._replace(high=INF, high_open=True))
            self.intervals[name] = interval
        return scalar(self.names[term])


def _is_above(a: Expr, b: Expr) -> bool:
    """Whether a term is the log-sum-exp, or the largest, of terms of which another is one."""
    return isinstance(a, Reduce) and a.op in ("logsumexp", "max") and is_instance(a, b)


def _has_axes(term: Expr) -> bool:
    return any(isinstance(t, Reduce | Along | Size | Position) or (
        isinstance(t, Access) and t.slots) for t in postorder(term))  # fmt: skip
