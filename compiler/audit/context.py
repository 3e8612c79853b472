"""What deciding a claim needs: the loss written out at small lengths of axes, and as it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import islice, product

from mpmath import mp

from .. import domains as dom
from ..arithmetic import Arithmetic, Value
from ..check import Checked
from ..elaborate.declare import Default, Param
from ..gradcheck.points import lengths_of_params
from ..gradcheck.sizes import smallest
from ..interpret import Machine
from ..ir import BOOL, INT, Axis, Expr, Index
from ..link import Reader
from .abstraction import abstracted
from .enclose import enclose
from .explicit import Explicit
from .frame import Case, Frame, batch_axis, half
from .goal import Budget, Goal, variables
from .interval import ANY, INF, REALS, UNIT, Interval, join_all
from .prove import EXACT, Prover, hardest
from .scalars import NotWritten, Writer
from .search import ROUNDS, Point, Question, completed, find, number_at
from .statements import Statements
from .tidy import FALSE, tidy
from .variants import Variants, defaults, variants
from .variants import shown as value_text
from .verdict import Verdict, Witness, proved, refuted, unknown

LARGE, SMALL = 3, 2  # lengths of axes that claims are looked at with
QUICK, FEW = 2, 12  # rounds of search, and cases, before a proof is tried
MOST_PAIRS = 64  # of cases, of which two points are compared
MOST = 24  # scalars in a formula that is proved at a length
TRIED = ("composition rules", "interval arithmetic", "signs of derivatives", "SymPy",
         "branch and bound", "a search for a witness")  # fmt: skip
Values = Mapping[str, Value]
Exact = Callable[[Frame, Values], Value]
Others = Callable[[Values], Iterable[Values]]


@dataclass
class Context:
    """A loss whose claims are decided, and the budget for the one that is looked at."""

    checked: Checked
    read: Reader | None = None
    budget: Budget = field(default_factory=Budget)
    seed: int = 0
    rounds: int = ROUNDS
    fixed: Mapping[str, Default] = field(default_factory=dict)

    def begin(self, budget: Budget) -> None:
        """Start on another claim; what was written out stays."""
        self.budget, self.seed, self.rounds = budget, 0, ROUNDS

    def check(self) -> None:
        """Raise OutOfBudget if the time is over."""
        self.budget.check()

    @cached_property
    def kinds(self) -> Variants:
        """The formulas that the text stands for."""
        return variants(self.checked)

    @cached_property
    def variants(self) -> list[Context]:
        """A context for each of them, this one first."""
        others = self.kinds.all[1:]
        return [self, *(replace(self, checked=v.checked, fixed=v.fixed) for v in others)]

    @property
    def partial(self) -> str:
        """The values of params that are looked at, where they are not all."""
        return self.kinds.scope

    @property
    def defaults(self) -> str:
        """The values by default of the params that are fixed when compiled."""
        names = {n for v in self.kinds.all for n in v.fixed}
        return defaults(self.checked, names) or self.partial

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
        settled = lengths_of_params(self.checked, self.checked.program)
        found = self.written((LARGE, settled), (SMALL, settled))
        return sorted(found, key=_is_large)

    @cached_property
    def lacks(self) -> Explicit:
        """What writes out where terms have no value."""
        return Explicit(dict(self.whole_box))

    def explicit(self, term: Expr) -> Expr:
        """A term that says where it has no value, for what simplifies it. Raises NotWritten."""
        return self.lacks.of(term)

    @cached_property
    def longer(self) -> list[Frame]:
        """The loss at other lengths, those of lists that are params among them: for witnesses."""
        known = {frozenset(f.sizes.items()) for f in self.frames}
        try:
            found = self.written((LARGE + 1, self.settled))
        except NotWritten:
            return []
        return [f for f in found if frozenset(f.sizes.items()) not in known and not _is_large(f)]

    def written(self, *lengths: tuple[int, Mapping[Axis, int]]) -> list[Frame]:
        """A frame for each choice of a least length, and of known ones, that gives other sizes."""
        found: dict[frozenset[tuple[Axis, int]], Frame] = {}
        for least, known in lengths:
            sizes = self.sizes(least, known)
            frame = Frame(self.checked, sizes, self.check, self.lead, self.explicit)
            found.setdefault(frozenset(sizes.items()), frame)
        return list(found.values())

    @cached_property
    def settled(self) -> dict[Axis, int]:
        """The lengths of axes that no call can change: of lists that are defaults of functions."""
        lists = [t for t in self.checked.program.params if t.name in self.checked.hidden]
        return lengths_of_params(self.checked, replace(self.checked.program, params=tuple(lists)))

    def sizes(self, least: int, known: Mapping[Axis, int]) -> dict[Axis, int]:
        """Lengths of all axes: one sample, and otherwise at least so many places."""
        one = {self.lead: 1} if self.lead is not None else {}
        try:
            return smallest(self.checked.program, {**one, **known}, least)
        except ValueError as error:
            raise NotWritten(str(error)) from None

    def scope(self, frame: Frame) -> str:
        """For which lengths of axes a proof at a frame holds."""
        return " and ".join(f"{frame.sizes[a]} places of {a.name}" for a in self.open_axes)

    @cached_property
    def open_axes(self) -> list[Axis]:
        """The axes of which another call may have other lengths, but for that of one sample."""
        tensors = (*self.checked.program.inputs, *self.checked.program.params)
        axes = dict.fromkeys(a for t in tensors for a in t.axes)
        return [a for a in axes if a != self.lead and a.size is None and a not in self.settled]

    # --- axes of any length

    def whole(self, term: Expr) -> Expr | None:
        """A term with axes of any length but the batch's; None where that has no form."""
        lengths = {self.lead: 1} if self.lead is not None else {}
        writer = Writer(lengths, self.check, self.lead)
        try:
            found = tidy(writer.write(self.explicit(term)))
        except NotWritten:
            return None
        for element, (tensor, _) in writer.elements.items():
            self.owners[element] = tensor.name
            if tensor.name in self.whole_box:
                self.whole_box[element] = self.whole_box[tensor.name]
        return found

    @cached_property
    def owners(self) -> dict[str, str]:
        """The tensor of each variable of the terms written for axes of any length."""
        program = self.checked.program
        return {t.name: t.name for t in (*program.inputs, *program.params)}

    def variables_of(self, term: Expr, names: Iterable[str]) -> frozenset[str]:
        """The variables of such a term that are of some tensors: a fixed axis is written out."""
        found = variables(term)
        strange = found - set(self.owners)
        if strange:
            raise AssertionError(f"no input or param has {', '.join(sorted(strange))}")
        return frozenset(v for v in found if self.owners[v] in set(names))

    @cached_property
    def whole_box(self) -> dict[str, Interval]:
        """The interval of each tensor, whatever the element and the lengths of axes."""
        frame = self.frames[0]
        return {n: reach(d.meaning, frame.param_box) for n, d in frame.decls.items()}

    def prove_whole(
        self, term: Expr | None, strict: bool = False, share: float = 0.4
    ) -> str | None:
        """How `term >= 0` is shown for axes of any length."""
        if term is None:
            return None
        goal = Goal(term, self.whole_box, (), strict)
        how = Prover(self.budget.part(share), any_length=True).prove(goal)
        if how is not None:
            return how
        self.check()
        scalars = abstracted(goal)
        return None if scalars is None else self.prover(share / 2).prove(scalars)

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
        if FALSE in claim.given:
            return None
        box = dict(case.box) | dict(claim.extra)
        whole = frozenset(n for n in case.box if frame.kind(n) == INT) | claim.integers

        def exact(point: Point, arithmetic: Arithmetic) -> Value:
            values = completed(case, {n: x for n, x in point.items() if n in case.box})
            values |= {n: mp.mpf(x.numerator) / x.denominator
                       for n, x in point.items() if n in claim.extra}  # fmt: skip
            if not all(map(frame.admits, (values, *claim.others(values)))):
                return mp.nan
            with frame.computing(arithmetic):
                return claim.exact(frame, values)

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
        values = {name: _nested(frame, name, shown) for name in frame.free}
        values |= {n: value_text(v) for n, v in self.fixed.items() if n not in values}
        inputs = ", ".join(f"{n}={v}" for n, v in values.items())
        numbers = [(n, _text(x)) for n, x in point.items() if n in claim.extra and "#" not in n]
        exact = completed(case, own) | {
            n: mp.mpf(x.numerator) / x.denominator for n, x in point.items() if n in claim.extra
        }
        with mp.workdps(40):
            numbers += [(label, mp.nstr(f(frame, exact), 12)) for label, f in claim.shown]
        return Witness(f"{self.checked.name}({inputs})", values, tuple(numbers))


