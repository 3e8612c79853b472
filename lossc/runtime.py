"""Running a loss: arguments to tensors, shapes checked, one trace a signature, one XLA cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager.record import should_record_backprop

from lossc.compiler.check import Checked, specialise
from lossc.compiler.elaborate.declare import Default, Input, Param
from lossc.compiler.emit.arrays import compute_dtype
from lossc.compiler.emit.clusters import is_long
from lossc.compiler.emit.gradient import differentiable, is_lost, value_and_gradients
from lossc.compiler.emit.hessian import diagonals, products
from lossc.compiler.ir import BOOL, INT, REAL
from lossc.compiler.passes.hessian import direction
from lossc.compiler.precision import AUTO, FLOAT32
from lossc.compiler.sizes import Shape, fit
from lossc.dsl.diagnostics import ArgumentError, Diagnostic, Label, LosscError

from .defaults import is_fixed, to_numpy
from .forms import with_other_form
from .loading import uncollected
from .options import DEFAULT, Options

VALUE, PER_SAMPLE, COUNTED, MASKED = "value", "per_sample", "counted", "masked"
DIAGONAL, PRODUCT = "hessian_diagonal", "hessian_vector_product"
MOST_SHAPES = 512  # so many shapes are remembered as checked


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked of a loss: its value, values per sample, or second derivatives; by names."""

    what: str = VALUE
    wrt: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """A task, and how its graph is built.

    Derivatives in the tensors that a tape has `watched` are computed beside the value. With
    `looked_at` the result has beside it whether numbers in it are not finite; a `fallback` computes
    in float64 what loses range in float32.
    """

    task: Task
    watched: frozenset[str] = frozenset()
    looked_at: bool = False
    fallback: bool = False


