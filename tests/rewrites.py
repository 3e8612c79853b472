"""Programs as written and as rewritten, and whether they have one value at some points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mpmath import mp

import lossc
from lossc.compiler.interpret import interpret
from lossc.compiler.ir import Program
from lossc.compiler.passes.stabilise import stabilised

DIGITS = 60
Point = Mapping[str, object]


def rewritten(text: str) -> tuple[Program, Program, list[str]]:
    """A formula as written and as rewritten, and the rules that did it."""
    checked = lossc.compile(text)._checked
    stable, fired = stabilised(checked.program, checked.domains)
    return checked.program, stable, [f.rule for f in fired]


def values(program: Program, point: Point) -> list[mp.mpf]:
    """All numbers of a program's value, of the inputs and params that it has."""
    names = {t.name for t in (*program.inputs, *program.params)}
    return _flat(interpret(program, {n: v for n, v in point.items() if n in names}, DIGITS))


def same(
    a: Program, b: Program, points: Iterable[Point], digits: int = 40, partial: bool = False
) -> bool:
    """Whether two programs have one value at all points.

    With `partial`, where that of the first is no finite number the other may have any.
    """
    with mp.workdps(DIGITS):
        return all(
            (partial and not mp.isfinite(x)) or abs(x - y) <= mp.mpf(10) ** -digits * max(1, abs(x))
            for point in points
            for x, y in zip(values(a, point), values(b, point), strict=True)
        )


def _flat(found: object) -> list[mp.mpf]:
    return [n for part in found for n in _flat(part)] if isinstance(found, tuple) else [found]
