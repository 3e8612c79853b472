"""Bits of error of a sample of the library, float32 under XLA, held against the bars.

`make accuracy` measures every loss; here is one of each family of which a point is soon computed in
arbitrary precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

import lossc
from lossc.accuracy import engine
from lossc.compiler.accuracy.report import AccuracyReport
from lossc.compiler.accuracy.run import Engine, Plan, measure
from lossc.compiler.accuracy.truth import Subject
from lossc.compiler.passes import stabilise
from lossc.runtime import Runtime

POINTS = 100
SAMPLE = (
    "mean_squared_error",  # regression
    "geman_mcclure",  # robust
    "savage",  # classification
    "logistic_nll",  # distributions
    "kl_divergence",  # divergences
    "gan_minimax_generator",  # gans
    "exponential_censored_nll",  # survival
    "smape",  # relative errors
    "lambdarank_ndcg",  # ranking
    "denoising_score_matching",  # generative
    "expectile",  # quantiles
    "tversky",  # segmentation
    "zlpr_multilabel",  # sets of labels
    "spectral_angle",  # angles
)
# Losses above the bars: why, and what their mean error stays below.
EXCEPTED = {
    "beta_distribution_nll": ("differences of TensorFlow's digamma beyond the digits of double "
                              "precision", 8.0),
}  # fmt: skip


def report(
    name: str, points: int = POINTS, stable: bool = True, jit: bool = True
) -> AccuracyReport:
    """The errors of a loss of the library, under XLA unless `jit` is off."""
    checked = replace(lossc.std[name]._checked)  # which keeps no form of another test

    def engines(subject: Subject) -> Mapping[str, Engine]:
        return {"xla" if jit else "eager": engine(Runtime(checked, jit, stable), subject)}

    plan = Plan(points, formats=["float32"], vary=False, ranges=False)
    return measure(checked, engines, plan)


@pytest.mark.parametrize("name", SAMPLE)
def test_value_and_gradient_keep_the_bars(name: str) -> None:
    found = report(name)
    assert found.ok, str(found)
    assert all(r.figures.points >= POINTS * 3 / 4 for r in found.rows)


@pytest.mark.parametrize("name", ["savage", "exponential_censored_nll"])
def test_the_bars_are_kept_without_xla(name: str) -> None:
    found = report(name, jit=False)
    assert found.ok, str(found)


@pytest.mark.parametrize("name", EXCEPTED)
def test_an_exception_is_still_one_and_has_no_nan(name: str) -> None:
    _, mean = EXCEPTED[name]
    found = report(name)
    assert not found.ok, f"{name} keeps the bars: it is no exception any more"
    assert all(r.figures.nonfinite == 0 and r.figures.mean < mean for r in found.rows), str(found)


@pytest.mark.parametrize("name", ["gan_minimax_generator", "zlpr_multilabel"])
def test_the_text_as_written_does_not_keep_the_bars(name: str) -> None:
    assert not report(name, 40, stable=False).ok


def test_a_rule_that_is_left_out_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stabilise, "BY_HEAD", {})
    assert not report("geman_mcclure", 40).ok
