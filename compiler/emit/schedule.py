"""The plan of a program: its distinct terms in order, each a step that makes one array.

The axes of a step's array are the free indices of its term, in a fixed order; no step builds an
array over indices that it does not need, and a sum of products over indices that no single factor
has is planned as a contraction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypedDict

from ..affine import Affine, affine
from ..ir import (
    INT,
    REAL,
    Access,
    Along,
    Apply,
    Bound,
    Const,
    Dim,
    Expr,
    Index,
    Position,
    Program,
    Range,
    Reduce,
    Select,
    Size,
    postorder,
    range_of,
)  # fmt: skip
from .lower import lowered
from .products import ONE, Product, as_product
from .scatter import Scatter, as_scatter

COMPARISONS = frozenset(("eq", "ne", "lt", "le", "gt", "ge"))


@dataclass(frozen=True, slots=True)
class Slice:
    """A slot `sign * index + offset`: a run of places, the array's axis `index` from then on."""

    index: Index
    offset: Dim
    sign: int = 1


@dataclass(frozen=True, slots=True)
class Pick:
    """A slot without an index: one place."""

    offset: Dim


@dataclass(frozen=True, slots=True)
class Gather:
    """A slot that holds the integers of another step.

    Those out of range read NaN; `clamped` ones are moved to the nearest place.
    """

    step: int
    clamped: bool = False


Slot = Slice | Pick | Gather


@dataclass(frozen=True, slots=True)
class Step:
    """One array: `term`'s value, from the arrays of the steps `args`.

    `exact` asks for an integer in int64 (for a slot, or a comparison of integers); `fixed` tells
    that no tensor takes part; `slots` is set for what reads places of an array; `product` for a
    contraction, whose `args` are its factors, and `scatter` for a sum by labels. `same` is the step
    of the same array under other names of its axes, where there is one: equal arrays are made once,
    so that they are equal to the last bit, as the slopes of max and min need. `wide` asks for
    float64, and `why` says why.
    """

    term: Expr
    args: tuple[int, ...]
    axes: tuple[Index, ...]
    exact: bool = False
    fixed: bool = False
    slots: tuple[Slot, ...] = ()
    product: Product | None = None
    scatter: Scatter | None = None
    same: int | None = None
    wide: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of one or more programs over the same tensors, and the step of each one's value."""

    programs: tuple[Program, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]

    def __str__(self) -> str:
        return "\n".join(
            f"%{k}{_axes(s)} = {_describe(s)}{_precision(s)}" for k, s in enumerate(self.steps)
        )


def schedule(*programs: Program, wide: frozenset[Expr] = frozenset()) -> Plan:
    """The plan of one or more programs over the same tensors; what they share is done once.

    Steps of the terms in `wide` are in float64.
    """
    planner = _Planner()
    for program in programs:
        planner.plan(program.value)
    outputs = tuple(planner.done[planner.key(p.value, False)] for p in programs)
    known = {t for p in programs for t in postorder(p.value)} if wide else set()
    return Plan(programs, _widened(planner.steps, wide, known), outputs)


def _widened(steps: Sequence[Step], wide: frozenset[Expr], known: set[Expr]) -> tuple[Step, ...]:
    """The steps, wide where a term of the same array is, or where the plan alone made them for one.

    Such a step is part of a wide one, or made of one: the largest of wide terms is found in double.
    """
    if not wide:
        return tuple(steps)
    marked = {origin(steps, k) for k, s in enumerate(steps) if s.term in wide}
    for k in reversed(range(len(steps))):
        if origin(steps, k) in marked:
            parts = (a for a in steps[k].args if steps[a].term not in known)
            marked.update(origin(steps, a) for a in parts if _is_computed(steps[a].term))
    for k, step in enumerate(steps):
        own = step.term not in known and _is_computed(step.term)
        if own and any(origin(steps, a) in marked for a in step.args):
            marked.add(origin(steps, k))
    return tuple(replace(s, wide=origin(steps, k) in marked) for k, s in enumerate(steps))


def origin(steps: Sequence[Step], k: int) -> int:
    """The step that makes the array of a step."""
    same = steps[k].same
    return k if same is None else same


def _is_computed(term: Expr) -> bool:
    return term.kind == REAL and not isinstance(term, Access | Const)


def merge(groups: Iterable[Sequence[Index]]) -> tuple[Index, ...]:
    """One order for the axes of several operands: the largest operand's, then the others'."""
    ordered = sorted(groups, key=len, reverse=True)
    return tuple(dict.fromkeys(i for axes in ordered for i in axes))


def fold_repeats(labels: list[Index]) -> list[Index]:
    """The axes left after diagonals are taken: an index that repeats comes last."""
    once = [i for i in labels if labels.count(i) == 1]
    return once + list(dict.fromkeys(i for i in labels if labels.count(i) > 1))


def gathered(kept: Iterable[Index], new: Iterable[Index]) -> list[Index]:
    """The axes of a gather: those the places share with the array, their own, the array's rest."""
    kept, new = list(kept), list(new)
    shared = [i for i in kept if i in new]
    return shared + [i for i in new if i not in kept] + [i for i in kept if i not in new]


