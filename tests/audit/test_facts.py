"""Known facts about textbook losses, half of them false: what the audit says of them is right."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import pytest

from lossc.compiler.audit.claims import ClaimVerdict, audit_claims
from lossc.compiler.check import check
from lossc.dsl.source import Source
from lossc.files import reader

ENOUGH = 28


class Fact(NamedTuple):
    """A claim about a loss and its truth, with the reason."""

    name: str
    loss: str
    claim: str
    holds: bool
    why: str


SQUARED = "loss f(y, yhat) = mean((y - yhat)^2)"
ABSOLUTE = "loss f(y, yhat) = mean(abs(y - yhat))"
HUBER = """loss f(y, yhat; delta = 1) =
    mean(if abs(y - yhat) <= delta then (y - yhat)^2 / 2 else delta * (abs(y - yhat) - delta / 2))
where delta > 0"""
PINBALL = """loss f(y, yhat; q = 0.9) = mean(max(q * (y - yhat), (q - 1) * (y - yhat)))
where q in (0, 1)"""
LOG_LOSS = """loss f(y, p) = -mean(xlogy(y, p) + xlogy(1 - y, 1 - p))
where
    y in {0, 1}
    p in (0, 1)"""
LOGISTIC = """loss f(y, z) = mean(softplus(z) - y * z)
where y in [0, 1]"""
BRIER = """loss f(y, p) = mean((y - p)^2)
where
    y in {0, 1}
    p in [0, 1]"""
LINEAR_SCORE = """loss f(y, p) = mean(abs(y - p))
where
    y in {0, 1}
    p in [0, 1]"""
FOCAL = """loss f(y, p; gamma = 2) =
    -mean(y * (1 - p)^gamma * log(p) + (1 - y) * p^gamma * log(1 - p))
where
    y in {0, 1}
    p in (0, 1)
    gamma in [0, inf)"""
HINGE = """loss f(y, z) = mean(max(0, 1 - y * z))
where y in {-1, 1}"""
SOFTMAX = """loss f(y[batch], z[batch, class]) = mean[batch](logsumexp[class](z) - z[batch, y])
where y in index(class)"""
CAUCHY = "loss f(y, yhat) = mean(log(1 + (y - yhat)^2))"
TUKEY = """loss f(y, yhat; c = 4) =
    mean(if abs(y - yhat) <= c then 1 - (1 - ((y - yhat) / c)^2)^3 else 1)
where c > 0"""
PSEUDO_HUBER = """loss f(y, yhat; delta = 1) =
    mean(delta^2 * (sqrt(1 + ((y - yhat) / delta)^2) - 1))
where delta > 0"""
POISSON = """loss f(y, rate) = mean(rate - y * log(rate))
where
    y in [0, inf)
    rate in (0, inf)"""
EXPECTILE = """loss f(y, yhat; q = 0.8) = mean((if yhat > y then 1 - q else q) * (y - yhat)^2)
where q in (0, 1)"""
DICE = """loss f(y[batch, ...], p[batch, ...]; s = 1) =
    mean[batch](1 - (2 * sum[...](y * p) + s) / (sum[...](y) + sum[...](p) + s))
