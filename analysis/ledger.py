"""The ledger of many searches: what each model changed against its parent, CV ± SE, LB, losses, time.

python -m analysis.ledger OUT...                 # prints it, and writes ledger.csv and ledger.md beside the first OUT
python -m analysis.ledger OUT --lb 7 0.897 --lb ensemble 0.900      # writes down what the leaderboard said

A row is a promoted trial, one that has a leaderboard score, or an ensemble. Its parent is the earlier one whose recipe
differs in the fewest fields. Where both predicted the same images, its lead over the parent is paired, image by image.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import leaderboard
from analysis.frames import Probs
from analysis.ledger_text import as_lines, as_markdown, as_text
from analysis.loading import ENSEMBLE, Found, load
from search_spaces.errors import InputError
from trainables.bucket import is_bucket
from trainables.comparison import paired
from trainables.files import write_whole
from trainables.layout import LedgerFolder
from trainables.member import Member, Stored, member_name
from trainables.scores import accuracy, accuracy_se, hits
from trainables.trial import load_recipe

COLUMNS = (
    "search", "trial", "parent", "change", "folds", "cv", "se", "ahead", "ahead_se", "lb", "train_loss", "valid_loss",
    "hours", "fold_hash",
)  # fmt: skip
"""Of the table. `ahead` of the parent, in accuracy, NaN where they are of other images; `hours` of its trainings."""

_FIRST = ("backbone", "image_size", "batch_size", "learning_rate", "loss", "t1", "t2", "smoothing", "epochs")
"""What is told of a recipe that has no parent."""

_NOT_CHANGES = ("seed",)

_BY_FOLD = {"parent": "–", "change": "another trial in each fold", "ahead": np.nan, "ahead_se": np.nan}


def ledger(searches: Sequence[Found], everyone: bool = False) -> pd.DataFrame:
    """One row a model, earlier searches first, in the columns of `COLUMNS`.

    Promoted and denoised trials, those that have a leaderboard score, and the ensemble; or `everyone` that was judged.
    """
    rows: list[dict[str, Any]] = []
    for found in sorted(searches, key=_began):
        known = leaderboard.scores(found)
        own = [_model(found, member) for member in _members(found, known, everyone)]
        rows += _with_parents(own, rows)
        rows.append(_ensemble(found, own))
        for row in (*own, rows[-1]):
            row["lb"] = known.get(row["trial"], np.nan)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _members(found: Found, known: Mapping[str, float], everyone: bool) -> list[Stored]:
    judged = [trial.number for trial in found.trial_list if trial.judged]
    asked = [number for number in judged if everyone or member_name(number) in known]
    members = {member_name(member): member for member in (*found.promoted, *found.denoised, *asked)}
    return [members[name] for name in sorted(members)]


def _began(found: Found) -> float:
    return float(found.fold_epochs["ended_at"].min())


def _model(found: Found, member: Stored) -> dict[str, Any]:
    """Without a recipe where another trial answers in each fold."""
    epochs, answering = found.fold_epochs, Member.of(member, found.about["folds"])
    own = epochs[epochs["trial"] == epochs["fold"].map(dict(enumerate(answering.trials)))]
    last = own.sort_values("epoch").groupby("fold").last()
    row = _scored(found, member_name(member), found.probs_of(member)) | {
        "folds": f"{len(last)} of {found.about['folds']}",
        "train_loss": last["train_loss"].mean(),
        "valid_loss": last["val_loss"].mean(),
        "hours": own["seconds"].sum() / 3600,
    }
    return row | {"recipe": load_recipe(found.search.trial(member)).to_dict()} if isinstance(member, int) else row


def _scored(found: Found, model: str, probs: Probs) -> dict[str, Any]:
    """CV on the images that the model predicted, and which of them it has right, for comparisons."""
    labels = found.images["label"].to_numpy(np.int64)
    there = ~np.isnan(probs).any(1)
    share = accuracy(probs[there], labels[there])
    return {
        "search": found.place.partition("?")[0],
        "trial": model,
        "cv": share,
        "se": accuracy_se(share, int(there.sum())),
        "fold_hash": str(found.about["fold_hash"]),
        "right": np.where(there, hits(np.nan_to_num(probs), labels), np.nan),
    }


def _with_parents(own: list[dict[str, Any]], earlier: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a search, each told against all rows before it."""
    for place, row in enumerate(own):
        candidates = [each for each in (*earlier, *own[:place]) if "recipe" in each]
        row |= _against(row, parent_of(row, candidates)) if "recipe" in row else _BY_FOLD
    return own


