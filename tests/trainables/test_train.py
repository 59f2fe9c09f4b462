"""The loop on images that it can learn, resumed, diverged, and without Ray."""

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from search_spaces import InputError, Recipe
from search_spaces.kinds import LOSSES
from trainables.backbones import Net, load_net
from trainables.checkpoint import load_checkpoint, save_checkpoint
from trainables.data import pixels
from trainables.data.folds import Folds, make_folds
from trainables.data.kaggle import ImageData
from trainables.data.pixels import read_image
from trainables.files import load_array, load_json
from trainables.layout import FoldFolder
from trainables.predict import predict_images
from trainables.scores import score
from trainables.setting import Setting
from trainables.steps import Stepper
from trainables.train import train
from trainables.trial import load_epochs

RECIPE = Recipe(
    backbone="test_resnet", image_size=32, batch_size=8, learning_rate=2e-3, epochs=4, t1=0.8, t2=1.4, smoothing=0.1,
    tta_count=2, augment="shifts",
)  # fmt: skip
SETTING = Setting(largest_tta_count=4, curve_epochs=(2,))


def test_kept_pixels_change_no_bit(
    data: ImageData, folds: Folds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "_SMALL_FILE", 0)
    monkeypatch.setattr(pixels, "_LEFT_FREE", 0.0)
    decoded: list[Path] = []
    monkeypatch.setattr(pixels, "read_image", lambda path: decoded.append(path) or read_image(path))
    recipe, folders = replace(RECIPE, epochs=2), [FoldFolder(tmp_path / name) for name in ("kept", "decoded")]
    kept = list(train(recipe, data, folds, 0, folders[0], replace(SETTING, cache_gb=1.0)))
    assert sorted(decoded) == sorted(data.train_paths)  # fold 0 trains on or validates each image, and decodes it once
    each_time = list(train(recipe, data, folds, 0, folders[1], SETTING))
    assert [row["val_nll"] for row in kept] == [row["val_nll"] for row in each_time]
    np.testing.assert_array_equal(*(load_array(folder.pred_probs) for folder in folders))
    assert all(0 < row["data_wait"] < 1 for row in kept)


@pytest.mark.slow
@pytest.mark.parametrize("loss", list(LOSSES))
def test_every_loss_trains_and_predicts_what_it_was_scored_on(
    loss: str, data: ImageData, folds: Folds, tmp_path: Path
) -> None:
    folder = FoldFolder(tmp_path / "fold0")
    recipe = replace(RECIPE, epochs=4, loss=loss, t1=1.0, t2=1.0, ousm_drop=1)
    rows = list(train(recipe, data, folds, 0, folder, SETTING))
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    probs = load_array(folder.pred_probs)
    again = predict_images([folder.weights], [data.train_paths[row] for row in folds.split(0)[1]])
    assert probs.shape == (len(folds.split(0)[1]), len(data.classes))
    np.testing.assert_allclose(again, probs, atol=1e-5)


@pytest.mark.slow
def test_it_learns_and_leaves_what_it_should(data: ImageData, folds: Folds, tmp_path: Path) -> None:
    folder = FoldFolder(tmp_path / "fold0")
    rows = list(train(replace(RECIPE, epochs=8), data, folds, 0, folder, SETTING))
    assert [row["epoch"] for row in rows] == list(range(1, 9))
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert {row["fold_hash"] for row in rows} == {folds.hash}
    assert load_epochs(folder)["val_loss"].tolist() == pytest.approx([row["val_loss"] for row in rows])

    val_rows = folds.split(0)[1]
    probs = load_array(folder.pred_probs)
    assert score("val_loss", probs, data.labels[val_rows]) == pytest.approx(rows[-1]["val_loss"])
    again = predict_images([folder.weights], [data.train_paths[row] for row in val_rows])
    np.testing.assert_allclose(again, probs, atol=1e-5)

    curve = load_json(folder.tta_curve)
    assert curve["epoch"] == 8
    assert [point["tta_count"] for point in curve["curve"]] == [1, 2, 3, 4]
    assert curve["curve"][1]["val_loss"] == pytest.approx(rows[-1]["val_loss"])

    events = EventAccumulator(str(folder.path)).Reload()
    assert [event.step for event in events.Scalars("validation/val_loss")] == list(range(1, 9))


