"""Likelihoods, divergences and quantile losses agree with SciPy, scikit-learn, Keras and torch."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from scipy import integrate, spatial, special, stats
from sklearn import metrics

from tests.stdlib.oracles import Case, Oracle, labelled, numpy, optax, tensorflow, torch

K = keras.losses
Rng = np.random.Generator
Data = Callable[[Rng], dict[str, Any]]

# What a parameter of a distribution may be, in some rows of data.
KINDS: dict[str, Callable[[Rng], np.ndarray]] = {
    "real": lambda rng: rng.normal(size=7),
    "above_one": lambda rng: rng.uniform(1.2, 3, 7),
    "positive": lambda rng: rng.uniform(0.3, 3, 7),
    "share": lambda rng: rng.uniform(0.1, 0.9, 7),
    "count": lambda rng: rng.integers(0, 6, 7).astype(float),
    "angle": lambda rng: rng.uniform(-3, 3, 7),
    "simplex": lambda rng: rng.dirichlet([5, 6, 7, 8], 5),
    "log_simplex": lambda rng: np.log(rng.dirichlet([5, 6, 7, 8], 5)),
    "logits": lambda rng: rng.normal(size=(5, 4)),
    "quantities": lambda rng: rng.uniform(0.2, 3, (5, 4)),
}


def rows(**kinds: str) -> Data:
    """Data of these kinds, one for each input."""
    return lambda rng: {name: KINDS[kind](rng) for name, kind in kinds.items()}


def nll(distribution: Any) -> Oracle:
    """The negative log-density of a frozen distribution of SciPy, given what follows the target."""
    return numpy(lambda y, *p: -distribution(*p).logpdf(y))


def mass(distribution: Any) -> Oracle:
    """The negative log-probability of a count."""
    return numpy(lambda y, *p: -distribution(*p).logpmf(y))


def score(deviance: Callable[..., float]) -> Oracle:
    """A metric of scikit-learn."""
    return numpy(lambda y, p: float(deviance(y, p)))


def crps(distribution: Any) -> Oracle:
    """The ranked probability score by its definition, the squared distance of step and CDF."""

    def one(y: float, mu: float, scale: float) -> float:
        F = distribution(mu, scale).cdf
        stops = sorted([-40, mu, y, 40])
        return sum(
            integrate.quad(lambda x: (F(x) - (x > y)) ** 2, a, b, epsabs=1e-13)[0]
            for a, b in itertools.pairwise(stops)
        )

    return numpy(np.vectorize(one))


def zero_inflated(y: np.ndarray, density: np.ndarray, p: np.ndarray) -> np.ndarray:
    return -np.log(p * (y == 0) + (1 - p) * density)


def negative_binomial(mu: np.ndarray, theta: np.ndarray) -> Any:
    return stats.nbinom(theta, theta / (theta + mu))


def genes(rng: Rng) -> dict[str, Any]:
    counts = rng.integers(0, 3, (4, 5)).astype(float)
    mu, theta = rng.uniform(0.3, 3, (4, 5)), rng.uniform(0.3, 3, 5)
    return {"y": counts, "mu": mu, "theta": theta, "z": rng.normal(size=(4, 5))}


def mixture(rng: Rng) -> dict[str, Any]:
    parts = {"logits": "logits", "mu": "logits", "sigma": "quantities"}
    return {"y": rng.normal(size=5), **rows(**parts)(rng)}


def mixed(y: np.ndarray, logits: np.ndarray, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    density = stats.norm(mu, sigma).pdf(y[:, None])
    return -np.log(np.sum(special.softmax(logits, -1) * density, -1))


def correlated(rng: Rng) -> dict[str, Any]:
    y, mu, logdiag = rng.normal(size=(3, 2, 3))
    return {"y": y, "mu": mu, "logdiag": logdiag, "L": np.tril(rng.normal(size=(2, 3, 3)), -1)}


def multivariate(y: Any, mu: Any, logdiag: Any, L: Any) -> float:
    def one(y: Any, mu: Any, d: Any, L: Any) -> float:
        A = np.tril(L, -1) + np.diag(np.exp(d))
        return -float(stats.multivariate_normal(mu, np.linalg.inv(A.T @ A)).logpdf(y))

    return float(np.mean([one(*row) for row in zip(y, mu, logdiag, L, strict=True)]))


def evidential(y: Any, gamma: Any, nu: Any, alpha: Any, beta: Any) -> Any:
    """The marginal of a normal whose mean and variance are normal-inverse-gamma."""
    scale = np.sqrt(beta * (1 + nu) / (nu * alpha))
    return -stats.t(2 * alpha, gamma, scale).logpdf(y)


def quantile_rows(rng: Rng) -> dict[str, Any]:
    return {"y": rng.normal(size=5), "yhat": rng.normal(size=(5, 3))}


def ensemble(rng: Rng) -> dict[str, Any]:
    return {"y": rng.normal(size=5), "x": rng.normal(size=(5, 6))}


def vectors(rng: Rng) -> dict[str, Any]:
    return {"y": rng.normal(size=(2, 3)), "x": rng.normal(size=(2, 5, 3))}


def ensemble_crps(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The ranked probability score of each ensemble's empirical distribution."""
    both = zip(y, x, strict=True)
    return np.array([stats.energy_distance([a], b) ** 2 / 2 for a, b in both])


