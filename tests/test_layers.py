"""Imports point one way: dsl to nothing of ours, compiler and stdlib to dsl, the face to all."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = {
    "dsl": "lossc.dsl",
    "compiler": "lossc.compiler",
    "stdlib": "lossc.stdlib",
    "lossc": "lossc",
}
MAY_IMPORT = {
    "dsl": {"dsl"},
    "compiler": {"dsl", "compiler"},
    "stdlib": {"dsl", "stdlib"},
    "lossc": {"dsl", "compiler", "stdlib", "lossc"},
}
TENSORFLOW = (
    "lossc.compiler.emit.",
    "lossc.runtime",
    "lossc.keras",
    "lossc.commands.hlo",
    "lossc.foreign",
)


def sources() -> dict[str, Path]:
    """Every module by its dotted name; the links in lossc/ are not followed."""
    found: dict[str, Path] = {}
    for folder, package in LAYERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            if folder == "lossc" and parts[0] in ("dsl", "compiler", "stdlib"):
                continue
            name = ".".join((package, *parts)).removesuffix(".__init__")
            found[name] = path
    return found


SOURCES = sources()


def layer(module: str) -> str:
    """The layer of a module of ours."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LAYERS else "lossc"


def imports(module: str, at_import: bool = False) -> Iterator[tuple[str, bool]]:
    """What a module imports, by absolute name, and whether it says so relatively.

    With `at_import` only what is imported when the module is: not in functions, nor for types.
    """
    path = SOURCES[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in statements(ast.parse(path.read_text("utf-8")), at_import):
        if isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                name = f"{stem}.{alias.name}"
                yield name if name in SOURCES else stem, node.level > 0


def statements(tree: ast.AST, at_import: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if at_import and (function or typing):
            continue
        yield node
        yield from statements(node, at_import)


@pytest.mark.parametrize("module", SOURCES)
def test_imports_point_one_way(module: str) -> None:
    for name, relative in imports(module):
        top = name.split(".")[0]
        assert top not in ("dsl", "compiler", "stdlib"), f"{module} imports {name} past lossc"
        if top != "lossc":
            continue
        assert layer(name) in MAY_IMPORT[layer(module)], f"{module} imports {name}"
        if layer(name) != layer(module):
            assert not relative, f"{module} imports {name} relatively across packages"
        elif layer(module) != "lossc":
            assert relative, f"{module} imports {name} absolutely inside its package"


@pytest.mark.parametrize("module", SOURCES)
def test_libraries_stay_in_their_place(module: str) -> None:
    for name, _ in imports(module):
        top = name.split(".")[0]
        if top == "lark":
            assert module == "lossc.dsl.parser", f"{module} imports lark"
        if top in ("tensorflow", "keras"):
            assert module.startswith(TENSORFLOW), f"{module} imports {top}"


@pytest.mark.parametrize("module", [m for m in SOURCES if layer(m) in ("dsl", "compiler")])
def test_dsl_and_compiler_never_load_tensorflow_at_import(module: str) -> None:
    if module.startswith("lossc.compiler.emit."):
        return
    for name, _ in imports(module, at_import=True):
        assert name.split(".")[0] not in ("tensorflow", "keras")
        assert not name.startswith(("lossc.compiler.emit.to_tf", "lossc.compiler.emit.tf_ops"))


def test_no_import_cycles() -> None:
    """Among what modules import when they are imported."""
    graph = {m: {n for n, _ in imports(m, at_import=True) if n in SOURCES} - {m} for m in SOURCES}
    done: set[str] = set()
    for start in graph:
        walk(start, (), graph, done)


def walk(module: str, path: tuple[str, ...], graph: dict[str, set[str]], done: set[str]) -> None:
    assert module not in path, " -> ".join((*path[path.index(module) :], module))
    if module in done:
        return
    for name in sorted(graph[module]):
        walk(name, (*path, module), graph, done)
    done.add(module)
