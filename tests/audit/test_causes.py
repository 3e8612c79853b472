"""Causes for which a false claim was once proved: texts of each, and true neighbours of them.

`FALSE` is what must not be proved, whatever it is found to be; `OPEN` may hold, and must be neither
proved for all nor refuted. The rest is the verdict itself.
"""

from __future__ import annotations

import ast as python
from functools import cache
from math import inf

import pytest
from mpmath import mp

import lossc
from lossc.cli import main
from lossc.compiler.audit.claims import audit_claims
from lossc.compiler.audit.compare import DIFFERS, EQUAL, compare
from lossc.compiler.audit.compare import UNKNOWN as DOUBT
from lossc.compiler.audit.context import Context
from lossc.compiler.audit.influence import influences
from lossc.compiler.audit.page import page
from lossc.compiler.audit.report import audit
from lossc.compiler.audit.scalars import scalar
from lossc.compiler.audit.verdict import PROVED, REFUTED, SCOPED, UNKNOWN, Verdict
from lossc.compiler.check import Checked, check
from lossc.dsl.source import Source
from lossc.files import reader

FALSE = f"{REFUTED} or {UNKNOWN}"
OPEN = f"{SCOPED} or {UNKNOWN}"
TRUE = f"{PROVED} or {SCOPED}"
PART = f"{SCOPED} or {REFUTED} or {UNKNOWN}"  # false for other lengths or values than some

# A loss, and claims of it with what is said of each.
Texts = tuple[tuple[str, dict[str, str]], ...]

FIXED_AXES: Texts = (
    (
        "loss f(y[n], z[n, s=2]) = mean[n](y - sum[s](z^2))",
        {
            "convex in z": REFUTED, "increasing in z": REFUTED, "decreasing in z": REFUTED,
            "lipschitz in z by 0": REFUTED, "invariant under shift of z": REFUTED,
            "invariant under scale of z": REFUTED, "quasiconvex in z": REFUTED,
            "increasing in y": PROVED, "convex in y": PROVED, "lipschitz in y by 1": PROVED,
        },
    ),
    (
        "loss f(y[n], z[n, s=2]) = mean[n](y + sum[s](z^2))",
        {"convex in z": PROVED, "quasiconvex in y, z": PROVED, "f >= y": PROVED,
         "convex in y, z": PROVED, "decreasing in z": REFUTED},
    ),
    (
        "loss f(y[n], z[n, 2]) = mean[n](y * (z[n, 0] - z[n, 1]))",
        {"increasing in z": REFUTED, "invariant under shift of z": PROVED,
         "invariant under scale of z": REFUTED, "convex in z": PROVED, "convex in y, z": REFUTED},
    ),
    (
        "loss f(y[n], z[n, k, s=2]) = mean[n](y - sum[k, s](abs(z)))",
        {"convex in z": REFUTED, "lipschitz in z by 0": REFUTED, "smooth in z": FALSE,
         "decreasing in z": REFUTED, "increasing in y": TRUE},
    ),
    (
        "loss f(y[n], p[n, s=3]) = mean[n](y - sum[s](xlogy(p, p)))\nwhere p in simplex[s]",
        {"convex in p": REFUTED, "lipschitz in p by 0": REFUTED, "f >= y": TRUE},
    ),
    (
        "loss f(y[n], z[n]; w[s=2] = [1, 2]) = mean[n](y - sum[s](w^2) + 0 * z)",
        {"convex in w": REFUTED, "increasing in w": REFUTED, "decreasing in w": REFUTED,
         "increasing in y": PROVED},
    ),
    (
        "loss f(y[n=2], z[n=2]) = mean[n](y - z^2)",
        {"convex in z": REFUTED, "increasing in z": REFUTED, "convex in y": PROVED},
    ),
)  # fmt: skip

