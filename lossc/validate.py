"""Checking data against the domains that a loss declares."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from mpmath import mp

from lossc.compiler import domains as dom
from lossc.compiler.check import Checked, specialise
from lossc.compiler.elaborate.declare import Input, Param
from lossc.compiler.interpret import interpret
from lossc.compiler.ir import (
    PACK,
    Access,
    Apply,
    Axis,
    Const,
    Expr,
    Program,
    Size,
    postorder,
    rebuild,
)  # fmt: skip
from lossc.compiler.sizes import fit
from lossc.dsl.diagnostics import ArgumentError, Diagnostic, Label

from .defaults import to_numpy

Array = np.ndarray[Any, Any]

# A distribution in text may have passed through float32.
_LEAST_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Outside:
    """An input or param with values outside its domain: the first of them, and how many.

    `place` counts from 0 in each axis; it lacks the axis of a distribution whose sum is wrong.
    """

    decl: Input | Param
    place: tuple[int, ...]
    fact: str
    count: int
    total: int

    def diagnostic(self, *notes: str) -> Diagnostic:
        """The finding, with further notes."""
        more = f"{self.count} of its {self.total} values are outside"
        counted = (more,) if self.count > 1 else ()
        missing = isinstance(self.decl, Input) and self.fact.endswith(" nan")
        help = "leave missing values out: mean[i if not isnan(y[i])](...)"
        return Diagnostic(
            "E0605",
            f"`{self.decl.name}` is outside its domain",
            Label(self.decl.span, "declared here"),
            notes=(f"{self.fact}; its domain is {self.decl.domain}", *counted, *notes),
            help=help if missing else None,
        )


def validate(checked: Checked, inputs: Sequence[Any], params: Mapping[str, Any]) -> None:
    """Check inputs, in declared order, and params against their domains.

    Raises ArgumentError with everything that has a value outside, the first value of each and its
    place; also where shapes do not fit the declarations.
    """
    found = [outside.diagnostic() for outside in find_outside(checked, inputs, params)]
    if found:
        raise ArgumentError(found)


def find_outside(
    checked: Checked, inputs: Sequence[Any], params: Mapping[str, Any]
) -> Iterator[Outside]:
    """Each input and param that has values outside its domain."""
    checked = _fixed(checked, params)
    decls: list[Input | Param] = [*checked.inputs.values(), *checked.params.values()]
    given = [*inputs, *(params.get(n, to_numpy(checked, n)) for n in checked.params)]
    pairs = [(d, to_array(d, x)) for d, x in zip(decls, given, strict=True) if x is not None]
    present = [d for d, _ in pairs]
    shapes = [a.shape for _, a in pairs]
    sizes = fit(checked.name, present, shapes, checked.program.constraints)
    values = {d.name: a for d, a in pairs if isinstance(d, Param)}
    bounds = _Bounds({axis: n for axis, n in sizes.items() if n is not None}, values)
    for decl, array in pairs:
        found = _outside(decl, array, bounds, _tested(checked.program, decl))
        if found is not None:
            yield found


# --- params --------------------------------------------------------------------------------


def key_of(inputs: Sequence[Any], params: Mapping[str, Any], sized: bool) -> Hashable:
    """What tells calls apart whose params must be checked anew; None where nothing is plain."""
    plain = tuple((n, _key(v)) for n, v in params.items() if _is_plain(v))
    shapes = tuple(_shape(x) for x in inputs) if sized else ()
    return (plain, tuple(n for n in params if not _is_plain(params[n])), shapes)


def check_params(checked: Checked, inputs: Sequence[Any], params: Mapping[str, Any]) -> None:
    """Check the params that are plain numbers or arrays against their domains.

    Tensors and variables are not looked at, nor is a domain that depends on one or on a length that
    is not known yet. Raises ArgumentError with the first value outside of each.
    """
    plain = {n: v for n, v in params.items() if _is_plain(v)}
    checked = _fixed(checked, plain)
    known = [n for n in checked.params if n in plain or n not in params]
    given = {n: plain.get(n, to_numpy(checked, n)) for n in known}
    values = {n: a for n, v in given.items() if (a := _numbers(v)) is not None}
    sizes = _sizes(checked, inputs, values)
    bounds = _Bounds(sizes, values)
    found = []
    for name, array in values.items():
        decl = checked.params[name]
        if bounds.tell(decl.meaning) and array.ndim == len(decl.axes):
            outside = _outside(decl, array, bounds, frozenset())
            default = () if name in plain else ("it is the default",)
            found += [] if outside is None else [outside.diagnostic(*default)]
    if found:
        raise ArgumentError(found)


def _is_plain(value: Any) -> bool:
    """Whether a param is a number or array whose value is fixed: no tensor and no variable."""
    if value is None or isinstance(value, (bool, int, float, list, tuple, np.ndarray, np.generic)):
        return True
    home = type(value).__module__.split(".")[0]
    return hasattr(value, "__array__") and home not in ("tensorflow", "keras")


def _key(value: Any) -> Hashable:
    if value is None or isinstance(value, (bool, int, float)):
        return type(value), value
    array = _numbers(value)
    return None if array is None else (array.dtype.str, array.shape, array.tobytes())


def _numbers(value: Any) -> Array | None:
    """A plain value as an array; None for what holds no numbers, which the call refuses."""
    if value is None:
        return None
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, NotImplementedError):
        return None
    return array if array.dtype.kind in "biuf" or array.dtype.name == "bfloat16" else None


def _sizes(checked: Checked, inputs: Sequence[Any], params: Mapping[str, Array]) -> dict[Axis, int]:
    """The lengths of axes that are known; those of shapes that do not fit are left to the call."""
    pairs: list[tuple[Input | Param, Any]] = list(
        zip(checked.inputs.values(), map(_shape, inputs), strict=False)
    )
    pairs += [(checked.params[n], a.shape) for n, a in params.items()]
    known = [(d, s) for d, s in pairs if s is not None]
    try:
        found = fit(checked.name, [d for d, _ in known], [s for _, s in known])
    except ArgumentError:
        return {}
    return {axis: n for axis, n in found.items() if n is not None}


def _shape(value: Any) -> tuple[int | None, ...] | None:
    shape = getattr(value, "shape", None)
    if shape is None:
        array = _numbers(value)
        return None if array is None else array.shape
    return None if getattr(shape, "rank", 0) is None else tuple(shape)


def to_array(decl: Input | Param, value: Any) -> Array:
    """Concrete data as a NumPy array of numbers."""
    try:
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    except (AttributeError, NotImplementedError):
        raise ArgumentError(_not_concrete(decl)) from None
    except (ValueError, TypeError):
        raise ArgumentError(_no_numbers(decl, f"it is a {type(value).__name__}")) from None
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        raise ArgumentError(_no_numbers(decl, f"its dtype is {array.dtype}"))
    return array


def _no_numbers(decl: Input | Param, why: str) -> Diagnostic:
    help = "give an array of floats, integers or bools of one shape"
    message = f"`{decl.name}` must hold numbers"
    return Diagnostic("E0604", message, Label(decl.span), notes=(why,), help=help)


def _not_concrete(decl: Input | Param) -> Diagnostic:
    help = "check the data before it enters the graph: loss.validate(...)"
    message = f"`{decl.name}` has no value yet, so its domain cannot be checked"
    return Diagnostic("E0616", message, Label(decl.span), help=help)


def _fixed(checked: Checked, params: Mapping[str, Any]) -> Checked:
    """The loss with the params that are, or by default are, `none` at the values given."""
    changed = {n: v for n, v in params.items() if v is None or checked.params[n].default is None}
    if not changed:
        return checked
    exact = {n: None if v is None else _fraction(v) for n, v in changed.items()}
    return specialise(checked, exact)


def _fraction(value: Any) -> Fraction:
    number = float(np.asarray(value))
    return Fraction(number) if np.isfinite(number) else Fraction(0)


def _tested(program: Program, decl: Input | Param) -> frozenset[str]:
    """Which of isnan and isfinite the formula asks of a tensor: it then may be that."""
    tests = [
        t.op
        for t in postorder(program.value)
        if isinstance(t, Apply) and t.op in ("isnan", "isfinite")
        if isinstance(t.args[0], Access) and t.args[0].tensor.name == decl.name
    ]
    return frozenset(tests)


# --- one tensor ----------------------------------------------------------------------------


def _outside(
    decl: Input | Param, array: Array, bounds: _Bounds, tested: frozenset[str]
) -> Outside | None:
    if array.dtype.name in ("bfloat16", "bool"):
        array = array.astype(np.float32 if array.dtype.name == "bfloat16" else np.int8)
    inside = _inside(decl, decl.meaning, array, bounds) | _allowed(decl, array, tested)
    if inside.all():
        return None
    first = int(np.argmin(inside.reshape(-1)))
    place = tuple(int(k) for k in np.unravel_index(first, inside.shape))
    fact, place = _fact(decl, array, place)
    return Outside(decl, place, fact, int(np.sum(~inside)), inside.size)


def _allowed(decl: Input | Param, array: Array, tested: frozenset[str]) -> Array:
    """Places that are in a domain whatever it is: those the formula asks about."""
    if array.dtype.kind != "f" or not tested:
        return np.zeros(array.shape, bool)
    return np.isnan(array) if "isfinite" not in tested else ~np.isfinite(array)


def _fact(decl: Input | Param, array: Array, place: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """What is wrong at a place, and the place."""
    meaning = decl.meaning
    if isinstance(meaning, dom.Simplex | dom.OneHot):
        axis = _axis_place(decl, meaning.axis, array.ndim)
        assert axis is not None
        row = array[_whole(place, axis)]
        single = row >= 0 if isinstance(meaning, dom.Simplex) else (row == 0) | (row == 1)
        if single.all():
            total = row.sum(dtype=np.float64)
            slots = [":" if k == axis else str(i) for k, i in enumerate(place)]
            short = tuple(i for k, i in enumerate(place) if k != axis)
            return f"{decl.name}[{', '.join(slots)}] sums to {total}", short
        wrong = int(np.argmin(single))
        place = tuple(wrong if k == axis else i for k, i in enumerate(place))
    at = f"[{', '.join(map(str, place))}]" if place else ""
    return f"{decl.name}{at} is {array[place]}", place


def _whole(place: tuple[int, ...], axis: int) -> tuple[Any, ...]:
    return tuple(slice(None) if k == axis else i for k, i in enumerate(place))


# --- domains -------------------------------------------------------------------------------


def _inside(decl: Input | Param, domain: dom.Domain, x: Array, bounds: _Bounds) -> Array:
    """Where an array's values are in a domain; along a distribution's axis all are or none."""
    match domain:
        case dom.Reals():
            return np.asarray(~np.isnan(x) if isinstance(decl, Param) else np.isfinite(x))
        case dom.Ints():
            return _whole_number(x)
        case dom.Bools():
            return np.asarray((x == 0) | (x == 1))
        case dom.Between():
            return _between(domain, x, bounds)
        case dom.IntRange(low, high):
            below, above = bounds.integers(low, high)
            return np.asarray(_whole_number(x) & (x >= below) & (x <= above))
        case dom.Values(values):
            return _any_of([x == bounds.like(v, x) for v in values], x)
        case dom.IndexOf(axis):
            return _whole_number(x) & (x >= 0) & (x < bounds.size(axis))
        case dom.Simplex() | dom.OneHot():
            return _distribution(decl, domain, x)
        case dom.Union(parts):
            return _any_of([_inside(decl, p, x, bounds) for p in parts], x)


def _any_of(masks: Sequence[Array], x: Array) -> Array:
    found = np.zeros(x.shape, bool)
    for mask in masks:
        found |= mask
    return found


def _whole_number(x: Array) -> Array:
    if x.dtype.kind != "f":
        return np.ones(x.shape, bool)
    whole: Array = np.isfinite(x) & (x == np.floor(x))
    return whole


def _between(domain: dom.Between, x: Array, bounds: _Bounds) -> Array:
    inside = ~np.isnan(x)
    for bound, sign, is_open in (
        (domain.low, -1, domain.low_open), (domain.high, 1, domain.high_open)
    ):  # fmt: skip
        limit = bounds.like(bound, x) if bound is not None else sign * np.inf
        above: Callable[..., Array] = np.less if is_open or bound is None else np.less_equal
        inside &= above(x, limit) if sign > 0 else above(limit, x)
    return inside


def _distribution(decl: Input | Param, domain: dom.Simplex | dom.OneHot, x: Array) -> Array:
    axis = _axis_place(decl, domain.axis, x.ndim)
    if axis is None:
        return np.ones(x.shape, bool)
    if isinstance(domain, dom.OneHot):
        single, sums = (x == 0) | (x == 1), x.sum(axis=axis, dtype=np.float64, keepdims=True) == 1
    else:
        eps = float(np.finfo(x.dtype).eps) if x.dtype.kind == "f" else 0.0
        with np.errstate(invalid="ignore"):
            off = np.abs(x.sum(axis=axis, dtype=np.float64, keepdims=True) - 1)
        single, sums = x >= 0, off <= max(np.sqrt(eps), _LEAST_TOLERANCE)
    return np.broadcast_to(single.all(axis=axis, keepdims=True) & sums, x.shape)


def _axis_place(decl: Input | Param, axis: Axis, rank: int) -> int | None:
    """Where an axis stands in an array of so many axes."""
    names = [a.name for a in decl.tensor.axes]
    if axis.name not in names:
        return None
    place = names.index(axis.name)
    return place if PACK not in names[:place] else place + rank - len(names)


# --- bounds --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Evaluates the bounds of domains, which are made of numbers, params and sizes."""

    sizes: Mapping[Axis, int]
    params: Mapping[str, Array]

    def size(self, axis: Axis) -> int:
        """The length of an axis."""
        return axis.size if axis.size is not None else self.sizes[axis]

    def tell(self, domain: dom.Domain) -> bool:
        """Whether all that a domain depends on is known."""
        axes = all(a.size is not None or a in self.sizes for a in dom.axes_of(domain))
        parts = [t for term in dom.terms_of(domain) for t in postorder(term)]
        return axes and all(t.tensor.name in self.params for t in parts if isinstance(t, Access))

    def number(self, term: Expr) -> Any:
        """A bound as an mpmath number."""

        def leaf(part: Expr) -> Expr | None:
            if isinstance(part, Size) and (part.axis.size is not None or part.axis in self.sizes):
                return Const(Fraction(self.size(part.axis)))
            return None

        closed = rebuild(term, leaf)
        tensors = {t.tensor: None for t in postorder(closed) if isinstance(t, Access)}
        program = Program("bound", (), tuple(tensors), closed)
        return interpret(program, {t.name: self.params[t.name] for t in tensors})

    def integers(self, low: Expr, high: Expr) -> tuple[Any, Any]:
        """The least and the largest integer between two bounds."""
        first, last = self.number(low), self.number(high)
        below = int(mp.ceil(first)) if mp.isfinite(first) else float(first)
        return below, int(mp.floor(last)) if mp.isfinite(last) else float(last)

    def like(self, term: Expr, x: Array) -> Any:
        """A bound as a number of an array's dtype, where that can be."""
        value = self.number(term)
        if x.dtype.kind == "f":
            with np.errstate(over="ignore"):
                return x.dtype.type(float(value))
        is_whole = mp.isfinite(value) and mp.isint(value)
        return int(value) if is_whole else float(value)
