"""The diary's sweep of t1 with t2 next to 1 (nb005 ver16-18): up and down by less than its noise."""

from search_spaces.diary.family import family
from search_spaces.ranges import Choice

SPACE = family(
    "t1",
    {"t1": Choice(1.0, 0.9, 0.8, 0.7, 0.6, 0.5)},
    [
        ({"t1": t1}, cv)
        for t1, cv in ((1.0, 0.86467), (0.9, 0.86841), (0.8, 0.86224), (0.7, 0.87196), (0.6, 0.86411), (0.5, 0.86710))
    ],
)
