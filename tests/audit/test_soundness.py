"""The audit is never wrong: random formulas and claims, rows of the table broken on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from mpmath import mp

from lossc.compiler.audit import curvature
from lossc.compiler.audit.claims import audit_claims
from lossc.compiler.audit.enclose import _CONDITIONS, enclose, truth
from lossc.compiler.audit.interval import REALS, Interval, function
from lossc.compiler.audit.scalars import scalar
from lossc.compiler.audit.tidy import tidy
from lossc.compiler.audit.verdict import Verdict
from lossc.compiler.check import Checked, check
from lossc.compiler.interpret import Machine, interpret
from lossc.compiler.ir import Access, Expr, rebuild
from lossc.dsl import ast
from lossc.dsl.primitives import BOOL, PRIMITIVES
from lossc.dsl.source import Source
from lossc.files import reader

DOMAINS = {
    "real": (-4.0, 4.0),
    "[0, 1]": (0.0, 1.0),
    "(0, inf)": (0.001, 5.0),
    "[-1, 2]": (-1.0, 2.0),
    "[0, inf)": (0.0, 5.0),
}
UNARY = (
    "abs({})", "exp({})", "log({})", "sqrt({})", "({})^2", "({})^3", "softplus({})", "sigmoid({})",
    "tanh({})", "max({}, 0)", "min({}, 1)", "sign({})", "-({})", "1 / ({})", "log(1 + exp({}))",
    "sqrt(1 + ({})^2)", "cosh({})", "atan({})", "sin({})", "clip({}, -1, 1)", "sqrt(abs({}))",
)  # fmt: skip
BINARY = (
    "({} + {})", "({} - {})", "({} * {})", "({} / {})", "max({}, {})", "min({}, {})",
    "(if {} > {} then {} else {})", "logaddexp({}, {})", "hypot({}, {})", "abs({})^({})",
    "xlogy({}, {})",
)  # fmt: skip
LEAVES = ("y", "x", "y", "x", "a", "1", "2", "1 / 2", "0", "3")
Point = Mapping[str, mp.mpf]
Value = Callable[..., mp.mpf]
SLACK = mp.mpf(10) ** -25


def formula(rng: Random, depth: int) -> str:
    """A random formula of y, x and a."""
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(LEAVES)
    shape = rng.choice(UNARY if rng.random() < 0.45 else BINARY)
    return shape.format(*(formula(rng, depth - 1) for _ in range(shape.count("{}"))))


def _chord(f: Value, p: Point, q: Point) -> tuple[mp.mpf, mp.mpf, mp.mpf]:
    y, x, a = p["y"], p["x"], p["a"]
    return f(y, x, a), f(y, (x + q["x"]) / 2, a), f(y, q["x"], a)


def _convex(f: Value, p: Point, q: Point) -> mp.mpf:
    left, middle, right = _chord(f, p, q)
    return (left + right) / 2 - middle


def _quasiconvex(f: Value, p: Point, q: Point) -> mp.mpf:
    left, middle, right = _chord(f, p, q)
    return max(left, right) - middle


def _rise(f: Value, p: Point, q: Point) -> mp.mpf:
    low, high = sorted((p["x"], q["x"]))
    return f(p["y"], high, p["a"]) - f(p["y"], low, p["a"])


def _steep(f: Value, p: Point, q: Point) -> mp.mpf:
    apart = abs(p["x"] - q["x"])
    return apart - abs(f(p["y"], p["x"], p["a"]) - f(p["y"], q["x"], p["a"]))


def _value(f: Value, p: Point, q: Point) -> mp.mpf:
    return f(p["y"], p["x"], p["a"])


def _shift(f: Value, p: Point, q: Point) -> mp.mpf:
    t = q["a"]
    return -abs(f(p["y"], p["x"], p["a"]) - f(p["y"] + t, p["x"] + t, p["a"]))


# Each claim with what is never below 0 if it is true, said once more in plain numbers.
GAPS: dict[str, Callable[[Value, Point, Point], mp.mpf]] = {
    "f >= 0": _value,
    "f <= 1": lambda f, p, q: 1 - _value(f, p, q),
    "f >= a": lambda f, p, q: _value(f, p, q) - p["a"],
    "convex in x": _convex,
    "quasiconvex in x": _quasiconvex,
    "increasing in x": _rise,
    "decreasing in x": lambda f, p, q: -_rise(f, p, q),
    "lipschitz in x by 1": _steep,
    "symmetric in y, x": lambda f, p, q: -abs(_value(f, p, q) - f(p["x"], p["y"], p["a"])),
    "invariant under shift of y, x": _shift,
}


def compiled(text: str) -> Checked | None:
    """The loss in a text, if it is sound."""
    found = check(Source.of("f.loss", text), reader(None))
    return None if found.errors else found.losses["f"]


@pytest.mark.parametrize("seed", range(24))
def test_random_claims(seed: int) -> None:
    """What is proved has no counterexample, and what is refuted has one that the gap confirms."""
    rng = Random(seed)
    domain = rng.choice(list(DOMAINS))
    body = formula(rng, rng.choice((2, 3)))
    claims = rng.sample(list(GAPS), 4)
    checked = compiled(
        f"loss f(y, x; a = 1) = mean({body} + 0 * (y + x))\nwhere\n    y, x in {domain}\n"
        "    a in [0, 2]\nclaims\n" + "".join(f"    {c}\n" for c in claims)
    )
    if checked is None:
        return
    with mp.workdps(50):

        def f(y: mp.mpf, x: mp.mpf, a: mp.mpf) -> mp.mpf:
            return interpret(checked.program, {"y": y, "x": x, "a": a}, 50)

        for found in audit_claims(checked, 0.7, reader(None)):
            gap = GAPS[found.text]
            if found.verdict.is_proved:
                for _ in range(60):
                    value = gap(f, point(rng, domain), point(rng, domain))
                    assert not mp.isfinite(value) or value > -SLACK, str(found)
            elif found.verdict.is_refuted:
                assert found.verdict.witness is not None
                assert confirmed(gap, f, found.verdict.witness.values, found.verdict), str(found)


def point(rng: Random, domain: str) -> dict[str, mp.mpf]:
    """A random point, often at a corner or a tie."""
    low, high = DOMAINS[domain]
    corners = [c for c in (0, 1, -1, 0.5, low, high) if low <= c <= high]
    y, x = (mp.mpf(rng.choice(corners) if rng.random() < 0.3 else rng.uniform(low, high))
            for _ in range(2))  # fmt: skip
    return {"y": y, "x": y if rng.random() < 0.2 else x, "a": mp.mpf(rng.choice((0, 1, 2, 0.3)))}


def confirmed(
    gap: Callable[[Value, Point, Point], mp.mpf], f: Value, values: Mapping[str, str],
    verdict: Verdict,
) -> bool:  # fmt: skip
    """Whether the numbers of a witness make the gap negative."""
    numbers = {n: mp.mpf(v) for n, v in values.items()}
    assert verdict.witness is not None
    extra = dict(verdict.witness.numbers)
    other = dict(numbers)
    if "x'" in extra:
        other["x"] = mp.mpf(extra["x'"])
    if "change" in extra:
        other["a"] = mp.mpf(extra["change"])
    if "share of the way" in extra:
        share = mp.mpf(extra["share of the way"])
        between = numbers["x"] + share * (other["x"] - numbers["x"])
        ends = (f(numbers["y"], x, numbers["a"]) for x in (numbers["x"], other["x"]))
        return bool(f(numbers["y"], between, numbers["a"]) > max(ends))
    return bool(gap(f, numbers, other) < 0)


@pytest.mark.parametrize("seed", range(60))
def test_enclosures_hold_values(seed: int) -> None:
    """Whatever the point of a box, its value lies in the interval of the term."""
    rng = Random(seed)
    checked = compiled(f"loss f(y, x, a) = mean({formula(rng, 4)} + 0 * (y + x + a))")
    if checked is None:
        return
    term = tidy(rebuild(_body(checked), _as_scalar))
    box = {n: interval(rng) for n in ("y", "x", "a")}
    found = enclose(term, box)
    for _ in range(40):
        values = {n: mp.mpf(rng.choice((i.low, i.high, rng.uniform(i.low, i.high))))
                  for n, i in box.items()}  # fmt: skip
        with mp.workdps(60):
            machine = Machine({}, {n: np.array(x, dtype=object) for n, x in values.items()})
            value = machine.run(term, {})
        assert mp.isnan(value) or found.low <= value <= found.high


def _body(checked: Checked) -> Expr:
    return checked.program.value.parts[0]


def _as_scalar(term: Expr) -> Expr | None:
    return scalar(term.tensor.name) if isinstance(term, Access) else None


def interval(rng: Random) -> Interval:
    """A random interval, its ends often whole."""
    ends = sorted(rng.choice((float(rng.randint(-3, 3)), rng.uniform(-4, 4))) for _ in range(2))
    return Interval(ends[0], ends[1])


def test_every_condition_has_an_enclosure() -> None:
    assert set(_CONDITIONS) == {p.name for p in PRIMITIVES.values() if p.gives == BOOL}


def test_conditions_over_a_box() -> None:
    condition = _claim_condition("y > 0 and y <= 2")
    assert truth(condition, {"y": Interval(0.5, 2.0)}) is True
    assert truth(condition, {"y": Interval(-1.0, 0.0)}) is False
    assert truth(condition, {"y": REALS}) is None


def _claim_condition(text: str) -> Expr:
    checked = compiled(f"loss f(y) = mean(if {text} then 1 else 2)")
    assert checked is not None
    select = next(t for t in [_body(checked)])
    return tidy(rebuild(select.parts[0], _as_scalar))


BROKEN = (
    # a row, its column and a wrong entry; a false claim that it would make provable
    ("log", "curve", "convex", "loss f(y) = mean(log(y))\nwhere y in (0, inf)", "convex in y"),
    ("sqrt", "curve", "convex", "loss f(y) = mean(sqrt(y))\nwhere y in [0, inf)", "convex in y"),
    ("tanh", "curve", "convex", "loss f(y) = mean(tanh(y))", "convex in y"),
    ("exp", "monotone", ("dec",), "loss f(y) = mean(exp(y))", "decreasing in y"),
    ("abs", "monotone", ("inc",), "loss f(y) = mean(abs(y))", "increasing in y"),
)  # fmt: skip


@pytest.mark.parametrize(("name", "column", "entry", "text", "claim"), BROKEN)
def test_a_broken_row_is_noticed(
    name: str, column: str, entry: object, text: str, claim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """These facts hang on the table: with a wrong entry the rules would prove a false claim."""
    checked = compiled(f"{text}\nclaims\n    {claim}\n")
    assert checked is not None
    assert isinstance(checked.item, ast.Loss)
    (right,) = audit_claims(checked)
    assert not right.verdict.is_proved
    broken = replace(PRIMITIVES[name], **{column: entry})
    monkeypatch.setattr(curvature, "PRIMITIVES", {**PRIMITIVES, name: broken})
    value = checked.program.value
    shapes = curvature.Shapes(value, frozenset(("y",)), {"y": Interval(0.0, 1.0)})
    shape = shapes.of(value)
    assert {"convex in y": shape.convex, "decreasing in y": shape.falls,
            "increasing in y": shape.rises}[claim]  # fmt: skip


def pick(rng: Random) -> float:
    """A number of any size."""
    return rng.choice((rng.uniform(-3, 3), rng.uniform(-1e-300, 1e300), float(rng.randint(-4, 4))))


@pytest.mark.parametrize("op", ["add", "sub", "mul", "div"])
def test_arithmetic_rounds_outward(op: str) -> None:
    """Against exact fractions."""
    rng = Random(op)
    rule = {"add": Fraction.__add__, "sub": Fraction.__sub__, "mul": Fraction.__mul__,
            "div": Fraction.__truediv__}[op]  # fmt: skip
    for _ in range(300):
        x, y = (pick(rng) for _ in range(2))
        if op == "div" and y == 0:
            continue
        found = function(op, [Interval(x, x), Interval(y, y)])
        exact = rule(Fraction(x), Fraction(y))
        low = found.low == -np.inf or Fraction(found.low) <= exact
        high = found.high == np.inf or exact <= Fraction(found.high)
        assert low and high and not (exact == found.low and found.low_open)
