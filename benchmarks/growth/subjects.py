"""What may grow: its sizes, what is made for them beforehand, and what is measured of each, part by part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.growth import answers, images, searching
from benchmarks.growth.measuring import Measured


def _nothing(folder: Path, sizes: list[int]) -> None:
    """Searches make what they need themselves."""


@dataclass(frozen=True)
class Subject:
    """What grows. Parts are measured in their order, each in a process of its own, and may read what came before."""

    axis: str
    sizes: Sequence[int]
    parts: Mapping[str, Callable[[int, Path], Measured]]
    prepare: Callable[[Path, list[int]], None] = _nothing


SUBJECTS = {
    "trials": Subject("trials, on 16 slots", (10, 50, 200, 1_000), {"search": searching.with_trials}),
    "workers": Subject("workers, for 128 trials", (1, 4, 16, 64), {"search": searching.with_workers}),
    "images": Subject(
        "training images",
        (1_000, 3_000, 10_000, 30_000, 100_000),
        {"driver": images.driver, "worker": images.worker},
        images.prepare,
    ),
    "members": Subject(
        "members",
        (1, 3, 10, 30, 100),
        {"predict": answers.predict_members, "blend": answers.blend_members},
        answers.prepare_members,
    ),
    "views": Subject(
        f"views, by {answers.MEMBERS_OF_VIEWS} members",
        (1, 2, 4, 8),
        {"predict": answers.predict_views},
        answers.prepare_views,
    ),
}
"""Eight views are the most that there are (`search_spaces.kinds.MOST_VIEWS`)."""
