"""The audit of a loss: claims and verdicts, and everything else that a reviewer would ask for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

from lossc.dsl.diagnostics import Diagnostic, Label, render
from lossc.dsl.primitives import PRIMITIVES, REDUCTIONS

from ..accuracy.report import AccuracyReport
from ..check import Checked
from ..derive import real_inputs
from ..elaborate.declare import Input, Param
from ..gradcheck.kinks import gaps
from ..gradcheck.report import GradientReport
from ..link import Reader
from ..passes.differentiate import differentiate, total
from ..passes.stabilise import stabilised
from ..rules.table import RULES
from ..separate import separate
from ..wording import plural
from .claims import SECONDS, ClaimVerdict, decide_all
from .context import Context
from .cost import Cost
from .data import DataReport
from .goal import Budget
from .hazards import Hazard, Hazards, hazards
from .influence import Influence, influences
from .invariants import Invariant, invariants
from .kinds.comparison import all_of
from .oracles import agreement, bits, conventions, disagreements, opinions
from .scalars import NotWritten
from .verdict import PROVED, REFUTED, SCOPED, UNKNOWN, Verdict, narrowed

CLAIMED = (PROVED, SCOPED, REFUTED, UNKNOWN)
FAILS = (REFUTED, "hazard", UNKNOWN, SCOPED, "gradient", "accuracy", "data")
HAZARD_SECONDS = 1.5
SEPARATE = (
    "the {op} of one value for each sample: samples can have weights and masks, and values over "
    "batches combine by their sizes"
)
JOINED = (
    "samples act on each other: they have no weights of their own, and values over batches do not "
    "combine to the value over all data"
)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A rule that made the form that is computed: `of` is "" or the input of a derivative."""

    rule: str
    says: str
    of: str
    times: int

    def to_json(self) -> dict[str, Any]:
        """The rewrite as JSON has it."""
        return {"rule": self.rule, "says": self.says, "of": self.of, "times": self.times}


