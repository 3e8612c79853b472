"""Bits of error of the library, the corpus, Keras's losses and TensorFlow's operations.

Writes docs/accuracy.md. `--primitives` prints the table of primitives only; `--only NAME ...`
prints the rows of some losses.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from fractions import Fraction
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from operator import attrgetter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from mpmath import mp

import lossc
from lossc.compiler import domains as dom
from lossc.compiler.accuracy.floats import FLOAT32
from lossc.compiler.accuracy.report import Figures, Row, Tally
from lossc.compiler.accuracy.sampling import EDGE, FLOATS, MILD, FloatSampler
from lossc.compiler.arithmetic import NEAREST
from lossc.compiler.ir import Const
from lossc.dsl.primitives import PRIMITIVES

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "tests" / "corpus"
PAGE = ROOT / "docs" / "accuracy.md"
FORMAT = "float32"
BITS = 256

# Our loss, Keras's, and whether Keras wants the elements as samples of one.
KERAS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "mean_squared_error": ("MeanSquaredError", {}, True),
    "mean_absolute_error": ("MeanAbsoluteError", {}, True),
    "mean_absolute_percentage_error": ("MeanAbsolutePercentageError", {}, True),
    "mean_squared_logarithmic_error": ("MeanSquaredLogarithmicError", {}, True),
    "huber": ("Huber", {}, True),
    "log_cosh": ("LogCosh", {}, True),
    "hinge": ("Hinge", {}, True),
    "squared_hinge": ("SquaredHinge", {}, True),
    "poisson": ("Poisson", {}, True),
    "binary_crossentropy": ("BinaryCrossentropy", {}, True),
    "binary_crossentropy_from_logits": ("BinaryCrossentropy", {"from_logits": True}, True),
    "binary_focal_crossentropy": ("BinaryFocalCrossentropy", {}, True),
    "binary_focal_crossentropy_from_logits":
        ("BinaryFocalCrossentropy", {"from_logits": True}, True),
    "categorical_crossentropy": ("CategoricalCrossentropy", {}, False),
    "categorical_crossentropy_from_logits":
        ("CategoricalCrossentropy", {"from_logits": True}, False),
    "sparse_categorical_crossentropy": ("SparseCategoricalCrossentropy", {}, False),
    "sparse_categorical_crossentropy_from_logits":
        ("SparseCategoricalCrossentropy", {"from_logits": True}, False),
    "categorical_focal_crossentropy": ("CategoricalFocalCrossentropy", {}, False),
    "categorical_focal_crossentropy_from_logits":
        ("CategoricalFocalCrossentropy", {"from_logits": True}, False),
    "categorical_hinge": ("CategoricalHinge", {}, False),
    "kl_divergence": ("KLDivergence", {}, False),
    "cosine_similarity": ("CosineSimilarity", {}, False),
    "dice": ("Dice", {}, False),
    "tversky": ("Tversky", {}, False),
    "categorical_generalized_cross_entropy": ("CategoricalGeneralizedCrossEntropy", {}, False),
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What was measured of one loss: rows of all engines, or why there are none."""

    name: str
    rows: tuple[Row, ...] = ()
    error: str = ""


# --- losses -------------------------------------------------------------------------------------


def names() -> list[str]:
    """The library, then what the corpus has beside it."""
    library = list(lossc.std)
    return library + [p.stem for p in sorted(CORPUS.glob("*.loss")) if p.stem not in library]


def find(name: str) -> Any:
    """A loss of the library or the corpus."""
    return lossc.std[name] if name in lossc.std else lossc.load(CORPUS / f"{name}.loss")[name]


def measured(name: str, points: int, seconds: float) -> Found:
    """One loss, and Keras's where there is one, at the same points."""
    from lossc.accuracy import ENGINES, engine
    from lossc.compiler.accuracy.run import Plan, measure

    loss = find(name)

    def engines(subject: Any) -> Mapping[str, Any]:
        own = {
            e: engine(lossc.loss.Loss(loss._checked, jit), subject) for e, jit in ENGINES.items()
        }
        return {**own, **({"keras": keras_engine(name, subject)} if name in KERAS else {})}

    try:
        plan = Plan(points, 0, [FORMAT], seconds, vary=name not in KERAS, ranges=False)
        report = measure(loss._checked, engines, plan)
    except Exception as error:
        return Found(name, error=f"{type(error).__name__}: {str(error).splitlines()[0][:120]}")
    return Found(name, report.rows)


