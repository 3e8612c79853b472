"""Terms as text, to be read by people: shared and long terms stand on lines of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ..ir import (
    Access,
    Along,
    Apply,
    Bound,
    Const,
    Constraint,
    Equal,
    Expr,
    Index,
    Inside,
    NotEmpty,
    Position,
    Program,
    Reduce,
    Select,
    Size,
    Tensor,
    postorder,
)

_WIDTH = 60  # a term that is longer gets its own line


def program_text(program: Program) -> str:
    """A program: its tensors, its term in steps, its constraints."""
    tensors = (*program.inputs, *program.params)
    lines = [f"{'param' if t.is_param else 'input'} {_tensor(t)} : {t.kind}" for t in tensors]
    lines += steps(program.value, [_index(s) for s in program.axes], program.name)
    return "\n".join([*lines, *(f"require {_constraint(c)}" for c in program.constraints)])


def steps(term: Expr, axes: list[str], name: str) -> list[str]:
    """A term as a list of definitions, the last that of its value."""
    uses = Counter(p for t in postorder(term) for p in t.parts)
    said: dict[Expr, str] = {}
    lines: list[str] = []
    for part in postorder(term):
        text = _text(part, said)
        is_long = len(text) > _WIDTH or (uses[part] > 1 and bool(part.parts))
        if is_long and part is not term and not isinstance(part, Access | Position):
            lines.append(f"%{len(lines) + 1} = {text}")
            text = f"%{len(lines)}"
        said[part] = text
    place = f"[{', '.join(axes)}]" if axes else ""
    return [*lines, f"{name}{place} = {said[term]}"]


def _text(term: Expr, said: Mapping[Expr, str]) -> str:
    match term:
        case Const(value=None):
            return "none"
        case Const(value=value):
            return str(value).lower()
        case Size(axis=axis):
            return f"size({axis.name})"
        case Position(index=index):
            return _index(index)
        case Access():
            slots = ", ".join(said[s] for s in term.slots)
            return f"{'pad ' if term.padded else ''}{term.tensor.name}[{slots}]"
        case Apply(op=op):
            return f"{op}({', '.join(said[a] for a in term.args)})"
        case Select():
            condition, then, other = (said[p] for p in term.parts)
            return f"select({condition}, {then}, {other})"
        case Reduce(op=op):
            inside = ", ".join(map(_range, term.indices)) + _filter(term.filter, said)
            return f"{op}[{inside}]({said[term.body]})"
        case Along(op=op):
            inside = _range(term.index) + _filter(term.filter, said)
            return f"{op}[{inside}]({said[term.body]})[{said[term.at]}]"
    raise TypeError(f"no such term: {type(term).__name__}")


def _constraint(constraint: Constraint) -> str:
    match constraint:
        case Equal(left=left, right=right):
            return f"size({left.name}) = size({right.name})"
        case Inside(axis=axis, low=low, high=high):
            return f"0 <= {low} and {high} < size({axis.name})"
        case NotEmpty(range=range):
            return f"{range} is not empty"


def _filter(term: Expr | None, said: Mapping[Expr, str]) -> str:
    return "" if term is None else f" if {said[term]}"


def _index(index: Index) -> str:
    if isinstance(index, Bound):
        return f"{index.name or 'i'}#{index.level}"
    return index.name


def _range(index: Bound) -> str:
    return f"{_index(index)} in {index.range}"


def _tensor(tensor: Tensor) -> str:
    return (
        f"{tensor.name}[{', '.join(a.name for a in tensor.axes)}]" if tensor.axes else tensor.name
    )
