"""Branch and bound: a box is split until the term's interval is good on every part."""

from __future__ import annotations

import heapq
from itertools import count

from ..ir import Apply, Expr, Select, postorder
from .derivative import derivative
from .enclose import Box, Tape
from .goal import Budget, Goal, variables
from .interval import INF, Interval, add, mul

WIDEST = 6  # variables
SMALLEST = 1e-7


def by_boxes(goal: Goal, budget: Budget) -> str | None:
    """Split until the term's interval shows the goal; how many boxes it took."""
    names = sorted(variables(goal.term, *goal.given))
    if not 0 < len(names) <= WIDEST or any(n not in goal.box for n in names):
        return None
    search = _Search(goal, names, budget)
    boxes = search.run()
    return None if boxes is None else f"branch and bound over boxes ({boxes})"


class _Search:
    """The boxes still to be shown, the worst first."""

    def __init__(self, goal: Goal, names: list[str], budget: Budget) -> None:
        self.goal, self.names, self.budget = goal, names, budget
        self.tape = Tape(goal.term, *goal.given)
        self.slopes = None if _has_jumps(goal.term) else Tape(
            *(derivative(goal.term, n) for n in names))  # fmt: skip

    def run(self) -> int | None:
        order = count()
        start = {n: self.goal.box[n] for n in self.names}
        queue: list[tuple[float, int, Box]] = [(0.0, next(order), start)]
        used = 0
        while queue:
            self.budget.check()
            _, _, box = heapq.heappop(queue)
            used += 1
            low = self.lowest(box)
            if low is None:
                continue
            if used > self.budget.boxes:
                return None
            halves = self.halves(box)
            if halves is None:
                return None
            for half in halves:
                heapq.heappush(queue, (low, next(order), half))
        return used

    def lowest(self, box: Box) -> float | None:
        """A lower bound on a box that is not shown yet; None on one that is."""
        value, *given = self.tape.run(box)
        if False in given or self.shows(value):
            return None
        if self.slopes is not None and self.shows(self.sharper(box)):
            return None
        return float(value.low)

    def shows(self, value: Interval) -> bool:
        if value.is_empty:
            return False
        return value.positive if self.goal.strict else value.nonnegative

    def sharper(self, box: Box) -> Interval:
        """The interval by the mean value theorem, or at the ends toward which the term falls."""
        assert self.slopes is not None
        slopes = self.slopes.run(box)
        corner = dict(box)
        for name, slope in zip(self.names, slopes, strict=True):
            i = box[name]
            if slope.low >= 0 and i.low > -INF:
                corner[name] = Interval(i.low, i.low)
            elif slope.high <= 0 and i.high < INF:
                corner[name] = Interval(i.high, i.high)
        value: Interval = self.tape.run(corner)[0]
        if all(i.is_bounded for i in box.values()):
            value = value.meet(self.centred(box, slopes))
        return value

    def centred(self, box: Box, slopes: list[Interval]) -> Interval:
        middle = {n: _middle(i) for n, i in box.items()}
        total: Interval = self.tape.run({n: Interval(m, m) for n, m in middle.items()})[0]
        for name, slope in zip(self.names, slopes, strict=True):
            reach = add(box[name], Interval(-middle[name], -middle[name]))
            total = add(total, mul(slope, reach))
        return total

    def halves(self, box: Box) -> tuple[Box, Box] | None:
        """The box cut through its widest side."""
        name = max(self.names, key=lambda n: _width(box[n]))
        i = box[name]
        if _width(i) < SMALLEST:
            return None
        cut = _middle(i)
        left, right = i._replace(high=cut, high_open=False), i._replace(low=cut, low_open=False)
        return {**box, name: left}, {**box, name: right}


def _has_jumps(term: Expr) -> bool:
    """Whether the mean value theorem may fail: the term, or its domain, has holes."""
    holes = ("sign", "indicator", "floor", "ceil", "round", "atan2", "tan", "div", "pow", "xlogy",
             "log", "sqrt", "logit", "atanh", "acosh", "asin", "acos", "lgamma", "digamma",
             "trigamma")  # fmt: skip
    return any(isinstance(t, Select) or (isinstance(t, Apply) and t.op in holes)
               for t in postorder(term))  # fmt: skip


def _width(i: Interval) -> float:
    if i.is_bounded:
        return i.high - i.low
    if i.low == -INF and i.high == INF:
        return INF
    return max(1.0, 1e6 / (1.0 + abs(i.low if i.low > -INF else i.high)))


def _middle(i: Interval) -> float:
    """Where an interval is cut: an unbounded one at doubling distances."""
    if i.is_bounded:
        return i.low + (i.high - i.low) / 2
    if i.low == -INF and i.high == INF:
        return 0.0
    if i.high == INF:
        return max(1.0, i.low * 2, i.low / 2)
    return min(-1.0, i.high * 2, i.high / 2)
