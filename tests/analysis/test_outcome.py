"""The plan beside what happened, from a search folder made by hand."""

from pathlib import Path

import pandas as pd
import pytest

from analysis.outcome import cost, plan_and_outcome
from search_spaces.recipe import Recipe
from trainables.files import save_json
from trainables.layout import SearchFolder
from trainables.member import Member
from trainables.trial import Trial

RECIPE = Recipe(backbone="test_resnet", image_size=32, batch_size=8, learning_rate=0.01, epochs=4)


def trial(number: int, status: str, epochs: int) -> Trial:
    return Trial(number, RECIPE, status, pd.DataFrame({"val_loss": [1.0] * epochs, "seconds": [3.0] * epochs}))


TRIALS = {
    0: trial(0, "finished", 4),
    1: trial(1, "stopped", 2),
    2: trial(2, "stopped", 2),
    3: trial(3, "diverged", 1),
    4: trial(4, "unfinished", 0),
}


def rows_of(search: SearchFolder) -> dict[str, tuple[float, bool]]:
    rows = plan_and_outcome(search, TRIALS, promotion_epochs=4)
    return {row["what"]: (row["actual"], row["inside"]) for row in rows}


def test_each_line_says_whether_it_came_true(tmp_path: Path) -> None:
    search = SearchFolder(tmp_path)
    said = {"search_epochs": [8, 10], "promotion_epochs": [5, 6], "stopped": {"2": [0.5, 0.7]}, "wall_s": [60, 120]}
    save_json(search.forecast, said)
    save_json(search.spending, {"seconds": 90})
    assert rows_of(search) == {
        "epochs of the search": (9, True),
        "epochs of promotion": (4, False),
        "stopped at rung 2, %": (pytest.approx(200 / 3), True),
        "minutes": (1.5, True),
    }


def test_how_many_trials_a_budget_bought_is_held_against_what_was_said(tmp_path: Path) -> None:
    """Trial 4 was cut before its first epoch."""
    search = SearchFolder(tmp_path)
    said = {"search_epochs": [8, 10], "promotion_epochs": [4, 4], "stopped": {}, "search_trials": [2, 3]}
    save_json(search.forecast, {**said, "budget": None})
    assert "trials" not in rows_of(search)
    save_json(search.forecast, {**said, "budget": {"seconds": None, "epochs": 14}})
    assert rows_of(search)["trials"] == (4, False)


def test_where_nothing_was_foretold_nothing_is_held_against_it(tmp_path: Path) -> None:
    assert rows_of(SearchFolder(tmp_path)) == {}


def test_a_member_costs_what_the_search_had_not_trained(tmp_path: Path) -> None:
    """Trial 0 was stopped after two of four epochs; of trial 1 a diagonal wants fold 1 alone."""
    search = SearchFolder(tmp_path)
    trials = {0: trial(0, "stopped", 2), 1: trial(1, "finished", 4)}
    for number in (0, 1):
        for fold in (0, 1):
            path = search.trial(number).fold(fold).metrics
            path.parent.mkdir(parents=True)
            pd.DataFrame({"epoch": range(4), "seconds": 3.0 + number}).to_csv(path)
    assert cost(search, trials, Member.of(0, 2)) == {"epochs": 2 + 4, "seconds": 6 * 3.0}
    assert cost(search, trials, Member((0, 1))) == {"epochs": 2 + 4, "seconds": 2 * 3.0 + 4 * 4.0}
