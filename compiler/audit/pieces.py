"""Facts about a scalar formula in one variable, piece by piece.

A formula with branches, absolute values and maxima is taken apart into smooth pieces. A fact (its
slope is not below 0, say) is shown on each piece, and where two pieces meet what joins them: that
the value does not jump, or the slope only upward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from ..ir import Access, Apply, Const, Expr, postorder
from .derivative import derivative
from .enclose import enclose
from .goal import Goal, comparisons, excess, put, split_at, swap, variables
from .interval import INF, Interval
from .normal import is_zero, normal
from .prove import BOUNDS, Prover, hardest, is_continuous, solved
from .scalars import scalar
from .tidy import build, negated, number

SECOND = "sign of the second derivative, piece by piece"
FIRST = "sign of the derivative, piece by piece"


@dataclass(frozen=True)
class Joint:
    """Where two pieces meet: each one's term, the place, and whether `upper` is on the right."""

    upper: Expr
    lower: Expr
    place: Expr
    goal: Goal
    is_right: bool

    def value_jump(self, name: str) -> Expr:
        """How much the value jumps upward."""
        return self.jump(self.upper, self.lower, name)

    def slope_jump(self, name: str) -> Expr:
        """How much the slope jumps upward."""
        return self.jump(derivative(self.upper, name), derivative(self.lower, name), name)

    def jump(self, upper: Expr, lower: Expr, name: str) -> Expr:
        gap = put(build("sub", upper, lower), name, self.place)
        return normal(gap if self.is_right else negated(gap), self.goal.positive)


OnPiece = Callable[[Goal], list[Goal] | None]
OnJoint = Callable[[Joint], list[Goal] | None]


@dataclass
class Pieces:
    """Shows a fact about a term in a variable."""

    prover: Prover
    name: str
    on_piece: OnPiece
    on_joint: OnJoint

    def show(self, goal: Goal) -> str | None:
        """How the fact is shown of a term over a box."""
        found = BOUNDS
        for part in self.goals(goal):
            how = None if part is None else self.prover.prove(part)
            if how is None:
                return None
            found = hardest(found, how)
        return found

    def goals(self, goal: Goal) -> Iterator[Goal | None]:
        """What must hold; None where the rule does not apply."""
        self.prover.budget.check()
        cases = split_at(goal)
        if cases is None:
            goals = self.on_piece(goal)
            yield from [None] if goals is None else goals
            return
        if len(cases) == 2 and self.name in variables(cases[0][0]):
            yield from self.joints(goal, cases)
        elif len(cases) != 2 and any(self.name in variables(c) for c, _ in cases):
            yield None
            return
        for condition, term in cases:
            inside = goal.where(condition)
            if inside is not None:
                yield from self.goals(inside.with_term(term))

    def joints(self, goal: Goal, cases: list[tuple[Expr, Expr]]) -> Iterator[Goal | None]:
        """What must hold where the two cases of a condition meet."""
        (condition, then), (_, other) = cases
        found = list(comparisons(condition))
        gap = excess(found[0]) if len(found) == 1 else None
        place = solved(gap[0], self.name, goal.positive) if gap is not None else None
        if gap is None or place is None:
            yield None
            return
        slope = normal(derivative(gap[0], self.name), goal.positive)
        rises = self.prover.prove(Goal(slope, goal.box, goal.given, True)) is not None
        if (
            not rises
            and self.prover.prove(Goal(negated(slope), goal.box, goal.given, True)) is None
        ):
            yield None
            return
        there = self.at(goal, place)
        if there is not None:
            yield from self.on_joint(Joint(then, other, place, there, rises)) or ()

    def at(self, goal: Goal, place: Expr) -> Goal | None:
        """The goal at a place of the variable, None if it is outside the interval."""
        interval = goal.box[self.name]
        there: Goal | None = goal.at(self.name, place)
        for op, end in (("ge", interval.low), ("le", interval.high)):
            if there is not None and abs(end) < INF:
                there = there.where(build(op, place, number(Fraction(end))))
        return there


def _is_smooth(goal: Goal, name: str) -> bool:
    return name not in variables(goal.term) or is_continuous(goal, name)


def _opened(interval: Interval) -> Interval:
    return interval._replace(low_open=True, high_open=True)


def _equal(joint: Joint, jump: Expr) -> list[Goal]:
    """Goals that say that a jump is 0."""
    if is_zero(jump, joint.goal.positive):
        return []
    return [joint.goal.with_term(jump), joint.goal.with_term(negated(jump))]


