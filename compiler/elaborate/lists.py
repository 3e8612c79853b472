"""What the list of a reduction must name, and what is said where it does not."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from lossc.dsl import ast
from lossc.dsl.diagnostics import Label
from lossc.dsl.primitives import REDUCTIONS
from lossc.dsl.printer import print_expr, print_item
from lossc.dsl.source import Span

from ..ir import PACK, Expr, Index, Symbol, postorder
from ..link import Unit
from .reads import slots_at
from .run import Run
from .scope import Outer, Scope, TensorValue, TermValue, Through, Unlisted, shown
from .suggest import head, is_plain, per_sample

Bound = Sequence[tuple[ast.BoundIndex, Symbol]]


def may_reduce(
    run: Run, node: ast.Call, scope: Scope, bound: Bound, body: Expr, free: Set[Index],
    unlisted: Sequence[Unlisted],
) -> bool:  # fmt: skip
    """Whether a reduction has a list where it needs one, and lists what it reduces.

    `free` are the open indices of the body and the filter together, `unlisted` the reductions
    without a list that these have.
    """
    if not bound and (node.indices is None or not node.indices.indices):
        return all_unbound(run, node, scope, free)
    return (
        not_around_a_call(run, node, scope, bound)
        and not twice(run, node, bound, free)
        and all_listed_stand(run, node, scope, bound, free, unlisted)
        and filter_counts(run, node, bound, body)
    )


# --- reductions without a list -----------------------------------------------------------------


def all_unbound(run: Run, node: ast.Call, scope: Scope, free: Set[Index]) -> bool:
    """A reduction without a list has a body that nothing around binds an index of."""
    inside = free - scope.kept
    taken = [s for s in scope.bound if s in inside]
    if not taken:
        return True
    outer = scope.bound[taken[0]]
    if outer.through is not None:
        through_a_call(run, node, outer, outer.through)
        return False
    rest = [s for s in scope.ordered if s in inside and s not in scope.bound]
    everything = [s for s in scope.ordered if s in inside]
    run.fail(
        "E0311", node.function_span or node.span,
        f"which indices does this {node.function} reduce?",
        f"its body has `{outer.name}`, which is bound outside",
        help=_with_lists(node, outer.name, rest, everything),
    )  # fmt: skip
    return False


def _with_lists(
    node: ast.Call, name: str, rest: Sequence[Symbol], everything: Sequence[Symbol]
) -> str:
    """The reduction with a list: over the indices that are left, and over all of them."""
    each = f"write {listed(node, rest)}" if rest else f"leave it out, for one place of `{name}`"
    if len(everything) == len(rest):
        return each
    return f"{each}; or, for all places of `{name}`, {listed(node, everything)}"


def listed(node: ast.Call, symbols: Sequence[Symbol]) -> str:
    """The text of a call with a list of indices."""
    head = (node.function_span or node.span).text
    rest = " ".join(node.span.text.removeprefix(head).split())
    return f"{head}[{', '.join(shown(s) for s in symbols)}]{rest}"


def warn_unlisted(run: Run, node: ast.Call, symbols: Sequence[Symbol], scope: Scope) -> None:
    """Warn of a reduction without a list that has nothing to reduce, or too much."""
    if run.path or run.body is None:
        return
    everything = [s.name for s in symbols] == [PACK] and _all_plain(scope)
    if not symbols:
        inner = [n for n in ast.walk(node) if isinstance(n, ast.Call) and n is not node]
        bare = any(c.function in REDUCTIONS and c.indices is None for c in inner)
        run.findings.add(
            "W0205", node.function_span or node.span, f"this {node.function} reduces nothing",
            "its body is one number", help=_lines(run.body, node, scope, bare),
        )  # fmt: skip
    elif everything and node.function == "logsumexp" and _beside(run.body, node):
        warn_everywhere(run, node, scope)


def warn_everywhere(run: Run, node: ast.Call, scope: Scope) -> None:
    """Warn of a function that is meant for one axis and takes all elements."""
    if run.path or run.body is None or not _all_plain(scope):
        return
    run.findings.add(
        "W0206", node.function_span or node.span,
        f"this {node.function} takes all elements, those of all samples together",
        help=f"for each sample: {per_sample(run.body, scope)}",
    )  # fmt: skip


def _all_plain(scope: Scope) -> bool:
    inputs = [v for v in scope.values.values() if isinstance(v, TensorValue)]
    return any(is_plain(v) for v in inputs)


def _beside(body: ast.Expr, node: ast.Call) -> bool:
    """Whether other reductions stand in a formula."""
    calls = [n for n in ast.walk(body) if isinstance(n, ast.Call) and n != node]
    return any(c.function in REDUCTIONS and len(c.args) == 1 for c in calls)


def _lines(body: ast.Expr, node: ast.Call, scope: Scope, bare: bool) -> str:
    """What to write instead of a reduction that reduces nothing."""
    plainly = f"leave it out: {print_expr(node.args[0])}"
    if not bare or not _all_plain(scope):
        return plainly
    return f"for each sample: {per_sample(body, scope)}\nor {plainly}"


def may_be_read(run: Run, node: ast.Name, value: TermValue, scope: Scope) -> bool:
    """A definition is not read where an index is bound that it reduces, with others, unlisted.

    Reduced alone it is no question: the mean of all samples stands beside each.
    """
    for part in value.unlisted:
        taken = [s for s in part.symbols if s in scope.bound]
        if taken and len(taken) < len(part.symbols):
            reduced_inside(run, node.span, part, taken[0], scope)
            return False
    return True


def reduced_inside(run: Run, use: Span, part: Unlisted, symbol: Symbol, scope: Scope) -> None:
    """The error for a reduction without a list in what stands inside a reduction with one."""
    node, name = part.node, symbol.name
    rest = [s for s in part.symbols if s not in scope.bound]
    run.fail(
        "E0311", node.function_span or node.span,
        f"which indices does this {node.function} reduce?", f"it reduces `{name}`, too",
        others=(Label(use, f"here `{name}` is bound"),),
        help=_with_lists(node, name, rest, part.symbols),
    )  # fmt: skip


def not_around_a_call(run: Run, node: ast.Call, scope: Scope, bound: Bound) -> bool:
    """In a function, `[...]` reduces no index that is bound around the call."""
    for item, symbol in bound:
        outer = scope.bound.get(symbol)
        if item.name == PACK and outer is not None and outer.through is not None:
            through_a_call(run, node, outer, outer.through)
            return False
    return True


def through_a_call(run: Run, node: ast.Call, outer: Outer, through: Through) -> None:
    """The error for a function that reduces an index which is bound around its call."""
    call, name = through.call, through.call.function
    run.fail(
        "E0311", call.function_span or call.span,
        f"`{name}` reduces `{outer.name}`, which is bound outside",
        others=(Label(node.function_span or node.span, "reduces all that it finds"),),
        help=_mended(through),
    )  # fmt: skip


def _mended(through: Through) -> str:
    """The function's definition over the axes that are left, where its inputs have none."""
    item, call = _unfolded(through.item, through.unit), through.call
    top = through.unit.own.get(through.item.name) is through.item
    if any(i.axes is not None for i in item.inputs) or not (top or any(through.rest)):
        return f"list in `{item.name}` the indices that it reduces"
    if not any(through.rest):
        return f"`{call.span.text}` is one number: reduce it no further"
    names = dict.fromkeys(name for axes in through.rest for name in axes)
    if _needs_its_file(item, through.unit):
        return f"write its formula here, reduced over {', '.join(names)} alone"
    inputs = tuple(
        replace(i, axes=tuple(ast.AxisDecl(name, span=i.span) for name in axes))
        for i, axes in zip(item.inputs, through.rest, strict=True)
    )
    own = item.span.source == call.span.source
    name = call.function if own else "_".join([call.function, *names]).replace("_...", "")
    text = print_item(
        ast.Function(name, inputs, item.params, item.body, item.where, span=item.span)
    )
    return f"name the axes that it reduces:\n{text if top else text.removeprefix('def ')}"


