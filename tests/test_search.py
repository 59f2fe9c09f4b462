"""The whole command on real images: every file that it promises, what reads them, and a death in the middle."""

import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pandas as pd
import pytest
from rich.text import Text
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

import analysis
from cluster.promotion import ruled_out
from search_spaces import InputError, Recipe
from trainables.data.folds import Folds
from trainables.data.kaggle import load_data
from trainables.files import load_array, load_json
from trainables.layout import SearchFolder
from trainables.member import Member, oof_pred_probs
from trainables.scores import METRICS, accuracy

ROOT = Path(__file__).parent.parent
Command = Callable[..., CompletedProcess[str]]
pytestmark = pytest.mark.slow


def read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(path.read_text()))


def test_the_summary_says_what_was_promised(finished_search: Path) -> None:
    summary = load_json(finished_search / "summary.json")
    keys = {"best_trial", "promoted", "ensemble", "epochs_trained", "epochs_without_stopping"}
    assert keys | {"fold_hash", "code_hash", "seed", "wall_s"} <= set(summary)
    assert len(summary["promoted"]) == 2
    for row in summary["promoted"]:
        assert {"trial", "recipe", "cv_accuracy", "cv_se", "cv_loss", "folds"} <= set(row)
        Recipe.from_dict(row["recipe"])
        assert [fold["fold"] for fold in row["folds"]] == [0, 1, 2]
        assert sum(fold["images"] for fold in row["folds"]) == 1257
    ensemble = summary["ensemble"]
    assert {"members", "weights", "oof_accuracy", "oof_se", "test_accuracy"} <= set(ensemble)
    assert sum(ensemble["weights"]) == pytest.approx(1.0)
    assert set(ensemble["members"]) <= {row["trial"] for row in summary["promoted"]}
    assert summary["best_trial"]["test_accuracy"] > 0.3  # three epochs, yet far above chance
    assert 0 < summary["epochs_trained"] <= summary["epochs_without_stopping"] == 4 * 3


def test_out_of_fold_predictions_are_whole_and_are_the_numbers(finished_search: Path) -> None:
    search = SearchFolder(finished_search)
    folds = Folds.load(search.folds)
    summary, oof = load_json(search.summary), read_csv(search.oof)
    assert summary["fold_hash"] == folds.hash
    for row in summary["promoted"]:
        probs = oof_pred_probs(search, Member.of(row["trial"], 3), folds)
        assert np.isfinite(probs).all()
        np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)
        assert accuracy(probs, oof["label"].to_numpy()) == pytest.approx(row["cv_accuracy"])
    assert (oof["prediction"] == oof["label"]).mean() == pytest.approx(summary["ensemble"]["oof_accuracy"])
    assert oof["fold"].tolist() == folds.fold_of.tolist()


def test_fold_zero_is_reused_and_the_losers_weights_are_gone(finished_search: Path) -> None:
    search = SearchFolder(finished_search)
    promoted = load_json(search.promoted)
    for number in search.trial_numbers():
        assert search.trial(number).fold(0).weights.exists() == (number in promoted)
        assert search.trial(number).fold(0).checkpoint.exists() == (number in promoted)
    for trial in analysis.load(finished_search).trial_list:
        stopped_at = load_json(search.rungs)["stopped"].get(str(trial.number))
        assert trial.epoch == (stopped_at or 3)


def test_what_is_left_on_disk_is_within_what_the_plan_said(finished_search: Path) -> None:
    search = SearchFolder(finished_search)
    left = sum(path.stat().st_size for path in search.trials.rglob("*") if path.is_file())
    assert left <= load_json(search.forecast)["disk_bytes"] < 20 * left


def test_the_submission_is_the_sample_s(finished_search: Path) -> None:
    sample, answer = (read_csv(finished_search / name) for name in ("data/sample_submission.csv", "submission.csv"))
    assert list(answer.columns) == list(sample.columns)
    assert answer["image_id"].tolist() == sample["image_id"].tolist()
    assert set(answer["label"]) <= set(range(10))
    assert answer["label"].nunique() > 5


