"""At corners of the domains the corpus's gradients are finite wherever the true ones are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpmath import mp

import lossc
from lossc.compiler import domains as dom
from lossc.compiler.gradcheck.differences import slopes
from lossc.compiler.gradcheck.point import DIGITS, Point
from lossc.compiler.gradcheck.points import Points, lengths_of_params
from lossc.compiler.gradcheck.sampling import EDGE, INSIDE, ZERO, as_float
from lossc.compiler.gradcheck.sizes import smallest
from lossc.compiler.ir import REAL
from lossc.compiler.passes.differentiate import differentiate

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.loss"))
# Windows over windows: minutes in the interpreter.
SLOW = ("cldice_soft_skeleton", "ssim_uniform7", "local_ncc")
LARGE, ELEMENTS = 1000, 4
HUGE = mp.mpf(10) ** 300


def corners(points: Points, loss: lossc.Loss) -> Iterator[Point]:
    """Zeros, edges of domains, ties, and large numbers where any real will do."""
    yield points.sample("zeros", ZERO, 3)
    yield points.sample("edges", EDGE, 4)
    yield points.sample("other edges", EDGE, 5)
    yield points.equal()
    inside = points.sample("large", INSIDE, 8)
    free = [n for n, d in loss.inputs.items() if isinstance(d.meaning, dom.Reals)]
    yield replace(
        inside,
        arrays={n: np.asarray(x * LARGE if n in free else x) for n, x in inside.arrays.items()},
    )


@pytest.mark.by_plan
@pytest.mark.parametrize("path", [p for p in CORPUS if p.stem not in SLOW], ids=lambda p: p.stem)
def test_finite_wherever_the_true_gradient_is(path: Path) -> None:
    loss = lossc.load(path, jit=False)[path.stem]
    checked = loss._checked
    program = checked.program
    names = [n for n, d in loss.inputs.items() if d.tensor.kind == REAL]
    with mp.workdps(DIGITS):
        known = lengths_of_params(checked, program)
        sizes, larger = smallest(program, known), smallest(program, known, 3)
        points = Points(checked, program, sizes, larger, seed=2)
        for point in corners(points, loss):
            check(loss, point, names)


def check(loss: lossc.Loss, point: Point, names: list[str]) -> None:
    program = loss._checked.program
    machine = point.machine()
    if not names or not mp.isfinite(machine.run(program.value, {})):
        return
    kinds = {t.name: t.kind for t in (*program.inputs, *program.params)}
    data = {n: as_float(point.arrays[n], kinds[n]) for n in loss.inputs}
    with np.errstate(all="ignore"):
        found = {n: np.asarray(g) for n, g in loss.value_and_grad(**data, wrt=names)[1].items()}
    for name in names:
        derived = differentiate(program, name)
        for place in list(np.ndindex(found[name].shape))[:ELEMENTS]:
            true = machine.run(derived.value, dict(zip(derived.axes, place, strict=True)))
            if not mp.isfinite(true):
                sides = slopes(program.value, point, machine, name, place)
                assert not sides.is_smooth, (point.label, name, place, "the rule gives", true)
            elif abs(true) < HUGE:
                where = (point.label, name, place, float(true))
                assert np.isfinite(found[name][place]), where


def test_the_check_can_fail() -> None:
    loss = lossc.compile("mean(y / yhat)", jit=False)
    zero: Any = np.array([mp.mpf(0), mp.mpf(1)], dtype=object)
    axis = loss.inputs["y"].tensor.axes[0]
    with pytest.raises(AssertionError), mp.workdps(DIGITS):
        point = Point("here", {"y": zero, "yhat": zero + 1}, {axis: 2})
        broken = lossc.compile("mean(if y > 0 then exp(1000 * y - 1000 * yhat) else 0)", jit=False)
        broken.value_and_grad = lambda **_: (0, {"y": np.array([np.nan, 1])})  # type: ignore[method-assign]
        check(broken, point, ["y"])
