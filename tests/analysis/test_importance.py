"""Importance and dependence on scores whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from analysis import dependence as dependences
from analysis import forest
from analysis import importance as importances
from analysis.dependence import dependence, dependence_figure, two_figure, two_verdict, why_none
from analysis.importance import importance, importance_figure


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importances, "_REPEATS", 1)
    monkeypatch.setattr(importances, "_FOLDS", 5)
    monkeypatch.setattr(dependences, "_FORESTS", 5)
    monkeypatch.setattr(forest, "_TREES", 15)


def searched(count: int = 40, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "t1": rng.uniform(0.2, 1.0, count),
            "t2": rng.uniform(1.0, 2.0, count),
            "batch_size": rng.choice([16, 32], count),
            "backbone": rng.choice(["one", "two", "three"], count),
        }
    )


def noise(frame: pd.DataFrame, size: float = 0.05) -> pd.Series:
    return pd.Series(np.random.default_rng(9).normal(0, size, len(frame)), index=frame.index)


def test_what_decides_the_score_is_found_and_nothing_else() -> None:
    frame = searched()
    found = importance(frame, 2 * (frame["t1"] - 0.6).abs() + noise(frame))
    assert found.explained is not None
    assert found.explained.low > 0
    assert found.table["parameter"].iloc[0] == "t1"
    assert found.table.set_index("parameter")["enough"].to_dict() == {
        "t1": True, "t2": False, "batch_size": False, "backbone": False,
    }  # fmt: skip
    assert "It does so by t1;" in found.verdict


def test_a_backbone_counts_as_one_parameter() -> None:
    frame = searched()
    found = importance(frame, frame["backbone"].map({"one": 0.0, "two": 1.0, "three": 0.2}) + noise(frame))
    assert found.enough("backbone")
    assert 0.3 < found.table.set_index("parameter")["importance"]["backbone"] < 3


def test_of_noise_nothing_is_said() -> None:
    frame = searched()
    found = importance(frame, noise(frame))
    assert found.verdict.startswith("Too little evidence: from 40 trials a forest does not predict")
    assert not any(found.enough(name) for name in frame)


def test_of_few_trials_nothing_is_fitted() -> None:
    frame = searched(11)
    found = importance(frame, frame["t1"])
    assert found.verdict == "Too little evidence: 11 trials, and nothing is said of fewer than 12."
    assert found.table.empty
    assert dependence(frame, frame["t1"]) is None
    assert importance_figure(found).axes[0].texts[0].get_text() == found.verdict


def test_trials_without_a_score_are_left_out() -> None:
    frame = searched(20)
    assert importance(frame, frame["t1"].iloc[:9]).trials == 9


def test_two_that_only_matter_together_are_found_together() -> None:
    frame = searched(60)
    both = ((frame["t1"] > 0.6) != (frame["t2"] > 1.5)).astype(float)
    found = importance(frame, both + noise(frame), groups=[("t1", "t2"), ("t1", "absent")])
    assert "t1 x absent" not in set(found.table["parameter"])
    assert found.enough("t1 x t2")


def test_dependence_has_the_shape_of_the_truth_and_an_error() -> None:
    frame = searched(60)
    scores = 2 * (frame["t1"] - 0.6).abs() + noise(frame)
    curve = dependence(frame, scores).of("t1")  # type: ignore[union-attr]
    assert abs(curve["effect"].mean()) < 1e-9
    assert curve["effect"].iloc[0] > 0 < curve["effect"].iloc[-1]
    assert curve.loc[curve["effect"].idxmin(), "value"] == pytest.approx(0.6, abs=0.15)
    assert (curve["se"] > 0).all()
    assert curve["trials"].sum() == 60


def test_names_stand_on_the_grid_of_a_dependence() -> None:
    frame = searched()
    curve = dependence(frame, frame["backbone"].map({"one": 0.0, "two": 1.0, "three": 0.2})).of("backbone")  # type: ignore[union-attr]
    assert curve["value"].tolist() == ["one", "three", "two"]
    assert curve.loc[curve["effect"].idxmax(), "value"] == "two"


def test_a_heat_map_tells_bare_cells_and_too_little_evidence() -> None:
    frame = searched()
    scores = noise(frame)
    mattered = importance(frame, scores, groups=[("t1", "t2")])
    depends = dependence(frame, scores)
    assert depends is not None
    cells = depends.of_two("t1", "t2")
    assert len(cells) == 49
    assert cells["trials"].sum() == 40
    assert (cells["trials"] == 0).any()
    figure = two_figure(cells, mattered, "val_loss")
    assert figure.get_suptitle().startswith("Too little evidence that t1 and t2 mattered")
    assert "mattered; " in two_verdict(cells, True)
    panels = dependence_figure(depends, mattered, "val_loss").axes
    assert all("too little evidence" in axes.get_title() for axes in panels)


def test_why_there_is_no_heat_map() -> None:
    frame = searched()
    assert why_none(frame, ("t1", "loss"), frame["t1"]) == "Not searched: loss had one value in every trial."
    assert "40 trials" in why_none(frame, ("t1", "t2"), frame["t1"])
