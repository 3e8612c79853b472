"""The page of an audit: well-formed, of one piece, escaped, and usable without colour."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import lossc
from lossc.cli import main
from lossc.compiler.audit.page.svg import ticks

EVIL = '<script>alert("1")</script> & </style> \' "><img src=x onerror=y>'
PLAIN = EVIL.replace('"', "")  # a description cannot hold a quotation mark
HOSTILE = f'''"""{EVIL}

Source: {EVIL}"""
loss f(y, p; k = 2) = mean(k * y / p + abs(y - p))
where
    y in [0, 1]  "{PLAIN}"
    p in [0, 1]  "p < 1 & p > 0"   # {EVIL}
claims
    f >= 0
    f == f
    proper
'''
VOID = {"meta"}
OUTSIDE = ("src", "srcset", "action", "background", "poster", "data", "xlink:href")


class Reader(HTMLParser):
    """Reads a page, and keeps its elements, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    ET.fromstring(page.replace("<!DOCTYPE html>", ""))
    return reader


@cache
def page() -> str:
    from lossc.compiler.audit.page import page

    return page([lossc.compile(HOSTILE).audit(static=True)])


def test_it_is_well_formed() -> None:
    tags = [tag for tag, _ in parsed(page()).tags]
    assert {"main", "article", "table", "math", "svg", "pre", "h2", "h3"} <= set(tags)


def test_nothing_is_fetched_or_run() -> None:
    reader = parsed(page())
    for tag, attributes in reader.tags:
        assert tag not in ("script", "iframe", "object", "embed", "base", "form", "link", "img")
        assert not any(n.startswith("on") or n in OUTSIDE for n in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    style = page().split("<style>")[1].split("</style>")[0]
    assert "url(" not in style and "@import" not in style
    assert "default-src 'none'" in page()


def test_text_of_the_file_is_text() -> None:
    said = "".join(parsed(page()).text)
    assert said.count('<script>alert("1")</script>') >= 2
    assert "p < 1 & p > 0" in said
    assert "<script" not in page()


def test_places_have_one_name_and_links_lead_to_them() -> None:
    reader = parsed(page())
    names = [a["id"] for _, a in reader.tags if "id" in a]
    assert len(names) == len(set(names))
    links = [a["href"] for tag, a in reader.tags if tag == "a"]
    assert links and all(link and link[1:] in names for link in links)


def test_headings_descend_and_tables_have_heads() -> None:
    reader = parsed(page())
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    tables = sum(tag == "table" for tag, _ in reader.tags)
    assert sum(tag == "thead" for tag, _ in reader.tags) == tables
    assert all(a.get("scope") in ("col", "row") for tag, a in reader.tags if tag == "th")


def test_verdicts_are_words_and_signs() -> None:
    said = "".join(parsed(page()).text)
    for word in (r"✗\d refuted", r"✓\d proved", r"!\d hazards"):
        assert re.search(word, said), word


def test_hazards_and_kinks_are_marked_in_the_source() -> None:
    source = page().split('<pre class="source">')[1].split("</pre>")[0]
    assert '<mark class="kink"' in source and '<mark class="hazard"' in source
    plain = re.sub(r"<sup.*?</sup>|<[^>]*>", "", source)
    assert "mean(k * y / p + abs(y - p))" in plain
    lines = re.findall(r'data-n="(\d+)"', source)
    assert lines == [str(k) for k in range(4, 4 + len(lines))]


def test_every_figure_has_a_label() -> None:
    root = ET.fromstring(page().replace("<!DOCTYPE html>", ""))
    drawn = list(root.iter("svg"))
    assert len(drawn) >= 2
    assert all("aria-label" in s.attrib or s.get("aria-hidden") == "true" for s in drawn)
    assert all(re.fullmatch(r"[-MLHV.\d ]+", p.get("d", "")) for p in root.iter("path"))


def test_a_curve_is_where_the_loss_is() -> None:
    from lossc.compiler.audit.page import page

    loss = lossc.compile("loss f(x) = mean(abs(x))")
    root = ET.fromstring(page([loss.audit(static=True)]).replace("<!DOCTYPE html>", ""))
    curve = next(p for p in root.iter("path") if "curve" in p.get("class", ""))
    numbers = [float(n) for n in re.findall(r"[\d.]+", curve.get("d", ""))]
    xs, ys = numbers[::2], numbers[1::2]
    assert xs == sorted(xs) and len(xs) == 101
    assert ys.index(max(ys)) == 50  # the lowest point of the curve, drawn downwards
    assert ys[0] == ys[-1] == min(ys)


def test_several_losses_have_an_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "loss f(y) = mean(y^2)\nloss g(y) = mean(1 / y)\n"
    path = tmp_path / "page.html"
    assert main(["audit", "-e", text, "--static", "--html", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "f: no claims"
    reader = parsed(path.read_text("utf-8"))
    assert [a["id"] for tag, a in reader.tags if tag == "article"] == ["a1", "a2"]
    assert "Audit of 2 losses" in "".join(reader.text)


def test_the_page_has_data(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    loss = lossc.compile("loss f(y, p) = mean(abs(y - p))\nwhere p in [0, 1]")
    loss.audit(data={"y": [1.0, 0.0], "p": [0.5, 1.5]}, static=True).to_html(path)
    said = "".join(parsed(path.read_text("utf-8")).text)
    assert "1 of 2 outside" in said and "p[1] is 1.5" in said


def test_a_page_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["audit", "-e", "mean(y)", "--static", "--html", "/nonexistent/page.html"]
    assert main(words) == 2
    assert "cannot write /nonexistent/page.html" in capsys.readouterr().err


def test_a_page_without_a_name_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "-e", "mean(y)", "--static", "--html"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("<!DOCTYPE html>") and page.rstrip().endswith("</html>")


def test_a_page_is_not_written_over_a_formula(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one.loss"
    path.write_text("loss f(y) = mean(y)\n")
    assert main(["audit", "--html", str(path)]) == 2
    assert "one.loss is a formula" in capsys.readouterr().err
    assert path.read_text() == "loss f(y) = mean(y)\n"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-4, 4, [-4, -2, 0, 2, 4]),
        (0.1, 0.1, []),
        (0, float("inf"), []),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)
