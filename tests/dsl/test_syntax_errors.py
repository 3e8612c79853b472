"""What is said about broken text: codes, carets, and that nothing else ever happens."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossc.dsl.codes import SYNTAX, Code
from lossc.dsl.diagnostics import LosscError
from lossc.dsl.parser import MAX_BYTES, parse, parse_expression
from lossc.dsl.printer import format_source
from lossc.dsl.source import Source
from tests.dsl.examples import LOSSES
from tests.golden import Case, cases

ROWS = [row for row in SYNTAX if row.bad]


def errors(text: str) -> LosscError:
    with pytest.raises(LosscError) as caught:
        parse(Source.of("file.loss", text))
    return caught.value


def codes(text: str) -> list[str]:
    return [d.code for d in errors(text).diagnostics]


@pytest.mark.parametrize("case", cases("syntax"), ids=lambda case: case.id)
def test_message(case: Case) -> None:
    case.check("error", str(errors(case["source"] + "\n")))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_examples_of_a_code(row: Code) -> None:
    assert set(codes(row.bad)) == {row.code}
    parse(Source.of("file.loss", row.good))


def test_codes_are_distinct_and_in_order() -> None:
    found = [row.code for row in SYNTAX]
    assert found == sorted(set(found))
    assert all(row.title and row.why for row in SYNTAX)


@pytest.mark.parametrize("case", cases("syntax"), ids=lambda case: case.id)
def test_messages_are_in_the_words_of_the_user(case: Case) -> None:
    said = str(errors(case["source"] + "\n"))
    for word in ("LPAR", "RPAR", "TIMES", "NAME ", "NUMBER", "__ANON", "$END", "token", "SEP"):
        assert word not in said
    assert "help: " in said


def test_errors_of_all_parts_are_reported() -> None:
    text = "loss a(y) = y +\nwhere\n    b = )\n    c = 1\n    d in\nclaims\n    a = 0\n\n"
    text += "loss e(y) = 2y\n"
    found = errors(text).diagnostics
    lines = [d.span.line for d in found if d.span]
    assert lines == [1, 3, 5, 7, 9]
    assert [d.code for d in found] == ["E0101", "E0107", "E0101", "E0108", "E0113"]


def test_an_open_bracket_does_not_hide_the_next_item() -> None:
    assert codes("loss a(y) = (y\n\nloss b(y) = y y\n") == ["E0107", "E0113"]


def test_the_place_is_that_of_the_text_as_written() -> None:
    (found,) = errors("mean(ŷ - λ̂ $ 1)").diagnostics
    assert found.span is not None and found.span.text == "$"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1+" * 2000 + "1", "E0111"),
        ("-" * 2000 + "1", "E0111"),
        ("2^" * 2000 + "2", "E0111"),
        ("f(" * 2000 + "1" + ")" * 2000, "E0111"),
        ("not " * 2000 + "true", "E0111"),
        ("x[" * 2000 + "1" + "]" * 2000, "E0111"),
        ("if a then b else " * 2000 + "c", "E0111"),
        ("√" * 2000 + "c", "E0111"),
        ("(" * 20000, "E0107"),
        ("1" * 20000, "E0109"),
        ("1e" + "9" * 20000, "E0109"),
        ("\x00", "E0103"),
        ("\ud800", "E0103"),
        ("x" + " " * MAX_BYTES, "E0112"),
        ("x y " * 60000, "E0112"),
    ],
    ids=lambda value: value[:8],
)
def test_hostile_text_is_refused_quickly(text: str, code: str) -> None:
    start = time.perf_counter()
    assert codes(text)[0] == code
    assert time.perf_counter() - start < 10


def test_parentheses_alone_add_no_depth() -> None:
    parse(Source.of("file.loss", "(" * 5000 + "x" + ")" * 5000))


def test_many_errors_are_cut_short() -> None:
    assert len(codes("$" * 10000)) <= 20
    assert len(codes("loss f(y) = )\n" * 3000)) <= 20


def only_lossc_errors(text: str) -> None:
    for use in (parse, parse_expression, format_source):
        try:
            use(Source.of("file.loss", text))
        except LosscError as error:
            assert error.diagnostics and str(error)


KEYWORDS = "loss def use where claims if then else in and or not true none convex by zero iff limit"
MARKS = '² √ | ( ) [ ] { } , ; : . .. ... = == < -> + - * / ^ ** ! " """ # \' \n \t'
OPERANDS = 'f x y_1 ŷ λ Σ 1 2. .5 1e9 "text"'
WORDS = st.sampled_from(f"{KEYWORDS} {MARKS} {OPERANDS}".split(" "))


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=25).map(" ".join))
def test_random_words(text: str) -> None:
    only_lossc_errors(text)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_random_text(text: str) -> None:
    only_lossc_errors(text)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(LOSSES),
    st.integers(0, 1000),
    st.integers(0, 6),
    st.one_of(WORDS, st.text(max_size=3)),
)
def test_mutated_losses(text: str, at: int, drop: int, put: str) -> None:
    at %= len(text)
    only_lossc_errors(text[:at] + put + text[at + drop :])
