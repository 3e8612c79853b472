"""Where a program has kinks, and points that lie on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from random import Random

from mpmath import mp

from ..arithmetic import Value
from ..fold import apply
from ..interpret import Machine
from ..ir import (
    REAL,
    Access,
    Along,
    Apply,
    Bound,
    Const,
    Expr,
    Index,
    Position,
    Program,
    Reduce,
    postorder,
    with_parts,
)  # fmt: skip
from .point import Place, Point, places

ZERO, HALF = Const(Fraction(0)), Const(Fraction(1, 2))
AT_ZERO = ("abs", "relu", "sign", "sqrt", "cbrt", "floor", "ceil", "bessel_i0e", "bessel_i1e")
COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
TRIES, STEPS = 3, 12
SOLVED = mp.mpf(10) ** -60
# Where all moves, the functions with a side on either hand; equality has none, a root only one.
KINKED = frozenset((
    "abs", "relu", "sign", "cbrt", "floor", "ceil", "round", "clip", "max", "min", "norm1",
    "lt", "le", "gt", "ge", "argmax", "argmin", "sort", "rank", "argsort",
))  # fmt: skip
TOGETHER = 16  # so many numbers put a kink on one side at all its places
TRIFLE = Fraction(1, 10**18)


@dataclass(frozen=True, slots=True)
class Gap:
    """Two terms whose equality is a kink; with `pair`, one term at two places of an index."""

    name: str
    left: Expr
    right: Expr
    pair: Bound | None = None

    def value(self, machine: Machine, env: dict[Index, int], other: dict[Index, int]) -> Value:
        """How far apart the two are."""
        return machine.run(self.left, env) - machine.run(self.right, other)


def gaps(program: Program) -> list[Gap]:
    """The kinks of a program that real inputs can reach."""
    found = [g for t in postorder(program.value) for g in _of(t)]
    return [g for g in dict.fromkeys(found) if _tensors(g)]


def _of(term: Expr) -> Iterator[Gap]:
    match term:
        case Apply(op=op, args=(x,)) if op in AT_ZERO:
            yield Gap(op, x, ZERO)
        case Apply(op="round", args=(x,)):
            yield Gap("round", x, HALF)
        case Apply(op="clip", args=(x, low, high)):
            yield from (Gap("clip", x, low), Gap("clip", x, high))
        case Apply(op="max" | "min" as op, args=(first, *rest)):
            yield from (Gap(op, first, x) for x in rest)
        case Apply(op=op, args=(x, y)) if op in COMPARISONS and REAL in (x.kind, y.kind):
            yield Gap(op, x, y)
        case Reduce(op="norm1", body=body):
            yield Gap("norm1", body, ZERO)
        case Reduce(op="max" | "min" | "argmax" | "argmin" as op, body=body, indices=(first, *_)):
            yield Gap(op, body, body, first)
        case Along(op="sort" | "rank" | "argsort" as op, body=body, index=index):
            yield Gap(op, body, body, index)


def _tensors(gap: Gap) -> list[str]:
    """The real inputs that a kink depends on."""
    terms = postorder(gap.left, gap.right)
    tensors = (t.tensor for t in terms if isinstance(t, Access) and not t.tensor.is_param)
    return list(dict.fromkeys(t.name for t in tensors if t.kind == REAL))


def solve(gap: Gap, point: Point, movable: frozenset[str], rng: Random) -> Point | None:
    """A point on a kink, that differs from the given one in one element of a movable input."""
    names = [n for n in _tensors(gap) if n in movable]
    for _ in range(TRIES):
        envs = _environments(gap, point.machine(), rng)
        if envs is None:
            return None
        for name in names:
            chosen = list(places(point.arrays[name]))
            for place in rng.sample(chosen, min(6, len(chosen))):
                root = _root(gap, point, envs, name, place)
                if root is not None:
                    return root
    return None


def apart(value: Expr, name: str, number: int) -> Expr:
    """A formula in which the kinks that an input reaches lie a trifle beside their places.

    So kinks that meet are passed one by one. The number says on which side each lies: all
    sides of a few kinks have a number below `TOGETHER`, later ones tell the places of a kink apart.
    """
    done: dict[Expr, Expr] = {}
    shifts = _shifts(number)
    for term in postorder(value):
        done[term] = with_parts(term, [done[p] for p in term.parts])
        if isinstance(term, Apply | Reduce | Along) and term.op in KINKED:
            parts = [next(shifts).of(p) if _reads(p, name) else p for p in done[term].parts]
            done[term] = with_parts(done[term], parts)
    return done[value]


def _shifts(number: int) -> Iterator[_Shift]:
    """One for each kink, larger than those of the kinks inside, which come before."""
    rng = Random(number)
    for k in count():
        size = TRIFLE * 8 ** min(k, 8)
        if number < TOGETHER:
            yield _Shift(size, Fraction(1 if number >> k & 1 else -1), Fraction(1, 100))
        else:
            yield _Shift(size, Fraction(rng.uniform(-2, 2)), Fraction(rng.uniform(2, 4)))


@dataclass(frozen=True, slots=True)
class _Shift:
    """How far a kink is moved: `size * sin(angle + turn * place)`."""

    size: Fraction
    angle: Fraction
    turn: Fraction

    def of(self, term: Expr) -> Expr:
        """A term moved."""
        phase: Expr = Const(self.angle)
        for k, index in enumerate(sorted(term.free, key=repr)):
            share = apply("mul", (Const(self.turn * (k + 1)), Position(index)))
            phase = apply("add", (phase, share))
        return apply("add", (term, apply("mul", (Const(self.size), apply("sin", (phase,))))))


def _reads(term: Expr, name: str) -> bool:
    """Whether a real input is in a real term."""
    accesses = (t for t in postorder(term) if isinstance(t, Access))
    return term.kind == REAL and any(t.tensor.name == name for t in accesses)


def _environments(
    gap: Gap, machine: Machine, rng: Random
) -> tuple[dict[Index, int], dict[Index, int]] | None:
    """Random places of the open indices of both sides; None where a range is empty."""
    env: dict[Index, int] = {}
    for index in sorted(gap.left.free | gap.right.free, key=repr):
        if not isinstance(index, Bound):
            return None
        span = range(*index.range.bounds(machine.size))
        if not span:
            return None
        env[index] = rng.choice(span)
    other = dict(env)
    if gap.pair is not None and gap.pair in env:
        rest = [k for k in range(*gap.pair.range.bounds(machine.size)) if k != env[gap.pair]]
        if not rest:
            return None
        other[gap.pair] = rng.choice(rest)
    return env, other


def _root(
    gap: Gap, point: Point, envs: tuple[dict[Index, int], dict[Index, int]], name: str,
    place: Place,
) -> Point | None:  # fmt: skip
    """Where the gap closes as one element moves, by the secant method."""

    def at(x: Value) -> Value:
        return gap.value(point.moved(name, place, x).machine(), *envs)

    x = point.arrays[name][place]
    y = x + mp.mpf(1) / 64
    gx, gy = at(x), at(y)
    for _ in range(STEPS):
        if not mp.isfinite(gx) or not mp.isfinite(gy) or gx == gy:
            return None
        x, y, gx = y, y - gy * (y - x) / (gy - gx), gy
        gy = at(y)
        if abs(gy) < SOLVED:
            return point.moved(name, place, _snapped(y))
    return None


def _snapped(x: Value) -> Value:
    """The short binary fraction that a number stands for, if it does."""
    whole = mp.nint(x * (1 << 40))
    return whole / (1 << 40) if abs(whole / (1 << 40) - x) < SOLVED else x
