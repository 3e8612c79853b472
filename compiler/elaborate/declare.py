"""Declarations: the inputs, params and domains of a loss, from its head and its `where`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from lossc.dsl import ast
from lossc.dsl.diagnostics import Label
from lossc.dsl.primitives import CONSTANTS
from lossc.dsl.source import Span

from .. import domains as dom
from ..ir import BOOL, ERROR, PACK, REAL, Access, Axis, Const, Expr, Kind, Symbol, Tensor, postorder
from ..link import Unit
from .run import FAILED, Run
from .scope import Scope, TensorValue, TermValue, Value

RESERVED_PARAMS = ("wrt", "digits", "validate", "reduction", "name", "dtype")
NAMED_DOMAINS: dict[str, dom.Domain] = {
    "real": dom.Reals(),
    "int": dom.Ints(),
    "bool": dom.Bools(),
}
FIRST = ("y", "y_true")
SECOND = ("yhat", "y_pred")
# A number, a bool, none, or nested tuples of numbers.
Default = Fraction | bool | None | str | tuple["Default", ...]


@dataclass(frozen=True, slots=True)
class Input:
    """An input as declared: `axes` by name (None: undeclared), its domain and what it is."""

    name: str
    axes: tuple[str, ...] | None
    domain: str
    description: str | None
    meaning: dom.Domain = field(repr=False)
    tensor: Tensor = field(repr=False)
    span: Span = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Param:
    """A param as declared: `axes` by name (`()` for a scalar), its default, domain, description."""

    name: str
    axes: tuple[str, ...]
    default: Default
    domain: str
    description: str | None
    meaning: dom.Domain = field(repr=False)
    tensor: Tensor = field(repr=False)
    span: Span = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Declared:
    """What the head and the domains of a loss declare, and the scope of its formulas."""

    inputs: Mapping[str, Input]
    params: Mapping[str, Param]
    scope: Scope


Head = ast.Loss | ast.Function


def declare(item: Head, unit: Unit, run: Run, overrides: Mapping[str, Default]) -> Declared:
    """Declare a loss's inputs and params.

    `overrides` has the values of params given other than by default, where they are fixed when
    compiled.
    """
    inputs = item.inputs or (_free_inputs(item) if isinstance(item, ast.Loss) and item.bare else ())
    _check_names(inputs, item.params, run)
    axes = _axes([*inputs, *item.params], run, mixed=isinstance(item, ast.Function))
    plain = Scope(unit, {}, {a.name: Symbol(a.name, a) for a in axes.values() if a.name != PACK})
    defaults = {p.name: _default(p, plain, run) for p in item.params} | dict(overrides)
    run.static = {n: v for n, v in defaults.items() if not isinstance(v, (tuple, str))}
    values: dict[str, Value] = {}
    for p in item.params:
        values[p.name] = _param_value(p, defaults[p.name], axes, run)
    untyped = {i.name: _tensor_value(i, i.axes, axes, REAL, False) for i in inputs}
    scope = Scope(unit, {**untyped, **values}, plain.axes, _pack(axes))
    meanings = _domains(item, inputs, scope, run)
    text = _descriptions(item)
    kinds = {n: m.kind for n, (m, _) in meanings.items()}
    for i in inputs:
        value = _tensor_value(i, i.axes, axes, kinds.get(i.name, REAL), False)
        values[i.name] = _under(meanings.get(i.name), value)
    for p in item.params:
        values[p.name] = _under(meanings.get(p.name), values[p.name])
    named = [i for i in inputs if i.axes] if isinstance(item, ast.Loss) else []
    broken = {i.name: TermValue(FAILED, None, i.span) for i in inputs if i.axes is None and named}
    scope = Scope(unit, {**values, **broken}, plain.axes, scope.pack)
    reals: tuple[dom.Domain, str] = (dom.Reals(), "real")
    ins = {
        i.name: Input(
            i.name, _names(i.axes), meanings.get(i.name, reals)[1], text.get(i.name),
            meanings.get(i.name, reals)[0], _tensor_of(values[i.name]), i.span,
        )
        for i in inputs
    }  # fmt: skip
    params: dict[str, Param] = {}
    for p in item.params:
        default = defaults[p.name]
        own = (dom.Bools(), "bool") if isinstance(default, bool) else reals
        meaning, shown = meanings.get(p.name, own)
        tensor = _param_tensor(p, values[p.name], axes)
        params[p.name] = Param(
            p.name, _names(p.axes) or (), default, shown, text.get(p.name), meaning, tensor, p.span
        )
    return Declared(ins, params, scope)


# --- names --------------------------------------------------------------------------------------


def _free_inputs(item: ast.Loss) -> tuple[ast.InputDecl, ...]:
    """The free names of a bare formula: y, then yhat, then the others in order of appearance."""
    own = {e.name for e in item.where if isinstance(e, (ast.Definition, ast.Function))}
    found: dict[str, ast.Name] = {}
    bodies = [item.body, *(e.body for e in item.where if isinstance(e, ast.Definition))]
    for body in bodies:
        _collect_free(body, own, found)
    ranked = sorted(found, key=lambda n: (n not in FIRST, n not in SECOND))
    return tuple(ast.InputDecl(n, None, span=found[n].span) for n in ranked)


def _collect_free(node: ast.Node, hidden: set[str], found: dict[str, ast.Name]) -> None:
    if isinstance(node, ast.Name):
        if node.id not in hidden and node.id not in CONSTANTS:
            found.setdefault(node.id, node)
        return
    if isinstance(node, ast.Definition) and node.indices:
        hidden = hidden | set(node.indices)
    if isinstance(node, ast.Call):
        if node.function == "size":
            return
        bound = {b.name for b in node.indices.indices} if node.indices else set()
        hidden = hidden | bound
    for child in ast.children(node):
        _collect_free(child, hidden, found)


def _check_names(
    inputs: Iterable[ast.InputDecl], params: Iterable[ast.ParamDecl], run: Run
) -> None:
    seen: dict[str, Span] = {}
    decls: list[ast.InputDecl | ast.ParamDecl] = [*inputs, *params]
    for decl in decls:
        if decl.name in seen:
            others = (Label(seen[decl.name], "first declared here"),)
            run.fail("E0203", decl.span, f"`{decl.name}` is declared twice", others=others)
        seen.setdefault(decl.name, decl.span)
        if isinstance(decl, ast.ParamDecl) and decl.name in RESERVED_PARAMS:
            run.fail(
                "E0208", decl.span, f"`{decl.name}` cannot be the name of a param",
                help="it is a keyword of the calls that take params; choose another name",
            )  # fmt: skip
    for decl in decls:
        for axis in decl.axes or ():
            if axis.name in seen:
                others = (Label(seen[axis.name], "an input or param here"),)
                message = f"`{axis.name}` is both an axis and an input"
                run.fail("E0207", axis.span, message, others=others, help="rename one of them")


def _names(axes: tuple[ast.AxisDecl, ...] | None) -> tuple[str, ...] | None:
    return None if axes is None else tuple(a.name or str(a.size) for a in axes)


# --- axes ---------------------------------------------------------------------------------------


def _axes(decls: list[ast.InputDecl | ast.ParamDecl], run: Run, mixed: bool) -> dict[str, Axis]:
    """Every axis by name, in the order of the text; "..." where any input has it.

    Only where `mixed` may an input without axes, which is any term, stand beside others.
    """
    axes: dict[str, Axis] = {}
    with_axes = [d for d in decls if d.axes and isinstance(d, ast.InputDecl)]
    for decl in decls:
        if decl.axes is None:
            axes[PACK] = Axis(PACK)
            if with_axes and not mixed:
                _mixed(decl, with_axes[0], run)
        for k, a in enumerate(decl.axes or ()):
            name = a.name or f"#{decl.name}.{k}"
            if (
                name in axes
                and axes[name].size is not None
                and a.size not in (None, axes[name].size)
            ):
                run.fail("E0308", a.span, f"axis `{name}` has two sizes", f"here {a.size}")
            if a.size is not None or name not in axes:
                axes[name] = Axis(name, a.size)
        dots = [a for a in decl.axes or () if a.name == PACK]
        for a in dots[1:]:
            run.fail("E0303", a.span, "`...` can stand once among the axes of an input")
    return axes


def _mixed(plain: ast.Node, declared: ast.InputDecl, run: Run) -> None:
    name = getattr(plain, "name", "")
    shown = ", ".join(n for n in _names(declared.axes) or ())
    run.fail(
        "E0212", plain.span, f"`{name}` is declared without axes beside inputs that have them",
        others=(Label(declared.span, "has axes"),),
        help=f"declare them: {name}[{shown}], or {name}[] for a single number",
    )  # fmt: skip


def _pack(axes: Mapping[str, Axis]) -> tuple[Symbol, ...] | None:
    return (Symbol(PACK, axes[PACK]),) if PACK in axes else None


def _tensor_value(
    decl: ast.InputDecl | ast.ParamDecl, own: tuple[ast.AxisDecl, ...] | None,
    axes: Mapping[str, Axis], kind: Kind, is_param: bool,
) -> TensorValue:  # fmt: skip
    places = (
        (axes[PACK],)
        if own is None
        else tuple(axes[a.name or f"#{decl.name}.{k}"] for k, a in enumerate(own))
    )
    tensor = Tensor(decl.name, places, kind, is_param)
    return TensorValue(tensor, tuple(Symbol(a.name, a) for a in places), own is not None, decl.span)


# --- params -------------------------------------------------------------------------------------


def _default(decl: ast.ParamDecl, scope: Scope, run: Run) -> Default:
    """The value of a default, exact."""
    return _constant(decl.default, scope, run)


def _constant(node: ast.Expr, scope: Scope, run: Run) -> Default:
    if isinstance(node, ast.Array):
        items = tuple(_constant(i, scope, run) for i in node.items)
        if len({len(i) if isinstance(i, tuple) else -1 for i in items}) > 1:
            run.fail("E0213", node.span, "the rows of this list are not of one length")
        return items
    term = run.expr(node, Scope(scope.unit))
    if isinstance(term, Const) and not (isinstance(term.value, str) and term.value == "?"):
        return term.value
    if term.kind == ERROR:
        return Fraction(0)
    inner = getattr(term, "args", (None,))[0]
    if isinstance(inner, Const) and inner.value == "inf":
        return "-inf"
    run.fail("E0213", node.span, "a default must be a number", help="write the number itself")
    return Fraction(0)


def _param_value(
    decl: ast.ParamDecl, default: Default, axes: Mapping[str, Axis], run: Run
) -> Value:
    """A param as a run-time tensor; `none` is fixed when compiled."""
    if default is None:
        return TermValue(Const(None), None, decl.span)
    if decl.axes and not isinstance(default, tuple):
        run.fail("E0213", decl.default.span, f"`{decl.name}` has axes, so its default is a list")
    if not decl.axes and isinstance(default, tuple):
        help = f"name its axes: {decl.name}[k] = ..."
        run.fail("E0213", decl.default.span, f"`{decl.name}` has no axis for a list", help=help)
    kind = BOOL if isinstance(default, bool) else REAL
    return _tensor_value(decl, decl.axes, axes, kind, True)


def _total(meaning: dom.Domain | None) -> Axis | None:
    """The axis along which a domain says that values sum to 1."""
    return meaning.axis if isinstance(meaning, (dom.Simplex, dom.OneHot)) else None


def _under(meaning: tuple[dom.Domain, str] | None, value: Value) -> Value:
    """An input or a param with what its domain says of the tensor."""
    if meaning is None or not isinstance(value, TensorValue):
        return value
    (domain, _), t = meaning, value.tensor
    one = None if t.is_param else _total(domain)
    tensor = replace(t, kind=domain.kind, sums_to_one=one, positive=dom.is_positive(domain))
    return replace(value, tensor=tensor, declared=value.declared or t.is_param)


def _tensor_of(value: Value) -> Tensor:
    assert isinstance(value, TensorValue)
    return value.tensor


def _param_tensor(decl: ast.ParamDecl, value: Value, axes: Mapping[str, Axis]) -> Tensor:
    """The param's tensor, also where its value is now `none`."""
    if isinstance(value, TensorValue):
        return value.tensor
    return _tensor_value(decl, decl.axes, axes, REAL, True).tensor


