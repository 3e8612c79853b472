"""What the audit measures: growth toward ends, invariants of the reduction, cost of a module."""

from __future__ import annotations

from typing import Any

import pytest
from mpmath import mp

import lossc
from lossc.auditing import BRIEF, QUICK, whole_audit
from lossc.compiler.accuracy.report import AccuracyReport, Figures, Row
from lossc.compiler.audit.cost import cost
from lossc.compiler.audit.influence import FASTER, LIMIT, LOGARITHM, POWER, growth, influences
from lossc.compiler.audit.invariants import invariants, is_symmetric
from lossc.compiler.audit.oracles import agreement, bits, disagreements
from lossc.compiler.gradcheck.report import AGREES, DISAGREES, Case, GradientReport, Verdict

# A function of the distance, and how it grows.
GROWTHS = {
    "x": (lambda x: x, POWER, 1),
    "-3 x + 7": (lambda x: 7 - 3 * x, POWER, 1),
    "x^2 / 2 - x": (lambda x: x**2 / 2 - x, POWER, 2),
    "sqrt(x)": (mp.sqrt, POWER, 0.5),
    "log(x)": (mp.log, LOGARITHM, 0),
    "1 - log(1 + x)": (lambda x: 1 - mp.log(1 + x), LOGARITHM, 0),
    "exp(x)": (mp.exp, FASTER, 0),
    "1 / x": (lambda x: 1 / x, LIMIT, 0),
    "tanh(x)": (mp.tanh, LIMIT, 1),
    "atan(x) + 1/x": (lambda x: 2 + mp.exp(-x), LIMIT, 2),
    "0": (lambda x: mp.mpf(0), LIMIT, 0),
}


@pytest.mark.parametrize("name", GROWTHS)
def test_growth(name: str) -> None:
    function, kind, number = GROWTHS[name]
    found = growth([function(mp.mpf(2) ** k) for k in (10, 15, 20)])
    assert (found.kind, found.number) == (kind, number)


# A loss, and what the gradient in its second input comes to at each end.
PULLS = {
    "mean((y - x)^2)": {"-inf": "unbounded", "inf": "unbounded"},
    "mean(abs(y - x))": {"-inf": "bounded", "inf": "bounded"},
    "mean(log(1 + (y - x)^2))": {"-inf": "vanishes", "inf": "vanishes"},
    "mean(exp(y - x))": {"-inf": "unbounded", "inf": "vanishes"},
    "loss f(y, x) = -mean(y * log(x))\nwhere x in [0, 1]": {"0": "unbounded", "1": "bounded"},
    "sum((y - x)^2) / sum(y^2 + 1)": {"-inf": "unbounded", "inf": "unbounded"},
}


@pytest.mark.parametrize("text", PULLS)
def test_pull(text: str) -> None:
    found = influences(lossc.compile(text)._checked)
    assert {i.toward: i.pull for i in found if i.input == "x"} == PULLS[text]


def test_bounds_of_a_derivative_are_proved() -> None:
    (first, *_) = influences(lossc.compile("mean(2 * abs(y - x))")._checked)
    assert (first.low, first.high) == (-2, 2)
    (first, *_) = influences(lossc.compile("mean((y - x)^2)")._checked)
    assert (first.low, first.high) == (-mp.inf, mp.inf)


# A loss, and the verdict on each invariant.
INVARIANTS = {
    "mean((y - x)^2)": {"order": "proved", "weights": "proved", "padding": "proved"},
    "loss f(y, x, w) = sum(w * (y - x)^2) / sum(w)\nwhere w in [0, inf)": {
        "order": "proved", "weights": "unknown", "padding": "unknown",
    },
    "loss f(y, x, w) = mean(w * (y - x)^2)\nwhere w in [0, inf)": {
        "order": "proved", "weights": "refuted", "padding": "refuted",
    },
    "loss f(y[n], x[n]) = mean[n](y[n+1] - x[n])": {"order": "refuted"},
    "loss f(y[n], m[n]) = mean[i if m[i]](y[i])\nwhere m in bool": {
        "order": "proved", "weights": "proved", "padding": "unknown",
    },
    "loss f(y[n], z[n, c]) = mean[n if y[n] != -1](z[n, y]^2)\nwhere y in index(c) or {-1}": {
        "order": "proved", "padding": "unknown",
    },
}  # fmt: skip


@pytest.mark.parametrize("text", INVARIANTS)
def test_invariants(text: str) -> None:
    found = {i.name: i.verdict for i in invariants(lossc.compile(text)._checked)}
    for name, kind in INVARIANTS[text].items():
        assert found[name].kind == kind, name
        witness = found[name].witness
        assert (kind == "refuted") == (witness is not None)


def test_a_witness_of_an_invariant_is_one() -> None:
    text = "loss f(y, x, w) = mean(w * (y - x)^2)\nwhere w in [0, inf)"
    loss = lossc.compile(text)
    found = next(i for i in invariants(loss._checked) if i.name == "weights")
    witness = found.verdict.witness
    assert witness is not None and witness.values["w"] == "[2.0, 0.0, 3.0]"
    arrays: dict[str, Any] = {n: eval(v) for n, v in witness.values.items()}
    counts = [int(w) for w in arrays["w"]]
    places = [k for k, n in enumerate(counts) for _ in range(n)]
    again = {n: [a[k] for k in places] for n, a in arrays.items()} | {"w": [1.0] * len(places)}
    numbers = dict(witness.numbers)
    assert float(loss.reference(**arrays)) == pytest.approx(float(numbers["loss"]))
    assert float(loss.reference(**again)) == pytest.approx(float(numbers["expected"]))
    assert numbers["loss"] != numbers["expected"]


