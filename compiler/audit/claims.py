"""Claims decided: each kind's obligations, and the ladder of proofs and searches.

Claims are about one sample (a batch of one) where the loss is separable, over the declared domains
of inputs and params alike, wherever the formula has a value. A proof for axes of any length is
tried first; else one at small lengths, which the verdict names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lossc.dsl import ast
from lossc.dsl.diagnostics import LosscError

from ..check import Checked
from ..link import Reader
from .context import Context
from .goal import Budget, OutOfBudget
from .kinds import comparison, equality, forecast, limit, shape
from .kinds.comparison import all_of
from .normal import TooLarge
from .scalars import NotWritten
from .statements import NotStated
from .verdict import Verdict, narrowed, unknown

SECONDS = 2.0  # for one claim


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """A claim, its text and its verdict."""

    claim: ast.Claim
    verdict: Verdict

    @property
    def text(self) -> str:
        """The claim as it is written."""
        return self.claim.span.words

    def __str__(self) -> str:
        return f"{self.text}: {self.verdict}"


Decide = Callable[[Context, ast.Claim], Verdict]
KINDS: Mapping[str, Decide] = {
    "holds": comparison.holds,
    "zero iff": comparison.zero_iff,
    "convex": shape.convex,
    "quasiconvex": shape.quasiconvex,
    "increasing": shape.increasing,
    "decreasing": shape.decreasing,
    "smooth": shape.smooth,
    "lipschitz": shape.lipschitz,
    "symmetric": equality.symmetric,
    "invariant": equality.invariant,
    "equals": equality.equals,
    "proper": forecast.proper,
    "elicits": forecast.elicits,
    "limit": limit.limit,
}


def decide(
    checked: Checked, claim: ast.Claim, budget: Budget | None = None, read: Reader | None = None
) -> Verdict:
    """The verdict on a claim of a loss.

    `read` opens the files that `equals` names; without it only those the loss uses are known.
    """
    return decide_for_all(Context(checked, read), claim, (budget or Budget(SECONDS)).seconds)


def decide_in(context: Context, claim: ast.Claim, budget: Budget) -> Verdict:
    """The verdict on a claim, with what was written out for others."""
    context.begin(budget)
    try:
        return KINDS[claim.kind](context, claim)
    except (NotStated, NotWritten) as error:
        return unknown(str(error))
    except LosscError as error:  # a slope that the language cannot write
        return unknown(error.diagnostics[0].message)
    except OutOfBudget:
        return unknown("all, until the time ran out")
    except (TooLarge, RecursionError):
        return unknown("all, until the formula grew too large")


def audit_claims(
    checked: Checked, seconds: float = SECONDS, read: Reader | None = None
) -> tuple[ClaimVerdict, ...]:
    """Every claim of a loss with its verdict, in the order of the text."""
    return decide_all(Context(checked, read), seconds)


def decide_all(context: Context, seconds: float) -> tuple[ClaimVerdict, ...]:
    """Every claim of the loss of a context, in the order of the text."""
    item = context.checked.item
    claims = item.claims if isinstance(item, ast.Loss) else ()
    return tuple(ClaimVerdict(c, decide_for_all(context, c, seconds)) for c in claims)


def decide_for_all(context: Context, claim: ast.Claim, seconds: float) -> Verdict:
    """The verdict on a claim for every value of the params, also of those fixed when compiled.

    A call of the loss itself has them as by default. What is proved of the formula by default, and
    open for another, is proved for the values by default alone.
    """
    first, *others = context.variants
    found = decide_in(first, claim, Budget(seconds))
    if not (others or context.partial):
        return found
    calls, names = _mentions(context.checked, claim)
    if calls:
        plain = not names & {context.checked.name, "loss", *context.checked.params}
        return found if plain else narrowed(found, context.defaults)
    share = Budget(seconds)
    verdicts = [found]
    for k, other in enumerate(others):
        if verdicts[-1].is_refuted:
            return verdicts[-1]
        verdicts.append(decide_in(other, claim, share.part(1 / (len(others) - k))))
    whole = all_of(verdicts)
    if found.is_proved and not (whole.is_proved or whole.is_refuted):
        return narrowed(found, context.defaults)
    return narrowed(whole, context.partial)


def _mentions(checked: Checked, claim: ast.Claim) -> tuple[bool, set[str]]:
    """Whether a claim calls the loss itself, and the names that it has beside that."""
    nodes = list(ast.walk(claim))
    own = (checked.name, "loss")
    calls = any(isinstance(n, ast.Call) and n.function in own for n in nodes)
    names = {n.id for n in nodes if isinstance(n, ast.Name)}
    return calls, names | {*own} if claim.kind != "holds" else names
