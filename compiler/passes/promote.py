"""Which steps of a plan for float32 data are computed in float64: the fewest that digits ask for.

The plan is run on ordinary data (`analyses/ordinary.py`) in Monte Carlo arithmetic (D. S. Parker,
Monte Carlo Arithmetic, 1997). In some copies of the data each step is rounded to float32 and, if
its operation is not rounded correctly, changed at random by as much as that may be off.
In other copies each input is changed by an ulp, which tells how far the data leave a result in
doubt: where a result is ill-conditioned, more digits would be digits of nothing. A number loses
digits where rounding moves it by many of its ulps and by many times that doubt.

If no output of the plan loses digits, nothing is promoted. Else the steps of those that do are
looked at in order: one that loses digits is computed in float64, with all that it is made of. If
an output loses digits still, so is all of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from lossc.dsl.primitives import PRIMITIVES, REDUCTIONS

from .. import domains as dom
from ..analyses.grid import Grid, TooLarge
from ..analyses.ordinary import Ordinary
from ..elaborate.declare import Default
from ..emit.schedule import Plan, Step, origin, span_of
from ..ir import REAL, Access, Apply, Axis, Const, Reduce, Tensor
from ..numeric import Array

SAMPLES, MOVED, ROUNDED = 48, 3, 2
FIRST_ROUNDED = 1 + MOVED
COPIES = FIRST_ROUNDED + ROUNDED
ULP = 2.0**-24  # the largest relative error of one rounding
TINY, HUGE = 2.0**-126, 2.0**128
LIMIT = 24.0  # times ULP, that a number may lose
UNKNOWN = 2.0**40  # from here on, a number that is 0 but for the rounding of the trial itself
RARE = 1 / 50  # of the numbers may lose more
LENGTHS = (3, 5, 9, 17)  # of axes; the first at which no range is empty
MOST = 3000  # numbers in a step's array, for one copy of one sample


def promote(
    plan: Plan, domains: Mapping[str, dom.Domain], defaults: Mapping[str, Default]
) -> Plan | None:
    """The plan with the steps in float64 that need it; None if it is too large to be tried."""
    trial = _Trial(plan, domains, defaults, _length(plan))
    try:
        losing = trial.losing()
        wide = trial.promoted(losing) if losing else {}
    except TooLarge:
        return None
    steps = (replace(s, wide=k in wide, why=wide.get(k, "")) for k, s in enumerate(plan.steps))
    return replace(plan, steps=tuple(steps))


def _length(plan: Plan) -> int:
    """A length of axes at which no range of the plan is empty, if there is one."""
    spans = {span_of(i) for s in plan.steps for i in (*s.axes, *s.term.binds)}

    def fits(length: int) -> bool:
        ends = (span.bounds(lambda axis: axis.size or length) for span in spans)
        return all(start < stop for start, stop in ends)

    return next(filter(fits, LENGTHS), LENGTHS[0])


@dataclass
class _Trial:
    """Runs of a plan; `wide` has the steps that are promoted, each with its reason."""

    plan: Plan
    domains: Mapping[str, dom.Domain]
    defaults: Mapping[str, Default]
    length: int
    wide: dict[int, str] = field(default_factory=dict)

    def losing(self) -> list[int]:
        """The outputs that lose digits."""
        values = self.run(frozenset())
        return [k for k in self.results() if _loss(values[k])]

    def results(self) -> list[int]:
        """The outputs, and of a sum or mean over samples what it adds up.

        A loss is its values per sample too, and a batch may be small.
        """
        found = dict.fromkeys(self.plan.outputs)
        stack = [*found]
        while stack:
            k = origin(self.plan.steps, stack.pop())
            step = self.plan.steps[k]
            if isinstance(step.term, Apply) and step.term.op in ("neg", "mul", "div"):
                stack += step.args
            elif isinstance(step.term, Reduce) and step.term.op in ("sum", "mean"):
                found |= dict.fromkeys(step.args[:1])
                stack += step.args[:1]
        return [*found]

    def promoted(self, losing: Iterable[int]) -> dict[int, str]:
        """The steps to be computed in float64 for the sake of some outputs."""
        losing = list(losing)
        values = self.run(self.parts(losing))
        for k in losing:
            if loss := _loss(values[k], LIMIT / 4):
                self.widen(k, loss, values, np.random.default_rng(3))
        return self.wide

    def parts(self, roots: Iterable[int]) -> frozenset[int]:
        """The steps that some are made of, and they themselves."""
        found: set[int] = set()
        stack = [*roots]
        while stack:
            k = origin(self.plan.steps, stack.pop())
            if k not in found:
                found.add(k)
                stack += self.plan.steps[k].args
        return frozenset(found)

    def run(self, watched: frozenset[int]) -> dict[int, Array]:
        """The values of all steps; of those `watched`, what loses digits is promoted."""
        data = _Data(Ordinary(self.domains, self.size, SAMPLES, self.defaults))
        grid = Grid(self.plan, self.size, data.of, MOST)
        rng = np.random.default_rng(1)
        for k, step in enumerate(self.plan.steps):
            value = grid.value(k)
            if step.same is not None:
                pass
            elif k in self.wide:
                value = _stored(value, rng)
            elif _is_computed(step):
                value = _rounded(value, _error(step, value, grid, k), rng)
            elif not isinstance(step.term, Access) or step.term.kind != REAL:
                value = value[:1]
            grid.values[k] = value
            if k in watched and k not in self.wide and (loss := _loss(value)):
                self.widen(k, loss, grid.values, rng)
        return grid.values

    def size(self, axis: Axis) -> int:
        return self.length if axis.size is None else axis.size

    def widen(
        self, root: int, loss: str, values: dict[int, Array], rng: np.random.Generator
    ) -> None:
        """Promote a step, and all real numbers that it is made of."""
        stack, reason = [root], loss
        while stack:
            k = origin(self.plan.steps, stack.pop())
            step = self.plan.steps[k]
            if k in self.wide or step.term.kind != REAL or isinstance(step.term, Access | Const):
                continue
            self.wide[k], reason = reason, f"for %{root}"
            values[k] = _stored(values[k], rng)
            stack += step.args


@dataclass
class _Data:
    """The data of a run, in all its copies."""

    source: Ordinary
    known: dict[str, Array] = field(default_factory=dict)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(2))

    def of(self, tensor: Tensor) -> Array:
        """A tensor as it is; in some copies each of its numbers is an ulp larger or smaller.

        Params are exact, and so are 0 and 1, which labels are.
        """
        if tensor.name not in self.known:
            value = _float32(self.source.draw(tensor)[None])
            if tensor.kind == REAL and not tensor.is_param:
                signs = self.rng.choice((-ULP, ULP), (MOVED, *value.shape[1:]))
                exact = (value == 0) | (np.abs(value) == 1)
                moved = value * (1 + np.where(exact, 0, signs))
                value = np.concatenate([value, moved, *[value] * ROUNDED])
            self.known[tensor.name] = value
        return self.known[tensor.name]


def _is_computed(step: Step) -> bool:
    """Whether a step is a number that is rounded. Where it jumps, all copies decide alike."""
    term = step.term
    if term.kind != REAL or isinstance(term, Access | Const):
        return False
    return not isinstance(term, Apply) or PRIMITIVES[term.op].rounding is not None


def _error(step: Step, value: Array, grid: Grid, k: int) -> Array:
    """How far a step's float32 operation may be off beyond the rounding of its result."""
    term = step.term
    if isinstance(term, Apply):
        return _size(value) * _beyond(PRIMITIVES[term.op].rounding)
    if isinstance(term, Reduce):
        size = np.maximum(_size(value), grid.largest.get(k, 0.0))
        return size * _beyond(REDUCTIONS[term.op].rounding)
    return np.zeros(1)


