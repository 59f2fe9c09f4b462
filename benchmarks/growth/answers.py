"""Members and views: prediction by small nets that were never trained, and blending of simulated predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.growth.images import jpeg, name
from benchmarks.growth.measuring import Measured, Meter

_IMAGES = 256
MEMBERS_OF_VIEWS = 6
_ROWS, _CLASSES, _FOLDS = 1_200, 5, 5


def prepare_members(folder: Path, sizes: list[int]) -> None:
    _prepare(folder, max(sizes))


def prepare_views(folder: Path, sizes: list[int]) -> None:
    _prepare(folder, MEMBERS_OF_VIEWS)


def _prepare(folder: Path, members: int) -> None:
    """Weight files and images."""
    from benchmarks.one_pass import random_nets

    for part in ("nets", "images"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    random_nets("test_efficientnet", [64], members, folder / "nets")
    for number in range(_IMAGES):
        (folder / "images" / name(number)).write_bytes(jpeg(number))


def predict_with(members: int, views: int, folder: Path) -> Measured:
    """All images by so many nets, each at so many views."""
    import torch

    from benchmarks.one_pass import one_pass
    from trainables.data.kaggle import list_images
    from trainables.predict import load_nets

    torch.set_num_threads(2)
    meter = Meter()
    with meter.timed("load the nets"):
        nets = load_nets(folder / "nets" / f"{member}.safetensors" for member in range(members))
    with meter.timed("look at the images"):
        one_pass(nets, list_images(folder / "images"), views, folder / f"part-{members}-{views}")
    return meter.found


def predict_members(size: int, folder: Path) -> Measured:
    return predict_with(size, 1, folder)


def predict_views(size: int, folder: Path) -> Measured:
    return predict_with(MEMBERS_OF_VIEWS, size, folder)


def blend_members(size: int, folder: Path) -> Measured:
    """Every method by nested cross-validation, and one chosen, as a search does it. One member is not blended."""
    if size == 1:
        return {}
    import torch

    from analysis.ensemble import METHODS, Members
    from analysis.ensemble.choice import compare_methods
    from benchmarks.blending import Kind, drawn

    torch.set_num_threads(2)
    rng = np.random.default_rng(size)
    few, given, _ = drawn(Kind((2.0, 2.0)), 100, _CLASSES, rng)
    for fit in METHODS.values():  # whose imports are no part of what grows
        fit(few, given, "val_robust_loss", 0)
    probs, labels, _ = drawn(Kind((2.0,) * size), _ROWS, _CLASSES, rng)
    meter = Meter()
    with meter.timed("all methods"):
        members = Members(tuple(map(str, range(size))), probs, labels, np.arange(_ROWS) % _FOLDS)
        choice = compare_methods(members, "val_robust_loss", 0)
    return {**{f"{method}_s": seconds for method, seconds in choice.seconds.items()}, **meter.found}
