"""Elaboration: from the syntax tree to typed terms."""
