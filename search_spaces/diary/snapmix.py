"""The diary's SnapMix by its probability (nb023 ver5-8: B3 Noisy Student at 470 px, under SAM); the less, the better."""

from typing import Any

from search_spaces.diary.family import ADOPTED, listed

_FOUND: list[tuple[dict[str, Any], float]] = [
    ({"mix": "none", "mix_prob": 1.0}, 0.89427),
    ({"mix": "snapmix", "mix_prob": 0.1}, 0.88819),
    ({"mix": "snapmix", "mix_prob": 0.2}, 0.88686),
    ({"mix": "snapmix", "mix_prob": 0.5}, 0.88497),
    ({"mix": "snapmix", "mix_prob": 1.0}, 0.88136),
]

SPACE = listed(
    "snapmix",
    {"backbone": "tf_efficientnet_b3.ns_jft_in1k", "image_size": 470, "batch_size": 16, **ADOPTED},
    _FOUND,
)
