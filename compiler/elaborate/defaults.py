"""Defaults of params against their own domains, as far as exact numbers decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from .. import domains as dom
from ..fold import apply
from ..ir import Access, Apply, Const, Expr, Size
from .declare import Default, Param
from .run import Run

Number = Fraction | float

_NAMED = {"inf": float("inf"), "-inf": float("-inf"), "pi": 3.141592653589793,
          "e": 2.718281828459045}  # fmt: skip
_TOLERANCE = 1e-6  # of the sum of a distribution, as of data


def check_defaults(params: Mapping[str, Param], run: Run) -> None:
    """Report each param whose default is outside its domain.

    What depends on the sizes of data is left to the call.
    """
    for param in params.values():
        wrong = _wrong(param, params)
        if wrong is not None:
            run.fail(
                "E0617", param.span, f"the default of `{param.name}` is outside its domain",
                f"{param.name} {wrong}; its domain is {param.domain}",
                help="choose a default inside, or widen the domain",
            )  # fmt: skip


def _wrong(param: Param, params: Mapping[str, Param]) -> str | None:
    """What is wrong with a default; None if nothing is known to be."""
    numbers = list(_numbers(param.default))
    if isinstance(param.meaning, dom.Simplex | dom.OneHot):
        total = float(sum(numbers))
        off = len(param.axes) == 1 and abs(total - 1) > _TOLERANCE
        return f"sums to {total:g}" if off else None
    outside = (x for x in numbers if _holds(param.meaning, x, params) is False)
    first = next(outside, None)
    has = "is" if not param.axes else "has"
    return None if first is None else f"{has} {float(first):g}"


def _numbers(default: Default) -> Iterator[Number]:
    if isinstance(default, tuple):
        for part in default:
            yield from _numbers(part)
    elif isinstance(default, str):
        yield _NAMED[default]
    elif default is not None:
        yield Fraction(default)


def _holds(domain: dom.Domain, x: Number, params: Mapping[str, Param]) -> bool | None:
    """Whether a number is in a domain; None where only a call can tell."""
    match domain:
        case dom.Ints():
            return _is_whole(x)
        case dom.Bools():
            return x in (0, 1)
        case dom.Between(low, high, low_open, high_open):
            sides = (_above(x, low, low_open, params), _below(x, high, high_open, params))
            return _all(*sides)
        case dom.IntRange(low, high):
            sides = (_above(x, low, False, params), _below(x, high, False, params))
            return _all(_is_whole(x), *sides)
        case dom.Values(values):
            bounds = [_number(v, params) for v in values]
            return x in bounds or (None if None in bounds else False)
        case dom.IndexOf(axis):
            return _all(_is_whole(x), x >= 0, None if axis.size is None else x < axis.size)
        case dom.Union(parts):
            found = [_holds(p, x, params) for p in parts]
            return True in found or (None if None in found else False)
    return True


def _all(*parts: bool | None) -> bool | None:
    return False if False in parts else None if None in parts else True


def _is_whole(x: Number) -> bool:
    return isinstance(x, Fraction) and x.denominator == 1


def _above(x: Number, low: Expr | None, is_open: bool, params: Mapping[str, Param]) -> bool | None:
    if low is None:
        return True
    bound = _number(low, params)
    return None if bound is None else bool(x > bound or (x == bound and not is_open))


def _below(x: Number, high: Expr | None, is_open: bool, params: Mapping[str, Param]) -> bool | None:
    if high is None:
        return True
    bound = _number(high, params)
    return None if bound is None else x < bound or (x == bound and not is_open)


def _number(term: Expr, params: Mapping[str, Param]) -> Number | None:
    """A bound as a number, with params at their defaults; None if a call decides it."""
    closed = _closed(term, params)
    if not isinstance(closed, Const) or isinstance(closed.value, bool):
        return None
    return _NAMED.get(closed.value) if isinstance(closed.value, str) else closed.value


def _closed(term: Expr, params: Mapping[str, Param]) -> Expr:
    match term:
        case Size(axis=axis) if axis.size is not None:
            return Const(Fraction(axis.size))
        case Access(tensor=tensor) if not tensor.axes and tensor.name in params:
            default = params[tensor.name].default
            return term if isinstance(default, tuple) else Const(default)
        case Apply(op=op, args=args):
            return apply(op, tuple(_closed(a, params) for a in args))
    return term
