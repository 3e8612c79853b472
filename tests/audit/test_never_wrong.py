"""Claims that an audit once decided wrongly, others of the same causes, and true neighbours.

A false claim is never proved, and refuted where the search reaches that far; a true one beside it
is still proved, so that no rule is merely switched off.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from lossc.compiler.audit.claims import audit_claims
from lossc.compiler.check import check
from lossc.dsl.source import Source
from lossc.files import reader

PROVED, REFUTED, OPEN = "proved", "refuted", "not proved"
SECONDS = 5.0


class Row(NamedTuple):
    """A formula, what `where` declares, a claim, and what its verdict is."""

    formula: str
    where: str
    claim: str
    verdict: str
    head: str = "y, x"

    @property
    def text(self) -> str:
        """The loss with its claim."""
        where = "".join(f"    {line.strip()}\n" for line in self.where.split(";"))
        domains = f"where\n{where}" if self.where else ""
        return f"loss f({self.head}) = {self.formula}\n{domains}claims\n    {self.claim}\n"


def rows(formula: str, where: str, *claims: str, head: str = "y, x") -> list[Row]:
    """Several claims of one formula, each with its verdict before a colon."""
    found = []
    for text in claims:
        verdict, _, claim = text.partition(": ")
        found.append(Row(formula, where, claim, verdict, head))
    return found


CLOSED_ENDS = [  # of domains with an open end on the other side
    *rows(
        "mean(x^2) + 0*mean(y)",
        "x in [-1, 1)",
        "refuted: f < 1",
        "proved: f <= 1",
        "proved: f >= 0",
    ),
    *rows("mean(x^2) + 0*mean(y)", "x in (-1, 1]", "refuted: f < 1", "proved: f <= 1"),
    *rows("mean(x^2) + 0*mean(y)", "x in (-1, 1)", "proved: f < 1"),
    *rows("mean(abs(x)) + 0*mean(y)", "x in [-2, 2)", "refuted: f < 2", "proved: f <= 2"),
    *rows("mean(cos(x)) + 0*mean(y)", "x in [-1, 1)", "refuted: f > cos(1)"),
    *rows("mean(x^4 - x^2) + 0*mean(y)", "x in [-1, 1)", "refuted: f < 0", "proved: f <= 0"),
    *rows(
        "mean(x^2 * y^2) + 0*mean(y)",
        "x in [-1, 1); y in [-3, 3)",
        "refuted: f < 9",
        "proved: f <= 9",
    ),
    *rows("mean(1 / (1 - x^2)) + 0*mean(y)", "x in [-1, 1)", "not proved: f <= 1e9"),
]
NO_NUMBERS = [  # conditions on what has no value, or is infinite
    *rows(
        "mean(if isnan(log(x)) then -1 else 1) + 0*mean(y)",
        "",
        "refuted: f >= 0",
        "proved: f >= -1",
    ),
    *rows("mean(if isnan(log(x)) then -1 else 1) + 0*mean(y)", "x in [0, inf)", "proved: f >= 0"),
    *rows("mean(if isnan(y) then -1 else x^2)", "", "proved: f >= 0"),
    *rows(
        "mean(if isfinite(log(x)) then 1 else -1) + 0*mean(y)", "x in [0, inf)", "refuted: f >= 0"
    ),
    *rows(
        "mean(if isfinite(log(x)) then 1 else -1) + 0*mean(y)", "x in (0, inf)", "proved: f >= 0"
    ),
    *rows("mean(if isfinite(1/x) then 1 else -1) + 0*mean(y)", "", "refuted: f >= 0"),
    *rows("mean(if isfinite(1/x) then 1 else -1) + 0*mean(y)", "x in [1, 2]", "proved: f >= 0"),
    *rows("mean(if isnan(x/y) then -1 else 1)", "", "refuted: f >= 0"),
    *rows("mean(if isnan(sqrt(x - 1)) then -1 else 1) + 0*mean(y)", "", "refuted: f >= 0"),
    *rows(
        "mean(if isnan(sqrt(x - 1)) then -1 else 1) + 0*mean(y)", "x in [1, 5]", "proved: f >= 0"
    ),
    *rows("mean(if log(x) == log(x) then 1 else -1) + 0*mean(y)", "", "refuted: f >= 0"),
    *rows("mean(if log(x) == log(x) then 1 else -1) + 0*mean(y)", "x in (0, 1)", "proved: f >= 0"),
    *rows(
        "mean(if log(x) > 0 then 1 else if log(x) <= 0 then 1 else -1) + 0*mean(y)",
        "",
        "refuted: f >= 0",
    ),
    *rows(
        "mean(if not (log(x) <= 0) then -1 else 1) + 0*mean(y)", "x in (-inf, 1]", "refuted: f >= 0"
    ),
    *rows("mean(if x/x > 0 then 1 else -1) + 0*mean(y)", "", "refuted: f >= 0"),
    *rows("mean(if x/x > 0 then 1 else -1) + 0*mean(y)", "x in (0, 1]", "proved: f >= 0"),
    *rows("mean(if asin(x) >= -2 then 1 else -1) + 0*mean(y)", "", "refuted: f >= 0"),
    *rows("mean(indicator(not isnan(x^0.5))) + 0*mean(y)", "", "refuted: f >= 1"),
    *rows("mean(if isfinite(x/y) then 1 else -1)", "y in [0, 1]; x in [0, 1]", "refuted: f >= 0"),
    *rows(
        "mean[n if not isnan(log(x))](y^2) - mean[n](y^2)", "", "refuted: f == 0", head="y[n], x[n]"
    ),
    *rows(
        "mean[n if not isnan(log(x))](y^2) - mean[n](y^2)",
        "x in (0, 1)",
        "proved: f == 0",
        head="y[n], x[n]",
    ),
    *rows(
        "mean[n](if isnan(max[k](log(x))) then -1 else 1)",
        "",
        "refuted: f >= 0",
        head="y[n], x[n, k]",
    ),
    *rows(
        "mean[n](if isnan(max[k](x)) then -1 else 1)", "", "proved: f >= 0", head="y[n], x[n, k]"
    ),
    *rows(
        "mean[n](if isnan(mean[k](y / x)) then -1 else 1)",
        "",
        "refuted: f >= 0",
        head="y[n], x[n, k]",
    ),
]
POLES = [  # 1 / 0 is infinite, whichever side 0 is neared from
    *rows(
        "mean(clip(3/x, -1, 1)) + 0*mean(y)", "x in (-inf, 0]", "refuted: f <= 0", "proved: f <= 1"
    ),
    *rows("mean(clip(3/x, -1, 1)) + 0*mean(y)", "x in (-inf, 0)", "proved: f <= 0"),
    *rows("mean(clip(3/x, -1, 1)) + 0*mean(y)", "x in [0, inf)", "proved: f >= 0"),
    *rows("mean(clip(3/(-x), -1, 1)) + 0*mean(y)", "x in [0, inf)", "refuted: f <= 0"),
    *rows("mean(clip(-(3/x), -1, 1)) + 0*mean(y)", "x in [0, inf)", "proved: f <= 0"),
    *rows("mean(atan(1/(x - 1))) + 0*mean(y)", "x in [0, 1]", "refuted: f <= 0"),
    *rows("mean(atan(1/(x - 1))) + 0*mean(y)", "x in [0, 1)", "proved: f <= 0"),
    *rows("mean(exp(1/x)) + 0*mean(y)", "x in [-5, 0]", "not proved: f <= 1"),
    *rows("mean(exp(1/x)) + 0*mean(y)", "x in [-5, 0)", "proved: f <= 1"),
    *rows("mean(sigmoid(x^-1)) + 0*mean(y)", "x in [-5, 0]", "refuted: f <= 1/2"),
    *rows("mean(tanh(y/x))", "x in [-1, 0]; y in [1, 2]", "refuted: f <= 0"),
    *rows("mean(tanh(y/x))", "x in [-1, 0]; y in [-2, -1]", "refuted: f >= 0"),
    *rows("mean(tanh((y - 3)/(x - 1)))", "x in [0, 1]; y in [1, 2]", "refuted: f >= 0"),
    *rows("mean(min(1/(-2*x), 1)) + 0*mean(y)", "x in [0, 1]", "refuted: f <= 0"),
    *rows("mean(if 1/x > 0 then 1 else 0) + 0*mean(y)", "x in [-1, 0]", "refuted: f <= 0"),
    *rows("mean(atan(1/x)) + 0*mean(y)", "x in (-inf, 0]", "refuted: decreasing in x"),
    *rows("mean(1/exp(1/x)) + 0*mean(y)", "x in [0, inf)", "not proved: f > 0", "proved: f >= 0"),
]
JUMPS = [  # floor, ceil, round, tan and atan2 jump
    *rows(
        "mean((y-x)^2 * floor(p))",
        "p in [0, 2]",
        "not proved: limit p -> 1 equals mean((y - x)^2)",
        head="y, x; p = 1",
    ),
    *rows(
        "mean((y-x)^2 * ceil(p))",
        "p in [0, 2]",
        "not proved: limit p -> 0 equals 0",
        head="y, x; p = 1",
    ),
    *rows(
        "mean((y-x)^2 * round(p + 1/2))",
        "p in [0, 2]",
        "not proved: limit p -> 0 equals 0",
        head="y, x; p = 1",
    ),
    *rows(
        "mean((y-x)^2 * p)",
        "p in [0, 2]",
        "proved: limit p -> 1 equals mean((y - x)^2)",
        head="y, x; p = 1",
    ),
    *rows("mean(floor(x)) + 0*mean(y)", "", "not proved: smooth in x", "proved: increasing in x"),
    *rows("mean(x*floor(x)) + 0*mean(y)", "", "not proved: smooth in x"),
    *rows("mean((x-round(x))^2) + 0*mean(y)", "", "not proved: smooth in x"),
    *rows("mean(x^3) + 0*mean(y)", "", "proved: smooth in x"),
    *rows("mean(floor((x+12345.6)/1e9)) + 0*mean(y)", "", "not proved: lipschitz in x by 0"),
    *rows("mean(ceil(x/1e9)) + 0*mean(y)", "", "not proved: lipschitz in x by 1"),
    *rows("mean(-floor(x/1e8)^2) + 0*mean(y)", "", "not proved: quasiconvex in x"),
    *rows("mean(tan(x/1e6)) + 0*mean(y)", "", "not proved: increasing in x"),
    *rows(
        "mean(tan(x)) + 0*mean(y)",
        "x in [0, 3]",
        "not proved: increasing in x",
        "not proved: smooth in x",
    ),
    *rows(
        "mean(atan2(x, -1)) + 0*mean(y)",
        "",
        "not proved: smooth in x",
        "not proved: increasing in x",
    ),
    *rows("mean(atan2(1, x)) + 0*mean(y)", "", "not proved: lipschitz in x by 1/2"),
    *rows("mean(if floor(x) > 0 then x else x + 1) + 0*mean(y)", "", "not proved: increasing in x"),
    *rows(
        "mean((y-p)^2 + 1e-9*floor(p+0.3))",
        "y in {0, 1}; p in (0, 1)",
        "not proved: proper",
        head="y, p",
    ),
    *rows(
        "mean((y-p)^2 + 1e-9*tan(4*p))",
        "y in {0, 1}; p in (0, 1)",
        "not proved: proper",
        head="y, p",
    ),
    *rows("mean((y-p)^2)", "y in {0, 1}; p in (0, 1)", "proved: proper", head="y, p"),
    *rows("mean((y-x)^2 + floor(x))", "", "not proved: elicits mean", "not proved: convex in x"),
    *rows("mean((y-x)^2 + 0*floor(x))", "", "proved: elicits mean"),
]
LIMITS = [  # from both sides, and at all values of the other variables
    *rows("mean(exp(1/d)*(x-y)^2)", "", "not proved: limit d -> 0 equals 0", head="y, x; d = 1"),
    *rows(
        "mean((x-y)^2*atan(1/d))",
        "",
        "not proved: limit d -> 0 equals -pi/2*mean((x-y)^2)",
        "not proved: limit d -> 0 equals pi/2*mean((x-y)^2)",
        head="y, x; d = 1",
    ),
    *rows(
        "mean((x-y)^2*sigmoid(1/d))", "", "not proved: limit d -> 0 equals 0", head="y, x; d = 1"
    ),
    *rows(
        "mean((x-y)^2*d/(abs(d)))",
        "",
        "not proved: limit d -> 0 equals -mean((x-y)^2)",
        head="y, x; d = 1",
    ),
    *rows(
        "mean((x-y)^2/((x-y)^2+t))",
        "t in (0, inf)",
        "not proved: limit t -> 0 equals 1",
        head="y, x; t = 1",
    ),
    *rows(
        "mean(tanh((x-y)/t))",
        "t in (0, inf); x in (0, inf); y in (-inf, 0]",
        "proved: limit t -> 0 equals 1",
        head="y, x; t = 1",
    ),
    *rows(
        "mean(tanh(x/t)) + 0*mean(y)",
        "t in (0, inf); x in [0, inf)",
        "not proved: limit t -> 0 equals 1",
        head="y, x; t = 1",
    ),
    *rows(
        "mean(abs(x - y)^t)",
        "t in (0, inf)",
        "not proved: limit t -> 0 equals 1",
        head="y, x; t = 1",
    ),
    *rows(
        "mean(exp(-(x-y)^2/t))",
        "t in (0, inf)",
        "not proved: limit t -> 0 equals 0",
        head="y, x; t = 1",
    ),
    *rows(
        "mean(exp(-t*(x-y)^2))",
        "t in (0, inf)",
        "not proved: limit t -> inf equals 0",
        head="y, x; t = 1",
    ),
    *rows(
        "mean((x-y)^2 + t)",
        "t in (0, inf)",
        "proved: limit t -> 0 equals mean((x-y)^2)",
        "refuted: limit t -> 0 equals 1",
        "refuted: limit t -> inf equals 0",
        head="y, x; t = 1",
    ),
    *rows(
        "mean((x-y)^2/(1+t))",
        "t in (0, inf)",
        "proved: limit t -> inf equals 0",
        "refuted: limit t -> inf equals 1",
        head="y, x; t = 1",
    ),
]
FILTERS = [  # that may leave nothing
    *rows(
        "mean[n](max[k if m == 1](y^2))", "m in {0, 1}", "refuted: f >= 0", head="y[n, k], m[n, k]"
    ),
    *rows("mean[n](max[k](y^2 * m))", "m in {0, 1}", "proved: f >= 0", head="y[n, k], m[n, k]"),
    *rows(
        "mean[n](sum[k if m == 1](y^2))", "m in {0, 1}", "proved: f >= 0", head="y[n, k], m[n, k]"
    ),
    *rows(
        "mean[n](min[k if m == 1](y^2))",
        "m in {0, 1}",
        "proved: f >= 0",
        "not proved: f <= 1",
        head="y[n, k], m[n, k]",
    ),
    *rows(
        "mean[n](-min[k if m == 1](y^2))",
        "m in {0, 1}; y in [0, 1]",
        "not proved: f >= -1",
        head="y[n, k], m[n, k]",
    ),
    *rows(
        "mean[n](mean[k if m == 1](1 + y^2))",
        "m in {0, 1}",
        "refuted: f >= 1",
        "proved: f >= 0",
        head="y[n, k], m[n, k]",
    ),
    *rows(
        "mean[n](mean[k if m == 1](-1 - y^2))",
        "m in {0, 1}",
        "refuted: f <= -1",
        head="y[n, k], m[n, k]",
    ),
    *rows(
        "mean[n](logsumexp[k if m == 1](y^2))",
        "m in {0, 1}",
        "not proved: f >= 0",
        head="y[n, k], m[n, k]",
    ),
    *rows(
        "mean[n](prod[k if m == 1](y))",
        "m in {0, 1}; y in [2, 3]",
        "refuted: f >= 2",
        "proved: f >= 0",
        head="y[n, k], m[n, k]",
    ),
    *rows(
        "mean[n]((mean[k if m == 1](z) - max[k](z))^2)",
        "m in {0, 1}",
        "refuted: invariant under shift of z",
        head="m[n, k], z[n, k]",
    ),
    *rows(
        "mean[n]((mean[k](z) - max[k](z))^2)",
        "",
        "proved: invariant under shift of z",
        head="m[n, k], z[n, k]",
    ),
    *rows(
        "mean[n](sum[k](cumsum[k if z > 0]((z+1)^2))) + 0*mean(y)",
        "",
        "refuted: convex in z",
        head="y[n], z[n, k]",
    ),
    *rows(
        "mean[n](sum[k](cumsum[k]((z+1)^2))) + 0*mean(y)",
        "",
        "proved: convex in z",
        head="y[n], z[n, k]",
    ),
    *rows(
        "mean[n](indicator(any[k if m == 1](y >= 0)))",
        "m in {0, 1}; y in [0, 1]",
        "refuted: f >= 1",
        head="y[n, k], m[n, k]",
    ),
    *rows(
        "mean[n](indicator(all[k if m == 1](y > 0)))",
        "m in {0, 1}; y in [-2, -1]",
        "refuted: f <= 0",
        head="y[n, k], m[n, k]",
    ),
]
CLOSED_FORECASTS = [  # at which a forecast may jump
    *rows(
        "mean((y-p)^2 - 1e-9*(if p >= 1 then 1 else 0))",
        "y in {0, 1}; p in [0, 1]",
        "not proved: proper",
        head="y, p",
    ),
    *rows(
        "mean((y-p)^2 - 1e-3*(if p >= 1 then 1 else 0))",
        "y in {0, 1}; p in [0, 1]",
        "refuted: proper",
        head="y, p",
    ),
    *rows(
        "mean((y-p)^2 - 1e-3*indicator(p <= 0))",
        "y in {0, 1}; p in [0, 1)",
        "refuted: proper",
        head="y, p",
    ),
    *rows(
        "mean((y-p)^2 - 1e-9*floor(p))",
        "y in {0, 1}; p in [0, 1]",
        "not proved: proper",
        head="y, p",
    ),
    *rows(
        "mean((y-p)^2 - 1e-9*(if p > 0 then 0 else 1))",
        "y in {0, 1}; p in [0, 1]",
        "not proved: proper",
        head="y, p",
    ),
    *rows(
        "mean((y-p)^2 - 1e-9*(if p == 1 then 1 else 0))",
        "y in {0, 1}; p in [0, 1]",
        "not proved: proper",
        head="y, p",
    ),
    *rows("mean((y-p)^2)", "y in {0, 1}; p in [0, 1]", "proved: proper", head="y, p"),
    *rows(
        "mean(-y*log(p) - (1-y)*log(1-p))",
        "y in {0, 1}; p in (0, 1)",
        "proved: proper",
        head="y, p",
    ),
]
PRECISION = [  # a witness needs as many digits as it takes
    *rows(
        "mean((1 - erf(x))*exp(x^2)*x) + 0*mean(y)",
        "x in [20, 26]",
        "not refuted: f >= 0.1",
        "not refuted: increasing in x",
    ),
    *rows("mean((1 - erf(x))*exp(x^2)*x) + 0*mean(y)", "x in [20, 26]", "refuted: f >= 0.6"),
    *rows(
        "mean(abs((x + 1e100) + (y - 1e100) - x - y))",
        "",
        "not refuted: f == 0",
        "not refuted: f <= 0",
    ),
    *rows(
        "mean((1 + x*1e-60 - 1)*1e60) + 0*mean(y)",
        "x in [1, 2]",
        "not refuted: f >= 1",
        "refuted: f >= 1.5",
    ),
    *rows(
        "mean((cosh(x) - sinh(x))*exp(x)) + 0*mean(y)", "x in [100, 150]", "not refuted: f >= 0.9"
    ),
    *rows(
        "mean(1e120*(sqrt(1 + x*1e-120) - 1)) + 0*mean(y)", "x in [1, 2]", "not refuted: f >= 0.4"
    ),
]
CAUSES = {
    "closed ends": CLOSED_ENDS,
    "no numbers": NO_NUMBERS,
    "poles": POLES,
    "jumps": JUMPS,
    "limits": LIMITS,
    "filters": FILTERS,
    "closed forecasts": CLOSED_FORECASTS,
    "precision": PRECISION,
}  # fmt: skip
ROWS = [(cause, row) for cause, found in CAUSES.items() for row in found]


@pytest.mark.parametrize(("cause", "row"), ROWS, ids=lambda x: x if isinstance(x, str) else x.claim)
def test_verdict(cause: str, row: Row) -> None:
    found = check(Source.of("f.loss", row.text), reader(None))
    assert not found.errors, found.errors
    ((verdict),) = audit_claims(found.losses["f"], SECONDS, reader(None))
    kind = verdict.verdict.kind
    wrong = kind == row.verdict.removeprefix("not ")
    assert wrong == (not row.verdict.startswith("not ")), f"{row.text}\n{verdict}"
