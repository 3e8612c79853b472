"""Monotonicity, curvature and Lipschitz bounds in the table of primitives, against mpmath."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random

import pytest
from mpmath import mp

from lossc.compiler.arithmetic import NEAREST
from lossc.dsl.primitives import PRIMITIVES, Primitive

MONOTONE = [p.name for p in PRIMITIVES.values() if p.monotone]
CURVED = [p.name for p in PRIMITIVES.values() if p.curve]
LIPSCHITZ = [p.name for p in PRIMITIVES.values() if p.lipschitz is not None]
SLACK = mp.mpf(10) ** -12
FAR = 6
SIDES = {1: ("all",), 2: ("below", "above")}


def numbers(row: Primitive, k: int, side: str) -> Iterator[mp.mpf]:
    """Numbers of an argument's domain, on one side of 0."""
    domain = row.domain[min(k, row.arity - 1)]
    low = -FAR if domain.low is None else domain.low
    high = FAR if domain.high is None else domain.high
    low, high = (
        (max(low, 0) if side == "above" else low),
        (min(high, 0) if side == "below" else high),
    )
    inner = mp.mpf(1) / 64 if row.name not in ("clip", "min", "max") else 0
    for step in range(25):
        yield low + inner + (high - low - 2 * inner) * mp.mpf(step) / 24


def words(text: str) -> Iterator[tuple[str, str]]:
    """Each word with the side of 0 that it is for."""
    parts = text.split()
    yield from zip(SIDES[len(parts)], parts, strict=True)


@pytest.mark.parametrize("name", MONOTONE)
def test_monotone(name: str) -> None:
    row, rng = PRIMITIVES[name], Random(name)
    assert len(row.monotone) in (1, row.arity)
    for k in range(row.arity):
        for side, word in words(row.monotone[min(k, len(row.monotone) - 1)]):
            if word == "none":
                continue
            grids = [list(numbers(row, j, side if j == k else "all")) for j in range(row.arity)]
            for _ in range(60):
                args = [rng.choice(g) for g in grids]
                low, high = sorted(rng.sample(grids[k], 2))
                a, b = (
                    NEAREST.apply(name, [*args[:k], low, *args[k + 1 :]]),
                    NEAREST.apply(name, [*args[:k], high, *args[k + 1 :]]),
                )
                assert (a <= b + SLACK) if word == "inc" else (a >= b - SLACK), (k, low, high)


@pytest.mark.parametrize("name", CURVED)
def test_curve(name: str) -> None:
    row, rng = PRIMITIVES[name], Random(name)
    for side, word in words(row.curve):
        if word == "none":
            continue
        grids = [list(numbers(row, j, side)) for j in range(row.arity)]
        for _ in range(150):
            a, b = ([rng.choice(g) for g in grids] for _ in range(2))
            middle = [(x + y) / 2 for x, y in zip(a, b, strict=True)]
            bend = (NEAREST.apply(name, a) + NEAREST.apply(name, b)) / 2 - NEAREST.apply(
                name, middle
            )
            assert word == "concave" or bend >= -SLACK, (a, b)
            assert word == "convex" or bend <= SLACK, (a, b)


@pytest.mark.parametrize("name", LIPSCHITZ)
def test_lipschitz(name: str) -> None:
    """The bound holds and is no more than a fifth too large."""
    row, rng = PRIMITIVES[name], Random(name)
    assert row.lipschitz is not None
    h, steepest = mp.mpf(10) ** -8, mp.mpf(0)
    grids = [list(numbers(row, j, "all")) for j in range(row.arity)]
    points = (
        list(product(*grids))
        if row.arity < 3
        else [tuple(map(rng.choice, grids)) for _ in range(400)]
    )
    for point in points:
        for k in range(row.arity):
            near = [*point[:k], point[k] + h, *point[k + 1 :]]
            steepest = max(
                steepest, abs(NEAREST.apply(name, near) - NEAREST.apply(name, list(point))) / h
            )
    assert steepest <= row.lipschitz + mp.mpf(10) ** -6
    assert steepest >= row.lipschitz * mp.mpf(4) / 5


POLES = {"div", "pow", "lgamma", "digamma", "trigamma"}  # of which the audit knows where


@pytest.mark.parametrize("name", [p.name for p in PRIMITIVES.values() if p.continuous])
def test_continuous(name: str) -> None:
    """Where arguments that move by a hair move the value by little; a step is not so."""
    row, rng = PRIMITIVES[name], Random(name)
    grids = [list(numbers(row, j, "above" if name in POLES else "all")) for j in range(row.arity)]
    hair = mp.mpf(10) ** -30
    for _ in range(200):
        point = [mp.nint(x) if rng.random() < 0.5 and mp.nint(x) in g else x
                 for x, g in ((rng.choice(g), g) for g in grids)]  # fmt: skip
        with mp.workdps(50):
            here = NEAREST.apply(name, point)
            near = [NEAREST.apply(name, [x + s * hair for x in point]) for s in (-1, 1)]
        assert all(abs(x - here) < mp.mpf(10) ** -8 for x in near if mp.isfinite(x)), point


@pytest.mark.parametrize("name", ["floor", "ceil", "round", "sign", "tan", "atan2", "indicator"])
def test_jumps(name: str) -> None:
    assert not PRIMITIVES[name].continuous
