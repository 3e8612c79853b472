"""Shapes against declarations: the sizes of axes in a call, and what does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lossc.dsl.diagnostics import ArgumentError, Diagnostic, Label
from lossc.dsl.source import Span

from .elaborate.declare import Input, Param
from .ir import PACK, Axis, Constraint, Equal, Inside, NotEmpty

# A shape; None for a length that is known only when a graph runs.
Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A length of an axis and the tensor that showed it."""

    length: int | None
    decl: Input | Param


def fit(
    name: str, decls: Sequence[Input | Param], shapes: Sequence[Shape],
    constraints: Sequence[Constraint] = (),
) -> dict[Axis, int | None]:  # fmt: skip
    """The length of each axis, from the shapes of the tensors declared.

    Raises ArgumentError where shapes contradict the declarations or each other.
    """
    packs: dict[str, tuple[Input | Param, Shape]] = {}
    seen: dict[Axis, _Seen] = {}
    whole = {d.name: s for d, s in zip(decls, shapes, strict=True)}
    for decl, shape in zip(decls, shapes, strict=True):
        lengths = _lengths(decl, shape)
        for axis, length in lengths.items():
            _record(axis, length, decl, seen, whole)
        pack = _pack_shape(decl, shape)
        if pack is not None:
            _record_pack(name, decl, pack, packs, decls, shapes)
    sizes = {axis: s.length for axis, s in seen.items()}
    for axis in sizes:
        if axis.name == PACK:
            sizes[axis] = _product(next(iter(packs.values()))[1])
    for constraint in constraints:
        _check(constraint, sizes, decls)
    return sizes


def _fail(code: str, span: Span | None, message: str, *notes: str, help: str | None = None) -> None:
    label = Label(span) if span is not None else None
    raise ArgumentError(Diagnostic(code, message, label, notes=notes, help=help))


def _lengths(decl: Input | Param, shape: Shape) -> dict[Axis, int | None]:
    """The length of each declared axis; the pack's is left open."""
    axes = decl.tensor.axes
    names = [a.name for a in axes]
    if PACK not in names:
        if len(shape) != len(axes):
            _wrong_rank(decl, shape)
        return _unequal_free(decl, zip(axes, shape, strict=True))
    place = names.index(PACK)
    after = len(axes) - place - 1
    if len(shape) < len(axes) - 1:
        _wrong_rank(decl, shape)
    before = zip(axes[:place], shape[:place], strict=True)
    behind = zip(axes[place + 1 :], shape[len(shape) - after :], strict=True)
    ends = [*before, *behind]
    return {axes[place]: None} | _unequal_free(decl, ends)


def _unequal_free(decl: Input | Param, pairs: object) -> dict[Axis, int | None]:
    lengths: dict[Axis, int | None] = {}
    for axis, length in pairs:  # type: ignore[attr-defined]
        old = lengths.get(axis)
        if old is not None and length is not None and old != length:
            _fail("E0606", decl.span, f"`{decl.name}` has two lengths of axis `{axis.name}`",
                  f"{old} and {length}")  # fmt: skip
        lengths[axis] = length if length is not None else old
    return lengths


def _wrong_rank(decl: Input | Param, shape: Shape) -> None:
    axes = decl.axes or ()
    shown = f"[{', '.join(axes)}]"
    n = len([a for a in axes if a != PACK])
    least = "at least " if PACK in axes else ""
    help = None
    if not axes:
        help = f"it is a single number; for more declare axes: {decl.name}[batch]"
    elif len(shape) > len(axes) and shape[-1] == 1:
        help = "drop the last axis, of length 1: x[..., 0]"
    elif len(shape) > len(axes):
        help = f"declare the axes that it has: {decl.name}[{', '.join(axes)}, ...]"
    _fail(
        "E0603", decl.span, f"`{decl.name}` has {_axes(len(shape))}, not {least}{n}",
        f"its shape is {_show(shape)}, it is declared {decl.name}{shown}", help=help,
    )  # fmt: skip


def _pack_shape(decl: Input | Param, shape: Shape) -> Shape | None:
    """The part of a shape that `...`, or no declaration, stands for."""
    names = [a.name for a in decl.tensor.axes]
    if PACK not in names:
        return None
    place = names.index(PACK)
    return shape[place : len(shape) - (len(names) - place - 1)]


def _record(
    axis: Axis, length: int | None, decl: Input | Param, seen: dict[Axis, _Seen],
    whole: Mapping[str, Shape],
) -> None:  # fmt: skip
    if axis.size is not None and length is not None and length != axis.size:
        label = axis.name if not axis.name.startswith("#") else str(axis.size)
        message = f"axis `{label}` of `{decl.name}` has length {length}, not {axis.size}"
        _fail("E0606", decl.span, message)
    old = seen.get(axis)
    if old is not None and None not in (old.length, length) and old.length != length:
        _fail(
            "E0606", decl.span, f"`{old.decl.name}` and `{decl.name}` differ along `{axis.name}`",
            f"`{axis.name}` is {old.length} in {old.decl.name} and {length} in {decl.name}",
            _shapes(old.decl, decl, whole),
            help=_advice(old.decl, decl, whole)
            or "an axis has one length in a call; give different axes different names",
        )  # fmt: skip
    if old is None or old.length is None:
        seen[axis] = _Seen(length, decl)


def _record_pack(
    name: str, decl: Input | Param, pack: Shape, packs: dict[str, tuple[Input | Param, Shape]],
    decls: Sequence[Input | Param], shapes: Sequence[Shape],
) -> None:  # fmt: skip
    for other, known in packs.values():
        if len(known) != len(pack) or any(
            a != b for a, b in zip(known, pack, strict=True) if None not in (a, b)
        ):
            _unlike(name, other, known, decl, pack, decls, shapes)
    packs[decl.name] = (decl, pack)


