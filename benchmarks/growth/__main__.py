"""How time and memory grow, each point measured once in a process of its own.

python -m benchmarks.growth trials|workers|images|members|views [--sizes 10 100] [--json FILE] [--figure PNG]

trials, workers: the real driver on a simulated cluster, with epochs that take no time (`benchmarks.scale`).
images: all that the driver does before Ray, and what a worker does before its first step, on generated JPEGs.
members, views: prediction by small nets that were never trained; blending of simulated out-of-fold predictions.

Beside each number stands its exponent: the slope of a straight line through all points on logarithmic axes, and of
the last step alone, where what is there at any size weighs least. 1 is linear. Each point is written to --json as it is
measured, and what is there already is not measured again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.growth.measuring import Measured
from benchmarks.growth.subjects import SUBJECTS, Subject

if TYPE_CHECKING:
    import pandas as pd

Points = dict[int, Measured]
"""By size."""


def measure(name: str, subject: Subject, size: int, folder: Path) -> Measured:
    """Of all parts of a subject at one size, each in a process of its own."""
    found: Measured = {}
    for part in subject.parts:
        command = [sys.executable, "-m", "benchmarks.growth", name, "--point", part, str(size), str(folder)]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        before = f"{part}: " if len(subject.parts) > 1 else ""
        found |= {f"{before}{what}": value for what, value in json.loads(said.splitlines()[-1]).items()}
    return found


def measure_all(name: str, sizes: list[int]) -> Iterator[tuple[int, Measured]]:
    """Each size and what was measured of it, once it is."""
    subject = SUBJECTS[name]
    with tempfile.TemporaryDirectory(prefix="growth") as scratch:
        subject.prepare(Path(scratch), sizes)
        for place, size in enumerate(sizes, start=1):
            print(f"{name}: {size:,}, {place} of {len(sizes)}", end="", file=sys.stderr, flush=True)
            started = time.monotonic()
            found = measure(name, subject, size, Path(scratch))
            print(f", took {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
            yield size, found


def load_points(path: Path | None, name: str) -> Points:
    """What was measured of that subject before; a ValueError where the file is another's."""
    if path is None or not path.exists():
        return {}
    stored = json.loads(path.read_text())
    if stored["subject"] != name:
        raise ValueError(f"{path} must be of {name}, it is of {stored['subject']}")
    return {int(size): found for size, found in stored["points"].items()}


def save_points(path: Path, name: str, points: Points) -> None:
    from trainables.files import write_whole

    write_whole(path, json.dumps({"subject": name, "points": dict(sorted(points.items()))}, indent=1) + "\n")


def as_frame(name: str, points: Points) -> pd.DataFrame:
    """A row a size, in order, a column for what was measured, in the order of the largest's."""
    import pandas as pd

    sizes = sorted(points)
    return pd.DataFrame([points[size] for size in sizes], index=sizes)[list(points[sizes[-1]])].rename_axis(name)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=str(__doc__).splitlines()[0])
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("--sizes", type=int, nargs="+", help="in place of those of docs/growth.md")
    parser.add_argument("--json", type=Path, help="keep each point here, and go on from what is there")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--point", nargs=3, metavar=("PART", "SIZE", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    subject = SUBJECTS[asked.subject]
    if asked.point:
        part, size, folder = asked.point
        print(json.dumps(subject.parts[part](int(size), Path(folder))))
        return
    points = load_points(asked.json, asked.subject)
    missing = sorted({*(asked.sizes or subject.sizes)} - {*points})
    for size, found in measure_all(asked.subject, missing) if missing else ():
        points[size] = found
        if asked.json:
            save_points(asked.json, asked.subject, points)
    _show(as_frame(asked.subject, points), subject.axis, asked.figure)


def _show(found: pd.DataFrame, axis: str, figure: Path | None) -> None:
    from benchmarks.growth.growth import as_table, growth_figure  # here: a point's process holds what it measures alone

    print(as_table(found))
    if figure:
        growth_figure(found, axis).savefig(figure, dpi=120)


if __name__ == "__main__":
    main()
