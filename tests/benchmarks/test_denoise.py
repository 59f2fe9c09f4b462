"""What `benchmarks.denoise` counts by, on predictions made up for it; what it finds is in docs/label_noise.md."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.summary import true_labels
from benchmarks.denoise import CROSS_FIT, Training, against, found, judged_by, oof, scored, train_one
from benchmarks.metric_study import Case, digits_case, write_folds
from trainables.data.folds import Folds
from trainables.data.kaggle import load_data
from trainables.files import load_array, save_array


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


def test_gains_are_paired_by_case() -> None:
    rows = [("a", 0.5, 0.6), ("b", 0.9, 1.0)]
    table = pd.DataFrame(
        [
            {"loss": "l", "way": way, "case": case, "test": value}
            for case, plain, dropped in rows
            for way, value in (("none", plain), ("drop", dropped))
        ]
    )
    assert against(table, "test", "l", "drop", ("l", "none")) == "+0.1000 ± 0.0000"


def test_a_study_s_files_are_by_loss_and_way(case: Case) -> None:
    assert Training(case, "bi-tempered", "drop", 2).folder.path == case.kept / Path("bi-tempered/drop/fold2")
    assert Training(case, "bi-tempered", CROSS_FIT, 2).recipe.denoise == "drop"
    assert Training(case, "bi-tempered", "pairs", 0, 1).recipe.denoise == "none"


@pytest.mark.slow
def test_a_net_goes_and_what_it_predicted_stays(case: Case) -> None:
    training = Training(case, "bi-tempered", "none", 0, epochs=1)
    train_one(training)
    assert len(load_array(training.folder.test_probs)) == len(load_data(case.root).test_ids)
    assert not training.folder.weights.exists()
    written = training.folder.metrics.stat().st_mtime_ns
    train_one(training)
    assert training.folder.metrics.stat().st_mtime_ns == written, "it is trained once"
