"""Tables by fold, source and class, paired differences, and what a choice flatters, by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.differences import differences_figure, differences_verdict, paired_differences
from analysis.optimism import choice_optimism, chosen_fold, rival_goods
from analysis.part_scores import by_part, fold_figure, fold_spread, side_by_side, spread_verdict


def predictions(shares: dict[str, list[float]], images: int = 200) -> pd.DataFrame:
    """Of models, by the share of each fold that they have right: the first images of it."""
    rows = [
        {
            "model": model,
            "fold": fold,
            "image_id": f"{fold}_{row}",
            "source": "ab"[row % 2],
            "right": float(row < round(share * images)),
            "val_loss": 1.0 - (row < round(share * images)),
        }
        for model, of_folds in shares.items()
        for fold, share in enumerate(of_folds)
        for row in range(images)
    ]
    return pd.DataFrame(rows)


def test_a_table_by_fold_ends_with_all() -> None:
    table = by_part(predictions({"000": [0.5, 0.7], "001": [0.6, 0.8]}), ["fold"])
    assert table["fold"].tolist() == [0, 0, 1, 1, "all", "all"]
    assert table["mean"].tolist() == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.6, 0.7])
    assert table["se"].iloc[0] == pytest.approx(np.sqrt(0.25 / 200))
    wide = side_by_side(table, ["fold"])
    assert list(wide.columns) == ["images", "000", "001"]
    assert wide.loc["all", "001"] == "0.7000 ± 0.0229"
    assert wide["images"].tolist() == [200, 200, 400]
    assert len(fold_figure(table).axes[0].containers) == 2


def test_a_trial_of_some_folds_leaves_gaps() -> None:
    frame = predictions({"000": [0.5, 0.7], "001": [0.6, 0.8]})
    wide = side_by_side(by_part(frame[(frame["model"] == "000") | (frame["fold"] == 1)], ["fold"]), ["fold"])
    assert wide.loc[0].tolist() == [200, "0.5000 ± 0.0354", "–"]


def test_two_parts_cross() -> None:
    table = by_part(predictions({"000": [0.5, 0.7]}), ["fold", "source"])
    assert table[["fold", "source"]].to_numpy().tolist() == [
        [0, "a"], [0, "b"], [1, "a"], [1, "b"], ["all", "all"],
    ]  # fmt: skip
    assert side_by_side(table, ["fold", "source"]).loc[(1, "a"), "images"] == 100


def test_folds_are_told_apart_only_beyond_chance() -> None:
    alike, apart = (fold_spread(predictions({"000": shares})) for shares in ([0.80, 0.82, 0.79], [0.80, 0.60, 0.82]))
    assert not alike["enough"].iloc[0]
    assert alike["by_chance"].iloc[0] == pytest.approx(np.sqrt(0.8033 * 0.1967 / 200), abs=1e-3)
    assert spread_verdict(alike).startswith("No model's folds are further apart")
    assert apart["enough"].iloc[0]
    assert "for 000" in spread_verdict(apart)


def test_differences_are_paired_and_corrected_for_their_number() -> None:
    frame = predictions({"000": [0.5, 0.5], "001": [0.55, 0.55], "002": [0.5, 0.505]})
    pairs = paired_differences(frame)
    assert len(pairs) == 3
    first = pairs.iloc[0]
    assert (first["model"], first["other"], first["images"]) == ("001", "000", 400)
    assert first["ahead"] == pytest.approx(0.05)
    assert first["se"] == pytest.approx(np.sqrt(0.05 * 0.95 / 400))
    assert first["high"] - first["low"] == pytest.approx(2 * 2.394 * first["se"], rel=1e-3)
    assert pairs["enough"].tolist() == [True, False, True]
    assert differences_verdict(pairs) == (
        "2 of 3 differences exclude zero: 001 ahead of 000, 001 ahead of 002. The rest are ties."
    )
    in_loss = paired_differences(frame, "val_loss", against="000")
    assert in_loss["ahead"].tolist() == pytest.approx([0.05, 0.0025])
    assert len(differences_figure(pairs).axes[0].get_yticklabels()) == 3


def test_one_model_has_nobody_to_be_ahead_of() -> None:
    pairs = paired_differences(predictions({"000": [0.5]}))
    assert differences_verdict(pairs) == "There is one model, and nothing to compare it with."
    differences_figure(pairs)


def test_models_of_other_images_are_not_compared() -> None:
    frame = predictions({"000": [0.5, 0.5], "001": [0.5, 0.5]})
    assert paired_differences(frame[(frame["model"] == "000") == (frame["fold"] == 0)]).empty


def test_the_fold_that_chose_stands_against_the_others() -> None:
    row = chosen_fold(predictions({"000": [0.9, 0.7, 0.7]})).iloc[0]
    assert (row["on_fold_0"], row["elsewhere"], row["optimism"]) == pytest.approx((0.9, 0.7, 0.2))
    assert row["enough"]
    assert not chosen_fold(predictions({"000": [0.72, 0.7, 0.7]}))["enough"].iloc[0]
    assert chosen_fold(predictions({"000": [0.9]})).empty


def test_choosing_among_equals_flatters_as_theory_says() -> None:
    """Of ten trials with independent standard normal goods, the best mean of n is 1.54 / sqrt(n) above the truth."""
    rng = np.random.default_rng(0)
    found = [
        choice_optimism(dict(enumerate(rng.standard_normal((10, 100)))), rounds=60, seed=seed).optimism
        for seed in range(20)
    ]
    assert np.mean(found) == pytest.approx(1.54 / 10, rel=0.25)


def test_a_clear_winner_is_hardly_flattered() -> None:
    rng = np.random.default_rng(0)
    goods = {7: rng.standard_normal(200) + 3, 8: rng.standard_normal(200)}
    found = choice_optimism(goods, rounds=100)
    assert abs(found.optimism) < 0.03
    assert found.shares == {7: 1.0, 8: 0.0}
    assert "Trial 007 wins 100% of choices by half" in found.verdict
    assert choice_optimism({7: goods[7]}, rounds=5).verdict.startswith("One trial trained so long")


def test_rivals_are_those_that_trained_as_long_as_the_best(small_out: Path) -> None:
    goods = rival_goods(analysis.load(small_out))
    assert list(goods) == [0, 1]
    assert len(goods[0]) == (analysis.load(small_out).images["fold"] == 0).sum()
    assert (goods[0] <= 0).all()
