"""What answers after the last epoch: soups and means of known nets, and of trainings that die in between."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from search_spaces import Recipe
from trainables.backbones import Build, Net, build_net
from trainables.bucket import Bucket
from trainables.data.folds import Folds
from trainables.data.images import PlainImages, square
from trainables.data.kaggle import ImageData
from trainables.data.place import DataPlace
from trainables.files import load_array, load_json, save_json
from trainables.last_epochs import renew_statistics, stir_in
from trainables.layout import FoldFolder, SearchFolder
from trainables.predict import predict_images
from trainables.scores import score
from trainables.setting import Setting
from trainables.train import Row, train, train_in_search

RECIPE = Recipe(
    backbone="test_resnet", image_size=32, batch_size=8, learning_rate=2e-3, epochs=4, tta_count=2, answer_epochs=3
)
SOUP, MEAN = replace(RECIPE, answer="soup"), replace(RECIPE, answer="mean")
SETTING = Setting(largest_tta_count=3)


def net_of(recipe: Recipe, seed: int) -> Net:
    torch.manual_seed(seed)
    return build_net(recipe, Build(n_classes=2))


def statistics(net: Net) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items() if "running" in name}


def test_a_soup_of_one_net_thrice_is_that_net_to_the_bit() -> None:
    net, soup = net_of(RECIPE, 0), None
    for _ in range(3):
        soup = stir_in(soup, net)
    assert soup
    for (name, ours), theirs in zip(net.state_dict().items(), soup.module.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name


def test_a_soup_is_the_uniform_mean() -> None:
    nets, soup = [net_of(RECIPE, seed) for seed in range(3)], None
    for net in nets:
        soup = stir_in(soup, net)
    assert soup
    for name, parameter in soup.module.named_parameters():
        mean = torch.stack([dict(net.named_parameters())[name] for net in nets]).mean(0)
        torch.testing.assert_close(parameter, mean)


def first_statistics(net: Net, images: PlainImages) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance by channel of what the first BatchNorm is given of all images, and nothing else."""
    given: list[torch.Tensor] = []
    first = next(module for module in net.modules() if isinstance(module, nn.BatchNorm2d))
    hook = first.register_forward_pre_hook(lambda _module, inputs: given.append(inputs[0]))
    with torch.no_grad():
        net.eval()(torch.stack([images[row][square(RECIPE)] for row in range(len(images))]))
    hook.remove()
    channels = given[0].transpose(0, 1).flatten(1)
    return channels.mean(1), channels.var(1)


def test_renewed_statistics_are_those_of_the_images(data: ImageData) -> None:
    net, images = net_of(RECIPE, 0), PlainImages(data.train_paths, RECIPE)
    first = next(module for module in net.modules() if isinstance(module, nn.BatchNorm2d))
    mean, variance = first_statistics(net, images)
    assert first.running_mean is not None
    assert first.running_var is not None
    for batch_size in (100, 8):  # all at once, and as the mean of two batches
        renew_statistics(net, RECIPE, images, batch_size, seed=0, loader_workers=0)
        torch.testing.assert_close(first.running_mean, mean)
        torch.testing.assert_close(first.running_var, variance, rtol=1e-5 if batch_size == 100 else 0.1, atol=1e-5)
    assert first.momentum == 0.1
    assert not net.training


def test_a_body_at_rest_wakes_for_its_statistics(data: ImageData) -> None:
    """A soup that was begun while only the head was trained is none when it is ready."""
    net, images = net_of(RECIPE, 0), PlainImages(data.train_paths, RECIPE)
    renew_statistics(net.head_only(True), RECIPE, images, 100, seed=0, loader_workers=0)
    first = next(module for module in net.modules() if isinstance(module, nn.BatchNorm2d))
    assert first.running_mean is not None
    torch.testing.assert_close(first.running_mean, first_statistics(net, images)[0])


