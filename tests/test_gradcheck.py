"""The gradient check: right gradients pass all oracles, wrong ones are caught."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from mpmath import mp

import lossc
from lossc.cli import main
from lossc.compiler.fold import apply
from lossc.compiler.gradcheck import derived
from lossc.compiler.gradcheck.differences import slopes
from lossc.compiler.gradcheck.point import DIGITS, Point
from lossc.compiler.gradcheck.points import Points, lengths_of_params
from lossc.compiler.gradcheck.report import (
    AGREES,
    DIFFERENCES,
    DISAGREES,
    NOT_RUN,
    ORACLES,
    SYMPY,
    TENSORFLOW,
    GradientReport,
)  # fmt: skip
from lossc.compiler.gradcheck.sampling import as_float, exact_array
from lossc.compiler.gradcheck.sizes import smallest
from lossc.compiler.ir import Apply, Const, Expr, Program, rebuild
from lossc.compiler.passes import slopes as slope_rules
from lossc.dsl.primitives import PRIMITIVES
from lossc.stdlib import homes
from lossc.validate import find_outside

CORPUS = Path(__file__).parent / "corpus"
PAGE = Path(__file__).parent.parent / "docs" / "cli.md"

# Of every kind: kinks, labels, pairs, sorts, scans, windows, filters, NaN, params, stop_gradient.
SOUND = (
    "pinball", "sigmoid_focal", "class_balanced_ce", "lovasz_hinge", "cox_breslow", "nt_xent",
    "crps_ensemble", "masked_mse_nan_targets", "barron_general_robust", "negative_binomial_nll",
    "fft_l1", "simsiam", "triplet_batch_hard",
)  # fmt: skip


def corpus(name: str) -> lossc.Loss:
    return lossc.load(CORPUS / f"{name}.loss")[name]


def statuses(report: GradientReport, oracle: str) -> set[str]:
    return {v.status for c in report.cases for v in c.verdicts if v.oracle == oracle}


@pytest.mark.deep
@pytest.mark.parametrize("name", SOUND)
def test_corpus_losses_pass_every_oracle(name: str) -> None:
    report = corpus(name).check_gradient(seconds=5)
    if not is_confirmed(report):  # on a machine that is busy, SymPy takes longer
        report = corpus(name).check_gradient(seconds=30)
    assert report.ok and is_confirmed(report), str(report)


def is_confirmed(report: GradientReport) -> bool:
    """Whether each oracle agrees with each gradient at some point."""
    agree = {(c.wrt, v.oracle) for c in report.cases for v in c.verdicts if v.status == AGREES}
    return agree >= set(itertools.product(report.wrt, ORACLES))


# All of the library is checked by `lossc grad-check stdlib/*.loss`; here, the first of each family.
FIRST = sorted({f: n for n, f in reversed(homes().items())}.values())


@pytest.mark.deep
@pytest.mark.parametrize("name", FIRST)
def test_the_library_passes(name: str) -> None:
    report = lossc.std[name].check_gradient(seconds=4)
    assert report.ok, str(report)
    assert str(report).startswith(f"{name}: ok (")


def test_where_kinks_meet_the_table_decides() -> None:
    text = "loss f(x[]) = max(0, 1 - abs(x)) + 2 * max(0, 1 - abs(x - 1)) where x in [-2, 2]"
    report = lossc.compile(text).check_gradient()
    assert report.ok, str(report)
    said = [c.said("x", case.point) for case in report.cases for c in case.conventions]
    assert any("convention: 0 for x" in s and "beside" in s for s in said)


MEETING = (
    "max(0, 1 - abs(x)) + 2 * max(0, 1 - abs(x - 1)) + y",
    "max(x, 0) + min(x, 0) + y^2",
    "max(x, y, x + y) * 3 - max(x, y) + min(x, y, 0)",
    "clip(x, 0, y^2) - relu(x) * y",
    "(if x > y then x else y) - max(x, y)",
    "abs(relu(x) - relu(-y))",
)


def without_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossc.compiler.gradcheck.run._At.run_tensorflow", lambda *_: "not asked")


@pytest.mark.parametrize("formula", MEETING)
def test_where_kinks_meet_each_is_decided_by_itself(
    monkeypatch: pytest.MonkeyPatch, formula: str
) -> None:
    without_tensorflow(monkeypatch)
    report = lossc.compile(f"loss f(x[], y[]) = {formula}").check_gradient()
    assert report.ok, str(report)


@pytest.mark.parametrize(("slope", "ok"), [(2, True), (3, True), (3.0625, False), (-1.0625, False)])
def test_a_value_that_no_sides_of_meeting_kinks_give_is_caught(
    monkeypatch: pytest.MonkeyPatch, slope: float, ok: bool
) -> None:
    # At 0 the first kink turns the slope from 1 to -1 and the second from 0 to 2: on both sides
    # it is 1, and with the kinks apart from -1 to 3.
    without_tensorflow(monkeypatch)
    wrong = replace(PRIMITIVES["abs"], slopes=(f"if x == 0 then {-slope} else sign(x)",))
    monkeypatch.setitem(PRIMITIVES, "abs", wrong)
    text = "loss f(x[]) = max(0, 1 - abs(x)) + 2 * max(0, 1 - abs(x - 1)) where x in [-2, 2]"
    report = lossc.compile(text).check_gradient()
    assert all(c.ok for c in report.cases if c.point == "zeros") == ok


def test_where_kinks_meet_tensorflow_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(PRIMITIVES["abs"], slopes=("if x == 0 then -2 else sign(x)",))
    monkeypatch.setitem(PRIMITIVES, "abs", wrong)
    text = "loss f(x[]) = max(0, 1 - abs(x)) + 2 * max(0, 1 - abs(x - 1)) where x in [-2, 2]"
    report = lossc.compile(text).check_gradient()
    assert not all(c.ok for c in report.cases if c.point == "zeros")


@pytest.mark.parametrize("formula", ["(sqrt(x) - sqrt(y))^2", "xlogy(x, 2 * x / (x + y))"])
def test_a_slope_without_a_limit_is_a_convention(formula: str) -> None:
    text = f"loss f(x[], y[]) = {formula} where x, y in [0, 1]"
    report = lossc.compile(text).check_gradient("x")
    assert report.ok, str(report)
    zeros = next(c for c in report.cases if c.point == "zeros")
    assert zeros.conventions


def test_corners_in_order_are_found() -> None:
    report = lossc.std.log_iou_box.check_gradient("box", seconds=2)
    assert report.ok, str(report)


def test_large_losses_end_in_time() -> None:
    report = corpus("ssim_uniform7").check_gradient("yhat", seconds=0.5)
    assert report.ok, str(report)
    assert report.seconds < 10
    assert any("out of time" in note for note in report.notes)


def test_a_tensor_is_checked_element_by_element() -> None:
    report = lossc.compile("def f(x[n, k]) = x * cumsum[k](x)").check_gradient()
    assert report.ok, str(report)


# --- wrong gradients ------------------------------------------------------------------------


def spoil(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[Expr], Expr], wrt: str = "yhat"
) -> None:
    """Change every gradient by `wrt` that is derived."""
    right = derived.differentiate

    def wrong(program: Program, name: str) -> Program:
        found = right(program, name)
        return replace(found, value=change(found.value)) if name == wrt else found

    monkeypatch.setattr(derived, "differentiate", wrong)


def scaled(factor: Fraction) -> Callable[[Expr], Expr]:
    return lambda value: apply("mul", (Const(factor), value))


def first_difference_halved(value: Expr) -> Expr:
    """The gradient with `a` in place of its differences `a - b`."""
    return rebuild(value, lambda t: t.args[0] if isinstance(t, Apply) and t.op == "sub" else None)


@pytest.mark.parametrize(
    "change",
    [scaled(Fraction(2)), scaled(Fraction(-1)), scaled(1 + Fraction(1, 10**12)),
     first_difference_halved],
    ids=["factor", "sign", "a trifle", "dropped term"],
)  # fmt: skip
def test_a_wrong_gradient_is_caught(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[Expr], Expr]
) -> None:
    spoil(monkeypatch, change)
    report = lossc.compile("mean(w * (y - yhat)^2)").check_gradient()
    assert not report.ok
    assert {c.wrt for c in report.cases if not c.ok} == {"yhat"}
    assert DISAGREES in statuses(report, SYMPY)
    assert re.search(r"yhat\[\d\] at a random point: sympy disagrees", str(report))


def test_each_oracle_catches_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, scaled(Fraction(3)))
    report = lossc.compile("mean(log(cosh(y - yhat)))").check_gradient()
    for oracle in (SYMPY, DIFFERENCES, TENSORFLOW):
        assert DISAGREES in statuses(report, oracle)


def rules() -> list[tuple[str, int]]:
    """Every derivative in the table of primitives that is not 0; that of a base is no row's."""
    rows = PRIMITIVES.items()
    found = [(op, k) for op, row in rows for k, text in enumerate(row.slopes) if text != "0"]
    return [rule for rule in found if rule != ("pow", 0)]


