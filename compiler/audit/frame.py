"""The scalars that a loss is about at given lengths of axes, and the sets they range over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from mpmath import mp

from lossc.dsl import ast

from .. import domains as dom
from ..arithmetic import NEAREST, Arithmetic, Value
from ..check import Checked
from ..elaborate.declare import Default, Input, Param
from ..gradcheck.sampling import exact_array
from ..interpret import Compiler, Machine
from ..ir import BOOL, Access, Axis, Const, Expr, Tensor
from ..separate import leading, reads_places, separate
from .enclose import enclose
from .goal import narrowed, put_all, variables
from .interval import ANY, INF, REALS, UNIT, Interval, around, join_all
from .scalars import NotWritten, Place, Writer, scalar
from .tidy import FALSE, MINUS_INF, ONE, TRUE, ZERO, build, number, tidy, value_of
from .tidy import INF as INFINITE

MOST_CASES = 64
ENDLESS = (INFINITE, MINUS_INF)
CLOSE = mp.mpf(10) ** -36  # of rounding in the arithmetic of witnesses


@dataclass(frozen=True)
class Case:
    """Some scalars fixed (labels, one-hot rows), the others in a box, with conditions on them."""

    fixed: Mapping[str, Expr]
    box: Mapping[str, Interval]
    given: tuple[Expr, ...] = ()

    def of(self, term: Expr) -> Expr:
        """A term with the fixed scalars put in."""
        return put_all(term, self.fixed)

    def has(self, part: Case) -> bool:
        """Whether the case makes the same choices as one of some of its scalars."""
        fixed = all(self.fixed.get(n) == v for n, v in part.fixed.items())
        return fixed and all(self.box.get(n) == i for n, i in part.box.items())

    def includes(self, other: Case) -> bool:
        """Whether another case is this one, but for scalars that range over more here."""
        fixed = all(other.fixed.get(n) == v for n, v in self.fixed.items())
        return fixed and all(n in self.box for n in other.box)

    def renamed(self, mark: str) -> Case:
        """The same of scalars that are named with a mark."""
        names = {n: scalar(n + mark) for n in (*self.fixed, *self.box)}
        fixed = {n + mark: put_all(v, names) for n, v in self.fixed.items()}
        box = {n + mark: i for n, i in self.box.items()}
        return Case(fixed, box, tuple(put_all(c, names) for c in self.given))


@dataclass
class Frame:
    """A loss at given lengths of axes, written in scalars; `check` may raise where that is long.

    `sample` is the axis of the batch where one sample stands for all.
    `explicit` writes out what a term hides before it is simplified.
    """

    checked: Checked
    sizes: Mapping[Axis, int]
    check: Callable[[], None] = lambda: None
    sample: Axis | None = None
    explicit: Callable[[Expr], Expr] = lambda term: term
    writer: Writer = field(init=False)
    done: dict[Any, Expr] = field(default_factory=dict)
    compiler: Compiler = field(default_factory=Compiler)
    hulls: dict[frozenset[str], list[Case]] = field(default_factory=dict)
    arithmetic: Arithmetic = NEAREST

    def __post_init__(self) -> None:
        self.writer = Writer(self.sizes, self.check, self.sample)

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
            self.done[key] = self.with_lists(tidy(self.writer.write(self.explicit(term), env)))
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
        return _combined([c for name in self.free for c in self.choices(name)])

    @property
    def free(self) -> list[str]:
        """The inputs and params that are not fixed when compiled."""
        return [n for n in self.decls if n not in self.static]

    def around(self, names: Sequence[str]) -> list[Case]:
        """The domain as cases in which some tensors range over a hull of what they may be.

        No two of their points are then in different cases, and what is proved of all points of the
        hull holds a fortiori of those in the domain.
        """
        key = frozenset(names)
        if key not in self.hulls:
            choices = [(n, c) for n in self.free for c in self.choices(n)]
            discrete = any(n in key and len(c) > 1 for n, c in choices)
            joined = [[_hull(c)] if n in key and len(c) > 1 else c for n, c in choices]
            self.hulls[key] = _combined(joined) if discrete else self.cases
        return self.hulls[key]

    def alone(self, names: Sequence[str]) -> list[Case]:
        """The cases of some tensors by themselves."""
        return _combined([c for n in self.free if n in names for c in self.choices(n)])

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
                return [Case({e: self.bound(v)}, {}) for v in values]
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
        return self.with_lists(tidy(self.writer.write(term)))

    def between(self, meaning: dom.Between, e: str) -> Case:
        given: list[Expr] = []
        interval = REALS
        variable = scalar(e)
        if meaning.low is not None:
            term = self.bound(meaning.low)
            interval = interval.meet(half(self.reach(term), meaning.low_open, True))
            if value_of(term) is None and term not in ENDLESS:
                given.append(build("gt" if meaning.low_open else "ge", variable, term))
        if meaning.high is not None:
            term = self.bound(meaning.high)
            interval = interval.meet(half(self.reach(term), meaning.high_open, False))
            if value_of(term) is None and term not in ENDLESS:
                given.append(build("lt" if meaning.high_open else "le", variable, term))
        return Case({}, {e: interval}, tuple(c for c in given if c != TRUE))

    def reach(self, bound: Expr) -> Interval:
        """An interval around a bound, whatever the params in it."""
        return enclose(bound, self.param_box)

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
        """Whether the values of all elements are of their domains."""
        for name in self.free:
            meaning, tensor = self.decls[name].meaning, self.decls[name].tensor
            if isinstance(meaning, dom.Simplex | dom.OneHot):
                test = _is_one_hot if isinstance(meaning, dom.OneHot) else _is_distribution
                rows = self.rows(tensor, meaning.axis)
                if not all(test([values[e] for e in row]) for row in rows):
                    return False
            elif not all(self.is_member(meaning, values[e], values) for e in self.elements(name)):
                return False
        return True

    def is_member(self, meaning: dom.Domain, x: Value, values: Mapping[str, Value]) -> bool:
        """Whether a number is one of a domain of scalars; `values` are those of the params."""

        def bound(term: Expr | None, none: Value) -> Value:
            if term is None:
                return none
            found = self.bound(term)
            arrays = {n: np.array(values[n], dtype=object) for n in variables(found)}
            return Machine({}, arrays).run(found, {})

        match meaning:
            case dom.Values(members):
                return any(abs(x - bound(v, x)) <= _slack(x) for v in members)
            case dom.Ints():
                return bool(mp.isint(x))
            case dom.IndexOf(axis):
                return bool(mp.isint(x)) and 0 <= x < self.length(axis)
            case dom.IntRange(low, high):
                return bool(mp.isint(x)) and bound(low, x) <= x <= bound(high, x)
            case dom.Between(low, high, low_open, high_open):
                first, last = bound(low, -mp.inf), bound(high, mp.inf)
                above = x > first if low_open else x >= first - _slack(first)
                return above and bool(x < last if high_open else x <= last + _slack(last))
            case dom.Union(parts):
                return any(self.is_member(p, x, values) for p in parts)
        return True

    def machine(self, values: Mapping[str, Value]) -> Machine:
        """The interpreter at the values of scalars."""
        arrays = self.arrays(values)
        return Machine(self.sizes, arrays, self.arithmetic, compiler=self.compiler)

    @contextmanager
    def computing(self, arithmetic: Arithmetic) -> Iterator[None]:
        """Lets the interpreter compute in another arithmetic."""
        before, self.arithmetic = self.arithmetic, arithmetic
        try:
            yield
        finally:
            self.arithmetic = before


def half(end: Interval, is_open: bool, is_low: bool) -> Interval:
    """The reals on one side of a bound that lies in an interval."""
    if is_low:
        return Interval(end.low, INF, is_open or end.low_open, True)
    return Interval(-INF, end.high, True, is_open or end.high_open)


def _is_one_hot(row: list[Value]) -> bool:
    return all(x in (0, 1) for x in row) and sum(row) == 1


def _is_distribution(row: list[Value]) -> bool:
    return all(x >= -CLOSE for x in row) and bool(abs(sum(row) - 1) <= CLOSE)


def _slack(end: Value) -> Value:
    """What rounding may move a point across an end that belongs to the interval."""
    return CLOSE * abs(end) if mp.isfinite(end) else 0


def batch_axis(checked: Checked) -> Axis | None:
    """The leading axis, along which claims are about one sample.

    None if samples interact, or if the place of a sample or the size of the batch is looked at.
    """
    lead = leading(checked.program)
    if lead is None or lead.size is not None or separate(checked.program) is None:
        return None
    joined = any(rests_on(meaning, lead) for meaning in checked.domains.values())
    return None if joined or reads_places(checked.program.value, lead) else lead


def rests_on(domain: dom.Domain, axis: Axis) -> bool:
    """Whether the numbers that a domain has depend on an axis."""
    match domain:
        case dom.Simplex(axis=own) | dom.OneHot(axis=own):
            return own == axis
        case dom.Union(parts):
            return any(rests_on(p, axis) for p in parts)
    return axis in dom.axes_of(domain)


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


def _combined(choices: list[list[Case]]) -> list[Case]:
    """The cases that choices make up; where there are too many, around the largest choices."""
    choices = list(choices)
    while _count(choices) > MOST_CASES:
        largest = max(range(len(choices)), key=lambda k: len(choices[k]))
        choices[largest] = [_hull(choices[largest])]
    merged = map(_merged, product(*choices))
    return [_bounded(c) for c in merged if all(g != FALSE for g in c.given)]


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
