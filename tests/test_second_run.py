"""The second run: where a result is not finite, what cancels is computed in all digits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from mpmath import mp

import lossc
from lossc import runtime
from lossc.compiler.derive import real_inputs
from lossc.compiler.emit import unrounded
from lossc.runtime import VALUE, Runtime, Task
from tests.test_bits import find, report

HUGE = float(np.finfo(np.float32).max)
TINY = float(np.finfo(np.float32).tiny)
SMALL = 1.9721522630525295e-31
# Inputs of single precision at which sums of products in double precision keep no digit.
POINTS: dict[str, Mapping[str, Any]] = {
    "alpha_iou_box": {
        "box": [[HUGE, TINY, -1, -HUGE]],
        "boxhat": [[-HUGE, HUGE, SMALL, 1.9721524981513997e-31]],
        "alpha": 3.871187210083008,
    },
    "detr_box": {
        "box": [[-HUGE, -1, -1, HUGE]],
        "boxhat": [[HUGE, -HUGE, 0, -1.9721521455030944e-31]],
    },
    "triplet_batch_all": {
        "y": [1, -2, 1],
        "e": [[HUGE, 0.9999999403953552, -TINY], [1.0000001192092896, -HUGE, 1], [0, HUGE, TINY]],
        "margin": 0.30000001192092896,
    },
    "sampson_distance": {
        "x": [[[-4.595578860615894e35, 1.626877809553669e-38, -1.6521590211293816e27],
               [5.060781977466804e-19, 7.277078398684272e-23, -1.9429604306831107e28],
               [-3.587858945146329e32, -5.857926153516142e19, 6.360791884527095e-13]]],
        "xp": [[[-2.093611882404486e-26, 5.863744292647928e-19, 5.937935877439874e-33],
                [3.039134863140854e22, 9.884843862925626e-21, -5.90770054537603e36],
                [1.3010385913115843e23, 0.00029036603518761694, 2.5506226552187353e-27]]],
        "F": [[[-5.560628610068816e-20, -8.036905657927935e-31, -5.79080496726817e31],
               [-1.185897946024805e-30, 1.1421340966524395e-33, 1.3678252506548903e-24],
               [-82.6705093383789, -8.308404676361627e27, -1.2318723837159014e17]]],
    },
    "uniformity": {
        "u": [[-1.0000001192092896, -1.9721536736457505e-31, -HUGE], [-SMALL, -1, -TINY],
              [-HUGE, -1, 1.9721513226570489e-31]],
    },
    "info_nce": {
        "u": [[HUGE, -1.0000001192092896, -1.9721524981513997e-31],
              [-1, -HUGE, 1.0000001192092896], [-TINY, -1, HUGE]],
        "v": [[TINY, -SMALL, 0], [3.4028232635611926e38, HUGE, -1.9721524981513997e-31],
              [3.4028232635611926e38, -HUGE, -HUGE]],
    },
    "decov": {"h": [[HUGE, 1.0, -HUGE], [1.0, HUGE, 2.0], [HUGE, -HUGE, SMALL]]},
}  # fmt: skip
FORCED = (
    "iou_box", "cosine_similarity", "negative_si_sdr", "nt_xent", "smooth_triplet_margin", "decov",
    "sampson_distance", "uniformity", "vicreg", "circle", "bpr_max", "gram_style", "zinb_nll",
)  # fmt: skip


def arguments(loss: lossc.Loss, point: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {d.name: d.tensor.kind for d in loss._checked.inputs.values()}
    dtypes = {"real": "float32", "int": "int64"}
    return {n: np.array(v, dtypes[kinds[n]]) if n in kinds else v for n, v in point.items()}


def is_near(got: float, true: mp.mpf, scale: mp.mpf) -> bool:
    """Whether a float is right: to bits of the largest number, and infinite beyond all floats."""
    if abs(true) > HUGE:
        return bool(got == mp.sign(true) * mp.inf)
    return bool(np.isfinite(got) and abs(got - true) <= 1e-6 * max(min(scale, mp.mpf(HUGE)), TINY))


@pytest.mark.deep
@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize("name", POINTS)
def test_results_are_finite_where_the_truth_is(name: str, jit: bool) -> None:
    loss = find(name)
    given = arguments(loss, POINTS[name])
    inputs = [given.pop(n) for n in loss._checked.inputs]
    engine = Runtime(loss._checked, jit)
    wrt = real_inputs(loss._checked)
    _, slopes = engine.run(Task(VALUE, tuple(wrt)), inputs, given)
    true = loss.reference_gradient(*inputs, **given)
    for of, got in slopes.items():
        truth = np.ravel(np.array(true[of], dtype=object))
        finite = [abs(t) for t in truth if abs(t) <= HUGE]
        scale = max(finite, default=mp.mpf(0))
        pairs = zip(np.ravel(got.numpy()).tolist(), truth, strict=True)
        assert all(is_near(g, t, scale) for g, t in pairs), (of, got, truth)


@pytest.mark.deep
@pytest.mark.parametrize("name", FORCED)
def test_the_second_run_keeps_the_bars_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "is_lost", lambda values: tf.constant(True))
    rows = report(name, 60, shaped=True).rows
    assert all(r.firm.ok for r in rows), "\n".join(f"{r.of}: {r.firm}" for r in rows)


def test_it_runs_only_where_a_result_is_not_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []

    def rounded(self: Any, k: int, plain: Any) -> Any:
        def note() -> np.int64:
            runs.append("run")
            return np.int64(0)

        with tf.control_dependencies([tf.numpy_function(note, [], tf.int64)]):
            return tf.identity(plain)

    monkeypatch.setattr(unrounded.Unrounded, "rounded", rounded)
    loss = lossc.compile("def f(x[i], y[i]) = sum[i](x * y)", jit=False)
    assert float(loss(np.float32([1, 2]), np.float32([3, 4]))) == 11
    assert not runs
    assert float(loss(np.float32([HUGE, 2]), np.float32([HUGE, 4]))) == np.inf
    assert runs


def test_nan_stays_nan_and_infinity_stays_infinite() -> None:
    loss = lossc.compile("def f(x[i], y[i]) = sum[i](x * y)")
    one = np.float32([1, 1])
    assert np.isnan(float(loss(np.float32([np.nan, 1]), one)))
    assert float(loss(np.float32([np.inf, 1]), one)) == np.inf
    assert float(loss(np.float32([HUGE, HUGE]), one)) == np.inf
    assert float(loss(np.float32([HUGE, -HUGE]), np.float32([HUGE, HUGE]))) == 0


@pytest.mark.parametrize("jit", [True, False])
def test_products_that_cancel_are_told_to_the_last_digit(jit: bool) -> None:
    loss = lossc.compile("def f(x[i], y[i]) = 1 / (sum[i](x * y) - x[0] * y[0])", jit=jit)
    x, y = np.float32([HUGE, HUGE, -HUGE, 3, 4]), np.float32([HUGE, HUGE, HUGE, 3, 4])
    assert float(loss(x, y)) == np.float32(1 / 25)


def test_very_large_arrays_and_double_precision_are_left_to_the_first_run() -> None:
    loss = lossc.compile("def f(x[i, k], y[j, k]) = max[i, j](sum[k](x * y))", jit=False)
    plan_of = lossc.compile("def f(x[i], y[i]) = 1 / sum[i](x * y)", jit=False)
    x = np.float64([1e300, -1e300])
    assert not np.isfinite(float(plan_of(x, np.float64([1e300, 1e300]))))
    big = np.full((3000, 40), 1e38, np.float32)
    assert float(loss(big, big)) == np.inf


@pytest.mark.parametrize("jit", [True, False])
def test_it_has_slopes_itself(jit: bool) -> None:
    loss = lossc.std.deep_coral
    rng = np.random.default_rng(0)
    inputs = [tf.constant(rng.normal(size=[4, 3]) + 2, tf.float32) for _ in range(2)]

    @tf.function(jit_compile=jit)  # type: ignore[untyped-decorator]
    def second(*inputs: Any) -> Any:
        with tf.GradientTape() as outer:
            outer.watch(inputs[0])
            with tf.GradientTape() as inner:
                inner.watch(inputs[0])
                value = loss(*inputs)
            slopes = inner.gradient(value, inputs[0])
        return outer.gradient(slopes, inputs[0])

    first = next(iter(loss._checked.inputs))
    wanted = loss.hessian_vector_product(*inputs, vectors={first: tf.ones_like(inputs[0])})
    assert np.allclose(second(*inputs), wanted[first], rtol=1e-4, atol=1e-6)
