"""Numbers in all their digits, beside fractions, which are exact as well."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from lossc.compiler.emit import digits as dg
from lossc.compiler.emit.digits import Digits

Array = np.ndarray[Any, Any]
LARGEST, SMALLEST = np.finfo(np.float32).max, np.finfo(np.float32).tiny
SPECIAL = (0.0, 1.0, LARGEST, -LARGEST, SMALLEST, -SMALLEST, np.nextafter(np.float32(1), 2))
ROWS, COLUMNS = 6, 8


def floats(seed: int) -> Array:
    """Floats of all sizes, the largest and the smallest among them."""
    rng = np.random.default_rng(seed)
    sizes = 2.0 ** rng.integers(-126, 127, ROWS * COLUMNS)
    found = np.float32(rng.choice([-1, 1], ROWS * COLUMNS) * (1 + rng.random(sizes.shape)) * sizes)
    special = rng.choice(SPECIAL, ROWS * COLUMNS)
    return np.where(rng.random(ROWS * COLUMNS) < 0.3, special, found).reshape(ROWS, COLUMNS)


def fractions(x: Array) -> Array:
    return np.vectorize(lambda v: Fraction(float(v)), otypes=[object])(x)


def exact(x: Digits) -> Array:
    """The numbers that digits stand for."""
    places = x.places.numpy()
    assert np.abs(places).max() <= x.bound
    powers = np.array([Fraction(2) ** (dg.BITS * k) for k in range(x.low, x.high)], dtype=object)
    return np.asarray(fractions(places) @ powers)


def digits(x: Array) -> Digits:
    return dg.digits_of(tf.constant(x), *dg.FLOAT)


X, Y = floats(0), floats(1)
F, G = fractions(X), fractions(Y)
MASK = np.random.default_rng(2).random((ROWS, COLUMNS)) < 0.7
MASK[:, 0] = True
OPERATIONS: dict[str, tuple[Callable[[Digits, Digits], Digits], Array]] = {
    "add": (dg.add, F + G),
    "subtract": (dg.subtract, F - G),
    "negative": (lambda x, y: dg.negative(x), -F),
    "multiply": (dg.multiply, F * G),
    "power": (lambda x, y: dg.power(dg.subtract(x, y), 3), (F - G) ** 3),
    "a product of sums": (lambda x, y: dg.multiply(dg.add(x, y), dg.subtract(x, y)), F * F - G * G),
    "summed": (lambda x, y: dg.summed(dg.multiply(x, y), None, [1]), (F * G).sum(1)),
    "summed, some": (
        lambda x, y: dg.summed(x, tf.constant(MASK), [0]), np.where(MASK, F, 0).sum(0),
    ),
    "contracted": (lambda x, y: dg.contracted("ij,kj->ik", x, y), F @ G.T),
    "largest": (lambda x, y: dg.largest(dg.multiply(x, y), None, [1]), (F * G).max(1)),
    "smallest": (lambda x, y: dg.largest(dg.subtract(x, y), None, [0], -1), (F - G).min(0)),
    "largest, some": (
        lambda x, y: dg.largest(x, tf.constant(MASK), [1]), np.where(MASK, F, F.min()).max(1),
    ),
    "product": (lambda x, y: dg.product(x, None, [0], ROWS), F.prod(0)),
    "product, some": (
        lambda x, y: dg.product(x, tf.constant(MASK), [0], ROWS), np.where(MASK, F, 1).prod(0),
    ),
    "the larger": (lambda x, y: dg.extreme(x, y, "max"), np.maximum(F, G)),
    "the smaller": (lambda x, y: dg.extreme(x, y, "min"), np.minimum(F, G)),
    "where": (
        lambda x, y: dg.where(tf.constant(MASK), x, dg.constant(Fraction(-3))),
        np.where(MASK, F, -3),
    ),
    "normal": (lambda x, y: dg.normal(dg.summed(dg.multiply(x, x), None, [0])), (F * F).sum(0)),
}  # fmt: skip


@pytest.mark.parametrize(("name", "jit"), [*product(OPERATIONS, (False, True))])
def test_no_digit_is_lost(name: str, jit: bool) -> None:
    operation, expected = OPERATIONS[name]
    shape: list[Any] = []

    @tf.function(jit_compile=jit)  # type: ignore[untyped-decorator]
    def run(x: Any, y: Any) -> Any:
        found = operation(dg.digits_of(x, *dg.FLOAT), dg.digits_of(y, *dg.FLOAT))
        shape[:] = [found.low, found.bound]
        return found.places, dg.rounded(found)

    places, rounded = run(tf.constant(X), tf.constant(Y))
    assert (exact(Digits(places, *shape)) == expected).all()
    wanted = expected.astype(np.float64)
    assert np.allclose(rounded.numpy(), wanted, rtol=1e-15, atol=0)


def test_equal_numbers_made_in_two_ways_are_equally_large() -> None:
    x = digits(X)
    twice = dg.subtract(dg.multiply(dg.add(x, x), dg.add(x, x)), dg.multiply(x, dg.add(x, x)))
    both = dg.where(
        tf.constant(MASK), twice, dg.multiply(dg.constant(Fraction(2)), dg.multiply(x, x))
    )
    assert (exact(dg.largest(both, None, [0, 1])) == (2 * F * F).max()).all()


def test_numbers_with_few_digits_take_part() -> None:
    x = dg.digits_of(tf.constant([0.3, -1e-3, 1e30], tf.float64), *dg.PARAM)
    assert exact(x).tolist() == [Fraction(0.3), Fraction(-1e-3), Fraction(1e30)]
    assert exact(dg.add(x, dg.constant(Fraction(-7))))[0] == Fraction(0.3) - 7


@pytest.mark.parametrize(
    "number", [Fraction(0), Fraction(-1), Fraction(3, 4), Fraction(10) ** 30, Fraction(-65536)]
)
def test_numbers_that_come_to_an_end_are_exact(number: Fraction) -> None:
    found = dg.constant(number)
    assert exact(found) == number
    assert found.count <= 8


def test_fractions_have_digits_enough() -> None:
    third = exact(dg.constant(Fraction(-1, 3)))
    assert abs(third + Fraction(1, 3)) < Fraction(1, 2 ** (dg.BITS * dg.FRACTION))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12345, 2**31 - 1])
def test_one_by_a_whole_number_has_digits_enough(count: int) -> None:
    found = exact(dg.inverse(tf.constant(count, tf.float64)))
    assert abs(found - Fraction(1, count)) < Fraction(1, 2 ** (dg.BITS * dg.FRACTION))


def test_numbers_beyond_all_floats_of_double_precision_do_not_raise() -> None:
    x = digits(np.float32([LARGEST, -LARGEST]))
    assert not np.isfinite(dg.rounded(dg.power(x, 9)).numpy()).any()


def test_what_is_no_number_stays_none() -> None:
    x = digits(np.float32([np.nan, np.inf, 2.0]))
    found = dg.rounded(dg.normal(dg.multiply(x, x))).numpy()
    assert not np.isfinite(found[:2]).any()
    assert found[2] == 4
