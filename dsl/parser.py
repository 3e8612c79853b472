"""Tokens to the syntax tree.

The text is scanned whole, cut into pieces (a head with its body, a `use`, an entry of `where` or
`claims`), and each piece is parsed by itself, so that one run finds the errors of all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from importlib.resources import files
from io import BytesIO
from pathlib import PurePath
from textwrap import dedent
from typing import TYPE_CHECKING, Any, TypeVar

from . import ast
from .builder import Builder, Head
from .diagnostics import Diagnostic, Label, LosscError
from .lexer import CLOSERS, MAX_TOKENS, OPENERS, RESERVED, Scanner, Token, layout
from .mistakes import Refusal, explain
from .source import Source, Span

if TYPE_CHECKING:
    from lark import Lark

_T = TypeVar("_T")

MAX_BYTES = 1_000_000
_MAX_ERRORS = 20
TABLES = "grammar.tables"
_OPTIONS: dict[str, Any] = {
    "parser": "lalr",
    "lexer": "basic",
    "start": ["head", "expr", "use", "entry", "claim"],
    "keep_all_tokens": True,
    "maybe_placeholders": False,
}

# The first word of a claim, and the words that follow in it.
_SHAPES = frozenset(["convex", "quasiconvex", "increasing", "decreasing", "smooth", "symmetric"])
_CLAIM_WORDS = {
    "zero": ("iff",), "lipschitz": ("by",), "invariant": ("under", "of"), "proper": (),
    "elicits": (), "limit": ("equals",), "equals": (),
    **dict.fromkeys(_SHAPES, ()),
}  # fmt: skip
# What may stand before a word that follows; what may stand after a first word.
_BEFORE_WORD = frozenset(["NAME", "NUMBER", "SUPER", ")", "]", "|", *_CLAIM_WORDS])
_AFTER_FIRST = ("NAME", "in")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file as far as it could be read: its items, the names of those in error, and the errors."""

    file: ast.File
    broken: frozenset[str] = frozenset()
    errors: tuple[Diagnostic, ...] = ()


def parse(source: Source) -> ast.File:
    """The syntax tree of a whole file.

    A bare formula becomes a loss named after the file, or `loss` where the file has no name.
    Raises LosscError with every syntax error found.
    """
    parsed = parse_items(source)
    _raise_if_any(parsed.errors)
    return parsed.file


def parse_items(source: Source) -> Parsed:
    """The items of a file that can be read, and every syntax error."""
    tokens, found = _tokens(source)
    outline = Outline.of(tokens, found)
    items = tuple(_item(piece, source, found) for piece in outline.pieces)
    _check_outline(outline, source, found)
    if found and source.name:
        from .hints import hinted  # which parses what it suggests

        found = hinted(source, found)
    pairs = zip(outline.pieces, items, strict=True)
    named = (piece.head[0].text for piece, item in pairs if item is None and piece.head)
    file = ast.File(
        tuple(item for item in items if item is not None),
        doc_value(outline.doc) if outline.doc else None,
        span=Span(source, 0, len(source.text)),
    )
    return Parsed(file, frozenset(named), tuple(_ordered(found)))


def parse_expression(source: Source) -> ast.Expr:
    """The syntax tree of a text that is one expression."""
    tokens, found = _tokens(source)
    expr: ast.Expr | None = _parse(tokens, "expr", _end_of(source), found)
    _raise_if_any(found)
    assert expr is not None
    return expr


def doc_value(token: Token) -> str:
    """What a docstring says: its lines without their common indent, blank ends removed."""
    first, _, rest = token.text[3:-3].partition("\n")
    lines = f"{first.strip()}\n{dedent(rest)}".split("\n")
    return "\n".join(line.rstrip() for line in lines).strip()


def _raise_if_any(found: Sequence[Diagnostic]) -> None:
    if found:
        raise LosscError(_ordered(found))


def _ordered(found: Sequence[Diagnostic]) -> list[Diagnostic]:
    return sorted(found, key=lambda d: d.span.start if d.span else 0)[:_MAX_ERRORS]


def _end_of(source: Source) -> Span:
    stop = len(source.text.rstrip())
    return Span(source, stop, stop)


