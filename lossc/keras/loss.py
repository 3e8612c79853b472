"""A compiled loss as a `keras.losses.Loss`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend import get_keras_mask, set_keras_mask
from keras.src.losses.loss import reduce_weighted_values, scale_loss_for_distribution

from lossc.compiler.elaborate.declare import Input, Param
from lossc.compiler.separate import Separated
from lossc.defaults import to_python
from lossc.dsl.diagnostics import ArgumentError, Diagnostic, Label, LosscError
from lossc.loss import Loss, as_written
from lossc.runtime import known_shape

from . import config as saved
from .arguments import (
    WEIGHT,
    ByName,
    as_array,
    as_input,
    both,
    float_of,
    is_fine,
    line_up,
    match,
    merge,
    over_values,
    roles,
)
from .checks import validate_at_each_step


@keras.saving.register_keras_serializable(package="lossc")
class CompiledLoss(keras.losses.Loss):  # type: ignore[misc]
    """A formula as Keras's loss; `loss.keras(...)` makes it.

    `bound` has values by name: of params, numbers or variables (which stay live, and are saved with
    the value that they have then), and of inputs, arrays. The first two inputs that are not bound
    are `y_true` and `y_pred`; a dict in place of either is matched by input name. A separable loss
    takes sample weights, class weights and masks; another takes weights only as an input
    `sample_weight`, which is 1 where none are given. `reduction` "auto" is what the formula says.
    Labels and float64 data keep their dtype unless `dtype` is given, to which floats are cast then.
    With `validate` all data is checked against its domains, wherever the loss is computed.

    A param that is bound to a variable can be set, `loss.gamma = 0`; others are fixed.

    Raises ArgumentError for names that the loss has not and values that are no numbers.
    """

    autograph_info__ = None  # AutoGraph is to call it as it is

    def __init__(
        self, loss: Loss, *, reduction: str | None = "auto", name: str | None = None,
        dtype: Any = None, bound: Mapping[str, Any] | None = None, validate: bool = False,
    ) -> None:  # fmt: skip
        self.formula = loss
        self._bound = {n: _bindable(loss, n, v) for n, v in (bound or {}).items()}
        loss._check_bound(self._own_params())
        self._free = [n for n in loss.inputs if n not in self._bound and n != WEIGHT]
        self._takes_weight = WEIGHT in loss.inputs and WEIGHT not in self._bound
        self._separated = _separated(loss, self.prediction)
        self._float = None if dtype is None else keras.dtype_policies.get(dtype).compute_dtype
        self._given_dtype = getattr(dtype, "name", dtype)
        self._validate = validate
        is_sum = self._separated is not None and self._separated.op == "sum"
        auto = "sum" if is_sum else "sum_over_batch_size"
        chosen = auto if reduction == "auto" else reduction
        super().__init__(name=name or loss.name, reduction=chosen, dtype=dtype)
        self.__doc__ = loss.__doc__
        self._is_made = True

    # --- params ---------------------------------------------------------------------------------

    @property
    def params(self) -> Params:
        """The params by name as they are now."""
        defaults = {n: to_python(p.default) for n, p in self.formula.params.items()}
        now = defaults | {n: saved.plain(v) for n, v in self._own_params().items()}
        return Params(now, self._assign)

    def __getattr__(self, name: str) -> Any:
        loss = self.__dict__.get("formula")
        if loss is None or name not in loss.params:
            raise AttributeError(f"{type(self).__name__} has no attribute `{name}`")
        return self.params[name]

    def __setattr__(self, name: str, value: Any) -> None:
        made = self.__dict__.get("_is_made", False)
        if made and (name in self.formula.params or name in self.formula.inputs):
            self._assign(name, value)
        else:
            super().__setattr__(name, value)

    def _assign(self, name: str, value: Any) -> None:
        """Set a param that is bound to a variable."""
        if name not in self.formula.params and name not in self.formula.inputs:
            raise self.formula._unknown(name, list(self.formula.params))
        variable = self._bound.get(name)
        if variable is None or not saved.is_live(variable):
            raise _fixed(self.formula, name, value)
        self.formula._check_bound({name: value} if name in self.formula.params else {})
        variable.assign(value)

    # --- running --------------------------------------------------------------------------------

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss, reduced as Keras does.

        Raises ArgumentError for missing, unknown or misshapen inputs, and LosscError for weights or
        a mask that the formula cannot take.
        """
        with keras.name_scope(self.name):
            given, own = self.named(y_true, y_pred)
            return self.reduced(given, own if sample_weight is None else sample_weight)

    @as_written
    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The values per sample if the loss is separable, else its value."""
        given, weight = self.named(y_true, y_pred)
        inputs = self._inputs(given, weight)
        self._check(inputs, {})
        if self._separated is None:
            return self._run(self.formula, inputs, {})
        return self._values(inputs, {})

    def named(self, y_true: Any, y_pred: Any) -> tuple[dict[str, Any], Any]:
        """The inputs by name from tensors or dicts, and the weights that a dict had among them."""
        y_true, a = _without_weight(y_true)
        y_pred, b = _without_weight(y_pred)
        weight = b if a is None else a
        given = match(self.formula, self._free, y_true, y_pred)
        return given, None if weight is None else as_array(weight)

    def reduced(
        self, given: dict[str, Any], weight: Any = None, params: Mapping[str, Any] | None = None
    ) -> Any:
        """The loss of inputs by name; `params` override those that were bound."""
        mask = self._mask(given)
        weight = None if weight is None else as_array(weight)
        if weight is not None:
            known_shape(WEIGHT, weight)
        if self._separated is None:
            return self._whole(given, weight, mask, params or {})
        own, weight = (weight, None) if self._takes_weight else (None, weight)
        keep = any(is_fine(w, given[self.prediction or ""]) for w in (mask, weight))
        inputs = self._inputs(given, own, keep)
        self._check(inputs, params or {})
        values = self._values(inputs, params or {})
        return reduce_weighted_values(
            values,
            sample_weight=over_values(weight, values, WEIGHT),
            mask=both(over_values(mask, values, "the mask"), get_keras_mask(values)),
            reduction=self.reduction,
            dtype=self._float,
        )

    @property
    def free(self) -> tuple[str, ...]:
        """The inputs that are not bound, in declared order, without `sample_weight`."""
        return tuple(self._free)

    @property
    def prediction(self) -> str | None:
        """The input that `y_pred` stands for."""
        return roles(self._free)[1]

    def _mask(self, given: Mapping[str, Any]) -> Any:
        prediction = given.get(self.prediction or "")
        return get_keras_mask(prediction) if tf.is_tensor(prediction) else None

    def _whole(
        self, given: dict[str, Any], weight: Any, mask: Any, params: Mapping[str, Any]
    ) -> Any:
        """The value of a loss that is not separable, a part of it under a distribution strategy."""
        taken = self._takes_weight
        is_number = weight is not None and not taken and len(weight.shape) == 0
        for what, value in ((WEIGHT, None if is_number else weight), ("a mask", mask)):
            if value is not None and not taken:
                raise LosscError(_refused(self.formula, what))
        inputs = self._inputs(given, merge(weight, mask) if taken else None)
        self._check(inputs, params)
        value = self._run(self.formula, inputs, params)
        value = value * tf.cast(weight, value.dtype) if is_number else value
        value = value if self._float is None else tf.cast(value, self._float)
        is_sum = self.reduction in ("sum", "none", None)
        return value if is_sum else scale_loss_for_distribution(value)

    def _values(self, inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Any:
        """The values per sample, with a mask of those that count as Keras's own losses give it."""
        masked = self._run(self.formula._masked, inputs, params)
        if masked is None:
            return self._run(self.formula.per_sample, inputs, params)
        values, counted = masked
        set_keras_mask(values, counted > 0)
        return values

    def _check(self, inputs: Mapping[str, Any], params: Mapping[str, Any]) -> None:
        """With `validate`, check the data against its domains at each step."""
        if self._validate:
            validate_at_each_step(self.formula, inputs, self._own_params() | dict(params))

    def _run(self, run: Any, inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Any:
        chosen = {n: _tensor(v) for n, v in (self._own_params() | dict(params)).items()}
        return run(*(inputs[n] for n in self.formula.inputs), **chosen)

    def _inputs(self, given: dict[str, Any], weight: Any, keep: bool = False) -> dict[str, Any]:
        """All inputs of the formula, lined up and with the constants."""
        given = line_up(self.formula, self._free, given, keep)
        if self._float is not None:
            given = {n: _cast(x, self._float) for n, x in given.items()}
        inputs = given | self._constants(float_of(given))
        if self._takes_weight:
            inputs[WEIGHT] = as_input(self.formula, inputs, weight)
        return inputs

    def _constants(self, dtype: tf.DType) -> dict[str, Any]:
        """The inputs that are bound; floats give way to the dtype of the data."""
        bound = {n: v for n, v in self._bound.items() if n in self.formula.inputs}
        return {n: _cast(_tensor(v), dtype) for n, v in bound.items()}

    def _own_params(self) -> dict[str, Any]:
        return {n: v for n, v in self._bound.items() if n in self.formula.params}

    # --- showing and saving ---------------------------------------------------------------------

    def _repr_latex_(self) -> str:
        return self.formula._repr_latex_()

    def __repr__(self) -> str:
        inputs = [f"{n}=<bound>" for n in self._bound if n in self.formula.inputs]
        params = [f"{n}={v}" for n, v in self.params.items()]
        inner = ", ".join([*inputs, *params, f"reduction={self.reduction!r}"])
        return f"<CompiledLoss {self.formula.name}({inner})>"

    def get_config(self) -> dict[str, Any]:
        """The loss as plain data: its text, hash, params and constants."""
        constants = {n: v for n, v in self._bound.items() if n in self.formula.inputs}
        return {
            "name": self.name,
            "reduction": self.reduction,
            "dtype": self._given_dtype,
            **saved.save(self.formula),
            "params": {n: saved.plain(v) for n, v in self._own_params().items()},
            "bound": {n: saved.save_array(v) for n, v in constants.items()},
            "validate": self._validate,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> CompiledLoss:
        """The loss in a config.

        Raises LosscError if its text means something else than when it was saved.
        """
        saved.check_config(config, saved.WHOLE)
        arrays = {n: saved.restore_array(a) for n, a in config["bound"].items()}
        return cls(
            saved.restore(config),
            reduction=config["reduction"],
            name=config["name"],
            dtype=config["dtype"],
            bound={**config["params"], **arrays},
            validate=config.get("validate", False),
        )


class Params(Mapping[str, Any]):
    """The params of a Keras loss; those that are bound to variables can be set."""

    def __init__(self, values: Mapping[str, Any], assign: Callable[[str, Any], None]) -> None:
        self._values = values
        self._assign = assign

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._assign(name, value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)


def _fixed(loss: Loss, name: str, value: Any) -> ArgumentError:
    decl = loss.params.get(name) or loss.inputs[name]
    bind = f"{name}=tf.Variable({value!r})"
    return ArgumentError(
        Diagnostic(
            "E0707",
            f"`{name}` is fixed in this Keras loss",
            Label(decl.span, "declared here"),
            notes=("a model that is compiled already would not see another value.",),
            help=f"bind a variable, which can be set at any time: {loss.name}.keras({bind})",
        )
    )


def _separated(loss: Loss, prediction: str | None) -> Separated | None:
    """The loss's values per sample, if the samples are along the prediction's leading axis."""
    found = loss._separated
    if found is None or prediction is None:
        return None
    leading = loss.inputs[prediction].tensor.axes[:1]
    return found if leading == tuple(s.axis for s in found.program.axes[:1]) else None


def _bindable(loss: Loss, name: str, value: Any) -> Any:
    """A bound value: a variable, or a copy of what is given."""
    decl = loss.params.get(name) or loss.inputs.get(name)
    if decl is None:
        options = ("reduction", "name", "dtype", "validate")
        raise loss._unknown(name, [*loss.inputs, *loss.params, *options])
    if saved.is_live(value):
        return value
    if name in loss.params and (value is None or isinstance(value, (bool, int, float))):
        return value
    try:
        array = saved.array(value)
    except (TypeError, ValueError):
        raise _no_numbers(decl, value) from None
    if array.dtype.kind not in "fiubV" or array.dtype.names:
        raise _no_numbers(decl, value)
    return saved.plain(array) if name in loss.params else array.copy()


def _no_numbers(decl: Input | Param, value: Any) -> ArgumentError:
    return ArgumentError(
        Diagnostic(
            "E0604",
            f"`{decl.name}` must hold numbers",
            Label(decl.span),
            notes=(f"it is a {type(value).__name__}",),
            help="give a number, an array or a variable",
        )
    )


def _without_weight(part: Any) -> tuple[Any, Any]:
    part = part.tensors if isinstance(part, ByName) else part
    if not isinstance(part, Mapping) or WEIGHT not in part:
        return part, None
    return {n: v for n, v in part.items() if n != WEIGHT}, part[WEIGHT]


def _tensor(value: Any) -> Any:
    return tf.convert_to_tensor(value) if saved.is_live(value) else value


def _cast(x: Any, dtype: Any) -> Any:
    """Floats in a dtype; everything else as it is."""
    return tf.cast(x, dtype) if tf.as_dtype(x.dtype).is_floating else x


def _refused(loss: Loss, what: str) -> Diagnostic:
    return Diagnostic(
        "E0701",
        f"`{loss.name}` cannot take {what}",
        Label(loss._checked.item.body.span),
        notes=("it is no mean or sum of one value for each sample, to which a weight belongs.",),
        help="write the weight into the formula, as an input `sample_weight`",
    )
