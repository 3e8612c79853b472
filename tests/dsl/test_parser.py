"""What text means: the tree of each construct, spelt out."""

from __future__ import annotations

from pathlib import Path

import pytest

from lossc.dsl import ast
from lossc.dsl.diagnostics import LosscError
from lossc.dsl.parser import bare_name, parse, parse_expression
from lossc.dsl.source import Source, Span
from tests.dsl.examples import DICE, HUBER, LOSSES

CORPUS = sorted((Path(__file__).parents[1] / "corpus").glob("*.loss"))
NOWHERE = Span(Source("", ""), 0, 0)


def expr(text: str) -> ast.Expr:
    return parse_expression(Source.of("file.loss", text))


def same(text: str, other: str) -> None:
    assert expr(text) == expr(other)


def differ(text: str, other: str) -> None:
    assert expr(text) != expr(other)


def file(text: str) -> ast.File:
    return parse(Source.of("file.loss", text))


def loss(text: str) -> ast.Loss:
    (item,) = file(text).items
    assert isinstance(item, ast.Loss)
    return item


def name(text: str) -> ast.Name:
    return ast.Name(text, span=NOWHERE)


def number(text: str) -> ast.Number:
    return ast.Number(text, span=NOWHERE)


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("-x^2", "-(x^2)"),
        ("2^-x", "2^(-x)"),
        ("2^x^y", "2^(x^y)"),
        ("2^-x^2", "2^(-(x^2))"),
        ("a - b - c", "(a - b) - c"),
        ("a / b * c", "(a / b) * c"),
        ("a + b * c^d", "a + (b * (c^d))"),
        ("-a * b", "(-a) * b"),
        ("a * -b", "a * (-b)"),
        ("not a == b and c or d", "((not (a == b)) and c) or d"),
        ("a < b + 1", "a < (b + 1)"),
        ("if a then b else c + 1", "if a then b else (c + 1)"),
        ("if a then b else if c then d else e", "if a then b else (if c then d else e)"),
        ("x²", "x^2"),
        ("x³ + y", "x^3 + y"),
        ("x⁻¹", "x^(-1)"),
        ("x[i]²", "(x[i])^2"),
        ("√x²", "sqrt(x)^2"),
        ("√x[i] + 1", "sqrt(x[i]) + 1"),
        ("√√x", "sqrt(sqrt(x))"),
        ("|x|", "abs(x)"),
        ("|x - |y||", "abs(x - abs(y))"),
        ("|a|*|b|", "abs(a) * abs(b)"),
        ("f(a, b; k = v)", "f(a, b, k = v)"),
        ("ŷ", "yhat"),
        ("y\u0302", "yhat"),
        ("x\u0302", "xhat"),
        ("ȳ", "ybar"),
        ("x\u0303₁₂", "xtilde12"),
        ("λ + ε + ϵ + σ + Δ", "lam + eps + eps + sigma + Delta"),
        ("Σ[i](x)", "sum[i](x)"),
        ("∑[i](x)", "sum[i](x)"),
        ("∏(x)", "prod(x)"),
        ("a ≤ b ≠ c ≥ d", "a <= b != c >= d"),
        ("a · b × c − ∞", "a * b * c - inf"),
        ("a ∧ ¬b ∨ c", "a and not b or c"),
        (".5 + 1E-3", "0.5 + 1e-3"),
        ("x\n+\n\n y # comment\n", "x + y"),
        ("((x))", "x"),
    ],
)
def test_same_meaning(text: str, full: str) -> None:
    same(text, full)


@pytest.mark.parametrize(
    ("text", "other"),
    [("(-x)^2", "-x^2"), ("a < b < c", "(a < b) < c"), ("a - (b - c)", "a - b - c"), ("x2", "x²")],
)
def test_different_meaning(text: str, other: str) -> None:
    differ(text, other)


def test_comparisons_chain() -> None:
    chain = expr("0 <= p < 1")
    assert isinstance(chain, ast.Compare)
    assert chain.ops == ("<=", "<")
    assert chain.operands == (number("0"), name("p"), number("1"))


