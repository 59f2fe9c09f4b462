"""Who is ahead of whom: paired differences, on the images that both predicted, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pandas as pd
from matplotlib.figure import Figure

from analysis import evidence
from analysis.figures import COLOURS
from trainables.comparison import paired
from trainables.scores import goodness


def paired_differences(predictions: pd.DataFrame, value: str = "right", against: str | None = None) -> pd.DataFrame:
    """One row a pair of models: `model` is `ahead` of `other` by so much in `value`, higher for better, with its `se`,
    the 95 % interval of all pairs together, and whether there is `enough` evidence that they differ.

    `value` is `right`, for accuracy, or a metric. `against` one model, or all pairs. `images` are those of both.
    """
    sign = 1.0 if value == "right" else goodness(value, 1.0)
    table = sign * predictions.pivot(index="image_id", columns="model", values=value)
    models = list(dict.fromkeys(predictions["model"]))
    pairs = [(m, against) for m in models if m != against] if against else [(b, a) for a, b in combinations(models, 2)]
    rows = []
    for model, other in pairs:
        both = table[[model, other]].dropna()
        if both.empty:
            continue
        found = paired(both[model].to_numpy(), both[other].to_numpy())
        interval = evidence.of_difference(found, len(pairs))
        about = {"model": model, "other": other, "images": len(both), "ahead": found.behind, "se": found.se}
        rows.append(about | interval.row)
    columns = ["model", "other", "images", "ahead", "se", "low", "high", "enough"]
    return pd.DataFrame(rows, columns=columns)


def differences_verdict(pairs: pd.DataFrame) -> str:
    """Which of the differences are beyond their intervals."""
    if pairs.empty:
        return "There is one model, and nothing to compare it with."
    beyond = pairs[pairs["enough"]]
    if beyond.empty:
        return f"Too little evidence: none of {len(pairs)} differences excludes zero. The models are tied."
    names = ("model", "other")
    ordered = [[row[name] for name in names[:: 1 if row["ahead"] > 0 else -1]] for row in beyond.to_dict("records")]
    leads = [" ahead of ".join(pair) for pair in ordered]
    rest = " The rest are ties." if len(beyond) < len(pairs) else ""
    return f"{len(beyond)} of {len(pairs)} differences exclude zero: {_some(leads)}.{rest}"


def _some(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f", and {len(names) - most} more" if len(names) > most else "")


def differences_figure(pairs: pd.DataFrame, value: str = "accuracy") -> Figure:
    """Each pair's difference with its interval; grey where it includes zero."""
    figure = Figure(figsize=(7, 0.9 + 0.3 * max(1, len(pairs))), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(pairs.to_dict("records")):
        colour = COLOURS["best" if row["enough"] else "stopped"]
        axes.plot([row["low"], row["high"]], [place, place], color=colour, lw=2)
        axes.plot(row["ahead"], place, "o", color=colour, ms=5)
    names = [f"{row['model']} over {row['other']}" for row in pairs.to_dict("records")]
    axes.set_yticks(range(len(pairs)), names, fontsize=8)
    axes.axvline(0, color="#444444", lw=0.8)
    axes.set_xlabel(f"ahead in {value}, with the 95 % interval of all {len(pairs)} pairs together")
    axes.margins(y=0.15 if len(pairs) < 4 else 0.05)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    return figure
