"""How large the arrays of a plan are."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from ..ir import Index, Reduce
from .arrays import Length, Lengths, Tensor, extreme
from .schedule import Plan, merge


def work(plan: Plan, tensors: Mapping[str, Tensor], guess: int | None = None) -> Length:
    """The number of elements of the largest array, or of terms of the largest sum of products.

    It is an int if all lengths are known, or if there is a guess for those that are not.
    """
    lengths = Lengths(plan, tensors, guess)
    volumes = [lengths.volume(indices) for indices in _largest(plan)]
    return extreme([1, *volumes], max, tf.maximum)


def _largest(plan: Plan) -> list[frozenset[Index]]:
    """The sets of indices that steps run over, without those that others contain."""
    found: list[frozenset[Index]] = []
    for step in plan.steps:
        over = step.term.indices if isinstance(step.term, Reduce) else ()
        read = (plan.steps[a].axes for a in step.args)
        indices = frozenset(merge([*read, step.axes, over]))
        if not any(indices <= other for other in found):
            found = [other for other in found if not other <= indices]
            found.append(indices)
    return found
