"""Compiling text, loading files, and the standard library."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from lossc.compiler.check import Checked, CheckedFile, alone, check
from lossc.compiler.findings import Findings
from lossc.compiler.link import Unit, link
from lossc.compiler.precision import AUTO, Precision
from lossc.dsl.diagnostics import Diagnostic, LosscError
from lossc.dsl.source import Source
from lossc.stdlib import family_source, homes

from .files import Reader, read_source, reader
from .forms import refuse_names
from .loss import Loss, Module
from .options import DEFAULT, Options

KEPT = 128  # so many losses are kept with what they have compiled


def compile(
    text: str, *, jit: bool = True, stable: bool = True, precision: Precision = AUTO,
    search: Iterable[str | os.PathLike[str]] = (),
) -> Loss:  # fmt: skip
    """The loss in some text: one formula, one `loss`, or one `def`, whose value may be a tensor.

    `jit=False` runs it without XLA, `stable=False` as written, without the rewrites and the float64
    that keep its digits. `precision` says how float32 data is computed: "auto" in float32 but for
    the steps that lose digits on ordinary data, "float64" with all steps in float64 that may lose
    digits or range on any data, "float32" without any. `search` lists folders that
    `use "file.loss"` may read.

    Raises LosscError with everything that is wrong.
    """
    options = Options(jit, stable, precision)
    if not isinstance(text, str):
        message = f"compile takes text, not {type(text).__name__}"
        raise LosscError(Diagnostic("E0610", message, help="load a file with lossc.load(path)"))
    no_formula = refuse_names(text)
    if no_formula is not None:
        raise LosscError(no_formula)
    checked = sound(Source.of("<text>", text), reader(None, [Path(p) for p in search]))
    return only(checked, options)


def load(
    path: str | os.PathLike[str], *, jit: bool = True, stable: bool = True,
    precision: Precision = AUTO, search: Iterable[str | os.PathLike[str]] = (),
) -> Module:  # fmt: skip
    """The losses of a file. `use` in it may read its own folder tree and the `search` paths.

    The options are those of `compile`.
    Raises LosscError with everything that is wrong.
    """
    where = Path(path)
    checked = sound(read_source(where), reader(where.parent, [Path(p) for p in search]))
    options = Options(jit, stable, precision)
    losses = {name: made(c, options) for name, c in checked.losses.items()}
    return Module(losses, where.name, checked.unit.file.doc)


def sound(source: Source, read: Reader) -> CheckedFile:
    """A file that has no errors; raises LosscError if it has any."""
    checked = check(source, read)
    if checked.errors:
        raise LosscError(checked.errors)
    return checked


def only(checked: CheckedFile, options: Options = DEFAULT, name: str | None = None) -> Loss:
    """The loss of that name, or the only one of a file (a `def` counts if there is no loss)."""
    from lossc.dsl import ast

    items = checked.losses
    if name is not None:
        named = {n: made(c, options) for n, c in items.items()}
        return Module(named, checked.unit.source.name)[name]
    losses = [c for c in items.values() if isinstance(c.item, ast.Loss)]
    chosen = losses or list(items.values())
    if len(chosen) == 1:
        return made(chosen[0], options)
    if not chosen:
        raise LosscError(Diagnostic("E0609", "there is no loss here, only `use`"))
    names = ", ".join(c.name for c in chosen)
    message = f"there are {len(chosen)} losses here, and one is wanted"
    help = f"name one ({names}), or load them all with lossc.load(path)"
    raise LosscError(Diagnostic("E0611", message, help=help))


def made(checked: Checked, options: Options = DEFAULT) -> Loss:
    """The loss that is run; the same one for the same texts, with all that it has compiled."""
    texts = tuple((s.name, s.text) for s in checked.unit.sources())
    return _made(_Recipe(texts, checked.name, options, checked))


@dataclass(frozen=True, slots=True)
class _Recipe:
    """What a loss is made of; recipes of the same texts are equal."""

    texts: tuple[tuple[str, str], ...]
    name: str
    options: Options
    checked: Checked = field(compare=False)


@lru_cache(maxsize=KEPT)
def _made(recipe: _Recipe) -> Loss:
    return Loss(recipe.checked, recipe.options)


@cache
def library() -> Module:
    """The standard library, flat by name."""
    return _Standard(_Library(), "lossc.std")


class _Standard(Module):
    """The standard library, which knows its families too."""

    def _no_loss(self, name: str) -> Diagnostic:
        own = [loss for loss, family in homes().items() if family == name]
        if not own:
            return super()._no_loss(name)
        message = f"`{name}` is a family of losses, and lossc.std has the losses themselves"
        return Diagnostic("E0609", message, help=f"its losses are: {', '.join(own)}")


class _Library(Mapping[str, Loss]):
    """The losses of the standard library; each is compiled when it is wanted."""

    def __getitem__(self, name: str) -> Loss:
        return _standard(name)

    def __contains__(self, name: object) -> bool:
        return name in homes()

    def __iter__(self) -> Iterator[str]:
        return iter(homes())

    def __len__(self) -> int:
        return len(homes())


@cache
def _standard(name: str) -> Loss:
    family = _family(homes()[name])
    return Loss(alone(family.own[name], family))


@cache
def _family(name: str) -> Unit:
    findings = Findings()
    unit = link(family_source(name), reader(None), findings)
    if findings.errors:
        raise LosscError(findings.errors)
    return unit
