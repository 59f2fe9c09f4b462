from pathlib import Path

import pytest
import torch

from search_spaces.recipe import AUGMENTS
from trainables.data.images import PlainImages, TrainingImages, training_loader
from trainables.data.kaggle import load_data


@pytest.mark.parametrize("family", AUGMENTS)
def test_a_view_depends_on_seed_epoch_and_row_alone(family: str, stripes: Path) -> None:
    data = load_data(stripes)

    def images(seed: int, epoch: int) -> TrainingImages:
        return TrainingImages(data.train_paths, data.labels, family, 24, seed, epoch)

    one, again, later, other = images(0, 1), images(0, 1), images(0, 2), images(1, 1)
    first = [one[row][0] for row in range(16)]
    backwards = [again[row][0] for row in reversed(range(16))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(first, backwards, strict=True))
    assert not all(torch.equal(first[row], later[row][0]) for row in range(16))
    assert not all(torch.equal(first[row], other[row][0]) for row in range(16))
    assert first[0].shape == (24, 24, 3)
    assert first[0].dtype == torch.uint8


def test_a_last_batch_of_one_is_left_out(stripes: Path) -> None:
    data = load_data(stripes)
    images = TrainingImages(data.train_paths, data.labels, "flips", 16, 0, 1)
    assert [len(labels) for _, labels in training_loader(images, 5, 0, 0)] == [5, 5, 5]
    assert [len(labels) for _, labels in training_loader(images, 7, 0, 0)] == [7, 7, 2]


def test_the_order_depends_on_its_seed(stripes: Path) -> None:
    data = load_data(stripes)
    images = TrainingImages(data.train_paths, data.labels, "flips", 16, 0, 1)
    orders = [torch.cat([labels for _, labels in training_loader(images, 8, seed, 0)]).tolist() for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_plain_images_are_only_resized(stripes: Path) -> None:
    images = PlainImages(load_data(stripes).train_paths, 16)
    assert images[0].shape == (16, 16, 3)
    assert (images[0][0] == 255).all()  # the first stripe runs across
