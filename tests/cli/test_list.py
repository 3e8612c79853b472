"""`lossc list` finds the losses in the text of the library; what it finds is what is parsed."""

from __future__ import annotations

import subprocess
import sys

from lossc.commands.library import library, matching
from lossc.stdlib import docs, families


def test_docstrings_are_found_without_parsing() -> None:
    parsed = {loss["name"]: (loss["family"], loss["doc"]) for loss in library()}
    found = {n: (family, doc) for family in families() for n, doc in docs(family).items()}
    assert list(found) == list(parsed)
    for name, (family, doc) in found.items():
        assert family == parsed[name][0]
        assert doc.strip().split("\n")[0] == (parsed[name][1] or "").split("\n")[0]


def test_words_are_looked_for_in_names_families_and_docstrings() -> None:
    assert "huber" in matching("huber") and "berhu" in matching("huber")
    assert set(docs("ranking")) <= set(matching("ranking"))
    assert matching("no such word") == {}
    assert [loss["name"] for loss in library(["huber"]) if loss["name"] == "huber"] == ["huber"]


def test_a_word_is_found_without_the_parser() -> None:
    code = (
        "import sys; from lossc.cli import main; main(['list', 'huber']); "
        "print('lossc.dsl.parser' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"