def _tokens(source: Source) -> tuple[list[Token], list[Diagnostic]]:
    """The tokens the grammar sees, and what is wrong with the characters."""
    if len(source.text.encode("utf-8", "replace")) > MAX_BYTES:
        raise _too_large(source, "1 MB")
    scanner = Scanner(source)
    scanner.run()
    if len(scanner.tokens) > MAX_TOKENS:
        raise _too_large(source, f"{MAX_TOKENS} words")
    tokens, found = layout(scanner.tokens)
    return tokens, scanner.diagnostics + found


def _too_large(source: Source, limit: str) -> LosscError:
    how = "split it into files and join them with `use`"
    label = Label(Span(source, 0, 0))
    return LosscError(Diagnostic("E0112", f"this file is larger than {limit}", label, help=how))


# --- the outline of a file -----------------------------------------------------------------


@dataclass(slots=True)
class Piece:
    """The tokens of one item, cut into its parts.

    `keyword` is `loss`, `def` or `use`, or None for a bare formula; `head` is what follows it
    up to the first section.
    """

    keyword: Token | None
    doc: Token | None = None
    head: list[Token] = field(default_factory=list)
    where: list[list[Token]] = field(default_factory=list)
    claims: list[list[Token]] = field(default_factory=list)
    sections: list[Token] = field(default_factory=list)

    @property
    def first(self) -> Token:
        """The token that the item begins with."""
        return self.keyword or (self.head or self.sections)[0]

    @property
    def last(self) -> Token:
        """The token that the item ends with."""
        tails = [entries[-1] for entries in (self.claims, self.where) if entries]
        rest = [tail[-1] for tail in (*tails, self.sections, self.head) if tail]
        return max([self.first, *rest], key=lambda token: token.span.stop)

    def add(self, token: Token) -> None:
        """Put the next token of the item into its place."""
        if token.kind in ("where", "claims"):
            self.sections.append(token)
            self._entries(token).append([])
        elif not self.sections:
            self.head.append(token)
        elif token.kind == "SEP":
            self._entries(self.sections[-1]).append([])
        else:
            self._entries(self.sections[-1])[-1].append(token)

    def _entries(self, section: Token) -> list[list[Token]]:
        return self.where if section.kind == "where" else self.claims


@dataclass(slots=True)
class Outline:
    """The pieces of a file, its own docstring, and docstrings that belong nowhere."""

    pieces: list[Piece] = field(default_factory=list)
    doc: Token | None = None
    strays: list[Token] = field(default_factory=list)

    @staticmethod
    def of(tokens: Sequence[Token], found: list[Diagnostic]) -> Outline:
        """Cut the tokens of a file into pieces."""
        outline = Outline()
        piece: Piece | None = None
        doc: Token | None = None
        for token in tokens:
            if token.kind == "DOC":
                outline._set_aside(doc)
                doc, piece = token, None
                continue
            if piece is None or token.kind in ("loss", "def", "use") or _ends_use(piece, token):
                if token.kind == "use":
                    outline._set_aside(doc)
                    doc = None
                starts = token.kind in ("loss", "def", "use")
                piece = Piece(token if starts else None, doc)
                outline.pieces.append(piece)
                doc = None
                if starts:
                    continue
            piece.add(token)
        outline._set_aside(doc)
        return outline

    def _set_aside(self, doc: Token | None) -> None:
        """Take a docstring that no item follows: the first of a file is the file's."""
        if doc is not None and self.doc is None and not self.pieces:
            self.doc = doc
        elif doc is not None:
            self.strays.append(doc)


def _ends_use(piece: Piece, token: Token) -> bool:
    """Whether a new line ends a `use`, which no operator or comma continues."""
    if piece.keyword is None or piece.keyword.kind != "use" or not token.newline:
        return False
    return bool(piece.head) and piece.head[-1].kind not in (",", ":", ".")


def _check_outline(outline: Outline, source: Source, found: list[Diagnostic]) -> None:
    """Report what is wrong with the order of things in a file."""
    if not outline.pieces and not found:
        how = "write a formula, such as `mean((y - yhat)^2)`, or a `loss`"
        label = Label(Span(source, 0, 0))
        found.append(Diagnostic("E0102", "there is no formula in this file", label, help=how))
        return
    for stray in outline.strays:
        how = "put it directly before a `loss` or `def`; for a comment use `#`"
        message = "this docstring belongs to no item"
        found.append(Diagnostic("E0127", message, Label(_opening(stray)), help=how))
    if len(outline.pieces) > 1:
        bare = [piece for piece in outline.pieces if piece.keyword is None]
        found.extend(_not_alone(piece) for piece in bare[:1])
    for piece in outline.pieces:
        found.extend(_misplaced_sections(piece))


