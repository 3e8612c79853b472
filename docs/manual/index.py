"""The index of the manual, and the pages of the guide."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

from .html import highlighted, page
from .library import Entry, Family

GUIDE = ("tutorial", "language", "primitives", "keras", "audit", "accuracy", "cli", "diagnostics",
         "architecture")  # fmt: skip
# Hides what has not all the words typed. Without a script the whole list is there.
SEARCH = """
<script>
const field = document.createElement("input");
field.type = "search";
field.placeholder = "Find a loss";
field.setAttribute("aria-label", "Find a loss");
document.getElementById("find").append(field);
field.addEventListener("input", () => {
  const words = field.value.toLowerCase().split(/[ _]+/);
  for (const family of document.querySelectorAll("section.family")) {
    for (const item of family.querySelectorAll("li"))
      item.hidden = !words.every((w) => item.dataset.words.includes(w));
    family.hidden = !family.querySelector("li:not([hidden])");
  }
});
</script>"""


def index(families: Sequence[Family], guide: Sequence[tuple[str, str]]) -> str:
    """The first page: the guide, then all losses by family."""
    count = sum(len(f.entries) for f in families)
    links = "".join(f'<li><a href="{name}.html">{escape(title)}</a></li>' for name, title in guide)
    jumps = " ".join(f'<a href="#{f.name}">{_spaced(f.name)}</a>' for f in families)
    body = f"""<main>
<h1>lossc</h1>
<p class="purpose">The loss compiler: losses written as a paper prints them.</p>
<nav aria-label="guide"><ul class="guide">{links}</ul></nav>
<h2 id="library">{count} losses</h2>
<nav class="jumps" aria-label="families">{jumps}</nav>
<p id="find"></p>
{"".join(map(_family, families))}
</main>{SEARCH}"""
    return page("lossc: the manual", body)


def _family(family: Family) -> str:
    items = "\n".join(map(_item, family.entries))
    return f"""
<section class="family" id="{family.name}">
<h3>{_spaced(family.name)}</h3>
<p>{escape(family.doc)}</p>
<ul class="losses">
{items}
</ul>
</section>"""


def _item(entry: Entry) -> str:
    words = " ".join([entry.name, entry.family, entry.purpose, *entry.elsewhere]).lower()
    return (
        f'<li data-words="{escape(words.replace("_", " "))}">'
        f'<a href="loss/{entry.name}.html"><code>{_breakable(entry.name)}</code></a> '
        f"<span>{escape(entry.purpose)}</span></li>"
    )


def _breakable(name: str) -> str:
    """A name that may be broken after its underscores."""
    return escape(name).replace("_", "_<wbr/>")


def _spaced(name: str) -> str:
    return escape(name.replace("_", " "))


# --- the guide -----------------------------------------------------------------------------


def guide(folder: Path) -> list[tuple[str, str, str]]:
    """The pages written by hand: name, title, HTML. Others than the known ones come last."""
    found = {path.stem: path for path in folder.glob("*.md")}
    names = [n for n in GUIDE if n in found] + sorted(set(found) - set(GUIDE))
    return [_guide_page(n, found[n].read_text(encoding="utf-8"), set(found)) for n in names]


def _guide_page(name: str, text: str, known: set[str]) -> tuple[str, str, str]:
    options = {"xhtmlOut": True, "html": False, "highlight": _highlight}
    markdown = MarkdownIt("commonmark", options).enable("table")
    tokens = markdown.parse(_without_comments(text))
    title = next(t.content for t in tokens if t.type == "inline")
    _name_headings(tokens)
    for token in tokens:
        _turn_links(token.children or [], known)
    inside = markdown.renderer.render(tokens, markdown.options, {})
    inside = inside.replace("<table>", '<div class="wide"><table>')
    inside = inside.replace("</table>", "</table></div>")
    header = '<header><nav><a href="index.html">lossc</a></nav></header>'
    return name, title, page(f"{title} - lossc", f"{header}\n<main>\n{inside}</main>")


def _highlight(text: str, language: str, _: str) -> str:
    """Formulas are marked as on the pages of losses; "" leaves a block as it is."""
    return highlighted(text) if language == "loss" else ""


def _without_comments(text: str) -> str:
    return "\n".join(ln for ln in text.split("\n") if not ln.startswith("<!--"))


def _name_headings(tokens: Sequence[Token]) -> None:
    """Give headings the anchors that links of the sources use."""
    for token, inline in pairwise(tokens):
        if token.type == "heading_open":
            kept = [c for c in inline.content.lower() if c.isalnum() or c in " -_"]
            token.attrSet("id", "".join(kept).replace(" ", "-"))


def _turn_links(tokens: Sequence[Token], known: set[str]) -> None:
    """Links to pages of the guide lead to their HTML; links to other files lead nowhere."""
    for token in tokens:
        if token.type == "link_open":
            href = urlsplit(str(token.attrGet("href")))
            stem = href.path.removesuffix(".md")
            if stem in known or (not href.path and href.fragment):
                end = f"#{href.fragment}" if href.fragment else ""
                token.attrSet("href", (f"{stem}.html" if stem else "") + end)
            elif not href.scheme:
                token.attrs = {"title": href.path}
