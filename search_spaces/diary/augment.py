"""The diary's augmentations (nb005 ver31-32, under SAM), and the two that it tried elsewhere or wished for."""

from search_spaces.diary.family import ADOPTED, family
from search_spaces.ranges import Choice

_FOUND = {"diary": 0.87103, "diary_reduced": 0.86893}

SPACE = family(
    "augment",
    {
        **ADOPTED,
        "augment": Choice(*_FOUND, "rand_augment", "auto_augment"),
    },
    [({"augment": name}, cv) for name, cv in _FOUND.items()],
)
