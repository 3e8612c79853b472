"""The scalars that a loss is about at given lengths of axes, and the sets they range over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from mpmath import mp

from lossc.dsl import ast

from .. import domains as dom
from ..arithmetic import Value
from ..check import Checked
from ..elaborate.declare import Default, Input, Param
from ..gradcheck.sampling import exact_array
from ..interpret import Compiler, Machine
from ..ir import BOOL, Access, Axis, Const, Expr, Tensor
from ..separate import leading, separate
from .enclose import enclose
from .goal import narrowed, put_all
from .interval import ANY, INF, REALS, UNIT, Interval, around, join_all
from .scalars import NotWritten, Place, Writer, scalar
from .tidy import FALSE, MINUS_INF, ONE, TRUE, ZERO, build, number, tidy, value_of
from .tidy import INF as INFINITE

MOST_CASES = 64
ENDLESS = (INFINITE, MINUS_INF)


@dataclass(frozen=True)
class Case:
    """Some scalars fixed (labels, one-hot rows), the others in a box, with conditions on them."""

    fixed: Mapping[str, Expr]
    box: Mapping[str, Interval]
    given: tuple[Expr, ...] = ()

    def of(self, term: Expr) -> Expr:
        """A term with the fixed scalars put in."""
        return put_all(term, self.fixed)


@dataclass
class Frame:
    """A loss at given lengths of axes, written in scalars; `check` may raise where that is long."""

    checked: Checked
    sizes: Mapping[Axis, int]
    check: Callable[[], None] = lambda: None
    writer: Writer = field(init=False)
    done: dict[Any, Expr] = field(default_factory=dict)
    compiler: Compiler = field(default_factory=Compiler)

    def __post_init__(self) -> None:
        self.writer = Writer(self.sizes, self.check)

    @cached_property
    def decls(self) -> dict[str, Input | Param]:
        """The inputs and params that have a value, by name."""
        names = {t.name for t in self.checked.program.params}
        params = {n: p for n, p in self.checked.params.items() if n in names}
        return {**self.checked.inputs, **params}

    def write(self, term: Expr, env: Any = None) -> Expr:
        """A term in scalars, with params that are fixed when compiled put in."""
        key = (term, frozenset(env.items()) if env else None)
        if key not in self.done:
            self.done[key] = self.with_lists(tidy(self.writer.write(term, env)))
        return self.done[key]

    def with_lists(self, term: Expr) -> Expr:
        """The numbers of lists that are defaults of functions, and of static params."""
        return put_all(term, {**self.hidden, **self.static})

    @cached_property
    def hidden(self) -> dict[str, Expr]:
        """The elements of lists that are defaults of functions called."""
        found: dict[str, Expr] = {}
        for tensor in self.checked.program.params:
            if tensor.name in self.checked.hidden:
                array = exact_array(_list(self.checked.hidden[tensor.name]))
                for place in np.ndindex(array.shape):
                    self.writer.element(tensor, place)
                    found[self.name_of(tensor, place)] = _term(array[place])
        return found

    @cached_property
    def static(self) -> dict[str, Expr]:
        """The params whose values were fixed when compiled."""
        names = [n for n in self.checked.static if n in self.decls]
        return {n: _default(self.checked.params[n].default) for n in names}

    # --- elements

    def length(self, axis: Axis) -> int:
        """The length of an axis."""
        found = self.writer.size(axis)
        if found is None:
            raise NotWritten(f"the axis {axis.name} has no length")
        return found

    def shape(self, tensor: Tensor) -> tuple[int, ...]:
        """The lengths of a tensor's axes."""
        return tuple(map(self.length, tensor.axes))

    def name_of(self, tensor: Tensor, place: Place) -> str:
        """The name of an element."""
        element = self.writer.element(tensor, place)
        assert isinstance(element, Access)
        return element.tensor.name

    def elements(self, name: str) -> list[str]:
        """The names of a tensor's elements, in order."""
        tensor = self.decls[name].tensor
        return [self.name_of(tensor, p) for p in np.ndindex(self.shape(tensor))]

    def kind(self, element: str) -> str:
        """The kind of an element."""
        return self.writer.elements[element][0].kind

    # --- domains

    @cached_property
    def cases(self) -> list[Case]:
        """The domain as cases, each a choice of the values of what is discrete.

        Where there are too many, or a set is infinite, integers are taken for reals: what is proved
        then holds a fortiori.
        """
        choices = [c for name in self.decls if name not in self.static for c in self.choices(name)]
        while _count(choices) > MOST_CASES:
            largest = max(range(len(choices)), key=lambda k: len(choices[k]))
            choices[largest] = [_hull(choices[largest])]
        found = []
        for picked in product(*choices):
            case = _merged(picked)
            if all(c != FALSE for c in case.given):
                found.append(case)
        return [_bounded(c) for c in found]

    def choices(self, name: str) -> list[list[Case]]:
        """For each part of a tensor that can be chosen by itself, its cases."""
        meaning = self.decls[name].meaning
        tensor = self.decls[name].tensor
        if isinstance(meaning, dom.Simplex | dom.OneHot):
            return [self.distribution(meaning, row) for row in self.rows(tensor, meaning.axis)]
        return [self.scalar_cases(meaning, e, tensor.kind) for e in self.elements(name)]

    def rows(self, tensor: Tensor, axis: Axis) -> Iterator[list[str]]:
        """The elements of a tensor along an axis, row by row."""
        shape = self.shape(tensor)
        names = np.empty(shape, dtype=object)
        for place in np.ndindex(shape):
            names[place] = self.name_of(tensor, place)
        at = [a.name for a in tensor.axes].index(axis.name)
        flat = np.moveaxis(names, at, -1).reshape(-1, shape[at])
        return (list(row) for row in flat)

    def distribution(self, meaning: dom.Simplex | dom.OneHot, row: list[str]) -> list[Case]:
        """The cases of a row that sums to 1."""
        if isinstance(meaning, dom.OneHot):
            return [
                Case({e: ONE if k == hot else ZERO for k, e in enumerate(row)}, {})
                for hot in range(len(row))
            ]
        *free, last = row
        rest: Expr = ONE
        for e in free:
            rest = build("sub", rest, scalar(e))
        given = () if len(free) < 2 else (build("ge", rest, ZERO),)
        return [Case({last: rest}, dict.fromkeys(free, UNIT), given)]

    def scalar_cases(self, meaning: dom.Domain, e: str, kind: str) -> list[Case]:
        """The cases of an element that does not depend on others of its tensor."""
        match meaning:
            case dom.Bools():
                return [Case({e: TRUE}, {}), Case({e: FALSE}, {})]
            case dom.Between():
                return [self.between(meaning, e)]
            case dom.Values(values):
                return [Case({e: tidy(v)}, {}) for v in values]
            case dom.IndexOf(axis):
                return [Case({e: number(k)}, {}) for k in range(self.length(axis))]
            case dom.IntRange(low, high):
                return self.integers(low, high, e)
            case dom.Union(parts):
                return [c for p in parts for c in self.scalar_cases(p, e, kind)]
        if kind == BOOL:
            return [Case({e: TRUE}, {}), Case({e: FALSE}, {})]
        return [Case({}, {e: REALS})]

    def bound(self, term: Expr) -> Expr:
        """A bound of a domain in scalars."""
        return self.write(term)

    def between(self, meaning: dom.Between, e: str) -> Case:
        given: list[Expr] = []
        interval = REALS
        variable = scalar(e)
        if meaning.low is not None:
            term = self.bound(meaning.low)
            interval = interval.meet(self.half(term, meaning.low_open, True))
            if value_of(term) is None and term not in ENDLESS:
                given.append(build("gt" if meaning.low_open else "ge", variable, term))
        if meaning.high is not None:
            term = self.bound(meaning.high)
            interval = interval.meet(self.half(term, meaning.high_open, False))
            if value_of(term) is None and term not in ENDLESS:
                given.append(build("lt" if meaning.high_open else "le", variable, term))
        return Case({}, {e: interval}, tuple(c for c in given if c != TRUE))

    def half(self, bound: Expr, is_open: bool, is_low: bool) -> Interval:
        """The reals on one side of a bound, whatever the params in it."""
        at = enclose(bound, self.param_box)
        if is_low:
            return Interval(at.low, INF, is_open or at.low_open, True)
        return Interval(-INF, at.high, True, is_open or at.high_open)

    @cached_property
    def param_box(self) -> dict[str, Interval]:
        """Intervals of params whose bounds are numbers."""
        box: dict[str, Interval] = {}
        for name, decl in self.decls.items():
            if isinstance(decl, Param) and isinstance(decl.meaning, dom.Between):
                ends = [tidy(b) if b is not None else None
                        for b in (decl.meaning.low, decl.meaning.high)]  # fmt: skip
                low = _around(ends[0]).low if ends[0] is not None else -INF
                high = _around(ends[1]).high if ends[1] is not None else INF
                box[name] = Interval(low, high, decl.meaning.low_open, decl.meaning.high_open)
        return box

    def integers(self, low: Expr, high: Expr, e: str) -> list[Case]:
        ends = [self.bound(low), self.bound(high)]
        first, last = (value_of(t) for t in ends)
        if first is not None and last is not None and last - first < MOST_CASES:
            return [Case({e: number(k)}, {}) for k in range(int(first), int(last) + 1)]
        hull = join_all(enclose(t, self.param_box) for t in ends)
        return [Case({}, {e: hull})]

    # --- numbers

    def arrays(self, values: Mapping[str, Value]) -> dict[str, np.ndarray[Any, Any]]:
        """Arrays of all inputs and params from the values of scalars; the rest as by default."""
        found: dict[str, np.ndarray[Any, Any]] = {}
        for tensor in (*self.checked.program.inputs, *self.checked.program.params):
            if tensor.name in self.checked.hidden:
                found[tensor.name] = exact_array(_list(self.checked.hidden[tensor.name]))
                continue
            if tensor.name in self.static:
                found[tensor.name] = exact_array(self.checked.params[tensor.name].default)
                continue
            array = np.empty(self.shape(tensor), dtype=object)
            for place in np.ndindex(array.shape):
                array[place] = values[self.name_of(tensor, place)]
            found[tensor.name] = array
        return found

    def admits(self, values: Mapping[str, Value]) -> bool:
        """Whether discrete elements have values of their domains, where cases are taken together.

        What lies between two reals is held by the box and the conditions of a case.
        """
        for name in self.decls:
            if name in self.static:
                continue
            meaning, tensor = self.decls[name].meaning, self.decls[name].tensor
            if isinstance(meaning, dom.OneHot):
                rows = self.rows(tensor, meaning.axis)
                if not all(_is_one_hot([values[e] for e in row]) for row in rows):
                    return False
            elif not all(self.is_member(meaning, values[e]) for e in self.elements(name)):
                return False
        return True

    def is_member(self, meaning: dom.Domain, x: Value) -> bool:
        """Whether a number is one of a discrete domain; True of any other domain."""
        match meaning:
            case dom.Values(values):
                return any(v is None or x == v for v in map(self.number, values))
            case dom.Ints():
                return bool(mp.isint(x))
            case dom.IndexOf(axis):
                return bool(mp.isint(x)) and 0 <= x < self.length(axis)
            case dom.IntRange(low, high):
                first, last = self.number(low), self.number(high)
                above, below = first is None or x >= first, last is None or x <= last
                return bool(mp.isint(x)) and above and below
            case dom.Union(parts):
                return any(self.is_member(p, x) for p in parts)
        return True

    def number(self, bound: Expr) -> Value | None:
        """The number that a bound is, if it depends on nothing."""
        found = value_of(self.bound(bound))
        return None if found is None else mp.mpf(found.numerator) / found.denominator

    def machine(self, values: Mapping[str, Value]) -> Machine:
        """The interpreter at the values of scalars."""
        return Machine(self.sizes, self.arrays(values), compiler=self.compiler)


