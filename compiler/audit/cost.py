"""The cost of a compiled loss, read from the text of XLA's optimised module."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..wording import plural

BYTES = {
    "pred": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "f16": 2, "bf16": 2, "s32": 4, "u32": 4,
    "f32": 4, "s64": 8, "u64": 8, "f64": 8,
}  # fmt: skip
ARITHMETIC = frozenset((
    "add", "subtract", "multiply", "divide", "negate", "abs", "maximum", "minimum", "remainder",
    "clamp", "floor", "ceil", "round-nearest-even", "sign",
))  # fmt: skip
TRANSCENDENTAL = frozenset((
    "exponential", "exponential-minus-one", "log", "log-plus-one", "tanh", "sine", "cosine", "tan",
    "power", "sqrt", "rsqrt", "cbrt", "atan2", "erf", "logistic",
))  # fmt: skip
# What takes no array of its own and no time.
FREE = frozenset(("parameter", "constant", "tuple", "get-tuple-element", "bitcast"))

_HEAD = re.compile(r"^(ENTRY )?%?(\S+) \(.*\) -> .*\{$")
_LINE = re.compile(r"^\s+(ROOT )?%?(\S+) = (\([^=]*?\)|\S+) ([a-z][a-z0-9-]*)\((.*)$")
_ARRAY = re.compile(r"\b([a-z]+[0-9]*)\[([0-9,]*)\]")
_NAME = re.compile(r"%([\w.-]+)")
_CALLED = re.compile(r"\b(?:calls|to_apply|body|condition)=%?([\w.-]+)")
_CONTRACTED = re.compile(r"lhs_contracting_dims=\{([0-9,]*)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run costs: `of` is "value" or "value and gradient", on axes of lengths `sizes`.

    `kernels` are the steps that run, of which `fusions` are several operations in one. `arrays` are
    written, the `temporaries` among them are not results. `samples` is the length of the first
    axis. Operations of loops whose number of rounds is not known count once.
    """

    of: str
    sizes: Mapping[str, int]
    samples: int
    kernels: int
    fusions: int
    arrays: int
    temporaries: int
    temporary_bytes: int
    flops: int
    transcendentals: int
    bytes: int

    @property
    def lengths(self) -> str:
        """The lengths of the axes in words."""
        named = [f"{n} = {k}" for n, k in self.sizes.items() if n != "..."]
        plain = [f"{k} elements" for n, k in self.sizes.items() if n == "..."]
        return ", ".join([*plain, *named]) or "one number"

    def __str__(self) -> str:
        each = max(self.samples, 1)
        return (
            f"{self.of}: {plural(self.kernels, 'kernel')} ({plural(self.fusions, 'fusion')}), "
            f"{plural(self.temporaries, 'temporary', 'temporaries')}"
            f"{f' of {_amount(self.temporary_bytes)}' if self.temporaries else ''}; a sample takes "
            f"{self.flops / each:.3g} flops, {self.transcendentals / each:.3g} transcendentals, "
            f"{_amount(self.bytes / each)}"
        )

    def to_json(self) -> dict[str, Any]:
        """The cost as JSON has it."""
        return {
            "of": self.of, "sizes": dict(self.sizes), "samples": self.samples,
            "kernels": self.kernels, "fusions": self.fusions, "arrays": self.arrays,
            "temporaries": self.temporaries, "temporary_bytes": self.temporary_bytes,
            "flops": self.flops, "transcendentals": self.transcendentals, "bytes": self.bytes,
        }  # fmt: skip