def _opening(doc: Token) -> Span:
    return Span(doc.span.source, doc.span.start, doc.span.start + 3)


def _not_alone(piece: Piece) -> Diagnostic:
    message = "a bare formula stands alone in its file"
    how = "name it: `loss NAME(y, yhat) = ...`"
    return Diagnostic("E0127", message, Label(piece.first.span), help=how)


def _misplaced_sections(piece: Piece) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    filled = {"where": any(piece.where), "claims": any(piece.claims)}
    keyword = piece.keyword.kind if piece.keyword else ""
    for token in piece.sections:
        again, late = token.kind in seen, token.kind == "where" and "claims" in seen
        seen.add(token.kind)
        if not filled[token.kind]:
            message, how = f"this `{token.kind}` is empty", "write its entries below, or remove it"
        elif again:
            how = f"put its entries into the first `{token.kind}`"
            message = f"this is the second `{token.kind}` of the item"
        elif late:
            message, how = "`where` stands after `claims`", "put `where` first"
        elif token.kind == "claims" and keyword == "def":
            message, how = "a `def` has no `claims`", "make it a `loss`, or drop the claims"
        elif keyword == "use":
            message, how = f"a `use` has no `{token.kind}`", "put it after a formula"
        else:
            continue
        yield Diagnostic("E0127", message, Label(token.span), help=how)


# --- the pieces ----------------------------------------------------------------------------


def _item(piece: Piece, source: Source, found: list[Diagnostic]) -> ast.Item | None:
    """The item that a piece spells, or None where it is in error."""
    end = _after(piece.head[-1] if piece.head else piece.first)
    span = piece.first.span.to(piece.last.span)
    keyword = piece.keyword.kind if piece.keyword else ""
    if keyword == "use":
        use: ast.Use | None = _parse(piece.head, "use", end, found)
        return use and replace(use, span=span)
    start = "head" if keyword else "expr"
    said = _parse(piece.head, start, end if piece.head else piece.first.span, found)
    where: tuple[ast.WhereEntry, ...] | None = _whole(
        _entry(entry, found) for entry in piece.where if entry
    )
    claims: tuple[ast.Claim, ...] | None = _whole(
        _claim(entry, found) for entry in piece.claims if entry
    )
    if said is None or where is None or claims is None:
        return None
    doc = doc_value(piece.doc) if piece.doc else None
    head = said if keyword else Head(bare_name(source.name), (), (), said, said.span)
    parts = (head.name, head.inputs, head.params, head.body, where)
    if keyword == "def":
        return ast.Function(*parts, doc, span=span)
    return ast.Loss(*parts, claims, doc, not keyword, span=span)


def _whole(entries: Iterable[_T | None]) -> tuple[_T, ...] | None:
    """All entries, each of them read; None where one was in error."""
    read = list(entries)
    good = tuple(entry for entry in read if entry is not None)
    return good if len(good) == len(read) else None


def bare_name(file_name: str) -> str:
    """The name of the loss that is a bare formula in the file of this name."""
    stem = re.sub(r"[^A-Za-z0-9_]+", "_", PurePath(file_name).stem).strip("_")
    plain = re.match(r"[A-Za-z]", stem) and not file_name.startswith("<")
    return stem if plain and stem not in RESERVED else "loss"


def _entry(tokens: list[Token], found: list[Diagnostic]) -> ast.WhereEntry | None:
    end = _after(tokens[-1])
    if not _defines_function(tokens):
        entry: ast.WhereEntry | None = _parse(tokens, "entry", end, found)
        return entry
    head: Head | None = _parse(tokens, "head", end, found)
    if head is None:
        return None
    return ast.Function(head.name, head.inputs, head.params, head.body, span=head.span)


def _defines_function(tokens: Sequence[Token]) -> bool:
    """Whether the entry reads `name(...) = ...`."""
    if len(tokens) < 2 or tokens[0].kind != "NAME" or tokens[1].kind != "(":
        return False
    depth = 0
    for i, token in enumerate(tokens):
        depth += (token.kind in OPENERS) - (token.kind in CLOSERS)
        if i and depth == 0:
            return i + 1 < len(tokens) and tokens[i + 1].kind == "="
    return False


