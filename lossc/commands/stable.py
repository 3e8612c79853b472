"""The stable form of a loss: what is computed, and the rewrites that made it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .terminal import aligned

if TYPE_CHECKING:
    from lossc.compiler.check import Checked
    from lossc.compiler.ir import Expr, Program
    from lossc.compiler.passes.stabilise import Fired


def stable_text(checked: Checked, level: int) -> str:
    """The stable form as text, the rules that fired in it and in its derivatives.

    At level 0 nothing is rewritten.
    """
    from lossc.compiler.derive import real_inputs, written
    from lossc.compiler.passes.differentiate import differentiate, total
    from lossc.compiler.passes.stabilise import stabilised
    from lossc.compiler.pipeline import Numerics
    from lossc.dsl.printer import print_item

    numerics = Numerics(checked.domains if level else None)
    program = numerics.stable(checked.program)
    parts = [print_item(written(checked, program, checked.name)).strip()]
    if level:
        parts.append(_rules("rewrites", stabilised(checked.program, checked.domains)[1]))
    programs = [numerics.arranged(program)]
    for name in real_inputs(checked):
        derived = differentiate(total(program), name)
        programs.append(numerics.arranged(numerics.stable(derived)))
        if level:
            fired = stabilised(derived, checked.domains)[1]
            parts.append(_rules(f"rewrites in the derivative in {name}", fired))
    parts.append(_widths(programs, numerics.wide(*programs)))
    return "\n\n".join(parts)


def plan_text(checked: Checked, level: int) -> str:
    """The plan of a loss's value: a step a line, those in double precision marked."""
    from lossc.compiler.emit.schedule import schedule
    from lossc.compiler.pipeline import Numerics

    numerics = Numerics(checked.domains if level else None)
    program = numerics.arranged(numerics.stable(checked.program))
    return str(schedule(program, wide=numerics.wide(program)))


def _rules(head: str, fired: Sequence[Fired]) -> str:
    """The rules that fired, how often, and what they say."""
    from lossc.compiler.rules.table import RULES

    if not fired:
        return f"{head}: none"
    times = Counter(f.rule for f in fired)
    said = {r.name: f"{r.pattern} = {r.result}" for r in RULES}
    rows = [(f"    {name}", f"{n} x", said.get(name, "")) for name, n in times.items()]
    return "\n".join([f"{head}:", *aligned(rows)])


def _widths(programs: Sequence[Program], wide: frozenset[Expr]) -> str:
    """How much is computed in double precision."""
    from lossc.compiler.ir import REAL, Access, Const, postorder

    terms = {t for p in programs for t in postorder(p.value) if t.kind == REAL}
    computed = {t for t in terms if not isinstance(t, (Access, Const))}
    count = len(computed & wide)
    return f"double precision: {count} of {len(computed)} terms of value and gradient"
