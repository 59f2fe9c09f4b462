"""What `benchmarks.denoise` counts by, on predictions made up for it; what it finds is in docs/label_noise.md."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.summary import true_labels
from benchmarks.denoise.__main__ import Flipped
from benchmarks.denoise.picture import denoise_figure
from benchmarks.denoise.study import CROSS_FIT, Training, found, judged_by, oof, scored, train_one
from benchmarks.denoise.tables import against, of_all
from benchmarks.metric_study import Case, digits_case, write_folds
from trainables.data.folds import Folds
from trainables.data.kaggle import load_data
from trainables.files import load_array, save_array
from trainables.layout import FoldFolder


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Digits with a tenth of the labels flipped; every net knows the given labels of fold 0 and the truth elsewhere."""
    case = digits_case(tmp_path_factory.mktemp("denoise"), "uniform", 0.1, 0)
    write_folds(case, 3)
    data, folds = load_data(case.root), Folds.load(case.folds)
    truth, tests = true_labels(case.root, data.image_ids), true_labels(case.root, data.test_ids)
    assert truth is not None
    assert tests is not None
    told = np.where(folds.fold_of == 0, data.labels, truth)
    for fold in range(3):
        training = Training(case, "cross-entropy", "none", fold)
        save_array(training.folder.pred_probs, sure(told[folds.split(fold)[1]]))
        save_array(training.folder.test_probs, sure(tests))
    return case


def sure(answers: np.ndarray) -> np.ndarray:
    return 0.02 + 0.8 * np.eye(10)[answers]


def test_what_is_found_and_answered_is_counted(case: Case) -> None:
    data, folds = load_data(case.root), Folds.load(case.folds)
    told = found(case, "cross-entropy")
    assert told["flipped"] == round(0.1 * len(data.labels))
    assert told["precision"] == 1.0
    scores = scored(case, "cross-entropy", "none")
    assert scores["wrong answered"] == pytest.approx(1.0 - told["recall"])  # fold 0's, which are answered and not found
    assert told["recall"] == pytest.approx(2 / 3, abs=0.1)
    assert scores["test"] == 1.0
    assert scores["given"] > 0.9 < scores["true"] < 1.0
    assert (oof(case, "cross-entropy", "none").argmax(1)[folds.fold_of == 0] == data.labels[folds.fold_of == 0]).all()


def test_cross_fitted_rows_are_judged_by_nets_that_saw_neither_fold(case: Case) -> None:
    folds = Folds.load(case.folds)
    for number, pair in enumerate([(0, 1), (0, 2), (1, 2)]):
        training = Training(case, "cross-entropy", "pairs", *pair)
        trained, validated = training.folds().split(pair[0])
        assert not {*folds.fold_of[trained]} & {*pair}
        assert {*folds.fold_of[validated]} == {*pair}
        save_array(training.folder.pred_probs, np.full((len(validated), 10), 0.1 * (1 + number)))
    judged = judged_by(Training(case, "cross-entropy", CROSS_FIT, 1))
    assert np.isnan(judged[folds.fold_of == 1]).all()
    assert judged[folds.fold_of == 0].ravel() == pytest.approx(0.1)
    assert judged[folds.fold_of == 2].ravel() == pytest.approx(0.3)


WAYS = {"none": (0.5, 0.8, 0.9), "drop": (0.6, 0.9, 1.0), CROSS_FIT: (0.6, 0.9, 0.97)}
"""True test accuracy of three cases."""


