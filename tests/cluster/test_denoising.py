"""`--denoise` on disk: who judges a row, what a denoised trial's folder holds, what a resume leaves alone."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import analysis
from cluster import denoising
from cluster.store import Store, _others_write
from search_spaces import Recipe
from trainables.data.folds import Folds
from trainables.data.kaggle import ImageData, load_data
from trainables.files import load_json, save_array, save_json, write_whole
from trainables.layout import SearchFolder
from trainables.member import Member, oof_pred_probs
from trainables.trial import load_recipe

RECIPE = Recipe(backbone="test_resnet", image_size=32, batch_size=8, learning_rate=2e-3, epochs=2)
WRONG = (4, 9, 21)
COUNT = 4


@dataclass(frozen=True)
class Asked:
    """What denoising reads of a plan."""

    search: SearchFolder
    data: ImageData
    folds: Folds
    denoise: str = "drop"
    denoise_folds: tuple[int, ...] = tuple(range(COUNT))
    quiet: bool = True

    @property
    def store(self) -> Store:
        return Store(self.search)


@pytest.fixture
def plan(many_stripes: Path, tmp_path: Path) -> Asked:
    """A promoted trial 3 whose nets know the truth; three labels of its 200 images are wrong."""
    table = pd.read_csv(many_stripes / "train.csv")
    table.loc[list(WRONG), "label"] = 1 - table.loc[list(WRONG), "label"]
    table.to_csv(many_stripes / "train.csv", index=False)
    data = load_data(many_stripes)
    folds = Folds(COUNT, 0, "d", np.arange(200) % COUNT, np.ones(200, np.bool_))
    plan = Asked(SearchFolder(tmp_path / "OUT"), data, folds)
    trial = plan.search.trial(3)
    save_json(trial.recipe, RECIPE.to_dict())
    for fold in range(COUNT):
        rows = folds.split(fold)[1]
        save_array(trial.fold(fold).pred_probs, knowing(rows))
        write_whole(trial.fold(fold).metrics, f"epoch,fold_hash,diverged\n2,{folds.hash},False\n")
        write_whole(trial.fold(fold).weights, f"net {fold}")
    return plan


def knowing(rows: NDArray[np.int64]) -> NDArray[np.float64]:
    sure = 0.95 - 0.001 * rows
    return np.where(rows[:, None] % 2 == np.arange(2), sure[:, None], 1 - sure[:, None])


def prepared(plan: Asked) -> denoising.Row | None:
    return denoising._prepared(plan, Member.of(3, COUNT))  # type: ignore[arg-type]


def test_a_denoised_trial_s_folder_has_all_that_its_trainings_read(plan: Asked) -> None:
    row = prepared(plan)
    assert row == {"trial": 100_003, "origin": 3, "denoise": "drop", "changed": {0: 2, 1: 1, 2: 3, 3: 3}}
    trial = plan.search.trial(100_003)
    assert load_recipe(trial) == replace(RECIPE, denoise="drop")
    for fold in range(COUNT):
        table = pd.read_csv(trial.fold(fold).cleaned)
        assert table["image_id"].tolist() == [plan.data.image_ids[row] for row in WRONG if row % COUNT != fold]
        assert not trial.fold(fold).weights.exists()
    assert plan.search.trial_numbers() == [3]


def test_a_diagonal_is_denoised_fold_by_fold_with_each_fold_s_own_recipe(plan: Asked) -> None:
    """Trial 4 answers in fold 1, trial 3 elsewhere; so do their denoised versions, trained where rows look wrong."""
    other = replace(RECIPE, learning_rate=1e-3)
    save_json(plan.search.trial(4).recipe, other.to_dict())
    shutil.copytree(plan.search.trial(3).fold(1).path, plan.search.trial(4).fold(1).path)
    row = denoising._prepared(plan, Member((3, 4, 3, 3)))  # type: ignore[arg-type]
    assert row is not None
    assert (row["trial"], row["origin"]) == ([100_003, 100_004, 100_003, 100_003], [3, 4, 3, 3])
    assert row["changed"] == {0: 2, 1: 1, 2: 3, 3: 3}
    assert load_recipe(plan.search.trial(100_004)) == replace(other, denoise="drop")
    begun = sorted(
        path.parent.relative_to(plan.search.trials).as_posix() for path in plan.search.trials.glob("1*/*/cl*")
    )
    assert begun == ["100003/fold0", "100003/fold2", "100003/fold3", "100004/fold1"]


def check_judged_by_strangers(judges: NDArray[np.int64], folds: Folds) -> None:
    """No row by a net that trained on it; net f trained on all rows but those of fold f."""
    for row, net in enumerate(judges):
        assert row not in folds.split(int(net))[0]


def test_no_row_is_judged_by_a_net_that_trained_on_it(plan: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    for fold in range(COUNT):  # probabilities that tell the net
        told = np.eye(COUNT)[np.full(len(plan.folds.split(fold)[1]), fold)]
        save_array(plan.search.trial(3).fold(fold).pred_probs, told)
    given: list[NDArray[np.floating]] = []

    def watched(kind: str, data: ImageData, rows: object, probs: NDArray[np.floating]) -> pd.DataFrame:
        given.append(probs)
        return pd.DataFrame()

    monkeypatch.setattr(denoising, "cleaned_rows", watched)
    assert prepared(plan) is None
    for probs in given:
        check_judged_by_strangers(probs.argmax(1), plan.folds)
        with pytest.raises(AssertionError):
            check_judged_by_strangers((probs.argmax(1) + 1) % COUNT, plan.folds)
    assert len(given) == COUNT


def test_folds_that_were_not_asked_for_have_the_origin_s_net(plan: Asked) -> None:
    plan = replace(plan, denoise_folds=(0, 2))
    row = prepared(plan)
    assert row is not None
    assert set(row["changed"]) == {0, 2}
    for fold in range(COUNT):
        folder, plain = plan.search.trial(100_003).fold(fold), plan.search.trial(3).fold(fold)
        assert folder.cleaned.exists() == (fold in (0, 2)) != folder.weights.exists()
        if fold in (1, 3):
            for name in ("weights", "metrics", "pred_probs"):
                assert getattr(folder, name).read_bytes() == getattr(plain, name).read_bytes()


def test_a_resume_writes_nothing_that_is_there(plan: Asked) -> None:
    prepared(plan)
    folder = plan.search.trial(100_003).fold(0)
    write_whole(folder.weights, "trained")
    before = folder.cleaned.stat().st_mtime_ns
    prepared(plan)
    assert (folder.weights.read_text(), folder.cleaned.stat().st_mtime_ns) == ("trained", before)


def test_other_folds_than_before_begin_anew_where_they_differ(plan: Asked) -> None:
    prepared(replace(plan, denoise_folds=(0, 1)))
    for fold in (0, 1):
        write_whole(plan.search.trial(100_003).fold(fold).weights, "trained")
    prepared(replace(plan, denoise_folds=(0, 2)))
    folders = [plan.search.trial(100_003).fold(fold) for fold in range(COUNT)]
    assert folders[0].weights.read_text() == "trained"
    assert folders[1].weights.read_text() == "net 1"
    assert not folders[2].weights.exists()
    assert [folder.cleaned.exists() for folder in folders] == [True, False, True, False]


def test_what_was_trained_from_another_table_is_trained_again(plan: Asked) -> None:
    prepared(plan)
    first, second = (plan.search.trial(100_003).fold(fold) for fold in (0, 1))
    said = first.cleaned.read_text()
    for folder in (first, second):
        write_whole(folder.weights, b"of the table that was")
    first.cleaned.write_text(said.replace("drop", "keep"))
    prepared(plan)
    assert first.cleaned.read_text() == said
    assert not first.weights.exists()
    assert second.weights.exists()


def test_where_nothing_looks_wrong_there_is_no_second_trial(plan: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    right = replace(plan, data=replace(plan.data, labels=np.arange(200) % 2))
    assert prepared(right) is None
    assert "no label looks wrong to trial 003" in capsys.readouterr().out
    assert not plan.search.trial(100_003).path.exists()


def test_without_denoise_what_was_denoised_before_is_no_candidate(plan: Asked) -> None:
    row = prepared(plan)
    weights = plan.search.trial(100_003).fold(0).weights
    write_whole(weights, "trained")
    save_json(plan.search.denoised, [row])
    none = replace(plan, denoise="none")
    assert denoising.denoise(none, None, None, [Member.of(3, COUNT)]) == []  # type: ignore[arg-type]
    assert load_json(plan.search.denoised) == []
    assert not weights.exists()


def test_in_a_bucket_the_driver_brings_the_table_and_a_training_all_else(plan: Asked) -> None:
    trial = plan.search.trial(100_003)
    names = {path.relative_to(plan.search.path).as_posix() for path in (trial.fold(0).cleaned, trial.recipe)}
    assert not [name for name in names if _others_write(name)]
    assert _others_write(trial.fold(0).pred_probs.relative_to(plan.search.path).as_posix())


@pytest.mark.slow
def test_a_whole_search_denoises(command: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    search = SearchFolder(tmp_path / "OUT")
    words = ["search.py", "--trials", "2", "--promote", "1", "--folds", "2", "--epochs", "2", "--denoise", "drop"]
    words += ["--denoise-folds", "1", "--out", str(search.path), "--quiet"]
    done = command(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = load_json(search.denoised)
    summary = load_json(search.summary)
    assert [each["trial"] for each in summary["denoised"]] == [row["trial"]] == [100_000 + row["origin"]]
    assert {"ahead", "se", "cv_accuracy", "changed"} <= set(summary["denoised"][0])
    assert {each["trial"] for each in summary["ensemble"]["ahead_of"]} == {row["origin"], row["trial"]}
    assert "Denoised trials" in search.report.read_text()
    assert "Suspicious labels" in search.report.read_text()
    assert len(analysis.load(search.path).label_issues) == summary["label_issues"]["count"] > 0
    assert summary["statuses"] and sum(summary["statuses"].values()) == 2
    plain, cleaned = search.trial(row["origin"]), search.trial(row["trial"])
    left = sum(path.stat().st_size for path in search.trials.rglob("*") if path.is_file())
    assert left <= load_json(search.forecast)["disk_bytes"]
    assert plain.fold(0).weights.read_bytes() == cleaned.fold(0).weights.read_bytes()
    assert plain.fold(1).weights.read_bytes() != cleaned.fold(1).weights.read_bytes()
    probs = oof_pred_probs(search, Member.of(row["trial"], 2), Folds.load(search.folds))
    assert np.isfinite(probs).all()
