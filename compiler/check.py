"""Checking a file: every loss and function of it elaborated, with all that is wrong in one list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from lossc.dsl import ast
from lossc.dsl.diagnostics import Diagnostic, Label, LosscError
from lossc.dsl.primitives import ALONG, BY_SYMBOL, CONSTANTS, PRIMITIVES, REDUCTIONS
from lossc.dsl.source import Source

from .domains import Domain
from .elaborate.branches import placed
from .elaborate.declare import Declared, Default, Head, Input, Param, declare
from .elaborate.defaults import check_defaults
from .elaborate.definitions import where
from .elaborate.expressions import Elaborator
from .elaborate.padding import settled
from .elaborate.run import Run
from .elaborate.scope import Scope, shown
from .findings import Findings
from .flat import cut_inputs
from .ir import ERROR, PACK, Access, Axis, Expr, Index, Program, Symbol, Tensor, postorder
from .link import Reader, Unit, link
from .separate import Separated, leading, separate
from .wording import is_slip

CLAIM_FUNCTIONS = ("diff", "quantile", "expectile")


@dataclass(frozen=True, slots=True)
class Checked:
    """A loss or function that is sound: its declarations and its program.

    `static` names the params whose values were fixed when it was compiled, and `hidden` has the
    lists that are defaults of functions it calls. `forms` keeps the stable forms of programs over
    its domains, and `slopes` derivatives, for all that ask for them.
    """

    item: Head
    unit: Unit = field(repr=False)
    inputs: Mapping[str, Input]
    params: Mapping[str, Param]
    program: Program = field(repr=False)
    static: frozenset[str] = frozenset()
    hidden: Mapping[str, ast.Array] = field(default_factory=dict)
    forms: dict[Program, Program] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    slopes: dict[tuple[Program, str], Program] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def name(self) -> str:
        """The loss's name."""
        return self.item.name

    @property
    def separated(self) -> Separated | None:
        """The values per sample that Keras weights, if there are any."""
        return separate(self.program, _names(self.item.body, leading(self.program)))

    @property
    def defaults(self) -> Mapping[str, Default]:
        """The values that the params have unless others are given."""
        return {n: p.default for n, p in self.params.items()}

    @property
    def domains(self) -> Mapping[str, Domain]:
        """The domain of each input and param by name."""
        declared: list[Input | Param] = [*self.inputs.values(), *self.params.values()]
        return {d.name: d.meaning for d in declared}


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """The sound losses and functions of a file by name, and all diagnostics."""

    unit: Unit
    losses: Mapping[str, Checked]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The errors alone."""
        return tuple(d for d in self.diagnostics if d.is_error)


def check(source: Source, read: Reader) -> CheckedFile:
    """Parse, link and elaborate a file.

    Raises LosscError for syntax errors, with the errors of all that can be read; without them
    everything is in the result's diagnostics.
    """
    findings = Findings()
    unit = link(source, read, findings)
    syntax = [d for d in findings.errors if _is_syntax(d, source)]
    _check_items(unit, findings)
    losses: dict[str, Checked] = {}
    for item in unit.own.values():
        before = len(findings.errors)
        checked = elaborate(item, unit, findings)
        if checked is not None and len(findings.errors) == before:
            losses[item.name] = checked
    if syntax:
        raise LosscError(d for d in findings.errors if d in syntax or _is_new(d, syntax))
    return CheckedFile(unit, losses, findings.all)


def _is_syntax(error: Diagnostic, source: Source) -> bool:
    return error.code.startswith("E01") and error.span is not None and error.span.source == source


def _is_new(error: Diagnostic, known: Sequence[Diagnostic]) -> bool:
    """Whether an error stands elsewhere than those known: `tf.square` is one mistake."""
    places = [d.span for d in known if d.span is not None]
    return not any(
        error.span is not None and p.source == error.span.source
        and p.start <= error.span.start <= p.stop for p in places
    )  # fmt: skip


def specialise(checked: Checked, overrides: Mapping[str, Default]) -> Checked:
    """The same loss with other values of params that are fixed when compiled.

    Raises LosscError where such a value does not fit.
    """
    return alone(checked.item, checked.unit, overrides)


def alone(item: Head, unit: Unit, overrides: Mapping[str, Default] | None = None) -> Checked:
    """One loss or function of a file, whatever the others are like.

    Raises LosscError with what is wrong with it.
    """
    findings = Findings()
    checked = elaborate(item, unit, findings, overrides)
    if checked is None or findings.errors:
        raise LosscError(findings.errors)
    return checked


def elaborate(
    item: Head, unit: Unit, findings: Findings, overrides: Mapping[str, Default] | None = None
) -> Checked | None:
    """One loss or function; None if it is not sound."""
    run = Elaborator(findings, body=item.body if isinstance(item, ast.Loss) else None)
    before = len(findings.errors)
    declared = declare(item, unit, run, overrides or {})
    if not overrides and len(findings.errors) == before:
        check_defaults(declared.params, run)
    scope = where(run, item.where, declared.scope)
    value = placed(run, settled(run.expr(item.body, scope)))
    if isinstance(item, ast.Loss):
        _check_claims(item, scope, findings)
    if value.kind == ERROR:
        return None
    axes = _axes_of(value, declared)
    if isinstance(item, ast.Loss):
        value = run.as_number(value, item.body.span)
        _check_scalar(item, axes, value.free, run)
        _warn_slips(item, declared, findings)
        _warn_flat(value, declared, run)
    _warn_unused(item, declared, run)
    tensors = tuple(i.tensor for i in declared.inputs.values())
    params = tuple(p.tensor for p in declared.params.values() if p.default is not None)
    hidden = _hidden_tensors(value, run)
    program = Program(item.name, tensors, params + hidden, value, axes, tuple(run.constraints))
    static = frozenset(run.static_used) | _nones(declared)
    return Checked(item, unit, declared.inputs, declared.params, program, static, dict(run.hidden))


def _nones(declared: Declared) -> frozenset[str]:
    return frozenset(n for n, p in declared.params.items() if p.default is None)


def _hidden_tensors(value: Expr, run: Run) -> tuple[Tensor, ...]:
    """The tensors that stand for lists which are defaults of functions called."""
    seen = {t.tensor for t in postorder(value) if isinstance(t, Access)}
    return tuple(t for t in sorted(seen, key=lambda t: t.name) if t.name in run.hidden)


def _axes_of(value: Expr, declared: Declared) -> tuple[Symbol, ...]:
    """The axes of a value: in the order of an input that has them all, else as declared."""
    pack = declared.scope.pack or ()
    order = [s for s in (*declared.scope.axes.values(), *pack) if s in value.free]
    for given in declared.inputs.values():
        own = [Symbol(a.name, a) for a in given.tensor.axes]
        if set(order) <= set(own):
            return tuple(s for s in own if s in order)
    return tuple(order)


def _check_scalar(
    item: ast.Loss, axes: tuple[Symbol, ...], free: frozenset[Index], run: Run
) -> None:
    if not free:
        return
    names = [shown(s) for s in axes or sorted(free, key=lambda i: i.name)]
    listed = ", ".join(f"`{n}`" for n in names)
    word = "axis" if len(names) == 1 else "axes"
    whole = names == [PACK]
    what = "has one value for each element" if whole else f"keeps the {word} {listed}"
    indices = "" if whole else f"[{', '.join(names)}]"
    help = f"reduce it: mean{indices}(...) or sum{indices}(...)"
    if free <= run.divisors:
        help = f"`{names[0]}` is an index, its length is size({names[0]})"
    run.fail("E0302", item.body.span, f"a loss is one number, but this {what}", help=help)


def _warn_slips(item: ast.Loss, declared: Declared, findings: Findings) -> None:
    """Warn of inputs of a bare formula that may be slips: nearly another name, or a function's."""
    if not item.bare:
        return
    names = list(declared.inputs)
    own = [e.name for e in item.where if isinstance(e, (ast.Definition, ast.Function))]
    functions = {*PRIMITIVES, *REDUCTIONS, *ALONG} - set(BY_SYMBOL.values())
    for k, name in enumerate(names):
        near = next((n for n in [*own, *names[:k]] if is_slip(name, n)), None)
        if near is None and name not in functions:
            continue
        head = f"loss {item.name if item.name.isidentifier() else 'f'}({', '.join(names)}) = ..."
        meant = f"`{near}`" if near else f"{name}(...)"
        said = f"and nearly `{near}`" if near else f"not the function `{name}`"
        findings.add(
            "W0208", declared.inputs[name].span, f"`{name}` is an input of its own, {said}",
            help=f"write {meant}, or declare that it is meant: {head}",
        )  # fmt: skip