def test_call_with_indices() -> None:
    call = expr("mean[i, u in -3..n, ... if i != u](x; k = 2)")
    assert isinstance(call, ast.Call) and call.indices is not None
    assert call.function == "mean" and call.args == (name("x"),)
    assert [k.name for k in call.keywords] == ["k"]
    first, second, third = call.indices.indices
    assert (first.name, first.low, second.name, third.name) == ("i", None, "u", "...")
    assert second.low == ast.Unary("-", number("3"), span=NOWHERE) and second.high == name("n")
    assert isinstance(call.indices.filter, ast.Compare)


def test_access() -> None:
    access = expr("u[item=i, h+1, ..., 0]")
    assert isinstance(access, ast.Access) and access.base == name("u")
    assert [slot.name for slot in access.slots] == ["item", None, None, None]
    assert isinstance(access.slots[2].value, ast.Dots)


def test_access_to_a_call_and_to_parentheses() -> None:
    called, grouped = expr("softmax[j](z)[j=0]"), expr("(a - b)[i]")
    assert isinstance(called, ast.Access) and isinstance(called.base, ast.Call)
    assert isinstance(grouped, ast.Access) and isinstance(grouped.base, ast.Binary)


def test_dots_as_an_argument() -> None:
    size = expr("size(...)")
    assert isinstance(size, ast.Call) and isinstance(size.args[0], ast.Dots)


@pytest.mark.parametrize(
    "word", ["loss", "def", "use", "convex", "zero", "by", "of", "under", "iff", "limit", "equals"]
)
def test_words_that_are_no_keywords(word: str) -> None:
    same(f"{word} + 1", f"({word}) + 1")
    text = f"mean({word}^2)\nwhere\n    {word} in real\n    {word} > 0\n    a = {word}\n"
    assert loss(text + f"claims\n    {word} >= 0\n    convex in {word}\n").claims[1].subjects == (
        name(word),
    )


def test_spans_are_those_of_the_text() -> None:
    source = Source.of("file.loss", "1 + (ŷ - x₁) * |z|")
    tree = parse_expression(source)
    texts = {node.span.text for node in ast.walk(tree)}
    assert texts == {"1 + (ŷ - x₁) * |z|", "1", "(ŷ - x₁) * |z|", "(ŷ - x₁)", "ŷ", "x₁", "|z|", "z"}


def test_declarations() -> None:
    item = file(DICE).items[3]
    assert isinstance(item, ast.Function)
    axes = [[(a.name, a.size) for a in i.axes] if i.axes is not None else None for i in item.inputs]
    assert axes == [[("side", 4)], [], [(None, 2)]]
    q, on, none_ = item.params
    assert [a.name for a in q.axes] == ["k"] and isinstance(q.default, ast.Array)
    assert on.default == ast.Boolean(True, span=NOWHERE)
    assert none_.default == ast.NoneLiteral(span=NOWHERE)


def test_input_without_axes_and_dots_axis() -> None:
    item = loss("loss f(y, p[batch, ...]; s = 1 in (0, inf)) = y")
    assert item.inputs[0].axes is None
    assert item.inputs[1].axes is not None
    assert [a.name for a in item.inputs[1].axes] == ["batch", "..."]
    domain = item.params[0].domain
    assert isinstance(domain, ast.IntervalDomain) and domain.low_open and domain.high_open


def test_where_entries() -> None:
    item = file(DICE).items[3]
    assert isinstance(item, ast.Function)
    kinds = [type(entry).__name__ for entry in item.where]
    assert kinds == ["Definition", "Function", *["DomainEntry"] * 3, "DescriptionEntry"]
    assert isinstance(item.where[0], ast.Definition) and item.where[0].indices == ("i", "j")
    assert isinstance(item.where[1], ast.Function) and len(item.where[1].params) == 1


def domain(text: str) -> ast.Domain:
    (entry,) = loss(f"mean(x)\nwhere\n    x in {text}\n").where
    assert isinstance(entry, ast.DomainEntry)
    return entry.domain


