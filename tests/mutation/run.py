"""Mutants against the checks: the gradient check on the battery, and gradients at kinks.

A mutant is first compared with the rules as they are at the points of the gradient check. Where
it differs at a point at which the oracles confirm the right gradient, the check finds it; where it
differs at a kink only, the check itself is run.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import FrameType
from typing import Any

import numpy as np
from mpmath import mp

import lossc
from lossc.compiler.gradcheck import derived
from lossc.compiler.gradcheck.automatic import load
from lossc.compiler.gradcheck.point import DIGITS, Clock, Place, Point
from lossc.compiler.gradcheck.points import Points
from lossc.compiler.gradcheck.report import AGREES, DIFFERENCES, DISAGREES
from lossc.compiler.gradcheck.run import _At, _Check, _scalar
from lossc.compiler.interpret import interpret
from lossc.compiler.ir import REAL, Program

from .battery import FIXED, losses, primitives
from .mutant import Mutant

SECONDS = 30.0  # for one loss; a rule that does not end is caught
PLAIN = mp.mpf(10) ** -6  # a relative difference that every oracle shows
SAME = mp.mpf(10) ** -40
Key = tuple[str, str]  # the text of a loss, and an input or param


class Caught(Exception):
    """A check has found the mutant."""


class TooLong(Exception):
    """A mutant that does not come to an end."""


@dataclass(frozen=True)
class Result:
    """What became of a mutant: what caught it, or "" if nothing did.

    `changed` tells whether the formula of some gradient of the battery differs.
    """

    mutant: Mutant
    caught_by: str
    changed: bool


def judge(mutant: Mutant, keys: Sequence[Key] | None = None) -> Result:
    """Put a mutant in place and run the checks until one catches it."""
    right = formulas()  # of the rules as they are
    op = mutant.rule.split(",")[0]
    changed = False
    every = keys or [k for k in right if mutant.is_row or k[0] not in primitives()]
    for key in sorted(every, key=lambda k: op not in k[0]):
        with mutant.installed():
            wrong = _attempt(key)
        if isinstance(wrong, str):
            return Result(mutant, wrong, True)
        if wrong.value == right[key].value:
            continue
        changed = True
        found = _caught(mutant, key, wrong)
        if found:
            return Result(mutant, found, True)
    return Result(mutant, "", changed)


@cache
def formulas() -> dict[Key, Program]:
    """The right derivative of every loss of the battery and of every fixed gradient."""
    found = {(text, name): _derive((text, name)) for text, (name, _, _) in FIXED.items()}
    for text, loss in losses().items():
        program = loss._checked.program
        real = [t.name for t in (*program.inputs, *program.params) if t.kind == REAL]
        fixed = {*loss._checked.static, *loss._checked.hidden}
        found |= {(text, n): _derive((text, n)) for n in real if n not in fixed}
    return found


@cache
def compiled(text: str) -> lossc.Loss:
    """A loss of the battery."""
    return losses().get(text) or lossc.compile(text)


def _derive(key: Key) -> Program:
    """A derivative by the rules in place."""
    with mp.workdps(DIGITS):
        return derived.derive(_scalar(compiled(key[0])._checked.program), key[1])


def _attempt(key: Key) -> Program | str:
    """A derivative by the rules in place, or how it fails."""
    try:
        with _limit(SECONDS):
            return _derive(key)
    except TooLong:
        return "ends"
    except Exception:
        return "derivation"


def _caught(mutant: Mutant, key: Key, wrong: Program) -> str:
    """Which check finds a derivative wrong; "" if none does."""
    try:
        with _limit(SECONDS), mp.workdps(DIGITS):
            if key[0] in FIXED:
                return _fixed(key[0], wrong)
            differs = _compared(key, wrong)
            if differs != "at a kink":
                return differs
        with mutant.installed():
            return _check(key)
    except TooLong:
        return "ends"
    except Exception:
        return "evaluation"


def _fixed(text: str, wrong: Program) -> str:
    """A gradient that is fixed by the language, at a kink or where something is infinite."""
    _, data, want = FIXED[text]
    found = interpret(wrong, data, 30)
    given = np.array(found, dtype=object).astype(float)
    return "" if np.allclose(given, want, rtol=2e-3, atol=2e-4) else "fixed gradients"


def _compared(key: Key, wrong: Program) -> str:
    """Whether a derivative differs where the right one is confirmed, or at a kink alone."""
    result = ""
    for point, places, special in confirmed(key):
        machine = point.machine()
        for place, right in places.items():
            x = machine.run(wrong.value, dict(zip(wrong.axes, place, strict=True)))
            gap = _gap(x, right)
            if gap > PLAIN and not special:
                return "gradient check"
            result = "at a kink" if gap > SAME else result
    return result


def _gap(x: Any, right: Any) -> Any:
    """The relative difference of two numbers; infinite where only one is finite."""
    if mp.isnan(x) and mp.isnan(right):
        return mp.mpf(0)
    if x == right:
        return mp.mpf(0)
    return abs(x - right) / max(abs(right), abs(x)) if mp.isfinite(x - right) else mp.inf


@cache
def confirmed(key: Key) -> list[tuple[Point, dict[Place, Any], bool]]:
    """The points of a check, the right gradient there, and whether it lies on a kink.

    Where it does not, SymPy or TensorFlow has confirmed all of it.
    """
    load()
    checked = compiled(key[0])._checked
    with mp.workdps(DIGITS):
        check = _Recorded(checked, _scalar(checked.program), (key[1],), 0, Clock(1e3), _silent)
        assert check.run().ok, key
        return check.recorded


@dataclass
class _Recorded(_Check):
    """A check that keeps its points and what it found there."""

    recorded: list[tuple[Point, dict[Place, Any], bool]] = field(default_factory=list)

    def look(self, points: Points, point: Point) -> None:
        before = len(self.cases)
        super().look(points, point)
        for case in self.cases[before:]:
            sure = any(v.status == AGREES and v.oracle != DIFFERENCES for v in case.verdicts)
            at = _At(self, point, point.machine())
            program = self.derived[case.wrt]
            values = {
                p: at.machine.run(program.value, dict(zip(program.axes, p, strict=True)))
                for p in np.ndindex(point.arrays[case.wrt].shape)
            }
            on_kink = point.special or bool(case.conventions) or not sure
            if not mp.isfinite(at.value):
                continue  # another point was taken
            self.recorded.append((point, values, on_kink))


def _check(key: Key) -> str:
    """The gradient check of one loss, until it finds something."""
    checked = compiled(key[0])._checked
    check = _Until(checked, _scalar(checked.program), (key[1],), 0, Clock(SECONDS), _silent)
    try:
        return "" if check.run().ok else "gradient check"
    except Caught:
        return "gradient check"


class _Until(_Check):
    """A check that ends with the first finding."""

    def look(self, points: Points, point: Point) -> None:
        super().look(points, point)
        if any(v.status == DISAGREES for c in self.cases for v in c.verdicts):
            raise Caught


def _silent(text: str) -> None:
    pass


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """Raise TooLong in a block that takes longer."""

    def late(signum: int, frame: FrameType | None) -> None:
        raise TooLong

    old = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
