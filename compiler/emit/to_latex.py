"""Formulas as LaTeX, from the syntax tree: what a paper would print.

The commands are those that KaTeX, MathJax and (but for the rows of an `if`) matplotlib know.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lossc.dsl import ast
from lossc.dsl.primitives import ALONG, BY_SYMBOL, PRIMITIVES, REDUCTIONS

# How tightly a formula binds; an operand that binds less stands in parentheses.
_CASES, _OR, _AND, _NOT, _COMPARE, _SUM, _BIG, _PRODUCT, _CALL, _ATOM = range(10)
_LEVELS = {
    "or": (_OR, _OR, _AND), "and": (_AND, _AND, _NOT), "+": (_SUM, _SUM, _BIG),
    "-": (_SUM, _SUM, _BIG),
}  # fmt: skip
_BIG_OPERATORS = ("sum", "prod")
_TIGHT = ("log1p", "expm1", "xlogy")  # templates that set the first argument beside a sign
_ENCLOSED = ("abs", "sqrt", "cbrt", "floor", "ceil", "indicator")  # those that look like an atom
_ACCENTS = {
    "hat": r"\hat", "tilde": r"\tilde", "bar": r"\bar", "ddot": r"\ddot", "dot": r"\dot",
    "vec": r"\vec",
}  # fmt: skip
_CONSTANTS = {"pi": r"\pi", "inf": r"\infty", "e": "e"}
_GREEK = {
    "eps": r"\varepsilon", "epsilon": r"\varepsilon", "lam": r"\lambda", "lambda": r"\lambda",
    "Lam": r"\Lambda", "ell": r"\ell", "omicron": "o",
    **{name: rf"\{name}" for name in (
        "alpha", "beta", "gamma", "delta", "zeta", "eta", "theta", "iota", "kappa", "mu", "nu",
        "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma",
        "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega",
    )},
}  # fmt: skip


def latex(item: ast.Loss | ast.Function) -> str:
    """A loss or function as LaTeX: its name and formula, then its definitions."""
    body = latex_expr(item.body)
    bare = isinstance(item, ast.Loss) and item.bare
    head = body if bare else f"{_signature(item)} = {body}"
    definitions = [_definition(entry) for entry in item.where if _defines(entry)]
    return r", \quad ".join([head, *definitions])


def latex_expr(expr: ast.Expr) -> str:
    """An expression as LaTeX."""
    match expr:
        case ast.Number():
            return _number(expr.text)
        case ast.Boolean():
            return rf"\mathrm{{{str(expr.value).lower()}}}"
        case ast.NoneLiteral():
            return r"\mathrm{none}"
        case ast.Name():
            return latex_name(expr.id)
        case ast.Dots():
            return r"\dots"
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
            return _cases(expr)
        case ast.Array():
            return _parens(", ".join(latex_expr(item) for item in expr.items))


def latex_name(name: str, *subscripts: str) -> str:
    """A name with subscripts: `yhat` wears a hat, `lam` is a Greek letter, `z1` has an index.

    What follows an underscore is a subscript of a single letter, `mu_1`; a name made of words,
    `label_smoothing`, is one word, for its parts are no indices.
    """
    if name in _CONSTANTS and not subscripts:
        return _CONSTANTS[name]
    stem, *rest = [part for part in name.split("_") if part] or [name]
    if not _is_letter(stem) and not all(part.isdigit() for part in rest):
        stem, rest = r"\,".join([stem, *rest]), []
    digits = re.search(r"(?<=[A-Za-z])\d+$", stem)
    if digits:
        stem, rest = stem[: digits.start()], [digits.group(), *rest]
    below = [*(_letters(part) for part in rest), *subscripts]
    return _stem(stem) + (f"_{{{', '.join(below)}}}" if below else "")


# --- names and numbers ---------------------------------------------------------------------


def _stem(stem: str) -> str:
    for word, accent in _ACCENTS.items():
        under = stem.removesuffix(word)
        if under != stem and (len(under) == 1 or under in _GREEK):
            return f"{accent}{{{_letters(under)}}}"
    return _letters(stem)


def _is_letter(stem: str) -> bool:
    """Whether a name is set as one letter: Latin or Greek, with digits or an accent."""
    bare = stem.rstrip("0123456789")
    return len(bare) <= 1 or bare in _GREEK or _stem(bare).startswith(tuple(_ACCENTS.values()))


def _letters(word: str) -> str:
    if len(word) == 1 or word.isdigit():
        return word
    return _GREEK.get(word, rf"\mathrm{{{word}}}")


def _number(text: str) -> str:
    mantissa, _, exponent = text.lower().partition("e")
    if not exponent:
        return text
    power = f"10^{{{int(exponent)}}}"
    return power if mantissa == "1" else rf"{mantissa} \cdot {power}"


# --- operators -----------------------------------------------------------------------------


def _level(expr: ast.Expr) -> int:
    match expr:
        case ast.If():
            return _CASES
        case ast.Compare():
            return _COMPARE
        case ast.Binary(op="*"):
            return _product_level(expr)
        case ast.Binary(op="/"):
            return _SUM if _is_negative(expr) else _CALL
        case ast.Binary(op="^"):
            return _CALL
        case ast.Binary(op=op):
            return _LEVELS[op][0]
        case ast.Unary(op=op):
            return _NOT if op == "not" else _SUM
        case ast.Call(function=name):
            return _call_level(name)
        case ast.Number(text=text):
            return _PRODUCT if "e" in text.lower() else _ATOM
        case _:
            return _ATOM


def _product_level(expr: ast.Binary) -> int:
    """The level of a product: a minus in front, or a sum sign at its end, makes it looser."""
    if _is_negative(expr):
        return _SUM
    return _BIG if _level(expr.right) == _BIG else _PRODUCT


def _is_negative(expr: ast.Expr) -> bool:
    """Whether a product begins with a minus, or a fraction has one before it."""
    while isinstance(expr, ast.Binary) and expr.op == "*":
        expr = expr.left
    if isinstance(expr, ast.Binary) and expr.op == "/":
        expr = expr.left
    return isinstance(expr, ast.Unary) and expr.op == "-"


def _call_level(name: str) -> int:
    if name in _ENCLOSED or name == "size":
        return _ATOM
    if name in _BIG_OPERATORS:
        return _BIG
    return _PRODUCT if name == "xlogy" else _CALL


def _parens(said: str) -> str:
    return rf"\left({said}\right)"


def _at(expr: ast.Expr, least: int) -> str:
    """The expression, in parentheses where it binds less tightly than `least`."""
    said = latex_expr(expr)
    return _parens(said) if _level(expr) < least else said


def _symbol(op: str) -> str:
    """The sign of an operator, from its template in the table."""
    return PRIMITIVES[BY_SYMBOL[op]].latex.format("", "").strip()


def _unary(expr: ast.Unary) -> str:
    if expr.op == "not":
        return PRIMITIVES["not"].latex.format(_at(expr.operand, _NOT))
    said = _at(expr.operand, _BIG)
    return said if expr.op == "+" else PRIMITIVES["neg"].latex.format(said)


def _binary(expr: ast.Binary) -> str:
    if expr.op == "/":
        return _fraction(expr)
    if expr.op == "^":
        base = _at(expr.left, _ATOM)
        return PRIMITIVES["pow"].latex.format(base, latex_expr(expr.right))
    if expr.op == "*":
        least = _SUM if _is_negative(expr.left) else _PRODUCT
        return _product(_at(expr.left, least), _at(expr.right, _BIG))
    _, left, right = _LEVELS[expr.op]
    return PRIMITIVES[BY_SYMBOL[expr.op]].latex.format(_at(expr.left, left), _at(expr.right, right))


def _fraction(expr: ast.Binary) -> str:
    """A fraction; the minus of `-a / b` stands before it."""
    above, sign = expr.left, ""
    if isinstance(above, ast.Unary) and above.op == "-":
        above, sign = above.operand, "-"
    return sign + PRIMITIVES["div"].latex.format(latex_expr(above), latex_expr(expr.right))


def _product(left: str, right: str) -> str:
    if right[:1].isdigit():
        return rf"{left} \cdot {right}"
    return PRIMITIVES["mul"].latex.format(left, right)


def _compare(expr: ast.Compare) -> str:
    first, *rest = (_at(operand, _SUM) for operand in expr.operands)
    said = [first]
    for op, operand in zip(expr.ops, rest, strict=True):
        said += [_symbol(op), operand]
    return " ".join(said)


def _cases(expr: ast.If) -> str:
    rows: list[str] = []
    rest: ast.Expr = expr
    while isinstance(rest, ast.If):
        rows.append(rf"{latex_expr(rest.then)} & \text{{if }} {latex_expr(rest.condition)}")
        rest = rest.other
    rows.append(rf"{latex_expr(rest)} & \text{{otherwise}}")
    return r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}"


# --- accesses and calls --------------------------------------------------------------------


def _access(expr: ast.Access) -> str:
    slots = [_slot(slot) for slot in expr.slots]
    if isinstance(expr.base, ast.Name):
        return latex_name(expr.base.id, *slots)
    return f"{_at(expr.base, _ATOM)}_{{{', '.join(slots)}}}"


def _slot(slot: ast.Slot) -> str:
    said = latex_expr(slot.value)
    return f"{latex_name(slot.name)} = {said}" if slot.name else said


def _call(expr: ast.Call) -> str:
    name = expr.function
    if name == "size" and len(expr.args) == 1:
        return _size(expr.args[0])
    if expr.indices is None and _is_elementwise(expr):
        return _elementwise(expr)
    if name in REDUCTIONS:
        return _reduction(expr)
    operator = ALONG[name].latex if name in ALONG else _operator(name)
    return _spaced(operator) + _subscript(expr.indices) + _arguments(expr)


def _is_elementwise(expr: ast.Call) -> bool:
    reduces = expr.function in REDUCTIONS and len(expr.args) == 1
    return expr.function in PRIMITIVES and not reduces


def _elementwise(expr: ast.Call) -> str:
    primitive = PRIMITIVES[expr.function]
    if "{args}" in primitive.latex:
        said = ", ".join(latex_expr(arg) for arg in expr.args)
        return _spaced(primitive.latex.replace("{args}", said))
    first, *rest = expr.args or (None,)
    least = _PRODUCT if expr.function in _TIGHT else _CASES
    args = [_at(first, least) if first else "", *(latex_expr(arg) for arg in rest)]
    missing = [""] * (primitive.arity - len(args))
    return primitive.latex.format(*args, *missing)


def _reduction(expr: ast.Call) -> str:
    sign = REDUCTIONS[expr.function].latex
    if expr.function in _BIG_OPERATORS and len(expr.args) == 1:
        return f"{sign}{_limits(expr.indices)} {_at(expr.args[0], _BIG)}"
    if sign.endswith("_1"):
        return sign.removesuffix("_1") + _subscript(expr.indices, "1") + _arguments(expr)
    return sign + _subscript(expr.indices) + _arguments(expr)


def _arguments(expr: ast.Call) -> str:
    args = ", ".join(latex_expr(arg) for arg in expr.args)
    named = ", ".join(f"{latex_name(k.name)} = {latex_expr(k.value)}" for k in expr.keywords)
    return _parens("; ".join(part for part in (args, named) if part))


def _size(axis: ast.Expr) -> str:
    return "N" if isinstance(axis, ast.Dots) else f"N_{{{latex_expr(axis)}}}"


def _operator(name: str) -> str:
    return rf"\operatorname{{{name.replace('_', ' ')}}}"


def _spaced(said: str) -> str:
    """The names of operators with a blank that is seen: in formulas plain ones are not."""
    return re.sub(r"\\operatorname\{([^{}]*)\}", lambda m: m.group().replace(" ", r"\,"), said)


# --- indices -------------------------------------------------------------------------------


def _limits(indices: ast.IndexList | None) -> str:
    """What stands below and above a sum sign."""
    if indices is not None and indices.filter is None and len(indices.indices) == 1:
        (index,) = indices.indices
        if index.low is not None and index.high is not None:
            low, high = latex_expr(index.low), latex_expr(index.high)
            return f"_{{{latex_name(index.name)}={low}}}^{{{high}}}"
    return _subscript(indices)


def _subscript(indices: ast.IndexList | None, *before: str) -> str:
    if indices is None:
        return f"_{{{', '.join(before)}}}" if before else ""
    names = ", ".join([*before, *(_index(index) for index in indices.indices)])
    kept = rf" \,:\, {latex_expr(indices.filter)}" if indices.filter else ""
    return f"_{{{names}{kept}}}"


def _index(index: ast.BoundIndex) -> str:
    if index.name == "...":
        return r"\dots"
    if index.low is None or index.high is None:
        return latex_name(index.name)
    low, high = latex_expr(index.low), latex_expr(index.high)
    return rf"{latex_name(index.name)} \in \{{{low}, \dots, {high}\}}"


# --- declarations --------------------------------------------------------------------------


def _signature(item: ast.Loss | ast.Function) -> str:
    inputs = ", ".join(latex_name(decl.name) for decl in item.inputs)
    params = ", ".join(latex_name(param.name) for param in item.params)
    inside = "; ".join(part for part in (inputs, params) if part)
    return _spaced(_operator(item.name)) + _parens(inside)


def _defines(entry: ast.WhereEntry) -> bool:
    return isinstance(entry, ast.Definition | ast.Function)


def _definition(entry: ast.WhereEntry) -> str:
    if isinstance(entry, ast.Function):
        return f"{_signature(entry)} = {latex_expr(entry.body)}"
    assert isinstance(entry, ast.Definition)
    places: Sequence[str] = [latex_name(index) for index in entry.indices or ()]
    return f"{latex_name(entry.name, *places)} = {latex_expr(entry.body)}"
