"""Guards: a branch that is not taken is not there, under automatic differentiation too.

The slope of a branch that is not taken is 0 times the slopes inside it, which is NaN where one of
them is infinite. So inside a branch, or a filtered reduction, each argument of a function with a
slope of its own is replaced, where the branch is not taken, by a point at which all is finite.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from lossc.dsl.primitives import PRIMITIVES

from ..ir import (
    BOOL,
    INT,
    REAL,
    Access,
    Along,
    Apply,
    Bound,
    Const,
    Expr,
    Index,
    Position,
    Range,
    Reduce,
    Select,
    Symbol,
    along,
    postorder,
    reduce,
    substitute,
    with_parts,
)  # fmt: skip

World = Expr | None
Task = tuple[Expr, World]

FLAT = frozenset(("sign", "floor", "ceil", "round", "stop_gradient", "indicator"))
LINEAR = frozenset(("sum", "mean", "cumsum", "sort"))
FINITE = frozenset(("sum", "mean", "var", "std", "norm", "norm1"))


def guard(expr: Expr) -> Expr:
    """The same value, with slopes that are finite wherever those of the taken branches are."""
    return _Guard(expr).run(expr)


class _Guard:
    """Rewrites terms, each once for every world (the condition under which it is there)."""

    def __init__(self, root: Expr) -> None:
        self.done: dict[Task, Expr] = {}
        self.tame: set[Task] = set()  # finite also outside of its world
        self.ranges: dict[Index, Range] = {}
        self.symbols: dict[Bound, Symbol] = {}
        self.reads = _Memo(lambda t: isinstance(t, Access))
        self.branches = _Memo(_is_branch)
        uids = [i.uid for t in postorder(root) for i in t.free if isinstance(i, Symbol)]
        self.uid = max(uids, default=0) + 1

    def run(self, root: Expr) -> Expr:
        stack: list[tuple[Task, bool]] = [((root, None), False)]
        while stack:
            task, ready = stack.pop()
            if task in self.done:
                continue
            if ready:
                self.done[task] = self.finish(*task)
                continue
            stack.append((task, True))
            stack.extend((t, False) for t in self.needs(*task))
        return self.done[root, None]

    def needs(self, term: Expr, world: World) -> list[Task]:
        """The parts to rewrite first, each in its world."""
        if term.kind != REAL or (world is None and not self.branches(term)):
            return []
        match term:
            case Apply():
                return [] if term.op in FLAT else [(a, world) for a in term.args]
            case Select(condition=c):
                return [(term.then, _both(world, c)), (term.other, _both(world, _not(c)))]
            case Reduce(op="argmax" | "argmin"):
                return []
            case Reduce() | Along():
                body, condition = self.opened(term)
                return [(body, _both(world, condition))]
        return []

    def finish(self, term: Expr, world: World) -> Expr:
        tasks = self.needs(term, world)
        if not tasks:
            self.settle(term, world)
            return term
        parts = [self.done[t] for t in tasks]
        tame = all(t in self.tame for t in tasks)
        match term:
            case Apply():
                return self.applied(term, tasks, world)
            case Select():
                new: Expr = with_parts(term, [term.condition, *parts])
            case Reduce() | Along():
                tame = tame and term.op in FINITE
                new = self.closed(term, parts[0], tasks[0], world)
        if tame:
            self.tame.add((term, world))
        return new

    def settle(self, term: Expr, world: World) -> None:
        """Note whether a term that stays as it is is finite everywhere."""
        if not self.reads(term):
            self.tame.add((term, world))

    # --- primitives

    def applied(self, term: Apply, tasks: list[Task], world: World) -> Expr:
        parts = [self.done[t] for t in tasks]
        if world is not None and not PRIMITIVES[term.op].linear:
            parts = [
                self.held(term, k, part, task, world)
                for k, (part, task) in enumerate(zip(parts, tasks, strict=True))
            ]
            self.tame.add((term, world))
        elif all(t in self.tame for t in tasks):
            self.tame.add((term, world))
        return with_parts(term, parts)

    def held(self, term: Apply, k: int, part: Expr, task: Task, world: Expr) -> Expr:
        """One argument of a primitive, at its safe point where the branch is not taken."""
        if not self.wants_guard(term, k, task in self.tame):
            return part
        point = PRIMITIVES[term.op].safe
        wide = any(a.free == term.free for a in term.args)
        within = term.free if wide and world.free <= term.free else term.args[k].free
        return Select(self.project(world, within), part, _const(point[min(k, len(point) - 1)]))

    def wants_guard(self, term: Apply, k: int, tame: bool) -> bool:
        """Whether an argument can make a slope infinite or NaN."""
        others = [a for j, a in enumerate(term.args) if j != k]
        if not self.reads(term.args[k]):
            return False
        match term.op:
            case "mul":
                return not tame and any(map(self.reads, others))
            case "div":
                return k == 1 or (not tame and self.reads(others[0]))
            case "pow" if k == 0 and isinstance(others[0], Const) and others[0].kind == INT:
                power = others[0].value
                return not (tame and isinstance(power, Fraction) and power >= 0)
            case "min" | "max" | "clip" | "abs" | "relu":
                return not tame
        return True

    def project(self, world: Expr, within: frozenset[Index]) -> Expr:
        """The condition that the world holds somewhere along the indices not in `within`.

        Where it does, the argument is used by a branch that is taken; so it is enough, and no array
        gets wider by its guard.
        """
        others = world.free - within
        if not others:
            return world
        return reduce("any", {i: self.range_of(i) for i in others}, world, None, BOOL)

    def range_of(self, index: Index) -> Range:
        if index in self.ranges:
            return self.ranges[index]
        if isinstance(index, Bound):
            return index.range
        if index.axis is None:
            raise ValueError(f"the index {index.name} has no range")
        return Range.of(index.axis)

    # --- binders

    def opened(self, term: Reduce | Along) -> tuple[Expr, Expr | None]:
        """Body and filter with open indices in place of the bound ones, so nothing is captured."""
        mapping: dict[Index, Expr] = {b: Position(self.symbol(b)) for b in term.binds}
        condition = None if term.filter is None else substitute(term.filter, mapping)
        return substitute(term.body, mapping), condition

    def symbol(self, bound: Bound) -> Symbol:
        if bound not in self.symbols:
            symbol = Symbol(bound.name, None, self.uid)
            self.uid += 1
            self.symbols[bound] = symbol
            self.ranges[symbol] = bound.range
        return self.symbols[bound]

    def closed(self, term: Reduce | Along, body: Expr, task: Task, world: World) -> Expr:
        """The reduction or scan of a rewritten body."""
        _, condition = self.opened(term)
        if world is not None and term.op not in LINEAR and task not in self.tame:
            body = Select(self.project(world, body.free), body, _const(1))
        if isinstance(term, Along):
            index = self.symbol(term.index)
            return along(term.op, index, term.index.range, body, term.at, condition)
        ranges: dict[Index, Range] = {self.symbol(b): b.range for b in term.indices}
        return reduce(term.op, ranges, body, condition, term.result)


class _Memo:
    """Whether a term, or any below it, is of some sort; found once a term."""

    def __init__(self, holds: Callable[[Expr], bool]) -> None:
        self.holds = holds
        self.known: dict[Expr, bool] = {}

    def __call__(self, root: Expr) -> bool:
        if root not in self.known:
            for t in postorder(root):
                if t not in self.known:
                    self.known[t] = self.holds(t) or any(self.known[p] for p in t.parts)
        return self.known[root]


def _is_branch(term: Expr) -> bool:
    filtered = isinstance(term, Reduce | Along) and term.filter is not None
    return filtered or isinstance(term, Select)


def _both(world: World, condition: Expr | None) -> World:
    if world is None or condition is None:
        return condition if world is None else world
    return Apply("and", (world, condition), BOOL)


def _not(condition: Expr) -> Expr:
    return Apply("not", (condition,), BOOL)


def _const(value: Fraction | int) -> Const:
    return Const(Fraction(value))
