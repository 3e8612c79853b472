"""Symmetry, invariance, and equality with another loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from numpy import ndindex

from lossc.dsl import ast

from ...arithmetic import Value
from ...check import Checked, check
from ...ir import (
    BOOL,
    INT,
    Apply,
    Axis,
    Const,
    Expr,
    Tensor,
)
from ..context import Context, Doubt, Exact, Pairs, Values, ladder, value_of_variable
from ..degrees import is_invariant
from ..frame import Case, Frame
from ..goal import Goal, put_all, within
from ..interval import INF, REALS, Interval
from ..normal import is_equal
from ..prove import NORMAL_FORM, RULES
from ..scalars import scalar
from ..statements import NotStated, on_axes, renamed, replaced
from ..sums import plain
from ..tidy import TRUE, build, tidy
from ..variants import specialised
from ..verdict import Verdict, proved
from .comparison import all_of, decide_gap, zero_or_more


def symmetric(context: Context, claim: ast.Claim) -> Verdict:
    """`symmetric in a, b`: nothing changes when the two are exchanged."""
    names = [s.id for s in claim.subjects if isinstance(s, ast.Name)]
    if len(names) != 2 or len(names) != len(claim.subjects):
        raise NotStated("symmetry in something else than two inputs")
    tensors = {
        t.name: t for t in (*context.checked.program.inputs, *context.checked.program.params)
    }
    if not set(names) <= set(tensors):
        raise NotStated("symmetry in something else than two inputs")
    a, b = (tensors[n] for n in names)
    if len(a.axes) != len(b.axes):
        raise NotStated("symmetry in inputs of different axes")
    value = context.checked.program.value
    swapped = _traded(value, a, b)
    others = [t for n, t in tensors.items() if n not in names]
    moved = {x for pair in zip(a.axes, b.axes, strict=True) if len({*pair}) > 1 for x in pair}
    if moved & {axis for t in others for axis in t.axes}:
        raise NotStated("symmetry in inputs of different axes")
    if tidy(context.explicit(swapped)) == tidy(context.explicit(value)):
        return proved(NORMAL_FORM)
    shown = (("as given", value), ("exchanged", swapped))

    def exchanged(frame: Frame, values: Values) -> list[Values]:
        pairs = list(zip(frame.elements(a.name), frame.elements(b.name), strict=True))
        moved = {x: values[y] for x, y in pairs} | {y: values[x] for x, y in pairs}
        return [{**values, **moved}]

    return decide_gap(context, _minus(value, swapped), True, False, shown, exchanged)


def _traded(value: Expr, a: Tensor, b: Tensor) -> Expr:
    """A term with each of two tensors in place of the other, and so with their axes."""
    swapped = replaced(value, {a.name: renamed(b, a), b.name: renamed(a, b)})
    pairs = list(zip(a.axes, b.axes, strict=True))
    return on_axes(swapped, dict(pairs) | {y: x for x, y in pairs})


def _minus(a: Expr, b: Expr) -> Expr:
    return Apply("sub", (a, b))


# --- another loss ---------------------------------------------------------------------------------


def equals(context: Context, claim: ast.Claim) -> Verdict:
    """`equals other`: the same value for the same inputs in order and params by name."""
    assert claim.word is not None
    other = _named(context, claim.word, claim)
    mine, theirs = list(context.checked.inputs), list(other.inputs)
    if len(mine) != len(theirs):
        raise NotStated(f"{claim.word} takes {len(theirs)} inputs")
    other = _alike(context.checked, other)
    return same_value(context, translated(context.checked, other), other.name)


def _alike(own: Checked, other: Checked) -> Checked:
    """Another loss with one's own values of the params that are fixed when compiled."""
    fixed = {n: p.default for n, p in own.params.items() if n in own.static and n in other.params}
    found = specialised(other, fixed) if fixed else other
    if found is None:
        raise NotStated(f"{other.name} at {', '.join(fixed)} as here")
    moving = [n for n in found.static if n in own.params and n not in own.static]
    if moving:
        raise NotStated(f"{other.name} for more values of {', '.join(moving)} than one")
    return found