def studied() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two shares of uniform flips and one of ambiguous ones; what is found, and scores by way."""
    cases = [("a", "uniform", 0.1), ("b", "uniform", 0.2), ("c", "ambiguous", 0.1)]
    columns = ["case", "kind", "share"]
    findings = pd.DataFrame(cases, columns=columns).assign(
        loss="cross-entropy", precision=[0.9, 0.8, 0.7], recall=[0.6, 0.5, 0.4]
    )
    scores = pd.concat(
        pd.DataFrame(cases, columns=columns).assign(loss="cross-entropy", way=way, test=tests)
        for way, tests in WAYS.items()
    )
    return findings, scores.assign(given=scores["test"], true=scores["test"], **{"wrong answered": 0.0})


def test_gains_are_paired_by_case() -> None:
    _, scores = studied()
    plain = ("cross-entropy", "none")
    assert against(scores, "test", "cross-entropy", "drop", plain) == "+0.1000 ± 0.0000"
    assert against(scores, "test", "cross-entropy", CROSS_FIT, plain) == "+0.0900 ± 0.0100"
    assert against(scores, "test", *plain, plain) == "–"


def test_all_cases_are_told_together_and_by_kind() -> None:
    told = of_all(*studied()).splitlines()
    assert "| uniform | 20% | cross-entropy | 0.8000 | 0.5000 | 0.8000 | 0.9000 | 0.9000 |" in told
    start = next(place for place, line in enumerate(told) if line.startswith("| flips | n |"))
    gained = {tuple(line.split(" | ")[:4]): line.split(" | ")[4] for line in told[start:] if line.startswith("| ")}
    assert gained["| all", "3", "cross-entropy", CROSS_FIT] == "+0.0900 ± 0.0100"
    assert gained["| uniform", "2", "cross-entropy", "drop"] == "+0.1000 ± 0.0000"
    assert gained["| ambiguous", "1", "cross-entropy", "drop"] == "+0.1000 ± nan"
    assert told[-1].startswith("  cross-entropy: test +0.0100 ± 0.0100")  # what dropping gains from the leak


def test_the_picture_has_a_panel_for_the_flags_and_each_kind() -> None:
    panels = denoise_figure(*studied()).axes
    assert [axes.get_title() for axes in panels] == ["flags", "uniform flips", "ambiguous flips"]
    dropped = {line.get_label(): line.get_ydata() for line in panels[1].lines}["cross-entropy, drop"]
    assert list(dropped) == pytest.approx([0.1, 0.1])


def test_a_study_s_files_are_by_loss_and_way(case: Case) -> None:
    assert Training(case, "bi-tempered", "drop", 2).folder.path == case.kept / Path("bi-tempered/drop/fold2")
    assert Training(case, "bi-tempered", CROSS_FIT, 2).recipe.denoise == "drop"
    assert Training(case, "bi-tempered", "pairs", 0, 1).recipe.denoise == "none"


def test_a_case_is_told_once_it_is_whole(case: Case) -> None:
    flipped = Flipped(case, "uniform", 0.1, ("cross-entropy",), folds=3, epochs=1, cross_fit=False)
    assert [each.way for each in flipped.cleaned] == ["drop"] * 3 + ["relabel"] * 3 + ["reweight"] * 3
    assert not flipped.is_whole
    for training in flipped.cleaned:
        as_given = FoldFolder(case.kept / "cross-entropy" / "none" / f"fold{training.fold}")
        save_array(training.folder.pred_probs, load_array(as_given.pred_probs))
        save_array(training.folder.test_probs, load_array(as_given.test_probs))
    assert flipped.is_whole
    findings, scores = flipped.tables()
    assert list(findings["kind"]) == ["uniform"]
    assert list(scores["way"]) == ["none", "drop", "relabel", "reweight"]
    crossed = replace(flipped, cross_fit=True)
    assert not crossed.is_whole
    pairs = [(each.fold, each.beside) for each in crossed.as_given if each.way == "pairs"]
    assert pairs == [(0, 1), (0, 2), (1, 2)]
    assert {each.way for each in crossed.cleaned} == {"drop", "relabel", "reweight", CROSS_FIT}


@pytest.mark.slow
def test_a_net_goes_and_what_it_predicted_stays(case: Case) -> None:
    training = Training(case, "bi-tempered", "none", 0, epochs=1)
    train_one(training)
    assert len(load_array(training.folder.test_probs)) == len(load_data(case.root).test_ids)
    assert not training.folder.weights.exists()
    written = training.folder.metrics.stat().st_mtime_ns
    train_one(training)
    assert training.folder.metrics.stat().st_mtime_ns == written, "it is trained once"
