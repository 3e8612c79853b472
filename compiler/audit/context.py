"""What deciding a claim needs: the loss written out at small lengths of axes, and as it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import islice

from mpmath import mp

from .. import domains as dom
from ..arithmetic import Value
from ..check import Checked
from ..elaborate.declare import Param
from ..gradcheck.points import lengths_of_params
from ..gradcheck.sizes import smallest
from ..interpret import Machine
from ..ir import INT, Axis, Expr, Index
from ..link import Reader
from .abstraction import abstracted
from .enclose import enclose
from .frame import Case, Frame, batch_axis
from .goal import Budget, Goal
from .interval import ANY, INF, UNIT, Interval, join_all
from .prove import EXACT, Prover, hardest
from .scalars import NotWritten, Writer
from .search import ROUNDS, Point, Question, completed, find, number_at
from .statements import Statements
from .tidy import tidy
from .verdict import Verdict, Witness, proved, refuted, unknown

LARGE, SMALL = 3, 2  # lengths of axes that claims are looked at with
QUICK, FEW = 2, 12  # rounds of search, and cases, before a proof is tried
MOST = 24  # scalars in a formula that is proved at a length
TRIED = ("composition rules", "interval arithmetic", "signs of derivatives", "SymPy",
         "branch and bound", "a search for a witness")  # fmt: skip
Exact = Callable[[Frame, Mapping[str, Value]], Value]


@dataclass
class Context:
    """A loss whose claims are decided, and the budget for the one that is looked at."""

    checked: Checked
    read: Reader | None = None
    budget: Budget = field(default_factory=Budget)
    seed: int = 0
    rounds: int = ROUNDS

    def begin(self, budget: Budget) -> None:
        """Start on another claim; what was written out stays."""
        self.budget, self.seed, self.rounds = budget, 0, ROUNDS

    def check(self) -> None:
        """Raise OutOfBudget if the time is over."""
        self.budget.check()

    @cached_property
    def statements(self) -> Statements:
        """The reader of claims."""
        return Statements.of(self.checked)

    @cached_property
    def lead(self) -> Axis | None:
        """The axis of the batch, of which claims see one sample."""
        return batch_axis(self.checked)

    @cached_property
    def frames(self) -> list[Frame]:
        """The loss at small lengths of its axes, the one for proofs first."""
        found: dict[tuple[tuple[Axis, int], ...], Frame] = {}
        for least in (LARGE, SMALL):
            sizes = self.sizes(least)
            frame = Frame(self.checked, sizes, self.check)
            found.setdefault(tuple(sorted(sizes.items())), frame)
        return sorted(found.values(), key=_is_large)

    def sizes(self, least: int) -> dict[Axis, int]:
        """Lengths of all axes: one sample, and otherwise at least so many places."""
        program = self.checked.program
        known = lengths_of_params(self.checked, program)
        if self.lead is not None:
            known.setdefault(self.lead, 1)
        try:
            return smallest(program, known, least)
        except ValueError as error:
            raise NotWritten(str(error)) from None

    def scope(self, frame: Frame) -> str:
        """For which lengths of axes a proof at a frame holds."""
        fixed = lengths_of_params(self.checked, self.checked.program)
        open_ = [a for a in frame.sizes if a != self.lead and a.size is None and a not in fixed]
        tensors = (*self.checked.program.inputs, *self.checked.program.params)
        used = [a for a in open_ if any(a in t.axes for t in tensors)]
        return " and ".join(f"{frame.sizes[a]} places of {a.name}" for a in used)

    # --- axes of any length

    def whole(self, term: Expr) -> Expr | None:
        """A term with axes of any length but the batch's; None where that has no form."""
        lengths = {self.lead: 1} if self.lead is not None else {}
        writer = Writer({a: n for a, n in lengths.items() if a is not None}, self.check)
        try:
            found = tidy(writer.write(term))
        except NotWritten:
            return None
        known = {e: self.whole_box[t.name] for e, (t, _) in writer.elements.items()
                 if t.name in self.whole_box}  # fmt: skip
        self.whole_box.update(known)
        return found

    @cached_property
    def whole_box(self) -> dict[str, Interval]:
        """The interval of each tensor, whatever the element."""
        frame = self.frames[0]
        return {name: self.reach(frame, name) for name in frame.decls}

    def reach(self, frame: Frame, name: str) -> Interval:
        """An interval around the elements of a tensor, for axes of any length."""
        meaning = frame.decls[name].meaning
        if isinstance(meaning, dom.Simplex | dom.OneHot):
            return UNIT
        cases = [c for choices in frame.choices(name) for c in choices]
        parts = [enclose(v, c.box) for c in cases for v in c.fixed.values()]
        parts += [i for c in cases for i in c.box.values()]
        found = join_all(p for p in parts if isinstance(p, Interval)) if parts else ANY
        parts_of = meaning.parts if isinstance(meaning, dom.Union) else (meaning,)
        long = any(isinstance(p, dom.IndexOf | dom.IntRange) for p in parts_of)
        return found._replace(high=INF) if long else found

    def prove_whole(self, term: Expr | None, strict: bool = False) -> str | None:
        """How `term >= 0` is shown for axes of any length."""
        if term is None:
            return None
        goal = Goal(term, self.whole_box, (), strict)
        how = Prover(self.budget.part(0.4), any_length=True).prove(goal)
        if how is not None:
            return how
        self.check()
        scalars = abstracted(goal)
        return None if scalars is None else self.prover(0.2).prove(scalars)

    # --- small lengths

    def prover(self, share: float = 0.6) -> Prover:
        """A prover with a share of the time that is left."""
        return Prover(self.budget.part(share))

    def prove_all(self, goals: Sequence[Goal], share: float = 0.6) -> str | None:
        """How several goals are shown; the hardest names the proof."""
        found = EXACT
        prover = self.prover(share)
        for goal in goals:
            how = prover.prove(goal)
            if how is None:
                return None
            found = hardest(found, how)
        return found

    def refute(self, frame: Frame, case: Case, claim: Doubt) -> Verdict | None:
        """The verdict by a witness at a case of a frame, if one is found."""
        box = dict(case.box) | dict(claim.extra)
        whole = frozenset(n for n in case.box if frame.kind(n) == INT)

        def exact(point: Point) -> Value:
            values = completed(case, {n: x for n, x in point.items() if n in case.box})
            if not frame.admits(values):
                return mp.nan
            more = {n: mp.mpf(x.numerator) / x.denominator
                    for n, x in point.items() if n in claim.extra}  # fmt: skip
            return claim.exact(frame, {**values, **more})

        question = Question(
            claim.gap, box, exact, (*case.given, *claim.given), claim.zero, claim.strict, whole,
            self.seed,
        )  # fmt: skip
        point = find(question, self.budget, self.rounds)
        return None if point is None else refuted(self.witness(frame, case, claim, point))

    def witness(self, frame: Frame, case: Case, claim: Doubt, point: Point) -> Witness:
        """A point as text, with the numbers that come out there."""
        own = {n: x for n, x in point.items() if n in case.box}
        fixed = {n: number_at(t, own) for n, t in case.fixed.items()}
        shown = {n: _text(own[n]) if n in own else _value_text(fixed[n]) for n in (*own, *fixed)}
        values = {name: _nested(frame, name, shown) for name in frame.decls
                  if name not in frame.static}  # fmt: skip
        inputs = ", ".join(f"{n}={v}" for n, v in values.items())
        numbers = [(n, _text(x)) for n, x in point.items() if n in claim.extra and "#" not in n]
        exact = completed(case, own) | {
            n: mp.mpf(x.numerator) / x.denominator for n, x in point.items() if n in claim.extra
        }
        with mp.workdps(40):
            numbers += [(label, mp.nstr(f(frame, exact), 12)) for label, f in claim.shown]
        return Witness(f"{self.checked.name}({inputs})", values, tuple(numbers))


