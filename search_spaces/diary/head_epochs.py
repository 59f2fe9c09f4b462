"""The diary's first epochs with the classifier alone (nb005 ver5-8; batch 128, all of four folds)."""

from search_spaces.diary.family import family
from search_spaces.ranges import Choice

_FOUND = {0: 0.85657, 1: 0.85718, 2: 0.85619}

SPACE = family(
    "head_epochs",
    {"optimizer": "adabelief", "batch_size": 128, "head_epochs": Choice(*_FOUND)},
    [({"head_epochs": epochs}, cv) for epochs, cv in _FOUND.items()],
)
