"""Scores by fold, source and class, a column a model: the tables that are drawn by hand beside a search.

All from `Found.predictions`, a row an image and model, out of fold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy import stats

from analysis.figures import COLOURS
from analysis.loading import ENSEMBLE

ALL = "all"


def by_part(predictions: pd.DataFrame, parts: Sequence[str], value: str = "right") -> pd.DataFrame:
    """One row a part and model: the columns of `parts`, `model`, `images`, the `mean` of `value` there and its `se`.

    `right` for accuracy; by class that is recall. Each part's rows are followed by those of all parts, named `all`.
    """
    whole = predictions.assign(**dict.fromkeys(parts, ALL))
    rows = []
    for frame in (predictions, whole):
        for names, own in frame.groupby([*parts, "model"], sort=False):
            about = dict(zip((*parts, "model"), names, strict=True))
            se = float(own[value].std(ddof=0) / math.sqrt(len(own)))
            rows.append(about | {"images": len(own), "mean": float(own[value].mean()), "se": se})
    table = pd.DataFrame(rows)
    places = {f"place of {part}": table[part].map(_places(predictions[part])) for part in parts}
    return table.assign(**places).sort_values(list(places), kind="stable", ignore_index=True)[list(table)]


def _places(names: pd.Series) -> dict[object, int]:
    """In their own order, `all` at the end."""
    return {name: place for place, name in enumerate([*sorted(names.unique()), ALL])}


def side_by_side(table: pd.DataFrame, parts: Sequence[str], digits: int = 4) -> pd.DataFrame:
    """`by_part` as it is read: a row a part, a column a model, '0.8943 ± 0.0047', and `images`."""
    models = list(dict.fromkeys(table["model"]))
    texts = [f"{mean:.{digits}f} ± {se:.{digits}f}" for mean, se in zip(table["mean"], table["se"], strict=True)]
    wide = table.assign(text=texts).pivot(index=list(parts), columns="model", values="text")
    order = table[list(parts)].drop_duplicates()
    keys = order[parts[0]] if len(parts) == 1 else pd.MultiIndex.from_frame(order)
    images = table.groupby(list(parts), sort=False)["images"].max()
    wide = wide.reindex(keys)[models]
    wide.insert(0, "images", images.reindex(wide.index).to_numpy())
    wide.columns.name = None
    return wide.fillna("–")


def fold_spread(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row a model: are its folds further apart than chance? `spread`, the standard deviation of its folds'
    accuracies; `by_chance`, that of folds of as many images that are equally hard; `p` of the chi-squared test.

    `enough`: p is below 0.05 over the number of models. All models see the same images, so they agree on a hard fold.
    """
    rows = []
    models = predictions["model"].nunique()
    for model, own in predictions.groupby("model", sort=False):
        folds = own.groupby("fold")["right"].agg(["sum", "count"])
        share = own["right"].mean()
        counts = np.array([folds["sum"], folds["count"] - folds["sum"]])
        p = float(stats.chi2_contingency(counts).pvalue) if len(folds) > 1 and counts.sum(1).all() else math.nan
        rows.append(
            {
                "model": model,
                "folds": len(folds),
                "spread": float((folds["sum"] / folds["count"]).std(ddof=1)),
                "by_chance": math.sqrt(share * (1 - share) / folds["count"].mean()),
                "p": p,
                "enough": p < 0.05 / models,
            }
        )
    return pd.DataFrame(rows)


def spread_verdict(spread: pd.DataFrame) -> str:
    """What the folds' differences say."""
    beyond = list(spread[spread["enough"]]["model"])
    if not beyond:
        return "No model's folds are further apart than chance has them: no fold is shown to be harder, or noisier."
    return f"Further apart than by chance, for {', '.join(beyond)}: look at the worst fold's labels before its nets."


def fold_figure(table: pd.DataFrame) -> Figure:
    """Accuracy by fold, a line a model, ± one standard error. Lines that rise and fall together: images, not nets."""
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    axes = figure.subplots()
    folds = table[table["fold"] != ALL]
    models = list(dict.fromkeys(folds["model"]))
    for place, model in enumerate(models):
        own = folds[folds["model"] == model]
        ensemble = model == ENSEMBLE
        shift = 0.05 * (place - (len(models) - 1) / 2)
        axes.errorbar(
            own["fold"].astype(int) + shift,
            own["mean"],
            yerr=own["se"],
            fmt="o-",
            ms=4,
            lw=2 if ensemble else 1,
            color=COLOURS["best"] if ensemble else f"C{place + 1}",
            label=model if ensemble else f"trial {model}",
            zorder=3 if ensemble else 2,
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="fold", ylabel="accuracy ± 1 SE")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure
