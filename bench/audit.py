"""Measures how long audits take, as processes from start to end.

The import of TensorFlow, as a process of its own, is timed in turn with them and taken off: what is
left has the imports of lossc in it. As in lossc no garbage is collected in the meantime.
`--library` times the whole library too, which takes five minutes on two quiet cores.
"""

import argparse
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
IMPORT = ("-c", "import gc; gc.disable(); import tensorflow")
TEXTBOOK = (
    "mean_squared_error", "huber", "log_cosh", "hinge", "poisson", "kl_divergence",
    "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy",
)  # fmt: skip


def seconds(*command: str) -> float:
    """The wall time of a Python process."""
    start = time.perf_counter()
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, *command], check=True, capture_output=True, cwd=ROOT, env=quiet)
    return time.perf_counter() - start


def textbook(rounds: int) -> None:
    """Each loss alone, with all that the audit of one loss has."""
    imports, audits = [], {name: [] for name in TEXTBOOK}
    for _ in range(rounds):
        imports.append(seconds(*IMPORT))
        for name, times in audits.items():
            times.append(seconds("-m", "lossc", "audit", f"std.{name}"))
    loaded = statistics.median(imports)
    print(f"{'import tensorflow':<34} {loaded:5.2f} s")
    for name, times in audits.items():
        whole = statistics.median(times)
        low, high = min(times) - loaded, max(times) - loaded
        print(f"{name:<34} {whole - loaded:5.2f} s beside it   ({low:.2f} to {high:.2f})")


def of_processor() -> float:
    """The seconds of the processor that all processes before have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def library() -> None:
    """A line for each loss of the library."""
    before, start = of_processor(), time.perf_counter()
    command = [sys.executable, "-m", "lossc", "audit", "std"]
    found = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    minutes, rest = divmod(round(time.perf_counter() - start), 60)
    used = of_processor() - before
    lines = found.stdout.splitlines()
    print(f"library: {len(lines)} losses in {minutes} min {rest} s ({used:.0f} s of the processor)")
    for what in ("proved", "unknown", "refuted"):
        counts = re.findall(rf"(\d+) {what}", found.stdout)
        print(f"{what}: {sum(map(int, counts))}")
    print(f"gradient confirmed: {sum('gradient ok' in line for line in lines)}")
    print(f"fewer than 200 points: {sum('of 200 points' in line for line in lines)}")
    print(f"no point: {sum('accuracy not measured' in line for line in lines)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--library", action="store_true")
    args = parser.parse_args()
    packages = ", ".join(f"{p} {version(p)}" for p in ("lossc", "tensorflow", "sympy", "lark"))
    print(f"{date.today()}, Python {platform.python_version()}, {packages}")
    print(f"{os.cpu_count()} cores, {args.rounds} rounds, medians\n", flush=True)
    textbook(args.rounds)
    if args.library:
        library()


if __name__ == "__main__":
    main()
