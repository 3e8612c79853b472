"""The direct interpreter: a program's value by its definitions, in arbitrary precision.

Loops over indices and mpmath numbers, nothing else: it is the oracle of the compiled code and the
engine of `loss.reference`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from numbers import Rational
from operator import itemgetter
from typing import Any

import numpy as np
from mpmath import mp

from .affine import affine
from .arithmetic import NEAREST, Arithmetic, Places, Table, Value
from .depth import frames
from .forms import Form, form_of
from .ir import (
    BOOL,
    INT,
    PACK,
    Access,
    Along,
    Apply,
    Axis,
    Bound,
    Const,
    Expr,
    Index,
    Position,
    Program,
    Reduce,
    Select,
    Size,
    Symbol,
    Tensor,
    postorder,
)  # fmt: skip

Env = Mapping[Index, int]
Array = np.ndarray[Any, Any]
Code = Callable[["Machine"], Value]

GUARD_DIGITS = 10
FRAMES = 5  # of Python, that a level of a term takes
MISSING = object()


def interpret(program: Program, values: Mapping[str, object], digits: int = 50) -> Value:
    """The value of a program, in arithmetic of `digits` decimal digits.

    `values` has arrays, nested lists or scalars for the inputs and params, by name. A program with
    open axes gives nested tuples in the order of `program.axes`.
    """
    with mp.workdps(max(digits, 20) + GUARD_DIGITS):
        sizes = sizes_of(program, values)
        return tabulate(Machine(sizes, arrays_of(program, values)), program)


def arrays_of(
    program: Program, values: Mapping[str, object], arithmetic: Arithmetic = NEAREST
) -> dict[str, Array]:
    """The values of the inputs and params as arrays of mpmath numbers and bools, by name."""
    tensors = (*program.inputs, *program.params)
    return {t.name: _array(t, values[t.name], arithmetic) for t in tensors}


def tabulate(machine: Machine, program: Program) -> Value:
    """The value of a program; nested tuples, if it has axes."""
    return _tabulate(machine, program.value, program.axes, {})


def sizes_of(program: Program, values: Mapping[str, object]) -> dict[Axis, int]:
    """The length of each axis, from the arrays.

    Raises ValueError where a rank is wrong or two arrays disagree.
    """
    sizes: dict[Axis, int] = {}
    for tensor in (*program.inputs, *program.params):
        shape = _pack(tensor, np.shape(_raw(values[tensor.name])))
        for axis, length in zip(tensor.axes, shape, strict=True):
            if sizes.setdefault(axis, length if axis.size is None else axis.size) != length:
                wanted = f"{axis.name} has length {sizes[axis]}"
                raise ValueError(f"{tensor.name} has length {length} along {axis.name}: {wanted}")
    return sizes


def _tabulate(machine: Machine, term: Expr, axes: Sequence[Symbol], env: Env) -> Value:
    if not axes:
        return machine.run(term, env)
    first, *rest = axes
    places = range(machine.size(_axis_of(first)))
    return tuple(_tabulate(machine, term, rest, {**env, first: k}) for k in places)


def _axis_of(symbol: Symbol) -> Axis:
    if symbol.axis is None:
        raise ValueError(f"the index {symbol.name} has no range")
    return symbol.axis


# --- data -----------------------------------------------------------------------------------------


def _raw(value: object) -> Array:
    return np.asarray(value, dtype=object if isinstance(value, Rational) else None)


def _pack(tensor: Tensor, shape: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with the axes that "..." stands for flattened to one."""
    names = [a.name for a in tensor.axes]
    extra = len(shape) - len(names)
    if PACK in names:
        k = names.index(PACK)
        if extra >= -1:
            middle = shape[k : k + extra + 1]
            return (*shape[:k], int(np.prod(middle, dtype=np.int64)), *shape[k + extra + 1 :])
    elif extra == 0:
        return shape
    raise ValueError(f"{tensor.name} has shape {shape}, which does not fit [{', '.join(names)}]")


def _array(tensor: Tensor, value: object, arithmetic: Arithmetic) -> Array:
    raw = _raw(value)
    out = np.empty(raw.size, dtype=object)
    out[:] = [_element(x, tensor.kind, arithmetic) for x in raw.reshape(-1).tolist()]
    return out.reshape(_pack(tensor, raw.shape))


