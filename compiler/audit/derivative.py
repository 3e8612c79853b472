"""Derivatives of scalar terms, for proofs: forward, by the slopes of the table.

Where a root is 0 they have no value, instead of the value that the language's table of kinks
gives: a proof must not step over a kink unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..ir import BOOL, Access, Apply, Expr, Select, postorder
from ..passes.slopes import slope
from .tidy import ONE, TWO, ZERO, build, tidied, tidy


def derivative(term: Expr, name: str) -> Expr:
    """The derivative of a scalar term in a variable."""
    done: dict[Expr, Expr] = {}
    for t in postorder(term):
        done[t] = _step(t, done, name)
    return done[term]


def _step(term: Expr, done: Mapping[Expr, Expr], name: str) -> Expr:
    match term:
        case Access():
            return ONE if term.tensor.name == name else ZERO
        case Apply() if term.kind != BOOL and term.op != "indicator":
            total: Expr = ZERO
            for k, arg in enumerate(term.args):
                if done[arg] != ZERO:
                    total = build("add", total, build("mul", _slope(term, k), done[arg]))
            return total
        case Select(condition=condition):
            return tidied(Select(condition, done[term.then], done[term.other]))
    return ZERO


def _slope(term: Apply, k: int) -> Expr:
    rule = _OWN.get(term.op)
    return rule(term, k) if rule is not None else tidy(slope(term, k))


def _power(term: Apply, k: int) -> Expr:
    x, y = term.args
    if k == 0:
        return build("mul", y, build("pow", x, build("sub", y, ONE)))
    return build("mul", term, build("log", x))


def _xlogy(term: Apply, k: int) -> Expr:
    x, y = term.args
    return build("log", y) if k == 0 else build("div", x, y)


_OWN: Mapping[str, Callable[[Apply, int], Expr]] = {
    "sqrt": lambda t, k: build("div", ONE, build("mul", TWO, t)),
    "hypot": lambda t, k: build("div", t.args[k], t),
    "pow": _power,
    "xlogy": _xlogy,
}
