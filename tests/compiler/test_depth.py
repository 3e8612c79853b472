"""Terms may be deeper than Python's functions nest by default."""

from __future__ import annotations

import sys

from lossc.compiler.depth import frames, height, room_for
from lossc.compiler.ir import Apply, Const, Expr
from lossc.compiler.passes.stabilise import heads_in


def _deep(levels: int) -> Expr:
    term: Expr = Const("e")
    for _ in range(levels):
        term = Apply("sin", (term,))
    return term


def test_a_pass_recurses_through_deep_terms() -> None:
    term = _deep(1500)
    limit = sys.getrecursionlimit()
    with room_for(term):
        assert heads_in(term) == {"", "sin"}
    assert sys.getrecursionlimit() == limit


def test_the_height_of_terms_is_that_of_the_deepest() -> None:
    assert height(_deep(3), _deep(7)) == 8
    assert height() == 0


def test_little_room_changes_nothing() -> None:
    limit = sys.getrecursionlimit()
    with frames(10):
        assert sys.getrecursionlimit() == limit
