"""The ASCII spelling of Unicode names and symbols: `ŷ` is `yhat`, `λ` is `lam`, `≤` is `<=`."""

from __future__ import annotations

import unicodedata

_LOWER = "αβγδεζηθικλμνξοπρστυφχψω"
_UPPER = "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ"
_NAMES = [
    "alpha", "beta", "gamma", "delta", "eps", "zeta", "eta", "theta", "iota", "kappa", "lam",
    "mu", "nu", "xi", "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi",
    "omega",
]  # fmt: skip
_VARIANTS = {
    "ϵ": "eps", "ϑ": "theta", "ϰ": "kappa", "ϖ": "pi", "ϱ": "rho", "ς": "sigma", "ϕ": "phi",
    "µ": "mu", "ℓ": "ell",
}  # fmt: skip
_MARKS = {
    "\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0305": "bar", "\u0307": "dot",
    "\u0308": "ddot", "\u20d7": "vec", "\u2032": "prime",
}  # fmt: skip
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
_PIECES = (
    dict(zip(_LOWER, _NAMES, strict=True))
    | dict(zip(_UPPER, (name.capitalize() for name in _NAMES), strict=True))
    | _VARIANTS
    | _MARKS
    | _SUBSCRIPTS
)
# Letters that are a word of the language when they stand alone.
_WORDS = {"Σ": "sum", "Π": "prod", "ℝ": "real", "ℤ": "int"}

# Symbols that mean a word or an operator, wherever they stand.
SYMBOLS = {
    "∈": "in", "≤": "<=", "⩽": "<=", "≥": ">=", "⩾": ">=", "≠": "!=", "·": "*", "⋅": "*",
    "×": "*", "∗": "*", "−": "-", "÷": "/", "∕": "/", "∣": "|", "…": "...", "⋯": "...",
    "→": "->", "∧": "and", "∨": "or", "¬": "not", "∞": "inf", "∑": "sum", "∏": "prod",
    "⇔": "iff", "⟺": "iff",
}  # fmt: skip

_SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def ascii_name(text: str) -> str | None:
    """The ASCII spelling of the name `text`, or None where a letter of it has none."""
    if text.isascii():
        return text
    if text in _WORDS:
        return _WORDS[text]
    pieces = [_piece(char) for char in unicodedata.normalize("NFD", text)]
    return None if None in pieces else "".join(piece for piece in pieces if piece)


def is_letter(char: str) -> bool:
    """Whether a character can stand in a longer name."""
    return None not in map(_piece, unicodedata.normalize("NFD", char))


def _piece(char: str) -> str | None:
    return char if char.isascii() else _PIECES.get(char)


def ascii_digits(superscript: str) -> str:
    """The integer that a run of superscript digits spells."""
    return superscript.translate(_SUPERSCRIPTS)