def _beyond(rounding: float | None) -> float:
    return ULP * max((rounding or 0.0) - 1, 0.0)


def _size(value: Array) -> Array:
    """The magnitudes of the finite numbers."""
    return np.where(np.isfinite(value), np.abs(value), 0.0)


def _rounded(value: Array, error: Array, rng: np.random.Generator) -> Array:
    """A value that is in float32 in the copies that round, and off at random if it is not exact."""
    if value.shape[0] == 1:
        value = np.broadcast_to(value, (COPIES, *value.shape[1:]))
    kept, lost = value[:FIRST_ROUNDED], value[FIRST_ROUNDED:]
    most = np.broadcast_to(error, value.shape)[FIRST_ROUNDED:]
    with np.errstate(all="ignore"):
        near = _float32(lost)
        off = _float32(near + most * rng.uniform(-1, 1, lost.shape))
        lost = np.where(near == lost, near, off)
        size = np.abs(lost)
        lost = np.where(size < TINY, 0.0, np.where(size >= HUGE, np.copysign(np.inf, lost), lost))
    return np.concatenate([kept, lost])


def _float32(value: Array) -> Array:
    """The nearest float32 numbers."""
    return np.asarray(value, dtype=np.float32).astype(np.float64)


def _stored(value: Array, rng: np.random.Generator) -> Array:
    """A float64 value as steps in float32 read it: rounded once."""
    if value.shape[0] == 1:
        return value
    exact = np.concatenate([value[:FIRST_ROUNDED], *[value[:1]] * ROUNDED])
    return _rounded(exact, np.zeros(1), rng)


def _loss(value: Array, limit: float = LIMIT) -> str:
    """How many bits rounding costs at worst, if it costs too many; else nothing."""
    lost = ulps_lost(value) if value.shape[0] > 1 else np.zeros(0)
    if (lost > limit).sum() <= max(1, RARE * lost.size):
        return ""
    worst = float(lost.max())
    return f"loses {math.log2(worst):.0f} bits" if worst < 2.0**24 else "loses all digits"


def ulps_lost(value: Array) -> Array:
    """What rounding costs each number, in its ulps or in how far an ulp of the data moves it."""
    with np.errstate(all="ignore"):
        true, moved, rounded = value[0], value[1:FIRST_ROUNDED], value[FIRST_ROUNDED:]
        doubt = np.abs(moved - true).max(0)
        size = np.abs(true)
        lost = np.abs(rounded - true).max(0) / np.maximum(ULP * size, doubt)
        usual = np.isfinite(true) & (size >= TINY) & (size < HUGE) & np.isfinite(doubt)
        lost = np.where(np.isfinite(rounded).all(0), lost, np.inf)
        usual &= (lost < UNKNOWN) | np.isinf(lost)
    return np.asarray(lost[usual])