def test_domains() -> None:
    half = domain("[0, 1)")
    assert isinstance(half, ast.IntervalDomain) and (half.low_open, half.high_open) == (False, True)
    assert domain("real") == ast.NamedDomain("real", span=NOWHERE) == domain("ℝ")
    assert domain("index(class)") == ast.AxisDomain("index", "class", span=NOWHERE)
    assert domain("simplex[class]") == ast.AxisDomain("simplex", "class", span=NOWHERE)
    ranged = domain("-1..size(level) - 1")
    assert isinstance(ranged, ast.IntRangeDomain) and isinstance(ranged.high, ast.Binary)
    union = domain("index(vocab) or {-1, 0.5}")
    assert isinstance(union, ast.UnionDomain) and isinstance(union.parts[1], ast.SetDomain)


def test_descriptions() -> None:
    item = loss('mean(x)\nwhere\n    x, y in real "a \\"b\\""\n    d > 0 "c"; z "logits"\n')
    assert [getattr(entry, "description", "") for entry in item.where] == ['a "b"', "c", "logits"]


def test_claims() -> None:
    claims = loss(HUBER).claims
    kinds = [claim.kind for claim in claims]
    assert kinds == [
        "holds", "convex", "lipschitz", "holds", "zero iff", "symmetric", "invariant", "elicits",
        "limit", "equals", "proper",
    ]  # fmt: skip
    assert claims[2].expr == name("delta") and claims[2].subjects == (name("yhat"),)
    assert claims[6].word == "shift" and claims[9].word == "std.regression.huber"
    assert claims[8].subjects == (name("delta"), name("inf"))


@pytest.mark.parametrize(
    "text",
    [
        "a = x\n    b = y",
        "a = x; b = y",
        "a = (x\n    + 1)\n    b = y",
        "a = x +\n        1\n    b = y",
        "a = x\n        + 1\n    b = y",
        "a =\n        x\n    b = y",
        "a = if x\n        then y\n        else z\n    b = y",
        "a in [0, 1)\n    b = y",
        "a = x  # comment\n    # another\n    b = y",
        "a, c in\n        real\n    b = not\n        y",
        "a = -\n        x\n    b = |y|",
        ";; a = x ;\n ; b = y;",
    ],
)
def test_newlines_end_entries(text: str) -> None:
    assert len(loss(f"mean(x)\nwhere\n    {text}\n").where) == 2


def test_a_description_on_the_next_line_is_refused() -> None:
    with pytest.raises(LosscError):
        loss('mean(x)\nwhere\n    x in real\n    "text"\n')


def test_newlines_are_blanks_outside_entries() -> None:
    text = "loss\\\nf(\ny\n,\nyhat\n)\n=\ny\n-\nyhat\n".replace("\\\n", " ")
    assert loss(text) == loss("loss f(y, yhat) = y - yhat")


def test_docstrings() -> None:
    tree = file('"""The file.\n\n  Two."""\n"""One loss.\n    Indented.\n    """\nloss f(y) = y\n')
    (item,) = tree.items
    assert tree.doc == "The file.\n\nTwo."
    assert isinstance(item, ast.Loss) and item.doc == "One loss.\nIndented."


def test_a_docstring_before_use_is_the_files() -> None:
    tree = file('"""The file."""\nuse std.a: b\nloss f(y) = y\n')
    assert tree.doc == "The file."


def test_use() -> None:
    first, second = file(DICE).items[:2]
    assert isinstance(first, ast.Use) and isinstance(second, ast.Use)
    assert (first.path, first.is_file) == ("std.regression", False)
    assert [n.id for n in first.names] == ["huber", "mse"]
    assert (second.path, second.is_file) == ("shared.loss", True)


def test_bare_formula() -> None:
    item = parse(Source.of("dir/my-loss.loss", "mean(e)\nwhere e = y - yhat")).items[0]
    assert isinstance(item, ast.Loss)
    assert item.bare and item.name == "my_loss" and item.inputs == () and len(item.where) == 1


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [("mse.loss", "mse"), ("<string>", "loss"), ("-", "loss"), ("2x.loss", "loss"), ("if", "loss")],
)
def test_bare_name(file_name: str, expected: str) -> None:
    assert bare_name(file_name) == expected


@pytest.mark.parametrize("text", LOSSES)
def test_windows_line_ends(text: str) -> None:
    assert file(text.replace("\n", "\r\n")) == file(text)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_corpus(path: Path) -> None:
    parse(Source.of(path.name, path.read_text("utf-8")))
