"""How long it takes to derive and print the gradients of each loss, and how much they grow.

Seconds are of processor time, for the gradients in all real inputs, as text and as LaTeX, the best
of three. An operation makes an array, and counts once however often that is used; of several
gradients the largest is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from lossc.api import sound
from lossc.compiler.check import Checked
from lossc.compiler.derive import derivative, real_inputs
from lossc.compiler.emit.count import operations
from lossc.compiler.emit.to_latex import latex
from lossc.compiler.passes.differentiate import differentiate
from lossc.dsl.printer import print_item
from lossc.files import read_source, reader

CORPUS = Path(__file__).resolve().parent.parent / "tests" / "corpus"
ROUNDS = 3


def seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def print_gradients(loss: Checked) -> None:
    for name in real_inputs(loss):
        item = derivative(loss, name)
        print_item(item)
        latex(item)


def sizes(loss: Checked) -> tuple[int, int]:
    """The operations of a loss's value, and of its largest gradient."""
    slopes = [differentiate(loss.program, n) for n in real_inputs(loss)]
    return operations(loss.program), max(map(operations, slopes), default=0)


def main() -> None:
    print("gradients derived and printed, slowest first; operations after sharing")
    print(f"{'':28}{'seconds':>9}{'value':>7}{'gradient':>10}{'ratio':>7}")
    rows = []
    for file in sorted(CORPUS.glob("*.loss")):
        (loss,) = sound(read_source(file), reader(None)).losses.values()
        best = min(seconds(lambda one=loss: print_gradients(one)) for _ in range(ROUNDS))
        value, gradient = sizes(loss)
        rows.append((best, f"{value:7d}{gradient:10d}{gradient / value:7.1f}", file.stem))
    for best, counts, name in sorted(rows, reverse=True):
        print(f"{name:28}{best:9.3f}{counts}")


if __name__ == "__main__":
    main()
