"""A compiled loss: what `lossc.compile` and `lossc.load` give."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from lossc.compiler.check import Checked
from lossc.compiler.domains import axes_of
from lossc.compiler.elaborate.declare import Input, Param
from lossc.compiler.precision import Precision
from lossc.compiler.separate import Separated
from lossc.dsl import ast
from lossc.dsl.diagnostics import ArgumentError, Diagnostic, Label, LosscError
from lossc.dsl.printer import print_item
from lossc.dsl.source import Source

from .forms import of_keyword
from .options import DEFAULT, Options
from .signature import docstring, of_call, of_keras

if TYPE_CHECKING:
    from lossc.compiler.accuracy.report import AccuracyReport
    from lossc.compiler.audit.report import AuditReport
    from lossc.compiler.gradcheck.report import GradientReport

    from .runtime import Runtime, Task

PLAIN = frozenset([bool, int, float])
MOST_SHOWN = 20  # losses that a module names
MOST_PASSED = 512  # so many combinations of params are remembered as checked


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula to read: str() is its text in the language, `latex` its mathematics."""

    text: str
    latex: str

    def __str__(self) -> str:
        return self.text

    @property
    def mathml(self) -> str:
        """The mathematics as a `math` element of HTML."""
        from lossc.compiler.emit.to_mathml import from_latex

        return from_latex(self.latex)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"


F = TypeVar("F", bound=Callable[..., Any])


def as_written(function: F) -> F:
    """A function that AutoGraph does not rewrite where a `tf.function` of the user calls it."""
    function.__dict__["autograph_info__"] = None
    return function


