"""How much work a program is."""

from __future__ import annotations

from ..ir import Along, Apply, Program, Reduce, Select
from .schedule import schedule


def operations(program: Program) -> int:
    """The number of arrays computed: what is shared counts once, index arithmetic not."""
    steps = schedule(program).steps
    computed = [s for s in steps if isinstance(s.term, Apply | Select | Reduce | Along)]
    return sum(s.same is None and not s.fixed for s in computed)
