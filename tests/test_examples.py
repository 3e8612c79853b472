"""The example losses and programs: each is run, and the values that are known are right."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lossc
from lossc.dsl.printer import format_source
from lossc.dsl.source import Source

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
Y, YHAT = np.array([[0.1, 0.2], [0.3, 0.4]]), np.array([[0.15, 0.25], [0.25, 0.35]])
LABELS, P = np.array([[1, 0], [0, 1]]), np.array([[0.7, 0.3], [0.2, 0.8]])
KNOWN = {"mse": (Y, YHAT, 0.0025), "weighted_mse": (Y, YHAT, 0.000875),
         "categorical_crossentropy": (LABELS, P, 0.2899092)}  # fmt: skip
# What each program must print, beside running at all.
SAID = {
    "01_mse": "step  0  loss 0.0025000",
    "02_weighted_mse": "step  0  loss 0.0008750",
    "03_categorical_crossentropy": "step  0  loss 0.2899092",
    "04_huber": "trained with huber",
    "05_digits": "loaded:",
    "06_gaussian_nll": "predicts",
    "07_info_nce": "partners found",
    "08_soft_dice": "Dice overlap",
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_values(name: str) -> None:
    y, yhat, value = KNOWN[name]
    loss = lossc.load(EXAMPLES / f"{name}.loss")[name]
    assert float(loss(y, yhat)) == pytest.approx(value, abs=5e-8)
    assert float(loss.reference(y, yhat)) == pytest.approx(value, abs=5e-8)
    assert float(loss.keras()(y, yhat)) == pytest.approx(value, abs=5e-8)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.loss")), ids=lambda p: p.stem)
def test_files_are_clean_and_canonical(path: Path) -> None:
    text = path.read_text("utf-8")
    assert lossc.load(path)
    assert format_source(Source.of(path.name, text)) == text


def test_programs_are_all_listed() -> None:
    assert sorted(SAID) == sorted(p.stem for p in EXAMPLES.glob("[0-9]*.py"))


@pytest.mark.parametrize("name", SAID)
def test_program_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert SAID[name] in printed
    losses = [float(ln.split("loss ")[1].split()[0]) for ln in printed.split("\n") if "step" in ln]
    if losses:
        assert losses[-1] < losses[0]


def test_demo_runs_from_anywhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "demo.py"], capture_output=True, text=True, cwd=tmp_path,
        timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for said in ("0.002500000", "0.000875000", "0.289909", "E0301", "after loading"):
        assert said in done.stdout
