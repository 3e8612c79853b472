"""TensorFlow's own automatic gradient of a program: an oracle for the derived one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ..ir import Program
from .to_tf import emit

Array = np.ndarray[Any, Any]


def automatic_gradient(
    program: Program, wrt: Sequence[str]
) -> Callable[[Mapping[str, Array]], dict[str, Array]]:
    """A function from arrays to the gradients of a scalar program by name, computed eagerly."""
    build = emit(program)

    def gradient(arrays: Mapping[str, Array]) -> dict[str, Array]:
        tensors = {name: tf.constant(array) for name, array in arrays.items()}
        watched = {name: tensors[name] for name in wrt}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(watched)
            value = build(tensors)
        zero = tf.UnconnectedGradients.ZERO
        found = tape.gradient(value, watched, unconnected_gradients=zero)
        return {name: np.asarray(tf.convert_to_tensor(g)) for name, g in found.items()}

    return gradient