PRODUCTS: Texts = (
    (
        "loss f(y, x, z) = mean(x * z + 0 * y)\nwhere x, z in [0, inf)",
        {"convex in x, z": REFUTED, "convex in x": PROVED, "increasing in x, z": PROVED},
    ),
    (
        "loss f(y, x, z) = mean(x^2 * z^2 + 0 * y)\nwhere x, z in [0, inf)",
        {"convex in x, z": REFUTED, "convex in z": PROVED},
    ),
    (
        "loss f(y, x, z) = mean(0 * y - sqrt(x) * sqrt(1 - z))\nwhere x, z in [0, 1]",
        {"convex in x": PROVED, "convex in x, z": FALSE + f" or {PROVED}"},
    ),
    (
        "loss f(y, x, z) = mean(0 * y - x * (1 - z))\nwhere x, z in [0, 1]",
        {"convex in x, z": REFUTED, "convex in x": PROVED, "convex in z": PROVED},
    ),
    (
        "loss f(y, x) = mean(x * exp(x) + 0 * y)\nwhere x in [0, inf)",
        {"convex in x": PROVED, "quasiconvex in x": PROVED},
    ),
    (
        "loss f(y[n], z[n, k]) = mean[n](sum[k](z) * max[k](z) + 0 * y)\nwhere z in [0, 1]",
        {"convex in z": REFUTED, "increasing in z": PROVED},
    ),
    (
        "loss f(y[n], z[n, s=2]) = mean[n](z[n, 0] * z[n, 1] + 0 * y)\nwhere z in [0, 1]",
        {"convex in z": REFUTED, "increasing in z": PROVED},
    ),
    (
        "loss f(y, x, z) = mean((x + z) * (x + z) + (x - z) * (x - z) + 0 * y)",
        {"convex in x, z": PROVED, "quasiconvex in x, z": PROVED, "increasing in x": REFUTED},
    ),
    (
        "loss f(y, x, z) = mean(x / (1 + z) + 0 * y)\nwhere x, z in [0, inf)",
        {"convex in x, z": REFUTED, "convex in x": PROVED, "convex in z": PROVED},
    ),
)  # fmt: skip

MONOTONE: Texts = (
    (
        "loss f(y[n], z[n, k]) = mean[n](sum[k](sqrt(z)) + 0 * y)\nwhere z in [0, 1]",
        {"quasiconvex in z": REFUTED, "increasing in z": PROVED},
    ),
    (
        "loss f(y[n], z[n, k]) = mean[n](max[k](sqrt(z)) + 0 * y)\nwhere z in [0, 1]",
        {"quasiconvex in z": PROVED},
    ),
    (
        "loss f(y[n], z[n, k]) = mean[n](min[k](z) + 0 * y)",
        {"quasiconvex in z": REFUTED, "increasing in z": PROVED},
    ),
    (
        "loss f(y, x, z) = mean(sqrt(x) + sqrt(z) + 0 * y)\nwhere x, z in [0, 1]",
        {"quasiconvex in x, z": REFUTED, "quasiconvex in x": PROVED},
    ),
    (
        "loss f(y, x, z) = mean(sqrt(x + z) + 0 * y)\nwhere x, z in [0, 1]",
        {"quasiconvex in x, z": PROVED, "convex in x, z": REFUTED},
    ),
    (
        "loss f(y[n], z[n, k]) = mean[n](prod[k](z) + 0 * y)\nwhere z in [0, 1]",
        {"quasiconvex in z": REFUTED, "increasing in z": PROVED},
    ),
    (
        "loss f(y, x, z) = mean(x^3 + z^3 + 0 * y)",
        {"quasiconvex in x, z": REFUTED, "quasiconvex in z": PROVED},
    ),
)  # fmt: skip

