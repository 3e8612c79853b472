"""Random programs: the emitted graph equals the loop-nest interpreter."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lossc
from lossc.compiler.check import check
from lossc.compiler.emit.to_tf import emit
from lossc.compiler.pipeline import prepare
from lossc.dsl.printer import print_item
from lossc.dsl.source import Source
from lossc.files import reader
from tests.strategies import losses, sample

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
OPTIONS = {"deadline": None, "suppress_health_check": SLOW, "derandomize": True}


def same(value: Any, truth: Any) -> None:
    assert float(value) == pytest.approx(float(truth), rel=1e-9, abs=1e-10, nan_ok=True)


@settings(max_examples=200, **OPTIONS)
@given(losses(), st.integers(0, 3))
def test_emitted_equals_interpreted(text: str, seed: int) -> None:
    loss = lossc.compile(text, jit=False)
    data = sample(seed)
    program = prepare(loss._checked.program)
    params = {"p": 0.5, "lag": 1.0, "q": np.array([0.1, 0.2, 0.3, 0.4])}
    tensors = {n: tf.constant(x) for n, x in data.items()}
    tensors |= {n: tf.constant(x, tf.float64) for n, x in params.items()}
    same(emit(program)(tensors), loss.reference(**data, digits=30))


@settings(max_examples=int(os.environ.get("LOSSC_XLA_EXAMPLES", "12")), **OPTIONS)
@given(losses(depth=4))
def test_xla_equals_interpreted(text: str) -> None:
    data = sample(5)
    loss = lossc.compile(text)
    same(loss(**data), loss.reference(**data, digits=30))


@settings(max_examples=100, **OPTIONS)
@given(losses())
def test_printing_keeps_the_meaning(text: str) -> None:
    loss = lossc.compile(text)
    assert lossc.compile(print_item(loss._checked.item)).hash == loss.hash


@settings(max_examples=100, **OPTIONS)
@given(losses())
def test_names_of_indices_do_not_matter(text: str) -> None:
    renamed = text
    for old in ("a", "b", "t"):
        for k in range(4):
            renamed = renamed.replace(f"{old}{k}", f"idx_{k}_{old}")
    read = reader(None)
    first, second = (check(Source.of("x", t), read).losses["random"] for t in (text, renamed))
    assert first.program.hash == second.program.hash
