"""Functions of the user: a body with arguments in place of its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from lossc.dsl import ast
from lossc.dsl.diagnostics import Label

from ..ir import ERROR, PACK, Axis, Equal, Expr, Index, Position, Symbol, Tensor, substitute
from ..link import Target
from ..wording import plural
from .access import bare, looked_up
from .definitions import where
from .run import FAILED, Run
from .scope import Outer, Scope, TensorValue, TermValue, Through, Value, shown
from .unnamed import is_unnamed, refuse

MAX_CALL_DEPTH = 24


def apply_function(run: Run, node: ast.Call, target: Target, home: Scope, scope: Scope) -> Expr:
    """The body of a function or loss with arguments in place of its inputs."""
    item = target.item
    if not callable_here(run, node, item):
        return FAILED
    values = [argument(run, a, scope) for a in node.args]
    if any(v.term.kind == ERROR for v in values):
        return FAILED
    keywords = {k.name: run.expr(k.value, scope) for k in node.keywords}
    given = tuple((v.term, v.order) for v in values)
    key = (id(item), given, tuple(keywords.items()), frozenset(scope.bound))
    if key not in run.expansions:
        run.expansions[key] = expand(run, node, item, home, scope, values, keywords)
    return run.expansions[key]


def callable_here(run: Run, node: ast.Call, item: ast.Function | ast.Loss) -> bool:
    """Check a call's number of arguments, its keywords, and that it does not go in circles."""
    name, span = node.function, node.function_span or node.span
    if node.indices is not None:
        run.fail("E0205", node.indices.span, f"`{name}` takes no list of indices")
        return False
    if item.name in run.path or len(run.path) >= MAX_CALL_DEPTH:
        path = " -> ".join((*run.path, item.name))
        run.fail("E0214", span, f"`{name}` calls itself", notes=(f"the calls: {path}",))
        return False
    if len(node.args) != len(item.inputs):
        wanted = ", ".join(i.name for i in item.inputs)
        message = (
            f"`{name}` takes {plural(len(item.inputs), 'argument')}, here are {len(node.args)}"
        )
        run.fail("E0205", span, message, help=f"its arguments: {wanted}")
        return False
    params = [p.name for p in item.params]
    unknown = [k for k in node.keywords if k.name not in params]
    for keyword in unknown:
        near = get_close_matches(keyword.name, params, 1)
        help = (
            f"did you mean `{near[0]}`?" if near else f"its params: {', '.join(params) or 'none'}"
        )
        run.fail("E0206", keyword.span, f"`{name}` has no param `{keyword.name}`", help=help)
    return not unknown


def argument(run: Run, node: ast.Expr, scope: Scope) -> Value:
    """An argument, with its order of axes where it is a plain name."""
    if isinstance(node, ast.Name):
        value = looked_up(run, node, scope)
        if isinstance(value, TermValue) and value.indexed:
            return TermValue(bare(run, node, value, scope))
        if value is not None:
            return TermValue(run.as_number(value.term, node.span), value.order)
    term = run.expr(node, scope)
    return TermValue(term)


def expand(
    run: Run, node: ast.Call, item: ast.Function | ast.Loss, home: Scope, scope: Scope,
    values: Sequence[Value], keywords: Mapping[str, Expr],
) -> Expr:  # fmt: skip
    """A function's body in a scope where its inputs are the arguments."""
    formal: dict[str, Symbol] = {}
    back: dict[Index, Expr] = {}
    packs: dict[Symbol, None] = {}
    bound: dict[str, Value] = {}
    for decl, value, arg in zip(item.inputs, values, node.args, strict=True):
        matched = match_axes(run, decl, value, arg, node, scope)
        if matched is None:
            return FAILED
        mapping, rest = matched
        order = formal_order(run, decl, mapping, formal, back)
        if order is None:
            if any(is_unnamed(s) for s in mapping.values()):
                refuse(run, arg.span, arg.span.text, value, scope)
            else:
                not_shared(run, decl, arg, mapping, {n: back[s] for n, s in formal.items()})
            return FAILED
        moved = {old: Position(order[k]) for k, old in mapping.items()}
        packs |= dict.fromkeys(rest)
        places = tuple(order.values()) if decl.axes is not None else value.order
        bound[decl.name] = TermValue(substitute(value.term, moved), places, decl.span)
    outer = _shadowed(home, formal)
    axes = {k: v for k, v in home.axes.items() if v not in packs} | formal
    brought = [v.term for v in values] + list(keywords.values())
    inner = Scope(
        home.unit, {**outer, **bound}, axes, tuple(packs) or None, home.indices, home.functions,
        bound_around(Target(home.unit, item), node, scope, values, back),
        frozenset().union(*(t.free for t in brought)) - packs.keys(),
    )  # fmt: skip
    return in_function(run, item, inner, keywords, back, node)


