"""The derivative of a checked loss as a function of the language."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, count

from lossc.dsl import ast

from .check import Checked
from .emit.to_source import as_function
from .ir import REAL, Access, Expr, Program, rebuild
from .passes.differentiate import SEED, differentiate

DOMAINS = (ast.DomainEntry, ast.ConditionEntry, ast.DescriptionEntry)


def derivative(checked: Checked, wrt: str) -> ast.Function:
    """The derivative in an input or param, under the loss's domains; its axes are the input's.

    That of a function whose value has axes takes a further input, the gradient in the value.
    """
    program = _with_legal_seed(differentiate(checked.program, wrt))
    return written(checked, program, f"d_{checked.name}_d_{wrt}")


def _with_legal_seed(program: Program) -> Program:
    """A derivative with its seed, if it has one, under a name that a formula can have."""
    tensors = (*program.inputs, *program.params)
    if SEED not in (t.name for t in tensors):
        return program
    taken = {t.name for t in tensors} | {a.name for t in tensors for a in t.axes}
    names = chain(("upstream",), (f"upstream_{k}" for k in count(2)))
    return _renamed(program, SEED, next(n for n in names if n not in taken))


def _renamed(program: Program, old: str, new: str) -> Program:
    """A program with another name for one of its inputs."""

    def visit(term: Expr) -> Expr | None:
        if not (isinstance(term, Access) and term.tensor.name == old):
            return None
        return Access(replace(term.tensor, name=new), term.slots, term.padded)

    inputs = tuple(replace(t, name=new) if t.name == old else t for t in program.inputs)
    return replace(program, inputs=inputs, value=rebuild(program.value, visit))


def written(checked: Checked, program: Program, name: str) -> ast.Function:
    """A program made of a loss's, such as its stable form, as a function under its domains."""
    item = checked.item
    defaults = {p.name: p.default for p in item.params} | dict(checked.hidden)
    domains = [e for e in item.where if isinstance(e, DOMAINS)]
    return as_function(program, defaults, domains, name)


def real_inputs(checked: Checked) -> list[str]:
    """The inputs in which a derivative makes sense by their domains."""
    return [n for n, i in checked.inputs.items() if i.tensor.kind == REAL]
