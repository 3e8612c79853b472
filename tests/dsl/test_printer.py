"""Printing: what is printed reads as what it was, and canonical text stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossc.dsl import ast
from lossc.dsl.parser import parse, parse_expression
from lossc.dsl.printer import format_source, print_domain, print_expr, print_item
from lossc.dsl.source import Source, Span
from tests.dsl.examples import LOSSES

CORPUS = sorted((Path(__file__).parents[1] / "corpus").glob("*.loss"))
AT = Span(Source("", ""), 0, 0)

NAMES = st.sampled_from(["y", "yhat", "e", "by", "loss", "zero", "use", "x_1"])
NUMBERS = st.sampled_from(["0", "1", "2.5", "0.1", "1e-6", "10"])
ARITHMETIC = st.sampled_from(["+", "-", "*", "/", "^"])
COMPARISON = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
ATOMS: st.SearchStrategy[ast.Expr] = st.one_of(
    NAMES.map(lambda n: ast.Name(n, span=AT)),
    NUMBERS.map(lambda n: ast.Number(n, span=AT)),
    st.booleans().map(lambda b: ast.Boolean(b, span=AT)),
    st.just(ast.NoneLiteral(span=AT)),
)


def _tuples(items: st.SearchStrategy[ast.Expr], least: int = 1) -> st.SearchStrategy[object]:
    return st.lists(items, min_size=least, max_size=3).map(tuple)


def _indices(inner: st.SearchStrategy[ast.Expr]) -> st.SearchStrategy[ast.IndexList | None]:
    plain = st.builds(ast.BoundIndex, st.sampled_from(["i", "j", "..."]), span=st.just(AT))
    ranged = st.builds(ast.BoundIndex, NAMES, inner, inner, span=st.just(AT))
    listed = st.lists(plain | ranged, min_size=1, max_size=3).map(tuple)
    return st.none() | st.builds(ast.IndexList, listed, st.none() | inner, span=st.just(AT))


def _larger(inner: st.SearchStrategy[ast.Expr]) -> st.SearchStrategy[ast.Expr]:
    at = st.just(AT)
    dots = st.just(ast.Dots(span=AT))
    slots = st.builds(ast.Slot, inner, st.none() | NAMES, span=at) | st.builds(
        ast.Slot, dots, span=at
    )
    keywords = st.lists(st.builds(ast.Keyword, NAMES, inner, span=at), max_size=2).map(tuple)
    compare = st.lists(st.tuples(COMPARISON, inner), min_size=1, max_size=3).flatmap(
        lambda rest: inner.map(
            lambda first: ast.Compare(
                (first, *(e for _, e in rest)), tuple(op for op, _ in rest), span=AT
            )
        )
    )
    return st.one_of(
        st.builds(ast.Binary, ARITHMETIC | st.sampled_from(["and", "or"]), inner, inner, span=at),
        st.builds(ast.Unary, st.sampled_from(["-", "+", "not"]), inner, span=at),
        st.builds(ast.If, inner, inner, inner, span=at),
        st.builds(ast.Access, inner, st.lists(slots, min_size=1, max_size=3).map(tuple), span=at),
        st.builds(ast.Call, NAMES, _tuples(inner | dots, 0), keywords, _indices(inner), span=at),
        compare,
    )


EXPRS = st.recursive(ATOMS, _larger, max_leaves=20)


@settings(max_examples=400, deadline=None)
@given(EXPRS)
def test_printed_expressions_read_back(expr: ast.Expr) -> None:
    assert parse_expression(Source.of("x", print_expr(expr))) == expr


@settings(max_examples=150, deadline=None)
@given(st.lists(EXPRS, min_size=1, max_size=3))
def test_formatting_long_items(exprs: list[ast.Expr]) -> None:
    """Broken over lines, in a body and in `where`, an item still says the same."""
    where = tuple(ast.Definition("a", expr, ("i",), span=AT) for expr in exprs)
    item = ast.Loss("f", (ast.InputDecl("y", None, span=AT),), (), exprs[0], where, span=AT)
    text = print_item(item) + "\n"
    source = Source.of("x", text)
    assert parse(source).items == (item,)
    assert format_source(source) == text


@pytest.mark.parametrize(
    "text",
    [
        "-x^2", "(-x)^2", "2^-x", "a - (b - c)", "a - b - c", "a * (b + c)", "(a < b) == c",
        "not a and b", "not (a and b)", "(if a then b else c) + 1", "if a then b else c + 1",
        "x[h+1, w]", "x[2 * h]", "u[item=i]", "sum[u in -3..3](k[u+3] * x[t+u])", "(a + b)[i]",
        "mean[i, j if i != j](x)", "focal(1, 0; gamma = 0)", "size(...)", "a / (b * c)", "--x",
        "f()[i]", "0 <= p <= 1", "f(; k = 1)",
    ],
)  # fmt: skip
def test_least_parentheses(text: str) -> None:
    assert print_expr(parse_expression(Source.of("x", text))) == text


@pytest.mark.parametrize(
    "text",
    ["real", "[0, inf)", "(0, 1]", "0..size(level) - 1", "{0, 1}", "index(class)", "simplex[class]",
     "one_hot[class] or {-1}"],
)  # fmt: skip
def test_domains(text: str) -> None:
    (item,) = parse(Source.of("x", f"mean(y)\nwhere y in {text}")).items
    assert isinstance(item, ast.Loss) and isinstance(item.where[0], ast.DomainEntry)
    assert print_domain(item.where[0].domain) == text


def formatted(text: str) -> str:
    return format_source(Source.of("x.loss", text))


@pytest.mark.parametrize("text", [*LOSSES, *(path.read_text("utf-8") for path in CORPUS)])
def test_formatting_keeps_the_meaning_and_is_idempotent(text: str) -> None:
    once = formatted(text)
    assert parse(Source.of("x.loss", once)) == parse(Source.of("x.loss", text))
    assert formatted(once) == once
    assert once.isascii() or not text.isascii() or '"' in text
    assert max(map(len, once.split("\n"))) <= max(100, *map(len, text.split("\n")))


def test_canonical_layout() -> None:
    text = '''"""Doc
   two."""
loss   f( y,ŷ ;d=1∈(0,∞) )=mean( (y−ŷ)² )
where d>0 "width"; longer_name in real "words"
   e=y-ŷ
claims f>=0
loss g(y)=y'''
    assert (
        formatted(text)
        == '''"""Doc
