"""Does cleaning labels help? On digits with known flips: what is found, and what each way gains on true labels.

python -m benchmarks.denoise [--kinds uniform] [--shares 0.2] [--seeds 3] [--cross-fit] [--figure PNG] [--out DIR]

For every kind of flips, share and seed: one small net, with cross-entropy and with the bi-tempered loss, trained on all
folds as the labels were given, then once more by each way of `--denoise`, exactly as a search does it. Precision and
recall are those of the labels that the out-of-fold predictions flag. Gains are paired: the same case, folds and seed.
The last tables have all cases together.

`--cross-fit` measures the leak that `trainables/data/cleaned.py` describes: rows are dropped by nets that saw neither
the row's fold nor the validating one, and the result is held against dropping by out-of-fold predictions. What is
trained is kept under --out, so an interrupted study goes on. With 5 folds a case is 40 trainings of 12 epochs, or 70.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations
from pathlib import Path

import pandas as pd

from benchmarks.denoise.picture import PLAIN, denoise_figure
from benchmarks.denoise.study import CROSS_FIT, LOSSES, Training, found, scored, train_one
from benchmarks.denoise.tables import of_all, of_one
from benchmarks.metric_study import digits_case, write_folds
from benchmarks.noise import NOISES
from search_spaces.kinds import DENOISES
from trainables.bar import bar
from trainables.files import write_whole

Tables = tuple[pd.DataFrame, pd.DataFrame]
"""Of flags and of scores."""


def train_all(trainings: Iterable[Training], jobs: int, title: str) -> None:
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as workers, bar(title, False) as update:
        futures = [workers.submit(train_one, each) for each in trainings]
        for done, future in enumerate(futures, start=1):
            future.result()
            update(done, len(futures))


def study(flags: argparse.Namespace, kind: str, share: float) -> Tables:
    """One kind and share, over all seeds."""
    cases = [digits_case(flags.out, kind, share, seed) for seed in range(flags.seeds)]
    for case in cases:
        write_folds(case, flags.folds)
    each = [(case, loss) for case in cases for loss in flags.losses]
    folds = range(flags.folds)
    ways = [*DENOISES, *([CROSS_FIT] if flags.cross_fit else [])]

    def of(way: str, held_out: Iterable[tuple[int, int | None]]) -> list[Training]:
        return [Training(*one, way, *out, flags.epochs) for one in each for out in held_out]

    alone, pairs = [(fold, None) for fold in folds], list(combinations(folds, 2)) if flags.cross_fit else []
    title = f"{kind} {share:.0%}"
    train_all([*of("none", alone), *of("pairs", pairs)], flags.jobs, f"{title}, as given")
    train_all([each for way in ways[1:] for each in of(way, alone)], flags.jobs, f"{title}, cleaned")
    findings = pd.DataFrame([found(*one) for one in each]).assign(kind=kind, share=share)
    scores = pd.DataFrame([scored(*one, way) for one in each for way in ways]).assign(kind=kind, share=share)
    print(f"\n{of_one(kind, share, findings, scores)}\n", flush=True)
    return findings, scores


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.denoise", description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=list(NOISES), default=list(NOISES))
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.2, 0.3, 0.4])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--losses", nargs="+", choices=list(LOSSES), default=list(LOSSES))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--cross-fit", action="store_true", help="drop by nets that saw neither of two folds, too")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--figure", type=Path, help="a picture of all cases, where cross-entropy is one of --losses")
    parser.add_argument("--out", type=Path, default=Path("runs/denoise"))
    flags = parser.parse_args()
    if flags.figure and PLAIN[0] not in flags.losses:
        parser.error(f"--figure shows gains beyond {PLAIN[0]}, which --losses leaves out")
    studied = [study(flags, kind, share) for kind in flags.kinds for share in flags.shares]
    findings, scores = (pd.concat(tables) for tables in zip(*studied, strict=True))
    print(of_all(findings, scores))
    write_whole(flags.out / "found.csv", findings.to_csv(index=False))
    write_whole(flags.out / "scores.csv", scores.to_csv(index=False))
    if flags.figure:
        denoise_figure(findings, scores).savefig(flags.figure, dpi=110)


if __name__ == "__main__":
    main()
