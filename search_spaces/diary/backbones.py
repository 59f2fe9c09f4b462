"""The diary's backbones, each at its own size and batch (nb005-nb035; with the photos of 2019, under SAM).

Noisy Student weights (`ns_jft_in1k`) were ahead of plain ones on the leaderboard for B1 to B4 and behind for B0; the
accuracy of its B0 with them fits no size of a fold and may be a slip. It states no batch for the last two.
"""

from typing import Any

from search_spaces.diary.family import ADOPTED, listed

_FOUND: list[tuple[str, int, int, float]] = [
    ("tf_efficientnet_b0.aa_in1k", 380, 32, 0.87946),
    ("tf_efficientnet_b0.ns_jft_in1k", 380, 32, 0.88908),
    ("tf_efficientnet_b1.aa_in1k", 410, 32, 0.88819),
    ("tf_efficientnet_b1.ns_jft_in1k", 410, 32, 0.89066),
    ("tf_efficientnet_b2.aa_in1k", 440, 16, 0.88269),
    ("tf_efficientnet_b2.ns_jft_in1k", 440, 16, 0.88459),
    ("tf_efficientnet_b3.aa_in1k", 470, 16, 0.88819),
    ("tf_efficientnet_b3.ns_jft_in1k", 470, 16, 0.89427),
    ("tf_efficientnet_b4.aa_in1k", 500, 8, 0.88952),
    ("tf_efficientnet_b4.ns_jft_in1k", 500, 8, 0.88933),
    ("seresnext50_32x4d.racm_in1k", 410, 16, 0.89237),
    ("resnext50_32x4d.fb_swsl_ig1b_ft_in1k", 410, 16, 0.89028),
]

_EXPECTED: list[tuple[dict[str, Any], float]] = [
    ({"backbone": backbone, "image_size": size, "batch_size": batch}, cv) for backbone, size, batch, cv in _FOUND
]

SPACE = listed("backbones", ADOPTED, _EXPECTED)