def _claim(tokens: list[Token], found: list[Diagnostic]) -> ast.Claim | None:
    claim: ast.Claim | None = _parse(_claim_words(tokens), "claim", _after(tokens[-1]), found)
    return claim


def _claim_words(tokens: list[Token]) -> list[Token]:
    """The tokens of a claim, its words told from names.

    A first word is one where a name could not stand: before `in` or another name.
    """
    head = tokens[0].text
    alone = head == "proper" and len(tokens) == 1
    if head not in _CLAIM_WORDS or not (
        alone or (len(tokens) > 1 and tokens[1].kind in _AFTER_FIRST)
    ):
        return tokens
    words = [replace(tokens[0], kind="SHAPE" if head in _SHAPES else head)]
    for token in tokens[1:]:
        if token.text in _CLAIM_WORDS[head] and words[-1].kind in _BEFORE_WORD:
            token = replace(token, kind=token.text)
        words.append(token)
    return words


def _after(token: Token) -> Span:
    return Span(token.span.source, token.span.stop, token.span.stop)


# --- driving the grammar -------------------------------------------------------------------


@cache
def _grammar() -> Lark:
    """The parser of a piece; its tables are read if they are saved, for making them is slow."""
    from lark import Lark

    saved = saved_tables()
    return _built() if saved is None else Lark.load(BytesIO(saved))


def saved_tables() -> bytes | None:
    """The tables saved beside the grammar; None if they are of another grammar or another Lark."""
    file = files(__package__).joinpath(TABLES)
    mark, _, saved = file.read_bytes().partition(b"\n") if file.is_file() else (b"", b"", b"")
    return saved if mark == _mark() else None


def tables() -> bytes:
    """The tables of the grammar, as they are saved."""
    stream = BytesIO()
    _built().save(stream)
    return b"\n".join([_mark(), stream.getvalue()])


def _built() -> Lark:
    from lark import Lark

    return Lark(_text(), transformer=Builder(), **_OPTIONS)


def _mark() -> bytes:
    """The first line of the saved tables, which tells what they were made of."""
    from lark import __version__

    made_of = f"{_text()}{_OPTIONS}"
    return f"Lark {__version__}, grammar {sha256(made_of.encode()).hexdigest()}".encode()


def _text() -> str:
    return files(__package__).joinpath("grammar.lark").read_text("utf-8")


def _parse(tokens: list[Token], start: str, end: Span, found: list[Diagnostic]) -> Any:
    """What the tokens spell, from the rule `start`; None where an error was or is found."""
    from lark.exceptions import UnexpectedToken

    if any(token.kind == "BAD" for token in tokens):
        return None
    reader: Any = _grammar().parse_interactive(start=start)
    result = None
    for at, token in enumerate([*tokens, Token("$END", "", end)]):
        try:
            result = reader.feed_token(token)
        except UnexpectedToken:
            found.append(explain(Refusal(tokens, at, _accepted(tokens[:at], start), start, end)))
            return None
        except LosscError as error:
            found.extend(error.diagnostics)
            return None
    return _shallow(result, tokens, found)


def _accepted(tokens: Sequence[Token], start: str) -> set[str]:
    """The terminals that may follow the tokens.

    The reader that refused a token has already reduced as if it came; a fresh one has not.
    """
    reader: Any = _grammar().parse_interactive(start=start)
    for token in tokens:
        reader.feed_token(token)
    accepted: set[str] = reader.accepts()
    return accepted


def _shallow(result: Any, tokens: Sequence[Token], found: list[Diagnostic]) -> Any:
    """The result, unless it is nested too deeply for a walk over it to recurse."""
    if len(tokens) <= ast.MAX_DEPTH or _depth(result) <= ast.MAX_DEPTH:
        return result
    how = "name parts of it in `where`, or write a long sum as `sum[i](...)`"
    message = f"this formula is nested more than {ast.MAX_DEPTH} deep"
    found.append(Diagnostic("E0111", message, Label(tokens[0].span, "begins here"), help=how))
    return None


def _depth(result: ast.Node | Head) -> int:
    """The number of nodes on the longest way down."""
    deepest = 0
    node: ast.Node = result.body if isinstance(result, Head) else result
    stack = [(node, 1)]
    if isinstance(result, Head):
        stack += [(param, 1) for param in result.params]
    while stack:
        node, depth = stack.pop()
        deepest = max(deepest, depth)
        stack.extend((child, depth + 1) for child in ast.children(node))
    return deepest
