"""JSON documents have the keys that `docs/cli.md` gives, and no others."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lossc.cli import main
from tests.cli.files import write_all

PAGE = Path(__file__).parent.parent.parent / "docs" / "cli.md"


def schemas() -> dict[str, tuple[set[str], set[str]]]:
    """The keys that each document of the table always has, and those that it may have."""
    table = PAGE.read_text("utf-8").split("| document | keys |")[1]
    rows = re.findall(r"^\| ([a-z ]+) \| (.*) \|$", table, re.M)
    keys = {name: re.findall(r"(\[?)`(\w+)`", cells) for name, cells in rows}
    return {
        name: ({k for mark, k in found if not mark}, {k for mark, k in found if mark})
        for name, found in keys.items()
    }


SCHEMAS = schemas()


def conforms(value: Mapping[str, Any], name: str) -> None:
    always, sometimes = SCHEMAS[name]
    assert always <= set(value) <= always | sometimes, name


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    write_all(tmp_path)
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> Any:
        main([*words, "--json"])
        out, err = capsys.readouterr()
        assert err == ""
        return json.loads(out, parse_constant=pytest.fail)

    return call


def test_the_table_is_read() -> None:
    assert len(SCHEMAS) == 26
    assert SCHEMAS["eval"] == ({"loss", "value"}, {"grad", "per_sample"})


@pytest.mark.parametrize("words", [["huber.loss"], ["empty.loss", "nope.loss"], ["-e", "mean(y"]])
def test_check(run: Any, words: list[str]) -> None:
    found = run("check", *words)
    conforms(found, "check")
    for file in found["files"]:
        conforms(file, "check file")
    for diagnostic in found["diagnostics"]:
        conforms(diagnostic, "diagnostic")
    assert found["ok"] == (not found["diagnostics"])


def test_fmt(run: Any) -> None:
    for words in (["huber.loss", "latin.loss"], ["-e", "mean(y)"]):
        found = run("fmt", *words)
        conforms(found, "fmt")
        for file in found["files"]:
            conforms(file, "fmt file")


def test_show(run: Any) -> None:
    for loss in run("show", "ce.loss"):
        conforms(loss, "show loss")
        conforms(loss["value"], "show value")
        for decl in loss["inputs"]:
            conforms(decl, "input")
        for decl in loss["params"]:
            conforms(decl, "param")
    for loss in run("show", "two.loss", "--latex"):
        conforms(loss, "show latex")
    for stage in ("typed", "ir", "plan"):
        for loss in run("show", "two.loss", "--stage", stage):
            conforms(loss, "show stage")
    for token in run("show", "two.loss", "--stage", "tokens"):
        conforms(token, "show token")
    assert run("show", "two.loss", "--stage", "ast")["node"] == "File"


def test_eval(run: Any) -> None:
    words = ["eval", "huber.loss", "--data", "numbers.csv"]
    conforms(run(*words), "eval")
    full = run(*words, "--grad", "--per-sample")
    conforms(full, "eval")
    assert set(full) == set.union(*SCHEMAS["eval"])


def test_accuracy(run: Any) -> None:
    found = run("accuracy", "-e", "mean(y^2) where y in [0, 1e30]", "--points", "4")
    conforms(found, "accuracy")
    (loss,) = found["losses"]
    conforms(loss, "accuracy loss")
    for row in loss["rows"]:
        conforms(row, "accuracy row")
        conforms(row["figures"], "accuracy figures")
        for part in ("firm", "cancelling"):
            conforms(row[part], "accuracy figures")


def test_diff(run: Any, tmp_path: Path) -> None:
    (tmp_path / "twice.loss").write_text("loss first(y, yhat) = 2 * mean((y - yhat)^2)\n")
    found = run("diff", "two.loss", "twice.loss")
    conforms(found, "diff")
    assert found["lost"] == ["second"]
    for loss in found["losses"]:
        conforms(loss, "diff loss")
        assert loss["differences"]
        for difference in loss["differences"]:
            conforms(difference, "diff difference")


def test_verify(run: Any, tmp_path: Path) -> None:
    (tmp_path / "written_wrong.py").write_text("def first(y, yhat): return abs(y - yhat).mean()\n")
    words = ["written_wrong:first", "--against", "two.loss#first", "--points", "4"]
    found = run("verify", *words)
    conforms(found, "verify")
    assert found["disagreements"]
    for disagreement in found["disagreements"]:
        conforms(disagreement, "verify disagreement")


def test_list(run: Any) -> None:
    found = run("list")
    for loss in found:
        conforms(loss, "list loss")
        for decl in loss["inputs"]:
            conforms(decl, "input")
            assert decl["domain"]
        for decl in loss["params"]:
            conforms(decl, "param")
    assert found


def test_explain(run: Any) -> None:
    conforms(run("explain", "E0101"), "explain")
    for row in run("explain"):
        conforms(row, "explain")


@pytest.mark.parametrize(
    "words",
    [
        ["check"],
        ["nonsense"],
        ["show", "nope.loss"],
        ["show", "empty.loss"],
        ["show", "huber.loss", "--stage", "nonsense"],
        ["eval", "ce.loss", "--data", "outside.csv"],
        ["eval", "ce.loss", "--data", "nope.csv"],
        ["explain", "E9"],
        ["list", "two", "words"],
    ],
    ids=" ".join,
)
def test_failures(run: Any, words: list[str]) -> None:
    found = run(*words)
    conforms(found, "failure")
    assert found["ok"] is False
    assert found["diagnostics"]
    for diagnostic in found["diagnostics"]:
        conforms(diagnostic, "diagnostic")
