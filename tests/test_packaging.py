"""What pyproject.toml says is in the package is what the folders hold."""

from __future__ import annotations

import tomllib
from pathlib import Path

import lossc
from lossc.dsl.parser import TABLES, tables

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
TOOL = PROJECT["tool"]["setuptools"]
FOLDERS = {
    "lossc": "lossc",
    "dsl": "lossc.dsl",
    "compiler": "lossc.compiler",
    "stdlib": "lossc.stdlib",
}


def packages() -> set[str]:
    """Every folder of Python files, by the name that it is imported as."""
    found = set()
    for folder, package in FOLDERS.items():
        for path in (ROOT / folder).rglob("*.py"):
            inner = path.parent.relative_to(ROOT / folder).parts
            if folder != "lossc" or not inner or f"{inner[0]}" not in FOLDERS:
                found.add(".".join((package, *inner)))
    return found


def test_packages_are_listed() -> None:
    assert set(TOOL["packages"]) == packages()


def test_every_package_has_an_init() -> None:
    for name in TOOL["packages"]:
        folder = name.replace("lossc.", "", 1) if name != "lossc" else name
        top = folder.split(".")[0]
        path = ROOT / (folder if top in FOLDERS else name).replace(".", "/")
        assert (path / "__init__.py").is_file(), name


def test_links_lead_to_the_folders() -> None:
    """Type checkers read directories, so lossc/ links to the folders that are mapped into it."""
    for folder in ("dsl", "compiler", "stdlib"):
        assert (ROOT / "lossc" / folder).resolve() == ROOT / folder
        assert TOOL["package-dir"][f"lossc.{folder}"] == folder


def test_data_files_are_packed() -> None:
    """Every data file has its pattern, and every pattern a file."""
    folders = {"lossc.dsl": "dsl", "lossc.stdlib": "stdlib", "lossc": "lossc"}
    folders["lossc.compiler.audit.page"] = "compiler/audit/page"
    for package, folder in folders.items():
        patterns = TOOL["package-data"][package]
        files = [p for p in (ROOT / folder).iterdir() if p.is_file()]
        data = [p for p in files if p.suffix not in (".py", ".pyc")]
        for path in data:
            assert any(path.match(p) for p in patterns), path.name
        for pattern in patterns:
            assert any(path.match(pattern) for path in data), f"{folder}/{pattern}"


def test_version_is_said_once() -> None:
    assert PROJECT["project"]["version"] == lossc.__version__


def test_saved_tables_are_of_the_grammar_as_it_is() -> None:
    """With those of another one every process would make them anew."""
    saved, now = (x.partition(b"\n")[0] for x in ((ROOT / "dsl" / TABLES).read_bytes(), tables()))
    assert saved.rpartition(b" ")[2] == now.rpartition(b" ")[2], "run `make docs`"
