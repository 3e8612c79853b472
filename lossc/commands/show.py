"""`lossc show`: a formula, its types, and what each stage of the compiler makes of it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from lossc.dsl import ast
from lossc.dsl.diagnostics import Diagnostic, LosscError
from lossc.dsl.lexer import Scanner, layout
from lossc.dsl.parser import parse
from lossc.dsl.source import Source

from .target import Target, add_options, add_targets, chosen, options, sole_target
from .terminal import FINDINGS, GOOD, Terminal, aligned, usage_error

if TYPE_CHECKING:
    from lossc.compiler.check import Checked

HELP = "formula and types; or LaTeX, or a stage of the compiler"
STAGES = ("tokens", "ast", "typed", "ir", "stable", "grad", "plan", "hlo")


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser, many=False)
    add_options(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--latex", action="store_true", help="the formula as LaTeX")
    form.add_argument("--stage", choices=STAGES, help="what this stage of the compiler makes")
    parser.add_argument(
        "--size", action="append", default=[], metavar="AXIS=N",
        help="the length of an axis, for --stage hlo (8 if not given)",
    )  # fmt: skip


def run(args: Namespace, terminal: Terminal) -> int:
    """Show one loss, or all of a file."""
    target = sole_target(args)
    if args.stage == "tokens":
        return _show_tokens(target.source, terminal)
    if args.stage == "ast":
        return _show_ast(target, terminal)
    losses = _sound(target)
    if args.latex:
        _write([(c, _latex(c)) for c in losses], "latex", terminal)
    elif args.stage:
        _show_stage(losses, args, terminal)
    else:
        _show_all(losses, terminal)
    return GOOD


def _sound(target: Target) -> list[Checked]:
    from lossc.api import sound

    return chosen(target, sound(target.source, target.read))


def _show_all(losses: list[Checked], terminal: Terminal) -> None:
    from .describe import description, types_text

    if terminal.json:
        terminal.document([description(c) for c in losses])
        return
    texts = [f"{description(c)['formula']}\n\n{types_text(c)}\n\n{_gradients(c)}" for c in losses]
    terminal.say("\n\n\n".join(texts))


def _show_stage(losses: list[Checked], args: Namespace, terminal: Terminal) -> None:
    if args.stage == "hlo":
        from .hlo import optimized

        sizes = _sizes(args.size)
        said = [(c, optimized(c, sizes, options(args))) for c in losses]
    elif args.stage in ("stable", "plan"):
        from .stable import plan_text, stable_text

        level_maker = stable_text if args.stage == "stable" else plan_text
        said = [(c, level_maker(c, options(args))) for c in losses]
    else:
        maker = {"typed": _typed, "ir": _ir, "grad": _gradients}[args.stage]
        said = [(c, maker(c)) for c in losses]
    _write(said, "text", terminal)


def _write(said: list[tuple[Checked, str]], key: str, terminal: Terminal) -> None:
    """Write what there is to say of each loss, under its name if there are several."""
    if terminal.json:
        terminal.document([{"name": c.name, key: text} for c, text in said])
    elif len(said) == 1:
        terminal.say(said[0][1])
    else:
        terminal.say("\n\n".join(f"{c.name}:\n{text}" for c, text in said))


def _latex(checked: Checked) -> str:
    from lossc.compiler.emit.to_latex import latex

    return latex(checked.item)


def _typed(checked: Checked) -> str:
    from .describe import types_text

    return types_text(checked)


def _ir(checked: Checked) -> str:
    from lossc.compiler.emit.to_text import program_text

    return program_text(checked.program)


def _gradients(checked: Checked) -> str:
    from lossc.compiler.derive import derivative, real_inputs
    from lossc.dsl.printer import print_item

    return "\n\n".join(print_item(derivative(checked, n)).strip() for n in real_inputs(checked))


def _sizes(given: list[str]) -> Mapping[str, int]:
    """The lengths of axes that were given as AXIS=N."""
    sizes: dict[str, int] = {}
    for text in given:
        name, _, length = text.partition("=")
        if not (name and length.isascii() and length.isdigit() and len(length) < 10):
            raise usage_error(f"--size {text} is not AXIS=N", help="such as --size batch=32")
        sizes[name] = int(length)
    return sizes


# --- tokens and trees ----------------------------------------------------------------------


def _show_tokens(source: Source, terminal: Terminal) -> int:
    """Show a file's words, those in error left out; they are reported."""
    scanner = Scanner(source)
    scanner.run()
    tokens, found = layout(scanner.tokens)
    if scanner.diagnostics or found:
        return terminal.fail(LosscError([*scanner.diagnostics, *found])) or FINDINGS
    known = [
        {"kind": t.kind, "text": t.text, "line": t.span.line, "column": t.span.column}
        for t in tokens
    ]
    if terminal.json:
        terminal.document(known)
        return GOOD
    rows = [(f"{t['line']}:{t['column']}", str(t["kind"]), repr(t["text"])) for t in known]
    terminal.say("\n".join(aligned(rows)) if rows else "no tokens")
    return GOOD


def _show_ast(target: Target, terminal: Terminal) -> int:
    tree: ast.Node = parse(target.source)
    if target.name is not None:
        tree = _named(tree, target)
    if terminal.json:
        terminal.document(_tree_data(tree))
    else:
        terminal.say("\n".join(_tree_lines("", tree, 0)))
    return GOOD


def _named(tree: ast.Node, target: Target) -> ast.Node:
    assert isinstance(tree, ast.File)
    items = {item.name: item for item in tree.items if not isinstance(item, ast.Use)}
    if target.name not in items:
        raise LosscError(
            Diagnostic(
                "E0609",
                f"{target.source.name} has no loss `{target.name}`",
                help=f"there are: {', '.join(items) or 'none'}",
            )
        )
    return items[target.name]


def _shown(node: ast.Node) -> list[tuple[str, Any]]:
    """The fields of a node that say something."""
    hidden = ("span", "function_span")
    pairs = [(f.name, getattr(node, f.name)) for f in fields(node) if f.name not in hidden]
    return [(name, value) for name, value in pairs if value not in (None, (), False)]


def _tree_lines(label: str, value: Any, depth: int) -> list[str]:
    """A node and what is below it, a line each."""
    pad = "    " * depth
    head = f"{label}: " if label else ""
    if isinstance(value, ast.Node):
        inner = [
            line for name, part in _shown(value) for line in _tree_lines(name, part, depth + 1)
        ]
        return [f"{pad}{head}{type(value).__name__}", *inner]
    if isinstance(value, tuple) and any(isinstance(part, ast.Node) for part in value):
        lines = [line for part in value for line in _tree_lines("", part, depth + 1)]
        return [f"{pad}{label}:", *lines]
    return [f"{pad}{head}{value!r}"]


def _tree_data(value: Any) -> Any:
    if isinstance(value, ast.Node):
        parts = {name: _tree_data(part) for name, part in _shown(value)}
        return {"node": type(value).__name__, **parts}
    return [_tree_data(part) for part in value] if isinstance(value, tuple) else value
