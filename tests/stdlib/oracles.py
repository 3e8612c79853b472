"""Independent implementations of losses: their values, and their gradients by their own means.

An oracle takes the inputs by name, in the order of the implementation's arguments, and the names
to differentiate by. Everything is in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import lossc
from lossc.options import Options

Arrays = Mapping[str, np.ndarray]
Found = tuple[float, dict[str, np.ndarray]]
Oracle = Callable[[Arrays, Sequence[str]], Found]
STEP = 1e-6


def tensorflow(function: Callable[..., Any]) -> Oracle:
    """A function of TensorFlow tensors, or of Keras; its mean is the loss."""

    def run(arrays: Arrays, wrt: Sequence[str]) -> Found:
        import tensorflow as tf

        tensors = {name: tf.constant(x) for name, x in arrays.items()}
        with tf.GradientTape() as tape:
            tape.watch([tensors[name] for name in wrt])
            value = tf.reduce_mean(function(*tensors.values()))
        slopes = tape.gradient(value, [tensors[name] for name in wrt])
        return float(value), {n: np.asarray(g) for n, g in zip(wrt, slopes, strict=True)}

    return run


def torch(function: Callable[..., Any]) -> Oracle:
    """A function of torch tensors, with `torch.nn.functional` as its first argument."""

    def run(arrays: Arrays, wrt: Sequence[str]) -> Found:
        torch = pytest.importorskip("torch")
        tensors = {name: torch.tensor(x) for name, x in arrays.items()}
        for name in wrt:
            tensors[name].requires_grad_()
        value = function(torch.nn.functional, *tensors.values()).mean()
        value.backward()
        return value.item(), {name: tensors[name].grad.numpy() for name in wrt}

    return run


def optax(function: Callable[..., Any]) -> Oracle:
    """A function of JAX arrays, with `optax.losses` as its first argument; its mean is the loss."""

    def run(arrays: Arrays, wrt: Sequence[str]) -> Found:
        losses = pytest.importorskip("optax").losses
        jax = pytest.importorskip("jax")

        def value(chosen: dict[str, Any]) -> Any:
            return function(losses, *{**arrays, **chosen}.values()).mean()

        with jax.enable_x64(True):
            found, slopes = jax.value_and_grad(value)({name: arrays[name] for name in wrt})
            return float(found), {name: np.asarray(g) for name, g in slopes.items()}

    return run


def numpy(function: Callable[..., Any]) -> Oracle:
    """A function of NumPy arrays, or of SciPy; its mean is the loss, and its slopes differences."""

    def run(arrays: Arrays, wrt: Sequence[str]) -> Found:
        def value(name: str, x: np.ndarray) -> float:
            return float(np.mean(function(*{**arrays, name: x}.values())))

        slopes = {name: differences(lambda x, n=name: value(n, x), arrays[name]) for name in wrt}
        return float(np.mean(function(*arrays.values()))), slopes

    return run


def differences(value: Callable[[np.ndarray], float], x: np.ndarray) -> np.ndarray:
    """The gradient of a function of one array, by central differences."""
    slopes = np.zeros(np.shape(x))
    for place in np.ndindex(np.shape(x)):
        step = np.zeros(np.shape(x))
        step[place] = STEP * max(1, abs(x[place]))
        slopes[place] = (value(x + step) - value(x - step)) / (2 * step[place])
    return slopes


@dataclass(frozen=True)
class Case:
    """A loss of the library, another implementation of it, and data for both."""

    loss: str
    oracle: Oracle
    data: Callable[[np.random.Generator], dict[str, Any]]
    params: Mapping[str, Any] = field(default_factory=dict)
    wrt: tuple[str, ...] | None = None
    """The inputs to differentiate by; all but the first, unless named; () for the value alone."""

    def check(self) -> None:
        """Value and gradients agree to 1e-6, without XLA, which compiles each case for long."""
        loss = lossc.Loss(lossc.std[self.loss]._checked, Options(jit=False))
        arrays = {name: np.asarray(x) for name, x in self.data(np.random.default_rng(3)).items()}
        wrt = tuple(arrays)[1:] if self.wrt is None else self.wrt
        expected, slopes = self.oracle(arrays, wrt)
        value, grads = loss.value_and_grad(*arrays.values(), **self.params, wrt=wrt)
        assert float(value) == pytest.approx(expected, rel=1e-6, abs=1e-9)
        for name in wrt:
            mine = np.asarray(grads[name])
            np.testing.assert_allclose(mine, slopes[name], rtol=1e-6, atol=1e-7, err_msg=name)


def labelled(cases: Sequence[Case]) -> list[Any]:
    """The cases as parameters of a test, named after their losses."""
    return [pytest.param(case, id=case.loss) for case in cases]
