"""Words that messages and reports share."""

from __future__ import annotations


def plural(n: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def is_slip(word: str, other: str) -> bool:
    """Whether two words of four letters or more differ by one letter too many, or by two swapped.

    A digit more is no slip, and one letter for another is none: `mu_p` and `mu_q`, `w1` and `w2`.
    """
    short, long = sorted((word, other), key=len)
    if len(short) < 4 or word == other:
        return False
    at = next((k for k, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(long) == len(short):
        return short[:at] + short[at : at + 2][::-1] + short[at + 2 :] == long
    return not long[at].isdigit() and short == long[:at] + long[at + 1 :]
