"""The article of one audit: its sections, from the formula to the provenance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import isfinite
from typing import Any

from lossc.dsl import ast

from ...accuracy.report import AccuracyReport
from ...check import Checked
from ...derive import derivative, real_inputs
from ...elaborate.declare import Input, Param
from ...emit.to_latex import latex, latex_name
from ...emit.to_mathml import from_latex, mathml
from ...gradcheck.kinks import gaps
from ...gradcheck.report import ORACLES, GradientReport
from ...ir import Access, Select, postorder
from ..claims import ClaimVerdict
from ..data import DataReport, Pull, Ranged, Taken, share
from ..hazards import Hazard
from ..oracles import (
    Opinion,
    agreement,
    bits,
    conventions,
    disagreements,
    measured,
    opinions,
    points_of,
)
from ..places import Places
from ..report import AuditReport
from ..slices import choose
from ..verdict import Verdict
from .html import Mark, code, escape, listed, listing, paragraph, section, table, verdict
from .svg import panels

LONG, TOO_LONG = 6000, 60000  # characters of MathML that are folded, or left out
PLOT_SECONDS = 5.0
MARKS = {"proved": "good", "scoped": "part", "refuted": "bad", "unknown": "open"}
TITLES = {"nan": "no number", "infinite": "infinite", "gradient": "gradient", "flat": "flat",
          "place": "place"}  # fmt: skip


def article(report: AuditReport, key: str) -> str:
    """All that is known of a loss; `key` is the beginning of the names of its places."""
    parts = (
        ("Formula", formula(report.checked)),
        ("Plot", plot(report.checked)),
        ("Claims", claims(report)),
        ("Source", source(report)),
        ("Hazards", hazards(report)),
        ("Data", data(report)),
        ("Domains", domains(report)),
        ("Conventions", kinks(report)),
        ("Gradient check", gradient(report)),
        ("Accuracy", accuracy(report)),
        ("Influence of an outlier", influence(report)),
        ("Samples and batches", samples(report)),
        ("Cost", cost(report)),
        ("Rewrites", rewrites(report)),
        ("Provenance", provenance(report)),
    )
    sections = [(title, section(key, title, *content)) for title, content in parts]
    top = head(report, key, [title for title, inside in sections if inside])
    shown = "\n".join(inside for _, inside in sections if inside)
    return f'<article id="{key}">\n{top}\n{shown}\n</article>'


def head(report: AuditReport, key: str, titles: list[str]) -> str:
    """The name, the purpose, what was found at a glance, and where to read on."""
    purpose, *_ = _paragraphs(report.checked)
    links = " ".join(
        f'<a href="#{key}-{t.lower().replace(" ", "-")}">{escape(t)}</a>' for t in titles
    )
    return (
        f"<header><h2>{escape(report.loss)}</h2>"
        f"{paragraph(purpose, 'purpose')}{glance(report)}"
        f'<nav aria-label="sections of {escape(report.loss)}">{links}</nav></header>'
    )


def glance(report: AuditReport) -> str:
    """The counts of what was found."""
    chips = [verdict(MARKS[k], f"{report.count(k)} {k}") for k in MARKS if report.count(k)]
    chips = chips or [verdict("open", "no claims")]
    n = len(report.hazards)
    chips.append(verdict("warn", f"{n} {'hazard' if n == 1 else 'hazards'}") if n
                 else verdict("good", "no hazards found"))  # fmt: skip
    if report.data is not None:
        chips.append(data_chip(report.data))
    if report.gradient is not None:
        chips.append(gradient_chip(report.gradient))
    if report.accuracy is not None:
        chips.append(accuracy_chip(report.accuracy))
    return f'<p class="glance">{" ".join(chips)}</p>'


def data_chip(found: DataReport) -> str:
    """Whether the data are inside their domains and give a number."""
    if not found.ok:
        return verdict("bad", "data outside its domain")
    if not isfinite(found.value):
        return verdict("bad", f"the loss of the data is {found.value:g}")
    return verdict("good", "data inside its domains")


def gradient_chip(found: GradientReport) -> str:
    """Whether the gradient is right."""
    kind = "bad" if disagreements(found) else "good" if found.ok else "open"
    return verdict(kind, agreement(found))


def accuracy_chip(found: AccuracyReport) -> str:
    """The largest error in bits, and whether that is within the bar."""
    if not measured(found):
        return verdict("open", bits(found))
    return verdict("good" if found.ok else "bad", bits(found))


# --- mathematics ----------------------------------------------------------------------------------


def formula(checked: Checked) -> Iterator[str]:
    """The loss and its derivatives as a paper prints them."""
    yield _equation(mathml(checked.item))
    for name in real_inputs(checked):
        yield _gradient(checked, name)


def _gradient(checked: Checked, name: str) -> str:
    decl = checked.inputs[name]
    _, _, body = latex(derivative(checked, name)).partition(r"\right) = ")
    named = latex_name(name, *map(latex_name, decl.axes or ()))
    loss = rf"\operatorname{{{checked.name.replace('_', chr(92) + ',')}}}"
    math = from_latex(rf"\frac{{\partial {loss}}}{{\partial {named}}} = {body}")
    if len(math) > TOO_LONG:
        where = f"lossc show {checked.unit.source.name}#{checked.name} --stage grad"
        return f"<p>The derivative in {code(name)} is too long for a page: {code(where)}.</p>"
    if len(math) < LONG:
        return _equation(math)
    return f"<details><summary>derivative in {code(name)}</summary>{_equation(math)}</details>"


def _equation(math: str) -> str:
    return f'<div class="math wide">{math}</div>'


def plot(checked: Checked) -> Iterator[str]:
    """The curves of the loss and its derivative along one number."""
    line = choose(checked, PLOT_SECONDS)
    if line is None:
        yield paragraph("Along no single number is the loss finite and not constant.", "soft")
        return
    fixed = f" Fixed: {line.fixed}." if line.fixed else ""
    caption = f"{line.varied} runs from {line.xs[0]:.3g} to {line.xs[-1]:.3g}.{fixed}"
    drawn = panels(line, checked.name)
    yield f"<figure>{drawn}<figcaption>{escape(caption)}</figcaption></figure>"


# --- claims and hazards ---------------------------------------------------------------------------


def claims(report: AuditReport) -> Iterator[str]:
    """The claims with their verdicts."""
    if not report.claims:
        yield paragraph("The file makes no claims.", "soft")
    yield table("", ("claim", "verdict", "why"), map(_claim, report.claims))


def _claim(claim: ClaimVerdict) -> tuple[str, str, str]:
    return code(claim.text), _verdict(claim.verdict), _why(claim.verdict)


def _verdict(found: Verdict) -> str:
    return verdict(MARKS[found.word], found.said)


def _why(found: Verdict) -> str:
    if found.is_refuted and found.witness is not None:
        rows = "".join(
            f"<dt>{code(name)}</dt><dd>{code(value)}</dd>" for name, value in found.witness.numbers
        )
        return f"{code(found.witness.text)}<dl>{rows}</dl>"
    if found.is_proved:
        return escape(f"By {found.how}.")
    return escape(f"Tried {', '.join(found.tried) or 'nothing'}.")


def hazards(report: AuditReport) -> Iterator[str]:
    """Places that can give NaN, infinity or a dead gradient, each with an input that shows it."""
    items = [_hazard(k + 1, h) for k, h in enumerate(report.hazards)]
    yield f'<ol class="hazards">{"".join(items)}</ol>' if items else ""
    marks = ["good"] * bool(report.safe) + ["part"] * len(report.scoped)
    for mark, what in zip(marks, report.shown, strict=True):
        yield f"<p>{verdict(mark, f'{what}.')}</p>"
    if marks:
        return
    if not items and report.searched:
        yield f"<p>{verdict('good', 'No part of the formula can fail.')}</p>"
    elif not items:
        yield f"<p>{verdict('open', 'None was found; see the notes at the end.')}</p>"


def _hazard(number: int, hazard: Hazard) -> str:
    witness = ""
    if hazard.witness is not None:
        numbers = ", ".join(f"{n} = {v}" for n, v in hazard.witness.numbers)
        witness = f'<p class="witness">At {code(hazard.witness.text)}: {code(numbers)}</p>'
    kind = escape(TITLES.get(hazard.kind, hazard.kind))
    place = f"line {hazard.span.line}, column {hazard.span.column}"
    return (
        f'<li value="{number}">{verdict("warn", kind)}: {_ticked(hazard.what)}. '
        f'<span class="soft">{escape(place)}; {hazard.status}</span>{witness}</li>'
    )


def _ticked(text: str) -> str:
    """Text in which words between backticks are code."""
    parts = text.split("`")
    return "".join(code(p) if k % 2 else escape(p) for k, p in enumerate(parts))


def source(report: AuditReport) -> Iterator[str]:
    """The text with its hazards and kinks marked."""
    span = report.checked.item.span
    marks = [m for m in _marks(report) if span.start <= m.start and m.stop <= span.stop]
    first = span.start
    moved = [replace(m, start=m.start - first, stop=m.stop - first) for m in marks]
    yield listed(span.text, span.line, moved)
    kinds = {m.kind for m in marks}
    legend = []
    if "hazard" in kinds:
        sign = '<sup class="hazard">1</sup>'
        legend.append(f'<mark class="hazard">wavy</mark>{sign} a hazard, by number')
    if "kink" in kinds:
        legend.append('<mark class="kink">dotted</mark> a kink, where a convention sets the slope')
    yield f'<p class="soft legend-text">{"; ".join(legend)}.</p>' * bool(legend)


def _marks(report: AuditReport) -> Iterator[Mark]:
    """The places of hazards, by number, and of kinks."""
    item, places = report.checked.item, Places.of(report.checked)
    own = item.span.source
    numbers: dict[tuple[int, int], list[str]] = {}
    said: dict[tuple[int, int], str] = {}
    for k, h in enumerate(report.hazards):
        if h.span.source == own:
            numbers.setdefault((h.span.start, h.span.stop), []).append(str(k + 1))
            said.setdefault((h.span.start, h.span.stop), h.what)
    for (start, stop), found in numbers.items():
        sign = ", ".join(found)
        yield Mark(start, stop, "hazard", sign, f"hazard {sign}: {said[start, stop]}")
    for start, stop, rule in _kink_places(report, places):
        yield Mark(start, stop, "kink", "", f"kink: {rule}")


def _kink_places(report: AuditReport, places: Places) -> Iterator[tuple[int, int, str]]:
    """Where the text has kinks that real inputs reach."""
    rules = dict(report.kinks)
    reached = {(g.name, g.left) for g in gaps(report.checked.program)}
    for term in postorder(report.checked.program.value):
        name = "if" if isinstance(term, Select) else getattr(term, "op", "")
        if name not in rules or not any(isinstance(t, Access) for t in postorder(term)):
            continue
        parts = term.parts
        is_met = name == "if" or any((name, p) in reached for p in parts)
        span = places.place(term)
        if is_met and span != places.whole and span.source == report.checked.item.span.source:
            yield span.start, span.stop, rules[name]


# --- data -----------------------------------------------------------------------------------------


def data(report: AuditReport) -> Iterator[str]:
    """What the loss does on the data given."""
    found = report.data
    if found is None:
        return
    yield paragraph(f"{found.samples} samples of {found.source}; the loss is {found.value:.9g}.")
    head = ("name", "verdict", "values", "domain", "shape")
    yield table("Values beside the declared domains", head, map(_ranged, found.ranges))
    rows = map(_taken, found.branches)
    yield table("Branches taken", ("branch", "shares", "times met"), rows)
    yield table("Gradients, a sample at a time", _PULLS, map(_pull, found.gradients), "figures")
    yield _carriers(found)
    yield listing(escape(n) for n in found.notes)


_PULLS = ("gradient in", "dead", "exploding", "not finite", "median", "largest")


def _ranged(found: Ranged) -> tuple[str, ...]:
    odd = ((found.nans, "NaN"), (found.infinities, "infinite"))
    more = "".join(f", {n} {word}" for n, word in odd if n)
    mark, first = verdict("good", "inside"), ""
    if found.outside:
        mark = verdict("bad", f"{found.outside} of {found.total} outside")
        first = f'<p class="soft">first: {escape(found.first)}</p>'
    values = f"{found.low:.6g} to {found.high:.6g}{more}"
    shape = " × ".join(map(str, found.shape)) or "one number"
    return code(found.name), mark + first, escape(values), code(found.domain), escape(shape)


def _taken(found: Taken) -> tuple[str, ...]:
    sides = ", ".join(f"{label}: {share(n, found.met)}" for label, n in found.sides)
    where = f'{code(found.text)} <span class="soft">line {found.line}</span>'
    return where, escape(sides), str(found.met)


def _pull(found: Pull) -> tuple[str, ...]:
    counts = (found.dead, found.exploding, found.nonfinite)
    odd = [verdict("warn", share(n, found.samples)) if n else "none" for n in counts]
    largest = f"{found.largest:.3g} (sample {found.worst})"
    return code(found.input), *odd, f"{found.median:.3g}", largest


def _carriers(found: DataReport) -> str:
    top = ", ".join(f"{name} of the samples have {x:.1%}" for name, x in found.top)
    most = max((c.share for c in found.carriers), default=1.0)
    rows = [(str(c.sample), f"{c.value:.6g}", f"{c.share:.1%}{_bar(c.share / most)}")
            for c in found.carriers]  # fmt: skip
    caption = f"Samples that carry the loss, by {found.by}: {top}"
    return table(caption, ("sample", found.by, "share"), rows, "figures")


def _bar(part: float) -> str:
    return (
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{100 * part:.1f}" height="6"/></svg>'
    )


# --- declarations and conventions -----------------------------------------------------------------


def domains(report: AuditReport) -> Iterator[str]:
    """What each input and param may be."""
    inputs = [d for d in report.domains if isinstance(d, Input)]
    params = [d for d in report.domains if isinstance(d, Param)]
    yield table("Inputs", ("input", "domain", "what it is"), map(_declared, inputs))
    rows = ((a, code(_default(p)), b, c) for p in params for a, b, c in [_declared(p)])
    yield table("Params", ("param", "default", "domain", "what it is"), rows)


def _declared(decl: Input | Param) -> tuple[str, str, str]:
    axes = f"[{', '.join(decl.axes)}]" if decl.axes else ""
    return code(f"{decl.name}{axes}"), code(decl.domain), escape(decl.description or "")


def _default(param: Param) -> str:
    return _plain(param.default)


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_plain, value))}]"
    if value is None or isinstance(value, bool):
        return "none" if value is None else str(value).lower()
    return f"{float(value):.6g}"


def kinks(report: AuditReport) -> Iterator[str]:
    """Where the formula has kinks and which slope is taken there."""
    yield table("", ("kink", "slope that is taken (x is the argument)"),
                ((code(at), escape(rule)) for at, rule in report.kinks))  # fmt: skip
    if not report.kinks:
        yield paragraph("The formula has no kinks that a real input reaches.", "soft")


# --- measurements ---------------------------------------------------------------------------------


def gradient(report: AuditReport) -> Iterator[str]:
    """The derived gradient beside independent ones."""
    found = report.gradient
    if found is None:
        return
    said = agreement(found).capitalize()
    points = f"{found.points} points, {found.kinks or 'none'} on a kink"
    kind = "bad" if disagreements(found) else "good" if found.ok else "open"
    yield f"<p>{verdict(kind, f'{said} ({points}).')}</p>"
    yield listing(escape(line.strip()) for line in found.findings())
    rows: dict[str, list[str]] = {}
    for opinion in opinions(found):
        rows.setdefault(opinion.wrt, []).append(_opinion(opinion))
    yield table("", ("derivative in", *ORACLES), ((code(n), *cells) for n, cells in rows.items()))
    taken = [escape(text) for text in conventions(found)]
    yield f"<p>Slopes taken at kinks:</p>{listing(taken)}" * bool(taken)
    yield listing(escape(note) for note in found.notes)


def _opinion(opinion: Opinion) -> str:
    if opinion.disagreed:
        return verdict("bad", f"disagrees at {opinion.disagreed}")
    if not opinion.agreed:
        return verdict("open", "not run")
    worst = f"{opinion.error:.0e}" if opinion.error else "exact"
    left = sum(n for _, n in opinion.missing)
    why = "; ".join(f"{n}: {reason}" for reason, n in opinion.missing)
    more = f'<span class="soft" title="{escape(why)}">, {left} not run</span>' if left else ""
    return f"{verdict('good', worst)} at {opinion.agreed}{more}"


def accuracy(report: AuditReport) -> Iterator[str]:
    """Bits of error of value and gradient."""
    found = report.accuracy
    if found is None:
        return
    yield (
        f"<p>Bits of error against arbitrary precision, at up to {found.points} points of the "
        "domains; where terms cancel the data themselves leave the result uncertain.</p>"
    )
    rows = []
    for row in found.rows:
        what = f"gradient in {row.of}" if row.of else "value"
        ok, points = row.figures.ok, points_of(row)
        mark = verdict("good" if ok else "bad", "within the bar" if ok else "above the bar")
        mark = mark if points else verdict("open", "not measured")
        apart = f"{row.cancelling.points} points, {row.cancelling.worst:.1f} at worst"
        rows.append((
            escape(what), escape(f"{row.format}, {row.engine}"), mark, str(points),
            f"{row.figures.mean:.2f}", f"{row.figures.worst:.1f}",
            apart if row.cancelling.points else "none",
        ))  # fmt: skip
    head = ("of", "run as", "verdict", "points", "mean", "worst", "where terms cancel")
    yield table("", head, rows, "figures")
    bad = [f"{escape(r.of or 'value')}: worst at {code(r.figures.worst_at)}"
           for r in found.rows if not r.figures.ok]  # fmt: skip
    yield listing(bad)
    yield listing(escape(str(r)) for r in found.ranges)
    yield listing(escape(n) for n in found.notes)


def influence(report: AuditReport) -> Iterator[str]:
    """What one number at an end of its domain does."""
    if not report.influence:
        return
    yield paragraph(
        "One element goes to an end of its domain while everything else stays. The trend is "
        "measured at three distances; bounds are proved."
    )
    rows = []
    for found in report.influence:
        value, slope = str(found).split(": the loss ", 1)[1].split(", its derivative ", 1)
        rows.append((
            f"{code(found.input)} → {code(found.toward)}", escape(value), escape(slope),
            escape(found.pull),
        ))  # fmt: skip
    yield table("", ("toward", "the loss", "its derivative", "pull"), rows)


def samples(report: AuditReport) -> Iterator[str]:
    """What the reduction means for weights, padding, order and batches."""
    yield paragraph(report.batches[:1].upper() + report.batches[1:] + ".")
    rows = []
    for found in report.invariants:
        said = found.note[:1].upper() + found.note[1:]
        note = f'<p class="soft">{_ticked(said)}.</p>' if said else ""
        why = f"{_why(found.verdict)}{note}"
        rows.append((_ticked(found.text), _verdict(found.verdict), why))
    yield table("", ("invariant", "verdict", "why"), rows)


def cost(report: AuditReport) -> Iterator[str]:
    """What XLA makes of the loss."""
    if not report.cost:
        return
    rows = []
    for c in report.cost:
        each = max(c.samples, 1)
        rows.append((
            escape(c.of), str(c.kernels), str(c.fusions),
            f"{c.temporaries} ({_size(c.temporary_bytes)})" if c.temporaries else "none",
            f"{c.flops / each:.3g}", f"{c.transcendentals / each:.3g}", _size(c.bytes / each),
        ))  # fmt: skip
    head = ("of", "kernels", "fusions", "temporaries", "flops a sample", "transcendentals a sample",
            "memory traffic a sample")  # fmt: skip
    caption = f"As XLA compiles it in float32 for {report.cost[0].lengths}"
    yield table(caption, head, rows, "figures")


def _size(n: float) -> str:
    return f"{n / 1024:.3g} KiB" if n >= 1024 else f"{n:.3g} B"


def rewrites(report: AuditReport) -> Iterator[str]:
    """The rules that made the form that is computed."""
    rows = [
        (escape(r.rule), code(r.says) if r.says else "",
         f"the derivative in {code(r.of)}" if r.of else "the value", str(r.times))
        for r in report.rewrites
    ]  # fmt: skip
    yield table("", ("rule", "what it says", "in", "times"), rows)
    if not rows:
        yield paragraph("Value and gradient are computed as written.", "soft")


def provenance(report: AuditReport) -> Iterator[str]:
    """The hash, the text's origin, and what measured."""
    facts = {"canonical hash": report.hash, "file": report.file, **report.versions}
    if report.date:
        facts["date"] = report.date
    rows = "".join(f"<dt>{escape(k)}</dt><dd>{code(v)}</dd>" for k, v in facts.items())
    yield f'<dl class="facts">{rows}</dl>'
    rest = _paragraphs(report.checked)[1:]
    yield "".join(paragraph(text) for text in rest)
    yield listing(escape(n) for n in report.notes)


def _paragraphs(checked: Checked) -> list[str]:
    """The paragraphs of a docstring, its first line one of its own."""
    doc = checked.item.doc if isinstance(checked.item, ast.Loss | ast.Function) else ""
    first, _, rest = (doc or "").strip().partition("\n")
    return [first.strip(), *(" ".join(p.split()) for p in rest.split("\n\n") if p.strip())]
