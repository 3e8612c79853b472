"""Influence: what a number far off, or at an end of its domain, does to loss and gradient.

One element of an input goes to an end of its domain while everything else stays. How the value of
its sample and the derivative in that element grow is read off at distances of 2^10, 2^15 and 2^20,
which is a measurement and no proof; bounds on the derivative are proved by interval inference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mpmath import mp

from .. import domains as dom
from ..analyses.bounds import Bounds, Inference
from ..check import Checked
from ..elaborate.declare import Input
from ..gradcheck.point import Array, Clock, OutOfTime, Point
from ..gradcheck.points import Points, lengths_of_params
from ..gradcheck.sampling import MILD
from ..gradcheck.sizes import smallest
from ..interpret import Machine
from ..ir import REAL, Index, Program
from ..passes.differentiate import differentiate, total
from ..separate import separate
from .variants import variants

POWERS = (10, 15, 20)  # of 2, of the distances
DIGITS = 60
LENGTH = 2  # of the axes
SECONDS = 1.0
NEAR, STEADY, STILL = 0.04, 0.1, 1e-4

LIMIT, LOGARITHM, POWER, FASTER, NONE = "limit", "logarithm", "power", "faster", "none"


@dataclass(frozen=True, slots=True)
class Growth:
    """How a result behaves: `kind` is "limit", "logarithm", "power", "faster" or "none".

    `number` is the limit, or the power of the distance (of 1 / distance at a finite end); "faster"
    is faster than any power, "none" none of these.
    """

    kind: str
    number: float = 0.0

    @property
    def is_bounded(self) -> bool:
        """Whether it stays finite."""
        return self.kind == LIMIT

    def to_json(self) -> dict[str, Any]:
        """The growth as JSON has it."""
        return {"kind": self.kind, "number": self.number}


@dataclass(frozen=True, slots=True)
class Influence:
    """One element of an input that goes to an end: `toward` is "inf", "-inf" or a number as text.

    `low` and `high` are proved bounds on the derivative, infinite where there are none.
    """

    input: str
    toward: str
    value: Growth
    slope: Growth
    low: float
    high: float

    @property
    def pull(self) -> str:
        """What the gradient comes to: "vanishes", "bounded", "unbounded" or "unclear"."""
        if self.slope.kind == NONE:
            return "unclear"
        if not self.slope.is_bounded:
            return "unbounded"
        return "vanishes" if self.slope.number == 0 else "bounded"

    def __str__(self) -> str:
        far = self.toward in ("inf", "-inf")
        value, slope = _said(self.value, far), _said(self.slope, far)
        proved = ""
        if math.isfinite(self.low) and math.isfinite(self.high):
            proved = f", always within [{self.low:.6g}, {self.high:.6g}] (proved)"
        return f"{self.input} -> {self.toward}: the loss {value}, its derivative {slope}{proved}"

    def to_json(self) -> dict[str, Any]:
        """The influence as JSON has it."""
        return {
            "input": self.input, "toward": self.toward, "pull": self.pull,
            "value": self.value.to_json(), "slope": self.slope.to_json(),
            "low": self.low, "high": self.high,
        }  # fmt: skip


def influences(checked: Checked, seconds: float = SECONDS) -> tuple[Influence, ...]:
    """The influence of each real input whose elements can move alone, toward each end.

    What does not fit into `seconds` is left out.
    """
    clock = Clock(seconds)
    program = _summed(checked)
    try:
        point = _point(checked, program)
        with mp.workdps(DIGITS):
            return tuple(_each(checked, program, point, clock))
    except (OutOfTime, ValueError):
        return ()


def _summed(checked: Checked) -> Program:
    """The sum of the values of the samples, or the loss where there are none."""
    separated = separate(checked.program)
    return total(separated.program if separated is not None else checked.program)


def _proved(checked: Checked, name: str) -> Bounds:
    """Bounds on the derivative in an input for all values of the params."""
    kinds = variants(checked)
    if kinds.scope:
        return Bounds()
    formulas = (v.checked for v in kinds.all)
    found = [Inference(c.domains).of(differentiate(_summed(c), name).value) for c in formulas]
    return Bounds(min(b.low for b in found), max(b.high for b in found))


def _point(checked: Checked, program: Program) -> Point:
    """A plain point: one sample where the loss is a mean or sum of samples."""
    known = lengths_of_params(checked, program)
    lead = separate(checked.program)
    if lead is not None and lead.program.axes:
        axis = lead.program.axes[0].axis
        if axis is not None and axis.size is None:
            known.setdefault(axis, 1)
    sizes = smallest(program, known, LENGTH)
    return Points(checked, program, sizes, sizes, 0).sample("", MILD, 0)


def _each(checked: Checked, program: Program, point: Point, clock: Clock) -> Iterator[Influence]:
    for decl in checked.inputs.values():
        if decl.tensor.kind != REAL or not isinstance(decl.meaning, dom.Reals | dom.Between):
            continue
        if not point.arrays[decl.name].size:
            continue
        slope = differentiate(program, decl.name)
        bounds = _proved(checked, decl.name)
        for toward, at in _ends(decl, point):
            yield _toward(decl, program, slope, point, toward, at, bounds, clock)


def _toward(
    decl: Input, program: Program, slope: Program, point: Point, toward: str,
    at: Callable[[int], Any], bounds: Bounds, clock: Clock,
) -> Influence:  # fmt: skip
    place = (0,) * point.arrays[decl.name].ndim
    env: Mapping[Index, int] = dict(zip(slope.axes, place, strict=True))
    values, slopes = [], []
    for power in POWERS:
        clock.check()
        machine = point.moved(decl.name, place, at(power)).machine()
        values.append(_run(machine, program, {}))
        slopes.append(_run(machine, slope, env))
    return Influence(decl.name, toward, growth(values), growth(slopes), bounds.low, bounds.high)


def _run(machine: Machine, program: Program, env: Mapping[Index, int]) -> Any:
    try:
        return machine.run(program.value, dict(env))
    except (ArithmeticError, ValueError, MemoryError):
        return mp.nan


def _ends(decl: Input, point: Point) -> Iterator[tuple[str, Callable[[int], Any]]]:
    """The ends of a domain, and the number at a distance from each."""
    low, high = -mp.inf, mp.inf
    if isinstance(decl.meaning, dom.Between):
        low, high = _bounds(decl.meaning, point)
    room = high - low if mp.isfinite(high - low) else mp.mpf(1)
    if mp.isfinite(low):
        yield f"{float(low):.6g}", lambda k: low + room * mp.ldexp(1, -k)
    else:
        yield "-inf", lambda k: -mp.ldexp(1, k)
    if mp.isfinite(high):
        yield f"{float(high):.6g}", lambda k: high - room * mp.ldexp(1, -k)
    else:
        yield "inf", lambda k: mp.ldexp(1, k)


def _bounds(domain: dom.Between, point: Point) -> tuple[Any, Any]:
    machine = Machine(point.sizes, point.arrays)
    low = -mp.inf if domain.low is None else mp.mpf(machine.run(domain.low, {}))
    high = mp.inf if domain.high is None else mp.mpf(machine.run(domain.high, {}))
    return low, high


# --- growth ---------------------------------------------------------------------------------------


def growth(results: Array | list[Any]) -> Growth:
    """How three results at distances of 2^10, 2^15 and 2^20 grow."""
    a, b, c = (mp.mpf(x) for x in results)
    if not all(map(mp.isfinite, (a, b, c))):
        return Growth(NONE)
    first, second = b - a, c - b
    if second == 0 or abs(second) <= STILL * abs(c):
        return Growth(LIMIT, _plain(c))
    if abs(second) <= abs(first) / 4:
        return Growth(LIMIT, _plain(c + second / 31, abs(second)))
    if 0 in (a, b, c) or mp.sign(a) != mp.sign(c):
        return _growth_of(abs(first), abs(second), abs(c))
    steps = (POWERS[1] - POWERS[0], POWERS[2] - POWERS[1])
    ratios = (abs(b / a), abs(c / b))
    rates = [float(mp.log(r, 2)) / n for r, n in zip(ratios, steps, strict=True)]
    if abs(rates[0] - rates[1]) < NEAR and abs(rates[1]) > STEADY:
        return Growth(POWER, _rounded(rates[1])) if rates[1] > 0 else Growth(LIMIT, 0.0)
    return _growth_of(abs(first), abs(second), abs(c))


def _growth_of(first: Any, second: Any, last: Any) -> Growth:
    """The growth of a result with a part that is not small yet, by its differences."""
    if first == 0:
        return Growth(NONE)
    rate = float(mp.log(second / first, 2)) / (POWERS[2] - POWERS[1])
    if abs(rate) < NEAR:
        return Growth(LOGARITHM)
    if rate > POWERS[2]:
        return Growth(FASTER)
    return Growth(POWER, _rounded(rate)) if rate > STEADY else Growth(NONE)


def _plain(x: Any, error: Any = 0) -> float:
    """A limit without the noise of its measurement."""
    noise = max(float(error), 1e-3 * max(1.0, abs(float(x))))
    near = round(float(x) * 12) / 12
    if abs(near - float(x)) <= noise:
        return near
    return float(mp.nstr(x, 3))


def _rounded(rate: float) -> float:
    near = round(rate * 2) / 2
    return near if abs(near - rate) < NEAR else round(rate, 2)


def _said(growth: Growth, far: bool) -> str:
    name = "the distance" if far else "1 / the distance"
    match growth.kind:
        case "limit":
            return f"tends to {growth.number:.6g}" if growth.number else "tends to 0"
        case "logarithm":
            return f"grows like the logarithm of {name}"
        case "power":
            how = {1.0: f"like {name}", 2.0: f"like the square of {name}",
                   0.5: f"like the root of {name}"}  # fmt: skip
            return f"grows {how.get(growth.number, f'like {name} to the {growth.number:.3g}')}"
        case "faster":
            return f"grows faster than any power of {name}"
    return "has no clear trend"
