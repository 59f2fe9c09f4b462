"""What a bad input breaks, and the command that must refuse it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import analysis.report.__main__
import predict
import search
from cluster.flags import read_flags
from cluster.identity import begin
from cluster.plan import make_plan
from cluster.space import space_of
from trainables.files import save_json
from trainables.layout import SearchFolder


@dataclass
class Place:
    """What a case breaks: a data folder, and an OUT that is not there yet."""

    root: Path
    data: Path
    patch: pytest.MonkeyPatch
    tidy: list[Callable[[], object]] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.root / "OUT"

    @property
    def train_csv(self) -> Path:
        return self.data / "train.csv"

    def image(self, number: int = 3) -> Path:
        return self.data / f"train_images/train_{number}.png"

    def add_row(self, row: str) -> None:
        with self.train_csv.open("a") as table:
            table.write(row + "\n")

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def flags(self, *more: object) -> list[str]:
        return [*map(str, ("--data", self.data, "--out", self.out, "--folds", 2, "--trials", 2, "--quiet", *more))]

    def begun(self) -> SearchFolder:
        """OUT of a search that began and trained nothing yet."""
        words = read_flags(self.flags())
        plan = make_plan(words, space_of(words))
        assert plan is not None
        begin(plan)
        for number, recipe in enumerate(plan.space.recipes(4, plan.seed)):
            save_json(plan.search.trial(number).recipe, recipe.to_dict())
        return plan.search

    def mounted(self, *options: str) -> Path:
        """A disk of 64 KiB; a user who may not mount one sees the case skipped."""
        disk = self.root / "disk"
        disk.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", disk], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("needs a disk of its own, and this user may not mount one")
        self.tidy.append(lambda: subprocess.run(["umount", disk], check=True))
        return disk


Broken = Callable[[Place], object]
"""Breaks something and returns the flags that are added, or a whole command line (`Line`)."""


@dataclass(frozen=True)
class Line:
    """A whole command line, where it is not search.py's usual one."""

    words: Sequence[object]
    program: str = "search.py"


def run(line: Line) -> int:
    """The real entry point, in this process."""
    words = [*map(str, line.words)]
    if line.program == "predict.py":
        return predict.main(words)
    if line.program == "analysis.report":
        return analysis.report.__main__.main(words)
    return search.main(words)
