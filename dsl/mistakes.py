"""What a syntax error means to the person who made it: from a refused token to a diagnostic."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from .diagnostics import Diagnostic, Label
from .lexer import CLOSERS, OPENERS, RESERVED, Token
from .source import Span

_OPERANDS = frozenset(["NAME", "NUMBER", "true", "false", "none", "(", "√"])
_REMOVABLE = frozenset([",", "+", "-", "*", "/", "^", "and", "or", "not", "√"])
_STATEMENTS = frozenset(["for", "while", "import", "from", "return", "def", "class", "print"])

# What could have stood at the place, as the user would say it; the first that fits is named.
_WANTED = {
    "NUMBER": "an expression",
    "NAME": "a name",
    "STRING": "a file in quotes",
}
_SHOWN = {
    "LPAR": "`(`", "RPAR": "`)`", "LSQB": "`[`", "RSQB": "`]`", "RBRACE": "`}`", "LBRACE": "`{`",
    "COMMA": "`,`", "SEMICOLON": "`;`", "COLON": "`:`", "EQUAL": "`=`", "RANGE": "`..`",
    "DOTS": "`...`", "ARROW": "`->`", "IF": "`if`", "THEN": "`then`", "ELSE": "`else`",
    "IN": "`in`",
    "IFF": "`iff`", "BY": "`by`", "UNDER": "`under`", "OF": "`of`", "EQUALS": "`equals`",
    "VBAR": "`|`",
}  # fmt: skip
_EXAMPLES = {
    "head": "a loss reads `loss NAME(inputs; params) = formula`",
    "use": 'write `use std.regression: huber` or `use "shared.loss": smooth_abs`',
    "entry": "an entry reads `x in [0, 1]`, `x > 0` or `e = y - yhat`",
    "claim": "a claim reads `huber >= 0`, `convex in yhat`, `lipschitz in yhat by 1`, ...",
    "expr": "a formula reads `mean((y - yhat)^2)`",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """The place where a piece of text stopped making sense.

    `tokens` is the whole piece, `at` the index of the token refused (its length at the end),
    `expected` the terminals that could have stood there, `start` what was being read.
    """

    tokens: Sequence[Token]
    at: int
    expected: Collection[str]
    start: str
    end: Span

    @property
    def token(self) -> Token | None:
        """The token refused, or None at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    @property
    def kind(self) -> str:
        """Its kind, or "" at the end."""
        return self.token.kind if self.token else ""

    @property
    def span(self) -> Span:
        """Its place."""
        return self.token.span if self.token else self.end

    @property
    def before(self) -> Token | None:
        """The token before it."""
        return self.tokens[self.at - 1] if self.at else None

    @property
    def kind_before(self) -> str:
        """The kind of the token before it, or "" at the beginning."""
        return self.before.kind if self.before else ""

    @property
    def wants_operand(self) -> bool:
        """Whether an expression should have begun here."""
        return "NUMBER" in self.expected and "NAME" in self.expected

    @property
    def wants_operator(self) -> bool:
        """Whether an expression could have gone on here."""
        return "TIMES" in self.expected

    @property
    def open_bracket(self) -> Token | None:
        """The innermost bracket that is open here."""
        stack: list[Token] = []
        for token in self.tokens[: self.at]:
            if token.kind in OPENERS:
                stack.append(token)
            elif token.kind in CLOSERS and stack:
                stack.pop()
        return stack[-1] if stack else None


def explain(refusal: Refusal) -> Diagnostic:
    """The diagnostic for a refused token: the first mistake known that fits."""
    for known in _KNOWN:
        found = known(refusal)
        if found is not None:
            return found
    return _unexpected(refusal)


def _found(refusal: Refusal, code: str, message: str, help: str, mark: str = "") -> Diagnostic:
    return Diagnostic(code, message, Label(refusal.span, mark), help=help)


def _bracket(r: Refusal) -> Diagnostic | None:
    opener = r.open_bracket
    if r.token is None and opener is not None:
        message, mark = f"this `{opener.kind}` is never closed", "opens here"
        others = (Label(r.span, "still open here"),)
        how = f"close it with `{OPENERS[opener.kind]}`"
        return Diagnostic("E0107", message, Label(opener.span, mark), others, help=how)
    if r.kind not in CLOSERS:
        return None
    if opener is None:
        return _found(r, "E0107", f"this `{r.kind}` closes nothing", "remove it, or open it before")
    if CLOSERS[r.kind] != opener.kind:
        message = f"`{r.kind}` does not close `{opener.kind}`"
        others = (Label(opener.span, "opens here"),)
        how = f"write `{OPENERS[opener.kind]}` here"
        return Diagnostic("E0107", message, Label(r.span), others, help=how)
    return None


