"""Losses of the corpus as cases: their NumPy references, on their own data."""

from __future__ import annotations

from typing import Any

import numpy as np

import lossc
from tests.corpus.reference import Record, records
from tests.stdlib.oracles import Case, numpy

RECORDS = {record.name: record for record in records()}


def corpus(loss: str, record: str | None = None, **params: Any) -> Case:
    """A loss of the library against the record that it is; inputs are matched by position.

    `params` are those of the library's loss, with the values that the record has by default.
    """
    chosen = RECORDS[record or loss]
    theirs = list(lossc.load(chosen.path)[chosen.name].inputs)
    mine = dict(zip(theirs, lossc.std[loss].inputs, strict=True))

    def data(_: np.random.Generator) -> dict[str, Any]:
        inputs = chosen.inputs()
        return {mine[name]: inputs[name] for name in theirs}

    slopes = () if chosen.stops_gradient else chosen.differentiable
    wrt = tuple(mine[name] for name in slopes)
    return Case(loss, numpy(lambda *xs: _value(chosen, theirs, xs)), data, params, wrt)


def _value(record: Record, names: list[str], arrays: tuple[Any, ...]) -> float:
    return record.value(dict(zip(names, arrays, strict=True)))
