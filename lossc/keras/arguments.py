"""What Keras passes to a loss, as the inputs that the loss declares.

Keras knows a target, a prediction, weights and a mask, and is loose about axes of length 1; a
formula knows named inputs with axes. Everything loose is settled here, and nothing is broadcast but
weights, from their leading axes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from lossc.compiler.elaborate.declare import Input
from lossc.compiler.ir import PACK, Axis
from lossc.dsl.diagnostics import ArgumentError, Diagnostic, Label
from lossc.runtime import known_shape

if TYPE_CHECKING:
    from lossc.loss import Loss

WEIGHT = "sample_weight"


@dataclass(frozen=True, slots=True)
class ByName:
    """Tensors by name, which Keras takes for one tensor."""

    tensors: Mapping[str, Any]

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape of the first, at which Keras looks to choose a metric."""
        return tuple(next(iter(self.tensors.values())).shape)


def roles(free: Sequence[str]) -> tuple[str | None, str | None]:
    """The inputs that `y_true` and `y_pred` stand for; a loss of one input reads the prediction."""
    if len(free) < 2:
        return None, free[0] if free else None
    return free[0], free[1]


def match(loss: Loss, free: Sequence[str], y_true: Any, y_pred: Any) -> dict[str, Any]:
    """The free inputs by name, from tensors or dicts of tensors.

    Raises ArgumentError for names that the loss has not, inputs given twice, and missing ones.
    """
    given: dict[str, Any] = {}
    for part in (y_true, y_pred):
        if isinstance(part, Mapping):
            _include(loss, free, part, given)
    for part, role in zip((y_true, y_pred), roles(free), strict=True):
        if role is not None and part is not None and not isinstance(part, Mapping):
            given[_place(role, free, given)] = part
    missing = [n for n in free if n not in given]
    if missing:
        raise _missing(loss, missing, free)
    for name in free:
        if isinstance(given[name], (tf.RaggedTensor, tf.SparseTensor)):
            raise _not_dense(loss.inputs[name], given[name])
    arrays = {n: as_array(given[n]) for n in free}
    for name, array in arrays.items():
        known_shape(name, array, loss.inputs[name])
    return arrays


def _not_dense(decl: Input, value: Any) -> ArgumentError:
    return ArgumentError(
        Diagnostic(
            "E0604",
            f"`{decl.name}` must be a dense tensor",
            Label(decl.span),
            notes=(f"it is a {type(value).__name__}",),
            help="pad it with x.to_tensor(), and give weights of 0 to what is padding",
        )
    )


def _include(
    loss: Loss, free: Sequence[str], part: Mapping[str, Any], given: dict[str, Any]
) -> None:
    for name, value in part.items():
        if name in given or (name in loss.inputs and name not in free):
            message = f"`{name}` is given twice"
            raise ArgumentError(Diagnostic("E0602", message, Label(loss.inputs[name].span)))
        if name not in free:
            message = f"`{loss.name}` has no input `{name}`"
            raise ArgumentError(Diagnostic("E0602", message, help=f"there are: {', '.join(free)}"))
        given[name] = value


def _place(role: str, free: Sequence[str], given: Mapping[str, Any]) -> str:
    """The input that a tensor is: its role, or what a dict has left over."""
    left = [n for n in free if n not in given]
    return left[0] if role in given and len(left) == 1 else role


def _missing(loss: Loss, names: Sequence[str], free: Sequence[str]) -> ArgumentError:
    first, shown = names[0], ", ".join(f"`{n}`" for n in names)
    keys = ", ".join(f'"{n}": {n}' for n in free if n != roles(free)[1])
    ways = (
        f"a constant: {loss.name}.keras({first}=array)\n"
        f"a dict where you call it yourself: {loss.name}.keras()({{{keys}}}, {roles(free)[1]})\n"
        f"a dict of targets: lossc.keras.Model(x, {roles(free)[1]}), and fit(X, {{{keys}}})\n"
        f"or add it inside the model: lossc.keras.LossLayer({loss.name})"
    )
    return ArgumentError(
        Diagnostic(
            "E0705",
            f"`{loss.name}` needs {shown}, and Keras passes y_true and y_pred alone",
            Label(loss.inputs[first].span, "declared here"),
            help=ways,
        )
    )


