"""The ledger of searches made by hand, and leaderboard scores beside it."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis import leaderboard
from analysis.ledger import changes, ledger, main, parent_of
from analysis.ledger_text import as_lines, as_markdown, as_text
from trainables.files import load_json, save_json
from trainables.layout import SearchFolder


def test_each_row_is_told_against_its_parent(small_out: Path) -> None:
    table = ledger([analysis.load(small_out)])
    assert table["trial"].tolist() == ["000", "001", "ensemble"]
    assert table["parent"].tolist() == ["–", "000", "000"]
    assert table["change"].tolist()[1:] == ["t2 1 → 1.2", "mean of 000 x 0.50, 001 x 0.50"]
    assert table["change"].iloc[0].startswith("backbone test_resnet, image_size 32, batch_size 8")
    predictions = analysis.load(small_out).predictions
    right = predictions.pivot(index="image_id", columns="model", values="right")
    assert table["cv"].tolist() == pytest.approx([right[name].mean() for name in table["trial"]])
    assert table["ahead"].iloc[1] == pytest.approx((right["001"] - right["000"]).mean())
    assert table["ahead_se"].iloc[1] == pytest.approx((right["001"] - right["000"]).std(ddof=0) / 200**0.5)
    assert table["folds"].tolist() == ["3 of 3"] * 3
    assert table["train_loss"].iloc[0] == pytest.approx(0.55)
    assert table["valid_loss"].tolist() == pytest.approx([0.6, 0.7, 0.4])
    assert (table["hours"] * 3600).tolist() == pytest.approx([120, 120, 280])


def test_a_trial_of_one_fold_has_a_row_if_asked_for_or_on_the_leaderboard(small_out: Path) -> None:
    found = analysis.load(small_out)
    assert ledger([found], everyone=True)["trial"].tolist() == ["000", "001", "002", "003", "ensemble"]
    save_json(found.search.leaderboard, {"002": 0.8})
    table = ledger([found]).set_index("trial")
    assert table.index.tolist() == ["000", "001", "002", "ensemble"]
    assert table.loc["002", ["folds", "parent", "lb"]].tolist() == ["1 of 3", "000", 0.8]
    fold = found.images["fold"] == 0
    right = found.probs_of(2).argmax(1) == found.images["label"]
    assert table.loc["002", "cv"] == pytest.approx(right[fold].mean())
    before = found.pred_probs["000"].argmax(1) == found.images["label"]
    assert table.loc["002", "ahead"] == pytest.approx(right[fold].mean() - before[fold].mean())


def test_a_member_may_have_another_trial_in_each_fold(small_out: Path) -> None:
    search = SearchFolder(small_out)
    save_json(search.promoted, [0, [1, 0, 1]])
    found = analysis.load(small_out)
    table = ledger([found]).set_index("trial")
    assert table.index.tolist() == ["000", "001/000/001", "ensemble"]
    assert table.loc["001/000/001", ["parent", "folds"]].tolist() == ["–", "3 of 3"]
    mixed, first = found.pred_probs["001/000/001"], found.pred_probs["000"]
    folds = found.images["fold"].to_numpy()
    np.testing.assert_array_equal((mixed == first).all(1) | (folds != 1), True)
    np.testing.assert_array_equal(mixed[folds == 0], found.probs_of(1)[folds == 0])


def test_a_later_search_has_parents_in_the_earlier_one(small_out: Path, tmp_path: Path) -> None:
    later = SearchFolder(tmp_path / "later")
    shutil.copytree(small_out, later.path)
    for path in later.path.glob("trials/*/fold*/metrics.csv"):
        rows = pd.read_csv(path)
        rows.assign(ended_at=rows["ended_at"] + 1e6).to_csv(path, index=False)
    recipe = load_json(later.trial(1).recipe)
    save_json(later.trial(1).recipe, {**recipe, "smoothing": 0.1})
    table = ledger([analysis.load(later.path), analysis.load(small_out)])
    assert table["search"].tolist()[:3] == [str(small_out)] * 3
    rows = table.iloc[3:5]
    assert rows["parent"].tolist() == [f"{small_out} 000", f"{small_out} 001"]
    assert rows["change"].tolist() == ["nothing: the same recipe", "smoothing 0 → 0.1"]
    assert rows["ahead"].tolist() == [0, 0]
    folds = load_json(later.search)
    save_json(later.search, {**folds, "fold_hash": "another"})
    assert ledger([analysis.load(small_out), analysis.load(later.path)])["ahead"].iloc[3:5].isna().all()


def test_the_parent_has_the_fewest_changes_and_then_the_better_score() -> None:
    recipe = {"t1": 0.8, "t2": 1.4, "seed": 0}
    far, near = {"recipe": {**recipe, "t1": 1.0, "t2": 1.0}, "cv": 0.9}, {"recipe": {**recipe, "t1": 0.9}, "cv": 0.5}
    better = {**near, "cv": 0.6}
    assert parent_of({"recipe": recipe}, [far, near, better]) is better
    assert parent_of({"recipe": recipe}, []) is None
    assert changes(far["recipe"], {**recipe, "seed": 3}) == ["t1 1 → 0.8", "t2 1 → 1.4"]


def test_leaderboard_scores_are_written_down(small_out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(small_out), "--lb", "1", "0.897", "--lb", "ensemble", "0.9"]) == 0
    assert load_json(SearchFolder(small_out).leaderboard) == {"001": 0.897, "ensemble": 0.9}
    assert "CV against LB: Too little evidence: 2 scores" in capsys.readouterr().out
    table = pd.read_csv(small_out.parent / "ledger.csv", dtype={"trial": str})
    assert table.set_index("trial")["lb"].to_dict() == pytest.approx(
        {"000": float("nan"), "001": 0.897, "ensemble": 0.9}, nan_ok=True
    )
    assert "| LB |" in (small_out.parent / "ledger.md").read_text()
    assert (small_out.parent / "ledger.png").exists()
    assert main([str(small_out), "--lb", "1", "0.898", "--to", str(small_out / "there")]) == 0
    assert load_json(SearchFolder(small_out).leaderboard) == {"001": 0.898, "ensemble": 0.9}
    assert (small_out / "there" / "ledger.md").exists()


def test_bad_scores_are_told_all_at_once(small_out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(small_out), "--lb", "9", "0.9", "--lb", "1", "89.7", "--lb", "0", "good"]) == 2
    said = capsys.readouterr().err
    assert "there is no trial '9'" in said
    assert "the score of 1 must be a share, from 0 to 1, got 89.7" in said
    assert "the score of 0 must be a number, got 'good'" in said
    assert not SearchFolder(small_out).leaderboard.exists()
    assert main([str(small_out), str(small_out), "--lb", "1", "0.9"]) == 2
    assert "--lb is of one search" in capsys.readouterr().err
    assert main([str(small_out / "nowhere")]) == 2


def test_an_unfinished_search_is_left_out(small_out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    SearchFolder(small_out).summary.unlink()
    assert main([str(small_out)]) == 0
    said = capsys.readouterr().out
    assert "is not finished, and left out" in said
    assert "no finished search" in said


def scored(cv: list[float], lb: list[float], folds: int = 1) -> pd.DataFrame:
    hashes = [str(row % folds) for row in range(len(cv))]
    return pd.DataFrame({"trial": "000", "cv": cv, "se": 0.005, "lb": lb, "fold_hash": hashes})


def test_cv_is_held_against_the_leaderboard() -> None:
    cv = [0.87 + 0.002 * row for row in range(12)]
    told = leaderboard.verdict(scored(cv, [value + 0.01 for value in cv]))
    assert told.startswith("CV against LB: rank correlation +1.000")
    assert "Too little" not in told
    noisy = leaderboard.verdict(scored(cv[:6], [0.89, 0.87, 0.9, 0.88, 0.886, 0.893], folds=2))
    assert "Too little evidence: its interval includes zero." in noisy
    assert "of 2 data sets or folds" in noisy
    assert leaderboard.verdict(scored([0.8], [float("nan")])).startswith("No leaderboard score is written down")
    assert len(leaderboard.figure(scored(cv, cv, folds=2)).axes[0].containers) == 2


def test_a_tie_is_called_one() -> None:
    row = {"search": "s", "trial": "000", "parent": "–", "change": "a | b", "folds": "5 of 5", "cv": 0.9, "se": 0.01}
    row |= {"ahead": 0.001, "ahead_se": 0.002, "lb": float("nan"), "train_loss": 1, "valid_loss": 1, "hours": 0.5}
    text = as_text(pd.DataFrame([row, {**row, "ahead": 0.01, "hours": 3.0}]))
    assert text["ahead of parent"].tolist() == ["+0.0010 ± 0.0020 (tie)", "+0.0100 ± 0.0020"]
    assert text["time"].tolist() == ["30.0 min", "3.00 h"]
    assert [line.split()[0] for line in as_lines(text).splitlines()] == ["search", "s", "a", "s", "a"]
    lines = as_markdown(text).splitlines()
    assert len(lines) == 4
    assert "a / b" in lines[2]
