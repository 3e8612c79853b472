"""Colour, interruption, mistakes of the program itself, and what is asked of the streams."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossc.cli import COMMANDS, main
from lossc.commands.terminal import has_colour, plain
from tests.cli.files import write_all


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_all(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return tmp_path


def test_colour_only_on_a_terminal(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_colour(Tty())
    assert not has_colour(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colour(Tty())
    monkeypatch.setenv("NO_COLOR", "")
    assert has_colour(Tty())
    monkeypatch.setenv("TERM", "dumb")
    assert not has_colour(Tty())


def test_findings_are_coloured(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Tty()
    monkeypatch.setattr("sys.stdout", out)
    assert main(["check", "empty.loss"]) == 1
    assert "\x1b[" in out.getvalue()


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (RecursionError("deep"), 2), (KeyError("k"), 2)]
)
def test_nothing_escapes(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
) -> None:
    def fail(*_: Any) -> int:
        raise error

    monkeypatch.setattr("lossc.commands.check.run", fail)
    assert main(["check", "huber.loss"]) == code
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert ("please report" in err) == (code == 2)


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in COMMANDS)
    for name in COMMANDS:
        assert main([name, "--help"]) == 0
        assert "--json" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("lossc 0.")
    assert main([]) == 2


def test_numbers_that_json_lacks() -> None:
    values = {"a": np.array([np.nan, np.inf, -np.inf, 1.5]), "b": (1, None)}
    assert plain(values) == {"a": ["nan", "inf", "-inf", 1.5], "b": [1, None]}
    json.dumps(plain(values), allow_nan=False)


def test_several_losses_need_a_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "two.loss", "--data", "numbers.csv"]) == 2
    err = capsys.readouterr().err
    assert "E0611" in err and "first" in err and "second" in err


def test_fmt_refuses_to_write_what_it_may_not(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", refuse)
    assert main(["fmt", "huber.loss"]) == 2
    assert "E0804" in capsys.readouterr().err


def test_fmt_keeps_a_file_in_layout_untouched(here: Path) -> None:
    path = here / "plain.loss"
    path.write_text("mean(y - yhat)\n")
    before = path.stat().st_mtime_ns
    assert main(["fmt", "plain.loss"]) == 0
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("size", ["batch", "batch=", "batch=x", "=3", "batch=-1"])
def test_a_size_is_a_number(here: Path, size: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "ce.loss", "--stage", "hlo", "--size", size]) == 2
    assert "AXIS=N" in capsys.readouterr().err


def test_list_finds_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "HUBER", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "huber" in [row["name"] for row in found]
    assert all("huber" in json.dumps(row).lower() for row in found)
    assert main(["list", "no such word", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["list", "no such word"]) == 0
    assert "no loss" in capsys.readouterr().err


def test_list_is_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    import lossc

    assert main(["list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == set(lossc.std)
    for name, loss in lossc.std.items():
        row = rows[name]
        assert (row["doc"], row["source"]) == (loss.doc, loss.citation)
        assert [i["domain"] for i in row["inputs"]] == [i.domain for i in loss.inputs.values()]
        assert [p["name"] for p in row["params"]] == list(loss.params)
