"""The smallest lengths of axes that leave every range of a program a place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..ir import Axis, Bound, Equal, Inside, NotEmpty, Program, Range, Size, postorder

LIMIT = 64


def smallest(program: Program, known: Mapping[Axis, int], least: int = 2) -> dict[Axis, int]:
    """A length for each axis: `least` where it is not known and no range or constraint needs more.

    Raises ValueError where no lengths up to 64 will do.
    """
    axes = _axes(program)
    sizes = {a: known.get(a, least) if a.size is None else a.size for a in axes}
    ranges = [b.range for t in postorder(program.value) for b in t.binds if isinstance(b, Bound)]
    ranges += [c.range for c in program.constraints if isinstance(c, NotEmpty)]
    while True:
        short = {a for a in _short(program, ranges, sizes) if a.size is None and a not in known}
        if not short:
            return sizes
        for axis in short:
            sizes[axis] += 1
            if sizes[axis] > LIMIT:
                raise ValueError(f"the axis {axis.name} would be longer than {LIMIT}")


def _axes(program: Program) -> dict[Axis, None]:
    tensors = (*program.inputs, *program.params)
    axes = dict.fromkeys(a for t in tensors for a in t.axes)
    terms = postorder(program.value)
    return axes | dict.fromkeys(t.axis for t in terms if isinstance(t, Size))


def _short(program: Program, ranges: list[Range], sizes: dict[Axis, int]) -> Iterator[Axis]:
    """The axes that must be longer."""

    def size(axis: Axis) -> int:
        return axis.size if axis.size is not None else sizes[axis]

    for span in ranges:
        start, _ = span.bounds(size)
        for stop in span.stops:
            if stop.value(size) <= start:
                yield from (a for a, n in stop.sizes if n > 0)
    for constraint in program.constraints:
        match constraint:
            case Inside(axis=axis, high=high) if high.value(size) >= size(axis):
                yield axis
            case Equal(left=a, right=b) if size(a) != size(b):
                yield min(a, b, key=size)
