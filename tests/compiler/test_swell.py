"""Gradients do not swell: operations after sharing, against those of the value."""

from pathlib import Path

import pytest

import lossc
from lossc.api import sound
from lossc.compiler.check import Checked
from lossc.compiler.derive import real_inputs
from lossc.compiler.emit.count import operations
from lossc.compiler.passes.differentiate import differentiate
from lossc.dsl.source import Source
from lossc.files import read_source, reader

CORPUS = sorted((Path(__file__).parent.parent / "corpus").glob("*.loss"))
# Reverse mode adds some operations for each of the value's; a difference scheme, read at shifted
# places in its gradient, adds the most.
FACTOR = 5.5

CIOU = """loss ciou(box[batch, 4], boxhat[batch, 4]; eps = 1e-7) =
    mean[batch](1 - iou + distance / (diagonal + eps) + alpha * v)
where
    w(b[batch, 4]) = b[batch, 2] - b[batch, 0]
    h(b[batch, 4]) = b[batch, 3] - b[batch, 1]
    inter = prod[k in 0..1](
            max(0, min(box[batch, k+2], boxhat[batch, k+2]) - max(box[batch, k], boxhat[batch, k]))
        )
    iou = inter / (w(box) * h(box) + w(boxhat) * h(boxhat) - inter + eps)
    distance = sum[k in 0..1](
            (box[batch, k] + box[batch, k+2] - boxhat[batch, k] - boxhat[batch, k+2])^2
        ) /
        4
    diagonal = sum[k in 0..1](
            (max(box[batch, k+2], boxhat[batch, k+2]) - min(box[batch, k], boxhat[batch, k]))^2
        )
    v = 4 / pi^2 * (atan(w(box) / h(box)) - atan(w(boxhat) / h(boxhat)))^2
    alpha = stop_gradient(v / (1 - iou + v + eps))
"""


def sizes(loss: Checked) -> tuple[int, int]:
    """The operations of the value, and of the largest gradient."""
    slopes = [differentiate(loss.program, n) for n in real_inputs(loss)]
    return operations(loss.program), max(map(operations, slopes), default=0)


def only(source: Source) -> Checked:
    (loss,) = sound(source, reader(None)).losses.values()
    return loss


def test_ciou_grows_three_times_at_most() -> None:
    value, gradient = sizes(only(Source.of("ciou", CIOU)))
    assert value < gradient <= 3 * value


@pytest.mark.parametrize("path", CORPUS, ids=lambda p: p.stem)
def test_the_corpus_does_not_swell(path: Path) -> None:
    value, gradient = sizes(only(read_source(path)))
    assert gradient <= FACTOR * value


def test_shared_work_counts_once() -> None:
    loss = lossc.compile("mean(exp(y - yhat) + exp(y - yhat) * exp(y - yhat))")
    source = Source.of("t", loss.source)
    assert operations(only(source).program) == 5  # sub, exp, mul, add, mean