FIXED_PARAMS: Texts = (
    (
        "loss f(y, x; c = none) = mean(if c == none then (y - x)^2 else (y - x)^2 - c)",
        {"f >= 0": REFUTED, "f(0, 0) == 0": PROVED, "convex in x": PROVED},
    ),
    (
        "loss f(y, x; c = none) = mean(if c == none then (y - x)^2 else (y - x)^2 + c^2)",
        {"f >= 0": PROVED, "zero iff y == x": REFUTED, "f >= c": REFUTED},
    ),
    (
        "loss f(y, x; c = none) = mean(if c == none then (y - x)^2 else c * (y - x)^2)\n"
        "where c in [1, 2]",
        {"f >= 0": PROVED, "f >= (y - x)^2": PROVED, "f <= (y - x)^2": REFUTED},
    ),
    (
        "loss f(y, x; c = 1) = mean(if c == none then -1 else (y - x)^2)",
        {"f >= 0": REFUTED, "f >= -1": PROVED},
    ),
    (
        "loss f(y[n], z[n, k]; m = 0) = mean[n](y^2 + 0 * z[n, m] - m)\nwhere m in 0..5",
        {"f >= 0": REFUTED, "f >= -5": PROVED, "f >= -4": REFUTED},
    ),
    (
        "loss f(y[n], z[n, k]; m = 0) = mean[n](y^2 + 0 * z[n, m] - m)",
        {"f >= 0": REFUTED, "f >= -m": SCOPED, "convex in y": SCOPED},
    ),
    (
        "loss f(y[n], z[n, k]; m = 2) = mean[n](y^2 + 0 * z[n, m] - m)\nwhere m in {2, 7}",
        {"f >= -2": REFUTED, "f >= -7": PROVED},
    ),
    (
        "loss f(y[n], x[n]; r = 2) = mean[n](sum[j in 0..r](x^j) + 0 * y)\nwhere\n"
        "    x in [0, 1]\n    r in 1..3",
        {"f <= 3": REFUTED, "f <= 4": PROVED, "f >= 1": PROVED},
    ),
    (
        "def g(x; c = none) = if c == none then -x^2 else x^2\n"
        "loss f(y, x; c = 1) = mean(g(y - x; c = c))",
        {"f >= 0": REFUTED},
    ),
    (
        "loss f(y, x; a = none) = mean((y - x)^2 * (if a == none then 1 else if a then 2 else -1))"
        "\nwhere a in bool",
        {"f >= 0": REFUTED, "f >= -(y - x)^2": PROVED},
    ),
    (
        "loss f(y, x; a = 3, b = 2) = mean((y - x)^2 + sum[i in 0..a](i) + sum[j in 0..b](j))\n"
        "where a, b in 1..3",
        {"f >= 2": PROVED, "f >= 9": REFUTED, "convex in x": PROVED},
    ),
    (
        "loss f(y, x; a = 3, b = 2) = mean((y - x)^2 + sum[i in 0..a](i) + sum[j in 0..b](j))\n"
        "where a, b in 1..9",
        {"f >= 2": SCOPED, "f >= 9": REFUTED},
    ),
)  # fmt: skip

