"""The losses of the library, in the order of the files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import lossc
from lossc.api import sound
from lossc.compiler.check import Checked
from lossc.dsl import ast
from lossc.dsl.source import Source
from lossc.files import reader
from lossc.stdlib import families, family_source

# What a `Source:` line calls the same loss in another library.
ELSEWHERE = re.compile(r"\b(?:Keras\s+[a-z]\w*|torch\.\w[\w.]*\w|optax\.\w[\w.]*\w)(?:\([^)]*\))?")


@dataclass(frozen=True)
class Entry:
    """A loss of the library and what its page says of it."""

    family: str
    checked: Checked
    loss: lossc.Loss

    @property
    def name(self) -> str:
        """The loss's name."""
        return self.loss.name

    @property
    def purpose(self) -> str:
        """The first line of the docstring."""
        return (self.loss.doc or "").split("\n")[0]

    @property
    def elsewhere(self) -> list[str]:
        """The names that other libraries give it, as its source says or Keras has it."""
        names = [" ".join(m.split()) for m in ELSEWHERE.findall(self.loss.citation or "")]
        own = f"Keras {self.name}"
        return [*names, own] if _in_keras(self.name) and own not in names else names


@dataclass(frozen=True)
class Family:
    """A file of the library: its name, its docstring, its losses."""

    name: str
    doc: str
    entries: tuple[Entry, ...]


def library() -> list[Family]:
    """Every family. Raises LosscError if a file has a mistake."""
    return [family(name, family_source(name)) for name in families()]


def family(name: str, source: Source) -> Family:
    """One family from its text; functions have no page."""
    checked = sound(source, reader(None))
    entries = tuple(
        Entry(name, c, lossc.Loss(c))
        for c in checked.losses.values()
        if isinstance(c.item, ast.Loss)
    )
    return Family(name, checked.unit.file.doc or "", entries)


def prose(loss: lossc.Loss) -> list[str]:
    """The paragraphs of a docstring after its first line."""
    rest = "\n".join((loss.doc or "").split("\n")[1:])
    return [" ".join(p.split()) for p in rest.split("\n\n") if p.strip()]


def claims(loss: lossc.Loss) -> Iterator[str]:
    """The claims as they are written."""
    return (c.span.text for c in loss.claims)


def _in_keras(name: str) -> bool:
    import keras

    return callable(getattr(keras.losses, name, None)) and name.islower()
