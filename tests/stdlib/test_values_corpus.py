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

SURVIVAL = [
    corpus("cox_breslow"),
    corpus("logistic_hazard", "discrete_logistic_hazard"),
    corpus("lognormal_censored_nll", "aft_lognormal_censored"),
    corpus("weibull_censored_nll"),
]

ORDINAL = [
    corpus("coral_ordinal"),
    corpus("sord_soft_ordinal"),
    corpus("weighted_kappa"),
]

REINFORCEMENT = [
    corpus("a2c_policy_gradient"),
    corpus("awr"),
    corpus("cql_regularizer"),
    corpus("double_dqn_huber"),
    corpus("grpo"),
    corpus("ips_counterfactual", "ips_counterfactual_clipped"),
    corpus("sac_actor"),
]

GENERATIVE = [
    corpus("gan_discriminator", "gan_nonsaturating_d"),
    corpus("kl_free_bits"),
    corpus("knowledge_distillation"),
    corpus("lsgan_discriminator", "lsgan_d"),
    corpus("min_snr_diffusion"),
    corpus("vae_elbo_bernoulli"),
    corpus("vq_vae"),
]

GEOMETRY = [
    corpus("adaptive_wing"),
    corpus("chamfer"),
    corpus("energy_distance"),
    corpus("hsic_rbf"),
    corpus("oks_keypoints"),
    corpus("parametric_tsne", "parametric_tsne_kl"),
    corpus("quaternion_distance"),
    corpus("sliced_wasserstein", "sliced_wasserstein_1d"),
    corpus("transe_margin"),
]

OTHERS = [
    corpus("demographic_parity_penalty"),
    corpus("group_dro"),
    corpus("heat_residual", "heat_equation_fd"),
    corpus("kendall_multitask"),
    corpus("moe_load_balance"),
    corpus("negative_sharpe", "negative_sharpe_turnover"),
    corpus("negative_sortino", "sortino"),
    corpus("pinn_burgers"),
    corpus("qlike", "qlike_volatility"),
    corpus("spectral_convergence", "spectral_convergence_logmag"),
]

LIKELIHOODS = [*QUANTILES, *DISTRIBUTIONS, *SURVIVAL, *ORDINAL]
CASES = [*REGRESSION, *ROBUST, *LIKELIHOODS, *REINFORCEMENT, *GENERATIVE, *GEOMETRY, *OTHERS]


@pytest.mark.by_plan
@pytest.mark.parametrize("case", labelled(CASES))
def test_values_and_gradients(case: Case) -> None:
    case.check()