two.
"""
loss f(y, yhat; d = 1 in (0, inf)) = mean((y - yhat)^2)
where
    d > 0                "width"
    longer_name in real  "words"
    e = y - yhat
claims
    f >= 0

loss g(y) = y
'''
    )


def test_long_formulas_are_broken() -> None:
    long = "mean(" + " + ".join(f"weight_{i} * distance_{i}" for i in range(6)) + ")\n"
    assert formatted(long).split("\n")[:3] == [
        "mean(",
        "    weight_0 * distance_0 +",
        "    weight_1 * distance_1 +",
    ]


COMMENTED = '''# licence

# about the loss
"""Doc."""  # beside the doc
loss f(y, yhat) =
    # within the body
    # and again
    mean(y - e)  # beside the body
# before where
where  # beside where
    # before e
    e = yhat  # beside e

    # before d
    d = 1
    # after d
claims
    f >= 0
    # after the claim

# before g
loss g(y) = y
    # after g
# the end
'''


def test_comments_stay_where_they_stood() -> None:
    assert formatted(COMMENTED) == COMMENTED


def test_comments_within_a_line_are_kept() -> None:
    text = "loss f(y,  # labels\n  yhat) = mean(y  # inside\n  - yhat)  # beside\n"
    text += "where a = (1  # one\n + 2)\n"
    once = formatted(text)
    for word in ("# labels", "# inside", "# beside", "# one"):
        assert once.count(word) == 1
    assert formatted(once) == once


COMMENT_LINES = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["# c", "    # c", "\n", "\n# c\n", "  "])),
    max_size=6,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([*LOSSES, COMMENTED]), COMMENT_LINES)
def test_comments_anywhere(text: str, added: list[tuple[int, str]]) -> None:
    lines = text.split("\n")
    for at, line in added:
        lines.insert(at % len(lines), line)
    source = Source.of("x.loss", "\n".join(lines))
    once = format_source(source)
    assert formatted(once) == once
    assert once.count("# c") == source.text.count("# c")
    assert parse(Source.of("x.loss", once)) == parse(source)
