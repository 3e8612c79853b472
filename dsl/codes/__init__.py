"""Every diagnostic, declared once: its code, title, reason, and a wrong and a right example."""

from .calls import CALLS, COMMANDS, FILES, KERAS
from .code import Code
from .meaning import AXES, KINDS, NAMES
from .syntax import SYNTAX

CODES: dict[str, Code] = {
    row.code: row for row in (*SYNTAX, *NAMES, *AXES, *KINDS, *FILES, *CALLS, *KERAS, *COMMANDS)
}

__all__ = [
    "AXES",
    "CALLS",
    "CODES",
    "COMMANDS",
    "FILES",
    "KERAS",
    "KINDS",
    "NAMES",
    "SYNTAX",
    "Code",
]
