"""Two losses beside each other: equal in meaning, or how they differ, and where.

Equality is proved: by the canonical form, by that of the stable form, or by the engine behind the
claim `equals`. A difference is certified: value or gradient at an input, by the interpreter in
digits that are raised until they stand still. Where one has a number and the other has none, they
differ. How the two differ, and where, is what all points looked at have in common.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice, product
from random import Random
from typing import Any

import numpy as np
from mpmath import mp

from ..arithmetic import NUDGED, Value
from ..check import Checked
from ..elaborate.declare import Default, Input, Param
from ..gradcheck.point import Clock, Point, places
from ..gradcheck.points import Points, lengths_of_params
from ..gradcheck.sampling import INSIDE, exact_array
from ..gradcheck.sizes import smallest
from ..interpret import Compiler, Machine
from ..ir import (
    REAL,
    Access,
    Apply,
    Axis,
    Expr,
    Index,
    Position,
    Program,
    Symbol,
    Tensor,
    postorder,
)
from ..passes.differentiate import differentiate
from ..pipeline import Numerics
from ..separate import separate
from .context import Context
from .frame import batch_axis
from .goal import Budget, OutOfBudget
from .kinds.equality import same_value, translated
from .normal import TooLarge
from .regions import LEAST, Seen, described
from .scalars import NotWritten
from .statements import NotStated, replaced
from .variants import MOST, Variants, shown, specialised, spelt, variants
from .verdict import Verdict, unknown

EQUAL, DIFFERS, UNKNOWN = "equal", "differs", "unknown"
WITNESS = "a witness"
CANONICAL, STABLE = "the canonical form", "the canonical form after rewriting"
DIGITS, DRAWN = 60, 140
PRECISIONS = (DIGITS, 120, 300, 800, 2000)  # digits
CLOSE = mp.mpf(10) ** -25
SURE = mp.mpf(10) ** -30
LOOKED, LONGER = 40, 12  # points that tell where, with axes as short as can be, and longer ones
SECONDS = 10.0
ELEMENTS = 12  # of a gradient, at a point
WRITTEN = (1, 2)  # digits after the dot of a witness, if they will do
SHOWN = 12  # digits of numbers in reports


@dataclass(frozen=True, slots=True)
class Difference:
    """A way in which two losses differ: `of` is "value" or the input of a gradient.

    `at` has the witness as text by name, `place` the element of the gradient, `how` and `where`
    what holds at all points looked at.
    """

    of: str
    at: Mapping[str, str]
    place: tuple[int, ...]
    old: str
    new: str
    how: str
    where: str

    def __str__(self) -> str:
        what = "the value" if self.of == "value" else f"the gradient in {self.of}"
        at = ", ".join(f"{name}={value}" for name, value in self.at.items())
        place = f" at [{', '.join(map(str, self.place))}]" if self.place else ""
        return f"{what} {self.how}{self.where}\n    {at}{place}: {self.old} before, {self.new} now"

    def to_json(self) -> dict[str, object]:
        """The difference as JSON has it."""
        return {
            "of": self.of, "at": dict(self.at), "place": list(self.place), "old": self.old,
            "new": self.new, "how": self.how, "where": self.where.strip(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is said of two losses: a verdict on the values and gradients, and changed declarations.

    `how` names the proof, or what was tried; `points` counts the inputs looked at.
    """

    name: str
    verdict: str
    how: str
    changes: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    points: int = 0

    @property
    def same(self) -> bool:
        """Whether nothing changed, which is proved."""
        return self.verdict == EQUAL and not self.changes

    def to_json(self) -> dict[str, object]:
        """The comparison as JSON has it."""
        return {
            "loss": self.name, "verdict": self.verdict, "how": self.how,
            "changes": list(self.changes), "notes": list(self.notes), "points": self.points,
            "differences": [d.to_json() for d in self.differences],
        }  # fmt: skip


def compare(old: Checked, new: Checked, seconds: float = SECONDS, seed: int = 0) -> Comparison:
    """Two losses beside each other, within about so many seconds."""
    names = _matched(old, new)
    axes = _axes(old, new, names) if names is not None else None
    changes = tuple(_changes(old, new, names or [], axes or {}))
    if names is None or axes is None:
        return Comparison(old.name, DIFFERS, "other inputs", changes)
    new = replace(new, inputs={n: new.inputs[n] for n in names})
    found = _for_all(old, new, seconds, seed)
    return replace(found, changes=changes)


