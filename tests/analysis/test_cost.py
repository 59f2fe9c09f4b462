from pathlib import Path

import pandas as pd
import pytest

import analysis
from analysis.cost import by_trial, timeline, timeline_figure, totals


def test_hours_are_told_by_purpose(small_out: Path) -> None:
    found = analysis.load(small_out)
    costs = by_trial(found.fold_epochs, found.trials)
    assert costs["search_s"].tolist() == [40.0, 40.0, 20.0, 20.0]
    assert costs["promotion_s"].tolist() == [80.0, 80.0, 0.0, 0.0]
    assert costs["share_scoring"].tolist() == pytest.approx([0.1] * 4)
    table = totals(costs, price_per_hour=3.6)
    assert (table["hours"] * 3600).tolist() == pytest.approx([40, 80, 160, 280])
    assert table["cost"].iloc[-1] == pytest.approx(0.28)
    assert "cost" not in totals(costs)


def test_trainings_that_overlap_have_lanes_of_their_own(small_out: Path) -> None:
    found = analysis.load(small_out)
    trainings = timeline(found.fold_epochs, found.trials)
    assert len(trainings) == 4 + 4
    assert trainings["begin_s"].min() == 0
    assert set(trainings["lane"]) == {0}
    together = found.fold_epochs.assign(ended_at=found.fold_epochs["epoch"] * 10.0)
    lanes = timeline(together, found.trials)
    assert sorted(lanes["lane"]) == list(range(8))
    bars = timeline_figure(trainings).axes[0].patches
    assert len(bars) == 8


def test_of_no_training_there_is_no_row() -> None:
    empty = pd.DataFrame({name: [] for name in ("trial", "stage", "seconds", "images_per_s", "score_s")})
    assert by_trial(empty, pd.DataFrame()).empty
