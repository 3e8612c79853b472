"""What the points at which two losses differ have in common: where they lie, and by how much.

All of it is seen at points, none of it is proved; the number of points is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations

from mpmath import mp

from lossc.dsl.printer import print_expr

from ..arithmetic import Value
from ..check import Checked
from ..emit.to_source import as_function
from ..gradcheck.point import Point
from ..interpret import Compiler, Machine
from ..ir import (
    BOOL,
    INT,
    REAL,
    Access,
    Along,
    Apply,
    Bound,
    Const,
    Expr,
    Index,
    Position,
    Program,
    Reduce,
    Symbol,
    Tensor,
    postorder,
    rebuild,
)  # fmt: skip

ZERO = Const(Fraction(0))
OPPOSITE = {"lt": "ge", "ge": "lt", "le": "gt", "gt": "le", "eq": "ne", "ne": "eq"}
LEAST = 3  # points on each side of a region
CLOSE = mp.mpf(10) ** -15
LARGEST = 1000  # of the parts of a fraction that is named


@dataclass(frozen=True, slots=True)
class Seen:
    """What a value, or an element of a gradient, is at a point, before and now."""

    point: Point
    place: tuple[int, ...]
    old: Value
    new: Value
    differs: bool


def described(
    checked: Checked, terms: Sequence[Expr], seen: Sequence[Seen], close: Value = CLOSE
) -> tuple[str, str]:
    """How what is seen differs, and where, as far as the points tell; ratios within `close`."""
    apart = [s for s in seen if s.differs]
    return _How(checked, apart, close).text, _where(checked, terms, seen)


# --- where ----------------------------------------------------------------------------------------


def _where(checked: Checked, terms: Sequence[Expr], seen: Sequence[Seen]) -> str:
    """The region of the points that differ, in words."""
    apart = [s for s in seen if s.differs]
    count = f"{len(apart)} of {len(seen)} points"
    if len(seen) < LEAST:
        return ""
    if len(apart) == len(seen):
        return f" at all {len(seen)} points"
    if len(apart) < LEAST or len(seen) - len(apart) < LEAST:
        return f" at {count}"
    named = _Conditions(checked, terms).truths(seen)
    wanted = [s.differs for s in seen]
    fitting = [text for text, truths in named.items() if truths == wanted]
    if not fitting:
        fitting = [
            f"{a} and {b}"
            for (a, one), (b, two) in combinations(named.items(), 2)
            if [x and y for x, y in zip(one, two, strict=True)] == wanted
        ]
    if fitting:
        return f" where {min(fitting, key=len)} ({count}, and at no other)"
    for text, truths in named.items():
        inside = [w for w, t in zip(wanted, truths, strict=True) if t]
        if sum(inside) == len(apart) and len(inside) < len(seen):
            return f" at {count}, all where {text}"
    return f" at {count}"


@dataclass(frozen=True)
class _Conditions:
    """The conditions that two terms ask, or have kinks at, and those on the inputs themselves."""

    checked: Checked
    terms: Sequence[Expr]

    def truths(self, seen: Sequence[Seen]) -> dict[str, list[bool]]:
        """For each condition, and its opposite, whether it holds at the points; as text."""
        compiler = Compiler()
        machines = [Machine(s.point.sizes, s.point.arrays, compiler=compiler) for s in seen]
        found: dict[str, list[bool]] = {}
        for condition in dict.fromkeys(self.all):
            text = _text(condition)
            holds = [_holds(condition, m) for m in machines]
            if text is None or any(h is None for h in holds):
                continue
            found.setdefault(text, [bool(h) for h in holds])
            opposite = _text(_opposite(condition))
            if opposite is not None:
                found.setdefault(opposite, [not h for h in holds])
        return found

    @cached_property
    def all(self) -> list[Expr]:
        """The conditions, those in the text first."""
        parts = [t for t in postorder(*self.terms) if isinstance(t, Apply)]
        asked = [t for t in parts if t.op in OPPOSITE]
        kinks = [c for t in parts for c in _kinks(t)]
        return [*asked, *kinks, *self.of_inputs()]

    def of_inputs(self) -> Iterator[Expr]:
        """Signs and order of the inputs."""
        inputs = [i.tensor for i in self.checked.inputs.values()]
        reads = {t: Access(t, tuple(Position(Symbol(a.name, a)) for a in t.axes)) for t in inputs}
        for tensor, read in reads.items():
            if tensor.kind == BOOL:
                yield read
            else:
                yield _compared("gt", read, ZERO)
                yield _compared("eq", read, ZERO)
            if tensor.kind == INT:
                yield _compared("eq", read, Const(Fraction(1)))
        for a, b in combinations(inputs, 2):
            if a.axes == b.axes and a.kind == b.kind == REAL:
                yield _compared("gt", reads[a], reads[b])


def _kinks(term: Apply) -> Iterator[Expr]:
    """The conditions on which the slope of a primitive depends."""
    match term:
        case Apply(op="abs" | "relu" | "sign" | "sqrt", args=(x,)):
            yield _compared("gt", x, ZERO)
        case Apply(op="clip", args=(x, low, high)):
            yield _compared("lt", x, low)
            yield _compared("gt", x, high)
        case Apply(op="max" | "min", args=args):
            yield from (_compared("gt", a, b) for a, b in combinations(args, 2))


def _compared(op: str, a: Expr, b: Expr) -> Expr:
    return Apply(op, (a, b), BOOL)


def _opposite(condition: Expr) -> Expr:
    if isinstance(condition, Apply) and condition.op in OPPOSITE:
        return Apply(OPPOSITE[condition.op], condition.args, BOOL)
    return Apply("not", (condition,), BOOL)


def _holds(condition: Expr, machine: Machine) -> bool | None:
    """Whether a condition holds; None where its indices have several places."""
    env: dict[Index, int] = {}
    for index in condition.free:
        span = _span(index, machine)
        if len(span) != 1:
            return None
        env[index] = span[0]
    try:
        return bool(machine.run(condition, env))
    except (ArithmeticError, ValueError):
        return None


def _span(index: Index, machine: Machine) -> range:
    if isinstance(index, Bound):
        return range(*index.range.bounds(machine.size))
    return range(machine.size(index.axis)) if index.axis is not None else range(0)


def _text(condition: Expr) -> str | None:
    """A condition in the language, without indices; None where it needs them."""
    if any(isinstance(t, Position | Reduce | Along) for t in _own(condition)):
        return None
    tensors: dict[str, Tensor] = {}

    def visit(term: Expr) -> Expr | None:
        if not isinstance(term, Access):
            return None
        name = term.tensor.name
        tensors[name] = Tensor(name, (), term.tensor.kind)
        return Access(tensors[name])

    bare = rebuild(condition, visit)
    program = Program("region", tuple(tensors.values()), (), bare)
    function = as_function(program, {}, (), "region")
    return None if function.where else print_expr(function.body)


def _own(term: Expr) -> list[Expr]:
    """The parts of a term, those in the places of tensors left out where they are plain indices."""
    reads = [t for t in postorder(term) if isinstance(t, Access)]
    plain = {s for t in reads for s in t.slots if isinstance(s, Position)}
    return [t for t in postorder(term) if t not in plain]


# --- how ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _How:
    """By how much the new differs from the old, if it is the same at all points."""

    checked: Checked
    apart: Sequence[Seen]
    close: Value

    @property
    def text(self) -> str:
        """In words."""
        numbers = [(s.old, s.new) for s in self.apart]
        if not all(mp.isfinite(a) and mp.isfinite(b) for a, b in numbers):
            return "differs"
        if all(b == 0 for _, b in numbers):
            return "is 0"
        if all(a == 0 for a, _ in numbers):
            return "is not 0"
        if all(a != 0 for a, _ in numbers):
            named = self.ratio([b / a for a, b in numbers])
            if named is not None:
                return named
        shift = self.same([b - a for a, b in numbers])
        if shift is not None:
            return f"is {mp.nstr(abs(shift), 12)} {'larger' if shift > 0 else 'smaller'}"
        return "differs"

    def ratio(self, ratios: Sequence[Value]) -> str | None:
        """A ratio that is the same number at all points, or the same param or length."""
        ratio = self.same(ratios)
        if ratio is not None and not self.may_be_length(ratio):
            return self.times(ratio)
        if len(ratios) < LEAST:
            return None
        for name, sizes in self.scales.items():
            for power, text in ((1, name), (-1, f"1 / {name}")):
                scaled = [r / s**power for r, s in zip(ratios, sizes, strict=True)]
                if all(abs(x - 1) <= self.close for x in scaled):
                    return f"is {text} times as large"
        return None

    def may_be_length(self, ratio: Value) -> bool:
        """Whether a ratio is the length of an axis at all points, or one over it."""
        axes = self.apart[0].point.sizes
        lengths = [{s.point.sizes.get(a, 0) for s in self.apart} for a in axes]
        alike = {n for found in lengths if len(found) == 1 for n in found if n > 1}
        return any(abs(r - n) <= self.close * n for n in alike for r in (ratio, 1 / ratio))

    @property
    def scales(self) -> dict[str, list[Value]]:
        """The lengths of axes and the params at the points, where they are not 0 or 1."""
        points = [s.point for s in self.apart]
        params = [n for n, p in self.checked.params.items() if p.tensor.kind == REAL and not p.axes]
        first, *_ = points
        found: dict[str, list[Value]] = {}
        for axis in first.sizes:
            found[f"size({axis.name})"] = [mp.mpf(p.sizes.get(axis, 0)) for p in points]
        for name in params:
            if name in first.arrays:
                found[name] = [mp.mpf(p.arrays[name][()]) for p in points]
        return {n: x for n, x in found.items() if all(y not in (0, 1) for y in x)}

    def times(self, ratio: Value) -> str:
        """A ratio in words."""
        if abs(ratio - 1) <= self.close:
            return "differs"
        if abs(ratio + 1) <= self.close:
            return "has the opposite sign"
        near = Fraction(mp.nstr(ratio, 30)).limit_denominator(LARGEST)
        exact = abs(ratio - mp.mpf(near.numerator) / near.denominator) <= self.close * abs(ratio)
        return f"is {near if exact else mp.nstr(ratio, 12)} times as large"

    def same(self, numbers: Sequence[Value]) -> Value | None:
        """The number that all are, if they are several and one."""
        first = numbers[0]
        same = all(abs(x - first) <= self.close * abs(first) for x in numbers)
        return first if same and len(numbers) > 1 else None
