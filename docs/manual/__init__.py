"""The manual: a page for each loss of the library, the guide, and an index, as static HTML."""