def parent_of(row: Mapping[str, Any], candidates: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The one whose `recipe` differs in the fewest fields; the one with the higher `cv` of several."""
    return min(candidates, key=lambda each: (len(changes(each["recipe"], row["recipe"])), -each["cv"]), default=None)


def changes(parent: Mapping[str, Any], recipe: Mapping[str, Any]) -> list[str]:
    """'t1 0.8 → 0.9' for each field that differs, but the seed."""
    return [
        f"{name} {_short(parent[name])} → {_short(value)}"
        for name, value in recipe.items()
        if name not in _NOT_CHANGES and parent[name] != value
    ]


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)[:40] or "none"


def _against(row: Mapping[str, Any], parent: Mapping[str, Any] | None) -> dict[str, Any]:
    if parent is None:
        told = ", ".join(f"{name} {_short(row['recipe'][name])}" for name in _FIRST)
        return {"parent": "–", "change": told, "ahead": np.nan, "ahead_se": np.nan}
    name = parent["trial"] if parent["search"] == row["search"] else f"{parent['search']} {parent['trial']}"
    changed = ", ".join(changes(parent["recipe"], row["recipe"])) or "nothing: the same recipe"
    return {"parent": name, "change": changed} | _lead(row, parent)


def _lead(row: Mapping[str, Any], parent: Mapping[str, Any]) -> dict[str, float]:
    """Paired on the images of both; NaN where their folds are others, since then so are their images or nets."""
    if row["fold_hash"] == parent["fold_hash"]:
        both = ~np.isnan(row["right"]) & ~np.isnan(parent["right"])
        if both.any():
            found = paired(row["right"][both], parent["right"][both])
            return {"ahead": found.behind, "ahead_se": found.se}
    return {"ahead": np.nan, "ahead_se": np.nan}


def _ensemble(found: Found, own: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Its parent is the best of the trials that it was chosen from."""
    about = found.summary["ensemble"]
    weights = zip(about["members"], about["weights"], strict=True)
    told = ", ".join(f"{member_name(member)} x {weight:.2f}" for member, weight in weights)
    row, best = _scored(found, ENSEMBLE, found.pred_probs[ENSEMBLE]), max(own, key=lambda each: float(each["cv"]))
    return (
        row
        | _lead(row, best)
        | {
            "parent": best["trial"],
            "change": f"{about['method']} of {told}",
            "folds": f"{found.about['folds']} of {found.about['folds']}",
            "train_loss": np.nan,
            "valid_loss": about["oof_loss"],
            "hours": found.fold_epochs["seconds"].sum() / 3600,
        }
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done. 2: bad input."""
    flags = _read_flags(arguments)
    try:
        searches = [load(out) for out in flags.out]
        if flags.lb:
            if len(searches) != 1:
                raise InputError(f"--lb is of one search; name one OUT, got {len(searches)}")
            leaderboard.record(searches[0], flags.lb)
        finished = [found for found in searches if found.search.summary.exists()]
        for found in searches:
            if found not in finished:
                print(f"note: {found.place} is not finished, and left out")
        table = ledger(finished, flags.all)
    except InputError as error:
        print(f"analysis.ledger: {error}", file=sys.stderr)
        return 2
    _write(table, flags.to or _beside(flags.out[0]))
    return 0


def _beside(out: str) -> Path:
    return Path.cwd() if is_bucket(out) else Path(out).expanduser().resolve().parent


def _write(table: pd.DataFrame, folder: Path) -> None:
    there, text, told = LedgerFolder(folder), as_text(table), leaderboard.verdict(table)
    print(as_lines(text) if len(text) else "no finished search")
    print(told)
    write_whole(there.table, table.to_csv(index=False))
    write_whole(there.page, f"{as_markdown(text)}\n\n{told}\n")
    if table["lb"].notna().sum() > 1:
        leaderboard.figure(table).savefig(there.picture, dpi=110)
    print(f"written to {there.table} and {there.page.name}")


def _read_flags(arguments: Sequence[str] | None) -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m analysis.ledger", description=__doc__.splitlines()[0])
    parser.add_argument("out", metavar="OUT", nargs="+", help="folders, or places in a bucket, of searches")
    parser.add_argument(
        "--lb",
        nargs=2,
        action="append",
        metavar=("TRIAL", "SCORE"),
        help="a leaderboard score of a trial or `ensemble`",
    )
    parser.add_argument("--all", action="store_true", help="trials that were not promoted too, with their fold 0")
    parser.add_argument("--to", type=Path, metavar="DIR", help="where the ledger is written (beside the first OUT)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