@pytest.mark.slow
def test_resumed_it_is_the_same_bit_for_bit(data: ImageData, folds: Folds, tmp_path: Path) -> None:
    whole = [row["val_loss"] for row in train(RECIPE, data, folds, 0, FoldFolder(tmp_path / "a"), SETTING)]
    broken = FoldFolder(tmp_path / "b")
    for row in train(RECIPE, data, folds, 0, broken, SETTING):
        if row["epoch"] == 2:
            break
    rest = list(train(RECIPE, data, folds, 0, broken, SETTING))
    assert [row["epoch"] for row in rest] == [2, 3, 4]  # the newest row is reported again
    assert [row["val_loss"] for row in rest] == whole[1:]
    nets = [load_net(FoldFolder(tmp_path / name).weights)[0].state_dict() for name in "ab"]
    assert all(torch.equal(tensor, nets[1][key]) for key, tensor in nets[0].items())
    finished = list(train(RECIPE, data, folds, 0, broken, SETTING))
    assert [row["epoch"] for row in finished] == [4]


@pytest.mark.slow
def test_what_a_finished_training_lost_is_written_again(data: ImageData, folds: Folds, tmp_path: Path) -> None:
    folder = FoldFolder(tmp_path)
    list(train(RECIPE, data, folds, 0, folder, SETTING))
    table, net = folder.metrics.read_bytes(), load_net(folder.weights)[0].state_dict()
    folder.metrics.unlink()
    folder.weights.unlink()
    assert [row["epoch"] for row in train(RECIPE, data, folds, 0, folder, SETTING)] == [4]
    assert folder.metrics.read_bytes() == table
    again = load_net(folder.weights)[0].state_dict()
    assert all(torch.equal(tensor, again[key]) for key, tensor in net.items())


def test_the_number_of_loader_workers_changes_no_bit(data: ImageData, folds: Folds, tmp_path: Path) -> None:
    one, two = (
        list(train(RECIPE, data, folds, 0, FoldFolder(tmp_path / str(n)), replace(SETTING, loader_workers=n)))
        for n in (0, 2)
    )
    for name in ("train_loss", "val_loss", "val_nll", "val_accuracy"):
        assert [row[name] for row in one] == [row[name] for row in two]


def test_a_checkpoint_of_other_folds_is_refused(data: ImageData, folds: Folds, tmp_path: Path) -> None:
    folder = FoldFolder(tmp_path)
    next(train(RECIPE, data, folds, 0, folder, SETTING))
    other = make_folds(data, 2, seed=5, data_hash="d")
    with pytest.raises(InputError, match="of other folds"):
        next(train(RECIPE, data, other, 0, folder, SETTING))


def test_a_loss_that_is_not_finite_ends_the_trial(data: ImageData, folds: Folds, tmp_path: Path) -> None:
    wild = replace(RECIPE, learning_rate=10.0, weight_decay=1.0, t1=1.0, t2=1.0)

    def poisoned(folder: FoldFolder) -> None:
        state = load_checkpoint(folder)
        assert state is not None
        state["net"]["body.fc.weight"].fill_(math.nan)
        save_checkpoint(folder, state)

    folder = FoldFolder(tmp_path)
    next(train(wild, data, folds, 0, folder, SETTING))
    poisoned(folder)
    rows = list(train(wild, data, folds, 0, folder, SETTING))
    assert rows[-1]["diverged"]
    assert rows[-1]["epoch"] == 2
    assert "epoch 2: the training loss was nan" in folder.retries.read_text(), "it was tried twice"
    assert not folder.weights.exists()


MEASURED_ANEW = {"seconds", "score_s", "ended_at", "images_per_s", "data_wait"}


def strike(monkeypatch: pytest.MonkeyPatch, steps: set[int]) -> None:
    """Turn the losses of some optimizer steps, counted from 1, into NaN."""
    step, count = Stepper.step, itertools.count(1)

    def struck(stepper: Stepper, *batch: Any) -> torch.Tensor:
        value = step(stepper, *batch)
        return value * math.nan if next(count) in steps else value

    monkeypatch.setattr(Stepper, "step", struck)


