"""Second derivatives of the library beside differences of the text and nested tapes.

Neither oracle knows a rule of the language: differences are taken of the value that the
interpreter gives in many digits, and the tapes are TensorFlow's, over the formula as written.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from mpmath import mp

import lossc
from lossc.compiler.emit.to_tf import emit
from lossc.compiler.gradcheck.point import Place, Point, places
from lossc.compiler.gradcheck.points import Points, lengths_of_params
from lossc.compiler.gradcheck.sampling import INSIDE, as_float
from lossc.compiler.gradcheck.sizes import smallest
from lossc.compiler.ir import REAL, Program
from lossc.compiler.passes.guard import guard
from lossc.loss import Loss
from lossc.options import Options

Array = np.ndarray[Any, Any]

DIGITS, STEP = 60, "1e-14"
ELEMENTS = 3  # at which the diagonal and the product are looked at

# Losses of every construct, and the tensor in which each is derived twice.
LOSSES = {
    # elementwise: special functions, powers, branches
    "log_cosh": "yhat", "tweedie_deviance": "mu", "von_mises_nll": "mu", "wing": "yhat",
    "general_robust": "yhat", "sigmoid_focal": "z", "negative_binomial_nll": "theta",
    # softmax and logsumexp: soft labels, labels, pairs, mixtures, sums of periods
    "symmetric_ce": "z", "sparse_categorical_crossentropy_from_logits": "z", "info_nce": "u",
    "gaussian_mixture_nll": "mu", "mtlr": "z",
    # sorts, scans, filters, windows
    "least_trimmed_squares": "yhat", "squared_emd": "p", "listmle": "s", "cox_breslow": "risk",
    "second_differences": "x",
    # norms, variances, products of matrices
    "mean_point_error": "yhat", "logit_norm_ce": "z", "deep_coral": "x", "geometric_loss": "losses",
    "concordance": "yhat",
}  # fmt: skip


@pytest.mark.by_plan
@pytest.mark.parametrize("name", LOSSES)
def test_they_are_those_of_differences_and_of_nested_tapes(name: str) -> None:
    loss, wrt = Loss(getattr(lossc.std, name)._checked, Options(jit=False)), LOSSES[name]
    point = sample(loss)
    data = tensors(loss._checked.program, point)
    given = {n: data[n] for n in loss.inputs}
    vector = np.random.default_rng(3).choice([-1.5, 0.5, 1.0], size=given[wrt].shape)
    diagonal = np.asarray(loss.hessian_diagonal(**given, wrt=wrt)[wrt])
    product = np.asarray(loss.hessian_vector_product(**given, vectors={wrt: vector})[wrt])
    chosen = [*places(vector)][:: max(1, vector.size // ELEMENTS)][:ELEMENTS]
    for found, second in ((diagonal, None), (product, vector)):
        scale = max(abs(found).max(), abs(product).max())
        assert scale > 0
        for oracle in (differences, tapes):
            want = oracle(loss._checked.program, point, wrt, chosen, second)
            have = [found[p] for p in chosen]
            assert have == pytest.approx(want, rel=1e-9, abs=1e-10 * scale), oracle.__name__


def sample(loss: Loss) -> Point:
    """Random floats of the domains, three of each axis where nothing says otherwise."""
    checked = loss._checked
    sizes = smallest(checked.program, lengths_of_params(checked, checked.program), 3)
    with mp.workdps(DIGITS):
        point = Points(checked, checked.program, sizes, sizes, seed=2).sample("", INSIDE, 0)
        exact = np.vectorize(lambda x: mp.mpf(float(x)), otypes=[object])
        real = [n for n, d in checked.inputs.items() if d.tensor.kind == REAL]
        return replace(point, arrays={**point.arrays, **{n: exact(point.arrays[n]) for n in real}})


def tensors(program: Program, point: Point) -> dict[str, Array]:
    """The arrays of a point as NumPy has them."""
    return {
        t.name: as_float(point.arrays[t.name], t.kind) for t in (*program.inputs, *program.params)
    }


def unit(vector: Array, place: Place) -> Array:
    found = np.zeros(vector.shape)
    found[place] = 1
    return found


def differences(
    program: Program, point: Point, wrt: str, chosen: list[Place], vector: Array | None
) -> list[float]:
    """`e_i H e_i`, or `e_i H v` with a vector: mixed central differences of the value."""

    def value(*steps: Array) -> Any:
        moved = point.arrays[wrt] + sum(steps)
        machine = replace(point, arrays={**point.arrays, wrt: moved}).machine()
        return machine.run(program.value, {})

    def second(a: Array, b: Array) -> float:
        ends = value(a, b) - value(a, -b) - value(-a, b) + value(-a, -b)
        return float(ends / (4 * step**2))

    with mp.workdps(DIGITS):
        step = mp.mpf(STEP)
        ends = [unit(point.arrays[wrt], p) * step for p in chosen]
        return [second(e, e if vector is None else vector * step) for e in ends]


def tapes(
    program: Program, point: Point, wrt: str, chosen: list[Place], vector: Array | None
) -> list[float]:
    """The same by TensorFlow's derivative of its derivative of the formula as written."""
    build = emit(replace(program, value=guard(program.value)))
    data = {n: tf.constant(x) for n, x in tensors(program, point).items()}
    along = [unit(point.arrays[wrt], p) if vector is None else vector for p in chosen]
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as outer:
        outer.watch(data[wrt])
        with tf.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(data[wrt])
            value = build(data)
        slope = inner.gradient(value, data[wrt])
        parts = [tf.reduce_sum(slope * v) for v in along]
    return [float(outer.gradient(x, data[wrt])[p]) for x, p in zip(parts, chosen, strict=True)]
