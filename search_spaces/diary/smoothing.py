"""The diary's label smoothing 0, 1e-3, 1e-2, 1e-1 (nb005 ver22-25), as torch counts it: times 5/4."""

from search_spaces.diary.family import family
from search_spaces.ranges import Choice

_FOUND = {0.0: 0.86972, 0.00125: 0.86692, 0.0125: 0.87028, 0.125: 0.86972}

SPACE = family(
    "smoothing",
    {"t1": 0.9, "t2": 1.5, "smoothing": Choice(*_FOUND)},
    [({"smoothing": smoothing}, cv) for smoothing, cv in _FOUND.items()],
)