def test_frozen_statistics_and_nets_without_any_stay(data: ImageData) -> None:
    frozen = replace(RECIPE, pretrained=True, freeze_bn=True)
    for recipe in (frozen, replace(RECIPE, backbone="test_vit")):
        net = net_of(recipe, 0)
        for name, buffer in net.named_buffers():
            if "running" in name:
                buffer.fill_(0.3)  # fresh ones are what a renewal begins with
        before = statistics(net)
        renew_statistics(net, recipe, PlainImages(data.train_paths, recipe), 8, seed=0, loader_workers=0)
        assert all(torch.equal(tensor, before[name]) for name, tensor in statistics(net).items())
        assert bool(before) == (recipe is frozen)


@pytest.fixture
def plain_rows(data: ImageData, folds: Folds, tmp_path: Path) -> list[Row]:
    return list(train(RECIPE, data, folds, 0, FoldFolder(tmp_path / "plain"), SETTING))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [SOUP, MEAN])
def test_only_the_last_epoch_is_answered_otherwise(
    recipe: Recipe, data: ImageData, folds: Folds, tmp_path: Path, plain_rows: list[Row]
) -> None:
    folder, plain = FoldFolder(tmp_path / "other"), FoldFolder(tmp_path / "plain")
    rows = list(train(recipe, data, folds, 0, folder, SETTING))
    assert [row["val_loss"] for row in rows[:-1]] == [row["val_loss"] for row in plain_rows[:-1]]
    assert rows[-1]["train_loss"] == plain_rows[-1]["train_loss"]
    assert rows[-1]["val_loss"] != plain_rows[-1]["val_loss"]
    for epoch in range(1, 5):
        assert np.array_equal(load_array(folder.epoch_probs(epoch)), load_array(plain.epoch_probs(epoch)))
    assert np.array_equal(load_array(plain.pred_probs), load_array(plain.epoch_probs(4)))

    probs, (_, val_rows) = load_array(folder.pred_probs), folds.split(0)
    assert score("val_loss", probs, data.labels[val_rows]) == pytest.approx(rows[-1]["val_loss"])
    nets = folder.nets(recipe)
    assert len(nets) == (3 if recipe is MEAN else 1)
    again = predict_images(nets, [data.train_paths[row] for row in val_rows])
    np.testing.assert_allclose(again, probs, atol=1e-5)
    assert load_json(folder.tta_curve)["curve"][1]["val_loss"] == pytest.approx(rows[-1]["val_loss"])
    if recipe is MEAN:
        stored = [load_array(folder.epoch_probs(epoch)) for epoch in (2, 3, 4)]
        np.testing.assert_allclose(probs, np.mean(stored, axis=0), atol=1e-6)
    else:
        assert np.array_equal(probs, load_array(folder.soup_probs))
    assert np.array_equal(load_array(folder.soup_probs), load_array(plain.soup_probs)), "whatever answers"


def in_parts(recipe: Recipe, data: ImageData, folds: Folds, folder: FoldFolder) -> Iterator[Row]:
    """Killed after every epoch."""
    for epoch in range(1, recipe.epochs + 1):
        rows = train(recipe, data, folds, 0, folder, SETTING)
        if epoch > 1:
            next(rows)
        yield next(rows)
        rows.close()


