"""The stable form of a loss: what is computed, and the rewrites that made it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .terminal import aligned

if TYPE_CHECKING:
    from lossc.compiler.check import Checked
    from lossc.compiler.emit.schedule import Plan
    from lossc.compiler.passes.stabilise import Fired
    from lossc.options import Options


def stable_text(checked: Checked, options: Options) -> str:
    """The stable form as text, the rules that fired in it and in its derivatives.

    As written, nothing is rewritten.
    """
    from lossc.compiler.derive import real_inputs, written
    from lossc.compiler.passes.differentiate import differentiate, total
    from lossc.compiler.passes.stabilise import stabilised
    from lossc.dsl.printer import print_item

    numerics = options.numerics(checked)
    program = numerics.stable(checked.program)
    parts = [print_item(written(checked, program, checked.name)).strip()]
    if options.stable:
        parts.append(_rules("rewrites", stabilised(checked.program, checked.domains)[1]))
    programs = [numerics.arranged(program)]
    for name in real_inputs(checked):
        derived = differentiate(total(program), name)
        programs.append(numerics.arranged(numerics.stable(derived)))
        if options.stable:
            fired = stabilised(derived, checked.domains)[1]
            parts.append(_rules(f"rewrites in the derivative in {name}", fired))
    parts.append(_widths(numerics.plan(*programs)))
    return "\n\n".join(parts)


def plan_text(checked: Checked, options: Options) -> str:
    """The plan of a loss's value and gradient: a step a line, those in float64 marked."""
    from lossc.compiler.derive import real_inputs
    from lossc.compiler.passes.differentiate import total

    numerics = options.numerics(checked)
    value = numerics.stable(checked.program)
    slopes = [numerics.derivative(total(value), name) for name in real_inputs(checked)]
    programs = (value, *map(numerics.stable, slopes))
    return str(numerics.plan(*map(numerics.arranged, programs)))


def _rules(head: str, fired: Sequence[Fired]) -> str:
    """The rules that fired, how often, and what they say."""
    from lossc.compiler.rules.table import RULES

    if not fired:
        return f"{head}: none"
    times = Counter(f.rule for f in fired)
    said = {r.name: f"{r.pattern} = {r.result}" for r in RULES}
    rows = [(f"    {name}", f"{n} x", said.get(name, "")) for name, n in times.items()]
    return "\n".join([f"{head}:", *aligned(rows)])


def _widths(plan: Plan) -> str:
    """How much is computed in float64."""
    from lossc.compiler.ir import REAL, Access, Const

    own = [s for s in plan.steps if s.same is None and s.term.kind == REAL]
    computed = [s for s in own if not isinstance(s.term, (Access, Const))]
    count = sum(s.wide for s in computed)
    return f"float64: {count} of {len(computed)} steps of value and gradient"
