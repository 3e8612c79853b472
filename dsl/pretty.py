"""Text that knows where it may be broken, set within a width."""

from __future__ import annotations

from dataclasses import dataclass

_STEP = 4


@dataclass(frozen=True, slots=True)
class Line:
    """A place to break: `flat` where its group fits on the line, else a new line."""

    flat: str = " "


@dataclass(frozen=True, slots=True)
class Nest:
    """What is indented by one step where it is broken."""

    inside: Layout


@dataclass(frozen=True, slots=True)
class Group:
    """What is set on one line if it fits, and else broken at each of its own lines."""

    inside: Layout


Layout = str | Line | Nest | Group | tuple["Layout", ...]
_Todo = tuple[int, bool, Layout]


def joined(parts: list[Layout], between: Layout) -> Layout:
    """The parts with `between` after each but the last."""
    return tuple(piece for part in parts for piece in (between, part))[1:]


def fill(layout: Layout, width: float, indent: int = 0) -> str:
    """The layout as text, no line beyond `width` where a break can help.

    The text begins at the column `indent`, and so do the lines of its outermost level.
    """
    out: list[str] = []
    column = indent
    todo: list[_Todo] = [(indent, False, layout)]
    while todo:
        depth, flat, top = todo.pop()
        if isinstance(top, str):
            out.append(top)
            column += len(top)
        elif isinstance(top, Line):
            out.append(top.flat if flat else "\n" + " " * depth)
            column = column + len(top.flat) if flat else depth
        elif isinstance(top, Group):
            flat = flat or _fits(top.inside, todo, width - column)
            todo.append((depth, flat, top.inside))
        else:
            todo.extend(_opened(top, depth, flat))
    return "".join(out)


def _opened(top: Nest | tuple[Layout, ...], depth: int, flat: bool) -> list[_Todo]:
    """What a nest or a sequence holds, the first last."""
    if isinstance(top, Nest):
        return [(depth + _STEP, flat, top.inside)]
    return [(depth, flat, part) for part in reversed(top)]


def _fits(inside: Layout, rest: list[_Todo], room: float) -> bool:
    """Whether `inside` on one line, and what follows up to the next break, fits in `room`."""
    todo: list[_Todo] = [(0, True, inside)]
    behind = len(rest)
    while room >= 0:
        if not todo:
            if not behind:
                return True
            behind -= 1
            todo.append(rest[behind])
        depth, flat, top = todo.pop()
        if isinstance(top, str):
            room -= len(top)
        elif isinstance(top, Line):
            if not flat:
                return True
            room -= len(top.flat)
        elif isinstance(top, Group):
            todo.append((depth, flat, top.inside))
        else:
            todo.extend(_opened(top, depth, flat))
    return False