def same_tensors(one: Path, other: Path) -> bool:
    """Headers may differ in their order."""
    ours, theirs = load_file(one), load_file(other)
    return ours.keys() == theirs.keys() and all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    [
        SOUP,
        MEAN,
        replace(SOUP, ema_decay=0.9, head_epochs=2, drop_path_rate=0.2),
        replace(MEAN, ema_decay=0.9, answer_epochs=4),
    ],
)
def test_killed_after_every_epoch_it_answers_to_the_same_bits(
    recipe: Recipe, data: ImageData, folds: Folds, tmp_path: Path
) -> None:
    whole, parts = FoldFolder(tmp_path / "whole"), FoldFolder(tmp_path / "parts")
    wanted = [row["val_loss"] for row in train(recipe, data, folds, 0, whole, SETTING)]
    assert [row["val_loss"] for row in in_parts(recipe, data, folds, parts)] == wanted
    assert whole.not_averaged_probs.exists() == bool(recipe.ema_decay)
    for path in whole.path.glob("*.npy"):
        assert path.read_bytes() == (parts.path / path.name).read_bytes(), path.name
    assert all(same_tensors(net, whole.path / net.name) for net in parts.nets(recipe))

    parts.weights.unlink()  # of what a finished training lost, this can be written again
    assert len(list(train(recipe, data, folds, 0, parts, SETTING))) == 1
    assert same_tensors(parts.weights, whole.weights)


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["deleted", "torn"])
def test_a_training_that_lost_a_net_that_was_to_answer_begins_again(
    harm: str, data: ImageData, folds: Folds, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, harmed = FoldFolder(tmp_path / "whole"), FoldFolder(tmp_path / "harmed")
    wanted = [row["val_loss"] for row in train(MEAN, data, folds, 0, whole, SETTING)]
    rows = train(MEAN, data, folds, 0, harmed, SETTING)
    for _ in range(3):
        next(rows)
    rows.close()
    lost = harmed.epoch_weights(2)
    if harm == "deleted":
        lost.unlink()
    else:
        lost.write_bytes(lost.read_bytes()[:100])
    assert [row["val_loss"] for row in train(MEAN, data, folds, 0, harmed, SETTING)] == wanted
    assert "begins again" in capsys.readouterr().out


@pytest.mark.slow
def test_in_a_bucket_what_answers_travels_from_machine_to_machine(
    stripes: Path, data: ImageData, folds: Folds, tmp_path: Path
) -> None:
    wanted = FoldFolder(tmp_path / "wanted")
    list(train(MEAN, data, folds, 0, wanted, SETTING))
    there = SearchFolder(tmp_path / "bucket")
    save_json(there.trial(0).recipe, MEAN.to_dict())
    there.trial(0).fold(0).path.mkdir()  # a real bucket has no folders
    folds.save(there.folds)
    setting = replace(SETTING, bucket=Bucket(f"file://{there.path}"))
    for epoch in range(1, MEAN.epochs + 1):  # each on another machine
        rows = train_in_search(DataPlace(str(stripes)), SearchFolder(tmp_path / "driver"), 0, 0, setting)
        assert [next(rows)["epoch"] for _ in range(min(epoch, 2))][-1] == epoch
        rows.close()
    folder = there.trial(0).fold(0)
    assert folder.trained(MEAN)
    assert all(same_tensors(net, wanted.path / net.name) for net in folder.nets(MEAN))
    assert folder.pred_probs.read_bytes() == wanted.pred_probs.read_bytes()
    folder.nets(MEAN)[0].unlink()
    assert not folder.trained(MEAN)


def test_what_is_heavy_is_forgotten_and_numbers_stay(tmp_path: Path) -> None:
    folder = FoldFolder(tmp_path)
    heavy = [folder.checkpoint, folder.earlier_checkpoint, *folder.nets(MEAN), folder.epoch_probs(1), folder.test_probs]
    light = [folder.metrics, folder.pred_probs, folder.search_probs, folder.soup_probs]
    for path in (*heavy, *light):
        path.touch()
    folder.forget_weights()
    assert sorted(tmp_path.iterdir()) == sorted(light)


def test_the_mean_s_nets_are_of_the_last_epochs() -> None:
    names = [path.name for path in FoldFolder(Path()).nets(MEAN)]
    assert names == ["epoch002.safetensors", "epoch003.safetensors", "weights.safetensors"]
    assert [path.name for path in FoldFolder(Path()).nets(SOUP)] == ["weights.safetensors"]
    assert list(replace(RECIPE, epochs=2).late_epochs) == [1, 2]