CASES: Texts = (
    (
        "loss f(y, x) = mean(x + 0 * y)\nwhere x in {0, 1}",
        {"decreasing in x": REFUTED, "lipschitz in x by 0": REFUTED, "increasing in x": PROVED,
         "lipschitz in x by 1": PROVED, "invariant under shift of x": REFUTED},
    ),
    (
        "loss f(y, x) = mean(x + 0 * y)\nwhere x in 0..5",
        {"decreasing in x": REFUTED, "lipschitz in x by 0": REFUTED, "increasing in x": PROVED,
         "convex in x": PROVED},
    ),
    (
        "loss f(y[n], z[n, k]) = mean[n](y + 0 * sum[k](z))\nwhere y in index(k)",
        {"decreasing in y": REFUTED, "lipschitz in y by 0": REFUTED, "increasing in y": PROVED},
    ),
    (
        "loss f(y, x) = mean((if x < 3 then x + 10 else x) + 0 * y)\nwhere x in [0, 1] or [5, 6]",
        {"increasing in x": REFUTED, "lipschitz in x by 1": REFUTED, "quasiconvex in x": UNKNOWN},
    ),
    (
        "loss f(y, x) = mean((if x < 3 then 0 else 100) + 0 * y)\nwhere x in [0, 1] or [5, 6]",
        {"lipschitz in x by 1": REFUTED, "lipschitz in x by 25": PROVED, "increasing in x": PROVED,
         "decreasing in x": REFUTED},
    ),
    (
        "loss f(y, x; c = 1) = mean((y - x)^2 * (c - 1)^2)\nwhere c in {0, 1, 2}",
        {"increasing in c": REFUTED, "convex in c": PROVED},
    ),
    (
        "loss f(y, x, z) = mean((x - z)^2 + 0 * y)\nwhere x, z in {-1, 1}",
        {"increasing in x": REFUTED, "invariant under scale of x, z": OPEN,
         "lipschitz in x, z by 1": REFUTED, "lipschitz in x by 2": PROVED,
         "symmetric in x, z": PROVED, "invariant under shift of x, z": PROVED},
    ),
    (
        "loss f(y[n, k], x[n, k]) = mean[n](sum[k](k * y) + 0 * x[n, 0])\nwhere y in one_hot[k]",
        {"lipschitz in y by 0": REFUTED, "invariant under permutation of y": REFUTED,
         "f <= 2": PART},
    ),
    (
        "loss f(y, p) = mean((y - (1 - p))^2)\nwhere\n    p in {0.2, 0.8}\n    y in {0, 1}",
        {"proper": UNKNOWN},
    ),
    (
        "loss f(y, p) = mean((y - (1 - p))^2)\nwhere\n    p in [0, 0.4] or [0.6, 1]\n"
        "    y in {0, 1}",
        {"proper": UNKNOWN},
    ),
    (
        "loss f(y, x; k = 2) = mean(y^k + 0 * x)\nwhere\n    k in {2, 4}\n    y in [-1, 1]",
        {"increasing in k": REFUTED, "decreasing in k": PROVED, "convex in y": PROVED},
    ),
    (
        "loss f(y, x) = mean(x * (4 - x) + 0 * y)\nwhere x in {0, 4}",
        {"increasing in x": TRUE + f" or {UNKNOWN}", "decreasing in x": TRUE + f" or {UNKNOWN}"},
    ),
)  # fmt: skip

LENGTHS: Texts = (
    (
        "loss f(y[n], z[n, k]) = mean[n](y + 0 * sum[k](z))\nwhere y in [0, size(k)]",
        {"f <= 3": REFUTED, "f >= 0": PROVED},
    ),
    (
        "loss f(y[n], z[n, k]) = mean[n](y + 0 * sum[k](z))\nwhere y in -size(k)..0",
        {"f >= -3": REFUTED, "f <= 0": PROVED},
    ),
    (
        "loss f(y[n], z[n, k]) = mean[n](y + 0 * sum[k](z))\nwhere y in {0, size(k)}",
        {"f <= 3": REFUTED, "f >= 0": PROVED},
    ),
    (
        "loss f(y[n], z[n, k]) = mean[n](y + 0 * sum[k](z))\nwhere y in [0, 1] or [1, size(k)]",
        {"f <= 3": REFUTED, "f >= 0": PROVED},
    ),
    (
        "loss f(y[n], z[n, k]) = mean[n](y + 0 * sum[k](z))\nwhere y in index(k)",
        {"f <= 2": REFUTED, "f >= 0": PROVED, "f <= size(k) - 1": TRUE},
    ),
    (
        "loss f(y[n], z[n, k]; c = 1) = mean[n](c * y^2 + 0 * sum[k](z))\nwhere c in [0, size(k)]",
        {"f <= 3 * y^2": REFUTED, "f >= 0": PROVED},
    ),
)  # fmt: skip

