"""Bits of error of a loss, for value and gradient, over the floats that its domains hold."""
