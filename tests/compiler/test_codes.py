"""What is said about files that parse and mean nothing: codes, carets and help."""

from __future__ import annotations

import pytest

from lossc.compiler.check import check
from lossc.dsl.codes import AXES, CODES, FILES, KINDS, NAMES, Code
from lossc.dsl.diagnostics import Diagnostic, LosscError, render
from lossc.dsl.source import Source
from lossc.files import reader
from tests.golden import Case, cases

ROWS = [row for row in (*NAMES, *AXES, *KINDS, *FILES) if row.bad]


def findings(text: str) -> tuple[Diagnostic, ...]:
    try:
        return check(Source.of("file.loss", text), reader(None)).diagnostics
    except LosscError as error:
        return error.diagnostics


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_examples_of_a_code(row: Code) -> None:
    assert {d.code for d in findings(row.bad)} == {row.code}
    assert findings(row.good) == ()


@pytest.mark.parametrize("case", cases("meaning"), ids=lambda case: case.id)
def test_message(case: Case) -> None:
    said = findings(case["source"] + "\n")
    case.check("said", "\n\n".join(render(d) for d in said))


def test_every_code_with_an_example_has_a_golden_case() -> None:
    assert {row.code for row in ROWS} <= {case.id for case in cases("meaning")}


def test_spans_lie_inside_the_text() -> None:
    for row in ROWS:
        for d in findings(row.bad):
            assert d.span is not None
            assert 0 <= d.span.start <= d.span.stop <= len(row.bad)


def test_codes_are_declared_in_order_and_explained() -> None:
    assert all(row.code == code and row.title and row.why for code, row in CODES.items())