# --- domains ------------------------------------------------------------------------------------


def _domains(
    item: Head, inputs: Iterable[ast.InputDecl], scope: Scope, run: Run
) -> dict[str, tuple[dom.Domain, str]]:
    """The domain of each input and param that has one, and its text."""
    names = {i.name for i in inputs} | {p.name for p in item.params}
    found: dict[str, tuple[dom.Domain, str]] = {}
    for p in item.params:
        if p.domain is not None:
            found[p.name] = (_domain(p.domain, scope, run), _squeeze(p.domain.span.text))
    for entry in item.where:
        if isinstance(entry, ast.DomainEntry):
            for name in entry.names:
                if _may_have_domain(name, names, found, item, run):
                    meaning = _domain(entry.domain, scope, run)
                    found[name.id] = (meaning, _squeeze(entry.domain.span.text))
        elif isinstance(entry, ast.ConditionEntry):
            _condition(entry, names, scope, run, found)
    return found


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _may_have_domain(
    name: ast.Name, names: set[str], found: Mapping[str, object], item: Head, run: Run
) -> bool:
    if name.id in names and name.id not in found:
        return True
    if name.id in found:
        run.fail("E0209", name.span, f"`{name.id}` has a domain already")
    else:
        defined = {e.name for e in item.where if isinstance(e, ast.Definition)}
        why = "is a definition" if name.id in defined else "is no input or param"
        help = "a domain is a promise about an input or a param"
        run.fail("E0209", name.span, f"`{name.id}` {why}", help=help)
    return False


