"""Which tests run: the quick ones; with `--deep` the others; with `--all` all of them.

A test marked `deep` is not quick. One marked `by_plan` is of one loss, which its id names, and is
quick if the plan of that loss is not the recorded one: see `tests/plans.py`.
"""

from __future__ import annotations

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
    deep = config.getoption("--deep")
    kept = [i for i in items if _loss(i) or bool(i.get_closest_marker("deep")) == deep]
    config.hook.pytest_deselected(items=[i for i in items if i not in set(kept)])
    items[:] = kept


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that is of the other kind by the plan of its loss."""
    loss, config = _loss(item), item.config
    if loss is None or config.getoption("--all"):
        return
    assert config.cache is not None
    changed = is_changed(loss, config.cache.mkdir("plans"))
    if changed == config.getoption("--deep"):
        pytest.skip("another plan than recorded" if changed else "the recorded plan")


def _loss(item: pytest.Item) -> str | None:
    """The loss of a test that is marked `by_plan`."""
    if not isinstance(item, pytest.Function) or not item.get_closest_marker("by_plan"):
        return None
    return next((name for name in item.callspec.id.split("-") if name in LOSSES), None)