LISTS: Texts = (
    (
        "loss f(y[n], x[n, level]; q[level] = [0.1, 0.5, 0.9]) ="
        " mean[n](sum[level](sigmoid(x) + 0 * q) + 0 * y)",
        {"f <= 3": REFUTED, "f >= 0": PROVED},
    ),
    (
        "loss f(y[n], x[n, k]; q[k] = [1, 2]) = mean[n](size(k) + 0 * y + 0 * sum[k](x * q))",
        {"f == 2": REFUTED, "f <= 2": REFUTED, "f >= 1": PROVED},
    ),
    (
        "loss f(y[n], x[n]; q[k] = [1, 2]) = mean[n](x^2 + 0 * y + sum[k](q^2) / size(k))",
        {"f >= 0": PROVED, "convex in q": PROVED, "f <= x^2 + q[0]^2 / 2 + q[1]^2 / 2": PART},
    ),
    (
        "loss f(y[n], x[n]; q[k] = [1, 2, 3]) ="
        " mean[n](sum[k](x * q) - 3 * mean[k](x * q) + 0 * y)",
        {"f == 0": REFUTED},
    ),
    (
        "loss f(y[n], x[n]; q[k=2] = [1, 2]) = mean[n](sum[k](x * q) - 2 * mean[k](x * q) + 0 * y)",
        {"f == 0": PROVED},
    ),
)  # fmt: skip

PLACES: Texts = (
    (
        "loss f(y[n], x[n]) = mean[n](n * (y - x)^2)",
        {"f == 0": REFUTED, "f >= 0": PROVED},
    ),
    (
        "loss f(y[n], x[n]) = mean[n](if n >= 50 then -1 else (y - x)^2)",
        {"f >= 0": PART},
    ),
    (
        "loss f(y[n], x[n]) = mean[n](if n == 1 then -1 else (y - x)^2)",
        {"f >= 0": REFUTED, "f >= -1": PROVED},
    ),
    (
        "loss f(y[n], x[n]; w[k] = [0, 5]) = mean[n]((y - x)^2 - w[if n == 0 then 0 else 1]^2)",
        {"f == (y - x)^2": FALSE},
    ),
    (
        "loss f(y[n], x[n]) = mean[n](y + 0 * x)\nwhere y in index(n)",
        {"f == 0": REFUTED, "f >= 0": PROVED},
    ),
    (
        "loss f(y[n], p[n]) = mean[n](p - 1 + 0 * y)\nwhere p in simplex[n]",
        {"f == 0": REFUTED},
    ),
    (
        "loss f(y[n], p[n]) = mean[n](y - 1 + 0 * p)\nwhere y in one_hot[n]",
        {"f == 0": REFUTED, "f <= 0": TRUE},
    ),
    (
        "loss f(y[n], x[n]) = mean[n](y^2 + 0 * x)\nwhere y in [0, size(n)]",
        {"f <= 1": REFUTED, "f >= 0": PROVED},
    ),
)  # fmt: skip

