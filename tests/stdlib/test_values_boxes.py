"""Losses for boxes agree with torch, NumPy and the corpus."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import integrate

from tests.stdlib.corpus import corpus
from tests.stdlib.oracles import Case, labelled, numpy, torch

Rng = np.random.Generator
N = 5


def box(rng: Rng) -> np.ndarray:
    centre, half = rng.normal(size=(2, N, 2)), rng.uniform(1, 2, (2, N, 2))
    return np.concatenate([centre - half, centre + half], -1)


def boxes(rng: Rng) -> dict[str, Any]:
    return {"box": box(rng), "boxhat": box(rng)}


def parts(F: Any, a: Any, b: Any) -> tuple[Any, Any, Any]:
    """Intersection, union and hull of boxes, by their corners."""
    width = (a[..., 2:].minimum(b[..., 2:]) - a[..., :2].maximum(b[..., :2])).clamp(min=0)
    around = a[..., 2:].maximum(b[..., 2:]) - a[..., :2].minimum(b[..., :2])
    inter = width[..., 0] * width[..., 1]
    union = sum((x[..., 2] - x[..., 0]) * (x[..., 3] - x[..., 1]) for x in (a, b)) - inter
    return inter, union, around


def iou(F: Any, a: Any, b: Any) -> Any:
    inter, union, _ = parts(F, a, b)
    return inter / union


def giou(F: Any, a: Any, b: Any) -> Any:
    inter, union, around = parts(F, a, b)
    hull = around[..., 0] * around[..., 1]
    return 1 - inter / union + (hull - union) / hull


def diou(F: Any, a: Any, b: Any) -> Any:
    inter, union, around = parts(F, a, b)
    apart = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2) ** 2
    return 1 - inter / union + apart.sum(-1) / (around**2).sum(-1)


def sides(x: Any) -> Any:
    return x[..., 2:] - x[..., :2]


def ciou(F: Any, a: Any, b: Any) -> Any:
    """As torchvision, whose weight is a constant."""
    angles = [(sides(x)[..., 0] / sides(x)[..., 1]).atan() for x in (a, b)]
    v = 4 / np.pi**2 * (angles[0] - angles[1]) ** 2
    weight = (v / (1 - iou(F, a, b) + v)).detach()
    return diou(F, a, b) + weight * v


def eiou(F: Any, a: Any, b: Any) -> Any:
    _, _, around = parts(F, a, b)
    return diou(F, a, b) + (((sides(a) - sides(b)) / around) ** 2).sum(-1)


def wasserstein(F: Any, a: Any, b: Any) -> Any:
    """The distance of Gaussians with half the sides as deviations."""
    means = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    deviations = (sides(a) - sides(b)) / 2
    return 1 - (-(means**2 + deviations**2).sum(-1).sqrt() / 12.8).exp()


def balanced(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The integral of the gradient that the paper defines."""
    b = np.exp(3) - 1

    def slope(x: float) -> float:
        return float(0.5 * np.log(b * x + 1)) if x < 1 else 1.5

    return np.array([
        integrate.quad(slope, 0, min(u, 1), epsabs=1e-13)[0] + 1.5 * max(u - 1, 0)
        for u in np.abs(y - p)
    ])  # fmt: skip


def places(y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The two terms of the paper."""
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    low = np.floor(y).astype(int)
    rows = np.arange(len(y))
    return -(low + 1 - y) * log_p[rows, low] - (y - low) * log_p[rows, low + 1]


def centerness(F: Any, d: Any, z: Any) -> Any:
    left, top, right, bottom = d.unbind(-1)
    target = (
        left.minimum(right) / left.maximum(right) * top.minimum(bottom) / top.maximum(bottom)
    ).sqrt()
    return F.binary_cross_entropy_with_logits(z, target)


CASES = [
    corpus("iou_box"),
    Case("log_iou_box", torch(lambda F, a, b: -iou(F, a, b).log()), boxes, wrt=("box", "boxhat")),
    Case("alpha_iou_box", torch(lambda F, a, b: 1 - iou(F, a, b) ** 2), boxes, {"alpha": 2}),
    Case("giou_box", torch(giou), boxes, {"epsilon": 0}),
    corpus("diou_box"),
    Case("diou_box", torch(diou), boxes, {"epsilon": 0}),
    Case("ciou_box", torch(ciou), boxes, {"epsilon": 1e-12}),
    Case("eiou_box", torch(eiou), boxes, {"epsilon": 0}),
    Case("detr_box",
         torch(lambda F, a, b: 20 * F.l1_loss(b, a) + 3 * giou(F, a, b)), boxes,
         {"giou_weight": 3}),
    Case("wasserstein_box", torch(wasserstein), boxes),
    Case("balanced_l1", numpy(balanced),
         lambda rng: {"y": rng.normal(size=8), "yhat": 2 * rng.normal(size=8)}),
    Case("distribution_focal", numpy(places),
         lambda rng: {"y": rng.uniform(0, 6, N), "z": rng.normal(size=(N, 7))}, wrt=("z",)),
    Case("centerness", torch(centerness),
         lambda rng: {"distance": rng.gamma(2, 1, (N, 4)), "z": rng.normal(size=N)},
         wrt=("z",)),
]  # fmt: skip


@pytest.mark.by_plan
@pytest.mark.parametrize("case", labelled(CASES))
def test_agrees(case: Case) -> None:
    case.check()
