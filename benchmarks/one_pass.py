"""One pass over the images for all nets, beside the forward passes alone and beside net by net, in one run.

python -m benchmarks.one_pass --images DIR [--members 20] [--views 5] [--count 64] [--image-size 160 [224 ...]]

Forward passes alone: the views of every batch lie in memory, nothing is read. Net by net: the images are read and their
views made anew for every net. All three answer the same images with the same random nets, in turns, and the medians of
the rounds are compared. Of several image sizes the nets take one after the other.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import torch

from search_spaces.recipe import Recipe
from trainables import tta
from trainables.answer import Nets, Partial, answer, batch_size
from trainables.backbones import Build, build_net, save_net
from trainables.data.images import PlainImages, plain_loader, square
from trainables.data.kaggle import list_images
from trainables.predict import load_nets


def random_nets(backbone: str, image_sizes: Sequence[int], members: int, folder: Path) -> list[Path]:
    """Weight files of nets that were never trained: what they say does not matter here."""
    paths = []
    for seed, size in enumerate(islice(cycle(image_sizes), members)):
        torch.manual_seed(seed)
        recipe = Recipe(backbone=backbone, image_size=size, batch_size=32, learning_rate=1e-3, epochs=1, tta="flips")
        build = Build(5)
        paths.append(folder / f"{seed}.safetensors")
        save_net(paths[-1], build_net(recipe, build), recipe, build)
    return paths


def one_pass(nets: Nets, paths: list[Path], views: int, folder: Path) -> float:
    """Seconds, writing what an interrupted prediction goes on from included."""
    started = time.perf_counter()
    answer(nets, paths, Partial(folder), lambda left: (views,) * len(nets), lambda *took: None, batch=batch_size())
    return time.perf_counter() - started


def net_by_net(nets: Nets, paths: list[Path], views: int, folder: Path) -> float:
    return sum(one_pass([net], paths, views, folder / str(number)) for number, net in enumerate(nets))


@torch.inference_mode()
def forward_alone(nets: Nets, paths: list[Path], views: int, folder: Path) -> float:
    """Of the nets' own calls only."""
    spent = 0.0
    by_size = {square(recipe): recipe for _, recipe in nets}
    for batch in plain_loader(PlainImages(paths, *by_size.values()), batch_size(), 0):
        seen = {
            size: [tta.view(recipe, number, batch[size]).contiguous() for number in range(1, views + 1)]
            for size, recipe in by_size.items()
        }
        started = time.perf_counter()
        for net, recipe in nets:
            for view in seen[square(recipe)]:
                net(view)
        spent += time.perf_counter() - started
    return spent


WAYS: dict[str, Callable[[Nets, list[Path], int, Path], float]] = {
    "forward passes alone": forward_alone,
    "one pass": one_pass,
    "net by net": net_by_net,
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.one_pass", description=str(__doc__).splitlines()[0])
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--members", type=int, default=20)
    parser.add_argument("--views", type=int, default=5)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backbone", default="mobilenetv2_100")
    parser.add_argument("--image-size", type=int, nargs="+", default=[160])
    asked = parser.parse_args(arguments)
    paths = list_images(asked.images)[: asked.count]
    torch.set_num_threads(os.cpu_count() or 1)
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        nets = load_nets(random_nets(asked.backbone, asked.image_size, asked.members, Path(folder)))
        for turn in range(asked.rounds):
            for name, way in WAYS.items():
                seconds[name].append(way(nets, paths, asked.views, Path(folder) / f"{turn} {name}"))
    alone = median(seconds["forward passes alone"])
    for name, each in seconds.items():
        ratio, low, high = (value / alone for value in (median(each), min(each), max(each)))
        print(f"{name:20s} {median(each):8.2f} s, {ratio:.3f} ({low:.3f}-{high:.3f}) of the forward passes alone")


if __name__ == "__main__":
    main()