ADMISSIBLE: Texts = (
    (
        "loss f(y, x) = mean((y - x)^2 + sin(pi * y) * x)\nwhere y in int",
        {"elicits mean": OPEN, "elicits median": FALSE},
    ),
    (
        "loss f(y, x) = mean((y - x)^2 + sin(pi * y) * x)\nwhere y in 0..200",
        {"elicits mean": OPEN, "elicits median": FALSE},
    ),
    (
        "loss f(y, x) = mean((y - x)^2 + sin(pi * y)^2)\nwhere y in {0, 1}",
        {"elicits mean": OPEN + f" or {PROVED}", "elicits median": REFUTED},
    ),
    (
        "loss f(y, x) = mean(x^2 + sin(pi * x)^2 + 0 * y)\nwhere x in int",
        {"convex in x": OPEN, "lipschitz in x by 1": REFUTED, "increasing in x": REFUTED},
    ),
    (
        "loss f(y[n], p[n, k]) = mean[n](p[n, 0] + 0 * y)\nwhere p in simplex[k]",
        {"lipschitz in p by 0.9": OPEN, "lipschitz in p by 0.5": REFUTED,
         "lipschitz in p by 1": PROVED},
    ),
    (
        "loss f(y, x) = mean(max(x, 0) + 0 * y)\nwhere x in [0, 1]",
        {"smooth in x": UNKNOWN + f" or {PROVED}", "invariant under shift of x": REFUTED},
    ),
    (
        "loss f(y, x) = mean(abs(x) + 0 * y)\nwhere x in {-1, 1}",
        {"invariant under shift of x": OPEN, "invariant under scale of x": OPEN},
    ),
    (
        "loss f(y, x) = mean(y * (1 - y) + 0 * x)\nwhere\n    y in {0, 1}\n    x in [0, 1]",
        {"symmetric in y, x": OPEN, "f == 0": PROVED},
    ),
)  # fmt: skip

EMPTY: Texts = (
    ("loss f(y[n, k], x[n, k]) = mean[n](mean[k](exp(y)) + 0 * mean[k](x))", {"f > 0": PROVED}),
    ("loss f(y[n, k], x[n, k]) = mean[n](sum[k](exp(y)) + 0 * mean[k](x))", {"f > 0": PROVED}),
)

GROUPS = {
    "fixed axes": FIXED_AXES, "products": PRODUCTS, "monotone": MONOTONE,
    "fixed params": FIXED_PARAMS, "cases": CASES, "lengths": LENGTHS, "lists": LISTS,
    "places": PLACES, "admissible": ADMISSIBLE, "empty axes": EMPTY,
}  # fmt: skip
ROWS = [(group, text, claim, expected) for group, texts in GROUPS.items()
        for text, claims in texts for claim, expected in claims.items()]  # fmt: skip


@cache
def verdicts(text: str, claims: tuple[str, ...]) -> dict[str, Verdict]:
    whole = f"{text}\nclaims\n" + "".join(f"    {c}\n" for c in claims)
    read = reader(None)
    found = check(Source.of("text", whole), read)
    assert not found.errors, found.errors
    checked = found.losses["f"]
    return {c.text: c.verdict for c in audit_claims(checked, 4.0, read)}


def verdict(group: str, text: str, claim: str) -> Verdict:
    claims = next(c for t, c in GROUPS[group] if t == text)
    return verdicts(text, tuple(claims))[claim]


@pytest.mark.parametrize(("group", "text", "claim", "expected"), ROWS)
def test_verdicts(group: str, text: str, claim: str, expected: str) -> None:
    found = verdict(group, text, claim)
    assert found.word in expected.split(" or "), str(found)


@pytest.mark.parametrize(
    ("group", "text", "claim"), [r[:3] for r in ROWS if r[3] == REFUTED and r[0] != "empty axes"]
)
def test_witnesses_are_in_the_domain(group: str, text: str, claim: str) -> None:
    witness = verdict(group, text, claim).witness
    assert witness is not None
    values = {n: python.literal_eval(x) for n, x in witness.values.items()}
    assert mp.isfinite(lossc.compile(text).reference(**values))


