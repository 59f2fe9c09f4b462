"""What it costs to start: each command and each kind of process, of this checkout and of another, in turns.

python -m benchmarks.startup [--beside CHECKOUT] [--rounds 5]

Counted are seconds of a CPU, user and system, of a fresh interpreter until it ends, which on a busy machine say more
than seconds of a clock; those stand beside them. A first round, which is not counted, compiles what is not compiled.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent.parent

LINES = {
    "search.py --help": ("search.py", "--help"),
    "search.py --trials 0 (refused)": ("search.py", "--trials", "0"),
    "predict.py --help": ("predict.py", "--help"),
    "python -m analysis.ledger --help": ("-m", "analysis.ledger", "--help"),
    "import analysis": ("-c", "import analysis"),
    "a trial's worker": ("-c", "import trainables.ray_trial"),
    "what trains a fold": ("-c", "import trainables.train"),
    "what only the driver needs": ("-c", "import cluster.folds"),
    "torch alone": ("-c", "import torch"),
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description="What it costs to start.")
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="another version of the code, for the ratio")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=LINES, default=list(LINES), metavar="LINE")
    flags = parser.parse_args(arguments)
    roots = [HERE, *([flags.beside] if flags.beside else [])]
    print(f"n = {flags.rounds} each, medians (lowest to highest), seconds of a CPU; of a clock behind the slash")
    for name in flags.only:
        took = {root: list[tuple[float, float]]() for root in roots}
        for round_ in range(flags.rounds + 1):
            for root in roots:
                spent = seconds(LINES[name], root)
                took[root] += [spent] if round_ else []
        cpu = {root: [spent for spent, _ in took[root]] for root in roots}
        told = [
            f"{median(cpu[root]):.2f} ({min(cpu[root]):.2f} to {max(cpu[root]):.2f}) / "
            f"{median([clock for _, clock in took[root]]):.2f}"
            for root in roots
        ]
        ratio = f"  {median(cpu[roots[-1]]) / median(cpu[HERE]):.1f} times as long there" if flags.beside else ""
        print(f"{name:34s}{'  beside '.join(told)}{ratio}", flush=True)


def seconds(words: tuple[str, ...], root: Path) -> tuple[float, float]:
    """Of a CPU and of a clock, that Python takes with these words at the root of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(root)}
    before = time.perf_counter()
    asked = [sys.executable, *words]
    process = subprocess.Popen(asked, cwd=root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, spent = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 2):
        raise RuntimeError(f"{' '.join(asked)} ended with {process.returncode} in {root}")
    return spent.ru_utime + spent.ru_stime, time.perf_counter() - before


if __name__ == "__main__":
    main()
