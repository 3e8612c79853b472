"""Words that messages and reports share."""

from __future__ import annotations


def plural(n: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{n} {one if n == 1 else many or one + 's'}"
