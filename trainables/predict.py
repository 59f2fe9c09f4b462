"""From images to class probabilities, through each loss's own link, averaged over nested test-time views.

An image is decoded once and a view of it is made once, however many nets look at it. Validation, promotion and the
answer all come through `looks`, so that an out-of-fold prediction is made exactly as a test image's is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search_spaces.recipe import Recipe
from trainables import tta
from trainables.backbones import Net, load_net
from trainables.data.images import Batch, PlainImages, plain_loader, square
from trainables.losses.of_recipe import loss_of
from trainables.many_nets import Forward, at_once, brought, settle
from trainables.memory import room_bytes
from trainables.precision import autocast
from trainables.scores import LEAST
from trainables.steps import in_parts
from trainables.view_means import MEANS


def device() -> torch.device:
    """The GPU that this process may use, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True, eq=False)
class Look:
    """What one net says of one view of a batch."""

    net: int
    view: int
    """From 1, the plain image."""
    logits: Tensor
    """(n, K), and what further outputs the loss has."""
    probs: Tensor
    """(n, K) by the loss's link."""


def _seen_as(recipe: Recipe) -> tuple[str, int, str]:
    return (*square(recipe), tta.family(recipe))


@torch.inference_mode()
def looks(nets: Sequence[tuple[Net, Recipe]], batch: Batch, counts: Sequence[int]) -> Iterator[Look]:
    """Every net looks at its first `counts` views of a batch; 0 leaves it out. One view is in memory at a time."""
    looking = [index for index, count in enumerate(counts) if count]
    key = lambda index: _seen_as(nets[index][1])  # noqa: E731
    for _, group in groupby(sorted(looking, key=key), key=key):
        alike = list(group)
        images = batch[square(nets[alike[0]][1])].to(device(), non_blocking=True)
        for together in at_once([nets[index][0] for index in alike], images.device):
            yield from _looks_together(nets, [alike[place] for place in together], images, counts)


def _looks_together(
    nets: Sequence[tuple[Net, Recipe]], alike: Sequence[int], images: Tensor, counts: Sequence[int]
) -> Iterator[Look]:
    """Of nets that are shown the same views, and that are all in memory at once."""
    forward = {index: brought(nets[index][0], images.device) for index in alike}
    for number in range(1, max(counts[index] for index in alike) + 1):
        view = tta.view(nets[alike[0]][1], number, images)
        for index in (each for each in alike if number <= counts[each]):
            yield _look(index, number, forward[index], nets[index][1], view)


def _look(index: int, number: int, forward: Forward, recipe: Recipe, view: Tensor) -> Look:
    with autocast(recipe, view.device):
        logits = in_parts(forward, view)
    return Look(index, number, logits, loss_of(recipe).link(logits))


def view_probs(
    net: Net,
    batches: Iterable[Batch],
    recipe: Recipe,
    count: int,
    on_batch: Callable[[Tensor], object] = lambda logits: None,
) -> NDArray[np.float32]:
    """Probabilities (count, N, K) of views 1 .. count, each by itself.

    `on_batch` is called with the logits (n, K) of every batch's plain view.
    """
    net.eval()
    chunks = []
    for batch in batches:
        seen = list(looks([(net, recipe)], batch, [count]))
        chunks.append(torch.stack([look.probs for look in seen]).cpu())
        on_batch(seen[0].logits)
    return torch.cat(chunks, dim=1).numpy()


def batch_probs(
    nets: Sequence[tuple[Net, Recipe]], batch: Batch, counts: Sequence[int], mean: str = MEANS[0]
) -> NDArray[np.float32]:
    """Probabilities (nets, n, K) of a batch, each net's the mean of its views; NaN where it does not look."""
    sums: dict[int, Tensor] = {}
    for look in looks(nets, batch, counts):
        said = look.probs if mean == MEANS[0] else look.probs.clamp(min=LEAST).log()
        sums[look.net] = sums[look.net] + said if look.net in sums else said
    n, k = next(iter(sums.values())).shape
    means = np.full((len(nets), n, k), np.nan, np.float32)
    for index, total in sums.items():
        of_views = total / counts[index]
        means[index] = (of_views if mean == MEANS[0] else of_views.softmax(-1)).cpu().numpy()
    return means


def load_nets(weights: Iterable[Path]) -> list[tuple[Net, Recipe]]:
    """The nets of weight files, where they compute; those that a GPU has no room for come to it when they look."""
    loaded = [load_net(path) for path in weights]
    settle([net for net, _ in loaded], device(), room_bytes())
    return loaded


def predict_images(
    weights: Sequence[Path], paths: Sequence[Path], *, threads: int = 1, mean: str = MEANS[0]
) -> NDArray[np.float32]:
    """Class probabilities (N, K) of image files, the mean of a recipe's nets, with its own TTA count.

    `mean`, one of `view_means.MEANS`, says what of the views is averaged.
    """
    torch.set_num_threads(threads)
    nets = load_nets(weights)
    recipe = nets[0][1]
    batches = plain_loader(PlainImages(paths, recipe), recipe.batch_size, 0)
    counts = [recipe.tta_count] * len(nets)
    return np.concatenate([batch_probs(nets, batch, counts, mean).mean(0) for batch in batches])