def _domain(node: ast.Domain, scope: Scope, run: Run) -> dom.Domain:
    match node:
        case ast.NamedDomain(name=name):
            return NAMED_DOMAINS[name]
        case ast.IntervalDomain():
            low, high = _bound(node.low, scope, run), _bound(node.high, scope, run)
            return dom.Between(low, high, node.low_open, node.high_open)
        case ast.IntRangeDomain():
            return dom.IntRange(_bound(node.low, scope, run), _bound(node.high, scope, run))
        case ast.SetDomain():
            return dom.Values(tuple(_bound(v, scope, run) for v in node.values))
        case ast.AxisDomain():
            return _axis_domain(node, scope, run)
        case ast.UnionDomain():
            return dom.Union(tuple(_domain(p, scope, run) for p in node.parts))


def _axis_domain(node: ast.AxisDomain, scope: Scope, run: Run) -> dom.Domain:
    symbol = scope.axes.get(node.axis)
    if symbol is None or symbol.axis is None:
        have = ", ".join(f"`{a}`" for a in scope.axes if a.isidentifier()) or "none are declared"
        run.fail("E0303", node.span, f"there is no axis `{node.axis}`", f"axes: {have}")
        return dom.Ints() if node.kind == "index" else dom.Reals()
    if node.kind == "index":
        return dom.IndexOf(symbol.axis)
    return dom.Simplex(symbol.axis) if node.kind == "simplex" else dom.OneHot(symbol.axis)


