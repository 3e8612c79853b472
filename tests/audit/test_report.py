"""The report of the audit: hazards with their places, kinks, batches, and the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mpmath import mp

import lossc
from lossc.cli import main
from lossc.compiler.audit.report import AuditReport, audit
from lossc.compiler.check import Checked, check
from lossc.dsl.source import Source
from lossc.files import reader


def report(text: str) -> AuditReport:
    checked = check(Source.of("f.loss", text), reader(None))
    assert not checked.errors
    return audit(checked.losses["f"], reader(None))


# A loss, and each hazard's kind and the text that it points at.
HAZARDS = {
    "a logarithm of 0": (
        "loss f(y, p) = -mean(y * log(p))\nwhere\n    y in {1}\n    p in [0, 1]",
        {("infinite", "log(p)")},
    ),
    "0 times the logarithm of 0": (
        "loss f(y, p) = -mean(y * log(p))\nwhere\n    y in {0}\n    p in [0, 1]",
        {("nan", "log(p)")},
    ),
    "a division by 0": (
        "loss f(y, x) = mean(1 / (y - x)^2)",
        {("infinite", "1 / (y - x)^2")},
    ),
    "a logarithm of 0, but for 0 times it": (
        "loss f(y, p) = mean(xlogy(y, p))\nwhere y, p in [0, 1]",
        {("infinite", "xlogy(y, p)")},
    ),
    "a slope that no convention covers": (
        "loss f(y) = mean(sqrt(y) + exp(log(y) / 3))\nwhere y in [0, 1]",
        {("gradient", "log(y)")},
    ),
    "a negative root": (
        "loss f(y) = mean(sqrt(y))\nwhere y in [-1, 1]",
        {("nan", "sqrt(y)")},
    ),
    "a branch that guards": (
        "loss f(y) = mean(if y > 0 then log(y) else y)",
        set(),
    ),
    "a param that is fixed when compiled": (
        "loss f(x[batch, t]; k = 2) = mean(k / m)\nwhere\n"
        "    m[batch, t] = mean[u in 0..k - 1](x[batch, t + u])\n    k in 1..8",
        {("infinite", "k / m")},
    ),
    "xlogy": (
        "loss f(y, p) = -mean(xlogy(y, p))\nwhere\n    y in [0, 1]\n    p in (0, 1]",
        set(),
    ),
    "a clipped error": (
        "loss f(y, x) = mean(min((y - x)^2, 1))",
        {("flat", "mean(min((y - x)^2, 1))")},
    ),
    "a hinge, flat where it is least": (
        "loss f(y, x) = mean(max(0, 1 - y * x))\nwhere y in {-1, 1}",
        set(),
    ),
    "a ratio of sums": (
        "loss f(y, x) = sum(abs(y - x)) / sum(abs(y))",
        {("nan", "sum(abs(y - x)) / sum(abs(y))"), ("infinite", "sum(abs(y - x)) / sum(abs(y))")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HAZARDS)
def test_hazards(name: str) -> None:
    text, expected = HAZARDS[name]
    found = report(text)
    assert {(h.kind, h.span.text) for h in found.hazards} == expected
    assert all(h.status == "found" for h in found.hazards)


def test_parts_that_cannot_fail_are_counted() -> None:
    text = "loss f(y, p) = mean(log(p) / (1 + y^2))\nwhere p in (0, 1]"
    found = report(text)
    assert found.safe == 2
    assert not found.hazards


def test_a_witness_shows_the_hazard() -> None:
    loss = lossc.compile("loss f(y, p) = mean(y / p)\nwhere p in [0, 1]")
    (hazard, *_) = loss.audit(static=True).hazards
    assert hazard.witness is not None
    values = {n: float(v) for n, v in hazard.witness.values.items()}
    assert not mp.isfinite(loss.reference(**values))


def test_kinks_and_batches() -> None:
    found = report("loss f(y, x) = mean(abs(y - x))")
    assert found.kinks == (("abs", "0 at x = 0"),)
    assert found.separable == "mean"
    joined = report("loss f(y, x) = sum(y * x) / sum(y + x)")
    assert joined.separable is None
    assert "samples act on each other" in joined.text


def test_the_text_has_the_caret() -> None:
    found = report("loss f(y, p) = mean(y / p)\nclaims\n    f >= 0")
    assert "refuted  f >= 0" in found.text
    assert "f.loss:1:21" in found.text
    assert "^^^^^" in found.text
    assert str(found) == found.text


CLAIMED = "loss f(y) = mean(y^2)\nclaims\n    {}\n"


@pytest.mark.parametrize(
    ("claim", "words", "code"),
    [
        ("f >= 0", ["--fail-on", "refuted", "--fail-on", "unknown", "--fail-on", "hazard"], 0),
        ("f >= 1", [], 0),
        ("f >= 1", ["--fail-on", "unknown"], 0),
        ("f >= 1", ["--fail-on", "refuted"], 1),
        ("proper", ["--fail-on", "unknown"], 1),
    ],
)
def test_exit_codes(
    claim: str, words: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "f.loss"
    path.write_text(CLAIMED.format(claim))
    assert main(["audit", str(path), "--static", *words]) == code
    assert claim in capsys.readouterr().out


def test_several_losses_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    text = CLAIMED.format("f >= 0") + "loss g(y) = mean(1 / y)\n"
    assert main(["audit", "-e", text, "--static"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["f: 1 proved", "g: no claims; 1 hazard"]


def test_a_function_whose_value_is_a_tensor() -> None:
    found = lossc.compile("def twice(x) = 2 * abs(x)").audit(static=True)
    assert found.notes == ("hazards were not looked for: the value is a tensor",)
    assert {i.pull for i in found.influence} == {"bounded"}


def test_a_mistake_of_ours_does_not_end_the_audit_of_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lossc.commands import audit as command

    whole = command.whole_audit

    def failing(checked: Checked, *rest: Any) -> AuditReport:
        if checked.name == "f":
            raise TypeError("a mistake")
        return whole(checked, *rest)

    monkeypatch.setattr(command, "whole_audit", failing)
    text = "loss f(y) = mean(y)\nloss g(y) = mean(y^2)\n"
    assert main(["audit", "-e", text, "--static"]) == 2
    out, err = capsys.readouterr()
    assert out == "g: no claims\n"
    assert "f: TypeError: a mistake" in err