def _unfolded(item: ast.Function | ast.Loss, unit: Unit) -> ast.Function | ast.Loss:
    """The loss that another name stands for."""
    body = item.body
    while isinstance(body, ast.Call) and not body.keywords and not item.where:
        given = [a.id for a in body.args if isinstance(a, ast.Name)]
        target = unit.target(body.function)
        if target is None or given != [i.name for i in item.inputs]:
            break
        item, unit, body = target.item, target.unit, target.item.body
    return item


def _needs_its_file(item: ast.Function | ast.Loss, unit: Unit) -> bool:
    """Whether a function calls others of its file."""
    nodes = (n for part in (item.body, *item.where) for n in ast.walk(part))
    calls = (n.function for n in nodes if isinstance(n, ast.Call))
    return any(unit.target(name) is not None for name in calls)


# --- lists -------------------------------------------------------------------------------------


def twice(run: Run, node: ast.Call, bound: Bound, free: Set[Index]) -> bool:
    """Whether the body has reduced a listed axis already."""
    inner = [c for c in ast.walk(node.args[0]) if isinstance(c, ast.IndexList)]
    for item, symbol in bound:
        again = [b for c in inner for b in c.indices if b.name == item.name]
        if symbol.axis is not None and symbol not in free and again:
            run.fail(
                "E0307", item.span, f"axis `{item.name}` is reduced twice",
                "nothing is left of it here", others=(Label(again[0].span, "reduced here"),),
                help=f"leave `{item.name}` out of one of the two lists",
            )  # fmt: skip
            return True
    return False


