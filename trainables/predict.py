"""From images to class probabilities, through the loss's own link, averaged over nested test-time views."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search_spaces.recipe import Recipe
from trainables import tta
from trainables.backbones import Net, load_net
from trainables.data.images import PlainImages, plain_loader
from trainables.losses.of_recipe import loss_of
from trainables.precision import autocast
from trainables.steps import in_parts


def device() -> torch.device:
    """The GPU that this process may use, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@torch.inference_mode()
def view_probs(
    net: Net,
    batches: Iterable[Tensor],
    recipe: Recipe,
    count: int,
    on_batch: Callable[[Tensor], object] = lambda logits: None,
) -> NDArray[np.float32]:
    """Probabilities (count, N, K) of views 1 .. count, each by itself. An image is read once for all views.

    `on_batch` is called with the logits (n, K) of every batch's plain view.
    """
    net.eval()
    where = next(net.parameters()).device
    link = loss_of(recipe).link
    chunks = []
    for batch in batches:
        images = batch.to(where, non_blocking=True)
        with autocast(recipe, where):
            logits = [in_parts(net, tta.view(recipe, number, images)) for number in range(1, count + 1)]
        chunks.append(torch.stack([link(each) for each in logits]).cpu())
        on_batch(logits[0])
    return torch.cat(chunks, dim=1).numpy()


def nested_means(probs: NDArray[np.float32]) -> NDArray[np.float32]:
    """(views, N, K) to (views, N, K) whose entry c - 1 is the mean of the first c views."""
    counts = np.arange(1, len(probs) + 1, dtype=np.float32)[:, None, None]
    means: NDArray[np.float32] = np.cumsum(probs, axis=0) / counts
    return means


def predict_images(
    weights: Path,
    paths: Sequence[Path],
    *,
    threads: int = 1,
    loader_workers: int = 0,
    on_batch: Callable[[int], object] = lambda images: None,
) -> NDArray[np.float32]:
    """Class probabilities (N, K) of image files by one weight file, with its recipe's own TTA count."""
    torch.set_num_threads(threads)
    net, recipe = load_net(weights)
    loader = plain_loader(PlainImages(paths, recipe), recipe.batch_size, loader_workers)
    probs = view_probs(net.to(device()), loader, recipe, recipe.tta_count, lambda logits: on_batch(len(logits)))
    mean: NDArray[np.float32] = nested_means(probs)[-1]
    return mean
