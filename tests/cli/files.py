"""Files that the command-line tests work on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

HUBER = '''"""Huber loss.
Source: Huber 1964"""
loss huber(y, yhat; delta = 1) =
    mean(if abs(e) <= delta then e^2 / 2 else delta * (abs(e) - delta / 2))
where
    delta > 0  "half-width of the quadratic zone"
    e = y - yhat
'''

CROSS_ENTROPY = """loss ce(y[batch], z[batch, class]; t = 1 in (0, inf)) =
    mean[batch](logsumexp[class](z / t) - z[batch, y] / t)
where
    y in index(class)  "label"
    z in [-10, 10]  "logits"
"""

TWO = """loss first(y, yhat) = mean((y - yhat)^2)

loss second(y, yhat) = mean(abs(y - yhat))
"""


def write_all(folder: Path) -> None:
    """Write the losses and data that the tests name."""
    for name, text in (("huber", HUBER), ("ce", CROSS_ENTROPY), ("two", TWO)):
        (folder / f"{name}.loss").write_text(text, encoding="utf-8")
    (folder / "latin.loss").write_bytes("mean(y) # größe".encode("latin-1"))
    (folder / "empty.loss").write_text("")
    (folder / "folder.loss").mkdir()
    arrays = {
        "y": np.array([0.0, 1.0, 2.0, 4.0]),
        "pred": np.array([0.0, 1.5, 2.0, 2.0]),
        "column": np.ones((4, 1)),
        "words": np.array(["a", "b", "c", "d"]),
        "waves": np.ones(4, complex),
        "things": np.array([{}, 1, 2, 3], dtype=object),
    }
    np.savez(folder / "data.npz", **arrays)  # type: ignore[arg-type]
    np.save(folder / "single.npy", arrays["y"])
    (folder / "broken.npz").write_bytes(b"PK\x03\x04 no archive")
    (folder / "broken.parquet").write_bytes(b"PAR1 no table")
    (folder / "empty.csv").write_text("")
    (folder / "numbers.csv").write_text("y,yhat\n1,1.5\n2,2\n")
    (folder / "classes.csv").write_text("y,z_0,z_1\n0,1,1\n1,2,2\n")
    (folder / "outside.csv").write_text("y,z[0],z[1]\n0,1,2\n2,3,40\n")
    (folder / "missing.csv").write_text("y,yhat\n1,2\n,3.5\n")
    (folder / "words.csv").write_text("y,yhat\n1,2\n3,many\n")
    (folder / "ragged.csv").write_text("y,yhat\n1,2\n3\n")
    (folder / "twice.csv").write_text("y,y\n1,2\n")
    (folder / "gap.csv").write_text("y,z_0,z_2\n0,1,1\n")
    (folder / "latin.csv").write_bytes("y,größe\n1,2\n".encode("latin-1"))
