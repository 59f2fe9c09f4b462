"""How time and memory grow, each point measured once in a process of its own.

python -m benchmarks.growth trials|workers|images|members|views [--sizes 10 100] [--out FOLDER] [--json FILE]
                            [--figure PNG]

trials, workers: the real driver on a simulated cluster, with epochs that take no time (`benchmarks.scale`).
images: all that the driver does before Ray, and what a worker does before its first step, on generated JPEGs.
members, views: prediction by small nets that were never trained; blending of simulated out-of-fold predictions.

Beside each number stands its exponent: the slope of a straight line through all points on logarithmic axes, and of
the last step alone, where what is there at any size (imports, a process) weighs least. 1 is linear.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.growth.subjects import SUBJECTS, Measured, Subject

if TYPE_CHECKING:
    import pandas as pd


def measure(name: str, subject: Subject, size: int, folder: Path) -> Measured:
    """Of all parts of a subject at one size, each in a process of its own."""
    found: Measured = {}
    for part in subject.parts:
        command = [sys.executable, "-m", "benchmarks.growth", name, "--out", str(folder), "--point", part, str(size)]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found |= {f"{part}: {what}": value for what, value in json.loads(said.splitlines()[-1]).items()}
    return found


def measure_all(name: str, sizes: list[int], folder: Path) -> pd.DataFrame:
    """A row a size, a column for what was measured."""
    import pandas as pd  # here: a point's process is to hold what it measures, and no more

    subject = SUBJECTS[name]
    subject.prepare(folder, sizes)
    rows = {}
    for size in sizes:
        rows[size] = measure(name, subject, size, folder)
        print(f"{size} {name}: {json.dumps(rows[size])}", file=sys.stderr, flush=True)
    return pd.DataFrame(rows).T.rename_axis(name)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=str(__doc__).splitlines()[0])
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("--sizes", type=int, nargs="+", help="in place of those of docs/growth.md")
    parser.add_argument("--out", type=Path, help="folder for what is generated; else a temporary one")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--point", nargs=2, metavar=("PART", "SIZE"), help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    subject = SUBJECTS[asked.subject]
    if asked.point:
        part, size = asked.point
        print(json.dumps(subject.parts[part](int(size), asked.out)))
        return
    from benchmarks.growth.growth import as_table, growth_figure

    with tempfile.TemporaryDirectory(prefix="growth") as scratch:
        found = measure_all(asked.subject, sorted(asked.sizes or subject.sizes), asked.out or Path(scratch))
    print(as_table(found))
    if asked.json:
        asked.json.write_text(json.dumps(found.T.to_dict(), indent=1) + "\n")
    if asked.figure:
        growth_figure(found, subject.axis).savefig(asked.figure, dpi=120)


if __name__ == "__main__":
    main()
