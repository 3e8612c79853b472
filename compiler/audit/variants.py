"""The losses that one text stands for: one for each value of the params that are part of a formula.

A param that stands in a slot, a size or a range is fixed when the loss is compiled, and so is one
that is `none`. Another value is another formula. What is said of every value of the params must be
shown of each of them.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice, product

from lossc.dsl.diagnostics import LosscError

from .. import domains as dom
from ..check import Checked, specialise
from ..elaborate.declare import Default, Param
from ..ir import BOOL
from .tidy import tidy, value_of

MOST = 12  # formulas of one text
TRIED = 4  # numbers in place of `none`
NEAR = (1, -1, 3)  # steps from a default to other values, where not all can be tried
HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Variant:
    """A loss with some params fixed: `fixed` has the values that are not those by default."""

    checked: Checked
    fixed: Mapping[str, Default]


@dataclass(frozen=True)
class Variants:
    """The formulas of a loss, the one by default first.

    `values` has those of each param that make formulas, that by default first. `scope` names the
    values by default of params of which there are more than are here; it is empty where all are.
    """

    all: tuple[Variant, ...]
    values: Mapping[str, tuple[Default, ...]]
    scope: str = ""


@dataclass(frozen=True)
class _Choice:
    """The values of a param that are tried, that by default first.

    `whole` tells that no other value matters, `fixed` that its numbers are fixed when compiled.
    """

    values: tuple[Default, ...]
    whole: bool = True
    fixed: bool = False


def variants(checked: Checked) -> Variants:
    """The formulas that a loss stands for."""
    choices = {n: _choice(checked, p) for n, p in checked.params.items()}
    short = {n for n, c in choices.items() if not c.whole}
    listed = {n for n, c in choices.items() if c.fixed}
    found = [Variant(checked, {})]
    picks = product(*(c.values for c in choices.values()))
    for picked in islice(picks, 1, MOST):
        pairs = zip(choices, choices.values(), picked, strict=True)
        fixed = {n: v for n, c, v in pairs if v is not c.values[0]}
        again = specialised(checked, fixed)
        if again is not None:
            found.append(Variant(again, fixed))
            short |= {n for n in again.static if again.params[n].default is not None} - listed
    if next(picks, None) is not None:
        short |= {n for n, c in choices.items() if len(c.values) > 1}
    values = {n: c.values for n, c in choices.items() if c.fixed or len(c.values) > 1}
    return Variants(tuple(found), values, defaults(checked, short))


def defaults(checked: Checked, names: Container[str]) -> str:
    """The values by default of some params, as the language has them."""
    params = checked.params.items()
    return " and ".join(f"{n} = {spelt(p.default)}" for n, p in params if n in names)


def specialised(checked: Checked, fixed: Mapping[str, Default]) -> Checked | None:
    """A loss with other values of some params; None where it does not take them."""
    try:
        return specialise(checked, fixed)
    except LosscError:
        return None


def spelt(value: Default) -> str:
    """A value as the language has it."""
    return shown(value).lower() if value is None or isinstance(value, bool) else shown(value)


def shown(value: Default) -> str:
    """A value as Python reads it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, Fraction) and value.denominator != 1:
        return repr(float(value))
    return str(value)


def _choice(checked: Checked, param: Param) -> _Choice:
    """The values of a param that make formulas of their own."""
    default = param.default
    if default is None:
        return _of_none(checked, param)
    own = _members(checked, param, default) if param.name in checked.static else _Choice((default,))
    if _asks_for_none(checked) and specialised(checked, {param.name: None}) is not None:
        return replace(own, values=(*own.values, None))
    return own


def _asks_for_none(checked: Checked) -> bool:
    """Whether the text of a loss, or of what it uses, has the word."""
    return any(re.search(r"\bnone\b", s.text) for s in checked.unit.sources())


def _of_none(checked: Checked, param: Param) -> _Choice:
    """`none`, and a number, which stands for all unless it is fixed when compiled."""
    for some in () if param.axes else islice(_numbers(param.meaning), TRIED):
        again = specialised(checked, {param.name: some})
        if again is not None:
            break
    else:
        return _Choice((None,), False)
    if param.name not in again.static:
        return _Choice((None, some))
    rest = _members(again, param, some)
    return replace(rest, values=(None, *rest.values))


def _members(checked: Checked, param: Param, first: Default) -> _Choice:
    """The integers of a domain, or some of them."""
    known = list(islice(_numbers(param.meaning), MOST + 1))
    if _is_finite(param.meaning) and len(known) <= MOST:
        values = (first, *(v for v in known if v != first))
        return _Choice(
            values, _is_listed(param.meaning) or not _takes_fractions(checked, param), True
        )
    near = [first + step for step in NEAR] if isinstance(first, Fraction) else []
    return _Choice((first, *(v for v in near if _contains(param.meaning, v))), False, True)


def _takes_fractions(checked: Checked, param: Param) -> bool:
    """Whether a param that is fixed when compiled may be another number than an integer."""
    default = param.default
    half = default + HALF if isinstance(default, Fraction) else HALF
    return specialised(checked, {param.name: half}) is not None


def _is_listed(meaning: dom.Domain) -> bool:
    """Whether a domain has no other numbers than those that it lists."""
    if isinstance(meaning, dom.Union):
        return all(map(_is_listed, meaning.parts))
    return isinstance(meaning, dom.Values | dom.IntRange | dom.Bools)


def _is_finite(meaning: dom.Domain) -> bool:
    """Whether all integers of a domain can be listed."""
    match meaning:
        case dom.Union(parts):
            return all(map(_is_finite, parts))
        case dom.Values(values):
            return all(value_of(tidy(v)) is not None for v in values)
        case dom.IntRange() | dom.Between():
            return None not in _ends(meaning)
    return isinstance(meaning, dom.Bools)


def _numbers(meaning: dom.Domain) -> Iterator[Fraction | bool]:
    """Integers of a domain, and listed numbers; where there are too many, from a low end on."""
    match meaning:
        case dom.Union(parts):
            for part in parts:
                yield from _numbers(part)
        case dom.Values(values):
            yield from (x for x in (value_of(tidy(v)) for v in values) if x is not None)
        case dom.Bools():
            yield from (True, False)
        case dom.IntRange() | dom.Between():
            low, high = _ends(meaning)
            start = low if low is not None else min(high or Fraction(0), Fraction(0))
            k = Fraction(-(-start // 1))
            while high is None or k <= high:
                if _contains(meaning, k):
                    yield k
                k += 1
            if high is not None and low is not None and high - low < 1:
                yield (low + high) / 2
        case dom.Reals() | dom.Ints():
            yield from (Fraction(1), Fraction(0), Fraction(2), Fraction(-1))


def _ends(meaning: dom.IntRange | dom.Between) -> tuple[Fraction | None, Fraction | None]:
    """The bounds of a domain that are numbers."""
    low, high = (None if b is None else value_of(tidy(b)) for b in (meaning.low, meaning.high))
    return low, high


def _contains(meaning: dom.Domain, x: Fraction) -> bool:
    """Whether an integer is in a domain, by bounds that are numbers."""
    match meaning:
        case dom.Union(parts):
            return any(_contains(p, x) for p in parts)
        case dom.Values():
            return x in _numbers(meaning)
        case dom.IntRange() | dom.Between():
            low, high = _ends(meaning)
            opens = isinstance(meaning, dom.Between) and (meaning.low_open, meaning.high_open)
            low_open, high_open = opens or (False, False)
            above = low is None or (x > low if low_open else x >= low)
            return above and (high is None or (x < high if high_open else x <= high))
    return meaning.kind != BOOL
