"""Bits of error of every loss of the library and the corpus, float32 under XLA, beside the bars.

`make accuracy` measures them at more points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import lossc
from lossc.accuracy import engine
from lossc.compiler.accuracy.report import AccuracyReport, Figures
from lossc.compiler.accuracy.run import Engine, Plan, measure
from lossc.compiler.accuracy.truth import Subject
from lossc.compiler.passes import stabilise
from lossc.runtime import Runtime

POINTS, SECONDS = 100, 1.0  # of each loss, and for the true results at them
FEW = 20  # points, from which on an average is looked at
CORPUS = Path(__file__).parent / "corpus"
LOSSES = [*lossc.std, *(p.stem for p in sorted(CORPUS.glob("*.loss")) if p.stem not in lossc.std)]
# Losses above the bars, and why.
EXCEPTED: dict[str, str] = {}


def find(name: str) -> lossc.Loss:
    """A loss of the library or the corpus."""
    return lossc.std[name] if name in lossc.std else lossc.load(CORPUS / f"{name}.loss")[name]


def report(
    name: str, points: int = POINTS, stable: bool = True, jit: bool = True
) -> AccuracyReport:
    """The errors of a loss, under XLA unless `jit` is off."""
    checked = replace(find(name)._checked)  # which keeps no form of another test

    def engines(subject: Subject) -> Mapping[str, Engine]:
        return {
            "xla" if jit else "eager": engine(Runtime(checked, jit, stable, shaped=True), subject)
        }

    plan = Plan(points, formats=["float32"], seconds=SECONDS, vary=False, ranges=False)
    return measure(checked, engines, plan)


def is_kept(figures: Figures) -> bool:
    """Whether the bars are kept; a few points have no average."""
    return replace(figures, mean=figures.mean if figures.points >= FEW else 0.0).ok


@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient_keep_the_bars(name: str) -> None:
    """Where no terms of unlike sign cancel to less than 1/8."""
    found = report(name)
    kept = all(is_kept(r.firm) for r in found.rows)
    assert kept != (name in EXCEPTED), "\n".join(f"{r.of}: {r.firm}" for r in found.rows)


@pytest.mark.parametrize("name", ["savage", "exponential_censored_nll"])
def test_the_bars_are_kept_without_xla(name: str) -> None:
    found = report(name, jit=False)
    assert found.ok, str(found)


@pytest.mark.parametrize("name", ["gan_minimax_generator", "zlpr_multilabel"])
def test_the_text_as_written_does_not_keep_the_bars(name: str) -> None:
    assert not report(name, 40, stable=False).ok


def test_a_rule_that_is_left_out_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stabilise, "BY_HEAD", {})
    assert not report("geman_mcclure", 40).ok
