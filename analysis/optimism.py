"""How much a choice flatters its winner: the score that chose it, against scores that did not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import evidence
from analysis.loading import Found
from trainables.comparison import Difference
from trainables.files import load_array
from trainables.scores import accuracy_se, goods_by_image

_CHOSE = 0
"""The fold whose images chose who is promoted."""


def chosen_fold(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row a model: `on_fold_0`, its accuracy where trials were chosen; `elsewhere`, on the other folds; how far the
    former is above the latter, `optimism`, its `se`, 95 % interval, and whether there is `enough` evidence of any.

    The two are of other images, so the difference is not paired and its error is large.
    """
    rows = []
    for model, own in predictions.groupby("model", sort=False):
        here, there = (own.loc[(own["fold"] == _CHOSE) == chose, "right"] for chose in (True, False))
        if here.empty or there.empty:
            continue
        se = math.hypot(accuracy_se(here.mean(), len(here)), accuracy_se(there.mean(), len(there)))
        apart = Difference(float(here.mean() - there.mean()), se)
        found = evidence.of_difference(apart)
        about = {
            "model": model,
            "on_fold_0": here.mean(),
            "elsewhere": there.mean(),
            "optimism": apart.behind,
            "se": se,
        }
        rows.append(about | found.row)
    return pd.DataFrame(rows)


def rival_goods(found: Found) -> dict[int, NDArray[np.float64]]:
    """Of the trials that ended where the best one did, by number: what each image of fold 0 was worth when the search
    compared them, (n,), higher for better."""
    images, ended = found.images, found.trials.set_index("trial")
    judged = ended[ended["status"].isin(("finished", "stopped", "cut"))]
    labels = images.loc[images["fold"] == _CHOSE, "label"].to_numpy(np.int64)
    goods = {}
    for number in judged.index[judged["epoch"] == judged["epoch"].get(found.best)]:
        probs = load_array(found.search.trial(number).fold(_CHOSE).judged_probs)
        goods[int(number)] = goods_by_image(found.metric, probs, labels)
    return goods


@dataclass(frozen=True)
class ChoiceOptimism:
    """What choosing the best of some trials by so many images adds to its score, by chance alone."""

    trials: int
    images: int
    optimism: float
    """In the units of what was given, higher for better."""
    se_of_score: float
    """Standard error of the winner's own score on the images, to compare with."""
    shares: dict[int, float]
    """How often each trial wins by half of the images, by number."""

    @property
    def verdict(self) -> str:
        """In words."""
        if self.trials < 2:
            return "One trial trained so long; it was chosen for that, and not by its score."
        winner = max(self.shares, key=lambda number: self.shares[number])
        return (
            f"Choosing the best of {self.trials} trials by {self.images} images flatters its score by "
            f"{self.optimism:.4f} (its standard error is {self.se_of_score:.4f}). Trial {winner:03d} wins "
            f"{self.shares[winner]:.0%} of choices by half of the images."
        )


def choice_optimism(goods: Mapping[int, NDArray[np.floating]], rounds: int = 400, seed: int = 0) -> ChoiceOptimism:
    """By halves: the winner on half of the images, scored on it, less its score on the other half.

    `goods` (n,) by trial, higher for better, of the same images. Halves of n images are noisier than n, by the square
    root of 2, which the result is divided by: exact for trials that are equally good, a little too much where one is
    better, and nothing where one is far better.
    """
    numbers, table = list(goods), np.array(list(goods.values()), dtype=np.float64)
    rng, count = np.random.default_rng(seed), table.shape[1]
    gains, wins = [], np.zeros(len(numbers))
    for _ in range(rounds):
        order = rng.permutation(count)
        here, there = (table[:, half].mean(1) for half in (order[: count // 2], order[count // 2 :]))
        winner = int(here.argmax())
        wins[winner] += 1
        gains.append(here[winner] - there[winner])
    best = table[table.mean(1).argmax()]
    shares = {number: float(share) for number, share in zip(numbers, wins / rounds, strict=True)}
    optimism, se = float(np.mean(gains)) / math.sqrt(2), float(best.std() / math.sqrt(count))
    return ChoiceOptimism(len(numbers), count, optimism, se, shares)
