"""Shared by the tests of one training: the stripes as data, two folds of them, and a small net."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from trainables.data.folds import Folds, make_folds
from trainables.data.kaggle import ImageData, load_data


@pytest.fixture
def data(stripes: Path) -> ImageData:
    return load_data(stripes)


@pytest.fixture
def folds(data: ImageData) -> Folds:
    return make_folds(data, 2, seed=0, data_hash="d")


class Plain(nn.Module):
    """A net without BatchNorm, as `Net` holds one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.body(images)
        return logits


@pytest.fixture
def plain() -> Callable[[], nn.Module]:
    """Makes such a net, the same every time: six numbers in place of an image, three classes."""
    return Plain
