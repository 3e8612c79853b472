"""Each golden case is a command with its exit code and all that it prints.

A case may hold sections `file NAME` and `stdin`; without `err` nothing goes to standard error.
"""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import pytest

from lossc.cli import main
from tests.cli.files import write_all
from tests.golden import Case, cases


@pytest.mark.parametrize("case", cases("cli"), ids=lambda case: case.id)
def test_command(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_all(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO(case.sections.get("stdin", "")))
    for name, text in case.sections.items():
        if name.startswith("file "):
            (tmp_path / name.removeprefix("file ")).write_text(text, encoding="utf-8")
    commands = case["command"].split("\n")
    said = [_run(command, capsys) for command in commands]
    case.check("result", "\n\n".join(said))


def _run(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    code = main(shlex.split(command))
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert "internal error" not in out + err
    head = f"$ lossc {command}\nexit {code}"
    marked = "\n".join(f"! {line}" for line in err.rstrip("\n").split("\n")) if err else ""
    return "\n".join(part for part in (head, out.rstrip("\n"), marked) if part)