def _for_all(old: Checked, new: Checked, seconds: float, seed: int) -> Comparison:
    """Two losses beside each other at every value of the params that are fixed when compiled."""
    kinds = variants(old), variants(new)
    scope = " and ".join(dict.fromkeys(k.scope for k in kinds if k.scope))
    picks = [*islice(_picks(old, new, kinds), MOST + 1)]
    found: Comparison | None = None
    for k, fixed in enumerate(picks[:MOST]):
        part = seconds if not k else seconds / len(picks)
        one = _at(old, new, fixed, part, seed)
        if one is None:
            continue
        if one.verdict == DIFFERS:
            return one
        found = one if found is None or found.verdict == EQUAL else found
    assert found is not None
    scope = scope or (_named(picks[0]) if len(picks) > MOST else "")
    if found.verdict == EQUAL and scope:
        said = f"the values are equal for {scope}, proved by {found.how}"
        return replace(found, verdict=UNKNOWN, how=said)
    return found


def _picks(
    old: Checked, new: Checked, kinds: tuple[Variants, Variants]
) -> Iterator[dict[str, Default]]:
    """The values of the params that both losses have and that make formulas of their own."""
    names = [n for n in old.params if n in new.params and any(n in k.values for k in kinds)]
    choices = []
    for n in names:
        own = [old.params[n].default, new.params[n].default]
        own += [v for k in kinds for v in k.values.get(n, ())]
        choices.append([v for k, v in enumerate(own) if not any(_is_same(v, u) for u in own[:k])])
    for picked in product(*choices):
        yield dict(zip(names, picked, strict=True))


def _is_same(a: Default, b: Default) -> bool:
    return type(a) is type(b) and a == b


def _named(fixed: Mapping[str, Default]) -> str:
    return " and ".join(f"{n} = {spelt(v)}" for n, v in fixed.items())


def _at(
    old: Checked, new: Checked, fixed: Mapping[str, Default], seconds: float, seed: int
) -> Comparison | None:
    """Two losses at some values of params; None where neither takes them."""
    one, two = (_with(c, fixed) for c in (old, new))
    if one is None or two is None:
        said = f"one of them does not take {_named(fixed)}"
        return None if one is two else Comparison(old.name, UNKNOWN, said)
    try:
        pair = _Pair.of(one, two)
    except NotStated as error:
        return Comparison(old.name, UNKNOWN, str(error))
    if old.program.axes or new.program.axes:
        return _of_functions(pair)
    found = _decided(pair, seconds, seed)
    named = {n: shown(v) for n, v in fixed.items() if not _is_same(v, old.params[n].default)}
    at = tuple(replace(d, at={**d.at, **{n: v for n, v in named.items() if n not in d.at}})
               for d in found.differences)  # fmt: skip
    return replace(found, differences=at)


def _with(checked: Checked, fixed: Mapping[str, Default]) -> Checked | None:
    """A loss with the values of params that are not those by default."""
    other = {n: v for n, v in fixed.items() if not _is_same(v, checked.params[n].default)}
    again = specialised(checked, other) if other else checked
    if again is None:
        return None
    return replace(again, inputs={n: again.inputs[n] for n in checked.inputs})


def _of_functions(pair: _Pair) -> Comparison:
    """Functions whose value has axes: by the canonical form alone."""
    same = pair.old.program.value == pair.goal
    how = CANONICAL if same else "the canonical form alone, for a value with axes"
    return Comparison(pair.old.name, EQUAL if same else UNKNOWN, how)


