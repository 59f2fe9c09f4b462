"""OUT of a finished search, made by hand in a moment: four trials on the stripes, two promoted, three folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.label_issues import write_label_issues
from search_spaces.recipe import Recipe
from trainables.data.duplicates import groups_csv
from trainables.data.folds import make_folds
from trainables.data.kaggle import load_data
from trainables.layout import SearchFolder, save_array, save_json, write_whole

T2 = (1.0, 1.2, 1.4, 1.4)
EPOCHS = (4, 4, 2, 2)
RIGHT = (0.9, 0.8, 0.6, 0.55)
"""Shares of the images that each trial has right."""


@pytest.fixture
def small_out(many_stripes: Path, tmp_path: Path) -> Path:
    """Trials 0 and 1 trained four epochs and were promoted; 2 and 3 were stopped at rung 2."""
    search, data = SearchFolder(tmp_path / "OUT"), load_data(many_stripes)
    groups = np.arange(len(data.labels))
    groups[5] = 0
    folds = make_folds(data, 3, 0, "d", groups)
    folds.save(search.folds)
    write_whole(search.groups, groups_csv(groups, data.image_ids))
    rng, means = np.random.default_rng(0), []
    for number, (t2, epochs, share) in enumerate(zip(T2, EPOCHS, RIGHT, strict=True)):
        recipe = Recipe(
            backbone="test_resnet", image_size=32, batch_size=8, learning_rate=0.01, epochs=4, t1=0.8, t2=t2
        )
        save_json(search.trial(number).recipe, recipe.to_dict())
        sure = np.where(rng.random(len(data.labels)) < share, 0.8, 0.2)
        probs = np.where(np.eye(2)[data.labels] > 0, sure[:, None], 1 - sure[:, None]).astype(np.float32)
        for fold in range(3 if number < 2 else 1):
            folder = search.trial(number).fold(fold)
            save_array(folder.pred_probs, probs[folds.split(fold)[1]])
            write_whole(folder.metrics, _metrics(epochs, number, fold, folds.hash).to_csv(index=False))
        means.append(probs)
    _write_summary(search, many_stripes, folds.hash)
    mean = (means[0].astype(float) + means[1]) / 2
    table = pd.DataFrame({"image_id": data.image_ids, "label": data.labels, "fold": folds.fold_of})
    table = table.assign(prediction=mean.argmax(1), p0=mean[:, 0], p1=mean[:, 1])
    write_whole(search.oof, table.to_csv(index=False))
    write_label_issues(search, data)
    return search.path


def _metrics(epochs: int, number: int, fold: int, fold_hash: str) -> pd.DataFrame:
    rows = np.arange(1, epochs + 1)
    loss = 1.0 + 0.1 * number - 0.1 * rows
    scores = dict.fromkeys(("val_robust_loss", "val_loss", "val_nll"), loss) | {"val_accuracy": 1 - loss / 2}
    errors = {f"{name}_se": 0.01 for name in scores}
    began = 100 * number + 1000 * fold
    return pd.DataFrame(
        {"epoch": rows, "train_loss": loss - 0.05, **scores, **errors, "temperature": 1.0, "calibration_error": 0.0}
    ).assign(
        score_s=1.0,
        seconds=10.0,
        images_per_s=12.0,
        fold_hash=fold_hash,
        ended_at=began + 10.0 * rows,
        host="here",
        diverged=False,
    )


def _write_summary(search: SearchFolder, data: Path, fold_hash: str) -> None:
    about = {"space": "stripes", "data": str(data), "seed": 0, "folds": 3, "epochs": 4, "metric": "val_robust_loss"}
    about |= {
        "fold_hash": fold_hash,
        "code_hash": "c",
        "classes": ["across", "down"],
        "rungs": [2],
        "command": "search.py",
    }
    save_json(search.search, {**about, "ranges": {}})
    values = {str(number): 0.8 + 0.1 * number for number in range(4)}
    save_json(
        search.rungs, {"metric": about["metric"], "rungs": [2], "values": {"2": values}, "stopped": {"2": 2, "3": 2}}
    )
    rows = [
        {"trial": number, "epoch": epochs, "behind": 0.0, "promoted": number < 2}
        for number, epochs in enumerate(EPOCHS)
    ]
    save_json(search.standings, rows)
    save_json(search.promoted, [0, 1])
    save_json(search.denoised, [])
    ensemble = {"method": "mean", "members": [0, 1], "weights": [0.5, 0.5], "oof_loss": 0.4}
    summary = {"best_trial": {"trial": 0}, "promoted": [], "ensemble": ensemble, "metric": about["metric"]}
    save_json(search.summary, {**summary, "command": "search.py"})
