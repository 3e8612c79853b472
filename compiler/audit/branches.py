"""The branches of a formula, as programs that count how often data takes each side of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from lossc.dsl.source import Span

from ..check import Checked
from ..fold import apply, conjunction, select
from ..ir import (
    INT,
    Access,
    Along,
    Apply,
    Bound,
    Const,
    Expr,
    Index,
    Program,
    Range,
    Reduce,
    Select,
    postorder,
    reduce,
)  # fmt: skip
from .places import Places

MOST = 40  # branches that are looked at
ZERO, ONE, TRUE = Const(Fraction(0)), Const(Fraction(1)), Const(True)
KINKS = frozenset(("abs", "relu", "max", "min", "clip"))


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a branch in words, and the program that counts how often it is taken."""

    label: str
    count: Program


@dataclass(frozen=True, slots=True)
class Branch:
    """An `if`, a filter, or a function with a kink: its place, its sides, how often it is met."""

    name: str
    text: str
    span: Span
    sides: tuple[Side, ...]
    met: Program


@dataclass(frozen=True, slots=True)
class _Site:
    """A term that has branches, and the conditions under which it is there."""

    term: Expr
    conditions: tuple[Expr, ...]


def branches(checked: Checked) -> list[Branch]:
    """The branches that inputs decide, in the order of the text."""
    places = Places.of(checked)
    program = checked.program
    found = [_branch(site, program, places) for site in _sites(program.value)]
    return sorted((b for b in found if b is not None), key=lambda b: (b.span.start, b.span.stop))


def _sites(root: Expr) -> list[_Site]:
    """The terms with branches, each under every set of conditions once."""
    sites: dict[_Site, None] = {}
    done: set[_Site] = set()
    stack = [_Site(root, ())]
    while stack and len(sites) < MOST:
        site = stack.pop()
        if site in done or not _reads_input(site.term):
            continue
        done.add(site)
        if _has_sides(site.term):
            sites[site] = None
        stack += _inside(site)
    return [s for s in sites if not any(_covers(o, s) for o in sites)]


def _covers(site: _Site, other: _Site) -> bool:
    """Whether a term stands at another place too, under fewer conditions."""
    fewer = set(site.conditions) < set(other.conditions)
    return fewer and site.term == other.term


def _inside(site: _Site) -> Iterator[_Site]:
    """The parts of a term with the conditions under which each is there."""
    term, conditions = site.term, site.conditions
    match term:
        case Select(condition=c):
            other = apply("not", (c,))
            yield from (_Site(c, conditions), _Site(term.then, (*conditions, c)))
            yield _Site(term.other, (*conditions, other))
        case Reduce(filter=f) | Along(filter=f) if f is not None:
            yield from (_Site(f, conditions), _Site(term.body, (*conditions, f)))
        case _:
            yield from (_Site(p, conditions) for p in term.parts)


def _has_sides(term: Expr) -> bool:
    match term:
        case Select() | Reduce(filter=Expr()):
            return True
        case Apply(op=op, args=args):
            return op in KINKS and (op not in ("max", "min") or len(args) == 2)
    return False


def _reads_input(term: Expr) -> bool:
    return any(isinstance(t, Access) and not t.tensor.is_param for t in postorder(term))


def _branch(site: _Site, program: Program, places: Places) -> Branch | None:
    """A branch with its counting programs; None where its indices are not those of a reduction."""
    name, sides, shown = _sides(site.term, places)
    if not any(_reads_input(c) for _, c in sides):
        return None
    free = frozenset[Index]().union(*(t.free for t in (*(c for _, c in sides), *site.conditions)))
    ranges: dict[Index, Range] = {i: i.range for i in free if isinstance(i, Bound)}
    if len(ranges) != len(free):
        return None

    def counted(condition: Expr) -> Program:
        return replace(program, value=_count(condition, site.conditions, ranges), axes=())

    span = places.place(shown)
    text = span.text if span != places.whole or shown == program.value else name
    counts = tuple(Side(label, counted(c)) for label, c in sides)
    return Branch(name, " ".join(text.split()), span, counts, counted(TRUE))


def _count(condition: Expr, around: tuple[Expr, ...], ranges: dict[Index, Range]) -> Expr:
    """How often a condition holds where others do."""
    whole = conjunction((*around, condition))
    if ranges:
        return reduce("count", ranges, whole, None, INT) if whole != TRUE else _size(ranges)
    return select(whole, Const(Fraction(1)), Const(Fraction(0)))


def _size(ranges: dict[Index, Range]) -> Expr:
    """The number of places of some indices."""
    return reduce("sum", ranges, ONE)


def _sides(term: Expr, places: Places) -> tuple[str, list[tuple[str, Expr]], Expr]:
    """The name of a branch, its sides with their conditions, and the term whose text is shown."""
    match term:
        case Select(condition=c):
            return "if", [("then", c), ("else", apply("not", (c,)))], c
        case Reduce(filter=f) if f is not None:
            return "filter", [("kept", f), ("left out", apply("not", (f,)))], f
        case Apply(op="abs", args=(x,)):
            return "abs", _around(x, ZERO, ("below 0", "at 0", "above 0")), term
        case Apply(op="relu", args=(x,)):
            return "relu", _around(x, ZERO, ("below 0", "at 0", "above 0")), term
        case Apply(op="clip", args=(x, low, high)):
            inside = conjunction((apply("ge", (x, low)), apply("le", (x, high))))
            sides = [("below", apply("lt", (x, low))), ("within", inside),
                     ("above", apply("gt", (x, high)))]  # fmt: skip
            return "clip", sides, term
        case Apply(op=op, args=(x, y)):
            first, second = (_said(a, places, w) for a, w in ((x, "first"), (y, "second")))
            larger = "is larger" if op == "max" else "is smaller"
            sides = _around(x, y, (second, "equal", first))
            if op == "min":
                sides = [(first, sides[0][1]), sides[1], (second, sides[2][1])]
            return op, [(s if s == "equal" else f"{s} {larger}", c) for s, c in sides], term
    raise TypeError(type(term).__name__)


def _around(x: Expr, y: Expr, words: tuple[str, str, str]) -> list[tuple[str, Expr]]:
    """The sides of an equality."""
    ops = ("lt", "eq", "gt")
    return [(word, apply(op, (x, y))) for word, op in zip(words, ops, strict=True)]


def _said(term: Expr, places: Places, word: str) -> str:
    """A term as it is written, where that is known and short."""
    if isinstance(term, Const) and isinstance(term.value, Fraction):
        return f"{float(term.value):.6g}"
    span = places.place(term)
    text = span.words
    return text if span != places.whole and len(text) <= 24 else f"the {word}"
