"""`limit p -> v equals expr`."""

from __future__ import annotations

from lossc.dsl import ast

from ...ir import Apply, Expr
from ..algebra import is_identity
from ..context import Context, ladder
from ..derivative import derivative
from ..frame import Case, Frame
from ..goal import Goal, comparisons, excess, put, split_at, variables
from ..normal import normal
from ..prove import NORMAL_FORM, SYMPY, is_regular
from ..scalars import open_places
from ..statements import NotStated
from ..sympy_terms import limit_is_zero
from ..tidy import INF, negated, tidy, value_of
from ..verdict import Verdict


def limit(context: Context, claim: ast.Claim) -> Verdict:
    """`limit p -> v equals expr`: the value nears the expression as the param nears v."""
    assert claim.expr is not None
    start, goal = claim.subjects
    if not isinstance(start, ast.Name):
        raise NotStated("a limit in something else than an input or param")
    main = context.frames[0]
    if start.id not in main.decls or len(main.elements(start.id)) != 1:
        raise NotStated("a limit in something else than one number")
    value = context.checked.program.value
    gap = Apply("sub", (value, context.statements.term(claim.expr)))
    end = tidy(context.statements.term(goal))

    def prove(frame: Frame, case: Case) -> str | None:
        (name,) = frame.elements(start.id)
        if name not in case.box:
            return None
        found = NORMAL_FORM
        for env in open_places(gap, frame.writer):
            term = case.of(frame.write(gap, env))
            how = _vanishes(context, Goal(term, case.box, case.given), name, end)
            if how is None:
                return None
            found = max(found, how, key=len)
        return found

    def refute(frame: Frame, case: Case) -> Verdict | None:
        return None

    return ladder(context, prove, refute)


def _vanishes(context: Context, goal: Goal, name: str, end: Expr) -> str | None:
    """How a term is shown to near 0 as a variable nears an end."""
    context.budget.check()
    cases = split_at(goal)
    if cases is None:
        return _smooth_limit(context, goal, name, end)
    if not any(name in variables(c) for c, _ in cases):
        inside = [(goal.where(c), t) for c, t in cases]
        steps = [_vanishes(context, g.with_term(t), name, end) for g, t in inside if g is not None]
        return None if None in steps else max((s for s in steps if s), key=len)
    for condition, term in cases:
        if _comes_true(context, condition, goal, name, end):
            return _vanishes(context, goal.with_term(term), name, end)
    return None


def _smooth_limit(context: Context, goal: Goal, name: str, end: Expr) -> str | None:
    point = value_of(end)
    if point is not None and is_regular(goal, name, point):
        at = put(goal.term, name, end)
        how = is_identity(at, Goal(at, goal.box, goal.given), context.budget)
        if how is not None:
            return f"continuity and {how}"
    found = limit_is_zero(goal, name, end, min(context.budget.left, 1.5))
    return SYMPY if found else None


def _comes_true(context: Context, condition: Expr, goal: Goal, name: str, end: Expr) -> bool:
    """Whether a comparison holds from some point on as a variable nears an end."""
    found = list(comparisons(condition))
    gap = excess(found[0]) if len(found) == 1 else None
    if gap is None:
        return False
    if value_of(end) is not None:
        at = Goal(put(gap[0], name, end), goal.box, goal.given, True)
        return context.prover().prove(at) is not None
    slope = normal(derivative(gap[0], name), goal.positive)
    if name in variables(slope):
        return False
    rising = slope if end == INF else negated(slope)
    return context.prover().prove(Goal(rising, goal.box, goal.given, True)) is not None