def centred(goal: Goal, name: str) -> tuple[Goal, str, int]:
    """A term in `x - y` as one in a variable of its own, and whether that moves with `x`."""
    sign = 1
    while True:
        part = _difference(goal, name)
        if part is None:
            return goal, name, sign
        fresh = scalar(f"({name})")
        sign = -sign if part.op == "sub" and _is_variable(part.args[1], name) else sign
        names = variables(part)
        box = {n: i for n, i in goal.box.items() if n not in names}
        box[fresh.tensor.name] = enclose(part, goal.box)
        given = tuple(swap(c, part, fresh) for c in goal.given)
        goal = Goal(swap(goal.term, part, fresh), box, given, goal.strict)
        name = fresh.tensor.name


def _difference(goal: Goal, name: str) -> Apply | None:
    """The sum or difference of two variables, or of one and a number, that have no other use."""
    order = postorder(goal.term, *goal.given)
    users = {p: {t for t in order if p in t.parts} for p in order if isinstance(p, Access)}
    for part in order:
        if isinstance(part, Apply) and part.op in ("add", "sub") and part != goal.term:
            own = [a for a in part.args if isinstance(a, Access)]
            flat = all(isinstance(a, Access | Const) for a in part.args)
            here = any(_is_variable(a, name) for a in own)
            if flat and here and all(users[a] == {part} for a in own):
                return part
    return None


def _is_variable(term: Expr, name: str) -> bool:
    return isinstance(term, Access) and term.tensor.name == name


def convex(prover: Prover, goal: Goal, name: str) -> str | None:
    """How a term is shown to be convex in a variable."""
    goal, name, _ = centred(goal, name)

    def on_piece(piece: Goal) -> list[Goal] | None:
        slope = normal(derivative(piece.term, name), piece.positive)
        inner = Goal(slope, {**piece.box, name: _opened(piece.box[name])})
        if not _is_smooth(piece, name) or not _is_smooth(inner, name):
            return None
        return [piece.with_term(normal(derivative(slope, name), piece.positive))]

    def on_joint(joint: Joint) -> list[Goal]:
        value = _equal(joint, joint.value_jump(name))
        return [*value, joint.goal.with_term(joint.slope_jump(name))]

    return SECOND if Pieces(prover, name, on_piece, on_joint).show(goal) else None


def increasing(prover: Prover, goal: Goal, name: str) -> str | None:
    """How a term is shown not to fall in a variable."""
    goal, name, sign = centred(goal, name)
    goal = goal if sign > 0 else goal.with_term(negated(goal.term))

    def on_piece(piece: Goal) -> list[Goal] | None:
        if not _is_smooth(piece, name):
            return None
        return [piece.with_term(normal(derivative(piece.term, name), piece.positive))]

    def on_joint(joint: Joint) -> list[Goal]:
        return [joint.goal.with_term(joint.value_jump(name))]

    return FIRST if Pieces(prover, name, on_piece, on_joint).show(goal) else None


def lipschitz(prover: Prover, goal: Goal, name: str, bound: Expr) -> str | None:
    """How the slope of a term is shown to be no larger than a bound."""
    inner, fresh, _ = centred(goal, name)
    if set(goal.box) - set(inner.box) <= set(variables(goal.term)) - variables(bound):
        goal, name = inner, fresh

    def on_piece(piece: Goal) -> list[Goal] | None:
        if not _is_smooth(piece, name):
            return None
        slope = derivative(piece.term, name)
        room = (build("sub", bound, slope), build("add", bound, slope))
        return [piece.with_term(normal(r, piece.positive)) for r in room]

    def on_joint(joint: Joint) -> list[Goal]:
        return _equal(joint, joint.value_jump(name))

    return FIRST if Pieces(prover, name, on_piece, on_joint).show(goal) else None


def joints_of(prover: Prover, goal: Goal, name: str) -> list[Joint]:
    """The places at which a term's pieces in a variable meet, as far as they are found."""
    found: list[Joint] = []

    def note(joint: Joint) -> list[Goal]:
        found.append(joint)
        return []

    for _ in Pieces(prover, name, lambda piece: [], note).goals(goal):
        pass
    return found


def smooth(prover: Prover, goal: Goal, name: str) -> str | None:
    """How a term is shown to have a derivative that does not jump."""
    goal, name, _ = centred(goal, name)

    def on_piece(piece: Goal) -> list[Goal] | None:
        slope = normal(derivative(piece.term, name), piece.positive)
        good = _is_smooth(piece, name) and _is_smooth(piece.with_term(slope), name)
        return [piece.with_term(number(0))] if good else None

    def on_joint(joint: Joint) -> list[Goal]:
        value = _equal(joint, joint.value_jump(name))
        return [*value, *_equal(joint, joint.slope_jump(name))]

    how = Pieces(prover, name, on_piece, on_joint).show(goal)
    return "continuity of value and derivative, piece by piece" if how else None