@pytest.mark.parametrize(("epoch", "fields"), [(1, {}), (2, {"ema_decay": 0.9, "drop_rate": 0.2, "mix": "mixup"})])
def test_a_loss_that_is_nan_once_changes_no_bit(
    epoch: int,
    fields: dict[str, object],
    data: ImageData,
    folds: Folds,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = replace(RECIPE, epochs=3, **fields)  # type: ignore[arg-type]
    folders = [FoldFolder(tmp_path / name) for name in ("whole", "struck")]
    whole = list(train(recipe, data, folds, 0, folders[0], SETTING))
    strike(monkeypatch, {epoch})  # one batch is an epoch of these
    struck = list(train(recipe, data, folds, 0, folders[1], SETTING))
    assert [{k: v for k, v in row.items() if k not in MEASURED_ANEW} for row in struck] == [
        {k: v for k, v in row.items() if k not in MEASURED_ANEW} for row in whole
    ]
    nets = [load_net(folder.weights)[0].state_dict() for folder in folders]
    assert all(torch.equal(tensor, nets[1][key]) for key, tensor in nets[0].items())
    assert folders[1].retries.read_text().startswith(f"epoch {epoch}: the training loss was nan")
    assert folders[1].retries.read_text().count("trained again") == 1
    assert not folders[0].retries.exists()


def test_a_loss_that_is_nan_again_is_the_recipe_s(
    data: ImageData, folds: Folds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = FoldFolder(tmp_path)
    strike(monkeypatch, {2, 3})
    rows = list(train(RECIPE, data, folds, 0, folder, SETTING))
    assert [(row["epoch"], row["diverged"]) for row in rows] == [(1, False), (2, True)]
    assert folder.retries.read_text().count("trained again") == 1
    assert load_epochs(folder)["diverged"].tolist() == [False, True]
    assert [row["epoch"] for row in train(RECIPE, data, folds, 0, folder, SETTING)] == [2], "a resume does not retry"


@pytest.mark.slow
def test_the_loop_runs_with_ray_absent(
    stripes: Path, tmp_path: Path, command: Callable[..., CompletedProcess[str]]
) -> None:
    (tmp_path / "recipe.json").write_text(json.dumps(replace(RECIPE, epochs=1).to_dict()))
    (tmp_path / "no_ray" / "ray").mkdir(parents=True)
    (tmp_path / "no_ray" / "ray" / "__init__.py").write_text("raise ModuleNotFoundError('ray is absent')")
    without = {"PYTHONPATH": str(tmp_path / "no_ray")}
    assert command("-c", "import ray", **without).returncode == 1  # the guard works
    flags = ("--data", stripes, "--out", tmp_path / "fold0", "--folds", "2")
    done = command("-m", "trainables.train", tmp_path / "recipe.json", *flags, **without)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["epoch"] == 1


@pytest.mark.slow
def test_the_loop_s_command_refuses_bad_input(
    stripes: Path, tmp_path: Path, command: Callable[..., CompletedProcess[str]]
) -> None:
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps({**RECIPE.to_dict(), "backbone": "test_resnt"}))
    done = command("-m", "trainables.train", recipe, "--data", stripes, "--out", tmp_path / "fold0", "--folds", "2")
    assert done.returncode == 2
    assert "nearest: test_resnet" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer": "sgd", "sam_rho": 0.05, "schedule": "cosine_restarts", "restart_epochs": 2, "mix": "fmix"},
        {"optimizer": "adabelief", "schedule": "plateau", "plateau_patience": 0, "clip_norm": 1.0},
        {"ema_decay": 0.9, "head_epochs": 2, "layer_decay": 0.8, "backbone": "test_vit", "drop_rate": 0.2},
        {"precision": "float16", "mix": "snapmix", "mix_prob": 0.5, "sam_rho": 0.05},
        {"tta": "crop_flips", "inference_size": 40, "channels_last": False, "precision": "bfloat16"},
    ],
)
def test_a_training_resumed_after_any_epoch_is_the_one_never_stopped(
    fields: dict[str, object], data: ImageData, folds: Folds, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, **fields)  # type: ignore[arg-type]
    whole = [row["val_loss"] for row in train(recipe, data, folds, 0, FoldFolder(tmp_path / "whole"), SETTING)]
    folder = FoldFolder(tmp_path / "parts")
    seen: list[float] = []
    for _ in range(recipe.epochs):
        rows = train(recipe, data, folds, 0, folder, SETTING)
        if seen:
            assert next(rows)["val_loss"] == seen[-1]
        seen.append(next(rows)["val_loss"])
        rows.close()
    assert seen == whole
    probs = load_array(folder.pred_probs)
    again = predict_images([folder.weights], [data.train_paths[row] for row in folds.split(0)[1]])
    np.testing.assert_allclose(again, probs, atol=1e-5)


