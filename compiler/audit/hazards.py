"""Hazards: where a loss, or its gradient, has no finite value inside its domain, or is flat.

A hazard is shown by a point, found by search and confirmed by the interpreter, and by the part of
the formula that is to blame there. Parts that could be hazards and are not are shown to be safe by
the rules of proof; what is neither is possible.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain, islice, product
from typing import Any

import numpy as np
from mpmath import mp

from lossc.dsl.source import Span

from ..interpret import Machine
from ..ir import (
    BOOL,
    REAL,
    Access,
    Along,
    Apply,
    Bound,
    Const,
    Expr,
    Index,
    Program,
    Reduce,
    Select,
    Size,
    postorder,
)  # fmt: skip
from ..numeric import evaluate
from ..pipeline import Numerics
from ..separate import leading, reads_place, runs_over, separate
from .context import Context, Doubt, each_case
from .derivative import derivative
from .frame import Case, Frame, rests_on
from .goal import Budget, Goal, OutOfBudget, split_at, variables
from .interval import Interval
from .normal import normal
from .places import Places
from .prove import EXACT
from .scalars import NotWritten, open_places
from .search import Point, Question, completed, draw, number_at, rounded
from .tidy import FALSE, ONE, ZERO, build, negated
from .verdict import Witness, both

NAN, INFINITE, GRADIENT, FLAT, PLACE = "nan", "infinite", "gradient", "flat", "place"
CASES, PIECES, TRIES, CORNERS = 8, 24, 12, 40
LONGER = 2  # cases with longer axes
SHARE = 0.4  # of the time that is left, for one search
Env = dict[Index, int]
Test = Callable[[Machine, Apply, Env], bool]
Trouble = Callable[[Frame, Mapping[str, Any]], "Culprit | None"]


@dataclass(frozen=True, slots=True)
class Hazard:
    """A hazard: its kind, what happens in words, where in the text, and an input that shows it.

    `kind` is "nan" or "infinite" (of the value), "gradient" (one that is not finite), "flat" (a
    gradient of 0 on a whole region, though the loss could be smaller) or "place" (the value of a
    sample depends on its place in the batch, which the text shows). Any other without a witness was
    neither found nor ruled out.
    """

    kind: str
    what: str
    span: Span
    witness: Witness | None = None

    @property
    def status(self) -> str:
        """Whether it was "found", or is only "possible"."""
        return "possible" if self.witness is None and self.kind != PLACE else "found"

    def to_json(self) -> dict[str, object]:
        """The hazard as JSON has it."""
        return {
            "kind": self.kind, "status": self.status, "what": self.what, "text": self.span.text,
            "file": self.span.source.name, "line": self.span.line, "column": self.span.column,
            "length": self.span.stop - self.span.start,
            "witness": self.witness.to_json() if self.witness else None,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hazards:
    """What was found, and how many parts that could be hazards were shown to be none.

    `scoped` counts those for which that was shown of some lengths of axes, or values of params,
    alone, by these. `notes` says which search ended because its time was over.
    """

    found: tuple[Hazard, ...]
    safe: int
    scoped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Culprit:
    """The part of a formula that has no finite value, that value, and the loss's."""

    term: Expr
    value: Any
    loss: Any = None


Part = tuple[Span, int]  # where it stands in the text, and which one there


def hazards(context: Context) -> Hazards:
    """The hazards of a loss, for all values of its params."""
    found: dict[tuple[str, Span], Hazard] = {}
    scopes: dict[Part, str | None] = {}
    notes: list[str] = []
    whole = context.budget
    first, *others = context.variants
    first.budget = whole.part(1 / 2) if others else whole
    _of_one(first, found, scopes, notes)
    for k, other in enumerate(others):
        other.budget = whole.part(1 / (len(others) - k))
        _of_one(other, found, scopes, notes)
    context.budget = whole
    shown = Counter(both(s, context.partial) for s in scopes.values() if s is not None)
    safe = shown.pop("", 0)
    return Hazards(tuple(found.values()), safe, shown, tuple(dict.fromkeys(notes)))


