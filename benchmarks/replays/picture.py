"""What rules save and lose, and what an epoch buys: a picture each, with a panel for each set of stored curves."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

GRACE_COLOURS = {1: "#9ecae1", 2: "#08519c", 3: "#6a51a3", 4: "#41ab5d"}
OTHERS = {
    "median, as Ray has it": ("X", "#e6550d"),
    "median, nobody pauses": ("P", "#e6550d"),
    "Hyperband": ("s", "#b2182b"),
    "ASHA by promotion, grace 1": ("^", "#bdbdbd"),
    "ASHA by promotion, grace 2": ("^", "#636363"),
    "successive halving, grace 1": ("v", "#e7cb94"),
    "successive halving, grace 2": ("v", "#b8860b"),
}
EQUAL_EPOCHS = {"ours, grace 1, factor 3": "#9ecae1", "ours, grace 1, factor 4": "#41ab5d"}
"""Rules that are drawn over epochs, beside the shipped one and no stopping; all are in the table."""


def stopping_figure(tables: Mapping[str, tuple[pd.DataFrame, float]], shipped: str) -> Figure:
    """By set the means of every rule, with columns `share`, `lost`, `se share`, `se lost`, and an end's error."""
    figure = Figure(figsize=(6.2 * len(tables) + 2.4, 4.8), layout="constrained")
    panels = figure.subplots(1, len(tables), squeeze=False).flat
    for axes, (name, (table, end_se)) in zip(panels, tables.items(), strict=True):
        _panel(axes, table, end_se, shipped)
        axes.set_title(name)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False, fontsize=9)
    return figure


def _panel(axes: Axes, table: pd.DataFrame, end_se: float, shipped: str) -> None:
    axes.axhspan(-end_se, end_se, color="#f0f0f0", zorder=0, label="one standard error of one end")
    axes.axvline(0.3, color="#999999", lw=1, ls=":", zorder=0, label="0.3 of the epochs")
    for grace, colour in GRACE_COLOURS.items():
        names = [name for name in table.index if name.startswith(f"ours, grace {grace}")]
        _draw(axes, table.loc[names], f"ours, grace {grace}", "o", colour, "-")
    for kind, (marker, colour) in OTHERS.items():
        _draw(axes, table.loc[[name for name in table.index if name.startswith(kind)]], kind, marker, colour, "")
    row = table.loc[shipped]
    axes.plot(row["share"], row["lost"], "o", ms=15, mfc="none", mec="black", mew=1.5, ls="", label="shipped")
    axes.plot(1.0, 0.0, "*", ms=12, color="black", ls="", label="no stopping")
    axes.set(xlabel="share of the epochs that no stopping trains", ylabel="accuracy lost (numbers: factors)")
    axes.spines[["top", "right"]].set_visible(False)


def _draw(axes: Axes, rows: pd.DataFrame, label: str, marker: str, colour: str, line: str) -> None:
    """A marker a factor, named by it."""
    axes.errorbar(
        rows["share"], rows["lost"], yerr=rows["se lost"], fmt=marker, ls=line or "none", color=colour, ms=7, lw=1,
        elinewidth=0.8, capsize=2, label=label,
    )  # fmt: skip
    for name, row in rows.iterrows():
        if "factor" in str(name):
            place = (row["share"], row["lost"])
            axes.annotate(str(name)[-1], place, xytext=(5, 4), textcoords="offset points", fontsize=7, color=colour)


def epochs_figure(found: Mapping[str, pd.DataFrame], shipped: str, none: str) -> Figure:
    """By set, for each pool, rule and number of trials, the mean `epochs` and accuracy `of 2`."""
    figure = Figure(figsize=(5.6 * len(found), 4.4), layout="constrained")
    for axes, (name, means) in zip(figure.subplots(1, len(found), squeeze=False).flat, found.items(), strict=True):
        over_pools = means.groupby(["rule", "trials"], sort=False)[["epochs", "of 2"]].mean()
        for rule, colour in {none: "black", **EQUAL_EPOCHS, shipped: "#08519c"}.items():
            curve = over_pools.loc[rule]
            label = f"{rule} (shipped)" if rule == shipped else rule
            axes.plot(
                curve["epochs"], curve["of 2"], "o-", color=colour, ms=4, lw=2 if rule == shipped else 1, label=label
            )
        axes.set(xlabel="epochs trained", ylabel="accuracy, the better one of the best two", title=name, xscale="log")
        axes.set_xticks([25, 50, 100, 200, 400, 800], ["25", "50", "100", "200", "400", "800"], minor=False)
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False, fontsize=9)
    return figure
