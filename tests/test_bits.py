"""Bits of error of every loss of the library and the corpus, float32 under XLA, beside the bars.

`make accuracy` measures them at more points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest

from lossc.accuracy import engine
from lossc.compiler.accuracy.report import AccuracyReport, Row
from lossc.compiler.accuracy.run import Engine, Plan, measure
from lossc.compiler.accuracy.truth import Subject
from lossc.compiler.passes import stabilise
from lossc.compiler.precision import FLOAT64
from lossc.options import Options
from lossc.runtime import Runtime
from tests.plans import LOSSES, find

POINTS, NEARLY = 100, 0.9  # of each loss, and the share whose truth is a number
PRECISE = Options(precision=FLOAT64)
# One of each family, of which a point is soon computed: the bars hold where terms cancel, too.
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

# Sums in which terms beyond float64 and of either sign meet, where exponents are in the thousands.
INFINITE = ("grpo", "multivariate_normal_nll")


def report(
    name: str, points: int = POINTS, options: Options = PRECISE, shaped: bool = False
) -> AccuracyReport:
    """The errors of a loss, over any floats if it is in float64."""
    checked = replace(find(name)._checked)  # which keeps no form of another test

    def engines(subject: Subject) -> Mapping[str, Engine]:
        name = "xla" if options.jit else "eager"
        return {name: engine(Runtime(checked, options, shaped), subject)}

    plan = Plan(
        points, formats=["float32"], seconds=math.inf, vary=False, ranges=False,
        precision=options.precision,
    )  # fmt: skip
    return measure(checked, engines, plan)


def points_of(row: Row) -> int:
    """The points at which the truth is known, also those where rounding decides."""
    return row.figures.points + row.cancelling.points


@pytest.mark.by_plan
@pytest.mark.parametrize("name", [n for n in LOSSES if n not in (*SAMPLE, *INFINITE)])
def test_the_bars_are_kept_where_nothing_cancels(name: str) -> None:
    found = report(name, shaped=True)
    assert all(r.firm.ok for r in found.rows), "\n".join(f"{r.of}: {r.firm}" for r in found.rows)
    assert not any(r.figures.nonfinite for r in found.rows), str(found)
    assert max(map(points_of, found.rows)) >= POINTS * NEARLY


@pytest.mark.by_plan
@pytest.mark.parametrize("name", INFINITE)
def test_sums_of_infinite_terms_are_lost_at_few_points(name: str) -> None:
    found = report(name, shaped=True)
    value, *slopes = found.rows
    assert value.firm.ok
    assert all(r.firm.above <= 1 / 8 for r in slopes), str(found)
    assert any(not r.firm.ok for r in slopes)  # or the limit is gone


@pytest.mark.parametrize("name", SAMPLE)
def test_value_and_gradient_keep_the_bars(name: str) -> None:
    found = report(name)
    assert found.ok, str(found)
    assert all(r.figures.points >= POINTS * 3 / 4 for r in found.rows)


@pytest.mark.parametrize("name", ["savage", "exponential_censored_nll"])
def test_the_bars_are_kept_without_xla(name: str) -> None:
    found = report(name, options=replace(PRECISE, jit=False))
    assert found.ok, str(found)


@pytest.mark.parametrize("name", ["gan_minimax_generator", "zlpr_multilabel"])
def test_the_text_as_written_does_not_keep_the_bars(name: str) -> None:
    assert not report(name, 40, replace(PRECISE, stable=False)).ok


def test_a_rule_that_is_left_out_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stabilise, "BY_HEAD", {})
    assert not report("geman_mcclure", 40).ok