def _element(x: Any, kind: str, arithmetic: Arithmetic) -> Value:
    """One number of the data, exactly; a fraction where an integer belongs is NaN."""
    if x is None:
        return None
    number = _number(x, arithmetic)
    if kind == BOOL:
        return bool(number != 0)
    return mp.nan if kind == INT and not _is_whole(x) else number


def _is_whole(x: Any) -> bool:
    """Whether data is an integer; the names of constants stand for none."""
    if isinstance(x, str):
        return False
    return bool(x.denominator == 1 if isinstance(x, Fraction) else mp.isint(x))


def _number(x: Any, arithmetic: Arithmetic) -> Value:
    match x:
        case Fraction():
            return arithmetic.number(x)
        case str():
            value = arithmetic.constant(x.removeprefix("-"))
            return -value if x.startswith("-") else value
    return mp.mpf(x)


# --- evaluation -----------------------------------------------------------------------------------


@dataclass
class Machine:
    """Evaluates terms on one set of arrays, each once per value of its indices.

    Terms are turned into Python functions once; `moved` shares them with a machine on other arrays
    of the same shapes. With `held`, arguments of stop_gradient have that machine's values. `check`
    is called now and then, and may raise.
    """

    sizes: Mapping[Axis, int]
    arrays: Mapping[str, Array]
    arithmetic: Arithmetic = NEAREST
    held: Machine | None = None
    compiler: Compiler = field(default_factory=lambda: Compiler())
    check: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.memo: dict[object, Value] = {}
        self.places: list[int] = []

    def size(self, axis: Axis) -> int:
        return axis.size if axis.size is not None else self.sizes[axis]

    def moved(
        self, arrays: Mapping[str, Array], arithmetic: Arithmetic | None = None,
        held: Machine | None = None,
    ) -> Machine:  # fmt: skip
        """A machine on other arrays."""
        arithmetic = arithmetic or self.arithmetic
        return Machine(self.sizes, arrays, arithmetic, held, self.compiler, self.check)

    def run(self, term: Expr, env: Env) -> Value:
        """The value of a term, with open indices at the places given."""
        code = self.compiler.code(term)
        registers = self.compiler.registers
        slots = {registers.setdefault(i, len(registers)): k for i, k in env.items()}
        self.places += [0] * (len(registers) - len(self.places))
        for slot, place in slots.items():
            self.places[slot] = place
        with frames(FRAMES * self.compiler.heights[term]):
            return code(self)

    def env(self) -> Env:
        """The places of all indices."""
        return {i: self.places[k] for i, k in self.compiler.registers.items()}

    def read(self, term: Access, slots: list[Value]) -> Value:
        array = self.arrays[term.tensor.name]
        if term.padded:
            which = zip(slots, term.slots, array.shape, strict=True)
            slots = [s if affine(t) is None else min(max(s, 0), n - 1) for s, t, n in which]
        inside = all(mp.isint(s) and 0 <= s < n for s, n in zip(slots, array.shape, strict=True))
        if not inside:
            return False if term.kind == BOOL else mp.nan
        return array[tuple(map(int, slots))]


