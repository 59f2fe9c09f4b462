"""What a net says of a fold's validation images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search_spaces.recipe import Recipe
from trainables.backbones import Net
from trainables.data.images import PlainImages, plain_loader
from trainables.losses.of_recipe import loss_of
from trainables.predict import view_probs
from trainables.view_means import nested_means


@dataclass(frozen=True)
class Validation:
    """Of n images and K classes."""

    views: NDArray[np.float32]
    """(views, n, K), each by itself."""
    raw_loss: float
    """Mean training loss of the plain view."""

    @cached_property
    def means(self) -> NDArray[np.float32]:
        """(views, n, K): entry c - 1 is the mean of the first c views."""
        return nested_means(self.views)


@dataclass(frozen=True)
class Validator:
    """Asks nets of one recipe about one fold."""

    recipe: Recipe
    images: PlainImages
    labels: NDArray[np.int64]
    loader_workers: int

    def ask(self, net: Net, views: int) -> Validation:
        """What one net says, from each of so many views. It is left in evaluation mode."""
        loader = plain_loader(self.images, self.recipe.batch_size, self.loader_workers)
        plain: list[Tensor] = []
        said = view_probs(net, loader, self.recipe, views, plain.append)
        logits = torch.cat(plain)
        raw = loss_of(self.recipe).by_row(logits, torch.from_numpy(self.labels).to(logits.device))
        return Validation(said, float(raw.mean()))


def mean_of(several: Sequence[Validation]) -> Validation:
    """The mean of what several nets say, and of their losses."""
    views: NDArray[np.float32] = np.mean([each.views for each in several], axis=0)
    return Validation(views, float(np.mean([each.raw_loss for each in several])))
