"""What mutants are checked on: losses that use every derivative rule, and slopes at kinks."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import Any

import lossc
from lossc.dsl.primitives import PRIMITIVES
from tests.test_finite import CASES, text_of

Data = dict[str, list[Any]]

REDUCTIONS = ("sum", "mean", "prod", "max", "min", "logsumexp", "var", "std", "norm", "norm1")
SCANS = ("cumsum", "logcumsumexp", "sort")

# Windows over windows, whose derivative is taken of tables.
TABLED = (
    "loss f(x[n]) = sum[n]((n + 1) * sum[u in -1..1](a[n+u]^2 * (u + 2)))\n"
    "where a[n] = sum[v in 0..1](x[n+v]^2 * (v + 1))",
    "loss f(x[n, m]) = sum[n, m]((n + 2*m + 1) * b)\n"
    "where b = sum[u in 0..1](pad(x[n+u, m], 1) * pad(a[n-u, m], 2)^2); a[n, m] = "
    "exp(sum[v in -1..1](pad(x[n, m+v], 0) * (v + 2)))",
)

# Weights by place, so that no place can be taken for another.
TEXTS = (
    # accesses: shifted, turned, repeated, strided, gathered, padded, in windows, on diagonals
    "loss f(x[n]) = sum[t](x[t+1]^2 * x[t])",
    "loss f(x[n]) = sum[t](exp(x[t-1]) * x[t] * t)",
    "loss f(x[n=4]) = sum[t](x[t+1]^2 * x[t]) + sum[t](exp(x[t-1]) * t)",
    "loss f(x[n]) = sum[i](x[size(n)-1-i]^2 * x[i])",
    "loss f(x[n]) = sum[i in 0..1](x[2*i]^2 * (i + 1))",
    "loss f(x[n]) = sum[i in 0..1, j in 0..2](x[2*i+j]^2 * (3*i + j + 1))",
    "loss f(x[n]) = mean[i in 0..2, j in 1..2](x[i+j]^2 * (i + 4*j))",
    "loss f(x[n]) = x[1]^2 + sum[n](x)",
    "loss f(x[n, n]) = sum[i, j](x[i, j] * x[j, i]^2 * (i + 1))",
    "loss f(x[n, m]) = sum[i](exp(x[i, i]) * (i + 1))",
    "loss f(x[n, n]) = sum[i](x[i, i]^2 * (i + 1)) + sum[i, j](x[i, j]^3)",
    "loss f(x[n], y[k]) = sum[k](x[y]^2 * (k + 1)) where y in index(n)",
    "loss f(z[b, c], y[b]) = mean[b](logsumexp[c](z) - z[b, y]) where y in index(c)",
    "loss f(z[b, c], y[b]) = sum[b](softmax[c](z)[c=y]^2) where y in index(c)",
    "loss f(z[c, b], y[b]) = sum[b](z[y, b]^2 * (b + 1)) where y in index(c)",
    "loss f(z[a, b], y[n], k[n]) = sum[n](z[y, k]^2 * y) where y in index(a); k in index(b)",
    "loss f(x[n], y[n]) = sum[i](x[i] * sum[j](y[j] / (1 + x[j]^2)))",
    "loss f(x[n], y[m]) = mean[i, j](x[i+1] * y[i] * x[j] * y[j+1])",
    "loss f(x[n]) = sum[t](pad(x[t-1], 0) * x[t]^2)",
    "loss f(x[n]) = sum[t](pad(x[t+2], 1)^2 * (x[t] + t))",
    "loss f(x[n]) = sum[t in 0..1](cumsum[n](x)[n=t+1] * x[t])",
    "loss f(x[n], k[w=3]) = sum[t](sum[u in -1..1](k[u+1] * x[t+u])^2)",
    "loss f(x[n, m]) = sum[i, j](sum[u in 0..1, v in 0..1](x[i+u, j+v] * (u + 2*v + 1))^2)",
    "loss f(x[n]) = sum[i](sum[j in 0..1](x[i+j] * exp(x[i])))",
    "loss f(x[n], y[n]) = sum[i](sum[j in 0..2 if y[i] > 0](x[i+j]^2 * (j + 1)))",
    "loss f(x[n, m], w[m]) = sum[m](w * mean[n](x)^2)",
    "loss f(x[n], y[m]) = sum[i, j](max(x[i] - y[j], 0) * (i + 2*j + 1))",
    "loss f(x[n], y[m]) = var[i](x[i+1] * y[i])",
    "loss f(x[n], y[m]) = sum[i](x[i+1]^2 * y[i])",
    "loss f(x[n], y[m]) = prod[i](x[i] * y[i+1] + 2)",
    "loss f(x[n]) = sum[n](x^2) + size(n) * x[0]",
    "def f(x[n, m]) = x^2 / sum[m](x)",
    "def f(x[n], y[m]) = x * y^2",
    *TABLED,
    # branches, ties, powers, simplex, stop_gradient
    "mean(if y > 0 then yhat^2 else if yhat < y then y * yhat else yhat - y)",
    "mean((if y > 0 then yhat else y * yhat)^2)",
    "sum(if yhat > 0 and y > 0 then log(yhat) else 2 * yhat)",
    "mean(max(y, yhat^2, y * yhat) + min(y, 2 * yhat, yhat - y))",
    "mean(max(yhat, 0) * y + min(yhat, 1, y))",
    "mean(clip(y * yhat, -1, 1) + clip(yhat, y - 1, y + 2))",
    "mean(max(1, 2 * yhat) * y)",
    "loss f(y[n], yhat[n]; p = 2) = mean[n](abs(yhat)^p * y)",
    "loss f(y[n], yhat[n]; p = 0.5) = mean[n](max(yhat, p) * y^2)",
    "loss f(y[n], yhat[n]; p = 3) = mean[n](yhat^2 + yhat^1 * y + y^3 + (1 + y^2)^-2 + yhat^p)",
    "loss f(y[b, c], z[b, c]) = -mean[b](sum[c](y * log_softmax[c](z))) where y in simplex[c]",
    "loss f(p[b, c], z[b, c]) = mean[b](sum[c](p * z) + logsumexp[c](z * p)) where p in simplex[c]",
    "loss f(x[n]) = sum[n](x^0.5 * (n + 1) + x^0.75) where x in (0, inf)",
    "loss f(x[n]) = sum[n](x^pi + x^e * n) where x in (0, inf)",
    "loss f(x[], y[n]) = sum[n](x + y) + x^2",
    "loss f(p[b, c], x[]) = sum[b, c](p * x) + x^2 where p in simplex[c]",
    "loss f(x[], y[n]) = sum[n](if y > 0 then t else 2 * t) * x where t = x + y",
    "loss f(x[], y[n], w[]) = sum[n](x * y * w)",
    "loss f(x[], y[n], z[n]) = sum[n](x * y / z) where z in (0, inf)",
    "mean(stop_gradient(y * yhat) * yhat^2)",
    "loss f(z[n]) = sum[n](z * rank[n](z)) + z[argmax[n](z)]^2 + sum[n](indicator(z > 0) * z)",
    "loss f(x[n], y[n]) = sum[i, j if i != j and y[i] > y[j]](softplus(x[j] - x[i]))",
    "loss f(x[n], y[n]) = sum[i](x[i]^2 * sum[j if y[j] > y[i]](exp(x[j])))",
    "loss f(x[n]) = sum[i](normalize[n](x)[n=i] * (i + 1))",
    "loss f(x[n, m]) = sum[m](max[n](x)^2 * (m + 1)) + sum[n](min[m](x) * n)",
    # an index that the second slot settles in the first, clip in clip, factors and branches of sums
    "loss f(x[n, m]) = sum[i, j](x[i+j, j]^2 * (i + 2*j + 1))",
    "mean(clip(clip(y * yhat, -2, 2) + yhat, -1, 1))",
    "loss f(x[], y[n]) = sum[n](x * (if y > 0 then 3 else 1))",
    "loss f(x[], y[n], w[]) = sum[n](x * w * y)",
    "loss f(x[], y[n], w[]) = sum[n](exp((x + y) * w))",
)  # fmt: skip

KINKS = (
    # the gradient in yhat where y and yhat are 0 at two places
    ("sum(abs(y - yhat))", 0),
    ("sum(relu(y - yhat))", 0),
    ("sum(max(yhat, 0) + min(yhat, 0))", 0),
    ("sum(max(0, yhat) + min(0, yhat))", 0),
    ("sum(max(y, yhat))", "1/2"),
    ("sum(max(yhat, y))", "1/2"),
    ("sum(min(y, yhat))", "1/2"),
    ("sum(max(y, yhat, 2 * yhat))", 1),
    ("sum(min(y, 3 * yhat, y + y))", 1),
    ("sum(max(y, yhat, 0))", 0),
    ("sum(min(y, yhat, 0, 1))", 0),
    ("sum(max(yhat, 0, -1))", 0),
    ("sum(clip(yhat, 0, 1))", 0),
    ("sum(clip(yhat, -1, 0))", 0),
    ("sum(clip(yhat, y, 1))", "1/2"),
    ("sum(clip(yhat, -1, y))", "1/2"),
    ("sum(sign(yhat) + floor(yhat) + ceil(yhat) + round(yhat))", 0),
    ("max(yhat)", "1/2"),
    ("min(yhat)", "1/2"),
    ("norm1(yhat)", 0),
    ("norm(y - yhat)", 0),
    ("std(yhat)", 0),
    ("var(yhat + 1)", 0),
    ("sum(sqrt(yhat^2))", 0),
    ("sum(sqrt(yhat))", 0),
    ("sum(hypot(y, yhat))", 0),
    ("sum(hypot(yhat, y))", 0),
    ("sum(atan2(yhat, 1 + y))", 1),
    ("sum(atan2(1 + y, yhat))", -1),
    ("sum(xlogy(y, yhat))", 0),
    ("sum(xlogy(1 + y, yhat))", "inf"),
    ("sum(xlogy(yhat, y))", 0),
    ("sum(xlogy(yhat, y / yhat))", 0),
    ("sum(xlogy(yhat, y + 1))", 0),
    ("sum(xlogy(yhat + 1, y))", "-inf"),
    ("sum(if yhat > 0 then log(yhat) else 0)", 0),
    ("sum(if yhat > 0 then sqrt(yhat) / yhat else yhat)", 1),
    ("sum(if yhat >= 0 then 2 * yhat else yhat)", 2),
    ("sum(if y > 0 then 1 / yhat else y * yhat)", 0),
    ("sum(yhat^2 + yhat^1 + yhat^0)", 1),
    ("sum(yhat^(y + 1) + yhat^y)", 1),
    ("sum(yhat^(y + 2))", 0),
    ("sum((1 + y)^yhat + y^(yhat + 1))", 0),
    ("sum(bessel_i1e(yhat) + bessel_i0e(yhat))", "1/2"),
    ("prod(yhat + y)", 0),
)

CONVENTIONS: tuple[tuple[str, list[float], list[float]], ...] = (
    ("sum[n](asin(x) + 2 * acos(x))", [-1, 1], [0, 0]),
    ("sum[n](acosh(x))", [1, 1], [0, 0]),
    ("sum[n](cbrt(x))", [0, 0], [0, 0]),
    ("sum[n](x^0.5)", [0, 0], [0, 0]),
    ("exp(logsumexp[n](log(x)))", [0, 0], [0, 0]),
    ("sum[n](exp(logcumsumexp[n](log(x))))", [0, 0], [0, 0]),
    ("norm[n](x)^2", [1, -1], [2, -2]),
)

# Where no branch is taken the adjoint is 0, and the slope of the logarithm beyond it infinite.
BRANCHES = "(if c > 0 then t else 0) + (if c > 1 then 2 * t else 0)"
GUARDED: tuple[tuple[str, str, Data, list[float]], ...] = (
    ("f(c[n], x[n]) = sum[n]({}) where t = log(x)", "x", {"c": [0, 0], "x": [0, 1]}, [0, 0]),
    ("f(c[n], x[n]) = sum[n]({}) where t = -log(x)", "x", {"c": [0, 0], "x": [0, 1]}, [0, 0]),
    ("f(c[n], x[n]) = sum[n]({}) where t = (n+1) * log(x)", "x", {"c": [0, 0], "x": [0, 1]},
     [0, 0]),
    ("f(c[n], x[n]) = sum[n]({}) where t = log(x) / size(n)", "x", {"c": [0, 0], "x": [0, 1]},
     [0, 0]),
    ("f(c[], x[n]) = {} where t = sum[n](log(x))", "x", {"c": 0, "x": [0, 1]}, [0, 0]),
    ("f(c[m], x[n, m]) = sum[m]({}) where t = sum[n](log(x))", "x",
     {"c": [0, 0], "x": [[0, 1], [1, 0]]}, [[0, 0], [0, 0]]),
    ("f(c[n, m], x[m]) = sum[n, m]({}) where t = (n+1) * log(x)", "x",
     {"c": [[0, 0], [0, 0]], "x": [0, 1]}, [0, 0]),
    ("f(c[n, m], a[n], x[m]) = sum[n, m]({}) where t = a * log(x)", "a",
     {"c": [[0, 0], [0, 0]], "a": [1, 1], "x": [0, 1]}, [0, 0]),
    ("f(x[n]) = sum[n]((if n > 0 then t else 0) + (if n > 1 then 2 * t else 0)) where t = log(x)",
     "x", {"x": [0, 1]}, [0, 1]),
    ("f(c[n], x[n]) = sum[n](2 * (if c > 0 then t else 0) - s * t) "
     "where t = log(x); s = (if c > 1 then n else 0) - (if c > 2 then 1 else 0)",
     "x", {"c": [0, 0], "x": [0, 1]}, [0, 0]),
)  # fmt: skip


def fixed() -> dict[str, tuple[str, Data, Any]]:
    """Gradients that the language fixes: a loss's text, the input, the data, the gradient."""
    zero = {"y": [0, 0], "yhat": [0, 0]}
    found: dict[str, tuple[str, Data, Any]] = {
        f"loss f(y, yhat) = {text}": (
            "yhat",
            zero,
            float(Fraction(slope)) if "inf" not in str(slope) else float(slope),
        )
        for text, slope in KINKS
    }
    found |= {f"loss f(x[n]) = {text}": ("x", {"x": at}, slope) for text, at, slope in CONVENTIONS}
    for text, name, data, want in GUARDED:
        found[f"loss {text.format(BRANCHES)}"] = (name, data, want)
    for text, data, want in CASES:
        lists = {n.partition("[")[0]: x if isinstance(x, list) else [x] for n, x in data.items()}
        found[text_of(text, data)] = ("x", lists, want)
    return found