def test_a_trial_can_be_replayed(finished_search: Path, command_here: Command, tmp_path: Path) -> None:
    same = command_here("search.py", "--replay", finished_search, "1")
    assert same.returncode == 0, same.stdout + same.stderr
    assert same.stdout.count("the same") == len(analysis.load(finished_search).trial_list[1].epochs)

    other = tmp_path / "OUT"
    shutil.copytree(finished_search, other)
    metrics = SearchFolder(other).trial(1).fold(0).metrics
    table = pd.read_csv(metrics)
    table.loc[0, "val_loss"] = np.nextafter(table.loc[0, "val_loss"], 1)
    table.to_csv(metrics, index=False)
    changed = command_here("search.py", "--replay", other, "001")
    assert changed.returncode == 1
    assert "epoch 1" in changed.stdout
    assert "DIFFERS: val_loss was" in changed.stdout

    absent = command_here("search.py", "--replay", other, "9")
    assert absent.returncode == 2
    assert "has no '9'" in absent.stderr


def test_numbers_of_other_folds_do_not_mix(finished_search: Path, tmp_path: Path) -> None:
    search = SearchFolder(tmp_path / "OUT")
    shutil.copytree(finished_search, search.path)
    number, folds = load_json(search.promoted)[0], Folds.load(search.folds)
    metrics = search.trial(number).fold(2).metrics
    metrics.write_text(metrics.read_text().replace(folds.hash, "0123456789abcdef"))
    with pytest.raises(InputError, match=r"fold 2 has 0123456789abcdef"):
        oof_pred_probs(search, Member.of(number, 3), folds)


def test_the_report_says_how_sure_it_is(finished_search: Path) -> None:
    summary, page = load_json(finished_search / "summary.json"), (finished_search / "report.html").read_text()
    ensemble, best = summary["ensemble"], summary["promoted"][0]
    assert {"nested_accuracy", "nested_se"} <= set(ensemble)
    assert {"unchosen_accuracy", "unchosen_se"} <= set(best)
    assert f"{100 * best['unchosen_accuracy']:.2f} ± {100 * best['unchosen_se']:.2f}" in page
    assert f'<p class="big">{100 * ensemble["nested_accuracy"]:.2f} ± {100 * ensemble["nested_se"]:.2f} %</p>' in page
    assert f"{100 * ensemble['test_accuracy']:.2f} ± {100 * ensemble['test_se']:.2f} % on the true labels" in page
    assert "Which epochs answer" in page
    ways = analysis.load(finished_search).ways
    assert set(ways["trial"]) == {row["trial"] for row in summary["promoted"]}
    assert set(ways["folds"]) == {3}, "fold 0 of the search has all that the others have"
    answers = ways[ways["answers"]].set_index("trial")["accuracy"]
    assert answers.to_dict() == pytest.approx({row["trial"]: row["cv_accuracy"] for row in summary["promoted"]})
    standings = analysis.load(finished_search).standings
    assert standings["trial"].iloc[0] == summary["best_trial"]["trial"]
    assert standings["behind"].iloc[0] == 0
    assert standings["promoted"].sum() == 2


def test_the_terminal_told_the_story(finished_search: Path) -> None:
    text = (finished_search / "terminal.txt").read_text()
    assert len(re.findall(r"^trial 00\d  (finished|stopped) ", text, re.MULTILINE)) == 4
    assert re.search(r"4/4 trials, best val_robust_loss \d\.\d+ \(trial 00\d\)", text)
    assert "promotion, epochs: 18/18" in text
    assert re.search(r"^prediction: 540/540", text, re.MULTILINE)
    assert not SearchFolder(finished_search).test_parts.exists()
    assert re.search(r"ensemble   0\.\d{4} ± 0\.\d{4} out of fold", text)


def test_the_report_is_one_page_that_needs_nothing_else(finished_search: Path) -> None:
    page = (finished_search / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#|data:image/)[^"]+"', page)
    assert not re.findall(r"@import|url\((?!#)", page)
    assert page.count("<svg") == page.count('<svg role="img" aria-label="') >= 8
    summary = load_json(finished_search / "summary.json")
    assert summary["command"].replace("&", "&amp;") in page
    for row in summary["promoted"]:
        assert f"{100 * row['cv_accuracy']:.2f} ± {100 * row['cv_se']:.2f}" in page


def test_tensorboard_shows_every_trial_once(finished_search: Path) -> None:
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(finished_search)).Reload()
    promoted = load_json(finished_search / "promoted.json")
    trials = {f"trials/{number:03d}" for number in range(4)}
    curves = {f"{trial}/fold0" for trial in trials} | {
        f"trials/{n:03d}/fold{fold}" for n in promoted for fold in (1, 2)
    }
    assert set(multiplexer.Runs()) == {"search", "search/rungs"} | trials | curves
    for run in curves:
        steps = [event.step for event in multiplexer.Scalars(run, "validation/val_loss")]
        assert steps == list(range(1, len(steps) + 1))
    rows = {row["trial"]: row for row in load_json(finished_search / "summary.json")["promoted"]}
    for number in promoted:
        page = f"trials/{number:03d}"
        assert multiplexer.Scalars(page, "cv/val_accuracy")[-1].value == pytest.approx(rows[number]["cv_accuracy"])
        assert multiplexer.Scalars(page, "cv/val_loss")[-1].value == pytest.approx(rows[number]["cv_loss"], rel=1e-5)
        assert {"out_of_fold/confusion", "out_of_fold/worst_images"} <= set(multiplexer.Runs()[page]["images"])


