"""Which tests run: the quick ones; with `--deep` the others; with `--all` all of them.

A test marked `deep` is not quick. One marked `by_plan` is of one loss, which its id names, and is
quick if the plan of that loss is not the recorded one: see `tests/plans.py`.
"""

from __future__ import annotations

import re

import pytest

from tests.plans import LOSSES, is_changed


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--deep` and `--all`."""
    parser.addoption("--deep", action="store_true", help="run what the quick tests leave out")
    parser.addoption("--all", action="store_true", help="run the quick tests and the deep ones")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of the other kind, as far as their marks alone tell."""
    if config.getoption("--all"):
        return
    kept: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        is_deep = bool(item.get_closest_marker("deep"))
        fits = _loss(item) or is_deep == config.getoption("--deep")
        (kept if fits else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = kept


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that is of the other kind by the plan of its loss."""
    loss, config = _loss(item), item.config
    if loss is None or config.getoption("--all"):
        return
    changed = is_changed(loss, config)
    if changed == config.getoption("--deep"):
        pytest.skip("another plan than recorded" if changed else "the recorded plan")


def _loss(item: pytest.Item) -> str | None:
    """The loss of a test that is marked `by_plan`."""
    if not item.get_closest_marker("by_plan"):
        return None
    return next((name for name in re.split(r"[\[\]-]", item.name) if name in LOSSES), None)
