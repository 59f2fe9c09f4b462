"""What the diary's experiments share: EfficientNet-B0 at 256 px, Adam, ten epochs, one fold of 5,350 photos.

The diary's accuracies are single runs on such a fold; their standard error is 0.0046, so that no two neighbours in any
of its tables differ by more than noise. Its rate is 1e-4 at batch 32, scaled with the batch. Names of backbones are
timm's present ones (`tf_efficientnet_b3_ns` is now `tf_efficientnet_b3.ns_jft_in1k`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from search_spaces.ranges import Choice, LinearScaling
from search_spaces.space import Space

FOLD_SE = 0.0046
"""Binomial standard error of 0.87 on 5,350 images; as much as 0.89 has on the public leaderboard."""

_RATE = LinearScaling(1e-4, 32, 1.0, 1.0)

_SHARED = {
    "backbone": "tf_efficientnet_b0.aa_in1k",
    "pretrained": True,
    "image_size": 256,
    "batch_size": 64,
    "learning_rate": _RATE,
    "optimizer": "adam",
    "weight_decay": 0.0,
    "augment": "diary",
}

SMOOTHING = 0.0125
"""The diary's 0.01, which it spread over the four other classes."""

ADOPTED = {"t1": 0.9, "t2": 1.5, "smoothing": SMOOTHING, "sam_rho": 0.05}
"""What it trained with once its sweeps of these were over."""


def family(
    name: str,
    fields: Mapping[str, Any],
    expected: Sequence[tuple[Mapping[str, Any], float]],
    found_on: str = "one fold",
) -> Space:
    """A grid over the `Choice`s among `fields`; all else as the diary had it."""
    space = Space(
        name=f"diary/{name}",
        fields={**_SHARED, **fields},
        trials=1,
        epochs=10,
        promote=1,
        gpus_per_trial=1.0,
        grid=True,
        expected=tuple(expected),
        expected_se=FOLD_SE,
        expected_on=found_on,
    )
    return space.of_size(len(space.combinations()))


def listed(name: str, fields: Mapping[str, Any], expected: Sequence[tuple[Mapping[str, Any], float]]) -> Space:
    """The diary's own combinations one by one, each with what it found, where they are no grid."""
    sizes = [{**fields, **each}["batch_size"] for each, _ in expected]
    rated = [
        {**each, "learning_rate": _RATE.base * size / _RATE.per}
        for (each, _), size in zip(expected, sizes, strict=True)
    ]
    varied = {key: Choice(*dict.fromkeys(each[key] for each in rated)) for key in rated[0] if key not in fields}
    space = family(name, {**fields, **varied}, expected)
    return replace(space, grid=False, known_good=tuple(rated), trials=len(rated))
