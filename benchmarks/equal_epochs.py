"""What does an epoch buy? Stopping rules at equal epochs: who stops sooner has tried more recipes for them.

python -m benchmarks.equal_epochs [FILE.csv.gz ...] [--epochs 50 75 100 150 200] [--figure PNG] [--draws 50]
    [--trials 8 12 16 24 32 40 48 56 64] [--known-good 2]

Without files, all of `benchmarks/stored_curves/`. Searches are drawn and replayed as `benchmarks.stopping` does it, on
two slots, by the default ranking number. Of each data seed and rule the means over its draws, of epochs trained and of
accuracy, are points of a curve from the smallest searches to the largest; at `--epochs` it is read off, linearly in
the logarithm of the epochs, and not beyond its ends. `picked` is the accuracy of the trial that a search hands over,
`of 2` that of the better one of the best two.

± is the standard error over data seeds of the difference to the shipped rule; where there is one seed there is none.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.replays.picture import epochs_figure
from benchmarks.replays.pool import Pool, outcome
from benchmarks.stopping import DEFAULT, NONE, NOT_STOPPED, asked_curves, our_rules, searches
from trainables.bar import bar
from trainables.scores import METRICS

SLOTS = 2
ACCURACIES = ("picked", "of 2")


def replayed(search: Pool) -> Iterator[dict[str, object]]:
    """A row a rule: what a search trains, and whom it hands over."""
    trials, epochs = search.size
    for asked in [NOT_STOPPED, *our_rules()]:
        found = outcome(search, METRICS[0], asked.make(trials, epochs), SLOTS)
        row = {"pool": search.name, "rule": asked.name, "trials": trials}
        yield row | {"epochs": found.epochs, "picked": found.picked, "of 2": found.promoted}


def all_replayed(pools: Sequence[Pool], flags: argparse.Namespace) -> pd.DataFrame:
    """By pool, rule and number of trials the means over draws."""
    asked = [search for pool in pools for search in searches(pool, flags.trials, flags.draws, flags.known_good)]
    rows: list[dict[str, object]] = []
    with bar("searches", quiet=False) as update:
        for done, search in enumerate(asked, start=1):
            rows += replayed(search)
            update(done, len(asked))
    return pd.DataFrame(rows).groupby(["pool", "rule", "trials"], sort=False).mean()


def at_epochs(means: pd.DataFrame, epochs: Sequence[int], accuracy: str) -> pd.DataFrame:
    """The accuracy at these epochs, a column each, by pool and rule; NaN beyond the searches that were replayed."""
    read = {}
    for key, rows in means.groupby(["pool", "rule"], sort=False):
        curve = rows.sort_values("epochs")
        at, known = np.log(curve["epochs"]), curve[accuracy]
        read[key] = np.interp(np.log(epochs), at, known, left=np.nan, right=np.nan)
    return pd.DataFrame(read, index=list(epochs)).T.rename_axis(["pool", "rule"])


def beyond_shipped(read: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """By rule and epochs the mean over pools of what it is ahead of the shipped rule, and its standard error."""
    ahead = read - read.xs(DEFAULT, level="rule").reindex(read.index, level="pool")
    by_rule = ahead.groupby("rule", sort=False)
    whole = by_rule.count() == read.index.get_level_values("pool").nunique()  # a mean over some pools is another's
    return by_rule.mean().where(whole), by_rule.sem().where(whole)


def tell(means: pd.DataFrame, epochs: Sequence[int], title: str) -> None:
    """A Markdown table of each accuracy."""
    for accuracy in ACCURACIES:
        read = at_epochs(means, epochs, accuracy)
        ahead, error = beyond_shipped(read)
        print(f"\n{title}: {accuracy}, less that of {DEFAULT}, at equal epochs\n")
        print(f"| rule | {' | '.join(map(str, epochs))} |\n{'|---' * (len(epochs) + 1)}|")
        for rule, of_rule, errors in zip(ahead.index, ahead.to_numpy(), error.to_numpy(), strict=True):
            print(f"| {rule} | {' | '.join(map(_cell, of_rule, errors))} |")
        own = read.xs(DEFAULT, level="rule").to_numpy().mean(axis=0)
        print(f"| *accuracy of {DEFAULT}* | {' | '.join('' if np.isnan(each) else f'{each:.4f}' for each in own)} |")


def _cell(ahead: float, error: float) -> str:
    if np.isnan(ahead):
        return ""
    return f"{ahead:+.4f}" if np.isnan(error) else f"{ahead:+.4f} ± {error:.4f}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.equal_epochs", description=str(__doc__).splitlines()[0])
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--epochs", type=int, nargs="+", default=[50, 75, 100, 150, 200])
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--draws", type=int, default=50, help="of each size, of each data seed")
    parser.add_argument("--trials", type=int, nargs="+", default=[8, 12, 16, 24, 32, 40, 48, 56, 64])
    parser.add_argument("--known-good", type=int, default=2, help="first recipes that every search begins with")
    flags = parser.parse_args(arguments)
    found = {}
    for path, pools in asked_curves(flags.files, flags.trials):
        name = path.name.split(".")[0]
        found[name] = all_replayed(pools, flags)
        n = sum(1 for pool, size in product(pools, flags.trials) if size <= pool.size[0]) * flags.draws
        tell(found[name], flags.epochs, f"{name}, n = {n} searches a rule, {len(pools)} data seeds")
    if flags.figure and found:
        epochs_figure(found, DEFAULT, NONE).savefig(flags.figure, dpi=110)


if __name__ == "__main__":
    main()
