"""A program as a `def` in the language: from terms back to the syntax tree that prints them.

Indices are named after their axes where nothing is hidden by that, else i, j, k and so on; ranges
that the slots do not tell are written out. What stands in several places is named in a `where`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from lossc.dsl import ast
from lossc.dsl.primitives import PRIMITIVES, REDUCTIONS
from lossc.dsl.source import Source, Span

from ..affine import Affine, affine, all_slots
from ..ir import (
    PACK,
    Access,
    Along,
    Apply,
    Axis,
    Bound,
    Const,
    Dim,
    Expr,
    Index,
    Position,
    Program,
    Range,
    Reduce,
    Select,
    Size,
    Symbol,
    Tensor,
    dim_term,
    postorder,
    substitute,
)  # fmt: skip

NOWHERE = Span(Source("", ""), 0, 0)
LETTERS = "ijklmnabcdpqrstuvwxyz"
# A shared term of at least so many parts gets a name.
WORTH_A_NAME = 4
# Reductions that count every place, also those that are alike.
ADDING = ("sum", "count")


def as_function(
    program: Program, defaults: Mapping[str, ast.Expr], domains: Sequence[ast.WhereEntry], name: str
) -> ast.Function:
    """A program as a function whose value has the program's axes.

    `defaults` has the defaults of its params, `domains` what is promised of inputs and params.
    """
    writer = _Writer(program)
    body = writer.expr(program.value)
    inputs = tuple(ast.InputDecl(t.name, writer.declared(t), span=NOWHERE) for t in program.inputs)
    params = tuple(
        ast.ParamDecl(t.name, writer.declared(t) or (), defaults[t.name], span=NOWHERE)
        for t in program.params
    )
    where = (*domains, *writer.definitions)
    return ast.Function(name, inputs, params, body, where, span=NOWHERE)


@dataclass
class _Writer:
    """Terms to syntax; `names` has the name of each index in scope."""

    program: Program
    names: dict[Index, str] = field(default_factory=dict)
    said: dict[Expr, ast.Expr] = field(default_factory=dict)
    definitions: list[ast.WhereEntry] = field(default_factory=list)

    def __post_init__(self) -> None:
        p = self.program
        self.taken = {t.name for t in (*p.inputs, *p.params)} | {"e", "pi", "inf"}
        self.taken |= {a.name for t in (*p.inputs, *p.params) for a in t.axes}
        self.taken |= set(PRIMITIVES)
        self.axes = {a: self.axis_name(a) for t in (*p.inputs, *p.params) for a in t.axes}
        uses = Counter(q for t in postorder(p.value) for q in dict.fromkeys(t.parts))
        self.shared = {t for t, n in uses.items() if n > 1 and self.worth_a_name(t)}

    def declared(self, tensor: Tensor) -> tuple[ast.AxisDecl, ...] | None:
        """The axes of a tensor as they are declared."""
        if [a.name for a in tensor.axes] == [PACK]:
            return None
        return tuple(ast.AxisDecl(self.axes[a], a.size, span=NOWHERE) for a in tensor.axes)

    def axis_name(self, axis: Axis) -> str:
        """The name of an axis; one without a name is called `place`."""
        return self.fresh(["place"]) if axis.name.startswith("#") else axis.name

    def worth_a_name(self, term: Expr) -> bool:
        """Whether a shared term is long enough, and a number over the axes alone."""
        closed = not any(isinstance(i, Bound) for i in term.free)
        return closed and term.kind == "real" and len(postorder(term)) >= WORTH_A_NAME

    def expr(self, term: Expr) -> ast.Expr:
        """The syntax of a term; a shared one is defined once and named."""
        if term in self.said:
            return self.said[term]
        node = self.node(term)
        if term in self.shared and not isinstance(term, Access | Position):
            name = self.fresh("stuvw")
            self.definitions.append(ast.Definition(name, node, span=NOWHERE))
            node = ast.Name(name, span=NOWHERE)
            self.said[term] = node
        return node

    def fresh(self, letters: Sequence[str]) -> str:
        """A name that nothing has yet."""
        names = [*letters, *(f"{c}{n}" for n in range(2, 100) for c in letters)]
        name = next(n for n in names if n not in self.taken)
        self.taken.add(name)
        return name

    def node(self, term: Expr) -> ast.Expr:
        """The syntax of a term of any kind."""
        soft = _softmax(term)
        if soft is not None:
            return self.softmax(*soft)
        match term:
            case Const():
                return _constant(term.value)
            case Size(axis=axis):
                arg: ast.Expr = (
                    _name(self.axes[axis]) if axis.name != PACK else ast.Dots(span=NOWHERE)
                )
                return _call("size", arg)
            case Position(index=index):
                return _name(self.index(index))
            case Access():
                return self.access(term)
            case Apply():
                return self.apply(term)
            case Select():
                parts = (self.expr(p) for p in term.parts)
                return ast.If(*parts, span=NOWHERE)
            case Reduce():
                return self.reduce(term)
            case Along():
                return self.along(term)
        raise TypeError(type(term).__name__)

    def index(self, index: Index) -> str:
        """The name of an index in scope."""
        axis = index.axis if isinstance(index, Symbol) else None
        own = self.axes[axis] if axis is not None and axis in self.axes else index.name
        return self.names.get(index, own)

    # --- accesses -------------------------------------------------------------------------------

    def access(self, term: Access) -> ast.Expr:
        """A tensor: bare at its own indices, by name where slots differ, in full if it must be."""
        tensor, slots = term.tensor, term.slots
        changed = [(a, s) for a, s in zip(tensor.axes, slots, strict=True) if not self.is_own(a, s)]
        node: ast.Expr = _name(tensor.name)
        if changed:
            plain = len(set(tensor.axes)) == len(tensor.axes)
            named = plain and all(a.name != PACK for a, _ in changed)
            written = changed if named else list(zip(tensor.axes, slots, strict=True))
            node = ast.Access(node, tuple(self.slot(a, s, named) for a, s in written), span=NOWHERE)
        outside = any(_may_leave(s, a) for a, s in changed)
        return _call("pad", node, _number(0)) if term.padded and outside else node

    def is_own(self, axis: Axis, slot: Expr) -> bool:
        """Whether a slot is what the axis's own name means here."""
        return isinstance(slot, Position) and self.index(slot.index) == self.axes[axis]

    def slot(self, axis: Axis, slot: Expr, named: bool) -> ast.Slot:
        """One slot, `i` or `item=i`."""
        if axis.name == PACK and self.is_own(axis, slot):
            return ast.Slot(ast.Dots(span=NOWHERE), span=NOWHERE)
        return ast.Slot(self.expr(slot), self.axes[axis] if named else None, span=NOWHERE)

    # --- elementwise ----------------------------------------------------------------------------

    def apply(self, term: Apply) -> ast.Expr:
        """An operator or a function."""
        row = PRIMITIVES[term.op]
        if term.op == "mul":
            factors = [self.expr(f) for f in _factors(term)]
            node = factors[0]
            for f in factors[1:]:
                node = ast.Binary("*", node, f, span=NOWHERE)
            return node
        args = tuple(self.expr(a) for a in term.args)
        if term.op in ("neg", "not"):
            return ast.Unary("-" if term.op == "neg" else "not", args[0], span=NOWHERE)
        if row.symbol in ("==", "!=", "<", "<=", ">", ">="):
            return ast.Compare(args, (row.symbol,), span=NOWHERE)
        if row.symbol:
            return ast.Binary(row.symbol, *args, span=NOWHERE)
        return _call(term.op, *args)

    def softmax(self, term: Expr, index: Symbol | Bound) -> ast.Expr:
        """`softmax[class](z)`."""
        listed = _indices([ast.BoundIndex(self.index(index), span=NOWHERE)])
        return _call("softmax", self.expr(term), indices=listed)

    # --- reductions -----------------------------------------------------------------------------

    def reduce(self, term: Reduce) -> ast.Expr:
        """A reduction with its list of indices, those that it does not depend on as a factor."""
        idle = _idle(term)
        rest = tuple(i for i in term.indices if i not in idle)
        with_names = self.bind(rest, term)
        chosen = None if term.filter is None else self.expr(term.filter)
        body = self.expr(term.body)
        if term.op == "count" and term.body == Const(True) and chosen is not None:
            body, chosen = chosen, None
        self.unbind(rest)
        if rest:
            node: ast.Expr = _call(term.op, body, indices=_indices(with_names, chosen))
        else:
            node = _call("indicator", body) if term.op == "count" else body
        for index in idle if term.op in ADDING else ():
            length = self.expr(dim_term(index.range.stops[0] - index.range.starts[0]))
            one = isinstance(node, ast.Number) and node.value == 1
            node = length if one else ast.Binary("*", node, length, span=NOWHERE)
        return node

    def bind(self, indices: Sequence[Bound], term: Expr) -> list[ast.BoundIndex]:
        """Name the indices that a term binds, with their ranges where slots do not tell them."""
        listed: list[ast.BoundIndex] = []
        for index in indices:
            axis = _axis_of(index.range)
            own = axis is not None and self.may_use(axis, term)
            name = self.axes[axis] if axis is not None and own else self.letter()
            self.names[index] = name
            low: ast.Expr | None = None
            high: ast.Expr | None = None
            if not (axis is not None and (own or _is_told(index, axis, term))):
                low = self.expr(dim_term(index.range.starts[0]))
                high = self.expr(dim_term(index.range.stops[0] - 1))
            listed.append(ast.BoundIndex(name, low, high, span=NOWHERE))
        return listed

    def unbind(self, indices: Sequence[Bound]) -> None:
        """Leave the scope of the indices."""
        for index in indices:
            del self.names[index]

    def may_use(self, axis: Axis, term: Expr) -> bool:
        """Whether an index may be called after its axis: nothing else inside has that name."""
        inside = {self.index(i) for t in postorder(term) for i in t.free if i in self.names}
        outside = {self.index(i) for i in term.free if isinstance(i, Symbol)}
        return axis in self.axes and self.axes[axis] not in inside | outside

    def letter(self) -> str:
        """A letter for an index that is in no scope around."""
        used = set(self.names.values()) | self.taken
        return next(c for c in LETTERS if c not in used)

    def along(self, term: Along) -> ast.Expr:
        """A scan: along an index in scope where it is read there, else read by name."""
        name = self.along_name(term)
        outer = dict(self.names)
        self.names[term.index] = name
        body = self.expr(term.body)
        chosen = None if term.filter is None else self.expr(term.filter)
        self.names = outer
        node = _call(term.op, body, indices=_indices([ast.BoundIndex(name, span=NOWHERE)], chosen))
        if isinstance(term.at, Position) and self.index(term.at.index) == name:
            return node
        return ast.Access(node, (ast.Slot(self.expr(term.at), name, span=NOWHERE),), span=NOWHERE)

    def along_name(self, term: Along) -> str:
        """The name of an index in scope that a scan can run along: the one read, or its axis's."""
        inside = term.body.free | (term.filter.free if term.filter is not None else frozenset())
        used = {self.index(i) for i in inside if i != term.index}
        at = self.index(term.at.index) if isinstance(term.at, Position) else ""
        axis = _axis_of(term.index.range)
        own = "" if axis is None else self.axes.get(axis, "")
        return next((n for n in (at, own) if n and n not in used), self.letter())


