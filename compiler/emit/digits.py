"""Numbers in all their digits: the arithmetic of integers, in TensorFlow.

A number is a sum of digits times powers of BASE, one a place of the last dim of a tensor in double
precision. Digits are whole numbers of either sign below a bound, which grows as they are added and
multiplied; before it reaches 2^53, what is beyond BASE / 2 is carried to the next place. The last
place is carried nowhere, so that no number is too large.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce as fold
from typing import Any

import tensorflow as tf

Tensor = Any
BITS = 16
BASE, HALF = 2.0**BITS, 2.0 ** (BITS - 1)
# Digits that are as small as carries make them: the first that is not 0 tells the sign.
NORMAL = HALF + 2
# Whole numbers above this one are not all floats.
EXACT = 2.0**53
# The largest power of 2 by which digits are multiplied at once; twice that is beyond all floats.
FAR = 1016
# How many numbers a sum over dims may have: with fewer than 256 digits each, it is exact.
MANY = 2**15
# The places of fractions, which have no end of them.
FRACTION = 16
# The lowest place and the number of places of a float of single precision, and of a param.
FLOAT, PARAM = (-10, 19), (-13, 22)


@dataclass(frozen=True, eq=False)
class Digits:
    """Digits, lowest first; the first place is that of `BASE ** low`. None is above the bound."""

    places: Tensor
    low: int
    bound: float

    @property
    def count(self) -> int:
        """How many places there are."""
        return int(self.places.shape[-1])

    @property
    def high(self) -> int:
        """The place after the last."""
        return self.low + self.count


def digits_of(x: Tensor, low: int, count: int) -> Digits:
    """The digits of floats; what lies below the lowest place is rounded."""
    powers = [2.0 ** (-BITS * k) for k in range(low, low + count)]
    wholes = tf.floor(tf.cast(x, tf.float64)[..., None] * tf.constant(powers, tf.float64) + 0.5)
    above = tf.concat([wholes[..., 1:], tf.zeros_like(wholes[..., :1])], -1)
    return Digits(wholes - BASE * above, low, NORMAL)


def constant(number: Fraction) -> Digits:
    """A number; a fraction is rounded below the lowest place."""
    rest, places = round(number * Fraction(BASE) ** FRACTION), list[int]()
    while rest or not places:
        digit = (rest + int(HALF)) % int(BASE) - int(HALF)
        places.append(digit)
        rest = (rest - digit) // int(BASE)
    low = next((k for k, digit in enumerate(places) if digit), FRACTION)
    return Digits(tf.constant(places[low:] or [0], tf.float64), low - FRACTION, NORMAL)


def inverse(count: Tensor) -> Digits:
    """1 by whole numbers from 1 up to 2^31, by long division."""

    def divide(k: Tensor, rest: Tensor, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        digit = tf.floor(rest * BASE / count)
        here = tf.one_hot(k, FRACTION, dtype=tf.float64) > 0
        return k - 1, rest * BASE - digit * count, tf.where(here, digit[..., None], places)

    places = tf.zeros_like(count)[..., None] + tf.zeros([FRACTION], tf.float64)
    start = tf.constant(FRACTION - 1), tf.ones_like(count), places
    _, _, places = tf.while_loop(lambda k, *_: k >= 0, divide, start)
    return Digits(places, -FRACTION, BASE)


def rounded(x: Digits) -> Tensor:
    """Numbers in double precision, right to a few of its last places; wrong beyond its range."""
    x = normal(x)
    halves = [2.0 ** max(-FAR, min(BITS // 2 * k, FAR)) for k in range(x.low, x.high)]
    roots = tf.constant(halves, tf.float64)
    return tf.reduce_sum(x.places * roots * roots, -1)


def add(x: Digits, y: Digits) -> Digits:
    """Sums."""
    x, y = _alike(x, y)
    return Digits(x.places + y.places, x.low, x.bound + y.bound)


def negative(x: Digits) -> Digits:
    """Numbers with their signs turned."""
    return Digits(-x.places, x.low, x.bound)


def subtract(x: Digits, y: Digits) -> Digits:
    """Differences."""
    return add(x, negative(y))


def multiply(x: Digits, y: Digits) -> Digits:
    """Products."""
    x, y = _small(x, y)
    return _by_places(x.places[..., :, None] * y.places[..., None, :], x, y)


def power(x: Digits, n: int) -> Digits:
    """Whole powers, from 1 up."""
    return fold(multiply, [x] * n)


def contracted(formula: str, x: Digits, y: Digits) -> Digits:
    """Sums of products, by a formula of einsum's for all dims but that of the digits."""
    x, y = _small(x, y, MANY)
    inputs, output = formula.split("->")
    first, second = inputs.split(",")
    table = tf.einsum(f"{first}Y,{second}Z->{output}YZ", x.places, y.places)
    return _by_places(table, x, y, MANY)


def summed(x: Digits, mask: Tensor | None, dims: Sequence[int]) -> Digits:
    """Sums over some dims."""
    x = x if x.bound * MANY < EXACT else normal(x)
    places = x.places
    if mask is not None:
        places = tf.where(mask[..., None], places, tf.zeros([], tf.float64))
    return Digits(tf.reduce_sum(places, dims), x.low, x.bound * MANY)


