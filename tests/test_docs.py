"""Everything that the documentation shows is run: formulas, errors, programs, commands."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import lossc
from lossc.compiler.check import check
from lossc.dsl.codes import CODES
from lossc.dsl.diagnostics import LosscError, render
from lossc.dsl.primitives import ALONG, PRIMITIVES, REDUCTIONS
from lossc.dsl.source import Source
from lossc.files import from_mapping

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
RUN = [ROOT / "README.md", DOCS / "tutorial.md", DOCS / "keras.md"]
SHOWN = "text"
NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the rest of its first line, its text and line number."""

    language: str
    note: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    found = re.finditer(r"^```(\S+) ?(.*)\n((?s:.*?))^```$", text, re.M)
    return [Block(m[1], m[2], m[3], text[: m.start()].count("\n") + 1) for m in found]


def formulas() -> list[Any]:
    return [
        pytest.param(page, block, id=f"{page.name}:{block.line}")
        for page in PAGES
        for block in blocks(page)
        if block.language in ("loss", "loss-error")
    ]


@pytest.mark.parametrize(("page", "block"), formulas())
def test_formulas_check(page: Path, block: Block) -> None:
    """A `loss` block is clean; a `loss-error CODE` block gives that code and no other."""
    files = {b.note: b.text for b in blocks(page) if b.note.endswith(".loss")}
    try:
        found = check(Source.of("example.loss", block.text), from_mapping(files)).diagnostics
    except LosscError as error:
        found = error.diagnostics
    expected = {block.note} if block.language == "loss-error" else set()
    assert {d.code for d in found} == expected, "\n".join(map(render, found))


# --- programs and commands ----------------------------------------------------------------------


