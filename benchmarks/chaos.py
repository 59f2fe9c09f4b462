"""A search on digits beside the same search with faults: what was lost, what was trained twice, what differs.

python -m benchmarks.chaos --faults 30 --out FOLDER [--seed 0] [--kinds driver worker ...] [search.py's flags]

One trial at a time, so that every number of both searches should be the same to the bit. Faults are drawn from the
seed, and each strikes after an epoch was trained since the one before it; only processes of this search are killed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from trainables.layout import FoldFolder, SearchFolder, load_json

ROOT = Path(__file__).parent.parent
FLAGS = ("--trials", "16", "--epochs", "12", "--promote", "2", "--folds", "3", "--concurrent", "1", "--quiet")
COMPARED = ("best_trial", "promoted", "ensemble", "standings", "statuses", "epochs_trained")
"""Of summary.json; rungs.json is compared whole."""

_LOOK_EVERY_S = 0.05
_LONGEST_WAIT_S = 0.5
_PATIENCE_S = 180.0
_TRAININGS = ("ray::ImplicitFunc", "ray::_train_fold", "ray::_predict_fold")


@dataclass
class Search:
    """A search whose driver dies now and then."""

    out: Path
    flags: tuple[str, ...]
    drivers: int = 0
    driver: subprocess.Popen[bytes] | None = None
    trained: set[tuple[str, int, float]] = field(default_factory=set)
    """Fold folder, epoch, and when it ended: an epoch that was trained twice is in it twice."""

    def start(self) -> None:
        """Begin, or go on."""
        again = ["--resume"] if SearchFolder(self.out).search.exists() else []
        command = [sys.executable, "search.py", "--out", str(self.out), *self.flags, *again]
        self.driver = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        self.drivers += 1

    def alive(self) -> bool:
        return self.driver is not None and self.driver.poll() is None

    def look(self) -> None:
        """Note the epochs that are there by now."""
        for path in self.out.glob("trials/*/fold*/metrics.csv"):
            rows = pd.read_csv(path)
            self.trained |= {
                (f"{path.parent.parent.name}/{path.parent.name}", epoch, ended_at)
                for epoch, ended_at in zip(rows["epoch"], rows["ended_at"], strict=True)
            }

    def wait(self, until: Callable[[], bool]) -> bool:
        """Look until something is so, or the driver ends; whether it is. `TimeoutError` where no epoch is trained."""
        seen, deadline = -1, 0.0
        while len(self.trained) > seen or time.monotonic() < deadline:
            if len(self.trained) > seen:
                seen, deadline = len(self.trained), time.monotonic() + _PATIENCE_S
            self.look()
            if until():
                return True
            if not self.alive():
                return False
            time.sleep(_LOOK_EVERY_S)
        raise TimeoutError(f"no epoch was trained in {self.out} for {_PATIENCE_S:g} s")

    def kill_driver(self) -> None:
        assert self.driver is not None
        os.kill(self.driver.pid, signal.SIGKILL)
        self.driver.wait()

    def finished(self) -> bool:
        return SearchFolder(self.out).summary.exists()

    def kill_one_of(self, names: tuple[str, ...]) -> None:
        """A process below the driver whose command line begins so."""
        assert self.driver is not None
        for process in psutil.Process(self.driver.pid).children(recursive=True):
            if _command(process).startswith(names):
                process.send_signal(signal.SIGKILL)
                return

    def newest_checkpoint(self) -> Path | None:
        found = [FoldFolder(path).checkpoint for path in self.out.glob("trials/*/fold*")]
        there = [path for path in found if path.exists()]
        return max(there, key=lambda path: path.stat().st_mtime) if there else None


def _command(process: psutil.Process) -> str:
    try:
        words: list[str] = process.cmdline()
    except psutil.Error:  # it is gone by now
        return ""
    return Path(words[0]).name + " ".join(["", *words[1:]]) if words else ""


def _driver(search: Search) -> None:
    search.kill_driver()


def _worker(search: Search) -> None:
    search.kill_one_of(_TRAININGS)


def _node(search: Search) -> None:
    """With its raylet the one node that there is goes, and the driver with it."""
    search.kill_one_of(("raylet",))
    search.wait(lambda: not search.alive())


def _worker_writing(search: Search) -> None:
    """In the middle of a checkpoint: its temporary file is there."""
    search.wait(lambda: any(search.out.glob("trials/*/fold*/.checkpoint.safetensors.*.tmp")))
    search.kill_one_of(_TRAININGS)


def _truncated(search: Search) -> None:
    """The newest checkpoint is cut in half while nobody looks."""
    search.kill_driver()
    path = search.newest_checkpoint()
    if path:
        os.truncate(path, path.stat().st_size // 2)


def _deleted(search: Search) -> None:
    search.kill_driver()
    path = search.newest_checkpoint()
    if path:
        path.unlink()


def _rungs_torn(search: Search) -> None:
    search.kill_driver()
    rungs = SearchFolder(search.out).rungs
    if rungs.exists():
        rungs.write_bytes(rungs.read_bytes()[:40])


FAULTS: dict[str, Callable[[Search], None]] = {
    "driver": _driver,
    "worker": _worker,
    "node": _node,
    "worker_writing": _worker_writing,
    "truncated": _truncated,
    "deleted": _deleted,
    "rungs_torn": _rungs_torn,
}
"""SIGKILL to the driver, to a training, to Ray's own process on the node, to a training that writes its checkpoint;
and files that are harmed while the driver is dead."""


def strike(search: Search, kinds: list[str], rng: random.Random) -> Counter[str]:
    """Run a search through faults to its end, and say which struck; fewer than asked where it ended before."""
    struck: Counter[str] = Counter()
    search.start()
    for kind in kinds:
        seen = len(search.trained)
        search.wait(lambda seen=seen: len(search.trained) > seen)  # type: ignore[misc]
        time.sleep(rng.uniform(0.0, _LONGEST_WAIT_S))
        if search.finished():
            break
        if not search.alive():
            search.start()
            continue
        FAULTS[kind](search)
        struck[kind] += 1
        print(f"{sum(struck.values())} of {len(kinds)}: {kind}", flush=True)
        if not search.alive():
            search.start()
    search.wait(lambda: not search.alive())
    while not search.finished():
        search.start()
        search.wait(lambda: not search.alive())
    return struck


def table(straight: Search, chaotic: Search, struck: Counter[str]) -> dict[str, Any]:
    """What the faults did."""
    one, other = (load_json(SearchFolder(each.out).summary) for each in (straight, chaotic))
    rungs = [load_json(SearchFolder(each.out).rungs) for each in (straight, chaotic)]
    judged = {row["trial"] for row in one["standings"]} - {row["trial"] for row in other["standings"]}
    differing = [name for name in COMPARED if one[name] != other[name]]
    return {
        "faults": sum(struck.values()),
        "by_kind": dict(struck),
        "drivers": chaotic.drivers,
        "trials_lost": len(judged),
        "epochs": len({(fold, epoch) for fold, epoch, _ in chaotic.trained}),
        "epochs_trained_twice": len(chaotic.trained) - len({(fold, epoch) for fold, epoch, _ in chaotic.trained}),
        "what_differs": differing + ["rungs"] * (rungs[0] != rungs[1]),
    }


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 where a trial was lost or a number differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=str(__doc__).splitlines()[0])
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--kinds", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    asked, more = parser.parse_known_args(arguments)
    rng = random.Random(asked.seed)
    kinds = [asked.kinds[number % len(asked.kinds)] for number in range(asked.faults)]
    rng.shuffle(kinds)
    searches = [Search((asked.out / name).resolve(), (*FLAGS, *more)) for name in ("straight", "chaotic")]
    strike(searches[0], [], rng)
    found = table(searches[0], searches[1], strike(searches[1], kinds, rng))
    print(json.dumps(found, indent=1))
    return 1 if found["trials_lost"] or found["what_differs"] else 0


if __name__ == "__main__":
    sys.exit(main())
