"""How terms move when tensors are shifted or scaled, for axes of any length.

Under `z -> z + c` a term of shift degree d moves by `d * c`; under `z -> k * z` one of scale degree
d is multiplied by `k^d`. A whole formula is invariant if its degree is 0.
"""

from __future__ import annotations

from fractions import Fraction

from ..ir import BOOL, Access, Along, Apply, Expr, Reduce, Select, postorder
from .enclose import sums_to_one
from .tidy import ONE, ZERO, build, number, value_of

SHIFT, SCALE = "shift", "scale"


class NoDegree(Exception):
    """A term that moves in no simple way."""


def is_invariant(term: Expr, names: frozenset[str], word: str) -> bool:
    """Whether a term stays as it is when all those tensors are shifted, or scaled, alike."""
    return degrees(term, names, word)[term] == ZERO


def degrees(term: Expr, names: frozenset[str], word: str) -> dict[Expr, Expr | None]:
    """The degree of a term and of each part; None for what moves in no simple way."""
    rule = _shift if word == SHIFT else _scale
    done: dict[Expr, Expr | None] = {}
    for t in postorder(term):
        try:
            done[t] = rule(t, {p: _known(done[p]) for p in t.parts if done[p] is not None}, names)
        except (NoDegree, KeyError):
            done[t] = None
    return done


def _known(degree: Expr | None) -> Expr:
    assert degree is not None
    return degree


Degrees = dict[Expr, Expr]


def _constant(term: Expr, d: Degrees) -> bool:
    return all(d[p] == ZERO for p in term.parts)


# --- shift ----------------------------------------------------------------------------------------


def _shift(term: Expr, d: Degrees, names: frozenset[str]) -> Expr:
    """By how many steps a term moves."""
    if isinstance(term, Access) and term.tensor.name in names:
        if not _constant(term, d):
            raise NoDegree
        return ONE
    if _constant(term, d):
        return ZERO
    match term:
        case Apply(op=op, args=args):
            return _shifted(term, op, [d[a] for a in args])
        case Select(condition=c, then=a, other=b) if d[c] == ZERO and d[a] == d[b]:
            return d[a]
        case Reduce():
            return _shifted_reduction(term, d)
        case Along(op="sort", body=body) if _is_fixed(term, d) and not d[body].free:
            return d[body]
        case Along(op="rank" | "argsort", body=body) if _is_fixed(term, d):
            return _unmoved(d[body])
    raise NoDegree


def _is_fixed(term: Along, d: Degrees) -> bool:
    """Whether the place, and the filter, do not move."""
    return all(d[p] == ZERO for p in term.parts if p != term.body)


def _unmoved(degree: Expr) -> Expr:
    """0 for what only compares values that all move alike."""
    if degree.free:
        raise NoDegree
    return ZERO


def _shifted(term: Apply, op: str, d: list[Expr]) -> Expr:
    if op in ("lt", "le", "gt", "ge", "eq", "ne") and d[0] == d[1]:
        return ZERO
    if op in ("add", "sub"):
        return build(op, *d)
    if op == "neg":
        return build("neg", d[0])
    if op == "mul":
        for k in (0, 1):
            if d[k] == ZERO:
                return build("mul", term.args[k], d[1 - k])
    if op == "div" and d[1] == ZERO:
        return build("div", d[0], term.args[1])
    if op in ("max", "min", "logaddexp", "clip") and all(x == d[0] for x in d):
        return d[0]
    if op == "stop_gradient":
        return d[0]
    raise NoDegree


def _shifted_reduction(term: Reduce, d: Degrees) -> Expr:
    body = d[term.body]
    if term.filter is not None and d[term.filter] != ZERO:
        raise NoDegree
    own = set(term.indices)
    if term.op in ("sum", "norm1", "norm", "prod", "any", "all", "count") and body == ZERO:
        return ZERO
    if term.op in ("var", "std", "argmax", "argmin") and not body.free & own:
        return ZERO
    if term.op == "mean" and term.filter is not None and body != ZERO:
        raise NoDegree  # of nothing it is 0, and stays
    if term.op in ("mean", "max", "min", "logsumexp") and not body.free & own:
        return body
    if term.op == "sum":
        total = Reduce("sum", term.indices, body, term.filter)
        return ONE if sums_to_one(total) else total
    if term.op == "mean":
        return Reduce("mean", term.indices, body, term.filter)
    raise NoDegree


# --- scale ----------------------------------------------------------------------------------------


def _scale(term: Expr, d: Degrees, names: frozenset[str]) -> Expr:
    """The power of the factor that a term is multiplied by; a 0 has every degree."""
    if isinstance(term, Access) and term.tensor.name in names:
        if not _constant(term, d):
            raise NoDegree
        return ONE
    if _constant(term, d):
        return ZERO
    match term:
        case Apply(op=op, args=args):
            return _scaled(term, op, [d[a] for a in args])
        case Select(condition=c, then=a, other=b) if d[c] == ZERO:
            return _same(a, b, d)
        case Reduce(body=body):
            if term.filter is not None and d[term.filter] != ZERO:
                raise NoDegree
            if d[body].free & set(term.indices):
                raise NoDegree
            if term.op in ("argmax", "argmin") or (term.kind == BOOL and d[body] == ZERO):
                return ZERO
            if term.op in ("sum", "mean", "max", "min", "norm", "norm1", "std"):
                return d[body]
            if term.op == "var":
                return build("mul", number(2), d[body])
        case Along(op="sort" | "cumsum", body=body) if _is_fixed(term, d) and not d[body].free:
            return d[body]
        case Along(op="rank" | "argsort", body=body) if _is_fixed(term, d) and not d[body].free:
            return ZERO
    raise NoDegree


def _same(a: Expr, b: Expr, d: Degrees) -> Expr:
    for x, y in ((a, b), (b, a)):
        if x == ZERO:
            return d[y]
    if d[a] != d[b]:
        raise NoDegree
    return d[a]


def _scaled(term: Apply, op: str, d: list[Expr]) -> Expr:
    if op in ("lt", "le", "gt", "ge", "eq", "ne", "add", "sub", "max", "min", "hypot"):
        if len(d) != 2:
            raise NoDegree
        found = _same(term.args[0], term.args[1], dict(zip(term.args, d, strict=True)))
        return ZERO if term.kind == BOOL else found
    if op in ("neg", "abs", "stop_gradient", "relu"):
        return d[0]
    if op in ("sign", "atan2"):
        return ZERO if len(set(d)) == 1 else _none()
    if op == "mul":
        return build("add", *d)
    if op == "div":
        return build("sub", *d)
    if op == "sqrt":
        return build("mul", number(Fraction(1, 2)), d[0])
    if op == "pow" and d[1] == ZERO and value_of(term.args[1]) is not None:
        return build("mul", term.args[1], d[0])
    return _none()


def _none() -> Expr:
    raise NoDegree
