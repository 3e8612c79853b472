"""Samples of domains, uniform over the floats that they hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mpmath import mp

from .. import domains as dom
from ..arithmetic import Value
from ..elaborate.declare import Param
from ..gradcheck.point import Array
from ..gradcheck.sampling import EDGE, MILD, ZERO, Sampler
from ..ir import Access, postorder
from .floats import FLOAT32, Format

FLOATS = "floats"  # any float, each as likely
ORDINARY = "ordinary"  # of magnitudes from 1e-6 to 1e6
NEAR_END = 1 / 4  # of the samples lie next to an end of their interval that is not 0
CORNERS = 8  # places from an end, that count as a corner


@dataclass
class FloatSampler(Sampler):
    """Draws the numbers of a format."""

    format: Format = FLOAT32
    known: dict[dom.Between, tuple[int, int]] = field(default_factory=dict)

    def param(self, decl: Param, vary: bool) -> Array:
        """The default of a param, or an admissible value near it, in the format."""
        array = super().param(decl, vary)
        return self._map(array, self.rounded) if decl.tensor.kind == "real" else array

    def rounded(self, x: Any) -> Any:
        """The nearest number of the format."""
        return x if x is None or isinstance(x, bool) else self.format.nearest(x)

    def real(self, style: str) -> Value:
        """Any number."""
        return self.between(dom.Between(None, None), style)

    def between(self, domain: dom.Between, style: str) -> Value:
        """A number of an interval."""
        low, high = self.places(domain)
        if style == ZERO and low <= 0 <= high:
            return mp.mpf(0)
        if style == EDGE:
            return self.corner(low, high)
        if style in (MILD, ORDINARY):
            return self.ordinary(low, high, *self.format.usual(6 if style == MILD else 20))
        if self.rng.random() < NEAR_END:
            return self.near_end(low, high)
        return self.format.number(self.rng.randint(low, high))

    def places(self, domain: dom.Between) -> tuple[int, int]:
        """The first and the last place of an interval in the order of the format.

        They are kept where the interval depends on no param.
        """
        if domain in self.known:
            return self.known[domain]
        found = self._places(domain)
        if not any(isinstance(t, Access) for end in (domain.low, domain.high) if end is not None
                   for t in postorder(end)):  # fmt: skip
            self.known[domain] = found
        return found

    def _places(self, domain: dom.Between) -> tuple[int, int]:
        f = self.format
        low, high = self.ends(domain)
        first = -f.count if mp.isinf(low) else f.place(low)
        if mp.isfinite(low) and (f.number(first) < low or domain.low_open):
            first += 1
        last = f.place(high)
        if mp.isfinite(high) and domain.high_open and f.number(last) == high:
            last -= 1
        return first, max(first, last)

    def corner(self, low: int, high: int) -> Value:
        """A number at an end, or one of 0, 1, -1 and small ones, or next to these.

        Small ones next to each other differ by a normal number.
        """
        f = self.format
        one, small = f.place(mp.mpf(1)), f.place(mp.ldexp(f.tiny, f.digits))
        known = [k for k in (low, high, 0, small, -small, one, -one) if low <= k <= high]
        place = self.rng.choice(known)
        step = self.rng.choice((0, 0, 0, 1, -1, self.rng.randint(-CORNERS, CORNERS)))
        return f.number(min(max(place + step, low), high))

    def ordinary(self, low: int, high: int, least: int, most: int) -> Value:
        """A number of a usual size."""
        f = self.format
        spans = [(max(a, low), min(b, high)) for a, b in ((-most, -least), (least, most))]
        spans = [(a, b) for a, b in spans if a <= b]
        if not spans:
            return f.number(self.rng.randint(low, high))
        weights = [b - a + 1 for a, b in spans]
        return f.number(self.rng.randint(*self.rng.choices(spans, weights)[0]))

    def near_end(self, low: int, high: int) -> Value:
        """A number whose distance from a finite end that is not 0 has any exponent."""
        f = self.format
        ends = [k for k in (low, high) if abs(k) > 1 and abs(k) < f.count]
        if not ends:
            return f.number(self.rng.randint(low, high))
        end = self.rng.choice(ends)
        distance = int(2 ** (self.rng.random() * f.digits)) - 1
        return f.number(min(end + distance, high) if end == low else max(end - distance, low))

    def simplex(self, length: int) -> list[Value]:
        """Numbers of the format whose sum is exactly 1: most have any exponent."""
        whole = 1 << (self.format.digits - 1)
        rest, parts = whole, []
        for _ in range(length - 1):
            part = min(rest, int(2 ** (self.rng.random() * self.format.digits)) - 1)
            part = rest - part if self.rng.random() < 1 / 4 else part
            parts.append(part)
            rest -= part
        parts.append(rest)
        self.rng.shuffle(parts)
        return [mp.mpf(p) / whole for p in parts]
