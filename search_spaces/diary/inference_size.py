"""The diary's larger images at inference than in training (nb005 ver45, trained at 380 px); dropped.

Scores are the public leaderboard's, of four epochs averaged and five crops with flips.
"""

from search_spaces.diary.family import ADOPTED, family
from search_spaces.ranges import Choice

_FOUND = {380: 0.892, 400: 0.888, 456: 0.888}

SPACE = family(
    "inference_size",
    {
        "image_size": 380,
        "batch_size": 32,
        **ADOPTED,
        "tta": "crop_flips",
        "tta_count": 5,
        "inference_size": Choice(*_FOUND),
    },
    [({"inference_size": size}, score) for size, score in _FOUND.items()],
    found_on="the public leaderboard",
)
