"""`load(OUT)`: a search as tidy pandas frames."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from search_spaces.errors import InputError
from trainables.layout import SearchFolder, load_object, load_rows
from trainables.scores import METRICS
from trainables.trial import Trial, load_trials

_LAST = (*METRICS, *(f"{metric}_se" for metric in METRICS), "temperature", "calibration_error")


@dataclass(frozen=True)
class Found:
    """A search in OUT, finished or not. Every frame is made afresh from the files, once."""

    search: SearchFolder

    @cached_property
    def about(self) -> dict[str, Any]:
        """What the search is: space, data, seed, hashes, command."""
        return load_object(self.search.search, "space", "data", "seed", "fold_hash", "code_hash")

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json; there once the search is finished."""
        return load_object(self.search.summary, "best_trial", "promoted", "ensemble", "metric", "command")

    @cached_property
    def trial_list(self) -> list[Trial]:
        """Every trial as its folder tells it."""
        return load_trials(self.search)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row a trial: `trial`, `status`, `epoch`, its last metrics with their `_se`, and its recipe's fields."""
        rows = []
        for trial in self.trial_list:
            last = {name: trial.last(name) for name in _LAST} if trial.epoch else {}
            rows.append(
                {"trial": trial.number, "status": trial.status, "epoch": trial.epoch} | last | trial.recipe.to_dict()
            )
        return pd.DataFrame(rows)

    @cached_property
    def standings(self) -> pd.DataFrame:
        """One row a judged trial, best first: how far `behind` the first, paired on the same images, and ties."""
        return pd.DataFrame(load_rows(self.search.standings, "trial", "epoch"))

    @cached_property
    def ways(self) -> pd.DataFrame:
        """One row a promoted trial and way to answer by its epochs, as `analysis.epochs.compare_epochs` has them."""
        return pd.DataFrame(self.summary.get("ways", []))

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """One row a trial and epoch of the search on fold 0."""
        parts = [
            trial.epochs.assign(trial=trial.number, status=trial.status) for trial in self.trial_list if trial.epoch
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    @cached_property
    def label_issues(self) -> pd.DataFrame:
        """One row a suspicious label, worst first; of a finished search."""
        try:
            return pd.read_csv(self.search.label_issues, dtype={"image_id": str}, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.search.label_issues} cannot be read: {error}") from None

    @cached_property
    def tta(self) -> pd.DataFrame:
        """One row a trial and TTA count: its scores at the epoch where it was last scored at every count."""
        rows: list[dict[str, Any]] = []
        for trial in self.trial_list:
            path = self.search.trial(trial.number).fold(0).tta_curve
            if path.exists():
                stored = load_object(path, "epoch", "curve")
                rows += [{"trial": trial.number, "epoch": stored["epoch"], **point} for point in stored["curve"]]
        return pd.DataFrame(rows)


def load(out: str | Path) -> Found:
    """The search in the folder OUT. `InputError` where there is none."""
    search = SearchFolder(Path(out).resolve())
    if not search.search.exists():
        raise InputError(f"{search.path} holds no search (it has no {search.search.name})")
    return Found(search)