def _bound(node: ast.Expr, scope: Scope, run: Run) -> Expr:
    """A bound of a domain: a closed number of constants, params and sizes."""
    term = run.as_number(run.expr(node, scope), node.span)
    inputs = [t for t in postorder(term) if isinstance(t, Access) and not t.tensor.is_param]
    if inputs or term.free:
        help = "numbers, params and sizes may stand in a domain"
        run.fail("E0211", node.span, "a bound cannot depend on data", help=help)
        return Const(Fraction(0))
    return term


def _condition(
    entry: ast.ConditionEntry, names: set[str], scope: Scope, run: Run,
    found: dict[str, tuple[dom.Domain, str]],
) -> None:  # fmt: skip
    """A domain given as a comparison: `delta > 0`, `0 < a <= 1`, `lo < hi`."""
    c = entry.condition
    for left, op, right in zip(c.operands, c.ops, c.operands[1:], strict=False):
        flipped = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
        if isinstance(left, ast.Name) and left.id in names and op in flipped:
            _one_bound(left, op, right, scope, run, found)
        elif isinstance(right, ast.Name) and right.id in names and op in flipped:
            _one_bound(right, flipped[op], left, scope, run, found)
        else:
            run.fail(
                "E0210", entry.span, "this is no domain",
                help="compare an input or param with a bound, as in `delta > 0`, or write "
                "`name in domain`; a definition is `name = ...`",
            )  # fmt: skip
            return


def _one_bound(
    name: ast.Name, op: str, bound: ast.Expr, scope: Scope, run: Run,
    found: dict[str, tuple[dom.Domain, str]],
) -> None:  # fmt: skip
    term, is_open = _bound(bound, scope, run), op in ("<", ">")
    old = found[name.id][0] if name.id in found else dom.Between(None, None, True, True)
    if not isinstance(old, dom.Between):
        run.fail("E0209", name.span, f"`{name.id}` has a domain already")
        return
    if op in (">", ">="):
        new = dom.Between(term, old.high, is_open, old.high_open)
    else:
        new = dom.Between(old.low, term, old.low_open, is_open)
    text = f"{name.id} {op} {_squeeze(bound.span.text)}"
    shown = f"{found[name.id][1]}, {text}" if name.id in found else text
    found[name.id] = (new, shown)


def _descriptions(item: Head) -> dict[str, str]:
    """What the author says each input and param is."""
    text: dict[str, str] = {}
    for entry in item.where:
        if isinstance(entry, ast.DomainEntry) and entry.description:
            text |= dict.fromkeys((n.id for n in entry.names), entry.description)
        elif isinstance(entry, ast.ConditionEntry) and entry.description:
            found = [o.id for o in entry.condition.operands if isinstance(o, ast.Name)]
            text |= dict.fromkeys(found[:1], entry.description)
        elif isinstance(entry, ast.DescriptionEntry):
            text[entry.name.id] = entry.description
    return text