def _equals_sign(r: Refusal) -> Diagnostic | None:
    if r.kind != "=":
        return None
    if r.start == "expr" and r.open_bracket is None:
        first = r.tokens[0].text if r.at else ""
        name = "NAME" if first in ("", "loss", "def") else first
        how = f"to define a loss write `loss {name}(...) = ...`; to compare write `==`"
        return _found(r, "E0108", "a bare formula defines nothing", how)
    if r.start == "entry" and r.open_bracket is None:
        left = r.tokens[0].span.to(r.tokens[max(r.at - 1, 0)].span)
        how = "define a name, `s[i, j] = ...` or `f(x) = ...`; write `==` to compare"
        message = "this cannot stand on the left of `=`"
        return Diagnostic("E0120", message, Label(left), help=how)
    return _found(r, "E0108", "`=` defines; it does not compare", "write `==` to compare")


def _dot(r: Refusal) -> Diagnostic | None:
    if r.kind != "." or r.before is None:
        return None
    if r.kind_before == "NUMBER":
        text = r.before.text
        how = f"write `{text}` or `{text}.0`"
        return _found(r, "E0110", f"`{text}.` is not a number", how)
    if r.kind_before == "NAME":
        after = r.tokens[r.at + 1].text if r.at + 1 < len(r.tokens) else "log"
        message = f"names have no dots: `{r.before.text}.{after}`"
        return _found(r, "E0114", message, f"write `{after}`; functions need no module")
    return None


def _python(r: Refusal) -> Diagnostic | None:
    if r.kind == "if" and r.wants_operator:
        how = "write `if c then a else b`, in parentheses within an expression"
        return _found(r, "E0115", "a condition comes first", how)
    if r.kind_before == "NAME" and r.before and r.before.text == "lambda":
        how = "define a function in `where`: `f(x) = x^2`"
        span = r.before.span
        return Diagnostic("E0115", "there is no `lambda`", Label(span), help=how)
    if r.before and r.before.text in _STATEMENTS and not r.wants_operand and r.kind == "NAME":
        how = "a file holds formulas, such as `mean((y - yhat)^2)`"
        span = r.before.span
        return Diagnostic("E0115", f"`{r.before.text}` is Python", Label(span), help=how)
    if r.kind == ":" and r.open_bracket and r.open_bracket.kind == "[":
        return _found(r, "E0115", "there are no slices", _slice(r))
    if r.kind == ":" and r.start == "expr":
        how = "a formula has no `:`; a conditional reads `if c then a else b`"
        return _found(r, "E0115", "there is no `:` in a formula", how)
    return None


def _slice(r: Refusal) -> str:
    """What to write for a slice: of whole axes and places, with the axes named."""
    opener = r.open_bracket
    at = next(k for k, t in enumerate(r.tokens) if t is opener)
    stop = next((k for k in range(at, len(r.tokens)) if r.tokens[k].kind == "]"), at)
    slots = [[]] if stop == at else _slots(r.tokens[at + 1 : stop])
    kinds = [[t.kind for t in slot] for slot in slots]
    whole = [":"], ["..."], ["NUMBER"]
    if at == 0 or not any(k == ["NUMBER"] for k in kinds) or any(k not in whole for k in kinds):
        return "name the index and its range: `sum[i in 0..3](x[i])`; `x` alone is all of it"
    names = iter(["batch", *(["h", "w", "d"] if len(slots) > 2 else ["class"]), "c3", "c4", "c5"])
    read = [t[0].text if k != [":"] else next(names) for t, k in zip(slots, kinds, strict=True)]
    sizes = [str(max(int(s) + 1, 2)) if s.isdigit() else s for s in read]
    name = r.tokens[at - 1].text
    declared, place = f"{name}[{', '.join(sizes)}]", f"{name}[{', '.join(read)}]"
    return f"declare the axes, as in `loss f({declared}, ...)`, and write `{place}`"


def _slots(tokens: Sequence[Token]) -> list[list[Token]]:
    slots: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind == ",":
            slots.append([])
        else:
            slots[-1].append(token)
    return slots


def _array(r: Refusal) -> Diagnostic | None:
    if r.kind == "[" and r.wants_operator:
        how = "write all places in one pair, `y[i, j]`; put anything longer in parentheses"
        return _found(r, "E0118", "these brackets follow no name, call or parentheses", how)
    if r.kind != "[" or not r.wants_operand:
        return None
    how = "give a param this default and use its name: `q[k] = [0.1, 0.5]`"
    return _found(r, "E0126", "an array stands only as the default of a param", how)


