"""Sums of terms of which one is shifted, so that another loses places: a warning with the cure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lossc.dsl import ast
from lossc.dsl.printer import print_expr

from ..affine import affine
from ..findings import Findings
from ..ir import (
    ERROR,
    INT,
    Access,
    Apply,
    Axis,
    Dim,
    Expr,
    Index,
    Position,
    Range,
    Reduce,
    Symbol,
    rebuild,
)  # fmt: skip
from .ranges import left_out, narrowed, reads_of, shown
from .reads import Read
from .run import Run
from .scope import Scope

LINEAR = ("sum", "mean")


@dataclass(frozen=True, slots=True)
class Part:
    """A term of a sum with its sign; `node` is None where only the compiler can write it."""

    sign: int
    term: Expr
    node: ast.Expr | None = None

    def at(self, sign: int) -> Part:
        """The term with its sign kept, or turned."""
        return replace(self, sign=self.sign * sign)


def warn_uneven(
    run: Run, node: ast.Call, order: Sequence[Symbol], spans: Mapping[Index, Range], body: Expr,
    chosen: Expr | None, scope: Scope,
) -> None:  # fmt: skip
    """Warn of a term that is not shifted itself and loses places to one that is."""
    symbols = [s for s in order if s in spans and _is_narrow(s, spans[s])]
    if node.function not in LINEAR or not symbols:
        return
    parts = written(run, node.args[0], scope)
    if len(parts) < 2:
        parts = [*terms(body)]
    if len(parts) < 2 or any(p.term.kind == ERROR for p in parts):
        return
    reads = {k: [*reads_of(run, p.term, chosen, frozenset())] for k, p in enumerate(parts)}
    for s in symbols:
        known = {i: r for i, r in spans.items() if i != s}
        for k, part in enumerate(parts):
            mine = [r for r in reads[k] if s in r.slot.form.indices]
            whole = _plain_range(s, mine)
            own = narrowed(s, mine, known, run.sure).span
            if whole is None or own != whole:
                continue
            others = [(p, r) for j, p in enumerate(parts) if j != k for r in reads[j]]
            for shifted, other in others:
                dead = _lost(s, own, other, known, run)
                if dead and not is_stencil(part, shifted, s):
                    groups = _groups(parts, reads, spans, run)
                    warn(run, node, part, s, dead, other, _apart(node, groups, order))
                    return


def _is_narrow(index: Symbol, span: Range) -> bool:
    """Whether a range may be less than a whole axis."""
    own = None if index.axis is None else Range.of(index.axis)
    return span != own and (own is not None or len(span.starts) + len(span.stops) > 2 or bool(
        span.starts[0] != Dim() or span.stops[0].const
    ))  # fmt: skip


def _plain_range(index: Symbol, reads: Sequence[Read]) -> Range | None:
    """The whole range of an index that stands alone in the slots of a term."""
    axes: list[Axis] = [
        r.slot.axis for r in reads if r.slot.axis is not None and len(r.slot.form.indices) == 1
    ]
    if not axes:
        return None
    return Range.of(index.axis or axes[0])


def _lost(
    index: Symbol, own: Range, read: Read, known: Mapping[Index, Range], run: Run
) -> list[str]:
    """The places that a slot outside of branches takes from a range."""
    if read.branch or index not in read.slot.form.indices:
        return []
    alone = narrowed(index, [read], known, run.sure).span
    if alone is None:
        return []
    return left_out(own, alone)


def is_stencil(a: Part, b: Part, index: Symbol) -> bool:
    """Whether two terms of a sum are one thing: a sum of data, or one formula at two places.

    So are `r[t] + g * v[t+1]` and `log(p[t+1]) - log(p[t])`.
    """
    if is_data(a.term, index) and is_data(b.term, index):
        return True
    return a.sign != b.sign and _unshifted(a.term, index) == _unshifted(b.term, index)


def is_data(term: Expr, index: Symbol) -> bool:
    """Whether a term is data with factors, or a sum of such."""
    match term:
        case Access():
            return True
        case Apply(op="neg", args=(a,)) | Reduce(op="sum" | "mean", body=a):
            return is_data(a, index)
        case Apply(op="add" | "sub", args=(a, b)):
            return is_data(a, index) and is_data(b, index)
        case Apply(op="mul", args=(a, b)):
            return (index not in a.free and is_data(b, index)) or (
                index not in b.free and is_data(a, index)
            ) or (is_data(a, index) and is_data(b, index))  # fmt: skip
        case Apply(op="div", args=(a, b)):
            return index not in b.free and is_data(a, index)
    return False


def _unshifted(term: Expr, index: Symbol) -> Expr:
    """A term with all its slots at the index itself."""

    def visit(t: Expr) -> Expr | None:
        form = affine(t) if t.kind == INT and index in t.free else None
        return Position(index) if form is not None and form.indices == {index: 1} else None

    return rebuild(term, visit)


# --- the terms of a sum ---------------------------------------------------------------------------


def terms(term: Expr, sign: int = 1) -> Iterator[Part]:
    """The terms of a sum, from left to right."""
    match term:
        case Apply(op="add" | "sub" as op, args=(a, b)):
            yield from terms(a, sign)
            yield from terms(b, sign if op == "add" else -sign)
        case Apply(op="neg", args=(a,)):
            yield from terms(a, -sign)
        case _:
            yield Part(sign, term)


def written(run: Run, node: ast.Expr, scope: Scope) -> list[Part]:
    """The terms of a sum as the text has them, definitions written out."""
    found, run.findings = run.findings, Findings()
    unlisted, run.unlisted = run.unlisted, []
    parts = [Part(s, run.number(n, scope), n) for s, n in _split(run, node, scope)]
    run.findings, run.unlisted = found, unlisted
    return parts


def _split(run: Run, node: ast.Expr, scope: Scope) -> list[tuple[int, ast.Expr]]:
    match node:
        case ast.Binary(op="+" | "-" as op, left=a, right=b):
            turn = 1 if op == "+" else -1
            return _split(run, a, scope) + [(s * turn, n) for s, n in _split(run, b, scope)]
        case ast.Unary(op="+" | "-" as op, operand=a):
            turn = 1 if op == "+" else -1
            return [(s * turn, n) for s, n in _split(run, a, scope)]
        case ast.Binary(op="*" | "/" as op, left=a, right=b):
            over = _split(run, a, scope)
            if len(over) > 1:
                return [(s, replace(node, left=n)) for s, n in over]
            under = _split(run, b, scope) if op == "*" else []
            return [(s, replace(node, right=n)) for s, n in under] or [(1, node)]
        case ast.Name():
            value = scope.values.get(node.id)
            body = None if value is None or value.span is None else run.bodies.get(value.span)
            inside = _split(run, body, scope) if body is not None else []
            return inside if len(inside) > 1 else [(1, node)]
    return [(1, node)]


# --- the warning ----------------------------------------------------------------------------------


def warn(
    run: Run, node: ast.Call, part: Part, index: Symbol, dead: Sequence[str], other: Read,
    cure: str | None,
) -> None:  # fmt: skip
    """The warning, with one sum for each group of terms."""
    text = "a term" if part.node is None else f"`{print_expr(part.node)}`"
    places = " and ".join(f"`{index.name}` = {d}" for d in dead)
    run.findings.add(
        "W0216", part.node.span if part.node is not None else node.span,
        f"{text} is left out at {places}",
        f"for the {node.function} also reads {other.name} at {shown(other.slot.form)}",
        help=f"write {cure}" if cure else f"write one {node.function} for each of the terms",
    )  # fmt: skip


def _groups(
    parts: Sequence[Part], reads: Mapping[int, list[Read]], spans: Mapping[Index, Range], run: Run
) -> list[list[Part]]:
    """The terms that have the same ranges by themselves."""
    groups: dict[tuple[Range | None, ...], list[Part]] = {}
    for k, part in enumerate(parts):
        own = []
        for s in (s for s in spans if isinstance(s, Symbol)):
            mine = [r for r in reads[k] if s in r.slot.form.indices]
            known = {i: r for i, r in spans.items() if i != s}
            own.append(narrowed(s, mine, known, run.sure).span)
        groups.setdefault(tuple(own), []).append(part)
    return [*groups.values()]


def _apart(
    node: ast.Call, groups: Sequence[Sequence[Part]], symbols: Sequence[Symbol]
) -> str | None:
    """The text of one reduction for each group; None where it cannot be written so."""
    if not all(s.name.isidentifier() for s in symbols):
        return None
    listed = tuple(ast.BoundIndex(s.name, span=node.span) for s in symbols)
    indices = node.indices or ast.IndexList(listed, None, span=node.span)
    total: ast.Expr | None = None
    for group in groups:
        if any(s not in p.term.free for s in symbols for p in group[:1]):
            return None
        sign = -1 if all(p.sign < 0 for p in group) else 1
        inner = _sum([p.at(sign) for p in group])
        if inner is None:
            return None
        call: ast.Expr = ast.Call(node.function, (inner,), (), indices, span=node.span)
        total = _joined(total, call, sign)
    return None if total is None else f"({' '.join(print_expr(total).split())})"


def _sum(parts: Sequence[Part]) -> ast.Expr | None:
    total: ast.Expr | None = None
    for part in parts:
        if part.node is None:
            return None
        total = _joined(total, part.node, part.sign)
    return total


def _joined(total: ast.Expr | None, node: ast.Expr, sign: int) -> ast.Expr:
    if total is None:
        return node if sign > 0 else ast.Unary("-", node, span=node.span)
    return ast.Binary("+" if sign > 0 else "-", total, node, span=node.span)
