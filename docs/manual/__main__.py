"""Builds the manual: `python -m docs.manual [FOLDER]`, by default into docs/_build."""

from __future__ import annotations

import sys
from pathlib import Path

from .build import build

if __name__ == "__main__":
    here = Path(__file__).parent.parent
    build(here, Path(sys.argv[1]) if len(sys.argv) > 1 else here / "_build")
