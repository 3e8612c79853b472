"""Bits of error of the library, the corpus, Keras's losses and TensorFlow's operations.

Writes docs/accuracy.md, with 2,000 points a loss, or as many as have their truth found in
`--seconds`; `--points` takes fewer. `--rows FILE` keeps what was measured, a line of JSON a loss,
and `--again` writes the page of such a file, of the last line of each loss. `--primitives` prints
the table of primitives only; `--only NAME ...` prints the rows of some losses. All this is of
`precision="float64"` and of any floats; `--ordinary` measures "auto" on ordinary data, and writes
docs/ordinary.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
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
from lossc.compiler.accuracy.report import MEAN_BAR, WORST_BAR, Figures, Row, Tally, share
from lossc.compiler.accuracy.sampling import EDGE, FLOATS, MILD, FloatSampler
from lossc.compiler.arithmetic import NEAREST
from lossc.compiler.ir import REAL, Access, Const
from lossc.compiler.precision import AUTO, FLOAT64, Precision
from lossc.dsl.primitives import PRIMITIVES

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "tests" / "corpus"
PAGE = ROOT / "docs" / "accuracy.md"
ORDINARY_PAGE = ROOT / "docs" / "ordinary.md"
FORMAT = "float32"
BITS = 256
RARE = 1 / 100  # of the points
NEARLY = 0.95  # of the points is as good as all
PACKAGES = ("tensorflow", "keras", "numpy", "python-flint")
POINTS, SECONDS = 2000, 1500.0  # of each loss, and for the true results at them

# Why losses are above the bars. What is not a limit of TensorFlow's operations is still to be done.
REASONS: dict[str, str] = {
    "distances of one size to the last place, which a softmax tells apart":
        "soft_nearest_neighbor uniformity",
    "losses less their weighted mean, where all that count are of one class":
        "weighted_ce",
    "the slope of a quotient of the smallest with itself, which is 0":
        "ldam",
    "differences of sums over periods, lost below the last place of a large score":
        "mtlr",
    "the sum of two penalties on the largest score, one of which is lost beside the other":
        "bpr_max",
    "`1 - 1 / (1 - alpha)` for alpha below 1e-16":
        "expected_shortfall",
    "what is left of the data beside their projection on it, where a branch or a factor keeps "
    "the two sums of the slope apart":
        "negative_snr attention_transfer mds_stress dist_correlation parametric_tsne_kl "
        "transe_margin circle",
    "deviations from a mean that one number decides: those of the others differ below the last "
    "place":
        "pearson normalized_cross_correlation negative_sharpe negative_sharpe_turnover",
    "a difference of norms, lost below the last place of double precision, decides a hinge":
        "triplet_margin smooth_triplet_margin triplet_batch_all quadruplet",
    "the slope of a quotient of norms of matrix products cancels":
        "linear_cka similarity_preserving",
    "the slope of the square of a product of three inputs over a sum of squares cancels":
        "sampson_distance",
    "sums of shares over samples, less the labels of other samples":
        "info_nce vector_scaling_ce",
    "differences of TensorFlow's `lgamma` or `digamma` beyond the digits of double precision":
        "beta_distribution_nll negative_binomial_nll evidential_nll",
    "TensorFlow's `bessel_i0e` and `bessel_i1e`, whose own errors are below":
        "von_mises_nll",
    "`y / m - (y + k) / (m + k)` behind branches on y":
        "zinb_nll",
    "a product of four differences, of one size with what it is subtracted from":
        "giou_box eiou_box alpha_iou_box detr_box",
    "the logarithm of a difference of sums of sigmoids, which no rule brings together":
        "proportional_odds_nll",
    "the sign of a sum of differences, lost below the last place of double precision":
        "sobel_edge_l1",
    "differences of ranks, which scores of one size hardly move":
        "approx_mrr",
    "a difference lost below the last place of double precision decides a hinge":
        "categorical_hinge quantile_crossing",
    "a quotient of sums of weights, all of which are below the smallest double":
        "ips_counterfactual",
    "small shares of a softmax of distant logits, whose difference is rounded; the own error "
    "of TensorFlow's `softmax` is below":
        "hard_bootstrap_ce sparse_categorical_crossentropy_from_logits",
    "an infinite result, whose sign is that of a sum of infinite terms that nearly cancel":
        "grpo",
}  # fmt: skip
WHY = {name: why for why, names in REASONS.items() for name in names.split()}

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
    "sparse_categorical_crossentropy":
        ("SparseCategoricalCrossentropy", {"ignore_class": -1}, False),
    "sparse_categorical_crossentropy_from_logits":
        ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": -1}, False),
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
    """What was measured of one loss, and when: rows of all engines, or why there are none."""

    name: str
    rows: tuple[Row, ...] = ()
    error: str = ""
    day: str = field(default_factory=lambda: str(date.today()))


# --- losses -------------------------------------------------------------------------------------


def names() -> list[str]:
    """What Keras has, what the corpus has beside the library, and the rest of the library."""
    corpus = [p.stem for p in sorted(CORPUS.glob("*.loss")) if is_of_corpus(p.stem)]
    return [*KERAS, *corpus, *(n for n in lossc.std if n not in KERAS)]


def is_of_corpus(name: str) -> bool:
    return (CORPUS / f"{name}.loss").exists() and name not in lossc.std


def find(name: str) -> Any:
    """A loss of the library or the corpus."""
    return lossc.std[name] if name in lossc.std else lossc.load(CORPUS / f"{name}.loss")[name]


def measured(name: str, points: int, seconds: float, precision: Precision = FLOAT64) -> Found:
    """One loss, and Keras's where there is one, at the same points.

    Without XLA are measured the losses of the corpus, and those that Keras has.
    """
    from lossc.accuracy import ENGINES, engine
    from lossc.compiler.accuracy.run import Plan, measure
    from lossc.options import Options
    from lossc.runtime import Runtime

    loss = find(name)

    def engines(subject: Any) -> Mapping[str, Any]:
        modes = ENGINES if name in KERAS or is_of_corpus(name) else {"xla": True}
        own = {
            e: engine(
                Runtime(loss._checked, Options(jit, precision=precision), shaped=True), subject
            )
            for e, jit in modes.items()
        }
        return {**own, **({"keras": keras_engine(name, subject)} if name in KERAS else {})}

    try:
        plan = Plan(points, 0, [FORMAT], seconds, name not in KERAS, False, precision)
        report = measure(loss._checked, engines, plan)
    except Exception as error:
        return Found(name, error=f"{type(error).__name__}: {str(error).splitlines()[0][:120]}")
    return Found(name, report.rows)


def keras_engine(name: str, subject: Any) -> Any:
    """Keras's loss under XLA, value and gradient, on the batches of ours."""
    import keras
    import tensorflow as tf

    of_class, options, column = KERAS[name]
    loss = getattr(keras.losses, of_class)(**options)
    wanted = subject.wrt

    @tf.function(jit_compile=True)
    def both(y: Any, p: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([y, p])
            apart = (y[:, None], p[:, None]) if column else (y, p)
            total = loss(*apart)
            values = loss.call(*apart)
        zero = tf.UnconnectedGradients.ZERO
        found = dict(zip(subject.checked.inputs, (y, p), strict=True))
        return values, total, tape.gradient(total, {n: found[n] for n in wanted}, None, zero)

    def run(batch: Any, format: Any) -> Mapping[str, Any]:
        arrays = batch.floats(subject.checked.program, format)
        tensors = [tf.constant(arrays[n]) for n in subject.checked.inputs]
        values, total, slopes = both(*tensors)
        value = total if batch.samples is None else values
        return {"": np.asarray(value), **{n: np.asarray(g) for n, g in slopes.items()}}

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


def softmax(points: int) -> dict[str, Figures]:
    """The errors of the elements of TensorFlow's softmax of three logits, with XLA and without.

    Each is in its own last places, as where the largest element is not counted: it is less than
    its label by as little as the others are.
    """
    import tensorflow as tf

    with mp.workprec(BITS):
        sampler = FloatSampler(Random("softmax"), {}, format=FLOAT32)
        reals = interval(None, None)
        logits = [[sampler.number(reals, MILD) for _ in range(3)] for _ in range(points)]
        true = [mp.exp(z) / sum(map(mp.exp, row)) for row in logits for z in row]
        tensor = tf.constant([[float(z) for z in row] for row in logits], tf.float32)
        engines = {"xla": tf.function(tf.nn.softmax, jit_compile=True), "eager": tf.nn.softmax}
        inputs = [row for row in logits for _ in row]
        return {e: _tally(np.ravel(f(tensor).numpy()), true, inputs) for e, f in engines.items()}


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
    """Points, mean and worst of value and gradient, the share not finite, and what cancels."""
    mine = [r for r in rows if r.engine == engine]
    value = [r.figures for r in mine if not r.of]
    slopes = [r.figures for r in mine if r.of]
    lost = max((f.nonfinite for f in (*value, *slopes)), default=0.0)
    apart = [r.cancelling for r in mine if r.cancelling.points]
    many = sum(f.points for f in apart) / max(sum(r.figures.points for r in mine), 1)
    return [
        str(max((f.points for f in value), default=0)), *_mean_worst(value), *_mean_worst(slopes),
        share(lost) if lost else "", f"{_mean(apart):.1f} ({share(many)})" if apart else "",
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
| loss | points | value, mean | worst | gradient, mean | worst | not finite | cancelling (share) |
| --- | --- | --- | --- | --- | --- | --- | --- |"""


def line(name: str, columns: Iterable[str]) -> str:
    return f"| {' | '.join([name, *columns])} |"


def losses_table(found: Sequence[Found], engine: str) -> str:
    done = [f for f in found if any(r.engine == engine for r in f.rows)]
    return "\n".join([HEAD, *(line(f.name, cells(f.rows, engine)) for f in done)])


def above(found: Sequence[Found]) -> list[tuple[str, Row]]:
    """The figures of ours that are above the bars."""
    return [(f.name, r) for f in found for r in f.rows if r.engine == "xla" and not r.figures.ok]


def above_table(rows: Iterable[tuple[str, Row]], part: Callable[[Row], Figures]) -> str:
    """Values and gradients above the bars, and why each is so."""
    lines = [
        "| loss | of | mean | worst | above 4 | not finite | why |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in rows:
        f = part(row)
        parts = [share(part) if part else "" for part in (f.above, f.nonfinite)]
        why = WHY.get(name, "" if row.firm.ok else "not looked into")
        columns = [row.of or "value", f"{f.mean:.2f}", f"{f.worst:.1f}", *parts, why]
        lines.append(line(name, columns))
    return "\n".join(lines)


def summary(found: Sequence[Found], points: int) -> str:
    """How many losses keep the bars, in words."""
    done = [f for f in found if f.rows]
    bad = {name for name, _ in above(found)}
    shaky = {name for name, r in above(found) if not r.firm.ok}
    rows = [r for f in done for r in f.rows if r.engine == "xla"]
    keras = [f for f in done if any(r.engine == "keras" and not r.figures.ok for r in f.rows)]
    lost = {name for name, r in above(found) if r.figures.nonfinite}
    both = sum(any(r.engine == "keras" for r in f.rows) for f in done)
    return (
        f"{len(done)} losses and {len(rows)} values and gradients were measured, "
        f"{sum(points_of(f) < NEARLY * points for f in done)} losses at fewer points. "
        f"The bars are a mean of at most {MEAN_BAR:.0f} bit, at worst {WORST_BAR:.0f}, no NaN or "
        f"infinity where the truth is a normal number. {len(done) - len(shaky)} losses keep them "
        "at all points where no terms of unlike sign cancel to less than 1/8. "
        f"{len(done) - len(bad)} keep them also where terms do cancel, if the inputs leave the "
        f"result in no doubt. In {len(rare(found))} of the others the means are kept too, and less "
        f"than one point in {1 / RARE:.0f} of any value or gradient is above or not finite. "
        f"{len(lost)} give a number that is not finite where the truth is a normal number. "
        f"Of the {both} losses that Keras "
        f"has, {len(keras)} of Keras's are above the bars."
    )


def points_of(found: Found) -> int:
    """The points at which the truth about a loss was sought in time."""
    own = (r for r in found.rows if r.engine == "xla")
    return max((r.figures.points + r.cancelling.points + r.unknown for r in own), default=0)


def rare(found: Sequence[Found]) -> list[str]:
    """The losses that are above the bars at few points only."""
    figures: dict[str, list[Figures]] = {}
    for name, row in above(found):
        figures.setdefault(name, []).append(row.figures)
    few = {n: [f.mean <= MEAN_BAR and max(f.above, f.nonfinite) < RARE for f in all_]
           for n, all_ in figures.items()}  # fmt: skip
    return [name for name, each in few.items() if all(each)]


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
    plain = {n: partial(primitive, n, run) for n, run in tensorflow_functions().items()}
    for name, errors in sorted({**plain, "softmax": softmax}.items()):
        found = errors(points)
        columns = [
            c for e in ("xla", "eager")
            for c in (f"{found[e].mean:.2f}", f"{found[e].worst:.1f}", found[e].worst_at)
        ]  # fmt: skip
        lines.append(line(f"`{name}`", columns))
        print(lines[-1], file=sys.stderr)
    return "\n".join(lines)


def page(found: Sequence[Found], points: int, seconds: float, primitives: str) -> str:
    packages = ", ".join(f"{p} {version(p)}" for p in PACKAGES)
    failed = [f"- {f.name}: {f.error}" for f in found if f.error]
    firm = [(name, row) for name, row in above(found) if not row.firm.ok]
    cancelling = [(name, row) for name, row in above(found) if row.firm.ok]
    parts = [
        f"""# Accuracy

How many bits of value and gradient are wrong, log2(1 + ulps), beside arbitrary precision: float32,
at most {points:,} points a loss over the floats of its domains, as
[`lossc accuracy`](cli.md#accuracy) draws them. Measured by `make accuracy`: {days(found)};
{platform.machine()}, {packages}.

{summary(found, points)}

The last column has the points where terms of unlike sign cancel to less than 1/8 and more than one
bit is lost: their mean error and their share. They are not in the other columns. 32 bits is a
result that is not a number, or none of whose digits is right. A loss whose truth takes longer than
{seconds:.0f} seconds to find would have fewer points.

## Beside Keras

Under XLA, at the same points, with the params at their defaults.

{keras_table(found)}

## Above the bars where nothing cancels

The figures are of the points at which no terms of unlike sign cancel to less than 1/8; `above 4`
and `not finite` are shares of the points.

{above_table(firm, lambda row: row.firm)}

## Above the bars where terms cancel

What cancels is a sum of the derivative, which no author wrote and no rewrite brings together, at
points where the true result is not sensitive to the inputs: another form could have its digits.
Most have numbers of all sizes in one sample. The figures are of these points and of those at which
nothing cancels.

{above_table(cancelling, lambda row: row.figures)}

## Every loss, under XLA

What Keras has, what `tests/corpus` has beside the library, and the rest of the library.

{losses_table(found, "xla")}

## Without XLA

The losses that Keras has, and the corpus.

{losses_table(found, "eager")}

## TensorFlow's own operations

What TensorFlow's own float32 operations give, {points:,} points each, with the worst input; of
softmax each element of three, in its own last places.

{primitives}
""",
    ]
    if failed:
        parts.append("## Not measured\n\n" + "\n".join(failed) + "\n")
    return "\n".join(parts)


def float64_steps(name: str) -> tuple[int, int]:
    """How many steps of the plan of value and gradient are in float64, and of how many."""
    from lossc.compiler.derive import real_inputs
    from lossc.compiler.passes.differentiate import total
    from lossc.compiler.pipeline import Numerics

    checked = find(name)._checked
    numerics = Numerics.of(checked, AUTO)
    value = numerics.stable(checked.program)
    slopes = [numerics.derivative(total(value), n) for n in real_inputs(checked)]
    plan = numerics.plan(*map(numerics.arranged, (value, *map(numerics.stable, slopes))))
    own = [s for s in plan.steps if s.same is None and s.term.kind == REAL]
    computed = [s for s in own if not isinstance(s.term, (Access, Const))]
    return sum(s.wide for s in computed), len(computed)


def ordinary_page(found: Sequence[Found], points: int) -> str:
    """The page of "auto": every loss on ordinary data."""
    packages = ", ".join(f"{p} {version(p)}" for p in PACKAGES)
    steps = {f.name: float64_steps(f.name) for f in found}
    narrow = sum(wide == 0 for wide, _ in steps.values())
    kept = sum(all(r.firm.ok for r in f.rows if r.engine == "xla") for f in found if f.rows)
    lines = [
        "| loss | steps in float64 | points | value, mean | worst | gradient, mean | worst |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for f in found:
        if f.rows:
            count = f"{steps[f.name][0]} of {steps[f.name][1]}"
            lines.append(line(f.name, (count, *cells(f.rows, "xla")[:5])))
    failed = [f"- {f.name}: {f.error}" for f in found if f.error]
    return f"""# Accuracy on ordinary data

How many bits of value and gradient are wrong under `precision="auto"`, the default, on ordinary
float32 data (magnitudes from 1e-6 to 1e6, numbers close to each other, the ends of intervals):
at most {points:,} points a loss. [Accuracy](accuracy.md) has the same for "float64" and any floats.
Measured by `python bench/accuracy.py --ordinary --points {points}`: {days(found)};
{platform.machine()}, {packages}.

Of {len(found)} losses, {narrow} have no step in float64, and {kept} keep a mean of at most
{MEAN_BAR:.0f} bit and at worst {WORST_BAR:.0f} at all points where no terms of unlike sign cancel
to less than 1/8.

{chr(10).join(lines)}
{chr(10).join(["", "Not measured:", "", *failed, ""]) if failed else ""}"""


def days(found: Sequence[Found]) -> str:
    """When the losses were measured."""
    by_day = Counter(f.day for f in found)
    if len(by_day) == 1:
        return next(iter(by_day))
    return " and ".join(f"{day} ({count} losses)" for day, count in sorted(by_day.items()))


def survey(
    wanted: Sequence[str], points: int, seconds: float, processes: int, rows: Path | None,
    precision: Precision = FLOAT64,
) -> list[Found]:  # fmt: skip
    """All losses, some at once, in order; a line of JSON for each goes to the file `rows`."""
    work = partial(measured, points=points, seconds=seconds, precision=precision)
    found: list[Found] = []
    with get_context("spawn").Pool(processes) as pool:
        for k, one in enumerate(pool.imap(work, wanted)):
            found.append(one)
            print(f"{k + 1}/{len(wanted)} {one.name} {one.error}", file=sys.stderr)
            if rows is not None:
                with rows.open("a") as file:
                    print(json.dumps(asdict(one)), file=file)
    return found


def again(rows: Path) -> list[Found]:
    """What was measured before, in order; of a loss measured twice, the last."""
    said = [_found(json.loads(text)) for text in rows.read_text("utf-8").splitlines()]
    last = {found.name: found for found in said}
    return [last[name] for name in names() if name in last]


def _found(said: Mapping[str, Any]) -> Found:
    rows = [
        Row(**{**r, **{part: Figures(**r[part]) for part in ("figures", "firm", "cancelling")}})
        for r in said["rows"]
    ]
    return Found(said["name"], tuple(rows), said["error"], said["day"])


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=POINTS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--primitives", action="store_true")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--ordinary", action="store_true", help='"auto" on ordinary data')
    parser.add_argument("--rows", type=Path, help="a file to which each loss's rows are added")
    parser.add_argument("--again", action="store_true", help="write the page of the file of rows")
    args = parser.parse_args()
    if args.primitives:
        print(primitives_table(args.points))
        return
    if args.again:
        found = again(args.rows)
    else:
        how = AUTO if args.ordinary else FLOAT64
        wanted = args.only or names()
        found = survey(wanted, args.points, args.seconds, args.processes, args.rows, how)
    if args.only:
        print(keras_table(found), losses_table(found, "xla"), sep="\n\n")
        return
    if args.ordinary:
        ORDINARY_PAGE.write_text(ordinary_page(found, args.points), "utf-8")
        return
    PAGE.write_text(page(found, args.points, args.seconds, primitives_table(args.points)), "utf-8")


if __name__ == "__main__":
    main()