# Two losses, and whether they are equal: one that is fixed, listed or placed is not what it seems.
SQUARE = "mean[n]((y - x)^2)"
DIFFS = (
    ("loss f(y, x; c = none) = mean(if c == none then (y - x)^2 else c * (y - x)^2)",
     "loss f(y, x; c = none) = mean((y - x)^2)", (DIFFERS,)),
    ("loss f(y, x; c = none) = mean(if c == none then (y - x)^2 else c * (y - x)^2)",
     "loss f(y, x; c = none) = mean(if c == none then (x - y)^2 else (y - x)^2 * c)", (EQUAL,)),
    ("loss f(y, x; c = 2) = mean(if c == none then y else c * (y - x)^2)",
     "loss f(y, x; c = 2) = mean(if c == none then x else c * (y - x)^2)", (DIFFERS,)),
    ("loss f(y[n], z[n, k]; m = 0) = mean[n](y^2 + z[n, m] - m)\nwhere m in 0..3",
     "loss f(y[n], z[n, k]; m = 0) = mean[n](y^2 + z[n, m])\nwhere m in 0..3", (DIFFERS,)),
    ("loss f(y[n], z[n, k]; m = 0) = mean[n](y^2 + z[n, m] - m)\nwhere m in 0..3",
     "loss f(y[n], z[n, k]; m = 0) = mean[n](z[n, m] + y * y - m)\nwhere m in 0..3", (EQUAL,)),
    ("loss f(y[n], z[n, k]; m = 0) = mean[n](y^2 + z[n, m])",
     "loss f(y[n], z[n, k]; m = 0) = mean[n](z[n, m] + y * y)", (DOUBT,)),
    ("loss f(y[n], z[n, k]; m = 0) = mean[n](y^2 + z[n, 0])",
     "loss f(y[n], z[n, k]; m = 0) = mean[n](y^2 + z[n, m])", (DIFFERS, DOUBT)),
    (f"loss f(y[n], x[n]) = {SQUARE}",
     "loss f(y[n], x[n]) = mean[n](if n >= 50 then 7 else (y - x)^2)", (DIFFERS, DOUBT)),
    (f"loss f(y[n], x[n]) = {SQUARE}",
     "loss f(y[n], x[n]) = mean[n](if n == 1 then 7 else (y - x)^2)", (DIFFERS,)),
    ("loss f(y[n], x[n]) = mean[n](n * (y - x)^2)",
     "loss f(y[n], x[n]) = mean[n](n * (x - y)^2)", (EQUAL,)),
    ("loss f(y[n], x[n, l]; q[l] = [0.1, 0.2, 0.7]) = mean[n](sum[l](x * q * y))",
     "loss f(y[n], x[n, l]; q[l] = [0.1, 0.2, 0.7]) = mean[n](3 * mean[l](x * q * y))",
     (DIFFERS, DOUBT)),
    ("loss f(y[n], x[n, l]; q[l] = [0.1, 0.2, 0.7]) = mean[n](sum[l](x * q * y))",
     "loss f(y[n], x[n, l]; q[l] = [0.1, 0.2, 0.7]) = mean[n](sum[l](y * x * q))", (EQUAL,)),
)  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), DIFFS)
def test_differences(old: str, new: str, expected: tuple[str, ...]) -> None:
    found = compare(loss(old), loss(new), 5.0)
    assert found.verdict in expected, found.how
    assert found.same == (expected == (EQUAL,))


# What is said of the parts of a loss that could fail: kinds found, and the scopes of what is safe.
HAZARDS = (
    ("loss f(y[n], z[n, k]; m = 0) = mean[n](y^2 + 0 * z[n, m] + 1 / (m - 3))\nwhere m in 0..5",
     {"infinite"}, {}),
    ("loss f(y[n], z[n, k]; m = 0) = mean[n](y^2 + 0 * z[n, m] + 1 / (m - 3 / 2))\nwhere m in 0..2",
     set(), {"": 1}),
    ("loss f(y[n], z[n, k]; m = 0) = mean[n](y^2 + 0 * z[n, m] + log(m + 1))",
     set(), {"m = 0": 1}),
    ("loss f(y, x; c = none) = mean(if c == none then (y - x)^2 else (y - x) / c)",
     {"nan", "infinite"}, {}),
    ("loss f(y[n], z[n, k]) = mean[n](log(3.5 - y) + 0 * sum[k](z))\nwhere y in [0, size(k)]",
     {"nan"}, {}),
    ("loss f(y[n], z[n, k]) = mean[n](y + 1 / (3.5 - sum[k](z)))\nwhere z in [0, 1]",
     set(), {"3 places of k": 1}),
    ("loss f(y[n], z[n, k]) = mean[n](y + 1 / (1.5 - mean[k](z)))\nwhere z in [0, 1]",
     set(), {"": 1}),
    ("loss f(y[n], z[n, k]) = mean[n](y + mean[k](if z > 0 then log(z) else z))", set(), {"": 1}),
    ("loss f(y[n], x[n]) = mean[n](n * (y - x)^2)", {"place"}, {}),
    ("loss f(y[n], x[n, t]) = mean[n, t]((1 + t) * (y - x)^2)", set(), {}),
)  # fmt: skip


