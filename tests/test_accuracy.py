"""Accuracy: the samples, the bits of error, and that wrong numbers are seen."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from mpmath import mp

import lossc
from lossc.cli import main
from lossc.compiler import domains as dom
from lossc.compiler.accuracy import run as accuracy_run
from lossc.compiler.accuracy.batches import Batch, Batches
from lossc.compiler.accuracy.errors import exact_error, usual_error
from lossc.compiler.accuracy.floats import FORMATS, Format
from lossc.compiler.accuracy.report import AccuracyReport
from lossc.compiler.accuracy.run import Engine, Plan, measure
from lossc.compiler.accuracy.sampling import FLOATS, FloatSampler
from lossc.compiler.accuracy.truth import Ground, Subject
from lossc.compiler.gradcheck.point import Clock
from lossc.compiler.gradcheck.sampling import EDGE, MILD, ZERO
from lossc.compiler.ir import Axis, Const
from lossc.compiler.precision import FLOAT64
from lossc.validate import find_outside

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
NUMPY = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16,
         "float64": np.float64}  # fmt: skip
FLOAT32 = FORMATS["float32"]


@pytest.fixture(autouse=True)
def precision() -> Iterator[None]:
    """Numbers of all formats, and what lies between them, are exact."""
    with mp.workprec(256):
        yield


# --- formats --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_those_of_numpy(name: str) -> None:
    format, info = FORMATS[name], ml_dtypes.finfo(NUMPY[name])
    assert format.dtype == np.dtype(NUMPY[name])
    assert float(format.tiny) == float(info.smallest_normal)
    assert float(format.largest) == float(info.max)
    assert float(format.unit(mp.mpf(1))) == float(info.eps)
    assert format.bits == info.bits


@pytest.mark.parametrize("name", FORMATS)
def test_places_count_the_numbers_in_order(name: str) -> None:
    format, kind = FORMATS[name], NUMPY[name]
    rng = Random(1)
    for place in [1, 2, format.count - 1, *(rng.randrange(1, format.count) for _ in range(50))]:
        x = format.number(place)
        assert float(kind(float(x))) == float(x)
        following = np.nextafter(kind(float(x)), kind(math.inf))
        assert float(format.number(place + 1)) == float(following)
        assert (format.place(x), format.place(-x)) == (place, -place)
        between = (x + format.number(place + 1)) / 2
        assert (format.place(between), format.place(-between)) == (place, -place - 1)
    assert format.number(0) == 0
    assert format.place(format.tiny / 2) == 0
    assert format.place(mp.inf) == format.count


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
def test_nearest_rounds_as_numpy_does(name: str) -> None:
    format, rng = FORMATS[name], np.random.default_rng(3)
    for x in np.exp(rng.uniform(-9, 9, 200)) * rng.choice([-1, 1], 200):
        assert float(format.nearest(mp.mpf(x))) == float(NUMPY[name](x))


# --- bits of error ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("got", "true", "bits"),
    [(1.0, 1, 0), (1 + 2**-23, 1, 1), (1 + 3 * 2**-23, 1, 2),
     (1 + 2**-23, 1 + 2**-24, math.log2(1.5)), (0.0, 1, math.log2(1 + 2**23)), (math.nan, 1, 32),
     (math.inf, 1, 32), (-1.0, 1, math.log2(1 + 2**24)), (math.inf, 1e39, 0),
     (3.4028234663852886e38, 1e39, 0), (-math.inf, 1e39, 32), (math.nan, 1e39, 32),
     (math.inf, math.inf, 0), (1.0, math.inf, 32), (0.0, 1e-40, 0), (1e-40, 2e-40, 0),
     (1e-30, 0, 32), (0.0, 0, 0), (1.0, math.nan, 0)],
)  # fmt: skip
def test_bits(got: float, true: float, bits: float) -> None:
    assert FLOAT32.error(got, mp.mpf(true)) == pytest.approx(bits, abs=1e-9)


def test_a_vector_is_measured_by_its_largest_component() -> None:
    small, large = mp.mpf(2) ** -20, mp.mpf(1)
    assert FLOAT32.error(0.0, small, large) == pytest.approx(math.log2(1 + 8))
    assert FLOAT32.error(0.0, small) > 20


# --- samples ----------------------------------------------------------------------------------


def sampler(format: Format, seed: int = 0) -> FloatSampler:
    return FloatSampler(Random(seed), {Axis("k"): 4}, format=format)


def between(low: float | None, high: float | None, **kinds: bool) -> dom.Between:
    from fractions import Fraction

    ends = [None if x is None else Const(Fraction(x)) for x in (low, high)]
    return dom.Between(*ends, **kinds)


def test_errors_are_the_same_in_double_precision() -> None:
    rng, usual = Random(3), 0
    for _ in range(2000):
        power = rng.choice((0, 0, -100, -126, -140, 126, 127)) + rng.randint(-2, 2)
        true = [
            mp.ldexp(rng.choice((1, rng.uniform(-1, 1))), power) * (1 + mp.ldexp(rng.random(), -60))
            for _ in range(rng.randint(1, 4))
        ]
        off = rng.choice((0, 0, 1e-7, 1e-3, -1))
        got = [float(FLOAT32.nearest(t * (1 + off))) for t in true]
        got[0] = rng.choice((got[0], got[0], 0.0, math.inf, math.nan))
        found, exact = usual_error(FLOAT32, got, true), exact_error(FLOAT32, got, true)
        if found is not None:
            usual += 1
            assert found.bits == pytest.approx(exact.bits, abs=1e-7)
            assert found.absolute == pytest.approx(exact.absolute, rel=1e-6, abs=1e-45)
            assert found.finite == exact.finite
    assert usual > 200


@pytest.mark.parametrize("name", FORMATS)
def test_all_exponents_are_as_likely(name: str) -> None:
    format = FORMATS[name]
    draws = [sampler(format, k).real(FLOATS) for k in range(2000)]
    exponents = [mp.mag(abs(x)) for x in draws if x]
    least, most = format.least + 1, mp.mag(format.largest)
    counts, _ = np.histogram(np.array(exponents, dtype=float), bins=6, range=(least, most + 1))
    assert counts.min() > 230
    assert 850 < sum(x < 0 for x in draws) < 1150
    assert all(format.nearest(x) == x for x in draws)


@pytest.mark.parametrize("style", [FLOATS, MILD, EDGE, ZERO])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("low", "high", "kinds"),
    [(0, 1, {}), (0, 1, {"low_open": True, "high_open": True}), (0, None, {"low_open": True}),
     (None, -2, {}), (-1, 3, {"high_open": True}), (1, None, {"low_open": True})],
)  # fmt: skip
def test_samples_stay_in_their_interval(
    low: float | None, high: float | None, kinds: dict[str, bool], name: str, style: str
) -> None:
    domain = between(low, high, **kinds)
    for k in range(60):
        drawn = sampler(FORMATS[name], k)
        x = drawn.number(domain, style)
        assert drawn.contains(domain, x)
        assert FORMATS[name].nearest(x) == x


def test_bounds_that_are_no_floats_are_rounded_inward() -> None:
    domain = between(0.1, 0.3)
    for k in range(100):
        x = sampler(FORMATS["bfloat16"], k).number(domain, EDGE)
        assert 0.1 <= x <= 0.3


def test_samples_come_close_to_both_ends() -> None:
    draws = [sampler(FLOAT32, k).number(between(0, 1), FLOATS) for k in range(400)]
    assert min(x for x in draws if x) < mp.mpf(2) ** -100
    assert sum(1 - x < mp.mpf(2) ** -20 for x in draws) > 5
    assert sum(0.01 < x < 0.99 for x in draws) > 20


@pytest.mark.parametrize("name", FORMATS)
def test_distributions_sum_to_one_exactly(name: str) -> None:
    draws = [sampler(FORMATS[name], k).simplex(4) for k in range(50)]
    for row in draws:
        assert sum(row) == 1
        assert min(row) >= 0
        assert all(FORMATS[name].nearest(x) == x for x in row)
    assert min(x for row in draws for x in row if x) < 8 * FORMATS[name].unit(mp.mpf(1))


LOSSES = {
    "packed": "mean(w * (y - yhat)^2) where w in [0, inf)",
    "labels": "loss f(y[batch], z[batch, class]) = mean[batch](logsumexp[class](z) - z[batch, y])\n"
              "where y in index(class)",
    "simplex": "loss f(y[batch, c], p[batch, c]) = mean[batch](-sum[c](xlogy(y, p)))\n"
               "where y in one_hot[c]; p in simplex[c]",
    "params": "loss f(y, yhat; q = 0.3, d = 2) = mean(if abs(y - yhat) < d then q else y * yhat)\n"
              "where q in (0, 1); d > q; y in [q, inf); yhat in {-1, 1}",
    "pairs": "loss f(y[n], s[n]) = mean[i, j if y[i] > y[j]](softplus(s[j] - s[i]))\n"
             "where y in 0..4",
    "union": "loss f(y[n], v[n]) = mean(if v then y else 0)\nwhere y in [0, 1] or {-1}; v in bool",
}  # fmt: skip


def batches(text: str, name: str = "float32", points: int = 40) -> list[Batch]:
    checked = lossc.compile(text)._checked
    separated = Subject(checked, ()).separated
    lead = None if separated is None else separated.axes[0].axis
    return [*Batches(checked, checked.program, FORMATS[name], points, 0, lead)]


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
@pytest.mark.parametrize("text", LOSSES.values(), ids=LOSSES)
def test_points_are_of_the_domains(text: str, name: str) -> None:
    checked = lossc.compile(text)._checked
    found = batches(text, name)
    for batch in found:
        arrays = batch.floats(checked.program, FORMATS[name])
        inputs = [arrays[n].astype(np.float64) if arrays[n].dtype.kind != "b" else arrays[n]
                  for n in checked.inputs]  # fmt: skip
        params = {n: arrays[n].astype(np.float64) for n in checked.params}
        assert not [*find_outside(checked, inputs, params)]
    assert sum(b.samples or 1 for b in found) == 40


def test_samples_of_separable_losses_make_one_batch() -> None:
    first, second = batches(LOSSES["labels"])
    assert (first.samples, second.samples) == (25, 15)
    assert first.arrays["z"].shape == (25, 3)
    assert all(b.samples is None for b in batches(LOSSES["pairs"]))
    assert [b.samples for b in batches(LOSSES["params"])] == [25, 5, 10]


def test_points_are_the_same_for_the_same_seed() -> None:
    first, again = batches(LOSSES["packed"]), batches(LOSSES["packed"])
    assert all(np.all(a.arrays["y"] == b.arrays["y"]) for a, b in zip(first, again, strict=True))


def test_some_points_lie_on_kinks_and_some_inputs_are_close() -> None:
    found = batches("mean(abs(y - yhat))", points=200)
    y, p = (np.concatenate([b.arrays[n] for b in found]) for n in ("y", "yhat"))
    assert sum(a == b for a, b in zip(y, p, strict=True)) >= 3
    near = [abs(b / a - 1) < 1e-5 for a, b in zip(y, p, strict=True) if a and a != b]
    assert sum(near) >= 3


# --- measurements -----------------------------------------------------------------------------


def run(text: str, engine: Engine, points: int = 40) -> AccuracyReport:
    """A measurement of results that are given."""
    checked = lossc.compile(text)._checked
    return measure(
        checked,
        lambda subject: {"own": engine},
        Plan(points, formats=["float32"], precision=FLOAT64),
    )


def by_hand(function: Any, *slopes: Any) -> Engine:
    """NumPy in place of a compiled loss, for losses of y or of y and yhat."""

    def results(batch: Batch, format: Format) -> Mapping[str, Any]:
        arrays = [batch.arrays[n].astype(format.dtype) for n in ("y", "yhat") if n in batch.arrays]
        names = ["", "y", "yhat"][: len(arrays) + 1]
        with np.errstate(all="ignore"):
            return {n: f(*arrays) for n, f in zip(names, (function, *slopes), strict=True)}

    return results


def softplus(z: Any) -> Any:
    return np.logaddexp(z, np.float32(0))


def over_count(slope: Any) -> Any:
    return lambda y: slope(y) / np.float32(len(y))


SIGMOID = over_count(lambda y: np.exp(-softplus(-y)))


def test_right_results_pass() -> None:
    report = run("mean(log(1 + exp(y)))", by_hand(softplus, SIGMOID))
    value = report.rows[0].figures
    assert value.points == 40
    assert value.worst < 2
    assert value.nonfinite == 0


def test_overflow_is_seen() -> None:
    naive = by_hand(lambda y: np.log(1 + np.exp(y)), SIGMOID)
    report = run("mean(log(1 + exp(y)))", naive)
    value = report.rows[0].figures
    assert not report.ok
    assert value.worst == 32
    assert value.nonfinite > 0.1
    (limit,) = [r for r in report.ranges if r.of == ""]
    assert limit.limit == pytest.approx(88.72, abs=0.01)
    assert not limit.true
    assert "finite for y <= 88.7" in str(report)


def test_the_worst_input_can_be_pasted() -> None:
    naive = by_hand(lambda y: np.where(y == 1, np.float32(9), softplus(y)), SIGMOID)
    report = run("mean(log(1 + exp(y)))", naive, 100)
    assert eval(f"dict({report.rows[0].figures.worst_at})") == {"y": [1]}


def test_a_wrong_gradient_is_seen() -> None:
    report = run(
        "mean(log(1 + exp(y)))", by_hand(softplus, lambda y: SIGMOID(y) * np.float32(1.001))
    )
    assert report.rows[0].figures.ok
    assert not report.rows[1].figures.ok
    assert "gradient in y" in str(report)


def test_cancelling_sums_are_listed_apart() -> None:
    report = run("mean(exp(y) - 3 * exp(yhat))\nwhere y, yhat in [-1, 1.2]", by_hand(
        lambda y, p: np.exp(y) - 3 * np.exp(p),
        lambda y, p: np.exp(y) / len(y), lambda y, p: -3 * np.exp(p) / len(y),
    ), 300)  # fmt: skip
    row = report.rows[0]
    assert 0 < row.cancelling.points < 100
    assert row.cancelling.worst > 3
    assert row.figures.worst < 4.5


def test_a_stable_form_leaves_no_excuse() -> None:
    wrong = by_hand(lambda y: np.sqrt(1 + y * y) - 1, over_count(lambda y: y / np.hypot(1, y)))
    report = run("mean(sqrt(1 + y^2) - 1)", wrong)
    assert report.rows[0].cancelling.points == 0
    assert report.rows[0].figures.worst > 20


def apart(text: str, of: str, **inputs: list[float]) -> bool:
    """Whether the only sample of a batch is listed apart."""
    return ground(text, of, **inputs) is Ground.OPEN


def ground(text: str, of: str, **inputs: list[float]) -> Ground:
    """What the only sample of a batch rests on."""
    checked = lossc.compile(text)._checked
    subject = Subject(checked, tuple(checked.inputs))
    (batch,) = batches(text, points=1)
    arrays = {n: np.array([mp.mpf(x) for x in xs], dtype=object) for n, xs in inputs.items()}
    truth = subject.truth(replace(batch, arrays={**batch.arrays, **arrays}), FLOAT32)
    return truth[of].ground(0)


def test_sums_of_a_derivative_are_no_excuse_where_it_is_not_sensitive() -> None:
    """y^2 / (1 + y^2) has no difference; the rule of the quotient makes one."""
    assert not apart("mean(y^2 / (1 + y^2))", "y", y=[1e6])
    assert not apart("mean(y^2 / (1 + y^2))", "", y=[1e6])
    assert apart("mean(exp(y) - 3 * exp(yhat))", "", y=[math.log(3)], yhat=[0.0])


def test_a_sum_that_cancels_though_the_inputs_do_not_is_told_apart_from_none() -> None:
    """The slope has two terms of 2 / y for large y, and is about 1 / y^3."""
    text = "mean(sqrt(y^4 + y) / (y^2 + 1)) where y > 0"
    assert ground(text, "y", y=[1e6]) is Ground.CANCELLING
    assert ground(text, "y", y=[2.0]) is Ground.FIRM
    assert ground(text, "", y=[1e6]) is Ground.FIRM


def test_a_denominator_of_which_rounding_may_leave_nothing_is_listed_apart() -> None:
    """Nothing over something is nothing, whatever it is; over nothing it is NaN."""
    text = "mean(max(0, x) / (exp(y) - exp(yhat)))"
    assert apart(text, "", x=[-1.0], y=[20.0], yhat=[20.0 + 1e-9])
    assert not apart(text, "", x=[-1.0], y=[20.0], yhat=[20.0 + 1e-6])


def test_a_kink_that_a_number_below_all_floats_decides_is_listed_apart() -> None:
    text = "mean(abs(y - exp(-yhat)))"
    assert apart(text, "y", y=[0.0], yhat=[1000.0])
    assert not apart(text, "y", y=[0.0], yhat=[10.0])
    assert not apart(text, "", y=[0.0], yhat=[1000.0])


def test_a_hinge_that_rounding_may_turn_either_way_is_listed_apart() -> None:
    assert apart("mean(max(0, 1 + exp(y) - exp(yhat)))", "y", y=[80.0], yhat=[80.0])


def test_a_component_beyond_the_range_does_not_hide_the_others() -> None:
    text = "loss f(y[batch, k]) = mean[batch](sum[k](exp(y) - y))"
    checked = lossc.compile(text)._checked
    (batch,) = batches(text, points=1)
    arrays = {"y": np.array([[mp.mpf(1e30), mp.mpf(1e-20), mp.mpf(0)]], dtype=object)}
    true = Subject(checked, ("y",)).truth(replace(batch, arrays=arrays), FLOAT32)["y"]
    assert float(true.values[0, 1]) == pytest.approx(1e-20, rel=1e-7)


def test_a_component_beyond_the_range_hides_no_sum_that_cancels() -> None:
    """The slope exp(y) - 3 near log(3), beside another one of 1e60."""
    text = "loss f(y[batch, k], c[k]) = mean[batch](sum[k](c * (exp(y) - 3 * y))^2)"
    checked = lossc.compile(text)._checked
    (batch,) = batches(text, points=1)

    def cancels(far: float, near: float) -> bool:
        y = np.array([[mp.mpf(far), mp.mpf(near), mp.mpf(0)]], dtype=object)
        arrays = {"y": y, "c": np.array([mp.mpf(k) for k in (1, 1, 0)], dtype=object)}
        truth = Subject(checked, ("y",)).truth(replace(batch, arrays=arrays), FLOAT32)
        return truth["y"].ground(0) is Ground.OPEN

    assert cancels(70, math.log(3))
    assert not cancels(70, 2)


def test_logarithms_near_one_and_angles_of_many_turns_are_listed_apart() -> None:
    assert apart("mean(log(y / yhat))", "", y=[1.0], yhat=[1.0 + 2**-23])
    assert not apart("mean(log(y / yhat))", "", y=[1.0], yhat=[2.0])
    assert not apart("mean(log(y))\nwhere y > 0", "", y=[1.0 + 2**-23])
    assert apart("mean(cos(y - yhat))", "", y=[1e20], yhat=[1.0])
    assert not apart("mean(cos(y - yhat))", "", y=[2.0], yhat=[1.0])
    assert not apart("mean(cos(y))", "", y=[1e20])


def test_gradients_next_to_a_kink_are_listed_apart() -> None:
    text = "mean(max(1 - y, 1 - yhat))"
    assert apart(text, "y", y=[1e-12], yhat=[2e-12])
    assert not apart(text, "", y=[1e-12], yhat=[2e-12])
    assert not apart(text, "y", y=[0.25], yhat=[0.5])
    assert not apart("mean(abs(y - yhat))", "y", y=[1.0], yhat=[1.0 + 2**-23])


@pytest.mark.parametrize("text", ["mean((y - yhat)^2) where y, yhat in [-1e15, 1e15]",
                                  "mean(softplus(y) + exp(-yhat^2))"])  # fmt: skip
def test_compiled_losses_are_measured(text: str) -> None:
    report = lossc.compile(text).accuracy(40, dtypes="float32")
    assert report.ok, str(report)
    assert {(r.engine, r.format) for r in report.rows} == {("xla", "float32"), ("eager", "float32")}


def test_every_dtype_is_measured() -> None:
    report = lossc.compile("mean((y - yhat)^2) where y, yhat in [-9, 9]").accuracy(20)
    assert {r.format for r in report.rows} == set(FORMATS)
    assert report.ok, str(report)


def test_points_that_do_not_fit_are_noted() -> None:
    report = lossc.compile(LOSSES["pairs"]).accuracy(1000, dtypes="float32", seconds=1e-9)
    assert any("out of time" in note for note in report.notes)


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(lossc.LosscError, match="float8"):
        lossc.compile("mean(y)").accuracy(dtypes="float8")


def test_what_is_not_told_in_time_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of a result is not left out without a word because it takes long to judge."""

    class Slow(Clock):
        used = 1.0  # type: ignore[assignment]

    monkeypatch.setattr(accuracy_run, "Clock", Slow)
    checked = lossc.compile("mean(y) where y in [1, 2]")._checked

    def engine(batch: Batch, format: Format) -> Mapping[str, Any]:
        count = batch.samples or 1
        return {"": np.zeros(count), "y": np.zeros((count, 1))}

    plan = Plan(40, formats=["float32"], seconds=1.5, precision=FLOAT64)
    value, _ = measure(checked, lambda subject: {"own": engine}, plan).rows
    assert value.figures.points == 0 and value.unknown > 0


