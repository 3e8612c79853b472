"""The same text gives the same plan in every process, whatever the order of its sets."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.plans import ROOT

PLANS = """
from tests.plans import find, plan_text

for name in ("tversky", "adaptive_wing", "evidential_nll", "distillation_kl", "integral_pose"):
    print(plan_text(find(name)._checked))
"""


def plans(seed: int) -> str:
    """The plans as another process makes them, whose sets are in an order of their own."""
    given = {**os.environ, "PYTHONHASHSEED": str(seed)}
    command = [sys.executable, "-c", PLANS]
    done = subprocess.run(command, env=given, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_plans_do_not_depend_on_the_order_of_sets() -> None:
    first, *others = (plans(seed) for seed in (1, 2, 3))
    assert "in float64" in first
    assert others == [first, first]