def as_array(value: Any) -> Any:
    """A tensor or array; numbers and lists as Keras takes them, in float32 or int64."""
    if tf.is_tensor(value) or isinstance(value, tf.Variable):
        return tf.convert_to_tensor(value)
    if hasattr(value, "__array__"):
        return np.asarray(value)
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype == np.float64 else array


# --- trailing axes ------------------------------------------------------------------------------


def line_up(
    loss: Loss, free: Sequence[str], given: dict[str, Any], keep: bool = False
) -> dict[str, Any]:
    """Target and prediction with a trailing axis of 1 squeezed where their declarations differ.

    With `keep` the target gets the axis that the prediction has too many.
    """
    target, prediction = roles(free)
    if target is None or prediction is None:
        return given
    t, p = loss.inputs[target], loss.inputs[prediction]
    y, z = given[target], given[prediction]
    if _has_pack(t) and _has_pack(p):
        y, z = _like(t, y, p, z, keep)
    else:
        y, z = _declared(t, y, z), _declared(p, z, y)
    return given | {target: y, prediction: z}


def _has_pack(decl: Input) -> bool:
    return PACK in [a.name for a in decl.tensor.axes]


def _like(t: Input, y: Any, p: Input, z: Any, keep: bool) -> tuple[Any, Any]:
    """Two tensors whose `...` should be the same axes."""
    extra = _excess(t, y) - _excess(p, z)
    if extra == 1 and _may_be_one(y):
        return (tf.squeeze(y, -1), z) if _ends_in_pack(t) else (y, tf.expand_dims(z, -1))
    if extra == -1 and _may_be_one(z):
        squeezed = _ends_in_pack(p) and not keep
        return (y, tf.squeeze(z, -1)) if squeezed else (tf.expand_dims(y, -1), z)
    return y, z


def _declared(decl: Input, x: Any, other: Any) -> Any:
    """A tensor with as many axes as declared, if one of length 1 more or less does it."""
    if _has_pack(decl):
        return x
    extra = _excess(decl, x)
    if extra == 1 and _may_be_one(x):
        return tf.squeeze(x, -1)
    if extra == -1 and len(x.shape) > 0 and len(other.shape) > 0 and other.shape[-1] == 1:
        return tf.expand_dims(x, -1)
    return x


def _excess(decl: Input, x: Any) -> int:
    """How many axes a tensor has beyond those that its declaration names."""
    return len(x.shape) - sum(a.name != PACK for a in decl.tensor.axes)


def _may_be_one(x: Any) -> bool:
    return len(x.shape) > 0 and x.shape[-1] in (1, None)


def _ends_in_pack(decl: Input) -> bool:
    return decl.tensor.axes[-1].name == PACK


# --- weights and masks --------------------------------------------------------------------------


def is_fine(weight: Any, prediction: Any) -> bool:
    """Whether weights or a mask have a value for each place of a prediction's last axis but one."""
    rank = len(prediction.shape)
    return weight is not None and len(weight.shape) == rank - 1 > 1


def over_values(weight: Any, values: Any, what: str) -> Any:
    """Weights or a mask for values per sample; if they have fewer axes, those are the leading ones.

    Raises ArgumentError where the shapes do not fit.
    """
    if weight is None:
        return None
    short, rank = len(weight.shape), len(values.shape)
    if short == rank + 1 and weight.shape[-1] is None:
        weight, short = tf.squeeze(weight, -1), rank
    one_more = short == rank + 1 and weight.shape[-1] == 1
    if (short > rank and not one_more) or not _fits(weight.shape, values.shape):
        raise _unfit(what, weight.shape, values.shape, "the loss has one value for each sample:")
    return weight if short == 0 or short >= rank else _spread(weight, tf.shape(values), rank)


