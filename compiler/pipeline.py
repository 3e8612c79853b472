"""The passes between elaboration and emission, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from .analyses.bounds import Domains, Inference
from .analyses.scales import ORDINARY, REPRESENTABLE, Scales
from .check import Checked
from .depth import room_for
from .elaborate.declare import Default
from .emit.schedule import Plan, schedule
from .ir import Expr, Program
from .passes.arrange import arrange
from .passes.differentiate import differentiate
from .passes.guard import guard
from .passes.promote import promote
from .passes.stabilise import stabilise
from .passes.widen import widen
from .precision import AUTO, FLOAT32, FLOAT64, Precision

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

    `precision` says which steps of a program of float32 data are computed in float64: "auto" those
    that ordinary data ask for, "float64" all that may lose digits for some data, "float32" none.
    `forms` keeps the stable forms that were made, and `slopes` the derivatives; `defaults` are
    those of the params.
    """

    domains: Domains | None = None
    forms: dict[Program, Program] = field(default_factory=dict, repr=False, compare=False)
    slopes: dict[tuple[Program, str], Program] = field(
        default_factory=dict, repr=False, compare=False
    )
    precision: Precision = AUTO
    defaults: Mapping[str, Default] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def of(checked: Checked, precision: Precision = AUTO) -> Numerics:
        """Those of a loss, which keeps what is made."""
        made = (checked.forms, checked.slopes)
        return Numerics(checked.domains, *made, precision, checked.defaults)

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
        window = REPRESENTABLE if self.precision == FLOAT64 else ORDINARY
        with room_for(program.value):
            value = arrange(program.value, Scales(Inference(self.domains), window))
            return replace(program, value=value)

    def plan(self, *programs: Program) -> Plan:
        """The plan of arranged programs, its steps in float32 or float64."""
        if self.domains is None or self.precision == FLOAT32:
            return schedule(*programs)
        with room_for(*(p.value for p in programs)):
            if self.precision == AUTO:
                found = promote(schedule(*programs), self.domains, self.defaults)
                if found is not None:
                    return found
            return schedule(*programs, wide=widen(programs, self.domains))


AS_WRITTEN = Numerics()
"""A program whose TensorFlow gradient is the derived one."""
