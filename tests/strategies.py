"""Random well-typed losses, as text.

A formula is drawn inside a scope of bound indices, each over one axis, so that every program is
sound by construction: what is drawn must check without a word.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

HEAD = (
    "loss random(x[a, b], u[a], v[b], h[a, t], y[a], m[a, b], s[]; p = 0.5, lag = 1, q[b] = "
    "[0.1, 0.2, 0.3, 0.4]) =\n    {body}\nwhere\n    y in index(b)\n    m in {{0, 1}}\n"
    "    pair[i, j] = tanh(u[i] - v[j]) + s\n    near = x - v\n    square(z) = z * z\n"
)
SIZES = {"a": 3, "b": 4, "t": 5}
MAPS = ("tanh({})", "abs({})", "sigmoid({})", "softplus({})", "log1p(abs({}))", "sin({})")
MAPS += ("sqrt(1 + abs({}))", "relu({})", "exp(-abs({}))", "erf({})", "square({})", "-({})")
PAIRS = ("({} + {})", "({} - {})", "({} * {})", "max({}, {})", "min({}, {})", "logaddexp({}, {})")
PAIRS += ("({} / (2 + abs({})))", "hypot({}, {})", "atan2({}, 3 + abs({}))")
REDUCTIONS = ("sum", "mean", "max", "min", "logsumexp", "var", "std", "norm", "norm1")
SCANS = ("softmax", "log_softmax", "cumsum", "logcumsumexp", "sort", "rank", "normalize")


@dataclass(frozen=True)
class Bound:
    """The indices in scope, by name, with the axis of each; `shift` holds those of range t."""

    indices: dict[str, str] = field(default_factory=dict)

    def over(self, axis: str) -> list[str]:
        return [i for i, a in self.indices.items() if a == axis]

    def add(self, axis: str) -> tuple[str, Bound]:
        name = f"{axis}{len(self.indices)}"
        return name, Bound({**self.indices, name: axis})


@st.composite
def leaves(draw: st.DrawFn, scope: Bound) -> str:
    """A number, a tensor at indices in scope, or an index as a number."""
    options = ["0.5", "2", "s", "p"]
    for i in scope.over("a"):
        options += [f"u[{i}]", f"x[{i}, y[{i}]]", f"u[{i}]", f"v[y[{i}]]", f"size({i})"]
        options += [f"x[{i}, {j}]" for j in scope.over("b")]
        options += [f"near[a={i}, b={j}]" for j in scope.over("b")]
        options += [f"pair[{i}, {j}]" for j in scope.over("b")]
        options += [f"m[{i}, {j}]" for j in scope.over("b")]
        options += [f"h[{i}, {k}]" for k in scope.over("t")]
        options += [f"pad(h[{i}, {k}+1], 0.25)" for k in scope.over("t")]
        options += [f"argmax[k](x[{i}, k])", f"h[{i}, 2]"]
    options += [f"{term}" for j in scope.over("b") for term in (f"v[{j}]", f"q[{j}]", j)]
    return draw(st.sampled_from(options))


@st.composite
def conditions(draw: st.DrawFn, scope: Bound, depth: int) -> str:
    """A comparison, or a combination of two."""
    left, right = draw(formulas(scope, depth - 1)), draw(formulas(scope, depth - 1))
    simple = f"{left} {draw(st.sampled_from(['<', '>', '<=', '!=']))} {right}"
    if draw(st.integers(0, 4)):
        return simple
    other = f"{draw(leaves(scope))} > 0.3"
    both = [f"({simple}) and {other}", f"({simple}) or {other}", f"not {other}"]
    return draw(st.sampled_from(both))


@st.composite
def reductions(draw: st.DrawFn, scope: Bound, depth: int) -> str:
    """A reduction over one or two new indices, perhaps filtered, perhaps shifted."""
    inner, anchors, names = scope, [], []
    for _ in range(draw(st.integers(1, 2))):
        axis = draw(st.sampled_from(["a", "b", "t"]))
        name, inner = inner.add(axis)
        names.append(name)
        row = draw(st.sampled_from(["0", "1", *scope.over("a")]))
        shifts = [f"h[{row}, {name}]", f"h[{row}, {name}+lag]", f"h[{row}, {name}-2]"]
        plain = {"a": f"u[{name}]", "b": f"v[{name}]"}
        anchors.append(plain[axis] if axis in plain else draw(st.sampled_from(shifts)))
    body = f"{draw(formulas(inner, depth - 1))} + {' * '.join(anchors)}"
    chosen = f" if {draw(conditions(inner, 1))}" if draw(st.booleans()) else ""
    op = draw(st.sampled_from(REDUCTIONS))
    value = f"{op}[{', '.join(names)}{chosen}]({body})"
    return f"clip({value}, -9, 9)" if op in ("max", "min", "logsumexp") else value


@st.composite
def windows(draw: st.DrawFn, scope: Bound) -> str:
    """A sum over a constant window that slides along t."""
    row = draw(st.sampled_from(["0", *scope.over("a")]))
    return f"mean[k](sum[w in -1..1](v[w+1] * h[{row}, k+w]))"


@st.composite
def scans(draw: st.DrawFn, scope: Bound, depth: int) -> str:
    """A function along an index in scope."""
    index = draw(st.sampled_from(list(scope.indices)))
    anchor = {"a": f"u[{index}]", "b": f"v[{index}]", "t": f"h[0, {index}]"}[scope.indices[index]]
    body = f"{draw(formulas(scope, depth - 1))} + {anchor}"
    return f"{draw(st.sampled_from(SCANS))}[{index}]({body})"


@st.composite
def formulas(draw: st.DrawFn, scope: Bound, depth: int) -> str:
    """A real formula over the indices in scope."""
    if depth <= 0:
        return draw(leaves(scope))
    kind = draw(st.sampled_from(["scan", "pair", "reduce", "scan", "map", "if", "pair", "window"]))
    if kind == "map":
        return draw(st.sampled_from(MAPS)).format(draw(formulas(scope, depth - 1)))
    if kind == "pair":
        pair = draw(st.sampled_from(PAIRS))
        return pair.format(draw(formulas(scope, depth - 1)), draw(formulas(scope, depth - 1)))
    if kind == "if":
        parts = [draw(formulas(scope, depth - 1)) for _ in range(2)]
        return f"(if {draw(conditions(scope, depth - 1))} then {parts[0]} else {parts[1]})"
    if kind == "reduce":
        return draw(reductions(scope, depth))
    if kind == "window":
        return draw(windows(scope))
    return draw(scans(scope, depth)) if scope.indices else draw(leaves(scope))


@st.composite
def losses(draw: st.DrawFn, depth: int = 3) -> str:
    """A whole loss."""
    return HEAD.format(body=draw(reductions(Bound(), depth)))


def sample(seed: int) -> dict[str, np.ndarray]:
    """Data for any of the losses."""
    rng = np.random.default_rng(seed)
    a, b, t = SIZES["a"], SIZES["b"], SIZES["t"]
    data = {"x": rng.normal(size=(a, b)), "u": rng.normal(size=a), "v": rng.normal(size=b)}
    data |= {"h": rng.normal(size=(a, t)), "y": rng.integers(0, b, a)}
    return data | {"m": rng.integers(0, 2, (a, b)), "s": np.array(0.7)}