def _idle(term: Reduce) -> list[Bound]:
    """The indices of a reduction on which nothing in it depends, where it can do without them."""
    inside = term.body.free | (term.filter.free if term.filter is not None else frozenset())
    idle = [i for i in term.indices if i not in inside]
    whole = all(len(i.range.starts) == len(i.range.stops) == 1 for i in idle)
    alone = len(idle) == len(term.indices) and term.filter is not None
    plain = term.op in ADDING or REDUCTIONS[term.op].steady
    return idle if whole and plain and not alone else []


def _softmax(term: Expr) -> tuple[Expr, Symbol | Bound] | None:
    """The body and index of a term that is `softmax[index](body)`."""
    if not (isinstance(term, Apply) and term.op == "exp" and isinstance(term.args[0], Apply)):
        return None
    inner = term.args[0]
    if inner.op != "sub" or not isinstance(inner.args[1], Reduce):
        return None
    body, total = inner.args[0], inner.args[1]
    if total.op != "logsumexp" or len(total.indices) != 1 or total.filter is not None:
        return None
    for index in body.free - total.free:
        if substitute(total.body, {total.indices[0]: Position(index)}) == body:
            return body, index
    return None


def _factors(term: Expr) -> Iterator[Expr]:
    """The factors of a product, from left to right."""
    if isinstance(term, Apply) and term.op == "mul":
        for arg in term.args:
            yield from _factors(arg)
    else:
        yield term


