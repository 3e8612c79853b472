"""Room for recursion: terms may be deeper than the functions of Python nest by default."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .ir import Expr, postorder

# Frames that a pass may take for a level of a term, with those of the terms that it makes.
FRAMES = 50


@contextmanager
def room_for(*terms: Expr) -> Iterator[None]:
    """Lets a pass recurse through terms, however deep they are."""
    with frames(FRAMES * height(*terms)):
        yield


def height(*terms: Expr) -> int:
    """The number of levels of the deepest of some terms."""
    heights: dict[Expr, int] = {}
    for term in postorder(*terms):
        heights[term] = 1 + max((heights[p] for p in term.parts), default=0)
    return max((heights[t] for t in terms), default=0)


@contextmanager
def frames(count: int) -> Iterator[None]:
    """Lets functions nest deeper by a number of frames, which take no room on the stack of C."""
    limit = sys.getrecursionlimit()
    if count < limit // 2:
        yield
        return
    sys.setrecursionlimit(limit + count)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
