"""The warning for inputs that no gradient reaches: where it is given, and where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

import lossc
from lossc.compiler.check import check
from lossc.dsl.source import Source
from lossc.files import reader

ROOT = Path(__file__).parent.parent
FILES = [
    *sorted((ROOT / "tests" / "corpus").glob("*.loss")),
    *sorted((ROOT / "stdlib").glob("*.loss")),
    *sorted((ROOT / "examples").glob("**/*.loss")),
]


def cuts(text: str) -> list[str]:
    """The places that are named."""
    found = check(Source.of("file.loss", text), reader(None)).diagnostics
    return [d.span.text for d in found if d.code == "W0204" and d.span is not None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mean((y - round(yhat))^2)", "round(yhat)"),
        ("mean((y - floor(2 * yhat) / 2)^2)", "floor(2 * yhat)"),
        ("mean(sign(yhat) * y)", "sign(yhat)"),
        ("mean((y - stop_gradient(yhat))^2)", "stop_gradient(yhat)"),
        ("mean(if yhat > 0 then y else -y)", "yhat > 0"),
        ("mean(if 0 < round(yhat) then y else -y)", "round(yhat)"),
        ("mean[... if yhat > y](y^2)", "yhat > y"),
        ("mean(indicator(isnan(yhat)) * y)", "isnan(yhat)"),
        ("loss f(y[n], s[n]) = sum[n](rank[n](s) * y)", "rank[n](s)"),
        ("loss f(y[n], s[n]) = sum[i](y[argsort[n](s)[n=i]] * i)", "argsort[n](s)"),
        ("loss f(y[b], p[b, c], w[c]) = mean[b](w[argmax[c](p)] * y)", "argmax[c](p)"),
        ("loss f(y[b], p[b, c]) = mean[b](y * indicator(any[c](p > y)))", "p > y"),
        ("mean((y - e)^2)\nwhere e = f(yhat)\n    f(x) = ceil(x)", "ceil(x)"),
        ("loss f(x[n]) = sum[i if x[i] > 0](2)", "x[i] > 0"),
        ("loss f(x[n], k[n]) = sum[n](round(x) * k)\nwhere k in int", "round(x)"),
        ("loss f(y, yhat, w) = mean(ceil(w) * (y - yhat)^2)", "ceil(w)"),
    ],
)
def test_the_place_that_cuts_the_path_is_named(text: str, said: str) -> None:
    assert cuts(text) == [said]


@pytest.mark.parametrize(
    "text",
    [
        "mean((y - yhat)^2)",
        "mean(round(yhat) * yhat + y)",
        "mean(if yhat > 0 then yhat else y)",
        "mean((round(y) - yhat)^2)",
        "mean((stop_gradient(y) - yhat)^2)",
        "loss f(y[n], yhat[n], w[n]) = mean[n if w > 0]((y - yhat)^2)",
        "loss f(y[n], s[n]) = mean[i, j if y[i] > y[j]](softplus(s[j] - s[i]))",
        "loss f(y[b], z[b, c]) = mean[b](-z[b, y])\nwhere y in index(c)",
        "loss f(z[b, c], y[b]) = mean[b](-z[b, y])\nwhere y in index(c)",
        "loss f(x[n], event[n]) = sum[n if event](x)\nwhere event in bool",
        "loss f(y[n], q[n, a], next[n, a]) = mean[n](q[n, argmax[a](next)] - y)",
        "mean(max(y, yhat) + clip(yhat, 0, 1))",
        "loss f(x[n]) = sum[n](sort[n](x) * n) + max[n](x)",
        "def f(y, yhat) = round(yhat) - y",
    ],
)
def test_it_is_not_said_of_paths_with_a_gradient_or_of_labels(text: str) -> None:
    assert cuts(text) == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_no_loss_of_the_library_or_the_corpus_is_warned_of(path: Path) -> None:
    assert cuts(path.read_text("utf-8")) == []


def test_what_is_warned_of_has_no_gradient() -> None:
    for text in ("mean((y - round(yhat))^2)", "mean(if yhat > 0 then y else -y)"):
        gradient = str(lossc.compile(text).gradient("yhat"))
        assert gradient.strip().endswith("= 0")
