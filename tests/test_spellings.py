"""Spellings of one cross entropy have equal digits, where a sample is told apart well."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp

import lossc

LOGITS = np.array(
    [[16.369247, -5.3e-06, 0.001446, -3.6e-05, -0.00873], [-3, 20.5, -2, 1, 2]], np.float32
)
LABELS = np.array([0, 1])
DATA = {"z": LOGITS, "y": LABELS, "o": np.eye(5, dtype=np.float32)[LABELS],
        "m": np.array([1, 0.5], np.float32)}  # fmt: skip
# Inputs; the loss; what its `where` holds; what is told of it.
SPELLINGS = [
    ("y[n], z[n,c]", "mean[n](-log(exp(z[n,y])/sum[c](exp(z))))", "y in index(c)", ""),
    ("o[n,c], z[n,c]", "mean[n](-sum[c](o * log(softmax[c](z))))", "", ""),
    ("o[n,c], z[n,c]", "mean[n](-sum[c](o * log(softmax[c](z))))", "o in one_hot[c]", ""),
    ("o[n,c], z[n,c]", "mean[n](logsumexp[c](z) - sum[c](o*z))", "o in one_hot[c]", ""),
    ("o[n,c], z[n,c]", "mean[n](logsumexp[c](z) - sum[c](o*z))", "o in simplex[c]", ""),
    ("o[n,c], z[n,c]", "mean[n](-log(sum[c](o * softmax[c](z))))", "o in one_hot[c]", ""),
    ("o[n,c], z[n,c]", "mean[n](-log(sum[c](o * exp(z)) / sum[c](exp(z))))", "o in one_hot[c]", ""),
    ("y[n], z[n,c]", "mean[n](-sum[c](one_hot[c](y) * log_softmax[c](z)))", "y in index(c)", ""),
    (
        "y[n], z[n,c]",
        "mean[n](-sum[c](if c == y then log(softmax[c](z)) else 0))",
        "y in index(c)",
        "",
    ),
    (
        "y[n], z[n,c]",
        "mean[n](-sum[c](indicator(c == y) * (z - logsumexp[c](z))))",
        "y in index(c)",
        "",
    ),
    (
        "y[n], z[n,c]",
        "mean[n](-sum[c if c == y](log(exp(z) / sum[c](exp(z)))))",
        "y in index(c)",
        "",
    ),
    ("y[n], z[n,c]", "mean[n](log(1 + sum[c if c != y](exp(z - z[n,y]))))", "y in index(c)", ""),
    ("y[n], z[n,c]", "mean[n](log1p(sum[c if c != y](exp(z)) / exp(z[n,y])))", "y in index(c)", ""),
    (
        "y[n], z[n,c]",
        "mean[n](-log(1 - sum[c if c != y](exp(z))/sum[c](exp(z))))",
        "y in index(c)",
        "",
    ),
    (
        "y[n], z[n,c], m[n]",
        "sum[n](m * -log(exp(z[n,y])/sum[c](exp(z)))) / sum[n](m)",
        "y in index(c); m in [0, inf)",
        "mask",
    ),
    (
        "y[n], z[n,c], m[n]",
        "sum[n](if m > 0 then m * (logsumexp[c](z) - z[n,y]) else 0) / sum[n](m)",
        "y in index(c); m in [0, inf)",
        "mask",
    ),
    (
        "y[n], z[n,c]",
        "mean[n](-log(exp(z[n,y]/t)/sum[c](exp(z/t))))",
        "y in index(c); t in (0,inf)",
        "temperature",
    ),
    (
        "y[n], z[n,c]",
        "mean[n](-log(softmax[c](z/t)[c=y]))",
        "y in index(c); t in (0,inf)",
        "temperature",
    ),
    (
        "o[n,c], z[n,c]",
        "mean[n](-sum[c](o*log_softmax[c](z/t)))",
        "o in one_hot[c]; t in (0,inf)",
        "temperature",
    ),
    (
        "y[n], z[n,c], m[n]",
        "sum[n](m * (logsumexp[c](z/t) - z[n,y]/t)) / sum[n](m)",
        "y in index(c); m in [0, inf); t in (0,inf)",
        "mask temperature",
    ),
    ("y[n], z[n,c]", "mean[n](-(z[n,y] - log(sum[c](exp(z)))))", "y in index(c)", ""),
    (
        "y[n], z[n,c]",
        "mean[n](logaddexp(z[n,y], logsumexp[c if c != y](z)) - z[n,y])",
        "y in index(c)",
        "",
    ),
    ("y[n], z[n,c]", "mean[n](softplus(logsumexp[c if c != y](z) - z[n,y]))", "y in index(c)", ""),
    ("y[n], z[n,c]", "mean[n](log(sum[c](exp(z - z[n,y]))))", "y in index(c)", ""),
    (
        "y[n], z[n,c]",
        "mean[n](log(sum[c](exp(z - mx))) + mx - z[n,y])",
        "y in index(c); mx[n] = max[c](z)",
        "",
    ),
    (
        "y[n], z[n,c]",
        "mean[n](log(sum[c](exp(z - mx))) - (z[n,y] - mx))",
        "y in index(c); mx[n] = max[c](z)",
        "",
    ),
    (
        "y[n], z[n,c]",
        "mean[n](-log(sigmoid(z[n,y] - logsumexp[c if c != y](z))))",
        "y in index(c)",
        "",
    ),
    ("z[n,c]", "mean[n](-log(exp(z[n,0])/sum[c](exp(z))))", "", "fixed"),
    ("z[n,c]", "mean[n](-sum[c](if c == 0 then log_softmax[c](z) else 0))", "", "fixed"),
    ("z[n,c]", "mean[n](-sum[c if c == 0](log(softmax[c](z))))", "", "fixed"),
    ("o[n,c], z[n,c]", "mean[n](logsumexp[c](z) - sum[c](o*z))", "", ""),
    (
        "y[n], z[n,c]",
        "mean[n](-sum[c](q * log(softmax[c](z))))",
        "y in index(c); q[n,c] = (1 - a) * one_hot[c](y) + a / size(c)",
        "smooth",
    ),
    (
        "y[n], z[n,c]",
        "mean[n](logsumexp[c](z) - (1 - a) * z[n,y] - a * mean[c](z))",
        "y in index(c)",
        "smooth",
    ),
    (
        "o[n,c], z[n,c]",
        "mean[n](-sum[c]((o * (1 - a) + a / 5) * log_softmax[c](z)))",
        "o in one_hot[c]",
        "smooth",
    ),
]


def true(tag: str) -> tuple[float, np.ndarray]:
    """The loss and its gradient in 60 digits."""
    with mp.workdps(60):
        t = mp.mpf(float(np.float32(0.9))) if "temperature" in tag else mp.mpf(1)
        a = mp.mpf(float(np.float32(0.1))) if tag == "smooth" else mp.mpf(0)
        weights = DATA["m"] if "mask" in tag else np.ones(2)
        labels = [0, 0] if "fixed" in tag else LABELS.tolist()
        value, slopes = mp.mpf(0), []
        for row, label, w in zip(LOGITS.tolist(), labels, weights.tolist(), strict=True):
            weight = mp.mpf(w) / sum(weights.tolist())
            parts = [mp.exp(mp.mpf(x) / t) for x in row]
            whole = sum(parts)
            target = [(1 - a) * (k == label) + a / 5 for k in range(5)]
            logs = [mp.log(whole) - mp.mpf(x) / t for x in row]
            value += weight * sum(q * s for q, s in zip(target, logs, strict=True))
            off = zip(parts, target, strict=True)
            slopes.append([float(weight * (p / whole - q) / t) for p, q in off])
        return float(value), np.array(slopes)


@pytest.mark.parametrize(
    ("inputs", "body", "where", "tag"), SPELLINGS, ids=[s[1] for s in SPELLINGS]
)
def test_spellings_have_equal_digits(inputs: str, body: str, where: str, tag: str) -> None:
    params = {"temperature": "; t = 0.9", "smooth": "; a = 0.1 in [0, 1]"}
    param = next((p for word, p in params.items() if word in tag), "")
    text = f"loss f({inputs}{param}) = {body}" + (f"\nwhere {where}" if where else "")
    args = {name: data for name, data in DATA.items() if f"{name}[" in inputs}
    value, slopes = lossc.compile(text).value_and_grad(wrt=["z"], **args)
    right, gradient = true(tag)
    assert float(value) == pytest.approx(right, rel=1e-6)
    assert slopes["z"].numpy() == pytest.approx(gradient, rel=1e-5)


# Parts of a spelling: logarithms of shares, and how those at a label are taken.
LOGS = (
    "log_softmax[c](z{t})", "log(softmax[c](z{t}))", "(z{t} - logsumexp[c](z{t}))",
    "log(exp(z{t}) / sum[c](exp(z{t})))", "(z{t} - log(sum[c](exp(z{t}))))",
)  # fmt: skip
TAKEN = (
    ("y[n], z[n,c]", "lp[n, y]"),
    ("y[n], z[n,c]", "sum[c if c == y](lp)"),
    ("y[n], z[n,c]", "sum[c](if c == y then lp else 0)"),
    ("y[n], z[n,c]", "sum[c](indicator(c == y) * lp)"),
    ("y[n], z[n,c]", "sum[c](one_hot[c](y) * lp)"),
    ("o[n,c], z[n,c]", "sum[c](o * lp)"),
    ("z[n,c]", "lp[n, 0]"),
    ("z[n,c]", "sum[c](if c == 0 then lp else 0)"),
    ("z[n,c]", "sum[c if c == 0](lp)"),
)  # fmt: skip
MEANS = (
    ("", "mean[n](-{l})"), ("", "-mean[n]({l})"), ("", "sum[n](-{l}) / size(n)"),
    ("mask", "sum[n](m * -({l})) / sum[n](m)"),
)  # fmt: skip


@given(st.sampled_from(LOGS), st.sampled_from(TAKEN), st.sampled_from(MEANS), st.booleans())
@settings(max_examples=8, deadline=None)
def test_composed_spellings_have_equal_digits(
    log: str, taken: tuple[str, str], mean: tuple[str, str], warm: bool
) -> None:
    (inputs, at), (mask, over) = taken, mean
    tag = " ".join(["fixed" * inputs.startswith("z"), mask, "temperature" * warm])
    where = ["lp[n, c] = " + log.format(t="/t" if warm else "")]
    where += ["y in index(c)"] if "y[" in inputs else []
    where += ["m in [0, inf)"] if mask else []
    where += ["t in (0, inf)"] if warm else []
    declared = inputs + (", m[n]" if mask else "") + ("; t = 0.9" if warm else "")
    text = f"loss f({declared}) = {over.format(l=at)}\nwhere " + "; ".join(where)
    args = {name: data for name, data in DATA.items() if f"{name}[" in declared}
    value, slopes = lossc.compile(text, jit=False).value_and_grad(wrt=["z"], **args)
    right, gradient = true(tag)
    assert float(value) == pytest.approx(right, rel=1e-6)
    assert slopes["z"].numpy() == pytest.approx(gradient, rel=1e-5)


FAR = np.array([[0.1257, -0.1321, 0.6404, 0.1049, -0.5357]])


@pytest.mark.parametrize("offset", [0, 10, 100, 1e4, 1e7, 1e10, 1e20, 1e38])
def test_an_offset_of_all_logits_costs_no_digits(offset: float) -> None:
    z, y = (FAR + offset).astype(np.float32), np.array([2])
    exact = z.astype(np.longdouble) - z.max().astype(np.longdouble)
    parts = np.exp(exact)
    right = float(np.log(parts.sum()) - exact[0, 2])
    gradient = (parts / parts.sum() - (np.arange(5) == 2)).astype(float)
    for body in ("-log_softmax[c](z)[c=y]", "logsumexp[c](z) - z[n, y]"):
        text = f"loss f(y[n], z[n, c]) = mean[n]({body})\nwhere y in index(c)"
        value, slopes = lossc.compile(text, jit=False).value_and_grad(y, z, wrt=["z"])
        assert float(value) == pytest.approx(right, rel=4e-7)
        assert slopes["z"].numpy() == pytest.approx(gradient, rel=4e-7)