def _of_one(
    context: Context, found: dict[tuple[str, Span], Hazard], scopes: dict[Part, str | None],
    notes: list[str],
) -> None:  # fmt: skip
    """The hazards of one formula, and the scopes of what is shown of its parts."""
    places = Places.of(context.checked)
    searches = (("places", _of_places), ("values", _of_values), ("gradients", _of_gradients),
                ("flat regions", _flat))  # fmt: skip
    whole = context.budget
    for name, search in searches:
        context.budget = whole.part(SHARE)
        for hazard in _in_time(search(context, places), name, notes):
            found.setdefault((hazard.kind, hazard.span), hazard)
    context.budget = whole
    seen = {span for _, span in found}
    count = Counter[Span]()
    for span, what, scope in _suspects(context, places):
        part = span, count[span]
        count[span] += 1
        known = scopes.get(part, "")
        scopes[part] = None if scope is None or known is None else max(known, scope, key=len)
        if scope is None and span not in seen:
            found.setdefault((NAN, span), Hazard(NAN, f"{what} could not be ruled out", span))


def _in_time(found: Iterator[Hazard], name: str, notes: list[str]) -> Iterator[Hazard]:
    """What a search finds until its time is over."""
    try:
        yield from found
    except OutOfBudget:
        notes.append(f"hazards: the search of {name} ended, out of time")


# --- places ---------------------------------------------------------------------------------------


def _of_places(context: Context, places: Places) -> Iterator[Hazard]:
    """Where the place of a sample in its batch is a number, of values one for each sample."""
    program = context.checked.program
    lead = leading(program)
    if lead is None or separate(program) is None:
        return
    for term in postorder(program.value):
        if reads_place(term, lead):
            what = f"the value of a sample depends on its place: `{lead.name}` is a number here"
            yield Hazard(PLACE, what, places.place(term))


# --- values ---------------------------------------------------------------------------------------


def _of_values(context: Context, places: Places) -> Iterator[Hazard]:
    """Points at which the value is not finite."""
    value = context.checked.program.value

    def trouble(frame: Frame, values: Mapping[str, Any]) -> Culprit | None:
        machine = frame.machine(values)
        found = culprit(machine, value, {})
        return None if found is None else replace(found, loss=machine.run(value, {}))

    cases = islice(each_case(context.frames), CASES)
    for frame, case in chain(cases, islice(each_case(context.longer), LONGER)):
        term = case.of(frame.write(value))
        searched = _troubled(context, frame, case, term, trouble)
        for point, found in chain(_at_corners(context, frame, case, trouble), searched):
            kind = NAN if mp.isnan(found.loss) else INFINITE
            span = places.place(found.term)
            what = f"`{span.words}` is {_said(found.value)}, and the loss {_said(found.loss)}"
            yield Hazard(kind, what, span, _witness(context, frame, case, point, value))


def _said(value: Any) -> str:
    return "no number" if mp.isnan(value) else "infinite" if value > 0 else "minus infinity"


def _at_corners(
    context: Context, frame: Frame, case: Case, trouble: Trouble
) -> Iterator[tuple[Point, Culprit]]:
    """Corners of a box at which something is not finite, each with another culprit."""
    choices = [_ends(case.box[n]) for n in case.box]
    seen: set[tuple[Expr, bool]] = set()
    for values in islice(product(*choices), CORNERS):
        context.budget.check()
        point = dict(zip(case.box, values, strict=True))
        with mp.workdps(40):
            whole = completed(case, point)
            if not all(number_at(c, point) for c in case.given) or not frame.admits(whole):
                continue
            found = trouble(frame, whole)
        key = None if found is None else (found.term, bool(mp.isnan(found.loss or 0)))
        if found is not None and key is not None and key not in seen:
            seen.add(key)
            yield point, found


def _ends(interval: Interval) -> list[Fraction]:
    """The ends that belong to an interval, 0, and 1."""
    ends = [Fraction(x) for x in (interval.low, interval.high) if math.isfinite(x)]
    return [x for x in dict.fromkeys((*ends, Fraction(0), Fraction(1))) if x in interval]


