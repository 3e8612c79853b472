"""Formulas as MathML: golden ones, and that every one is well formed and says what LaTeX says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import lossc
from lossc.api import sound
from lossc.compiler.emit.to_latex import latex, latex_expr
from lossc.compiler.emit.to_mathml import from_latex, mathml, mathml_expr
from lossc.dsl import ast
from lossc.dsl.parser import parse, parse_expression
from lossc.dsl.primitives import ALONG, PRIMITIVES, REDUCTIONS
from lossc.dsl.source import Source
from lossc.files import reader
from lossc.stdlib import families, family_source
from tests.dsl.examples import LOSSES
from tests.golden import Case, cases

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.loss"))
LEAVES = {"mi", "mn", "mo", "mtext", "mspace"}
CHILDREN = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2,
            "munderover": 3, "mroot": 2, "mtd": 1, "math": 1}  # fmt: skip
OTHERS = {"mrow", "msqrt", "mtable", "mtr"}


def expression(text: str) -> ast.Expr:
    return parse_expression(Source.of("<text>", text))


def losses(source: Source) -> list[ast.Loss | ast.Function]:
    return [item for item in parse(source).items if not isinstance(item, ast.Use)]


def faults(said: str) -> list[str]:
    """What is not well formed in a piece of MathML."""
    found = []
    for element in ET.fromstring(said).iter():
        count = len(element)
        if element.tag not in LEAVES | OTHERS | set(CHILDREN):
            found.append(f"unknown {element.tag}")
        if element.tag in CHILDREN and count != CHILDREN[element.tag]:
            found.append(f"{element.tag} with {count} children")
        if element.tag in LEAVES and (count or (not element.text and element.tag != "mspace")):
            found.append(f"empty or nested {element.tag}")
        if element.tag not in LEAVES and (element.text or "").strip():
            found.append(f"text in {element.tag}")
    return found


@pytest.mark.parametrize(
    "said",
    ["<math><mrow/><mrow/></math>", "<math><mfrac><mi>x</mi></mfrac></math>", "<math>x</math>",
     "<math><mi/></math>", "<math><b>x</b></math>"],
)  # fmt: skip
def test_faults_are_found(said: str) -> None:
    assert faults(said)


def files() -> Iterator[Any]:
    for path in CORPUS:
        yield pytest.param(Source.of(path.name, path.read_text("utf-8")), id=path.stem)
    for family in families():
        yield pytest.param(family_source(family), id=f"std.{family}")


def everything() -> Iterator[Any]:
    yield from files()
    for k, text in enumerate(LOSSES):
        yield pytest.param(Source.of("example.loss", text), id=f"example{k}")


def words(text: str) -> list[str]:
    """The names and numbers of some LaTeX or MathML, in no order."""
    return sorted(re.findall(r"[A-Za-z]{2,}|\d+(?:\.\d+)?", unicodedata.normalize("NFKC", text)))


def names_in_latex(said: str) -> list[str]:
    """What stands upright in LaTeX, and the numbers."""
    upright = " ".join(re.findall(r"\\(?:operatorname|mathrm|mathbb|text)\{([^{}]*)\}", said))
    functions = "log|sin|cos|tan|arcsin|arccos|arctan|sinh|cosh|tanh|max|min"
    upright += " " + " ".join(re.findall(rf"\\({functions})(?![A-Za-z])", said))
    rest = re.sub(r"\\(?:operatorname|mathrm|mathbb|text|begin|end)\{[^{}]*\}", " ", said)
    digits = re.findall(r"\d+(?:\.\d+)?", rest)
    return words(" ".join([upright.replace(r"\,", " "), *digits]))


def names_in_mathml(said: str) -> list[str]:
    return words(" ".join(e.text or "" for e in ET.fromstring(said).iter()))


@pytest.mark.parametrize("source", list(everything()))
def test_every_loss_is_well_formed_and_complete(source: Source) -> None:
    for item in losses(source):
        said = mathml(item)
        assert faults(said) == []
        assert names_in_mathml(said) == names_in_latex(latex(item))


@pytest.mark.parametrize("source", list(files()))
def test_every_gradient_is_well_formed(source: Source) -> None:
    for checked in sound(source, reader(None)).losses.values():
        loss = lossc.Loss(checked)
        for name, declared in loss.inputs.items():
            if declared.tensor.kind == "real":
                assert faults(loss.gradient(name).mathml) == []


@pytest.mark.parametrize("case", cases("mathml"), ids=lambda case: case.id)
def test_golden(case: Case) -> None:
    said = [mathml(item) for item in losses(Source.of("formula.loss", case["source"] + "\n"))]
    case.check("mathml", "\n".join(map(pretty, said)))


def pretty(said: str) -> str:
    root = ET.fromstring(said)
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode")


@pytest.mark.parametrize("name", [n for n, p in PRIMITIVES.items() if not p.symbol])
def test_every_function(name: str) -> None:
    args = ", ".join("xyz"[: PRIMITIVES[name].arity])
    assert faults(mathml_expr(expression(f"{name}({args}) + 1"))) == []


@pytest.mark.parametrize("name", [*REDUCTIONS, *ALONG])
def test_every_reduction(name: str) -> None:
    text = f"{name}[i, j if x[i] > 0](x) * {name}[i](y)^2"
    assert faults(mathml_expr(expression(text))) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a < b", "<mrow><mi>a</mi><mo>&lt;</mo><mi>b</mi></mrow>"),
        ("a / b", "<mfrac><mi>a</mi><mi>b</mi></mfrac>"),
        ("sqrt(x)", "<msqrt><mi>x</mi></msqrt>"),
        ("cbrt(x)", "<mroot><mi>x</mi><mn>3</mn></mroot>"),
        ("alpha", "<mi>α</mi>"),
        ("Sigma", '<mi mathvariant="normal">Σ</mi>'),
        ("z[i]^2", "<msubsup><mi>z</mi><mi>i</mi><mn>2</mn></msubsup>"),
        ("x_2", "<msub><mi>x</mi><mn>2</mn></msub>"),
        ("logits", "<mi>logits</mi>"),
        ("0.25", "<mn>0.25</mn>"),
        ("a * b", '<mrow><mi>a</mi><mo lspace="0" rspace="0.167em">\u2062</mo><mi>b</mi></mrow>'),
    ],
)  # fmt: skip
def test_expressions(text: str, said: str) -> None:
    assert mathml_expr(expression(text)) == f"<math>{said}</math>"


def test_applications_and_products_are_told_apart() -> None:
    applied = mathml_expr(expression("f(x + 1)"))
    product = mathml_expr(expression("f * (x + 1)"))
    assert "\u2061" in applied and "\u2062" not in applied
    assert "\u2062" in product and "\u2061" not in product


def test_sums_have_their_indices_below() -> None:
    assert "<munder><mo>∑</mo><mi>i</mi></munder>" in mathml_expr(expression("sum[i](a[i])"))


def test_a_minus_after_a_sign_belongs_to_what_follows() -> None:
    assert 'form="prefix"' in mathml_expr(expression("a == -b"))
    assert 'form="prefix"' not in mathml_expr(expression("a - b"))


def test_text_is_escaped() -> None:
    said = mathml_expr(expression("if a < b and b > c then x else y"))
    assert "&lt;" in said and "&gt;" in said
    assert [e.text for e in ET.fromstring(said).iter("mo") if e.text in ("<", ">")] == ["<", ">"]


def test_definitions_have_lines_and_long_ones_are_broken() -> None:
    (item,) = losses(Source.of("f.loss", "loss f(x, y) = mean(a)\nwhere a = x + y\n"))
    assert mathml(item).count("<mtr>") == 2
    long = " + ".join(f"abs(first - second) * {k}" for k in range(9))
    (item,) = losses(Source.of("f.loss", f"loss f(first, second) = {long}\n"))
    assert mathml(item).count("<mtr>") > 3


@pytest.mark.parametrize("text", [r"\unknown", r"\frac{a}", "{", r"\left(x", "a $ b"])
def test_what_the_emitter_does_not_write_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_latex(text)


def test_a_formula_knows_its_mathml() -> None:
    formula = lossc.compile("mean((y - yhat)^2)").formula
    assert formula.mathml == from_latex(formula.latex)
    assert latex_expr(expression("a / b")) == r"\frac{a}{b}"
