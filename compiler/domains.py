"""Domains of inputs and params, as an author declared them, with bounds as closed terms."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from .ir import BOOL, INT, REAL, Axis, Const, Expr, Kind, Size, postorder


@dataclass(frozen=True, slots=True)
class Reals:
    """All reals."""

    kind: Kind = REAL


@dataclass(frozen=True, slots=True)
class Ints:
    """All integers."""

    kind: Kind = INT


@dataclass(frozen=True, slots=True)
class Bools:
    """True and false."""

    kind: Kind = BOOL


@dataclass(frozen=True, slots=True)
class Between:
    """The reals between two bounds; a bound of None is none."""

    low: Expr | None
    high: Expr | None
    low_open: bool = False
    high_open: bool = False
    kind: Kind = REAL


@dataclass(frozen=True, slots=True)
class IntRange:
    """The integers from `low` to `high`, both included."""

    low: Expr
    high: Expr
    kind: Kind = INT


@dataclass(frozen=True, slots=True)
class Values:
    """The listed values; they are of kind int if all are integers."""

    values: tuple[Expr, ...]

    @property
    def kind(self) -> Kind:
        """The kind of the elements."""
        return INT if all(v.kind == INT for v in self.values) else REAL


@dataclass(frozen=True, slots=True)
class IndexOf:
    """The places of an axis: 0 to its size less 1."""

    axis: Axis
    kind: Kind = INT


@dataclass(frozen=True, slots=True)
class Simplex:
    """Non-negative numbers that sum to 1 along an axis."""

    axis: Axis
    kind: Kind = REAL


@dataclass(frozen=True, slots=True)
class OneHot:
    """Zeros and a single 1 along an axis."""

    axis: Axis
    kind: Kind = INT


@dataclass(frozen=True, slots=True)
class Union:
    """What is in any of the parts."""

    parts: tuple[Domain, ...]

    @property
    def kind(self) -> Kind:
        """The kind of the elements: int if every part is."""
        kinds = {p.kind for p in self.parts}
        return kinds.pop() if len(kinds) == 1 else REAL


Domain = Reals | Ints | Bools | Between | IntRange | Values | IndexOf | Simplex | OneHot | Union


def terms_of(domain: Domain) -> list[Expr]:
    """The terms that a domain's bounds are."""
    match domain:
        case Between() | IntRange():
            return [t for t in (domain.low, domain.high) if t is not None]
        case Values(values):
            return list(values)
        case Union(parts):
            return [t for p in parts for t in terms_of(p)]
    return []


def axes_of(domain: Domain) -> list[Axis]:
    """The axes whose lengths a domain depends on."""
    if isinstance(domain, IndexOf):
        return [domain.axis]
    if isinstance(domain, Union):
        return [a for p in domain.parts for a in axes_of(p)]
    parts = [t for term in terms_of(domain) for t in postorder(term)]
    return [t.axis for t in parts if isinstance(t, Size)]


def is_positive(domain: Domain | None) -> bool:
    """Whether all numbers of a domain are above 0, by bounds that are numbers."""
    match domain:
        case Between(low=Const(value=Fraction() as low), low_open=is_open):
            return low > 0 or (low == 0 and is_open)
        case IntRange(low=Const(value=Fraction() as low)):
            return low > 0
        case Values(values=values):
            numbers = [v.value for v in values if isinstance(v, Const)]
            known = [n for n in numbers if isinstance(n, Fraction) and n > 0]
            return len(known) == len(values)
        case Union(parts=parts):
            return all(map(is_positive, parts))
    return False
