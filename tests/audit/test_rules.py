"""The rules of proof, one by one: what they show, and what they must not."""

from __future__ import annotations

import pytest

from lossc.compiler.audit.context import Context
from lossc.compiler.audit.corners import corner_hull
from lossc.compiler.audit.curvature import Shapes, is_quasiconvex
from lossc.compiler.audit.degrees import is_invariant
from lossc.compiler.audit.goal import Budget, Goal, variables
from lossc.compiler.audit.interval import INF, REALS, UNIT, Interval
from lossc.compiler.audit.normal import is_equal
from lossc.compiler.audit.pieces import convex, increasing, lipschitz, smooth
from lossc.compiler.audit.prove import Prover
from lossc.compiler.audit.scalars import scalar
from lossc.compiler.audit.steepness import steepness
from lossc.compiler.audit.tidy import tidy
from lossc.compiler.check import check
from lossc.compiler.elaborate.expressions import Elaborator
from lossc.compiler.elaborate.scope import Scope, TermValue
from lossc.compiler.findings import Findings
from lossc.compiler.ir import Expr
from lossc.compiler.link import Unit
from lossc.dsl import ast
from lossc.dsl.parser import parse_expression
from lossc.dsl.source import Source
from lossc.files import reader

POSITIVE = Interval(0.0, INF, True, True)
CONSTANTS = {"pi", "e", "inf"}


def term(text: str) -> Expr:
    """A scalar term; its names are variables."""
    node = parse_expression(Source.of("text", text))
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - CONSTANTS
    unit = Unit(node.span.source, ast.File((), span=node.span))
    findings = Findings()
    found = Elaborator(findings).expr(node, Scope(unit, {n: TermValue(scalar(n)) for n in names}))
    assert not findings.errors
    return tidy(found)


def goal(text: str, strict: bool = False, **box: Interval) -> Goal:
    found = term(text)
    return Goal(found, {**dict.fromkeys(variables(found), REALS), **box}, (), strict)


EQUAL = (
    ("x * (y + z)", "x * y + z * x"),
    ("(x - y)^2", "(y - x)^2"),
    ("log(1 + exp(x)) - x", "log(1 + exp(-x))"),
    ("x / (1 + x) - 1", "-1 / (1 + x)"),
    ("d * sqrt(1 + (x / d)^2)", "sqrt(d^2 + x^2)"),
    ("-log(sigmoid(x))", "softplus(-x)"),
    ("log(exp(x) + exp(y))", "logaddexp(y, x)"),
    ("tanh(x)", "2 * sigmoid(2 * x) - 1"),
    ("log(8 / 3) + log(1 / 2)", "2 * log(2) - log(3)"),
    ("log(12 * d)", "log(d) + log(4) + log(3)"),
    ("log(6 * exp(x + log(2) / 2))", "x + log(3) + 3 * log(2) / 2"),
    ("log(d^(1/2) * exp(log(6)))", "log(d) / 2 + log(2) + log(3)"),
    ("log(d / x^2)", "log(d) - 2 * log(abs(x))"),
)
UNEQUAL = (("x", "abs(x)"), ("sqrt(x^2)", "x"), ("log(x^2)", "2 * log(x)"), ("x^2", "x^3"),
           ("softplus(x)", "softplus(-x)"), ("log(6)", "log(2) * log(3)"),
           ("log(4)", "log(2)"), ("log(6 * exp(x + log(2) / 2))", "x + log(3) + log(2) / 2"),
           ("log(2 * exp(log(2) / 2))", "log(2) / 2"))  # fmt: skip


@pytest.mark.parametrize(("a", "b"), EQUAL[:-1])
def test_normal_forms_of_equals(a: str, b: str) -> None:
    assert is_equal(term(a), term(b), frozenset("d"))


@pytest.mark.parametrize(("a", "b"), UNEQUAL)
def test_normal_forms_of_others(a: str, b: str) -> None:
    assert not is_equal(term(a), term(b))


