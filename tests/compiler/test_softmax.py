"""A softmax less its own part: the rewritten sums keep their values, and lose no digits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from mpmath import mp

import lossc
from lossc.compiler.emit.schedule import schedule
from lossc.compiler.ir import Program
from lossc.compiler.passes import stabilise as passes
from lossc.compiler.passes.differentiate import differentiate, total
from lossc.compiler.passes.stabilise import COMPLEMENT, ENTROPY, EXPONENTIAL, SHARES
from tests.rewrites import DIGITS, rewritten, same, values

LABELS = "def f(z[i], y[i], a[]) = "
# Sums, the rewrite that is for each, and inputs for them.
SUMS = {
    "sum[i](y) * softmax[i](z) - y": SHARES,
    "a * sum[i](y^2 / a) * softmax[i](z) - y^2": SHARES,
    "softmax[i](z) * y - softmax[i](z) * sum[i](softmax[i](z) * y)": SHARES,
    "a * softmax[i](z) * (y + a) - a * softmax[i](z) * sum[i](softmax[i](z) * (y + a))": SHARES,
    "(1 + a * y) * softmax[i](z) - indicator(i == 1)": SHARES,
    "(y + a) * softmax[i](z) - (if i > 0 then a else 0)": SHARES,
    "sum[i](a * softmax[i](z)) + y": "sum of a softmax",
    "logsumexp[i](z + a) + y": "common term of logsumexp",
    "logsumexp[i if y > 0](z - a * y[0]) + y": "common term of logsumexp",
    "mean[i](exp(a) * z * y) + y": EXPONENTIAL,
    "mean[i if y > 0](z / exp(a)) - a": EXPONENTIAL,
    "y + log(1 - exp(z[2]) / sum[i](exp(z)))": COMPLEMENT,
    "expm1(z[1] - logsumexp[i](z)) * (y + logsumexp[i if i > 0](z))": COMPLEMENT,
    "if i == 2 then y else softmax[i](z) / (1 - exp(z[2]) / sum[i](exp(z)))": COMPLEMENT,
    "a * softplus(z) - sigmoid(z) * a * z": ENTROPY,
    "y * (2 * softplus((z - a) / 4) - 1) + y * (a - z) * sigmoid((z - a) / 4) / 2": ENTROPY,
    "a * y - a * y * sigmoid(z)": "complement of sigmoid",
    "exp(z) / y - 1 / y + a": "expm1",
}
# Sums that are like them, and are not to be rewritten.
KEPT = (
    "sum[i](y) * softmax[i](z) - y^2", "sum[i](y) * softmax[i](z) + y",
    "2 * sum[i](y) * softmax[i](z) - y", "sum[i](y) * exp(z - logsumexp[i](y)) - y",
    "sum[i if y > 0](y) * softmax[i](z) - y", "sum[i](y) * softmax[i](z)^2 - y",
    "log(-expm1(z - logsumexp[i](z)))", "log1p(abs(expm1(z[1] - logsumexp[i](y)))) + y",
    "expm1(z[1] - logsumexp[i](z)) * y", "softplus(z) - 2 * z * sigmoid(z)",
    "softplus(-abs(z)) + abs(z) * sigmoid(-abs(z))",
    "mean[i](exp(z) * y) + a", "sum[i](exp(a) * z) + y",
    "softmax[i](z) - indicator(i == 1)", "sum[i if i > 0](softmax[i](z)) + y",
    "(1 + a) * softmax[i](z) - a * indicator(i == 1) / 2",
)  # fmt: skip
POINTS: tuple[Mapping[str, object], ...] = (
    {"z": (0.5, -3.25, 2.0), "y": (1.5, 0.25, -2.0), "a": 0.75},
    {"z": (-900.0, 0.0, -0.5), "y": (3e5, 2.0, 0.125), "a": -3.0},
    {"z": (1.0, 1.0, 1.0), "y": (1e-9, 7.0, 7.0), "a": 1e4},
    {"z": (4.0, 4.0, -2.0), "y": (-1.0, 1.0, 0.5), "a": -0.5},
)


def program_of(text: str) -> tuple[Program, Program, list[str]]:
    return rewritten(text if text.startswith("def") else LABELS + text)


def agree(a: Program, b: Program) -> bool:
    return same(a, b, POINTS)


@pytest.mark.parametrize(("text", "rule"), SUMS.items())
def test_a_rewrite_fires_and_keeps_value_and_gradient(text: str, rule: str) -> None:
    before, after, fired = program_of(text)
    assert rule in fired
    assert agree(before, after)
    for name in ("z", "y"):
        assert agree(*(differentiate(total(p), name) for p in (before, after)))


@pytest.mark.parametrize("text", KEPT)
def test_another_sum_stays(text: str) -> None:
    before, after, fired = program_of(text)
    assert not {SHARES, COMPLEMENT, ENTROPY, EXPONENTIAL, "sum of a softmax"} & set(fired)
    assert agree(before, after)


def test_a_filtered_softmax_is_rewritten_only_where_it_is_known_to_take_part() -> None:
    masked = "sum[i if y > 0](y) * exp(z - logsumexp[i if y > 0](z)) - y"
    assert SHARES not in program_of(masked)[2]
    before, after, fired = program_of(f"if y > 0 then {masked} else a")
    assert SHARES in fired
    assert agree(before, after)


LOSSES = {
    "soft labels": "def f(z[i], y[i]) = sum[i](y * (logsumexp[i](z) - z))",
    "a label and a penalty": "def f(z[i]) = logsumexp[i](z) - z[1] + logsumexp[i](z)^2 / 1000",
    "entropy": "def f(z[i]) = -sum[i](softmax[i](z) * log_softmax[i](z))",
    "a mean": "def f(z[i], y[i]) = sum[i](softmax[i](z) * y)",
}


def test_the_logarithm_of_the_complement_of_a_share_keeps_its_digits() -> None:
    loss = lossc.compile("def f(z[i]) = log(1 - softmax[i](z)[i=1])")
    for z in SCORES:
        given = np.float32(z)
        (true,) = values(loss._checked.program, {"z": tuple(map(float, given))})
        assert float(loss(given)) == pytest.approx(float(true), rel=1e-6)


@pytest.mark.parametrize("z", [0.0, -3.5, 0.75, 40.0, -87.0, 3e30])
def test_the_entropy_of_a_logit_keeps_its_digits(z: float) -> None:
    loss = lossc.compile("def f(z) = softplus(z) - z * sigmoid(z)", jit=True)
    given = np.float32(z)
    got = float(loss(given))
    (true,) = values(loss._checked.program, {"z": float(given)})
    assert abs(got - float(true)) <= 4 * np.spacing(np.float32(got))


@pytest.mark.parametrize("jit", [True, False])
def test_the_logarithm_beyond_one_is_right_for_a_single_number(jit: bool) -> None:
    loss = lossc.compile("def f(z) = softplus(z)", jit=jit)
    for z in (np.float32(-40), np.float32([-40]), np.float32([-40, -40])):
        assert np.asarray(loss(z)) == pytest.approx(float(mp.exp(-40)), rel=1e-6)


LABEL = (0.0, 1.0, 3e-25)
SCORES = ((-1e20, 3e-20, -2e-18), (-5.0, 35.0, -1e9), (0.0, 0.0, 0.0))


@pytest.mark.parametrize("text", LOSSES.values(), ids=LOSSES)
def test_the_gradient_keeps_its_digits(text: str) -> None:
    """Each in units of the largest component, beside arbitrary precision."""
    loss = lossc.compile(text)
    slope = differentiate(loss._checked.program, "z")
    for z in SCORES:
        given = {"z": np.float32(z), "y": np.float32(LABEL)}
        inputs = [given[n] for n in loss._checked.inputs]
        _, got = loss.value_and_grad(*inputs, wrt=("z",))
        true = values(slope, {n: tuple(map(float, v)) for n, v in given.items()})
        largest = max(map(abs, true))
        for g, t in zip(np.asarray(got["z"]), true, strict=True):
            assert abs(float(g) - t) <= largest * 2**-21


def test_a_rewrite_that_is_wrong_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    rewrites = {"add": ((SHARES, lambda term, _: term.args[0]),)}
    monkeypatch.setattr(passes, "BY_HEAD", rewrites)
    before, after, _ = program_of("sum[i](y) * softmax[i](z) + y")
    assert not agree(before, after)


def test_a_sum_over_all_places_but_one_makes_no_array_of_pairs() -> None:
    _, stable, _ = program_of("sum[i](y) * softmax[i](z) - y")
    assert max(len(s.axes) for s in schedule(stable).steps) == 1


@pytest.mark.parametrize("jit", [True, False], ids=["xla", "plain"])
def test_a_sum_over_all_places_but_one(jit: bool) -> None:
    text = "def f(y[i], m[i]) = sum[j if j != i and m[j] > 0](y[j])"
    y, m = np.array([1e30, 1.0, -2.0, 1e-30, 1e30]), np.array([1.0, 1.0, 1.0, 1.0, -1.0])
    loss = lossc.compile(text, jit=jit)
    wanted = [sum(v for j, v in enumerate(y) if j != i and m[j] > 0) for i in range(5)]
    assert loss(y, m).numpy() == pytest.approx(wanted, rel=1e-15)


@pytest.mark.parametrize("jit", [True, False], ids=["xla", "plain"])
@pytest.mark.parametrize("filter", ["", " if z < 9"])
def test_a_small_logsumexp_keeps_its_digits(jit: bool, filter: str) -> None:
    loss = lossc.compile(f"def f(z[i]) = logsumexp[i{filter}](z)", jit=jit)
    z = np.float32([0.0, -42.0, -50.0])
    with mp.workdps(DIGITS):
        true = mp.log1p(mp.exp(-42) + mp.exp(-50))
    assert float(loss(z)) == pytest.approx(float(true), rel=2e-6)


@pytest.mark.parametrize("jit", [True, False], ids=["xla", "plain"])
def test_products_beyond_the_largest_number_have_the_sign_of_their_mean(jit: bool) -> None:
    loss = lossc.compile("loss f(x[i], a[]) = mean[i](exp(a) * x)", jit=jit)
    assert float(loss(np.float32([1, -3]), np.float32(800))) == -np.inf
    assert float(loss(np.float32([1e-30, -3e-30]), np.float32(100))) == pytest.approx(
        -(10**-30) * float(np.exp(100)), rel=1e-6
    )


def test_a_share_of_large_computed_numbers_is_at_most_one() -> None:
    """It is of a number that is computed twice, which may be rounded in two ways."""
    loss = lossc.std["uniformity"]
    u = np.float32([[-1.8273413e-20, 3.7268217e28, 1.70668537e19],
                    [-2.1804347e30, 1.0174680e30, 2.849637e-31],
                    [-5.6240978e34, 39791.684, -1.1698083e-17]])  # fmt: skip
    slopes = np.asarray(loss.value_and_grad(u, wrt=["u"], t=2.6878204345703125)[1]["u"])
    true = np.asarray(loss.reference_gradient(u, wrt="u", t=2.6878204345703125)["u"], dtype=float)
    assert slopes == pytest.approx(true, rel=1e-6)


def test_what_the_whole_leaves_out_may_be_more_than_one() -> None:
    rest = "exp(x[i]^2 - logsumexp[j if j != i](x[i=j]^2))"
    loss = lossc.compile(f"loss odds(x[i]) = sum[i]({rest})")
    x = np.float32([3, 1, 0.5])
    assert float(loss(x)) == pytest.approx(float(loss.reference(x)), rel=1e-6)
    slopes = loss.value_and_grad(x, wrt=["x"])[1]["x"]
    true = np.asarray(loss.reference_gradient(x, wrt="x")["x"], dtype=float)
    assert np.asarray(slopes) == pytest.approx(true, rel=1e-5)


# Shares of products, or what looks like them, and inputs at which numbers of one size tell.
LARGE = {
    "sum[i](y * exp(w * x - logsumexp[j](w[j] * x[j])))": {
        "w": (1e9, 1e9, 1),
        "x": (1e9, 1e9, 1),
        "y": (1, 2, 5),
    },
    "sum[i](y * exp(i * x - logsumexp[j](j * x[j])))": {"x": (0, 2e17, 1e17), "y": (5, 1, 2)},
    "exp(sum[k](x[k] * y[k]) - logsumexp[j](sum[k](x[j] * y[k])))": {
        "x": (1, -1, 0),
        "y": (1, -1, 0),
    },
    "log(1 - exp(sum[k](x[k] * y[k]) - logsumexp[j](sum[k](x[j] * y[k]))))": {
        "x": (1, -1, 0),
        "y": (-1, 1, 0),
    },
}


@pytest.mark.parametrize("text", LARGE)
def test_numbers_that_a_share_is_of_are_told_apart(text: str) -> None:
    inputs = LARGE[text]
    loss = lossc.compile(f"def f({', '.join(f'{n}[i]' for n in inputs)}) = {text}")
    data = [np.float32(x) for x in inputs.values()]
    assert float(loss(*data)) == pytest.approx(float(loss.reference(*data)), rel=1e-6)
    slopes, true = loss.value_and_grad(*data)[1], loss.reference_gradient(*data)
    for name, slope in slopes.items():
        assert np.asarray(slope) == pytest.approx(np.asarray(true[name], dtype=float), rel=1e-5)
