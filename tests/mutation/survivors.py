"""Mutants that change no derivative, each with the reason."""

from __future__ import annotations

import re

from .mutant import Mutant

# Reasons that hold for several mutants.
ASKS_MORE = "asks of more adjoints whether they are 0; where one is not, nothing changes"
COMPARED = "the place is found by a comparison and a sum, not by solving; both pick the same"
HOLDS = "a further condition, which always holds"
ONCE = "the sum is written otherwise; its value is the same"
WHOLE = "the factors of indices are whole numbers other than 0"
OUTSIDE = "what is read outside stands in a branch that is not taken there"

# By rule: the change (`~` stands for any text), and why no derivative changes.
ARGUED: dict[str, tuple[tuple[str, str], ...]] = {
    "norm": (
        ("`if r != 0 then x / r else 0` to `if (x) != 0~", "x / r is 0 where x is and r is not"),
    ),
    "slopes._power": (
        ("`if y in (ZERO, ONE)~to `if False~", "0 times a power is 0, and x^0 is 1"),
        ("`ZERO` to `ONE`", "0 times a power is 0"),
        ("`ONE` to `ZERO`, place 2", "x^0 is 1"),
        ("`ONE` to `ZERO`, place 3", "x^1 is x"),
        ("`x if lower == ONE~to `apply~", "x^1 is x"),
        ("`if isinstance(y, Const)~to `if False~",
         "differs at x = 0 under negative exponents alone, where the value is infinite"),
        ("`chosen(inside, slope, ZERO) if 0 < y~to `chosen~",
         "the slope at 0 is 0 for exponents above 1, and the value infinite for negative ones"),
        ("`1` to `2`", "the slope at 0 is 0 for exponents above 1"),
    ),
    "slopes._share": (
        ("`n != k and a not in fixed` to `n != k`",
         "where a constant ties, the slope is 0 by the first condition already"),
        ("`if arg in fixed: return ZERO` to `if False: return ZERO`",
         "the slope in a constant is asked for by nothing"),
        ("`ZERO` to `ONE`", "the slope in a constant is asked for by nothing"),
    ),
    "finite.passed": (
        ("`if isinstance(adjoint, Select)~to `if False~", "a product goes inside a branch anyway"),
        ("`isinstance(adjoint, Select) and ZERO in~to `isinstance(adjoint, Select)`",
         "a product is passed to both sides of a branch"),
        ("`ZERO in (adjoint.then, adjoint.other)` to `ZERO not in~",
         "a product is passed to both sides of a branch, or goes inside anyway"),
        ("`slope.free <= adjoint.free` to `slope.free < adjoint.free`",
         "sets that are equal pass the other comparison"),
        ("`adjoint.free <= slope.free` to `adjoint.free < slope.free`",
         "sets that are equal pass the other comparison"),
        ("`if nested and vanishes(adjoint, slope.free)~to `if True~", ASKS_MORE),
        ("`nested and vanishes(adjoint, slope.free) and reads_data(slope)` to~", ASKS_MORE),
    ),
    "finite.vanishes": (
        ("`bool(there) and ZERO in (term.then, term.other)` to~", ASKS_MORE),
        ("`c.free & places` to `c.free | places`", ASKS_MORE),
        ("`chosen_by.free & places & term.free` to~", ASKS_MORE),
        ("`chosen_by.free & places` to `chosen_by.free | places`", ASKS_MORE),
        ("`False` to `True`", ASKS_MORE),
    ),
    "finite.above_infinity": (
        ("`if not any(map(_may_be_infinite, postorder(body)))~to `if False~",
         HOLDS),
    ),
    "differentiate.add": (
        ("`not self.active[term] or~to `term.kind != REAL or adjoint == ZERO`",
         "adjoints of terms in which the tensor is not reach no access of it"),
        ("`not self.active[term] or~to `not self.active[term] or term.kind != REAL`", "adds 0"),
    ),
    "differentiate.summed": (
        ("`not over_ or term == ZERO` to `not over_`", "a sum of zeros is 0"),
        ("`if isinstance(term, Access)~to `if False~",
         "the sum of a tensor that sums to 1 by its domain is 1"),
        ("`if isinstance(term, Select)~to `if False~", ONCE),
        ("`if isinstance(term, Apply) and term.op == 'neg'~to `if False~", ONCE),
        ("`if isinstance(term, Apply) and term.op == 'div'~to `if False~",
         ONCE),
        ("`term.args[1].free & over_` to `term.args[1].free | over_`", ONCE),
    ),
    "differentiate.visit": (
        ("`if self.active[arg]~to `if True~",
         "the adjoint of a part in which the tensor is not is dropped a step later"),
    ),
    "differentiate.visit_reduce": (
        ("`if not REDUCTIONS[term.op].slope: return` to `if False: return`",
         "no reduction to a real number is without a slope"),
    ),
    "differentiate.visit_along": (
        ("`if not ALONG[term.op].slope: return` to `if False: return`",
         "no scan to real numbers is without a slope"),
        ("`rank if first == ZERO else~to `apply('add', (rank, first))`",
         "adds 0"),
    ),
    "differentiate.reduction_slope": (
        ("`'int' if op == 'count' else REAL` to~", "the kind of a number is not its value"),
        ("`op == 'count'` to `op != 'count'`", "the kind of a number is not its value"),
        ("`again('count', Const(True)) if kept is not None~to `again~",
         "the places are counted, not multiplied from lengths"),
    ),
    "differentiate.places": (
        ("`if len(span.starts) == len(span.stops) == 1~to `if False~",
         "the places are counted, not multiplied from lengths"),
        ("`1` to `2`", "the places are counted, not multiplied from lengths"),
    ),
    "differentiate.place": (
        ("`i not in solved and i not in self.held` to `i not in solved`",
         "no index is held in a gradient; of diagonals tests/test_hessian.py has the values"),
    ),
    "differentiate.carried": (
        ("`True` to `False`", "slots and axes are as many: what is compared is a mistake of ours"),
        ("`for i, e in solved.items() if not self.is_whole(i, e)` to~", OUTSIDE),
        ("`not self.is_whole(i, e)` to `self.is_whole(i, e)`", OUTSIDE),
        ("`padded(adjoint, partial)` to `adjoint`", OUTSIDE),
        ("`padded(c, read)` to `c`", OUTSIDE),
    ),
    "differentiate.solve": (
        ("`{} if form is None else form.indices` to `{}`", COMPARED),
        ("`i not in targets` to `i in targets`", COMPARED),
        ("`if form is None or not free~to `if True~",
         COMPARED),
        ("`form is None or not free` to `not free`", "without a form no index is free"),
        ("`form is None` to `form is not None`, place 2", COMPARED),
    ),
    "differentiate.inside": (
        ("`if self.is_whole(index, value): return` to `if False: return`", HOLDS),
    ),
    "differentiate.at_least": (
        ("`if reach is not None~to `if False~",
         HOLDS),
        ("`reach is not None and~to `reach[0].is_const and reach[0].const >= 0`",
         "each index here has a range, and each form so a least value"),
        ("`reach is not None` to `reach is None`", HOLDS),
        ("`reach[0].const >= 0` to `reach[0].const > 0`", HOLDS),
        ("`0` to `1`", HOLDS),
        ("`n > 0` to `n >= 0`", WHOLE),
        ("`n < 0` to `n <= 0`", WHOLE),
        ("`0` to `1`, place 5", WHOLE),
        ("`if positive~to `if True~", "the same comparison, with nothing on its left side"),
    ),
}  # fmt: skip


def reason(mutant: Mutant) -> str:
    """Why a mutant changes no derivative; "" if no reason is known."""
    rows = ARGUED.get(mutant.rule, ())
    return next((why for pattern, why in rows if _fits(mutant.change, pattern)), "")


def _fits(change: str, pattern: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("~"))), change) is not None
