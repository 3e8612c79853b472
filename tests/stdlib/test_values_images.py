"""Losses for images agree with TensorFlow, torch, SciPy, NumPy and the corpus."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage, stats

import lossc
from tests.stdlib.corpus import corpus
from tests.stdlib.oracles import Case, labelled, numpy, tensorflow, torch

Rng = np.random.Generator
N, H, W, C = 2, 6, 7, 3


def image(rng: Rng, *shape: int) -> np.ndarray:
    return rng.uniform(0.1, 0.9, shape or (N, H, W))


def images(rng: Rng) -> dict[str, Any]:
    return {"y": image(rng), "yhat": image(rng)}


def bands(rng: Rng) -> dict[str, Any]:
    return {"y": image(rng, N, H, W, C), "yhat": image(rng, N, H, W, C)}


def one(rng: Rng) -> dict[str, Any]:
    return {"x": image(rng, N, H, W, C)}


def depth(rng: Rng) -> dict[str, Any]:
    return {"image": image(rng, N, H, W, C), "disparity": image(rng)}


def pixels(rng: Rng) -> dict[str, Any]:
    return {"y": image(rng, N, 9), "yhat": image(rng, N, 9)}


def field(rng: Rng) -> dict[str, Any]:
    return {"u": rng.normal(size=(N, H, W, 2))}


def small_ssim(F: Any, y: Any, p: Any) -> Any:
    """Windows of 3 x 3, as in the authors' code."""

    def pool(x: Any) -> Any:
        return F.avg_pool2d(x[:, None], 3, 1)

    a, b = pool(y), pool(p)
    u, v, c = pool(y * y) - a * a, pool(p * p) - b * b, pool(y * p) - a * b
    top = (2 * a * b + 1e-4) * (2 * c + 9e-4)
    ssim = top / ((a * a + b * b + 1e-4) * (u + v + 9e-4))
    return 0.85 * (1 - ssim).mean() / 2 + 0.15 * F.l1_loss(p, y)


def ssim(y: np.ndarray, p: np.ndarray) -> float:
    """Windows of 11 x 11, as SciPy blurs."""

    def blur(x: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(x, (0, 1.5, 1.5), radius=5)[:, 5:-5, 5:-5]

    a, b = blur(y), blur(p)
    u, v, c = blur(y * y) - a * a, blur(p * p) - b * b, blur(y * p) - a * b
    top = (2 * a * b + 1e-4) * (2 * c + 9e-4)
    return float(1 - (top / ((a * a + b * b + 1e-4) * (u + v + 9e-4))).mean())


def laplacian(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    found = np.stack([ndimage.laplace(d) for d in y - p])
    return np.abs(found[:, 1:-1, 1:-1])


def smoothness(F: Any, x: Any, d: Any) -> Any:
    """As the authors' code: gradients of both along each axis."""
    dh = d.diff(dim=1).abs() * (-x.diff(dim=1).abs().mean(-1)).exp()
    dw = d.diff(dim=2).abs() * (-x.diff(dim=2).abs().mean(-1)).exp()
    return dh.mean() + dw.mean()


def focal_frequency(F: Any, y: Any, p: Any) -> Any:
    f = power(y - p)
    weight = (f.sqrt() / f.sqrt().amax((1, 2), True)).detach()
    return weight * f


def power(d: Any) -> Any:
    """The squared modulus of the orthonormal Fourier transform."""
    rows = (
        d.new_tensor(np.fft.fft(np.eye(H), norm="ortho").real),
        d.new_tensor(np.fft.fft(np.eye(H), norm="ortho").imag),
    )
    cols = (
        d.new_tensor(np.fft.fft(np.eye(W), norm="ortho").real),
        d.new_tensor(np.fft.fft(np.eye(W), norm="ortho").imag),
    )
    real = rows[0] @ d @ cols[0] - rows[1] @ d @ cols[1]
    imag = rows[0] @ d @ cols[1] + rows[1] @ d @ cols[0]
    return real**2 + imag**2


def correlation(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return np.array(
        [1 - stats.pearsonr(a.ravel(), b.ravel())[0] for a, b in zip(y, p, strict=True)]
    )


def information(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    def shares(x: np.ndarray) -> np.ndarray:
        g = stats.norm.pdf(x[..., None], np.linspace(0, 1, 5), 0.2)
        return g / g.sum(-1, keepdims=True)

    joint = np.einsum("npa,npb->nab", shares(y), shares(p)) / y.shape[1]
    free = joint.sum(2, keepdims=True) * joint.sum(1, keepdims=True)
    return -(joint * np.log(joint / free)).sum((1, 2))


def bending(u: np.ndarray) -> float:
    hh = u[:, 2:, 1:-1] - 2 * u[:, 1:-1, 1:-1] + u[:, :-2, 1:-1]
    ww = u[:, 1:-1, 2:] - 2 * u[:, 1:-1, 1:-1] + u[:, 1:-1, :-2]
    hw = (u[:, 2:, 2:] - u[:, 2:, :-2] - u[:, :-2, 2:] + u[:, :-2, :-2]) / 4
    return float((hh**2 + ww**2 + 2 * hw**2).sum(-1).mean())


def colors(x: np.ndarray) -> np.ndarray:
    r, g, b = x.mean((1, 2)).T
    return (r - g) ** 2 + (g - b) ** 2 + (b - r) ** 2


CASES = [
    corpus("ssim_uniform7"),
    Case("ssim_gaussian", numpy(ssim), lambda rng: {"y": image(rng, 1, 12, 12),
                                                    "yhat": image(rng, 1, 12, 12)}),
    Case("l1_ssim", torch(small_ssim), images),
    Case("negative_psnr", tensorflow(lambda y, p: -tf.image.psnr(y, p, 2.0)), bands, {"peak": 2}),
    Case("total_variation", tensorflow(tf.image.total_variation), one, wrt=("x",)),
    corpus("gradient_difference"),
    corpus("sobel_edge_l1"),
    Case("laplacian_edge_l1", numpy(laplacian), images),
    Case("edge_aware_smoothness", torch(smoothness), depth),
    corpus("fft_l1"),
    Case("focal_frequency", torch(focal_frequency), images),
    corpus("gram_style"),
    Case("spectral_angle", torch(lambda F, y, p: F.cosine_similarity(y, p, -1).acos()), bands),
    Case("ergas",
         numpy(lambda y, p: 25 * np.sqrt(
             (((y - p) ** 2).mean((1, 2)) / y.mean((1, 2)) ** 2).mean(-1))), bands),
    Case("color_constancy", numpy(colors), one, wrt=("x",)),
    Case("exposure", numpy(lambda x: np.abs(x.mean((2, 3)) - 0.6)), one, wrt=("x",)),
    Case("normalized_cross_correlation", numpy(correlation), images),
    corpus("local_ncc"),
    Case("mutual_information", numpy(information), pixels, {"bins": 5, "sigma": 0.2}),
    Case("bending_energy", numpy(bending), field, wrt=("u",)),
]  # fmt: skip


@pytest.mark.by_plan
def test_ssim_is_tensorflows() -> None:
    """TensorFlow's windows are in single precision, whatever the images are."""
    y, p = (image(np.random.default_rng(k), 1, 14, 13, 3) for k in (1, 2))
    expected = 1 - float(tf.reduce_mean(tf.image.ssim(y, p, 1.0)))
    assert float(lossc.std.ssim_gaussian(y, p)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.by_plan
@pytest.mark.parametrize("case", labelled(CASES))
def test_agrees(case: Case) -> None:
    case.check()