def same_value(context: Context, goal: Expr, name: str) -> Verdict:
    """Whether a loss has the value of another term, called `name`, over its inputs and params."""
    value = context.checked.program.value
    if value == goal or tidy(context.explicit(value)) == tidy(context.explicit(goal)):
        return proved(NORMAL_FORM)
    one, two = context.whole(value), context.whole(goal)
    if one is not None and two is not None and is_equal(plain(one), plain(two)):
        return proved(NORMAL_FORM)
    return decide_gap(context, _minus(value, goal), True, False,
                      ((context.checked.name, value), (name, goal)))  # fmt: skip


def translated(own: Checked, other: Checked) -> Expr:
    """Another loss's value in one's own inputs, in order, and params, by name."""
    terms: dict[str, Expr] = {}
    for mine, theirs in zip(own.inputs.values(), other.inputs.values(), strict=True):
        if len(mine.tensor.axes) != len(theirs.tensor.axes):
            raise NotStated(f"{other.name} has other axes")
    for mine, theirs in zip(own.inputs.values(), other.inputs.values(), strict=True):
        terms[theirs.name] = renamed(mine.tensor, theirs.tensor)
    for name, param in other.params.items():
        if name in own.params:
            terms[name] = renamed(own.params[name].tensor, param.tensor)
        elif param.default is not None and not isinstance(param.default, tuple | str):
            terms[name] = Const(param.default)
        elif param.default is not None:
            raise NotStated(f"{other.name} has the param {name}")
    axes: dict[Axis, Axis] = {}
    for mine, theirs in zip(own.inputs.values(), other.inputs.values(), strict=True):
        axes |= dict(zip(theirs.tensor.axes, mine.tensor.axes, strict=True))
    return on_axes(replaced(other.program.value, terms), axes)


def _named(context: Context, word: str, claim: ast.Claim) -> Checked:
    """The loss that a dotted name stands for."""
    family, _, name = word.rpartition(".")
    unit = context.checked.unit
    if context.read is None:
        raise NotStated("files cannot be read here")
    if family:
        use = ast.Use(family, (ast.Name(name, span=claim.span),), False, span=claim.span)
        source = context.read(use, unit.source)
    else:
        target = unit.target(name)
        if target is None:
            raise NotStated(f"nothing is named {name}")
        source = target.unit.source
    found = check(source, context.read).losses.get(name)
    if found is None:
        raise NotStated(f"{word} is not known")
    return found


# --- invariance -----------------------------------------------------------------------------------


def invariant(context: Context, claim: ast.Claim) -> Verdict:
    """`invariant under shift (scale, permutation) of z`."""
    names = [s.id for s in claim.subjects if isinstance(s, ast.Name)]
    if len(names) < len(claim.subjects) or not set(names) <= set(context.frames[0].decls):
        raise NotStated("invariance in something else than inputs")
    if claim.word == "permutation":
        return _permuted(context, names)
    value = context.checked.program.value
    whole = context.whole(value)
    if any(context.frames[0].decls[n].tensor.kind == BOOL for n in names):
        raise NotStated("a change of something that is true or false")
    if whole is not None:
        own = context.variables_of(whole, names)
        if is_invariant(whole, own, claim.word or ""):
            return proved(RULES)

    op = "add" if claim.word == "shift" else "mul"

    def elements(frame: Frame) -> list[str]:
        return [e for s in names for e in frame.elements(s)]

    def moved(frame: Frame, case: Case) -> dict[str, Expr]:
        """What the elements are after the change."""
        return {e: build(op, case.fixed.get(e, scalar(e)), scalar(STEP)) for e in elements(frame)}

    def parts(frame: Frame, case: Case) -> tuple[Expr, Expr]:
        term = frame.write(value)
        return case.of(term), case.of(put_all(term, moved(frame, case)))

    def there(frame: Frame, case: Case) -> tuple[Expr, ...]:
        """The conditions that the change stays in the domain."""
        hull = frame.around(names)[0].box
        found = [c for e, x in moved(frame, case).items() for c in within(x, hull.get(e, REALS))]
        return tuple(c for c in found if c != TRUE)

    def after(frame: Frame, values: Values) -> Values:
        change = {e: values[e] + values[STEP] if op == "add" else values[e] * values[STEP]
                  for e in elements(frame)}  # fmt: skip
        return {**values, **change}

    def exact(frame: Frame, values: Values) -> Value:
        before = frame.machine(values).run(value, {})
        return before - frame.machine(after(frame, values)).run(value, {})

    return _unchanged(context, Change(parts, exact, after, there, _steps(claim.word or "")), names)