def test_a_finished_search_is_not_begun_again(finished_search: Path, command_here: Command) -> None:
    flags = ("--trials", "4", "--epochs", "3", "--promote", "2", "--folds", "3")
    fresh = command_here("search.py", "--out", finished_search, *flags, "--seed", "1")
    assert fresh.returncode == 2
    assert "add --resume" in fresh.stderr
    other = command_here(
        "search.py", "--out", finished_search, *flags, "--seed", "1", "--resume", "--metric", "val_accuracy"
    )
    assert other.returncode == 2
    assert "metric was 'val_robust_loss', is 'val_accuracy'" in other.stderr


HOPELESS = """
from search_spaces.digits import SPACE
from dataclasses import replace

good = {**SPACE.known_good[0], "batch_size": 4, "tta_count": 1}
SPACE = replace(SPACE, known_good=(good, {**good, "learning_rate": 1e-8})).fixed(backbone="test_resnet", image_size=32)
"""


@pytest.mark.filterwarnings("default")  # in this process, for speed: what Ray warns of is not ours
def test_adaptive_promotion_trains_no_fold_of_whom_the_earlier_ones_rule_out(
    command_here: Command, many_stripes: Path, tmp_path: Path
) -> None:
    (tmp_path / "hopeless.py").write_text(HOPELESS)
    flags = ("--space", tmp_path / "hopeless.py", "--data", many_stripes, "--trials", "3", "--promote", "3")
    flags = (*flags, "--epochs", "2", "--folds", "3", "--adaptive", "--quiet")
    done = command_here("search.py", "--out", tmp_path / "OUT", *flags)
    assert done.returncode == 0, done.stderr
    search = SearchFolder(tmp_path / "OUT")
    dropped = {row["trial"]: row["after_folds"] for row in load_json(search.dropped)}
    assert 1 in dropped, "it has learnt nothing"
    assert 0 not in dropped
    assert set(dropped.values()) == {2}
    assert sorted([*dropped, *load_json(search.promoted)]) == search.trial_numbers()
    folds = Folds.load(search.folds)
    rows = folds.split(1)[1]
    labels = load_data(many_stripes).labels[rows]
    probs = {n: load_array(search.trial(n).fold(1).pred_probs) for n in search.trial_numbers()}
    assert set(ruled_out(probs, labels, METRICS[0])) == set(dropped)
    for number in search.trial_numbers():
        assert search.trial(number).fold(2).metrics.exists() == (number not in dropped)
    for number in dropped:
        assert f"trial {number:03d} is ruled out after 2 of 3 folds" in done.stdout
        assert f"Trial {number:03d} was ruled out after 2 folds" in search.report.read_text()


def test_in_a_terminal_the_trials_are_a_live_table(stripes: Path, tmp_path: Path, command: Command) -> None:
    flags = ("--data", stripes, "--trials", "1", "--epochs", "1", "--promote", "1", "--folds", "2")
    done = command("search.py", "--out", tmp_path / "OUT", *flags, FORCE_COLOR="1", TERM="xterm", COLUMNS="80")
    assert done.returncode == 0, done.stderr
    text = Text.from_ansi(done.stdout).plain
    assert re.search(r"^search, trials +━+ 1/1", text, re.MULTILINE)
    assert re.search(r"^  000  finished +1/1  \d\.\d{4} ± \d\.\d{4}", text, re.MULTILINE)
    assert re.search(r"^promotion, epochs +━+ 2/2", text, re.MULTILINE)
    assert "\x1b[?25h" in done.stdout.rpartition("promotion")[0], "the cursor is back after the table"
