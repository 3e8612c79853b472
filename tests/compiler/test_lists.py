"""Which indices a reduction takes: with a list, without one, and where it must have one."""

from __future__ import annotations

import numpy as np
import pytest

import lossc
from lossc.compiler.check import check
from lossc.dsl.diagnostics import Diagnostic
from lossc.dsl.source import Source
from lossc.files import reader

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, (3, 5)).astype(float)
P = RNG.random((3, 5))
M = np.array([1.0, 0.0, 1.0])
HEAD = "loss f(y[b, h], p[b, h], m[b]) = mean[b](m) * 0 + "


def found(text: str) -> tuple[Diagnostic, ...]:
    return check(Source.of("file.loss", text), reader(None)).diagnostics


def value(text: str) -> float:
    return float(lossc.compile(text, jit=False)(Y, P, M))


# A formula that asks for a list, the line that the help gives, and what that line means.
INSTEAD = [
    ("mean[b](sqrt(mean((y - p)^2)))", "mean[h]((y - p)^2)",
     np.sqrt(((Y - P) ** 2).mean(1)).mean()),
    ("mean[b if m == 1](sqrt(mean((y - p)^2)))", "mean[h]((y - p)^2)",
     np.sqrt(((Y - P) ** 2).mean(1))[M == 1].mean()),
    ("mean[b](norm(y - p))", "norm[h](y - p)", np.linalg.norm(Y - P, axis=1).mean()),
    ("max[b](sum(y * p))", "sum[h](y * p)", (Y * P).sum(1).max()),
    ("mean[b](exp(logsumexp(p)))", "logsumexp[h](p)", np.exp(P).sum(1).mean()),
    ("sum[b](max(p))", "max[h](p)", P.max(1).sum()),
    ("sum[b](min(p))", "min[h](p)", P.min(1).sum()),
    ("mean[b](var(p))", "var[h](p)", P.var(1).mean()),
    ("mean[b](std(p))", "std[h](p)", P.std(1).mean()),
    ("mean[b](prod(p))", "prod[h](p)", P.prod(1).mean()),
    ("mean[b](norm1(p))", "norm1[h](p)", P.sum(1).mean()),
    ("mean[b](count(p > y))", "count[h](p > y)", (P > Y).sum(1).mean()),
    ("mean[b](indicator(any(p > 0.9)))", "any[h](p > 0.9)", (P > 0.9).any(1).mean()),
    ("mean[b if all(p > 0.02)](m)", "all[h](p > 0.02)", M[(P > 0.02).all(1)].mean()),
    ("sum[b](if m > 0 then sum(p) else 0)", "sum[h](p)", P.sum(1)[M > 0].sum()),
    ("sum[b](mean[h](p) * max(p))", "max[h](p)", (P.mean(1) * P.max(1)).sum()),
    ("sum[h](max(p - m))", "max[b](p - m)", (P - M[:, None]).max(0).sum()),
    ("sum[i](mean(p[i, h]))", "mean[h](p[i, h])", P.mean(1).sum()),
    ("sum[b](mean(p[b, h]))", "mean[h](p[b, h])", P.mean(1).sum()),
    ("mean[b](sum[h](y * log_softmax(p)))", "log_softmax[h](p)",
     (Y * (P - np.log(np.exp(P).sum(1, keepdims=True)))).sum(1).mean()),
    ("sum[b](sum[h](p * softmax(p)))", "softmax[h](p)",
     (P * np.exp(P) / np.exp(P).sum(1, keepdims=True)).sum()),
    ("sum[b](m * mean(m))", "mean[b](m)", (M * M.mean()).sum()),
]  # fmt: skip


@pytest.mark.parametrize("formula, line, right", INSTEAD, ids=[row[0] for row in INSTEAD])
def test_the_help_gives_the_list(formula: str, line: str, right: float) -> None:
    said = found(HEAD + formula)
    assert {d.code for d in said} <= {"E0311", "E0313", "W0203"}
    helps = [d.help for d in said if d.is_error]
    assert len(helps) == 1 and helps[0] is not None and line in helps[0]
    name = line[: line.index("[")]
    listless = name + line[line.index("]") + 1 :]
    assert value(HEAD + formula.replace(listless, line)) == pytest.approx(right, rel=1e-12)


