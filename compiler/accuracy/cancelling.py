"""Where sums cancel: terms of unlike sign, of which little is left."""

from __future__ import annotations

from collections.abc import Sequence

from mpmath import mp

from ..arithmetic import Value, as_number
from ..interpret import Code, Compiler, Machine
from ..ir import Access, Apply, Const, Expr, Position, Reduce, Size

LEFT = 8  # a sum cancels if its largest term is more than so many times as large


class Watch(Compiler):
    """Terms as functions that note whether a sum cancels.

    With `digits`, such a sum is moved by as much as the rounding of its largest term to so many
    bits can move it. Differences of inputs do not count, for they lose nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cancelled = False
        self.digits: int | None = None

    def _build(self, term: Expr) -> Code:
        code = super()._build(term)
        match term:
            case Apply(op="add" | "sub", args=args) if not all(map(_is_exact, args)):
                parts = [self.functions[a] for a in args]
                return lambda machine: self._noted(code(machine), [p(machine) for p in parts])
            case Reduce(op="sum" | "mean", indices=indices):
                places = self._places(indices, *(self.functions[p] for p in term.parts))

                def value(machine: Machine) -> Value:
                    terms = [as_number(v) for _, v in places(machine)]
                    scale = len(terms) if term.op == "mean" else 1
                    return self._noted(code(machine), [t / scale for t in terms])

                return value
        return code

    def _noted(self, total: Value, terms: Sequence[Value]) -> Value:
        largest = max((abs(as_number(t)) for t in terms), default=0)
        if not mp.isfinite(largest) or largest <= LEFT * abs(as_number(total)):
            return total
        self.cancelled = True
        return total if self.digits is None else total + mp.ldexp(largest, -self.digits)


def _is_exact(term: Expr) -> bool:
    """Whether a term is a number that no rounding has touched."""
    if isinstance(term, Apply) and term.op == "neg":
        return _is_exact(term.args[0])
    return isinstance(term, Access | Const | Position | Size)
