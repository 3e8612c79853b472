"""What XLA makes of a loss, for sample shapes. Imports TensorFlow."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lossc.compiler.check import Checked
from lossc.compiler.elaborate.declare import Input
from lossc.compiler.ir import BOOL, INT
from lossc.dsl.diagnostics import LosscError
from lossc.loading import load
from lossc.options import DEFAULT, Options

from .terminal import usage_error

LENGTH = 8
_METADATA = re.compile(r",? metadata=\{[^{}]*\}")
_DTYPES = {BOOL: np.bool_, INT: np.int32}


def optimized(
    checked: Checked,
    sizes: Mapping[str, int],
    options: Options = DEFAULT,
    wrt: tuple[str, ...] = (),
) -> str:  # fmt: skip
    """The optimised HLO of a loss's value on float32 data with axes of the given lengths.

    With `wrt` it is that of the value and the gradients in those names.
    """
    quiet()
    import tensorflow as tf

    from lossc.runtime import Job, Runtime, Task

    _check_names(checked, sizes)
    runtime = Runtime(checked, options)
    tensors = runtime.tensors([_sample(i, sizes) for i in checked.inputs.values()])
    values = runtime.param_tensors(checked, {}, tensors)
    runtime.check(checked, tensors, values)
    function = tf.function(
        runtime.body(Job(Task(wrt=wrt)), checked), jit_compile=True, autograph=False
    )
    compiler = function.experimental_get_compiler_ir(*tensors, *values)
    return _METADATA.sub("", str(compiler(stage="optimized_hlo"))).strip()


def quiet() -> None:
    """Import TensorFlow, and what runs on it, without its greetings on standard error."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept = os.dup(2)
    hidden = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(hidden, 2)
        load("lossc.runtime")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(hidden)


def _check_names(checked: Checked, sizes: Mapping[str, int]) -> None:
    known = {axis.name for i in checked.inputs.values() for axis in i.tensor.axes}
    wrong = [name for name in sizes if name not in known]
    if wrong:
        have = ", ".join(sorted(n for n in known if not n.startswith("#"))) or "none"
        raise _no_axis(checked.name, wrong[0], have)


def _no_axis(loss: str, axis: str, have: str) -> LosscError:
    return usage_error(f"`{loss}` has no axis `{axis}`", help=f"there are: {have}")


def _sample(decl: Input, sizes: Mapping[str, int]) -> Any:
    shape = [
        axis.size if axis.size is not None else sizes.get(axis.name, LENGTH)
        for axis in decl.tensor.axes
    ]
    return np.zeros(shape, _DTYPES.get(decl.tensor.kind, np.float32))
