"""The derivative of a checked loss as a function of the language."""

from __future__ import annotations

from lossc.dsl import ast

from .check import Checked
from .emit.to_source import as_function
from .ir import REAL, Program
from .passes.differentiate import differentiate

DOMAINS = (ast.DomainEntry, ast.ConditionEntry, ast.DescriptionEntry)


def derivative(checked: Checked, wrt: str) -> ast.Function:
    """The derivative in an input or param, under the loss's domains; its axes are the input's."""
    return written(checked, differentiate(checked.program, wrt), f"d_{checked.name}_d_{wrt}")


def written(checked: Checked, program: Program, name: str) -> ast.Function:
    """A program made of a loss's, such as its stable form, as a function under its domains."""
    item = checked.item
    defaults = {p.name: p.default for p in item.params} | dict(checked.hidden)
    domains = [e for e in item.where if isinstance(e, DOMAINS)]
    return as_function(program, defaults, domains, name)


def real_inputs(checked: Checked) -> list[str]:
    """The inputs in which a derivative makes sense by their domains."""
    return [n for n, i in checked.inputs.items() if i.tensor.kind == REAL]