@pytest.mark.deep
@pytest.mark.parametrize("mutation", ["-({})", "({}) * 1001 / 1000", "({}) + 1 / 1000"])
def test_each_rule_of_the_table_is_checked(monkeypatch: pytest.MonkeyPatch, mutation: str) -> None:
    for op, k in rules():
        row = PRIMITIVES[op]
        loss = one_primitive(op)
        wrong = [mutation.format(s) if j == k else s for j, s in enumerate(row.slopes)]
        with monkeypatch.context() as patch:
            patch.setitem(PRIMITIVES, op, replace(row, slopes=tuple(wrong)))
            assert not loss.check_gradient("xyz"[k], seconds=0.2).ok, f"{op}, argument {k}"


def test_the_rule_of_a_power_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    right = slope_rules._power
    monkeypatch.setattr(slope_rules, "_power", lambda x, y: apply("neg", (right(x, y),)))
    assert not one_primitive("pow").check_gradient("x").ok
    assert not lossc.compile("mean((y - yhat)^3)").check_gradient().ok


def one_primitive(op: str) -> lossc.Loss:
    """A loss that is a sum of one primitive, over its domain."""
    row = PRIMITIVES[op]
    names = "xyz"[: row.arity]
    inner = f"{op}({', '.join(names)})"
    if row.symbol:
        inner = f"{names[0]} {row.symbol} {names[-1]}" if row.arity > 1 else f"{row.symbol} x"
    if op == "pow":
        return lossc.compile("loss f(x[n], y[n]) = sum(x^y) where x in (0, inf)")
    if op == "polygamma":
        return lossc.compile("loss f(y[n]) = sum(polygamma(1, y)) where y in (0, inf)")
    where = [f"{n} in {_positive(str(d))}" for n, d in zip(names, row.domain, strict=True)]
    heads = ", ".join(f"{n}[n]" for n in names)
    return lossc.compile(f"loss f({heads}) = sum({inner}) where {'; '.join(where)}")


