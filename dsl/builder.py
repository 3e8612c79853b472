"""The grammar's callbacks: each turns the parts of one rule into a node of the syntax tree.

A method is named after a rule or alias of `grammar.lark` and gets all its parts, tokens included.
What the grammar lets through and the language does not mean is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from . import ast
from .diagnostics import Diagnostic, Label, LosscError
from .lexer import Token
from .names import ascii_digits
from .source import Span

_AXIS_DOMAINS: dict[str, type] = {"index": ast.Call, "simplex": ast.Access, "one_hot": ast.Access}
_BOOLEAN_OPS = frozenset(["and", "or", "not"])


@dataclass(frozen=True, slots=True)
class Head:
    """`NAME(inputs; params) = body`."""

    name: str
    inputs: tuple[ast.InputDecl, ...]
    params: tuple[ast.ParamDecl, ...]
    body: ast.Expr
    span: Span


@dataclass(frozen=True, slots=True)
class _Declaration:
    name: Token
    axes: tuple[ast.AxisDecl, ...] | None
    default: ast.Expr | None
    domain: ast.Domain | None
    span: Span


@dataclass(frozen=True, slots=True)
class _Ranged:
    index: ast.Expr
    low: ast.Expr
    high: ast.Expr
    span: Span


@dataclass(frozen=True, slots=True)
class _Module:
    path: str
    is_file: bool
    span: Span


_Element = ast.Expr | ast.Keyword | _Ranged


@dataclass(frozen=True, slots=True)
class _Brackets:
    elements: tuple[_Element, ...]
    filter: ast.Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class _Arguments:
    before: tuple[_Element, ...]
    after: tuple[_Element, ...]
    span: Span


def _span(parts: Sequence[Any]) -> Span:
    """The place from the first part to the last."""
    first: Span = parts[0].span
    return first.to(parts[-1].span)


def _refuse(code: str, message: str, span: Span, help: str, mark: str = "") -> NoReturn:
    raise LosscError(Diagnostic(code, message, Label(span, mark), help=help))


def _parted(parts: Sequence[Any], mark: str) -> tuple[Any, Any]:
    """The lists among `parts` that stand before and after the token `mark`."""
    kinds = [part.kind if isinstance(part, Token) else "" for part in parts]
    at = kinds.index(mark) if mark in kinds else len(parts)
    before = next((p for p in parts[:at] if isinstance(p, tuple)), ())
    return before, next((p for p in parts[at:] if isinstance(p, tuple)), ())


def string_value(text: str) -> str:
    """What a string literal says."""
    return re.sub(r"\\(.)", r"\1", text[1:-1])


class Builder:
    """The callbacks, by rule."""

    # --- items ---------------------------------------------------------------------------

    def head(self, c: list[Any]) -> Head:
        """`NAME(inputs; params) = expr`."""
        inputs, params = c[2]
        return Head(
            c[0].text,
            tuple(_input(decl) for decl in inputs),
            tuple(_param(decl) for decl in params),
            c[5],
            _span(c),
        )

    def declarations(self, c: list[Any]) -> tuple[Any, Any]:
        """What is declared before the `;` and after it."""
        return _parted(c, ";")

    def decls(self, c: list[Any]) -> tuple[_Declaration, ...]:
        """A list of declarations."""
        return tuple(c[::2])

    def decl(self, c: list[Any]) -> _Declaration:
        """`NAME[axes] = default in domain`, all but the name as given."""
        axes = default = domain = None
        for part, after in zip(c, [*c[1:], None], strict=True):
            if isinstance(part, tuple):
                axes = part
            elif isinstance(part, Token) and part.kind == "=":
                default = after
            elif isinstance(part, Token) and part.kind == "in":
                domain = after
        ends = [part for part in c if not isinstance(part, tuple)]
        return _Declaration(c[0], axes, default, domain, _span(ends))

    def axes(self, c: list[Any]) -> tuple[ast.AxisDecl, ...]:
        """`[axis, ...]`."""
        return tuple(c[1:-1:2])

    def axis(self, c: list[Any]) -> ast.AxisDecl:
        """`class`, `side=4`, `2` or `...`."""
        first, last = c[0], c[-1]
        size = _axis_size(last) if last.kind == "NUMBER" else None
        name = first.text if first.kind in ("NAME", "...") else None
        return ast.AxisDecl(name, size, span=_span(c))

    def array(self, c: list[Any]) -> ast.Array:
        """`[0.1, 0.5]`."""
        return ast.Array(tuple(c[1:-1:2]), span=_span(c))

    def use(self, c: list[Any]) -> ast.Use:
        """`module: names`."""
        module: _Module = c[0]
        span = module.span.to(c[2][-1].span)
        return ast.Use(module.path, c[2], module.is_file, span=span)

    def module(self, c: list[Token]) -> _Module:
        """A dotted name or the path of a file."""
        if c[0].kind == "STRING":
            return _Module(string_value(c[0].text), True, _span(c))
        return _Module("".join(token.text for token in c), False, _span(c))

    def names(self, c: list[Token]) -> tuple[ast.Name, ...]:
        """A list of names."""
        return tuple(ast.Name(token.text, span=token.span) for token in c[::2])

    # --- entries of `where` --------------------------------------------------------------

    def domain_entry(self, c: list[Any]) -> ast.DomainEntry:
        """`x, y in domain "description"`."""
        names, domain = c[0], c[2]
        text = string_value(c[3].text) if len(c) > 3 else None
        return ast.DomainEntry(names, domain, text, span=names[0].span.to(c[-1].span))

    def condition_entry(self, c: list[Any]) -> ast.ConditionEntry | ast.DescriptionEntry:
        """`delta > 0 "description"`, or `name "description"`."""
        said, span = c[0], _span(c)
        text = string_value(c[1].text) if len(c) > 1 else None
        if isinstance(said, ast.Compare):
            return ast.ConditionEntry(said, text, span=span)
        if isinstance(said, ast.Name) and text is not None:
            return ast.DescriptionEntry(said, text, span=span)
        how = "write `x in [0, 1]`, `x > 0`, `e = y - yhat`, or a name and a text"
        _refuse("E0124", "this entry of `where` says nothing", said.span, how)

    def definition(self, c: list[Any]) -> ast.Definition:
        """`e = ...` or `s[i, j] = ...`."""
        left, _, body = c
        if isinstance(left, ast.Name):
            return ast.Definition(left.id, body, span=_span(c))
        if isinstance(left, ast.Access) and isinstance(left.base, ast.Name):
            indices = tuple(_definition_index(slot) for slot in left.slots)
            return ast.Definition(left.base.id, body, indices, span=_span(c))
        how = "define a name, `s[i, j] = ...` or `f(x) = ...`; write `==` to compare"
        _refuse("E0120", "this cannot stand on the left of `=`", left.span, how)

    # --- domains -------------------------------------------------------------------------

    def domain(self, c: list[Any]) -> ast.Domain:
        """One domain, or a union of several."""
        return c[0] if len(c) == 1 else ast.UnionDomain(tuple(c[::2]), span=_span(c))

    def word_domain(self, c: list[Any]) -> ast.Domain:
        """`real`, `int`, `bool`, `index(class)`, `simplex[class]` or `one_hot[class]`."""
        said = c[0]
        if isinstance(said, ast.Name) and said.id in ("real", "int", "bool"):
            return ast.NamedDomain(said.id, span=said.span)
        kind, axis = _axis_domain(said)
        if kind and axis:
            return ast.AxisDomain(kind, axis, span=said.span)
        how = (
            "a domain is real, int, bool, an interval `[0, 1)`, a range `0..9`, a set `{0, 1}`,\n"
            "`index(class)`, `simplex[class]` or `one_hot[class]`"
        )
        _refuse("E0123", "this is no domain", said.span, how)

    def range_domain(self, c: list[Any]) -> ast.IntRangeDomain:
        """`low..high`."""
        return ast.IntRangeDomain(c[0], c[2], span=_span(c))

    def interval(self, c: list[Any]) -> ast.IntervalDomain:
        """`[low, high)`, each end open or closed."""
        return ast.IntervalDomain(c[1], c[3], c[0].kind == "(", c[4].kind == ")", span=_span(c))

    def close(self, c: list[Token]) -> Token:
        """The bracket that ends an interval."""
        return c[0]

    def set_domain(self, c: list[Any]) -> ast.SetDomain:
        """`{a, b}`."""
        return ast.SetDomain(tuple(c[1:-1:2]), span=_span(c))

    # --- entries of `claims` -------------------------------------------------------------

    def holds(self, c: list[Any]) -> ast.Claim:
        """A comparison, or several joined by `and`, `or` and `not`."""
        expr = c[0]
        said = isinstance(expr, ast.Compare) or getattr(expr, "op", "") in _BOOLEAN_OPS
        if not said:
            how = "write a comparison such as `huber >= 0`, or a claim such as `convex in yhat`"
            _refuse("E0125", "this claims nothing", expr.span, how)
        return ast.Claim("holds", expr=expr, span=expr.span)

    def zero(self, c: list[Any]) -> ast.Claim:
        """`zero iff condition`."""
        return ast.Claim("zero iff", expr=c[2], span=_span(c))

    def shape(self, c: list[Any]) -> ast.Claim:
        """`convex in x` and its like."""
        return ast.Claim(c[0].text, c[2], span=c[0].span.to(c[2][-1].span))

    def lipschitz(self, c: list[Any]) -> ast.Claim:
        """`lipschitz in x by bound`."""
        return ast.Claim("lipschitz", c[2], c[4], span=_span(c))

    def invariant(self, c: list[Any]) -> ast.Claim:
        """`invariant under shift of x`."""
        if c[2].text not in ("shift", "scale", "permutation"):
            how = "write `shift`, `scale` or `permutation`"
            _refuse("E0125", f"`{c[2].text}` is no change that is known", c[2].span, how)
        return ast.Claim("invariant", c[4], word=c[2].text, span=c[0].span.to(c[4][-1].span))

    def proper(self, c: list[Any]) -> ast.Claim:
        """`proper`."""
        return ast.Claim("proper", span=c[0].span)

    def elicits(self, c: list[Any]) -> ast.Claim:
        """`elicits mean` and its like."""
        return ast.Claim("elicits", expr=c[1], span=_span(c))

    def limit(self, c: list[Any]) -> ast.Claim:
        """`limit x -> a equals expr`."""
        return ast.Claim("limit", (c[1], c[3]), c[5], span=_span(c))

    def equals(self, c: list[Any]) -> ast.Claim:
        """`equals other.loss`."""
        return ast.Claim("equals", word=c[1].path, span=_span(c))

    def exprs(self, c: list[Any]) -> tuple[ast.Expr, ...]:
        """A list of expressions."""
        return tuple(c[::2])

    # --- expressions ---------------------------------------------------------------------

    def conditional(self, c: list[Any]) -> ast.If:
        """`if c then a else b`."""
        return ast.If(c[1], c[3], c[5], span=_span(c))

    def binary(self, c: list[Any]) -> ast.Binary:
        """`a op b`."""
        return ast.Binary(c[1].kind, c[0], c[2], span=_span(c))

    def unary(self, c: list[Any]) -> ast.Unary:
        """`op a`."""
        return ast.Unary(c[0].kind, c[1], span=_span(c))

    def comparison(self, c: list[Any]) -> ast.Compare:
        """A chain of comparisons."""
        return ast.Compare(tuple(c[::2]), tuple(op.kind for op in c[1::2]), span=_span(c))

    def superscript(self, c: list[Any]) -> ast.Binary:
        """`x²`, the same as `x^2`."""
        digits, span = ascii_digits(c[1].text), c[1].span
        power: ast.Expr = ast.Number(digits.removeprefix("-"), span=span)
        if digits.startswith("-"):
            power = ast.Unary("-", power, span=span)
        return ast.Binary("^", c[0], power, span=_span(c))

    def name(self, c: list[Token]) -> ast.Name:
        """A name."""
        return ast.Name(c[0].text, span=c[0].span)

    def number(self, c: list[Token]) -> ast.Number:
        """A literal, with a digit before its point."""
        text = c[0].text.lower()
        return ast.Number(f"0{text}" if text.startswith(".") else text, span=c[0].span)

    def boolean(self, c: list[Token]) -> ast.Boolean:
        """`true` or `false`."""
        return ast.Boolean(c[0].kind == "true", span=c[0].span)

    def none(self, c: list[Token]) -> ast.NoneLiteral:
        """`none`."""
        return ast.NoneLiteral(span=c[0].span)

    def dots(self, c: list[Token]) -> ast.Dots:
        """`...`."""
        return ast.Dots(span=c[0].span)

    def bars(self, c: list[Any]) -> ast.Call:
        """`|x|`."""
        return ast.Call("abs", (c[1],), span=_span(c), function_span=c[0].span)

    def root(self, c: list[Any]) -> ast.Call:
        """`√x`."""
        return ast.Call("sqrt", (c[1],), span=_span(c), function_span=c[0].span)

    def parentheses(self, c: list[Any]) -> ast.Expr:
        """`(x)`: the node inside, its place widened to the parentheses."""
        return _moved(c[1], _span(c))

    def access(self, c: list[Any]) -> ast.Access:
        """`base[slots]`."""
        base, brackets = c
        if isinstance(base, Token):
            base = ast.Name(base.text, span=base.span)
        if brackets.filter is not None:
            how = "a condition selects in a reduction: `mean[i if c](x[i])`"
            _refuse("E0118", "an access has no `if`", brackets.filter.span, how)
        if not brackets.elements:
            how = "name what stands in each place, as in `z[batch, 0]`"
            _refuse("E0118", "there is nothing between these brackets", brackets.span, how)
        slots = tuple(_slot(element) for element in brackets.elements)
        return ast.Access(base, slots, span=_span(c))

    def call(self, c: list[Any]) -> ast.Call:
        """`function[indices](args; keywords)`."""
        arguments: _Arguments = c[-1]
        indices = _index_list(c[1]) if len(c) == 3 else None
        args, keywords = _sorted_arguments(arguments)
        return ast.Call(c[0].text, args, keywords, indices, span=_span(c), function_span=c[0].span)

    def arguments(self, c: list[Any]) -> _Arguments:
        """`(a, b; k = v)`."""
        return _Arguments(*_parted(c, ";"), _span(c))

    def brackets(self, c: list[Any]) -> _Brackets:
        """`[a, b if c]`."""
        elements = c[1] if len(c) > 2 else ()
        return _Brackets(elements, c[3] if len(c) > 3 else None, _span(c))

    def elements(self, c: list[Any]) -> tuple[_Element, ...]:
        """What stands between brackets or parentheses."""
        return tuple(c[::2])

    def named(self, c: list[Any]) -> ast.Keyword:
        """`name = value`."""
        name, _, value = c
        if not isinstance(name, ast.Name):
            how = "write `==` to compare"
            _refuse("E0108", "the left of this `=` is not a name", name.span, how)
        return ast.Keyword(name.id, value, span=_span(c))

    def ranged(self, c: list[Any]) -> _Ranged:
        """`u in -3..3`."""
        return _Ranged(c[0], c[2], c[4], _span(c))


# --- what a callback needs -----------------------------------------------------------------


def _moved(node: ast.Expr, span: Span) -> ast.Expr:
    """`node` at another place."""
    values = {name: getattr(node, name) for name in node.__dataclass_fields__}
    return type(node)(**(values | {"span": span}))


def _input(decl: _Declaration) -> ast.InputDecl:
    if decl.default is not None:
        how = f"write a `;` before the first param: `(y, yhat; {decl.name.text} = ...)`"
        _refuse("E0116", f"the input `{decl.name.text}` has a default", decl.span, how)
    if decl.domain is not None:
        how = f"give it in a `where`: `{decl.name.text} in ...`"
        _refuse("E0116", "the domain of an input does not stand here", decl.span, how)
    return ast.InputDecl(decl.name.text, decl.axes, span=decl.span)


def _param(decl: _Declaration) -> ast.ParamDecl:
    if decl.default is None:
        how = f"write `{decl.name.text} = 1`; what is passed as a tensor stands before the `;`"
        _refuse("E0116", f"the param `{decl.name.text}` has no default", decl.span, how)
    axes = decl.axes or ()
    return ast.ParamDecl(decl.name.text, axes, decl.default, decl.domain, span=decl.span)


def _axis_size(token: Token) -> int:
    if not token.text.isdigit() or len(token.text) > 9 or int(token.text) == 0:
        how = "a size is a whole number from 1 on: `out[batch, 2]`"
        _refuse("E0117", f"`{token.text}` is no size of an axis", token.span, how)
    return int(token.text)


def _axis_domain(said: ast.Expr) -> tuple[str, str] | tuple[None, None]:
    """The kind and the axis of `index(class)`, `simplex[class]` or `one_hot[class]`."""
    if isinstance(said, ast.Call) and not said.keywords and not said.indices:
        kind, inside = said.function, [*said.args]
    elif isinstance(said, ast.Access) and isinstance(said.base, ast.Name):
        kind, inside = said.base.id, [slot.value for slot in said.slots if slot.name is None]
    else:
        return None, None
    if _AXIS_DOMAINS.get(kind) is not type(said) or len(inside) != 1:
        return None, None
    axis = inside[0]
    return (kind, axis.id) if isinstance(axis, ast.Name) else (None, None)


def _definition_index(slot: ast.Slot) -> str:
    if slot.name is None and isinstance(slot.value, ast.Name):
        return slot.value.id
    how = "name a fresh index in each place: `s[i, j] = ...`"
    _refuse("E0120", "a definition's places are names", slot.span, how)


def _slot(element: _Element) -> ast.Slot:
    if isinstance(element, ast.Keyword):
        return ast.Slot(element.value, element.name, span=element.span)
    if isinstance(element, _Ranged):
        how = "an index is given its range in a reduction: `sum[u in -3..3](x[t+u])`"
        _refuse("E0118", "an access has no range", element.span, how)
    return ast.Slot(element, span=element.span)


def _index_list(brackets: _Brackets) -> ast.IndexList:
    if not brackets.elements:
        how = "name the indices, as in `sum[class](p)`, or leave the brackets out"
        _refuse("E0119", "there is nothing between these brackets", brackets.span, how)
    indices = tuple(_bound_index(element) for element in brackets.elements)
    return ast.IndexList(indices, brackets.filter, span=brackets.span)


def _bound_index(element: _Element) -> ast.BoundIndex:
    low = high = None
    index: object = element
    if isinstance(element, _Ranged):
        index, low, high = element.index, element.low, element.high
    if isinstance(index, ast.Name):
        return ast.BoundIndex(index.id, low, high, span=element.span)
    if isinstance(index, ast.Dots):
        return ast.BoundIndex("...", span=element.span)
    how = "name the axes or fresh indices: `sum[class](p)`, `mean[i, j](...)`"
    _refuse("E0119", "what stands before the arguments is a list of indices", element.span, how)


def _sorted_arguments(
    given: _Arguments,
) -> tuple[tuple[ast.Expr, ...], tuple[ast.Keyword, ...]]:
    """The arguments by position and those by name."""
    args: list[ast.Expr] = []
    keywords: list[ast.Keyword] = []
    for i, element in enumerate((*given.before, *given.after)):
        if isinstance(element, _Ranged):
            how = "give an index its range in brackets: `sum[u in -3..3](...)`"
            _refuse("E0121", "an argument has no range", element.span, how)
        elif isinstance(element, ast.Keyword):
            keywords.append(element)
        elif keywords or i >= len(given.before):
            how = "give it a name, `k = 2`, or put it before the named ones"
            _refuse("E0121", "an argument without a name stands too late", element.span, how)
        else:
            args.append(element)
    return tuple(args), tuple(keywords)
