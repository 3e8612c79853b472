"""The passes between elaboration and emission, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from .analyses.bounds import Domains, Inference
from .analyses.scales import Scales
from .check import Checked
from .depth import room_for
from .ir import Expr, Program
from .passes.arrange import arrange
from .passes.combine import combine
from .passes.differentiate import differentiate
from .passes.dominate import dominate
from .passes.expose import expose
from .passes.guard import guard
from .passes.stabilise import stabilise
from .passes.unrounded import unrounded
from .passes.widen import widen

# Each pass takes a term and gives one of the same meaning; its name is the file it stands in.
PASSES: tuple[Callable[[Expr], Expr], ...] = (guard,)


def prepare(program: Program) -> Program:
    """The program as it is emitted, for a derivative that is TensorFlow's."""
    value = program.value
    for run in PASSES:
        value = run(value)
    return replace(program, value=value)


@dataclass(frozen=True, slots=True)
class Numerics:
    """How programs are made right to the last bits; without domains they run as written.

    `forms` keeps the stable forms that were made, and `slopes` the derivatives. Programs for a
    second run take longer: if `infinite`, they tell the larger one of infinite terms of either
    sign, and if `lossless`, what is left of products that cancel beyond double precision.
    """

    domains: Domains | None = None
    forms: dict[Program, Program] = field(default_factory=dict, repr=False, compare=False)
    slopes: dict[tuple[Program, str], Program] = field(
        default_factory=dict, repr=False, compare=False
    )

    infinite: bool = False
    lossless: bool = False

    @staticmethod
    def of(checked: Checked) -> Numerics:
        """Those of a loss, which keeps what is made."""
        return Numerics(checked.domains, checked.forms, checked.slopes)

    def stable(self, program: Program) -> Program:
        """The program in a form that loses no digits."""
        if self.domains is None:
            return program
        if program not in self.forms:
            self.forms[program] = stabilise(program, self.domains)
        return self.forms[program]

    def derivative(self, program: Program, wrt: str) -> Program:
        """The derivative of a program in one of its inputs or params."""
        if self.domains is None:
            return differentiate(program, wrt)
        if (program, wrt) not in self.slopes:
            self.slopes[program, wrt] = differentiate(program, wrt)
        return self.slopes[program, wrt]

    def arranged(self, program: Program) -> Program:
        """The program with its products in an order that keeps them in range."""
        if self.domains is None:
            return program
        facts = Inference(self.domains)
        with room_for(program.value):
            value = dominate(program.value, facts) if self.infinite else program.value
            value = combine(value, facts) if self.lossless else value
            value = arrange(value, Scales(facts))
            return replace(program, value=expose(value, facts) if self.lossless else value)

    def of_second_run(self, *programs: Program) -> Numerics | None:
        """Those for another run where a result of stable programs is not finite, if one helps."""
        if self.domains is None:
            return None
        facts = Inference(self.domains)
        with room_for(*(p.value for p in programs)):
            if any(dominate(p.value, facts) != p.value for p in programs):
                return replace(self, infinite=True)
            lossy = unrounded((expose(p.value, facts) for p in programs), facts)
        return replace(self, lossless=True) if lossy else None

    def unrounded(self, *programs: Program) -> frozenset[Expr]:
        """The terms of some programs to be computed in all digits."""
        if self.domains is None or not self.lossless:
            return frozenset()
        with room_for(*(p.value for p in programs)):
            return unrounded((p.value for p in programs), Inference(self.domains))

    def wide(self, *programs: Program) -> frozenset[Expr]:
        """The terms of some programs to be computed in double precision."""
        if self.domains is None:
            return frozenset()
        with room_for(*(p.value for p in programs)):
            return widen(programs, self.domains)


AS_WRITTEN = Numerics()