def _is_one_hot(row: list[Value]) -> bool:
    return all(x in (0, 1) for x in row) and sum(row) == 1


def batch_axis(checked: Checked) -> Axis | None:
    """The leading axis, along which claims are about one sample; None if samples interact."""
    lead = leading(checked.program)
    if lead is not None and separate(checked.program) is not None:
        return lead
    return None


def _list(node: Any) -> Any:
    match node:
        case ast.Array(items=items):
            return [_list(i) for i in items]
        case ast.Unary(operand=operand):
            return -_list(operand)
    return node.value


def _term(x: Any) -> Expr:
    if isinstance(x, bool):
        return Const(x)
    return number(Fraction(int(x.man), 1) * Fraction(2) ** int(x.exp))


def _default(value: Default) -> Expr:
    if isinstance(value, str):
        plain = Const(value.removeprefix("-"))
        return build("neg", plain) if value.startswith("-") else plain
    assert not isinstance(value, tuple)
    return Const(value)


def _around(term: Expr) -> Interval:
    value = value_of(term)
    return around(value) if value is not None else enclose(term, {})


def _count(choices: list[list[Case]]) -> int:
    total = 1
    for c in choices:
        total *= len(c)
    return total


def _hull(cases: list[Case]) -> Case:
    """One case around several of the same scalars."""
    names = {n for c in cases for n in (*c.fixed, *c.box)}
    box = {}
    for n in names:
        parts = [enclose(c.fixed[n], c.box) if n in c.fixed else c.box[n] for c in cases]
        box[n] = join_all(p if isinstance(p, Interval) else ANY for p in parts)
    return Case({}, box)


def _merged(picked: tuple[Case, ...]) -> Case:
    fixed: dict[str, Expr] = {}
    box: dict[str, Interval] = {}
    given: list[Expr] = []
    for case in picked:
        fixed |= case.fixed
        box |= case.box
        given += case.given
    merged = Case(fixed, box)
    return Case(fixed, box, tuple(c for c in map(merged.of, given) if c != TRUE))


def _bounded(case: Case) -> Case:
    """The case with its box narrowed by its conditions."""
    box = dict(case.box)
    for condition in case.given:
        box = narrowed(box, condition) or box
    return Case(case.fixed, box, case.given)
