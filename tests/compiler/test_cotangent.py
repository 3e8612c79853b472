"""Derivatives whose cotangent is factored out: no wider plans, and the right products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import lossc
from lossc.compiler.emit.schedule import schedule
from lossc.compiler.ir import REAL, Program, Tensor
from lossc.compiler.passes.cotangent import copied_axes, summed, unit_derivative
from lossc.compiler.pipeline import Numerics

LIBRARY = sorted(lossc.std)
SEPARABLE = [n for n in LIBRARY[::9] if lossc.std[n].separable] + [
    "categorical_crossentropy_from_logits", "sparse_categorical_crossentropy_from_logits",
    "cosine_similarity", "kl_divergence_from_logits", "center", "gene_count_nll", "proxy_nca",
]  # fmt: skip
RNG = np.random.default_rng(0)


def width(*programs: Program) -> int:
    return max(len(s.axes) for s in schedule(*programs).steps)


def tensors(program: Program) -> list[Tensor]:
    return [t for t in (*program.inputs, *program.params) if t.kind == REAL]


@pytest.mark.parametrize("name", SEPARABLE)
def test_no_plan_is_wider_for_a_cotangent(name: str) -> None:
    checked = lossc.std[name]._checked
    numerics, separated = Numerics.of(checked), checked.separated
    assert separated is not None
    whole = numerics.stable(checked.program)
    program = numerics.stable(separated.masked or separated.program)
    for tensor in tensors(program):
        copied = copied_axes(program, tensor.name)
        if copied is None:
            continue
        unit = numerics.stable(unit_derivative(program, tensor.name, copied))
        product = summed(unit, program.axes, copied) if copied else unit
        plain = numerics.stable(numerics.derivative(whole, tensor.name))
        own = {a for t in tensors(program) for a in t.axes}
        allowed = max(width(numerics.arranged(plain)), len(own))
        assert width(numerics.arranged(product)) <= allowed, tensor.name


def weighted(loss: lossc.Loss, inputs: list[Any], at: int) -> tuple[Any, Any]:
    """The derivative of weighted values by a tape, and the sum of those for each value alone."""
    given = [tf.constant(x) for x in inputs]

    def slope(weights: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(given[at])
            value = tf.reduce_sum(loss.per_sample(*given) * weights)
        return np.asarray(tf.convert_to_tensor(tape.gradient(value, given[at])))

    count = loss.per_sample(*given).shape[0]
    weights = RNG.normal(size=count)
    return slope(weights), sum(w * slope(e) for w, e in zip(weights, np.eye(count), strict=True))


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("mean(if abs(y - p) <= 1 then (y - p)^2 / 2 else abs(y - p) - 1 / 2)", 1),
        ("loss f(y[n], z[n, c]) = mean[n](logsumexp[c](z) - z[n, y])\nwhere y in index(c)", 1),
        ("loss f(y[n, c], z[n, c]) = -mean[n](sum[c](y * log_softmax[c](z)))", 1),
        ("loss f(y[n, c], p[n, c], w[c]) = mean[n](sum[c](w * (y - p)^2))", 2),
        (
            "loss f(y[n], e[n, d], m[k, d]) = mean[n](sum[d]((e - m[k=y])^2))\nwhere y in index(k)",
            2,
        ),
        ("loss f(y[n, t], p[n, t]) = mean[n, t]((y - p - mean[t](p))^2)", 1),
    ],
)
def test_a_cotangent_multiplies_each_value(text: str, at: int, jit: bool) -> None:
    loss = lossc.compile(text, jit=jit)
    shapes = {"n": 3, "c": 4, "t": 4, "d": 2, "k": 5, "...": 3}
    inputs: list[Any] = []
    for decl in loss.inputs.values():
        shape = [shapes[a.name] for a in decl.tensor.axes]
        whole = decl.tensor.kind == "int"
        inputs.append(RNG.integers(0, 4, shape) if whole else RNG.normal(size=shape))
    found, wanted = weighted(loss, inputs, at)
    assert found == pytest.approx(wanted, rel=1e-12, abs=1e-12)


def test_a_cotangent_of_0_leaves_a_value_out() -> None:
    loss = lossc.compile("mean(log(p) + 0 * y)")
    y, p = tf.zeros(3), tf.constant([0.0, 1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(p)
        values = loss.per_sample(y, p)
    assert tape.gradient(values, p, tf.constant([0.0, 1.0, 3.0])).numpy().tolist() == [
        0.0,
        1.0,
        1.5,
    ]


def test_only_what_a_tape_watches_is_derived() -> None:
    loss = lossc.compile("mean((y - p)^2 / 2)")
    y, p = tf.constant([1.0, 2.0]), tf.constant([3.0, 5.0])
    for watched in ([y], [p], [y, p]):
        with tf.GradientTape() as tape:
            tape.watch(watched)
            value = loss(y, p)
        for x, slope in zip(watched, tape.gradient(value, watched), strict=True):
            assert slope.numpy().tolist() == ([-1.0, -1.5] if x is y else [1.0, 1.5])
