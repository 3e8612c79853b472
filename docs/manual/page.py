"""The page of one loss."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import lossc
from lossc.compiler.audit.slices import Slice
from lossc.compiler.check import Checked
from lossc.compiler.elaborate.declare import Input, Param
from lossc.compiler.emit.to_latex import latex_name
from lossc.compiler.emit.to_mathml import from_latex, mathml_expr
from lossc.defaults import to_python
from lossc.dsl import ast

from .html import block, code, highlighted, listing, page, section, table
from .kinks import kinks
from .library import Entry, claims, prose

LONG = 6000  # characters of MathML that are shown folded
Plot = tuple[Slice, str, str]


def loss_page(entry: Entry, plot: Plot | str | None, around: Sequence[Entry | None]) -> str:
    """The page; `plot` is drawn curves, or the reason why there are none."""
    loss = entry.loss
    body = [
        header(entry),
        "<main>",
        f"<h1>{escape(entry.name)}</h1>",
        f'<p class="purpose">{escape(entry.purpose)}</p>',
        *(f"<p>{escape(p)}</p>" for p in prose(loss)),
        section("Formula", equation(loss.formula.mathml)),
        section("Plot", figure(plot)),
        section("Gradient", *gradients(entry)),
        section("Inputs", inputs(loss)),
        section("Params", params(loss)),
        section("Kinks", kink_list(entry.checked)),
        section("Claims", listing(f"<code>{highlighted(c)}</code>" for c in claims(loss))),
        section("In Keras", *in_keras(entry)),
        section("Source text", block(highlighted(loss.source))),
        section("Reference", references(entry)),
        "</main>",
        footer(around),
    ]
    return page(f"{entry.name} - lossc", "\n".join(part for part in body if part), up="../")


def header(entry: Entry) -> str:
    """The way back to the index."""
    family = escape(entry.family)
    shown = family.replace("_", " ")
    return (
        f'<header><nav><a href="../index.html">lossc</a> / '
        f'<a href="../index.html#{family}">{shown}</a></nav></header>'
    )


def footer(around: Sequence[Entry | None]) -> str:
    """The losses before and after this one."""
    arrows = (("prev", "← {}"), ("next", "{} →"))
    links = [
        f'<a rel="{rel}" href="{e.name}.html">{escape(text.format(e.name))}</a>'
        for (rel, text), e in zip(arrows, around, strict=True)
        if e is not None
    ]
    return f"<footer><nav>{' '.join(links)}</nav></footer>"


def equation(math: str) -> str:
    """A displayed formula, which scrolls where it is too wide."""
    return f'<div class="math wide">{math}</div>'


# --- sections ------------------------------------------------------------------------------


def gradients(entry: Entry) -> list[str]:
    """The derivative in each real input; long ones are folded."""
    real = [d for d in entry.loss.inputs.values() if d.tensor.kind == "real"]
    return [_gradient(entry, d) for d in real]


def _gradient(entry: Entry, decl: Input) -> str:
    formula = entry.loss.gradient(decl.name)
    _, _, body = formula.latex.partition(r"\right) = ")
    named = latex_name(decl.name, *map(latex_name, decl.axes or ()))
    top = rf"\partial \operatorname{{{entry.name.replace('_', r' ')}}}".replace(" ", r"\,")
    top = top.replace(r"\partial\,", r"\partial ")
    math = from_latex(rf"\frac{{{top}}}{{\partial {named}}} = {body}")
    if len(math) < LONG:
        return equation(math)
    name = escape(decl.name)
    return f"<details><summary>in <code>{name}</code></summary>{equation(math)}</details>"


def figure(plot: Plot | str | None) -> str:
    """The two panels and what they show."""
    if plot is None or isinstance(plot, str):
        return f"<p>{escape(plot)}</p>" if plot else ""
    line, value, slope = plot
    fixed = f" Fixed: {line.fixed}." if line.fixed else ""
    caption = f"{line.varied} varies from {line.xs[0]:.3g} to {line.xs[-1]:.3g}.{fixed}"
    return (
        f'<figure><div class="panels">{value}{slope}</div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def inputs(loss: lossc.Loss) -> str:
    """The inputs with axes and domains."""
    rows = [
        (code(_shown(d)), code(d.domain), escape(d.description or "")) for d in loss.inputs.values()
    ]
    return table(("input", "domain", "what it is"), rows)


def params(loss: lossc.Loss) -> str:
    """The params with defaults and domains."""
    rows = [
        (code(_shown(p)), code(_default(p)), code(p.domain), escape(p.description or ""))
        for p in loss.params.values()
    ]
    return table(("param", "default", "domain", "what it is"), rows)


def kink_list(checked: Checked) -> str:
    """The kinks and the slope that is taken there."""
    rows = [(_said(call), escape(rule)) for call, rule in kinks(checked)]
    return table(("where", "slope there (x is the argument)"), rows)


def _said(call: ast.Expr | str) -> str:
    if isinstance(call, str):
        return f"{code(call)}, in a function that it uses"
    return mathml_expr(call)


def references(entry: Entry) -> str:
    """Where the loss comes from, and its names elsewhere."""
    said = [f"<p>{escape(entry.loss.citation)}</p>"] if entry.loss.citation else []
    if entry.elsewhere:
        names = ", ".join(code(name) for name in entry.elsewhere)
        said.append(f"<p>Elsewhere: {names}.</p>")
    return "\n".join(said)


def in_keras(entry: Entry) -> list[str]:
    """How to train with the loss."""
    names = list(entry.loss.inputs)
    if len(names) == 2:
        call = f"loss=lossc.std.{entry.name}.keras({_arguments(entry.loss)})"
        return [block(escape(f'import lossc\n\nmodel.compile("adam", {call})'))]
    tensors = ", ".join(f'"{n}": {n}' for n in names)
    layer = f"LossLayer(lossc.std.{entry.name})({{{tensors}}})"
    text = f"import lossc\nfrom lossc.keras import LossLayer\n\nout = {layer}"
    why = f"It has {_count(len(names))}, so it is added inside a functional model:"
    return [f"<p>{why}</p>", block(escape(text))]


def _arguments(loss: lossc.Loss) -> str:
    """The scalar params at their defaults, as they would be passed."""
    plain = [(p.name, to_python(p.default)) for p in loss.params.values() if not p.axes]
    return ", ".join(f"{name}={value!r}" for name, value in plain)


def _count(n: int) -> str:
    return "one input" if n == 1 else f"{n} inputs"


def _shown(decl: Input | Param) -> str:
    if decl.axes is None:
        return decl.name
    sizes = {a.name: a.size for a in decl.tensor.axes}
    axes = ", ".join(_axis(name, sizes.get(name)) for name in decl.axes)
    return f"{decl.name}[{axes}]" if isinstance(decl, Input) or decl.axes else decl.name


def _axis(name: str, size: int | None) -> str:
    if name.startswith("#"):
        return str(size)
    return name if size is None else f"{name}={size}"


def _default(param: Param) -> str:
    value: Any = to_python(param.default)
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else f"{value}"
