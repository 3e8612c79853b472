"""Rewrites that keep a formula's real value and make it right to the last bits."""
