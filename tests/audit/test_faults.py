"""Seeded faults: in losses of the library one sign, factor, axis or branch is changed.

`diff` must find each, with a witness that the interpreter confirms here from the two texts.
"""

from __future__ import annotations

import ast
from typing import Any

import pytest
from mpmath import mp

from lossc.compiler.audit.claims import audit_claims
from lossc.compiler.audit.compare import DIFFERS, Comparison, compare
from lossc.compiler.check import Checked, check
from lossc.compiler.interpret import interpret
from lossc.compiler.ir import Program
from lossc.compiler.passes.differentiate import differentiate
from lossc.dsl.source import Source
from lossc.files import reader
from lossc.stdlib import family_source

# Family, loss, what stands there, and what is put in its place.
FAULTS = [
    ("regression", "huber", "delta * (abs(e)", "2 * delta * (abs(e)"),
    ("regression", "huber", "abs(e) <= delta", "e <= delta"),
    ("regression", "log_cosh", "cosh(yhat - y)", "cosh(yhat + y)"),
    ("regression", "l2_loss", " / 2", ""),
    ("regression", "root_mean_squared_error", "sqrt(mean(", "sqrt(sum("),
    ("regression", "weighted_mse", "w * (y - yhat)^2", "w^2 * (y - yhat)^2"),
    ("quantiles", "quantile", "(q - 1)", "(1 - q)"),
    ("quantiles", "quantile", "max(", "min("),
    ("classification", "cross_entropy", "sum[class](", "mean[class]("),
    ("classification", "cross_entropy", "-mean[...](", "mean[...]("),
    ("classification", "log_loss", "xlogy(1 - y, 1 - p)", "xlogy(1 - y, p)"),
    ("classification", "hinge", "then -1 else", "then 1 else"),
    ("classification", "squared_hinge", "max(1 - s", "max(1 + s"),
    ("segmentation", "dice", "2 * sum", "sum"),
    ("segmentation", "tversky", "alpha * fn", "beta * fn"),
    ("segmentation", "tversky", "beta * fp", "fp"),
    ("divergences", "relative_entropy", "xlogy(y, p)", "xlogy(p, y)"),
    ("contrastive", "info_nce", "logsumexp[j]", "logsumexp[j if j != i]"),
    ("contrastive", "info_nce", "v[j, dim]", "u[j, dim]"),
    ("distributions", "poisson", "rate - xlogy", "rate + xlogy"),
    ("distributions", "gaussian_nll", "max(var, eps)", "min(var, eps)"),
]
DIGITS = 30


def text_of(family: str, name: str) -> str:
    """A loss of the library without its claims."""
    text = family_source(family).text
    start = text.index(f"\nloss {name}(")
    ends = [text.find(mark, start + 1) for mark in ("\nclaims", '\n"""', "\nloss ", "\ndef ")]
    return text[start : min(e for e in ends if e > 0)] + "\n"


def loss(text: str) -> Checked:
    (found,) = check(Source.of("text", text), reader(None)).losses.values()
    return found


def compared(family: str, name: str, right: str, wrong: str) -> tuple[Checked, Checked, Comparison]:
    text = text_of(family, name)
    assert right in text
    old, new = loss(text), loss(text.replace(right, wrong, 1))
    return old, new, compare(old, new)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault[1]}: {fault[3]}")
def test_faults_are_found(fault: tuple[str, str, str, str]) -> None:
    old, new, found = compared(*fault)
    assert found.verdict == DIFFERS
    assert found.differences
    for difference in found.differences:
        values = {n: ast.literal_eval(text) for n, text in difference.at.items()}
        program, of = (old.program, new.program), difference.of
        before, now = (
            at(p if of == "value" else differentiate(p, of), values, difference.place)
            for p in program
        )
        assert not mp.almosteq(before, now, 1e-9)
        for number, text in ((before, difference.old), (now, difference.new)):
            assert mp.almosteq(number, mp.mpf(text), 1e-6, 1e-9) or not mp.isfinite(number)


def at(program: Program, values: dict[str, Any], place: tuple[int, ...]) -> Any:
    """The number at a place of a program's value; params that a witness lacks are not there."""
    found: Any = interpret(program, values, DIGITS)
    for k in place:
        found = found[k]
    return found


@pytest.mark.deep
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault[1]}: {fault[3]}")
def test_a_claim_of_the_library_is_refuted(fault: tuple[str, str, str, str]) -> None:
    """The claims that stand in the library are enough to find each fault without the old text."""
    family, name, right, wrong = fault
    whole, text = family_source(family).text, text_of(family, name)
    spoiled = whole.replace(text.rstrip(), text.rstrip().replace(right, wrong, 1), 1)
    assert spoiled != whole
    read = reader(None)
    found = check(Source.of(family, spoiled), read).losses[name]
    assert any(c.verdict.is_refuted for c in audit_claims(found, read=read))


def test_the_table_has_twenty() -> None:
    assert len(FAULTS) >= 20