def _unlike(
    name: str, a: Input | Param, left: Shape, b: Input | Param, right: Shape,
    decls: Sequence[Input | Param], shapes: Sequence[Shape],
) -> None:  # fmt: skip
    """The error for two tensors that should share a shape."""
    whole = {d.name: shape for d, shape in zip(decls, shapes, strict=True)}
    if a.axes is None:
        shown = f"{b.name} has shape {_show(right)}, {a.name} has shape {_show(left)}"
        notes = [f"{shown}; inputs without declared axes must have the same shape."]
        help = f"declare them: loss {name}({', '.join(suggest(decls, shapes))})"
        if b.span.source.name.startswith("std."):
            help = "give them one shape; nothing is repeated along an axis of length 1"
    else:
        notes = [f"`...` is {_show(right)} in {b.name} and {_show(left)} in {a.name}"]
        notes += [_shapes(a, b, whole)]
        help = "`...` stands for the same axes in every input; name those that differ"
    help = _advice(a, b, whole) or help
    _fail("E0301", b.span, f"`{b.name}` and `{a.name}` do not line up", *notes, help=help)


def _shapes(a: Input | Param, b: Input | Param, whole: Mapping[str, Shape]) -> str:
    shapes = f"{a.name} has shape {_show(whole[a.name])}, {b.name} has shape {_show(whole[b.name])}"
    same = a.tensor.axes == b.tensor.axes
    return f"{shapes}; they must have the same shape" if same else shapes


def _advice(a: Input | Param, b: Input | Param, whole: Mapping[str, Shape]) -> str | None:
    """What to do about two shapes that differ in the batch, or by a last axis of length 1."""
    left, right = whole[a.name], whole[b.name]
    if isinstance(a, Param) or isinstance(b, Param) or not left or not right:
        return None
    known = left[0] is not None and right[0] is not None
    if known and left[1:] == right[1:] and left[0] != right[0]:
        sizes = f"{a.name} has {left[0]} samples, {b.name} has {right[0]}"
        return f"the batch sizes differ: {sizes}; give both the same samples"
    longer = b if len(right) > len(left) else a
    if (*left, 1) == right or (*right, 1) == left:
        return (
            f"drop the last axis, of length 1: {longer.name}[..., 0]; "
            "the loss for Keras, `.keras()`, does so itself"
        )
    return None


def suggest(decls: Sequence[Input | Param], shapes: Sequence[Shape]) -> list[str]:
    """Each input with names for its axes, equal lengths under one name."""
    longest = max(shapes, key=len)
    words = ["batch", "class"] if len(longest) <= 2 else ["batch", "h", "w", "channel", "d4", "d5"]
    names = [words[k] if k < len(words) else f"d{k}" for k in range(len(longest))]
    shown = []
    for decl, shape in zip(decls, shapes, strict=True):
        if isinstance(decl, Param):
            continue
        own: list[str] = []
        start = 0
        for length in shape:
            place = next((k for k in range(start, len(longest)) if longest[k] == length), None)
            own.append(names[place] if place is not None else f"axis{len(own)}")
            start = (place if place is not None else start) + 1
        shown.append(f"{decl.name}[{', '.join(own)}]")
    return shown


def _check(
    constraint: Constraint, sizes: Mapping[Axis, int | None], decls: Sequence[Input | Param]
) -> None:
    def size(axis: Axis) -> int:
        length = axis.size if axis.size is not None else sizes.get(axis)
        if length is None:
            raise LookupError(axis.name)
        return length

    try:
        _check_sizes(constraint, size, decls)
    except LookupError:
        return


def _check_sizes(constraint: Constraint, size: object, decls: Sequence[Input | Param]) -> None:
    assert callable(size)
    match constraint:
        case Equal(left=a, right=b, index=index) if size(a) != size(b):
            _fail(
                "E0308", _span_of(a, decls),
                f"`{index}` ranges over `{a.name}` and `{b.name}`, which differ in length",
                f"{a.name} has {size(a)}, {b.name} has {size(b)}",
            )  # fmt: skip
        case Inside(axis=axis, low=low, high=high, index=index):
            if low.value(size) < 0 or high.value(size) >= size(axis):
                what = f"`{index}` leaves" if index else "a place is outside"
                _fail(
                    "E0310", _span_of(axis, decls), f"{what} the axis `{axis.name}`",
                    f"reads places {low.value(size)} to {high.value(size)} of {size(axis)}",
                )  # fmt: skip
        case NotEmpty(range=span, index=index):
            start, stop = span.bounds(size)
            if stop <= start and all(size(a) for d in span.stops for a, _ in d.sizes):
                over = next((a for d in span.stops for a, _ in d.sizes), None)
                _fail(
                    "E0309", _span_of(over, decls), f"the shifts leave no place for `{index}`",
                    f"it would go from {start} to {stop - 1}",
                )  # fmt: skip


def _span_of(axis: Axis | None, decls: Sequence[Input | Param]) -> Span | None:
    return next((d.span for d in decls if axis in d.tensor.axes), None)


def _product(shape: Shape) -> int | None:
    total = 1
    for length in shape:
        if length is None:
            return None
        total *= length
    return total


def _axes(n: int) -> str:
    return f"{n} axis" if n == 1 else f"{n} axes"


def _show(shape: Shape) -> str:
    inner = ", ".join("?" if n is None else str(n) for n in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