# What is not below 0 (above 0, if so said) over its box, and what is somewhere.
TRUE_GOALS: tuple[tuple[str, dict[str, Interval]], ...] = (
    ("if abs(y - x) <= d then (y - x)^2 / 2 else d * (abs(y - x) - d / 2)", {"d": POSITIVE}),
    ("log(cosh(x - y))", {}),
    ("softplus(z) - y * z", {"y": UNIT}),
    ("logaddexp(a, logaddexp(b, c)) - b", {}),
    ("exp(a * (x - y)) - a * (x - y) - 1", {}),
    ("max(q * (y - x), (q - 1) * (y - x))", {"q": UNIT}),
    ("y / p - log(y / p) - 1", {"y": POSITIVE, "p": POSITIVE}),
    ("y * log(y / p) - y + p", {"y": POSITIVE, "p": POSITIVE}),
    ("1 - (2 * y * p + s) / (y + p + s)", {"y": UNIT, "p": UNIT, "s": POSITIVE}),
    ("c / 2 - c * x / (1 + x^2)", {"c": POSITIVE}),
    ("x^2 - 2 * x * y + y^2", {}),
    ("3 - sin(x) * x", {"x": Interval(-2.0, 2.0)}),
)
FALSE_GOALS: tuple[tuple[str, dict[str, Interval]], ...] = (
    ("x^2 - x", {}),
    ("exp(x) - x - 1.01", {}),
    ("log(x)", {"x": POSITIVE}),
    ("softplus(z) - y * z", {"y": Interval(0.0, 1.5)}),
    ("max(q * (y - x), (q - 1) * (y - x))", {}),
    ("x * y", {}),
    ("1 / x", {}),
    ("if x > 0 then x else x + 1", {}),
    ("sign(x) + 1 / 2", {}),
    ("floor(x) - x + 0.9", {}),
)


@pytest.mark.parametrize(("text", "box"), TRUE_GOALS)
def test_proofs(text: str, box: dict[str, Interval]) -> None:
    assert Prover(Budget(4.0)).prove(goal(text, **box)) is not None


@pytest.mark.parametrize(("text", "box"), FALSE_GOALS)
def test_no_proof_of_what_is_false(text: str, box: dict[str, Interval]) -> None:
    assert Prover(Budget(0.6)).prove(goal(text, **box)) is None


def test_strict_goals() -> None:
    prover = Prover(Budget(2.0))
    assert prover.prove(goal("x^2", True, x=POSITIVE))
    assert prover.prove(goal("exp(x)", True))
    assert not prover.prove(goal("x^2", True))
    assert not prover.prove(goal("abs(x)", True, x=Interval(0.0, 1.0)))


HUBER = "if abs(y - x) <= d then (y - x)^2 / 2 else d * (abs(y - x) - d / 2)"
BERHU = "if abs(y - x) <= d then abs(y - x) else ((y - x)^2 + d^2) / (2 * d)"
HINGE = "if x >= 1 then 0 else if x > 0 then (1 - x)^2 / 2 else 1 / 2 - x"
CONVEX = (HUBER, BERHU, HINGE, "sqrt(1 + x^2)", "max(q * (y - x), (q - 1) * (y - x))", "abs(x)")
NOT_CONVEX = ("log(1 + x^2)", "x^4 - x^2", "x^3", "-abs(x)", "if x > 0 then x else 2 * x",
              "-sqrt(1 - cos(x)^2)", "if x > 0 then x + 1 else -x", "min(x^2, 1)")  # fmt: skip


@pytest.mark.parametrize("text", CONVEX)
def test_convex_pieces(text: str) -> None:
    assert convex(Prover(Budget(4.0)), goal(text, d=POSITIVE, q=UNIT), "x")


@pytest.mark.parametrize("text", NOT_CONVEX)
def test_pieces_that_are_not_convex(text: str) -> None:
    assert not convex(Prover(Budget(0.6)), goal(text), "x")