where
    y in [0, 1]
    p in [0, 1]
    s in (0, inf)"""
LINEX = "loss f(y, yhat; a = 1) = mean(exp(a * (yhat - y)) - a * (yhat - y) - 1)"
KL = """loss f(y[..., class], p[..., class]) = mean[...](sum[class](xlogy(y, y / p)))
where
    y in simplex[class]
    p in simplex[class]"""
LOG_COSH = "loss f(y, yhat) = mean(log(cosh(yhat - y)))"

FACTS = (
    # --- true
    Fact("squared error elicits the mean", SQUARED, "elicits mean", True,
         "its derivative is 2 (yhat - y)"),
    Fact("absolute error elicits the median", ABSOLUTE, "elicits median", True,
         "its slope is the sign of yhat - y"),
    Fact("pinball elicits its quantile", PINBALL, "elicits quantile(q)", True,
         "Koenker and Bassett 1978"),
    Fact("asymmetric squares elicit the expectile", EXPECTILE, "elicits expectile(q)", True,
         "Newey and Powell 1987"),
    Fact("Poisson deviance elicits the mean", POISSON, "elicits mean", True,
         "its derivative is (rate - y) / rate"),
    Fact("the log loss is proper", LOG_LOSS, "proper", True, "Good 1952"),
    Fact("the Brier score is proper", BRIER, "proper", True, "Brier 1950"),
    Fact("the logistic loss is convex", LOGISTIC, "convex in z", True,
         "a log-sum-exp less a linear term"),
    Fact("softmax cross-entropy is convex", SOFTMAX, "convex in z", True,
         "a log-sum-exp less a linear term"),
    Fact("softmax cross-entropy is not below 0", SOFTMAX, "f >= 0", True,
         "a log-sum-exp is above each argument"),
    Fact("softmax cross-entropy sees differences", SOFTMAX, "invariant under shift of z", True,
         "a shift moves both terms alike"),
    Fact("Huber is convex", HUBER, "convex in yhat", True, "its slope is a clipped error"),
    Fact("Huber's slope is at most delta", HUBER, "lipschitz in yhat by delta", True,
         "its slope is a clipped error"),
    Fact("pseudo-Huber's slope is at most delta", PSEUDO_HUBER, "lipschitz in yhat by delta", True,
         "its slope is e / sqrt(1 + (e / delta)^2)"),
    Fact("squared error is 0 only where exact", SQUARED, "zero iff y == yhat", True, "a square"),
    Fact("log-cosh is symmetric", LOG_COSH, "symmetric in y, yhat", True, "cosh is even"),
    # --- false
    Fact("Huber elicits the mean", HUBER, "elicits mean", False, "it is robust to a tail"),
    Fact("absolute error elicits the mean", ABSOLUTE, "elicits mean", False,
         "it elicits the median"),
    Fact("squared error elicits the median", SQUARED, "elicits median", False,
         "it elicits the mean"),
    Fact("the focal loss is proper", FOCAL, "proper", False,
         "it is not strictly proper for gamma above 0: Charoenphakdee et al. 2021"),
    Fact("the linear score is proper", LINEAR_SCORE, "proper", False,
         "it is best at 0 or 1: Gneiting and Raftery 2007"),
    Fact("Cauchy is convex", CAUCHY, "convex in yhat", False, "it grows like a logarithm"),
    Fact("Tukey's biweight is convex", TUKEY, "convex in yhat", False, "it is bounded"),
    Fact("squared error is Lipschitz", SQUARED, "lipschitz in yhat by 10", False,
         "its slope has no bound"),
    Fact("Cauchy's slope is at most 1/2", CAUCHY, "lipschitz in yhat by 1 / 2", False,
         "its slope at e = 1 is 1"),
    Fact("LINEX is symmetric", LINEX, "symmetric in y, yhat", False,
         "it is exponential on one side and linear on the other"),
    Fact("hinge is 0 only where the margin is 1", HINGE, "zero iff y * z == 1", False,
         "it is 0 beyond that, too"),
    Fact("hinge is smooth", HINGE, "smooth in z", False, "it has a kink at margin 1"),
    Fact("the logistic loss falls in its logit", LOGISTIC, "decreasing in z", False,
         "for label 0 it rises"),
    Fact("KL divergence is symmetric", KL, "symmetric in y, p", False,
         "it is not: Kullback and Leibler 1951"),
    Fact("dice is convex", DICE, "convex in p", False, "a quotient in which p is above and below"),
    Fact("softmax cross-entropy sees ratios alone", SOFTMAX, "invariant under scale of z", False,
         "larger logits are surer"),
)  # fmt: skip


@cache
def verdict(fact: Fact) -> ClaimVerdict:
    text = f"{fact.loss}\nclaims\n    {fact.claim}\n"
    checked = check(Source.of("fact.loss", text), reader(None))
    assert not checked.errors
    (found,) = audit_claims(checked.losses["f"], 6.0, reader(None))
    return found


def test_half_are_false() -> None:
    assert len(FACTS) >= 30
    assert abs(2 * sum(f.holds for f in FACTS) - len(FACTS)) <= 2


@pytest.mark.parametrize("fact", FACTS, ids=lambda f: f.name)
def test_never_wrong(fact: Fact) -> None:
    found = verdict(fact).verdict
    assert not (found.is_refuted if fact.holds else found.is_proved), str(found)


def test_most_are_decided() -> None:
    open_ = [f.name for f in FACTS if verdict(f).verdict.kind == "unknown"]
    assert len(FACTS) - len(open_) >= ENOUGH, open_