def as_input(loss: Loss, given: Mapping[str, Any], weight: Any) -> Any:
    """Weights in the shape that the input `sample_weight` is declared with; ones if there are none.

    Raises ArgumentError where the shapes do not fit.
    """
    decl = loss.inputs[WEIGHT]
    lengths = _lengths(loss, decl, given)
    if lengths is None and weight is None:
        raise _missing(loss, [WEIGHT], list(loss.inputs))
    if weight is None:
        return tf.ones(lengths, float_of(given))
    if lengths is None:
        return weight
    if len(weight.shape) == len(lengths) + 1 and _may_be_one(weight):
        weight = tf.squeeze(weight, -1)
    shape = [n if isinstance(n, int) else None for n in lengths]
    if len(weight.shape) > len(shape) or not _fits(weight.shape, shape):
        raise _unfit(WEIGHT, weight.shape, shape, "the formula declares it with")
    return _spread(weight, lengths, len(lengths))


def merge(weight: Any, mask: Any) -> Any:
    """Weights that are 0 where a mask is; each may lack trailing axes that the other has."""
    if mask is None:
        return weight
    weight = tf.ones([], tf.float32) if weight is None else weight
    dtype = weight.dtype if tf.as_dtype(weight.dtype).is_floating else tf.float32
    rank = max(len(weight.shape), len(mask.shape))
    return _widen(tf.cast(weight, dtype), rank) * _widen(tf.cast(mask, dtype), rank)


def both(a: Any, b: Any) -> Any:
    """Two masks as one; either may be None."""
    if a is None or b is None:
        return b if a is None else a
    return tf.cast(a, tf.bool) & tf.cast(b, tf.bool)


def _widen(x: Any, rank: int) -> Any:
    """A tensor with trailing axes of length 1."""
    ones = tf.ones([rank - len(x.shape)], tf.int32)
    return tf.reshape(x, tf.concat([tf.shape(x), ones], 0))


def _fits(weight: Sequence[int | None], values: Sequence[int | None]) -> bool:
    pairs = zip(weight, values, strict=False)
    return all(w == v or w in (1, None) or v is None for w, v in pairs)


def _spread(weight: Any, shape: Any, rank: int) -> Any:
    """Weights repeated along the trailing axes that they lack."""
    return tf.broadcast_to(_widen(tf.convert_to_tensor(weight), rank), shape)


def _lengths(loss: Loss, decl: Input, given: Mapping[str, Any]) -> list[Any] | None:
    """The length of each dim that an input should have, from the others; None if they lack one."""
    lengths: list[Any] = []
    for axis in decl.tensor.axes:
        found = _lengths_of(axis, loss, given)
        if found is None:
            return None
        lengths += found
    return lengths


def _lengths_of(axis: Axis, loss: Loss, given: Mapping[str, Any]) -> list[Any] | None:
    if axis.size is not None:
        return [axis.size]
    for name, x in given.items():
        axes = loss.inputs[name].tensor.axes
        if axis in axes:
            k = axes.index(axis)
            after = len(axes) - k - 1
            places = range(k, len(x.shape) - after)
            if axis.name != PACK and PACK in [a.name for a in axes[:k]]:
                places = range(len(x.shape) - after - 1, len(x.shape) - after)
            elif axis.name != PACK:
                places = range(k, k + 1)
            return [x.shape[d] if x.shape[d] is not None else tf.shape(x)[d] for d in places]
    return None


def float_of(given: Mapping[str, Any]) -> tf.DType:
    """The widest float dtype among tensors, float32 at least."""
    wide = any(tf.as_dtype(x.dtype) == tf.float64 for x in given.values())
    return tf.float64 if wide else tf.float32


def _unfit(
    what: str, weight: Sequence[int | None], wanted: Sequence[int | None], why: str
) -> ArgumentError:
    return ArgumentError(
        Diagnostic(
            "E0704",
            f"{what} has shape {_show(weight)}, which does not fit",
            notes=(f"{why} {_show(wanted)}",),
            help="give one weight for each sample, or one for each value",
        )
    )


def _show(shape: Sequence[int | None]) -> str:
    inner = ", ".join("?" if n is None else str(n) for n in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
