"""Where the time went, and the money: by trial, by stage, and on each machine."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import COLOURS

_STAGES = {"search": COLOURS["best"], "promotion": COLOURS["finished"]}
_LOST = COLOURS["stopped"]


def by_trial(fold_epochs: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """One row a trial: `epochs` of the search and its `search_s`; `promotion_epochs`, `promotion_s` of all folds;
    `epoch_s`, the median; `images_per_s`; the `share_scoring` of the time that validation took.

    Seconds of training and validation, those of all folds added up, whether they ran side by side or not.
    """
    ended = trials.set_index("trial")["status"] if len(trials) else pd.Series(dtype=str)
    rows = []
    for number, own in fold_epochs.groupby("trial"):
        search, promotion = (own[own["stage"] == stage] for stage in _STAGES)
        rows.append(
            {
                "trial": number,
                "status": ended.get(number, "denoised"),
                "epochs": len(search),
                "search_s": search["seconds"].sum(),
                "promotion_epochs": len(promotion),
                "promotion_s": promotion["seconds"].sum(),
                "epoch_s": own["seconds"].median(),
                "images_per_s": own["images_per_s"].median(),
                "share_scoring": own["score_s"].sum() / own["seconds"].sum(),
            }
        )
    return pd.DataFrame(rows)


def totals(costs: pd.DataFrame, price_per_hour: float | None = None) -> pd.DataFrame:
    """One row a purpose of `by_trial`'s hours: trials that ended early, those that did not, promotion; all of it.

    `cost` too where a price of an hour of one training is given, in its currency: what a worker costs, over the
    trainings that it runs at once.
    """
    whole = costs["status"] == "finished"
    spent = {
        "search: trials that were stopped or failed": costs.loc[~whole, "search_s"].sum(),
        "search: trials that trained to their end": costs.loc[whole, "search_s"].sum(),
        "promotion": costs["promotion_s"].sum(),
    }
    spent["all"] = sum(spent.values())
    table = pd.DataFrame({"purpose": list(spent), "hours": [seconds / 3600 for seconds in spent.values()]})
    table["share"] = table["hours"] / max(table["hours"].iloc[-1], 1e-12)
    return table if price_per_hour is None else table.assign(cost=table["hours"] * price_per_hour)


def timeline(fold_epochs: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """One row a training: `trial`, `fold`, `stage`, `host`, `begin_s` and `end_s` since the first began, its `lane`.

    From the clocks of the machines that trained, by the end of each epoch and the seconds that it took. Trainings that
    overlap have different lanes; what has one lane ran one after the other.
    """
    ended = trials.set_index("trial")["status"]
    begun = fold_epochs["ended_at"] - fold_epochs["seconds"]
    hosts = fold_epochs.get("host", pd.Series("", index=fold_epochs.index))  # which earlier code did not write
    groups = fold_epochs.assign(begin=begun, host=hosts).groupby(["trial", "fold", "stage"], sort=False)
    table = groups.agg(host=("host", "last"), begin_s=("begin", "min"), end_s=("ended_at", "max")).reset_index()
    table[["begin_s", "end_s"]] -= table["begin_s"].min()
    table = table.sort_values("begin_s", ignore_index=True)
    return table.assign(
        status=table["trial"].map(ended), lane=_lanes(zip(table["begin_s"], table["end_s"], strict=True))
    )


def _lanes(spans: Iterable[tuple[float, float]]) -> list[int]:
    """The first lane that is free when each begins."""
    free_at: list[float] = []
    lanes = []
    for begin, end in spans:
        lane = next((at for at, free in enumerate(free_at) if free <= begin + 0.05), len(free_at))
        free_at[lane : lane + 1] = [end]
        lanes.append(lane)
    return lanes


def timeline_figure(trainings: pd.DataFrame) -> Figure:
    """Every training as a bar with its trial's number; grey ones were stopped. In gaps nothing trained."""
    lanes = int(trainings["lane"].max()) + 1
    figure = Figure(figsize=(10, 0.9 + 0.5 * lanes), layout="constrained")
    axes = figure.subplots()
    span = float(trainings["end_s"].max())
    unit, name = (3600, "hours") if span > 7200 else (60, "minutes") if span > 120 else (1, "seconds")
    named: set[str] = set()
    for row in trainings.to_dict("records"):
        lost = row["stage"] == "search" and row["status"] != "finished"
        label = "search, ended early" if lost else row["stage"]
        width = row["end_s"] - row["begin_s"]
        axes.barh(
            row["lane"],
            width / unit,
            left=row["begin_s"] / unit,
            height=0.8,
            color=_LOST if lost else _STAGES[row["stage"]],
            edgecolor="white",
            label=None if label in named else label,
        )
        named.add(label)
        if width > 0.02 * span:
            text = f"{row['trial']:03d}" + (
                f" f{row['fold']}" if row["stage"] == "promotion" and width > 0.06 * span else ""
            )
            middle = (row["begin_s"] + width / 2) / unit
            axes.text(
                middle, row["lane"], text, ha="center", va="center", fontsize=7, color="black" if lost else "white"
            )
    axes.set(xlabel=f"{name} since the first training began", yticks=range(lanes), ylabel="at once")
    axes.set_yticklabels([str(lane + 1) for lane in range(lanes)])
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper right", ncols=3, frameon=False, fontsize=8)
    return figure
