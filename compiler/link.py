"""Files that use one another: from a source to a unit in which every `use` is resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from lossc.dsl import ast
from lossc.dsl.diagnostics import Diagnostic, Label, LosscError
from lossc.dsl.parser import parse, parse_items
from lossc.dsl.source import Source

from .findings import Findings

# Given a `use` and the source in which it stands, the source that it names.
Reader = Callable[[ast.Use, Source], Source]


@dataclass(frozen=True, slots=True)
class Target:
    """A function or loss, with the unit in which its names have their meaning."""

    unit: Unit
    item: ast.Function | ast.Loss


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """A parsed file and what the functions and losses that it names stand for.

    `missing` are names that a `use` should have brought and did not, `parts` the files used.
    """

    source: Source
    file: ast.File
    used: Mapping[str, Target] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    parts: tuple[Unit, ...] = ()

    @property
    def own(self) -> dict[str, ast.Function | ast.Loss]:
        """The file's own functions and losses by name, the first of a name."""
        items = [i for i in self.file.items if not isinstance(i, ast.Use)]
        own: dict[str, ast.Function | ast.Loss] = {}
        for item in items:
            own.setdefault(item.name, item)
        return own

    def target(self, name: str) -> Target | None:
        """What a function's name stands for in this file."""
        item = self.own.get(name)
        return Target(self, item) if item is not None else self.used.get(name)

    def sources(self) -> Iterator[Source]:
        """This file's source and those that it uses, each once."""
        seen: dict[str, Source] = {}
        stack = [self]
        while stack:
            unit = stack.pop()
            seen.setdefault(unit.source.name, unit.source)
            stack.extend(unit.parts)
        return iter(seen.values())


def link(source: Source, read: Reader, findings: Findings) -> Unit:
    """Parse a source and, one after another, all that it uses.

    Syntax errors of the source are recorded, and items in error left out. So is what is wrong
    with a `use`, and the names that it would bring.
    """
    parsed = parse_items(source)
    if parsed.errors:
        findings.include(LosscError(parsed.errors))
    unit = _link(source, parsed.file, read, findings, ())
    return replace(unit, missing=unit.missing | parsed.broken)


def _link(
    source: Source, file: ast.File, read: Reader, findings: Findings, path: tuple[str, ...]
) -> Unit:
    used: dict[str, Target] = {}
    parts: list[Unit] = []
    for use in file.items:
        if isinstance(use, ast.Use):
            unit = _open(use, source, read, findings, (*path, source.name))
            if unit is not None:
                parts.append(unit)
                used |= dict(_pick(use, unit, findings))
    wanted = {n.id for use in file.items if isinstance(use, ast.Use) for n in use.names}
    return Unit(source, file, used, frozenset(wanted - set(used)), tuple(parts))


def _open(
    use: ast.Use, source: Source, read: Reader, findings: Findings, path: tuple[str, ...]
) -> Unit | None:
    try:
        target = read(use, source)
        if target.name in path:
            raise LosscError(_cycle(use, (*path, target.name)))
        return _link(target, parse(target), read, findings, path)
    except LosscError as error:
        findings.include(error)
        return None


def _cycle(use: ast.Use, path: tuple[str, ...]) -> Diagnostic:
    loop = path[path.index(path[-1]) :]
    return Diagnostic(
        "E0504",
        f"`{use.path}` uses this file in turn",
        Label(use.span, "closes a circle"),
        notes=("the circle: " + " -> ".join(loop),),
        help="move what both need into a third file",
    )


def _pick(use: ast.Use, unit: Unit, findings: Findings) -> Iterator[tuple[str, Target]]:
    for name in use.names:
        target = unit.target(name.id)
        if target is not None:
            yield name.id, target
            continue
        near = get_close_matches(name.id, unit.own, 1)
        findings.add(
            "E0503",
            name.span,
            f"`{use.path}` has no loss or def named `{name.id}`",
            help=f"did you mean `{near[0]}`?"
            if near
            else f"it has: {', '.join(unit.own) or 'none'}",
        )
