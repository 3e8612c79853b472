"""Training with `model.fit`: our loss beside Keras's, in processor time.

Each case is a process of its own: one dense layer, ten steps an epoch. After a model with another
loss has warmed Keras up, both train for a first epoch, which compiles, and then for further ones in
turn; a step is the median of the faster half of the later ones. The first epoch counts all that a
loss needs, from the name in `lossc.std` on. Peak memory is that of two more processes, which train
with one of the losses only, without XLA.

    python bench/fit.py                               all cases, half an hour of the processor
    python bench/fit.py --only huber --shape 10x32    some of them
    python bench/fit.py --write                       and the table of docs/performance.md
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cache
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- bench/fit.py -->\n", "<!-- end -->"
WHO = ("keras", "lossc")
STEPS, EPOCHS, FEATURES = 10, 5, 64
SHAPES = ((10, 32), (10, 4096), (1000, 256), (10000, 256))  # classes, and the batch
# A library loss, Keras's class and its arguments, the kind of labels, the last activation.
LOSSES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "huber": ("Huber", {}, "real", "linear"),
    "mean_squared_error": ("MeanSquaredError", {}, "real", "linear"),
    "binary_crossentropy_from_logits":
        ("BinaryCrossentropy", {"from_logits": True}, "bits", "linear"),
    "categorical_crossentropy_from_logits":
        ("CategoricalCrossentropy", {"from_logits": True}, "one-hot", "linear"),
    "sparse_categorical_crossentropy_from_logits":
        ("SparseCategoricalCrossentropy", {"from_logits": True}, "labels", "linear"),
    "binary_focal_crossentropy_from_logits":
        ("BinaryFocalCrossentropy", {"from_logits": True}, "bits", "linear"),
    "cosine_similarity": ("CosineSimilarity", {}, "real", "linear"),
    "kl_divergence": ("KLDivergence", {}, "shares", "softmax"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """What is trained: a loss by name, the numbers of classes and samples, with XLA or without."""

    loss: str
    classes: int
    batch: int
    jit: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of a later step, seconds of the first epoch, megabytes at the peak."""

    step: float
    first: float
    peak: float


# --- one case, in a process of its own ------------------------------------------------------------


def train(case: Case, chosen: Sequence[str]) -> dict[str, Cost]:
    """Trains with the losses of some, in turn."""
    import keras
    import numpy as np

    import lossc

    rng = np.random.default_rng(0)
    count, k = STEPS * case.batch, case.classes
    theirs, options, labels, last = LOSSES[case.loss]
    x = rng.normal(size=(count, FEATURES)).astype("float32")
    y = {
        "real": lambda: rng.normal(size=(count, k)).astype("float32"),
        "bits": lambda: rng.integers(0, 2, (count, k)).astype("float32"),
        "shares": lambda: rng.dirichlet(np.ones(k), count).astype("float32"),
        "labels": lambda: rng.integers(0, k, count).astype("int32"),
        "one-hot": lambda: np.eye(k, dtype="float32")[rng.integers(0, k, count)],
    }[labels]()

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.steps: list[float] = []

        def on_train_batch_begin(self, *_: Any, **__: Any) -> None:
            self.start = time.process_time()

        def on_train_batch_end(self, *_: Any, **__: Any) -> None:
            self.steps.append(time.process_time() - self.start)

    def fit(make: Callable[[], Any], y: Any = y) -> tuple[Callable[[], list[float]], float]:
        """What trains for another epoch and gives the seconds of its steps; those of the first."""
        layers = [keras.Input((FEATURES,)), keras.layers.Dense(k, activation=last)]
        model = keras.Sequential(layers)
        start = time.process_time()
        model.compile("sgd", loss=make(), jit_compile=case.jit)

        def epoch() -> list[float]:
            clock = Clock()
            model.fit(x, y, batch_size=case.batch, verbose=0, callbacks=[clock])
            return clock.steps

        epoch()
        return epoch, time.process_time() - start

    if len(chosen) > 1:
        fit(keras.losses.LogCosh, x[:, :1])
    makers = {
        "keras": lambda: getattr(keras.losses, theirs)(**options),
        "lossc": lambda: lossc.std[case.loss].keras(),
    }
    runs = {who: fit(makers[who]) for who in chosen}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    steps: dict[str, list[float]] = {who: [] for who in chosen}
    for _ in range(EPOCHS if len(chosen) > 1 else 0):
        for who, (epoch, _) in runs.items():
            steps[who] += epoch()
    return {w: Cost(1e3 * fast(steps[w] or [0]), runs[w][1], peak) for w in chosen}


