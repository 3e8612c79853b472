"""Texts that once ended in an internal error."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import lossc
from lossc.compiler.audit.claims import audit_claims
from lossc.compiler.audit.page.html import escape
from lossc.compiler.check import check
from lossc.compiler.emit.to_source import _number
from lossc.dsl.diagnostics import LosscError, render
from lossc.dsl.printer import print_expr
from lossc.dsl.source import Source, visible
from lossc.files import read_source, reader

ONES = (np.ones(3), np.ones(3))


POLES = ("x + y / 0", "1 / (x - x) + y", "y + x / (2 - 2)", "x * 0^-1 + y")


@pytest.mark.parametrize("formula", POLES)
def test_division_by_zero_is_infinite(formula: str) -> None:
    loss = lossc.compile(f"loss f(y, x) = mean({formula})")
    assert float(loss(*ONES)) == np.inf
    assert loss.reference(*ONES) == np.inf


@pytest.mark.parametrize("name", ["ℝx", "xℝ", "ℤ1"])
def test_letters_that_are_words_stand_in_no_name(name: str) -> None:
    with pytest.raises(LosscError) as caught:
        check(Source.of("f.loss", f"loss f(x) = mean({name})"), reader(None))
    assert caught.value.diagnostics[0].code == "E0104"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("1e400", "1e400"),
        ("1e-400", "1 / 1e400"),
        ("12e350", "12e350"),
        ("-3e-330", "-(3 / 1e330)"),
        ("0.25", "0.25"),
        ("1e20", "100000000000000000000"),
    ],
)
def test_huge_numbers_are_shown_as_they_are_written(number: str, shown: str) -> None:
    assert print_expr(_number(Fraction(number))) == shown


@pytest.mark.parametrize(
    ("head", "formula", "domain", "claim"),
    [
        ("y[n], z[n, k]", "mean[n](y + 0 * z[n, 0])", "y in {0, size(k)}", "f >= 0"),
        ("y[n, k], x[n, k]", "mean[n](indicator(any[k](y > x)))", "y in real", "f >= 0"),
        ("y[n, k], x[n, k]", "mean[n](indicator(all[k if x > 0](y > x)))", "y in real", "f <= 1"),
        ("y[n, k], p[n, k]", "mean[n](sum[k]((y - p)^2))", "y in {0, size(k)}", "proper"),
    ],
)
def test_claims_are_decided(head: str, formula: str, domain: str, claim: str) -> None:
    text = f"loss f({head}) = {formula}\nwhere\n    {domain}\nclaims\n    {claim}\n"
    found = check(Source.of("f.loss", text), reader(None))
    assert not found.errors
    assert len(audit_claims(found.losses["f"], 0.5, reader(None))) == 1


HOSTILE = "\x1b]0;owned\x07 \u202eback\u2066 \x9b2J \r \x00"
UNSEEN = ("\x1b", "\x07", "\u202e", "\u2066", "\x9b", "\r", "\x00")


def test_control_characters_are_shown_as_pictures() -> None:
    shown = visible(f"a\tb\n{HOSTILE}")
    assert shown.startswith("a\tb\n␛")
    assert not any(c in shown for c in UNSEEN)
    assert len(visible(HOSTILE)) == len(HOSTILE)


def test_control_characters_of_a_text_reach_no_terminal_and_no_page() -> None:
    source = Source.of(f"f{HOSTILE}.loss", f'"""{HOSTILE}"""\nloss f(y) = mean(y +')
    with pytest.raises(LosscError) as caught:
        check(source, reader(None))
    rendered = "\n".join(render(d) for d in caught.value.diagnostics)
    assert rendered
    assert not any(c in rendered for c in UNSEEN)
    assert not any(c in escape(HOSTILE) for c in UNSEEN)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_may_never_end_is_not_read(kind: str, tmp_path: Path) -> None:
    path = Path("/dev/zero")
    if kind == "pipe":
        path = tmp_path / "pipe.loss"
        os.mkfifo(path)
    with pytest.raises(LosscError) as caught:
        read_source(path)
    assert caught.value.diagnostics[0].code == "E0501"


@pytest.mark.parametrize(
    "change",
    [
        {"formula": 5},
        {"hash": None},
        {"params": 3},
        {"files": {"a": 1}},
        {"bound": {"w": {"values": "x"}}},
        {"reduction": 4},
        *[dict.fromkeys((name,), ...) for name in ("formula", "hash", "params", "files", "loss")],
    ],
)
def test_a_config_that_is_none_is_refused(change: dict[str, object]) -> None:
    loss = lossc.std.huber.keras()
    config = {**loss.get_config(), **change}
    config = {k: v for k, v in config.items() if v is not ...}
    with pytest.raises(LosscError) as caught:
        type(loss).from_config(config)
    assert caught.value.diagnostics[0].code == "E0709"
