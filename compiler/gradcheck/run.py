"""The check itself: the derived gradient at every point against each oracle."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
from mpmath import mp

from ..arithmetic import Value
from ..check import Checked
from ..fold import apply
from ..interpret import Machine
from ..ir import REAL, Access, Const, Expr, Index, Position, Program, Range, postorder, reduce
from . import derived as oracle1
from .automatic import Automatic, load
from .differences import Slopes, slopes
from .kinks import apart
from .point import DIGITS, Array, Clock, OutOfTime, Place, Point, places
from .points import Points, lengths_of_params
from .report import (
    AGREES,
    DIFFERENCES,
    DISAGREES,
    NOT_RUN,
    SYMPY,
    TENSORFLOW,
    Case,
    Convention,
    GradientReport,
    Verdict,
)  # fmt: skip
from .sizes import smallest
from .symbolic import Expansion, NotExpanded

EXACT = mp.mpf(10) ** -50  # asked of SymPy
CLOSE = mp.mpf(10) ** -9  # asked of differences and of TensorFlow
ELEMENTS, EXPANDED = 6, 12  # of an input, compared with differences and with SymPy at a point
SHARE = 1 / 8  # of the time, for one input at one point
LARGER = 3  # elements of an axis, at one of the points
SYMPY_SECONDS = 10.0

Progress = Callable[[str], None]


def check_gradient(
    checked: Checked, wrt: Iterable[str] | None = None, seed: int = 0, seconds: float = 12.0,
    progress: Progress = lambda text: None,
) -> GradientReport:  # fmt: skip
    """Compare the derived gradients of a loss with independent ones.

    `wrt` names inputs and params, by default all real ones. What does not fit into `seconds` of
    the processor is left out, and the report says so; to import TensorFlow and to derive the
    gradients does not count.
    """
    load()
    with mp.workdps(DIGITS):
        program = _scalar(checked.program)
        names = tuple(wrt) if wrt is not None else _real(checked, program)
        clock = Clock(seconds, time.thread_time)
        return _Check(checked, program, names, seed, clock, progress).run()


def _real(checked: Checked, program: Program) -> tuple[str, ...]:
    """The real inputs, and the real params that are no part of the compiled formula."""
    used = {t.tensor for t in postorder(program.value) if isinstance(t, Access)}
    inputs = [t.name for t in program.inputs if t.kind == REAL]
    params = [t.name for t in program.params if t.kind == REAL and t in used]
    fixed = {*checked.static, *checked.hidden}
    return (*inputs, *(n for n in params if n not in fixed))


def _scalar(program: Program) -> Program:
    """A loss as it is; of a tensor, a sum in which each element has a weight of its own."""
    if not program.axes:
        return program
    weight: Expr = Const(Fraction(1))
    for k, symbol in enumerate(program.axes):
        share = apply("mul", (Const(Fraction(k + 1)), Position(symbol)))
        weight = apply("add", (weight, share))
    ranges: dict[Index, Range] = {s: Range.of(s.axis) for s in program.axes if s.axis is not None}
    value = reduce("sum", ranges, apply("mul", (weight, program.value)))
    return replace(program, value=value, axes=())


@dataclass
class _Check:
    """One run over the points."""

    checked: Checked
    program: Program
    wrt: tuple[str, ...]
    seed: int
    clock: Clock
    progress: Progress
    cases: list[Case] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    kinks: int = 0
    derived: dict[str, Program] = field(default_factory=dict)
    automatic: Automatic | None = None
    symbolic: Clock | None = None

    def run(self) -> GradientReport:
        self.derive()
        self.clock = Clock(self.clock.seconds, self.clock.now)
        known = lengths_of_params(self.checked, self.program)
        try:
            sizes = smallest(self.program, known)
            larger = smallest(self.program, known, LARGER)
        except ValueError as error:
            self.notes.append(str(error))
        else:
            self.start()
            self.visit(Points(self.checked, self.program, sizes, larger, self.seed))
        return GradientReport(
            self.checked.name, self.wrt, tuple(self.cases), self.kinks, self.clock.used,
            tuple(self.notes), tuple(self.failures),
        )  # fmt: skip

    def derive(self) -> None:
        """Derive the gradients; what cannot be derived is a failure."""
        for name in self.wrt:
            try:
                self.derived[name] = oracle1.derive(self.program, name)
            except Exception as error:  # any mistake of the compiler is a finding
                said = f"{type(error).__name__}: {error}"
                self.failures.append(f"{name}: no gradient could be derived ({said})")

    def start(self) -> None:
        """Build the graph that TensorFlow differentiates."""
        try:
            self.automatic = Automatic(self.program, self.wrt)
        except Exception as error:
            self.notes.append(f"tensorflow not run: {type(error).__name__}: {error}")

    def visit(self, points: Points) -> None:
        """Look at each point until the time is over."""
        skipped: list[str] = []
        for point in points:
            if self.clock.is_out:
                skipped.append(f"{point.label} and what comes after")
                break
            self.progress(f"{self.checked.name}: {point.label}")
            try:
                self.look(points, point)
            except OutOfTime:
                skipped.append(point.label)
        if skipped:
            self.notes.append(f"not run, out of time: {', '.join(skipped)}")

    def look(self, points: Points, wanted: Point) -> None:
        """All inputs at one point."""
        for point in points.tries(wanted):
            machine = point.machine()
            value = machine.run(self.program.value, {})
            if mp.isfinite(value):
                break
        else:
            self.notes.append(f"not run at {point.label}: the value is {mp.nstr(value, 5)}")
            return
        found = _At(self, points, point, machine)
        cases = [self.case(found.comparison(name)) for name in self.derived]
        self.cases += cases
        self.kinks += any(c.conventions for c in cases)

    def case(self, comparison: _Comparison) -> Case:
        """One input at one point."""
        return comparison.case()


@dataclass
class _At:
    """The oracles at one point; TensorFlow and the expansion serve all inputs."""

    check: _Check
    points: Points
    point: Point
    machine: Machine

    def __post_init__(self) -> None:
        self.value = self.machine.run(self.check.program.value, {})
        self.tensorflow = self.run_tensorflow()
        self.expansion, self.refusal = self.expand()

    def run_tensorflow(self, dtype: Any = np.float64) -> Mapping[str, Array] | str:
        """TensorFlow's gradients, or why there are none."""
        if self.check.automatic is None:
            return "it cannot run the formula"
        try:
            with np.errstate(all="ignore"):
                return self.check.automatic.gradients(self.point, dtype)
        except Exception as error:
            return f"{type(error).__name__}: {str(error).splitlines()[0][:80]}"

    def expand(self) -> tuple[Expansion | None, str]:
        """The expansion for SymPy, or why there is none."""
        check = self.check
        if check.symbolic is None:
            check.symbolic = check.clock.within(min(SYMPY_SECONDS, check.clock.seconds * 0.4))
        if check.symbolic.is_out:
            return None, "out of time"
        try:
            return Expansion(check.program.value, self.machine, check.symbolic), ""
        except (NotExpanded, RecursionError) as error:
            return None, str(error)
        except OutOfTime:
            return None, "out of time"

    def comparison(self, name: str) -> _Comparison:
        """One input: its derived gradient, to be held against each oracle."""
        clock = self.check.clock.within(self.check.clock.seconds * SHARE)
        order = self.order(name)
        derived = self.check.derived[name]
        own = oracle1.gradient(derived, self.machine, order, clock)
        return _Comparison(self, name, derived, own, clock)

    def order(self, name: str) -> list[Place]:
        """The elements of an input, the one that lies on a kink first, the others mixed."""
        order = list(places(self.point.arrays[name]))
        Random(self.check.seed).shuffle(order)
        if self.point.focus is not None and self.point.focus[0] == name:
            order.sort(key=lambda p: p != self.point.focus[1])  # type: ignore[index]
        return order


