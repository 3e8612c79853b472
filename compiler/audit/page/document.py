"""The whole page: its head, an index where there are several losses, and an article for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..report import AuditReport
from ..verdict import PROVED, REFUTED, SCOPED, UNKNOWN
from .article import accuracy_chip, article, gradient_chip
from .html import escape, table, verdict

STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
ALONE = '<h1 class="over">Audit of a loss</h1>\n'
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class Entry:
    """The article of a loss, and the cells of its row in the index."""

    name: str
    file: str
    cells: tuple[str, ...]
    html: str


def page(reports: Sequence[AuditReport]) -> str:
    """The page of some audits."""
    return document([entry(report, k + 1) for k, report in enumerate(reports)])


def entry(report: AuditReport, number: int) -> Entry:
    """One audit as part of a page; the number keeps the names of its places apart."""
    cells = (_claims(report), _hazards(report), *_measured(report))
    link = f'<a href="#a{number}"><code>{escape(report.loss)}</code></a>'
    return Entry(report.loss, report.file, (link, *cells), article(report, f"a{number}"))


def document(entries: Sequence[Entry]) -> str:
    """The page of some entries."""
    names = [e.name for e in entries]
    title = f"Audit of {names[0]}" if len(names) == 1 else f"Audit of {len(names)} losses"
    index = _index(entries, title) if len(names) != 1 else ALONE
    inside = "\n".join(e.html for e in entries)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{index}{inside}
</main>
</body>
</html>
"""


def _index(entries: Sequence[Entry], title: str) -> str:
    head = ("loss", "claims", "hazards", "gradient", "accuracy")
    rows = table("", head, [e.cells for e in entries], "index")
    return f'<header class="index"><h1>{escape(title)}</h1>\n{rows}</header>\n'


def _claims(report: AuditReport) -> str:
    kinds = ((REFUTED, "bad"), (UNKNOWN, "open"), (SCOPED, "part"), (PROVED, "good"))
    found = [verdict(mark, f"{report.count(k)} {k}") for k, mark in kinds if report.count(k)]
    return " ".join(found) or "none"


def _hazards(report: AuditReport) -> str:
    n = len(report.hazards)
    return verdict("warn", str(n)) if n else verdict("good", "none found")


def _measured(report: AuditReport) -> tuple[str, str]:
    gradient, accuracy = "not run", "not run"
    if report.gradient is not None:
        gradient = gradient_chip(report.gradient)
    if report.accuracy is not None:
        accuracy = accuracy_chip(report.accuracy)
    return gradient, accuracy