@pytest.mark.slow
def test_a_batch_that_does_not_fit_is_trained_in_parts_and_the_next_trial_knows(
    data: ImageData, folds: Folds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forward, refused = Net.forward, []

    def cramped(net: Net, images: torch.Tensor) -> torch.Tensor:
        if len(images) > 3:
            refused.append(len(images))
            raise torch.OutOfMemoryError
        return forward(net, images)

    monkeypatch.setattr(Net, "forward", cramped)
    setting = Setting(micro_batches=tmp_path / "micro_batches.json")
    rows = list(train(replace(RECIPE, epochs=1), data, folds, 0, FoldFolder(tmp_path / "one"), setting))
    assert rows[-1]["micro_batch"] == 2
    assert not rows[-1]["diverged"]
    assert "micro-batches of 2" in capsys.readouterr().out
    refused.clear()
    again = list(train(replace(RECIPE, epochs=1), data, folds, 0, FoldFolder(tmp_path / "two"), setting))
    assert again[-1]["train_loss"] == pytest.approx(rows[-1]["train_loss"], rel=0.2)
    assert all(rows > 3 for rows in refused), "only validation still tries whole batches"
    assert "micro-batches" not in capsys.readouterr().out


def test_shares_are_trained_on_and_labels_are_validated(data: ImageData, folds: Folds, tmp_path: Path) -> None:
    one_hot = np.eye(2, dtype=np.float32)[data.labels]
    rows = {
        name: next(train(RECIPE, each, folds, 0, FoldFolder(tmp_path / name), Setting()))
        for name, each in (
            ("labels", data),
            ("same", replace(data, shares=one_hot)),
            ("opposite", replace(data, shares=1.0 - one_hot)),
        )
    }
    assert rows["same"]["train_loss"] == pytest.approx(rows["labels"]["train_loss"], rel=1e-5)
    assert rows["same"]["val_loss"] == pytest.approx(rows["labels"]["val_loss"], rel=1e-4)
    assert rows["opposite"]["train_loss"] != pytest.approx(rows["labels"]["train_loss"], rel=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["truncated", "deleted", "empty", "both torn"])
def test_a_training_goes_on_from_its_newest_whole_checkpoint(
    harm: str, data: ImageData, folds: Folds, tmp_path: Path
) -> None:
    whole = [row["val_loss"] for row in train(RECIPE, data, folds, 0, FoldFolder(tmp_path / "whole"), SETTING)]
    folder = FoldFolder(tmp_path / "harmed")
    rows = train(RECIPE, data, folds, 0, folder, SETTING)
    for _ in range(3):
        next(rows)
    rows.close()
    content = folder.checkpoint.read_bytes()
    if harm == "deleted":
        folder.checkpoint.unlink()
    else:
        folder.checkpoint.write_bytes(b"" if harm == "empty" else content[: len(content) // 2])
    if harm == "both torn":
        folder.earlier_checkpoint.write_bytes(content[:100])
    rest = list(train(RECIPE, data, folds, 0, folder, SETTING))
    assert rest[0]["epoch"] == (1 if harm == "both torn" else 2)
    assert [row["val_loss"] for row in rest] == whole[rest[0]["epoch"] - 1 :]