def test_other_facts_by_pieces() -> None:
    prover = Prover(Budget(8.0))
    box = {"d": POSITIVE}
    assert lipschitz(prover, goal(HUBER, **box), "x", scalar("d"))
    assert not lipschitz(prover, goal("if x > 0 then 1 else 0"), "x", term("1"))
    assert smooth(prover, goal(HUBER, **box), "x")
    assert not smooth(prover, goal(BERHU, **box), "x")
    assert increasing(prover, goal("x^3"), "x")
    assert not increasing(prover, goal("-1 / x"), "x")
    assert not increasing(prover, goal("if x > 0 then x - 1 else x"), "x")


def test_quasiconvexity_by_rules() -> None:
    for text, expected in (("1 - exp(-x^2)", True), ("log(1 + x^2)", True), ("sin(x)", False),
                           ("x^2 * (x - 1)^2", False)):  # fmt: skip
        found = term(text)
        shapes = Shapes(found, frozenset("x"), {"x": REALS})
        assert is_quasiconvex(found, shapes) is expected, text


def test_corners() -> None:
    assert corner_hull(term("1 - y - s / 2 + y * s"), {"y": UNIT, "s": UNIT}) == UNIT
    assert corner_hull(term("y^2 - y"), {"y": UNIT}).low == -INF


def whole(text: str) -> tuple[Context, Expr]:
    """A loss over axes of any length."""
    found = check(Source.of("f.loss", text), reader(None))
    assert not found.errors
    context = Context(found.losses["f"], reader(None))
    value = context.whole(found.losses["f"].program.value)
    assert value is not None
    return context, value


Z = "loss f(z[batch, class]) = mean[batch]({})"
MOVES = (
    ("logsumexp[class](z) - max[class](z)", "shift", True),
    ("sum[class](softmax[class](z)^2)", "shift", True),
    ("sum[class](z)", "shift", False),
    ("var[class](z)", "shift", True),
    ("sum[class](abs(normalize[class](z)))", "scale", True),
    ("max[class](z) / norm[class](z)", "scale", True),
    ("logsumexp[class](z)", "scale", False),
    ("sum[class](z) / (1 + norm[class](z))", "scale", False),
    ("sum[class](if z > 1 then 1 else 0)", "scale", False),
)


@pytest.mark.parametrize(("body", "word", "expected"), MOVES)
def test_degrees(body: str, word: str, expected: bool) -> None:
    _, value = whole(Z.format(body))
    assert is_invariant(value, frozenset("z"), word) is expected


STEEP = (
    ("logsumexp[class](z)", "1"),
    ("logsumexp[class](z) - z[batch, 0]", "sqrt(2)"),
    ("max(0, 1 + max[class](z) - z[batch, 0])", "sqrt(2)"),
    ("3 * tanh(z[batch, 0])", "3"),
    ("sum[class](z)", None),
    ("logsumexp[class](z)^2", None),
)


@pytest.mark.parametrize(("body", "bound"), STEEP)
def test_steepness(body: str, bound: str | None) -> None:
    context, value = whole(Z.format(body))
    found = steepness(value, frozenset("z"), context.whole_box)
    if bound is None:
        assert found is None
    else:
        assert found is not None
        assert is_equal(found, term(bound))


P = """loss f(y[batch, class], p[batch, class]) = mean[batch](sum[class]({}))
where
    y in simplex[class]
    p in simplex[class]"""
GIBBS = (
    ("xlogy(y, y / p)", True),
    ("xlogy(y, y) - xlogy(y, p)", True),
    ("-xlogy(y, p / y)", True),
    ("xlogy(y, 2 * y / (y + p)) + xlogy(p, 2 * p / (y + p))", True),
    ("xlogy(y, p / y)", False),
    ("xlogy(y, y / (2 * p))", False),
    ("xlogy(y, y / p^2)", False),
)


@pytest.mark.parametrize(("body", "expected"), GIBBS)
def test_tangents_of_logarithms(body: str, expected: bool) -> None:
    context, value = whole(P.format(body))
    assert (context.prove_whole(value) is not None) is expected