def _decided(pair: _Pair, seconds: float, seed: int) -> Comparison:
    name = pair.old.name
    if pair.old.program.value == pair.goal:
        return Comparison(name, EQUAL, CANONICAL)
    search = Search(pair, seed, Clock(seconds))
    with mp.workdps(DRAWN):
        differences = search.differences()
    looked = Comparison(name, UNKNOWN, "", (), (), tuple(search.notes), search.looked)
    if differences:
        return replace(looked, verdict=DIFFERS, how=WITNESS, differences=differences)
    if pair.has_one_form:
        return Comparison(name, EQUAL, STABLE)
    verdict = pair.verdict(seconds)
    if verdict.is_refuted and verdict.witness is not None:
        (_, was), (_, now) = verdict.witness.numbers[-2:]
        found = Difference("value", verdict.witness.values, (), was, now, "differs", "")
        return replace(looked, verdict=DIFFERS, how=WITNESS, differences=(found,))
    if verdict.is_proved and not verdict.scope and not pair.stops:
        return replace(looked, verdict=EQUAL, how=verdict.how)
    return replace(looked, how=_doubt(verdict))


def _doubt(verdict: Verdict) -> str:
    """Why two losses are not known to be equal."""
    if not verdict.is_proved:
        return f"tried {', '.join(verdict.tried) or 'nothing'}"
    if verdict.scope:
        return f"the values are equal for {verdict.scope}, proved by {verdict.how}"
    return f"the values are equal, proved by {verdict.how}; the gradients are stopped"


# --- declarations ---------------------------------------------------------------------------------


def _matched(old: Checked, new: Checked) -> list[str] | None:
    """The inputs of the new loss in the order of the old one's: by name, else as they come."""
    mine, theirs = old.inputs, new.inputs
    if len(mine) != len(theirs):
        return None
    names = list(mine) if set(mine) == set(theirs) else list(theirs)
    pairs = zip(mine.values(), (theirs[n] for n in names), strict=True)
    fit = all(
        len(a.tensor.axes) == len(b.tensor.axes) and a.tensor.kind == b.tensor.kind
        for a, b in pairs
    )
    return names if fit else None


def _axes(old: Checked, new: Checked, names: Sequence[str]) -> dict[str, str] | None:
    """The new names of axes by the old ones; None where one axis stands for two."""
    found: dict[str, str] = {}
    for mine, name in zip(old.inputs.values(), names, strict=True):
        for a, b in zip(mine.tensor.axes, new.inputs[name].tensor.axes, strict=True):
            if found.setdefault(a.name, b.name) != b.name:
                return None
    return found if len(set(found.values())) == len(found) else None


def _changes(
    old: Checked, new: Checked, names: Sequence[str], axes: Mapping[str, str]
) -> Iterator[str]:
    """What changed in the declarations."""
    if not names:
        yield f"the inputs were {_heads(old)} and are {_heads(new)}"
        return
    if not axes and any(i.tensor.axes for i in old.inputs.values()):
        yield f"the axes were {_heads(old)} and are {_heads(new)}"
        return
    if list(new.inputs) != list(names):
        yield f"the order of inputs was {', '.join(old.inputs)} and is {', '.join(new.inputs)}"
    words = dict(axes)
    for mine, name in zip(old.inputs.values(), names, strict=True):
        words[mine.name] = name
        if mine.name != name:
            yield f"the input {mine.name} is called {name}"
    for mine, name in zip(old.inputs.values(), names, strict=True):
        yield from _declaration(mine, new.inputs[name], words)
    yield from (f"the param {n} is gone" for n in old.params if n not in new.params)
    for n, param in new.params.items():
        if n not in old.params:
            yield f"the param {n} is new, {_default(param)} by default"
            continue
        before = old.params[n]
        if before.default != param.default:
            yield f"the default of {n} was {_default(before)} and is {_default(param)}"
        yield from _declaration(before, param, words)


def _declaration(
    mine: Input | Param, theirs: Input | Param, words: Mapping[str, str]
) -> Iterator[str]:
    """What changed in the axes and the domain of an input or param."""
    declared = mine.axes is None, theirs.axes is None
    sizes = [a.size for a in mine.tensor.axes], [a.size for a in theirs.tensor.axes]
    if declared[0] != declared[1] or sizes[0] != sizes[1]:
        yield f"the axes of {theirs.name} were {_head(mine)} and are {_head(theirs)}"
    said = re.sub(r"[A-Za-z_]\w*", lambda m: words.get(m[0], m[0]), mine.domain)
    if said != theirs.domain:
        yield f"the domain of {theirs.name} was {mine.domain} and is {theirs.domain}"


