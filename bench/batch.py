"""Value and gradient of elementwise losses and of losses of a whole batch, beside TensorFlow.

Each loss is written as its textbook formula, and beside it in TensorFlow by hand and, where there
is one, as Keras's loss, both with `jit_compile=True`. They run in turn in one process; the least
processor time of some calls counts. `--memory` measures in a process of its own for each how far
the peak of memory rises. Prints the tables of docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf

import lossc

K = tf.math
LABELS = "\nwhere y in [0, 1]"
ELEMENTS, BATCH = "elements", "batch"


@dataclass(frozen=True)
class Case:
    """A loss three ways; `wrt` are the places of the arguments that it is differentiated in."""

    text: str
    data: Callable[[np.random.Generator, int], tuple[Any, ...]]
    by_hand: Callable[..., Any]
    keras: Callable[..., Any] | None = None
    wrt: tuple[int, ...] = (1,)
    kind: str = ELEMENTS
    shape: str = ""


def numbers(rng: np.random.Generator, count: int) -> tuple[Any, ...]:
    return tuple(rng.standard_normal(count).astype(np.float32) for _ in "yp")


def weighted(rng: np.random.Generator, count: int) -> tuple[Any, ...]:
    return (*numbers(rng, count), rng.random(count).astype(np.float32))


def binary(rng: np.random.Generator, count: int) -> tuple[Any, ...]:
    logits = 3 * rng.standard_normal(count).astype(np.float32)
    return rng.integers(0, 2, count).astype(np.float32), logits


def binary_probabilities(rng: np.random.Generator, count: int) -> tuple[Any, ...]:
    labels, logits = binary(rng, count)
    return labels, (1 / (1 + np.exp(-logits))).astype(np.float32)


def classes(rng: np.random.Generator, count: int) -> tuple[Any, ...]:
    rows = count // 128
    labels = np.eye(128, dtype=np.float32)[rng.integers(0, 128, rows)]
    return labels, rng.standard_normal((rows, 128)).astype(np.float32)


def class_probabilities(rng: np.random.Generator, count: int) -> tuple[Any, ...]:
    labels, logits = classes(rng, count)
    p = np.exp(logits)
    return labels, p / p.sum(-1, keepdims=True)


def embeddings(rows: int, dims: int, labels: int) -> Callable[..., tuple[Any, ...]]:
    def data(rng: np.random.Generator, _: int) -> tuple[Any, ...]:
        y = rng.integers(0, labels, rows).astype(np.int32)
        return y, rng.standard_normal((rows, dims)).astype(np.float32)

    return data


def two_views(rng: np.random.Generator, _: int) -> tuple[Any, ...]:
    return tuple((rng.standard_normal((1024, 128)) / 11).astype(np.float32) for _ in "uv")


def rows_and_table(rows: int, dims: int, table: int, size: float) -> Callable[..., tuple[Any, ...]]:
    def data(rng: np.random.Generator, _: int) -> tuple[Any, ...]:
        y = rng.integers(0, table, rows).astype(np.int32)
        shapes = ((rows, dims), (table, dims))
        return (y, *((size * rng.standard_normal(s)).astype(np.float32) for s in shapes))

    return data


def focal_by_hand(y: Any, z: Any) -> Any:
    one = y * tf.sigmoid(-z) ** 2 * K.softplus(-z)
    return tf.reduce_mean(one + (1 - y) * tf.sigmoid(z) ** 2 * K.softplus(z))


def supervised_contrastive_by_hand(y: Any, e: Any) -> Any:
    z = K.l2_normalize(e, -1)
    s = z @ tf.transpose(z) / 0.1
    own = tf.eye(tf.shape(s)[0], dtype=tf.bool)
    same = tf.cast((y[:, None] == y[None]) & ~own, tf.float32)
    total = tf.reduce_logsumexp(tf.where(own, -np.inf, s), 1)
    losses = tf.reduce_sum(same * (total[:, None] - s), 1)
    return tf.reduce_mean(losses / tf.maximum(tf.reduce_sum(same, 1), 1))


def info_nce_by_hand(u: Any, v: Any) -> Any:
    s = u @ tf.transpose(v) / 0.1
    places = tf.range(tf.shape(s)[0])
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(places, s))


def center_by_hand(y: Any, e: Any, c: Any) -> Any:
    return tf.reduce_mean(tf.reduce_sum((e - tf.gather(c, y)) ** 2, -1))


def linear_by_hand(y: Any, h: Any, w: Any) -> Any:
    z = tf.matmul(h, w, transpose_b=True)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, z))


def hardest_by_hand(y: Any, e: Any) -> Any:
    d = tf.sqrt(tf.reduce_sum((e[:, None] - e[None]) ** 2, -1) + 1e-16)
    same = y[:, None] == y[None]
    positive = tf.reduce_max(tf.where(same, d, 0.0), 1)
    negative = tf.reduce_min(tf.where(same, np.inf, d), 1)
    return tf.reduce_mean(tf.nn.relu(0.3 + positive - negative))


def column(loss: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    return lambda y, p, *_: tf.reduce_mean(loss(y[:, None], p[:, None], **options))


CASES: Mapping[str, Case] = {
    "mse": Case("mean((y - p)^2)", numbers, lambda y, p: tf.reduce_mean((y - p) ** 2),
        column(keras.losses.mean_squared_error)),
    "weighted mse": Case("loss f(y, p, w) = mean(w * (y - p)^2)", weighted,
        lambda y, p, w: tf.reduce_mean(w * (y - p) ** 2)),
    "huber": Case("mean(if abs(y - p) <= 1 then (y - p)^2 / 2 else abs(y - p) - 1/2)", numbers,
        lambda y, p: tf.reduce_mean(
            tf.where(tf.abs(y - p) <= 1, 0.5 * (y - p) ** 2, tf.abs(y - p) - 0.5)),
        column(keras.losses.huber)),
    "binary cross-entropy, logits": Case(
        f"loss f(y, z) = mean(-(y * log(sigmoid(z)) + (1 - y) * log(1 - sigmoid(z)))){LABELS}",
        binary,
        lambda y, z: tf.reduce_mean(tf.maximum(z, 0) - y * z + K.log1p(tf.exp(-tf.abs(z)))),
        column(keras.losses.binary_crossentropy, from_logits=True)),
    "binary cross-entropy": Case(
        f"loss f(y, p) = mean(-(y * log(p) + (1 - y) * log(1 - p))){LABELS}\n    p in (0, 1)",
        binary_probabilities,
        lambda y, p: tf.reduce_mean(-(y * K.log(p) + (1 - y) * K.log(1 - p))),
        column(keras.losses.binary_crossentropy)),
    "cross-entropy, logits": Case(
        "loss f(y[n, c], z[n, c]) = mean[n](-sum[c](y * log(softmax[c](z))))"
        "\nwhere y in simplex[c]",
        classes,
        lambda y, z: tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(y, z)),
        lambda y, z: tf.reduce_mean(
            keras.losses.categorical_crossentropy(y, z, from_logits=True))),
    "cross-entropy": Case(
        "loss f(y[n, c], p[n, c]) = mean[n](-sum[c](y * log(p)))\nwhere y, p in simplex[c]",
        class_probabilities,
        lambda y, p: tf.reduce_mean(-tf.reduce_sum(y * K.log(p), -1)),
        lambda y, p: tf.reduce_mean(keras.losses.categorical_crossentropy(y, p))),
    "focal, logits": Case(
        "loss f(y, z; gamma = 2) = mean(-(y * (1 - p)^gamma * log(p)"
        " + (1 - y) * p^gamma * log(1 - p)))\nwhere\n    y in [0, 1]\n    gamma >= 0\n"
        "    p = sigmoid(z)",
        binary, focal_by_hand,
        column(keras.losses.binary_focal_crossentropy, from_logits=True)),
    "log-cosh": Case("mean(log(cosh(y - p)))", numbers,
        lambda y, p: tf.reduce_mean((y - p) + K.softplus(-2 * (y - p)) - 0.6931472),
        column(keras.losses.log_cosh)),
    "supervised contrastive": Case(
        "loss f(y[n], e[n, d]; tau = 0.1) = mean[i](mean[j if j != i and y[j] == y[i]]("
        "logsumexp[k if k != i](s[i, k]) - s[i, j]))\nwhere\n    y in int\n    tau > 0\n"
        "    z = normalize[d](e)\n    s[i, j] = sum[d](z[n=i] * z[n=j]) / tau",
        embeddings(1024, 128, 64), supervised_contrastive_by_hand, kind=BATCH,
        shape="1024 x 128"),
    "InfoNCE": Case(
        "loss f(u[i, d], v[i, d]; tau = 0.1) = mean[i](logsumexp[j](sum[d](u[i, d] * v[j, d])"
        " / tau) - sum[d](u[i, d] * v[i, d]) / tau)\nwhere tau > 0",
        two_views, info_nce_by_hand, wrt=(0, 1), kind=BATCH, shape="1024 x 128"),
    "centre": Case(
        "loss f(y[n], e[n, d], c[k, d]) = mean[n](sum[d]((e - c[k=y])^2))\nwhere y in index(k)",
        rows_and_table(1024, 64, 4000, 1.0), center_by_hand, wrt=(1, 2), kind=BATCH,
        shape="1024 x 64, 4,000 classes"),
    "linear and cross-entropy": Case(
        "loss f(y[n], h[n, d], w[v, d]) = mean[n](logsumexp[v](sum[d](h * w))"
        " - sum[d](h * w[v=y]))\nwhere y in index(v)",
        rows_and_table(1024, 256, 8192, 0.25), linear_by_hand, wrt=(1, 2), kind=BATCH,
        shape="1024 x 256 x 8192"),
    "hardest triplet": Case(
        "loss f(y[n], e[n, d]) = mean[i](max(0, 0.3 + max[j if y[j] == y[i]](r[i, j])"
        " - min[j if y[j] != y[i]](r[i, j])))\nwhere\n    y in int\n"
        "    r[i, j] = sqrt(sum[d]((e[n=i] - e[n=j])^2) + 1e-16)",
        embeddings(256, 64, 16), hardest_by_hand, kind=BATCH, shape="256 x 64"),
}  # fmt: skip


def with_gradient(function: Callable[..., Any], wrt: tuple[int, ...]) -> Callable[..., Any]:
    """Value and gradient by TensorFlow's tape, under XLA."""

    def run(*tensors: Any) -> Any:
        watched = [tensors[k] for k in wrt]
        with tf.GradientTape() as tape:
            tape.watch(watched)
            value = function(*tensors)
        return value, tape.gradient(value, watched)

    return tf.function(tf.autograph.experimental.do_not_convert(run), jit_compile=True)


