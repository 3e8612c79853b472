"""Text to tokens: scanning, and the layout filter that knows newlines and contextual keywords."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .diagnostics import Diagnostic, Label
from .foreign import FOREIGN, MODULES
from .names import SYMBOLS, ascii_name, is_letter
from .source import Source, Span

RESERVED = frozenset(
    ["if", "then", "else", "in", "and", "or", "not", "where", "claims", "true", "false", "none"]
)
COMPARISONS = frozenset(["==", "!=", "<", "<=", ">", ">="])
OPENERS = {"(": ")", "[": "]", "{": "}"}
CLOSERS = {")": "(", "]": "[", "}": "{"}

# The terminals of the grammar that are no NAME in capitals: of marks, and of some words.
TERMINALS = {
    "(": "LPAR", ")": "RPAR", "[": "LSQB", "]": "RSQB", "{": "LBRACE", "}": "RBRACE",
    ",": "COMMA", ";": "SEMICOLON", ":": "COLON", ".": "DOT", "=": "EQUAL", "^": "CIRCUMFLEX",
    "|": "VBAR", "√": "ROOT", "..": "RANGE", "...": "DOTS", "->": "ARROW", "+": "SIGN",
    "-": "SIGN", "*": "TIMES", "/": "TIMES", "true": "BOOLEAN", "false": "BOOLEAN",
    **dict.fromkeys(COMPARISONS, "COMPARE"),
}  # fmt: skip

_BINARY = frozenset(["+", "-", "*", "/", "^", "->", "..", "and", "or", *COMPARISONS])
# A line that ends in one of these goes on in the next, and so does one before a line that
# begins with a binary operator, `then` or `else`.
_UNFINISHED = _BINARY | frozenset(["=", ",", "then", "else", "if", "in", "not", "√"])
_CONTINUING = _BINARY | frozenset(["then", "else"])
_BEFORE_OPERAND = _UNFINISHED | frozenset(OPENERS) | {";", "."}

# What other languages write, and what it is here.
_FOREIGN = {
    "**": "^", "//": "/", "&&": "and", "&": "and", "!": "not", "~": "not", "<>": "!=", "=<": "<=",
    "=>": ">=", ":=": "=", "===": "==", "!==": "!=", "≈": "==", "≡": "==", "–": "-", "—": "-",
    "‒": "-", "⁄": "/", "•": "*", "∘": "*", "＝": "=", "（": "(", "）": ")", "，": ",", "≔": "=",
}  # fmt: skip
_HINTS = {
    "%": "there is no remainder; a percentage is a number: write `0.05`",
    "@": "write a matrix product with indices: `sum[k](a[i, k] * b[k, j])`",
    "?": "write `if c then a else b`",
    "\\": "LaTeX is not read: write `a / b` for a fraction, `sqrt(x)` for a root",
    "$": "LaTeX is not read: write the formula without `$`",
    "'": 'text stands in double quotes: `"..."`; a prime is no part of a name',
    "`": "a name stands without quotes",
    "‖": "write `norm(x)`",
    "∥": "write `norm(x)`",
    "∂": "in a claim write `diff(f, x)`",
    "∇": "in a claim write `diff(f, x)`",
    "∫": "there are no integrals",
    "∉": "write `not`, or name the domain that holds",
    "⊤": "write the indices: `a[j, i]` is the transpose of `a[i, j]`",
}

_MARK = "\u0300-\u036f\u20d7\u2032"
_SUPER = "⁰¹²³⁴-⁹"
_PATTERN = re.compile(
    rf'''
    (?P<DOC>    """(?s:.*?)""" )
  | (?P<OPEN_DOC>  """(?s:.*) )
  | (?P<STRING> "(?:[^"\\\n]|\\.)*" )
  | (?P<OPEN_STRING> "[^\n]* )
  | (?P<CURLY>  [“”„«][^“”„«»"\n]*[“”»]? | ['‘][^'‘’\n"]*['’] )
  | (?P<COMMENT> \#[^\n]* )
  | (?P<NEWLINE> \n )
  | (?P<BLANK>  [ \t\r\f\xa0\u2000-\u200a\u202f\u205f\u3000]+ )
  | (?P<NUMBER> (?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)? )
  | (?P<NAME>   [^\W\d{_SUPER}₀-₉](?:[^\W{_SUPER}]|[{_MARK}])* )
  | (?P<SUPER>  ⁻?[{_SUPER}]+ )
  | (?P<FOREIGN> \*\*|//|&&|!==|===|<>|=<|=>|:=|!(?!=)|[&~≈≡–—‒⁄•∘＝（），≔] )
  | (?P<MARK>   \.\.\.|\.\.|->|[=!<>]=|[-+*/^()\[\]{{}},;:.=<>|√] )
  | (?P<OTHER>  (?s:.) )
    ''',
    re.VERBOSE,
)

# More digits than this, before or after the point, are no number anyone means.
MAX_DIGITS = 400
_MAX_ERRORS = 50
# The words after which a file is refused, so that no text keeps the parser busy for long.
MAX_TOKENS = 100_000


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the text.

    `kind` is a punctuation mark, an operator or keyword in its ASCII spelling, or one of NAME,
    NUMBER, STRING, DOC, SUPER, COMMENT, SEP (the end of an entry), BAD (what is no word; it
    has been reported). `text` is the ASCII spelling of a name, else the characters themselves.
    `newline` tells whether a line ends between the token before and this one.
    """

    kind: str
    text: str
    span: Span
    newline: bool = False

    @property
    def type(self) -> str:
        """The name of the token's terminal in the grammar."""
        return TERMINALS.get(self.kind) or self.kind.upper()


class Scanner:
    """Reads one source; `tokens` and `diagnostics` hold what was found."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tokens: list[Token] = []
        self.diagnostics: list[Diagnostic] = []

    def run(self) -> None:
        """Scan the whole text, or up to the point where errors or words are too many."""
        newline = True
        for match in _PATTERN.finditer(self.source.text):
            rule, text = str(match.lastgroup), match.group()
            if rule == "NEWLINE":
                newline = True
            elif rule != "BLANK":
                span = Span(self.source, match.start(), match.end())
                token = self._token(rule, text, span)
                self.tokens.append(replace(token, newline=True) if newline else token)
                newline = newline and rule == "COMMENT"
                if len(self.diagnostics) >= _MAX_ERRORS or len(self.tokens) > MAX_TOKENS:
                    return

    def _token(self, rule: str, text: str, span: Span) -> Token:
        match rule:
            case "NAME":
                return self._name(text, span)
            case "NUMBER":
                return self._number(text, span)
            case "MARK":
                return Token(text, text, span)
            case "FOREIGN":
                return self._foreign(text, span)
            case "CURLY":
                return self._curly(text, span)
            case "OPEN_STRING" | "OPEN_DOC":
                return self._open(rule, text, span)
            case "OTHER":
                return self._other(text, span)
            case _:
                return Token(rule, text, span)

    def _bad(self, span: Span, code: str, message: str, help: str | None, mark: str = "") -> Token:
        self.diagnostics.append(Diagnostic(code, message, Label(span, mark), help=help))
        return Token("BAD", span.text, span)

    def _name(self, text: str, span: Span) -> Token:
        name = ascii_name(text)
        if name is None:
            odd = next(c for c in text if not is_letter(c))
            why = "has no spelling in ASCII" if ascii_name(odd) is None else "is a word of its own"
            message = f"`{text}` cannot be a name: `{odd}` {why}"
            how = "write names with Latin or Greek letters, digits and `_`"
            return self._bad(span, "E0104", message, how)
        return Token(name if name in RESERVED else "NAME", name, span)

    def _number(self, text: str, span: Span) -> Token:
        if too_long(text):
            how = "numbers have at most 400 digits, exponents included; use `inf` for no bound"
            return self._bad(span, "E0109", "this number is too large or too small", how)
        return Token("NUMBER", text, span)

    def _foreign(self, text: str, span: Span) -> Token:
        here = _FOREIGN[text]
        self._bad(span, "E0105", f"`{text}` is not an operator here", f"write `{here}`")
        return Token(here, here, span)

    def _curly(self, text: str, span: Span) -> Token:
        inner = text.strip("“”„«»'‘’")
        self._bad(span, "E0103", "text stands in straight double quotes", f'write `"{inner}"`')
        return Token("STRING", f'"{inner}"', span)

    def _open(self, rule: str, text: str, span: Span) -> Token:
        close = '"""' if rule == "OPEN_DOC" else '"'
        what = "docstring" if rule == "OPEN_DOC" else "text"
        first = Span(span.source, span.start, span.start + len(close))
        how = f"end it with `{close}`"
        self._bad(first, "E0106", f"this {what} is never closed", how, "opens here")
        return Token("BAD", text, span)

    def _other(self, char: str, span: Span) -> Token:
        symbol = SYMBOLS.get(char)
        if symbol is not None:
            word = symbol.isalpha() and symbol not in RESERVED
            return Token("NAME" if word else symbol, symbol, span)
        shown = f"`{char}`" if char.isprintable() else f"the character U+{ord(char):04X}"
        how = _HINTS.get(char, "remove it")
        return self._bad(span, "E0103", f"{shown} has no meaning in a formula", how)


def too_long(number: str) -> bool:
    """Whether a literal has more digits than a number may have."""
    mantissa, _, exponent = number.lower().partition("e")
    digits = exponent.lstrip("+-").lstrip("0")
    return len(mantissa) > MAX_DIGITS or len(digits) > 3 or int(digits or 0) > MAX_DIGITS


def layout(tokens: Sequence[Token]) -> tuple[list[Token], list[Diagnostic]]:
    """The tokens that the grammar sees.

    Comments go; `loss`, `def` and `use` become keywords where an item starts; in `where` and
    `claims` a SEP stands at each end of an entry, be it a `;` or the end of a line.
    """
    found: list[Diagnostic] = []
    seen = _without_modules([token for token in tokens if token.kind != "COMMENT"], found)
    out: list[Token] = []
    depth, entries = 0, False
    for i, token in enumerate(seen):
        if _starts_item(seen, i, depth, entries):
            token = replace(token, kind=token.text)
            depth, entries = 0, False
        elif token.kind == "DOC":
            depth, entries = 0, False
        elif token.kind == "where" and _is_function(seen, i):
            found.append(_where_function(token))
            token = replace(token, kind="NAME")
        elif token.kind in ("where", "claims"):
            depth, entries = 0, True
        elif entries and depth == 0:
            if token.kind == ";":
                token = replace(token, kind="SEP")
            elif _ends_entry(seen[i - 1], token):
                out.append(
                    Token("SEP", "", Span(token.span.source, token.span.start, token.span.start))
                )
        depth = max(0, depth + (token.kind in OPENERS) - (token.kind in CLOSERS))
        out.append(token)
    return out, found


def _without_modules(tokens: Sequence[Token], found: list[Diagnostic]) -> list[Token]:
    """The tokens with `mean` for `np.mean`, each such name reported."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        first, last = tokens[at], at
        while first.text in MODULES and [t.kind for t in tokens[last + 1 : last + 3]] == [
            ".",
            "NAME",
        ]:
            last += 2
        if last > at:
            name = tokens[last].text
            text = first.span.to(tokens[last].span).text
            how = f"write `{FOREIGN.get(name, name)}`; functions need no module"
            mark = Label(tokens[at + 1].span)
            found.append(Diagnostic("E0114", f"names have no dots: `{text}`", mark, help=how))
        out.append(replace(tokens[last], newline=first.newline) if last > at else first)
        at = last + 1
    return out


def _ends_entry(before: Token, token: Token) -> bool:
    """Whether the line break between the two, outside brackets, ends an entry."""
    return token.newline and before.kind not in _UNFINISHED and token.kind not in _CONTINUING


def _starts_item(tokens: Sequence[Token], i: int, depth: int, entries: bool) -> bool:
    """Whether the word at `i` is the keyword `loss`, `def` or `use`, and not a name."""
    token = tokens[i]
    if token.kind != "NAME" or token.text not in ("loss", "def", "use"):
        return False
    one, two = _kind_after(tokens, i, 1), _kind_after(tokens, i, 2)
    if not token.newline and (depth or token.text == "use"):
        return False
    if token.newline and entries and depth == 0 and tokens[i - 1].kind in _UNFINISHED:
        return False
    if token.text == "use":
        return one == "NAME" or (one == "STRING" and (not entries or two == ":"))
    return one == "NAME" and (two == "(" or token.newline)


def _kind_after(tokens: Sequence[Token], i: int, distance: int) -> str:
    """The kind of the token `distance` after `i`, or "" where the line ends before it."""
    ahead = tokens[i + 1 : i + 1 + distance]
    if len(ahead) < distance or any(token.newline for token in ahead):
        return ""
    return ahead[-1].kind


def _is_function(tokens: Sequence[Token], i: int) -> bool:
    """Whether the `where` at `i` is meant as NumPy's function of three arguments."""
    called = i + 1 < len(tokens) and tokens[i + 1].kind == "("
    return called and i > 0 and tokens[i - 1].kind in _BEFORE_OPERAND


def _where_function(token: Token) -> Diagnostic:
    message = "`where(c, a, b)` is not a function here"
    return Diagnostic("E0115", message, Label(token.span), help="write `(if c then a else b)`")