def keras_engine(name: str, subject: Any) -> Any:
    """Keras's loss under XLA, value and gradient, on the batches of ours."""
    import keras
    import tensorflow as tf

    of_class, options, column = KERAS[name]
    loss = getattr(keras.losses, of_class)(reduction="none", **options)
    wanted = subject.wrt

    @tf.function(jit_compile=True)
    def both(y: Any, p: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([y, p])
            apart = (y[:, None], p[:, None]) if column else (y, p)
            values = loss.call(*apart)
            total = tf.reduce_mean(values)
        zero = tf.UnconnectedGradients.ZERO
        found = dict(zip(subject.checked.inputs, (y, p), strict=True))
        return values, tape.gradient(total, {n: found[n] for n in wanted}, None, zero)

    def run(batch: Any, format: Any) -> Mapping[str, Any]:
        arrays = batch.floats(subject.checked.program, format)
        tensors = [tf.constant(arrays[n]) for n in subject.checked.inputs]
        values, slopes = both(*tensors)
        return {"": np.asarray(values), **{n: np.asarray(g) for n, g in slopes.items()}}

    return run


# --- primitives -----------------------------------------------------------------------------------


def interval(low: Any, high: Any) -> dom.Between:
    """An interval of the table as a domain."""
    return dom.Between(*(None if x is None else Const(Fraction(x)) for x in (low, high)))


def tensorflow_functions() -> dict[str, Callable[..., Any]]:
    """TensorFlow's own operation for each primitive that is one."""
    import tensorflow as tf

    special = {
        "sqrt": tf.sqrt, "softplus": tf.math.softplus, "erfc": tf.math.erfc, "pow": tf.pow,
        "lgamma": tf.math.lgamma, "digamma": tf.math.digamma, "xlogy": tf.math.xlogy,
    }  # fmt: skip
    plain = {
        n: attrgetter(p.tf)(tf) for n, p in PRIMITIVES.items()
        if not p.tf.startswith("@") and p.takes == "number" and p.gives == "real"
    }  # fmt: skip
    return {**plain, **special}


def primitive(name: str, run: Callable[..., Any], points: int) -> dict[str, Figures]:
    """The errors of one operation, with XLA and without."""
    import tensorflow as tf

    row = PRIMITIVES[name]
    with mp.workprec(BITS):
        sampler = FloatSampler(Random(name), {}, format=FLOAT32)
        styles = (FLOATS, FLOATS, MILD, EDGE)
        inputs = [
            [sampler.number(interval(d.low, d.high), styles[k % len(styles)]) for d in row.domain]
            for k in range(points)
        ]
        true = [NEAREST.apply(name, args) for args in inputs]
        tensors = [tf.constant([float(a[k]) for a in inputs], tf.float32) for k in range(row.arity)]
        engines = {"xla": tf.function(run, jit_compile=True), "eager": run}
        return {e: _tally(f(*tensors).numpy(), true, inputs) for e, f in engines.items()}


def _tally(got: Any, true: Sequence[Any], inputs: Sequence[Any]) -> Figures:
    tally = Tally()
    for g, t, args in zip(got, true, inputs, strict=True):
        if not mp.isnan(t):
            finite = bool(np.isfinite(g)) or abs(t) > FLOAT32.largest
            at = ", ".join(repr(float(a)) for a in args)
            tally.add(FLOAT32.error(float(g), t), float(abs(mp.mpf(float(g)) - t)), finite, at)
    return tally.figures()


# --- tables ---------------------------------------------------------------------------------------


def cells(rows: Iterable[Row], engine: str) -> list[str]:
    """Mean and worst of value and gradient, the share that is not finite, and what cancels."""
    mine = [r for r in rows if r.engine == engine]
    value = [r.figures for r in mine if not r.of]
    slopes = [r.figures for r in mine if r.of]
    lost = max((f.nonfinite for f in (*value, *slopes)), default=0.0)
    apart = [r.cancelling for r in mine if r.cancelling.points]
    share = sum(f.points for f in apart) / max(sum(r.figures.points for r in mine), 1)
    return [
        *_mean_worst(value), *_mean_worst(slopes), f"{lost:.0%}" if lost else "",
        f"{_mean(apart):.1f} ({share:.0%})" if apart else "",
    ]  # fmt: skip


def _mean_worst(figures: Sequence[Figures]) -> list[str]:
    counted = [f for f in figures if f.points]
    if not counted:
        return ["", ""]
    return [f"{_mean(counted):.2f}", f"{max(f.worst for f in counted):.1f}"]


def _mean(figures: Sequence[Figures]) -> float:
    points = sum(f.points for f in figures)
    return sum(f.mean * f.points for f in figures) / max(points, 1)


HEAD = """\
| loss | value, mean | worst | gradient, mean | worst | not finite | cancelling: mean (share) |
| --- | --- | --- | --- | --- | --- | --- |"""


def line(name: str, columns: Iterable[str]) -> str:
    return f"| {' | '.join([name, *columns])} |"


def losses_table(found: Sequence[Found], engine: str) -> str:
    done = [f for f in found if f.rows]
    return "\n".join([HEAD, *(line(f.name, cells(f.rows, engine)) for f in done)])


def keras_table(found: Sequence[Found]) -> str:
    """Each loss of Keras below ours."""
    lines = [HEAD]
    for f in found:
        if f.rows and f.name in KERAS:
            of_class, options, _ = KERAS[f.name]
            given = ", ".join(f"{k}={v}" for k, v in options.items())
            lines.append(line(f"`{f.name}`", cells(f.rows, "xla")))
            lines.append(line(f"Keras `{of_class}({given})`", cells(f.rows, "keras")))
    return "\n".join(lines)


def primitives_table(points: int) -> str:
    lines = [
        "| operation | XLA, mean | worst | at | eager, mean | worst | at |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, run in sorted(tensorflow_functions().items()):
        found = primitive(name, run, points)
        columns = [
            c for e in ("xla", "eager")
            for c in (f"{found[e].mean:.2f}", f"{found[e].worst:.1f}", found[e].worst_at)
        ]  # fmt: skip
        lines.append(line(f"`{name}`", columns))
        print(lines[-1], file=sys.stderr)
    return "\n".join(lines)


def page(found: Sequence[Found], points: int, primitives: str) -> str:
    packages = ", ".join(f"{p} {version(p)}" for p in ("tensorflow", "keras", "numpy", "mpmath"))
    failed = [f"- {f.name}: {f.error}" for f in found if f.error]
    parts = [
        f"""# Accuracy

How many bits of value and gradient are wrong, log2(1 + ulps), beside arbitrary precision: float32,
{points} points a loss over the floats of its domains, as [`lossc accuracy`](cli.md#accuracy) draws
them. Written by `make accuracy` on {date.today()}, {platform.machine()}, {packages}.

The last column has the points where terms of unlike sign cancel to less than 1/8: their mean error
and their share. They are not in the other columns. 32 bits is a result that is not a number, or
none of whose digits is right.

## Beside Keras

Under XLA, at the same points, with the params at their defaults.

{keras_table(found)}

## Every loss, under XLA

The library, then the corpus of `tests/corpus`.

{losses_table(found, "xla")}

## Every loss, without XLA

{losses_table(found, "eager")}

## TensorFlow's own operations

What TensorFlow's own float32 operations give, {points * 10} points each, with the worst input.

{primitives}
""",
    ]
    if failed:
        parts.append("## Not measured\n\n" + "\n".join(failed) + "\n")
    return "\n".join(parts)


def survey(
    wanted: Sequence[str], points: int, seconds: float, processes: int, rows: Path | None
) -> list[Found]:
    """All losses, some at once, in order; a line of JSON for each goes to the file `rows`."""
    work = partial(measured, points=points, seconds=seconds)
    found: list[Found] = []
    with get_context("spawn").Pool(processes) as pool:
        for k, one in enumerate(pool.imap(work, wanted)):
            found.append(one)
            print(f"{k + 1}/{len(wanted)} {one.name} {one.error}", file=sys.stderr)
            if rows is not None:
                with rows.open("a") as file:
                    print(json.dumps(asdict(one)), file=file)
    return found


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--primitives", action="store_true")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--rows", type=Path, help="a file to which each loss's rows are added")
    args = parser.parse_args()
    if args.primitives:
        print(primitives_table(args.points * 10))
        return
    found = survey(args.only or names(), args.points, args.seconds, args.processes, args.rows)
    if args.only:
        print(keras_table(found), losses_table(found, "xla"), sep="\n\n")
        return
    PAGE.write_text(page(found, args.points, primitives_table(args.points * 10)), "utf-8")


if __name__ == "__main__":
    main()
