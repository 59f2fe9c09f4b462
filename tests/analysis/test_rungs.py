import numpy as np
import pandas as pd
import pytest

from analysis.frames import rung_frame, searched_frame
from analysis.parallel_coordinates import parallel_coordinates
from analysis.rungs import (
    agreement,
    agreement_figure,
    agreement_verdict,
    scores_at,
    survival,
    survival_by,
    survival_figure,
)

LOSS = "val_loss"


def trials(count: int = 12) -> pd.DataFrame:
    numbers = np.arange(count)
    done = numbers % 2 == 0
    return pd.DataFrame(
        {
            "trial": numbers,
            "status": np.where(done, "finished", "stopped"),
            "epoch": np.where(done, 6, 2),
            LOSS: numbers / 10,
            "backbone": ["one", "two", "three"] * (count // 3),
            "batch_size": [16, 32] * (count // 2),
            "learning_rate": [0.001, 0.004] * (count // 2),
            "image_size": 32,
        }
    )


def rungs(count: int = 12) -> pd.DataFrame:
    values = {"2": {str(number): 1 + number / 10 for number in range(count)}}
    stopped = {str(number): 2 for number in range(1, count, 2)}
    return rung_frame({"values": values, "stopped": stopped}, trials(count), LOSS)


def test_survival_by_hand() -> None:
    row = survival(rungs(), LOSS).iloc[0]
    assert (row["rung"], row["arrived"], row["went_on"], row["share"]) == (2, 12, 6, 0.5)
    assert (row["best"], row["worst_gone_on"], row["best_stopped"]) == pytest.approx((1.0, 2.0, 1.1))
    assert row["low"] < 0.5 < row["high"]
    accuracy = survival(rungs(), "val_accuracy").iloc[0]
    assert (accuracy["best"], accuracy["worst_gone_on"], accuracy["best_stopped"]) == pytest.approx((2.0, 1.0, 2.1))


def test_survival_of_each_backbone() -> None:
    table = survival_by(rungs(), trials().set_index("trial")["backbone"])
    assert table["backbone"].tolist() == ["one", "three", "two"]
    assert table["arrived"].tolist() == [4, 4, 4]
    assert table["went_on"].sum() == 6


def test_agreement_is_of_those_that_trained_to_the_end() -> None:
    pairs = agreement(rungs())
    assert pairs[["rung", "later", "n"]].to_numpy().tolist() == [[2, "end", 6]]
    assert pairs["correlation"].iloc[0] == pytest.approx(1)
    assert agreement_verdict(pairs).startswith("Rank correlation of rung 2 with the end, of 6 trials")
    few = agreement(rungs(6))
    assert np.isnan(few["correlation"].iloc[0])
    assert agreement_verdict(few).startswith("Too little evidence: 3 trials that trained to the end")
    assert agreement_verdict(agreement(rungs().iloc[:0])) == "There was no rung."


def test_an_agreement_whose_interval_holds_zero_is_too_little() -> None:
    frame = rungs()
    frame.loc[frame["end"].notna(), "end"] = [3, 1, 6, 2, 5, 4]
    assert "Too little evidence: its interval includes zero" in agreement_verdict(agreement(frame))


def test_scores_are_of_a_rung_or_of_the_end_where_there_is_none() -> None:
    assert len(scores_at(rungs(), trials(), LOSS)) == 12
    assert scores_at(rungs(), trials(), LOSS)[3] == pytest.approx(1.3)
    assert len(scores_at(rungs(), trials(), LOSS, rung=6)) == 0
    assert scores_at(rungs().iloc[:0], trials(), LOSS).index.tolist() == [0, 2, 4, 6, 8, 10]


def test_the_searched_learning_rate_is_the_rule_s_factor() -> None:
    rule = {"learning_rate": {"linear_scaling": [0.5, 2], "base": 0.002, "per": 32}}
    frame = searched_frame(trials(), rule)
    assert list(frame.columns) == ["backbone", "batch_size", "learning_rate_factor"]
    assert frame["learning_rate_factor"].tolist()[:2] == [1.0, 2.0]
    assert "learning_rate" in searched_frame(trials(), {})


def test_every_trial_is_a_line() -> None:
    frame = searched_frame(trials(), {})
    axes = parallel_coordinates(frame, trials(), LOSS).axes[0]
    columns = len(frame.columns) + 1
    assert len(axes.lines) == 12 + columns
    assert [label.get_text() for label in axes.get_xticklabels()][-1] == LOSS
    heights = np.concatenate([line.get_ydata() for line in axes.lines[:12]])
    assert heights.min() == 0
    assert heights.max() == 1


def test_the_pictures_of_rungs_are_drawn() -> None:
    left, right = survival_figure(rungs(), trials(), LOSS).axes
    assert [line.get_ydata().tolist() for line in left.lines] == [[12, 12, 6, 6, 6, 6]]
    assert sum(len(dots.get_offsets()) for dots in right.collections) == 12
    assert "rank correlation +1.00 (n = 6)" in agreement_figure(rungs(), LOSS).axes[0].get_title()
