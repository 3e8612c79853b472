"""Limits of time: what is left out is said, and what comes later is not the worse for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count

import pytest

import lossc
from lossc.commands.audit import _start
from lossc.compiler.audit.claims import decide_in
from lossc.compiler.audit.context import Context
from lossc.compiler.audit.goal import Budget, put_all
from lossc.compiler.audit.hazards import hazards
from lossc.compiler.audit.scalars import scalar
from lossc.compiler.audit.tidy import TWO, build
from lossc.compiler.gradcheck.point import Clock, OutOfTime
from lossc.dsl import ast

TEXT = """loss f(y[batch], p[batch]) = mean(y / p)
where
    y in [0, 1]
    p in [1, 2]
claims
    f >= 0
"""


def context() -> Context:
    return Context(lossc.compile(TEXT)._checked)


def claims(found: Context) -> Iterator[ast.Claim]:
    item = found.checked.item
    yield from item.claims if isinstance(item, ast.Loss) else ()


def test_a_claim_without_time_is_open_and_the_next_is_not() -> None:
    found = context()
    (claim,) = claims(found)
    assert decide_in(found, claim, Budget(0.0)).kind == "unknown"
    assert decide_in(found, claim, Budget(100.0)).kind == "proved"


def test_hazards_without_time_are_possible() -> None:
    found = context()
    found.begin(Budget(0.0))
    short = hazards(found)
    assert short.notes and not short.safe
    assert {h.status for h in short.found} == {"possible"}
    found.begin(Budget(100.0))
    assert (hazards(found).found, hazards(found).safe) == ((), 1)


def test_a_part_of_a_clock_has_its_time() -> None:
    ticks = count()
    part = Clock(10.0, lambda: float(next(ticks))).within(3.0)
    assert part.start > 0 and not part.is_out
    with pytest.raises(OutOfTime):
        [part.check() for _ in range(5)]


def test_the_first_point_that_is_left_out_is_named() -> None:
    report = lossc.compile(TEXT).check_gradient(seconds=1e-9)
    assert report.notes == ("not run, out of time: a random point and what comes after",)


def test_scalars_are_exchanged_at_once() -> None:
    x, y = scalar("x"), scalar("y")
    term = build("sub", x, build("mul", TWO, y))
    assert put_all(term, {"x": y, "y": x}) == build("sub", y, build("mul", TWO, x))
    assert put_all(term, {"z": x}) is term


def test_processes_are_copies_only_without_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    assert _start() == "fork"
    monkeypatch.setitem(sys.modules, "tensorflow", sys)
    assert _start() == "spawn"
