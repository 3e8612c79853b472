"""Loading of modules whose objects stay, and work that makes many objects at once."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType


def load(name: str) -> ModuleType:
    """A module; no garbage is collected while it is loaded, nor looked for in what it holds.

    TensorFlow has a million objects: a collection that looks at them takes a quarter of a second.
    """
    if name in sys.modules:
        return sys.modules[name]
    with uncollected():
        try:
            return import_module(name)
        finally:
            gc.freeze()


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage meanwhile: for short work whose many objects would start collections."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
