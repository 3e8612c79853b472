"""Inputs that reach a loss's value only where no gradient passes: through rounding, say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lossc.dsl.primitives import ALONG, BOOL, PRIMITIVES, REDUCTIONS
from lossc.dsl.source import Span

from .ir import REAL, Access, Along, Apply, Expr, Reduce, Select, postorder

PLACES = ("argmax", "argmin", "rank", "argsort", "one_hot")
ROUNDING = ("floor", "ceil", "round")
Cut = tuple[Span, Expr]


def is_flat(function: str) -> bool:
    """Whether a function of the language gives what has no slope, or slope 0."""
    row = PRIMITIVES.get(function)
    if row is None or row.takes == BOOL:
        return function in PLACES
    return row.gives == BOOL or set(row.slopes) == {"0"}


def cut_inputs(
    value: Expr, inputs: Iterable[str], cuts: Iterable[Cut]
) -> Iterator[tuple[str, Span]]:
    """The inputs that should have a gradient and have none, and where the path to each is cut.

    The second input is the prediction, or the first where no other can be. Of other inputs it is no
    mistake that they are only compared, held or looked up, as labels, weights and targets are; but
    one that is only rounded counts.
    """
    names = list(inputs)
    smooth = reached(value)
    found = {n: innermost(c for c in cuts if n in read_by(c[1])) for n in names if n not in smooth}
    for name, cut in found.items():
        if cut is None:
            continue
        span, term = cut
        place = names.index(name)
        alone = place == 0 and not smooth & set(names) and not any(found.get(n) for n in names[1:])
        rounded = place > 1 and isinstance(term, Apply) and term.op in ROUNDING
        if place == 1 or alone or rounded:
            yield name, span


def innermost(cuts: Iterable[Cut]) -> Cut | None:
    """The first of the places that have no other inside."""
    found = list(cuts)
    spans = [s for s, _ in found]
    inner = [c for c in found if not any(_inside(s, c[0]) for s in spans)]
    return min(inner, key=lambda c: c[0].start, default=None)


def _inside(span: Span, other: Span) -> bool:
    """Whether a place lies within another, and is smaller."""
    within = other.start <= span.start and span.stop <= other.stop
    return span.source is other.source and within and span != other


def read_by(term: Expr) -> set[str]:
    """The tensors of real numbers in a term."""
    accesses = (t for t in postorder(term) if isinstance(t, Access))
    return {t.tensor.name for t in accesses if t.tensor.kind == REAL}


def reached(value: Expr) -> frozenset[str]:
    """The tensors with a path to a value on which a gradient passes."""
    found: dict[Expr, frozenset[str]] = {}
    for term in postorder(value):
        names = frozenset[str]().union(*(found[p] for p in smooth_parts(term)))
        own = isinstance(term, Access) and term.kind == REAL
        found[term] = names | {term.tensor.name} if own else names  # type: ignore[attr-defined]
    return found[value]


def smooth_parts(term: Expr) -> tuple[Expr, ...]:
    """The parts of a term through which a gradient passes."""
    match term:
        case Apply():
            row = PRIMITIVES[term.op]
            if row.takes == BOOL or row.gives == BOOL:
                return ()
            slopes = row.slopes or ("1",) * len(term.args)
            return tuple(a for a, s in zip(term.args, slopes, strict=True) if s != "0")
        case Select():
            return (term.then, term.other)
        case Reduce():
            return (term.body,) if REDUCTIONS[term.op].slope else ()
        case Along():
            return (term.body,) if ALONG[term.op].slope else ()
    return ()
