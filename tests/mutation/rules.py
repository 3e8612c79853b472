"""All mutants: those of the rows of the tables, and those of the rules that are Python."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from lossc.compiler.gradcheck import derived

from .code import code_mutants
from .mutant import Mutant
from .rows import row_mutants

# The functions that say what a derivative is; others find names and ranges, or write it smaller.
RULES = {
    "slopes": ("_power", "_share", "_is_fixed"),
    "finite": ("passed", "vanishes", "above_infinity"),
    "differentiate": (
        "_without_clip", "add", "summed", "visit", "visit_reduce", "opened", "reduction_slope",
        "places", "others", "visit_along", "visit_table", "place", "carried", "solve", "inside",
        "at_least",
    ),
}  # fmt: skip


def mutants() -> Iterator[Mutant]:
    """Every mutant, rows first."""
    package = derived.differentiate.__module__.rpartition(".")[0]
    yield from row_mutants()
    yield from code_mutants({sys.modules[f"{package}.{m}"]: names for m, names in RULES.items()})
