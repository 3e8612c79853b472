"""Every rewrite of the table keeps the value and the gradient, and its conditions are needed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from random import Random

import pytest
from mpmath import mp

import lossc
from lossc.compiler.check import Checked
from lossc.compiler.interpret import interpret
from lossc.compiler.ir import Program
from lossc.compiler.passes import stabilise as passes
from lossc.compiler.passes.differentiate import differentiate
from lossc.compiler.passes.stabilise import stabilised
from lossc.compiler.rules.patterns import ready
from lossc.compiler.rules.table import RULES, Rule
from lossc.dsl import ast
from lossc.dsl.parser import parse_expression
from lossc.dsl.source import Source

NUMBERS = (-37.5, -2.25, -0.625, 0.0, 1e-9, 0.375, 1.0, 1.5, 41.0)
VECTORS = ((0.5, -3.25, 2.0), (-1.5, -2.0, 0.75), (1e-6, 0.25, 700.5), (4.0, 0.125, 9.5))
DIGITS = 400
MOST = 1000  # points
BY_NAME = {r.name: r for r in RULES}
CONDITIONAL = [(r, g) for r in RULES for g in r.given]


def names(text: str) -> set[str]:
    """The letters of a formula."""
    tree = parse_expression(Source.of("rule", text))
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}


def vectors(text: str) -> set[str]:
    """The letters that stand inside reductions only."""
    tree = parse_expression(Source.of("rule", text))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and n.indices is not None]
    inside = Counter(n.id for c in calls for n in ast.walk(c.args[0]) if isinstance(n, ast.Name))
    within = Counter(n.id for n in ast.walk(tree) if isinstance(n, ast.Name))
    return {n for n, times in inside.items() if times == within[n]}


def text_of(rule: Rule, formula: str, given: tuple[str, ...]) -> str:
    """A formula of a rule as a function, its letters under the rule's conditions."""
    inner = vectors(rule.pattern)
    letters = sorted(names(rule.pattern) - {"i"})
    inputs = ", ".join(f"{n}[i]" if n in inner else f"{n}[]" for n in letters)
    where = [f"    {n} > 0" if "+" in g else f"    {spelled(g)}" for g in given for n in names(g)]
    return f"def f({inputs}) = {formula}\n" + ("where\n" + "\n".join(where) if where else "")


def spelled(condition: str) -> str:
    """A condition of a rule as one of a loss."""
    return re.sub(r"label\((\w)\)", r"\1 in {0, 1}", condition)


def compiled(rule: Rule, formula: str, given: tuple[str, ...] = ()) -> Checked:
    for condition in rule.when:
        if condition.startswith("constant("):
            formula = formula.replace("c", "3.5") if "cos" not in formula else formula
            given = tuple(g for g in given if names(g) != {"c"})
            rule = replace(rule, pattern=rule.pattern.replace("c", "3.5"))
        if condition.startswith("whole("):
            (letter,) = names(condition)
            formula, text = (t.replace(letter, "2") for t in (formula, rule.pattern))
            rule = replace(rule, pattern=text)
    return lossc.compile(text_of(rule, formula, given))._checked


def points(checked: Checked) -> Iterator[dict[str, object]]:
    """Values for the inputs: all that there are together, or some if those are very many."""
    every = [*product(*(VECTORS if i.axes else NUMBERS for i in checked.inputs.values()))]
    for values in every if len(every) <= MOST else Random(0).sample(every, MOST):
        yield dict(zip(checked.inputs, values, strict=True))


def agree(a: object, b: object) -> bool:
    """Whether two results are the same number to 40 digits."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return all(map(agree, a, b))
    assert not isinstance(a, tuple) and not isinstance(b, tuple)
    if not (mp.isfinite(a) and mp.isfinite(b)):
        return bool(a == b) or (bool(mp.isnan(a)) and bool(mp.isnan(b)))
    with mp.workdps(DIGITS):
        return bool(abs(a - b) <= mp.mpf(10) ** -40 * max(abs(a), abs(b), mp.mpf(10) ** -80))


def holds(given: tuple[str, ...], point: Mapping[str, object]) -> bool:
    """Whether the conditions of a rule hold at a point, for every place of its vectors."""
    worst = {n: min(v) if isinstance(v, tuple) else v for n, v in point.items()}
    known = [g for g in given if names(g) <= set(worst)]
    return all(eval(g, {"label": lambda y: y in (0, 1)}, worst) for g in known)


def same_everywhere(rule: Rule, before: Program, after: Program, checked: Checked) -> bool:
    """Whether two programs agree at all points of the domain where all is finite as written."""
    inside = [p for p in points(checked) if holds(rule.given, p)]
    inside = [p for p in inside if mp.isfinite(interpret(checked.program, p, DIGITS))]
    pairs = [(interpret(before, p, DIGITS), interpret(after, p, DIGITS)) for p in inside]
    finite = [(a, b) for a, b in pairs if isinstance(a, tuple) or mp.isfinite(a)]
    assert len(finite) > 1
    return all(agree(a, b) for a, b in finite)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
def test_a_rule_fires_and_keeps_value_and_gradient(rule: Rule) -> None:
    checked = compiled(rule, rule.pattern, (*rule.given, *_ranges(rule)))
    stable, fired = stabilised(checked.program, checked.domains)
    assert rule.name in [f.rule for f in fired]
    assert same_everywhere(rule, checked.program, stable, checked)
    for name in checked.inputs:
        before, after = (differentiate(p, name, seeded=False) for p in (checked.program, stable))
        assert same_everywhere(rule, before, after, checked), name


def _ranges(rule: Rule) -> tuple[str, ...]:
    return tuple(w for w in rule.when if ">" in w and names(w) != {"c"})


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
def test_a_broken_rule_is_caught(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(rule, result=f"({rule.result}) * 1.0000000001 + 0.0000000001")
    monkeypatch.setattr(passes, "RULES", (broken,))
    passes._table.cache_clear()
    try:
        checked = compiled(rule, rule.pattern, (*rule.given, *_ranges(rule)))
        stable, fired = stabilised(checked.program, checked.domains)
        assert fired
        assert not same_everywhere(rule, checked.program, stable, checked)
    finally:
        monkeypatch.undo()
        passes._table.cache_clear()


@pytest.mark.parametrize(("rule", "condition"), CONDITIONAL, ids=lambda x: getattr(x, "name", x))
def test_a_condition_is_needed(rule: Rule, condition: str) -> None:
    """Without the condition the rule does not fire; if it did, it would be wrong somewhere."""
    others = tuple(g for g in rule.given if g != condition)
    result = compiled(rule, rule.result)
    checked = compiled(rule, rule.pattern)
    if "constant(c)" in rule.when:
        pattern, result = (
            lossc.compile(text_of(rule, t, ()))._checked for t in (rule.pattern, rule.result)
        )
        checked = pattern
    _, fired = stabilised(checked.program, checked.domains)
    assert rule.name not in [f.rule for f in fired]
    before, after = ([c.program, *_gradients(c)] for c in (checked, result))
    outside = [p for p in points(checked) if holds(others, p) and not holds((condition,), p)]
    assert any(
        not agree(interpret(a, p, 60), interpret(b, p, 60))
        for p in outside
        for a, b in zip(before, after, strict=True)
    )


def _gradients(checked: Checked) -> list[Program]:
    return [differentiate(checked.program, n) for n in checked.inputs]


def test_every_rule_has_its_own_name() -> None:
    assert len(BY_NAME) == len(RULES)
    assert all(r.result and r.given is not None for r in map(ready, RULES))
