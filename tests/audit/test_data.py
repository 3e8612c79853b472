"""The audit of data, with results worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossc
from lossc.cli import main
from lossc.compiler.audit.data import DataReport
from lossc.data_audit import audit_data

HUBER = """loss huber(y, yhat; delta = 1) =
    mean(if abs(e) <= delta then e^2 / 2 else delta * (abs(e) - delta / 2))
where
    delta > 0
    e = y - yhat
"""
PAIRS = """loss pairs(y[item], s[item]) = mean[i, j if y[i] > y[j]](max(0, 1 - s[i] + s[j]))"""


def audited(text: str, given: Mapping[str, Any]) -> DataReport:
    loss = lossc.compile(text)
    inputs = {n: np.asarray(given[n]) for n in loss.inputs}
    return audit_data(loss._checked, inputs, {n: v for n, v in given.items() if n in loss.params})


@pytest.fixture(scope="module")
def huber() -> DataReport:
    # The errors are 0, -1/2, 1, 0, 7; with delta = 2 the values 0, 1/8, 1/2, 0, 12.
    y, yhat = [0.0, 1.0, 2.0, 4.0, 9.0], [0.0, 1.5, 1.0, 4.0, 2.0]
    return audited(HUBER, {"y": y, "yhat": yhat, "delta": 2.0})


def sides(report: DataReport, name: str) -> dict[str, int]:
    (found,) = (b for b in report.branches if b.branch == name)
    assert sum(n for _, n in found.sides) == found.met
    return dict(found.sides)


def test_value_and_ranges(huber: DataReport) -> None:
    assert huber.samples == 5
    assert huber.value == (0.125 + 0.5 + 12) / 5
    found = {r.name: (r.low, r.high, r.outside) for r in huber.ranges}
    assert found == {"y": (0, 9, 0), "yhat": (0, 4, 0), "delta": (2, 2, 0)}
    assert huber.ok


def test_branches(huber: DataReport) -> None:
    assert sides(huber, "if") == {"then": 4, "else": 1}
    assert sides(huber, "abs") == {"below 0": 1, "at 0": 2, "above 0": 2}
    (found,) = (b for b in huber.branches if b.branch == "if")
    assert (found.text, found.line, found.met) == ("abs(e) <= delta", 2, 5)


def test_gradients_are_those_of_a_sample(huber: DataReport) -> None:
    # The slopes in yhat are 0, 1/2, -1, 0, -2: two are 0, the median of the others is 1.
    (found,) = (g for g in huber.gradients if g.input == "yhat")
    assert (found.samples, found.dead, found.exploding, found.nonfinite) == (5, 2, 0, 0)
    assert (found.median, found.largest, found.worst) == (1.0, 2.0, 4)


def test_carriers(huber: DataReport) -> None:
    assert [(c.sample, c.value) for c in huber.carriers] == [(4, 12.0), (2, 0.5), (1, 0.125)]
    assert [c.share for c in huber.carriers] == pytest.approx([12 / 12.625, 4 / 101, 1 / 101])
    assert huber.by == "value"
    assert dict(huber.top) == pytest.approx({"1%": 12 / 12.625, "10%": 12 / 12.625})


def test_pairs_are_counted_by_pair() -> None:
    # Of 9 pairs y[i] > y[j] holds for 3; 1 - s[i] + s[j] is 2, 0, -1 there.
    found = audited(PAIRS, {"y": [0.0, 1.0, 2.0], "s": [1.0, 0.0, 1.0]})
    assert sides(found, "filter") == {"kept": 3, "left out": 6}
    found = audited(PAIRS, {"y": [0.0, 1.0, 2.0], "s": [1.0, 0.0, 3.0]})
    assert sides(found, "max") == {
        "1 - s[i] + s[j] is larger": 1, "equal": 0, "0 is larger": 2,
    }  # fmt: skip
    assert found.by == "size of the gradient in s"
    assert [c.sample for c in found.carriers] == [0, 1]


def test_nested_branches_are_met_only_where_the_outer_is_taken() -> None:
    text = "loss f(y) = mean(if y > 0 then (if y > 2 then y else 2) else relu(y + 1))"
    found = audited(text, {"y": [-2.0, -1.0, 1.0, 2.0, 3.0]})
    counts = {b.text: (b.met, dict(b.sides)) for b in found.branches}
    assert counts == {
        "y > 0": (5, {"then": 3, "else": 2}),
        "y > 2": (3, {"then": 1, "else": 2}),
        "relu(y + 1)": (2, {"below 0": 1, "at 0": 1, "above 0": 0}),
    }


def test_clip_and_min() -> None:
    text = "loss f(y, x) = mean(clip(y, -1, 1) + min(x, 3))"
    found = audited(text, {"y": [-2.0, -1.0, 0.0, 5.0], "x": [3.0, 4.0, 2.0, 1.0]})
    assert sides(found, "clip") == {"below": 1, "within": 2, "above": 1}
    assert sides(found, "min") == {"x is smaller": 2, "equal": 1, "3 is smaller": 1}


def test_exploding_and_not_finite() -> None:
    # The slopes are -1/x^2: of magnitude 1 four times, 1e8 once, and infinite once.
    text = "loss f(y, x) = mean(y / x)\nwhere x in [0, inf)"
    found = audited(text, {"y": np.ones(6), "x": [1.0, 1.0, 1.0, 1.0, 1e-4, 0.0]})
    (pull,) = (g for g in found.gradients if g.input == "x")
    assert (pull.dead, pull.exploding, pull.nonfinite, pull.worst) == (0, 1, 1, 4)
    assert pull.largest == pytest.approx(1e8)
    assert found.notes == (
        "1 sample has a value that is not finite; shares are of the others",
    )  # fmt: skip


def test_outside_is_counted() -> None:
    found = audited("loss f(p) = mean(p)\nwhere p in [0, 1]", {"p": [0.5, 1.5, np.nan, -1.0]})
    (p,) = found.ranges
    assert (p.outside, p.total, p.nans, p.low, p.high) == (3, 4, 1, -1.0, 1.5)
    assert p.first == "p[1] is 1.5"
    assert not found.ok


@pytest.mark.parametrize(("words", "code"), [([], 0), (["--fail-on", "data"], 1)])
def test_command(
    words: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "d.csv"
    path.write_text("y,score\n1,0.5\n0,1.5\n")
    text = "loss f(y, p) = mean(abs(y - p))\nwhere p in [0, 1]"
    call = ["audit", "-e", text, "--data", str(path), "--bind", "p=score", *words]
    assert main(call) == code
    out = capsys.readouterr().out
    assert "p: 0.5 to 1.5 (2), declared [0, 1]; 1 of 2 outside: p[1] is 1.5" in out
    assert "below 0 50.0%, at 0 0%, above 0 50.0% of 2" in out


def test_python_takes_arrays() -> None:
    loss = lossc.compile(HUBER)
    report = loss.audit(data={"y": np.array([0.0, 3.0]), "yhat": np.zeros(2)}, static=True)
    assert report.data is not None and report.data.value == 1.25
    assert "data: 2 samples, loss 1.25" in report.text