@dataclass(frozen=True)
class AuditReport:
    """What the audit found: str() or `text` to read, `to_json()`, and the parts by name.

    `gradient`, `accuracy` and `cost` are measured, and empty where nothing was run.
    """

    checked: Checked = field(repr=False, compare=False)
    claims: tuple[ClaimVerdict, ...]
    hazards: tuple[Hazard, ...]
    safe: int
    scoped: Mapping[str, int]
    kinks: tuple[tuple[str, str], ...]
    rewrites: tuple[Rewrite, ...]
    influence: tuple[Influence, ...]
    invariants: tuple[Invariant, ...]
    separable: str | None
    gradient: GradientReport | None = None
    accuracy: AccuracyReport | None = None
    cost: tuple[Cost, ...] = ()
    data: DataReport | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    date: str = ""
    notes: tuple[str, ...] = ()

    @property
    def loss(self) -> str:
        """The name of the loss."""
        return self.checked.name

    @property
    def file(self) -> str:
        """Where its text is from."""
        return self.checked.unit.source.name

    @property
    def hash(self) -> str:
        """The canonical hash of its meaning."""
        return self.checked.program.hash

    @property
    def domains(self) -> tuple[Input | Param, ...]:
        """The inputs and params as declared; lists that functions hide are none."""
        params = [p for p in self.checked.params.values() if p.default is not None]
        return (*self.checked.inputs.values(), *params)

    def count(self, kind: str) -> int:
        """How many claims were proved (for all), scoped, refuted, unknown; or how many findings."""
        match kind:
            case "hazard":
                return len(self.hazards)
            case "gradient":
                return disagreements(self.gradient) if self.gradient is not None else 0
            case "accuracy":
                rows = self.accuracy.rows if self.accuracy is not None else ()
                return sum(not r.figures.ok for r in rows)
            case "data":
                ranges = self.data.ranges if self.data is not None else ()
                return sum(r.outside > 0 for r in ranges)
        return sum(c.verdict.word == kind for c in self.claims)

    def fails(self, *kinds: str) -> bool:
        """Whether anything of these kinds, of those in FAILS, was found."""
        return any(self.count(k) for k in kinds)

    @property
    def ok(self) -> bool:
        """Whether no claim was refuted."""
        return not self.fails(REFUTED)

    @property
    def summary(self) -> str:
        """One line."""
        counts = [f"{self.count(k)} {k}" for k in CLAIMED if self.count(k)]
        parts = [", ".join(counts) or "no claims"]
        if self.hazards:
            parts.append(plural(len(self.hazards), "hazard"))
        if self.gradient is not None:
            parts.append(agreement(self.gradient))
        if self.data is not None and not self.data.ok:
            parts.append("data outside its domain")
        if self.accuracy is not None:
            parts.append(bits(self.accuracy))
        return f"{self.loss}: {'; '.join(parts)}"

    @property
    def text(self) -> str:
        """The whole report."""
        return "\n".join(self._lines())

    def __str__(self) -> str:
        return self.text

    def _lines(self) -> Iterator[str]:
        yield f"{self.loss} ({self.file})"
        yield from _section("claims", (line for c in self.claims for line in _claim_lines(c)))
        yield from _section("domains", map(_domain_line, self.domains))
        yield from _section("hazards", self._hazard_lines())
        yield from _section("kinks", (f"{where}: {rule}" for where, rule in self.kinks))
        yield from _section("rewrites", map(_rewrite_line, self.rewrites))
        yield from _section("gradient", self._gradient_lines())
        yield from _section("accuracy", self._accuracy_lines())
        yield from _section("influence", map(str, self.influence))
        yield from _section("invariants", (line for i in self.invariants for line in _invariant(i)))
        yield from _section("batches", (self.batches,))
        yield from _section("cost", self._cost_lines())
        yield from _section("data", self.data.lines() if self.data is not None else ())
        yield from _section("hash", (self.hash,))
        yield from _section("notes", self.notes)

    @property
    def searched(self) -> bool:
        """Whether the search of hazards was not cut short."""
        return not any(n.startswith("hazards") for n in self.notes)

    @property
    def batches(self) -> str:
        """What it means for batches that the loss is separable, or is not."""
        if self.checked.program.axes:
            return "the value is a tensor, and nothing is reduced"
        return JOINED if self.separable is None else SEPARATE.format(op=self.separable)

    def _gradient_lines(self) -> Iterator[str]:
        if self.gradient is not None:
            points = plural(self.gradient.points, "point")
            said = agreement(self.gradient).removeprefix("gradient ")
            yield f"{said} ({points}, {self.gradient.kinks} on a kink)"
            yield from (line.strip() for line in self.gradient.findings())
            yield from (f"{o.wrt}: {o.oracle} {o}" for o in opinions(self.gradient))
            yield from conventions(self.gradient)
            yield from (f"note: {text}" for text in self.gradient.notes)

    def _accuracy_lines(self) -> Iterator[str]:
        if self.accuracy is not None:
            yield from (line[2:] for line in str(self.accuracy).split("\n")[1:])

    def _cost_lines(self) -> Iterator[str]:
        if self.cost:
            yield f"as XLA compiles it in float32 for {self.cost[0].lengths}"
            yield from map(str, self.cost)

    def _hazard_lines(self) -> Iterator[str]:
        for hazard in self.hazards:
            yield from hazard_text(hazard).split("\n")
        yield from self.shown
        if not self.hazards and not self.safe and not self.scoped:
            yield "none" if self.searched else "none found; see the notes"

    @property
    def shown(self) -> Iterator[str]:
        """Of how many parts that could fail it is shown that they are finite, and for what."""
        for scope, n in {"": self.safe, **self.scoped}.items():
            if n:
                word = "part that could fail is" if n == 1 else "parts that could fail are"
                given = f" for {scope}" if scope else ""
                yield f"{n} {word} shown to be finite on the whole domain{given}"

    def to_html(self, path: str | PathLike[str]) -> None:
        """Write the report as one HTML file that needs nothing else."""
        from .page import page

        Path(path).write_text(page([self]), encoding="utf-8")

    def to_json(self) -> dict[str, Any]:
        """The report as JSON has it; `docs/audit.md` says what the keys are."""
        return {
            "loss": self.loss, "file": self.file, "ok": self.ok,
            "claims": [{"claim": c.text, **c.verdict.to_json()} for c in self.claims],
            "domains": [_domain_json(d) for d in self.domains],
            "hazards": [h.to_json() for h in self.hazards], "safe": self.safe,
            "scoped": dict(self.scoped),
            "kinks": [{"at": where, "slope": rule} for where, rule in self.kinks],
            "rewrites": [r.to_json() for r in self.rewrites],
            "gradient": self.gradient.to_json() if self.gradient is not None else None,
            "accuracy": self.accuracy.to_json() if self.accuracy is not None else None,
            "influence": [i.to_json() for i in self.influence],
            "invariants": [i.to_json() for i in self.invariants],
            "separable": self.separable, "cost": [c.to_json() for c in self.cost],
            "data": self.data.to_json() if self.data is not None else None,
            "hash": self.hash, "versions": dict(self.versions), "date": self.date,
            "notes": list(self.notes),
        }  # fmt: skip


def audit(
    checked: Checked, read: Reader | None = None, seconds: float = SECONDS, brief: bool = False,
    search: float = HAZARD_SECONDS,
) -> AuditReport:  # fmt: skip
    """What the text of a loss shows, without running it; `seconds` are the most for one claim.

    `search` of them are the most for hazards. `read` opens the files that a claim `equals` names.
    With `brief` there is only what `summary` says.
    """
    context = Context(checked, read)
    claims = decide_all(context, seconds)
    found, notes = _hazards(context, search)
    separated = separate(checked.program)
    return AuditReport(
        checked, claims, found.found, found.safe, found.scoped, tuple(_kinks(checked)),
        () if brief else tuple(_rewrites(checked)),
        () if brief else influences(checked), () if brief else _invariants(context),
        separated.op if separated is not None else None, notes=tuple(notes),
    )  # fmt: skip