def all_listed_stand(
    run: Run, node: ast.Call, scope: Scope, bound: Bound, free: Set[Index],
    unlisted: Sequence[Unlisted],
) -> bool:  # fmt: skip
    """Each listed index stands in the body or in the filter."""
    found = {item.name for item, symbol in bound if symbol in free}
    inside = scope.bind([(b.name, s) for b, s in bound])
    for item, symbol in bound:
        if item.name not in found:
            for part in (p for p in unlisted if symbol in p.symbols):
                reduced_inside(run, item.span, part, symbol, inside)
                return False
            idle(run, node, item, inside)
            return False
    return True


def idle(run: Run, node: ast.Call, item: ast.BoundIndex, scope: Scope) -> None:
    """The error for a listed index that nothing depends on."""
    used = [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
    fresh = item.name not in scope.axes and item.low is None
    spelt = _spelt(node.args[0], [item.name], scope) if fresh else {}
    if fresh and scope.pack and any(is_plain(scope.values.get(n)) for n in used):
        assert node.indices is not None
        help = f"declare the axes: {head(scope, ', '.join(b.name for b in node.indices.indices))}"
    else:
        help = f"write {', '.join(spelt)}" if spelt else _without(node, item)
    message = f"nothing in this {node.function} depends on `{item.name}`"
    run.fail("E0318", item.span, message, help=help)


def _spelt(body: ast.Expr, indices: Sequence[str], scope: Scope) -> dict[str, ast.Name]:
    """The bare names that have axes which nothing binds, as they are read at the given indices."""
    found: dict[str, ast.Name] = {}
    for name in (n for n in ast.walk(body) if isinstance(n, ast.Name)):
        value = scope.values.get(name.id)
        order = value.order if isinstance(value, TensorValue) and value.declared else ()
        if any(s not in scope.bound for s in order) and not _has_slots(body, name):
            rest = iter(indices)
            slots = [s.name if s in scope.bound else next(rest, shown(s)) for s in order]
            found.setdefault(f"{name.id}[{', '.join(slots)}]", name)
    return found


def _has_slots(body: ast.Expr, name: ast.Name) -> bool:
    return any(isinstance(n, ast.Access) and n.base is name for n in ast.walk(body))


def placed(
    run: Run, entry: ast.Definition, order: Sequence[Symbol], term: Expr, scope: Scope
) -> bool:
    """No bare name in the body of an indexed definition stays beside the indices of its head.

    `scope` is that of the body. A tensor over further axes may be open in them.
    """
    fresh = [s for s in order if s.axis is None]
    slots = [slot for t in postorder(term) for slot in slots_at(t)]
    read = {slot.axis for slot in slots if not slot.form.indices.keys().isdisjoint(fresh)}
    left = [s for s in scope.axes.values() if s in term.free and s not in scope.bound]
    unused = [s.name for s in fresh if s not in term.free]
    if not left or not (unused or any(s.axis in read for s in left)):
        return True
    spelt = _spelt(entry.body, unused or [s.name for s in fresh], scope)
    if not spelt:
        return True
    name = next(iter(spelt.values()))
    own = ", ".join(shown(s) for s in scope.values[name.id].order or ())
    run.fail(
        "E0320", name.span, f"`{name.id}` is not read at the indices of `{entry.name}`",
        f"it stands for {name.id}[{own}]", help=f"write {', '.join(spelt)}",
    )  # fmt: skip
    return False


def _without(node: ast.Call, item: ast.BoundIndex) -> str:
    assert node.indices is not None
    others = [b.span.text for b in node.indices.indices if b is not item]
    left = node.indices.filter is not None or others
    return f"leave `{item.name}` out of the list" if left else f"leave out {node.function}[...]"


def filter_counts(run: Run, node: ast.Call, bound: Bound, body: Expr) -> bool:
    """A filter has an effect: what is reduced differs from place to place, or is added up."""
    if node.indices is None or node.indices.filter is None:
        return True
    if not REDUCTIONS[node.function].steady or any(s in body.free for _, s in bound):
        return True
    run.fail(
        "E0318", node.indices.filter.span, "this filter has no effect",
        f"all that the {node.function} takes is the same at every place",
    )  # fmt: skip
    return False