def _axis_of(span: Range) -> Axis | None:
    """The axis whose places a range is."""
    sizes = [a for stop in span.stops for a, _ in stop.sizes]
    return sizes[0] if len(sizes) == 1 and span == Range.of(sizes[0]) else None


def _is_told(index: Bound, axis: Axis, term: Expr) -> bool:
    """Whether the slots in which an index stands say that it runs over an axis."""
    slots = [s for s in all_slots(*term.parts) if index in s.form.indices]
    plain = [s for s in slots if s.form == Affine(Dim(), {index: 1}) and s.axis == axis]
    return bool(slots) and len(plain) == len(slots)


def _may_leave(slot: Expr, axis: Axis) -> bool:
    """Whether a slot may fall outside its axis."""
    form = affine(slot)
    if form is None:
        return True
    if len(form.indices) != 1:
        return not (form.is_const and axis.size is not None and 0 <= form.dim.const < axis.size)
    index = next(iter(form.indices))
    span = index.range if isinstance(index, Bound) else Range.of(axis)
    return form != Affine(Dim(), {index: 1}) or span != Range.of(axis)


LONG = 10**300


def _constant(value: Fraction | bool | str | None) -> ast.Expr:
    if value is None:
        return ast.NoneLiteral(span=NOWHERE)
    if isinstance(value, bool):
        return ast.Boolean(value, span=NOWHERE)
    return _name(value) if isinstance(value, str) else _number(value)