def is_complement(term: Expr) -> bool:
    """Whether a term is 1 less another."""
    return isinstance(term, Apply) and term.op == "sub" and term.args[0] == ONE


def span_of(index: Index) -> Range:
    """The range of an index; an axis's own index has all of its axis."""
    found = range_of(index)
    if found is None:
        raise ValueError(f"the index {index.name} has no range")
    return found


class _Planner:
    """Plans terms, each once for every way that it is wanted."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.done: dict[tuple[Expr, bool], int] = {}
        self.known: dict[object, int] = {}
        self.lowered = cache(lowered)

    def plan(self, root: Expr) -> None:
        """Add the steps of a term and of all that it needs, parts before wholes."""
        stack = [(root, False, False)]
        while stack:
            term, exact, ready = stack.pop()
            if self.key(term, exact) in self.done:
                continue
            if ready:
                self.add(term, exact)
                continue
            stack.append((term, exact, True))
            simpler = self.lowered(term)
            wanted = operands(term, exact) if simpler is None else [(simpler, exact)]
            stack.extend((t, e, False) for t, e in reversed(wanted))

    def key(self, term: Expr, exact: bool) -> tuple[Expr, bool]:
        plain = isinstance(term, Const | Size | Position)
        return term, exact and term.kind == INT and not plain

    def add(self, term: Expr, exact: bool) -> None:
        simpler = self.lowered(term)
        if simpler is not None:
            self.alias(term, simpler, exact)
            return
        wanted = operands(term, exact)
        args = tuple(self.done[self.key(t, e)] for t, e in wanted)
        key = self.key(term, exact)
        step = Step(term, args, (), key[1], self.is_fixed(term, args), **_form_of(term))
        slots = self.slots(term, list(args))
        step = replace(step, slots=slots)
        self.done[key] = len(self.steps)
        self.steps.append(self.once(replace(step, axes=self.axes(step))))

    def alias(self, term: Expr, simpler: Expr, exact: bool) -> None:
        """Add a term that is computed as another is."""
        k = self.done[self.key(simpler, exact)]
        self.done[self.key(term, exact)] = len(self.steps)
        self.steps.append(replace(self.steps[k], term=term, args=(k,), same=origin(self.steps, k)))

    def once(self, step: Step) -> Step:
        """The step, or the same array under other names if it is made already."""
        numbers: dict[Index, int] = {}
        shape = self.shape(step, numbers)
        shape = (*shape, tuple(str(span_of(i)) for i in numbers))
        twin = self.known.setdefault(shape, len(self.steps))
        if twin == len(self.steps):
            return step
        return replace(step, axes=self.renamed(self.steps[twin], numbers), same=twin)

    def renamed(self, twin: Step, numbers: dict[Index, int]) -> tuple[Index, ...]:
        """The axes of another step of the same shape, under this one's names."""
        others: dict[Index, int] = {}
        self.shape(twin, others)
        names = {number: index for index, number in numbers.items()}
        return tuple(names[others[i]] for i in twin.axes)

    def shape(self, step: Step, numbers: dict[Index, int]) -> tuple[object, ...]:
        """All that makes an array, its indices as numbers in order of appearance."""

        def number(index: Index) -> int:
            return numbers.setdefault(index, len(numbers))

        def array(k: int) -> tuple[int, tuple[int, ...]]:
            same = self.steps[k].same
            return (k if same is None else same), tuple(number(i) for i in self.steps[k].axes)

        def slot(s: Slot) -> tuple[object, ...]:
            if isinstance(s, Slice):
                return "slice", number(s.index), s.offset, s.sign
            if isinstance(s, Pick):
                return "pick", s.offset
            return ("gather", s.clamped, *array(s.step))

        term, product = step.term, step.product
        inputs = tuple(array(k) for k in step.args)
        slots = tuple(slot(s) for s in step.slots)
        own: tuple[object, ...] = ()
        match term:
            case Const() | Size():
                own = (term,)
            case Position():
                own = (number(term.index),)
            case Access():
                own = (term.tensor, term.padded)
            case Apply():
                own = (term.op, term.result)
            case Reduce():
                own = (term.op, term.result, term.filter is None, *map(number, term.indices))
            case Along():
                own = (term.op, term.filter is None, number(term.index))
        factors = product and product.shape
        if step.scatter is not None:
            factors = (number(step.scatter.index),)
        return (type(term), own, inputs, slots, step.exact, step.fixed, factors)

    def is_fixed(self, term: Expr, args: tuple[int, ...]) -> bool:
        return not isinstance(term, Access) and all(self.steps[a].fixed for a in args)

    def slots(self, term: Expr, args: list[int]) -> tuple[Slot, ...]:
        """How an access reads its tensor, or a scan its table."""
        if isinstance(term, Along):
            return (_slot(term.at, args[-1:]),)
        if not isinstance(term, Access):
            return ()
        return tuple(_slot(s, args, term.padded) for s in term.slots)

    def axes(self, step: Step) -> tuple[Index, ...]:
        term = step.term
        inputs = [self.steps[a].axes for a in step.args]
        match term:
            case Position():
                return (term.index,)
            case Access():
                return self.read_axes([], step.slots)
            case Along():
                return self.read_axes(table_axes(term, inputs), step.slots)
            case Reduce():
                found = merge(inputs if step.scatter is None else [*inputs, (step.scatter.index,)])
                return tuple(i for i in found if i not in term.indices)
        return merge(inputs)

    def read_axes(self, others: Iterable[Index], slots: tuple[Slot, ...]) -> tuple[Index, ...]:
        kept = fold_repeats([*others, *(s.index for s in slots if isinstance(s, Slice))])
        places = [self.steps[s.step].axes for s in slots if isinstance(s, Gather)]
        return tuple(gathered(kept, merge(places)))