@pytest.mark.parametrize(("text", "kinds", "safe"), HAZARDS)
def test_hazards(text: str, kinds: set[str], safe: dict[str, int]) -> None:
    found = audit(loss(text), reader(None), search=6.0)
    assert {h.kind for h in found.hazards} == kinds
    if not kinds:
        assert {k: n for k, n in {"": found.safe, **found.scoped}.items() if n} == safe


def loss(text: str) -> Checked:
    found = check(Source.of("text", text), reader(None))
    assert not found.errors, found.errors
    return found.losses["f"]


SUM = """loss f(y[n], z[n, k]) = mean[n](y + 1 / (9 + sum[k](z)))
where
    y in {0}
    z in {-1, 1}
claims
    f >= 0
    f >= y
"""


def test_a_scope_is_part_of_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    found = audit(loss(SUM), reader(None))
    assert found.summary == "f: 2 scoped"
    assert "scoped   f >= 0\n             proved for 3 places of k, by" in found.text
    assert found.to_json()["claims"][0]["verdict"] == PROVED
    assert found.to_json()["claims"][0]["scope"] == "3 places of k"
    assert "2 scoped" in page([found]) and "proved for 3 places of k" in page([found])
    assert not found.fails(UNKNOWN) and found.fails(SCOPED) and found.count(PROVED) == 0
    assert main(["audit", "-e", SUM, "--static", "--fail-on", "unknown"]) == 0
    assert main(["audit", "-e", SUM, "--static", "--fail-on", "scoped"]) == 1
    capsys.readouterr()


def test_a_variable_of_no_tensor_is_a_mistake() -> None:
    context = Context(loss("loss f(y[n], z[n, s=2]) = mean[n](y - sum[s](z^2))"))
    whole = context.whole(context.checked.program.value)
    assert whole is not None
    assert context.variables_of(whole, ["z"]) == {"z[0, 0]", "z[0, 1]"}
    with pytest.raises(AssertionError, match="no input or param has q"):
        context.variables_of(scalar("q"), ["z"])


def test_the_order_of_samples_matters_where_their_place_is_a_number() -> None:
    found = audit(loss("loss f(y[n], x[n]) = mean[n](n * (y - x)^2)"))
    assert {i.name: i.verdict.kind for i in found.invariants} == {"order": REFUTED}


def test_bounds_on_a_derivative_are_for_all_values_of_params() -> None:
    text = "loss f(y, x; c = none) = mean(if c == none then sin(x) + 0 * y else {} * sin(x))"
    for factor, high in (("2", 2.0), ("c", inf)):
        found = influences(loss(text.format(factor)))
        assert {i.high for i in found if i.input == "x"} == {high}


def test_a_limit_in_several_numbers_is_open() -> None:
    text = "loss f(y[n], z[n, k]) = mean[n](y + sum[k](z))"
    assert verdicts(text, ("limit z -> 0 equals f",)).popitem()[1].kind == UNKNOWN


def test_the_rows_are_of_all_verdicts() -> None:
    said = {word for row in ROWS for word in row[3].split(" or ")}
    assert said == {PROVED, SCOPED, REFUTED, UNKNOWN}