def _troubled(
    context: Context, frame: Frame, case: Case, term: Expr, trouble: Trouble
) -> Iterator[tuple[Point, Culprit]]:
    """Points at which a term is not finite, each with another culprit."""
    question = _question(frame, case, term, context.seed)
    points = draw(question)
    values = evaluate(term, points) if points else evaluate(term, {"#": np.zeros(1)})
    bad = np.flatnonzero(~np.isfinite(values) & _kept(question, points, len(values)))
    seen: set[Expr] = set()
    for k in bad[:TRIES]:
        for digits in (0, 1, None):
            context.budget.check()
            point = {n: rounded(float(c[k]), digits, n in question.integers)
                     for n, c in points.items()}  # fmt: skip
            if not all(x in case.box[n] for n, x in point.items()):
                continue
            with mp.workdps(40):
                whole = completed(case, point)
                found = trouble(frame, whole) if frame.admits(whole) else None
            if found is not None and found.term not in seen:
                seen.add(found.term)
                yield point, found
            if found is not None:
                break


def _question(frame: Frame, case: Case, term: Expr, seed: int) -> Question:
    whole = frozenset(n for n in case.box if frame.kind(n) != REAL)
    return Question(
        term, case.box, lambda point, arithmetic: mp.nan, case.given, integers=whole, seed=seed
    )


def _kept(question: Question, points: Mapping[str, Any], count: int) -> Any:
    kept = np.ones(count, dtype=bool)
    for condition in question.given:
        kept &= evaluate(condition, points).astype(bool)
    return kept


def _witness(context: Context, frame: Frame, case: Case, point: Point, value: Expr) -> Witness:
    def shown(f: Frame, values: Mapping[str, Any]) -> Any:
        return f.machine(values).run(value, {})

    return context.witness(frame, case, Doubt(ZERO, shown, shown=(("loss", shown),)), point)


def culprit(machine: Machine, term: Expr, env: Env) -> Culprit | None:
    """The innermost part whose value is not finite, though those of its own parts are."""
    if term.kind == BOOL:
        return next((c for p in term.parts if (c := culprit(machine, p, env))), None)
    value = machine.run(term, env)
    if mp.isfinite(value) or isinstance(term, Const):
        return None
    for part, inner in _evaluated(machine, term, env):
        found = culprit(machine, part, inner)
        if found is not None:
            return found
    return Culprit(term, value)


def _evaluated(machine: Machine, term: Expr, env: Env) -> Iterator[tuple[Expr, Env]]:
    """The parts that a term's value rests on, at their places."""
    match term:
        case Select():
            taken = machine.run(term.condition, env)
            yield (term.then if taken else term.other), env
        case Reduce():
            for inner in _inner(machine, term.indices, env):
                if term.filter is None or machine.run(term.filter, inner):
                    yield term.body, inner
        case Along():
            for inner in _inner(machine, (term.index,), env):
                yield term.body, inner
        case _:
            yield from ((p, env) for p in term.parts)


def _inner(machine: Machine, indices: tuple[Bound, ...], env: Env) -> Iterator[Env]:
    spans = [range(*b.range.bounds(machine.size)) for b in indices]
    for place in product(*spans):
        inner: Env = dict(env)
        inner.update(zip(indices, place, strict=True))
        yield inner


# --- gradients ------------------------------------------------------------------------------------


def _of_gradients(context: Context, places: Places) -> Iterator[Hazard]:
    """Points at which the value is finite and the gradient is not."""
    program = context.checked.program
    numerics = Numerics.of(context.checked)
    for tensor in program.inputs:
        if tensor.kind == REAL:
            derived = numerics.derivative(program, tensor.name)
            yield from _of_gradient(context, places, tensor.name, derived)


def _of_gradient(context: Context, places: Places, name: str, derived: Program) -> Iterator[Hazard]:
    value = context.checked.program.value
    for frame, case in islice(each_case(context.frames), CASES):
        for env in islice(open_places(derived.value, frame.writer), 2):

            def trouble(f: Frame, values: Mapping[str, Any], at: Env = env) -> Culprit | None:
                machine = f.machine(values)
                slope = machine.run(derived.value, at)
                if mp.isfinite(slope) or not mp.isfinite(machine.run(value, {})):
                    return None
                at_fault = (_innermost(machine, value, {}, f) for f in (_is_infinite, _is_steep))
                return Culprit(next(filter(None, at_fault), value), slope)

            try:
                term = case.of(frame.write(derived.value, env))
            except NotWritten:
                return
            for point, found in _troubled(context, frame, case, term, trouble):
                span = places.place(found.term)
                what = f"the gradient in {name} is {_said(found.value)} at `{span.words}`"
                yield Hazard(GRADIENT, what, span, _witness(context, frame, case, point, value))


