"""Samples of inputs and params from their declared domains."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise, product
from random import Random
from typing import Any

import numpy as np
from mpmath import mp

from .. import domains as dom
from ..arithmetic import NEAREST, Value
from ..elaborate.declare import Input, Param
from ..interpret import Machine
from ..ir import BOOL, INT, REAL, Axis, Const, Expr
from .point import Array

Decl = Input | Param

# How values are chosen: in the interior, near 1/2 where any real will do, at the edges, at 0.
INSIDE, MILD, EDGE, ZERO = "inside", "mild", "edge", "zero"

GRID = 1 << 20  # samples are multiples of 1 / GRID, so that sums and differences are exact
CLOSE = mp.mpf(1) / (1 << 10)  # from an open end


@dataclass
class Sampler:
    """Draws values for the tensors of a loss; bounds of domains may use sizes and params."""

    rng: Random
    sizes: Mapping[Axis, int]
    params: dict[str, Array] = field(default_factory=dict)

    def draw_params(self, decls: Sequence[Param], vary: Collection[str]) -> dict[str, Array]:
        """The defaults of params, or admissible values near them for those that are named."""
        self.params |= {d.name: self.param(d, False) for d in decls}
        for decl in decls:
            if decl.name in vary:
                self.params[decl.name] = self.param(decl, True)
        return {d.name: self.params[d.name] for d in decls}

    def param(self, decl: Param, vary: bool) -> Array:
        """The default of a param, or an admissible value near it."""
        array = exact_array(decl.default)
        if not vary or decl.tensor.kind != REAL:
            return array
        if isinstance(decl.meaning, dom.Simplex | dom.OneHot | dom.Values):
            return self.array(decl, INSIDE)
        near = self._map(array, self.near)
        inside = all(self.contains(decl.meaning, x) for x in near.flat)
        return near if inside else self.array(decl, INSIDE)

    def near(self, x: Value) -> Value:
        """A number of the same sign and size."""
        return x * (1 + self.unit() / 2) if x else self.unit() / 4

    def array(self, decl: Decl, style: str) -> Array:
        """Values of a tensor."""
        shape = tuple(self.length(a) for a in decl.tensor.axes)
        return self.fill(decl.meaning, decl.tensor.axes, shape, style)

    def fill(
        self, domain: dom.Domain, axes: Sequence[Axis], shape: tuple[int, ...], style: str
    ) -> Array:
        """An array of values of a domain."""
        if isinstance(domain, dom.Union) and any(map(_is_joint, domain.parts)):
            domain = self.rng.choice([p for p in domain.parts if _is_joint(p)])
        if isinstance(domain, dom.Simplex | dom.OneHot):
            return self.distribution(domain, axes, shape, style)
        out = np.empty(shape, dtype=object)
        for place in product(*map(range, shape)):
            out[place] = self.number(domain, style)
        return out

    def distribution(
        self, domain: dom.Simplex | dom.OneHot, axes: Sequence[Axis], shape: tuple[int, ...],
        style: str,
    ) -> Array:  # fmt: skip
        """Distributions along an axis, exact: their sum is 1."""
        names = [a.name for a in axes]
        axis = names.index(domain.axis.name) if domain.axis.name in names else len(shape) - 1
        out = np.empty(shape, dtype=object)
        rows = np.moveaxis(out, axis, -1)
        for place in product(*map(range, rows.shape[:-1])):
            sure = isinstance(domain, dom.OneHot) or (style == EDGE and self.rng.random() < 0.5)
            row = self.one_hot(rows.shape[-1]) if sure else self.simplex(rows.shape[-1])
            rows[place] = row
        return out

    def one_hot(self, length: int) -> list[Value]:
        """Zeros and a one."""
        hot = self.rng.randrange(length)
        return [mp.mpf(int(k == hot)) for k in range(length)]

    def simplex(self, length: int) -> list[Value]:
        """Positive multiples of 1 / GRID whose sum is 1."""
        cuts = sorted(self.rng.sample(range(1, GRID), length - 1))
        ends = [0, *cuts, GRID]
        return [mp.mpf(b - a) / GRID for a, b in pairwise(ends)]

    def number(self, domain: dom.Domain, style: str) -> Value:
        """A value of a domain whose elements are independent."""
        match domain:
            case dom.Between():
                return self.between(domain, style)
            case dom.Bools():
                return self.rng.random() < 0.5
            case dom.Ints():
                return mp.mpf(self.rng.randint(-3, 3))
            case dom.IntRange(low, high):
                first, last = int(self.bound(low)), self.bound(high)
                return mp.mpf(self.rng.randint(first, int(min(last, first + 4))))
            case dom.Values(values):
                return self.bound(self.rng.choice(values))
            case dom.IndexOf(axis):
                return mp.mpf(self.rng.randrange(self.length(axis)))
            case dom.Union(parts):
                return self.number(self.rng.choice(parts), style)
        return self.real(style)

    def real(self, style: str) -> Value:
        """Any real."""
        if style == ZERO:
            return mp.mpf(0)
        return (1 + 7 * self.unit()) / 8 if style == MILD else 4 * self.unit() - 2

    def between(self, domain: dom.Between, style: str) -> Value:
        """A real of an interval."""
        low, high = self.ends(domain)
        if style == ZERO and self.contains(domain, mp.mpf(0)):
            return mp.mpf(0)
        width = high - low if mp.isfinite(high - low) else mp.mpf(4)
        ends = [low + width * CLOSE * domain.low_open, high - width * CLOSE * domain.high_open]
        side = self.rng.randrange(3)
        if style == EDGE and side < 2 and mp.isfinite(ends[side]):
            return ends[side]
        share = (1 + 30 * self.unit()) / 32 * width
        if mp.isfinite(low):
            return low + share
        return high - share if mp.isfinite(high) else share - 2

    def ends(self, domain: dom.Between) -> tuple[Value, Value]:
        """The bounds of an interval, infinite where it has none."""
        low = -mp.inf if domain.low is None else self.bound(domain.low)
        return low, mp.inf if domain.high is None else self.bound(domain.high)

    def contains(self, domain: dom.Domain, x: Value) -> bool:
        """Whether a single number is surely in a domain."""
        match domain:
            case dom.Reals():
                return True
            case dom.Between():
                low, high = self.ends(domain)
                above = x > low or (x == low and not domain.low_open)
                return bool(above and (x < high or (x == high and not domain.high_open)))
            case dom.Values(values):
                return any(self.bound(v) == x for v in values)
            case dom.Union(parts):
                return any(self.contains(p, x) for p in parts)
        return False

    def bound(self, term: Expr) -> Value:
        """The value of a bound."""
        if isinstance(term, Const) and isinstance(term.value, Fraction):
            return NEAREST.number(term.value)
        return Machine(self.sizes, self.params).run(term, {})

    def length(self, axis: Axis) -> int:
        return axis.size if axis.size is not None else self.sizes[axis]

    def unit(self) -> Value:
        """A number between 0 and 1."""
        return mp.mpf(self.rng.randrange(1, GRID)) / GRID

    @staticmethod
    def _map(array: Array, function: Any) -> Array:
        out = np.empty(array.shape, dtype=object)
        for place in product(*map(range, array.shape)):
            out[place] = function(array[place])
        return out


def exact_array(value: Any) -> Array:
    """A default, or a list of them, as mpmath numbers and bools."""
    return np.array(_exact(value), dtype=object)


def _exact(value: Any) -> Any:
    match value:
        case tuple() | list():
            return [_exact(v) for v in value]
        case str():
            sign, name = (-1, value[1:]) if value.startswith("-") else (1, value)
            return sign * {"pi": +mp.pi, "e": +mp.e, "inf": mp.inf}[name]
        case bool() | None:
            return value
        case Fraction():
            return mp.mpf(value.numerator) / value.denominator
    return mp.mpf(value)


def _is_joint(domain: dom.Domain) -> bool:
    """Whether the elements of a domain depend on each other."""
    return isinstance(domain, dom.Simplex | dom.OneHot)


def as_float(array: Array, kind: str, dtype: type = np.float64) -> Array:
    """An array as NumPy has it: floats, int64 or bool."""
    if kind in (BOOL, INT):
        return array.astype(np.bool_ if kind == BOOL else np.int64)
    return array.astype(np.float64).astype(dtype)
