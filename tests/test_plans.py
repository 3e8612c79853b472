"""The recorded plans, by which `make test` knows the losses that a change touches."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lossc.compiler.passes import stabilise
from tests import plans


def test_a_change_of_a_rule_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    before = plans.plan_text(plans.find("geman_mcclure")._checked)
    monkeypatch.setattr(stabilise, "BY_HEAD", {})
    checked = replace(plans.find("geman_mcclure")._checked)  # which keeps no forms
    assert plans.plan_text(checked) != before


def test_a_plan_has_value_and_gradient() -> None:
    text = plans.plan_text(plans.find("weighted_mse")._checked)
    assert "w" in text and len(text.splitlines()) > 5


@pytest.mark.deep
@pytest.mark.parametrize("name", plans.LOSSES)
def test_the_recorded_plans_are_those_of_today(name: str, request: pytest.FixtureRequest) -> None:
    assert not plans.is_changed(name, request.config), "run python -m tests.plans --write"
