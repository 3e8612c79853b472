"""Value and gradient: ours, TensorFlow's tape over the same formula, and Keras's loss.

All three run under XLA, interleaved in one process. The ratio to each of the others is the median
of those of the rounds, and the larger one is shown: that to the faster of the two. The second ratio
is of processor time, all threads together: it says the same where other programs run too. Errors
are those of the gradient, the largest over all places in last places of the largest element,
against the formula in double precision.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import lossc

ROUNDS, CALLS = 21, 3
Tensors = list[Any]

INFO_NCE = """loss info_nce(u[item, dim], v[item, dim]; t = 0.07) =
    mean[i](logsumexp[j](s[i, j]) - s[i, i])
where
    s[i, j] = sum[dim](u[i, dim] * v[j, dim]) / t"""
DICE = """loss dice(y[batch, ...], p[batch, ...]) =
    mean[batch](1 - 2 * sum[...](y * p) / (sum[...](y * y) + sum[...](p * p)))"""


def taped(function: Callable[..., Any], at: int) -> Callable[..., Any]:
    """The value and TensorFlow's gradient in one argument, compiled by XLA."""

    @tf.function(jit_compile=True)
    def both(*tensors: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(tensors[at])
            value = function(*tensors)
        return value, tape.gradient(value, tensors[at])

    return both


def plain_info_nce(u: Any, v: Any) -> Any:
    s = tf.matmul(u, v, transpose_b=True) / 0.07
    return tf.reduce_mean(tf.reduce_logsumexp(s, 1) - tf.linalg.diag_part(s))


def plain_dice(y: Any, p: Any) -> Any:
    total = tf.reduce_sum(y * y, (1, 2)) + tf.reduce_sum(p * p, (1, 2))
    return tf.reduce_mean(1 - 2 * tf.reduce_sum(y * p, (1, 2)) / total)


def plain_quantile(y: Any, p: Any) -> Any:
    return tf.reduce_mean(tf.maximum(0.5 * (y - p), -0.5 * (y - p)))


def plain_huber(y: Any, p: Any) -> Any:
    e = tf.abs(y - p)
    return tf.reduce_mean(tf.where(e <= 1, e * e / 2, e - 0.5))


def plain_bce(y: Any, p: Any) -> Any:
    return -tf.reduce_mean(tf.math.xlogy(y, p) + tf.math.xlogy(1 - y, 1 - p))


def cases() -> list[tuple[str, Any, Callable[..., Any], Callable[..., Any] | None, Tensors]]:
    """Name, our loss, the formula in TensorFlow, Keras's loss where there is one, and data."""
    std, losses = lossc.std, keras.losses
    tf.random.set_seed(0)
    y, p = tf.random.normal([2**21]), tf.random.normal([2**21])
    bits, share = tf.cast(y > 0, tf.float32), tf.random.uniform([2**21], 0.01, 0.99)
    z, labels = tf.random.normal([16384, 128]), tf.random.uniform([16384], 0, 128, tf.int32)
    hot, u, v = tf.one_hot(labels, 128), tf.random.normal([512, 64]), tf.random.normal([512, 64])
    mask, image = (
        tf.cast(tf.random.normal([32, 256, 256]) > 0, tf.float32),
        tf.random.uniform([32, 256, 256]),
    )
    logits = tf.nn.sigmoid_cross_entropy_with_logits
    softmax = tf.nn.softmax_cross_entropy_with_logits
    sparse = tf.nn.sparse_softmax_cross_entropy_with_logits
    return [
        ("mean squared", std.mse, lambda a, b: tf.reduce_mean((a - b) ** 2),
         losses.MeanSquaredError(), [y, p]),
        ("mean absolute", std.mae, lambda a, b: tf.reduce_mean(tf.abs(a - b)),
         losses.MeanAbsoluteError(), [y, p]),
        ("huber", std.huber, plain_huber, losses.Huber(), [y, p]),
        ("log-cosh", std.log_cosh, lambda a, b: tf.reduce_mean(tf.math.log(tf.cosh(a - b))),
         losses.LogCosh(), [y, p]),
        ("quantile", std.quantile, plain_quantile, None, [y, p]),
        ("binary, logits", std.binary_crossentropy_from_logits,
         lambda a, b: tf.reduce_mean(logits(a, b)), losses.BinaryCrossentropy(True), [bits, p]),
        ("binary", std.binary_crossentropy, plain_bce, losses.BinaryCrossentropy(), [bits, share]),
        ("categorical", std.categorical_crossentropy_from_logits,
         lambda a, b: tf.reduce_mean(softmax(a, b)),
         losses.CategoricalCrossentropy(True), [hot, z]),
        ("sparse", std.sparse_categorical_crossentropy_from_logits,
         lambda a, b: tf.reduce_mean(sparse(a, b)),
         losses.SparseCategoricalCrossentropy(True), [labels, z]),
        ("info nce", lossc.compile(INFO_NCE), plain_info_nce, None, [u, v]),
        ("dice", lossc.compile(DICE), plain_dice, None, [mask, image]),
    ]  # fmt: skip


def ours(loss: Any, data: Tensors) -> Callable[[], Any]:
    """Our loss on some data, with the gradient in its second input."""
    wrt = list(loss.inputs)[1]
    return lambda: loss.value_and_grad(*data, wrt=wrt)


def given(function: Callable[..., Any], data: Tensors) -> Callable[[], Any]:
    return lambda: function(*data)


def error(run: Callable[[], Any], plain: Callable[..., Any], data: Tensors) -> float:
    """The error of a gradient in last places of single precision."""
    wide = [tf.cast(x, tf.float64) if x.dtype.is_floating else x for x in data]
    right = taped(plain, 1)(*wide)[1].numpy()
    found = run()[1]
    found = next(iter(found.values())) if isinstance(found, dict) else found
    return float(np.max(np.abs(found.numpy() - right)) / np.max(np.abs(right)) * 2**24)


def seconds(run: Callable[[], Any]) -> tuple[float, float]:
    """The time that a call takes, and that of all processors."""
    start, busy = time.perf_counter(), time.process_time()
    for _ in range(CALLS):
        value, _ = run()
    value.numpy()
    return (time.perf_counter() - start) / CALLS, (time.process_time() - busy) / CALLS


def measured(runs: list[Callable[[], Any]]) -> tuple[list[float], list[float]]:
    """Milliseconds a call of each, and the ratios of the first to the faster of the others."""
    for run in runs:
        run()
    rounds = [[seconds(run) for run in runs] for _ in range(ROUNDS)]
    times = [1e3 * statistics.median(t for t, _ in column) for column in zip(*rounds, strict=True)]
    kinds = [[[pair[k] for pair in r] for r in rounds] for k in range(2)]
    return times, [
        max(statistics.median(r[0] / r[k] for r in rows) for k in range(1, len(runs)))
        for rows in kinds
    ]


@tf.function(jit_compile=True)
def similarities(u: Any, v: Any) -> Any:
    """What InfoNCE needs in double precision, whatever else is done: all pairs, and the largest."""
    s = tf.matmul(tf.cast(u, tf.float64), tf.cast(v, tf.float64), transpose_b=True)
    return tf.reduce_max(s, 1), s


def main() -> None:
    print("value and gradient, ms a call (median), and ours over the faster of the others")
    heads = ("ours", "tape", "keras", "ratio", "of cpu", "error", "of tape")
    print(" " * 16 + "".join(f"{head:>9}" for head in heads))
    for name, loss, plain, own, data in cases():
        runs = [ours(loss, data)]
        runs += [given(taped(other, 1), data) for other in (plain, own) if other is not None]
        errors = "".join(f"{error(run, plain, data):9.1f}" for run in runs[:2])
        times, ratios = measured(runs)
        shown = "".join(f"{t:9.2f}" for t in times) + "        -" * (3 - len(times))
        both = "".join(f"{ratio:9.2f}" for ratio in ratios)
        print(f"{name:16}{shown}{both}{errors}", flush=True)
        if plain is plain_info_nce:
            _, shares = measured([given(similarities, data), given(taped(plain, 1), data)])
            print(f"  similarities in double precision alone, over the tape: {shares[0]:.2f}")


if __name__ == "__main__":
    main()
