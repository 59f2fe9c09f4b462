"""The diary's step from 256 to 512 px (nb005 ver13-14), the only one of its gains that is far beyond its noise."""

from search_spaces.diary.family import family
from search_spaces.ranges import Choice

_FOUND = {256: 0.86224, 512: 0.88692}

SPACE = family(
    "image_size",
    {"batch_size": 32, "image_size": Choice(256, 320, 380, 512)},
    [({"image_size": size}, cv) for size, cv in _FOUND.items()],
)