@dataclass
class Runtime:
    """A loss ready to run. Traces are kept by task, dtypes, ranks and fixed params.

    A trace serves every batch size; XLA compiles it anew for each shape. The options say how
    it is computed.
    With `shaped` a trace is for one shape only: it computes the same, and is made sooner.
    """

    checked: Checked
    options: Options = DEFAULT
    shaped: bool = False
    _traces: dict[Any, Any] = field(default_factory=dict)
    _bodies: dict[Any, _Body] = field(default_factory=dict)
    _fast: dict[Any, Any] = field(default_factory=dict)
    _fixed: dict[Any, Checked] = field(default_factory=dict)
    _defaults: dict[Any, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        c = self.checked
        self.inputs: tuple[Input, ...] = tuple(c.inputs.values())
        self.params: tuple[Param, ...] = tuple(c.params.values())

    def run(
        self, task: Task, inputs: Sequence[Any], params: Mapping[str, Any],
        vectors: Sequence[Any] = (),
    ) -> Any:  # fmt: skip
        """The task's result for inputs in declared order and params by name.

        `vectors` are the parts of the vector that a Hessian is multiplied by, as `task.wrt`.
        """
        key = None if params or vectors else _signature(task, inputs)
        known = None if key is None else self._fast.get(key)
        if known is not None:
            return known[0](*inputs, *known[1])
        with uncollected():
            return self._run(task, inputs, params, vectors, key)

    def _run(
        self, task: Task, inputs: Sequence[Any], params: Mapping[str, Any], vectors: Sequence[Any],
        key: Any,
    ) -> Any:  # fmt: skip
        tensors = self.tensors(inputs)
        checked = self.fixed(params)
        values = self.param_tensors(checked, params, tensors)
        self.check(checked, tensors, values)
        values += self.parts(task, checked, (*tensors, *values), vectors)
        named = self.named(checked, (*tensors, *values))
        job = Job(task, frozenset(n for n, x in named.items() if should_record_backprop([x])))
        trace = self.runner(job, checked, tensors, values)
        if key is not None and self.is_plain(tensors):
            if len(self._fast) >= MOST_SHAPES:
                self._fast.clear()
            self._fast[key] = (trace, values)
        return trace(*tensors, *values)

    def is_plain(self, tensors: Sequence[tf.Tensor]) -> bool:
        """Whether another call of the same dtypes and shapes needs no look at the values."""
        return not any(
            d.tensor.kind == INT and t.dtype.is_floating
            for d, t in zip(self.inputs, tensors, strict=True)
        )

    # --- arguments ------------------------------------------------------------------------------

    def tensors(self, inputs: Sequence[Any]) -> list[tf.Tensor]:
        """The inputs as tensors of their own dtypes; Python numbers take that of the arrays."""
        arrays = [_as_array(d, x) for d, x in zip(self.inputs, inputs, strict=True)]
        floats = [a.dtype for a, weak in arrays if not weak and _is_float(a.dtype)]
        weak_dtype = max((tf.as_dtype(d) for d in floats), key=lambda d: d.size, default=tf.float64)
        tensors = []
        for decl, (array, weak) in zip(self.inputs, arrays, strict=True):
            dtype = weak_dtype if weak and _is_float(array.dtype) else None
            tensors.append(_convert(decl, array, dtype))
        return tensors

    def fixed(self, params: Mapping[str, Any]) -> Checked:
        """The loss with the params that are fixed when compiled at the values given."""
        values = {n: v for n, v in params.items() if is_fixed(self.checked, n, v)}
        if not values:
            return self.checked
        exact: dict[str, Default] = {
            n: _exact(self.checked.params[n], v) for n, v in values.items()
        }
        key = tuple(sorted(exact.items(), key=lambda kv: kv[0]))
        if key not in self._fixed:
            self._fixed[key] = specialise(self.checked, exact)
        return self._fixed[key]

    def param_tensors(
        self, checked: Checked, params: Mapping[str, Any], inputs: Sequence[tf.Tensor]
    ) -> list[tf.Tensor]:
        """The params of the program as tensors; variables and tensors stay live.

        They are in float64, if that is used at all, and rounded where a step of float32 uses them.
        """
        narrow = self.options.precision == FLOAT32
        real = compute_dtype(inputs) if narrow else tf.float64
        tensors = []
        for tensor in checked.program.params:
            name = tensor.name
            kind = tf.bool if tensor.kind == BOOL else real
            if name in params and params[name] is not None and name not in checked.hidden:
                tensors.append(_param(checked.params[name], params[name], kind))
            else:
                tensors.append(self.default(checked, name, kind))
        return tensors

    def default(self, checked: Checked, name: str, dtype: tf.DType) -> tf.Tensor:
        """The default of a param, made once a dtype."""
        key = (name, dtype)
        if key not in self._defaults:
            value = to_numpy(checked, name)
            with tf.init_scope():
                self._defaults[key] = tf.constant(value, dtype)
        return self._defaults[key]

    def parts(
        self, task: Task, checked: Checked, tensors: Sequence[tf.Tensor], vectors: Sequence[Any]
    ) -> list[tf.Tensor]:
        """The parts of a vector as tensors, each of the shape and dtype of what it belongs to."""
        names = [t.name for t in (*checked.program.inputs, *checked.program.params)]
        named = dict(zip(names, tensors, strict=True))
        decls: dict[str, Input | Param] = {d.name: d for d in self.inputs}
        decls |= {d.name: d for d in self.params}
        pairs = zip(task.wrt, vectors, strict=False)
        return [_part(decls[n], named[n], vector) for n, vector in pairs]

    def check(
        self, checked: Checked, tensors: Sequence[tf.Tensor], values: Sequence[tf.Tensor]
    ) -> None:
        """Check shapes against the declarations and each other."""
        params = [p for p in checked.params.values() if p.tensor in checked.program.params]
        decls: list[Input | Param] = [*self.inputs, *params]
        shapes = [
            known_shape(d.name, t, d)
            for d, t in zip(decls, (*tensors, *values[: len(params)]), strict=True)
        ]
        bare = getattr(checked.item, "bare", False)
        name = "NAME" if bare else checked.name
        try:
            fit(name, decls, shapes, checked.program.constraints)
        except ArgumentError as error:
            raise with_other_form(error, checked, shapes) from None

    # --- graphs ---------------------------------------------------------------------------------

    def runner(
        self, job: Job, checked: Checked, tensors: Sequence[tf.Tensor], values: Sequence[tf.Tensor]
    ) -> Callable[..., Any]:
        """What runs a job for these dtypes and ranks.

        A call outside of a graph looks at its results: where they are not finite, the loss is
        compiled again with a larger range, which is hardly ever. Inside a graph it is not, and XLA
        compiles it with that graph, or by itself where its arrays are large.
        """
        if not tf.executing_eagerly():
            return self.body(job, checked)
        shaped = self.shaped or self.is_long(job, checked)
        specs = tuple(_spec(t, shaped) for t in (*tensors, *values))
        if not self.may_be_lost(job.task, tensors):
            return self.trace(job, checked, specs)
        first = self.trace(replace(job, looked_at=True), checked, specs)
        fallback = partial(self.trace, replace(job, fallback=True), checked, specs)

        def run(*tensors: tf.Tensor) -> Any:
            result, lost = first(*tensors)
            return fallback()(*tensors) if lost else result

        return run

    def may_be_lost(self, task: Task, tensors: Sequence[tf.Tensor]) -> bool:
        """Whether a task may leave the range of float32 where more of it in float64 does not."""
        if (
            task.what in (DIAGONAL, PRODUCT)
            or not self.options.stable
            or self.options.precision != AUTO
        ):
            return False
        return bool(compute_dtype(tensors) == tf.float32)

    def trace(
        self, job: Job, checked: Checked, specs: tuple[tf.TensorSpec, ...]
    ) -> Callable[..., Any]:
        """The concrete function of a job for these dtypes and ranks."""
        key = (job, checked.program.hash, specs)
        if key not in self._traces:
            body = self.body(job, checked)
            jit = self.options.jit and not self.is_long(job, checked)
            function = tf.function(body, jit_compile=jit or None, autograph=False)
            self._traces[key] = function.get_concrete_function(*specs)
        trace: Callable[..., Any] = self._traces[key]
        return trace

    def is_long(self, job: Job, checked: Checked) -> bool:
        """Whether XLA compiles parts of the graph of a job only, as in graphs of others.

        The plan is long, and XLA would take seconds where TensorFlow's kernels take milliseconds.
        Such a trace is for one shape, so that it is known which arrays are large.
        """
        self.body(job, checked)
        return self._bodies[job, checked.program.hash].is_long

    def named(self, checked: Checked, tensors: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
        """The tensors by the names of the program's inputs and params."""
        names = [t.name for t in (*checked.program.inputs, *checked.program.params)]
        return dict(zip(names, tensors, strict=False))

    def body(self, job: Job, checked: Checked) -> Callable[..., Any]:
        """The Python function that builds the graph of a job; made once, for its plan is kept."""
        key = (job, checked.program.hash)
        if key not in self._bodies:
            self._bodies[key] = self._body(job, checked)
        return self._bodies[key].build

    def _body(self, job: Job, checked: Checked) -> _Body:
        task = job.task
        if task.what in (DIAGONAL, PRODUCT):
            return _Body.of(self.second(task, checked))
        forward = self.forward(job, checked)

        def value(*tensors: tf.Tensor) -> tf.Tensor:
            return forward(self.named(checked, tensors))

        if not task.wrt:
            return _Body.of(value, looked_at=job.looked_at)
        numerics = self.options.numerics(checked, job.fallback)
        both = value_and_gradients(checked.program, task.wrt, numerics, self.options.jit)

        def value_and_grad(*tensors: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            named = self.named(checked, tensors)
            value, gradients = both(named)
            same = task.what == VALUE and not checked.program.axes
            return value if same else forward(named), _of_params(checked, gradients, tensors)

        return _Body.of(value_and_grad, job.looked_at, is_long(both.plan))

    def second(self, task: Task, checked: Checked) -> Callable[..., Any]:
        """Builds second derivatives, by name."""
        build = diagonals if task.what == DIAGONAL else products
        build_all = build(
            checked.program, task.wrt, self.options.numerics(checked), self.options.jit
        )
        names = [t.name for t in (*checked.program.inputs, *checked.program.params)]
        names = [*names, *(direction(n) for n in task.wrt)] if task.what == PRODUCT else names

        def both(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
            found = build_all(dict(zip(names, tensors, strict=True)))
            return _of_params(checked, found, tensors)

        return both

    def forward(self, job: Job, checked: Checked) -> Callable[[Mapping[str, tf.Tensor]], tf.Tensor]:
        """Builds the loss's value, its values per sample, or which of them count."""
        build = partial(
            differentiable,
            numerics=self.options.numerics(checked, job.fallback),
            watched=job.watched,
            jit=self.options.jit and job.task.what != COUNTED,  # a comparison or two
        )
        if job.task.what == VALUE:
            return build(checked.program)
        separated = checked.separated
        if separated is None:
            raise LosscError(not_separable(checked))
        chosen = {COUNTED: separated.counted, MASKED: separated.masked}.get(job.task.what)
        if chosen is not None:
            return build(chosen)
        return build(separated.program, over=separated.op if separated.packed else None)


def _spec(tensor: tf.Tensor, shaped: bool) -> tf.TensorSpec:
    """What a trace takes in the place of a tensor."""
    return tf.TensorSpec(tensor.shape if shaped else [None] * tensor.shape.rank, tensor.dtype)


@dataclass(frozen=True, slots=True)
class _Body:
    """What builds the graph of a job, and whether its plan is long."""

    build: Callable[..., Any]
    is_long: bool = False

    @staticmethod
    def of(build: Callable[..., Any], looked_at: bool = False, is_long: bool = False) -> _Body:
        """The body of a Python function."""
        made = _looked_at(build) if looked_at else build
        return _Body(tf.autograph.experimental.do_not_convert(made), is_long)


def _looked_at(build: Callable[..., Any]) -> Callable[..., Any]:
    """Builds a result, and whether numbers in it are not finite."""

    def run(*tensors: tf.Tensor) -> tuple[Any, tf.Tensor]:
        result = build(*tensors)
        return result, is_lost(tf.nest.flatten(result))

    return run


def _of_params(
    checked: Checked, found: Mapping[str, tf.Tensor], tensors: Sequence[tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Derivatives, those in params in the dtype of computation."""
    dtype = compute_dtype(tensors[: len(checked.program.inputs)])
    params = {t.name for t in checked.program.params}
    return {n: tf.cast(x, dtype) if n in params else x for n, x in found.items()}


def not_separable(checked: Checked) -> Diagnostic:
    """The error for per-sample values of a loss that has none."""
    return Diagnostic(
        "E0701",
        f"`{checked.name}` is no mean or sum of one value for each sample",
        Label(checked.item.body.span),
        notes=(
            "it has no values per sample, so weights and masks cannot be applied from outside.",
        ),
        help="write the weight into the formula, as an input `sample_weight`",
    )


def is_real(decl: Input, value: Any) -> bool:
    """Whether a gradient with respect to an input makes sense: real by domain and by dtype."""
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        dtype = np.asarray(value).dtype
        return decl.tensor.kind == REAL and dtype.kind in "fiu"
    return decl.tensor.kind == REAL and _is_float(dtype)


def _signature(task: Task, inputs: Sequence[Any]) -> Any:
    """What tells calls apart that need different checks; None unless all are eager tensors."""
    parts: list[Any] = [task]
    for x in inputs:
        if not isinstance(x, tf.__internal__.EagerTensor):
            return None
        parts += (x.dtype, x.shape, should_record_backprop([x]))
    return tuple(parts)


def _is_float(dtype: Any) -> bool:
    return bool(tf.as_dtype(dtype).is_floating)


def _as_array(decl: Input | Param, value: Any) -> tuple[Any, bool]:
    """A tensor or array, and whether it was plain Python, whose dtype gives way."""
    if isinstance(value, (tf.SparseTensor, tf.RaggedTensor, tf.IndexedSlices)):
        raise _bad_value(decl, f"it is a {type(value).__name__}, which is not dense")
    if isinstance(value, np.ma.MaskedArray):
        raise _bad_value(decl, "it is a masked array, and its mask would be lost")
    if tf.is_tensor(value) or isinstance(value, (tf.Variable, np.ndarray, np.generic)):
        _check_dtype(decl, value.dtype)
        return value, False
    is_array = hasattr(value, "__array__")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        raise _bad_value(decl, f"it is a {type(value).__name__}, not an array") from None
    _check_dtype(decl, array.dtype)
    return array, not is_array


def _check_dtype(decl: Input | Param, dtype: Any) -> None:
    name = getattr(dtype, "name", str(dtype))
    try:
        known = tf.as_dtype(dtype)
        good = known.is_floating or known.is_integer or known.is_bool
    except TypeError:
        good = False
    if not good:
        raise _bad_value(decl, f"its dtype is {name}")
    if decl.tensor.kind == BOOL and name not in ("bool",) and known.is_floating:
        return


def _bad_value(decl: Input | Param, why: str) -> ArgumentError:
    return ArgumentError(
        Diagnostic(
            "E0604",
            f"`{decl.name}` must hold numbers",
            Label(decl.span),
            notes=(why,),
            help="give an array or tensor of floats, integers or bools of one shape",
        )
    )


def _convert(decl: Input, array: Any, dtype: tf.DType | None) -> tf.Tensor:
    tensor = tf.convert_to_tensor(array)
    if dtype is not None and tensor.dtype != dtype:
        tensor = tf.cast(tensor, dtype)
    if decl.tensor.kind == INT and tensor.dtype.is_floating and tf.executing_eagerly():
        _check_integral(decl, tensor)
    return tensor


def _check_integral(decl: Input, tensor: tf.Tensor) -> None:
    """Refuse fractions where the domain is of integers."""
    values = np.asarray(tensor, dtype=np.float64)
    wrong = np.argwhere(values != np.floor(values))
    if len(wrong):
        place = tuple(int(i) for i in wrong[0])
        at = f"[{', '.join(map(str, place))}]" if place else ""
        raise ArgumentError(
            Diagnostic(
                "E0607",
                f"`{decl.name}` must hold integers",
                Label(decl.span),
                notes=(f"{decl.name}{at} is {values[place]:g}; its domain is {decl.domain}",),
            )
        )


def _exact(decl: Param, value: Any) -> Default:
    """A param's value as the compiler reads it, for params fixed when compiled."""
    if value is None or isinstance(value, (bool, np.bool_)):
        return value if value is None else bool(value)
    number = tf.get_static_value(value) if tf.is_tensor(value) else value
    if number is None or np.ndim(number) != 0:
        raise ArgumentError(
            Diagnostic(
                "E0608",
                f"`{decl.name}` is fixed when compiled",
                Label(decl.span),
                notes=("it sets a place, a size or a range, so its value must be known",),
                help="pass a Python number",
            )
        )
    whole = decl.default is None or float(number).is_integer()
    if not whole or not np.isfinite(number):
        raise ArgumentError(
            Diagnostic(
                "E0608",
                f"`{decl.name}` must be a whole number",
                Label(decl.span),
                notes=(f"it is {number}, and it sets a place, a size or a range",),
            )
        )
    return Fraction(float(number))


def _param(decl: Param, value: Any, dtype: tf.DType) -> tf.Tensor:
    if isinstance(value, (tf.Tensor, tf.Variable)):
        _check_dtype(decl, value.dtype)
        return tf.cast(tf.convert_to_tensor(value), dtype)
    array, _ = _as_array(decl, value)
    return tf.constant(array, dtype) if array.dtype != bool else tf.cast(tf.constant(array), dtype)


def _part(decl: Input | Param, target: tf.Tensor, value: Any) -> tf.Tensor:
    array, _ = _as_array(decl, value)
    vector = tf.cast(tf.convert_to_tensor(array), target.dtype)
    if not vector.shape.is_compatible_with(target.shape):
        raise ArgumentError(
            Diagnostic(
                "E0606",
                f"the vector has shape {vector.shape} for `{decl.name}` of shape {target.shape}",
                Label(decl.span),
                help="each part of the vector has the shape of its input or param",
            )
        )
    return vector


def known_shape(name: str, tensor: Any, decl: Input | Param | None = None) -> Shape:
    """The shape of what is given for a name. Raises ArgumentError if its rank is not known."""
    if getattr(tensor.shape, "rank", 0) is None:
        lengths = [None] if decl is None else [axis.size for axis in decl.tensor.axes]
        raise ArgumentError(
            Diagnostic(
                "E0603",
                f"`{name}` has an unknown number of axes",
                None if decl is None else Label(decl.span, "declared here"),
                notes=("the graph that computes it does not tell its shape",),
                help=f"give its shape, None for what may differ: "
                f"{name} = tf.ensure_shape({name}, {lengths})",
            )
        )
    return tuple(tensor.shape)