class Loss:
    """A loss, ready to be called on NumPy arrays or TensorFlow tensors.

    `loss(y, yhat, delta=2)` gives a scalar tensor (a `def` may give any tensor). Inputs go by
    position or name, params by name. TensorFlow is loaded at the first call.
    """

    # Tells AutoGraph to call a loss as it is, as `as_written` does for functions.
    autograph_info__ = None

    def __init__(self, checked: Checked, options: Options = DEFAULT) -> None:
        self._checked = checked
        self._options = options
        self.__doc__ = docstring(checked)

    def __setattr__(self, name: str, value: Any) -> None:
        known = self.__dict__.get("_checked")
        if known is not None and (name in known.params or name in known.inputs):
            help = f"give it in the call: {self.name}(..., {name}={value!r})"
            raise self._wrong("E0618", f"`{name}` cannot be set on `{self.name}`", help)
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        if name == "__signature__":
            return of_call(self._checked)
        raise AttributeError(f"a loss has no attribute `{name}`")

    def __reduce__(self) -> tuple[Any, ...]:
        """What is declared, without what was compiled of it."""
        kept = {n: v for n, v in vars(self).items() if not _is_cache(type(self), n)}
        return _blank, (type(self),), kept

    # --- what it is -----------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name of the loss."""
        return self._checked.name

    @property
    def doc(self) -> str | None:
        """The docstring without its citation."""
        return doc_of(self._checked.item)

    @property
    def citation(self) -> str | None:
        """What follows `Source:` in the docstring, up to a blank line."""
        return citation_of(self._checked.item)

    @property
    def inputs(self) -> Mapping[str, Input]:
        """The inputs by name: axes, domain, description."""
        return MappingProxyType(dict(self._checked.inputs))

    @property
    def params(self) -> Mapping[str, Param]:
        """The params by name: default, domain, description."""
        return MappingProxyType(dict(self._checked.params))

    @property
    def source(self) -> str:
        """The text of the loss as its author wrote it."""
        return self._checked.item.span.text

    @property
    def claims(self) -> tuple[ast.Claim, ...]:
        """What the author claims."""
        return getattr(self._checked.item, "claims", ())

    @property
    def hash(self) -> str:
        """The canonical hash of the meaning: names of indices and layout do not matter."""
        return self._checked.program.hash

    @property
    def jit(self) -> bool:
        """Whether it is run through XLA."""
        return self._options.jit

    @property
    def stable(self) -> bool:
        """Whether it is computed in a form that loses no digits, and not as written."""
        return self._options.stable

    @property
    def precision(self) -> Precision:
        """How float32 data is computed: "auto", "float32" or "float64"."""
        return self._options.precision

    @property
    def separable(self) -> bool:
        """Whether the loss is a mean or sum of values per sample."""
        return self._separated is not None

    @property
    def formula(self) -> Formula:
        """The loss as text in canonical layout and as LaTeX."""
        from lossc.compiler.emit.to_latex import latex

        return Formula(print_item(self._checked.item), latex(self._checked.item))

    def gradient(self, wrt: str) -> Formula:
        """The derivative in an input or param, as a `def` that compiles and as LaTeX.

        Its axes are those of the input. Raises ArgumentError for a name that the loss has not.
        """
        from lossc.compiler.derive import derivative
        from lossc.compiler.emit.to_latex import latex

        known = [*self._checked.inputs, *self._checked.params]
        if wrt not in known:
            raise self._unknown(wrt, known)
        item = derivative(self._checked, wrt)
        return Formula(print_item(item), latex(item))

    def audit(
        self, seconds: float = 2.0, *, full: bool = False, static: bool = False,
        data: Mapping[str, Any] | None = None,
    ) -> AuditReport:  # fmt: skip
        """Claims proved or refuted, domains, hazards, gradient check, accuracy, cost, and more.

        `seconds` of the processor are the most for one claim. With `full` all dtypes are measured,
        at more points and without short limits of time; with `static` the loss is not run. `data`
        has arrays of the inputs, and params, by name: what they do is looked at too. A refuted
        claim raises nothing: see `ok` and str() of the report, and `to_html(path)`.
        """
        from .auditing import FULL, QUICK, whole_audit
        from .data_audit import audit_data
        from .files import reader

        effort = replace(FULL if full else QUICK, claim=seconds, measured=not static)
        report = whole_audit(self._checked, reader(None), effort)
        if data is None:
            return report
        inputs, params = self._named((), data)
        arrays = dict(zip(self._checked.inputs, inputs, strict=True))
        return replace(report, data=audit_data(self._checked, arrays, params))

    def sources(self) -> list[Source]:
        """The file of the loss and all files that it uses."""
        return list(self._checked.unit.sources())

    # --- running --------------------------------------------------------------------------------

    def __call__(self, *args: Any, validate: bool = False, **kwargs: Any) -> Any:
        """The value of the loss.

        With `validate` the data is checked against the declared domains first. Raises ArgumentError
        (a ValueError) for missing, unknown or misshapen arguments. Where Keras calls it, given to
        `model.compile` as it is, it is its Keras loss.
        """
        if _called_by("keras"):
            return self._in_keras(*args, **kwargs)
        inputs, params = self._bind(args, kwargs, validate)
        return self._runtime.run(self._task(), inputs, params)

    @as_written
    def value_and_grad(
        self, *args: Any, wrt: str | Iterable[str] | None = None, validate: bool = False,
        **kwargs: Any,
    ) -> tuple[Any, dict[str, Any]]:  # fmt: skip
        """The value and the gradients, a dict by name; each has its input's shape and dtype.

        `wrt` is a name or several, of inputs or params; by default all real inputs.
        """
        inputs, params = self._bind(args, kwargs, validate)
        names = self._wrt(wrt, inputs)
        result = self._runtime.run(self._task(wrt=names), inputs, params)
        return result if names else (result, {})

    @as_written
    def hessian_diagonal(
        self, *args: Any, wrt: str | Iterable[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """The second derivative in each element by itself: a dict of arrays of the inputs' shapes.

        `wrt` is a name or several, of inputs or params; by default all real inputs. It is derived,
        as the gradient is, and places that do not match are not computed: for a mean of pointwise
        losses it takes as long as the gradient.
        """
        inputs, params = self._bind(args, kwargs)
        names = self._wrt(wrt, inputs)
        if not names:
            return {}
        found: dict[str, Any] = self._runtime.run(
            self._task("hessian_diagonal", names), inputs, params
        )
        return found

    @as_written
    def hessian_vector_product(
        self, *args: Any, vectors: Mapping[str, Any], **kwargs: Any
    ) -> dict[str, Any]:
        """The matrix of second derivatives times a vector: a dict of arrays by name.

        `vectors` has the parts of the vector by name of an input or param, each of its shape. The
        result has the same names: `sum over n of d2 L / (d x_m d x_n) vectors[n]` for each name m.
        """
        inputs, params = self._bind(args, kwargs)
        names = self._wrt(tuple(vectors), inputs)
        if not names:
            return {}
        parts = tuple(vectors.values())
        found: dict[str, Any] = self._runtime.run(
            self._task("hessian_vector_product", names), inputs, params, parts
        )
        return found

    @as_written
    def per_sample(self, *args: Any, validate: bool = False, **kwargs: Any) -> Any:
        """The values per sample, whose mean (or sum) is the loss; what Keras's `call` returns.

        Raises LosscError if the loss is not separable.
        """
        inputs, params = self._bind(args, kwargs, validate)
        return self._runtime.run(self._task("per_sample"), inputs, params)

    def _masked(self, *args: Any, **kwargs: Any) -> tuple[Any, Any] | None:
        """The values per sample, 0 where the loss's filter leaves one out, and 1 for each kept.

        None without such a filter.
        """
        if self._separated is None or self._separated.counted is None:
            return None
        inputs, params = self._bind(args, kwargs)
        values, counted = (
            self._runtime.run(self._task(w), inputs, params) for w in ("masked", "counted")
        )
        return values, counted

    def reference(self, *args: Any, digits: int = 50, **kwargs: Any) -> Any:
        """The value as an mpmath number with so many right digits, from the text as written.

        Precision is raised until the digits stand still, up to 65,536 bits.
        """
        from .reference import reference

        self._check_digits(digits)
        inputs, params = self._bind(args, kwargs)
        return reference(self._checked, inputs, params, digits)

    def reference_gradient(
        self, *args: Any, wrt: str | Iterable[str] | None = None, digits: int = 50, **kwargs: Any
    ) -> dict[str, Any]:
        """The gradients in arbitrary precision: arrays of mpmath numbers, by name.

        They are those of the text as written. `wrt` is a name or several, of inputs or params; by
        default all real inputs.
        """
        from lossc.compiler.derive import real_inputs

        from .reference import reference_gradient

        self._check_digits(digits)
        inputs, params = self._bind(args, kwargs)
        names = real_inputs(self._checked) if wrt is None else self._wrt(wrt, ())
        return reference_gradient(self._checked, inputs, params, names, digits)

    def validate(self, *args: Any, **kwargs: Any) -> None:
        """Check data against the declared domains.

        Raises ArgumentError with the first value outside and its place.
        """
        self._bind(args, kwargs, validate=True)

    def check_gradient(
        self, wrt: str | Iterable[str] | None = None, *, seed: int = 0, seconds: float = 12.0
    ) -> GradientReport:
        """The derived gradient beside SymPy's, differences, and TensorFlow's automatic one.

        They are compared at random points, at edges of domains, and on and beside kinks, for axes
        as short as they can be. `wrt` is a name or several, of inputs or params; by default all
        real ones. What does not fit into `seconds` is left out, and the report says so. A
        disagreement raises nothing: see `ok` and str() of the report.
        """
        from lossc.compiler.gradcheck.run import check_gradient

        names = None if wrt is None else self._wrt(wrt, ())
        return check_gradient(self._checked, names, seed, seconds)

    def accuracy(
        self, points: int = 200, *, seed: int = 0, dtypes: str | Iterable[str] | None = None,
        seconds: float = 60.0,
    ) -> AccuracyReport:  # fmt: skip
        """The bits of error of value and gradient, beside arbitrary precision.

        They are measured at so many points of the declared domains, with XLA and without, in
        float32, float16, bfloat16 and float64, or in the `dtypes` named. The points are ordinary
        data, or if the loss has the precision "float64", most of them any floats that a domain
        holds. Points that do not fit into `seconds` for each are left out, and the report
        says so. Errors above the bar raise nothing: see `ok` and str() of the report.
        """
        from lossc.compiler.accuracy.run import Plan

        from .accuracy import accuracy, formats_named

        plan = Plan(points, seed, formats_named(dtypes), seconds, precision=self.precision)
        return accuracy(self._checked, plan)

    @property
    def keras(self) -> Callable[..., Any]:
        """`loss.keras(...)` is a `keras.losses.Loss`.

        Its arguments go by name: params, which are set, further inputs, which are bound to arrays,
        and `reduction="auto"`, `name=None`, `dtype=None`, `validate=False`, `precision=None`.
        `reduction` "auto" is what the formula says: "sum_over_batch_size" for a mean, "sum" for a
        sum. With `validate` all data is checked against its domains at each step. `precision` is
        that of `lossc.compile`, in place of the loss's own.
        """

        def keras(*args: Any, **options: Any) -> Any:
            if args:
                help = self._by_name(args[0])
                raise self._wrong("E0602", f"`{self.name}.keras` takes arguments by name", help)
            return self._to_keras(**options)

        keras.__doc__ = f"{Loss.keras.__doc__}\n{self.__doc__}"
        keras.__signature__ = of_keras(self._checked)  # type: ignore[attr-defined]
        return keras

    def _by_name(self, value: Any) -> str:
        names = [*self._checked.params, "name"]
        return f"write {self.name}.keras({names[0]}={value!r})"

    def _to_keras(
        self, *, reduction: str | None = "auto", name: str | None = None, dtype: Any = None,
        validate: bool = False, precision: Precision | None = None, **bound: Any,
    ) -> Any:  # fmt: skip
        from .keras import CompiledLoss

        loss = self if precision is None else self._in(precision)
        return CompiledLoss(
            loss, reduction=reduction, name=name, dtype=dtype, bound=bound, validate=validate
        )

    def _in(self, precision: Precision) -> Loss:
        """The loss computed in another precision."""
        from .api import made

        return made(self._checked, replace(self._options, precision=precision))

    # --- showing --------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return self.formula.text

    def _repr_latex_(self) -> str:
        return self.formula._repr_latex_()

    # --- in Keras -------------------------------------------------------------------------------

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """For the code of Keras that resolves and saves the losses of a model, its Keras class.

        What is no loss of Keras's own is taken for a function there, and weighted, reduced and
        saved as one. For everybody else it is the class that it is.
        """
        if not _called_by("keras.src.trainers.compile_utils", "keras.src.saving.serialization_lib"):
            return type(self)
        from .keras import CompiledLoss

        return CompiledLoss

    def get_config(self) -> dict[str, Any]:
        """The config of its Keras loss, as which it is saved."""
        return dict(self._in_keras.get_config())

    @cached_property
    def _in_keras(self) -> Any:
        return self._to_keras()

    # --- inside ---------------------------------------------------------------------------------

    @cached_property
    def _runtime(self) -> Runtime:
        from .runtime import Runtime

        return Runtime(self._checked, self._options)

    @cached_property
    def _separated(self) -> Separated | None:
        return self._checked.separated

    def _check_digits(self, digits: Any) -> None:
        if not isinstance(digits, int) or isinstance(digits, bool) or digits < 1:
            raise self._wrong("E0602", "`digits` is a whole number from 1 on", f"it is {digits!r}")

    def _task(self, what: str = "value", wrt: tuple[str, ...] = ()) -> Task:
        from .runtime import Task

        return Task(what, wrt)

    def _wrt(self, wrt: str | Iterable[str] | None, inputs: Sequence[Any]) -> tuple[str, ...]:
        if wrt is None:
            return self._real_inputs(inputs)
        if not isinstance(wrt, (str, Iterable)):
            raise self._wrong("E0602", "`wrt` is a name or several", f"it is {wrt!r}")
        names = (wrt,) if isinstance(wrt, str) else tuple(wrt)
        known = [*self._checked.inputs, *self._checked.params]
        for name in names:
            if name not in known:
                raise self._unknown(name, known)
        return names

    def _real_inputs(self, inputs: Sequence[Any]) -> tuple[str, ...]:
        from .runtime import is_real

        declared = zip(self._checked.inputs.values(), inputs, strict=True)
        return tuple(d.name for d, x in declared if is_real(d, x))

    def _bind(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], validate: bool = False
    ) -> tuple[list[Any], dict[str, Any]]:
        """Inputs in declared order, and params by name, checked against their domains.

        With `validate` the inputs are checked too, and params that are tensors or variables.
        """
        inputs, params = self._named(args, kwargs)
        if validate:
            from .validate import validate as check_all

            check_all(self._checked, inputs, params)
        elif params or self._sized_params:
            self._check_params(inputs, params)
        return inputs, params

    def _check_params(self, inputs: Sequence[Any], params: Mapping[str, Any]) -> None:
        """Refuse numbers outside their domains; values that passed once are not checked again."""
        key: Hashable = tuple(params.items())
        if self._sized_params or not PLAIN.issuperset(map(type, params.values())):
            from .validate import key_of

            key = key_of(inputs, params, self._sized_params)
        if key in self._passed:
            return
        from .validate import check_params

        check_params(self._checked, inputs, params)
        if len(self._passed) >= MOST_PASSED:
            self._passed.clear()
        self._passed.add(key)

    def _check_bound(self, params: Mapping[str, Any]) -> None:
        """Refuse params outside their domains before there are any inputs."""
        if not params:
            return
        from .validate import check_params

        check_params(self._checked, (), params)

    @cached_property
    def _passed(self) -> set[Hashable]:
        return set()

    @cached_property
    def _sized_params(self) -> bool:
        """Whether the domain of a param depends on the length of an axis of the data."""
        domains = [p.meaning for p in self._checked.params.values()]
        return any(a.size is None for d in domains for a in axes_of(d))

    def _named(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Inputs in declared order, and params by name."""
        names = list(self._checked.inputs)
        if len(args) > len(names):
            help = "params go by name" if self._checked.params else None
            raise self._wrong(
                "E0602", f"`{self.name}` takes {len(names)} inputs, here are {len(args)}", help
            )
        given = dict(zip(names, args, strict=False))
        params: dict[str, Any] = {}
        for name, value in kwargs.items():
            if name in given:
                raise self._wrong("E0602", f"`{name}` is given twice", None)
            if name in self._checked.params:
                params[name] = value
            elif name in names:
                given[name] = value
            else:
                raise self._unknown(name, [*names, *self._checked.params])
        missing = [n for n in names if n not in given]
        if missing:
            raise self._missing(missing)
        return [given[n] for n in names], params

    def _missing(self, names: Sequence[str]) -> ArgumentError:
        shown = ", ".join(f"`{n}`" for n in names)
        wanted = ", ".join(self._checked.inputs)
        message = f"`{self.name}` needs {shown}"
        span = self._checked.inputs[names[0]].span
        return ArgumentError(
            Diagnostic("E0601", message, Label(span, "declared here"), help=f"its inputs: {wanted}")
        )

    def _unknown(self, name: str, known: Sequence[str]) -> ArgumentError:
        near = get_close_matches(name, known, 1)
        help = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(known)}"
        help = of_keyword(self.name, name) or help
        return self._wrong("E0602", f"`{self.name}` has no input or param `{name}`", help)

    def _wrong(self, code: str, message: str, help: str | None) -> ArgumentError:
        return ArgumentError(Diagnostic(code, message, help=help))


def _blank(kind: type[Loss]) -> Loss:
    return kind.__new__(kind)


def _is_cache(kind: type[Loss], name: str) -> bool:
    return isinstance(getattr(kind, name, None), cached_property)


def _called_by(*modules: str) -> bool:
    """Whether the caller's caller is code of one of some modules, or of what is in them."""
    name = str(sys._getframe(2).f_globals.get("__name__"))
    return any(name == module or name.startswith(f"{module}.") for module in modules)


class Module(Mapping[str, Loss]):
    """The losses of a file, as a mapping and as attributes."""

    def __init__(self, losses: Mapping[str, Loss], name: str, doc: str | None = None) -> None:
        self._losses = losses
        self._name = name
        self.__doc__ = doc

    def __getitem__(self, name: str) -> Loss:
        try:
            return self._losses[name]
        except KeyError:
            raise MissingLoss(self._no_loss(name)) from None

    def __getattr__(self, name: str) -> Loss:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in self._losses:
            raise MissingLoss(self._no_loss(name))
        return self._losses[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._losses)

    def __len__(self) -> int:
        return len(self._losses)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._losses]

    def __repr__(self) -> str:
        if len(self) > MOST_SHOWN:
            return f"<{self._name}: {len(self)} losses; list({self._name}) has their names>"
        return f"<{self._name}: {', '.join(self._losses) or 'no losses'}>"

    def _no_loss(self, name: str) -> Diagnostic:
        near = get_close_matches(name, self._losses, 1)
        have = f"there are: {', '.join(self._losses) or 'none'}"
        if len(self) > MOST_SHOWN:
            have = f"list({self._name}) has the names of its {len(self)} losses"
        help = f"did you mean `{near[0]}`?" if near else have
        return Diagnostic("E0609", f"{self._name} has no loss `{name}`", help=help)


class MissingLoss(LosscError, KeyError, AttributeError):
    """The error for a loss that a module does not have."""

    def __str__(self) -> str:
        return LosscError.__str__(self)


def doc_of(item: ast.Loss | ast.Function) -> str | None:
    """The docstring of an item without its citation."""
    return "\n".join(_doc_lines(item, cited=False)).strip() or None


def citation_of(item: ast.Loss | ast.Function) -> str | None:
    """What follows `Source:` in an item's docstring, up to a blank line."""
    lines = [line.strip() for line in _doc_lines(item, cited=True)]
    return " ".join(lines).removeprefix("Source:").strip() or None


def _doc_lines(item: ast.Loss | ast.Function, cited: bool) -> list[str]:
    """The lines of a docstring that are, or are not, part of the citation."""
    chosen, inside = [], False
    for line in (item.doc or "").split("\n"):
        inside = line.strip().startswith("Source:") or (inside and line.strip() != "")
        if inside == cited:
            chosen.append(line)
    return chosen