def ways(case: Case, count: int) -> dict[str, Callable[[], Any]]:
    """The loss as ours, by hand and Keras's, ready to be called."""
    tensors = [tf.constant(x) for x in case.data(np.random.default_rng(0), count)]
    loss = lossc.compile(case.text)
    names = list(loss.inputs)
    found: dict[str, Callable[[], Any]] = {
        "lossc": lambda: loss.value_and_grad(*tensors, wrt=[names[k] for k in case.wrt])
    }
    peers = {"by hand": case.by_hand, "Keras": case.keras}
    for name, function in peers.items():
        if function is not None:
            run = with_gradient(function, case.wrt)
            found[name] = lambda run=run: run(*tensors)
    return found


def spent(run: Callable[[], Any]) -> float:
    """The processor time of a call, in milliseconds."""
    before = time.process_time()
    value = run()[0]
    float(value)
    return 1e3 * (time.process_time() - before)


def times(case: Case, count: int, calls: int) -> dict[str, float]:
    """The least time of each way, called in turn."""
    runs = ways(case, count)
    for run in runs.values():
        run()
    measured = [{name: spent(run) for name, run in runs.items()} for _ in range(calls)]
    return {name: min(m[name] for m in measured) for name in runs}


def peak(name: str, way: str, count: int) -> float:
    """How far a way raises the peak of memory in a process of its own, in MB."""
    command = [sys.executable, __file__, "--peak", name, way, "--count", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def show_peak(name: str, way: str, count: int) -> None:
    run = ways(CASES[name], count)[way]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        run()
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="some of the losses")
    parser.add_argument("--count", type=int, default=1 << 24, help="numbers of elementwise losses")
    parser.add_argument("--calls", type=int, default=8)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--peak", nargs=2, metavar=("NAME", "WAY"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak:
        show_peak(*args.peak, args.count)
        return
    packages = ", ".join(f"{p} {version(p)}" for p in ("lossc", "tensorflow", "keras"))
    when = f"{date.today()}: {packages}, Python {platform.python_version()}"
    print(f"`python bench/batch.py`, {when}.\n")
    rows, ratios = [], []
    for name in args.names or CASES:
        case = CASES[name]
        found = times(case, args.count, args.calls)
        least = min(t for way, t in found.items() if way != "lossc")
        memory = ""
        if args.memory and case.kind == BATCH:
            memory = ", ".join(f"{peak(name, w, args.count):.0f}" for w in ("lossc", "by hand"))
        shown = [f"{found[w]:.1f}" if w in found else "" for w in ("lossc", "by hand", "Keras")]
        rows.append(
            (name, case.shape or f"{args.count:,}", *shown, f"{found['lossc'] / least:.2f}", memory)
        )
        ratios += [found["lossc"] / least] if case.kind == ELEMENTS else []
        print("| " + " | ".join(rows[-1]) + " |", flush=True)
    if ratios:
        print(f"\nElementwise, geometric mean: {np.exp(np.mean(np.log(ratios))):.2f}")


if __name__ == "__main__":
    main()