def cost(module: str, of: str, sizes: Mapping[str, int], samples: int) -> Cost:
    """The cost of a module, given as XLA writes its optimised HLO."""
    parsed = _Module(module)
    steps = [i for i in parsed.entry if i.op not in FREE]
    results = {parsed.source(n) for n in parsed.results}
    written = [i for i in steps if i.name not in results]
    total = parsed.total(parsed.entry)
    return Cost(
        of, sizes, samples, len(steps), sum(i.op == "fusion" for i in steps), len(steps),
        len(written), sum(i.bytes for i in written), total.flops, total.transcendentals,
        sum(i.bytes + sum(parsed.bytes(n) for n in i.operands) for i in steps),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Instruction:
    """A line of a module."""

    name: str
    op: str
    type: str
    rest: str
    is_root: bool

    @property
    def operands(self) -> list[str]:
        """The names of its operands."""
        return list(dict.fromkeys(_NAME.findall(self.rest.split(")")[0])))

    @property
    def shapes(self) -> list[tuple[str, list[int]]]:
        """The dtypes and lengths of what it gives."""
        found = _ARRAY.findall(self.type)
        return [(t, [int(n) for n in dims.split(",") if n]) for t, dims in found if t in BYTES]

    @property
    def elements(self) -> int:
        """The number of elements of what it gives."""
        return sum(math.prod(dims) for _, dims in self.shapes)

    @property
    def bytes(self) -> int:
        """The size of what it gives."""
        return sum(BYTES[t] * math.prod(dims) for t, dims in self.shapes)


@dataclass(frozen=True, slots=True)
class _Work:
    """Operations."""

    flops: int = 0
    transcendentals: int = 0

    def __add__(self, other: _Work) -> _Work:
        return _Work(self.flops + other.flops, self.transcendentals + other.transcendentals)

    def times(self, n: int) -> _Work:
        """So many times the work."""
        return _Work(self.flops * n, self.transcendentals * n)


class _Module:
    """The computations of a module by name."""

    def __init__(self, text: str) -> None:
        self.computations: dict[str, list[_Instruction]] = {}
        self.main = ""
        here: list[_Instruction] = []
        for line in text.splitlines():
            if head := _HEAD.match(line):
                here = self.computations.setdefault(head[2], [])
                self.main = head[2] if head[1] else self.main
            elif found := _LINE.match(line):
                root, name, type_, op, rest = found.groups()
                here.append(_Instruction(name, op, type_, rest, root is not None))

    @property
    def entry(self) -> list[_Instruction]:
        """The computation that is run."""
        return self.computations.get(self.main, [])

    @cached_property
    def named(self) -> dict[str, _Instruction]:
        """The instructions of the entry by name."""
        return {i.name: i for i in self.entry}

    @property
    def results(self) -> Iterator[str]:
        """The names of what the module gives."""
        for root in (i for i in self.entry if i.is_root):
            yield from root.operands if root.op == "tuple" else [root.name]

    def source(self, name: str) -> str:
        """The instruction that wrote an array."""
        found = self.named.get(name)
        if found is not None and found.op in ("bitcast", "get-tuple-element") and found.operands:
            return self.source(found.operands[0])
        return name

    def bytes(self, name: str) -> int:
        """The size of an array of the entry."""
        return self.named[name].bytes if name in self.named else 0

    def total(self, lines: list[_Instruction]) -> _Work:
        """The operations of a computation."""
        known = {i.name: i for i in lines}
        return sum((self.work(i, known) for i in lines), _Work())

    def work(self, line: _Instruction, known: Mapping[str, _Instruction]) -> _Work:
        """The operations of an instruction."""
        if line.op in ARITHMETIC:
            return _Work(flops=line.elements)
        if line.op in TRANSCENDENTAL:
            return _Work(transcendentals=line.elements)
        if line.op == "dot":
            return _Work(flops=2 * line.elements * _contracted(line, known))
        called = [self.computations[n] for n in _CALLED.findall(line.rest)
                  if n in self.computations]  # fmt: skip
        inside = sum((self.total(c) for c in called), _Work())
        return inside.times(_rounds(line, known))


def _rounds(line: _Instruction, known: Mapping[str, _Instruction]) -> int:
    """How often what an instruction calls is run."""
    if line.op in ("reduce", "reduce-window", "sort"):
        first = known.get(line.operands[0]) if line.operands else None
        return first.elements if first is not None else line.elements
    if line.op == "map":
        return line.elements
    trips = _TRIPS.search(line.rest) if line.op == "while" else None
    return int(trips[1]) if trips else 1


def _contracted(line: _Instruction, known: Mapping[str, _Instruction]) -> int:
    """The number of products in a sum of products."""
    found, first = _CONTRACTED.search(line.rest), known.get(line.operands[0])
    if found is None or first is None or not first.shapes:
        return 1
    return math.prod(first.shapes[0][1][int(k)] for k in found[1].split(",") if k)


def _amount(bytes: float) -> str:
    if bytes >= 1 << 20:
        return f"{bytes / (1 << 20):.3g} MiB"
    return f"{bytes / 1024:.3g} KiB" if bytes >= 1024 else f"{bytes:.3g} bytes"