FIXED = fixed()


@cache
def losses() -> dict[str, lossc.Loss]:
    """Every loss of the battery, by its text."""
    texts = (*TEXTS, *_reductions(), *_scans(), *primitives())
    return {text: lossc.compile(text) for text in texts}


def _reductions() -> Iterator[str]:
    """Each reduction: plain, filtered, over several indices, over a shifted range, nested."""
    for op in REDUCTIONS:
        yield f"loss f(x[n, m]) = sum[n](n * {op}[m](x)) + {op}[n, m](x * (m + 1))"
        yield f"loss f(x[n], y[n]) = {op}[n if y > 0](x) + {op}[i, j if i < j](x[i] * y[j])"
        yield f"loss f(x[n]) = {op}[t](x[t+1] * (t + x[t]))"
        yield f"loss f(x[n], y[m]) = {op}[i](x[i] * y[i])"
        yield f"loss f(x[n], y[n]) = sum[i](y[i] * {op}[j if y[j] >= y[i]](x[j] * x[i]))"


def _scans() -> Iterator[str]:
    """Each scan and sort: plain, filtered, over a range that begins later."""
    for op in SCANS:
        yield f"loss f(x[n, m]) = sum[n, m]({op}[m](x) * (n + 2 * m + 1))"
        yield f"loss f(x[n], y[n]) = sum[n if y > 0]({op}[n if y > 0](x) * (n + 1))"
        yield f"loss f(x[n]) = sum[i in 1..2]({op}[i](x[i]) * i^2)"
        yield f"loss f(x[n]) = sum[t](x[t] * {op}[t](x[t+1]))"
        yield f"loss f(x[n]) = sum[t](x[t] * t * {op}[t](x[t-1]))"
    taken = "sum[i if i < count[j](y[j] > 0)]"
    yield f"loss f(x[n], y[n]) = {taken}(sort[n if y > 0](x)[n=i] * (i + 1))"


@cache
def primitives() -> frozenset[str]:
    """Each primitive, over its domain."""
    rows = (r for r in PRIMITIVES.values() if r.slopes or r.variadic)
    return frozenset(of_primitive(r.name) for r in rows if r.name not in ("stop_gradient", "clip"))


def of_primitive(op: str) -> str:
    """A loss that is a sum of one primitive, over its domain."""
    row = PRIMITIVES[op]
    names = "xyz"[: row.arity]
    inner = f"{op}({', '.join(names)})"
    if row.symbol:
        inner = f"{names[0]} {row.symbol} {names[-1]}" if row.arity > 1 else f"{row.symbol} x"
    where = [f"{n} in {_inside(str(d))}" for n, d in zip(names, row.domain, strict=True)]
    if op == "pow":
        where[0] = "x in (0, inf)"
    if op == "polygamma":
        inner, names, where = "polygamma(1, y)", "y", ["y in (0, inf)"]
    heads = ", ".join(f"{n}[n]" for n in names)
    return f"loss f({heads}) = sum({inner}) where {'; '.join(where)}"


def _inside(domain: str) -> str:
    """The inside of a domain."""
    return "real" if domain == "(-inf, inf)" else f"({domain[1:-1]})"
