"""Formulas as presentation MathML, for pages that a browser shows without a script.

How each construct is laid out is said once, by `to_latex`; here its LaTeX, which has few commands
and is always well formed, is read and written as MathML Core. What LaTeX leaves to the eye is put
in for those who listen: products and applications have their invisible operators.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from lossc.dsl import ast

from .to_latex import latex, latex_expr

_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "varepsilon": "ε", "zeta": "ζ",
    "eta": "η", "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν",
    "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ",
    "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ",
    "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Upsilon": "Υ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
    "ell": "ℓ", "infty": "∞", "dots": "…", "partial": "∂",
}  # fmt: skip
_FUNCTIONS = {"log", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"}
_LIMITED = {"max", "min"}  # functions whose indices stand below
_BIG = {"sum": "∑", "prod": "∏"}
_SIGNS = {"exists": "∃", "forall": "∀", "#": "#"}  # functions written as one sign
_OPERATORS = {
    "ne": "≠", "le": "≤", "ge": "≥", "in": "∈", "land": "∧", "lor": "∨", "cdot": "⋅",
    "lnot": "¬", "{": "{", "}": "}",
    "+": "+", "-": "−", "=": "=", "<": "<", ">": ">", ",": ",", ";": ";", ":": ":",
}  # fmt: skip
_PREFIX = {"−", "¬"}
_ACCENTS = {"hat": "^", "tilde": "~", "bar": "‾", "dot": "˙", "ddot": "¨", "vec": "→"}
_FENCES = {"lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉"}
_TALL = ("mfrac", "mtable", "munder", "munderover")
_APPLY, _TIMES, _THIN = "\u2061", "\u2062", "0.167em"

_TOKEN = re.compile(
    r"\\(?:operatorname|mathrm|mathbb|text|begin|end)\{[^{}]*\}"
    r"|\\(?:left|right)\s*(?:\\[A-Za-z]+|\\?.)|\\[A-Za-z]+|\\.|\d+(?:\.\d*)?|\.\d+|\S"
)
_WORDS = re.compile(r"\\([a-z]+)\{(.*)\}", re.DOTALL)
# A line longer than this many letters is broken before an operator.
_LINE = 56
_INDENT = "2em"
_BREAKS, _ENDS = ("=", "+", "−", "⋅"), ("operand", "function")


def mathml(item: ast.Loss | ast.Function) -> str:
    """A loss or function as a `math` element in display style: a line for each definition."""
    return from_latex(latex(item))


def mathml_expr(expr: ast.Expr, *, display: bool = False) -> str:
    """An expression as a `math` element."""
    return from_latex(latex_expr(expr), display=display)


def from_latex(text: str, *, display: bool = True) -> str:
    """LaTeX as `to_latex` writes it as a `math` element.

    In display style each definition has a line, and what is too long for one is broken. Raises
    ValueError for a command that `to_latex` does not write.
    """
    atoms = _Reader(_TOKEN.findall(text)).row()
    lines = list(_lines(atoms)) if display else [_row(atoms)]
    root = ET.Element("math", {"display": "block"} if display else {})
    root.append(lines[0] if len(lines) == 1 else _stacked(lines))
    return ET.tostring(root, encoding="unicode")


# --- parts ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Atom:
    """A part of a row and its role: an operand, a function, an operator, or a kind of space."""

    element: ET.Element
    role: str = "operand"

    @property
    def text(self) -> str:
        """The sign of an operator."""
        return self.element.text or ""


def _leaf(tag: str, text: str, **attributes: str) -> ET.Element:
    element = ET.Element(tag, attributes)
    element.text = text
    return element


def _node(tag: str, *children: ET.Element, **attributes: str) -> ET.Element:
    element = ET.Element(tag, attributes)
    element.extend(children)
    return element


def _row(atoms: Sequence[_Atom]) -> ET.Element:
    """The parts side by side, with the operators between them that the eye supplies."""
    elements = list(_spoken(atoms))
    return elements[0] if len(elements) == 1 else _node("mrow", *elements)


def _spoken(atoms: Sequence[_Atom]) -> Iterator[ET.Element]:
    before = ""
    for atom in atoms:
        if atom.role in ("operand", "function", "big"):
            yield from _between(before, atom)
        if atom.role == "operator" and atom.text in _PREFIX and before in ("", "operator", "big"):
            yield _leaf("mo", atom.text, form="prefix", lspace="0", rspace="0")
        elif atom.role != "thin":
            yield atom.element
        spaced = atom.role == "thin" and before in ("operand", "function")
        before = "times" if spaced else atom.role


def _between(before: str, atom: _Atom) -> Iterator[ET.Element]:
    """The invisible operator between two parts that stand side by side."""
    enclosed = atom.element.find("mo[@fence]") is not None
    if before == "times" or (before == "operand" and not enclosed):
        yield _leaf("mo", _TIMES, lspace="0", rspace=_THIN)
    elif before in ("function", "operand"):
        yield _leaf("mo", _APPLY, lspace="0", rspace="0" if enclosed else _THIN)


# --- lines ---------------------------------------------------------------------------------


def _lines(atoms: Sequence[_Atom]) -> Iterator[ET.Element]:
    """The statements of a formula, each on one line or broken into several."""
    statement: list[_Atom] = []
    for atom in [*atoms, _Atom(ET.Element("mspace"), "wide")]:
        if atom.role == "wide":
            while statement and statement[-1].text == ",":
                statement.pop()
            yield from _broken(statement)
            statement = []
        else:
            statement.append(atom)


def _broken(atoms: Sequence[_Atom]) -> Iterator[ET.Element]:
    """A statement in lines that begin with an operator, where it is too long for one."""
    line: list[_Atom] = []
    for term in _terms(atoms):
        if line and _width([*line, *term]) > _LINE:
            yield _row(line)
            line = [_Atom(_leaf("mspace", "", width=_INDENT), "indent")]
        line += term
    yield _row(line)


def _terms(atoms: Sequence[_Atom]) -> Iterator[list[_Atom]]:
    """The pieces of a statement that may stand on a line of their own."""
    term: list[_Atom] = []
    for k, atom in enumerate(atoms):
        if k and atom.role == "operator" and atom.text in _BREAKS and atoms[k - 1].role in _ENDS:
            yield term
            term = []
        term.append(atom)
    yield term


def _width(atoms: Sequence[_Atom]) -> float:
    return sum(_letters(atom.element) for atom in atoms)


def _letters(element: ET.Element) -> float:
    """About how many letters wide something is."""
    inside = [_letters(child) for child in element]
    if element.tag in ("mfrac", "mtable"):
        return max(inside, default=0)
    if element.tag in ("msub", "msup", "msubsup", "munder", "munderover"):
        return inside[0] + 0.7 * max(inside[1:])
    return len(element.text or "") + (element.tag == "mo") + sum(inside)


def _stacked(lines: Sequence[ET.Element]) -> ET.Element:
    """Lines below each other, flush left."""
    rows = [_node("mtr", _cell(line)) for line in lines]
    return _node("mtable", *rows, displaystyle="true", columnalign="left")


def _cell(content: ET.Element) -> ET.Element:
    return _node("mtd", content, style="text-align: left")


# --- reading -------------------------------------------------------------------------------


@dataclass
class _Reader:
    """Reads tokens of LaTeX from left to right."""

    tokens: list[str]
    at: int = 0

    def peek(self) -> str:
        """The next token, or nothing at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self) -> str:
        """The next token, which is passed."""
        token = self.peek()
        if not token:
            raise ValueError("a formula ends too early")
        self.at += 1
        return token

    def row(self, *ends: str) -> list[_Atom]:
        """Parts up to one of the ends, which is left to be read."""
        atoms: list[_Atom] = []
        while self.peek() and not self.peek().startswith(ends or ("\0",)):
            atoms.append(self.scripted(self.atom(self.next())))
        return atoms

    def group(self) -> ET.Element:
        """What stands in braces."""
        if self.next() != "{":
            raise ValueError("a group is missing")
        inside = _row(self.row("}"))
        self.next()
        return inside

    def scripted(self, atom: _Atom) -> _Atom:
        """A part with what stands below and above it."""
        below = self.script("_")
        above = self.script("^")
        parts = [atom.element, *(s for s in (below, above) if s is not None)]
        if len(parts) == 1:
            return atom
        limits = atom.role == "big" or atom.text in _LIMITED
        tag = _SCRIPTS[limits][below is not None, above is not None]
        return _Atom(_node(tag, *parts), atom.role)

    def script(self, sign: str) -> ET.Element | None:
        """A subscript or superscript, if there is one."""
        if self.peek() == "'" and sign == "^":
            self.next()
            return _leaf("mo", "′")
        if self.peek() != sign:
            return None
        self.next()
        return self.group() if self.peek() == "{" else self.atom(self.next()).element

    def atom(self, token: str) -> _Atom:
        """The part that a token begins."""
        if token[0] != "\\":
            return self.letter(token)
        if words := _WORDS.fullmatch(token):
            return self.words(*words.groups())
        if token.startswith(r"\left"):
            return self.fenced(token.removeprefix(r"\left").strip())
        return self.command(token[1:])

    def letter(self, token: str) -> _Atom:
        """A number, a name of one letter, or a sign."""
        if token in _OPERATORS and token not in "{}":
            return _Atom(_leaf("mo", _OPERATORS[token]), "operator")
        if token[0].isdigit() or token[0] == ".":
            return _Atom(_leaf("mn", token))
        if not token.isalpha():
            raise ValueError(f"not a part of a formula: {token}")
        return _Atom(_leaf("mi", token), "function" if self.applied() else "operand")

    def command(self, name: str) -> _Atom:
        """A construct, a Greek letter, or a sign."""
        if name in (",", "quad"):
            return _Atom(_leaf("mspace", ""), "thin" if name == "," else "wide")
        if name == "frac":
            return _Atom(_node("mfrac", self.group(), self.group()))
        if name == "sqrt":
            return _Atom(self.root())
        if name in _ACCENTS:
            mark = _leaf("mo", _ACCENTS[name], stretchy="false")
            return _Atom(_node("mover", self.group(), mark, accent="true"))
        if name in _BIG:
            return _Atom(_leaf("mo", _BIG[name]), "big")
        if name in _FUNCTIONS or name in _LIMITED or name in _SIGNS:
            return _Atom(_leaf("mi", _SIGNS.get(name, name)), "function")
        if name in _OPERATORS:
            return _Atom(_leaf("mo", _OPERATORS[name]), "operator")
        if name not in _GREEK:
            raise ValueError(f"not a command of formulas: {name}")
        letter = _GREEK[name]
        upright = {} if letter.islower() else {"mathvariant": "normal"}
        return _Atom(_leaf("mi", letter, **upright), "function" if self.applied() else "operand")

    def applied(self) -> bool:
        """Whether a name stands right before its argument; a product has a sign between."""
        return self.peek().startswith(r"\left")

    def root(self) -> ET.Element:
        """A square root, or one with its degree in brackets."""
        if self.peek() != "[":
            return _node("msqrt", self.group())
        self.next()
        degree = _row(self.row("]"))
        self.next()
        return _node("mroot", self.group(), degree)

    def words(self, command: str, said: str) -> _Atom:
        """Upright text: the name of an operator or quantity, a sign, words, or a table."""
        if command == "operatorname":
            return _Atom(_leaf("mi", said.replace(r"\,", "\u00a0")), "function")
        if command == "mathrm":
            said = said.replace(r"\,", "\u00a0")
            upright = {"mathvariant": "normal"} if len(said) == 1 else {}
            return _Atom(_leaf("mi", said, **upright), "function" if self.applied() else "operand")
        if command == "mathbb":
            return _Atom(_leaf("mn", said.replace("1", "𝟙")), "function")
        if command == "text":
            return _Atom(_leaf("mtext", said.replace(" ", "\u00a0")), "text")
        return self.cases()

    def cases(self) -> _Atom:
        r"""The rows of an `if`, up to `\end`."""
        rows: list[ET.Element] = []
        while not rows or self.next() == r"\\":
            value = _row(self.row("&"))
            self.next()
            when = _row(self.row(r"\\", r"\end"))
            rows.append(_node("mtr", _cell(value), _cell(when)))
        table = _node("mtable", *rows, columnalign="left left")
        brace = _leaf("mo", "{", form="prefix", fence="true", stretchy="true")
        return _Atom(_node("mrow", brace, table))

    def fenced(self, opener: str) -> _Atom:
        """What stands between two delimiters that grow with it."""
        inside = _row(self.row(r"\right"))
        closer = self.next().removeprefix(r"\right").strip()
        grows = "true" if any(e.tag in _TALL for e in inside.iter()) else "false"
        before = _leaf("mo", _fence(opener), form="prefix", fence="true", stretchy=grows)
        after = _leaf("mo", _fence(closer), form="postfix", fence="true", stretchy=grows)
        return _Atom(_node("mrow", before, inside, after))


_SCRIPTS = {
    False: {(True, False): "msub", (False, True): "msup", (True, True): "msubsup"},
    True: {(True, False): "munder", (False, True): "mover", (True, True): "munderover"},
}


def _fence(sign: str) -> str:
    return _FENCES.get(sign.lstrip("\\"), sign.lstrip("\\"))
