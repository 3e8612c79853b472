"""Deriving and planning take work in proportion to a formula's terms, each shared part once.

Work is counted in terms that are built, by far the most of which are built to look at others.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

import lossc
from lossc.compiler.derive import real_inputs
from lossc.compiler.emit.schedule import Plan
from lossc.compiler.ir import Expr
from lossc.compiler.passes.differentiate import total
from lossc.compiler.pipeline import Numerics

SLOW = Path(__file__).parent / "slow"


class Counter:
    """How many terms have been built."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        finish = Expr._finish

        def counted(term: Expr, kind: str, head: str) -> None:
            self.count += 1
            finish(term, kind, head)

        patch.setattr(Expr, "_finish", counted)


def plan(loss: lossc.Loss) -> Plan:
    """The plan of value and gradients."""
    checked = loss._checked
    numerics = Numerics.of(checked)
    value = numerics.stable(checked.program)
    slopes = [numerics.derivative(total(value), n) for n in real_inputs(checked)]
    return numerics.plan(*(numerics.arranged(p) for p in (value, *map(numerics.stable, slopes))))


def chain(first: str, link: str) -> Callable[[int], str]:
    """A text of so many definitions, each of the one before."""

    def text(length: int) -> str:
        lines = [f"    e{k} = {link.format(e=f'e{k - 1}')}" for k in range(1, length + 1)]
        return f"loss f(x) = mean(e{length})\nwhere\n    e0 = {first}\n" + "\n".join(lines)

    return text


CHAINS = {
    "sin(e) + x": chain("x", "sin({e}) + x"),
    "exp(-e) + e": chain("x", "exp(-{e}) + {e}"),
    "tanh(e) * e": chain("x", "tanh({e}) * {e}"),
    "branches": chain("x", "if {e} > 0 then sin({e}) else x * {e}"),
    "Newton steps": chain("1 + x^2", "({e} + x / {e}) / 2"),
}


LINKS = {"Newton steps": 12}  # so many, and twice as many; else:
USUAL = 50


@pytest.mark.parametrize("name", CHAINS)
def test_twice_the_links_take_twice_the_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = Counter(monkeypatch)
    work, steps = [], []
    for length in (LINKS.get(name, USUAL), 2 * LINKS.get(name, USUAL)):
        start = counter.count
        steps.append(len(plan(lossc.compile(CHAINS[name](length))).steps))
        work.append(counter.count - start)
    assert steps[1] <= 2.4 * steps[0]
    assert work[1] <= 4.5 * work[0]  # sums and products are also looked at as flat lists


# Texts of tests/slow, and the most terms built for each: half as many again as there are now.
MOST = {
    "crf_nll": 110_000, "himulcon": 33_000, "ms_ssim": 120_000, "neural_ndcg": 35_000,
    "pit_si_sdr": 165_000, "rq_spline_nll": 77_000, "sinkhorn_divergence": 220_000,
    "soft_dtw": 165_000,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(p.stem for p in SLOW.glob("*.loss")))
def test_few_terms_are_built(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = Counter(monkeypatch)
    plan(lossc.load(SLOW / f"{name}.loss")[name])
    assert counter.count <= MOST[name]
