"""The plans of all losses, and which of them a change touches.

    python -m tests.plans                  the losses whose plan is not the recorded one
    python -m tests.plans --without RULE   the losses whose plan changes if a rewriting rule is off
    python -m tests.plans --write          record the plans as they are now

`plans.json` has, for each loss of the library and the corpus, the hash of the plan of its value
and gradient, and the bits of error that `docs/accuracy.md` gives it. It is written when all tests
have passed: `make test` measures a loss only where its plan is another one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from unittest import mock

import pytest

import lossc
from lossc.compiler.check import Checked
from lossc.compiler.derive import real_inputs
from lossc.compiler.passes import stabilise
from lossc.compiler.passes.differentiate import total
from lossc.compiler.pipeline import Numerics
from lossc.compiler.precision import AUTO, FLOAT64, Precision
from lossc.compiler.rules.table import RULES

ROOT = Path(__file__).parent.parent
CORPUS = ROOT / "tests" / "corpus"
RECORDED = ROOT / "tests" / "golden" / "plans.json"
SOURCES = ("dsl", "compiler", "stdlib", "tests/corpus")  # what a plan depends on
LIBRARY = frozenset(lossc.std)  # names, none of which is looked at yet
LOSSES = [*lossc.std, *(p.stem for p in sorted(CORPUS.glob("*.loss")) if p.stem not in LIBRARY)]


def find(name: str) -> lossc.Loss:
    """A loss of the library or the corpus."""
    return lossc.std[name] if name in LIBRARY else lossc.load(CORPUS / f"{name}.loss")[name]


def plan_text(checked: Checked, precision: Precision = AUTO) -> str:
    """The plan of the value of a loss and its gradient in all real inputs: a step a line."""
    numerics = Numerics.of(checked, precision)
    value = numerics.stable(checked.program)
    slopes = [numerics.derivative(total(value), name) for name in real_inputs(checked)]
    programs = [numerics.arranged(p) for p in (value, *map(numerics.stable, slopes))]
    return str(numerics.plan(*programs))


def plan_hash(name: str) -> str:
    """A short hash of the plans of a loss, for ordinary data and for any."""
    checked = find(name)._checked
    return _hash("\n".join(plan_text(checked, p) for p in (AUTO, FLOAT64)))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def recorded() -> dict[str, str]:
    """The hash of the recorded plan of each loss."""
    rows = json.loads(RECORDED.read_text("utf-8"))
    return {name: row["plan"] for name, row in rows.items()}


def is_changed(name: str, config: pytest.Config) -> bool:
    """Whether the plan of a loss is not the recorded one.

    Processes share what they find, for the sources as they are, in the cache of the tests.
    """
    assert config.cache is not None
    file = config.cache.mkdir("plans") / _digest_of_sources() / name
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(plan_hash(name))
    return file.read_text() != recorded().get(name)


@cache
def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".lark", ".loss"):
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _bits() -> dict[str, str]:
    """What `docs/accuracy.md` says of each loss: its mean and worst error in bits."""
    page = (ROOT / "docs" / "accuracy.md").read_text("utf-8")
    rows = re.finditer(r"^\| (\w+) \| \d+ \| ([\d.]+) \| ([\d.]+) \|", page, re.M)
    return {row[1]: f"{row[2]}, {row[3]}" for row in rows}


def _write() -> None:
    bits = _bits()
    rows = {name: {"plan": plan_hash(name), "bits": bits.get(name, "")} for name in LOSSES}
    lines = (f"{json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(rows.items()))
    RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _without(rule: str) -> Iterator[str]:
    """The losses whose plan is another one without a rule."""
    known = {r.name for r in RULES} | {n for rows in stabilise.BY_HEAD.values() for n, _ in rows}
    if rule not in known:
        raise SystemExit(f"there is no rule `{rule}`; there are: {', '.join(sorted(known))}")
    by_head = {h: tuple(r for r in rows if r[0] != rule) for h, rows in stabilise.BY_HEAD.items()}
    tables = {
        early: {
            head: [r for r in rows if r.rule.name != rule]
            for head, rows in stabilise._table(early).items()
        }
        for early in (False, True)
    }
    before = {name: plan_hash(name) for name in LOSSES}
    with mock.patch.multiple(stabilise, BY_HEAD=by_head, _table=tables.__getitem__):
        for name in LOSSES:
            checked = replace(find(name)._checked)  # which keeps no forms
            if _hash(plan_text(checked)) != before[name]:
                yield name


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m tests.plans", description=__doc__)
    parser.add_argument("--write", action="store_true", help="record the plans as they are")
    parser.add_argument("--without", metavar="RULE", help="the losses that a rule changes")
    args = parser.parse_args()
    if args.write:
        _write()
    elif args.without:
        print("\n".join(_without(args.without)))
    else:
        print("\n".join(n for n in LOSSES if plan_hash(n) != recorded().get(n)))


if __name__ == "__main__":
    main()
