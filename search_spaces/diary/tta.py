"""The diary's test-time views of B0 at 256 px (nb005 ver31): crops, and crops with flips; none had 0.874.

Scores are the public leaderboard's: it kept no validation scores of views. Of counts 3, 5, 8 it found 0.888, 0.889,
0.887 (ver34, four epochs averaged); here one trial is scored at every count, in its `tta_curve.json`.
"""

from search_spaces.diary.family import ADOPTED, family
from search_spaces.ranges import Choice

_FOUND = {"crops": 0.881, "crop_flips": 0.883}

SPACE = family(
    "tta",
    {**ADOPTED, "tta_count": 8, "tta": Choice(*_FOUND, "flips")},
    [({"tta": kind}, score) for kind, score in _FOUND.items()],
    found_on="the public leaderboard",
)