def reach(meaning: dom.Domain, params: Mapping[str, Interval]) -> Interval:
    """An interval around the numbers of a domain, for axes of any length."""

    def bound(term: Expr) -> Interval:
        return enclose(tidy(term), params)

    match meaning:
        case dom.Simplex() | dom.OneHot():
            return UNIT
        case dom.Values(values):
            return join_all(map(bound, values))
        case dom.IndexOf(axis):
            return Interval(0.0, INF if axis.size is None else axis.size - 1.0)
        case dom.IntRange(low, high):
            return Interval(bound(low).low, bound(high).high)
        case dom.Between(low, high, low_open, high_open):
            above = REALS if low is None else half(bound(low), low_open, True)
            return above if high is None else above.meet(half(bound(high), high_open, False))
        case dom.Union(parts):
            return join_all(reach(p, params) for p in parts)
    return REALS if meaning.kind != BOOL else ANY


@dataclass(frozen=True)
class Doubt:
    """A way in which a claim could fail: `gap < 0`, or `gap != 0` with `zero`.

    `extra` are variables beside those of the loss, of which `integers` are whole; `others` gives
    the points beside the first that must lie in the domain; `shown` are numbers that explain a
    witness.
    """

    gap: Expr
    exact: Exact
    extra: Mapping[str, Interval] = field(default_factory=dict)
    given: tuple[Expr, ...] = ()
    zero: bool = False
    strict: bool = False
    shown: tuple[tuple[str, Exact], ...] = ()
    others: Others = lambda values: ()
    integers: frozenset[str] = frozenset()

    def of(self, gap: Expr) -> Doubt:
        """The same with another form of the gap."""
        return replace(self, gap=gap)