@dataclass
class _Comparison:
    """The derived gradient of one input at one point, beside what the oracles say."""

    at: _At
    name: str
    derived: Program
    own: Mapping[Place, Value]
    clock: Clock
    sides: dict[Place, Slopes] = field(default_factory=dict)
    decided: dict[Place, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = [abs(x) for x in self.own.values() if mp.isfinite(x)]
        self.scale = max([*sizes, abs(self.at.value) / 1000, mp.mpf(10) ** -12])

    def case(self) -> Case:
        exact = self.sympy()
        close = self.tensorflow()
        self.take_slopes()
        differences = self.differences()
        verdicts = (exact, differences, close)
        return Case(self.name, self.at.point.label, verdicts, tuple(self.conventions()))

    # --- differences

    def take_slopes(self) -> None:
        """Slopes at the first elements."""
        for place in [*self.own][:ELEMENTS]:
            if not self.sides or not self.clock.is_out:
                self.slopes(place)

    def slopes(self, place: Place) -> Slopes:
        """The slopes at one element, found once."""
        if place not in self.sides:
            at = self.at
            value = at.check.program.value
            self.sides[place] = slopes(value, at.point, at.machine, self.name, place)
        return self.sides[place]

    def differences(self) -> Verdict:
        """Oracle 3: the slope where it is smooth, else that the value lies between the sides."""
        errors: dict[Place, Value] = {}
        for place, sides in self.sides.items():
            error = self.off(place, sides)
            if error is not None:
                errors[place] = error
        if not errors:
            return Verdict(DIFFERENCES, NOT_RUN, note="" if not self.sides else "no finite slope")
        return _verdict(DIFFERENCES, errors, CLOSE)

    def outside(self, x: Value, sides: Slopes) -> Value | None:
        """How far a value is from the slope, or outside of those on both sides of a kink."""
        if x in sides.sides:
            return mp.mpf(0)
        if not sides.finite:
            return None
        if not mp.isfinite(x):
            return mp.inf if len(sides.finite) == len(sides.sides) else None
        ends = [sides.slope] if sides.is_smooth else sides.sides
        return self.between(x, ends, sides.flat)

    def between(self, x: Value, found: Sequence[Value], flat: Value) -> Value:
        """How far a value is from the interval of some slopes."""
        near = min(max(x, min(found)), max(found))
        return mp.mpf(0) if abs(x - near) <= flat else self.error(x, near, CLOSE)

    def off(self, place: Place, sides: Slopes) -> Value | None:
        """How far the derived value is from what it may be; nothing where the table decides."""
        error = self.outside(self.own[place], sides)
        if error is None or error <= CLOSE or not self.at.point.special:
            return error
        if place not in self.decided:
            self.decided[place] = self.is_among(place, sides) and self.is_shared(place)
        return mp.mpf(0) if self.decided[place] else error

    def is_among(self, place: Place, sides: Slopes) -> bool:
        """Whether the derived value lies among the slopes nearby, where kinks that meet part."""
        value, point = self.at.check.program.value, self.at.point
        found = [*sides.finite]
        for number, near in enumerate(self.at.points.around(point)):
            parted = apart(value, self.name, number)
            found += slopes(parted, near, near.machine(), self.name, place).finite
        return bool(found) and self.between(self.own[place], found, sides.flat) <= CLOSE

    def is_shared(self, place: Place) -> bool:
        """Whether TensorFlow's gradient, where it is finite, is the derived value."""
        found = self.at.tensorflow
        x = mp.nan if isinstance(found, str) else mp.mpf(float(found[self.name][place]))
        return not mp.isfinite(x) or self.error(self.own[place], x, mp.mpf(10) ** -3) <= CLOSE

    def conventions(self) -> list[Convention]:
        """The elements that lie at a kink, or where the slope is infinite or has no limit."""
        return [
            Convention(p, float(self.own[p]), _number(s.left), _number(s.right))
            for p, s in self.sides.items()
            if s.sides and (not s.is_smooth or self.decided.get(p))
        ]

    # --- SymPy and TensorFlow

    def sympy(self) -> Verdict:
        """Oracle 2, to 50 digits."""
        expansion = self.at.expansion
        if expansion is None:
            return Verdict(SYMPY, NOT_RUN, note=self.at.refusal)
        clock = expansion.clock.within(expansion.clock.seconds / len(self.at.check.wrt))
        other: dict[Place, Value] = {}
        try:
            for place in [*self.own][:EXPANDED]:
                if not clock.is_out:
                    other[place] = expansion.slope(self.name, place)
        except (NotExpanded, RecursionError) as error:
            return Verdict(SYMPY, NOT_RUN, note=str(error))
        if not other:
            return Verdict(SYMPY, NOT_RUN, note="out of time")
        verdict = self.compare(SYMPY, other, EXACT, mp.mpf(10) ** -20)
        return self.sharper(expansion, other) if verdict.status == DISAGREES else verdict

    def sharper(self, expansion: Expansion, places: Iterable[Place]) -> Verdict:
        """Oracle 2 once more with twice the digits: a formula may cancel those beyond 50."""
        with mp.workdps(2 * DIGITS):
            places = list(places)
            clock = Clock(math.inf)
            own = oracle1.gradient(self.derived, self.at.point.machine(), places, clock)
            other = {p: expansion.slope(self.name, p) for p in places}
            return replace(self, own=own).compare(SYMPY, other, EXACT, mp.mpf(10) ** -20)

    def tensorflow(self) -> Verdict:
        """Oracle 4, to 9 digits where float64 can show them."""
        found = self.at.tensorflow
        if isinstance(found, str):
            return Verdict(TENSORFLOW, NOT_RUN, note=found)
        array = found[self.name]
        other = {p: mp.mpf(float(array[p])) for p in self.own}
        verdict = self.compare(TENSORFLOW, other, CLOSE, mp.mpf(10) ** -3)
        if verdict.status != DISAGREES:
            return verdict
        noise = self.noise(array)
        shown = {p: x for p, x in other.items() if noise[p] <= CLOSE * abs(x)}
        if len(shown) < len(other):
            return replace(
                self.compare(TENSORFLOW, shown, CLOSE, mp.mpf(10) ** -3),
                note="in part beyond float64",
            )
        return verdict

    def noise(self, array: Array) -> Mapping[Place, Value]:
        """The rounding error of float64, judged by that of float32."""
        small = self.at.run_tensorflow(np.float32)
        if isinstance(small, str):
            return {p: mp.mpf(0) for p in self.own}
        with np.errstate(all="ignore"):
            gaps = np.abs(np.asarray(small[self.name], np.float64) - array)
        return {p: mp.mpf(float(gaps[p])) * mp.mpf(10) ** -7 for p in self.own}

    def compare(
        self, oracle: str, other: Mapping[Place, Value], tolerance: Value, floor: Value
    ) -> Verdict:
        """An oracle's gradient beside the derived one, but for elements that lie at a kink."""
        errors: dict[Place, Value] = {}
        for place, x in other.items():
            if not mp.isfinite(x):
                continue
            error = self.error(self.own[place], x, floor)
            if error > tolerance and self.excused(place):
                continue
            errors[place] = error
        if errors:
            return _verdict(oracle, errors, tolerance)
        finite = [p for p, x in other.items() if mp.isfinite(x)]
        if not finite:
            return Verdict(oracle, NOT_RUN, note="its gradient is not finite")
        kinks = all(not self.slopes(p).is_smooth for p in finite)
        note = "all elements are at kinks" if kinks else "differences confirm what it does not"
        return Verdict(oracle, NOT_RUN, note=note)

    def excused(self, place: Place) -> bool:
        """Whether an oracle that takes a side may differ at an element.

        It may at a kink, and at a special point where differences confirm the derived value.
        """
        sides = self.slopes(place)
        if not sides.is_smooth:
            return True
        error = self.off(place, sides)
        return self.at.point.special and error is not None and error <= CLOSE

    def error(self, x: Value, y: Value, floor: Value) -> Value:
        """The relative difference; numbers far below the largest count as that share of it."""
        if not mp.isfinite(x):
            return mp.inf
        return abs(x - y) / max(abs(x), abs(y), floor * self.scale)


def _number(slope: Value | None) -> float | None:
    return None if slope is None else float(slope)


def _verdict(oracle: str, errors: Mapping[Place, Value], tolerance: Value) -> Verdict:
    worst = max(errors, key=lambda p: errors[p])
    status = AGREES if errors[worst] <= tolerance else DISAGREES
    return Verdict(oracle, status, float(errors[worst]), worst, len(errors))
