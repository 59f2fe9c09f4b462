"""What the rungs did: who went on, and whether what they saw was what came out in the end."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import evidence
from analysis.figures import COLOURS
from trainables.scores import goodness

END = "end"
"""In place of a rung: after the last epoch."""


def scores_at(rungs: pd.DataFrame, trials: pd.DataFrame, metric: str, rung: int | None = None) -> pd.Series:
    """The metric by trial at a rung, the first one if none is named: what most trials have, after equal training.

    Of a search without rungs, the metric of the trials that trained to their end.
    """
    if rungs.empty:
        return trials[trials["status"] == "finished"].set_index("trial")[metric]
    return rungs[rungs["rung"] == (rung or rungs["rung"].min())].set_index("trial")["value"]


def survival(rungs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row a rung: `arrived`, `went_on`, `share` of those with its 95 % interval, and three values of the metric.

    `best` and `worst_gone_on` are of trials that went on; `best_stopped` may be ahead of the latter, since a rung
    judges each arrival by those before it.
    """
    rows = []
    for rung, here in rungs.groupby("rung"):
        on, stopped = here[here["goes_on"]], here[~here["goes_on"]]
        share = evidence.of_share(len(on), len(here))
        rows.append(
            {
                "rung": rung,
                "arrived": len(here),
                "went_on": len(on),
                "share": share.value,
                "low": share.low,
                "high": share.high,
                "best": _best(on["value"], metric),
                "worst_gone_on": -_best(-on["value"], metric),
                "best_stopped": _best(stopped["value"], metric),
            }
        )
    return pd.DataFrame(rows)


def _best(values: pd.Series, metric: str) -> float:
    return float(values.max() if goodness(metric, 1.0) > 0 else values.min())


def survival_by(rungs: pd.DataFrame, kinds: pd.Series) -> pd.DataFrame:
    """One row a kind, at the first rung: `arrived`, `went_on` and its `share` with the 95 % interval.

    `kinds` by trial, as `searched["backbone"]`. Few of a kind have wide intervals; those that overlap tell nothing.
    """
    first = rungs[rungs["rung"] == rungs["rung"].min()]
    rows = []
    for kind, here in first.groupby(first["trial"].map(kinds)):
        share = evidence.of_share(int(here["goes_on"].sum()), len(here))
        rows.append(
            {
                kinds.name: kind,
                "arrived": len(here),
                "went_on": int(here["goes_on"].sum()),
                "share": share.value,
                "low": share.low,
                "high": share.high,
            }
        )
    return pd.DataFrame(rows)


def agreement(rungs: pd.DataFrame) -> pd.DataFrame:
    """One row a pair of an earlier rung and a later one, or the end: trials `n` that have both, and the rank
    `correlation` of their scores with its 95 % interval; NaN of fewer than five. `enough`: it excludes zero.

    Only who went on has a later score, and trials that were chosen for being alike correlate less: read it as the least
    that a rung can tell.
    """
    table = rungs.pivot_table(index="trial", columns="rung", values="value")
    table[END] = rungs.groupby("trial")["end"].first()
    rows = []
    for early, late in combinations(table.columns, 2):
        both = table[[early, late]].dropna()
        found = evidence.rank_correlation(both[early], both[late])
        values = (found.value, found.low, found.high, found.enough) if found else (np.nan, np.nan, np.nan, False)
        rows.append(dict(zip(("rung", "later", "n"), (early, late, len(both)), strict=True)))
        rows[-1] |= dict(zip(("correlation", "low", "high", "enough"), values, strict=True))
    return pd.DataFrame(rows, columns=["rung", "later", "n", "correlation", "low", "high", "enough"])


def agreement_verdict(pairs: pd.DataFrame) -> str:
    """What may be said of the first rung and the end."""
    rows = pairs[pairs["later"] == END]
    if rows.empty:
        return "There was no rung."
    row = rows.iloc[0]
    if np.isnan(row["correlation"]):
        return evidence.too_few(int(row["n"]), "trials that trained to the end", evidence.FEWEST_PAIRS)
    found = evidence.Interval(row["correlation"], row["low"], row["high"])
    told = f"Rank correlation of rung {row['rung']} with the end, of {row['n']} trials that went on: {found}."
    return told if row["enough"] else f"{told} Too little evidence: its interval includes zero."


def survival_figure(rungs: pd.DataFrame, trials: pd.DataFrame, metric: str) -> Figure:
    """Left, how many trials were still training after each epoch; right, each rung's values, and who went on."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    last = int(trials["epoch"].max())
    alive = [int((trials["epoch"] >= epoch).sum()) for epoch in range(1, last + 1)]
    left.step(range(1, last + 1), alive, where="mid", color=COLOURS["best"], lw=2)
    left.set(xlabel="epoch", ylabel="trials that trained it", ylim=(0, None))
    for axis in (left.xaxis, left.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    _strips(right, rungs, metric)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _strips(axes: Axes, rungs: pd.DataFrame, metric: str) -> None:
    names = list(rungs["rung"].unique())
    for place, rung in enumerate(names):
        here = rungs[rungs["rung"] == rung]
        for goes_on, kind, label in ((False, "stopped", "stopped here"), (True, "finished", "went on")):
            values = here.loc[here["goes_on"] == goes_on, "value"]
            spread = place + (np.linspace(-0.15, 0.15, len(values)) if len(values) > 1 else 0)
            axes.scatter(
                np.broadcast_to(spread, len(values)), values, color=COLOURS[kind], s=22, label=None if place else label
            )
    axes.set_xticks(range(len(names)), [f"rung {rung}\n(n = {(rungs['rung'] == rung).sum()})" for rung in names])
    axes.set(ylabel=f"{metric} there", xlim=(-0.5, max(len(names), 1) - 0.5))
    axes.legend(frameon=False, fontsize=8)


def agreement_figure(rungs: pd.DataFrame, metric: str) -> Figure:
    """Each rung's score against the one at the end, of the trials that trained to it."""
    names = list(rungs["rung"].unique()) or [0]
    figure = Figure(figsize=(3.6 * len(names) + 0.4, 3.4), layout="constrained")
    pairs = agreement(rungs)
    for axes, rung in zip(figure.subplots(1, len(names), squeeze=False).flat, names, strict=True):
        here = rungs[(rungs["rung"] == rung) & rungs["end"].notna()]
        axes.scatter(here["value"], here["end"], color=COLOURS["finished"], s=24)
        for row in here.to_dict("records"):
            label = f"{row['trial']:03d}"
            axes.annotate(label, (row["value"], row["end"]), xytext=(3, 3), textcoords="offset points", fontsize=7)
        found = pairs[(pairs["rung"] == rung) & (pairs["later"] == END)]
        told = "too few" if found.empty or found["correlation"].isna().all() else f"{found['correlation'].iloc[0]:+.2f}"
        axes.set_title(f"rank correlation {told} (n = {len(here)})", fontsize=9)
        axes.set(xlabel=f"{metric} at rung {rung}", ylabel=f"{metric} at the end")
        axes.margins(0.15)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
