"""Losses of the smaller families agree with SciPy, torch, scikit-learn and plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import spatial, special, stats
from sklearn import metrics

from tests.stdlib.oracles import Case, labelled, numpy, torch

Rng = np.random.Generator
cdist = spatial.distance.cdist


def normal(**shapes: tuple[int, ...]) -> Any:
    """Normal data of these shapes."""
    return lambda rng: {name: rng.normal(size=shape) for name, shape in shapes.items()}


def positive(**shapes: tuple[int, ...]) -> Any:
    return lambda rng: {name: rng.uniform(0.3, 3, shape) for name, shape in shapes.items()}


def simplices(rng: Rng) -> dict[str, Any]:
    return {"y": rng.dirichlet([5, 6, 7, 8], 5), "p": rng.dirichlet([5, 6, 7, 8], 5)}


# --- survival ---------------------------------------------------------------------------------


def subjects(rng: Rng) -> dict[str, Any]:
    return {
        "time": rng.integers(1, 5, 12).astype(float), "risk": rng.normal(size=12),
        "event": (rng.uniform(size=12) < 0.7).astype(float),
    }  # fmt: skip


def efron(time: np.ndarray, risk: np.ndarray, event: np.ndarray) -> float:
    total = 0.0
    for t in np.unique(time[event == 1]):
        died = (time == t) & (event == 1)
        at_risk, tied = np.exp(risk[time >= t]).sum(), np.exp(risk[died]).sum()
        for k in range(died.sum()):
            total += np.log(at_risk - k / died.sum() * tied)
        total -= risk[died].sum()
    return float(total / event.sum())


def ranked(time: np.ndarray, risk: np.ndarray, event: np.ndarray) -> float:
    pairs = [
        np.log2(1 + np.exp(risk[j] - risk[i]))
        for i in range(12) for j in range(12) if event[i] == 1 and time[i] < time[j]
    ]  # fmt: skip
    return float(np.mean(pairs))


def censored(distribution: Any) -> Any:
    """Density where the event was seen, survival where not."""

    def nll(time: np.ndarray, *rest: np.ndarray) -> np.ndarray:
        d = distribution(*rest[:-1])
        return -np.where(rest[-1] == 1, d.logpdf(time), d.logsf(time))

    return numpy(nll)


def lives(*names: str) -> Any:
    def data(rng: Rng) -> dict[str, Any]:
        params = {name: rng.uniform(0.5, 2, 9) for name in names}
        event = (rng.uniform(size=9) < 0.6).astype(float)
        return {"time": rng.uniform(0.2, 4, 9), **params, "event": event}

    return data


def periods(rng: Rng) -> dict[str, Any]:
    return {
        "time": rng.integers(0, 4, 6), "z": rng.normal(size=(6, 5)),
        "event": np.array([1.0, 0, 1, 1, 0, 1]),
    }  # fmt: skip


def discrete(time: np.ndarray, z: np.ndarray, event: np.ndarray) -> np.ndarray:
    p = special.softmax(z, -1)
    later = np.array([row[t + 1 :].sum() for row, t in zip(p, time, strict=True)])
    return -np.log(np.where(event == 1, p[np.arange(6), time], later))


def sequences(time: np.ndarray, z: np.ndarray, event: np.ndarray) -> np.ndarray:
    return discrete(time, z[:, ::-1].cumsum(-1)[:, ::-1], event)


def hazards(rng: Rng) -> dict[str, Any]:
    return {
        "time": np.array([0.5, 1.5, 4.0, 7.0]), "hazard": rng.uniform(0.2, 2, (4, 4)),
        "event": np.array([1.0, 0, 1, 1]),
    }  # fmt: skip


def piecewise(time: np.ndarray, hazard: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Cumulated hazard on a fine grid, less the log-hazard at the event."""
    starts = np.array([0, 1, 2, 5])
    steps = np.arange(0.0005, 8, 0.001)
    at = np.searchsorted(starts, steps) - 1
    total = np.array([h[at][steps < t].sum() * 0.001 for h, t in zip(hazard, time, strict=True)])
    return total - event * np.log(hazard[np.arange(4), np.searchsorted(starts, time) - 1])


