"""Measures lossc against its budget and against the same formulas written by hand.

Compiled and hand-written calls are timed in turn, in one run, so that what slows one down slows the
other; their ratio is the number to look at. Times on a busy machine are not to be compared between
runs.
"""

import platform
import statistics
import subprocess
import sys
import time
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.loss"))
ROUNDS, CALLS, BATCH = 15, 200, 256


def process_ms(*command: str, repeats: int = 5) -> float:
    """The median wall time of a process."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True, cwd=ROOT)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def start_up() -> None:
    """Process times, less that of an empty one."""
    empty = process_ms("-c", "pass")
    imported = process_ms("-c", "import lossc")
    checked = process_ms("-m", "lossc", "check", "examples/huber.loss")
    print(f"empty python process      {empty:8.0f} ms")
    print(f"import lossc              {imported - empty:8.0f} ms more")
    print(f"lossc check huber.loss    {checked - empty:8.0f} ms more")


def compile_times() -> None:
    """Text to checked IR, for each example formula; no TensorFlow takes part."""
    import lossc

    lossc.compile("mean(y - yhat)")  # loads the parser
    medians = []
    for path in EXAMPLES:
        times = []
        for _ in range(7):
            start = time.perf_counter()
            lossc.load(path)
            times.append(1000 * (time.perf_counter() - start))
        medians.append(statistics.median(times))
    low, high = min(medians), max(medians)
    print(f"text to IR, {len(EXAMPLES)} files       {statistics.median(medians):8.1f} ms"
          f"   ({low:.1f} to {high:.1f})")  # fmt: skip


def call_us(function, args) -> float:
    """Microseconds a call."""
    start = time.perf_counter()
    for _ in range(CALLS):
        result = function(*args)
    first = result[0] if isinstance(result, tuple) else result
    first.numpy()
    return 1e6 * (time.perf_counter() - start) / CALLS


def compare(name: str, ours, theirs, args) -> None:
    """Times two functions in turn."""
    for function in (ours, theirs):
        call_us(function, args)
    pairs = [(call_us(ours, args), call_us(theirs, args)) for _ in range(ROUNDS)]
    ratios = sorted(a / b for a, b in pairs)
    a, b = (statistics.median(t) for t in zip(*pairs, strict=True))
    quarter = len(ratios) // 4
    print(f"{name:<32} {a:7.0f} us  by hand {b:7.0f} us  ratio {statistics.median(ratios):.2f}"
          f"   ({ratios[quarter]:.2f} to {ratios[-quarter - 1]:.2f})")  # fmt: skip


def calls() -> None:
    """Calls on a small batch, value alone and value with gradient."""
    import numpy as np
    import tensorflow as tf

    import lossc

    def mse(y, yhat):
        return tf.reduce_mean((y - yhat) ** 2)

    def huber(y, yhat):
        e = tf.abs(y - yhat)
        return tf.reduce_mean(tf.where(e <= 1.0, e * e / 2, e - 0.5))

    def sparse_ce(y, z):
        picked = tf.gather(z, y, batch_dims=1)
        return tf.reduce_mean(tf.reduce_logsumexp(z, axis=1) - picked)

    def with_gradient(function):
        def both(y, yhat):
            with tf.GradientTape() as tape:
                tape.watch(yhat)
                value = function(y, yhat)
            return value, tape.gradient(value, yhat)

        return tf.function(both, jit_compile=True)

    rng = np.random.default_rng(0)
    dense = tuple(tf.constant(rng.normal(size=(BATCH, 10)), tf.float32) for _ in range(2))
    labels = (tf.constant(rng.integers(0, 10, BATCH)), dense[1])
    for name, function, args in (
        ("mse", mse, dense), ("huber", huber, dense), ("sparse_ce", sparse_ce, labels)
    ):  # fmt: skip
        loss = lossc.load(ROOT / "examples" / f"{name}.loss")[name]
        wrt = list(loss.inputs)[1]
        by_hand = tf.function(function, jit_compile=True)
        assert abs(float(loss(*args)) - float(by_hand(*args))) < 1e-5
        compare(f"{name}, value", loss, by_hand, args)
        ours = partial(loss.value_and_grad, wrt=wrt)
        compare(f"{name}, value and gradient", ours, with_gradient(function), args)


def main() -> None:
    packages = ", ".join(f"{p} {version(p)}" for p in ("lossc", "tensorflow", "keras", "numpy"))
    print(f"{date.today()}, Python {platform.python_version()}, {packages}")
    print(f"{platform.machine()}, batch {BATCH} x 10, float32, {ROUNDS} rounds of {CALLS} calls\n")
    start_up()
    compile_times()
    print()
    calls()


if __name__ == "__main__":
    main()
