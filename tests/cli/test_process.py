"""The command line as a process: what it imports, exit codes, pipes, input that is no text."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.files import write_all

ROOT = Path(__file__).parent.parent.parent
LIGHT = [
    ["check", "huber.loss"],
    ["fmt", "--check", "huber.loss"],
    ["show", "huber.loss"],
    ["show", "huber.loss", "--latex"],
    ["show", "huber.loss", "--json"],
    ["show", "huber.loss", "--stage", "ir"],
    ["list"],
    ["list", "--json"],
    ["explain", "E0101"],
]
HEAVY = """
import sys
from lossc.cli import main
main(sys.argv[1:])
heavy = [m for m in ("tensorflow", "keras", "sympy", "mpmath", "numpy") if m in sys.modules]
print(heavy, file=sys.stderr)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_all(tmp_path)
    return tmp_path


def process(
    folder: Path, *words: str, stdin: bytes = b"", **env: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *words],
        input=stdin,
        capture_output=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        timeout=120,
    )


def lossc(folder: Path, *words: str, stdin: bytes = b"", **env: str) -> tuple[int, str, str]:
    done = process(folder, "-m", "lossc", *words, stdin=stdin, **env)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("words", LIGHT, ids=" ".join)
def test_light_commands_import_nothing_heavy(folder: Path, words: list[str]) -> None:
    done = process(folder, "-c", HEAVY, *words)
    assert done.stderr.decode().strip() == "[]"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"mean(y - yhat)", 0),
        (b"mean(y - ", 1),
        (b"", 1),
        (b"\xff\xfe", 2),
        (b"\x00", 1),
        (b"mean(y) " * 200_000, 1),
        (b"(" * 50_000, 1),
        (b"9^9^9^9", 1),
        ("\ufeffmean(ŷ − y)".encode(), 0),
    ],
    ids=["good", "cut", "empty", "no text", "null", "long", "deep", "power", "unicode"],
)
def test_standard_input(folder: Path, text: bytes, code: int) -> None:
    found, out, err = lossc(folder, "check", "-", stdin=text)
    assert found == code, out + err
    assert "Traceback" not in out + err and "internal error" not in out + err


def test_eval_leaves_standard_error_alone(folder: Path) -> None:
    words = ["eval", "huber.loss", "--data", "numbers.csv"]
    assert lossc(folder, *words) == (0, "huber = 0.0625\n", "")


@pytest.mark.deep
def test_hlo(folder: Path) -> None:
    code, out, err = lossc(folder, "show", "huber.loss", "--stage", "hlo", "--size", "...=32")
    assert (code, err) == (0, "")
    assert "HloModule" in out and "f32[32]" in out


def test_a_closed_pipe_is_no_traceback(folder: Path) -> None:
    command = f"{sys.executable} -m lossc list --json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert done.stderr == b""


def test_output_that_cannot_be_encoded(folder: Path) -> None:
    (folder / "ŷ.loss").write_text("mean(ŷ - größe)", encoding="utf-8")
    code, out, err = lossc(folder, "check", "ŷ.loss", PYTHONIOENCODING="ascii")
    assert code == 1
    assert "\\u0177.loss" in out
    assert err == ""


def test_a_file_that_may_not_be_read(folder: Path) -> None:
    loop = folder / "loop.loss"
    loop.symlink_to(loop)
    code, _, err = lossc(folder, "check", "loop.loss")
    assert code == 2
    assert err.startswith("error[E0501]: cannot read loop.loss")
