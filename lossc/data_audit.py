"""The audit of a loss on data: `lossc audit --data`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from lossc.compiler.audit.branches import branches
from lossc.compiler.audit.data import Carrier, DataReport, Pull, Ranged, Taken
from lossc.compiler.check import Checked
from lossc.compiler.wording import plural

from .data import Array
from .loss import Loss
from .options import Options
from .validate import find_outside, to_array

MOST = 10  # carriers that are shown
EXPLODING = 1000.0  # times the median
SHARES = (("1%", 0.01), ("10%", 0.1))


def audit_data(
    checked: Checked, inputs: Mapping[str, Any], params: Mapping[str, Any], source: str = "data"
) -> DataReport:
    """The audit on arrays by name.

    Raises ArgumentError where shapes do not fit the declarations.
    """
    loss = Loss(checked, Options(jit=False))
    arrays = {n: to_array(d, inputs[n]) for n, d in checked.inputs.items()}
    ranges = tuple(_ranges(checked, arrays, params))
    given: dict[str, Any] = {**arrays, **params}
    value, grads = loss.value_and_grad(**given)
    count = next((a.shape[0] for a in arrays.values() if a.ndim), 1)
    slopes = {n: _by_sample(g, count) for n, g in grads.items() if np.ndim(g)}
    scale = count if loss.separable and _is_mean(loss) else 1
    by, weights = _weights(loss, arrays, params, slopes)
    return DataReport(
        source, count, float(np.asarray(value)), ranges,
        tuple(_taken(loss, arrays, params)),
        tuple(_pull(name, scale * g) for name, g in slopes.items()),
        by, tuple(_carriers(weights)), tuple(_top(weights)), tuple(_notes(by, weights)),
    )  # fmt: skip


# --- ranges ---------------------------------------------------------------------------------------


def _ranges(
    checked: Checked, arrays: Mapping[str, Array], params: Mapping[str, Any]
) -> Iterator[Ranged]:
    """The values of the inputs, and of the params given, beside their domains."""
    bad = {o.decl.name: o for o in find_outside(checked, list(arrays.values()), params)}
    given = {n: to_array(checked.params[n], x) for n, x in params.items() if x is not None}
    for name, array in {**arrays, **given}.items():
        decl = checked.inputs.get(name) or checked.params[name]
        numbers = array.astype(np.float64)
        finite = numbers[np.isfinite(numbers)]
        low, high = (finite.min(), finite.max()) if finite.size else (np.nan, np.nan)
        outside = bad.get(name)
        yield Ranged(
            name, array.shape, array.dtype.name, decl.domain, float(low), float(high),
            int(np.isnan(numbers).sum()), int(np.isinf(numbers).sum()),
            outside.count if outside else 0, array.size, outside.fact if outside else "",
        )  # fmt: skip


# --- branches -------------------------------------------------------------------------------------


def _taken(loss: Loss, arrays: Mapping[str, Array], params: Mapping[str, Any]) -> Iterator[Taken]:
    """How often each side of each branch is taken."""
    checked = loss._runtime.fixed(params)
    for branch in branches(checked):
        programs = [branch.met, *(s.count for s in branch.sides)]
        met, *counts = (_count(checked, p, arrays, params) for p in programs)
        sides = tuple((s.label, n) for s, n in zip(branch.sides, counts, strict=True))
        yield Taken(branch.name, branch.text, branch.span.line, branch.span.column, met, sides)


def _count(
    checked: Checked, program: Any, arrays: Mapping[str, Array], params: Mapping[str, Any]
) -> int:
    counting = Loss(replace(checked, program=program), Options(jit=False, stable=False))
    given: dict[str, Any] = {**arrays}
    given |= {n: v for n, v in params.items() if n not in checked.static}
    return round(float(np.asarray(counting(**given))))


# --- gradients ------------------------------------------------------------------------------------


def _is_mean(loss: Loss) -> bool:
    found = loss._separated
    return found is not None and found.op == "mean"


def _by_sample(gradient: Any, samples: int) -> Array:
    """The largest element of each sample's gradient; NaN where one is not finite."""
    array = np.asarray(gradient, dtype=np.float64)
    rows = np.abs(array.reshape(array.shape[0], -1))
    rows = np.where(np.isfinite(rows), rows, np.nan)
    most: Array = rows.max(axis=1) if rows.size else np.zeros(samples)
    return most


def _pull(name: str, sizes: Array) -> Pull:
    """The gradient in an input in few numbers."""
    finite = np.isfinite(sizes)
    known = np.where(finite, sizes, 0.0)
    alive = known[known > 0]
    median = float(np.median(alive)) if alive.size else 0.0
    return Pull(
        name, sizes.size, int((finite & (sizes == 0)).sum()),
        int((known > EXPLODING * median).sum()) if median else 0, int((~finite).sum()),
        median, float(known.max(initial=0.0)), int(np.argmax(known)) if known.size else 0,
    )  # fmt: skip


# --- carriers -------------------------------------------------------------------------------------


def _weights(
    loss: Loss, arrays: Mapping[str, Array], params: Mapping[str, Any], slopes: Mapping[str, Array]
) -> tuple[str, Array]:
    """What each sample has of the loss: its value, or the size of its gradient."""
    if loss.separable:
        given: dict[str, Any] = {**arrays, **params}
        values = np.asarray(loss.per_sample(**given), dtype=np.float64)
        return "value", values.reshape(values.shape[0], -1).sum(axis=1)
    names = list(slopes)
    if not names:
        return "value", np.zeros(0)
    name = names[1] if len(names) > 1 else names[0]
    return f"size of the gradient in {name}", slopes[name]


def _notes(by: str, weights: Array) -> Iterator[str]:
    bad = int((~np.isfinite(weights)).sum())
    if bad:
        said = plural(bad, "sample has", "samples have")
        yield f"{said} a {by} that is not finite; shares are of the others"


def _carriers(weights: Array) -> Iterator[Carrier]:
    """The samples that have most, with their shares."""
    sizes = np.abs(np.where(np.isfinite(weights), weights, 0.0))
    total = float(sizes.sum())
    if total == 0:
        return
    for k in np.argsort(-sizes, kind="stable")[:MOST]:
        if sizes[k] > 0:
            yield Carrier(int(k), float(weights[k]), float(sizes[k] / total))


def _top(weights: Array) -> Iterator[tuple[str, float]]:
    """The shares of the samples that have most."""
    sizes = np.sort(np.abs(np.where(np.isfinite(weights), weights, 0.0)))[::-1]
    total = float(np.sum(sizes))
    if total == 0:
        return
    for name, part in SHARES:
        n = max(1, round(part * len(sizes)))
        yield name, float(np.sum(sizes[:n]) / total)
