"""Writes primitives.md, diagnostics.md, numerics.md and the tables of gradients.md.

`python docs/generate.py` writes them; the tests compare them with what `pages()` gives. It also
saves the tables of a grammar that has changed, beside the grammar.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from lossc.compiler.rules.table import RULES, Rule
from lossc.dsl.codes import CODES, Code
from lossc.dsl.intervals import Interval
from lossc.dsl.parser import TABLES, saved_tables, tables
from lossc.dsl.primitives import ALONG, PRIMITIVES, REDUCTIONS, AlongAxis, Primitive, Reduction

HERE = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py; do not edit. -->"
ARGUMENTS = "xyz"
FAMILIES = {"E01": "Syntax", "E02": "Names and declarations", "E03": "Axes and indices",
            "E04": "Kinds", "E05": "Files", "E06": "Calls", "E07": "Keras", "E08": "Commands",
            "W01": "Warnings", "W02": "Warnings"}  # fmt: skip


def pages() -> dict[str, str]:
    """The text of each generated page, by its file name."""
    gradients = (HERE / "gradients.md").read_text("utf-8")
    return {
        "primitives.md": primitives(),
        "diagnostics.md": diagnostics(),
        "numerics.md": numerics(),
        "gradients.md": replaced(gradients, "slopes", slopes()),
    }


def replaced(page: str, name: str, text: str) -> str:
    """A page with another text in one of its generated parts."""
    before, start, rest = page.partition(f"<!-- {name}: ")
    note, _, after = rest.partition("\n")
    _, end, tail = after.partition("<!-- end -->")
    assert start and end, name
    return f"{before}{start}{note}\n\n{text}\n\n{end}{tail}"


def slopes() -> str:
    """The tables of slopes and kinks."""
    parts = [
        "`r` is the value, `x, y, z` are the arguments.",
        table(("function", "slope in x, y, z", "where there is none"),
              [slope_row(p) for p in PRIMITIVES.values() if p.slopes or p.kink]),
        "For reductions `x` is the body at one of the places kept, `n` their number, `center` "
        "their mean, `ties` the number of those at which the body is `r`, `others` the product of "
        "all other places, and `finite` tells whether `r` is above -inf. Along an axis the slope "
        "is that of the value at place `t` in the body at place `i`, whose place in ascending "
        "order is `place`.",
        table(("reduction", "slope", "where there is none"),
              [(f"`{r.name}`", f"`{r.slope}`", r.kink) for r in REDUCTIONS.values() if r.slope]),
        table(("along an axis", "slope", "where there is none"),
              [(f"`{a.name}`", f"`{a.slope}`", a.kink) for a in ALONG.values() if a.slope]),
    ]  # fmt: skip
    return "\n\n".join(parts)


def slope_row(p: Primitive) -> list[str]:
    """The call, its slopes, and what holds at a kink."""
    call = operator_row(p)[0] if p.symbol else f"`{p.name}({', '.join(ARGUMENTS[: p.arity])})`"
    meant = {"clip": "those of `min(max(x, y), z)`", "min": "1 where it is the least, else 0",
             "max": "1 where it is the largest, else 0"}  # fmt: skip
    return [call, ", ".join(f"`{s}`" for s in p.slopes) or meant.get(p.name, ""), p.kink]


def primitives() -> str:
    """The page of operators and functions."""
    rows = PRIMITIVES.values()
    operators = [p for p in rows if p.symbol]
    functions = [p for p in rows if not p.symbol]
    parts = [
        "# Operators and functions",
        NOTE,
        "Every one is declared once, in `dsl/primitives.py`; the compiler, its tests and this page "
        "read that table. What the functions do at kinks and at the edges of their domains is in "
        "[language.md](language.md#gradients-at-kinks).",
        "## Operators",
        table(("written", "what it is", "gives"), map(operator_row, operators)),
        "## Elementwise functions",
        "`x, y, z` are the arguments. Where no domain is given it is all reals. \"the same as\" is "
        "the meaning over the reals; the compiled form is accurate where that text would not be.",
        table(("function", "what it is", "domain", "range", "the same as"),
              map(function_row, functions)),
        "## Reductions",
        "`sum[i, j](...)` reduces the indices listed, `sum(...)` all free ones.",
        table(("reduction", "what it is", "over no places"),
              map(reduction_row, REDUCTIONS.values())),
        "## Along an axis",
        "A value at every place of the axis: `softmax[class](z)`. `i` is the index, `x` the body.",
        table(("function", "what it is", "the same as"), map(along_row, ALONG.values())),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def numerics() -> str:
    """The page of the rewrites and what else keeps the digits."""
    rows = [
        (rule.name, f"`{rule.pattern}`", f"`{rule.result}`", conditions(rule)) for rule in RULES
    ]
    parts = [
        "# Right to the last bits",
        NOTE,
        "A formula means its real value. What is computed is another formula of the same "
        "value, one that does not overflow, underflow or cancel where the text would. `lossc "
        "show FILE --stage stable` shows it, with the rules that made it; `-O0`, or "
        "`stable=False` in Python, computes the text as written.",
        "1. **Rewrites** by the table below, before and after differentiation. Letters stand "
        "for any term, `i` for the indices and the filter of a reduction. Sums and products "
        "match in any order, also as part of a longer one. Where a rule has a condition, it "
        "must follow from the declared domains, which is why `p in (0, 1)` is worth writing. "
        "Each rule is tested against arbitrary precision, for the value and for the gradient, "
        "and each condition by a point outside of it at which the rule would be wrong.",
        "2. **Like terms** of a sum that cancel in symbols are left out: the rule of the quotient "
        "gives `1 / (u + c) - u / (u + c)^2`, and computed is `c / (u + c)^2`. So are own parts: "
        "`y[i] * sum[j](x[j]^2) - x[i] * sum[j](x[j] * y[j])`, which the slope of a cosine has, is "
        "computed with sums over all places but `i`. A **softmax** `p` that is less its label or "
        "its mean, `p[i] * sum[j](y[j]) - y[i]` or `p[i] * (x[i] - sum[j](p[j] * x[j]))`, as in "
        "the slopes of cross entropies and entropies, is computed of the other places: where "
        "`p[i]` is more than a half, with `1 - p[i]` as their sum, and `x` less the one at which "
        "`p` is largest. So is `log(1 - p[k])`, as a logsumexp of the others, and a sum of shares "
        "over samples less that of the labels, each sample's label beside its share. What is the "
        "same in "
        "all terms of a logsumexp is added behind it, and the sum of a softmax is 1. "
        "`softplus(x) - x * sigmoid(x)`, which is even in x, is computed by the x below 0. "
        "The logarithm of a sum of exponentials less a share `c` of a part of it is a logsumexp, "
        "with `log1p(-c)` added in that part. What a table holds at a label, written as a sum over "
        "that one place, is looked at there by the logarithm of a difference of such sums. A "
        "logsumexp that is in two sums as often, with unlike signs, is left out of both. An "
        "`argmax` of what grows with `x` is one of `x`, before it is rounded. One and the cosine "
        "of two vectors is half the square of the sum of their directions, and a sum of "
        "deviations from their mean is 0, also within other sums. Correlations of exponentials "
        "are computed of `expm1(x - max[i](x))`.",
        "3. **The order of products**: `w * d^2` is computed as `(w * d) * d`, of which no "
        "part leaves the range of floats where the whole does not. A softmax of computed logits is "
        "1 at most, however they are rounded.",
        "4. **Precision**. Float32 data is computed in float32, but for the steps that lose digits "
        "on ordinary data. Which these are is tried when a loss is compiled: its plan is run on "
        "data as people have it (magnitudes from 1e-6 to 1e6, logits up to about a hundred, labels "
        "of 0 and 1, numbers equal or close to each other, params near their defaults) with every "
        "step rounded to float32, and beside it with every input moved by an ulp. Where rounding "
        "costs many ulps and many times what the moved inputs do, the step is computed in float64, "
        "with all that it is made of: `lossc show FILE --stage plan` marks it and says how many "
        "bits it would lose. `precision=` of `lossc.compile`, `lossc.load` and `.keras`, and "
        '`--precision` of the commands, choose: "auto" is this, "float32" has no float64 '
        'operation, "float64" promotes every step that may lose digits or leave the range of '
        "float32 on any data. A saved model keeps it.",
        '5. **Range**. A call from Python whose result is not finite under "auto" is computed '
        'again under "float64" (of a gradient, the first 65,536 numbers are looked at). Inside a '
        'graph, as in Keras, it is not: choose `precision="float64"` where magnitudes beyond '
        "1e12 or exponents beyond 88 come together. What double precision loses too, products "
        "near 1e38 that cancel, `loss.reference` gives.",
        "6. **Sums** are added up in blocks. A sum of products over an index is a matrix product, "
        "also where a filter or a branch leaves places out: they are 0 there, and what is not "
        "finite in them is not felt. `softplus`, `sigmoid` and `logsumexp` are computed of one "
        "exponential, and in a sum beside other terms as their largest part and the rest: "
        "`softplus(x) - y` is `(relu(x) - y) + log1p(exp(-abs(x)))`.",
        "`lossc accuracy FILE` measures what this gives; `make accuracy` does so for every loss, "
        "beside Keras: [the figures](accuracy.md).",
        "## The rewrites",
        table(("name", "as written", "as computed", "where"), rows),
    ]
    return "\n\n".join(parts) + "\n"


def conditions(rule: Rule) -> str:
    """What a rule asks for, in words of the page."""
    words = {
        "constant(c)": "`c` is a constant", "whole(k)": "`k` is a whole number",
        "fractional(g)": "`g` is no whole number", "label(y)": "`y` is 0 or 1",
    }  # fmt: skip
    return ", ".join(words.get(g, f"`{g}`") for g in (*rule.given, *rule.when))


def diagnostics() -> str:
    """The page of diagnostics."""
    parts = [
        "# Diagnostics",
        NOTE,
        "`lossc explain CODE` prints an entry. `E` is an error, `W` a warning. An entry without an "
        "example shows only when a loss is run or a file is read.",
    ]
    family = ""
    for code in sorted(CODES.values(), key=lambda c: c.code):
        name = FAMILIES.get(code.code[:3], "Others")
        if name != family:
            parts.append(f"## {name}")
            family = name
        parts += entry(code)
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in ln)} |" for ln in lines
    )


def operator_row(p: Primitive) -> list[str]:
    """`x + y`, what it is, its kind."""
    written = f"x {p.symbol} y" if p.arity == 2 else f"{p.symbol} x".replace("- x", "-x")
    return [f"`{written}`", p.doc, gives(p)]


def function_row(p: Primitive) -> list[str]:
    """The call, what it is, where it is defined, its values, its meaning."""
    names = list(ARGUMENTS[: p.arity])
    call = f"`{p.name}({', '.join(names)}{', ...' if p.variadic else ''})`"
    bounded = [f"`{n} in {d}`" for n, d in zip(names, p.domain, strict=True) if shown(d)]
    values = p.gives if p.gives == "bool" else f"`{p.range}`" if shown(p.range) else ""
    return [call, p.doc, ", ".join(bounded), values, f"`{p.meaning}`" if p.meaning else ""]


def reduction_row(r: Reduction) -> list[str]:
    """The name, what it is, its value over nothing."""
    return [f"`{r.name}`", r.doc, f"`{r.empty}`"]


def along_row(a: AlongAxis) -> list[str]:
    """The name, what it is, its meaning."""
    return [f"`{a.name}`", a.doc, f"`{a.meaning}`" if a.meaning else ""]


def gives(p: Primitive) -> str:
    """The kind of an operator's value, in words."""
    return "int if all are, else real" if p.gives == "same" else p.gives


def shown(i: Interval) -> bool:
    """Whether an interval says anything."""
    return i.low is not None or i.high is not None


def entry(code: Code) -> list[str]:
    """A diagnostic: title, reason, a wrong and a right example."""
    parts = [f"### {code.code}: {code.title}", code.why]
    bad, good = code.examples
    if bad:
        parts += ["Wrong:", fenced(short(bad)), "Right:", fenced(good)]
    return parts


def fenced(text: str) -> str:
    """A block of code."""
    return f"```text\n{text.rstrip()}\n```"


def short(text: str) -> str:
    """The text, its long lines cut."""
    return "\n".join(ln if len(ln) < 100 else f"{ln[:90]} ..." for ln in text.split("\n"))


if __name__ == "__main__":
    for name, page in pages().items():
        (HERE / name).write_text(page, encoding="utf-8")
    if saved_tables() is None:
        (HERE.parent / "dsl" / TABLES).write_bytes(tables())
