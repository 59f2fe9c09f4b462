"""The diary's grid of t1 and t2 (nb005 ver19); it kept 0.9 and 1.5, 0.0007 ahead of 0.8 and 1.2."""

from search_spaces.diary.family import family
from search_spaces.ranges import Choice

_FOUND = {
    (0.7, 1.2): 0.86766,
    (0.7, 1.5): 0.86561,
    (0.8, 1.2): 0.86953,
    (0.8, 1.5): 0.86299,
    (0.9, 1.2): 0.86561,
    (0.9, 1.5): 0.87028,
}

SPACE = family(
    "t1_t2",
    {"t1": Choice(0.7, 0.8, 0.9), "t2": Choice(1.2, 1.5)},
    [({"t1": t1, "t2": t2}, cv) for (t1, t2), cv in _FOUND.items()],
)
