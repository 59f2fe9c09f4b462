"""Trials as their folders tell them."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from search_spaces.recipe import Recipe
from trainables import trial as module
from trainables.files import save_json, write_whole
from trainables.layout import SearchFolder
from trainables.trial import load_trial, load_trials

RECIPE = Recipe(backbone="test_resnet", image_size=32, batch_size=8, learning_rate=0.01, epochs=4)


@pytest.fixture
def search(tmp_path: Path) -> SearchFolder:
    """Trial 0 went to its end, 1 was stopped and then promoted, 2 was cut, 3 diverged, 4 has not begun, 5 was slow."""
    found = SearchFolder(tmp_path)
    for number, epochs in enumerate((4, 4, 3, 2, 0, 3)):
        save_json(found.trial(number).recipe, RECIPE.to_dict())
        rows = [{"epoch": e, "val_loss": 1 / e, "diverged": number == 3 and e == 2} for e in range(1, epochs + 1)]
        if rows:
            write_whole(found.trial(number).fold(0).metrics, pd.DataFrame(rows).to_csv(index=False))
    save_json(found.rungs, {"stopped": {"1": 2}})
    save_json(found.spending, {"cut": {"2": 3}, "slow": {"5": 3}})
    return found


def test_each_is_as_the_search_left_it(search: SearchFolder) -> None:
    trials = load_trials(search)
    ends = [(trial.status, trial.epoch) for trial in trials]
    assert ends == [("finished", 4), ("stopped", 2), ("cut", 3), ("diverged", 2), ("unfinished", 0), ("slow", 3)]
    assert [trial.judged for trial in trials] == [True, True, True, False, False, False]
    assert trials[1].last("val_loss") == 1 / 2
    alone = load_trial(search, 1)
    assert (alone.status, alone.epoch) == ("stopped", 2)


def test_what_grows_with_the_search_is_read_once_for_all_trials(
    search: SearchFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    load_object = module.load_object

    def counted(path: Path, *keys: str) -> dict[str, Any]:
        read.append(path.name)
        return load_object(path, *keys)

    monkeypatch.setattr(module, "load_object", counted)
    assert len(load_trials(search)) == 6
    assert [read.count(name) for name in ("recipe.json", "rungs.json", "spending.json")] == [6, 1, 1]