def fast(seconds: Sequence[float]) -> float:
    """The median of the faster half."""
    return statistics.median(sorted(seconds)[: (len(seconds) + 1) // 2])


# --- all cases ------------------------------------------------------------------------------------


def measured(case: Case) -> dict[str, Cost]:
    """The costs of Keras's loss and ours: times of one process, and the peaks of one for each."""
    both = in_process(case, WHO)
    return {w: replace(both[w], peak=peak(replace(case, jit=False), w)) for w in WHO}


@cache
def peak(case: Case, who: str) -> float:
    """The peak of a process that trains with one loss."""
    return in_process(case, [who])[who].peak


def in_process(case: Case, chosen: Sequence[str]) -> dict[str, Cost]:
    """What `train` gives in another process."""
    command = [sys.executable, __file__, "--case", json.dumps([asdict(case), list(chosen)])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return {who: Cost(**cost) for who, cost in json.loads(done.stdout).items()}


def row(case: Case, costs: dict[str, Cost]) -> str:
    """A line of the table; what is over the bar is bold."""
    keras, ours = (costs[who] for who in WHO)
    name = case.loss.removesuffix("_from_logits")
    size = f"{case.classes:,} x {case.batch:,}"
    cells = [
        marked(f"{keras.step:.2f}, {ours.step:.2f}", ours.step > 1.15 * keras.step + 0.8),
        marked(f"{keras.first:.2f}, {ours.first:.2f}", ours.first > 1.6 * keras.first + 0.8),
        f"{keras.peak:.0f}, {ours.peak:.0f}",
    ]
    return f"| {name} | {size} | {'on' if case.jit else 'off'} | {' | '.join(cells)} |"


def marked(text: str, over: bool) -> str:
    return f"**{text}**" if over else text


def table(cases: Sequence[Case]) -> Iterator[str]:
    """The lines of the table, each when it is measured."""
    yield "| loss | classes x batch | XLA | step, ms | first epoch, s | peak, MB |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for case in cases:
        yield row(case, measured(case))


def machine() -> list[str]:
    """When and where the table was measured, and by what command."""
    versions = ", ".join(f"{n} {version(n)}" for n in ("lossc", "tensorflow", "keras"))
    return [
        f"`python {' '.join(['bench/fit.py', *sys.argv[1:]])}`, {date.today()}: {versions}, Python",
        f"{platform.python_version()}, {os.cpu_count()} cores of {processor()}.",
        "",
    ]


def processor() -> str:
    """The name of the processor where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "unknown")


def shape(text: str) -> tuple[int, int]:
    classes, batch = text.split("x")
    return int(classes), int(batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=LOSSES, nargs="+", default=list(LOSSES), metavar="LOSS")
    parser.add_argument("--shape", type=shape, nargs="+", default=SHAPES, metavar="CLASSESxBATCH")
    parser.add_argument("--write", action="store_true", help="write the table of the page")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        case, chosen = json.loads(args.case)
        print(json.dumps({who: asdict(c) for who, c in train(Case(**case), chosen).items()}))
        return
    cases = [Case(n, *s, jit) for n in args.only for s in args.shape for jit in (False, True)]
    lines = []
    for line in chain(machine(), table(cases)):
        print(line, flush=True)
        lines.append(line)
    if args.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}" + "\n".join(lines) + f"\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
