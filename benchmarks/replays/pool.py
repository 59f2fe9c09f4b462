"""Stored curves as arrays, and what a replayed search costs and hands over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.replays.replay import Floats, Rule, replay, standing
from trainables.scores import METRICS, accuracy_se, goodness

TEST_ACCURACY, VAL_ACCURACY = "test_accuracy", "val_accuracy"
TEST_IMAGES = 540
"""Of digits; its table has their accuracy but not their number."""

PROMOTED = 2


@dataclass(frozen=True, eq=False)
class Pool:
    """The recipes of one data seed, each trained to its end."""

    name: str
    goods: dict[str, Floats]
    """By ranking number, (recipes, epochs), higher is better; NaN from where a recipe diverged."""
    seconds: Floats
    """(recipes, epochs)."""
    ends: Floats
    """(recipes,), accuracy after the last epoch: on true test labels where they are known, else validation's."""
    end_se: float
    """Binomial standard error of the end of the recipe that ends best by the default number."""

    def drawn(self, recipes: NDArray[np.int64]) -> Pool:
        """Only these recipes, in this order of arrival."""
        goods = {metric: values[recipes] for metric, values in self.goods.items()}
        return Pool(self.name, goods, self.seconds[recipes], self.ends[recipes], self.end_se)

    @property
    def size(self) -> tuple[int, int]:
        """Recipes and epochs."""
        return self.seconds.shape[0], self.seconds.shape[1]


def load_pools(path: Path) -> list[Pool]:
    """One pool a data seed of a table that `benchmarks.curves` wrote."""
    table = pd.read_csv(path)
    return [_pool(f"{path.name.split('.')[0]}, seed {seed}", rows) for seed, rows in table.groupby("seed")]


def _pool(name: str, rows: pd.DataFrame) -> Pool:
    wide = {column: _wide(rows, column) for column in (*METRICS, "cpu_s", "diverged", f"{VAL_ACCURACY}_se")}
    diverged = np.nan_to_num(wide["diverged"], nan=1.0) > 0
    goods = {metric: np.where(diverged, np.nan, goodness(metric, 1.0) * wide[metric]) for metric in METRICS}
    known = TEST_ACCURACY in rows
    ends = _wide(rows, TEST_ACCURACY if known else VAL_ACCURACY)[:, -1]
    best = int(np.nanargmax(goods[METRICS[0]][:, -1]))
    error = accuracy_se(ends[best], TEST_IMAGES) if known else float(wide[f"{VAL_ACCURACY}_se"][best, -1])
    return Pool(name, goods, wide["cpu_s"], ends, error)


def _wide(rows: pd.DataFrame, column: str) -> Floats:
    found: Floats = rows.pivot(index="recipe", columns="epoch", values=column).to_numpy(dtype=float)
    return found


@dataclass(frozen=True)
class Outcome:
    """What one replayed search cost, and what it handed over."""

    epochs: int
    """Trained, with those that the trial that is handed over lacked to its end."""
    wall_s: float
    picked: float
    """End of the best trial."""
    promoted: float
    """The better end of the best two, which all folds are to tell apart."""
    picked_good: float
    """The ranking number of the best trial after its last epoch, higher is better."""


def outcome(search: Pool, metric: str, rule: Rule, slots: int) -> Outcome:
    """Replay a search whose rule sees one ranking number, which also decides who is best."""
    goods = search.goods[metric]
    done = replay(goods, search.seconds, rule, slots)
    best = standing(goods, done.reached)
    missing = search.size[1] - int(done.reached[best[0]])
    return Outcome(
        epochs=int(done.reached.sum()) + missing,
        wall_s=done.wall_s + float(search.seconds[best[0], search.size[1] - missing :].sum()),
        picked=float(search.ends[best[0]]),
        promoted=float(search.ends[best[:PROMOTED]].max()),
        picked_good=float(goods[best[0], -1]),
    )
