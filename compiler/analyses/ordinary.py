"""Ordinary data: what the tensors of a loss are like in practice, drawn from their domains.

Magnitudes lie between 2^-20 and 2^20, all of one size or not; numbers come as they do in losses:
equal to others or close to them, 0 and the ends of an interval, next to an end, logits up to some
hundred, near certainty in a simplex. Params are near their defaults.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .. import domains as dom
from ..elaborate.declare import Default
from ..ir import INT, Access, Apply, Axis, Const, Expr, Size, Tensor, postorder
from ..numeric import constant, function

Array = np.ndarray[Any, Any]
SPREAD = 20.0  # of magnitudes, in powers of 2
MOST = 256.0  # of unbounded integers
NEAREST_END = 24.0  # the powers of 2 by which a number is close to an end
LOGITS = 30.0
NUMBERS = (dom.Reals, dom.Between, dom.Ints)


@dataclass
class Ordinary:
    """Draws tensors for a number of samples, each of its own style; the samples come first."""

    domains: Mapping[str, dom.Domain]
    sizes: Callable[[Axis], int]
    samples: int
    defaults: Mapping[str, Default] = field(default_factory=dict)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(20240229))
    drawn: dict[str, Array] = field(default_factory=dict)

    def draw(self, tensor: Tensor) -> Array:
        """Values of a tensor, as float64."""
        if tensor.name not in self.drawn:
            shape = (self.samples, *map(self.sizes, tensor.axes))
            domain = self.domains.get(tensor.name, dom.Reals())
            if tensor.name in self.defaults:
                value = self.near_default(domain, tensor, shape)
            else:
                value = self.beside(self.values(domain, tensor, shape), domain, tensor, shape)
            self.drawn[tensor.name] = value
        return self.drawn[tensor.name]

    def near_default(self, domain: dom.Domain, tensor: Tensor, shape: tuple[int, ...]) -> Array:
        """The default of a param; if it is real, in some samples a number of its size."""
        default = np.resize(_floats(self.defaults[tensor.name]), shape[1:] or 1)
        value = np.broadcast_to(default.reshape(1, *shape[1:]), shape)
        if not isinstance(domain, dom.Reals | dom.Between):
            return value
        other = self.held(value * np.exp2(self.powers(shape, -2, 2)), domain)
        return np.where(self.style(shape, 4) == 3, other, value)

    def beside(
        self, value: Array, domain: dom.Domain, tensor: Tensor, shape: tuple[int, ...]
    ) -> Array:
        """The values, in some samples close to those of an earlier tensor of the shape."""
        others = (o for n, o in self.drawn.items() if o.shape == shape and n not in self.defaults)
        other = next(others, None)
        if other is None or not isinstance(domain, NUMBERS):
            return value
        step = np.sign(value) * np.exp2(-self.powers(shape, 1, NEAREST_END))
        close = self.held(other * (1 + step), domain)
        close = np.rint(close) if tensor.kind == INT else close
        return np.where(self.style(shape, 4) == 3, close, value)

    def values(self, domain: dom.Domain, tensor: Tensor, shape: tuple[int, ...]) -> Array:
        match domain:
            case dom.Reals():
                return self.reals(shape)
            case dom.Between():
                return self.between(domain, shape)
            case dom.Ints():
                return self.rng.choice((-1.0, 1.0), shape) * self.counts(shape)
            case dom.Bools():
                return self.rng.integers(0, 2, shape).astype(float)
            case dom.IntRange():
                low, high = self.scalar(domain.low, -MOST), self.scalar(domain.high, MOST)
                if not np.isfinite(high).all():
                    return self.across(np.maximum(low, -MOST), shape) + self.counts(shape)
                low = np.maximum(low, high - MOST)
                return np.floor(
                    self.across(low, shape)
                    + self.rng.random(shape) * self.across(high - low + 1, shape)
                )
            case dom.Values():
                choices = [
                    np.broadcast_to(self.scalar(v, 0.0), (self.samples,)) for v in domain.values
                ]
                which = self.rng.integers(0, len(choices), shape)
                rows = np.arange(self.samples).reshape(-1, *[1] * (len(shape) - 1))
                return np.asarray(np.stack(choices)[which, rows])
            case dom.IndexOf():
                return self.rng.integers(0, max(self.sizes(domain.axis), 1), shape).astype(float)
            case dom.Simplex():
                return self.simplex(shape, 1 + tensor.axes.index(domain.axis))
            case dom.OneHot():
                return self.one_hot(shape, 1 + tensor.axes.index(domain.axis))
            case dom.Union():
                parts = [self.values(p, tensor, shape) for p in domain.parts]
                which = self.rng.integers(0, len(parts), shape)
                if any(isinstance(p, dom.Simplex | dom.OneHot) for p in domain.parts):
                    which = self.style(shape, len(parts))
                return np.choose(np.broadcast_to(which, shape), parts)
        raise TypeError(f"no such domain: {type(domain).__name__}")

    def counts(self, shape: tuple[int, ...]) -> Array:
        """Small and large numbers of things."""
        return np.floor(np.exp2(self.powers(shape, 0, math.log2(MOST)))) - 1

    # --- reals

    def style(self, shape: Sequence[int], count: int) -> Array:
        """A number below `count` for each sample."""
        return self.rng.integers(0, count, (self.samples, *[1] * (len(shape) - 1)))

    def powers(self, shape: tuple[int, ...], low: float, high: float) -> Array:
        return self.rng.uniform(low, high, shape)

    def reals(self, shape: tuple[int, ...]) -> Array:
        """Normal numbers, of one size or of many, and logits."""
        one_size = (self.samples, *[1] * (len(shape) - 1))
        normal = self.rng.standard_normal(shape)
        unit = normal * np.exp2(self.powers(one_size, -3, 3))
        styles = [
            unit,
            unit,
            np.where(self.rng.random(shape) < 0.2, 0.0, unit),
            normal * LOGITS * self.rng.random(one_size),
            np.sign(normal) * np.exp2(self.powers(shape, -SPREAD, SPREAD)),
            normal * np.exp2(self.powers(one_size, -SPREAD, SPREAD)),
        ]
        return np.choose(np.broadcast_to(self.style(shape, len(styles)), shape), styles)

    def between(self, domain: dom.Between, shape: tuple[int, ...]) -> Array:
        """Numbers of an interval: inside, next to an end, and at a closed one."""
        domain = replace(
            domain,
            low=None if _is_infinite(domain.low) else domain.low,
            high=None if _is_infinite(domain.high) else domain.high,
        )
        if domain.low is None and domain.high is None:
            return self.reals(shape)
        if domain.low is None or domain.high is None:
            end = self.scalar(domain.low or domain.high, 0.0)
            away = np.abs(self.reals(shape))
            closed = not (domain.low_open if domain.high is None else domain.high_open)
            if closed:
                away = np.where(self.rng.random(shape) < 0.1, 0.0, away)
            else:
                away = np.maximum(away, 2.0**-SPREAD)
            sign = 1.0 if domain.high is None else -1.0
            return np.asarray(self.across(end, shape) + sign * away)
        low, high = self.scalar(domain.low, 0.0), self.scalar(domain.high, 1.0)
        share = self.rng.random(shape)
        near = np.exp2(-self.powers(shape, 1, NEAREST_END))
        which = self.rng.random(shape)
        share = np.where(which < 0.2, near, np.where(which < 0.4, 1 - near, share))
        if not domain.low_open:
            share = np.where((which > 0.4) & (which < 0.48), 0.0, share)
        if not domain.high_open:
            share = np.where((which > 0.48) & (which < 0.56), 1.0, share)
        if not (domain.low_open or domain.high_open):
            share = np.where(self.style(shape, 2) == 1, np.rint(share), share)
        low, high = self.across(low, shape), self.across(high, shape)
        return np.asarray(
            np.where(share < 0.5, low + share * (high - low), high - (1 - share) * (high - low))
        )

    def held(self, x: Array, domain: dom.Domain) -> Array:
        """Numbers moved into an interval."""
        if isinstance(domain, dom.Between):
            tiny = 2.0**-NEAREST_END
            if domain.low is not None:
                low = self.across(self.scalar(domain.low, 0.0), x.shape)
                x = np.maximum(x, low + (tiny if domain.low_open else 0))
            if domain.high is not None:
                high = self.across(self.scalar(domain.high, 0.0), x.shape)
                x = np.minimum(x, high - (tiny if domain.high_open else 0))
        return x

    def simplex(self, shape: tuple[int, ...], axis: int) -> Array:
        """Softmaxes of normal numbers, up to near certainty, and one-hot ones."""
        one_size = (self.samples, *[1] * (len(shape) - 1))
        logits = self.rng.standard_normal(shape) * np.exp2(self.powers(one_size, -2, 4))
        p = np.exp(logits - logits.max(axis, keepdims=True))
        p = p / p.sum(axis, keepdims=True)
        return np.where(self.style(shape, 5) == 4, self.one_hot(shape, axis), p)

    def one_hot(self, shape: tuple[int, ...], axis: int) -> Array:
        draws = self.rng.random(shape)
        return np.asarray(draws == draws.max(axis, keepdims=True), dtype=float)

    # --- ends of domains

    def across(self, x: Array, shape: Sequence[int]) -> Array:
        """A number for each sample, beside arrays of a shape."""
        return np.reshape(x, (-1, *[1] * (len(shape) - 1)))

    def scalar(self, term: Expr | None, default: float) -> Array:
        """A closed term for each sample, of the params as drawn."""
        if term is None:
            return np.full(1, default)
        done: dict[Expr, Array] = {}
        for t in postorder(term):
            match t:
                case Const():
                    done[t] = np.full(1, constant(t.value))
                case Size():
                    done[t] = np.full(1, float(self.sizes(t.axis)))
                case Access():
                    done[t] = self.draw(t.tensor).reshape(self.samples, -1)[:, 0]
                case Apply():
                    done[t] = function(t.op)(*(done[p] for p in t.parts))
                case _:
                    return np.full(1, default)
        return np.asarray(done[term], dtype=float)


def _is_infinite(end: Expr | None) -> bool:
    parts = [] if end is None else postorder(end)
    return any(isinstance(t, Const) and t.value == "inf" for t in parts)


def _floats(default: Default) -> Array:
    """A default as floats; NaN for `none`."""
    if isinstance(default, tuple):
        return np.asarray([_floats(part) for part in default])
    return np.asarray(constant(default), dtype=float)
