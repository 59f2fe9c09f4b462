"""A search whose driver dies now and then, as the benchmark sees it: its process, its trainings, its files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import psutil

from benchmarks.chaos.nodes import Nodes
from trainables.layout import FoldFolder, SearchFolder

ROOT = Path(__file__).parent.parent.parent
SITE = Path(__file__).parent / "site"

_LOOK_EVERY_S = 0.05
_PATIENCE_S = 240.0
_IDLE_DRIVERS = 4
_TRAININGS = ("ray::ImplicitFunc", "ray::train_fold", "ray::predict_part")


@dataclass
class Search:
    """Goes on in `out` with every driver that is started."""

    out: Path
    flags: tuple[str, ...]
    nodes: Nodes | None = None
    """The cluster that it runs on; else each driver starts a Ray of its own."""
    drivers: int = 0
    driver: subprocess.Popen[bytes] | None = None
    trained: set[tuple[str, int, float]] = field(default_factory=set)
    """Fold folder, epoch, and when it ended: an epoch that was trained twice is in it twice."""
    unexplained: list[str] = field(default_factory=list)
    """Of drivers that ended by themselves before the search did, without a message for people."""

    @property
    def errors(self) -> Path:
        """What the newest driver printed for people who have trouble."""
        return self.out.with_name(f"{self.out.name}.{self.drivers}.txt")

    @property
    def nan_flag(self) -> Path:
        """While it is there, the next optimizer step says NaN."""
        return self.out.with_name(f"{self.out.name}.nan")

    def environment(self) -> dict[str, str]:
        """What the drivers, and a cluster's nodes, have beside the usual."""
        site = os.pathsep.join([str(SITE), *filter(None, [os.environ.get("PYTHONPATH")])])
        where = self.nodes.environment if self.nodes else {"RAY_ADDRESS": "local"}  # no cluster of somebody else's
        return {"PYTHONPATH": site, "CHAOS_NAN": str(self.nan_flag), **where}

    def start(self) -> None:
        """Begin, or go on."""
        again = ["--resume"] if SearchFolder(self.out).search.exists() else []
        command = [sys.executable, "search.py", "--out", str(self.out), *self.flags, *again]
        self.drivers += 1
        with self.errors.open("wb") as errors:
            self.driver = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **self.environment()}, start_new_session=True, stderr=errors
            )

    def alive(self) -> bool:
        return self.driver is not None and self.driver.poll() is None

    def finished(self) -> bool:
        return SearchFolder(self.out).summary.exists()

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

    def wait_for_an_epoch(self) -> bool:
        """Whether one was trained before the driver ended."""
        seen = len(self.trained)
        return self.wait(lambda: len(self.trained) > seen)

    def wait_for_the_end(self) -> None:
        """Of the driver, by itself; of a failure it must say one thing that people understand."""
        self.wait(lambda: not self.alive())
        assert self.driver is not None
        said = self.errors.read_text()
        if not self.finished() and (self.driver.returncode != 1 or "Traceback" in said or "search.py: " not in said):
            self.unexplained.append(said)

    def go_on_to_the_end(self) -> None:
        """With as many drivers as it takes."""
        idle = 0
        while True:
            seen = len(self.trained)
            self.wait_for_the_end()
            if self.finished():
                return
            idle = idle + 1 if len(self.trained) == seen else 0
            if idle == _IDLE_DRIVERS:
                raise RuntimeError(
                    f"{idle} drivers of {self.out} trained nothing; the last:\n{self.errors.read_text()}"
                )
            self.start()

    def kill_driver(self) -> None:
        assert self.driver is not None
        self.driver.kill()
        self.driver.wait()

    def processes(self) -> Iterator[psutil.Process]:
        """Below the driver, and below the cluster."""
        roots = [each.pid for each in (self.driver, self.nodes and self.nodes.process) if each]
        for pid in roots:
            if psutil.pid_exists(pid):
                yield from psutil.Process(pid).children(recursive=True)

    def trainings(self) -> list[psutil.Process]:
        return [process for process in self.processes() if command_of(process).startswith(_TRAININGS)]

    def close(self) -> None:
        """Leave no process behind, whatever happened."""
        for process in [
            *self.processes(),
            *([psutil.Process(self.driver.pid)] if self.alive() and self.driver else []),
        ]:
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        if self.driver:
            self.driver.wait()
        if self.nodes:
            self.nodes.close()

    def newest_checkpoint(self) -> Path | None:
        found = [FoldFolder(path).checkpoint for path in self.out.glob("trials/*/fold*")]
        there = [path for path in found if path.exists()]
        return max(there, key=lambda path: path.stat().st_mtime) if there else None


def command_of(process: psutil.Process) -> str:
    """Its command line, begun with the program's name alone."""
    try:
        words: list[str] = process.cmdline()
    except psutil.Error:  # it is gone by now
        return ""
    return Path(words[0]).name + " ".join(["", *words[1:]]) if words else ""
