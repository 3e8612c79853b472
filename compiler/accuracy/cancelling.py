"""Where rounding alone decides: sums that cancel, and numbers that are all but equal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from mpmath import mp

from ..arithmetic import Places, Value, as_number
from ..gradcheck.kinks import COMPARISONS
from ..interpret import Code, Compiler, Machine
from ..ir import Access, Along, Apply, Const, Expr, Position, Reduce, Size
from ..passes.simplify import ZERO

LEFT = 8  # a sum cancels if its largest term is more than so many times as large
SHARE = 3  # a logarithm is moved by a share, so that it does not undo how a sum is moved
TIED = 4  # last places, by which numbers differ that are all but equal
LOGARITHMS, TURNS = ("log", "log2", "log10", "xlogy"), ("sin", "cos", "tan")
ORDERED = ("max", "min", "argmax", "argmin", "sort", "rank", "argsort")


class Watch(Compiler):
    """Terms as functions that note what happens when they are evaluated.

    `cancelled` tells of sums that cancel, of logarithms of computed numbers near 1 (a difference of
    two logarithms), and of angles of many turns. Such results are moved by as much as rounding a
    term can move them, up or down as the sign of `move` says, or not if it is 0. With `lose`, a sum
    of which rounding can leave nothing is 0. Inputs and their differences do not count, for they
    lose nothing. `tied` tells of comparisons that rounding to `digits` bits may turn round, or that
    of numbers below `tiny` to 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cancelled = self.tied = self.lose = False
        self.digits = self.move = 0
        self.tiny = mp.mpf(0)

    def clear(self, digits: int, tiny: Value, move: int = 0, lose: bool = False) -> None:
        """Forget what was noted."""
        self.cancelled = self.tied = False
        self.digits, self.tiny, self.move, self.lose = digits, tiny, move, lose

    def _build(self, term: Expr) -> Code:
        code = super()._build(term)
        match term:
            case Apply(op="add" | "sub", args=args) if not all(map(_is_exact, args)):
                return self._watched(code, self._arguments(args), self._sum)
            case Apply(op=op, args=(*_, x)) if op in LOGARITHMS and not _is_exact(x):
                return self._watched(code, self._arguments([x]), self._logarithm)
            case Apply(op=op, args=(x,)) if op in TURNS and not _is_exact(x):
                return self._turned(op, code, self.functions[x])
            case Apply(op="sign", args=(x,)) if not _is_exact(x):
                return self._watched(code, self._arguments([x, ZERO]), self._order)
            case Apply(op=op, args=args) if op in (*COMPARISONS, *ORDERED):
                if not all(map(_is_exact, args)):
                    return self._watched(code, self._arguments(args), self._order)
            case Reduce(op="sum" | "mean" as op, indices=indices):
                places = self._places(indices, *(self.functions[p] for p in term.parts))
                mean = op == "mean"
                return self._watched(code, lambda machine: _terms(places(machine), mean), self._sum)
            case Reduce(op=op, body=body, indices=indices) if op in ORDERED:
                if not _is_exact(body):
                    places = self._places(indices, *(self.functions[p] for p in term.parts))
                    return self._watched(code, lambda m: _terms(places(m), False), self._order)
            case Along(op=op, body=body, index=index) if op in ORDERED and not _is_exact(body):
                inner = [self.functions[p] for p in term.parts if p != term.at]
                places = self._places((index,), *inner)
                return self._watched(code, lambda m: _terms(places(m), False), self._order)
        return code

    def _arguments(self, args: Sequence[Expr]) -> Callable[[Machine], list[Value]]:
        parts = [self.code(a) for a in args]
        return lambda machine: [as_number(part(machine)) for part in parts]

    def _watched(
        self, code: Code, terms: Callable[[Machine], list[Value]],
        note: Callable[[Value, list[Value]], Value],
    ) -> Code:  # fmt: skip
        return lambda machine: note(code(machine), terms(machine))

    def _sum(self, total: Value, terms: list[Value]) -> Value:
        largest = max(map(abs, terms), default=0)
        if not mp.isfinite(largest) or largest <= LEFT * abs(as_number(total)):
            return total
        self.cancelled = True
        error = mp.ldexp(largest, -self.digits)
        if self.lose and abs(as_number(total)) <= error:
            return mp.mpf(0)
        return total + self.move * error

    def _logarithm(self, result: Value, terms: list[Value]) -> Value:
        (x,) = terms
        if not 0 < x < mp.inf or LEFT * abs(mp.log(x)) >= 1:
            return result
        self.cancelled = True
        if not self.move or x == 1:
            return result
        return result + self.move * mp.ldexp(result / mp.log(x), -self.digits) / SHARE

    def _turned(self, op: str, code: Code, angle: Code) -> Code:
        def value(machine: Machine) -> Value:
            x = as_number(angle(machine))
            if not mp.isfinite(x) or abs(x) <= LEFT:
                return code(machine)
            self.cancelled = True
            moved = x + self.move * mp.ldexp(abs(x), -self.digits)
            return machine.arithmetic.functions[op](moved) if self.move else code(machine)

        return value

    def _order(self, result: Value, terms: list[Value]) -> Value:
        ordered = sorted(t for t in terms if mp.isfinite(t))
        for a, b in pairwise(ordered):
            near = mp.ldexp(TIED * max(abs(a), abs(b)), -self.digits)
            if 0 < b - a <= max(near, self.tiny):
                self.tied = True
        return result


def _terms(places: Places, mean: bool) -> list[Value]:
    terms = [as_number(v) for _, v in places]
    return [t / len(terms) for t in terms] if mean else terms


def _is_exact(term: Expr) -> bool:
    """Whether a term is a number that no rounding has touched."""
    if isinstance(term, Apply) and term.op == "neg":
        return _is_exact(term.args[0])
    return isinstance(term, Access | Const | Position | Size)