def energy(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    def one(y: np.ndarray, x: np.ndarray) -> float:
        apart = spatial.distance.cdist
        return float(apart(x, y[None]).mean() - apart(x, x).mean() / 2)

    return np.array([one(*row) for row in zip(y, x, strict=True)])


def interval(rng: Rng) -> dict[str, Any]:
    middle = rng.normal(size=7)
    return {"y": 2 * rng.normal(size=7), "lower": middle - 0.5, "upper": middle + 0.7}


def intervals(rng: Rng) -> dict[str, Any]:
    middle = rng.normal(size=(7, 1))
    wide = np.array([1.5, 0.5])
    return {
        "y": 2 * rng.normal(size=7), "median": middle[:, 0],
        "lower": middle - wide, "upper": middle + wide,
    }  # fmt: skip


def pinball(y: np.ndarray, p: np.ndarray, q: float) -> np.ndarray:
    return np.where(y >= p, q * (y - p), (1 - q) * (p - y))


def scored(y: np.ndarray, median: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> Any:
    """The weighted interval score is the mean of twice the pinball losses of its quantiles."""
    total = pinball(y, median, 0.5)
    for i, alpha in enumerate((0.1, 0.5)):
        total = total + pinball(y, lower[:, i], alpha / 2) + pinball(y, upper[:, i], 1 - alpha / 2)
    return 2 * total / 5


QUANTILES = [
    Case("quantile", score(lambda y, p: metrics.mean_pinball_loss(y, p, alpha=0.3)),
         rows(y="real", yhat="real"), {"q": 0.3}),
    Case("multi_quantile",
         numpy(lambda y, p: pinball(y[:, None], p, np.array([0.2, 0.5, 0.7]))), quantile_rows,
         {"q": [0.2, 0.5, 0.7]}),
    Case("smooth_quantile", numpy(lambda y, p: 0.3 * (y - p) + np.logaddexp(0, (p - y) / 0.2) / 5),
         rows(y="real", yhat="real"), {"q": 0.3, "alpha": 0.2}),
    Case("quantile_huber", numpy(lambda y, p: abs(0.3 - (y < p)) * special.huber(0.8, y - p)),
         rows(y="real", yhat="real"), {"q": 0.3, "kappa": 0.8}),
    Case("expectile", numpy(lambda y, p: np.where(y < p, 0.3, 0.7) * (y - p) ** 2),
         rows(y="real", yhat="real"), {"q": 0.7}),
    Case("interval_score",
         numpy(lambda y, a, b: 10 * (pinball(y, a, 0.1) + pinball(y, b, 0.9))), interval,
         {"alpha": 0.2}),
    Case("weighted_interval_score", numpy(scored), intervals),
    Case("crps_gaussian", crps(stats.norm), rows(y="real", mu="real", sigma="positive")),
    Case("crps_laplace", crps(stats.laplace), rows(y="real", mu="real", b="positive")),
    Case("crps_logistic", crps(stats.logistic), rows(y="real", mu="real", s="positive")),
    Case("crps_ensemble", numpy(ensemble_crps), ensemble),
    Case("energy_score", numpy(energy), vectors),
]  # fmt: skip

DIVERGENCES = [
    Case("kl_divergence", tensorflow(K.kl_divergence), rows(y="simplex", p="simplex")),
    Case("relative_entropy", tensorflow(K.kl_divergence), rows(y="simplex", p="simplex")),
    Case("kl_divergence_from_logits",
         torch(lambda F, y, z: F.kl_div(z.log_softmax(-1), y, reduction="batchmean")),
         rows(y="simplex", z="logits")),
    Case("kl_divergence_from_log_probabilities",
         torch(lambda F, y, z: F.kl_div(z, y, reduction="batchmean")),
         rows(y="simplex", logp="log_simplex")),
    Case("kl_divergence_from_log_probabilities", optax(lambda o, y, z: o.kl_divergence(z, y)),
         rows(y="simplex", logp="log_simplex")),
    Case("kl_divergence_with_log_targets",
         torch(lambda F, y, z: F.kl_div(z, y, reduction="batchmean", log_target=True)),
         rows(logy="log_simplex", logp="log_simplex")),
    Case("kl_divergence_with_log_targets",
         optax(lambda o, y, z: o.kl_divergence_with_log_targets(z, y)),
         rows(logy="log_simplex", logp="log_simplex")),
    Case("generalized_kl_divergence", numpy(lambda y, p: special.kl_div(y, p).sum(-1)),
         rows(y="quantities", p="quantities")),
    Case("generalized_kl_divergence_from_logs",
         optax(lambda o, y, z: o.generalized_kl_divergence(z, y)),
         rows(y="quantities", logp="logits")),
    Case("jensen_shannon",
         numpy(lambda y, p: special.entr((y + p) / 2).sum(-1)
               - (special.entr(y) + special.entr(p)).sum(-1) / 2),
         rows(y="simplex", p="simplex")),
    Case("hellinger", numpy(lambda y, p: np.linalg.norm(y**0.5 - p**0.5, axis=-1) ** 2 / 2),
         rows(y="simplex", p="simplex")),
    Case("total_variation_distance", numpy(lambda y, p: abs(y - p).sum(-1) / 2),
         rows(y="simplex", p="simplex")),
    Case("chi_squared",
         numpy(lambda y, p: stats.chisquare(y, p, axis=-1, sum_check=False).statistic),
         rows(y="simplex", p="simplex")),
    Case("itakura_saito", numpy(lambda y, p: metrics.mean_gamma_deviance(y, p) / 2),
         rows(y="positive", yhat="positive")),
]  # fmt: skip

LIKELIHOODS = [
    Case("poisson", tensorflow(K.poisson), rows(y="count", rate="positive")),
    Case("poisson", torch(lambda F, y, r: F.poisson_nll_loss(r, y, log_input=False, eps=0)),
         rows(y="count", rate="positive")),
    Case("poisson_from_log_rate", torch(lambda F, y, z: F.poisson_nll_loss(z, y)),
         rows(y="count", z="real")),
    Case("poisson_nll_stirling", torch(lambda F, y, z: F.poisson_nll_loss(z, y, full=True)),
         rows(y="count", z="real")),
    Case("poisson_nll", mass(stats.poisson), rows(y="count", rate="positive")),
    Case("poisson_deviance", score(metrics.mean_poisson_deviance),
         rows(y="count", mu="positive")),
    Case("gamma_deviance", score(metrics.mean_gamma_deviance), rows(y="positive", mu="positive")),
    Case("tweedie_deviance", score(lambda y, p: metrics.mean_tweedie_deviance(y, p, power=1.3)),
         rows(y="count", mu="positive"), {"p": 1.3}),
    Case("gaussian_nll", torch(lambda F, y, m, v: F.gaussian_nll_loss(m, y, v)),
         rows(y="real", mu="real", var="positive")),
    Case("gaussian_nll_from_log_variance",
         torch(lambda F, y, m, s: F.gaussian_nll_loss(m, y, s.exp())),
         rows(y="real", mu="real", logvar="real")),
    Case("normal_nll", nll(stats.norm), rows(y="real", mu="real", sigma="positive")),
    Case("multivariate_normal_nll", numpy(multivariate), correlated),
    Case("gaussian_mixture_nll", numpy(mixed), mixture),
    Case("evidential_nll", numpy(evidential),
         rows(y="real", gamma="real", nu="positive", alpha="above_one", beta="positive")),
    Case("laplace_nll", nll(stats.laplace), rows(y="real", mu="real", b="positive")),
    Case("cauchy_nll", nll(stats.cauchy), rows(y="real", mu="real", s="positive")),
    Case("student_t_nll", numpy(lambda y, m, s: -stats.t(2.5, m, s).logpdf(y)),
         rows(y="real", mu="real", sigma="positive"), {"nu": 2.5}),
    Case("logistic_nll", nll(stats.logistic), rows(y="real", mu="real", s="positive")),
    Case("gumbel_nll", nll(stats.gumbel_r), rows(y="real", mu="real", beta="positive")),
    Case("lognormal_nll",
         numpy(lambda y, m, s: -stats.lognorm(s, scale=np.exp(m)).logpdf(y)),
         rows(y="positive", mu="real", sigma="positive")),
    Case("exponential_nll", numpy(lambda y, r: -stats.expon(scale=1 / r).logpdf(y)),
         rows(y="positive", rate="positive")),
    Case("gamma_nll", numpy(lambda y, a, r: -stats.gamma(a, scale=1 / r).logpdf(y)),
         rows(y="positive", shape="positive", rate="positive")),
    Case("inverse_gaussian_nll",
         numpy(lambda y, m, k: -stats.invgauss(m / k, scale=k).logpdf(y)),
         rows(y="positive", mu="positive", lam="positive")),
    Case("beta_distribution_nll", nll(stats.beta), rows(y="share", a="positive", b="positive")),
    Case("dirichlet_nll",
         numpy(lambda y, a: [-stats.dirichlet(b).logpdf(x) for x, b in zip(y, a, strict=True)]),
         rows(y="simplex", a="quantities")),
    Case("von_mises_nll", numpy(lambda y, m, k: -stats.vonmises(k, m).logpdf(y)),
         rows(y="angle", mu="angle", kappa="positive")),
    Case("binomial_nll", numpy(lambda y, p: -stats.binom(9, p).logpmf(y)),
         rows(y="count", p="share"), {"n": 9}),
    Case("multinomial_nll",
         numpy(lambda y, p: special.gammaln(y + 1).sum(-1) - special.gammaln(y.sum(-1) + 1)
               - special.xlogy(y, p).sum(-1)),
         rows(y="quantities", p="simplex")),
    Case("negative_binomial_nll", mass(negative_binomial),
         rows(y="count", mu="positive", theta="positive")),
    Case("zero_inflated_poisson_nll",
         numpy(lambda y, r, p: zero_inflated(y, stats.poisson(r).pmf(y), p)),
         rows(y="count", rate="positive", p="share")),
    Case("zinb_nll",
         numpy(lambda y, m, t, z: zero_inflated(
             y, negative_binomial(m, t).pmf(y), special.expit(z)).sum(-1)), genes),
]  # fmt: skip


@pytest.mark.by_plan
@pytest.mark.parametrize("case", labelled([*QUANTILES, *DIVERGENCES, *LIKELIHOODS]))
def test_values_and_gradients(case: Case) -> None:
    case.check()