# Ways to bring a body, or the reduction itself, into a reduction with a list.
WAYS = {
    "spelt out": "{head}mean[b](sqrt(mean((y[b, h] - p[b, h])^2)))",
    "bare": "{head}mean[b](sqrt(mean((y - p)^2)))",
    "definition of the body": "{head}mean[b](sqrt(mean(e)))\nwhere e = (y - p)^2",
    "definition of the reduction": "{head}mean[b](sqrt(e))\nwhere e = mean((y - p)^2)",
    "definition beside others": "{head}mean[b](m * e)\nwhere e = mean((y - p)^2)",
    "definition of a definition": "{head}mean[b](m * g)\nwhere e = mean((y - p)^2); g = sqrt(e)",
    "indexed definition": "{head}mean[b](r)\nwhere r[b] = sqrt(mean((y - p)^2))",
    "indexed by another name": "{head}mean[i](r[i])\nwhere r[i] = sqrt(mean(y[i, h]))",
    "where function": "{head}mean[b](rms(y - p))\nwhere rms(x) = sqrt(mean(x^2))",
    "def": "def rms(x) = sqrt(mean(x^2))\n{head}mean[b](rms(y - p))",
    "def of a def": "def ms(x) = mean(x^2)\ndef rms(x) = sqrt(ms(x))\n{head}mean[b](rms(y - p))",
    "def over dots": "def rms(x[...]) = sqrt(mean[...](x^2))\n{head}mean[b](m * rms(y - p))",
    "def over both axes": "def rms(x[b, h]) = sqrt(mean(x^2))\n{head}mean[b](m * rms(y - p))",
    "used loss": "use std.regression: mse\n{head}mean[b](sqrt(mse(y, p)))",
    "used loss with params": "use std.regression: huber\n{head}mean[b](sqrt(huber(y, p)))",
    "used loss in a filter": "use std.regression: mse\n{head}mean[b if mse(y, p) > 0](m)",
    "used loss in a head": "use std.regression: mse\n{head}mean[b](r[b])\nwhere r[b] = mse(y, p)",
}


@pytest.mark.parametrize("way", WAYS)
def test_it_does_not_matter_how_the_body_comes_there(way: str) -> None:
    text = WAYS[way].format(head=HEAD.replace("mean[b](m) * 0", "sum(p + y - m)"))
    assert {d.code for d in found(text)} == {"E0311"}


DICE = "1 - 2 * sum(a * c) / (sum(a) + sum(c))"
ENTROPY = "sum(a * log_softmax(c))"
SHARES = 1 - 2 * (Y * P).sum(1) / (Y.sum(1) + P.sum(1))
LOGS = P - np.log(np.exp(P).sum(1, keepdims=True))


@pytest.mark.parametrize("body, right", [(DICE, SHARES), (ENTROPY, (Y * LOGS).sum(1))])
def test_a_where_function_means_what_the_def_means(body: str, right: np.ndarray) -> None:
    use = HEAD + "mean[b](g(y, p))"
    local = lossc.compile(f"{use}\nwhere g(a[h], c[h]) = {body}", jit=False)
    top = lossc.compile(f"def g(a[h], c[h]) = {body}\n{use}", jit=False)
    assert local.hash == top.hash
    assert float(local(Y, P, M)) == pytest.approx(right.mean(), rel=1e-12)


def test_the_help_for_a_used_loss_can_be_pasted() -> None:
    use = "loss f(y[b, h], p[b, h]) = mean[b](sqrt({name}(y, p)))"
    for family, name in [("regression", "mse"), ("segmentation", "dice"), ("regression", "huber")]:
        (said,) = found(f"use std.{family}: {name}\n" + use.format(name=name))
        assert said.help is not None
        _, mended = said.help.split("\n", 1)
        loss = lossc.compile(f"{mended}\n{use.format(name=name + '_h')}", jit=False)
        each = [float(lossc.std[name](y, p)) for y, p in zip(Y, P, strict=True)]
        assert float(loss(Y, P)) == pytest.approx(np.sqrt(each).mean(), rel=1e-12)


LEGAL = [
    ("mean((y - p)^2)", ((Y - P) ** 2).mean()),
    ("mean((p - mean(p))^2)", P.var()),
    ("mean[b](mean[h](p)) + mean(y)", P.mean() + Y.mean()),
    ("mean[b](m * max(mean[b](m), 1))", M.mean()),
    ("sum[b]((m - c)^2)\nwhere c = mean(m)", ((M - M.mean()) ** 2).sum()),
    ("mean[b](p[b, 0] * sum(q))\nwhere q = 2", 2 * P[:, 0].mean()),
    ("mean[b](m / sum[b](m))", (M / M.sum()).mean()),
    ("sum[b if m == 1](2)", 4.0),
    ("sum[k in 0..2](k * mean(p))", 3 * P.mean()),
]


@pytest.mark.parametrize("formula, right", LEGAL, ids=[row[0] for row in LEGAL])
def test_what_is_no_question_stays_legal(formula: str, right: float) -> None:
    assert value(HEAD + formula) == pytest.approx(right, rel=1e-12)


def test_losses_add_up_where_nothing_binds_their_indices() -> None:
    text = (
        "use std.classification: binary_crossentropy_from_logits\n"
        "use std.segmentation: soft_dice\n"
        "loss f(y[batch, h], z[batch, h]) ="
        " binary_crossentropy_from_logits(y, z) + 0.5 * soft_dice(y, sigmoid(z))"
    )
    assert found(text) == ()


IDLE = [
    ("mean[b](3)", "leave out mean[...]"),
    ("mean[b, h](m)", "leave `h` out of the list"),
    ("sum[h](m[b])", "leave out sum[...]"),
    ("sum[k in 0..3](2)", "leave out sum[...]"),
    ("mean[b if m == 1](2)", None),
    ("max[b if m == 1](mean[h, b](p))", None),
    ("mean(p) * mean[b if m == 1](g)\nwhere g = mean[b, h](y)", None),
]