def _positive(domain: str) -> str:
    """The inside of a domain."""
    return "real" if domain == "(-inf, inf)" else f"({domain[1:-1]})"


# --- kinks ----------------------------------------------------------------------------------


def test_a_kink_is_reported_as_a_convention() -> None:
    report = lossc.compile("mean(abs(y - yhat))").check_gradient()
    assert report.ok and report.kinks >= 2
    at_kink = next(c for c in report.cases if c.point == "a kink of abs" and c.conventions)
    found = at_kink.conventions[0]
    assert (found.left, found.value, found.right) in {(-0.5, 0, 0.5), (0.5, 0, -0.5)}
    assert "between -0.5 and 0.5" in str(report)


@pytest.mark.parametrize(
    ("formula", "kink"),
    [
        ("mean(relu(1 - y * yhat))", "relu"),
        ("mean(max(y, yhat))", "max"),
        ("mean(clip(yhat, 0, 1) * y)", "clip"),
        ("loss f(z[n]) = max[n](z)", "max"),
        ("loss f(z[n]) = sum[n](sort[n](z) * n)", "sort"),
        ("mean(if yhat <= y then 2 * yhat else yhat + y)", "le"),
        ("sum(norm1(y - yhat))", "norm1"),
    ],
)
def test_kinks_are_found(formula: str, kink: str) -> None:
    report = lossc.compile(formula).check_gradient()
    assert report.ok, str(report)
    assert any(c.point == f"a kink of {kink}" and c.conventions for c in report.cases)
    assert any(c.point == f"below a kink of {kink}" for c in report.cases)
    assert any(c.point == f"above a kink of {kink}" for c in report.cases)


