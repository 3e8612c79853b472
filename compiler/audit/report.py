"""The audit of a loss: claims and verdicts, domains, hazards, kinks, batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lossc.dsl.diagnostics import Diagnostic, Label, render
from lossc.dsl.primitives import PRIMITIVES, REDUCTIONS

from ..check import Checked
from ..elaborate.declare import Input, Param
from ..gradcheck.kinks import gaps
from ..link import Reader
from ..separate import separate
from .claims import SECONDS, ClaimVerdict, audit_claims
from .context import Context
from .goal import Budget
from .hazards import Hazard, Hazards, hazards
from .scalars import NotWritten
from .verdict import PROVED, REFUTED, UNKNOWN

FAILS = (REFUTED, "hazard", UNKNOWN)
HAZARD_SECONDS = 2.0
SEPARATE = (
    "the {op} of one value for each sample: samples can have weights and masks, and values over "
    "batches combine by their sizes"
)
JOINED = (
    "samples act on each other: they have no weights of their own, and values over batches do not "
    "combine to the value over all data"
)


@dataclass(frozen=True)
class AuditReport:
    """What the audit found: str() or `text` to read, `to_json()`, and the parts by name."""

    loss: str
    file: str
    claims: tuple[ClaimVerdict, ...]
    domains: tuple[Input | Param, ...]
    hazards: tuple[Hazard, ...]
    safe: int
    kinks: tuple[tuple[str, str], ...]
    separable: str | None
    hash: str
    notes: tuple[str, ...] = ()

    def count(self, kind: str) -> int:
        """How many claims were proved, refuted or unknown; or how many hazards there are."""
        if kind == "hazard":
            return len(self.hazards)
        return sum(c.verdict.kind == kind for c in self.claims)

    def fails(self, *kinds: str) -> bool:
        """Whether anything of these kinds was found: refuted, hazard, unknown."""
        return any(self.count(k) for k in kinds)

    @property
    def ok(self) -> bool:
        """Whether no claim was refuted."""
        return not self.fails(REFUTED)

    @property
    def summary(self) -> str:
        """One line."""
        counts = [f"{self.count(k)} {k}" for k in (PROVED, REFUTED, UNKNOWN) if self.count(k)]
        n = len(self.hazards)
        hazards_ = f"; {n} {'hazard' if n == 1 else 'hazards'}" if n else ""
        return f"{self.loss}: {', '.join(counts) or 'no claims'}{hazards_}"

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
        batches = JOINED if self.separable is None else SEPARATE.format(op=self.separable)
        yield from _section("batches", (batches,))
        yield from _section("hash", (self.hash,))
        yield from _section("notes", self.notes)

    def _hazard_lines(self) -> Iterator[str]:
        for hazard in self.hazards:
            yield from hazard_text(hazard).split("\n")
        if self.safe:
            word = "part that could fail is" if self.safe == 1 else "parts that could fail are"
            yield f"{self.safe} {word} shown to be finite on the whole domain"
        elif not self.hazards:
            yield "none"

    def to_json(self) -> dict[str, Any]:
        """The report as JSON has it; `docs/cli.md` says what the keys are."""
        return {
            "loss": self.loss, "file": self.file, "ok": self.ok,
            "claims": [{"claim": c.text, **c.verdict.to_json()} for c in self.claims],
            "domains": [_domain_json(d) for d in self.domains],
            "hazards": [h.to_json() for h in self.hazards], "safe": self.safe,
            "kinks": [{"at": where, "slope": rule} for where, rule in self.kinks],
            "separable": self.separable, "hash": self.hash, "notes": list(self.notes),
        }  # fmt: skip


def audit(checked: Checked, read: Reader | None = None, seconds: float = SECONDS) -> AuditReport:
    """The audit of a loss; `seconds` of the processor are the most for one claim.

    `read` opens the files that a claim `equals` names.
    """
    claims = audit_claims(checked, seconds, read)
    found, notes = _hazards(checked, read)
    separated = separate(checked.program)
    params = [p for p in checked.params.values() if p.default is not None]
    return AuditReport(
        checked.name, checked.unit.source.name, claims, (*checked.inputs.values(), *params),
        found.found, found.safe, tuple(_kinks(checked)),
        separated.op if separated is not None else None, checked.program.hash, tuple(notes),
    )  # fmt: skip


def _hazards(checked: Checked, read: Reader | None) -> tuple[Hazards, list[str]]:
    try:
        return hazards(Context(checked, read, Budget(HAZARD_SECONDS))), []
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


# --- text -----------------------------------------------------------------------------------------


def _section(title: str, lines: Any) -> Iterator[str]:
    rows = list(lines)
    if rows:
        yield f"  {title}"
        yield from (f"    {row}".rstrip() for row in rows)


def _claim_lines(claim: ClaimVerdict) -> Iterator[str]:
    v = claim.verdict
    yield f"{v.kind:9}{claim.text}"
    scope = f", for {v.scope}" if v.scope else ""
    if v.is_proved:
        yield f"         by {v.how}{scope}"
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
