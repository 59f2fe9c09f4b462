"""Does cleaning labels help? On digits with known flips: what is found, and what each way gains on true labels.

python -m benchmarks.denoise [--kinds uniform] [--shares 0.2] [--seeds 3] [--cross-fit] [--so-far] [--figure PNG]

For every kind of flips, share and seed: one small net, with cross-entropy and with the bi-tempered loss, trained on all
folds as the labels were given, then once more by each way of `--denoise`, exactly as a search does it. Precision and
recall are those of the labels that the out-of-fold predictions flag. Gains are paired: the same case, folds and seed.
The last tables have all cases together.

`--cross-fit` measures the leak that `trainables/data/cleaned.py` describes: rows are dropped by nets that saw neither
the row's fold nor the validating one, and the result is held against dropping by out-of-fold predictions. What is
trained is kept under --out, so an interrupted study goes on, and `--so-far` tells of the cases that are whole. With 5
folds a case is 40 trainings of 12 epochs, or 70.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pandas as pd

from benchmarks.denoise.picture import PLAIN, denoise_figure
from benchmarks.denoise.study import CROSS_FIT, LOSSES, Training, found, scored, train_one
from benchmarks.denoise.tables import of_all, of_one
from benchmarks.metric_study import Case, digits_case, write_folds
from benchmarks.noise import NOISES
from search_spaces.kinds import DENOISES
from trainables.bar import bar
from trainables.files import write_whole


@dataclass(frozen=True)
class Flipped:
    """Digits whose labels were flipped, and all that is trained on them."""

    case: Case
    kind: str
    share: float
    losses: tuple[str, ...]
    folds: int
    epochs: int
    cross_fit: bool

    @property
    def ways(self) -> tuple[str, ...]:
        return (*DENOISES, *([CROSS_FIT] if self.cross_fit else []))

    @property
    def as_given(self) -> list[Training]:
        pairs = list(combinations(range(self.folds), 2)) if self.cross_fit else []
        return [*self._alone("none"), *self._trainings("pairs", pairs)]

    @property
    def cleaned(self) -> list[Training]:
        """By what those as given predict."""
        return [each for way in self.ways[1:] for each in self._alone(way)]

    @property
    def is_whole(self) -> bool:
        return all(each.folder.test_probs.exists() for each in (*self.as_given, *self.cleaned))

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Of flags and of scores, as `benchmarks.denoise.tables` wants them."""
        findings = pd.DataFrame([found(self.case, loss) for loss in self.losses])
        scores = pd.DataFrame([scored(self.case, loss, way) for loss in self.losses for way in self.ways])
        return findings.assign(kind=self.kind, share=self.share), scores.assign(kind=self.kind, share=self.share)

    def _alone(self, way: str) -> list[Training]:
        return self._trainings(way, [(fold, None) for fold in range(self.folds)])

    def _trainings(self, way: str, held_out: Iterable[tuple[int, int | None]]) -> list[Training]:
        return [Training(self.case, loss, way, *out, self.epochs) for loss in self.losses for out in held_out]


def all_flipped(flags: argparse.Namespace) -> list[Flipped]:
    """Seed by seed, so that a study that is interrupted has as many of each kind."""
    return [
        Flipped(
            digits_case(flags.out, kind, share, seed),
            kind,
            share,
            tuple(flags.losses),
            flags.folds,
            flags.epochs,
            flags.cross_fit,
        )
        for seed in range(flags.seeds)
        for share in flags.shares
        for kind in flags.kinds
    ]


def train_all(studied: Sequence[Flipped], jobs: int) -> None:
    """What is not trained yet; one bar for all."""
    total = sum(len(each.as_given) + len(each.cleaned) for each in studied)
    done = 0
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as workers, bar("nets", False) as update:
        for each in studied:
            write_folds(each.case, each.folds)
            for trainings in (each.as_given, each.cleaned):
                for future in [workers.submit(train_one, training) for training in trainings]:
                    future.result()
                    done += 1
                    update(done, total)


def tell(studied: Sequence[Flipped], out: Path, figure: Path | None) -> None:
    findings, scores = (pd.concat(tables) for tables in zip(*(each.tables() for each in studied), strict=True))
    for (kind, share), part in scores.groupby(["kind", "share"], sort=False):
        own = findings[(findings["kind"] == kind) & (findings["share"] == share)]
        print(f"\n{of_one(kind, share, own, part)}")
    print(f"\n{of_all(findings, scores)}")
    write_whole(out / "found.csv", findings.to_csv(index=False))
    write_whole(out / "scores.csv", scores.to_csv(index=False))
    if figure:
        denoise_figure(findings, scores).savefig(figure, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.denoise", description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=list(NOISES), default=list(NOISES))
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.2, 0.3, 0.4])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--losses", nargs="+", choices=list(LOSSES), default=list(LOSSES))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--cross-fit", action="store_true", help="drop by nets that saw neither of two folds, too")
    parser.add_argument("--so-far", action="store_true", help="train nothing; tell of the cases that are whole")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--figure", type=Path, help="a picture of all cases, where cross-entropy is one of --losses")
    parser.add_argument("--out", type=Path, default=Path("runs/denoise"))
    flags = parser.parse_args()
    if flags.figure and PLAIN[0] not in flags.losses:
        parser.error(f"--figure shows gains beyond {PLAIN[0]}, which --losses leaves out")
    studied = all_flipped(flags)
    if not flags.so_far:
        train_all(studied, flags.jobs)
    whole = [each for each in studied if each.is_whole]
    whole.sort(key=lambda each: (flags.kinds.index(each.kind), each.share))
    if not whole:
        parser.error(f"no case of {flags.out} is whole yet")
    tell(whole, flags.out, flags.figure)


if __name__ == "__main__":
    main()
