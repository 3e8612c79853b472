"""The syntax tree as text, in one canonical layout."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from . import ast
from .lexer import Scanner, Token, layout
from .parser import parse
from .pretty import Group, Layout, Line, Nest, fill, joined
from .source import Source, Span

_WIDTH = 100
_ONE_LINE = 88
_STEP = 4
_WIDEST_DESCRIBED = 40

# How tightly an expression binds; an operand that binds less stands in parentheses.
_IF, _OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(10)
_BINARY = {
    "or": (_OR, _OR, _AND), "and": (_AND, _AND, _NOT), "+": (_SUM, _SUM, _PRODUCT),
    "-": (_SUM, _SUM, _PRODUCT), "*": (_PRODUCT, _PRODUCT, _SIGN), "/": (_PRODUCT, _PRODUCT, _SIGN),
    "^": (_POWER, _ATOM, _SIGN),
}  # fmt: skip


def print_expr(expr: ast.Expr) -> str:
    """The expression on one line, with the fewest parentheses that keep its meaning."""
    return fill(_expr(expr), math.inf)


def print_domain(domain: ast.Domain) -> str:
    """The domain on one line."""
    return fill(_domain(domain), math.inf)


def print_item(item: ast.Item) -> str:
    """The item in canonical layout, without a line end after it."""
    return "\n".join(line for unit in _units(item) for line in unit.lines())


def format_source(source: Source) -> str:
    """The whole file in canonical layout, its comments kept.

    Formatting the result changes nothing. Raises LosscError where the file has syntax errors.
    """
    tree = parse(source)
    scanner = Scanner(source)
    scanner.run()
    units = _placed(tree, layout(scanner.tokens)[0])
    _attach([token for token in scanner.tokens if token.kind == "COMMENT"], units)
    return "\n".join(_file_lines(units)) + "\n"


# --- expressions ---------------------------------------------------------------------------


def _level(expr: ast.Expr) -> int:
    match expr:
        case ast.If():
            return _IF
        case ast.Binary():
            return _BINARY[expr.op][0]
        case ast.Compare():
            return _COMPARE
        case ast.Unary():
            return _NOT if expr.op == "not" else _SIGN
        case _:
            return _ATOM


def _expr(expr: ast.Expr, least: int = _IF) -> Layout:
    """The expression, in parentheses where it binds less tightly than `least`."""
    said = _bare(expr)
    return ("(", said, ")") if _level(expr) < least else said


def _bare(expr: ast.Expr) -> Layout:
    match expr:
        case ast.Number():
            return expr.text
        case ast.Boolean():
            return "true" if expr.value else "false"
        case ast.NoneLiteral():
            return "none"
        case ast.Name():
            return expr.id
        case ast.Dots():
            return "..."
        case ast.Access():
            return _access(expr)
        case ast.Call():
            return _call(expr)
        case ast.Unary():
            return _unary(expr)
        case ast.Binary():
            return _binary(expr)
        case ast.Compare():
            return _compare(expr)
        case ast.If():
            return Group(_conditional(expr))
        case ast.Array():
            return ("[", joined([_expr(item) for item in expr.items], ", "), "]")


def _unary(expr: ast.Unary) -> Layout:
    if expr.op == "not":
        return ("not ", _expr(expr.operand, _NOT))
    return (expr.op, _expr(expr.operand, _SIGN))


def _binary(expr: ast.Binary) -> Layout:
    if expr.op == "^":
        return (_expr(expr.left, _ATOM), "^", _expr(expr.right, _SIGN))
    level, _, right = _BINARY[expr.op]
    parts: list[Layout] = []
    left: ast.Expr = expr
    while isinstance(left, ast.Binary) and _BINARY[left.op][0] == level:
        parts += [_expr(left.right, right), (" ", left.op, Line())]
        left = left.left
    parts.append(_expr(left, level))
    return Group(tuple(reversed(parts)))


def _compare(expr: ast.Compare) -> Layout:
    first, *rest = (_expr(operand, _SUM) for operand in expr.operands)
    said: list[Layout] = [first]
    for op, operand in zip(expr.ops, rest, strict=True):
        said += [f" {op}", Line(), operand]
    return Group(tuple(said))


def _conditional(expr: ast.If) -> Layout:
    """The parts of an `if`; a chain of `else if` stands on one level."""
    other = _conditional(expr.other) if isinstance(expr.other, ast.If) else _expr(expr.other)
    head = ("if ", _expr(expr.condition), " then ", Nest(_expr(expr.then)))
    return (*head, Line(), "else ", other)


def _access(expr: ast.Access) -> Layout:
    simple = isinstance(expr.base, ast.Name | ast.Call)
    base = _expr(expr.base) if simple else ("(", _expr(expr.base), ")")
    return (base, "[", joined([_slot(slot) for slot in expr.slots], ", "), "]")


def _slot(slot: ast.Slot) -> Layout:
    name = f"{slot.name}=" if slot.name else ""
    return (name, _shift(slot.value) or _expr(slot.value))


def _shift(expr: ast.Expr) -> str | None:
    """A shift `h+1`, set without blanks; None for another expression."""
    if not isinstance(expr, ast.Binary) or expr.op not in ("+", "-"):
        return None
    if not all(isinstance(side, ast.Name | ast.Number) for side in (expr.left, expr.right)):
        return None
    return f"{print_expr(expr.left)}{expr.op}{print_expr(expr.right)}"


def _call(expr: ast.Call) -> Layout:
    args = joined([_expr(arg) for arg in expr.args], (",", Line()))
    named = joined([_keyword(keyword) for keyword in expr.keywords], (",", Line()))
    between: Layout = ((";", Line()) if expr.args else "; ") if expr.keywords else ""
    inside = Nest((Line(""), args, between, named))
    return (expr.function, _indices(expr.indices), Group(("(", inside, Line(""), ")")))


def _keyword(keyword: ast.Keyword) -> Layout:
    return (keyword.name, " = ", _expr(keyword.value))


def _indices(indices: ast.IndexList | None) -> Layout:
    if indices is None:
        return ""
    names = joined([_index(index) for index in indices.indices], ", ")
    chosen = (" if ", _expr(indices.filter)) if indices.filter else ""
    return ("[", names, chosen, "]")


def _index(index: ast.BoundIndex) -> Layout:
    if index.low is None or index.high is None:
        return index.name
    return (index.name, " in ", _expr(index.low, _SUM), "..", _expr(index.high, _SUM))


# --- domains -------------------------------------------------------------------------------


def _domain(domain: ast.Domain) -> Layout:
    match domain:
        case ast.NamedDomain():
            return domain.name
        case ast.IntervalDomain(low, high):
            left = "(" if domain.low_open else "["
            right = ")" if domain.high_open else "]"
            return (left, _expr(low, _SUM), ", ", _expr(high, _SUM), right)
        case ast.IntRangeDomain(low, high):
            return (_expr(low, _SUM), "..", _expr(high, _SUM))
        case ast.SetDomain(values):
            return ("{", joined([_expr(value, _SUM) for value in values], ", "), "}")
        case ast.AxisDomain(kind, axis):
            return f"{kind}({axis})" if kind == "index" else f"{kind}[{axis}]"
        case ast.UnionDomain(parts):
            return joined([_domain(part) for part in parts], " or ")


# --- declarations --------------------------------------------------------------------------


def _axes(axes: tuple[ast.AxisDecl, ...] | None) -> str:
    return "" if axes is None else f"[{', '.join(_axis(axis) for axis in axes)}]"


def _axis(axis: ast.AxisDecl) -> str:
    if axis.size is None:
        return str(axis.name)
    return f"{axis.name}={axis.size}" if axis.name else str(axis.size)


def _param(param: ast.ParamDecl) -> Layout:
    axes = _axes(param.axes) if param.axes else ""
    said = (param.name, axes, " = ", _expr(param.default))
    return (*said, " in ", _domain(param.domain)) if param.domain else said


def _signature(item: ast.Loss | ast.Function) -> Layout:
    """`NAME(inputs; params) =`."""
    inputs: list[Layout] = [decl.name + _axes(decl.axes) for decl in item.inputs]
    params = [_param(param) for param in item.params]
    between: Layout = ((";", Line()) if inputs else "; ") if params else ""
    comma: Layout = (",", Line())
    inside = Nest((Line(""), joined(inputs, comma), between, joined(params, comma)))
    return (item.name, Group(("(", inside, Line(""), ")")), " =")


# --- entries -------------------------------------------------------------------------------


def _entry(entry: ast.WhereEntry) -> Layout:
    """An entry of `where` without its description."""
    match entry:
        case ast.DomainEntry():
            names = ", ".join(name.id for name in entry.names)
            return (names, " in ", _domain(entry.domain))
        case ast.ConditionEntry():
            return _expr(entry.condition)
        case ast.DescriptionEntry():
            return entry.name.id
        case ast.Definition():
            places = "" if entry.indices is None else f"[{', '.join(entry.indices)}]"
            return (entry.name, places, " = ", Nest(_expr(entry.body)))
        case ast.Function():
            return (_signature(entry), " ", Nest(_expr(entry.body)))


def _description(entry: ast.WhereEntry) -> str | None:
    described = ast.DomainEntry | ast.ConditionEntry | ast.DescriptionEntry
    return entry.description if isinstance(entry, described) else None


def _where(entries: Sequence[ast.WhereEntry]) -> list[str]:
    """The entries as text, their descriptions in one column."""
    texts = [fill(_entry(entry), _WIDTH, _STEP) for entry in entries]
    described = [text for text, entry in zip(texts, entries, strict=True) if _description(entry)]
    short = [len(text) for text in described if len(text) <= _WIDEST_DESCRIBED]
    column = max(short, default=0)
    said = []
    for text, entry in zip(texts, entries, strict=True):
        words = _description(entry)
        said.append(text if words is None else f"{text:<{column}}  {_quoted(words)}")
    return said


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _claim(claim: ast.Claim) -> Layout:
    subjects = joined([_expr(subject) for subject in claim.subjects], ", ")
    said = _expr(claim.expr) if claim.expr is not None else ""
    match claim.kind:
        case "holds":
            return said
        case "zero iff" | "elicits":
            return (claim.kind, " ", said)
        case "lipschitz":
            return ("lipschitz in ", subjects, " by ", said)
        case "invariant":
            return (f"invariant under {claim.word} of ", subjects)
        case "limit":
            start, goal = (_expr(subject) for subject in claim.subjects)
            return ("limit ", start, " -> ", goal, " equals ", said)
        case "equals":
            return f"equals {claim.word}"
        case "proper":
            return "proper"
        case _:
            return (claim.kind, " in ", subjects)


# --- units: what stands on lines of its own --------------------------------------------------


@dataclass(slots=True)
class _Unit:
    """A docstring, a head with its body, a section's keyword or an entry.

    `above`, `beside` and `below` are the comments around it. Those within a body go to `between`:
    then it is set as `head` and `body`, not as `text`. `gap` tells whether a blank line was before.
    """

    text: str
    place: Span | None = None
    indent: int = 0
    begins_item: bool = False
    head: str = ""
    body: str = ""
    body_start: int = 0
    above: list[str] = field(default_factory=list)
    between: list[str] = field(default_factory=list)
    beside: str = ""
    below: list[str] = field(default_factory=list)
    gap: bool = False

    def lines(self) -> list[str]:
        """The lines of the unit and of the comments that go with it."""
        pad, step = " " * self.indent, " " * _STEP
        own = pad + self.text
        if self.between:
            own = "\n".join([self.head, *(step + line for line in self.between), self.body])
        return [*((pad + line).rstrip() for line in self.above), own + self.beside, *self.below]


def _units(item: ast.Item) -> list[_Unit]:
    """The units of an item, in order."""
    if isinstance(item, ast.Use):
        path = _quoted(item.path) if item.is_file else item.path
        names = ", ".join(name.id for name in item.names)
        return [_Unit(f"use {path}: {names}", item.span, begins_item=True)]
    units = [] if item.doc is None else [_doc(item.doc)]
    units.append(_head(item))
    units[0].begins_item = True
    if item.where:
        units.append(_Unit("where"))
        texts = _where(item.where)
        units += [_Unit(t, e.span, _STEP) for t, e in zip(texts, item.where, strict=True)]
    if isinstance(item, ast.Loss) and item.claims:
        units.append(_Unit("claims"))
        units += [_Unit(fill(_claim(c), _WIDTH, _STEP), c.span, _STEP) for c in item.claims]
    return units


def _doc(text: str) -> _Unit:
    end = "\n" if "\n" in text or text.endswith('"') else ""
    return _Unit(f'"""{text}{end}"""', begins_item=True)


def _head(item: ast.Loss | ast.Function) -> _Unit:
    body = item.body.span
    if isinstance(item, ast.Loss) and item.bare:
        return _Unit(fill(_expr(item.body), _WIDTH), body)
    keyword = "loss " if isinstance(item, ast.Loss) else "def "
    line = fill((keyword, _signature(item), " ", _expr(item.body)), math.inf)
    head = fill((keyword, _signature(item)), _WIDTH)
    below = " " * _STEP + fill(_expr(item.body), _WIDTH, _STEP)
    text = line if len(line) <= _ONE_LINE else f"{head}\n{below}"
    place = Span(body.source, item.span.start, body.stop)
    return _Unit(text, place, head=head, body=below, body_start=body.start)


# --- whole files: units in their places, and the comments between them ------------------------


def _placed(tree: ast.File, tokens: Sequence[Token]) -> list[_Unit]:
    """The units of a file, each with its place in the source."""
    docs = [token for token in tokens if token.kind == "DOC"]
    sections = [token for token in tokens if token.kind in ("where", "claims")]
    units = [] if tree.doc is None else [_doc(tree.doc)]
    units += [unit for item in tree.items for unit in _units(item)]
    equals = [token.span.start for token in tokens if token.kind == "="]
    for unit in units:
        if unit.place is None:
            pile = docs if unit.text.startswith('"') else sections
            unit.place = pile.pop(0).span
        if unit.head:
            unit.body_start = equals[bisect_left(equals, unit.body_start) - 1]
        unit.gap = _gap_before(unit.place)
    return units


def _gap_before(place: Span) -> bool:
    """Whether the place is the first of its line and a blank line stands before."""
    text, starts, line = place.source.text, place.source.line_starts, place.line
    first = not text[starts[line - 1] : place.start].strip()
    return first and line > 1 and not text[starts[line - 2] : starts[line - 1]].strip()


def _attach(comments: Sequence[Token], units: list[_Unit]) -> None:
    """Give each comment to the unit that it stands in, beside, above or below."""
    places = [unit.place for unit in units if unit.place]
    starts = [place.start for place in places]
    for comment in reversed(comments):
        at = bisect_right(starts, comment.span.start) - 1
        after = units[at + 1] if at + 1 < len(units) else None
        outdented = comment.span.column == 1
        if at >= 0 and comment.span.start < places[at].stop:
            _put_inside(units[at], comment)
        elif at >= 0 and comment.span.line == _last_line(places[at]):
            units[at].beside = f"  {_text(comment)}"
        elif after and (at < 0 or outdented or after.indent):
            _put_above(after, comment)
        else:
            gap = [""] if _gap_before(comment.span) else []
            line = _text(comment) if outdented else " " * _STEP + _text(comment)
            units[at].below[:0] = [*gap, line]


def _text(comment: Token) -> str:
    return comment.text.rstrip()


def _last_line(place: Span) -> int:
    return place.source.line_of(max(place.start, place.stop - 1))


def _put_inside(unit: _Unit, comment: Token) -> None:
    """Take a comment within a unit: before its body, or before the whole."""
    lines = unit.between if unit.head and comment.span.start > unit.body_start else unit.above
    lines[:0] = [_text(comment)]


def _put_above(unit: _Unit, comment: Token) -> None:
    """Take a comment before a unit; the blank line before the unit then follows the comment."""
    unit.above[:0] = [_text(comment), ""] if unit.gap else [_text(comment)]
    unit.gap = _gap_before(comment.span)


def _file_lines(units: Sequence[_Unit]) -> Iterator[str]:
    """The lines of a file."""
    for before, unit in zip((None, *units), units, strict=False):
        if before is not None and _parts(before, unit):
            yield ""
        yield from unit.lines()


def _parts(before: _Unit, unit: _Unit) -> bool:
    """Whether a blank line stands between two units: between items always, entries perhaps."""
    uses = before.text.startswith("use ") and unit.text.startswith("use ")
    if unit.begins_item and not uses:
        return True
    return unit.gap and (uses or bool(before.indent and unit.indent))