def tobit(y: np.ndarray, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    d = stats.norm(mu, sigma)
    return -np.where(y > 0.2, d.logpdf(y), d.logcdf(0.2))


def brier(rng: Rng) -> dict[str, Any]:
    return {
        "time": np.array([0.5, 0.7, 1.5, 3.0]), "survival": rng.uniform(0.1, 0.9, 4),
        "event": np.array([1.0, 0, 1, 0]), "uncensored": rng.uniform(0.5, 1, 4),
    }  # fmt: skip


def graf(time: Any, survival: Any, event: Any, uncensored: Any) -> Any:
    seen = (time <= 1) & (event == 1)
    return (seen * survival**2 + (time > 1) * (1 - survival) ** 2) / uncensored


SURVIVAL = [
    Case("cox_efron", numpy(efron), subjects, wrt=("risk",)),
    Case("concordance_bound", numpy(ranked), subjects, wrt=("risk",)),
    Case("exponential_censored_nll", censored(lambda r: stats.expon(scale=1 / r)), lives("rate"),
         wrt=("rate",)),
    Case("weibull_censored_nll", censored(lambda k, s: stats.weibull_min(k, scale=s)),
         lives("shape", "scale"), wrt=("shape", "scale")),
    Case("lognormal_censored_nll", censored(lambda m: stats.lognorm(0.7, scale=np.exp(m))),
         lives("mu"), {"sigma": 0.7}, ("mu",)),
    Case("loglogistic_censored_nll", censored(lambda m: stats.fisk(1 / 0.7, scale=np.exp(m))),
         lives("mu"), {"sigma": 0.7}, ("mu",)),
    Case("tobit_nll", numpy(tobit),
         lambda rng: {"y": rng.normal(size=9), "mu": rng.normal(size=9),
                      "sigma": rng.uniform(0.5, 2, 9)}, {"limit": 0.2}),
    Case("piecewise_exponential_nll", numpy(piecewise), hazards, wrt=("hazard",)),
    Case("discrete_time_nll", numpy(discrete), periods, wrt=("z",)),
    Case("mtlr", numpy(sequences), periods, wrt=("z",)),
    Case("ipcw_brier", numpy(graf), brier, wrt=("survival", "uncensored")),
]  # fmt: skip


# --- ordinal ----------------------------------------------------------------------------------

LEVELS = np.array([0, 3, 1, 2, 4, 1])
CUTS = np.array([-1.0, 0.1, 0.8, 1.9])


def graded(rng: Rng) -> dict[str, Any]:
    return {"y": LEVELS, "z": rng.normal(size=6), "cuts": CUTS}


def odds(y: np.ndarray, z: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    ends = np.concatenate([[-np.inf], cuts, [np.inf]])
    return -np.log(stats.logistic(z).cdf(ends[y + 1]) - stats.logistic(z).cdf(ends[y]))


def all_thresholds(y: np.ndarray, z: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    above = np.where(y[:, None] > np.arange(4), 1, -1)
    return -special.log_expit(above * (z[:, None] - cuts)).sum(-1)


def near_thresholds(y: np.ndarray, z: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    near = [-special.log_expit(z[i] - cuts[k - 1]) if k else 0.0 for i, k in enumerate(y)]
    over = [-special.log_expit(cuts[k] - z[i]) if k < 4 else 0.0 for i, k in enumerate(y)]
    return np.add(near, over)


def corn(y: np.ndarray, z: np.ndarray) -> float:
    parts = [
        -special.log_expit(z[i, k] if y[i] > k else -z[i, k])
        for i in range(6) for k in range(4) if y[i] >= k
    ]  # fmt: skip
    return float(np.mean(parts))


def levels(rng: Rng) -> dict[str, Any]:
    return {"y": LEVELS, "p": rng.dirichlet([5, 6, 7, 8, 9], 6)}


def moved(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    places = np.arange(4)
    both = zip(y, p, strict=True)
    return np.array([stats.wasserstein_distance(places, places, a, b) for a, b in both])


ORDINAL = [
    Case("corn", numpy(corn), lambda rng: {"y": LEVELS, "z": rng.normal(size=(6, 4))}),
    Case("proportional_odds_nll", numpy(odds), graded),
    Case("all_threshold", numpy(all_thresholds), graded),
    Case("immediate_threshold", numpy(near_thresholds), graded),
    Case("unimodal_binomial_nll",
         numpy(lambda y, z: -stats.binom(4, special.expit(z)).logpmf(y)),
         lambda rng: {"y": LEVELS.astype(float), "z": rng.normal(size=6)}),
    Case("ranked_probability_score",
         numpy(lambda y, p: ((p.cumsum(-1) - (y[:, None] <= np.arange(5))) ** 2).sum(-1)), levels),
    Case("earth_mover", numpy(moved), simplices, wrt=()),
    Case("squared_emd", numpy(lambda y, p: ((y - p).cumsum(-1) ** 2).sum(-1)), simplices),
    Case("expected_level_error",
         numpy(lambda y, p: (p * abs(y[:, None] - np.arange(5))).sum(-1)), levels),
]  # fmt: skip


# --- networks against each other --------------------------------------------------------------

PAIR = normal(d_real=(6,), d_fake=(6,))


def relativistic(F: Any, real: Any, fake: Any) -> Any:
    up, down = real - fake.mean(), fake - real.mean()
    bce = F.binary_cross_entropy_with_logits
    return bce(up, up.new_ones(6)) + bce(down, up.new_zeros(6))


def logits(rng: Rng) -> dict[str, Any]:
    return {"teacher": 2 * rng.normal(size=(5, 4)), "student": 2 * rng.normal(size=(5, 4))}


def features(rng: Rng) -> dict[str, Any]:
    return {"teacher": rng.normal(size=(6, 3)), "student": rng.normal(size=(6, 4))}


def similar(t: np.ndarray, s: np.ndarray) -> float:
    rows = [g / np.linalg.norm(g, axis=1, keepdims=True) for g in (t @ t.T, s @ s.T)]
    return float(np.linalg.norm(rows[0] - rows[1]) ** 2 / 36)


def related(t: np.ndarray, s: np.ndarray) -> np.ndarray:
    e = [cdist(x, x) / spatial.distance.pdist(x).mean() for x in (t, s)]
    return special.huber(1, e[0] - e[1])


def transferred(t: np.ndarray, s: np.ndarray) -> float:
    total = 0.0
    near = [1 - cdist(x, x, "cosine") / 2 for x in (t, s)]
    for i in range(6):
        p, q = (np.delete(k[i], i) for k in near)
        total += stats.entropy(p, q)
    return total / 6


def correlated(t: np.ndarray, s: np.ndarray) -> float:
    p, q = special.softmax(t, -1), special.softmax(s, -1)
    rows = [1 - stats.pearsonr(a, b).statistic for a, b in zip(p, q, strict=True)]
    columns = [1 - stats.pearsonr(a, b).statistic for a, b in zip(p.T, q.T, strict=True)]
    return float(np.mean(rows) + np.mean(columns))


def decoupled(y: np.ndarray, s: np.ndarray, t: np.ndarray) -> np.ndarray:
    total = []
    for k, a, b in zip(y, s / 4, t / 4, strict=True):
        ps, pt = special.softmax(a), special.softmax(b)
        target = stats.entropy([pt[k], 1 - pt[k]], [ps[k], 1 - ps[k]])
        total.append(target + 8 * stats.entropy(np.delete(pt, k), np.delete(ps, k)))
    return 16 * np.array(total)


DISTILLATION = [
    Case("distillation_kl",
         torch(lambda F, t, s: 4 * F.kl_div((s / 2).log_softmax(-1), (t / 2).softmax(-1),
                                            reduction="batchmean")),
         logits, {"T": 2}),
    Case("distillation_reverse_kl",
         torch(lambda F, t, s: F.kl_div(t.log_softmax(-1), s.softmax(-1), reduction="batchmean")),
         logits),
    Case("decoupled_distillation", numpy(decoupled),
         lambda rng: {"y": np.array([0, 3, 1, 2, 2]), "student": rng.normal(size=(5, 4)),
                      "teacher": rng.normal(size=(5, 4))}),
    Case("dist_correlation", numpy(correlated), logits),
    Case("similarity_preserving", numpy(similar), features),
    Case("relational_distance", numpy(related), features),
    Case("probabilistic_transfer", numpy(transferred), features),
    Case("attention_transfer",
         torch(lambda F, t, s: (F.normalize((t**2).sum(-1)) - F.normalize((s**2).sum(-1)))
               .norm(dim=-1)),
         normal(teacher=(2, 5, 3), student=(2, 5, 4))),
]  # fmt: skip

GANS = [
    Case("gan_discriminator",
         torch(lambda F, r, f: F.softplus(-r) + F.softplus(f)), PAIR, wrt=("d_real", "d_fake")),
    Case("gan_minimax_generator", torch(lambda F, f: F.logsigmoid(-f)), normal(d_fake=(6,)),
         wrt=("d_fake",)),
    Case("gan_nonsaturating_generator", torch(lambda F, f: -F.logsigmoid(f)),
         normal(d_fake=(6,)), wrt=("d_fake",)),
    Case("lsgan_generator", torch(lambda F, f: F.mse_loss(f, f.new_ones(6)) / 2),
         normal(d_fake=(6,)), wrt=("d_fake",)),
    Case("gan_hinge_discriminator",
         torch(lambda F, r, f: F.relu(1 - r) + F.relu(1 + f)), PAIR, wrt=("d_real", "d_fake")),
    Case("relativistic_discriminator", torch(relativistic), PAIR, wrt=("d_real", "d_fake")),
    Case("relativistic_generator", torch(lambda F, r, f: relativistic(F, f, r)), PAIR,
         wrt=("d_real", "d_fake")),
    Case("gradient_penalty",
         torch(lambda F, g: 10 * (g.flatten(1).norm(dim=1) - 1) ** 2), normal(g=(3, 2, 4)),
         wrt=("g",)),
    Case("bradley_terry", torch(lambda F, c, r: -F.logsigmoid(c - r)),
         normal(chosen=(6,), rejected=(6,))),
    Case("dpo", torch(lambda F, c, r, p, q: -F.logsigmoid(((c - p) - (r - q)) / 10)),
         normal(chosen=(6,), rejected=(6,), ref_chosen=(6,), ref_rejected=(6,))),
]  # fmt: skip


# --- points and samples -----------------------------------------------------------------------

CLOUDS = normal(y=(2, 6, 3), yhat=(2, 5, 3))
SAMPLES = normal(y=(6, 3), x=(8, 3))
PAIRED = normal(y=(8, 2), x=(8, 3))


def hausdorff(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    apart = [cdist(a, b) for a, b in zip(y, p, strict=True)]
    return np.array([max(d.min(0).mean(), d.min(1).mean()) for d in apart])


def turned(q: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The angle of the rotation from one to the other, by SciPy."""
    turn = spatial.transform.Rotation.from_quat
    return (turn(q) * turn(p).inv()).magnitude()


def mmd(y: np.ndarray, x: np.ndarray) -> float:
    k = metrics.pairwise.rbf_kernel
    return float(k(x, x, 0.3).mean() + k(y, y, 0.3).mean() - 2 * k(x, y, 0.3).mean())


def cka(y: np.ndarray, x: np.ndarray) -> float:
    u, v = x - x.mean(0), y - y.mean(0)
    size = np.linalg.norm
    return float(1 - size(v.T @ u) ** 2 / (size(u.T @ u) * size(v.T @ v)))


def correlation(y: np.ndarray, x: np.ndarray) -> float:
    H = np.eye(8) - 1 / 8
    A, B = H @ cdist(x, x) @ H, H @ cdist(y, y) @ H
    return float(np.sqrt((A * B).mean() / np.sqrt((A**2).mean() * (B**2).mean())))


def stress(d: np.ndarray, e: np.ndarray) -> float:
    return float(((d - cdist(e, e)) ** 2).sum() / (d**2).sum())


def sammon(d: np.ndarray, e: np.ndarray) -> float:
    wanted = d[np.triu_indices(6, 1)]
    return float(((wanted - spatial.distance.pdist(e)) ** 2 / wanted).sum() / wanted.sum())


def distances(rng: Rng) -> dict[str, Any]:
    return {"d": cdist(*[rng.normal(size=(6, 3))] * 2) + 0.2, "e": rng.normal(size=(6, 2))}


POINTS = [
    Case("wing", numpy(lambda y, p: np.where(
        abs(y - p) < 1, np.log1p(2 * abs(y - p)), abs(y - p) - 1 + np.log(3))),
         normal(y=(9,), yhat=(9,)), {"w": 1, "epsilon": 0.5}),
    Case("mean_point_error", numpy(lambda y, p: np.linalg.norm(y - p, axis=-1)),
         normal(y=(4, 3), yhat=(4, 3))),
    Case("modified_hausdorff", numpy(hausdorff), CLOUDS),
    Case("rotation_angle", numpy(turned), normal(q=(5, 4), qhat=(5, 4))),
    Case("mmd_rbf", numpy(mmd), SAMPLES, {"gamma": 0.3}),
    Case("deep_coral",
         numpy(lambda y, x: ((np.cov(x.T) - np.cov(y.T)) ** 2).sum() / 36), SAMPLES),
    Case("linear_cka", numpy(cka), PAIRED),
    Case("distance_correlation", numpy(correlation), PAIRED),
    Case("mds_stress", numpy(stress), distances, wrt=("e",)),
    Case("sammon", numpy(sammon), distances, wrt=("e",)),
    Case("skipgram_negative_sampling",
         torch(lambda F, w, c, n: -F.logsigmoid((w * c).sum(-1))
               - F.logsigmoid(-(w[:, None] * n).sum(-1)).sum(-1)),
         normal(word=(4, 3), context=(4, 3), negative=(4, 5, 3))),
]  # fmt: skip


# --- series, fields and the rest --------------------------------------------------------------


def sdr(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The angle between the two waveforms says it all."""
    cos = 1 - np.array([spatial.distance.cosine(a, b) for a, b in zip(y, p, strict=True)])
    return -10 * np.log10(cos**2 / (1 - cos**2))


def worst(x: np.ndarray, v: np.ndarray) -> float:
    return float(v + np.clip(x - v, 0, None).mean() / 0.2)


def stencil(f: np.ndarray, u: np.ndarray) -> np.ndarray:
    from scipy.ndimage import laplace

    return (laplace(u, axes=(1, 2)) - f)[:, 1:-1, 1:-1] ** 2


def divergence(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    both = np.gradient(u, 0.5, axis=1) + np.gradient(v, 0.5, axis=2)
    return both[:, 1:-1, 1:-1] ** 2


OTHERS = [
    Case("negative_snr",
         numpy(lambda y, p: -20 * np.log10(np.linalg.norm(y, axis=-1)
                                           / np.linalg.norm(y - p, axis=-1))),
         normal(y=(3, 8), yhat=(3, 8))),
    Case("negative_si_sdr", numpy(sdr), normal(y=(3, 8), yhat=(3, 8))),
    Case("log_spectral_distance",
         numpy(lambda P, Q: np.sqrt((10 * np.log10(P / Q) ** 2 * 10).mean(1))),
         positive(P=(2, 4, 3), Phat=(2, 4, 3))),
    Case("expected_shortfall", numpy(worst),
         lambda rng: {"x": rng.normal(size=20), "v": np.array(0.3)}, {"alpha": 0.8}),
    Case("entropic_risk",
         numpy(lambda x: (special.logsumexp(2 * x) - np.log(9)) / 2), normal(x=(9,)),
         {"theta": 2}, ("x",)),
    Case("poisson_residual", numpy(stencil), normal(f=(2, 5, 6), u=(2, 5, 6)), wrt=("u",)),
    Case("divergence_residual", numpy(divergence), normal(u=(2, 5, 6), v=(2, 5, 6)), {"dx": 0.5}),
    Case("relative_l2",
         numpy(lambda y, p: np.linalg.norm(y - p, axis=(1, 2)) / np.linalg.norm(y, axis=(1, 2))),
         normal(y=(3, 4, 2), yhat=(3, 4, 2))),
    Case("second_differences", numpy(lambda x: (np.diff(x, 2) ** 2).sum(-1)), normal(x=(3, 7)),
         wrt=("x",)),
    Case("fused_lasso",
         numpy(lambda x: 0.1 * abs(x).sum(-1) + 0.2 * abs(np.diff(x)).sum(-1)), normal(x=(3, 7)),
         {"lam": 0.1, "fuse": 0.2}, ("x",)),
    Case("orthogonality",
         numpy(lambda w: 0.01 * np.linalg.norm(w.T @ w - np.eye(3)) ** 2), normal(w=(5, 3)),
         wrt=("w",)),
    Case("decov",
         numpy(lambda h: (np.linalg.norm(C := np.cov(h.T, bias=True)) ** 2
                          - (np.diag(C) ** 2).sum()) / 2),
         normal(h=(7, 3)), wrt=("h",)),
    Case("entropy_minimization", numpy(lambda z: stats.entropy(special.softmax(z, -1), axis=-1)),
         normal(z=(5, 4)), wrt=("z",)),
    Case("router_z_loss", torch(lambda F, z: z.logsumexp(-1) ** 2), normal(z=(5, 4)), wrt=("z",)),
    Case("tilted_mean", numpy(lambda x: special.logsumexp(x) - np.log(9)), normal(losses=(9,)),
         wrt=("losses",)),
    Case("average_top_k", numpy(lambda x: np.sort(x)[-3:].mean()), normal(losses=(9,)), {"k": 3},
         ("losses",)),
    Case("geometric_loss", numpy(stats.gmean), positive(losses=(5,)), wrt=("losses",)),
]  # fmt: skip

CASES = [*SURVIVAL, *ORDINAL, *DISTILLATION, *GANS, *POINTS, *OTHERS]


@pytest.mark.by_plan
@pytest.mark.parametrize("case", labelled(CASES))
def test_values_and_gradients(case: Case) -> None:
    case.check()