STEP = "#change"
After = Callable[[Frame, Values], Values]


def _steps(word: str) -> dict[str, Interval]:
    return {STEP: REALS if word == "shift" else Interval(0.0, INF, True, True)}


@dataclass(frozen=True)
class Change:
    """A change of some inputs: the value before and after it, in scalars and by the interpreter.

    `after` has the inputs after it, `there` the conditions that they stay in their domain, `extra`
    the variables that say how large it is.
    """

    parts: Callable[[Frame, Case], tuple[Expr, Expr]]
    exact: Exact
    after: After
    there: Callable[[Frame, Case], tuple[Expr, ...]] = lambda frame, case: ()
    extra: Mapping[str, Interval] = field(default_factory=dict)


def _unchanged(context: Context, change: Change, names: Sequence[str]) -> Verdict:
    """Whether a value before a change is the one after it."""
    extra = change.extra

    def prove(frame: Frame, case: Case) -> str | None:
        before, after = change.parts(frame, case)
        goal = Goal(build("sub", before, after), {**case.box, **extra}, case.given)
        return zero_or_more(context, goal, True)

    def refute(frame: Frame, case: Case) -> Verdict | None:
        before, after = change.parts(frame, case)
        gap = build("sub", before, after)
        sizes = tuple((n.removeprefix("#"), value_of_variable(n)) for n in extra)
        shown = (*sizes, ("difference", change.exact))
        whole = any(frame.kind(e) == INT for n in names for e in frame.elements(n))
        doubt = Doubt(
            gap, change.exact, extra, change.there(frame, case), zero=True, shown=shown,
            others=lambda values: [change.after(frame, values)],
            integers=frozenset(extra) if whole else frozenset(),
        )  # fmt: skip
        return context.refute(frame, case, doubt)

    return ladder(context, prove, refute, Pairs(names))


def _permuted(context: Context, names: list[str]) -> Verdict:
    """Any two neighbours along the axis that the inputs share can be exchanged."""
    axis = _shared_axis(context, names)
    value = context.checked.program.value
    length = context.frames[0].length(axis)
    swaps = [(k, k + 1) for k in range(length - 1)]
    verdicts = []
    for swap in swaps:

        def parts(frame: Frame, case: Case, swap: tuple[int, int] = swap) -> tuple[Expr, Expr]:
            term = frame.write(value)
            return case.of(term), case.of(_exchanged(term, _partners(frame, names, axis, swap)))

        def after(frame: Frame, values: Values, swap: tuple[int, int] = swap) -> Values:
            partner = _partners(frame, names, axis, swap)
            return {n: values[partner.get(n, n)] for n in values}

        def exact(frame: Frame, values: Values, after: After = after) -> Value:
            before = frame.machine(values).run(value, {})
            return before - frame.machine(after(frame, values)).run(value, {})

        verdicts.append(_unchanged(context, Change(parts, exact, after), ()))
    return all_of(verdicts)


def _shared_axis(context: Context, names: list[str]) -> Axis:
    frame = context.frames[0]
    rows = [frame.decls[n].tensor.axes for n in names]
    shared = [a for a in rows[0] if a != context.lead and all(a in r for r in rows)]
    if len(shared) != 1 or frame.length(shared[0]) < 2:
        raise NotStated("permutations of inputs that do not share one axis beside the batch's")
    return shared[0]


def _partners(frame: Frame, names: list[str], axis: Axis, swap: tuple[int, int]) -> dict[str, str]:
    """For each element at one of two places of an axis, the one at the other."""
    found: dict[str, str] = {}
    for name in names:
        tensor = frame.decls[name].tensor
        at = tensor.axes.index(axis)
        for place in ndindex(frame.shape(tensor)):
            if place[at] in swap and max(swap) < frame.length(axis):
                other = list(place)
                other[at] = swap[1] if place[at] == swap[0] else swap[0]
                found[frame.name_of(tensor, place)] = frame.name_of(tensor, tuple(other))
    return found


def _exchanged(term: Expr, partner: Mapping[str, str]) -> Expr:
    return put_all(term, {name: scalar(other) for name, other in partner.items()})