@pytest.mark.parametrize("formula, help", IDLE, ids=[row[0] for row in IDLE])
def test_a_list_or_filter_without_effect_is_refused(formula: str, help: str | None) -> None:
    (said,) = [d for d in found(HEAD + formula) if d.code == "E0318"]
    assert said.help == help


# Bare formulas that mean something else than they seem to, and the loss that the help gives.
ELSE = [
    ("mean(-sum(y * log(softmax(z))))",
     "mean[batch](-sum[class](y * log(softmax[class](z))))"),
    ("mean(logsumexp(z) - sum(y * z))",
     "mean[batch](logsumexp[class](z) - sum[class](y * z))"),
    ("mean(sum((y - yhat)^2))", "mean[batch](sum[class]((y - yhat)^2))"),
    ("mean(sqrt(sum((y - yhat)^2)))", "mean[batch](sqrt(sum[class]((y - yhat)^2)))"),
    ("sum(max(y - yhat))", "sum[batch](max[class](y - yhat))"),
    ("mean(norm(y - yhat))", "mean[batch](norm[class](y - yhat))"),
    ("mean(||y - yhat||^2)", "mean[batch](norm[class](y - yhat)^2)"),
    ("sum(||y - yhat||) + mean(y)",
     "sum[batch](norm[class](y - yhat)) + mean[batch, class](y)"),
    ("mean(y * log_softmax(z))", "mean[batch, class](y * log_softmax[class](z))"),
    ("mean(y * normalize(z))", "mean[batch, class](y * normalize[class](z))"),
    ("mean((y - softmax(z))^2)", "mean[batch, class]((y - softmax[class](z))^2)"),
    ("mean(y * z) - logsumexp(z)", "mean[batch, class](y * z) - logsumexp[batch, class](z)"),
]  # fmt: skip


@pytest.mark.parametrize("formula, meant", ELSE, ids=[row[0] for row in ELSE])
def test_a_formula_that_means_something_else_gets_the_line_to_write(
    formula: str, meant: str
) -> None:
    said = found(formula)
    assert {d.code for d in said} <= {"W0205", "W0206", "E0321"} and said
    lines = [part for d in said for part in (d.help or "").split("\n")]
    losses = {"loss " + part.split("loss ", 1)[1] for part in lines if "loss " in part}
    assert len(losses) == 1
    (line,) = losses
    assert line.endswith(f") = {meant}")
    assert found(line) == ()


@pytest.mark.parametrize(
    "formula",
    [
        "mean((y - yhat)^2)",
        "mean((y - mean(y))^2) + mean(yhat)",
        "logsumexp(y - yhat)",
        "mean(y * softmax[...](yhat))",
        "max(abs(y - yhat))",
        "mean(|y - |yhat||)",
        "mean(w1 * y + w2 * yhat)",
        "mean(y_true - y_pred)",
        "mean(mu_p * log(mu_q) + logvar - logvar2)",
    ],
)
def test_a_plain_formula_is_not_warned_of(formula: str) -> None:
    assert found(formula) == ()


SLIPS = [
    ("mean((y - yhat)^2 / (1 + yhta^2))", "`yhat`"),
    ("mean(weight * (y - yhat)^2) / mean(weights)", "`weight`"),
    ("mean(e * error)\nwhere errror = y - yhat; e = errror^2", "`errror`"),
    ("mean((y - yhat)^2 * exp)", "exp(...)"),
]


@pytest.mark.parametrize("text, meant", SLIPS)
def test_an_input_that_may_be_a_slip(text: str, meant: str) -> None:
    (said,) = found(text)
    assert said.code == "W0208" and said.help is not None and f"write {meant}" in said.help


@pytest.mark.parametrize(
    "formula, codes",
    [
        ("mean[n](1 / n * sum[i](x[i]))", {"W0207"}),
        ("sum[k](x[k] / k)", {"W0207"}),
        ("mean(x / n)", {"W0207"}),
        ("sum[k in 1..3](x[k] / k)", set()),
        ("sum[k if k > 0](x[k] / k)", set()),
        ("sum[k](if k > 0 then x[k] / k else 0)", set()),
        ("sum[k](x[k] / (k + 1))", set()),
        ("sum(x) / size(n)", set()),
        ("sum(x) / n", {"W0207", "E0302"}),
    ],
)
def test_an_index_is_no_length(formula: str, codes: set[str]) -> None:
    assert {d.code for d in found(f"loss f(x[n]) = {formula}")} == codes


@pytest.mark.parametrize(
    "name, wrt",
    [
        ("label_smoothing_ce", "z"),
        ("masked_autoencoder", "yhat"),
        ("negative_sortino", "target"),
        ("unimodal_binomial_nll", "n"),
        ("vae_elbo_normal", "sigma"),
    ],
)
def test_the_text_of_a_derivative_lists_no_idle_index(name: str, wrt: str) -> None:
    said = found(str(lossc.std[name].gradient(wrt)))
    assert not [d for d in said if d.is_error]
