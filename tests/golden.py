"""Golden cases: files of named sections, compared with what the code says now.

A `.case` file holds sections, each after a line `--- name`. Running the tests with BLESS=1 in the
environment rewrites the sections that are checked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True)
class Case:
    """A `.case` file; `sections` maps names to texts, each without its last line end."""

    path: Path
    sections: dict[str, str]

    @property
    def id(self) -> str:
        """The name of the case, for `pytest.mark.parametrize(ids=...)`."""
        return self.path.stem

    def __getitem__(self, section: str) -> str:
        return self.sections[section]

    def check(self, section: str, actual: str) -> None:
        """Assert that `section` is `actual`; rewrite it where BLESS is set."""
        actual = actual.rstrip("\n")
        if os.environ.get("BLESS") and self.sections.get(section) != actual:
            self.sections[section] = actual
            self.path.write_text(_text(self.sections), encoding="utf-8")
        assert self.sections.get(section) == actual, f"{self.path.name}, section {section}"


def cases(folder: str) -> list[Case]:
    """The cases of `tests/golden/<folder>`, in order of their names; never none."""
    found = sorted((GOLDEN / folder).glob("*.case"))
    assert found, f"no cases in {GOLDEN / folder}"
    return [Case(path, _sections(path.read_text(encoding="utf-8"))) for path in found]


def _sections(text: str) -> dict[str, str]:
    sections: dict[str, list[str]] = {}
    name = ""
    for line in text.split("\n"):
        if line.startswith("--- "):
            name = line.removeprefix("--- ").strip()
            sections[name] = []
        elif name:
            sections[name].append(line)
    return {key: "\n".join(lines).rstrip("\n") for key, lines in sections.items()}


def _text(sections: dict[str, str]) -> str:
    return "".join(f"--- {name}\n{text}\n\n" for name, text in sections.items()).rstrip("\n") + "\n"