def test_a_value_outside_the_slopes_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(PRIMITIVES["abs"], slopes=("if x == 0 then 5 else sign(x)",))
    monkeypatch.setitem(PRIMITIVES, "abs", wrong)
    report = lossc.compile("mean(abs(y - yhat))").check_gradient()
    points = {c.point for c in report.cases if not c.ok}
    assert "a kink of abs" in points
    assert "a random point" not in points


# --- oracles that fail ------------------------------------------------------------------------


def test_overflow_is_said_and_the_others_decide() -> None:
    report = lossc.compile("mean(exp(1000 + y^2 + yhat))").check_gradient()
    assert report.ok
    assert statuses(report, TENSORFLOW) == {NOT_RUN}
    assert statuses(report, SYMPY) == {AGREES}
    assert "tensorflow not run at a random point: its gradient is not finite" in str(report)


def test_nothing_confirmed_is_not_ok() -> None:
    report = lossc.compile("mean(y + yhat) / 0").check_gradient()
    assert not report.ok
    assert report.unconfirmed == ("y", "yhat")


def test_a_gradient_that_cannot_be_derived_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(program: Program, wrt: str) -> Program:
        raise NotImplementedError("such a term")

    monkeypatch.setattr(derived, "differentiate", refuse)
    report = lossc.compile("mean(y - yhat)").check_gradient()
    assert not report.ok
    assert "y: no gradient could be derived (NotImplementedError: such a term)" in str(report)


def test_stop_gradient_is_held() -> None:
    report = lossc.compile("mean(stop_gradient(y * yhat) * yhat^2)").check_gradient()
    assert report.ok, str(report)


def test_slopes_on_both_sides() -> None:
    program = lossc.compile("loss f(x[]) = if x < 0 then sqrt(-x) else 3 * x")._checked.program
    with mp.workdps(DIGITS):
        point = Point("here", {"x": exact_array(Fraction(0))}, {})
        found = slopes(program.value, point, point.machine(), "x", ())
        assert found.left == -mp.inf
        assert abs(found.right - 3) < 1e-20
        assert not found.is_smooth


@pytest.mark.parametrize(
    ("formula", "right"),
    [
        ("xlogy(x, x)", -mp.inf),
        ("100000 * x - x * log(x)", mp.inf),
        ("x^0.75", mp.inf),
        ("-sqrt(x) + 7", -mp.inf),
        ("x^1.5 + 2 * x", 2),
        ("3 * sin(x) + 100000", 3),
    ],
)
def test_slopes_at_an_edge(formula: str, right: float) -> None:
    text = f"if x < 0 then log(x) else if x == 0 then {limit(formula)} else {formula}"
    program = lossc.compile(f"loss f(x[]) = {text}")._checked.program
    with mp.workdps(DIGITS):
        point = Point("here", {"x": exact_array(Fraction(0))}, {})
        found = slopes(program.value, point, point.machine(), "x", ())
        assert found.left is None
        assert found.right == right or abs(found.right - right) < 1e-9


def test_a_jump_is_no_slope() -> None:
    program = lossc.compile("loss f(x[]) = sign(x)")._checked.program
    with mp.workdps(DIGITS):
        point = Point("here", {"x": exact_array(Fraction(0))}, {})
        found = slopes(program.value, point, point.machine(), "x", ())
        assert (found.left, found.right) == (mp.inf, mp.inf)


def limit(formula: str) -> str:
    """What a formula of these tests tends to at 0."""
    return next((n for n in ("7", "100000") if formula.endswith(f"+ {n}")), "0")


def test_an_infinite_slope_at_an_edge_is_reported() -> None:
    text = "loss f(y[n], p[n]) = sum[n](xlogy(y, y / p)) where y in [0, inf); p in (0, inf)"
    report = lossc.compile(text).check_gradient("y")
    assert report.ok, str(report)
    assert re.search(r"edge: 0 for y\[\d\] at zeros, where the slope is infinite", str(report))


