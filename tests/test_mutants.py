"""A sample of the mutation test of the derivative rules; `make mutants` runs all of it."""

from __future__ import annotations

from contextlib import nullcontext

from lossc.dsl.primitives import ALONG, PRIMITIVES, REDUCTIONS
from tests.mutation.mutant import Mutant
from tests.mutation.rules import mutants
from tests.mutation.run import judge
from tests.mutation.survivors import ARGUED, reason

EVERY = 101


def test_broken_rules_are_caught() -> None:
    sample = [m for m in list(mutants())[::EVERY] if not reason(m)]
    assert len(sample) > 10
    assert [str(m) for m in sample if not judge(m).caught_by] == []


def test_rules_that_are_right_are_not() -> None:
    assert judge(Mutant("differentiate.run", "nothing", nullcontext)).caught_by == ""


def test_every_row_with_a_slope_has_mutants() -> None:
    broken = {m.rule.partition(",")[0] for m in mutants() if m.is_row}
    rows = {n for n, r in PRIMITIVES.items() if any(r.slopes) and n != "pow"}
    rows |= {n for table in (REDUCTIONS, ALONG) for n, r in table.items() if r.slope}
    assert rows <= broken


def test_every_reason_is_of_a_mutant() -> None:
    known = [m for m in mutants() if reason(m)]
    for rule, rows in ARGUED.items():
        whys = {why for _, why in rows}
        assert whys == {reason(m) for m in known if m.rule == rule}
