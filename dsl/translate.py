"""A formula as a paper prints it, written as a loss: means, sizes, axes and inputs.

`dsl/paper.py` reads it; here sums divided by their number become means, names of lengths become
sizes, the indices in subscripts name the axes, and the whole is parsed by the real parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from .diagnostics import Diagnostic, Label, LosscError
from .paper import (
    Big,
    Call,
    Cases,
    Compare,
    Group,
    Node,
    Num,
    Power,
    Product,
    Reader,
    Spread,
    Sum,
    Var,
    Word,
    children,
    free,
    rebuilt,
    words,
)  # fmt: skip
from .parser import parse_expression
from .printer import format_source, print_expr
from .source import Source, Span

NOTATIONS = ("latex", "unicode")
ADDED = "# The mean over samples is added: the formula is printed for one of them."
NAME = "formula"
_CONSTANTS = ("pi", "e", "inf")
_SCALARS = frozenset(
    ["alpha", "beta", "gamma", "delta", "eps", "lam", "tau", "kappa", "eta", "nu", "rho", "xi",
     "zeta", "omega"]
)  # fmt: skip
_LETTERS = "dklmnpqrsabcghjuvw"
_FIRST = ("y", "t", "yhat")


@dataclass(frozen=True, slots=True)
class Translation:
    """A formula in the language: alone, as one line that compiles, and as the text of a file.

    `formula` is of one sample, if the paper's is; the others have the mean over samples.
    """

    formula: str
    line: str
    text: str


def translate(source: Source, notation: str) -> Translation:
    """A formula in LaTeX or Unicode as a loss.

    Raises LosscError (E0128) where something cannot be read.
    """
    try:
        return _translate(source, notation)
    except RecursionError:
        label = Label(Span(source, 0, 0))
        raise LosscError(Diagnostic("E0128", "this formula nests too deep", label)) from None


def _translate(source: Source, notation: str) -> Translation:
    found = words(source, notation == "latex")
    name, body = _without_name(_without_frame(found))
    end = Span(source, len(source.text), len(source.text))
    if not body:
        raise LosscError(Diagnostic("E0128", "there is no formula", Label(end)))
    reader = Reader(body, end)
    writer = _Writer(reader.whole(), reader)
    whole = Span(source, body[0].span.start, body[-1].span.stop)
    try:
        text = format_source(Source("", writer.text(name)))
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return Translation(writer.alone(), " ".join(" ".join(lines).split()), text)
    except LosscError as error:
        message = f"this was read as `{writer.body()}`, which is no formula"
        raise LosscError(
            Diagnostic("E0128", message, Label(whole), notes=(error.first.message,))
        ) from None


def _without_frame(found: list[Word]) -> list[Word]:
    """The words without the environment and the labels around a formula."""
    kept: list[Word] = []
    k = 0
    while k < len(found):
        word = found[k]
        if word.kind == "command" and word.text in ("begin", "end", "label", "tag"):
            stop = next((j for j in range(k, len(found)) if found[j].kind == "}"), k)
            inner = "".join(w.text for w in found[k + 2 : stop])
            if inner != "cases":
                k = stop + 1
                continue
        kept.append(word)
        k += 1
    depth = 0
    out = []
    for word in kept:
        if word.kind == "command" and word.text in ("begin", "end"):
            depth += 1 if word.text == "begin" else -1
        if word.kind not in ("newline", "&") or depth:
            out.append(word)
    return out


def _without_name(found: list[Word]) -> tuple[str, list[Word]]:
    """What a formula is called, and the words behind its `=`."""
    depth, at = 0, -1
    for k, word in enumerate(found):
        if word.kind == "command" and word.text == "begin":
            break
        depth += word.kind in ("(", "[", "{", "{{", "1[")
        depth -= word.kind in (")", "]", "}", "}}")
        if depth == 0 and word.kind in ("=", ":"):
            at = k
    return _name(found[:at]) if at > 0 else NAME, found[at + 1 :]


def _name(found: list[Word]) -> str:
    """The word that a formula is called by: one in upright letters, or of several."""
    if not found:
        return NAME
    text = found[0].span.source.text[found[0].span.start : found[-1].span.stop]
    said = re.search(r"\\(?:text|mathrm|operatorname|textrm)\{([A-Za-z][A-Za-z ]*)", text)
    plain = re.fullmatch(r"[A-Za-z]{3,}", text)
    name = said[1] if said else plain[0] if plain else NAME
    return name.strip().replace(" ", "_").lower()


@dataclass
class _Writer:
    """Writes one formula; what it is made of is found when it is made."""

    node: Node
    reader: Reader
    axes: dict[tuple[str, int], str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    added: bool = False

    def __post_init__(self) -> None:
        self.sizes = dict(self.reader.sizes)
        self.node = rebuilt(self.node, self.averaged)
        names = {v.id for v in self.variables(self.node)}
        self.indexed = any(v.subs for v in self.variables(self.node))
        self.indices = self.all_indices(self.node)
        self.node = self.spread_out(self.node, names)
        self.indices = self.all_indices(self.node)
        self.node = self.renamed(self.node)
        loose = [i for i in self.in_order(self.node) if i in free(self.node)]
        if loose or not any(isinstance(n, Big | Spread) for n in _walk(self.node)):
            self.node, self.added = Big("mean", tuple(loose), self.node), True
        self.name_axes()

    # --- means

    def averaged(self, node: Node) -> Node:
        """A product in which a sum over all places is divided by their number, as a mean."""
        if isinstance(node, Big) and node.function == "sum":
            node = Product((node,))
        if not isinstance(node, Product):
            return node
        over, under = _flat(node)
        big = over[-1].body if over and isinstance(over[-1], Group) else over[-1] if over else None
        if isinstance(big, Big):
            inner, below = _flat(big.body)
            merged = [*under, *below]
            found = self.mean_of(replace(big, body=_product(inner, [])), merged)
            if found is not None:
                mean, rest = found
                outside = [n for n in under if _taken(n, rest)]
                body = _product(_flat(mean.body)[0], rest)
                return _product([*over[:-1], replace(mean, body=body)], outside)
        return _product(over, under)

    def mean_of(self, big: Big, under: list[Node]) -> tuple[Big, list[Node]] | None:
        """A sum as a mean, and the divisors that are left; None if nothing changes."""
        if big.function == "mean" and big.indices:
            inner = _inside(big.body)
            deeper = self.mean_of(inner, under) if isinstance(inner, Big) else None
            return deeper and (replace(big, body=deeper[0]), deeper[1])
        if big.function != "sum" or big.kept or big.ranges:
            return None
        rest = list(under)
        for index in big.indices or ("",):
            size = next((n for n in rest if self.is_size_of(n, index)), None)
            if size is None:
                inner = _inside(big.body)
                deeper = self.mean_of(inner, under) if isinstance(inner, Big) else None
                return deeper and (replace(big, body=deeper[0]), deeper[1])
            rest.remove(size)
            if isinstance(size, Var) and index:
                self.sizes.setdefault(size.id, index)
        mean = replace(big, function="mean")
        deeper = self.mean_of(mean, rest)
        return deeper or (mean, rest)

    def is_size_of(self, node: Node, index: str) -> bool:
        """Whether a divisor is the number of places of an index."""
        if not isinstance(node, Var) or node.subs:
            return False
        named = self.reader.lengths.get(index)
        if named or node.id in self.sizes:
            return named == node.id
        single = len(node.id) == 1 and (node.id.isupper() or node.id in "nm")
        return single or node.id.startswith("|")

    # --- names

    def variables(self, node: Node) -> Iterator[Var]:
        """The names of a formula that are no indices or sizes."""
        bound = self.all_indices(node)
        for part in _walk(node):
            if not isinstance(part, Var) or part.id.startswith(("#", "|")):
                continue
            if part.subs or part.id not in {*bound, *self.sizes, *_CONSTANTS}:
                yield part

    def all_indices(self, node: Node) -> set[str]:
        """Every index, bound or in a subscript."""
        bound = {i for n in _walk(node) if isinstance(n, Big) for i in n.indices}
        bound |= {n.index for n in _walk(node) if isinstance(n, Spread)}
        slots = (s for n in _walk(node) if isinstance(n, Var) for s in n.subs)
        return bound | {v.id for s in slots for v in _plain(s)} - set(self.sizes)

    def in_order(self, node: Node) -> list[str]:
        """The indices in the order of the text."""
        slots = (s for n in _walk(node) if isinstance(n, Var) for s in n.subs)
        return list(dict.fromkeys(v.id for s in slots for v in _plain(s)))

    def spread_out(self, node: Node, names: set[str]) -> Node:
        """Norms and dot products with an index for the axis that their vectors have."""
        taken = names | self.indices

        def change(part: Node) -> Node:
            if not isinstance(part, Spread) or not part.index.startswith("#"):
                return part
            if not self.indexed:
                return replace(part, index="")
            index = next(c for c in _LETTERS if c not in taken)
            taken.add(index)
            return Spread(part.function, index, self.with_index(part.body, index))

        return rebuilt(node, change)

    def with_index(self, node: Node, index: str) -> Node:
        """A formula whose vectors have an index more; labels in subscripts have not."""
        match node:
            case Var():
                plain = not node.subs and (
                    node.id in _SCALARS or node.id in self.indices or node.id in _CONSTANTS
                )
                return node if plain else replace(node, subs=(*node.subs, Var(index)))
            case Spread():
                return node
            case Call(args=args):
                return replace(node, args=tuple(self.with_index(a, index) for a in args))
            case Sum(terms=terms):
                return Sum(tuple((s, self.with_index(t, index)) for s, t in terms))
            case Product(over=over, under=under):
                return Product(
                    tuple(self.with_index(n, index) for n in over),
                    tuple(self.with_index(n, index) for n in under),
                )
            case Power(base=a, exponent=b):
                return Power(self.with_index(a, index), b)
            case Group(body=body) | Big(body=body):
                return replace(node, body=self.with_index(body, index))
        return node

    def renamed(self, node: Node) -> Node:
        """A formula in which no index has the name of an input."""
        inputs = {v.id for v in self.variables(node) if v.subs or v.id not in self.indices}
        taken = inputs | self.indices
        new: dict[str, str] = {}
        for index in sorted(self.indices & inputs):
            new[index] = next(c for c in "ijk" + _LETTERS if c not in taken)
            taken.add(new[index])
        if not new:
            return node
        self.sizes = {n: new.get(i, i) for n, i in self.sizes.items()}
        self.indices = {new.get(i, i) for i in self.indices}

        def change(part: Node) -> Node:
            if isinstance(part, Var):
                subs = tuple(rebuilt(s, turned) for s in part.subs)
                return replace(part, subs=subs)
            if isinstance(part, Big):
                return replace(part, indices=tuple(new.get(i, i) for i in part.indices))
            return part

        def turned(part: Node) -> Node:
            plain = isinstance(part, Var) and not part.subs
            return Var(new.get(part.id, part.id)) if plain and isinstance(part, Var) else part

        return rebuilt(node, change)

    def name_axes(self) -> None:
        """Name each axis after an index that runs over it."""
        home: dict[object, object] = {}

        def root(x: object) -> object:
            while home.setdefault(x, x) != x:
                x = home[x]
            return x

        slots: dict[tuple[str, int], list[Node]] = {}
        for v in self.variables(self.node):
            for k, sub in enumerate(v.subs):
                slots.setdefault((v.id, k), []).append(sub)
        for place, subs in slots.items():
            for sub in subs:
                for index in _plain(sub):
                    if index.id in self.indices:
                        home[root(("index", index.id))] = root(place)
        order = self.in_order(self.node)
        for place, subs in slots.items():
            mine = [i for i in order if root(("index", i)) == root(place) and i in self.indices]
            self.axes[place] = mine[0] if mine else "class"
            for sub in subs:
                if isinstance(sub, Var) and sub.subs:
                    self.labels[sub.id] = self.axes[place]

    # --- text

    def body(self) -> str:
        """The formula, with more brackets than it needs."""
        return self.write(self.node)

    def formula(self) -> str:
        """The formula on one line."""
        return print_expr(parse_expression(Source("", self.body())))

    def alone(self) -> str:
        """The formula on one line, without a mean over samples that is added."""
        node = self.node.body if self.added and isinstance(self.node, Big) else self.node
        return print_expr(parse_expression(Source("", self.write(node))))

    def text(self, name: str) -> str:
        """A file with the formula as a loss."""
        ranks: dict[str, int] = {}
        for v in self.variables(self.node):
            if v.subs and ranks.setdefault(v.id, len(v.subs)) != len(v.subs):
                message = f"{v.id} has {ranks[v.id]} subscripts here and {len(v.subs)} there"
                raise LosscError(Diagnostic("E0128", message))
        comment = f"{ADDED}\n" if self.added else ""
        plain = [v.id for v in self.variables(self.node) if v.id not in ranks]
        scalars = list(dict.fromkeys(n for n in plain if self.indexed or n in _SCALARS))
        if not self.indexed and not scalars:
            return f"{comment}{self.formula()}\n"
        names = list(dict.fromkeys(v.id for v in self.variables(self.node)))
        names = [n for n in names if n not in scalars]
        names.sort(key=lambda n: _FIRST.index(n) if n in _FIRST else len(_FIRST))
        shown = [f"{n}[{self.declared(n, ranks)}]" for n in names] + [f"{n}[]" for n in scalars]
        where = "".join(f"\n    {n} in index({a})" for n, a in self.labels.items())
        where = f"\nwhere{where}" if where else ""
        if name in (*names, *scalars):
            name = NAME
        return f"{comment}loss {name}({', '.join(shown)}) = {self.formula()}{where}\n"

    def declared(self, name: str, ranks: dict[str, int]) -> str:
        """The axes of an input."""
        if name not in ranks:
            return "..."
        return ", ".join(self.axes[name, k] for k in range(ranks[name]))

    def write(self, node: Node) -> str:
        """A part of the formula."""
        match node:
            case Num(text=text):
                return text
            case Var():
                return self.written_name(node)
            case Call(function="not", args=(a,)):
                return f"(not {self.write(a)})"
            case Call(function=function, args=args):
                return f"{function}({', '.join(map(self.write, args))})"
            case Sum(terms=terms):
                signed = (f"{'-' if s < 0 else '+'} {self.write(t)}" for s, t in terms)
                return f"({' '.join(signed).removeprefix('+ ')})"
            case Product(over=over, under=under):
                top = " * ".join(f"({self.write(n)})" for n in over) or "1"
                return top + "".join(f" / ({self.write(n)})" for n in under)
            case Power(base=a, exponent=b):
                return f"({self.write(a)})^({self.write(b)})"
            case Group(body=body):
                return f"({self.write(body)})"
            case Big():
                return self.written_big(node)
            case Spread(function=function, index=index, body=body):
                return f"{function}{f'[{index}]' if index else ''}({self.write(body)})"
            case Compare(words=relations, args=args):
                shown = [self.compared(a, args) for a in args]
                return (
                    "("
                    + "".join(f"{a} {r} " for a, r in zip(shown, relations, strict=False))
                    + (f"{shown[-1]})")
                )
            case Cases(rows=rows):
                return self.written_cases(rows)

    def written_name(self, node: Var) -> str:
        """A name: an index counts from 1 as a number, as papers count."""
        if node.subs:
            return f"{node.id}[{', '.join(map(self.slot, node.subs))}]"
        if node.id in self.sizes:
            return f"size({self.sizes[node.id]})"
        if node.id.startswith("#"):
            return node.id[1:]
        if node.id in self.indices:
            return f"({node.id} + 1)" if self.reader.first.get(node.id, 1) else node.id
        return node.id

    def slot(self, node: Node) -> str:
        """A place in a subscript, where an index is itself."""
        return self.write(rebuilt(node, self.raw))

    def raw(self, node: Node) -> Node:
        """An index that is no number to count with."""
        plain = isinstance(node, Var) and not node.subs and node.id in self.indices
        return Var(f"#{node.id}") if plain and isinstance(node, Var) else node

    def compared(self, node: Node, args: tuple[Node, ...]) -> str:
        """A side of a comparison; between names an index is the place that it stands for."""
        return self.write(self.raw(node) if all(isinstance(a, Var) for a in args) else node)

    def written_big(self, node: Big) -> str:
        """A reduction with its list."""
        ranges = dict(node.ranges)
        listed = ", ".join(f"{i} in {ranges[i]}" if i in ranges else i for i in node.indices)
        kept = " and ".join(map(self.write, node.kept))
        inside = f"{listed}{f' if {kept}' if kept else ''}"
        return f"{node.function}{f'[{inside}]' if inside else ''}({self.write(node.body)})"

    def written_cases(self, rows: tuple[tuple[Node, Node | None], ...]) -> str:
        """Values by condition, the last for all else."""
        (value, condition), *rest = rows
        if not rest or condition is None:
            return f"({self.write(value)})"
        other = self.written_cases(tuple(rest))
        return f"(if {self.write(condition)} then {self.write(value)} else {other})"


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for part in children(node):
        yield from _walk(part)


def _plain(node: Node) -> Iterator[Var]:
    """The names without subscripts of a subscript."""
    if isinstance(node, Var):
        if not node.subs:
            yield node
        return
    for part in children(node):
        yield from _plain(part)


def _inside(node: Node) -> Node:
    while isinstance(node, Group) or (
        isinstance(node, Product) and len(node.over) == 1 and not node.under
    ):
        node = node.body if isinstance(node, Group) else node.over[0]
    return node


def _taken(node: Node, nodes: list[Node]) -> bool:
    """Take a part out of some parts, if it is one of them."""
    if node not in nodes:
        return False
    nodes.remove(node)
    return True


def _flat(node: Node) -> tuple[list[Node], list[Node]]:
    """The factors of a product and its divisors, those of fractions in it included."""
    if not isinstance(node, Product):
        return [node], []
    over: list[Node] = []
    under: list[Node] = []
    for n in node.over:
        inner = n.body if isinstance(n, Group) else n
        if isinstance(inner, Product) and (inner.under or isinstance(n, Product)):
            a, b = _flat(inner)
            over, under = [*over, *a], [*under, *b]
        else:
            over.append(inner if isinstance(inner, Num | Var) else n)
    for n in node.under:
        inner = n.body if isinstance(n, Group) else n
        if isinstance(inner, Product):
            a, b = _flat(inner)
            over, under = [*over, *b], [*under, *a]
        elif isinstance(inner, Power) and isinstance(inner.exponent, Num):
            times = inner.exponent.text
            known = isinstance(inner.base, Var) and times in ("2", "3")
            under += [inner.base] * int(times) if known else [n]
        else:
            under.append(inner if isinstance(inner, Num | Var) else n)
    return over, under


def _product(over: list[Node], under: list[Node]) -> Node:
    """A product, factors of 1 left out."""
    kept = [n for n in over if n != Num("1")]
    if not under:
        return kept[0] if len(kept) == 1 else Product(tuple(kept)) if kept else Num("1")
    return Product(tuple(kept) or (Num("1"),), tuple(under))
