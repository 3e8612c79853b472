"""Broken input of every kind ends in a diagnostic, in every command."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossc.cli import main
from lossc.dsl.codes import CODES, Code
from tests.cli.files import write_all
from tests.dsl.examples import LOSSES

COMMANDS = [
    ["check"],
    ["fmt"],
    ["show"],
    ["show", "--latex"],
    ["show", "--stage", "ast"],
    ["show", "--stage", "tokens"],
    ["show", "--stage", "ir"],
    ["show", "--stage", "plan"],
]


def run(words: list[str]) -> tuple[int, str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(words)
    assert "Traceback" not in out.getvalue()
    assert "internal error" not in out.getvalue(), out.getvalue()
    return code, out.getvalue()


@pytest.mark.parametrize("row", [r for r in CODES.values() if r.bad], ids=lambda r: r.code)
def test_examples_of_codes(row: Code) -> None:
    for command in COMMANDS:
        run([*command, "-e", row.bad])
        code, said = run([*command, "-e", row.good])
        assert code == 0, said
    code, said = run(["check", "-e", row.bad])
    assert row.code in said
    assert code == (1 if row.code.startswith("E") else 0)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(LOSSES), st.data())
def test_cut_and_torn_losses(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, len(text)))
    piece = data.draw(
        st.sampled_from(["", "(", "]", "where", "=", "..", "\x00", "Σ", "9^9^9", "if"])
    )
    for command in COMMANDS:
        run([*command, "-e", text[:start] + piece + text[stop:]])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=4))
def test_any_words(words: list[str]) -> None:
    code, _ = run(words)
    assert code in (0, 1, 2)


@pytest.mark.parametrize(
    "words",
    [
        ["check", "\udcff.loss"],
        ["check", "a\x00b.loss"],
        ["check", "x" * 5000],
        ["check", ""],
        ["check", "#"],
        ["show", "#huber"],
        ["show", "std."],
        ["show", "std.#x"],
        ["eval", "huber.loss", "--data", ""],
        ["eval", "huber.loss", "--data", "."],
        ["eval", "huber.loss", "--data", "a\x00b.csv"],
        ["eval", "huber.loss", "--data", "folder.csv"],
        ["eval", "huber.loss", "--data", "numbers.csv", "--param", "delta=[1,2]"],
        ["eval", "huber.loss", "--data", "numbers.csv", "--param", "delta=[[["],
        ["eval", "huber.loss", "--data", "numbers.csv", "--param", "delta=[{}]"],
        ["eval", "huber.loss", "--data", "numbers.csv", "--param", "delta=nan"],
        ["eval", "huber.loss", "--data", "numbers.csv", "--param", "y=1"],
        ["eval", "-e", "mean(y)", "--per-sample", "--data", "twice.csv"],
        ["eval", "-e", "mean(y) / mean(yhat)", "--per-sample", "--data", "numbers.csv"],
        ["eval", "-e", "def f(x) = x", "--grad", "--per-sample", "--data", "numbers.csv"],
        ["show", "ce.loss", "--stage", "hlo", "--size", "row=3"],
        ["explain", "\udcff"],
        ["list", "\udcff"],
        ["-e"],
        ["check", "-e"],
        ["--json"],
        ["check", "--", "--json"],
    ],
    ids=repr,
)
def test_words_that_name_nothing(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    monkeypatch.chdir(tmp_path)
    code, said = run(words)
    assert said
    assert code == 0 if words[0] == "list" else code in (1, 2)


def test_definitions_that_double_stay_small_as_text() -> None:
    lines = [f"    a{k} = a{k + 1} + a{k + 1}" for k in range(60)]
    text = "mean(a0)\nwhere\n" + "\n".join([*lines, "    a60 = y"]) + "\n"
    for stage in ("ir", "plan"):
        code, said = run(["show", "-e", text, "--stage", stage])
        assert code == 0
        assert len(said) < 10_000