def _invariants(context: Context) -> tuple[Invariant, ...]:
    """The invariants, for all values of the params; what one formula lacks, none has."""
    first, *others = [invariants(v.checked) for v in context.variants]
    for other in others:
        found = {(i.name, i.text): i.verdict for i in other}
        first = tuple(
            replace(i, verdict=all_of([i.verdict, found[i.name, i.text]]))
            for i in first if (i.name, i.text) in found
        )  # fmt: skip
    return tuple(replace(i, verdict=narrowed(i.verdict, context.partial)) for i in first)


def _hazards(context: Context, seconds: float) -> tuple[Hazards, list[str]]:
    if context.checked.program.axes:
        return Hazards((), 0), ["hazards were not looked for: the value is a tensor"]
    try:
        context.begin(Budget(seconds))
        found = hazards(context)
        return found, list(found.notes)
    except (NotWritten, RecursionError) as error:
        return Hazards((), 0), [f"hazards were not looked for: {error}"]


def _kinks(checked: Checked) -> Iterator[tuple[str, str]]:
    """What the formula has kinks at, and the slope that the language takes there."""
    for name in dict.fromkeys(g.name for g in gaps(checked.program)):
        row = PRIMITIVES.get(name)
        rule = row.kink if row is not None else getattr(REDUCTIONS.get(name), "kink", "")
        if name in ("lt", "le", "gt", "ge"):
            yield "if", "the slope is that of the branch taken"
        elif rule:
            yield name, rule


def _rewrites(checked: Checked) -> Iterator[Rewrite]:
    """The rules that made the form of value and gradient that is computed."""
    said = {r.name: f"{r.pattern} = {r.result}" for r in RULES}
    stable, fired = stabilised(checked.program, checked.domains)
    parts = {"": fired}
    for name in real_inputs(checked):
        derived = differentiate(total(stable), name)
        parts[name] = stabilised(derived, checked.domains)[1]
    for of, rules in parts.items():
        for rule, times in Counter(f.rule for f in rules).items():
            yield Rewrite(rule, said.get(rule, ""), of, times)


# --- text -----------------------------------------------------------------------------------------


def _section(title: str, lines: Any) -> Iterator[str]:
    rows = list(lines)
    if rows:
        yield f"  {title}"
        yield from (f"    {row}".rstrip() for row in rows)


def _rewrite_line(rewrite: Rewrite) -> str:
    of = f"the derivative in {rewrite.of}" if rewrite.of else "the value"
    says = f": {rewrite.says}" if rewrite.says else ""
    return f"{rewrite.rule}{says}  (in {of}, {rewrite.times} x)"


def _claim_lines(claim: ClaimVerdict) -> Iterator[str]:
    yield from _verdict(claim.text, claim.verdict)


def _invariant(found: Invariant) -> Iterator[str]:
    yield from _verdict(found.text, found.verdict)
    if found.note:
        yield f"         {found.note}"


def _verdict(text: str, v: Verdict) -> Iterator[str]:
    yield f"{v.word:9}{text}"
    if v.is_proved and v.scope:
        yield f"         {v.said}, by {v.how}"
    elif v.is_proved:
        yield f"         by {v.how}"
    elif v.is_refuted and v.witness is not None:
        yield f"         {v.witness.text}"
        yield from (f"         {name} = {value}" for name, value in v.witness.numbers)
    else:
        yield f"         tried {', '.join(v.tried)}"


def _domain_line(decl: Input | Param) -> str:
    axes = f"[{', '.join(decl.axes)}]" if decl.axes else ""
    said = f'  "{decl.description}"' if decl.description else ""
    return f"{decl.name}{axes} in {decl.domain}{said}" if " " not in decl.domain.strip() or (
        decl.domain[:1] in "([{") else f"{decl.domain}{said}"  # fmt: skip


def _domain_json(decl: Input | Param) -> dict[str, Any]:
    axes = None if decl.axes is None else list(decl.axes)
    return {"name": decl.name, "axes": axes, "domain": decl.domain,
            "description": decl.description}  # fmt: skip


def hazard_text(hazard: Hazard) -> str:
    """A hazard with the caret and the input that shows it."""
    notes = () if hazard.witness is None else (f"at {hazard.witness}",)
    drawn = render(Diagnostic("W0000", hazard.what, Label(hazard.span), notes=notes))
    return "\n".join([f"{hazard.kind}: {hazard.what}", *drawn.split("\n")[1:]])
