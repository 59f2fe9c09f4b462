"""Scores of a leaderboard, written down by hand beside a search, and whether CV foretells them.

matplotlib and scipy are imported where they are used: most ledgers have no scores to judge or to draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis.loading import ENSEMBLE, Found
from search_spaces.errors import InputError
from trainables.bucket import Bucket, is_bucket
from trainables.files import load_object, save_json
from trainables.member import member_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def scores(found: Found) -> dict[str, float]:
    """By model: a trial's number as three digits or more, or `ensemble`."""
    path = found.search.leaderboard
    stored: Mapping[str, float] = load_object(path) if path.exists() else {}
    return dict(stored)


def record(found: Found, given: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Write down pairs of a trial, or `ensemble`, and its score in [0, 1]; what stood there is replaced. Returns all.

    `InputError` with everything that is wrong with them, and nothing is written.
    """
    known = [f"{number:03d}" for number in (*found.trials["trial"], *found.denoised)]
    known += [name for name in map(member_name, found.promoted) if name not in known]
    told, problems = {}, []
    for trial, text in given:
        name = f"{int(trial):03d}" if trial.isdecimal() else trial
        if name != ENSEMBLE and name not in known:
            problems.append(f"there is no trial {trial!r} in {found.place}; it has {known[0]} to {known[-1]}")
        try:
            told[name] = float(text)
        except ValueError:
            problems.append(f"the score of {trial} must be a number, got {text!r}")
            continue
        if not 0 <= told[name] <= 1:
            problems.append(f"the score of {trial} must be a share, from 0 to 1, got {text}")
    if problems:
        raise InputError(
            "--lb takes a trial's number, or `ensemble`, and its leaderboard score, as in --lb 7 0.897:", problems
        )
    stored = scores(found) | told
    save_json(found.search.leaderboard, stored)
    if is_bucket(found.place):
        Bucket(found.place).upload(found.search.leaderboard, found.search.leaderboard.name)
    return stored


def verdict(ledger: pd.DataFrame) -> str:
    """Whether CV foretells the leaderboard, by the rows that have both."""
    from analysis import evidence

    both = ledger.dropna(subset=["cv", "lb"])
    if both.empty:
        return "No leaderboard score is written down; --lb TRIAL SCORE does so."
    found = evidence.rank_correlation(both["cv"], both["lb"])
    if found is None:
        return "CV against LB: " + evidence.too_few(len(both), "scores", evidence.FEWEST_PAIRS)
    told = f"CV against LB: rank correlation {found}, n = {len(both)}."
    if not found.enough:
        told += " Too little evidence: its interval includes zero."
    folds = both["fold_hash"].nunique()
    return (
        told if folds == 1 else f"{told} The CVs are of {folds} data sets or folds, which makes them hard to compare."
    )


def figure(ledger: pd.DataFrame) -> Figure:
    """CV ± one standard error against the leaderboard, a colour a set of folds."""
    from matplotlib.figure import Figure

    from analysis.figures import COLOURS

    both = ledger.dropna(subset=["cv", "lb"])
    drawing = Figure(figsize=(5.4, 4), layout="constrained")
    axes = drawing.subplots()
    for place, (name, own) in enumerate(both.groupby("fold_hash", sort=False)):
        colour = COLOURS["best"] if place == 0 else f"C{place}"
        axes.errorbar(
            own["cv"], own["lb"], xerr=own["se"], fmt="o", ms=4, color=colour, elinewidth=1, label=f"folds {name}"
        )
        for row in own.to_dict("records"):
            axes.annotate(row["trial"], (row["cv"], row["lb"]), xytext=(4, 4), textcoords="offset points", fontsize=7)
    axes.set(xlabel="CV ± 1 SE, out of fold", ylabel="leaderboard")
    axes.margins(0.12)
    axes.spines[["top", "right"]].set_visible(False)
    if both["fold_hash"].nunique() > 1:
        axes.legend(frameon=False, fontsize=7)
    return drawing
