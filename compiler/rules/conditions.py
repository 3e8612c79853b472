"""What the condition of a branch or a filter says: of other conditions, and of an index."""

from __future__ import annotations

from ..analyses.bounds import Inference
from ..ir import Apply, Expr, Index, Position

COMPARED = {"ge": 1, "gt": 1, "le": -1, "lt": -1}


def implied(condition: Expr | None, by: Expr, facts: Inference) -> bool:
    """Whether a condition is known to hold where another one does; no condition always holds."""
    if condition is None or condition == by:
        return True
    if isinstance(condition, Apply) and condition.op == "and":
        return all(implied(c, by, facts) for c in condition.args)
    around = facts.under(by)
    return around.hold(condition) or _compared(condition, around)


def place_of(condition: Expr | None, index: Index) -> Expr | None:
    """What an index is where a comparison with it holds; None if that is no one place."""
    if isinstance(condition, Apply) and condition.op == "eq":
        for own, place in (condition.args, condition.args[::-1]):
            if own == Position(index) and index not in place.free:
                return place
    return None


def _compared(condition: Expr, facts: Inference) -> bool:
    """Whether a comparison follows from the bounds of the difference of what it compares."""
    if not (isinstance(condition, Apply) and condition.op in COMPARED):
        return False
    x, y = condition.args
    gaps = (facts.of(Apply("sub", (x, y))), -facts.of(Apply("sub", (y, x))))
    above = [gap if COMPARED[condition.op] > 0 else -gap for gap in gaps]
    return any(b.positive if condition.op in ("gt", "lt") else b.nonnegative for b in above)