# --- the command ------------------------------------------------------------------------------


def test_the_command_reports(capsys: pytest.CaptureFixture[str]) -> None:
    text = "mean((y - yhat)^2) where y, yhat in [-9, 9]"
    assert main(["accuracy", "-e", text, "--points", "10", "--dtype", "float32"]) == 0
    assert re.fullmatch(r"loss: ok \(10 points, \d\.\d bits at worst\)\n", capsys.readouterr().out)
    assert main(["accuracy", "-e", text, "--points", "10", "--dtype", "float32", "--details"]) == 0
    assert "float32  xla   gradient in yhat: 0." in capsys.readouterr().out


def test_the_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    text = "mean((y - yhat)^2) where y, yhat in [-9, 9]"
    assert main(["accuracy", "--json", "-e", text, "--points", "10", "--dtype", "float32"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["ok", "diagnostics", "losses"]
    (loss,) = document["losses"]
    assert list(loss) == ["loss", "ok", "points", "rows", "ranges", "notes"]
    row = loss["rows"][0]
    assert (row["format"], row["engine"], row["of"], row["ok"]) == ("float32", "xla", "", True)
    assert set(row["figures"]) == set(row["firm"]) == set(row["cancelling"])
    assert row["figures"]["points"] + row["cancelling"]["points"] == 10


@pytest.mark.parametrize("given", [["--points", "0"], ["--seconds", "0"], ["--dtype", "float8"]])
def test_wrong_arguments_are_usage_errors(given: list[str]) -> None:
    assert main(["accuracy", "-e", "mean(y)", *given]) == 2