def test_a_gradient_that_is_infinite_where_the_slope_is_not_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoil(monkeypatch, lambda value: apply("add", (value, apply("log", (value,)))), "x")
    report = lossc.compile("loss f(x[n]) = sum[n](x^2) where x in [0, inf)").check_gradient()
    assert all(not c.ok for c in report.cases if c.point == "zeros")


def test_cancellation_beyond_the_digits_is_looked_at_with_more() -> None:
    text = "loss f(x[n]) = 10^40 * std[n](exp(x / 10^40)) where x in (1, 2)"
    report = lossc.compile(text).check_gradient()
    assert AGREES in statuses(report, SYMPY)
    assert DISAGREES not in statuses(report, SYMPY)


# --- points -----------------------------------------------------------------------------------


def test_axes_are_as_short_as_they_can_be() -> None:
    sizes = smallest(corpus("ssim_uniform7")._checked.program, {})
    assert {a.name: n for a, n in sizes.items()} == {"batch": 2, "h": 7, "w": 7}


@pytest.mark.parametrize("name", sorted(p.stem for p in CORPUS.glob("*.loss")))
def test_points_are_inside_the_domains(name: str) -> None:
    checked = corpus(name)._checked
    program = checked.program
    with mp.workdps(DIGITS):
        known = lengths_of_params(checked, program)
        sizes, larger = smallest(program, known), smallest(program, known, 3)
        points = Points(checked, program, sizes, larger, seed=1)
        for style in ("inside", "edge", "zero"):
            point = points.sample("here", style, 0, vary=True)
            kinds = {t.name: t.kind for t in (*program.inputs, *program.params)}
            arrays = {n: as_float(a, kinds[n]) for n, a in point.arrays.items()}
            inputs = [arrays[n] for n in checked.inputs]
            params = {
                n: arrays[n] for n in checked.params
                if n in arrays and n not in checked.static and checked.params[n].default is not None
            }  # fmt: skip
            assert not list(find_outside(checked, inputs, params))


def test_a_seed_repeats_a_check() -> None:
    loss = lossc.compile("mean(abs(y - yhat))")
    first, second = (loss.check_gradient(seed=3).to_json() for _ in range(2))
    assert first["cases"] == second["cases"]


# --- the command --------------------------------------------------------------------------------


def schemas() -> dict[str, set[str]]:
    """The keys of the documents of `grad-check`, as the page gives them."""
    rows = re.findall(r"^\| (grad-check[a-z ]*) \| (.*) \|$", PAGE.read_text("utf-8"), re.M)
    return {name: set(re.findall(r"`(\w+)`", cells)) for name, cells in rows}


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grad-check", "-e", "mean(abs(y - yhat))"]) == 0
    assert re.fullmatch(
        r"loss: ok \(\d+ points, \d on a kink, [\d.]+ s\)\n", capsys.readouterr().out
    )


def test_command_with_findings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(monkeypatch, scaled(Fraction(2)))
    assert main(["grad-check", "-e", "mean((y - yhat)^2)"]) == 1
    assert "sympy disagrees, relative difference 5.0e-01" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["nope.loss"], 2),
        (["-e", "mean(y"], 1),
        (["-e", "mean(y)", "--seconds", "0"], 2),
        (["-e", "mean(y)", "--seed", "x"], 2),
        ([], 2),
    ],
)
def test_command_failures(words: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grad-check", *words]) == code
    assert "error[" in capsys.readouterr().err


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["grad-check", "-e", "mean(abs(y - yhat))", "--json"])
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    keys = schemas()

    def conforms(value: Mapping[str, Any], name: str) -> None:
        assert set(value) == keys[name], name

    conforms(found, "grad-check")
    for loss in found["losses"]:
        conforms(loss, "grad-check loss")
        for case in loss["cases"]:
            conforms(case, "grad-check case")
            for verdict in case["verdicts"]:
                conforms(verdict, "grad-check verdict")
            for convention in case["conventions"]:
                conforms(convention, "grad-check convention")
