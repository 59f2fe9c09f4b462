"""OUTs of finished searches, made by hand in a moment from the stripes: nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.ensemble import choose
from analysis.label_issues import write_label_issues
from analysis.summary import summarize
from search_spaces.recipe import Recipe
from trainables.comparison import compare
from trainables.data.duplicates import groups_csv
from trainables.data.folds import Folds, make_folds
from trainables.data.kaggle import ImageData, load_data
from trainables.data.skipped import Skipped
from trainables.files import load_array, save_array, save_json, write_whole
from trainables.layout import SearchFolder, denoised_number
from trainables.member import Member, Stored, pairs_of
from trainables.scores import goods_by_image

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
        data_wait=0.1,
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


METRIC = "val_robust_loss"
RECIPE = Recipe(backbone="test_resnet", image_size=32, batch_size=8, learning_rate=0.01, epochs=4, t1=0.8, t2=1.2)


@dataclass(frozen=True)
class Searched:
    """A trial as `written` writes it."""

    right: float
    """Share of the images that it has right."""
    status: str
    """`stopped` is so at rung 2; what is `cut` or `slow`, at epoch 3, spending.json must say too."""
    fields: dict[str, Any]
    """Of its recipe, where they differ."""

    @property
    def epochs(self) -> int:
        return {"cut": 3, "slow": 3, "stopped": 2, "diverged": 1, "failed": 0}.get(self.status, RECIPE.epochs)


def _searched(right: float = 0.8, status: str = "finished", **fields: Any) -> Searched:
    return Searched(right, status, fields)


Written = Callable[..., SearchFolder]


@pytest.fixture(scope="session")
def written(stripes_in: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Writes OUT of a finished search with two folds: trials, ensemble and summary, by the real code but for training.

    `told` has the trials, best first: `right`, `status`, and fields of their recipes. `promoted` is as promoted.json
    has it, `files` are further ones of OUT by name, `about` are changes of search.json, `soft` are soft labels.
    """

    def write(
        told: Sequence[Mapping[str, Any]],
        promoted: Sequence[Stored] = (0,),
        denoised: bool = False,
        skipped: Sequence[Skipped] = (),
        soft: bool = False,
        files: Mapping[str, Any] | None = None,
        **about: Any,
    ) -> SearchFolder:
        root = tmp_path_factory.mktemp("written")
        search, data = SearchFolder(root / "OUT"), load_data(stripes_in(root / "stripes", per_class=100), skipped)
        data = replace(data, shares=np.eye(2, dtype=np.float32)[data.labels]) if soft else data
        folds = make_folds(data, 2, 0, "d", np.arange(len(data.labels)))
        trials, members = [_searched(**each) for each in told], [Member.of(each, 2) for each in promoted]
        for number, trial in enumerate(trials):
            there = {0, *(fold for other, fold in pairs_of(members, range(2)) if other == number)}
            _write_trial(search, number, trial, data, folds, there)
        save_json(search.denoised, [])
        cleaned = _write_denoised(search, data, folds) if denoised else []
        folds.save(search.folds)
        save_json(search.search, _about(search, data, folds) | about)
        stopped = {str(n): 2 for n, trial in enumerate(trials) if trial.status == "stopped"}
        save_json(search.rungs, {"metric": METRIC, "rungs": [2], "values": {"2": {}}, "stopped": stopped})
        _write_standings(search, trials, members, data, folds)
        for name, content in {"promoted.json": list(promoted), "dropped.json": [], **(files or {})}.items():
            save_json(search.path / name, content)
        choose(search, data, folds, [*members, *cleaned], METRIC)
        summarize(search, data, folds, 75.0)
        return search

    return write


def _write_denoised(search: SearchFolder, data: ImageData, folds: Folds) -> list[Member]:
    """The denoised version of trial 0, and denoised.json."""
    number = denoised_number(0, "drop")
    _write_trial(search, number, _searched(0.93, denoise="drop"), data, folds, {0, 1})
    row = {"trial": number, "origin": 0, "denoise": "drop", "changed": {"0": 7, "1": 9}}
    save_json(search.denoised, [row])
    return [Member.of(number, 2)]


def _write_trial(
    search: SearchFolder, number: int, trial: Searched, data: ImageData, folds: Folds, there: set[int]
) -> None:
    recipe = replace(RECIPE, **trial.fields)
    save_json(search.trial(number).recipe, recipe.to_dict())
    if not trial.epochs:
        write_whole(search.trial(number).error, "no memory")
        return
    rng = np.random.default_rng(number)
    sure = np.where(rng.random(len(data.labels)) < trial.right, 0.8, 0.2)
    probs = np.where(np.eye(2)[data.labels] > 0, sure[:, None], 1 - sure[:, None]).astype(np.float32)
    for fold in there:
        folder = search.trial(number).fold(fold)
        save_array(folder.pred_probs, probs[folds.split(fold)[1]])
        rows = _metrics(trial.epochs, number, fold, folds.hash)
        if trial.status == "diverged":
            rows = rows.assign(diverged=True, val_robust_loss=np.nan)
        write_whole(folder.metrics, rows.to_csv(index=False))
        points = [{"tta_count": count, **dict.fromkeys(("val_loss", METRIC), 0.5 - 0.01 * count)} for count in (1, 2)]
        save_json(folder.tta_curve, {"epoch": trial.epochs, "curve": points[: recipe.tta_count]})


def _about(search: SearchFolder, data: ImageData, folds: Folds) -> dict[str, Any]:
    return {
        "space": "stripes",
        "data": str(data.root),
        "classes": list(data.classes),
        "folds": folds.count,
        "rungs": [2],
        "ranges": {},
        "metric": METRIC,
        "promotion": "full",
        "seed": 0,
        "data_hash": folds.data_hash,
        "fold_hash": folds.hash,
        "code_hash": "c",
        "libraries": {"torch": "2.14.0"},
        "out": str(search.path),
        "command": f"python search.py --data '{data.root}' --out {search.path}",
    }


def _write_standings(
    search: SearchFolder, trials: Sequence[Searched], members: Sequence[Member], data: ImageData, folds: Folds
) -> None:
    labels = data.labels[folds.split(0)[1]]
    epochs = {n: trial.epochs for n, trial in enumerate(trials) if trial.status not in ("diverged", "failed")}
    goods = {n: goods_by_image(METRIC, load_array(search.trial(n).fold(0).pred_probs), labels) for n in epochs}
    promoted = {number for member in members for number in member.trials}
    save_json(search.standings, compare(list(epochs), epochs, goods, promoted))
