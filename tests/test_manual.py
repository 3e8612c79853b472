"""The manual: pages of three losses, the index and the guide are whole and fetch nothing."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import lossc
from docs.manual.html import highlighted
from docs.manual.kinks import kinks
from docs.manual.library import Family, family
from docs.manual.page import loss_page
from lossc.dsl.printer import print_expr
from lossc.dsl.source import Source

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
TEXT = '''"""Losses to look at."""

"""Huber loss: quadratic near zero & linear in the tails.
Source: Huber 1964; Keras huber; torch.nn.HuberLoss; optax.huber_loss
"""
loss huber(y, yhat; delta = 1) =
    mean(if abs(e) <= delta then e^2 / 2 else delta * (abs(e) - delta / 2))
where
    delta > 0  "half-width of the quadratic zone"
    e = y - yhat
claims
    huber >= 0
    lipschitz in yhat by delta

"""Cross-entropy of a class and probabilities."""
loss ce(y[batch], p[batch, class]) = -mean[batch](log(p[batch, y]))
where
    y in index(class)      "label"
    p in simplex[class]    "probabilities"

"""Mean of three."""
loss three(a, b, c) = mean(relu(a) + b^2 + c)

def half(x) = x / 2
'''
HEADINGS = ["Formula", "Plot", "Gradient", "Inputs", "Params", "Kinks", "Claims", "In Keras",
            "Source text", "Reference"]  # fmt: skip
needs_markdown = pytest.mark.skipif(
    importlib.util.find_spec("markdown_it") is None, reason="markdown-it-py is not installed"
)
needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)


@pytest.fixture(scope="module")
def shelf() -> Family:
    return family("shelf", Source.of("std.shelf", TEXT))


def parsed(text: str) -> ET.Element:
    """The page as XML, which it is but for its first line."""
    first, _, rest = text.partition("\n")
    assert first == "<!DOCTYPE html>"
    return ET.fromstring(rest)


def said(element: ET.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def headings(root: ET.Element) -> list[str]:
    return [said(h) for h in root.iter("h2")]


def fetched(root: ET.Element) -> list[str]:
    """What a browser would load with the page."""
    loaded = [e.get("src") for e in root.iter()]
    loaded += [e.get("href") for e in root.iter("link")]
    return [address for address in loaded if address]


def assert_stays_here(text: str) -> None:
    root = parsed(text)
    assert all(not re.match(r"[a-z]+:|//", address) for address in fetched(root))
    assert "@import" not in text


def test_functions_have_no_page(shelf: Family) -> None:
    assert [e.name for e in shelf.entries] == ["huber", "ce", "three"]
    assert shelf.doc == "Losses to look at."


def test_a_page_has_every_section(shelf: Family) -> None:
    text = loss_page(shelf.entries[0], "no plot", (None, shelf.entries[1]))
    root = parsed(text)
    assert headings(root) == HEADINGS
    assert [said(h) for h in root.iter("h1")] == ["huber"]
    whole = said(root)
    assert "Huber loss: quadratic near zero & linear in the tails." in whole
    assert "half-width of the quadratic zone" in whole and "delta > 0" in whole
    assert "lipschitz in yhat by delta" in whole
    assert "lossc.std.huber.keras(delta=1)" in whole
    assert "Keras huber" in whole and "torch.nn.HuberLoss" in whole and "optax.huber" in whole
    assert_stays_here(text)


def test_a_page_has_the_gradient_in_each_real_input(shelf: Family) -> None:
    root = parsed(loss_page(shelf.entries[0], None, (None, None)))
    sections = {s.get("id"): s for s in root.iter("section")}
    assert len(list(sections["formula"].iter("math"))) == 1
    assert len(list(sections["gradient"].iter("math"))) == 2
    labels = parsed(loss_page(shelf.entries[1], None, (None, None)))
    (gradient,) = [s for s in labels.iter("section") if s.get("id") == "gradient"]
    assert len(list(gradient.iter("math"))) == 1


def test_what_a_loss_has_not_has_no_section(shelf: Family) -> None:
    root = parsed(loss_page(shelf.entries[1], None, (None, None)))
    assert not {"Plot", "Params", "Kinks", "Claims", "Reference"} & set(headings(root))


def test_losses_of_other_than_two_inputs_are_used_by_a_layer(shelf: Family) -> None:
    whole = said(parsed(loss_page(shelf.entries[2], None, (None, None))))
    assert 'LossLayer(lossc.std.three)({"a": a, "b": b, "c": c})' in whole


def test_the_keras_lines_run(shelf: Family) -> None:
    for entry in shelf.entries[:2]:
        loss = lossc.std.huber if entry.name == "huber" else entry.loss
        assert loss.keras().name


def test_kinks_are_those_of_the_program(shelf: Family) -> None:
    huber, ce, three = (kinks(e.checked) for e in shelf.entries)
    assert [(print_expr(e), rule) for e, rule in huber] == [("abs(e)", "0 at x = 0")]
    assert ce == []
    assert [print_expr(e) for e, _ in three] == ["relu(a)"]


def test_powers_have_kinks_below_one() -> None:
    text = "loss f(x) = sum(x^2 + x^0.5)\nwhere x in [0, inf)\n"
    (entry,) = family("f", Source.of("std.f", text)).entries
    assert [print_expr(e) for e, _ in kinks(entry.checked)] == ["x^0.5"]


def test_kinks_of_functions_that_are_used_are_named() -> None:
    text = "def size1(x) = sum(abs(x))\nloss f(x) = size1(x)\n"
    (entry,) = family("f", Source.of("std.f", text)).entries
    assert kinks(entry.checked) == [("abs", "0 at x = 0")]


def test_source_is_highlighted_and_escaped() -> None:
    shown = highlighted('loss f(x) = if x < 1 then x else 2  # "a" & b')
    assert '<span class="word">loss</span>' in shown
    assert "x &lt; " in shown and "&amp; b" in shown
    assert re.sub(r"<[^>]*>", "", shown).startswith("loss f(x) = if x &lt; 1")


@needs_matplotlib
def test_plots(shelf: Family, tmp_path: Path) -> None:
    from docs.manual.build import write_losses

    write_losses([shelf], tmp_path)
    for entry in shelf.entries:
        text = (tmp_path / "loss" / f"{entry.name}.html").read_text("utf-8")
        assert text.count("<svg") == 2
        assert_stays_here(text)
        assert "varies from" in text
    huber = (tmp_path / "loss" / "huber.html").read_text("utf-8")
    assert "yhat varies from -4 to 4. Fixed: y = 0." in huber
    assert all(f"delta = {d}" in huber for d in ("0.5", "1", "2"))


def test_a_slice_is_what_the_loss_says(shelf: Family) -> None:
    from lossc.compiler.audit.slices import choose

    line = choose(shelf.entries[0].checked)
    assert line is not None and line.varied == "yhat" and line.fixed == "y = 0"
    one = next(c for c in line.curves if c.label == "delta = 1")
    for x, value, slope in zip(line.xs, one.values, one.slopes, strict=True):
        expected = x**2 / 2 if abs(x) <= 1 else abs(x) - 0.5
        assert value == pytest.approx(expected)
        assert slope == pytest.approx(max(-1, min(1, x)))


def test_a_distribution_is_varied_within_the_simplex(shelf: Family) -> None:
    from lossc.compiler.audit.slices import choose

    line = choose(shelf.entries[1].checked)
    assert line is not None and line.varied == "p[0, 0]"
    assert 0 < line.xs[0] < line.xs[-1] < 1
    assert [c.label for c in line.curves] == ["y[0] = 0", "y[0] = 1"]


def test_a_constant_has_no_slice() -> None:
    from lossc.compiler.audit.slices import choose

    (entry,) = family("f", Source.of("std.f", "loss f(x) = mean(0 * x)\n")).entries
    assert choose(entry.checked) is None


@needs_markdown
def test_index_and_guide(shelf: Family) -> None:
    from docs.manual.index import guide, index

    pages = guide(DOCS)
    assert {"tutorial", "language", "keras", "cli"} <= {name for name, _, _ in pages}
    names = {f"{name}.html" for name, _, _ in pages}
    for _, title, text in pages:
        root = parsed(text)
        assert title in said(root)
        assert_stays_here(text)
        local = [a.get("href", "").split("#")[0] for a in root.iter("a")]
        assert {h for h in local if h and not h.startswith("http")} <= names | {"index.html"}
    text = index([shelf], [(name, title) for name, title, _ in pages])
    before, _, _ = text.partition("<script>")
    assert "loss/huber.html" in before and "3 losses" in before
    assert_stays_here(re.sub(r"(?s)<script>.*</script>", "", text))
