"""The gradient that training uses is that of `value_and_grad`, for each loss of the library.

Those without values per sample are one value, whose gradient a tape multiplies by a number.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import lossc
from lossc.compiler.derive import real_inputs
from lossc.compiler.emit.gradient import differentiable, value_and_gradients
from lossc.compiler.pipeline import Numerics
from tests.test_hessian_library import sample, tensors

REDUCE = {"mean": tf.reduce_mean, "sum": tf.reduce_sum}


@pytest.mark.by_plan
@pytest.mark.parametrize("name", sorted(lossc.std))
def test_a_tape_gives_the_gradient_of_the_value(name: str) -> None:
    checked = lossc.std[name]._checked
    separated, numerics = checked.separated, Numerics.of(checked)
    if separated is None:
        pytest.skip("it has no values per sample")
    prediction = real_inputs(checked)[:2][-1]
    point = sample(lossc.std[name])
    data = {n: tf.constant(x) for n, x in tensors(checked.program, point).items()}
    with tf.GradientTape() as tape:
        tape.watch(data[prediction])
        values = differentiable(separated.program, numerics, watched=[prediction])(data)
        value = REDUCE[separated.op](values)
    found = np.asarray(tape.gradient(value, data[prediction]))
    _, wanted = value_and_gradients(checked.program, [prediction], numerics)(data)
    want = np.asarray(wanted[prediction])
    scale = np.max(np.abs(want), initial=0)
    assert found == pytest.approx(want, rel=1e-9, abs=1e-12 * scale, nan_ok=True)
