"""Whether a term is another one at some place of its indices."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import INT, Bound, Expr, Position


def instance(body: Expr, indices: Sequence[Bound], term: Expr) -> bool:
    """Whether `term` is `body` with integer terms in place of the given indices."""
    found: dict[Bound, Expr] = {}
    stack = [(body, term)]
    while stack:
        pattern, other = stack.pop()
        if isinstance(pattern, Position) and pattern.index in indices:
            assert isinstance(pattern.index, Bound)
            if other.kind != INT or found.setdefault(pattern.index, other) != other:
                return False
        elif not pattern.free & set(indices):
            if pattern != other:
                return False
        elif not same_head(pattern, other):
            return False
        else:
            stack += zip(pattern.parts, other.parts, strict=True)
    return True


def same_head(a: Expr, b: Expr) -> bool:
    """Whether two terms differ at most in their parts."""
    if type(a) is not type(b) or len(a.parts) != len(b.parts) or a.binds != b.binds:
        return False
    fields = ("op", "result", "tensor", "padded", "index")
    return all(getattr(a, f, None) == getattr(b, f, None) for f in fields)
