"""Sums over the places that have a label, `sum[n if y[n] == k](x[n])`, added up label by label.

The derivative of what reads a tensor at labels is such a sum. As a scatter it takes one addition
for each `n`, where a comparison takes one for each pair of `n` and `k`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..fold import conjunction, select
from ..ir import INT, Access, Apply, Const, Expr, Index, Position, Reduce, Select, postorder
from .products import ZERO


@dataclass(frozen=True, slots=True)
class Scatter:
    """A sum of `body` over the places at which the integer `label` is the free `index`."""

    index: Index
    label: Expr
    body: Expr


def as_scatter(term: Expr) -> Scatter | None:
    """A sum as a scatter, if it is one: labels are read from data, and differ in no free index."""
    if not isinstance(term, Reduce) or term.op != "sum":
        return None
    body, conditions = term.body, _conjuncts(term.filter)
    if isinstance(body, Select) and body.other == ZERO:
        conditions, body = (*conditions, *_conjuncts(body.condition)), body.then
    bound = frozenset(term.indices)
    for k, condition in enumerate(conditions):
        rest = conditions[:k] + conditions[k + 1 :]
        for index, label in _labels(condition):
            others = frozenset[Index]().union(body.free, label.free, *(c.free for c in rest))
            if index not in bound and index not in others and label.free == bound:
                return Scatter(index, label, select(conjunction(rest), body, ZERO))
    return None


def _conjuncts(condition: Expr | None) -> tuple[Expr, ...]:
    if isinstance(condition, Apply) and condition.op == "and":
        return tuple(c for part in condition.args for c in _conjuncts(part))
    return () if condition is None or condition == Const(True) else (condition,)


def _labels(condition: Expr) -> list[tuple[Index, Expr]]:
    """The index and the label of a comparison of labels of the data with an index."""
    if not (isinstance(condition, Apply) and condition.op == "eq"):
        return []
    pairs = (condition.args, condition.args[::-1])
    return [
        (at.index, label)
        for at, label in pairs
        if isinstance(at, Position)
        and label.kind == INT
        and any(isinstance(t, Access) for t in postorder(label))
    ]