def _number(r: Refusal) -> Diagnostic | None:
    """A malformed literal: `1_000`, `0x10`, `1.2.3`."""
    if r.kind_before != "NUMBER" or r.kind not in ("NAME", "NUMBER") or r.before is None:
        return None
    joined = r.before.span.stop == r.span.start
    text = r.before.text + r.span.text
    odd = r.kind == "NUMBER" or r.span.text.startswith("_") or text.lower().startswith("0x")
    if not joined or not odd:
        return None
    how = "write digits, a point and perhaps an exponent: `1000`, `0.25`, `1e-6`"
    span = r.before.span.to(r.span)
    return Diagnostic("E0110", f"`{text}` is not a number", Label(span), help=how)


def _no_operator(r: Refusal) -> Diagnostic | None:
    if not r.wants_operator or r.kind not in _OPERANDS or r.before is None or r.token is None:
        return None
    if r.kind == "NAME" and r.token.newline and r.open_bracket is None:
        what = f"`{r.span.text}` begins a line that does not go on from the one before"
        how = "put an operator between them; a new item begins with `loss` or `def`"
        return _found(r, "E0113", what, how)
    a, b = r.before.span.text, r.span.text
    message = f"there is no operator between `{a}` and `{b}`"
    ends, starts = r.kind_before in (")", "]", "|"), b == "("
    how = "write `*` to multiply" if ends or starts else f"to multiply, write `{a} * {b}`"
    return _found(r, "E0113", message, how)


def _double_bar(r: Refusal) -> Diagnostic | None:
    if r.kind == "|" and r.wants_operator:
        return _found(r, "E0105", "this `|` closes nothing", "write `or` between conditions")
    return None


def _reserved(r: Refusal) -> Diagnostic | None:
    if "NAME" not in r.expected or r.kind not in RESERVED or r.wants_operand:
        return None
    how = f"choose another name, such as `{r.kind}_`"
    return _found(r, "E0122", f"`{r.kind}` is a word of the language and cannot be a name", how)


def _condition(r: Refusal) -> Diagnostic | None:
    """An `if` without its `then` or `else`."""
    for word in ("then", "else"):
        if word.upper() in r.expected:
            what = _what(r)
            message = f"an `if` lacks its `{word}`: {what} stands here"
            return _found(r, "E0101", message, "write `if c then a else b`")
    if r.kind in ("then", "else"):
        how = "write `if c then a else b`; as an operand it stands in parentheses"
        return _found(r, "E0101", f"this `{r.kind}` belongs to no `if`", how)
    return None


def _description(r: Refusal) -> Diagnostic | None:
    if r.kind != "STRING" or r.start == "use":
        return None
    if r.start == "entry" and r.at == 0:
        how = 'put it on the line of its domain: `x in [0, 1]  "text"`'
    else:
        how = "a description follows a domain in `where`; use `#` for a comment"
    return _found(r, "E0101", "a text cannot stand here", how)


_KNOWN: tuple[Callable[[Refusal], Diagnostic | None], ...] = (
    _bracket, _equals_sign, _dot, _python, _array, _number, _no_operator, _double_bar, _reserved,
    _condition, _description,
)  # fmt: skip


def _what(r: Refusal) -> str:
    if r.token is None:
        return f"`{r.end.text}`" if r.end.text else "the end"
    return f"`{r.span.text}`" if len(r.span.text) <= 40 else "this"


def _unexpected(r: Refusal) -> Diagnostic:
    before = f"`{r.before.span.text}`" if r.before and len(r.before.span.text) <= 40 else ""
    place = f" after {before}" if before else ""
    message = f"expected {_expected(r)}{place}, found {_what(r)}"
    how = _EXAMPLES[r.start]
    if r.wants_operand and before:
        remove = f", or remove {before}" if r.kind_before in _REMOVABLE else ""
        how = f"write a name, a number or a call after {before}{remove}"
    return _found(r, "E0101", message, how)


def _expected(r: Refusal) -> str:
    """What could have stood there, in few words."""
    if r.wants_operand:
        return "a claim" if r.start == "claim" and r.at == 0 else "an expression"
    if r.wants_operator:
        due = [_SHOWN[t] for t in ("BY", "EQUALS") if t in r.expected]
        if due:
            return due[0]
        closing = [_SHOWN[t] for t in ("RPAR", "RSQB", "RBRACE", "VBAR") if t in r.expected]
        return " or ".join(["an operator", *closing[:1]])
    words = [_WANTED.get(t) or _SHOWN.get(t) for t in sorted(r.expected)]
    shown = [word for word in words if word]
    if not shown:
        return "nothing more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"
