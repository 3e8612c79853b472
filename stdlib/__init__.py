"""The standard library: losses in the language itself, one `.loss` file a family."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from lossc.dsl.source import Source

_HEAD = re.compile(r"^loss (\w+)\(", re.MULTILINE)
_DOC = re.compile(r'"""(.*?)"""\s*(?:^loss (\w+)\()?', re.MULTILINE | re.DOTALL)


def families() -> list[str]:
    """The names of the families, such as "regression"."""
    here = files(__name__)
    return sorted(f.name.removesuffix(".loss") for f in here.iterdir() if f.name.endswith(".loss"))


def family_source(family: str) -> Source:
    """The text of a family."""
    text = (files(__name__) / f"{family}.loss").read_text(encoding="utf-8")
    return Source.of(f"std.{family}", text)


@cache
def homes() -> dict[str, str]:
    """The family that each loss is in, found by the lines that begin one; nothing is parsed."""
    texts = {family: family_source(family).text for family in families()}
    return {name: family for family, text in texts.items() for name in _HEAD.findall(text)}


def docs(family: str) -> dict[str, str]:
    """The docstring of each loss of a family, "" for none, in the order of its file.

    They are found in the text; nothing is parsed.
    """
    text = family_source(family).text
    found = {name: doc for doc, name in _DOC.findall(text) if name}
    return {name: found.get(name, "") for name in _HEAD.findall(text)}
