"""Invariants of the reduction over samples: order, weights that repeat, padding that is inert.

What the shape of the formula shows is proved; what it does not is tried at points in arbitrary
precision, and a difference found there refutes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mpmath import mp

from .. import domains as dom
from ..check import Checked
from ..elaborate.declare import Input
from ..gradcheck.point import Array, Clock
from ..gradcheck.points import Points, lengths_of_params
from ..gradcheck.sampling import INSIDE, MILD, as_float
from ..gradcheck.sizes import smallest
from ..interpret import Compiler, Machine
from ..ir import (
    Access,
    Along,
    Apply,
    Axis,
    Expr,
    Position,
    Program,
    Range,
    Reduce,
    postorder,
)  # fmt: skip
from ..separate import Separated, leading, reads_places, runs_over, separate
from .verdict import Verdict, Witness, proved, refuted, unknown

ORDER, REPETITION, PADDING = "order", "weights", "padding"
SAMPLES, LENGTH, POINTS, WEIGHTS = 3, 2, 4, (2, 0, 3)
DIGITS = 40
GRID = 8  # numbers are multiples of 1 / GRID, to be read easily
CLOSE = mp.mpf(10) ** -25
SECONDS = 1.0
STEADY = frozenset(("argmax", "argmin"))  # reductions that tell one sample from another
EQUIVARIANT = frozenset(("softmax", "log_softmax", "normalize"))
NAMES = ("w", "weight", "weights", "sample_weight", "sample_weights", "mask")


@dataclass(frozen=True, slots=True)
class Invariant:
    """An invariant: `name` is "order", "weights" or "padding", `text` says it, with a verdict.

    `note` is what a user of Keras should know.
    """

    name: str
    text: str
    verdict: Verdict
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """The invariant as JSON has it."""
        said = {"name": self.name, "text": self.text, "note": self.note}
        return {**said, **self.verdict.to_json()}


def invariants(checked: Checked, seconds: float = SECONDS) -> tuple[Invariant, ...]:
    """The invariants of a loss whose first axis is one of samples; none where it has no axis."""
    lead = leading(checked.program)
    if lead is None or lead.size is not None or checked.program.axes:
        return ()
    run = _Run(checked, lead, Clock(seconds))
    with mp.workdps(DIGITS):
        return tuple(run.all())


@dataclass
class _Run:
    """The invariants of one loss over its first axis."""

    checked: Checked
    lead: Axis
    clock: Clock
    compiler: Compiler = field(default_factory=Compiler)

    def all(self) -> Iterator[Invariant]:
        separated = separate(self.checked.program)
        if reads_places(self.checked.program.value, self.lead):
            separated = None
        yield self.order(separated)
        gates = [d for d in self.checked.inputs.values() if self.is_weight(d)]
        if not gates and separated is not None:
            yield from _of_separable(separated)
        for decl in gates:
            yield self.repetition(decl)
        for decl, neutral in self.neutrals(gates):
            yield self.padding(decl, neutral)

    # --- order ----------------------------------------------------------------------------------

    def order(self, separated: Separated | None) -> Invariant:
        text = "the order of samples does not matter"
        if separated is not None:
            return Invariant(ORDER, text, proved("one value for each sample"))
        if is_symmetric(self.checked.program, self.lead):
            return Invariant(ORDER, text, proved("reductions that are symmetric in the samples"))

        def moved(point: Mapping[str, Array]) -> Mapping[str, Array]:
            return self.along(point, lambda n: [*range(1, n), 0])

        return Invariant(ORDER, text, self.compare(moved, lambda p: p))

    # --- weights --------------------------------------------------------------------------------

    def is_weight(self, decl: Input) -> bool:
        """Whether an input has a weight or mask for each sample, by its name."""
        return decl.name in NAMES and self.lead in decl.tensor.axes[:1]

    def repetition(self, decl: Input) -> Invariant:
        text = f"integer weights `{decl.name}` equal repetition of the samples"
        if not self.holds(decl, list(WEIGHTS)):
            text = f"samples with `{decl.name}` 0 could be left out"
        counts = list(WEIGHTS) if self.holds(decl, list(WEIGHTS)) else [1, 0, 1]

        def weighted(point: Mapping[str, Array]) -> Mapping[str, Array]:
            return self.filled(point, decl.name, counts)

        def repeated(point: Mapping[str, Array]) -> Mapping[str, Array]:
            places = [k for k, n in enumerate(counts) for _ in range(n)]
            chosen = self.along(point, lambda n: places)
            return self.filled(chosen, decl.name, [1] * len(places))

        return Invariant(REPETITION, text, self.compare(weighted, repeated))

    def holds(self, decl: Input, numbers: list[int]) -> bool:
        """Whether a domain has all of these numbers."""
        points = self.points(SAMPLES)
        sampler = points.sampler(0)
        return all(sampler.contains(decl.meaning, mp.mpf(x)) for x in numbers)

    # --- padding --------------------------------------------------------------------------------

    def neutrals(self, gates: list[Input]) -> Iterator[tuple[Input, Any]]:
        """Inputs with a value that may mark a sample as padding."""
        for decl in self.checked.inputs.values():
            if self.lead not in decl.tensor.axes[:1]:
                continue
            match decl.meaning:
                case dom.Bools():
                    yield decl, False
                case dom.Union(parts=parts) if any(isinstance(p, dom.IndexOf) for p in parts):
                    machine = Machine({}, {}, compiler=self.compiler)
                    extra = [v for p in parts if isinstance(p, dom.Values) for v in p.values]
                    yield from ((decl, mp.mpf(machine.run(v, {}))) for v in extra)
                case _ if decl in gates and self.holds(decl, [0]):
                    yield decl, mp.mpf(0)

    def padding(self, decl: Input, neutral: Any) -> Invariant:
        shown = str(neutral).lower() if isinstance(neutral, bool) else f"{int(neutral)}"
        text = f"samples with `{decl.name}` = {shown} are inert padding"

        def padded(point: Mapping[str, Array]) -> Mapping[str, Array]:
            array = point[decl.name].copy()
            array[-1] = neutral
            return {**point, decl.name: array}

        def without(point: Mapping[str, Array]) -> Mapping[str, Array]:
            return self.along(point, lambda n: range(n - 1))

        return Invariant(PADDING, text, self.compare(padded, without))

    # --- at points ------------------------------------------------------------------------------

    def points(self, samples: int) -> Points:
        program = self.checked.program
        known = {**lengths_of_params(self.checked, program), self.lead: samples}
        sizes = smallest(program, known, LENGTH)
        return Points(self.checked, program, sizes, sizes, 0, self.compiler)

    def compare(
        self, one: Callable[[Mapping[str, Array]], Mapping[str, Array]],
        two: Callable[[Mapping[str, Array]], Mapping[str, Array]],
    ) -> Verdict:  # fmt: skip
        """Whether two versions of the same points have one value."""
        looked = 0
        try:
            points = self.points(SAMPLES)
            for k in range(POINTS):
                point = self.plain(points, points.sample("", MILD if k % 2 else INSIDE, k).arrays)
                verdict = self.differ(one(point), two(point))
                if verdict is not None:
                    return verdict
                looked += 1
                if self.clock.is_out:
                    break
        except (ArithmeticError, ValueError, IndexError, KeyError) as error:
            if not looked:
                return unknown(f"points, without success: {error}")
        word = "point" if looked == 1 else "points"
        return unknown(f"{looked} {word} in {DIGITS} digits, where it holds")

    def plain(self, points: Points, arrays: Mapping[str, Array]) -> Mapping[str, Array]:
        """The same with short numbers, where the domains have them."""
        sampler, short = points.sampler(0), dict(arrays)
        sampler.params |= {n: a for n, a in arrays.items() if n in self.checked.params}
        for decl in self.checked.inputs.values():
            if isinstance(decl.meaning, dom.Reals | dom.Between):
                near = sampler._map(arrays[decl.name], lambda x: mp.nint(x * GRID) / GRID)
                if all(sampler.contains(decl.meaning, x) for x in near.flat):
                    short[decl.name] = near
        return short

    def differ(self, one: Mapping[str, Array], two: Mapping[str, Array]) -> Verdict | None:
        """The witness of a difference, if there is one."""
        first, second = self.value(one), self.value(two)
        if not (mp.isfinite(first) and mp.isfinite(second)):
            return None
        if abs(first - second) <= CLOSE * max(abs(first), abs(second), 1):
            return None
        values = {n: _text(one[n]) for n in self.checked.inputs}
        call = ", ".join(f"{n}={v}" for n, v in values.items())
        numbers = (("loss", mp.nstr(first, 9)), ("expected", mp.nstr(second, 9)))
        return refuted(Witness(f"{self.checked.name}({call})", values, numbers))

    def value(self, arrays: Mapping[str, Array]) -> Any:
        shapes = {
            axis: n
            for t in (*self.checked.program.inputs, *self.checked.program.params)
            for axis, n in zip(t.axes, arrays[t.name].shape, strict=True)
        }
        sizes = {**self.points(SAMPLES).sizes, **shapes}
        machine = Machine(sizes, arrays, compiler=self.compiler)
        return machine.run(self.checked.program.value, {})

    def along(self, point: Mapping[str, Array], chosen: Callable[[int], Any]) -> dict[str, Array]:
        """The inputs with other samples along the first axis."""
        arrays = dict(point)
        for decl in self.checked.inputs.values():
            if isinstance(decl.meaning, dom.IndexOf) and decl.meaning.axis == self.lead:
                raise ValueError(f"`{decl.name}` holds the places of samples")
            for k, axis in enumerate(decl.tensor.axes):
                if axis == self.lead:
                    places = list(chosen(arrays[decl.name].shape[k]))
                    arrays[decl.name] = np.take(arrays[decl.name], places, axis=k)
        return arrays

    def filled(self, point: Mapping[str, Array], name: str, numbers: list[int]) -> dict[str, Array]:
        """The inputs with these numbers along the first axis of one."""
        array = point[name].copy()
        for k, n in enumerate(numbers):
            array[k] = mp.mpf(n)
        return {**point, name: array}


def _of_separable(separated: Separated) -> Iterator[Invariant]:
    """What follows from one value for each sample, whose mean or sum the loss is."""
    is_mean = separated.op == "mean"
    how = f"the loss is a {separated.op} of one value for each sample"
    note = "Keras's mean divides by the number of samples, `mean_with_sample_weight` by the weights"
    yield Invariant(
        REPETITION, "a sample of weight n counts as n samples",
        proved(how), note if is_mean else "",
    )  # fmt: skip
    yield Invariant(
        PADDING, "samples of weight 0 add nothing where their own value is finite", proved(how),
        "they count in the divisor, unless they are masked" if is_mean else "",
    )  # fmt: skip


# --- symmetry -------------------------------------------------------------------------------------


def is_symmetric(program: Program, lead: Axis) -> bool:
    """Whether a formula treats all places of an axis alike, so that their order does not matter."""
    whole = Range.of(lead)
    for term in postorder(program.value):
        for bound in term.binds:
            if runs_over(bound, lead) and not (bound.range == whole and _is_even(term)):
                return False
        if isinstance(term, Access) and not _is_plain(term, lead):
            return False
        if _reads_position(term, lead):
            return False
    return True


def _is_even(term: Expr) -> bool:
    """Whether a term that runs over an axis does not tell its places apart."""
    if isinstance(term, Reduce):
        return term.op not in STEADY
    return isinstance(term, Along) and term.op in EQUIVARIANT


def _is_plain(term: Access, lead: Axis) -> bool:
    """Whether an access reads an axis at an index of that axis, and no other axis there."""
    for slot, axis in zip(term.slots, term.tensor.axes, strict=True):
        over = isinstance(slot, Position) and runs_over(slot.index, lead)
        if over != (axis == lead):
            return False
    return True


def _reads_position(term: Expr, lead: Axis) -> bool:
    """Whether an index over an axis is a number here, other than in a test of equality."""
    places = [p for p in term.parts if isinstance(p, Position) and runs_over(p.index, lead)]
    if not places or isinstance(term, Access):
        return False
    is_test = isinstance(term, Apply) and term.op in ("eq", "ne")
    return not (is_test and len(places) == len(term.parts))


def _text(array: Array) -> str:
    kind = "bool" if array.size and isinstance(array.flat[0], bool) else "real"
    return str(as_float(array, kind).tolist())