def _number(value: Fraction | int) -> ast.Expr:
    """An exact number: a decimal where it is one, else a quotient."""
    fraction = Fraction(value)
    if fraction < 0:
        return ast.Unary("-", _number(-fraction), span=NOWHERE)
    if max(fraction.numerator, fraction.denominator) < LONG:
        text = f"{float(fraction):.12g}"
        if "e" not in text and Fraction(text) == fraction:
            return ast.Number(text, span=NOWHERE)
    top = ast.Number(_digits(fraction.numerator), span=NOWHERE)
    if fraction.denominator == 1:
        return top
    bottom = ast.Number(_digits(fraction.denominator), span=NOWHERE)
    return ast.Binary("/", top, bottom, span=NOWHERE)


def _digits(whole: int) -> str:
    """An integer, with an exponent for its zeros where it is long."""
    text = str(whole)
    short = text.rstrip("0")
    return f"{short}e{len(text) - len(short)}" if whole >= LONG and len(short) < len(text) else text


def _name(text: str) -> ast.Name:
    return ast.Name(text, span=NOWHERE)


def _call(function: str, *args: ast.Expr, indices: ast.IndexList | None = None) -> ast.Call:
    return ast.Call(function, args, (), indices, span=NOWHERE)


def _indices(items: Sequence[ast.BoundIndex], chosen: ast.Expr | None = None) -> ast.IndexList:
    return ast.IndexList(tuple(items), chosen, span=NOWHERE)
