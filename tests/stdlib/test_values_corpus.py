"""Losses of the corpus outside classification agree with their NumPy references."""

from __future__ import annotations

import pytest

from tests.stdlib.corpus import corpus
from tests.stdlib.oracles import Case, labelled

REGRESSION = [
    corpus("epsilon_insensitive"),
    corpus("linex"),
    corpus("log_cosh"),
    corpus("masked_mean_squared_error", "masked_mse_nan_targets"),
    corpus("nash_sutcliffe", "nash_sutcliffe_r2"),
    corpus("pearson"),
    corpus("scale_invariant_log"),
    corpus("smape"),
    corpus("weighted_mse"),
    corpus("wmape"),
]

ROBUST = [
    corpus("berhu"),
    corpus("charbonnier"),
    corpus("geman_mcclure"),
    corpus("general_robust", "barron_general_robust", c=0.5),
    corpus("pseudo_huber"),
    corpus("tukey_biweight"),
]

QUANTILES = [
    corpus("crps_ensemble"),
    corpus("crps_gaussian"),
    corpus("expectile"),
    corpus("interval_score", "winkler_interval"),
    corpus("multi_quantile"),
    corpus("quantile", "pinball", q=0.9),
]

DISTRIBUTIONS = [
    corpus("beta_distribution_nll"),
    corpus("beta_nll"),
    corpus("dirichlet_nll"),
    corpus("flow_nll"),
    corpus("gaussian_nll", "gaussian_nll_var_clamped"),
    corpus("laplace_nll"),
    corpus("gene_count_nll", "negative_binomial_nll"),
    corpus("poisson_nll_stirling"),
    corpus("von_mises_nll"),
    corpus("zero_inflated_poisson_nll"),
    corpus("zinb_nll"),
]


@pytest.mark.parametrize("case", labelled([*REGRESSION, *ROBUST, *QUANTILES, *DISTRIBUTIONS]))
def test_values_and_gradients(case: Case) -> None:
    case.check()
