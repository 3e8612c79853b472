"""A mutation test of the derivative rules: each broken on purpose, and caught by the checks."""