def _heads(checked: Checked) -> str:
    return ", ".join(map(_head, checked.inputs.values())) or "none"


def _head(decl: Input | Param) -> str:
    if decl.axes is None:
        return decl.name
    sizes = (f"={a.size}" if a.size is not None else "" for a in decl.tensor.axes)
    inner = ", ".join(f"{n}{s}" for n, s in zip(decl.axes, sizes, strict=False))
    return f"{decl.name}[{inner}]"


def _default(param: Param) -> str:
    return _plain(param.default)


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_plain, value))}]"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


# --- a pair ---------------------------------------------------------------------------------------


class _AllLengths(Context):
    """Claims about whole batches: no axis stands for one sample."""

    @cached_property
    def lead(self) -> Axis | None:
        return None


@dataclass(frozen=True)
class _Pair:
    """The old loss, with the lists that either needs, and the new one's value in its inputs."""

    old: Checked
    goal: Expr
    name: str
    samples: bool

    @staticmethod
    def of(old: Checked, new: Checked) -> _Pair:
        """Two losses of matching inputs.

        Raises NotStated where the new one cannot be said in the inputs and params of the old.
        """
        lists = {t.name: t for t in new.program.params if t.name in new.hidden}
        renamed = {
            n: _again(t) if n in old.hidden and old.hidden[n] != new.hidden[n] else t
            for n, t in lists.items()
        }
        whole = {n: _read(t) for n, t in renamed.items()}
        value = replaced(new.program.value, whole)
        own = translated(old, replace(new, program=replace(new.program, value=value)))
        hidden = {renamed[n].name: new.hidden[n] for n in renamed}
        more = tuple(t for t in renamed.values() if t not in old.program.params)
        program = replace(old.program, params=(*old.program.params, *more))
        joined = replace(old, program=program, hidden={**old.hidden, **hidden})
        one, two = separate(old.program), separate(new.program)
        samples = one is not None and two is not None and one.op == two.op
        samples = samples and None not in (batch_axis(old), batch_axis(new))
        samples = samples and not one.counted and not two.counted  # type: ignore[union-attr]
        return _Pair(joined, own, new.name, samples)

    @cached_property
    def both(self) -> Program:
        """A program that has the kinks and ranges of both."""
        value = Apply("sub", (self.old.program.value, self.goal))
        return replace(self.old.program, value=value)

    @cached_property
    def stops(self) -> bool:
        """Whether a gradient may be another than the value's."""
        terms = postorder(self.both.value)
        return any(isinstance(t, Apply) and t.op == "stop_gradient" for t in terms)

    @property
    def has_one_form(self) -> bool:
        """Whether rewriting gives both the same form."""
        numerics = Numerics(self.old.domains)
        new = replace(self.old.program, value=self.goal)
        return numerics.stable(self.old.program).value == numerics.stable(new).value

    def verdict(self, seconds: float) -> Verdict:
        """Whether the values are equal, by the engine of `equals`."""
        kind = Context if self.samples else _AllLengths
        try:
            return same_value(kind(self.old, budget=Budget(seconds)), self.goal, self.name)
        except (NotStated, NotWritten) as error:
            return unknown(str(error))
        except OutOfBudget:
            return unknown("all, until the time ran out")
        except (TooLarge, RecursionError):
            return unknown("all, until the formula grew too large")


def _again(tensor: Tensor) -> Tensor:
    return replace(tensor, name=f"{tensor.name} now")


def _read(tensor: Tensor) -> Expr:
    return Access(tensor, tuple(Position(Symbol(a.name, a)) for a in tensor.axes))


# --- witnesses ------------------------------------------------------------------------------------


