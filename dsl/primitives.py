"""The table of primitives: every operator and function of the language, declared once.

Pure data: parser, elaboration, interpreter, emitters and manual read it, and tests loop over it.
Names of other libraries stand here as text and are looked up when used; a name that begins with
`@` is a function of the reader's own module.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from .intervals import (
    ANY,
    AT_LEAST_MINUS_ONE,
    INSIDE_UNIT,
    NONNEGATIVE,
    NONPOSITIVE,
    SYMMETRIC,
    UNIT,
    Interval,
)  # fmt: skip

NUMBER, BOOL, EITHER = "number", "bool", "either"
HALF = Fraction(1, 2)
HALF_TURN = Interval(-2, 2)


@dataclass(frozen=True, slots=True)
class Primitive:
    """An elementwise primitive.

    `domain` has an interval for each argument; a variadic one repeats the last. `takes` is the kind
    of its arguments and `gives` that of its value: "same" is real unless all arguments are int.
    `meaning` says it in more basic primitives, in the language (arguments x, y, z), or is "".
    `safe` is a point inside the domain where value and slopes are finite. `linear` tells that no
    slope depends on an argument. `latex` has {0}, {1} for arguments; `symbol` is set for operators.
    `mp` and `tf` name the implementation in mpmath and in TensorFlow. `slopes` has the derivative
    in each argument, in the language, with `r` for the value; `kink` says which slope is taken
    where there is none.

    `monotone` says for each argument "inc", "dec" or "" (a variadic row repeats the last); `curve`
    is "affine", "convex", "concave" or "", jointly in all arguments. Two words are for x < 0 and
    for x > 0, and "none" is where nothing holds. `lipschitz` bounds each slope in absolute value.
    `continuous` tells that the value does not jump anywhere in the domain, infinite values among
    them; for a quotient, a power and what has poles below 0 the audit knows where they do.

    `rounding` is the largest error of TensorFlow's float32 operation in units of 2^-24 of the value
    (docs/accuracy.md), where there are digits to keep; None for what is a condition or jumps.

    `signed` are the arguments of which floats tell -0 from 0, as the language does not; `unsigned`
    tells that the value is never -0, unless all arguments are.
    """

    name: str
    doc: str
    latex: str
    mp: str
    tf: str
    rounding: float | None = field(kw_only=True)
    domain: tuple[Interval, ...] = (ANY,)
    range: Interval = ANY
    safe: tuple[Fraction | int, ...] = (1,)
    meaning: str = ""
    takes: str = NUMBER
    gives: str = "real"
    linear: bool = False
    variadic: bool = False
    symbol: str = ""
    slopes: tuple[str, ...] = ()
    kink: str = ""
    monotone: tuple[str, ...] = ()
    curve: str = ""
    lipschitz: Fraction | int | None = None
    continuous: bool = False
    signed: tuple[int, ...] = ()
    unsigned: bool = False

    @property
    def arity(self) -> int:
        """The number of arguments (the least, if variadic)."""
        return len(self.domain)


@dataclass(frozen=True, slots=True)
class Reduction:
    """A reduction over indices. `empty` is its value over no places, as text of the language.

    `takes` and `gives` as for a primitive; "index" is the value of the bound index. `slope` is the
    derivative in the body at one of the places kept, in the language: `x` is the body there, `r`
    the value, `n` the number of places, `center` their mean, `ties` the number of those where the
    body is `r`, `others` the product of all other places, `finite` whether the value is above -inf.
    It is "" where the derivative is 0. `steady` says that over equal places their number does not
    count. `rounding` is the largest error in float32, in units of 2^-24 of the value or, of a sum,
    of the largest body if that is larger. `unsigned` is as for a primitive.
    """

    name: str
    doc: str
    latex: str
    empty: str
    rounding: float = field(kw_only=True)
    takes: str = NUMBER
    gives: str = "real"
    slope: str = ""
    kink: str = ""
    steady: bool = False
    unsigned: bool = False


@dataclass(frozen=True, slots=True)
class AlongAxis:
    """A function along one axis, with a value at every place of it.

    `meaning` defines it in the language where that can be done, with `x` for the body and `i` for
    the index (`logsumexp[i](x)` reduces over all its places); else it is "". `slope` is the
    derivative of the value `r` at place `t` in the body `x` at place `i`, whose place in ascending
    order is `place`; `finite` is whether the value is above -inf.
    """

    name: str
    doc: str
    latex: str
    meaning: str = ""
    slope: str = ""
    kink: str = ""


TWO = (ANY, ANY)

_OPERATORS = (
    Primitive("add", "The sum of two numbers.", "{0} + {1}", "@add", "add", TWO, safe=(1, 1),
              gives="same", linear=True, symbol="+",
       slopes=("1", "1"),
       monotone=("inc", "inc"), curve="affine", lipschitz=1, continuous=True,
       unsigned=True, rounding=1),
    Primitive("sub", "The difference of two numbers.", "{0} - {1}", "@sub", "subtract", TWO,
              safe=(1, 1), gives="same", linear=True, symbol="-",
       slopes=("1", "-1"),
       monotone=("inc", "dec"), curve="affine", lipschitz=1, continuous=True,
       unsigned=True, rounding=1),
    Primitive("mul", "The product of two numbers.", r"{0} \, {1}", "@mul", "multiply", TWO,
              safe=(1, 1), gives="same", symbol="*",
       slopes=("y", "x"), continuous=True, rounding=1),
    Primitive("div", "The quotient of two reals; x / 0 is signed infinity, 0 / 0 is NaN.",
              r"\frac{{{0}}}{{{1}}}", "@div", "divide", TWO, safe=(1, 1), symbol="/",
       slopes=("1 / y", "-r / y"), continuous=True, signed=(1,), rounding=1),
    Primitive("pow", "x to the power y; NaN for x < 0 unless y is an integer; x ^ 0 is 1.",
              "{0}^{{{1}}}", "@power", "@power", TWO, safe=(1, 1), symbol="^",
       slopes=("y * x^(y - 1)", "if x > 0 then r * log(x) else 0"),
       kink="0 in x at x = 0 where y < 1, and 0 in y where x = 0", continuous=True, rounding=2),
    Primitive("neg", "The negative of a number.", "-{0}", "@neg", "negative", gives="same",
              linear=True, symbol="-",
       slopes=("-1",),
       monotone=("dec",), curve="affine", lipschitz=1, continuous=True, rounding=0),
    Primitive("eq", "Whether two values are equal.", "{0} = {1}", "@eq", "equal", TWO,
              safe=(1, 1), takes=EITHER, gives=BOOL, symbol="==", rounding=None),
    Primitive("ne", "Whether two values differ.", r"{0} \ne {1}", "@ne", "not_equal", TWO,
              safe=(1, 1), takes=EITHER, gives=BOOL, symbol="!=", rounding=None),
    Primitive("lt", "Whether x is less than y.", "{0} < {1}", "@lt", "less", TWO, safe=(1, 1),
              gives=BOOL, symbol="<", rounding=None),
    Primitive("le", "Whether x is at most y.", r"{0} \le {1}", "@le", "less_equal", TWO,
              safe=(1, 1), gives=BOOL, symbol="<=", rounding=None),
    Primitive("gt", "Whether x is greater than y.", "{0} > {1}", "@gt", "greater", TWO,
              safe=(1, 1), gives=BOOL, symbol=">", rounding=None),
    Primitive("ge", "Whether x is at least y.", r"{0} \ge {1}", "@ge", "greater_equal", TWO,
              safe=(1, 1), gives=BOOL, symbol=">=", rounding=None),
    Primitive("and", "Whether both conditions hold.", r"{0} \land {1}", "@both", "logical_and",
              TWO, safe=(1, 1), takes=BOOL, gives=BOOL, symbol="and", rounding=None),
    Primitive("or", "Whether either condition holds.", r"{0} \lor {1}", "@either", "logical_or",
              TWO, safe=(1, 1), takes=BOOL, gives=BOOL, symbol="or", rounding=None),
    Primitive("not", "Whether the condition fails.", r"\lnot {0}", "@negation", "logical_not",
              takes=BOOL, gives=BOOL, symbol="not", rounding=None),
)  # fmt: skip


def _f(name: str, doc: str, tf: str, *, mp: str = "", latex: str = "", **more: object) -> Primitive:
    """A row for a function whose LaTeX and mpmath names follow from its own."""
    operator = latex or rf"\operatorname{{{name.replace('_', ' ')}}}"
    template = operator if "{0}" in operator else rf"{operator}\left({{args}}\right)"
    return Primitive(name, doc, template, mp or name, tf, **more)  # type: ignore[arg-type]


_FUNCTIONS = (
    _f("abs", "The absolute value; its slope at 0 is 0.", "abs", mp="fabs",
       latex=r"\left|{0}\right|", range=NONNEGATIVE, gives="same",
       slopes=("sign(x)",),
       kink="0 at x = 0",
       monotone=("dec inc",), curve="convex", lipschitz=1, continuous=True,
       unsigned=True, rounding=0),
    _f("sign", "-1, 0 or 1.", "sign", range=SYMMETRIC, gives="same",
       slopes=("0",),
       kink="0 everywhere",
       monotone=("inc",), rounding=None),
    _f("sqrt", "The square root.", "@sqrt", mp="@sqrt", latex=r"\sqrt{{{0}}}",
       domain=(NONNEGATIVE,), range=NONNEGATIVE,
       slopes=("if x == 0 then 0 else 1 / (2 * r)",),
       kink="0 at x = 0 where the slope of x is 0",
       monotone=("inc",), curve="concave", continuous=True,
       unsigned=True, rounding=1),
    _f("cbrt", "The real cube root.", "@cbrt", mp="@cbrt", latex=r"\sqrt[3]{{{0}}}",
       slopes=("if x == 0 then 0 else 1 / (3 * r^2)",),
       kink="0 at x = 0",
       monotone=("inc",), curve="convex concave", continuous=True, rounding=3),
    _f("exp", "e to the power x.", "exp", latex="e^{{{0}}}", range=NONNEGATIVE, safe=(0,),
       slopes=("r",),
       monotone=("inc",), curve="convex", continuous=True,
       unsigned=True, rounding=2),
    _f("expm1", "exp(x) - 1, exact near 0.", "math.expm1", latex=r"\left(e^{{{0}}} - 1\right)",
       range=AT_LEAST_MINUS_ONE, safe=(0,), meaning="exp(x) - 1",
       slopes=("exp(x)",),
       monotone=("inc",), curve="convex", continuous=True, rounding=4),
    _f("log", "The natural logarithm; log(0) is -inf.", "math.log", mp="@log", latex=r"\log",
       domain=(NONNEGATIVE,),
       slopes=("1 / x",),
       monotone=("inc",), curve="concave", continuous=True, rounding=2),
    _f("log1p", "log(1 + x), exact near 0.", "math.log1p", mp="@log1p",
       latex=r"\log\left(1 + {0}\right)", domain=(AT_LEAST_MINUS_ONE,), safe=(0,),
       meaning="log(1 + x)",
       slopes=("1 / (1 + x)",),
       monotone=("inc",), curve="concave", continuous=True, rounding=4),
    _f("log2", "The logarithm to base 2.", "@log2", mp="@log2", latex=r"\log_2",
       domain=(NONNEGATIVE,), meaning="log(x) / log(2)",
       slopes=("1 / (x * log(2))",),
       monotone=("inc",), curve="concave", continuous=True, rounding=3),
    _f("log10", "The logarithm to base 10.", "@log10", mp="@log10",
       latex=r"\log_{{10}}\left({0}\right)", domain=(NONNEGATIVE,), meaning="log(x) / log(10)",
       slopes=("1 / (x * log(10))",),
       monotone=("inc",), curve="concave", continuous=True, rounding=3),
    _f("sin", "The sine.", "sin", latex=r"\sin", range=SYMMETRIC,
       slopes=("cos(x)",),
       lipschitz=1, continuous=True, rounding=2),
    _f("cos", "The cosine.", "cos", latex=r"\cos", range=SYMMETRIC,
       slopes=("-sin(x)",),
       lipschitz=1, continuous=True, rounding=2),
    _f("tan", "The tangent.", "tan", latex=r"\tan", meaning="sin(x) / cos(x)", safe=(0,),
       slopes=("1 + r^2",), rounding=2),
    _f("asin", "The inverse sine.", "asin", mp="@asin", latex=r"\arcsin",
       domain=(SYMMETRIC,), range=HALF_TURN, safe=(0,),
       slopes=("if abs(x) == 1 then 0 else 1 / sqrt((1 - x) * (1 + x))",),
       kink="0 at x = -1 and x = 1",
       monotone=("inc",), curve="concave convex", continuous=True, rounding=4),
    _f("acos", "The inverse cosine.", "acos", mp="@acos", latex=r"\arccos", domain=(SYMMETRIC,),
       range=Interval(0, 4), safe=(0,), meaning="pi / 2 - asin(x)",
       slopes=("if abs(x) == 1 then 0 else -1 / sqrt((1 - x) * (1 + x))",),
       kink="0 at x = -1 and x = 1",
       monotone=("dec",), curve="convex concave", continuous=True, rounding=4),
    _f("atan", "The inverse tangent.", "atan", latex=r"\arctan", range=HALF_TURN,
       slopes=("1 / (1 + x^2)",),
       monotone=("inc",), curve="convex concave", lipschitz=1, continuous=True, rounding=3),
    _f("atan2", "The angle of the point (y, x), given as atan2(y, x).", "atan2", domain=TWO,
       range=Interval(-4, 4), safe=(1, 1),
       slopes=("if y == 0 then 0 else y / (x^2 + y^2)",
               "if x == 0 then 0 else -x / (x^2 + y^2)"),
       kink="0 at the origin", signed=(0, 1), rounding=3),
    _f("sinh", "The hyperbolic sine.", "sinh", latex=r"\sinh", meaning="(exp(x) - exp(-x)) / 2",
       slopes=("cosh(x)",),
       monotone=("inc",), curve="concave convex", continuous=True, rounding=9),
    _f("cosh", "The hyperbolic cosine.", "cosh", latex=r"\cosh", range=Interval(1, None),
       meaning="(exp(x) + exp(-x)) / 2",
       slopes=("sinh(x)",),
       monotone=("dec inc",), curve="convex", continuous=True, rounding=9),
    _f("tanh", "The hyperbolic tangent.", "tanh", latex=r"\tanh", range=SYMMETRIC,
       meaning="1 - 2 / (exp(2 * x) + 1)",
       slopes=("1 / cosh(x)^2",),
       monotone=("inc",), curve="convex concave", lipschitz=1, continuous=True, rounding=5),
    _f("asinh", "The inverse hyperbolic sine.", "asinh", meaning="log(x + sqrt(x^2 + 1))",
       slopes=("1 / hypot(1, x)",),
       monotone=("inc",), curve="convex concave", lipschitz=1, continuous=True, rounding=4),
    _f("acosh", "The inverse hyperbolic cosine.", "acosh", mp="@acosh",
       domain=(Interval(1, None),), range=NONNEGATIVE, safe=(2,), meaning="log(x + sqrt(x^2 - 1))",
       slopes=("if x == 1 then 0 else 1 / (sqrt(x - 1) * sqrt(x + 1))",),
       kink="0 at x = 1",
       monotone=("inc",), curve="concave", continuous=True, rounding=4),
    _f("atanh", "The inverse hyperbolic tangent.", "atanh", mp="@atanh", domain=(SYMMETRIC,),
       safe=(0,), meaning="log((1 + x) / (1 - x)) / 2",
       slopes=("1 / ((1 - x) * (1 + x))",),
       monotone=("inc",), curve="concave convex", continuous=True, rounding=4),
    _f("sigmoid", "The logistic function 1 / (1 + exp(-x)).", "@sigmoid", mp="@sigmoid",
       latex=r"\sigma", range=UNIT, meaning="1 / (1 + exp(-x))", safe=(0,),
       slopes=("r * sigmoid(-x)",),
       monotone=("inc",), curve="convex concave", lipschitz=Fraction(1, 4), continuous=True,
       unsigned=True, rounding=4),
    _f("logit", "The inverse of the logistic function, log(x / (1 - x)).", "@logit", mp="@logit",
       domain=(UNIT,), safe=(HALF,), meaning="log(x / (1 - x))",
       slopes=("1 / (x * (1 - x))",),
       monotone=("inc",), continuous=True, rounding=6),
    _f("softplus", "log(1 + exp(x)).", "@softplus", mp="@softplus", range=NONNEGATIVE,
       meaning="log(1 + exp(x))", safe=(0,),
       slopes=("sigmoid(x)",),
       monotone=("inc",), curve="convex", lipschitz=1, continuous=True,
       unsigned=True, rounding=5),
    _f("log1mexp", "log(1 - exp(x)) for x <= 0, exact near 0 and in the tail.", "@log1mexp",
       mp="@log1mexp", domain=(NONPOSITIVE,), range=NONPOSITIVE, safe=(-1,),
       meaning="log(1 - exp(x))",
       slopes=("if x == 0 then -inf else -1 / expm1(-x)",),
       monotone=("dec",), curve="concave", continuous=True, rounding=6),
    _f("logcosh", "log(cosh(x)), exact near 0 and in the tails.", "@logcosh", mp="@logcosh",
       range=NONNEGATIVE, safe=(0,), meaning="log(cosh(x))",
       slopes=("tanh(x)",),
       monotone=("dec inc",), curve="convex", lipschitz=1, continuous=True, rounding=6),
    _f("relu", "The larger of x and 0; its slope at 0 is 0.", "nn.relu", mp="@relu",
       range=NONNEGATIVE, gives="same",
       slopes=("if x > 0 then 1 else 0",),
       kink="0 at x = 0",
       monotone=("inc",), curve="convex", lipschitz=1, continuous=True, rounding=0),
    _f("erf", "The error function.", "@erf", range=SYMMETRIC, safe=(0,),
       slopes=("2 * exp(-x^2) / sqrt(pi)",),
       monotone=("inc",), curve="convex concave", lipschitz=Fraction(113, 100), continuous=True,
       rounding=4),
    _f("erfc", "1 - erf(x), exact in the tail.", "@erfc", range=Interval(0, 2), safe=(0,),
       meaning="1 - erf(x)",
       slopes=("-2 * exp(-x^2) / sqrt(pi)",),
       monotone=("dec",), curve="concave convex", lipschitz=Fraction(113, 100), continuous=True,
       rounding=10),
    _f("ndtr", "The standard normal distribution function.", "@ndtr", mp="@ndtr", latex=r"\Phi",
       range=UNIT, meaning="erfc(-x / sqrt(2)) / 2", safe=(0,),
       slopes=("exp(-x^2 / 2) / sqrt(2 * pi)",),
       monotone=("inc",), curve="convex concave", lipschitz=Fraction(2, 5), continuous=True,
       rounding=10),
    _f("log_ndtr", "log of the standard normal distribution function.", "@log_ndtr", mp="@log_ndtr",
       latex=r"\log\Phi", range=Interval(None, 0), meaning="log(ndtr(x))", safe=(0,),
       slopes=("exp(-x^2 / 2 - r) / sqrt(2 * pi)",),
       monotone=("inc",), curve="concave", continuous=True, rounding=10),
    _f("lgamma", "log |gamma(x)|.", "@lgamma", mp="@lgamma", latex=r"\log\Gamma", safe=(1,),
       slopes=("digamma(x)",),
       curve="none convex", continuous=True, rounding=8),
    _f("digamma", "The derivative of lgamma.", "@digamma", mp="@digamma", latex=r"\psi",
       safe=(1,),
       slopes=("trigamma(x)",),
       monotone=("none inc",), curve="none concave", continuous=True, rounding=16),
    _f("trigamma", "The derivative of digamma.", "@trigamma", mp="@trigamma", latex=r"\psi'",
       safe=(1,),
       monotone=("none dec",), curve="none convex", continuous=True, rounding=16),
    _f("log_rising", "lgamma(a + n) - lgamma(a), the logarithm of a (a + 1) ... (a + n - 1);"
       " exact for a of any size.", "@log_rising", mp="@log_rising",
       latex=r"\log {0}^{{\bar{{{1}}}}}",
       domain=(NONNEGATIVE, NONNEGATIVE), safe=(1, 1), meaning="lgamma(x + y) - lgamma(x)",
       slopes=("digamma_rising(x, y)", "digamma(x + y)"),
       monotone=("inc", "none"), rounding=1e6),
    _f("digamma_rising", "digamma(a + n) - digamma(a), exact for a of any size.",
       "@digamma_rising", mp="@digamma_rising", domain=(NONNEGATIVE, NONNEGATIVE),
       range=NONNEGATIVE, safe=(1, 1), meaning="digamma(x + y) - digamma(x)",
       slopes=("trigamma(x + y) - trigamma(x)", "trigamma(x + y)"),
       monotone=("dec", "inc"), rounding=1e6),
    _f("bessel_i0e", "exp(-|x|) I0(x), the scaled modified Bessel function.", "math.bessel_i0e",
       mp="@bessel_i0e", range=UNIT,
       slopes=("bessel_i1e(x) - sign(x) * r",),
       monotone=("inc dec",), lipschitz=1, continuous=True, rounding=6),
    _f("bessel_i1e", "exp(-|x|) I1(x), the scaled modified Bessel function.", "math.bessel_i1e",
       mp="@bessel_i1e", range=INSIDE_UNIT,
       slopes=("if x == 0 then 1 / 2 else bessel_i0e(x) - r * (sign(x) + 1 / x)",),
       lipschitz=HALF, continuous=True, rounding=6),
    _f("floor", "The largest integer that is at most x.", "floor", mp="@floor",
       latex=r"\left\lfloor {0} \right\rfloor", gives="same",
       slopes=("0",),
       kink="0 everywhere",
       monotone=("inc",), rounding=None),
    _f("ceil", "The smallest integer that is at least x.", "math.ceil", mp="@ceil",
       latex=r"\left\lceil {0} \right\rceil", gives="same",
       slopes=("0",),
       kink="0 everywhere",
       monotone=("inc",), rounding=None),
    _f("round", "The nearest integer, ties to even.", "round", mp="@nint", gives="same",
       slopes=("0",),
       kink="0 everywhere",
       monotone=("inc",), rounding=None),
    _f("clip", "x held between lo and hi.", "@clip", mp="@clip", domain=(ANY, ANY, ANY),
       safe=(1, 0, 2), gives="same", meaning="min(max(x, y), z)",
       kink="0 where x is at a constant bound",
       monotone=("inc", "inc", "inc"), lipschitz=1, continuous=True, rounding=0),
    _f("logaddexp", "log(exp(x) + exp(y)).", "@logaddexp", mp="@logaddexp", domain=TWO, safe=(0, 0),
       meaning="log(exp(x) + exp(y))",
       slopes=("if x == y then 1 / 2 else sigmoid(x - y)",
               "if x == y then 1 / 2 else sigmoid(y - x)"),
       monotone=("inc", "inc"), curve="convex", lipschitz=1, continuous=True, rounding=6),
    _f("xlogy", "x log(y), and 0 where x is 0.", "@xlogy", mp="@xlogy", domain=(ANY, NONNEGATIVE),
       safe=(1, 1), latex=r"{0} \log\left({1}\right)",
       slopes=("if x == 0 and not isfinite(log(y)) then 0 else log(y)",
               "if x == 0 then 0 else x / y"),
       kink="0 in y where x = 0, and 0 in x where x = 0 and log(y) is not finite", continuous=True,
       rounding=3),
    _f("hypot", "sqrt(x^2 + y^2).", "@hypot", mp="@hypot", domain=TWO, range=NONNEGATIVE,
       safe=(1, 1), meaning="sqrt(x^2 + y^2)",
       slopes=("if r == 0 then 0 else x / r", "if r == 0 then 0 else y / r"),
       kink="0 at the origin",
       monotone=("dec inc", "dec inc"), curve="convex", lipschitz=1, continuous=True, rounding=2),
    _f("isnan", "Whether x is not a number.", "math.is_nan", mp="@isnan", gives=BOOL,
       rounding=None),
    _f("isfinite", "Whether x is neither infinite nor NaN.", "math.is_finite", mp="@isfinite",
       gives=BOOL, rounding=None),
    _f("indicator", "1 where the condition holds, else 0.", "@indicator", mp="@indicator",
       latex=r"\mathbb{{1}}\left[{0}\right]", takes=BOOL, gives="int", range=UNIT, rounding=None),
    _f("min", "The smallest of two or more numbers.", "minimum", mp="@least", domain=TWO,
       safe=(1, 2), gives="same", variadic=True, latex=r"\min",
       kink="a constant that ties takes all, so 0; other operands that tie share equally",
       monotone=("inc",), curve="concave", lipschitz=1, continuous=True, rounding=0),
    _f("max", "The largest of two or more numbers.", "maximum", mp="@largest", domain=TWO,
       safe=(1, 2), gives="same", variadic=True, latex=r"\max",
       kink="a constant that ties takes all, so 0; other operands that tie share equally",
       monotone=("inc",), curve="convex", lipschitz=1, continuous=True, rounding=0),
    _f("stop_gradient", "x, with gradient 0.", "stop_gradient", mp="@identity", gives="same",
       slopes=("0",),
       monotone=("inc",), curve="affine", lipschitz=1, continuous=True, rounding=0),
)  # fmt: skip

PRIMITIVES: dict[str, Primitive] = {p.name: p for p in (*_OPERATORS, *_FUNCTIONS)}
BY_SYMBOL: dict[str, str] = {p.symbol: p.name for p in _OPERATORS if p.name != "neg"}

_REDUCTIONS = (
    Reduction("sum", "The sum.", r"\sum", "0", gives="same", slope="1", unsigned=True, rounding=2),
    Reduction("mean", "The mean over the places kept.", r"\operatorname{mean}", "0",
              slope="1 / n", steady=True, unsigned=True, rounding=3),
    Reduction("prod", "The product.", r"\prod", "1", gives="same", slope="others", rounding=4),
    Reduction("max", "The largest value; ties share the gradient.", r"\max", "-inf", gives="same",
              slope="if x == r then 1 / ties else 0", kink="places that tie share equally",
              steady=True, rounding=0),
    Reduction("min", "The smallest value; ties share the gradient.", r"\min", "inf", gives="same",
              slope="if x == r then 1 / ties else 0", kink="places that tie share equally",
              steady=True, rounding=0),
    Reduction("logsumexp", "log of the sum of exponentials.", r"\operatorname{logsumexp}", "-inf",
              slope="if finite then exp(x - r) else 0", kink="0 where all are -inf",
              unsigned=True, rounding=4),
    Reduction("any", "Whether a condition holds somewhere.", r"\exists", "false", BOOL, BOOL,
              rounding=0),
    Reduction("all", "Whether a condition holds everywhere.", r"\forall", "true", BOOL, BOOL,
              rounding=0),
    Reduction("count", "The number of places where a condition holds.", r"\#", "0", BOOL, "int",
              rounding=0),
    Reduction("var", "The variance, dividing by the number of places.", r"\operatorname{var}", "0",
              slope="2 * (x - center) / n", steady=True, rounding=6),
    Reduction("std", "The square root of the variance.", r"\operatorname{std}", "0",
              slope="if r != 0 then (x - center) / (n * r) else 0", kink="0 where all are equal",
              steady=True, rounding=6),
    Reduction("norm", "The Euclidean norm (2-norm).", r"\operatorname{norm}", "0",
              slope="if r != 0 then x / r else 0", kink="0 where all are 0", unsigned=True,
              rounding=4),
    Reduction("norm1", "The sum of absolute values.", r"\operatorname{norm}_1", "0", gives="same",
              slope="sign(x)", kink="0 at x = 0", rounding=2),
    Reduction("argmax", "The index of the largest value, the first on ties.",
              r"\operatorname{argmax}", "0", gives="index", rounding=0),
    Reduction("argmin", "The index of the smallest value, the first on ties.",
              r"\operatorname{argmin}", "0", gives="index", rounding=0),
)  # fmt: skip

REDUCTIONS: dict[str, Reduction] = {r.name: r for r in _REDUCTIONS}

_ALONG = (
    AlongAxis("softmax", "exp(x) over its sum along the axis.", r"\operatorname{softmax}",
              "exp(x - logsumexp[i](x))"),
    AlongAxis("log_softmax", "log of softmax.", r"\operatorname{log\,softmax}",
              "x - logsumexp[i](x)"),
    AlongAxis("normalize", "x over its 2-norm along the axis.", r"\operatorname{normalize}",
              "x / norm[i](x)"),
    AlongAxis("cumsum", "The sum of the places up to and with this one.", r"\operatorname{cumsum}",
              slope="if t >= i then 1 else 0"),
    AlongAxis("logcumsumexp", "log of the cumulative sum of exponentials.",
              r"\operatorname{logcumsumexp}",
              slope="if t >= i and finite then exp(x - r) else 0",
              kink="0 where all are -inf"),
    AlongAxis("sort", "The values in ascending order.", r"\operatorname{sort}",
              slope="if t == place then 1 else 0", kink="ties in order of position"),
    AlongAxis("argsort", "The index of the value that comes at this place in ascending order.",
              r"\operatorname{argsort}"),
    AlongAxis("rank", "The place of this value in ascending order, from 0; ties by position.",
              r"\operatorname{rank}"),
    AlongAxis("one_hot", "1 at the place that the label names, else 0.", r"\operatorname{onehot}",
              "indicator(i == x)"),
)  # fmt: skip

ALONG: dict[str, AlongAxis] = {a.name: a for a in _ALONG}
CONSTANTS = ("pi", "e", "inf")