def bound_around(
    target: Target, node: ast.Call, scope: Scope, values: Sequence[Value],
    back: Mapping[Index, Expr],
) -> dict[Symbol, Outer]:  # fmt: skip
    """The indices that are bound around a call, by the names that they have in the function."""
    rest = tuple(
        tuple(s.name for s in scope.ordered if s in v.term.free and s not in scope.bound)
        for v in values
    )
    through = Through(node, target.item, target.unit, rest)
    around = {s: o if o.through else replace(o, through=through) for s, o in scope.bound.items()}
    own = {s: p.index for s, p in back.items() if isinstance(s, Symbol) and isinstance(p, Position)}
    inside = {s: around[outer] for s, outer in own.items() if outer in around}
    return around | inside


def in_function(
    run: Run, item: ast.Function | ast.Loss, scope: Scope, keywords: Mapping[str, Expr],
    back: Mapping[Index, Expr], node: ast.Call,
) -> Expr:  # fmt: skip
    """The value of a function's body, its own axes replaced by the caller's."""
    outer, run.path = run.path, (*run.path, item.name)
    params = {p.name: param_default(run, p, scope, keywords, item.name) for p in item.params}
    scope = replace(scope, values={**scope.values, **params})
    body = run.expr(item.body, where(run, item.where, scope))
    run.path = outer
    return substitute(body, back)


def param_default(
    run: Run, decl: ast.ParamDecl, scope: Scope, keywords: Mapping[str, Expr], owner: str
) -> Value:
    """A param of a function that is called: its argument, or its default."""
    if decl.name in keywords:
        return TermValue(keywords[decl.name], None, decl.span)
    if isinstance(decl.default, ast.Array):
        name = f"{owner}.{decl.name}"
        run.hidden[name] = decl.default
        axes = tuple(Axis(f"{name}.{a.name or k}", a.size) for k, a in enumerate(decl.axes))
        order = tuple(Symbol(a.name or f"#{k}", axes[k]) for k, a in enumerate(decl.axes))
        return TensorValue(Tensor(name, axes, is_param=True), order, True, decl.span)
    return TermValue(run.expr(decl.default, scope), None, decl.span)


def match_axes(
    run: Run, decl: ast.InputDecl, value: Value, arg: ast.Expr, node: ast.Call, scope: Scope
) -> tuple[dict[int, Symbol], list[Symbol]] | None:
    """Which index of an argument each declared axis is, and the indices left for `...`."""
    free = [s for s in _sorted(value.term.free) if isinstance(s, Symbol)]
    if decl.axes is None:
        return ({}, free) if not_left(run, arg, value, free, scope) else None
    wanted = {k: a for k, a in enumerate(decl.axes) if a.name != PACK}
    found = {k: s for k, a in wanted.items() for s in free if s.name == a.name}
    if len(found) < len(wanted) and value.order is not None:
        if len(wanted) < len(decl.axes) and len(value.order) >= len(wanted):
            found = _around_dots(decl.axes, value.order)
        elif len(value.order) == len(wanted):
            found = dict(zip(wanted, value.order, strict=True))
        else:
            found |= match_sizes(run, wanted, found, free)
    missing = [a for k, a in wanted.items() if k not in found]
    if missing:
        have = ", ".join(shown(s) for s in free) or "none"
        label = ", ".join(a.span.text for a in missing)
        run.fail(
            "E0314", arg.span, f"`{node.function}` needs an argument with the axis `{label}`",
            f"its axes: {have}", others=(Label(decl.span, "declared here"),),
        )  # fmt: skip
        return None
    left = [s for s in free if s not in found.values()]
    if not not_left(run, arg, value, left, scope):
        return None
    for k, a in wanted.items():
        axis = found[k].axis
        if a.size is not None and axis is not None and axis.size != a.size:
            run.constraints[Equal(axis, Axis(a.span.text, a.size), found[k].name)] = None
    has_pack = len(wanted) < len(decl.axes)
    return found, left if has_pack else []


