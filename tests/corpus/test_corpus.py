"""The corpus: each loss equals its NumPy reference, under XLA and without, in both dtypes.

Gradients are held against central differences of the reference along a random direction, except
where `stop_gradient` makes them differ on purpose.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import lossc
from lossc.dsl import ast
from lossc.dsl.parser import parse
from lossc.dsl.source import Source

HERE = Path(__file__).parent


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


RECORDS = {r.name: r for r in _load("reference").records()}
SEEDS = (None, 1, 2)
# Means and products that cancel: the terms, not their sum, set what float32 can give.
CANCELS = 1e-5


def cast(data: dict[str, Any], dtype: Any) -> dict[str, Any]:
    """The data with its floats in another dtype."""
    arrays = {name: np.asarray(x) for name, x in data.items()}
    return {n: x.astype(dtype) if x.dtype.kind == "f" else x for n, x in arrays.items()}


def test_every_record_has_its_file() -> None:
    assert {p.stem for p in HERE.glob("*.loss")} == set(RECORDS)


@pytest.mark.by_plan
@pytest.mark.parametrize("name", sorted(RECORDS))
@pytest.mark.parametrize("jit", [True, False], ids=["xla", "plain"])
def test_values(name: str, jit: bool) -> None:
    """In both dtypes; under XLA, which has to compile each, in float32 alone."""
    record = RECORDS[name]
    loss = lossc.load(record.path, jit=jit)[name]
    for seed in SEEDS:
        data = cast(record.inputs(seed), np.float64)
        if not jit:
            assert float(loss(**data)) == pytest.approx(record.value(data), rel=1e-9, abs=1e-13)
        small = cast(data, np.float32)
        expected = record.value(cast(small, np.float64))
        assert float(loss(**small)) == pytest.approx(expected, rel=1e-5, abs=CANCELS * 0.1)


@pytest.mark.by_plan
@pytest.mark.parametrize("name", sorted(n for n, r in RECORDS.items() if not r.stops_gradient))
def test_gradients(name: str) -> None:
    record = RECORDS[name]
    loss = lossc.load(record.path, jit=False)[name]
    data = cast(record.inputs(), np.float64)
    _, grads = loss.value_and_grad(**data, wrt=record.differentiable)
    for wrt in record.differentiable:
        direction = np.random.default_rng(7).normal(size=np.shape(data[wrt]))
        slope = float(np.sum(np.asarray(grads[wrt]) * direction))
        assert slope == pytest.approx(record.slope(data, wrt, direction), rel=1e-4, abs=1e-7)


@pytest.mark.by_plan
@pytest.mark.parametrize("name", sorted(RECORDS))
def test_separability(name: str) -> None:
    """What is a mean of independent terms is separable; a filtered mean is too."""
    record = RECORDS[name]
    loss = lossc.load(record.path, jit=False)[name]
    if record.per_sample:
        assert loss.separable
    if loss.separable:
        data = cast(record.inputs(), np.float64)
        total = np.asarray(loss.per_sample(**data))
        reduced = total.mean() if total.size else 0.0
        value = record.value(data)
        assert value == pytest.approx(reduced) or value == pytest.approx(total.sum())


SYMBOL = re.compile(r"\.\.\.|\d+\.?\d*(?:e-?\d+)?|\w+|<=|>=|==|!=|[-+*/^<>|]")
# Their records name an operation that NumPy has and the language spells out: FFT2, f f^T.
SPELLED_OUT = {"fft_l1", "gram_style"}


def symbols(text: str) -> int:
    """The names, numbers and operators of a formula."""
    return len(SYMBOL.findall(text))


def formula(name: str) -> str:
    """The body and definitions of a loss of the corpus."""
    source = Source.of(name, RECORDS[name].path.read_text())
    item = next(i for i in parse(source).items if isinstance(i, ast.Loss))
    kinds = (ast.Definition, ast.Function)
    return " ".join(
        [item.body.span.text, *(e.span.text for e in item.where if isinstance(e, kinds))]
    )


@pytest.mark.parametrize("name", sorted(set(RECORDS) - SPELLED_OUT))
def test_files_are_short(name: str) -> None:
    """Less than twice the published formula, or, where that is shorthand, 1.6 of its NumPy."""
    fields = RECORDS[name].fields
    own = symbols(formula(name))
    assert own <= 2 * symbols(fields["formula"]) or own <= 1.6 * symbols(fields["numpy"])
