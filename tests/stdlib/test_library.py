"""What holds for every loss of the standard library."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from mpmath import mp

import lossc
from lossc.compiler.check import Checked, CheckedFile, check
from lossc.compiler.gradcheck.points import lengths_of_params
from lossc.compiler.gradcheck.sampling import INSIDE, Sampler
from lossc.compiler.gradcheck.sizes import smallest
from lossc.compiler.interpret import Machine
from lossc.dsl import ast
from lossc.dsl.parser import parse
from lossc.dsl.printer import format_source
from lossc.files import reader
from lossc.loss import Loss
from lossc.stdlib import families, family_source, homes
from tests.corpus.reference import records


@cache
def checked(family: str) -> CheckedFile:
    return check(family_source(family), reader(None))


def parsed(family: str) -> list[ast.Loss]:
    return [item for item in parse(family_source(family)).items if isinstance(item, ast.Loss)]


def losses(family: str) -> list[Loss]:
    sound = checked(family).losses.values()
    return [Loss(each) for each in sound if isinstance(each.item, ast.Loss)]


@pytest.mark.parametrize("family", families())
def test_it_is_sound_and_without_warnings(family: str) -> None:
    assert not checked(family).diagnostics
    assert [loss.name for loss in losses(family)] == [item.name for item in parsed(family)]


@pytest.mark.parametrize("family", families())
def test_it_is_in_canonical_layout(family: str) -> None:
    source = family_source(family)
    assert format_source(source) == source.text


@pytest.mark.parametrize("family", families())
def test_losses_say_what_they_are(family: str) -> None:
    doc = parse(family_source(family)).doc
    assert doc and doc.strip().endswith(".") and "\n" not in doc.strip()
    for loss in losses(family):
        first = (loss.doc or "").split("\n")[0]
        assert re.fullmatch(r"[A-Z0-9].*\.", first), f"{loss.name} has no purpose in one line"
        assert loss.citation, f"{loss.name} has no source"
        assert loss.claims, f"{loss.name} claims nothing"


@pytest.mark.parametrize("family", families())
def test_inputs_and_params_are_declared(family: str) -> None:
    for loss in losses(family):
        assert all(given.domain for given in loss.inputs.values()), loss.name
        for param in loss.params.values():
            assert param.domain != "real" or param.axes is not None, loss.name
            assert param.description, f"{loss.name}: `{param.name}` has no description"


@pytest.mark.parametrize("family", families())
def test_values_are_finite_at_ordinary_points(family: str) -> None:
    """Of points that know only the domains some may be odd, such as boxes that do not meet."""
    for loss in checked(family).losses.values():
        if isinstance(loss.item, ast.Loss):
            values = (value(loss, seed, 1 + seed % 2) for seed in range(500))
            assert any(mp.isfinite(v) for v in values), loss.name


def value(loss: Checked, seed: int, least: int) -> Any:
    """The value of a loss on small data from the inside of its domains."""
    with mp.workdps(30):
        program = loss.program
        sizes = smallest(program, lengths_of_params(loss, program), least)
        sampler = Sampler(Random(seed), sizes)
        for param in loss.params.values():
            sampler.params[param.name] = sampler.param(param, vary=False)
        arrays = {name: sampler.array(given, INSIDE) for name, given in loss.inputs.items()}
        return Machine(sizes, {**sampler.params, **arrays}).run(program.value, {})


def test_names_are_unique_over_the_families() -> None:
    names = Counter(item.name for family in families() for item in parsed(family))
    assert [name for name, times in names.items() if times > 1] == []
    assert sum(names.values()) >= 120


def test_losses_are_found_without_parsing() -> None:
    found = {item.name: family for family in families() for item in parsed(family)}
    assert homes() == found
    assert set(lossc.std) == set(found)


def test_every_loss_of_the_corpus_is_in_the_library() -> None:
    """Each record is compared with a loss of the library in one of these tests."""
    tests = [path.read_text("utf-8") for path in Path(__file__).parent.glob("test_values_*.py")]
    named = set(re.findall(r'"(\w+)"', "\n".join(tests)))
    assert {record.name for record in records()} <= named
