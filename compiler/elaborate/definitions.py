"""Definitions and local functions of a `where`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from lossc.dsl import ast
from lossc.dsl.diagnostics import Label
from lossc.dsl.primitives import ALONG, PRIMITIVES, REDUCTIONS

from .lists import placed
from .run import FAILED, Run
from .scope import Scope, TermValue, Value

SPECIAL = ("size", "pad", "diff")


def where(run: Run, entries: Iterable[ast.WhereEntry], scope: Scope) -> Scope:
    """The scope with the definitions and functions of a `where`, each after those it uses."""
    functions = {e.name: e for e in entries if isinstance(e, ast.Function)}
    definitions = {e.name: e for e in entries if isinstance(e, ast.Definition)}
    for e in entries:
        if isinstance(e, (ast.Function, ast.Definition)):
            check_new(run, e, scope, functions, definitions)
    undefined = {n: TermValue(FAILED) for n in definitions}
    scope = replace(scope, values={**scope.values, **undefined})
    for entry in in_order(run, definitions, functions):
        if isinstance(entry, ast.Function):
            home = scope
            known = {**scope.functions, entry.name: (entry, home)}
            scope = replace(scope, functions=known)
        else:
            value = definition(run, entry, scope)
            scope = replace(scope, values={**scope.values, entry.name: value})
    return scope


def check_new(
    run: Run, entry: ast.Function | ast.Definition, scope: Scope,
    functions: Mapping[str, ast.Function], definitions: Mapping[str, ast.Definition],
) -> None:  # fmt: skip
    """A name of a `where` must be new."""
    name = entry.name
    is_function = isinstance(entry, ast.Function)
    if is_function:
        if name in PRIMITIVES or name in REDUCTIONS or name in ALONG or name in SPECIAL:
            run.fail("E0215", entry.span, f"`{name}` is a function of the language")
        twin: ast.Node | None = functions[name]
    else:
        twin = definitions[name]
        old = scope.values.get(name)
        if old is not None and old.span is not None and not run.path:
            others = (Label(old.span, "declared here"),)
            run.fail("E0203", entry.span, f"`{name}` is declared twice", others=others)
    if twin is not None and twin is not entry:
        others = (Label(entry.span, "first defined here"),)
        run.fail("E0203", twin.span, f"`{name}` is defined twice", others=others)


def in_order(
    run: Run, definitions: Mapping[str, ast.Definition], functions: Mapping[str, ast.Function]
) -> list[ast.Definition | ast.Function]:
    """The entries, each after those that it uses; a circle is an error."""
    entries: dict[tuple[str, str], ast.Definition | ast.Function] = {}
    entries |= {("value", n): d for n, d in definitions.items()}
    entries |= {("function", n): f for n, f in functions.items()}
    uses = {k: [u for u in _mentions(e) if u in entries] for k, e in entries.items()}
    order, state = list[tuple[str, str]](), dict[tuple[str, str], int]()
    for root in entries:
        stack = [(root, iter(uses[root]))] if root not in state else []
        state.setdefault(root, 1)
        while stack:
            top, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                state[top] = 2
                order.append(top)
                stack.pop()
            elif following not in state:
                state[following] = 1
                stack.append((following, iter(uses[following])))
            elif state[following] == 1:
                path = [k[1] for k, _ in stack]
                circle(run, entries[top], [*path[path.index(following[1]) :], following[1]])
    return [entries[k] for k in order]


def circle(run: Run, entry: ast.Definition | ast.Function, path: Sequence[str]) -> None:
    """The error for definitions that need one another."""
    notes = (f"the circle: {' -> '.join(path)}",)
    message = f"`{path[0]}` is defined by itself"
    run.fail("E0204", entry.span, message, notes=notes)


def definition(run: Run, entry: ast.Definition, scope: Scope) -> Value:
    """The value of `e = ...` or `s[i, j] = ...`."""
    before = len(run.unlisted)
    if entry.indices is None:
        run.bodies[entry.span] = entry.body
        term = run.expr(entry.body, scope)
        return TermValue(term, None, entry.span, unlisted=tuple(run.unlisted[before:]))
    order = tuple(scope.axes.get(n) or run.fresh(n) for n in entry.indices)
    inner = scope.bind(list(zip(entry.indices, order, strict=True)))
    term = run.expr(entry.body, inner)
    if not placed(run, entry, order, term, inner):
        return TermValue(FAILED, None, entry.span)
    return TermValue(term, order, entry.span, True, tuple(run.unlisted[before:]))


def _mentions(entry: ast.Definition | ast.Function) -> list[tuple[str, str]]:
    """The names that an entry uses, as values and as functions."""
    own: set[str] = set()
    if isinstance(entry, ast.Function):
        own = {i.name for i in entry.inputs} | {p.name for p in entry.params}
        own |= {e.name for e in entry.where if isinstance(e, ast.Definition)}
    found: dict[tuple[str, str], None] = {}
    for node in ast.walk(entry):
        if isinstance(node, ast.Name) and node.id not in own:
            found["value", node.id] = None
        elif isinstance(node, ast.Call):
            found["function", node.function] = None
    return list(found)