# A loss, and whether all places of its first axis are treated alike.
SYMMETRIC = {
    "sum[n](y) / sum[n](y^2)": True,
    "max[n](y)": True,
    "sum[i, j if i != j](y[n=i] * y[n=j])": True,
    "sum[n](softmax[n](y) * y)": True,
    "sum[n](n * y)": False,
    "sum[n](y[n+1] * y[n])": False,
    "sum[i, j if i < j](y[n=i] - y[n=j])": False,
    "y[n=0]": False,
    "sum[n](cumsum[n](y))": False,
    "size(n) * sum[n](y)": True,
}


@pytest.mark.parametrize("formula", SYMMETRIC)
def test_symmetry(formula: str) -> None:
    program = lossc.compile(f"loss f(y[n]) = {formula}")._checked.program
    assert is_symmetric(program, program.inputs[0].axes[0]) == SYMMETRIC[formula]


# Two kernels: a fusion of 3 operations on 4 elements, and a sum of them.
MODULE = """HloModule m

%add (x.1: f32[], y.1: f32[]) -> f32[] {
  %x.1 = f32[] parameter(0)
  %y.1 = f32[] parameter(1)
  ROOT %s.1 = f32[] add(%x.1, %y.1)
}

%fused (p.0: f32[4], p.1: f32[4]) -> f32[4] {
  %p.0 = f32[4]{0} parameter(0)
  %p.1 = f32[4]{0} parameter(1)
  %d.0 = f32[4]{0} subtract(%p.0, %p.1)
  %e.0 = f32[4]{0} exponential(%d.0)
  ROOT %m.0 = f32[4]{0} multiply(%d.0, %e.0)
}

ENTRY %main (a.1: f32[4], b.1: f32[4]) -> f32[] {
  %a.1 = f32[4]{0} parameter(0)
  %b.1 = f32[4]{0} parameter(1)
  %f.1 = f32[4]{0} fusion(%a.1, %b.1), kind=kLoop, calls=%fused
  %zero = f32[] constant(0)
  ROOT %r.1 = f32[] reduce(%f.1, %zero), dimensions={0}, to_apply=%add
}
"""


def test_cost_of_a_module() -> None:
    found = cost(MODULE, "value", {"n": 4}, 4)
    assert (found.kernels, found.fusions, found.arrays) == (2, 1, 2)
    assert (found.temporaries, found.temporary_bytes) == (1, 16)
    assert (found.flops, found.transcendentals) == (4 + 4 + 4, 4)
    assert found.bytes == (16 + 32) + (4 + 16 + 4)  # written and read, by each kernel


def test_cost_of_a_product_of_matrices() -> None:
    module = """ENTRY %main (a: f32[2,3], b: f32[3,5]) -> f32[2,5] {
  %a = f32[2,3]{1,0} parameter(0)
  %b = f32[3,5]{1,0} parameter(1)
  ROOT %c = f32[2,5]{1,0} dot(%a, %b), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}
"""
    assert cost(module, "value", {}, 2).flops == 2 * 2 * 5 * 3


def test_a_brief_audit_says_what_the_summary_says() -> None:
    checked = lossc.compile("mean((y - yhat)^2)")._checked
    brief = whole_audit(checked, None, BRIEF)
    assert (brief.cost, brief.influence, brief.invariants, brief.rewrites) == ((), (), (), ())
    assert brief.gradient is not None and brief.accuracy is not None
    whole = whole_audit(checked, None, QUICK)
    assert [c.of for c in whole.cost] == ["value", "value and gradient"]
    assert {c.samples for c in whole.cost} == {1024}
    # A square, a difference and a sum for the value, on 1,024 samples.
    assert whole.cost[0].flops >= 3 * 1024 and whole.cost[0].transcendentals == 0


def row(points: int, worst: float = 0.5) -> Row:
    found = Figures(points, 0.5, worst)
    return Row("float32", "xla", "", found, found, Figures())


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((row(10), row(10, 1.25)), "1.2 bits"),
        ((row(10), row(4)), "0.5 bits at 4 of 10 points"),
        ((row(10, 9.0),), "9.0 bits, above the bar"),
        ((row(0),), "accuracy not measured"),
        ((), "accuracy not measured"),
    ],
)
def test_bits_in_words(rows: tuple[Row, ...], said: str) -> None:
    assert bits(AccuracyReport("f", 10, rows)) == said


@pytest.mark.parametrize(
    ("status", "said", "count"),
    [(AGREES, "gradient ok", 0), (DISAGREES, "gradient wrong", 1),
     ("not run", "gradient in x not confirmed", 0)],
)  # fmt: skip
def test_agreement_in_words(status: str, said: str, count: int) -> None:
    case = Case("x", "a point", (Verdict("sympy", status),))
    report = GradientReport("f", ("x",), (case,), 0, 0.0)
    assert agreement(report) == said
    assert disagreements(report) == count
