"""Boxes that are inverted, empty, nested, touching or equal: values and slopes are NumPy's.

Slopes are compared with differences where the loss has no kink; at kinks they are finite.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import lossc

PATH = Path(__file__).parents[2] / "stdlib/boxes.loss"
Box = np.ndarray
TINY = 1e-7


@cache
def library(name: str) -> lossc.Loss:
    return lossc.load(PATH, jit=False)[name]


def length(x: Box) -> Box:
    return np.maximum(x, 0)


def ratio(a: float, b: float) -> float:
    return a / b if b > 0 else 0.0


def parts(a: Box, b: Box) -> tuple[float, float, Box, float]:
    """Overlap, union, the sides of the hull, and the squared distance of centres."""
    inter = np.prod(length(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])))
    union = np.prod(length(a[2:] - a[:2])) + np.prod(length(b[2:] - b[:2])) - inter
    around = length(np.maximum(a[2:], b[2:]) - np.minimum(a[:2], b[:2]))
    apart = np.sum((a[:2] + a[2:] - b[:2] - b[2:]) ** 2) / 4
    return float(inter), float(union), around, float(apart)


def iou(a: Box, b: Box, e: float) -> float:
    inter, union, _, _ = parts(a, b)
    return ratio(inter, union + e)


def giou(a: Box, b: Box, e: float = TINY) -> float:
    _, union, around, _ = parts(a, b)
    hull = float(np.prod(around))
    return 1 - iou(a, b, e) + ratio(hull - union, hull + e)


def diou(a: Box, b: Box) -> float:
    _, _, around, apart = parts(a, b)
    return 1 - iou(a, b, TINY) + ratio(apart, float(np.sum(around**2)) + TINY)


def angle(a: Box) -> float:
    w, h = length(a[2:] - a[:2])
    return float(np.arctan2(w, h))


def ciou(a: Box, b: Box) -> float:
    v = 4 / np.pi**2 * (angle(a) - angle(b)) ** 2
    return diou(a, b) + v**2 / (1 - iou(a, b, TINY) + v + TINY)


def eiou(a: Box, b: Box) -> float:
    around = parts(a, b)[2]
    sides = length(a[2:] - a[:2]) - length(b[2:] - b[:2])
    return diou(a, b) + float(np.sum(sides**2 / (around**2 + TINY)))


def detr(a: Box, b: Box) -> float:
    return 5 * float(np.abs(a - b).sum()) + 2 * giou(a, b, 0)


def wasserstein(a: Box, b: Box) -> float:
    sides = (a[2:] - a[:2]) - (b[2:] - b[:2])
    return 1 - float(np.exp(-np.sqrt(parts(a, b)[3] + np.sum(sides**2) / 4) / 12.8))


ORACLES: dict[str, Callable[[Box, Box], float]] = {
    "iou_box": lambda a, b: 1 - iou(a, b, TINY),
    "log_iou_box": lambda a, b: -float(np.log(max(iou(a, b, 0), 1e-6))),
    "alpha_iou_box": lambda a, b: 1 - iou(a, b, 0) ** 3,
    "giou_box": giou,
    "diou_box": diou,
    "ciou_box": ciou,
    "eiou_box": eiou,
    "detr_box": detr,
    "wasserstein_box": wasserstein,
}

BOX = [0.0, 0, 3, 2]
PAIRS = {
    "inverted": (BOX, [4.0, 4, 0, 0]),
    "inverted_far": ([100.0, 100, 300, 300], [400.0, 400, 0, 0]),
    "inverted_along_one_side": (BOX, [2.0, 1, 1, 3]),
    "inverted_target": ([4.0, 4, 0, 0], BOX),
    "both_inverted": ([4.0, 4, 1, 1], [3.0, 3, 0, 0]),
    "no_height": (BOX, [1.0, 0, 2, 0]),
    "no_width": (BOX, [1.0, 0.5, 1, 1.5]),
    "a_point": (BOX, [1.0, 1, 1, 1]),
    "padded_target": ([0.0, 0, 0, 0], [1.0, 1, 2, 3]),
    "both_padded": ([0.0, 0, 0, 0], [0.0, 0, 0, 0]),
    "two_points": ([0.0, 0, 0, 0], [1.0, 1, 1, 1]),
    "nested": (BOX, [1.0, 0.5, 2, 1]),
    "touching": (BOX, [3.0, 0, 5, 2]),
    "touching_at_a_corner": (BOX, [3.0, 2, 5, 4]),
    "apart": (BOX, [4.0, 3, 5, 5]),
    "equal": (BOX, BOX),
    "overlapping": (BOX, [1.0, 1, 4, 3]),
}
KINKS = {"no_height", "no_width", "a_point", "two_points", "touching", "touching_at_a_corner",
         "equal", "padded_target", "both_padded"}  # fmt: skip


@pytest.mark.by_plan
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("name", ORACLES)
def test_values_and_slopes(name: str, pair: str) -> None:
    a, b = (np.array([x]) for x in PAIRS[pair])
    value, slopes = library(name).value_and_grad(a, b)
    assert float(value) == pytest.approx(ORACLES[name](a[0], b[0]), rel=1e-9, abs=1e-9)
    grad = np.asarray(slopes["boxhat"])[0]
    assert np.isfinite(grad).all() and np.isfinite(slopes["box"]).all()
    if pair not in KINKS and name != "ciou_box":
        np.testing.assert_allclose(
            grad, differences(ORACLES[name], a[0], b[0]), rtol=1e-5, atol=1e-6
        )


def differences(f: Callable[[Box, Box], float], a: Box, b: Box) -> Box:
    steps = np.eye(4) * 1e-6
    return np.array([(f(a, b + s) - f(a, b - s)) / 2e-6 for s in steps])


def test_a_box_turned_inside_out_is_empty() -> None:
    found = library("giou_box")(*(np.array([x], "float32") for x in PAIRS["inverted_far"]))
    assert float(found) == pytest.approx(1, rel=1e-6)


def test_the_aspect_of_a_box_without_height() -> None:
    """The slope is the limit from boxes of some height; operands that tie share it."""
    a, b = (np.array([x], "float32") for x in PAIRS["no_height"])
    value, slopes = library("ciou_box").value_and_grad(a, b)
    assert float(value) == pytest.approx(1.0941451, rel=1e-6)
    np.testing.assert_allclose(
        slopes["boxhat"], [[0, 0.0768227, 0, -0.3021679]], rtol=1e-5, atol=1e-7
    )
