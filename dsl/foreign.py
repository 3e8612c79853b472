"""What other libraries call things, and how it is written here."""

from __future__ import annotations

# Modules before a dot, by the names that programs import them under.
MODULES = frozenset(
    ["np", "numpy", "jnp", "tf", "tensorflow", "torch", "keras", "K", "F", "math", "scipy", "sp",
     "jax", "optax", "tfp"]
)  # fmt: skip
# What other libraries call a function, and how it is written here.
FOREIGN = {
    "ln": "log(x)", "square": "x^2", "pow": "x^y", "power": "x^y", "maximum": "max(x, y)",
    "minimum": "min(x, y)", "reduce_mean": "mean(x)", "reduce_sum": "sum(x)",
    "reduce_max": "max(x)", "average": "mean(x)", "log_sigmoid": "log(sigmoid(x))",
    "logsigmoid": "log(sigmoid(x))", "matmul": "sum[k](a[i, k] * b[k, j])", "dot": "sum(a * b)",
    "transpose": "a[j, i]", "heaviside": "indicator(x > 0)", "rsqrt": "1 / sqrt(x)",
    "gamma": "exp(lgamma(x))", "fabs": "abs(x)", "arctan": "atan(x)", "Phi": "ndtr(x)",
    "cast": "indicator(c) for a condition", "int": "round(x)", "clamp": "clip(x, lo, hi)",
}  # fmt: skip