def _innermost(machine: Machine, term: Expr, env: Env, is_it: Test) -> Expr | None:
    """The innermost part of which something is so, of those that a value rests on."""
    for part, inner in _evaluated(machine, term, env):
        found = None if part.kind == BOOL else _innermost(machine, part, inner, is_it)
        if found is not None:
            return found
    return term if isinstance(term, Apply) and is_it(machine, term, env) else None


def _is_infinite(machine: Machine, term: Apply, env: Env) -> bool:
    return not mp.isfinite(machine.run(term, env))


def _is_steep(machine: Machine, term: Apply, env: Env) -> bool:
    x = [machine.run(a, env) for a in term.args]
    match term.op:
        case "sqrt" | "cbrt":
            return bool(x[0] == 0)
        case "pow":
            return bool(x[0] == 0 and x[1] < 1)
        case "asin" | "acos":
            return bool(abs(x[0]) == 1)
        case "acosh":
            return bool(x[0] == 1)
        case "xlogy":
            return bool(x[1] == 0)
    return False


# --- flat regions ---------------------------------------------------------------------------------


def _flat(context: Context, places: Places) -> Iterator[Hazard]:
    """Regions in which nothing pulls an input, though the loss could be smaller."""
    frame = context.frames[0]
    for case in frame.cases[:CASES]:
        goal = Goal(case.of(frame.write(context.checked.program.value)), case.box, case.given)
        for name in sorted(variables(goal.term)):
            if name not in case.box or frame.kind(name) != REAL or not _is_input(context, name):
                continue
            for piece in islice(_pieces(goal, context.budget), PIECES):
                if normal(derivative(piece.term, name)) == ZERO:
                    hazard = _flat_at(context, frame, case, goal, piece, name, places)
                    if hazard is not None:
                        yield hazard
                        break


def _is_input(context: Context, element: str) -> bool:
    return element.split("[")[0] in context.checked.inputs


def _pieces(goal: Goal, budget: Budget) -> Iterator[Goal]:
    budget.check()
    cases = split_at(goal)
    if cases is None:
        yield goal
        return
    for condition, term in cases:
        inside = goal.where(condition)
        if inside is not None:
            yield from _pieces(inside.with_term(term), budget)


def _flat_at(
    context: Context, frame: Frame, case: Case, goal: Goal, piece: Goal, name: str, places: Places
) -> Hazard | None:
    """A point inside a flat piece from which the loss falls as one input moves far enough."""
    question = replace(_question(frame, case, goal.term, context.seed), given=piece.given)
    points = draw(question)
    if not points or name not in points:
        return None
    inside = np.flatnonzero(_kept(question, points, len(points[name])))
    for k in inside[:TRIES]:
        here = {n: np.full(len(c), c[k]) for n, c in points.items()}
        value = float(evaluate(goal.term, here)[0])
        others = evaluate(goal.term, {**here, name: points[name]})
        margin = 1e-6 * (1 + abs(value))
        wide = _stays(question, here, name)
        if wide and np.isfinite(value) and np.nanmin(others) < value - margin:
            point = {n: rounded(float(c[k]), None, n in question.integers)
                     for n, c in points.items()}  # fmt: skip
            witness = _witness(context, frame, case, point, context.checked.program.value)
            span = places.whole
            return Hazard(FLAT, f"no gradient in {name} on a region", span, witness)
    return None


def _stays(question: Question, here: Mapping[str, Any], name: str) -> bool:
    """Whether a point stays in a region as one variable moves a little."""
    for step in (-1e-3, 1e-3):
        near = {**here, name: here[name] + step}
        if not _kept(question, near, len(here[name]))[0]:
            return False
    return True


# --- parts that could be hazards ------------------------------------------------------------------


def _suspects(context: Context, places: Places) -> Iterator[tuple[Span, str, str | None]]:
    """Parts that have no finite value for some arguments, and for what those are ruled out.

    That is "" for all, the lengths of axes, or None where they are not ruled out.
    """
    for part, conditions in _risky(context.checked.program.value, ()):
        scope: str | None = None
        with suppress(OutOfBudget):
            scope = _ruled_out_for(context, part, conditions)
        span = places.place(part)
        yield span, f"that `{span.words}` has no finite value", scope


