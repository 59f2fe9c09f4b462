"""`search.py --replay OUT TRIAL`: one trial of a search trained again, and held against what the search wrote."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Hashable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from search_spaces.errors import InputError
from trainables.bar import bar
from trainables.data.folds import Folds
from trainables.data.kaggle import check_data
from trainables.data.place import DataPlace
from trainables.files import load_object
from trainables.layout import FoldFolder, SearchFolder
from trainables.scores import METRICS
from trainables.setting import Setting
from trainables.train import Row, train
from trainables.trial import load_trial

COMPARED = ("train_loss", *METRICS)


def replay(out: str, trial_name: str) -> int:
    """Train a trial (`7` or `007`) again on fold 0, as far as the search did; returns how many epochs differ.

    Same means every bit, with the number of threads that the search gave the trial; on a GPU that asks for a search
    with `--deterministic`. Epochs from the first that several processes trained together on are not compared. Raises
    `InputError` where OUT has no such trial, or where the data have changed.
    """
    search = SearchFolder(Path(out).resolve())
    number = int(trial_name) if trial_name.isdecimal() else -1
    if not search.search.exists() or number not in search.trial_numbers():
        raise InputError(f"--replay needs a search and the number of one of its trials; {out} has no {trial_name!r}")
    about = load_object(search.search, "data", "seed", "weights", "deterministic")
    trial, folds = load_trial(search, number), Folds.load(search.folds)
    if not trial.epoch:
        raise InputError(f"--replay: trial {number:03d} of {out} has no epoch to compare with")
    with bar("checking images", quiet=False) as update:
        data, contents = check_data(
            DataPlace(about["data"], about["seed"]).here(), update, skip_bad=search.skipped.exists()
        )
    if contents.hash != folds.data_hash:
        raise InputError(f"--replay: the data of {out} were {folds.data_hash}, {about['data']} now is {contents.hash}")
    weights = Path(about["weights"]) if about["weights"] else None
    differing = 0
    with tempfile.TemporaryDirectory() as scratch:
        threads = int(trial.epochs["threads"].iloc[0])
        setting = Setting(weights, threads=threads, deterministic=about["deterministic"])
        again = train(trial.recipe, data, folds, 0, FoldFolder(Path(scratch)), setting)
        records = trial.epochs.to_dict("records")
        alone = list(takewhile(lambda stored: not stored.get("processes", 1) > 1, records))
        for stored, row in zip(alone, again, strict=False):
            differing += not _agrees(stored, row)
    if len(alone) < len(records):
        print(f"epoch {len(alone) + 1} and later ones are not compared: several processes trained it, to other bits")
    return differing


def _agrees(stored: Mapping[Hashable, Any], row: Row) -> bool:
    """Compare one epoch and say it."""
    apart = [name for name in COMPARED if not _same(stored[name], row[name])]
    values = "  ".join(f"{name} {row[name]:.6f}" for name in COMPARED)
    was = ", ".join(f"{name} was {stored[name]!r}, is {row[name]!r}" for name in apart)
    print(f"epoch {row['epoch']}  {values}  {'DIFFERS: ' + was if apart else 'the same'}", flush=True)
    return not apart


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