def _check_items(unit: Unit, findings: Findings) -> None:
    """Names of a file are declared once and are not those of the language."""
    seen: dict[str, ast.Node] = {}
    for item in unit.file.items:
        if isinstance(item, ast.Use):
            for name in item.names:
                _check_once(name.id, name, seen, findings)
            continue
        _check_once(item.name, item, seen, findings)
        builtin = item.name in PRIMITIVES and not PRIMITIVES[item.name].symbol
        if builtin or item.name in REDUCTIONS or item.name in ALONG or item.name in ("size", "pad"):
            findings.add("E0215", item.span, f"`{item.name}` is a function of the language")


def _check_once(name: str, node: ast.Node, seen: dict[str, ast.Node], findings: Findings) -> None:
    if name in seen:
        others = (Label(seen[name].span, "first here"),)
        findings.add("E0203", node.span, f"`{name}` is declared twice", others=others)
    seen.setdefault(name, node)


def _check_claims(item: ast.Loss, scope: Scope, findings: Findings) -> None:
    """Names in claims must stand for something."""
    values = {item.name, "loss", *scope.values, *scope.axes, *CONSTANTS, *scope.unit.own}
    values |= set(scope.unit.used)
    functions = {*PRIMITIVES, *REDUCTIONS, *ALONG, *CLAIM_FUNCTIONS, *scope.functions, "size"}
    functions |= {item.name, *scope.unit.own, *scope.unit.used}
    words = {"mean", "median"}
    for claim in item.claims:
        bound = {b.name for n in ast.walk(claim) if isinstance(n, ast.IndexList) for b in n.indices}
        for node in ast.walk(claim):
            name, known = "", values | bound
            if isinstance(node, ast.Name):
                name = node.id
                known = known | words if claim.kind == "elicits" else known
            elif isinstance(node, ast.Call):
                name, known = node.function, functions
            if name and name not in known:
                near = get_close_matches(name, known, 1)
                help = f"did you mean `{near[0]}`?" if near else None
                findings.add("E0201", node.span, f"nothing is named `{name}` here", help=help)