Prove = Callable[[Frame, Case], str | None]
Refute = Callable[[Frame, Case], Verdict | None]


def ladder(context: Context, prove: Prove, refute: Refute, pairs: Pairs | None = None) -> Verdict:
    """A claim case by case: proved in all cases of the first frame, or refuted in one of any.

    One of two points has `pairs`. What is proved of some lengths alone is looked at at others.
    """
    main = context.frames[0]
    verdict = _refuted(context, islice(each_case(context.frames), FEW), refute, QUICK)
    if verdict is not None:
        return verdict
    found = _proof(main.cases, prove, main) if pairs is None else pairs.proof(main, prove)
    scope = context.scope(main)
    if found is not None and not scope:
        return proved(found)
    if found is None:
        context.seed += 1
        verdict = _refuted(context, each_case(context.frames), refute, ROUNDS)
    verdict = verdict or _refuted(context, islice(each_case(context.longer), FEW), refute, QUICK)
    if verdict is not None:
        return verdict
    return unknown(*TRIED) if found is None else proved(found, scope)


def _refuted(
    context: Context, cases: Iterable[tuple[Frame, Case]], refute: Refute, rounds: int
) -> Verdict | None:
    """A witness in one of some cases, if one is found in so many rounds."""
    context.rounds = rounds
    for frame, case in cases:
        verdict = refute(frame, case) if context.budget.left > 0 else None
        if verdict is not None:
            return verdict
    return None


def _proof(cases: Iterable[Case], prove: Prove, frame: Frame) -> str | None:
    found = EXACT
    for case in cases:
        how = prove(frame, case)
        if how is None:
            return None
        found = hardest(found, how)
    return found


@dataclass(frozen=True)
class Pairs:
    """A claim about two points of the domain that differ in some tensors, `names`.

    It is proved over a hull of their domains; or, where `apart` shows it of points of two cases,
    case by case and for all pairs of them.
    """

    names: Sequence[str]
    apart: Callable[[Frame, Case, Case], str | None] | None = None

    def proof(self, frame: Frame, prove: Prove) -> str | None:
        """How the claim is shown at a frame."""
        found = _proof(frame.around(self.names), prove, frame)
        if found is not None or self.apart is None or frame.around(self.names) is frame.cases:
            return found
        others = frame.alone(self.names)
        if len(frame.cases) * len(others) > MOST_PAIRS:
            return None
        found = _proof(frame.cases, prove, frame)
        for case, other in product(frame.cases, others):
            if case.has(other):
                continue
            how = None if found is None else self.apart(frame, case, other)
            if how is None:
                return None
            found = hardest(found or EXACT, how)
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