@dataclass
class Search:
    """Values and gradients of both losses at points of the declared domains."""

    pair: _Pair
    seed: int
    clock: Clock
    notes: list[str] = field(default_factory=list)
    looked: int = 0
    compilers: dict[int, Compiler] = field(default_factory=dict)

    def differences(self) -> tuple[Difference, ...]:
        """The differences of the value and of each gradient, with what they have in common."""
        first = self.near()
        if not any(s.differs for seen in first.values() for s in seen):
            return ()
        open_ = [of for of, seen in first.items() if any(s.differs for s in seen)]
        found: dict[str, Difference] = {}
        for least, count in ((1, LOOKED), (2, LONGER)):
            if len(found) < len(open_):
                more = self.look(self.drawn(least, count))
                apart = [of for of in more if sum(s.differs for s in more[of]) >= LEAST]
                found |= {of: self.said(of, more[of]) for of in apart if of not in found}
        found |= {of: self.said(of, first[of]) for of in open_ if of not in found}
        return tuple(found[of] for of in first if of in found)

    def near(self) -> dict[str, list[Seen]]:
        """What is seen at the points of a check of gradients: kinks, edges, zeros among them."""
        sizes = self.sizes(2), self.sizes(3)
        if sizes[0] is None or sizes[1] is None:
            return {}
        points = Points(self.pair.old, self.pair.both, sizes[0], sizes[1], self.seed)
        found = self.look(points)
        kinks = [of for of in self.wrt if any(_is_convention(s) for s in found[of])]
        for of in self.wrt:
            found[of] = [s for s in found[of] if not s.point.special]
            if of in kinks and not any(s.differs for s in found[of]):
                self.notes.append(f"at kinks the gradient in {of} is chosen differently")
        return found

    def drawn(self, least: int, count: int) -> Iterator[Point]:
        """Points inside the domains, with axes as short as can be, or the longer of two lengths."""
        sizes = self.sizes(least)
        if sizes is None:
            return
        larger = sizes if least == 1 or self.pair.both.constraints else self.unlike(sizes)
        points = Points(self.pair.old, self.pair.both, sizes, larger, self.seed)
        for k in range(count):
            place = replace(points, sizes=larger if k % 2 else sizes)
            yield place.sample("", INSIDE, 100 + k, vary=k % 3 == 1)

    def unlike(self, sizes: Mapping[Axis, int]) -> dict[Axis, int]:
        """Longer axes of which no two are equally long."""
        known = lengths_of_params(self.pair.old, self.pair.both)
        free = [a for a in sizes if a.size is None and a not in known]
        return {**sizes, **{a: sizes[a] + 1 + k for k, a in enumerate(free)}}

    def sizes(self, least: int) -> dict[Axis, int] | None:
        program = self.pair.both
        try:
            return smallest(program, lengths_of_params(self.pair.old, program), least)
        except ValueError as error:
            self.notes.append(str(error))
            return None

    @cached_property
    def wrt(self) -> list[str]:
        """The inputs of which there are gradients."""
        return [n for n, i in self.pair.old.inputs.items() if i.tensor.kind == REAL]

    @cached_property
    def programs(self) -> dict[str, tuple[Program, Program]]:
        """The old and new programs: of the value, and of each gradient."""
        old = self.pair.old.program
        new = replace(old, value=self.pair.goal)
        slopes = {n: (differentiate(old, n), differentiate(new, n)) for n in self.wrt}
        return {"value": (old, new), **slopes}

    def look(self, points: Iterator[Point] | Points) -> dict[str, list[Seen]]:
        """What is seen at some points, by what it is of."""
        found: dict[str, list[Seen]] = {of: [] for of in self.programs}
        for point in points:
            self.looked += 1
            for of, programs in self.programs.items():
                for place in self.elements(of, point):
                    if found["value"] and self.clock.is_out:
                        return found
                    seen = self.seen(programs, point, place)
                    if seen is not None:
                        found[of].append(seen)
        return found

    def elements(self, of: str, point: Point) -> list[tuple[int, ...]]:
        """The places that are looked at: of a large gradient some."""
        if of == "value":
            return [()]
        found = list(places(point.arrays[of]))
        return Random(f"{self.seed} {of} {point.label}").sample(found, min(len(found), ELEMENTS))

    def seen(
        self, programs: tuple[Program, Program], point: Point, place: tuple[int, ...]
    ) -> Seen | None:
        """What both programs are at a point; None where that cannot be said."""
        for digits in PRECISIONS:
            near, nudged = self.both(programs, point, place, digits)
            with mp.workdps(digits):
                if all(_agree(a, b, SURE) for a, b in zip(near, nudged, strict=True)):
                    same = _agree(*near, CLOSE)
                    if programs is not self.programs["value"]:  # at a pole a slope has no sign
                        same |= not any(map(mp.isfinite, near))
                    return Seen(point, place, *near, not same)
        return None

    def both(
        self, programs: tuple[Program, Program], point: Point, place: tuple[int, ...], digits: int
    ) -> list[tuple[Value, Value]]:
        """The numbers of both programs in so many digits, rounded to nearest and otherwise."""
        compiler = self.compilers.setdefault(digits, Compiler())
        near = replace(point, compiler=compiler).machine()
        machines = (near, near.moved(near.arrays, NUDGED))
        with mp.workdps(digits):
            return [(_run(programs[0], m, place), _run(programs[1], m, place)) for m in machines]

    def said(self, of: str, seen: Sequence[Seen]) -> Difference:
        """The difference with the simplest witness."""
        apart = [s for s in seen if s.differs]
        terms = self.pair.old.program.value, self.pair.goal
        how, where = described(self.pair.old, terms, seen)
        best = min(apart, key=lambda s: sum(len(mp.nstr(x, 20)) for x in _numbers(s.point)))
        best = self.simpler(of, best)
        at = {n: _text(best.point.arrays[n]) for n in self.shown}
        with mp.workdps(DIGITS):
            numbers = mp.nstr(best.old, SHOWN), mp.nstr(best.new, SHOWN)
        return Difference(of, at, best.place if of != "value" else (), *numbers, how, where)

    def simpler(self, of: str, seen: Seen) -> Seen:
        """A witness whose numbers have few digits, if one is near."""
        points = Points(self.pair.old, self.pair.both, seen.point.sizes, seen.point.sizes, 0)
        for digits in WRITTEN:
            point = _rounded(seen.point, points.movable, digits)
            if points.admits(point):
                again = self.seen(self.programs[of], point, seen.place)
                if again is not None and again.differs:
                    return again
        return seen

    @cached_property
    def shown(self) -> list[str]:
        """The names in a witness: inputs, and params that are not fixed."""
        used = {t.name for t in self.pair.old.program.params}
        fixed = {*self.pair.old.static, *self.pair.old.hidden}
        return [*self.pair.old.inputs, *(n for n in self.pair.old.params if n in used - fixed)]


