"""The audit as one HTML file that needs nothing else: no network, no script, no font."""

from .document import Entry, document, entry, page

__all__ = ["Entry", "document", "entry", "page"]
