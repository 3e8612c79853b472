"""The direct interpreter: a program's value by its definitions, in arbitrary precision.

Loops over indices and mpmath numbers, nothing else: it is the oracle of the compiled code and the
engine of `loss.reference`. Arithmetic follows IEEE 754 where the reals give no value (log(0) is
-inf, 1 / 0 is inf, 0 / 0 is NaN); nothing raises.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from numbers import Rational
from typing import Any

import numpy as np
from mpmath import libmp, mp

from lossc.dsl.primitives import PRIMITIVES

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
)  # fmt: skip

Value = Any  # mpf, bool, or None for `none`
Env = Mapping[Index, int]
Step = Generator[tuple[Expr, Env], Value, Value]

GUARD_DIGITS = 10
HUGE = 20_000  # numbers beyond 2 ** HUGE are taken for infinite in transcendental functions


def interpret(program: Program, values: Mapping[str, object], digits: int = 50) -> Value:
    """The value of a program, in arithmetic of `digits` decimal digits.

    `values` has arrays, nested lists or scalars for the inputs and params, by name. A program with
    open axes gives nested tuples in the order of `program.axes`.
    """
    with mp.workdps(max(digits, 20) + GUARD_DIGITS):
        sizes = sizes_of(program, values)
        arrays = {t.name: _array(t, values[t.name]) for t in (*program.inputs, *program.params)}
        return _tabulate(_Machine(sizes, arrays), program.value, program.axes, {})


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


def _tabulate(machine: _Machine, term: Expr, axes: Sequence[Symbol], env: Env) -> Value:
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


def _raw(value: object) -> np.ndarray[Any, Any]:
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


def _array(tensor: Tensor, value: object) -> np.ndarray[Any, Any]:
    raw = _raw(value)
    out = np.empty(raw.size, dtype=object)
    out[:] = [_element(x, tensor.kind) for x in raw.reshape(-1).tolist()]
    return out.reshape(_pack(tensor, raw.shape))


def _element(x: Any, kind: str) -> Value:
    """One number of the data, exactly; a fraction where an integer belongs is NaN."""
    if x is None:
        return None
    number = _number(x)
    if kind == BOOL:
        return bool(number != 0)
    return mp.nan if kind == INT and not mp.isint(number) else number


def _number(x: Any) -> Value:
    if isinstance(x, Fraction):
        return mp.mpf(x.numerator) / x.denominator
    return mp.mpf(int(x)) if isinstance(x, bool | int) else mp.mpf(x)


# --- evaluation -----------------------------------------------------------------------------------


@dataclass
class _Machine:
    """Evaluates terms of one program on one set of arrays, each once per value of its indices."""

    sizes: Mapping[Axis, int]
    arrays: Mapping[str, np.ndarray[Any, Any]]
    memo: dict[tuple[object, ...], Value] = field(default_factory=dict)
    order: dict[Expr, tuple[Index, ...]] = field(default_factory=dict)

    def size(self, axis: Axis) -> int:
        return axis.size if axis.size is not None else self.sizes[axis]

    def run(self, term: Expr, env: Env) -> Value:
        """The value of a term. Its steps wait on a list, so depth costs no Python frames."""
        waiting: list[tuple[tuple[object, ...], Step]] = []
        request: tuple[Expr, Env] | None = (term, env)
        value: Value = None
        while True:
            if request is not None:
                key = self.key(*request)
                if key in self.memo:
                    value = self.memo[key]
                else:
                    waiting.append((key, self.step(*request)))
                    value = None
            if not waiting:
                return value
            try:
                request = waiting[-1][1].send(value)
            except StopIteration as stop:
                key, _ = waiting.pop()
                value = self.memo[key] = stop.value
                request = None

    def key(self, term: Expr, env: Env) -> tuple[object, ...]:
        order = self.order.get(term)
        if order is None:
            order = self.order[term] = tuple(term.free)
        return (term, *(env[i] for i in order))

    def step(self, term: Expr, env: Env) -> Step:
        match term:
            case Const():
                return _constant(term.value)
            case Size():
                return mp.mpf(self.size(term.axis))
            case Position():
                return mp.mpf(env[term.index])
            case Access():
                slots = []
                for slot in term.slots:
                    slots.append((yield slot, env))
                return self.read(term, slots)
            case Apply():
                args = []
                for arg in term.args:
                    args.append((yield arg, env))
                return apply(term.op, args)
            case Select():
                taken = yield term.condition, env
                return (yield (term.then if taken else term.other), env)
            case Reduce():
                places = yield from self.places(term.indices, term.body, term.filter, env)
                return REDUCTIONS[term.op](places)
            case Along():
                table = yield from self.table(term, env)
                return table.get((yield term.at, env), mp.nan)
        raise TypeError(f"no such term: {type(term).__name__}")

    def places(
        self, indices: tuple[Bound, ...], body: Expr, condition: Expr | None, env: Env
    ) -> Generator[tuple[Expr, Env], Value, list[tuple[int, Value]]]:
        """The (first) index and the value of each place kept."""
        kept = []
        for place in product(*(range(*b.range.bounds(self.size)) for b in indices)):
            inner: dict[Index, int] = {**env}
            inner.update(zip(indices, place, strict=True))
            if condition is None or (yield condition, inner):
                kept.append((place[0], (yield body, inner)))
        return kept

    def table(
        self, term: Along, env: Env
    ) -> Generator[tuple[Expr, Env], Value, dict[Value, Value]]:
        """The values of a scan or sort at all places of its index."""
        within = term.body.free | (term.filter.free if term.filter else frozenset())
        outer = within - {term.index}
        key: tuple[object, ...] = ("table", term.op, term.index, term.body, term.filter)
        key += tuple((i, env[i]) for i in sorted(outer, key=repr))
        if key not in self.memo:
            kept = yield from self.places((term.index,), term.body, term.filter, env)
            whole = range(*term.index.range.bounds(self.size))
            self.memo[key] = ALONG[term.op](kept, whole)
        found: dict[Value, Value] = self.memo[key]
        return found

    def read(self, term: Access, slots: list[Value]) -> Value:
        array = self.arrays[term.tensor.name]
        if term.padded:
            pairs = zip(slots, array.shape, strict=True)
            slots = [min(max(s, 0), n - 1) for s, n in pairs]
        inside = all(mp.isint(s) and 0 <= s < n for s, n in zip(slots, array.shape, strict=True))
        if not inside:
            return False if term.kind == BOOL else mp.nan
        return array[tuple(int(s) for s in slots)]


def _constant(value: Fraction | bool | str | None) -> Value:
    match value:
        case None | bool():
            return value
        case Fraction():
            return _number(value)
        case "pi":
            return +mp.pi
        case "e":
            return +mp.e
    return mp.inf


def apply(op: str, args: Sequence[Value]) -> Value:
    """The value of a primitive, by its name in the table, at mpmath numbers or bools."""
    primitive = PRIMITIVES[op]
    if primitive.takes == "number":
        args = [_as_number(a) for a in args]
    name = primitive.mp
    if name.startswith("@"):
        return FUNCTIONS[name[1:]](*args)
    return _total(getattr(mp, name))(*args)


def _as_number(value: Value) -> Value:
    if value is None:
        return mp.nan
    return mp.mpf(int(value)) if isinstance(value, bool) else value


def _total(function: Callable[..., Value]) -> Callable[..., Value]:
    """`function` with NaN where it fails, or where its value is no real number."""

    def total(*args: Value) -> Value:
        if any(mp.isnan(a) for a in args):
            return mp.nan
        try:
            value = function(*map(_bounded, args))
        except (ArithmeticError, ValueError, libmp.NoConvergence):
            return mp.nan
        return value if isinstance(value, mp.mpf) else mp.mpf(value) if _is_real(value) else mp.nan

    return total


def _bounded(x: Value) -> Value:
    """Infinity in place of a number that is too large to compute with."""
    return mp.sign(x) * mp.inf if mp.isfinite(x) and mp.mag(x) > HUGE else x


def _is_real(value: Value) -> bool:
    return not isinstance(value, mp.mpc) or value.imag == 0


# --- primitives -----------------------------------------------------------------------------------


def _div(x: Value, y: Value) -> Value:
    if y != 0:
        return x / y
    return mp.nan if x == 0 or mp.isnan(x) else mp.sign(x) * mp.inf


def _power(x: Value, y: Value) -> Value:
    if y == 0 or x == 1:
        return mp.mpf(1)
    if x == 0:
        return mp.nan if mp.isnan(y) else mp.mpf(0) if y > 0 else mp.inf
    if x < 0 and not mp.isint(y) and mp.isfinite(y):
        return mp.nan
    if mp.isint(y) and mp.mag(y) < 64:
        return _total(lambda b: mp.power(b, int(y)))(x)
    sign = -1 if x < 0 and mp.isfinite(y) and mp.isint(y / 2) is False else 1
    return sign * _exp(y * _log(abs(x)))


def _exp(x: Value) -> Value:
    return mp.exp(_bounded(x))


def _log(x: Value) -> Value:
    if x == 0:
        return -mp.inf
    return mp.log(x) if x > 0 else mp.nan


def _lower(x: Value, bound: int, value: Value, function: Callable[[Value], Value]) -> Value:
    return value if x == bound else _total(function)(x)


def _least(*args: Value) -> Value:
    return mp.nan if any(mp.isnan(a) for a in args) else min(args)


def _largest(*args: Value) -> Value:
    return mp.nan if any(mp.isnan(a) for a in args) else max(args)


def _integral(x: Value, function: Callable[[Value], Value]) -> Value:
    return function(x) if mp.isfinite(x) else x


def _sigmoid(x: Value) -> Value:
    return 1 / (1 + _exp(-x)) if x >= 0 else _div(_exp(x), 1 + _exp(x))


def _softplus(x: Value) -> Value:
    return x + mp.log1p(_exp(-x)) if x > 0 else mp.log1p(_exp(x))


def _logaddexp(x: Value, y: Value) -> Value:
    top = _largest(x, y)
    return top if mp.isinf(top) else top + _softplus(_least(x, y) - top)


def _atanh(x: Value) -> Value:
    if abs(x) == 1:
        return x * mp.inf
    return mp.atanh(x) if abs(x) < 1 else mp.nan


def _logit(x: Value) -> Value:
    if x in (0, 1):
        return -mp.inf if x == 0 else mp.inf
    return mp.log(x) - mp.log1p(-x) if 0 < x < 1 else mp.nan


def _lgamma(x: Value) -> Value:
    if mp.isinf(x):
        return mp.inf
    if mp.isint(x) and x <= 0:
        return mp.inf
    return _total(lambda t: mp.re(mp.loggamma(t)))(x)


def _digamma(x: Value) -> Value:
    if mp.isinf(x):
        return x if x > 0 else mp.nan
    return mp.nan if mp.isint(x) and x <= 0 else _total(mp.digamma)(x)


def _trigamma(x: Value) -> Value:
    if mp.isinf(x):
        return mp.mpf(0) if x > 0 else mp.nan
    return mp.inf if mp.isint(x) and x <= 0 else _total(lambda t: mp.polygamma(1, t))(x)


def _scaled_bessel(order: int) -> Callable[[Value], Value]:
    def value(x: Value) -> Value:
        if mp.isinf(x):
            return mp.mpf(0)
        return _total(lambda t: mp.besseli(order, t) * mp.exp(-abs(t)))(x)

    return value


def _ndtr(x: Value) -> Value:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def _log_ndtr(x: Value) -> Value:
    if x == -mp.inf:
        return x
    return mp.log1p(-_ndtr(-x)) if x > 0 else _log(_ndtr(x))


def _equal(x: Value, y: Value) -> bool:
    return (x is None) == (y is None) and bool(x == y)


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": _div,
    "power": _power,
    "neg": lambda x: -x,
    "eq": _equal,
    "ne": lambda x, y: not _equal(x, y),
    "lt": lambda x, y: bool(x < y),
    "le": lambda x, y: bool(x <= y),
    "gt": lambda x, y: bool(x > y),
    "ge": lambda x, y: bool(x >= y),
    "both": lambda x, y: x and y,
    "either": lambda x, y: x or y,
    "negation": lambda x: not x,
    "sqrt": lambda x: mp.sqrt(x) if x >= 0 else mp.nan,
    "cbrt": lambda x: mp.sign(x) * _total(mp.cbrt)(abs(x)),
    "log": _log,
    "log1p": lambda x: _lower(x, -1, -mp.inf, mp.log1p),
    "log2": lambda x: _log(x) / mp.log(2),
    "log10": lambda x: _log(x) / mp.log(10),
    "asin": lambda x: _total(mp.asin)(x),
    "acos": lambda x: _total(mp.acos)(x),
    "acosh": lambda x: mp.acosh(x) if x >= 1 else mp.nan,
    "atanh": _atanh,
    "sigmoid": _sigmoid,
    "logit": _logit,
    "softplus": _softplus,
    "relu": lambda x: _largest(x, mp.mpf(0)),
    "ndtr": _ndtr,
    "log_ndtr": _log_ndtr,
    "lgamma": _lgamma,
    "digamma": _digamma,
    "trigamma": _trigamma,
    "bessel_i0e": _scaled_bessel(0),
    "bessel_i1e": _scaled_bessel(1),
    "floor": lambda x: _integral(x, mp.floor),
    "ceil": lambda x: _integral(x, mp.ceil),
    "nint": lambda x: _integral(x, mp.nint),
    "clip": lambda x, low, high: _least(_largest(x, low), high),
    "logaddexp": _logaddexp,
    "xlogy": lambda x, y: mp.mpf(0) if x == 0 else x * _log(y),
    "hypot": lambda x, y: mp.sqrt(x * x + y * y),
    "isnan": lambda x: bool(mp.isnan(x)),
    "isfinite": lambda x: bool(mp.isfinite(x)),
    "indicator": lambda c: mp.mpf(int(c)),
    "least": _least,
    "largest": _largest,
    "identity": lambda x: x,
}


# --- reductions -----------------------------------------------------------------------------------

Places = list[tuple[int, Value]]


def _values(places: Places) -> list[Value]:
    return [_as_number(v) for _, v in places]


def _total_of(values: Sequence[Value]) -> Value:
    return sum(values, mp.mpf(0))


def _mean(values: Sequence[Value]) -> Value:
    return _total_of(values) / len(values) if values else mp.mpf(0)


def _variance(values: Sequence[Value]) -> Value:
    center = _mean(values)
    return _mean([(v - center) ** 2 for v in values])


def _product(values: Sequence[Value]) -> Value:
    result = mp.mpf(1)
    for v in values:
        result *= v
    return result


def _norm(values: Sequence[Value]) -> Value:
    return mp.sqrt(_total_of([v * v for v in values]))


def _first(places: Places, sign: int) -> Value:
    """The index of the largest value (times `sign`), the first on ties."""
    best, where = None, 0
    for place, value in places:
        score = sign * _as_number(value)
        if best is None or score > best:
            best, where = score, place
    return mp.mpf(where)


REDUCTIONS: dict[str, Callable[[Places], Value]] = {
    "sum": lambda p: _total_of(_values(p)),
    "mean": lambda p: _mean(_values(p)),
    "prod": lambda p: _product(_values(p)),
    "max": lambda p: _largest(*_values(p)) if p else -mp.inf,
    "min": lambda p: _least(*_values(p)) if p else mp.inf,
    "logsumexp": lambda p: _log(_total_of([_exp(v) for v in _values(p)])),
    "any": lambda p: any(v for _, v in p),
    "all": lambda p: all(v for _, v in p),
    "count": lambda p: mp.mpf(sum(bool(v) for _, v in p)),
    "var": lambda p: _variance(_values(p)),
    "std": lambda p: mp.sqrt(_variance(_values(p))),
    "norm": lambda p: _norm(_values(p)),
    "norm1": lambda p: _total_of([abs(v) for v in _values(p)]),
    "argmax": lambda p: _first(p, 1),
    "argmin": lambda p: _first(p, -1),
}


# --- along an axis --------------------------------------------------------------------------------

Table = dict[Value, Value]


def _scan(
    places: Places, whole: range, join: Callable[[Value, Value], Value], start: Value
) -> Table:
    kept = {k: _as_number(v) for k, v in places}
    table: Table = {}
    for k in whole:
        start = join(start, kept[k]) if k in kept else start
        table[mp.mpf(k)] = start
    return table


def _ascending(places: Places) -> list[int]:
    """The places kept, in ascending order of value; ties by position, NaN last."""
    number = {k: _as_number(v) for k, v in places}
    return sorted(number, key=lambda k: (mp.isnan(number[k]), _unless_nan(number[k]), k))


def _unless_nan(x: Value) -> Value:
    return mp.mpf(0) if mp.isnan(x) else x


def _sorted(places: Places, whole: range) -> Table:
    value = dict(places)
    ranks = enumerate(_ascending(places), whole.start)
    return {mp.mpf(k): _as_number(value[place]) for k, place in ranks}


def _argsorted(places: Places, whole: range) -> Table:
    ranks = enumerate(_ascending(places), whole.start)
    return {mp.mpf(k): mp.mpf(place) for k, place in ranks}


def _ranked(places: Places, whole: range) -> Table:
    """The place of each value in ascending order; infinite for a place that takes no part."""
    table = {mp.mpf(k): mp.inf for k in whole}
    return table | {mp.mpf(place): mp.mpf(k) for k, place in enumerate(_ascending(places))}


ALONG: dict[str, Callable[[Places, range], Table]] = {
    "cumsum": lambda p, whole: _scan(p, whole, lambda a, b: a + b, mp.mpf(0)),
    "logcumsumexp": lambda p, whole: _scan(p, whole, _logaddexp, -mp.inf),
    "sort": _sorted,
    "argsort": _argsorted,
    "rank": _ranked,
}
