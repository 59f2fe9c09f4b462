"""The diary's photos of 2020 alone and with those of 2019 beside (nb005 ver45, ver48; B0 at 380 px, under SAM).

Its two accuracies are of different validation images. Here they are of the same, those of 2020, with

    python -m trainables.data.gather --out cassava 2020=cassava2020 2019=cassava2019
    python search.py --space diary/sources --data cassava --train-only 2019
"""

from search_spaces.diary.family import ADOPTED, family
from search_spaces.kinds import ALL_SOURCES
from search_spaces.ranges import Choice

_FOUND = {"2020": 0.88154, ALL_SOURCES: 0.87946}

SPACE = family(
    "sources",
    {"image_size": 380, "batch_size": 32, **ADOPTED, "sources": Choice(*_FOUND)},
    [({"sources": sources}, cv) for sources, cv in _FOUND.items()],
)