@pytest.mark.parametrize("page", RUN, ids=lambda p: p.name)
def test_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a page from top to bottom.

    `loss NAME.loss` writes the file; `python` is run, and so are the `console` lines that open
    with `$`.
    What is shown below a command, or in a `text` block after `python`, is what it prints; the last
    place of a number may differ.
    """
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    printed = ""
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        if block.language == "loss" and block.note.endswith(".loss"):
            (tmp_path / block.note).write_text(block.text, "utf-8")
        elif block.language == "python":
            printed = run_python(block, names, where)
        elif block.language == SHOWN and printed:
            assert_same(block.text, printed, where)
            printed = ""
        elif block.language == "console":
            run_console(block, tmp_path, where)


def run_python(block: Block, names: dict[str, Any], where: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block.text, where, "exec"), names)
    return out.getvalue()


def run_console(block: Block, folder: Path, where: str) -> None:
    commands = re.split(r"^\$ ", block.text, flags=re.M)[1:]
    assert commands, f"{where}: no command"
    for text in commands:
        command, _, shown = text.partition("\n")
        env = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            command, shell=True, cwd=folder, env=env, capture_output=True, text=True, timeout=120
        )
        output = done.stdout or own_lines(done.stderr)
        assert "Traceback" not in done.stderr, f"{where}: {command}\n{done.stderr}"
        assert_same(shown, output, f"{where}: {command}\n{done.stderr}")


def own_lines(text: str) -> str:
    """Standard error without what TensorFlow logs."""
    return re.sub(
        r"^(?:WARNING: All log|[IWE]0000|To enable the following).*\n", "", text, flags=re.M
    )


def assert_same(shown: str, printed: str, where: str) -> None:
    """Equal text, but for blanks at line ends and the last places of numbers; `...` is any text."""
    pattern = "".join(pieces(clean(shown)))
    match = re.fullmatch(pattern, clean(printed), re.S)
    assert match, f"{where}: shown\n{shown}\nprinted\n{printed}"
    wanted = NUMBER.findall(clean(shown))
    for x, y in zip(wanted, match.groups(), strict=True):
        mantissa = x.split("e")[0]
        exponent = int(x.split("e")[1]) if "e" in x else 0
        step = 10.0 ** (exponent - len(mantissa.split(".")[1]))
        assert abs(float(x) - float(y)) <= 20 * step, f"{where}: {x} is shown, {y} printed"


def pieces(text: str) -> Iterator[str]:
    """The text as a pattern that takes any number where one stands."""
    for k, part in enumerate(re.split(f"({NUMBER.pattern})", text)):
        escaped = re.escape(part).replace(re.escape("[...]"), ".*?")
        yield rf"({NUMBER.pattern})" if k % 2 else escaped


def clean(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().split("\n"))


# --- tables -------------------------------------------------------------------------------------


def kinks() -> list[tuple[str, str, str]]:
    text = (DOCS / "language.md").read_text("utf-8")
    table = text.split("### Gradients at kinks")[1].split("###")[0]
    return re.findall(r"^\| `(.*?)` \| (.*?) \| (.*?) \|$", table, re.M)


@pytest.mark.parametrize(("formula", "at", "gradient"), kinks())
def test_kinks(formula: str, at: str, gradient: str) -> None:
    """The table of gradients at kinks."""
    point = {n: np.array([float(v)]) for n, v in (part.split(" = ") for part in at.split(", "))}
    inputs = ", ".join(f"{name}[k]" for name in point)
    for jit in (True, False):
        loss = lossc.compile(f"def f({inputs}) = sum({formula})", jit=jit)
        _, grads = loss.value_and_grad(**point)
        found = [g.numpy().item() for g in grads.values()]
        assert found == [float(g) for g in gradient.split(", ")]


def accurate_forms() -> list[tuple[str, str]]:
    text = (DOCS / "language.md").read_text("utf-8")
    table = text.split("### Accuracy")[1].split("###")[0]
    pairs = re.findall(r"^\| `(.*?)`.*? \| `(.*?)`.*? \|$", table, re.M)
    return [(a.split("`")[0], b.split("`")[0]) for a, b in pairs]


@pytest.mark.parametrize(("naive", "accurate"), accurate_forms())
def test_accurate_forms_mean_the_same(naive: str, accurate: str) -> None:
    """Both forms agree where neither fails, and the accurate one is finite where data is large."""

    def run(formula: str, scale: float) -> Any:
        names = sorted(set(re.findall(r"\b[xyzp]\b", formula)))
        text = f"def f({', '.join(n + '[c]' for n in names)}) = sum({formula})"
        data = {n: scale * np.array([0.3, 0.7, 1.4]) for n in names}
        return lossc.compile(text, jit=False).value_and_grad(**data)

    assert np.allclose(run(naive, 1.0)[0], run(accurate, 1.0)[0], rtol=1e-12)
    if "exp" in naive or "log" in naive:
        large = 1000.0 if "expm1" not in accurate else 100.0
        value, grads = run(accurate, large)
        assert all(np.all(np.isfinite(v)) for v in (value, *grads.values()))


# --- generated pages, links, coverage -----------------------------------------------------------


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_fresh() -> None:
    for name, page in generator().pages().items():
        shown = (DOCS / name).read_text("utf-8")
        assert shown == page, f"docs/{name} is stale: run `make docs`"


def test_generated_pages_are_complete() -> None:
    pages = generator().pages()
    names = [p.name for p in PRIMITIVES.values() if not p.symbol]
    for name in (*names, *REDUCTIONS, *ALONG):
        assert re.search(rf"\| `{name}[`(]", pages["primitives.md"]), name
    for code in CODES:
        assert f"### {code}:" in pages["diagnostics.md"]


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```(?s:.*?)```|`[^`\n]*`", "`", page.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text):
        path, _, anchor = (target[0] or target[1]).partition("#")
        if "://" in path:
            continue
        file = page.parent / path if path else page
        assert file.exists(), f"{page.name} links to {path}"
        if anchor:
            heads = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.M)
            assert anchor in [slug(h) for h in heads], f"{page.name} links to #{anchor}"


def slug(heading: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_make_targets_exist() -> None:
    """Every `make TARGET` that a page names is in the Makefile."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    named = {
        target
        for page in PAGES
        for target in re.findall(r"(?:^    |`)make (\w+)", page.read_text("utf-8"), re.M)
    }
    assert {"demo", "test"} <= named <= targets
