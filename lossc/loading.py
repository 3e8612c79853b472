"""Loading of modules whose objects stay."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from types import ModuleType


def load(name: str) -> ModuleType:
    """A module; no garbage is collected while it is loaded, nor looked for in what it holds.

    TensorFlow has a million objects: a collection that looks at them takes a quarter of a second.
    """
    if name in sys.modules:
        return sys.modules[name]
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
