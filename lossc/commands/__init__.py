"""The commands of `lossc`, one a module: each has `add`, which declares it, and `run`."""