@dataclass(frozen=True)
class Doubt:
    """A way in which a claim could fail: `gap < 0`, or `gap != 0` with `zero`.

    `extra` are variables beside those of the loss; `shown` are numbers that explain a witness.
    """

    gap: Expr
    exact: Exact
    extra: Mapping[str, Interval] = field(default_factory=dict)
    given: tuple[Expr, ...] = ()
    zero: bool = False
    strict: bool = False
    shown: tuple[tuple[str, Exact], ...] = ()

    def of(self, gap: Expr) -> Doubt:
        """The same with another form of the gap."""
        return replace(self, gap=gap)


def ladder(
    context: Context,
    prove: Callable[[Frame, Case], str | None],
    refute: Callable[[Frame, Case], Verdict | None],
) -> Verdict:
    """A claim case by case: proved in all cases of the first frame, or refuted in one of any."""
    main = context.frames[0]
    context.rounds = QUICK
    for frame, case in islice(each_case(context.frames), FEW):
        verdict = refute(frame, case)
        if verdict is not None:
            return verdict
    found = _proof(main, prove)
    if found is not None:
        return proved(found, context.scope(main))
    context.rounds, context.seed = ROUNDS, context.seed + 1
    for frame, case in each_case(context.frames):
        verdict = refute(frame, case) if context.budget.left > 0 else None
        if verdict is not None:
            return verdict
    return unknown(*TRIED)


def _proof(frame: Frame, prove: Callable[[Frame, Case], str | None]) -> str | None:
    found = EXACT
    for case in frame.cases:
        how = prove(frame, case)
        if how is None:
            return None
        found = hardest(found, how)
    return found


def value_of_variable(name: str) -> Exact:
    """A variable's own value."""
    return lambda frame, values: values[name]


def at_place(term: Expr, env: Mapping[Index, int]) -> Exact:
    """The value of a term of the IR by the interpreter."""

    def exact(frame: Frame, values: Mapping[str, Value]) -> Value:
        machine: Machine = frame.machine(values)
        return machine.run(term, dict(env))

    return exact


def each_case(frames: Sequence[Frame]) -> Iterator[tuple[Frame, Case]]:
    """Every case of every frame."""
    for frame in frames:
        for case in frame.cases:
            yield frame, case


def _is_large(frame: Frame) -> bool:
    return sum(len(frame.elements(n)) for n in frame.decls) > MOST


def _text(x: Fraction) -> str:
    """A number as Python reads it, exactly."""
    if x.denominator == 1:
        return str(x.numerator)
    exact = float(x)
    return repr(exact) if Fraction(repr(exact)) == x or Fraction(exact) == x else f"{x}"


def _value_text(x: Value) -> str:
    if isinstance(x, bool):
        return str(x)
    return str(int(x)) if mp.isint(x) else mp.nstr(x, 17)


def _nested(frame: Frame, name: str, shown: Mapping[str, str]) -> str:
    """A tensor as text: nested lists, one element of axes without names alone."""
    decl = frame.decls[name]
    elements = frame.elements(name)
    axes = decl.tensor.axes
    if not axes or (decl.axes is None and len(elements) == 1 and not isinstance(decl, Param)):
        return shown[elements[0]]
    rest = [shown[e] for e in elements]
    for axis in reversed(axes[1:]):
        n = frame.length(axis)
        rest = [f"[{', '.join(rest[k : k + n])}]" for k in range(0, len(rest), n)]
    return f"[{', '.join(rest)}]"
