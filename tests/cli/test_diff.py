"""`lossc diff`: equal pairs are proved equal, others get a witness and a region."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lossc.cli import main

EQUAL = {
    "names of indices": ("loss f(y[i]) = sum[i](y^2)", "loss f(y[k]) = sum[k](y[k]^2)"),
    "a square": ("loss f(x) = mean(x * x)", "loss f(x) = mean(x^2)"),
    "a rewrite": ("loss f(a, b) = mean((a - b)^2)", "loss f(a, b) = mean(a^2 - 2 * a * b + b^2)"),
    "log(sigmoid)": ("loss f(x) = mean(log(sigmoid(x)))", "loss f(x) = -mean(softplus(-x))"),
    "a definition": ("loss f(x) = mean(e^2)\nwhere\n    e = 2 * x", "loss f(x) = 4 * mean(x^2)"),
    "branches": (
        "loss f(x) = mean(if x > 1 then x else 1)", "loss f(x) = mean(max(x, 1))",
    ),
}  # fmt: skip

# What is written, and what must be said of it.
OTHER = {
    "a factor": ("loss f(x) = mean(x^2)", "loss f(x) = mean(2 * x^2)", "is 2 times as large"),
    "a sign": ("loss f(x) = mean(x)", "loss f(x) = -mean(x)", "the value has the opposite sign"),
    "a branch": (
        "loss f(x) = mean(if x > 1 then x else 1)", "loss f(x) = mean(if x > 1 then 3 * x else 1)",
        "the gradient in x is 3 times as large where x > 1",
    ),
    "a reduction": (
        "loss f(x[i]) = sum[i](x^2)", "loss f(x[i]) = mean[i](x^2)",
        "the value is 1 / size(i) times as large",
    ),
    "a length": (
        "loss f(x) = sqrt(mean(x^2))", "loss f(x) = mean(abs(x))", "the value differs",
    ),
    "a summand": ("loss f(x) = mean(x)", "loss f(x) = mean(x) + 1/2", "the value is 0.5 larger"),
    "a gradient": (
        "loss f(x) = mean(x^2)", "loss f(x) = mean(x * stop_gradient(x))",
        "the gradient in x is 1/2 times as large at all",
    ),
    "a value that is none": ("loss f(x) = mean(1 + 0 * x)", "loss f(x) = mean(x / x)", "nan now"),
    "a param": (
        "loss f(x; a = 2) = mean(a * x)", "loss f(x; a = 2) = mean(a^2 * x)", "a times as large",
    ),
    "lists of functions": (
        "def g(x; w[k] = [1, 2]) = sum[k](w[k]) * x\nloss f(x) = mean(g(x))",
        "def g(x; w[k] = [1, 3]) = sum[k](w[k]) * x\nloss f(x) = mean(g(x))",
        "is 4/3 times as large at all",
    ),
    "a name": ("loss f(x) = mean(x)", "loss f(z) = mean(z)", "the input x is called z"),
    "a default": (
        "loss f(x; a = 2) = mean(a * x)", "loss f(x; a = 3) = mean(a * x)",
        "the default of a was 2 and is 3",
    ),
    "a domain": (
        "loss f(x) = mean(x)\nwhere\n    x > 0", "loss f(x) = mean(x)\nwhere\n    x > 1",
        "the domain of x was",
    ),
    "an input": ("loss f(x) = mean(x)", "loss f(x, w) = mean(w * x)", "the inputs were x and are"),
    "an order": (
        "loss f(x, y) = mean(x - 2 * y)", "loss f(y, x) = mean(x - 2 * y)", "the order of inputs",
    ),
    "a new param": (
        "loss f(x) = mean(x)", "loss f(x; a = 1) = mean(a * x)", "the param a is new, 1 by default",
    ),
}  # fmt: skip


@pytest.fixture
def diff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    monkeypatch.chdir(tmp_path)

    def call(old: str, new: str, *words: str) -> tuple[int, str]:
        (tmp_path / "old.loss").write_text(old + "\n")
        (tmp_path / "new.loss").write_text(new + "\n")
        code = main(["diff", *(words or ("old.loss", "new.loss"))])
        out, err = capsys.readouterr()
        assert err == ""
        return code, out

    return call


@pytest.mark.parametrize("case", EQUAL)
def test_equal(diff: Any, case: str) -> None:
    code, said = diff(*EQUAL[case])
    assert (code, said.startswith("f: equal, proved by ")) == (0, True), said


@pytest.mark.parametrize("case", OTHER)
def test_different(diff: Any, case: str) -> None:
    old, new, wanted = OTHER[case]
    code, said = diff(old, new)
    assert code == 1
    assert wanted in said


def test_losses_go_by_name(diff: Any) -> None:
    both = "loss a(x) = mean(x)\nloss {}(x) = mean(x^2)"
    code, said = diff(both.format("b"), both.format("c"))
    assert code == 1
    assert said.splitlines() == ["a: equal, proved by the canonical form", "b: lost", "c: new"]


def test_one_of_each(diff: Any) -> None:
    code, said = diff("loss f(y, yhat) = mean((y - yhat)^2)", "", "old.loss#f", "std.mse")
    assert code == 0
    assert said.startswith("f and mse: equal")


def test_functions_of_axes_are_not_called_different(diff: Any) -> None:
    code, said = diff("def f(x) = x * x", "def f(x) = x^2 + 1")
    assert code == 1
    assert said.startswith("f: unknown: ")


def test_json(diff: Any) -> None:
    code, said = diff("loss f(x) = mean(x)", "loss f(x) = 2 * mean(x)", "old.loss", "new.loss",
                      "--json")  # fmt: skip
    found = json.loads(said)
    (loss,) = found["losses"]
    assert (code, found["ok"], found["lost"], found["new"]) == (1, False, [], [])
    assert loss["verdict"] == "differs"
    assert [d["of"] for d in loss["differences"]] == ["value", "x"]
