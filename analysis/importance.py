"""What each parameter mattered to the score: by how much worse a forest predicts trials that it did not see, when it is
told another trial's value of the parameter in place of their own (permutation importance; Breiman, Machine Learning 45,
2001; over all values in place of a random one, as in Fisher, Rudin and Dominici, JMLR 20, 2019).

Held-out trials alone are scored, so a parameter gains nothing by being fitted well. A trial is one observation: the
interval is Student's over trials, of all parameters together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.model_selection import KFold

from analysis import evidence
from analysis.evidence import FEWEST_TRIALS, Interval
from analysis.figures import COLOURS
from analysis.forest import Array, coded, fitted

_REPEATS, _FOLDS = 3, 8

_VALUES = 40
"""Other trials whose value a held-out trial is told, at most."""


@dataclass(frozen=True, eq=False)
class Importance:
    """What a forest could learn of the scores, and from which parameters."""

    trials: int
    explained: Interval | None
    """Share of the scores' variance that is predicted for unseen trials; None where there are too few trials."""
    table: pd.DataFrame
    """One row a parameter, or group of some, the most important first.

    `parameter`, `importance` (share of the variance), its interval `low` to `high`, and `enough`.
    """

    @property
    def verdict(self) -> str:
        """What may be said, in one sentence or two."""
        if self.explained is None:
            return evidence.too_few(self.trials)
        if not self.explained.low > 0:
            return (
                f"Too little evidence: from {self.trials} trials a forest does not predict the score of a further one "
                f"better than their mean does (share of the variance {self.explained})."
            )
        found = (
            f"A forest predicts {self.explained.value:.0%} of the variance between unseen trials (n = {self.trials})."
        )
        sure = list(self.table[self.table["enough"]]["parameter"])
        if not sure:
            return f"{found} Too little evidence to say by which parameter: every interval includes zero."
        return f"{found} It does so by {evidence.listed(sure)}; the intervals of all others include zero."

    def enough(self, parameter: str) -> bool:
        """Whether the parameter's interval excludes zero, and the forest predicts anything at all."""
        rows = self.table[self.table["parameter"] == parameter]
        return self.explained is not None and self.explained.low > 0 and bool(rows["enough"].any())


def importance(
    searched: pd.DataFrame, scores: pd.Series, groups: Sequence[tuple[str, ...]] = (), seed: int = 0
) -> Importance:
    """`searched` has a row a trial and a column a parameter; `scores` are of trials, by the same index.

    Trials that lack a score are left out. `groups` of parameters are told another trial's values together.
    """
    scores = scores.reindex(searched.index).dropna()
    searched = searched.loc[scores.index]
    searched = searched.loc[:, searched.nunique() > 1]
    if len(scores) < FEWEST_TRIALS or searched.empty or scores.nunique() < 2:
        return Importance(len(scores), None, pd.DataFrame(columns=["parameter", "importance", "low", "high", "enough"]))
    names = tuple(map(str, searched.columns))
    sets = {name: (name,) for name in names} | {
        " x ".join(group): group for group in groups if set(group) <= set(names)
    }
    places = [[names.index(name) for name in group] for group in sets.values()]
    explained, losses = _held_out(coded(searched).values, scores.to_numpy(np.float64), places, seed)
    intervals = [evidence.of_mean(each, effects=len(sets)) for each in losses]
    rows = [
        {"parameter": name, "importance": each.value, "low": each.low, "high": each.high, "enough": each.low > 0}
        for name, each in zip(sets, intervals, strict=True)
    ]
    table = pd.DataFrame(rows).sort_values("importance", ascending=False, ignore_index=True)
    return Importance(len(scores), evidence.of_mean(explained), table)


def _held_out(values: Array, scores: Array, places: list[list[int]], seed: int) -> tuple[Array, Array]:
    """Of each trial, in units of the variance: how much better it is predicted than by the others' mean (n,), and how
    much worse without each set of columns (sets, n)."""
    explained, losses = np.zeros(len(scores)), np.zeros((len(places), len(scores)))
    rng = np.random.default_rng(seed)
    for train, test in _splits(len(scores), seed):
        forest = fitted(values[train], scores[train], seed)
        error = (scores[test] - forest.predict(values[test])) ** 2
        explained[test] += (scores[test] - scores[train].mean()) ** 2 - error
        told = rng.permutation(len(scores))[:_VALUES]
        for place, columns in enumerate(places):
            changed = np.repeat(values[test], len(told), axis=0)
            changed[:, columns] = np.tile(values[told][:, columns], (len(test), 1))
            wrong = scores[test, None] - forest.predict(changed).reshape(len(test), -1)
            losses[place, test] += (wrong**2).mean(1) - error
    scale = _REPEATS * scores.var()
    return explained / scale, losses / scale


def _splits(count: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for repeat in range(_REPEATS):
        yield from KFold(_FOLDS, shuffle=True, random_state=seed + repeat).split(np.arange(count))


def importance_figure(found: Importance) -> Figure:
    """Importance of each parameter with its interval; grey where it includes zero."""
    table = found.table.iloc[::-1]
    figure = Figure(figsize=(7, 0.9 + 0.32 * max(2, len(table))), layout="constrained")
    axes = figure.subplots()
    if table.empty:
        axes.text(0.5, 0.5, found.verdict, ha="center", va="center", wrap=True)
        axes.set_axis_off()
        return figure
    for place, row in enumerate(table.to_dict("records")):
        sure = found.enough(row["parameter"])
        axes.plot([row["low"], row["high"]], [place, place], color=COLOURS["best" if sure else "stopped"], lw=2)
        axes.plot(row["importance"], place, "o", color=COLOURS["best" if sure else "stopped"])
    axes.axvline(0, color="#444444", lw=0.8)
    axes.set(yticks=range(len(table)), yticklabels=list(table["parameter"]))
    axes.set_xlabel(f"importance, share of the variance, 95 % of all together (n = {found.trials} trials)")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
