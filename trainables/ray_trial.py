"""The one file of this package that names Ray: a trial as Ray Tune sees it, and nothing more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import tune

from search_spaces.recipe import Recipe
from trainables.data.folds import Folds
from trainables.data.kaggle import load_data
from trainables.layout import SearchFolder, load_json
from trainables.setting import Setting
from trainables.train import train


def run_trial(config: dict[str, Any], *, data_root: Path, out: Path, setting: Setting) -> None:
    """Train trial `config["trial"]` of the search in `out` on fold 0, and report each epoch.

    Ray Tune ends a trial that the scheduler stops inside `tune.report`, by SystemExit.
    """
    search = SearchFolder(out)
    folder = search.trial(config["trial"])
    recipe = Recipe.from_dict(load_json(folder.recipe))
    folds = Folds.load(search.folds)
    for row in train(recipe, load_data(data_root), folds, 0, folder.fold(0), setting):
        tune.report(row)