def _names(body: ast.Expr, lead: Axis | None) -> bool:
    """Whether a body is a mean or sum whose list has the leading axis by its own name."""
    while isinstance(body, ast.Unary):
        body = body.operand
    if lead is None or not isinstance(body, ast.Call) or body.function not in ("mean", "sum"):
        return False
    return body.indices is not None and lead.name in [i.name for i in body.indices.indices]


def _warn_flat(value: Expr, declared: Declared, run: Run) -> None:
    """Warn of inputs that reach the value only where no gradient passes."""
    for name, span in cut_inputs(value, declared.inputs, run.cuts):
        run.findings.add(
            "W0204", span, f"no gradient reaches `{name}`",
            "the slope is 0 here, and no other path leads to the value",
        )  # fmt: skip


def _warn_unused(item: Head, declared: Declared, run: Run) -> None:
    for entry in item.where:
        if isinstance(entry, (ast.Definition, ast.Function)) and entry.span not in run.used:
            run.findings.add("W0201", entry.span, f"`{entry.name}` is defined but not used")
    claimed = {
        n.id for c in getattr(item, "claims", ()) for n in ast.walk(c) if isinstance(n, ast.Name)
    }
    in_domains = {
        n.id
        for e in item.where
        if isinstance(e, (ast.DomainEntry, ast.ConditionEntry))
        for n in ast.walk(e.domain if isinstance(e, ast.DomainEntry) else e.condition)
        if isinstance(n, ast.Name)
    }
    in_domains -= set(declared.inputs)
    decls: list[Input | Param] = [*declared.inputs.values(), *declared.params.values()]
    for decl in decls:
        if decl.span not in run.used and decl.name not in claimed | in_domains:
            what = "input" if isinstance(decl, Input) else "param"
            run.findings.add("W0203", decl.span, f"the {what} `{decl.name}` is not used")
