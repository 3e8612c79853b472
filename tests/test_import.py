"""Importing lossc is quick: it loads neither the compiler nor TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("tensorflow", "keras", "numpy", "lark", "mpmath", "sympy")


def loaded_by(code: str) -> set[str]:
    """The libraries that some code loads, in a process of its own."""
    program = f"import sys\n{code}\nprint(' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.split("\n")[-2].split())


def test_import_loads_no_library() -> None:
    assert loaded_by("import lossc; dir(lossc); lossc.__version__") == set()


def test_compiling_loads_no_tensorflow() -> None:
    code = "import lossc; lossc.compile('mean((y - yhat)^2)').separable; lossc.std.huber"
    assert not loaded_by(code) & {"tensorflow", "keras"}


@pytest.mark.parametrize("name", ["compile", "load", "std", "Loss", "Module", "LosscError"])
def test_public_names(name: str) -> None:
    import lossc

    assert name in dir(lossc)
    assert getattr(lossc, name) is not None
    with pytest.raises(AttributeError, match="no_such"):
        lossc.no_such  # noqa: B018