def _risky(term: Expr, conditions: tuple[Expr, ...]) -> Iterator[tuple[Apply, tuple[Expr, ...]]]:
    """Parts that can fail, with the conditions under which they are there."""
    match term:
        case Select():
            yield from _risky(term.condition, conditions)
            yield from _risky(term.then, (*conditions, term.condition))
            other = Apply("not", (term.condition,), BOOL)
            yield from _risky(term.other, (*conditions, other))
            return
        case Reduce() if term.filter is not None:
            yield from _risky(term.filter, conditions)
            yield from _risky(term.body, (*conditions, term.filter))
            return
        case Apply(op=op) if op in _SAFE:
            yield term, conditions
    for part in term.parts:
        if not isinstance(term, Access):
            yield from _risky(part, conditions)


_SAFE: Mapping[str, Callable[..., list[list[Expr]]]] = {
    # alternatives, each a list of terms that must all be above 0
    "log": lambda x: [[x]],
    "log2": lambda x: [[x]],
    "log10": lambda x: [[x]],
    "log1p": lambda x: [[build("add", ONE, x)]],
    "logit": lambda x: [[x, build("sub", ONE, x)]],
    "atanh": lambda x: [[build("add", ONE, x), build("sub", ONE, x)]],
    "div": lambda x, y: [[y], [negated(y)]],
    "xlogy": lambda x, y: [[y]],
    "lgamma": lambda x: [[x]],
    "digamma": lambda x: [[x]],
}


def _ruled_out_for(context: Context, part: Apply, conditions: tuple[Expr, ...]) -> str | None:
    """For which lengths of axes a part is shown to be finite."""
    alternatives = _SAFE[part.op](*part.args)
    if any(all(_is_positive(context, t) for t in terms) for terms in alternatives):
        return ""
    frame = context.frames[0]
    if not all(_ruled_out(context, frame, case, part, conditions) for case in frame.cases):
        return None
    return context.scope(frame) if _hangs_on_lengths(context, (part, *conditions)) else ""


def _is_positive(context: Context, term: Expr) -> bool:
    """Whether a term is shown to be above 0 for axes of any length, whatever the conditions."""
    return context.prove_whole(context.whole(term), True, 0.05) is not None


def _hangs_on_lengths(context: Context, terms: tuple[Expr, ...]) -> bool:
    """Whether terms can have other values where axes are longer."""
    order = postorder(*terms)
    names = {t.tensor.name for t in order if isinstance(t, Access)}
    domains = [m for n, m in context.checked.domains.items()
               if n in names or n in context.checked.params]  # fmt: skip
    for axis in context.open_axes:
        if any(rests_on(meaning, axis) for meaning in domains):
            return True
        for t in order:
            binds = any(runs_over(b, axis) for b in t.binds)
            if binds or reads_place(t, axis) or (isinstance(t, Size) and t.axis == axis):
                return True
    return False


def _ruled_out(
    context: Context, frame: Frame, case: Case, part: Apply, conditions: tuple[Expr, ...]
) -> str | None:
    """How it is shown that a part is finite in a case."""
    how: str | None = EXACT
    free = sorted((i for i in part.free if isinstance(i, Bound)), key=repr)
    spans = [frame.writer.bounds(b.range) for b in free]
    if None in spans:
        return None
    ranges = [range(*s) for s in spans if s is not None]
    for place in product(*ranges):
        if context.budget.left <= 0:
            return None
        env: Env = dict(zip(free, place, strict=True))
        goal = Goal(ZERO, case.box, case.given, True)
        inside: Goal | None = goal
        for condition in conditions:
            written = case.of(frame.write(condition, env))
            inside = inside.where(written) if inside is not None and written != FALSE else None
        if inside is None:
            continue
        args = [case.of(frame.write(a, env)) for a in part.args]
        alternatives = _SAFE[part.op](*args)
        steps = (context.prove_all([inside.with_term(t) for t in terms], 0.1)
                 for terms in alternatives)  # fmt: skip
        how = next((s for s in steps if s is not None), None)
        if how is None:
            return None
    return how
