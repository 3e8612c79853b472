"""Claims about losses over axes: proved for any length, and refuted only inside the domain."""

from __future__ import annotations

import ast as python
from functools import cache

import numpy as np
import pytest
from mpmath import mp

import lossc
from lossc.compiler.audit.claims import audit_claims
from lossc.compiler.audit.context import Context
from lossc.compiler.audit.hazards import hazards
from lossc.compiler.audit.verdict import PROVED, REFUTED, UNKNOWN, Verdict
from lossc.compiler.check import check
from lossc.dsl.source import Source
from lossc.files import reader

DICE = """loss f(y, p; smooth = 1) = 1 - (2 * sum(y * p) + smooth) / (sum(y) + sum(p) + smooth)
where
    y, p in [0, 1]
    smooth in (0, inf)"""
ROOT = "loss f(y, p) = sqrt(mean((y - p)^2))"
ROOT_OF_SUM = "loss f(y, p) = sqrt(sum((y - p)^2))"
TWICE = "loss f(y[n], p[n]) = sqrt(sum[n]((p[n] + p[0] - y)^2))"
NEAREST = """loss f(y[b, m, k], p[b, n, k]) = mean[b](mean[n](min[m](d)) + mean[m](min[n](d)))
where d = sum[k]((y - p)^2)"""
ONE_WAY = """loss f(y[b, m, k], p[b, n, k]) = mean[b](mean[n](min[m](d)))
where d = sum[k]((y - p)^2)"""
BINARY = """loss f(y[i, j], p[i, j]) = max[i, j](y * (1 - y) + 0 * p)
where
    y in {0, 1}
    p in real"""
COUNTS = """loss f(y[i, j], p[i, j]) = min[i, j](y * (1 - y) * (3 - y) + 0 * p)
where
    y in 0..3
    p in real"""
GAP = """loss f(y[i, j], p[i, j]) = max[i, j](1 / (y - 1) + 0 * p)
where
    y in {0, 2}
    p in [0, 1]"""
DIGAMMA = """loss f(y, p) = mean(digamma(y) * digamma(p) - trigamma(p))
where y, p in (0, inf)"""
TRUE = f"{PROVED} or {UNKNOWN}"  # true, whether or not it is proved in time
FACTS = [
    (DICE, "f >= 0", PROVED),
    (DICE, "f <= 1", PROVED),
    (DICE, "f <= 1 / 2", REFUTED),
    (ROOT, "convex in p", PROVED),
    (ROOT, "lipschitz in p by 1", PROVED),
    (ROOT, "f(y, p)^2 == mse(y, p)", PROVED),
    (ROOT_OF_SUM, "convex in p", PROVED),
    (ROOT_OF_SUM, "lipschitz in p by 1", PROVED),
    (ROOT_OF_SUM, "lipschitz in p by 1 / 2", REFUTED),
    (ROOT_OF_SUM, "f(y, p)^2 == mse(y, p)", REFUTED),
    (TWICE, "lipschitz in p by 1", REFUTED),
    (NEAREST, "symmetric in y, p", PROVED),
    (ONE_WAY, "symmetric in y, p", REFUTED),
    (BINARY, "f <= 0", TRUE),
    (COUNTS, "f <= 0", TRUE),
    (COUNTS, "f >= -1", REFUTED),
]


@cache
def verdict(text: str, claim: str) -> Verdict:
    file = f"use std.regression: mse\n\n{text}\nclaims\n    {claim}\n"
    read = reader(None)
    (found,) = check(Source.of("text", file), read).losses.values()
    (decided,) = audit_claims(found, seconds=10, read=read)
    return decided.verdict


@pytest.mark.parametrize(("text", "claim", "expected"), FACTS)
def test_verdicts(text: str, claim: str, expected: str) -> None:
    assert verdict(text, claim).kind in expected.split(" or "), str(verdict(text, claim))


@pytest.mark.parametrize(("text", "claim"), [f[:2] for f in FACTS if f[2] == REFUTED])
def test_witnesses_are_in_the_domain(text: str, claim: str) -> None:
    witness = verdict(text, claim).witness
    assert witness is not None
    compiled = lossc.compile(text)
    values = {n: np.asarray(python.literal_eval(x), float) for n, x in witness.values.items()}
    compiled.validate(**values)
    assert mp.isfinite(compiled.reference(**values))


def test_a_slope_that_the_language_lacks_is_no_verdict() -> None:
    assert verdict(DIGAMMA, "smooth in p").kind == UNKNOWN


def test_hazards_are_in_the_domain() -> None:
    (found,) = check(Source.of("text", GAP), reader(None)).losses.values()
    assert all(hazard.witness is None for hazard in hazards(Context(found)).found)
