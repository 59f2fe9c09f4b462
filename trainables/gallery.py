"""A picture of every augmentation and every mixing, on the images of a data folder.

python -m trainables.gallery --data FOLDER --out docs/augment.png [--net WEIGHTS.safetensors] [--image-size 128]

With a net that was trained on such images (trials/NNN/fold0/weights.safetensors of a search), also what it looks at,
and SnapMix, which mixes by that.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from search_spaces.errors import InputError
from search_spaces.kinds import AUGMENTS, MIXES
from search_spaces.recipe import Recipe
from trainables import augment
from trainables.backbones import Build, Net, build_net, has_class_maps, load_net
from trainables.data.kaggle import ImageData, load_data
from trainables.data.pixels import read_image
from trainables.mixing import attention, mix

COLUMNS = 6
_INCHES = 1.3
_ALPHA = 8.0
"""Shares near one half show best what a mixing does; a recipe's default draws any."""

Row = tuple[str, list[tuple[NDArray[np.uint8], str]]]
"""A name, and images with what is written under them."""


def rows(data: ImageData, image_size: int, seed: int, net: Net | None = None) -> Iterator[Row]:
    """One row for the plain images, one a pipeline, one a mixing, all of the same images of different classes.

    Where there is a net, one for what it looks at too.
    """
    order = np.random.default_rng(seed).permutation(len(data.labels))
    _, first = np.unique(data.labels[order], return_index=True)
    chosen = np.concatenate([order[first], np.delete(order, first)])[:COLUMNS]  # one of every class, then any
    images = [read_image(data.train_paths[row]) for row in chosen]
    labels = data.labels[chosen]
    recipe = Recipe(backbone="resnet18", image_size=image_size, batch_size=COLUMNS, learning_rate=1e-3, epochs=1)
    plain = augment.plain(recipe)
    yield "plain", [(plain(image), data.classes[label]) for image, label in zip(images, labels, strict=True)]
    for name in (name for name, own in AUGMENTS.items() if own != ("augment_pipeline",)):
        view = augment.training(replace(recipe, augment=name), 1)
        yield name, [(view(image, seed + number), "") for number, image in enumerate(images)]
    batch = torch.from_numpy(np.stack([plain(image) for image in images]))
    yield from _mixed_rows(recipe, batch, torch.from_numpy(labels), data.classes, seed, net)


def _mixed_rows(
    recipe: Recipe, batch: Tensor, labels: Tensor, classes: Sequence[str], seed: int, net: Net | None
) -> Iterator[Row]:
    if net is not None:
        attended = attention(recipe, net, batch, F.one_hot(labels, len(classes)).float())
        light = 0.25 + 0.75 * attended / attended.amax((1, 2), keepdim=True)
        yield "attention", [(each, "") for each in (batch * light[..., None]).round().to(torch.uint8).numpy()]
    unused = net or build_net(recipe, Build(len(classes)))  # only SnapMix asks it
    for name in MIXES:
        if name == "none" or (name == "snapmix" and net is None):
            continue
        torch.manual_seed(seed + 1)
        mixed, shares = mix(replace(recipe, mix=name, mix_alpha=_ALPHA), batch, labels, len(classes), unused)
        kept = [f"{float(share[label]):.0%} {classes[label]}" for share, label in zip(shares, labels, strict=True)]
        yield name, list(zip(mixed.round().to(torch.uint8).numpy(), kept, strict=True))


def looking_net(path: Path, n_classes: int) -> Net:
    """A trained net that can say what it looks at. Raises `InputError` for another one."""
    net, recipe = load_net(path)
    outputs = int(net.body.num_classes)  # type: ignore[arg-type]
    if not has_class_maps(recipe) or outputs < n_classes:
        raise InputError(
            f"--net must be of {n_classes} classes and linear in its feature map; {recipe.backbone} is not so"
        )
    return net


def draw(drawn: list[Row], path: Path) -> None:
    """One image a cell, the row's name at its left."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, cells = plt.subplots(
        len(drawn), COLUMNS, figsize=(_INCHES * (COLUMNS + 1), (_INCHES + 0.15) * len(drawn)), layout="constrained"
    )
    for line, (name, shown) in zip(cells, drawn, strict=True):
        for cell in line:
            cell.set_axis_off()
        line[0].text(-0.1, 0.5, name, transform=line[0].transAxes, ha="right", va="center", fontsize=9)
        for cell, (image, below) in zip(line, shown, strict=False):
            cell.imshow(image)
            below_it = cell.text(0.5, -0.04, below, transform=cell.transAxes, ha="center", va="top", fontsize=6)
            below_it.set_in_layout(False)  # a long name takes no room from its neighbours
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100, bbox_inches="tight", pad_inches=0.2)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> int:
    """The command; exit code 2 where the data cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m trainables.gallery", description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder in the Kaggle layout")
    parser.add_argument("--out", type=Path, required=True, help="PNG file")
    parser.add_argument("--net", type=Path, help="weights.safetensors of a net trained on such images")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args(arguments)
    try:
        data = load_data(flags.data)
        net = looking_net(flags.net, len(data.classes)) if flags.net else None
        draw(list(rows(data, flags.image_size, flags.seed, net)), flags.out)
    except (InputError, OSError, SafetensorError) as error:
        print(f"trainables.gallery: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
