"""A formula beside an implementation in Python: an input on which they disagree, if one is found.

The formula is evaluated in arbitrary precision, so a disagreement tells what is true. Points are
those of a check of gradients (kinks, edges, zeros among them) and random ones of ordinary size, all
of them numbers of the format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from random import Random
from typing import Any, Protocol

import numpy as np
from mpmath import mp

from lossc.compiler.accuracy.floats import FORMATS, Format
from lossc.compiler.accuracy.sampling import FloatSampler
from lossc.compiler.arithmetic import Value
from lossc.compiler.audit.regions import Seen, described
from lossc.compiler.check import Checked
from lossc.compiler.gradcheck.point import Array, Point, places
from lossc.compiler.gradcheck.points import Points, lengths_of_params
from lossc.compiler.gradcheck.sampling import INSIDE, MILD, as_float
from lossc.compiler.gradcheck.sizes import smallest
from lossc.compiler.interpret import Compiler, Machine
from lossc.compiler.ir import REAL, Index, Program
from lossc.compiler.passes.differentiate import differentiate, total
from lossc.compiler.separate import separate

DIGITS = 60
# Relative errors that are taken for rounding, beside numbers of at least FLOOR.
ROUNDING = {"float32": 1e-4, "float64": 1e-9}
FLOOR = mp.mpf("0.01")
BESIDE = mp.mpf("1e-3")  # of a ratio, the same at all points
LENGTHS = (0, 1, 0, 2)  # of random points, in turn: axes as short as can be, or longer
VARIED = 4  # a point in so many has other params than the defaults


class Implementation(Protocol):
    """What is verified: a function of the formula's inputs by name."""

    @property
    def name(self) -> str:
        """What it is called."""

    def takes(self, param: str) -> bool:
        """Whether it can be given a param."""

    def value(self, inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Any:
        """What it gives, as an array."""

    def gradients(
        self, inputs: Mapping[str, Any], params: Mapping[str, Any], wrt: list[str], mean: bool
    ) -> dict[str, Any] | None:
        """The gradients of the mean or sum of what it gives; None where it has none."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An input on which the two disagree: `of` is "value", "gradient in x" or "call".

    `at` has the witness as text by name; `got` and `true` are numbers as text; `how` and `where`
    are what all points have in common.
    """

    of: str
    format: str
    at: Mapping[str, str]
    place: tuple[int, ...]
    got: str
    true: str
    how: str
    where: str

    def __str__(self) -> str:
        at = ", ".join(f"{n}={v}" for n, v in self.at.items())
        place = f" at [{', '.join(map(str, self.place))}]" if self.place else ""
        head = f"the {self.of} {self.how}{self.where} ({self.format})"
        told = f"the formula is {self.true}, the implementation {self.got}"
        return f"{head}\n    {at}{place}: {told if self.true else self.got}"

    def to_json(self) -> dict[str, object]:
        """The disagreement as JSON has it."""
        return {
            "of": self.of, "format": self.format, "at": dict(self.at), "place": list(self.place),
            "got": self.got, "true": self.true, "how": self.how, "where": self.where.strip(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verification:
    """The disagreements found at so many points; `gradients` tells whether there were any."""

    loss: str
    implementation: str
    points: int
    gradients: bool
    disagreements: tuple[Disagreement, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The result as JSON has it."""
        return {
            "ok": not self.disagreements, "loss": self.loss,
            "implementation": self.implementation, "points": self.points,
            "gradients": self.gradients, "notes": list(self.notes),
            "disagreements": [d.to_json() for d in self.disagreements],
        }  # fmt: skip


def verify(
    checked: Checked, implementation: Implementation, points: int = 100, seed: int = 0,
    rounding: float | None = None, progress: Callable[[str], None] = lambda text: None,
) -> Verification:  # fmt: skip
    """Look for an input on which an implementation and a formula disagree.

    So many points are looked at in single and in double precision each. `rounding` is the relative
    error that is still taken for rounding, by default 1e-4 and 1e-9.
    """
    run = _Run(checked, implementation, seed, rounding)
    with mp.workdps(DIGITS):
        for name in ("float64", "float32"):
            for k, point in enumerate(run.points(FORMATS[name], points)):
                progress(f"{implementation.name}: {name}, point {k + 1}")
                run.look(point, FORMATS[name])
        return run.result()


@dataclass
class _Run:
    """What is seen, by what it is of and the format."""

    checked: Checked
    implementation: Implementation
    seed: int
    rounding: float | None
    seen: dict[tuple[str, str], list[Seen]] = field(default_factory=dict)
    raised: dict[str, tuple[Point, str, int]] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    looked: Counter[str] = field(default_factory=Counter)
    has_gradients: bool = False
    compiler: Compiler = field(default_factory=Compiler)

    # --- points

    def points(self, format: Format, count: int) -> Iterator[Point]:
        """Points of the domains, their inputs in the format."""
        program = self.checked.program
        known = lengths_of_params(self.checked, program)
        lengths = [smallest(program, known, least) for least in (1, 2, 3)]
        base = Points(self.checked, program, lengths[1], lengths[2], self.seed)
        usual = base.sample("", MILD, 0).arrays
        found = 0
        for point in islice(base, count):
            near = self.rounded(point, format)
            if base.admits(near) and self.can_be_given(near, usual):
                found += 1
                yield near
        for k in range(count - found):
            place = replace(base, sizes=lengths[LENGTHS[k // 2 % len(LENGTHS)]])
            yield self.inside(place, k, format) if k % 2 else self.wide(place, k, format)

    def can_be_given(self, point: Point, usual: Mapping[str, Array]) -> bool:
        """Whether the params that the implementation does not take have their defaults."""
        hidden = [n for n in self.checked.params if n in usual and n not in self.given]
        return all(np.array_equal(point.arrays[n], usual[n]) for n in hidden)

    def rounded(self, point: Point, format: Format) -> Point:
        """A point with its real inputs in the format."""
        arrays = dict(point.arrays)
        for name in self.wrt:
            arrays[name] = FloatSampler._map(arrays[name], format.nearest)
        return replace(point, arrays=arrays)

    def inside(self, base: Points, k: int, format: Format) -> Point:
        """A random point near 0, where branches meet."""
        return self.rounded(base.sample(f"a random point {k + 1}", INSIDE, 100 + k), format)

    def wide(self, base: Points, k: int, format: Format) -> Point:
        """A random point of ordinary size; at times other params."""
        vary = set(self.given) - self.checked.static if k % VARIED == 0 else set()
        params = [p for p in base.params if p.tensor.kind == REAL]
        arrays = dict(base.sample("", MILD, k).arrays)
        arrays |= base.sampler(100 + k).draw_params(params, vary)
        sampler = FloatSampler(Random(f"{self.seed} {k} {format.name}"), base.sizes, format=format)
        sampler.params |= {n: a for n, a in arrays.items() if n not in self.checked.inputs}
        inputs = {d.name: sampler.array(d, MILD) for d in self.checked.inputs.values()}
        return Point(f"a random point {k + 1}", {**arrays, **inputs}, base.sizes)

    # --- both

    @cached_property
    def wrt(self) -> list[str]:
        """The inputs of which there are gradients."""
        return [n for n, i in self.checked.inputs.items() if i.tensor.kind == REAL]

    @cached_property
    def slopes(self) -> dict[str, Program]:
        """The derivatives."""
        whole = total(self.checked.program)
        return {n: differentiate(whole, n) for n in self.wrt}

    @cached_property
    def mean(self) -> bool:
        """Whether values per sample are averaged, and not added up."""
        found = separate(self.checked.program)
        return found is None or found.op == "mean"

    def look(self, point: Point, format: Format) -> None:
        """Compare value and gradients at a point."""
        self.looked[format.name] += 1
        inputs = {
            n: as_float(point.arrays[n], i.tensor.kind, format.dtype)
            for n, i in self.checked.inputs.items()
        }
        params = {n: self.param(point.arrays[n]) for n in self.given if n in point.arrays}
        try:
            with np.errstate(all="ignore"):
                got = _as_numbers(self.implementation.value(inputs, params))
                slopes = None
                if not self.checked.program.axes:
                    slopes = self.implementation.gradients(inputs, params, self.wrt, self.mean)
        except Exception as error:  # whatever the user's code raises is a finding
            self.note_raised(point, error, format)
            return
        machine = Machine(point.sizes, point.arrays, compiler=self.compiler)
        true = {n: _values(p, machine, point) for n, p in self.slopes.items()}
        near = self.tolerance(format, got.dtype)
        self.compare_value(point, format, got, machine, true, near)
        if slopes is not None:
            self.has_gradients = True
            self.compare_gradients(point, format, slopes, true, near)

    def tolerance(self, format: Format, dtype: Any) -> float:
        """The relative error that counts as rounding; a loss may compute in single precision."""
        coarse = format.name == "float32" or dtype in (np.float32, np.float16)
        return self.rounding or ROUNDING["float32" if coarse else "float64"]

    @cached_property
    def given(self) -> list[str]:
        """The params that the implementation takes."""
        return [n for n in self.checked.params if self.implementation.takes(n)]

    @staticmethod
    def param(array: Array) -> Any:
        """A param as Python and NumPy have it."""
        if array.shape:
            return array.astype(np.float64)
        x = array[()]
        if x is None or isinstance(x, bool):
            return x
        return int(x) if mp.isint(x) else float(x)

    def note_raised(self, point: Point, error: Exception, format: Format) -> None:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        first, text, count = self.raised.get(format.name, (point, said, 0))
        self.raised[format.name] = (first, text, count + 1)

    # --- comparison

    def compare_value(
        self, point: Point, format: Format, got: Any, machine: Machine,
        slopes: Mapping[str, Array], near: float,
    ) -> None:  # fmt: skip
        """Note whether the value is right."""
        true = _values(self.checked.program, machine, point)
        if got.shape != true.shape and not true.shape:
            word = "mean" if self.mean else "sum"
            self.notes[f"it gives several values for an input; their {word} is compared"] = None
            got = np.asarray(got.mean() if self.mean else got.sum())
        if got.shape != true.shape:
            self.note_raised(
                point, ValueError(f"gives shape {got.shape}, not {true.shape}"), format
            )
            return
        sizes = [abs(x * g) for n, s in slopes.items()
                 for x, g in zip(point.arrays[n].flat, s.flat, strict=True)]  # fmt: skip
        scale = mp.fsum([FLOOR, *(s for s in sizes if mp.isfinite(s))])
        for place in places(true):
            self.note("value", point, place, got[place], true[place], scale, format, near)

    def compare_gradients(
        self, point: Point, format: Format, got: Mapping[str, Any], true: Mapping[str, Array],
        near: float,
    ) -> None:  # fmt: skip
        """Note whether the gradients are right; at kinks, whether they are finite."""
        sizes = [abs(g) for s in true.values() for g in s.flat if mp.isfinite(g)]
        scale = max([FLOOR, *sizes])
        for name, slopes in true.items():
            for place in places(slopes):
                x, g = got[name][place], slopes[place]
                if not mp.isfinite(g) or (point.special and np.isfinite(x)):
                    continue
                of = f"gradient in {name}"
                self.note(of, point, place, x, g, scale, format, near)

    def note(
        self, of: str, point: Point, place: tuple[int, ...], got: Any, true: Value, scale: Value,
        format: Format, near: float,
    ) -> None:  # fmt: skip
        """Note a number beside the true one."""
        if mp.isnan(true) or (abs(true) > format.largest and mp.isfinite(true)):
            return
        given = mp.mpf(float(got))
        agree = given == true or abs(given - true) <= near * max(abs(true), scale)
        if not (mp.isfinite(given) and mp.isfinite(true)):
            agree = given == true
        seen = self.seen.setdefault((of, format.name), [])
        seen.append(Seen(point, place, true, given, not agree))

    # --- result

    def result(self) -> Verification:
        """What was found: of each kind the double precision first."""
        found: dict[str, Disagreement] = {}
        for (of, format), seen in self.seen.items():
            if of not in found and any(s.differs for s in seen):
                found[of] = self.disagreement(of, format, seen)
        for format, (point, said, count) in self.raised.items():
            where = f" at {'all ' * (count == self.looked[format])}{count} points"
            call = Disagreement("call", format, self.at(point), (), said, "", "fails", where)
            found.setdefault("call", call)
        if not self.has_gradients:
            self.notes["its gradients are not compared"] = None
        return Verification(
            self.checked.name, self.implementation.name, self.looked.total(), self.has_gradients,
            tuple(found.values()), tuple(self.notes),
        )  # fmt: skip

    def disagreement(self, of: str, format: str, seen: list[Seen]) -> Disagreement:
        """The disagreement with a witness."""
        short = [s for s in seen if set(s.point.sizes.values()) <= {1}]
        seen = short if any(s.differs for s in short) else seen
        how, where = described(self.checked, [self.checked.program.value], seen, BESIDE)
        apart = [s for s in seen if s.differs]
        best = min(apart, key=lambda s: sum(len(v) for v in self.at(s.point).values()))
        got, true = mp.nstr(best.new, 9), mp.nstr(best.old, 12)
        place = best.place if of != "value" or self.checked.program.axes else ()
        return Disagreement(of, format, self.at(best.point), place, got, true, how, where)

    def at(self, point: Point) -> dict[str, str]:
        """A point as text."""
        names = [*self.checked.inputs, *self.given]
        return {n: _text(point.arrays[n]) for n in names if n in point.arrays}


def _as_numbers(value: Any) -> Any:
    """An array of numbers that NumPy knows; raises ValueError or TypeError for anything else."""
    found = np.asarray(value)
    return found if found.dtype.kind in "fiub" else found.astype(np.float64)


def _values(program: Program, machine: Machine, point: Point) -> Array:
    """The values of a program at all places of its axes."""
    shape = tuple(machine.size(s.axis) for s in program.axes if s.axis is not None)
    found = np.empty(shape, dtype=object)
    for place in np.ndindex(shape):
        env: dict[Index, int] = dict(zip(program.axes, place, strict=True))
        try:
            found[place] = mp.mpf(machine.run(program.value, env))
        except (ArithmeticError, ValueError):
            found[place] = mp.nan
    return found


def _text(array: Any) -> str:
    """An array as Python reads it."""
    if getattr(array, "shape", ()):
        return f"[{', '.join(_text(part) for part in array)}]"
    x = array[()] if isinstance(array, np.ndarray) else array
    if x is None or isinstance(x, bool):
        return str(x)
    return str(int(x)) if mp.isint(x) else repr(float(x))
