"""What an ensemble gains: over its members, by each member, and with every further one. Means of probabilities.

The mean fits nothing, so that its score on out-of-fold predictions flatters by nothing but the order of the members.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis import evidence
from analysis.figures import COLOURS
from trainables.comparison import paired
from trainables.scores import accuracy_se, hits

Probs = NDArray[np.float64]


def common_rows(pred_probs: Mapping[str, Probs]) -> NDArray[np.bool_]:
    """(n,): the rows that all models predicted."""
    lacking = np.isnan(np.stack(list(pred_probs.values())))
    there: NDArray[np.bool_] = np.logical_not(lacking.any(axis=(0, 2)))
    return there


def leave_one_out(pred_probs: Mapping[str, Probs], labels: NDArray[np.integer]) -> pd.DataFrame:
    """One row a member `without` which the mean is taken: its `accuracy`, and how far the mean of all is `ahead` of it.

    Paired, with `se`, the 95 % interval of all members together and `enough`. Nothing of one member.
    """
    rows = []
    members, known = _known(pred_probs, labels)
    everyone = hits(np.mean(list(members.values()), axis=0), known)
    for name in members if len(members) > 1 and len(known) else ():
        others = hits(np.mean([each for other, each in members.items() if other != name], axis=0), known)
        found = paired(everyone, others)
        interval = evidence.of_difference(found, len(members))
        about = {"without": name, "accuracy": others.mean(), "ahead": found.behind, "se": found.se}
        rows.append(about | interval.row)
    return pd.DataFrame(rows, columns=["without", "accuracy", "ahead", "se", "low", "high", "enough"])


def growing(pred_probs: Mapping[str, Probs], labels: NDArray[np.integer]) -> pd.DataFrame:
    """One row a number of `members`, in their order: the `added` one, the mean's `accuracy` and `se`, and how far it is
    `ahead` of the first member alone, with `ahead_se`, paired."""
    rows = []
    members, known = _known(pred_probs, labels)
    names = list(members)
    first = hits(members[names[0]], known)
    for count, name in enumerate(names if len(known) else (), start=1):
        right = hits(np.mean([members[each] for each in names[:count]], axis=0), known)
        lead = paired(right, first)
        share = float(right.mean())
        about = {"members": count, "added": name, "accuracy": share, "se": accuracy_se(share, len(known))}
        rows.append(about | {"ahead": lead.behind, "ahead_se": lead.se})
    return pd.DataFrame(rows, columns=["members", "added", "accuracy", "se", "ahead", "ahead_se"])


def _known(
    pred_probs: Mapping[str, Probs], labels: NDArray[np.integer]
) -> tuple[dict[str, Probs], NDArray[np.integer]]:
    there = common_rows(pred_probs)
    return {name: probs[there] for name, probs in pred_probs.items()}, labels[there]


def gains_verdict(without: pd.DataFrame) -> str:
    """Which members are missed."""
    if without.empty:
        return "There is one member, or no image that all predicted: nothing can be said of what each brings."
    missed = list(without[without["low"] > 0]["without"])
    spoil = list(without[without["high"] < 0]["without"])
    parts = [f"Missed if left out: {', '.join(missed)}."] if missed else []
    parts += [f"The mean is better without {', '.join(spoil)}."] if spoil else []
    if not parts:
        return "Too little evidence that any single member is missed, or does harm: every interval includes zero."
    return " ".join(parts)


def growing_figure(steps: pd.DataFrame) -> Figure:
    """Accuracy of the mean of the first members, ± one standard error of its lead over the first alone."""
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    axes.errorbar(
        steps["members"], 100 * steps["ahead"], yerr=100 * steps["ahead_se"], fmt="o-", capsize=3, color=COLOURS["best"]
    )
    axes.axhline(0, color="#444444", lw=0.8)
    axes.set_xticks(
        steps["members"],
        [f"{row['members']}\n{'+ ' * (row['members'] > 1)}{row['added']}" for row in steps.to_dict("records")],
    )
    if len(steps) > 12:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="members of the mean", ylabel="points of accuracy ahead\nof the first alone, ± 1 SE")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