def product(x: Digits, mask: Tensor | None, dims: Sequence[int], number: int) -> Digits:
    """Products over some dims, of so many numbers each."""
    places = x.places
    if mask is not None:
        one = tf.one_hot(-x.low, x.count, dtype=tf.float64)
        places = tf.where(mask[..., None], places, one)
    rank = len(places.shape)
    places = tf.transpose(places, [*dims, *(k for k in range(rank) if k not in dims)])
    places = tf.reshape(places, tf.concat([[number], tf.shape(places)[len(dims) :]], 0))
    return fold(multiply, [Digits(places[k], x.low, x.bound) for k in range(number)])


def largest(x: Digits, mask: Tensor | None, dims: Sequence[int], sign: int = 1) -> Digits:
    """The largest over some dims; the smallest, for the sign -1. One at least must be there."""
    x = _unique(x)
    best = tf.reduce_max if sign > 0 else tf.reduce_min
    least = tf.constant(-sign * math.inf, tf.float64)
    kept = tf.ones(tf.shape(x.places)[:-1], tf.bool) if mask is None else mask

    def decide(k: Tensor, kept: Tensor, found: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        here = tf.where(kept, tf.gather(x.places, k, axis=-1), least)
        most = best(here, dims, keepdims=True)
        place = tf.one_hot(k, x.count, dtype=tf.float64)
        found = tf.where(place > 0, tf.squeeze(most, dims)[..., None], found)
        return k - 1, kept & tf.equal(here, most), found

    start = tf.constant(x.count - 1), kept, tf.reduce_max(x.places, dims)
    _, _, found = tf.while_loop(lambda k, *_: k >= 0, decide, start)
    return Digits(found, x.low, NORMAL)


def extreme(x: Digits, y: Digits, op: str) -> Digits:
    """The larger of two numbers, or the smaller one."""
    gap = subtract(x, y) if op == "max" else subtract(y, x)
    return where(is_positive(gap), x, y)


def is_positive(x: Digits) -> Tensor:
    """Whether numbers are above 0."""
    return rounded(x) > 0


def where(condition: Tensor, x: Digits, y: Digits) -> Digits:
    """Numbers where a condition holds, others where it does not."""
    x, y = _alike(x, y)
    places = tf.where(condition[..., None], x.places, y.places)
    return Digits(places, x.low, max(x.bound, y.bound))


def normal(x: Digits) -> Digits:
    """The same numbers in small digits."""
    bound, passes = x.bound, 0
    while bound > NORMAL:
        bound, passes = HALF + math.ceil(bound / BASE + 0.5), passes + 1
    if not passes:
        return x
    start = tf.constant(0), x.places
    _, places = tf.while_loop(lambda n, _: n < passes, lambda n, p: (n + 1, _carried(p)), start)
    return Digits(places, x.low, bound)


def _unique(x: Digits) -> Digits:
    """The same numbers in digits from -HALF up to HALF, of which each number has one form only."""

    def is_open(places: Tensor, step: Tensor) -> Tensor:
        return tf.reduce_any(tf.abs(_carries(places)) > 0) & (step < x.count)

    def carry(places: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        return _carried(places), step + 1

    x = normal(x)
    places, _ = tf.while_loop(is_open, carry, (x.places, tf.constant(0)))
    return Digits(places, x.low, NORMAL)


def _carries(places: Tensor) -> Tensor:
    """What each place but the last gives to the next."""
    return tf.floor(places[..., :-1] / BASE + 0.5)


def _carried(places: Tensor) -> Tensor:
    """Digits, with what is too large carried once."""
    carries = _carries(places)
    none = tf.zeros_like(places[..., :1])
    return places - BASE * tf.concat([carries, none], -1) + tf.concat([none, carries], -1)


def _small(x: Digits, y: Digits, many: float = 1.0) -> tuple[Digits, Digits]:
    """Two numbers in digits so small that many of their products can be added up."""
    room = EXACT / many / min(x.count, y.count)
    if x.bound * y.bound > room and x.bound > NORMAL:
        x = normal(x)
    if x.bound * y.bound > room and y.bound > NORMAL:
        y = normal(y)
    return x, y


def _by_places(table: Tensor, x: Digits, y: Digits, many: float = 1.0) -> Digits:
    """The products of the digits of two numbers, added up by the places that they belong to.

    A row longer by one place than there are sums moves each row of the table by one place.
    """
    count = x.count + y.count - 1
    wide = tf.pad(table, [[0, 0]] * (len(table.shape) - 1) + [[0, x.count]])
    around = tf.shape(table)[:-2]
    line = tf.reshape(wide, tf.concat([around, [x.count * (count + 1)]], 0))
    skew = tf.reshape(line[..., : x.count * count], tf.concat([around, [x.count, count]], 0))
    bound = x.bound * y.bound * min(x.count, y.count) * many
    return Digits(tf.reduce_sum(skew, -2), x.low + y.low, bound)


def _alike(x: Digits, y: Digits) -> tuple[Digits, Digits]:
    """Both in the places that either has."""
    low, high = min(x.low, y.low), max(x.high, y.high)
    return _in_places(x, low, high), _in_places(y, low, high)


def _in_places(x: Digits, low: int, high: int) -> Digits:
    if (low, high) == (x.low, x.high):
        return x
    ends = [[0, 0]] * (len(x.places.shape) - 1) + [[x.low - low, high - x.high]]
    return Digits(tf.pad(x.places, ends), low, x.bound)
