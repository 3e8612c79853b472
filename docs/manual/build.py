"""Writing the manual's files."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from lossc.compiler.audit.slices import Slice, choose
from lossc.stdlib import families, family_source

from .html import STYLE
from .index import guide, index
from .library import Entry, Family, family, library
from .page import Plot, loss_page

NO_SLICE = "There is no plot: along no single number is the loss finite and not constant."


def build(docs: Path, target: Path) -> None:
    """Write all pages, with progress on standard error."""
    draw_all(target / "plots")
    shelf = library()
    pages = guide(docs)
    target.mkdir(parents=True, exist_ok=True)
    (target / "style.css").write_text(STYLE, encoding="utf-8")
    for name, _, text in pages:
        (target / f"{name}.html").write_text(text, encoding="utf-8")
    titles = [(name, title) for name, title, _ in pages]
    (target / "index.html").write_text(index(shelf, titles), encoding="utf-8")
    write_losses(shelf, target)


def draw_all(folder: Path) -> None:
    """Draw the plots that are missing, some families at a time."""
    names = families()
    workers = min(os.cpu_count() or 1, 4)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for k, name in enumerate(pool.map(draw_family, names, [folder] * len(names))):
            _progress(k + 1, len(names), f"plots: {name}")


def draw_family(name: str, folder: Path) -> str:
    """Draw what is missing of one family."""
    for entry in family(name, family_source(name)).entries:
        plotted(entry, folder)
    return name


def write_losses(shelf: Sequence[Family], target: Path) -> None:
    """A page for each loss."""
    entries = [e for f in shelf for e in f.entries]
    (target / "loss").mkdir(parents=True, exist_ok=True)
    for k, entry in enumerate(entries):
        _progress(k + 1, len(entries), entry.name)
        around = (entries[k - 1] if k else None, entries[k + 1] if k + 1 < len(entries) else None)
        text = loss_page(entry, plotted(entry, target / "plots"), around)
        (target / "loss" / f"{entry.name}.html").write_text(text, encoding="utf-8")
    _progress(len(entries), len(entries), "done\n")


def plotted(entry: Entry, folder: Path) -> Plot | str:
    """The plot of a loss, drawn once for each meaning; or why there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{entry.name}-{entry.loss.hash[:12]}.json"
    if not kept.exists():
        kept.write_text(json.dumps(_drawn(entry)), encoding="utf-8")
    found = json.loads(kept.read_text(encoding="utf-8"))
    if found is None:
        return NO_SLICE
    line = Slice(found["varied"], np.array(found["range"]), found["fixed"], ())
    return line, found["value"], found["slope"]


def _drawn(entry: Entry) -> dict[str, object] | None:
    from .plots import draw

    line = choose(entry.checked)
    if line is None:
        return None
    value, slope = draw(line, entry.name)
    ends = [float(line.xs[0]), float(line.xs[-1])]
    return {"varied": line.varied, "range": ends, "fixed": line.fixed, "value": value,
            "slope": slope}  # fmt: skip


def _progress(done: int, of: int, name: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{done}/{of} {name}", end="", file=sys.stderr, flush=True)
