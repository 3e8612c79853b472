"""An adversary of the audit: domains, primitives and claims that its rules may step over.

What is drawn: half-open and one-sided domains, sets, ranges, unions; filters, fixed axes, steps,
poles and conditions on NaN; claims of every kind. What is proved is looked at densely: at ends,
kinks, zeros and small numbers, and across cases, by `loss.reference`'s interpreter.
ADVERSARY sets how many are drawn (a few by default), ADVERSARY_SEED where they start.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import combinations, product
from random import Random
from typing import Any

import numpy as np
import pytest
from mpmath import mp

from lossc.compiler.audit.claims import audit_claims
from lossc.compiler.check import Checked, check
from lossc.compiler.interpret import interpret
from lossc.dsl.diagnostics import LosscError
from lossc.dsl.source import Source
from lossc.files import reader

COUNT = int(os.environ.get("ADVERSARY", "60"))
FIRST = int(os.environ.get("ADVERSARY_SEED", "0"))
SECONDS = 0.3
DIGITS = 60
SLACK = mp.mpf(10) ** -25

# Each domain with numbers of it, ends and neighbours of ends among them.
DOMAINS: dict[str, tuple[float, ...]] = {
    "real": (0, 1, -1, 0.5, -0.5, 2, -2, 3.25, -7, 1e-9, -1e-9, 100),
    "[-1, 1)": (-1, -0.999, -0.5, 0, 1e-9, -1e-9, 0.5, 0.999999),
    "(-1, 1]": (1, 0.999, 0.5, 0, 1e-9, -0.5, -0.999999),
    "[0, inf)": (0, 1e-9, 0.25, 0.5, 1, 1.5, 2, 7, 1000),
    "(0, inf)": (1e-9, 0.25, 0.5, 1, 1.5, 2, 7, 1000),
    "(-inf, 0]": (0, -1e-9, -0.25, -0.5, -1, -1.5, -2, -7, -1000),
    "(0, 1]": (1e-9, 0.25, 0.5, 0.75, 1),
    "[0, 1]": (0, 1e-9, 0.25, 0.5, 0.75, 0.999999, 1),
    "[-2, 3)": (-2, -1.5, -1, -0.5, 0, 0.5, 1, 2, 2.999),
    "{0, 1}": (0, 1),
    "{-1, 1}": (-1, 1),
    "0..3": (0, 1, 2, 3),
    "[0, 1] or [5, 6]": (0, 0.5, 1, 5, 5.5, 6),
}
UNARY = (
    "floor({})", "ceil({})", "round({})", "tan({})", "1 / ({})", "3 / ({})", "({})^2", "({})^3",
    "({})^-1", "abs({})", "sqrt({})", "log({})", "exp({})", "sign({})", "-({})", "clip({}, -1, 1)",
    "atan({})", "tanh({})", "sigmoid({})", "max({}, 0)", "min({}, 1)", "atan2({}, -1)",
    "atan2(1, {})", "sqrt(1 - ({})^2)", "indicator(isnan({}))", "indicator(isfinite({}))",
    "(if isnan(log({})) then -1 else 1)", "softplus({})", "cos({})", "exp(1 / ({}))", "abs({})^0.5",
)  # fmt: skip
BINARY = (
    "({} + {})", "({} - {})", "({} * {})", "({} / {})", "max({}, {})", "min({}, {})",
    "(if {} > {} then {} else {})", "(if {} <= {} then {} else {})",
    "(if {} == {} then {} else {})",
    "atan2({}, {})", "xlogy({}, {})", "hypot({}, {})", "abs({})^({})", "logaddexp({}, {})",
    "(if not ({} < {}) then {} else {})",
)  # fmt: skip
LEAVES = ("x", "x", "x", "y", "a", "1", "2", "0", "1 / 2", "-1")
CLAIMS = (
    "f >= 0", "f <= 1", "f > 0", "f < 1", "f >= -1", "f == 0", "f <= 0",
    "increasing in x", "decreasing in x", "convex in x", "quasiconvex in x",
    "lipschitz in x by 1", "lipschitz in x by 0", "smooth in x", "symmetric in y, x",
    "invariant under shift of y, x", "invariant under scale of x",
)  # fmt: skip
ROWS = (  # over an axis, some with a filter that may leave nothing; m is 0 or 1
    "max[k if m == 1]({})", "min[k if m == 1]({})", "mean[k if m == 1]({})", "sum[k if m == 1]({})",
    "sum[k]({})", "max[k]({})", "mean[k]({})", "logsumexp[k]({})", "norm[k]({})", "prod[k]({})",
    "sum[k](cumsum[k if m == 1]({}))", "indicator(any[k if m == 1]({} > 0))",
    "indicator(all[k]({} > 0))",
)  # fmt: skip
Point = tuple[Any, ...]
Value = Callable[..., Any]


def formula(rng: Random, depth: int) -> str:
    if depth == 0 or rng.random() < 0.1:
        return rng.choice(LEAVES)
    shape = rng.choice(UNARY if rng.random() < 0.55 else BINARY)
    return shape.format(*(formula(rng, depth - 1) for _ in range(shape.count("{}"))))


def compiled(text: str) -> Checked | None:
    try:
        found = check(Source.of("f.loss", text), reader(None))
    except LosscError:
        return None
    return None if found.errors else found.losses["f"]


def _less(a: Any, b: Any) -> bool:
    """Whether one number is below another, by more than rounding; not where one is NaN."""
    return bool(a < b - SLACK * (1 + abs(b) if mp.isfinite(b) else 1))


def _apart(a: Any, b: Any) -> bool:
    """Whether two finite numbers differ."""
    return bool(mp.isfinite(a) and mp.isfinite(b)) and (_less(a, b) or _less(b, a))


BOUNDS: dict[str, Callable[[Any], bool]] = {
    "f >= 0": lambda v: _less(v, 0),
    "f <= 0": lambda v: _less(0, v),
    "f <= 1": lambda v: _less(1, v),
    "f >= -1": lambda v: _less(v, -1),
    "f > 0": lambda v: bool(v <= 0),
    "f < 1": lambda v: bool(v >= 1),
    "f == 0": lambda v: _less(v, 0) or _less(0, v),
}
Pair = Callable[[Any, Any, Any, Any, Callable[[Any], Any]], bool]  # of x and w, their values, and f


def _bent(x: Any, w: Any, v: Any, u: Any, f: Callable[[Any], Any]) -> bool:
    top = (v + u) / 2
    return bool(mp.isfinite(top)) and _less(top, f((x + w) / 2))


def _hump(x: Any, w: Any, v: Any, u: Any, f: Callable[[Any], Any]) -> bool:
    return _less(max(v, u), f((x + w) / 2))


def _steeper(by: int) -> Pair:
    def found(x: Any, w: Any, v: Any, u: Any, f: Callable[[Any], Any]) -> bool:
        return bool(mp.isfinite(v) and mp.isfinite(u)) and _less(by * abs(x - w), abs(v - u))

    return found


PAIRS: dict[str, Pair] = {
    "increasing in x": lambda x, w, v, u, f: _less(u, v),
    "decreasing in x": lambda x, w, v, u, f: _less(v, u),
    "lipschitz in x by 1": _steeper(1),
    "lipschitz in x by 0": _steeper(0),
    "convex in x": _bent,
    "quasiconvex in x": _hump,
}


def _jumps(f: Callable[[Any], Any], x: Any) -> bool:
    near = [f(x + s * mp.mpf(10) ** -25) for s in (-2, -1, 1, 2)]
    finite = all(map(mp.isfinite, (f(x), *near)))
    return finite and max(abs(n - f(x)) for n in near) > 1e-6


def violated(claim: str, f: Value, xs: Any, ys: Any, others: Any) -> Any:
    """A counterexample to a claim among some points, or None."""
    for y, a in product(ys, others):

        def along(x: Any, y: Any = y, a: Any = a) -> Any:
            return f(y, x, a)

        known = [(x, along(x)) for x in sorted(xs)]
        known = [(x, v) for x, v in known if not mp.isnan(v)]
        for x, v in known:
            moved = {"symmetric": (x, y), "shift": (y + 1, x + 1), "scale": (y, 2 * x)}
            other = next((p for word, p in moved.items() if word in claim), None)
            if (
                (claim in BOUNDS and BOUNDS[claim](v))
                or (claim.startswith("smooth") and _jumps(along, x))
                or (other is not None and _apart(v, f(*other, a)))
            ):
                return y, x, a, v
        for (x, v), (w, u) in combinations(known, 2) if claim in PAIRS else ():
            if PAIRS[claim](x, w, v, u, along):
                return y, x, w, a, v, u
    return None


IN_REAL = ("symmetric", "invariant")  # what is drawn of these stays in the domain only there


def inner(domain: str, claim: str) -> tuple[float, ...]:
    """Numbers of a domain whose midpoints, and neighbours, lie in it for claims about these."""
    found = DOMAINS[domain]
    if claim.startswith("smooth"):
        return tuple(x for x in found if x not in (min(found), max(found)))
    return found


def scalar_case(rng: Random) -> tuple[str, str, str]:
    domain = rng.choice(list(DOMAINS))
    claim = rng.choice(CLAIMS)
    if claim.startswith(IN_REAL):
        domain = "real"
    elif " in x" in claim:  # of numbers apart, what a claim means is another matter
        domain = rng.choice([d for d in DOMAINS if not any(w in d for w in ("{", "..", "or "))])
    body = formula(rng, rng.choice((1, 2, 2, 3)))
    text = (f"loss f(y, x; a = 1) = mean({body}) + 0 * mean(y)\nwhere\n    x in {domain}\n"
            f"    y in {'real' if claim.startswith(IN_REAL) else '[-1, 1)'}\n"
            f"    a in [0, 2]\nclaims\n    {claim}\n")  # fmt: skip
    return text, claim, domain


def row_case(rng: Random) -> tuple[str, str, str]:
    domain = rng.choice(list(DOMAINS))
    claim = rng.choice(("f >= 0", "f <= 1", "f > 0", "f < 1", "f >= -1", "f <= 0"))
    inside = formula(rng, rng.choice((0, 1, 1))).replace("y", "1").replace("a", "2")
    if "2" in inside and any(w in inside for w in ("t2n", "2b", "m2", "cl2", "s2", "h2")):
        inside = "x"
    body = rng.choice(ROWS).format(inside)
    text = (f"loss f(m[n, k], x[n, k]) = mean[n]({body}) + 0 * mean(x) * 0\nwhere\n"
            f"    m in {{0, 1}}\n    x in {domain}\nclaims\n    {claim}\n")  # fmt: skip
    return text.replace(" + 0 * mean(x) * 0", ""), claim, domain


def counterexample(seed: int) -> str | None:
    """What is wrong with the verdict on the case of a seed, in words."""
    rng = Random(seed)
    rows = seed % 4 == 3
    text, claim, domain = (row_case if rows else scalar_case)(rng)
    checked = compiled(text)
    if checked is None:
        return None
    (found,) = audit_claims(checked, SECONDS, reader(None))
    if not found.verdict.is_proved:
        return None
    with mp.workdps(DIGITS):
        if rows:
            length = 3 if found.verdict.scope else rng.choice((1, 2, 3))
            return _row_counterexample(checked, claim, domain, text, length)

        def f(y: Any, x: Any, a: Any) -> Any:
            try:
                return interpret(checked.program, {"y": y, "x": x, "a": a}, DIGITS)
            except (ArithmeticError, ValueError):
                return mp.nan

        xs = [mp.mpf(x) for x in inner(domain, claim)]
        ys = xs if claim.startswith(IN_REAL) else [mp.mpf(v) for v in (-1, 0, 0.5)]
        seen = violated(claim, f, xs, ys, [mp.mpf(v) for v in (0, 1, 2)])
    return None if seen is None else f"{text}{found.verdict}\n{seen}"


def _row_counterexample(
    checked: Checked, claim: str, domain: str, text: str, length: int
) -> str | None:
    picks = DOMAINS[domain]
    rows = [*product(picks[:4], repeat=length), *((p,) * length for p in picks)]
    for m in product((0, 1), repeat=length):
        for x in rows:
            arrays = {"m": np.array([m]), "x": np.array([x], dtype=float)}
            v = interpret(checked.program, arrays, DIGITS)
            if not mp.isnan(v) and BOUNDS[claim](v):
                return f"{text}\nm={m} x={x}: {v}"
    return None


@pytest.mark.parametrize("block", range(6))
def test_nothing_false_is_proved(block: int) -> None:
    seeds = range(FIRST + block, FIRST + COUNT, 6)
    found = [w for w in map(counterexample, seeds) if w is not None]
    assert not found, "\n\n".join(found)
