"""Run every mutant, and write what became of them to docs/gradients.md: `python -m tests.mutation`.

Words after the command choose the mutants whose rule or change has one of them; then nothing is
written. The exit code is 1 if a mutant survives for which no reason is given.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

from .rules import mutants
from .run import Result, judge
from .survivors import reason

PAGE = Path(__file__).parents[2] / "docs" / "gradients.md"
LIBRARIES = ("sympy", "mpmath", "numpy", "tensorflow")


def main(words: Sequence[str]) -> int:
    """Judge the mutants, one line on the terminal for each that survives."""
    chosen = [m for m in mutants() if not words or any(w in str(m) for w in words)]
    results: list[Result] = []
    for k, mutant in enumerate(chosen):
        print(f"\r{k + 1} of {len(chosen)}", end="", file=sys.stderr, flush=True)
        result = judge(mutant)
        results.append(result)
        if not result.caught_by:
            print(f"\r{mutant}: {reason(mutant) or 'SURVIVES'}", flush=True)
    open_ = [r for r in results if not r.caught_by and not reason(r.mutant)]
    print(f"\r{score(results)}")
    if not words and not open_:
        page = PAGE.read_text("utf-8")
        PAGE.write_text(replaced(page, f"{score(results)}\n\n{table(results)}"), "utf-8")
    return 1 if open_ else 0


def score(results: Sequence[Result]) -> str:
    """How many mutants there are, and what caught them."""
    rows = sum(r.mutant.is_row for r in results)
    caught = Counter(r.caught_by for r in results if r.caught_by)
    left = len(results) - caught.total()
    how = ", ".join(f"{n} by {what}" for what, n in caught.most_common())
    argued = sum(not r.caught_by and bool(reason(r.mutant)) for r in results)
    total = len(results) - argued
    share = 100 * caught.total() / total if total else 100.0
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"On {date.today()} (lossc {version('lossc')}, {libraries}): {len(results)} mutants, "
        f"{rows} of rows and {len(results) - rows} of functions. {left} survive, of which {argued} "
        f"change no derivative. Of the {total} others {caught.total()} are caught, "
        f"{share:.4g} %: {how}."
    )


def table(results: Sequence[Result]) -> str:
    """The mutants that survive, and why each changes no derivative."""
    lines = ["| rule | change | why no derivative changes |", "| --- | --- | --- |"]
    for r in results:
        if not r.caught_by:
            cells = (f"`{r.mutant.rule}`", r.mutant.change, reason(r.mutant))
            lines.append(f"| {' | '.join(c.replace('|', chr(92) + '|') for c in cells)} |")
    return "\n".join(lines)


def replaced(page: str, text: str) -> str:
    """The page with another text in the part about mutants."""
    before, start, rest = page.partition("<!-- mutants: ")
    note, _, after = rest.partition("\n")
    _, end, tail = after.partition("<!-- end -->")
    return f"{before}{start}{note}\n\n{text}\n\n{end}{tail}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
