"""The JSON document of an audit: the keys that `docs/audit.md` gives, and a golden text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossc.cli import main
from tests.golden import Case, cases

PAGE = Path(__file__).parent.parent.parent / "docs" / "audit.md"
TEXT = """loss f(y, p) = mean(y / p + abs(log(exp(y))))
claims
    f >= 0
    f == f
    convex in y
"""
# Where the parts of a loss stand in the document.
PARTS = {
    "audit claim": "claims", "audit domain": "domains", "audit hazard": "hazards",
    "audit kink": "kinks", "audit rewrite": "rewrites", "audit influence": "influence",
    "audit invariant": "invariants", "audit cost": "cost",
}  # fmt: skip
DATA = {
    "audit range": "ranges", "audit branch": "branches", "audit pull": "gradients",
    "audit carrier": "carriers",
}  # fmt: skip


def schemas() -> dict[str, set[str]]:
    table = PAGE.read_text("utf-8").split("| document | keys |")[1]
    rows = re.findall(r"^\| (audit[a-z ]*) \| (.*) \|$", table, re.M)
    return {name: set(re.findall(r"`(\w+)`", cells)) for name, cells in rows}


SCHEMAS = schemas()


def conforms(value: Mapping[str, Any], name: str) -> None:
    assert set(value) == SCHEMAS[name], name


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("audit")
    np.savez(folder / "d.npz", y=np.array([1.0, -2.0]), p=np.array([1.0, 4.0]))
    words = ["audit", "-e", TEXT, "--json", "--data", str(folder / "d.npz")]
    with pytest.MonkeyPatch.context() as patch:
        written: list[str] = []
        patch.setattr("builtins.print", lambda text, **_: written.append(text))
        assert main(words) == 0
    return json.loads(written[0], parse_constant=pytest.fail)


def test_every_part_has_the_keys_of_the_page(document: Any) -> None:
    conforms(document, "audit")
    (loss,) = document["losses"]
    conforms(loss, "audit loss")
    for name, key in PARTS.items():
        assert loss[key], key
        for value in loss[key]:
            conforms(value, name)
    conforms(loss["data"], "audit data")
    for name, key in DATA.items():
        assert loss["data"][key], key
        for value in loss["data"][key]:
            conforms(value, name)
    for found in loss["influence"]:
        conforms(found["value"], "audit growth")
        conforms(found["slope"], "audit growth")
    witnesses = [x["witness"] for k in ("claims", "hazards", "invariants") for x in loss[k]]
    for witness in filter(None, witnesses):
        conforms(witness, "audit witness")
    assert loss["gradient"]["ok"]
    assert {r["format"] for r in loss["accuracy"]["rows"]} == {"float32"}
    used = {*PARTS, *DATA, "audit", "audit loss", "audit data", "audit growth", "audit witness"}
    assert used == set(SCHEMAS)


def test_every_key_of_a_loss_is_explained() -> None:
    explained = PAGE.read_text("utf-8").split("| key | what it is |")[1]
    named = set(re.findall(r"`(\w+)`", explained))
    assert SCHEMAS["audit loss"] - {"loss", "file"} <= named


@pytest.mark.parametrize("case", cases("audit"), ids=lambda case: case.id)
def test_document(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    main(["audit", "-e", case["loss"], "--static", "--json"])
    found = json.loads(capsys.readouterr().out)
    for loss in found["losses"]:
        assert loss["versions"].pop("lossc")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", loss["date"])
        del loss["versions"], loss["date"]
        for found_here in (*loss["claims"], *loss["hazards"], *loss["invariants"]):
            found_here["witness"] = bool(found_here["witness"])
    case.check("json", json.dumps(found, indent=1, ensure_ascii=False))
