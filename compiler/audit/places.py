"""Where in the text a term comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from lossc.dsl import ast
from lossc.dsl.source import Span

from ..check import Checked
from ..elaborate.declare import declare
from ..elaborate.definitions import where
from ..elaborate.expressions import Elaborator
from ..elaborate.scope import Scope
from ..findings import Findings
from ..ir import Access, Along, Apply, Const, Expr, Position, Reduce, Size, postorder


@dataclass
class _Marking(Elaborator):
    """An elaborator that notes where each term stands."""

    marks: dict[Expr, Span] = field(default_factory=dict)

    def expr(self, node: ast.Expr, scope: Scope) -> Expr:
        """The term of an expression, its place noted."""
        term = super().expr(node, scope)
        self.marks.setdefault(term, node.span)
        return term


@dataclass(frozen=True)
class Places:
    """The place of each term of a loss, whatever its indices are called."""

    spans: Mapping[bytes, Span]
    whole: Span

    @staticmethod
    def of(checked: Checked) -> Places:
        """The places in a loss's text."""
        item = checked.item
        run = _Marking(Findings())
        scope = where(run, item.where, declare(item, checked.unit, run, checked.defaults).scope)
        run.expr(item.body, scope)
        spans: dict[bytes, Span] = {}
        for term, span in run.marks.items():
            spans.setdefault(skeleton(term), span)
        return Places(spans, item.body.span)

    def place(self, term: Expr) -> Span:
        """Where a term stands; the whole formula if that is not known."""
        return self.spans.get(skeleton(term), self.whole)


def skeleton(term: Expr) -> bytes:
    """A digest of a term without the names and ranges of its indices."""
    done: dict[Expr, bytes] = {}
    for t in postorder(term):
        digest = blake2b(_head(t).encode(), digest_size=16)
        for p in t.parts:
            digest.update(done[p])
        done[t] = digest.digest()
    return done[term]


def _head(term: Expr) -> str:
    match term:
        case Const():
            return f"const {term.value}"
        case Access():
            return f"access {term.tensor.name}"
        case Apply() | Along():
            return f"{type(term).__name__} {term.op}"
        case Reduce():
            return f"reduce {term.op} {len(term.indices)}"
        case Size():
            return f"size {term.axis.name}"
        case Position():
            return "position"
    return type(term).__name__
