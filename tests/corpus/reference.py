"""The corpus: losses that people use, each with sample inputs and a float64 NumPy reference.

`records.jsonl` holds a JSON object a line; the `.loss` file of the same name says the same loss
in the language.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from textwrap import indent
from typing import Any

import numpy as np
from scipy import special

FOLDER = Path(__file__).parent

Inputs = Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """One loss of the corpus; `fields` is its JSON object."""

    fields: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the loss, and of its `.loss` file."""
        return str(self.fields["name"])

    @property
    def path(self) -> Path:
        """The file that says it in the language."""
        return FOLDER / f"{self.name}.loss"

    @property
    def params(self) -> dict[str, Any]:
        """The defaults of the params, in order."""
        return dict(self.fields["params"])

    @property
    def differentiable(self) -> tuple[str, ...]:
        """The inputs that the loss is trained through."""
        return tuple(self.fields["grad_wrt"])

    @property
    def per_sample(self) -> bool:
        """Whether the loss is a mean of independent terms, one a sample."""
        return bool(self.fields["per_sample"])

    @property
    def stops_gradient(self) -> bool:
        """Whether a part counts as constant, so that slopes of the value are no gradient."""
        return "stop_gradient(" in self.fields["formula"]

    def inputs(self, seed: int | None = None) -> dict[str, Any]:
        """Sample inputs by name: NumPy arrays, or floats; by default of the record's own seed."""
        rng = np.random.default_rng(self.fields["seed"] if seed is None else seed)
        return dict(self._generate(rng))

    def value(self, inputs: Inputs, **params: Any) -> float:
        """The loss of the inputs in float64; params keep their defaults unless given."""
        arrays = {name: np.copy(x) if np.ndim(x) else x for name, x in inputs.items()}
        return float(self._evaluate(**arrays, **{**self.params, **params}))

    def slope(self, inputs: Inputs, name: str, direction: Any, step: float = 1e-5) -> float:
        """The derivative of the value as the input `name` moves in `direction`."""

        def moved(t: float) -> float:
            return self.value({**inputs, name: np.asarray(inputs[name], float) + t * direction})

        return (moved(step) - moved(-step)) / (2 * step)

    @cached_property
    def _generate(self) -> Callable[..., Any]:
        return _compile("generate", ["rng"], self.fields["gen"])

    @cached_property
    def _evaluate(self) -> Callable[..., Any]:
        names = [entry["name"] for entry in self.fields["inputs"]]
        return _compile("evaluate", [*names, *self.params], self.fields["numpy"])


def _compile(name: str, arguments: Sequence[str], body: str) -> Callable[..., Any]:
    """A Python function of a body that stands in `records.jsonl`."""
    scope: dict[str, Any] = {"np": np, "sp": special}
    exec(f"def {name}({', '.join(arguments)}):\n{indent(body, '    ')}", scope)
    function: Callable[..., Any] = scope[name]
    return function


def records() -> list[Record]:
    """Every loss of the corpus, by name."""
    lines = (FOLDER / "records.jsonl").read_text(encoding="utf-8").splitlines()
    return [Record(json.loads(line)) for line in lines]
