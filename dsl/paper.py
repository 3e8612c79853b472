r"""Formulas as papers print them, in LaTeX or Unicode, read as trees.

The text is cut into words by a table of commands, and read by recursive descent. A function takes
the names after it, a sum all factors after it, and the terms after those that have its index.
`dsl/translate.py` writes the tree in the language.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn

from .diagnostics import Diagnostic, Label, LosscError
from .names import ascii_name
from .source import Source, Span

# --- the table of commands ------------------------------------------------------------------------

_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)
_RENAMED = {"epsilon": "eps", "lambda": "lam"}
_OPERATORS = {
    "cdot": "*", "times": "*", "ast": "*", "odot": "*", "div": "/", "le": "<=", "leq": "<=",
    "leqslant": "<=", "ge": ">=", "geq": ">=", "geqslant": ">=", "ne": "!=", "neq": "!=",
    "lt": "<", "gt": ">", "in": "in", "land": "and", "wedge": "and", "lor": "or", "vee": "or",
    "lnot": "not", "neg": "not", "mid": "|", "vert": "|", "lvert": "|", "rvert": "|",
    "Vert": "||", "lVert": "||", "rVert": "||", "langle": "<<", "rangle": ">>",
    "|": "||", "{": "{{", "}": "}}", "top": "^T", "lbrace": "{{", "rbrace": "}}", "intercal": "^T",
    "\\": "newline", "lbrack": "[", "rbrack": "]", "colon": ":",
}  # fmt: skip
# The functions that stand before their argument, with or without parentheses.
FUNCTIONS = {
    "log": "log", "ln": "log", "exp": "exp", "lg": "log10", "sin": "sin", "cos": "cos",
    "tan": "tan", "tanh": "tanh", "sinh": "sinh", "cosh": "cosh", "arctan": "atan",
    "arcsin": "asin", "arccos": "acos", "sgn": "sign", "sign": "sign", "relu": "relu",
    "sigmoid": "sigmoid", "sigm": "sigmoid", "softplus": "softplus", "erf": "erf", "abs": "abs",
    "sqrt": "sqrt", "logit": "logit", "lgamma": "lgamma",
}  # fmt: skip
_CALLED = {"sigma": "sigmoid", "Phi": "ndtr", "psi": "digamma"}  # functions before a parenthesis
_BIG = {"sum": "sum", "prod": "prod", "max": "max", "min": "min", "mean": "mean", "avg": "mean"}
_ACCENTS = {
    "hat": "hat", "widehat": "hat", "tilde": "tilde", "widetilde": "tilde", "bar": "bar",
    "overline": "bar", "vec": "", "dot": "dot", "boldsymbol": "", "bm": "", "mathbf": "",
    "mathit": "", "mathcal": "", "mathscr": "", "mathsf": "", "mathbb": "",
}  # fmt: skip
_TEXTS = ("text", "mathrm", "operatorname", "textrm", "textit", "textbf", "mbox", "rm")
_SKIPPED = {
    "left", "right", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "biggl",
    "biggr", "limits", "nolimits", "displaystyle", "textstyle", "quad", "qquad", ",", ";", "!",
    " ", ":", ">", "[", "]", "(", ")", "nonumber", "notag",
}  # fmt: skip
_FRACTIONS = ("frac", "dfrac", "tfrac", "cfrac")
_OPENERS = (
    "(",
    "[",
    "{",
    "{{",
    "<<",
    "1[",
    "big",
    "command",
    "function",
    "-",
    "not",
    "||",
    "|",
    "^",
)
_CLOSERS = (")", "]", "}", "}}", ">>")
MOST_DEPTH, MOST_WORDS = 400, 5_000
_SUBSCRIPTS = dict(
    zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789+-=()aehijklmnoprstuvx", strict=True)
)
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱᵏᵐᵀᴺᴷᴹ", "0123456789+-()nikmTNKM", strict=True))
_UNICODE = {
    "∑": "sum", "Σ": "sum", "∏": "prod", "Π": "prod", "√": "sqrt", "‖": "||", "∥": "||",
    "·": "*", "⋅": "*", "×": "*", "∗": "*", "⊙": "*", "÷": "/", "−": "-", "–": "-", "≤": "<=",
    "≥": ">=", "≠": "!=", "∈": "in", "∞": "inf", "∧": "and", "∨": "or", "¬": "not", "∣": "|",
    "⟨": "<<", "⟩": ">>", "𝔼": "E", "𝟙": "1[", "⊤": "^T", "ℓ": "L",
}  # fmt: skip
_HALVES = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3"}
_NO_LETTERS = (*_SUBSCRIPTS, *_SUPERSCRIPTS, *_UNICODE, *_HALVES)
_PATTERN = re.compile(
    rf"""
    (?P<command> \\(?:[A-Za-z]+\*?|.) )
  | (?P<blank>   [\s~$]+ )
  | (?P<number>  \d+(?:\.\d+)?(?:[eE][+-]?\d+)? | \.\d+ )
  | (?P<half>    [{"".join(_HALVES)}] )
  | (?P<sub>     [{re.escape("".join(_SUBSCRIPTS))}]+ )
  | (?P<super>   [{re.escape("".join(_SUPERSCRIPTS))}]+ )
  | (?P<symbol>  [{"".join(_UNICODE)}] )
  | (?P<word>    (?:[^\W\d_{re.escape("".join(_NO_LETTERS))}][\u0300-\u036f]*)+ )
  | (?P<mark>    \|\||<=|>=|!=|==|\.\.\.|[-+*/^_()\[\]{{}}|<>=,:;.!'&] )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the text: "number", "name", "function", "big", "text", or a mark of its own."""

    kind: str
    text: str
    span: Span


def words(source: Source, latex: bool) -> list[Word]:
    """The words of a text; raises LosscError at a character that has no meaning."""
    found: list[Word] = []
    at = 0
    while at < len(source.text):
        match = _PATTERN.match(source.text, at)
        if match is None:
            _fail(Span(source, at, at + 1), f"`{source.text[at]}` cannot be read")
        found.extend(_words_of(match, source, latex))
        at = match.end()
    _check_size(found)
    return found


def _check_size(found: Sequence[Word]) -> None:
    """Refuse what would take too long, or nests too deep."""
    depth = 0
    for k, word in enumerate(found):
        depth += word.kind in _OPENERS
        depth -= word.kind in _CLOSERS
        if depth > MOST_DEPTH or k > MOST_WORDS or len(word.text) > 100:
            _fail(word.span, "this formula is too long to translate")


def _words_of(match: re.Match[str], source: Source, latex: bool) -> Iterator[Word]:
    rule, text = str(match.lastgroup), match.group()
    span = Span(source, match.start(), match.end())
    match rule:
        case "command":
            name = text[1:]
            if name not in _SKIPPED:
                yield _command(name, span)
        case "number":
            yield Word("number", text, span)
        case "half":
            yield from (Word(k, t, span) for k, t in _half(_HALVES[text]))
        case "sub" | "super":
            table = _SUBSCRIPTS if rule == "sub" else _SUPERSCRIPTS
            inner = Source(source.name, "".join(table[c] for c in text))
            yield Word("_" if rule == "sub" else "^", text, span)
            yield Word("{", text, span)
            yield from (replace(w, span=span) for w in words(inner, True))
            yield Word("}", text, span)
        case "symbol":
            mark = _UNICODE[text]
            big = "function" if mark == "sqrt" else "big" if mark in _BIG else mark
            yield Word("name" if mark in ("inf", "E", "L") else big, mark, span)
        case "word":
            yield from _letters(text, span, latex)
        case "mark":
            yield Word({"**": "^"}.get(text, text), text, span)


def _half(text: str) -> list[tuple[str, str]]:
    a, b = text.split("/")
    return [("(", "("), ("number", a), ("/", "/"), ("number", b), (")", ")")]


def _command(name: str, span: Span) -> Word:
    if name in _GREEK.split() or name.removeprefix("var") in _GREEK.split():
        plain = name.removeprefix("var")
        return Word("name", _RENAMED.get(plain, plain), span)
    if name in _BIG:
        return Word("big", _BIG[name], span)
    if name in _OPERATORS:
        return Word(_OPERATORS[name], name, span)
    if name in FUNCTIONS and name != "sqrt":
        return Word("function", name, span)
    if name in ("infty", "ell"):
        return Word("name", "inf" if name == "infty" else "L", span)
    return Word("command", name, span)


def _letters(text: str, span: Span, latex: bool) -> Iterator[Word]:
    """A run of letters: one name, or in LaTeX the letters of a product."""
    known = text if latex else text.lower()
    if known in FUNCTIONS or known in _BIG:
        yield Word("big" if known in _BIG else "function", _BIG.get(known, known), span)
        return
    if text in ("if", "otherwise", "else", "for", "and", "or", "not", "in"):
        yield Word("text" if text in ("if", "otherwise", "else", "for") else text, text, span)
        return
    pieces = (
        re.findall(r".[\u0300-\u036f]*", unicodedata.normalize("NFD", text)) if latex else [text]
    )
    for piece in pieces:
        name = ascii_name(unicodedata.normalize("NFC", piece))
        if name is None:
            _fail(span, f"`{piece}` has no spelling in ASCII")
        yield Word("name", name, span)


def _fail(span: Span, message: str, help: str | None = None) -> NoReturn:
    raise LosscError(Diagnostic("E0128", message, Label(span), help=help))


# --- what is read ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Num:
    """A number."""

    text: str


@dataclass(frozen=True)
class Var:
    """A name with its subscripts."""

    id: str
    subs: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Call:
    """A function of the language."""

    function: str
    args: tuple[Node, ...]


@dataclass(frozen=True)
class Sum:
    """Terms with their signs."""

    terms: tuple[tuple[int, Node], ...]


@dataclass(frozen=True)
class Product:
    """Factors, and what they are divided by."""

    over: tuple[Node, ...]
    under: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Power:
    """A power."""

    base: Node
    exponent: Node


@dataclass(frozen=True)
class Group:
    """What stands in brackets."""

    body: Node


@dataclass(frozen=True)
class Big:
    """A sum, product, maximum or mean over indices; `kept` are conditions on them."""

    function: str
    indices: tuple[str, ...]
    body: Node
    kept: tuple[Node, ...] = ()
    ranges: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Spread:
    """A norm or a dot product of vectors, along an index that the paper leaves out."""

    function: str
    index: str
    body: Node


@dataclass(frozen=True)
class Compare:
    """A chain of comparisons, or conditions joined by a word."""

    words: tuple[str, ...]
    args: tuple[Node, ...]


@dataclass(frozen=True)
class Cases:
    """Values with their conditions; the last stands for all else."""

    rows: tuple[tuple[Node, Node | None], ...]


Node = Num | Var | Call | Sum | Product | Power | Group | Big | Spread | Compare | Cases
_RELATIONS = {
    "<=": "<=",
    ">=": ">=",
    "<": "<",
    ">": ">",
    "=": "==",
    "==": "==",
    "!=": "!=",
    "in": "==",
}


@dataclass
class Reader:
    """Reads words.

    `sizes` has an index for each name of a length, `lengths` the length of each index, `first`
    the number from which an index counts; `bars` and `norms` are open.
    """

    words: Sequence[Word]
    end: Span
    at: int = 0
    bound: list[str] = field(default_factory=list)
    sizes: dict[str, str] = field(default_factory=dict)
    lengths: dict[str, str] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)
    spread: int = 0
    bars: int = 0
    norms: int = 0

    # --- words

    @property
    def word(self) -> Word:
        """The next word."""
        return self.words[self.at] if self.at < len(self.words) else Word("end", "", self.end)

    def take(self, *kinds: str) -> Word | None:
        """The next word, if it is one of some kinds."""
        if self.word.kind not in kinds:
            return None
        self.at += 1
        return self.words[self.at - 1]

    def need(self, kind: str) -> Word:
        """The next word, which must be of a kind."""
        found = self.take(kind)
        if found is None:
            shown = self.word.text or "the end"
            _fail(self.word.span, f"expected `{kind}`, found {shown}")
        return found

    def is_command(self, *names: str) -> bool:
        """Whether a command of these names stands next."""
        return self.word.kind == "command" and self.word.text in names

    # --- conditions

    def whole(self) -> Node:
        """A whole formula, what it is called left out."""
        node = self.condition()
        self.take(".", ",")
        if self.word.kind != "end":
            _fail(self.word.span, f"`{self.word.text}` cannot be read here")
        return node

    def condition(self) -> Node:
        """Comparisons joined by words, or a plain value."""
        node = self.comparison()
        while (joint := self.take("and", "or")) is not None:
            node = Compare((joint.kind,), (node, self.comparison()))
        return node

    def comparison(self) -> Node:
        """A chain of comparisons."""
        if self.take("not"):
            return Call("not", (self.comparison(),))
        args, relations = [self.sum()], []
        while (relation := self.take(*_RELATIONS)) is not None:
            relations.append(_RELATIONS[relation.kind])
            args.append(self.sum())
        return Compare(tuple(relations), tuple(args)) if relations else args[0]

    # --- sums and products

    def sum(self) -> Node:
        """Terms joined by + and -."""
        terms: list[tuple[int, Node]] = []
        sign = -1 if self.take("-") else 1
        self.take("+")
        terms.append((sign, self.term()))
        while (op := self.take("+", "-")) is not None:
            terms.append((1 if op.kind == "+" else -1, self.term()))
        terms = self.extended(terms)
        return terms[0][1] if len(terms) == 1 and terms[0][0] > 0 else Sum(tuple(terms))

    def extended(self, terms: list[tuple[int, Node]]) -> list[tuple[int, Node]]:
        """Terms in which a sum without brackets holds those after it that have its index."""
        merged: list[tuple[int, Node]] = []
        for sign, term in terms:
            big = _open_big(merged[-1][1]) if merged else None
            if big is not None and set(big.indices) - set(self.bound) & free(term):
                outer = merged[-1][0]
                body = Sum((*_terms(big.body), (sign, term)))
                merged[-1] = (outer, _with_big(merged[-1][1], replace(big, body=body)))
            else:
                merged.append((sign, term))
        return merged

    def term(self) -> Node:
        """Factors beside one another, or joined by signs."""
        if self.take("-"):
            return Sum(((-1, self.term()),))
        over, under = [self.factor()], list[Node]()
        while True:
            if self.take("*"):
                over.append(self.factor())
            elif self.take("/"):
                under.append(self.factor())
            elif self.starts_factor():
                over.append(self.factor())
            else:
                return (
                    over[0] if len(over) == 1 and not under else Product(tuple(over), tuple(under))
                )

    def starts_factor(self) -> bool:
        """Whether a factor stands next without a sign before it."""
        kinds = ("number", "name", "function", "big", "(", "[", "{", "{{", "<<", "1[")
        texts = (*_FRACTIONS, "sqrt", *_ACCENTS, *_TEXTS, "begin", "lfloor", "lceil")
        if self.word.kind == "|":
            return self.bars == 0
        if self.word.kind == "||":
            return self.norms == 0
        return self.word.kind in kinds or self.is_command(*texts)

    def factor(self) -> Node:
        """One factor with its power."""
        node = self.atom()
        while self.word.kind in ("^", "_", "'"):
            node = self.raised(node)
        return node

    def raised(self, node: Node) -> Node:
        """A factor with what stands above or below it."""
        if self.take("_"):
            if self.word.kind == "+" or (self.word.kind == "{" and self.peek(1) == "+"):
                self.argument_words()
                return Call("relu", (_inside(node),))
            _fail(self.word.span, "a subscript stands only at a name")
        self.need("^")
        inner = self.argument_words()
        if [w.kind for w in inner] in (["^T"],) or (
            [w.text for w in inner] == ["T"] and "T" not in self.sizes
        ):
            return self.dot(node)
        exponent = self.inner(inner)
        return Call("exp", (exponent,)) if node == Var("e") else Power(node, exponent)

    def peek(self, ahead: int) -> str:
        """The kind of a word further on."""
        return self.words[self.at + ahead].kind if self.at + ahead < len(self.words) else "end"

    def dot(self, left: Node) -> Node:
        """The dot product of two vectors."""
        return self.along("sum", Product((left, self.factor())))

    def along(self, function: str, body: Node) -> Spread:
        """A reduction along the index that vectors have and the paper leaves out."""
        self.spread += 1
        return Spread(function, f"#{self.spread}", body)

    def inner(self, words: Sequence[Word]) -> Node:
        """The formula in a group of words."""
        reader = replace(self, words=words, at=0, bars=0, norms=0)
        if words:
            reader.end = words[-1].span
        node = reader.condition()
        if reader.word.kind != "end":
            _fail(reader.word.span, f"`{reader.word.text}` cannot be read here")
        self.spread = reader.spread
        return node

    def argument_words(self) -> list[Word]:
        """The words of an argument: a group in braces, or one word."""
        if self.take("{") is None:
            word = self.word
            if word.kind == "end":
                _fail(word.span, "an argument is missing here")
            if word.kind == "number" and len(word.text) > 1 and "." not in word.text:
                self.words = [
                    *self.words[: self.at],
                    replace(word, text=word.text[0]), replace(word, text=word.text[1:]),
                    *self.words[self.at + 1 :],
                ]  # fmt: skip
            self.at += 1
            if word.kind == "command" and word.text in (*_FRACTIONS, "sqrt", *_ACCENTS, *_TEXTS):
                start = self.at - 1
                for _ in range(2 if word.text in _FRACTIONS else 1):
                    self.argument_words()
                return [*self.words[start : self.at]]
            return [self.words[self.at - 1]]
        start, depth = self.at, 1
        while depth:
            word = self.word
            if word.kind == "end":
                _fail(self.words[start - 1].span, "this `{` is never closed")
            depth += (word.kind == "{") - (word.kind == "}")
            self.at += 1
        return [*self.words[start : self.at - 1]]

    def argument(self) -> Node:
        """The argument of a command."""
        return self.inner(self.argument_words())

    # --- atoms

    def atom(self) -> Node:
        """A number, a name, a call, or what stands in brackets."""
        word = self.word
        match word.kind:
            case "number":
                self.at += 1
                return Num(word.text)
            case "name":
                self.at += 1
                return self.named(word)
            case "function":
                self.at += 1
                return self.call(word)
            case "big":
                self.at += 1
                return self.big(word)
            case "(" | "[" | "{" | "{{":
                return self.bracketed()
            case "|":
                return self.bars_around()
            case "||":
                return self.norm()
            case "<<":
                self.at += 1
                left = self.sum()
                self.need(",")
                right = self.sum()
                self.need(">>")
                return self.along("sum", Product((Group(left), Group(right))))
            case "1[":
                self.at += 1
                return self.indicator()
            case "command":
                self.at += 1
                return self.command(word)
        shown = f"`{word.text}`" if word.text else "the end"
        _fail(word.span, f"expected a formula, found {shown}")

    def command(self, word: Word) -> Node:
        """A command that begins a factor."""
        name = word.text
        if name in _FRACTIONS:
            top, bottom = self.argument(), self.argument()
            return Product((Group(top),), (Group(bottom),))
        if name == "sqrt":
            degree = self.inner(self.until("]")) if self.take("[") else None
            body = self.argument()
            if degree is not None and degree != Num("2"):
                return Power(Group(body), Product((Num("1"),), (Group(degree),)))
            return Call("sqrt", (body,))
        if name in ("mathbb", "mathbf") and self.first_text() in ("1", "I"):
            self.argument_words()
            return self.indicator()
        if name == "mathbb" and self.first_text() == "E":
            self.argument_words()
            return self.named(Word("name", "E", word.span))
        if name in _ACCENTS:
            base = self.argument()
            if not isinstance(base, Var):
                _fail(word.span, f"`\\{name}` stands only over a name")
            accent = "" if base.id.endswith("hat") else _ACCENTS[name]
            return self.subscripted(Var(base.id + accent, base.subs))
        if name in _TEXTS:
            text = "".join(w.text for w in self.argument_words())
            return self.texted(Word("name", text, word.span))
        if name == "begin" and "".join(w.text for w in self.argument_words()) == "cases":
            return self.cases()
        if name in ("lfloor", "lceil"):
            body = self.sum()
            self.at += 1
            return Call("floor" if name == "lfloor" else "ceil", (body,))
        _fail(word.span, f"`\\{name}` is not known", "write the formula without it")

    def first_text(self) -> str:
        """The text of the next argument's first word."""
        ahead = 1 if self.word.kind == "{" else 0
        return self.words[self.at + ahead].text if self.at + ahead < len(self.words) else ""

    def until(self, kind: str) -> list[Word]:
        """The words up to a mark, which is taken."""
        start = self.at
        while self.word.kind not in (kind, "end"):
            self.at += 1
        self.need(kind)
        return [*self.words[start : self.at - 1]]

    def texted(self, word: Word) -> Node:
        """A word in upright letters: a function, or a name."""
        known = word.text.lower()
        if known in FUNCTIONS:
            return self.call(replace(word, text=known))
        if known in _BIG:
            return self.big(replace(word, text=_BIG[known]))
        name = ascii_name(word.text)
        if not name or not name.isidentifier():
            _fail(word.span, f"`{word.text}` cannot be read")
        return self.named(replace(word, text=name))

    def named(self, word: Word) -> Node:
        """A name: with subscripts, or a function if a parenthesis follows."""
        name = word.text
        if name == "E" and self.word.kind in ("[", "(", "_", "{{"):
            if self.take("_"):
                self.argument_words()
            return Big("mean", (), _inside(self.bracketed()))
        if name in _CALLED and self.word.kind == "(":
            return Call(_CALLED[name], self.parenthesised())
        node = self.subscripted(Var(name))
        below = [s.id for s in node.subs if isinstance(s, Var)]
        called = name in ("f", "g", "h") or any(
            s in _RENAMED.values() or s in _GREEK.split() for s in below
        )
        if called and self.word.kind == "(":
            _fail(word.span, f"`{name}` is no known function", "write a name for its value")
        return node

    def subscripted(self, node: Var) -> Var:
        """A name with what stands below it; an index above it in parentheses is one too."""
        while True:
            if self.word.kind == "_" and self.peek(1) != "+":
                self.at += 1
                node = self.with_subs(node, self.argument_words())
            elif self.word.kind == "^" and self.peek(1) == "{" and self.peek(2) == "(":
                self.at += 1
                node = self.with_subs(node, self.argument_words()[1:-1])
            elif self.take("'"):
                node = replace(node, id=f"{node.id}prime")
            else:
                return node

    def with_subs(self, node: Var, words: Sequence[Word]) -> Var:
        """A name with the subscripts of a group, or with a word that becomes part of it."""
        label = "".join(w.text for w in words if w.kind not in ("{", "}"))
        texts = [w for w in words if w.kind == "command"]
        only = len(words) == 1 and words[0].kind == "name" and len(words[0].text) > 1
        if (texts and texts[0].text in _TEXTS) or (only and words[0].text not in _GREEK):
            plain = "".join(w.text for w in words if w.kind == "name")
            if plain in ("true", "pred"):
                return Var("y" if plain == "true" else "yhat")
            if only and len(plain) == 2 and not texts:
                return replace(node, subs=node.subs + tuple(Var(c) for c in plain))
            return replace(node, id=f"{node.id}_{plain}")
        if label.isdigit() and not node.subs:
            return replace(node, id=f"{node.id}{label}")
        if label == "":
            return node
        parts = [part for part in _split(words, ",") if part]
        found: list[Node] = []
        for part in parts:
            if len(part) > 1 and all(w.kind == "name" for w in part):
                found += [Var(w.text) for w in part]
            else:
                found.append(self.inner(part))
        return replace(node, subs=(*node.subs, *found))

    def parenthesised(self) -> tuple[Node, ...]:
        """The arguments of a function in brackets."""
        opener = self.take("(", "[", "{", "{{")
        if opener is None:
            _fail(self.word.span, "brackets are missing here")
        closer = {"(": ")", "[": "]", "{": "}", "{{": "}}"}[opener.kind]
        outer, self.bars, self.norms = (self.bars, self.norms), 0, 0
        args = [self.condition()]
        while self.take(","):
            args.append(self.condition())
        self.need(closer)
        self.bars, self.norms = outer
        return tuple(args)

    def bracketed(self) -> Node:
        """What stands in brackets."""
        span = self.word.span
        args = self.parenthesised()
        if len(args) > 1:
            _fail(span, "a list of values stands only after a function")
        return Group(args[0])

    def call(self, word: Word) -> Node:
        """A function with its argument; without brackets it takes the names that follow."""
        function = FUNCTIONS[word.text]
        power: Node | None = None
        while self.word.kind in ("_", "^"):
            mark = self.word.kind
            self.at += 1
            inner = self.argument_words()
            if mark == "^":
                power = self.inner(inner)
            elif function == "log" and "".join(w.text for w in inner) in ("2", "10"):
                function += "".join(w.text for w in inner)
            else:
                _fail(inner[0].span, f"`{word.text}` takes no such subscript")
        if self.word.kind in ("(", "[", "{", "{{"):
            args = self.parenthesised()
        else:
            args = (self.bare_argument(),)
        node: Node = Call(function, args)
        return node if power is None else Power(node, power)

    def bare_argument(self) -> Node:
        """The argument of a function without brackets: names, numbers and fractions in a row."""
        over = [self.factor()]
        simple = ("number", "name")
        while self.word.kind in simple or self.is_command(*_FRACTIONS, *_ACCENTS):
            over.append(self.factor())
        return over[0] if len(over) == 1 else Product(tuple(over))

    def bars_around(self) -> Node:
        """An absolute value, or the length of a set."""
        self.need("|")
        self.bars += 1
        node = self.sum()
        self.bars -= 1
        self.need("|")
        if isinstance(node, Var) and f"|{node.id}|" in self.sizes:
            return Var(f"|{node.id}|")
        if isinstance(node, Var) and node.id.isupper() and not node.subs:
            return Var(f"|{node.id}|")
        return Call("abs", (node,))

    def norm(self) -> Node:
        """A norm, by the number below it."""
        self.need("||")
        self.norms += 1
        node = self.sum()
        self.norms -= 1
        self.need("||")
        kind = "2"
        if self.take("_"):
            kind = "".join(w.text for w in self.argument_words())
        if kind not in ("1", "2", "F"):
            _fail(self.word.span, f"the norm `{kind}` cannot be read", "1 and 2 are known")
        return self.along("norm1" if kind == "1" else "norm", node)

    def indicator(self) -> Node:
        """1 where a condition holds, else 0."""
        if self.take("_"):
            inner = [w for w in self.argument_words() if w.kind not in ("{{", "}}")]
            return Call("indicator", (self.inner(inner),))
        return Call("indicator", self.parenthesised())

    def cases(self) -> Node:
        """Values with their conditions, row by row."""
        rows: list[tuple[Node, Node | None]] = []
        while not self.is_command("end"):
            value = self.sum()
            self.take(",")
            self.take("&")
            other = self.said()
            rows.append(
                (
                    value,
                    None if other or self.word.kind in ("newline", "command") else self.condition(),
                )
            )
            self.take(",", ".")
            if not self.take("newline"):
                break
        if not self.is_command("end"):
            _fail(self.word.span, "expected `\\end{cases}` here")
        self.at += 1
        self.argument_words()
        return Cases(tuple(rows))

    def said(self) -> bool:
        """Take the words before a condition; whether they stand for all else."""
        said = ""
        while self.word.kind == "text" or self.is_command(*_TEXTS):
            if self.word.kind == "text":
                said += self.word.text
                self.at += 1
            else:
                self.at += 1
                said += "".join(w.text for w in self.argument_words())
        return said.lower() in ("otherwise", "else")

    # --- reductions

    def big(self, word: Word) -> Node:
        """A reduction with its limits, over the factors that follow."""
        below: list[Word] = []
        above: list[Word] = []
        while self.word.kind in ("_", "^"):
            mark = self.word.kind
            self.at += 1
            if mark == "_":
                below = self.argument_words()
            else:
                above = self.argument_words()
        indices, kept, ranges = self.limits(below, above, word)
        if word.text in ("max", "min") and not indices and self.word.kind in ("(", "{{", "[", "{"):
            args = self.parenthesised()
            return Call(word.text, args)
        called = word.span.text.isalpha() and word.span.text.isascii()
        if called and not below and self.word.kind == "(":
            return Big(word.text, (), Group(self.bracketed()))
        self.bound += indices
        body = self.term()
        del self.bound[len(self.bound) - len(indices) :]
        return Big(word.text, indices, body, kept, ranges)

    def limits(
        self, below: Sequence[Word], above: Sequence[Word], word: Word
    ) -> tuple[tuple[str, ...], tuple[Node, ...], tuple[tuple[str, str], ...]]:
        """The indices under a sign of reduction, the conditions on them, and given ranges."""
        if not below:
            return (), (), ()
        at = next(
            (k for k, w in enumerate(below) if w.kind not in ("name", ",", "(", ")")), len(below)
        )
        mark = below[at].kind if at < len(below) else "end"
        names = [w.text for w in below[:at] if w.kind == "name"]
        rest = below[at + 1 :]
        if mark == "end" or (not names and mark != "number"):
            return self.checked(names, word), (), ()
        if mark in ("in",):
            for w in (w for w in rest if w.kind == "name"):
                self.sizes.setdefault(f"|{w.text}|", names[0])
                self.lengths[names[0]] = f"|{w.text}|"
            return self.checked(names, word), (), ()
        if mark in (":", "|"):
            return self.checked(names, word), (self.inner(rest),), ()
        if mark == "=":
            low, *conditions = _split(rest, ",")
            kept, ranges = self.ends(names, low, above)
            kept += tuple(self.inner(c) for c in conditions if c)
            return self.checked(names, word), kept, ranges
        condition = self.inner(below)
        fresh = [w.text for w in below if w.kind == "name" and w.text not in self.bound]
        new = [n for n in dict.fromkeys(fresh) if n.islower() and len(n) == 1]
        return self.checked(new, word), (condition,), ()

    def checked(self, names: Sequence[str], word: Word) -> tuple[str, ...]:
        """The indices of a list, each once."""
        if len(set(names)) < len(names):
            _fail(word.span, "an index is listed twice")
        return tuple(names)

    def ends(
        self, names: Sequence[str], rest: Sequence[Word], above: Sequence[Word]
    ) -> tuple[tuple[Node, ...], tuple[tuple[str, str], ...]]:
        """What the first and the last place of an index ask for."""
        low, high = self.inner(rest), self.inner(above) if above else None
        start = int(low.text) if isinstance(low, Num) and low.text.isdigit() else None
        if start is None:
            _fail(rest[0].span, "a sum starts at a number")
        base = 0 if start == 0 else 1
        kept: list[Node] = []
        for name in names:
            self.first[name] = base
            if isinstance(high, Num):
                return (), ((name, f"{start - base}..{int(high.text) - base}"),)
            if start > base:
                kept.append(Compare((">=",), (Var(f"#{name}"), Num(str(start - base)))))
            last = _last(high)
            if last is not None:
                self.sizes.setdefault(last[0], name)
                self.lengths[name] = last[0]
                gap = last[1] + base - 1
                if gap < 0:
                    size = Sum(((1, Var(last[0])), (-1, Num(str(-gap)))))
                    kept.append(Compare(("<",), (Var(f"#{name}"), size)))
        return tuple(kept), ()


def _last(node: Node | None) -> tuple[str, int] | None:
    """A name of a length, and what is added to it."""
    match node:
        case Var(id=name, subs=()):
            return name, 0
        case Sum(terms=((1, Var(id=name, subs=())), (sign, Num(text=text)))) if text.isdigit():
            return name, sign * int(text)
    return None


def _split(words: Sequence[Word], kind: str) -> list[list[Word]]:
    parts: list[list[Word]] = [[]]
    depth = 0
    for word in words:
        depth += (word.kind == "{") - (word.kind == "}")
        if word.kind == kind and depth == 0:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _inside(node: Node) -> Node:
    return node.body if isinstance(node, Group) else node


def _terms(node: Node) -> tuple[tuple[int, Node], ...]:
    return node.terms if isinstance(node, Sum) else ((1, node),)


def _open_big(node: Node) -> Big | None:
    """The sum that a term ends with, if no bracket closes it."""
    match node:
        case Big():
            return node if node.indices else None
        case Product(over=over) if isinstance(over[-1], Big):
            return _open_big(over[-1])
        case Sum(terms=((_, only),)):
            return _open_big(only)
    return None


def _with_big(node: Node, big: Big) -> Node:
    match node:
        case Product():
            return replace(node, over=(*node.over[:-1], big))
        case Sum(terms=((sign, only),)):
            return Sum(((sign, _with_big(only, big)),))
    return big


def children(node: Node) -> tuple[Node, ...]:
    """The parts of a formula."""
    match node:
        case Var(subs=parts) | Call(args=parts) | Compare(args=parts):
            return parts
        case Sum(terms=terms):
            return tuple(t for _, t in terms)
        case Product(over=over, under=under):
            return over + under
        case Power(base=a, exponent=b):
            return a, b
        case Group(body=body) | Spread(body=body):
            return (body,)
        case Big(body=body, kept=kept):
            return (body, *kept)
        case Cases(rows=rows):
            return tuple(n for row in rows for n in row if n is not None)
    return ()


def rebuilt(node: Node, change: Callable[[Node], Node]) -> Node:
    """A formula with every part changed, parts before wholes."""

    def each(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
        return tuple(rebuilt(n, change) for n in nodes)

    match node:
        case Var(subs=parts):
            node = replace(node, subs=each(parts))
        case Call(args=parts) | Compare(args=parts):
            node = replace(node, args=each(parts))
        case Sum(terms=terms):
            node = Sum(tuple((s, rebuilt(t, change)) for s, t in terms))
        case Product(over=over, under=under):
            node = Product(each(over), each(under))
        case Power(base=a, exponent=b):
            node = Power(*each((a, b)))
        case Group(body=body) | Spread(body=body):
            node = replace(node, body=rebuilt(body, change))
        case Big(body=body, kept=kept):
            node = replace(node, body=rebuilt(body, change), kept=each(kept))
        case Cases(rows=rows):
            node = Cases(tuple((rebuilt(v, change), c and rebuilt(c, change)) for v, c in rows))
    return change(node)


def free(node: Node) -> set[str]:
    """The indices in subscripts that no reduction inside binds."""
    match node:
        case Var(subs=subs):
            own = {v.id for s in subs for v in _index_vars(s)}
            return own.union(*(free(s) for s in subs))
        case Big(indices=indices):
            return set().union(*map(free, children(node))) - set(indices)
        case Spread(index=index, body=body):
            return free(body) - {index}
    return set().union(*map(free, children(node)))


def _index_vars(node: Node) -> Iterator[Var]:
    """The plain names of a subscript."""
    if isinstance(node, Var) and not node.subs:
        yield node
    for part in () if isinstance(node, Var) else children(node):
        yield from _index_vars(part)