def not_left(run: Run, arg: ast.Expr, value: Value, left: Sequence[Symbol], scope: Scope) -> bool:
    """Whether no axis without a name is left over in an argument."""
    if not any(is_unnamed(s) for s in left):
        return True
    refuse(run, arg.span, arg.span.text, value, scope)
    return False


def _around_dots(axes: Sequence[ast.AxisDecl], order: Sequence[Symbol]) -> dict[int, Symbol]:
    """Axes bound by place: those before `...` from the front, those after it from the end."""
    dots = next(k for k, a in enumerate(axes) if a.name == PACK)
    front = {k: order[k] for k in range(dots)}
    return front | {k: order[k - len(axes)] for k in range(dots + 1, len(axes))}


def match_sizes(
    run: Run,
    wanted: Mapping[int, ast.AxisDecl],
    found: Mapping[int, Symbol],
    free: Sequence[Symbol],
) -> dict[int, Symbol]:
    """Axes of a fixed size that exactly one index of the argument has."""
    more: dict[int, Symbol] = {}
    for k, a in wanted.items():
        fits = [s for s in free if s.axis is not None and s.axis.size == a.size]
        if k not in found and a.size is not None and len(fits) == 1:
            more[k] = fits[0]
    return more


def formal_order(
    run: Run, decl: ast.InputDecl, mapping: Mapping[int, Symbol], formal: dict[str, Symbol],
    back: dict[Index, Expr],
) -> dict[int, Symbol] | None:  # fmt: skip
    """A function's own index for each declared axis, one for each name; None if two differ."""
    order: dict[int, Symbol] = {}
    for k, a in enumerate(decl.axes or ()):
        if a.name == PACK:
            continue
        name = a.name or f"#{decl.name}.{k}"
        if name not in formal or back[formal[name]] != Position(mapping[k]):
            if name in formal:
                return None
            formal[name] = run.fresh(name, mapping[k].axis)
            back[formal[name]] = Position(mapping[k])
        order[k] = formal[name]
    return order


def not_shared(
    run: Run, decl: ast.InputDecl, arg: ast.Expr, mapping: Mapping[int, Symbol],
    before: Mapping[str, Expr],
) -> None:  # fmt: skip
    """The error for an argument whose axis is not the one that an argument before it has."""
    for k, a in enumerate(decl.axes or ()):
        first = before.get(a.name or "")
        if k in mapping and isinstance(first, Position) and first.index != mapping[k]:
            text = arg.span.text if isinstance(arg, ast.Name) else f"({arg.span.text})"
            run.fail(
                "E0314", arg.span, f"the arguments do not share the axis `{a.name}`",
                f"here it is `{mapping[k].name}`, before `{first.index.name}`",
                others=(Label(a.span, "declared here"),),
                help=f"rename it: {text}[{mapping[k].name}={first.index.name}]",
            )  # fmt: skip
            return


def _shadowed(home: Scope, formal: Mapping[str, Symbol]) -> dict[str, Value]:
    """The values around a local function, over its own index where it names one of their axes."""
    old = {home.axes[n]: s for n, s in formal.items() if n in home.axes and home.axes[n] != s}
    if not old:
        return dict(home.values)
    moved: dict[Index, Expr] = {o: Position(s) for o, s in old.items()}
    values: dict[str, Value] = {}
    for name, value in home.values.items():
        if isinstance(value, TensorValue):
            values[name] = replace(value, order=tuple(old.get(s, s) for s in value.order))
        else:
            values[name] = replace(value, term=substitute(value.term, moved))
    return values


def _sorted(symbols: Iterable[Index]) -> list[Index]:
    return sorted(symbols, key=lambda s: (s.name, getattr(s, "uid", 0)))