def _run(program: Program, machine: Machine, place: tuple[int, ...]) -> Value:
    env: dict[Index, int] = dict(zip(program.axes, place, strict=True))
    try:
        return mp.mpf(machine.run(program.value, env))
    except (ArithmeticError, ValueError):
        return mp.nan


def _is_convention(seen: Seen) -> bool:
    """Whether finite gradients differ at a point that may be a kink."""
    finite = mp.isfinite(seen.old) and mp.isfinite(seen.new)
    return bool(seen.differs and seen.point.special and finite)


def _agree(a: Value, b: Value, share: Value) -> bool:
    """Whether two numbers are the same but for a share of them."""
    if not (mp.isfinite(a) and mp.isfinite(b)):
        return bool(a == b or (mp.isnan(a) and mp.isnan(b)))
    return bool(abs(a - b) <= share * max(abs(a), abs(b)))


def _rounded(point: Point, names: Iterable[str], digits: int) -> Point:
    """A point with some inputs rounded to so many digits after the dot."""
    unit = mp.mpf(10) ** digits
    arrays = dict(point.arrays)
    for name in names:
        flat = [mp.nint(x * unit) / unit if mp.isfinite(x) else x for x in arrays[name].flat]
        arrays[name] = exact_array(flat).reshape(arrays[name].shape)
    return replace(point, arrays=arrays)


def _numbers(point: Point) -> Iterator[Value]:
    return (mp.mpf(x) for array in point.arrays.values() for x in array.flat if x is not None)


def _text(array: Any) -> str:
    """An array, or one of its elements, as Python reads it."""
    if isinstance(array, np.ndarray):
        if array.shape:
            return f"[{', '.join(map(_text, array))}]"
        array = array[()]
    if array is None or isinstance(array, bool):
        return str(array)
    return str(int(array)) if mp.isint(array) else mp.nstr(array, 17)
