"""The table of rewrites: what a paper prints, and what says the same without losing digits.

Pure data in the language itself. Letters stand for any term, `i` for the indices and the filter of
a reduction. Sums and products match in any order, also as a part of a longer sum or product, and
up to a common factor. A rule applies where its conditions follow from the declared domains.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """A rewrite: its name, what it looks for, what it puts there, and what must be known.

    One that is `early` is tried before all others and before like terms are gathered, which would
    hide its pattern.
    Without `given` it would be wrong; without `when` it would be right, but no gain. A condition is
    a comparison, decided by interval inference, `constant(x)` (no tensor is in x),
    `fractional(x)` (x is not known to be a whole number), `whole(x)` (it is known to be one) or
    `label(x)` (it is known to be 0 or 1).
    """

    name: str
    pattern: str
    result: str
    given: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    early: bool = False


RULES: tuple[Rule, ...] = (
    # --- logarithms and exponentials
    Rule("logarithm to base 2", "log2(x)", "log(x) / log(2)", early=True),
    Rule("logarithm to base 10", "log10(x)", "log(x) / log(10)", early=True),
    Rule("log of exp", "log(exp(x))", "x"),
    Rule("exp of log", "exp(log(x))", "x", ("x >= 0",)),
    Rule("log1p", "log(1 + x)", "log1p(x)"),
    Rule("expm1", "exp(x) - 1", "expm1(x)"),
    Rule("expm1, of another base", "c^x - 1", "expm1(x * log(c))", ("c > 0",), ("constant(c)",)),
    Rule("difference of powers", "c^x - c^y", "c^y * expm1((x - y) * log(c))", ("c > 0",),
         ("constant(c)", "c > 1", "y >= 0")),
    Rule("product of exps", "exp(x) * exp(y)", "exp(x + y)"),
    Rule("quotient of exps", "exp(x) / exp(y)", "exp(x - y)"),
    Rule("reciprocal of exp", "1 / exp(x)", "exp(-x)"),
    Rule("power of exp", "exp(x)^n", "exp(n * x)"),
    Rule("log of power", "log(x^n)", "n * log(x)", ("x > 0",)),
    Rule("log of square", "log(x^2)", "2 * log(abs(x))"),
    Rule("log of sqrt", "log(sqrt(x))", "log(x) / 2"),
    Rule("log of sigmoid", "log(sigmoid(x))", "-softplus(-x)"),
    Rule("log of exp times", "log(x * exp(y))", "log(x) + y"),
    Rule("log of reciprocal", "log(1 / x)", "-log(x)"),
    Rule("log of quotient by sigmoid", "log(x / sigmoid(y))", "log(x) + softplus(-y)"),
    Rule("log of product with sigmoid", "log(x * sigmoid(y))", "log(x) - softplus(-y)"),
    Rule("logaddexp", "log(exp(x) + exp(y))", "logaddexp(x, y)"),
    Rule("weighted logaddexp", "log(a * exp(x) + b * exp(y))",
         "logaddexp(x + log(a), y + log(b))", ("a > 0", "b > 0")),
    Rule("log1mexp", "log1p(-exp(x))", "log1mexp(x)"),
    Rule("log of expm1", "log(-expm1(x))", "log1mexp(x)"),
    Rule("log1p of a sum of exps", "log1p(sum[i](exp(x)))", "softplus(logsumexp[i](x))"),
    Rule("log1p of a weighted sum of exps", "log1p(sum[i](a * exp(x)))",
         "softplus(logsumexp[i](x + log(a)))", ("a > 0",)),
    Rule("sign of a difference of logs", "sign(log(x) - log(y))", "sign(x - y)"),
    Rule("log of a share", "log(x / (x + y))", "-log1p(y / x)", when=("x > 0", "y >= 0")),
    Rule("log of a share, as a difference", "log(x) - log(x + y)", "-log1p(y / x)",
         when=("x > 0", "y >= 0")),
    # --- the logistic family
    Rule("softplus", "log1p(exp(x))", "softplus(x)"),
    Rule("sigmoid", "1 / (1 + exp(x))", "sigmoid(-x)"),
    Rule("complement of sigmoid", "1 - sigmoid(x)", "sigmoid(-x)"),
    Rule("log of the complement of sigmoid", "log1p(-sigmoid(x))", "-softplus(x)"),
    Rule("odds", "sigmoid(x) / sigmoid(-x)", "exp(x)"),
    Rule("sigmoid times exp", "sigmoid(x) * exp(-x)", "sigmoid(-x)"),
    Rule("power of sigmoid", "sigmoid(x)^g", "exp(-g * softplus(-x))",
         when=("fractional(g)",)),
    Rule("sigmoid less its mirror", "sigmoid(x) - sigmoid(-x)", "tanh(x / 2)"),
    Rule("difference of sigmoids", "sigmoid(x) - sigmoid(y)",
         "-expm1(y - x) * sigmoid(x) * sigmoid(-y)"),
    Rule("sigmoid less a label", "sigmoid(x) - y", "(1 - 2 * y) * sigmoid((1 - 2 * y) * x)",
         ("label(y)",)),
    Rule("log of a mixture with a point", "log(sigmoid(x) + sigmoid(-x) * exp(y))",
         "if y > -1 and y < 64 then log1p(sigmoid(-x) * expm1(y))"
         " else logaddexp(-softplus(-x), y - softplus(x))"),
    Rule("log of a mixture with a point, by its share", "log(p + (1 - p) * exp(y))",
         "if y > -1 and y < 64 then log1p((1 - p) * expm1(y))"
         " else logaddexp(log(p), log1p(-p) + y)", ("p > 0", "p < 1")),
    Rule("logit of sigmoid", "logit(sigmoid(x))", "x"),
    Rule("exp of softplus", "exp(-softplus(x))", "sigmoid(-x)"),
    Rule("softplus, by its mirror", "softplus(x) - x", "softplus(-x)"),
    Rule("softplus less its mirror", "softplus(x) - softplus(-x)", "x"),
    Rule("mean of softplus and its mirror", "y * softplus(-x) + (1 - y) * softplus(x)",
         "softplus(x) - y * x"),
    Rule("complement of twice sigmoid", "1 - 2 * sigmoid(x)", "-tanh(x / 2)"),
    # --- hyperbolic functions
    Rule("cosh, by exps", "exp(x) + exp(-x)", "2 * cosh(x)"),
    Rule("sinh, by exps", "exp(x) - exp(-x)", "2 * sinh(x)"),
    Rule("tanh", "sinh(x) / cosh(x)", "tanh(x)"),
    Rule("log of cosh", "log(cosh(x))", "logcosh(x)"),
    Rule("log of product with cosh", "log(a * cosh(x))", "log(a) + logcosh(x)"),
    Rule("complement of tanh", "1 - tanh(x)", "2 * sigmoid(-2 * x)"),
    Rule("complement of tanh, mirrored", "1 + tanh(x)", "2 * sigmoid(2 * x)"),
    Rule("slope of tanh", "1 - tanh(x)^2", "1 / cosh(x)^2"),
    # --- roots, squares and differences of them
    Rule("root of square", "sqrt(x^2)", "abs(x)"),
    Rule("hypot", "sqrt(x^2 + y^2)", "hypot(x, y)"),
    Rule("hypot with a constant", "sqrt(x^2 + c)", "hypot(x, sqrt(c))", ("c >= 0",),
         ("constant(c)",)),
    Rule("hypot less a side", "hypot(x, c) - c", "x * (x / (c + hypot(x, c)))", ("c > 0",)),
    Rule("root near one", "sqrt(1 + x) - 1", "x / (sqrt(1 + x) + 1)"),
    Rule("difference of roots", "sqrt(x) - sqrt(y)", "(x - y) / (sqrt(x) + sqrt(y))",
         ("x > 0", "y > 0")),
    Rule("difference of roots of what may be 0", "sqrt(x) - sqrt(y)",
         "if x > 0 then (if y > 0 then (x - y) / (sqrt(x) + sqrt(y)) else sqrt(x)) else -sqrt(y)",
         ("x >= 0", "y >= 0")),
    Rule("difference of squares", "x^2 - y^2", "(x - y) * (x + y)"),
    Rule("disagreement", "1 - x * y - (1 - x) * (1 - y)", "x * (1 - y) + (1 - x) * y",
         early=True),
    Rule("one less a square", "1 - x^2", "(1 - x) * (1 + x)"),
    Rule("distance from a whole number", "c - abs(x - k)",
         "if x == k then c else if x < k then x - (k - c) else (k + c) - x",
         when=("constant(c)", "whole(k)")),
    Rule("slope of a symmetric relative error",
         "sign(x - y) - abs(x - y) * sign(x) / (abs(x) + abs(y))",
         "sign(x - y) * (abs(y) + y * sign(x)) / (abs(x) + abs(y))"),
    Rule("slope of a symmetric relative error, mirrored",
         "sign(y - x) + abs(y - x) * sign(x) / (abs(x) + abs(y))",
         "sign(y - x) * (abs(y) + y * sign(x)) / (abs(x) + abs(y))"),
    Rule("one less cosine", "1 - cos(x)", "2 * sin(x / 2)^2"),
    # --- the normal distribution
    Rule("erfc", "1 - erf(x)", "erfc(x)"),
    Rule("erfc, mirrored", "1 + erf(x)", "erfc(-x)"),
    Rule("complement of erfc", "2 - erfc(x)", "erfc(-x)"),
    Rule("complement of ndtr", "1 - ndtr(x)", "ndtr(-x)"),
    Rule("complement of twice ndtr", "1 - 2 * ndtr(x)", "-erf(x / sqrt(2))"),
    Rule("log of ndtr", "log(ndtr(x))", "log_ndtr(x)"),
    Rule("log of the complement of ndtr", "log1p(-ndtr(x))", "log_ndtr(-x)"),
    Rule("log of erfc", "log(erfc(x))", "log_ndtr(-x * sqrt(2)) + log(2)"),
    Rule("log of half erfc", "log(erfc(x) / 2)", "log_ndtr(-x * sqrt(2))"),
    Rule("difference of ndtr in the upper tail", "ndtr(x) - ndtr(y)", "ndtr(-y) - ndtr(-x)",
         when=("x > 0", "y > 0")),
    Rule("quotient by ndtr", "exp(x) / ndtr(y)", "exp(x - log_ndtr(y))"),
    # --- the gamma function
    Rule("logarithm of beta", "lgamma(x) + lgamma(y) - lgamma(x + y)",
         "lgamma(min(x, y)) - log_rising(max(x, y), min(x, y))", early=True),
    # --- reductions
    Rule("logsumexp", "log(sum[i](exp(x)))", "logsumexp[i](x)"),
    Rule("weighted logsumexp", "log(sum[i](a * exp(x)))", "logsumexp[i](x + log(a))", ("a > 0",)),
    Rule("logmeanexp", "log(mean[i](exp(x)))", "logsumexp[i](x) - log(count[i](true))"),
    Rule("power of a sum of exps", "sum[i](exp(x))^g", "exp(g * logsumexp[i](x))",
         when=("fractional(g)",)),
    Rule("power of a mean of exps", "mean[i](exp(x))^g",
         "exp(g * (logsumexp[i](x) - log(max(count[i](true), 1))))", when=("fractional(g)",)),
    Rule("exp times a sum of exps", "exp(y) * sum[i](exp(x))", "exp(y + logsumexp[i](x))"),
    Rule("exp times a weighted sum of exps", "exp(y) * sum[i](a * exp(x))",
         "exp(y + logsumexp[i](x + log(a)))", ("a > 0",)),
    Rule("softmax", "exp(x) / sum[i](exp(y))", "exp(x - logsumexp[i](y))"),
    Rule("mean by exponential weights", "sum[i](y * exp(x)) / sum[i](exp(x))",
         "sum[i](y * exp(x - logsumexp[i](x)))"),
    Rule("mean by clipped weights",
         "sum[i](y * min(exp(x) / p, c)) / sum[i](min(exp(x) / p, c))",
         "sum[i](y * exp(min(x - log(p), log(c)) - logsumexp[i](min(x - log(p), log(c)))))",
         ("p > 0", "c > 0")),
    Rule("log of softmax's denominator", "log(y / sum[i](exp(x)))",
         "log(y) - logsumexp[i](x)"),
    Rule("log of a weighted softmax's denominator", "log(y / sum[i](a * exp(x)))",
         "log(y) - logsumexp[i](x + log(a))", ("a > 0",)),
    Rule("log of product", "log(prod[i](x))", "sum[i](log(x))", ("x >= 0",)),
    Rule("product of exps over indices", "prod[i](exp(x))", "exp(sum[i](x))"),
    Rule("variance", "mean[i](x^2) - mean[i](x)^2", "var[i](x)"),
    Rule("covariance", "mean[i](x * y) - mean[i](x) * mean[i](y)",
         "mean[i]((x - mean[i](x)) * (y - mean[i](y)))"),
    Rule("standard deviation", "sqrt(var[i](x))", "std[i](x)"),
    Rule("norm", "sqrt(sum[i](x^2))", "norm[i](x)"),
    Rule("root mean square", "sqrt(mean[i](x^2))", "norm[i](x) / sqrt(count[i](true))"),
    Rule("squares of quotients", "x^2 * sum[i]((y + z / x)^2)", "sum[i]((x * y + z)^2)"),
    Rule("norm with a constant", "sqrt(sum[i](x^2) + c)", "hypot(norm[i](x), sqrt(c))",
         ("c >= 0",), ("constant(c)",)),
    Rule("norm with a square", "sqrt(sum[i](x^2) + y^2)", "hypot(norm[i](x), y)"),
    Rule("angle of two vectors", "acos(sum[i](x * y) / (norm[i](x) * norm[i](y)))",
         "2 * atan2(norm[i](x / norm[i](x) - y / norm[i](y)),"
         " norm[i](x / norm[i](x) + y / norm[i](y)))"),
    Rule("angle of two lines", "acos(abs(sum[i](x * y)) / (norm[i](x) * norm[i](y)))",
         "2 * atan2(min(norm[i](x / norm[i](x) - y / norm[i](y)),"
         " norm[i](x / norm[i](x) + y / norm[i](y))),"
         " max(norm[i](x / norm[i](x) - y / norm[i](y)),"
         " norm[i](x / norm[i](x) + y / norm[i](y))))"),
)  # fmt: skip