class Compiler:
    """Terms as Python functions of a machine, which keep their values in its memo."""

    def __init__(self) -> None:
        self.functions: dict[Expr, Code] = {}
        self.heights: dict[Expr, int] = {}
        self.forms: dict[Expr, Form] = {}
        self.keys: dict[bytes, int] = {}
        self.registers: dict[Index, int] = {}

    def code(self, term: Expr) -> Code:
        """The function of a term."""
        if term not in self.functions:
            for part in postorder(term):
                if part not in self.functions:
                    self.heights[part] = 1 + max((self.heights[p] for p in part.parts), default=0)
                    self.forms[part] = form_of(part, self.forms)
                    self.functions[part] = self._memoised(part, self._build(part))
        return self.functions[term]

    def register(self, index: Index) -> int:
        """Where machines keep the place of an index."""
        return self.registers.setdefault(index, len(self.registers))

    def _memoised(self, term: Expr, compute: Code) -> Code:
        """A function that looks its value up by the term's form and the places of its indices."""
        if isinstance(term, Position):
            return compute
        form = self.forms[term]
        key = self.keys.setdefault(form.key, len(self.keys))
        slots = [self.register(i) for i in form.indices]
        if not slots:
            return _kept(compute, lambda machine: key)
        places = itemgetter(*slots)
        return _kept(compute, lambda machine: (key, places(machine.places)))

    def _build(self, term: Expr) -> Code:
        parts = [self.functions[p] for p in term.parts]
        match term:
            case Const():
                return lambda machine: _constant(term.value, machine.arithmetic)
            case Size():
                return lambda machine: mp.mpf(machine.size(term.axis))
            case Position():
                slot = self.register(term.index)
                return lambda machine: mp.mpf(machine.places[slot])
            case Access():
                return self._access(term, parts)
            case Apply(op="stop_gradient", args=(inner,)):
                return self._stopped(inner, parts[0])
            case Apply():
                return self._apply(term.op, parts)
            case Select():
                condition, then, other = parts
                return lambda machine: then(machine) if condition(machine) else other(machine)
            case Reduce():
                return self._reduce(term, parts)
            case Along():
                return self._along(term, parts)
        raise TypeError(f"no such term: {type(term).__name__}")

    def _access(self, term: Access, slots: list[Code]) -> Code:
        if all(isinstance(s, Position) for s in term.slots) and not term.padded:
            places = [self.register(s.index) for s in term.slots if isinstance(s, Position)]
            name = term.tensor.name

            def direct(machine: Machine) -> Value:
                array, at = machine.arrays[name], tuple([machine.places[p] for p in places])
                inside = all(0 <= k < n for k, n in zip(at, array.shape, strict=True))
                return array[at] if inside else machine.read(term, [mp.mpf(k) for k in at])

            return direct
        return lambda machine: machine.read(term, [slot(machine) for slot in slots])

    def _stopped(self, term: Expr, own: Code) -> Code:
        def value(machine: Machine) -> Value:
            held = machine.held
            return own(machine) if held is None else held.run(term, machine.env())

        return value

    def _apply(self, op: str, args: list[Code]) -> Code:
        if len(args) == 1:
            (only,) = args
            return lambda machine: machine.arithmetic.functions[op](only(machine))
        if len(args) == 2:
            x, y = args
            return lambda machine: machine.arithmetic.functions[op](x(machine), y(machine))
        return lambda machine: machine.arithmetic.functions[op](*[a(machine) for a in args])

    def _reduce(self, term: Reduce, parts: list[Code]) -> Code:
        places = self._places(term.indices, *parts)
        return lambda machine: machine.arithmetic.reductions[term.op](places(machine))

    def _along(self, term: Along, parts: list[Code]) -> Code:
        body, at, *rest = parts
        places = self._places((term.index,), body, *rest)
        within = term.body.free | (term.filter.free if term.filter else frozenset())
        outer = [self.register(i) for i in within - {term.index}]
        table = object()

        def scan(machine: Machine) -> Table:
            whole = range(*term.index.range.bounds(machine.size))
            return machine.arithmetic.along[term.op](places(machine), whole)

        whole = _kept(scan, lambda machine: (table, *[machine.places[s] for s in outer]))
        return lambda machine: whole(machine).get(at(machine), mp.nan)

    def _places(
        self, indices: tuple[Bound, ...], body: Code, condition: Code | None = None
    ) -> Callable[[Machine], Places]:
        """The (first) index and the value of each place kept."""
        slots = [self.register(b) for b in indices]

        def places(machine: Machine) -> Places:
            machine.check()
            kept = []
            for place in product(*(range(*b.range.bounds(machine.size)) for b in indices)):
                for slot, k in zip(slots, place, strict=True):
                    machine.places[slot] = k
                if condition is None or condition(machine):
                    kept.append((place[0], body(machine)))
            return kept

        return places


def _kept(compute: Code, key: Callable[[Machine], object]) -> Code:
    """A function that finds its value in the memo, or puts it there."""

    def value(machine: Machine) -> Value:
        at = key(machine)
        found = machine.memo.get(at, MISSING)
        if found is MISSING:
            found = machine.memo[at] = compute(machine)
        return found

    return value


def _constant(value: Fraction | bool | str | None, arithmetic: Arithmetic) -> Value:
    match value:
        case None | bool():
            return value
        case Fraction():
            return arithmetic.number(value)
        case str():
            return arithmetic.constant(value)
