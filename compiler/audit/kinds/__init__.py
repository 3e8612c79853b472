"""The kinds of claim."""
