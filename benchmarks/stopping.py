"""What does stopping early save, and what does it lose? Searches replayed on curves of recipes trained to their end.

python -m benchmarks.stopping [FILE.csv.gz ...] [--figure PNG] [--json FILE] [--draws 50] [--trials 16 40 64]
    [--slots 2 4] [--known-good 0]

Without files, all of `benchmarks/stored_curves/`, which `benchmarks.curves` wrote. From the recipes of each data seed
`--draws` searches of each size are drawn, without replacement and in random order (`--known-good 2`: after the first
two of the table, as a search begins with those of its space), and each is replayed on each number of slots under every
rule, by the seconds that its epochs took. Ours is `cluster.asha.goes_on`.

share     epochs trained, of those that no stopping trains; if who is handed over was paused, with what it lacked to
          its end
time      until the search ends, of no stopping's
lost      accuracy at its end of the trial that no stopping hands over, less that of the one that the rule hands over:
          both the best by the same ranking number at their last epoch, among those that got furthest. On digits on
          true labels of test images, on a folder on labels as given of validation images
lost of 2 the same of the better of the best two, which promotion goes on with

± is the standard error of the mean over data seeds, which share neither flips nor recipes; where there is one seed,
over draws, which share recipes: then it says only how many draws there were.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.replays.median import Median
from benchmarks.replays.picture import stopping_figure
from benchmarks.replays.pool import Pool, load_pools, outcome
from benchmarks.replays.replay import Rule
from benchmarks.replays.rules import Halving, Hyperband, Ours, Promotion
from cluster.asha import GRACE_EPOCHS, REDUCTION_FACTOR, rung_epochs
from trainables.bar import bar
from trainables.files import save_json
from trainables.scores import METRICS

STORED = Path(__file__).parent / "stored_curves"
GRACES, FACTORS = (1, 2, 3, 4), (2, 3, 4)
NONE, OURS = "no stopping", "ours"
DEFAULT = f"{OURS}, grace {GRACE_EPOCHS}, factor {REDUCTION_FACTOR}"
TARGET_SHARE = 0.3
"""Of the epochs of no stopping, at a loss inside one standard error."""
EARLY = (1, 2, 3, 4)
"""Epochs that a grace could be."""
MEASURES = ("share", "time", "lost", "lost of 2", "picked")


@dataclass(frozen=True)
class Asked:
    """A rule with its settings."""

    name: str
    make: Callable[[int, int], Rule]
    """From trials and epochs."""


NOT_STOPPED = Asked(NONE, lambda trials, epochs: Rule())


def our_rules() -> Iterator[Asked]:
    """Every grace and factor."""
    for grace, factor in product(GRACES, FACTORS):
        yield Asked(
            f"{OURS}, grace {grace}, factor {factor}",
            lambda trials, epochs, grace=grace, factor=factor: Ours(epochs, grace, factor),  # type: ignore[misc]
        )


def other_rules() -> Iterator[Asked]:
    """What others do: median stopping at the shipped grace, Hyperband, and halving both ways at graces 1 and 2."""
    yield Asked("median, as Ray has it", lambda trials, epochs: Median(trials, epochs, GRACE_EPOCHS, yields=True))
    yield Asked("median, nobody pauses", lambda trials, epochs: Median(trials, epochs, GRACE_EPOCHS, yields=False))
    for factor in FACTORS:
        yield Asked(
            f"Hyperband, factor {factor}",
            lambda trials, epochs, factor=factor: Hyperband(trials, epochs, factor),  # type: ignore[misc]
        )
    for grace, factor in product(GRACES[:2], FACTORS):
        yield Asked(
            f"ASHA by promotion, grace {grace}, factor {factor}",
            lambda trials, epochs, grace=grace, factor=factor: Promotion(epochs, grace, factor),  # type: ignore[misc]
        )
        yield Asked(
            f"successive halving, grace {grace}, factor {factor}",
            lambda trials, epochs, grace=grace, factor=factor: Halving(  # type: ignore[misc]
                range(trials), rung_epochs(epochs, grace, factor), factor
            ),
        )


def asked_curves(files: list[Path], trials: list[int]) -> Iterator[tuple[Path, list[Pool]]]:
    """The files, or all that are stored, with their pools; those that no size of search can be drawn from are named."""
    for path in files or sorted(STORED.glob("*.csv.gz")):
        pools = load_pools(path)
        if all(pool.size[0] < min(trials) for pool in pools):
            print(f"note: {path.name} has too few recipes for searches of {min(trials)} trials")
        else:
            yield path, pools


def searches(pool: Pool, sizes: list[int], draws: int, known_good: int) -> Iterator[Pool]:
    """Random searches of each size that the pool has recipes for, the same ones every time."""
    recipes = pool.size[0]
    first = np.arange(known_good)
    for trials in sizes:
        rng = np.random.default_rng(trials)
        for _ in range(draws if trials <= recipes else 0):
            others = known_good + rng.permutation(recipes - known_good)
            yield pool.drawn(np.concatenate([first, others])[:trials])


def compared(search: Pool, slots: int, metric: str) -> Iterator[dict[str, object]]:
    """A row a rule: what it saves and loses beside no stopping. Those of others only by the default number."""
    trials, epochs = search.size
    base = outcome(search, metric, Rule(), slots)
    about = {"pool": search.name, "trials": trials, "slots": slots, "metric": metric}
    for asked in [NOT_STOPPED, *our_rules(), *(other_rules() if metric == METRICS[0] else ())]:
        found = outcome(search, metric, asked.make(trials, epochs), slots)
        yield about | {
            "rule": asked.name,
            "share": found.epochs / base.epochs,
            "time": found.wall_s / base.wall_s,
            "lost": base.picked - found.picked,
            "lost of 2": base.promoted - found.promoted,
            "picked": found.picked,
            "worse": base.picked_good - found.picked_good,
        }


def all_compared(pools: list[Pool], flags: argparse.Namespace) -> pd.DataFrame:
    """A row a search, number of slots, ranking number and rule."""
    rows: list[dict[str, object]] = []
    asked = [search for pool in pools for search in searches(pool, flags.trials, flags.draws, flags.known_good)]
    with bar("searches", quiet=False) as update:
        for done, search in enumerate(asked, start=1):
            for slots, metric in product(flags.slots, METRICS):
                rows += compared(search, slots, metric)
            update(done, len(asked))
    return pd.DataFrame(rows)


def means(found: pd.DataFrame) -> pd.DataFrame:
    """By rule the mean of every measure over pools, each of which counts the same, and its standard error `se NAME`."""
    by_pool = found.groupby(["rule", "pool"], sort=False)[list(MEASURES)].mean()
    several = found["pool"].nunique() > 1
    spread = by_pool if several else found.set_index("rule")[list(MEASURES)]
    error = spread.groupby("rule").sem().add_prefix("se ")
    return by_pool.groupby("rule", sort=False).mean().join(error)


def tell(found: pd.DataFrame, title: str) -> None:
    """A Markdown table of the means."""
    print(f"\n{title}\n\n| rule | {' | '.join(MEASURES[:4])} |\n{'|---' * 5}|")
    for rule, row in means(found).iterrows():
        cells = [f"{row['share']:.3f}", f"{row['time']:.2f}"]
        cells += [f"{row[name]:+.4f} ± {row[f'se {name}']:.4f}" for name in ("lost", "lost of 2")]
        print(f"| {rule} | {' | '.join(cells)} |")


def tell_numbers(found: pd.DataFrame) -> None:
    """What each ranking number hands over, without stopping and with the shipped rule."""
    print(f"\nby ranking number: accuracy of the pick\n\n| number | {NONE} | {DEFAULT} | share |\n|---|---|---|---|")
    for metric, rows in found.groupby("metric", sort=False):
        table = as_json(rows)
        cells = [f"{table[rule]['picked']:.4f} ± {table[rule]['se picked']:.4f}" for rule in (NONE, DEFAULT)]
        print(f"| {metric} | {' | '.join(cells)} | {table[DEFAULT]['share']:.3f} |")


def tell_sizes(found: pd.DataFrame, rule: str) -> None:
    """One rule by size of the search."""
    print(f"\n{rule}, by size\n\n| trials | slots | n | share | lost | lost of 2 |\n{'|---' * 6}|")
    for (trials, slots), rows in found[found["rule"] == rule].groupby(["trials", "slots"]):
        row = means(rows).iloc[0]
        cells = [f"{row['share']:.3f}"]
        cells += [f"{row[name]:+.4f} ± {row[f'se {name}']:.4f}" for name in ("lost", "lost of 2")]
        print(f"| {trials} | {slots} | {len(rows)} | {' | '.join(cells)} |")


def tell_early(pools: list[Pool]) -> None:
    """How much an early epoch says of the last one, by the default ranking number, over all recipes."""
    goods = [pd.DataFrame(pool.goods[METRICS[0]]) for pool in pools]
    cells = []
    early = [epoch for epoch in EARLY if epoch < min(pool.size[1] for pool in pools)]
    for epoch in early:
        ranks = [good[epoch - 1].corr(good[good.columns[-1]], method="spearman") for good in goods]
        cells.append(f"{np.mean(ranks):.2f} ({min(ranks):.2f}–{max(ranks):.2f})")
    print("\nrank correlation with the last epoch, mean (range) over data seeds\n")
    print(f"| after epoch {' | '.join(map(str, early))} |")
    print(f"{'|---' * len(early)}|\n| {' | '.join(cells)} |")


def within_target(found: pd.DataFrame) -> str | None:
    """Of ours with at most 0.3 of the epochs the rule that loses least, if there is one."""
    told = as_json(found)
    cheap = [rule for rule in told if rule.startswith(OURS) and told[rule]["share"] <= TARGET_SHARE]
    return min(cheap, key=lambda rule: told[rule]["lost"], default=None)


def tell_beyond(found: pd.DataFrame, rule: str) -> None:
    """What a rule loses beyond the shipped one, paired by search."""
    keys = found.groupby(["pool", "rule"]).cumcount()
    wide = found.assign(search=keys).pivot(index=["pool", "search"], columns="rule", values=["lost", "lost of 2"])
    for name in ("lost", "lost of 2"):
        beyond = wide[name][rule] - wide[name][DEFAULT]
        by_pool = beyond.groupby("pool").mean()
        error = (by_pool if len(by_pool) > 1 else beyond).sem()
        print(f"{name}, {rule} beyond {DEFAULT}: {by_pool.mean():+.4f} ± {error:.4f}, paired")


def tell_all(found: pd.DataFrame, title: str, end_se: float) -> None:
    """Every table of one set of curves."""
    ranked = found[found["metric"] == METRICS[0]]
    n = int((ranked["rule"] == DEFAULT).sum())
    tell(ranked, f"{title}, n = {n} searches a rule; standard error of one end {end_se:.4f}")
    tell_numbers(found)
    tell_sizes(ranked, DEFAULT)
    if (cheap := within_target(ranked)) is not None and cheap != DEFAULT:
        tell_sizes(ranked, cheap)
        tell_beyond(ranked, cheap)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stopping", description=str(__doc__).splitlines()[0])
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--draws", type=int, default=50, help="of each size, of each data seed")
    parser.add_argument("--trials", type=int, nargs="+", default=[16, 40, 64])
    parser.add_argument("--known-good", type=int, default=0, help="first recipes that every search begins with")
    parser.add_argument("--slots", type=int, nargs="+", default=[2, 4])
    flags = parser.parse_args(arguments)
    tables, told = {}, {}
    for path, pools in asked_curves(flags.files, flags.trials):
        found, end_se = all_compared(pools, flags), float(np.mean([pool.end_se for pool in pools]))
        tell_early(pools)
        tell_all(found, f"{path.name}: {', '.join(str(pool.size[0]) for pool in pools)} recipes", end_se)
        tables[path.name.split(".")[0]] = (means(found[found["metric"] == METRICS[0]]), end_se)
        told[path.name] = {metric: as_json(rows) for metric, rows in found.groupby("metric")}
    if flags.figure and tables:
        stopping_figure(tables, DEFAULT).savefig(flags.figure, dpi=110)
    if flags.json:
        save_json(flags.json, told)


def as_json(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """The means by rule."""
    return {str(rule): {str(k): float(v) for k, v in row.items()} for rule, row in means(rows).iterrows()}


if __name__ == "__main__":
    main()
