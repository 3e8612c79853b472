"""Mutants against the checks: the gradient check on the battery, and gradients at kinks.

The battery is checked once with the rules as they are. Then the derivatives of each mutant are held
against the same oracles at the same points, as the check would, and against the gradients that the
language fixes.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from types import FrameType

import numpy as np
from mpmath import mp

import lossc
from lossc.compiler.arithmetic import Value
from lossc.compiler.gradcheck import derived
from lossc.compiler.gradcheck.automatic import load
from lossc.compiler.gradcheck.point import DIGITS, Clock
from lossc.compiler.gradcheck.report import Case
from lossc.compiler.gradcheck.run import _Check, _Comparison, _scalar
from lossc.compiler.interpret import interpret
from lossc.compiler.ir import REAL, Program
from lossc.compiler.passes.tabulate import tabulated

from .battery import FIXED, TABLED, losses, primitives
from .mutant import Mutant

SECONDS = 30.0  # for one loss; a rule that does not end is caught
ROUNDING = mp.mpf(10) ** -65  # relative, of the arithmetic of the checks
Key = tuple[str, str]  # the text of a loss, and an input or param


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
    op = mutant.rule.split(",")[0]
    every = keys or [k for k in formulas() if mutant.is_row or k[0] not in primitives()]
    rest = iter(sorted(every, key=lambda k: op not in k[0]))
    changed = False
    while (found := _next_change(mutant, rest)) is not None:
        changed = True
        key, wrong = found
        how = wrong if isinstance(wrong, str) else _caught(key, wrong)
        if how:
            return Result(mutant, how, changed)
    return Result(mutant, "", changed)


def _next_change(mutant: Mutant, keys: Iterator[Key]) -> tuple[Key, Program | str] | None:
    """The next key whose derivative is another formula under a mutant, or fails."""
    right = formulas()  # of the rules as they are
    with mutant.installed():
        for key in keys:
            wrong = _attempt(key)
            if isinstance(wrong, str) or wrong.value != right[key].value:
                return key, wrong
    return None


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
        program = _scalar(compiled(key[0])._checked.program)
        return derived.derive(tabulated(program) if key[0] in TABLED else program, key[1])


def _attempt(key: Key) -> Program | str:
    """A derivative by the rules in place, or how it fails."""
    try:
        with _limit(SECONDS):
            return _derive(key)
    except TooLong:
        return "ends"
    except Exception:
        return "derivation"


def _caught(key: Key, wrong: Program) -> str:
    """Which check finds a derivative wrong; "" if none does."""
    points = [] if key[0] in FIXED else confirmed(key)
    try:
        if key[0] in FIXED:
            return _fixed(key[0], wrong)
        with mp.workdps(DIGITS):
            return "gradient check" if any(_disagrees(p, wrong) for p in points) else ""
    except TooLong:
        return "ends"
    except Exception:
        return "evaluation"


def _fixed(text: str, wrong: Program) -> str:
    """A gradient that is fixed by the language, at a kink or where something is infinite."""
    _, data, want = FIXED[text]
    with _limit(SECONDS):
        found = interpret(wrong, data, 30)
    given = np.array(found, dtype=object).astype(float)
    return "" if np.allclose(given, want, rtol=2e-3, atol=2e-4) else "fixed gradients"


@cache
def confirmed(key: Key) -> list[_Comparison]:
    """The right gradient at the points of a check, with what the oracles say there."""
    load()
    checked = compiled(key[0])._checked
    with mp.workdps(DIGITS):
        check = _Recorded(checked, _scalar(checked.program), (key[1],), 0, Clock(1e3), _silent)
        assert check.run().ok, key
    for comparison in check.recorded:
        if comparison.at.expansion is not None:
            comparison.at.expansion.clock = Clock(math.inf)
    return check.recorded


@dataclass
class _Recorded(_Check):
    """A check that keeps what it compares."""

    recorded: list[_Comparison] = field(default_factory=list)

    def case(self, comparison: _Comparison) -> Case:
        self.recorded.append(comparison)
        return super().case(comparison)


def _disagrees(right: _Comparison, wrong: Program) -> bool:
    """Whether an oracle finds a derivative wrong at one point."""
    with _limit(SECONDS):
        own = derived.gradient(wrong, right.at.point.machine(), right.own, Clock(math.inf))
    if all(_is_same(x, right.own[p]) for p, x in own.items()):
        return False
    found = replace(right, derived=wrong, own=own, clock=Clock(math.inf), decided={})
    return not found.case().ok


def _is_same(x: Value, right: Value) -> bool:
    """Whether two numbers are one but for their rounding."""
    if not mp.isfinite(x) or not mp.isfinite(right):
        return bool(x == right) or (mp.isnan(x) and mp.isnan(right))
    return bool(abs(x - right) <= ROUNDING * max(abs(x), abs(right)))


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