class _Form(TypedDict):
    """How a sum is computed, if not place by place."""

    product: Product | None
    scatter: Scatter | None


def _form_of(term: Expr) -> _Form:
    scatter = as_scatter(term)
    return {"product": None if scatter else as_product(term), "scatter": scatter}


def table_axes(term: Along, inputs: list[tuple[Index, ...]]) -> list[Index]:
    """The axes of a scan's table, its own index aside."""
    count = 1 if term.filter is None else 2
    return [i for i in merge(inputs[:count]) if i != term.index]


def operands(term: Expr, exact: bool) -> list[tuple[Expr, bool]]:
    """The terms that a step needs, and whether it needs them as exact integers."""
    match term:
        case Access():
            return [(s, True) for s in term.slots if _form(s, term.padded) is None]
        case Apply():
            integers = all(a.kind == INT for a in term.args)
            whole = integers if term.op in COMPARISONS else exact and term.kind == INT
            return [(a, whole) for a in term.args]
        case Select():
            whole = exact and term.kind == INT
            return [(term.condition, False), (term.then, whole), (term.other, whole)]
        case Reduce():
            scatter = as_scatter(term)
            if scatter is not None:
                return [(scatter.body, False), (scatter.label, True)]
            product = as_product(term)
            if product is not None:
                return [(t, False) for t in product.terms]
            rest = [] if term.filter is None else [(term.filter, False)]
            return [(term.body, exact and term.kind == INT), *rest]
        case Along():
            rest = [] if term.filter is None else [(term.filter, False)]
            rest += [(term.at, True)] if _form(term.at, False) is None else []
            return [(term.body, exact and term.body.kind == INT), *rest]
    return []


# --- slots ----------------------------------------------------------------------------------------


def _form(slot: Expr, padded: bool) -> Affine | None:
    """The integer form of a slot that a slice or a single place reads; None for a gather."""
    form = affine(slot)
    if form is None or len(form.indices) > 1:
        return None
    if any(abs(n) != 1 for n in form.indices.values()):
        return None
    return None if padded and not form.indices else form


def _slot(slot: Expr, args: list[int], padded: bool = False) -> Slot:
    """How one slot is read. A gather takes the next of `args`."""
    form = _form(slot, padded)
    if form is None:
        return Gather(args.pop(0), padded and affine(slot) is not None)
    if not form.indices:
        return Pick(form.dim)
    ((index, sign),) = form.indices.items()
    return Slice(index, form.dim, sign)


# --- printing -------------------------------------------------------------------------------------


def _precision(step: Step) -> str:
    if not step.wide:
        return ""
    return f" in float64 ({step.why})" if step.why else " in float64"


def _axes(step: Step) -> str:
    return f"[{', '.join(map(_name, step.axes))}]" if step.axes else ""


def _name(index: Index) -> str:
    return index.name or f"i{index.level if isinstance(index, Bound) else index.uid}"


def _describe(step: Step) -> str:
    if step.same is not None:
        return f"%{step.same}"
    args = ", ".join(f"%{a}" for a in step.args)
    match step.term:
        case Const(value=value):
            return str(value)
        case Size(axis=axis):
            return f"size {axis.name}"
        case Position(index=index):
            return f"position {_name(index)} in {span_of(index)}"
        case Access(tensor=tensor):
            return f"{tensor.name}[{', '.join(map(_show_slot, step.slots))}]"
        case Apply(op=op):
            return f"{op} {args}"
        case Select():
            return f"select {args}"
        case Reduce(op=op, indices=indices):
            names = ", ".join(map(_name, indices))
            how = "contract" if step.product else "scatter" if step.scatter else "reduce"
            return f"{how} {op}[{names}] {args}"
        case Along(op=op, index=index):
            return f"{op}[{_name(index)}] {args} at {_show_slot(step.slots[0])}"
    return ""


def _show_slot(slot: Slot) -> str:
    match slot:
        case Gather(step=step):
            return f"%{step}"
        case Pick(offset=offset):
            return str(offset)
    text = ("-" if slot.sign < 0 else "") + _name(slot.index)
    return text if slot.offset == Dim() else f"{text} + {slot.offset}".replace("+ -", "- ")
