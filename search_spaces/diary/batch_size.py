"""The diary's batch sizes, the rate scaled with them (nb005 ver2-5; AdaBelief, all of four folds)."""

from search_spaces.diary.family import family
from search_spaces.ranges import Choice

_FOUND = {32: 0.85129, 64: 0.85507, 128: 0.85657}

SPACE = family(
    "batch_size",
    {"optimizer": "adabelief", "batch_size": Choice(*_FOUND)},
    [({"batch_size": size}, cv) for size, cv in _FOUND.items()],
)
