"""The diary's image sizes (nb005 ver40-47, under SAM), the only sweep whose ends are far beyond its noise."""

from search_spaces.diary.family import ADOPTED, family
from search_spaces.ranges import Choice

_FOUND = {224: 0.86168, 240: 0.86776, 256: 0.87103, 300: 0.87266, 380: 0.88154, 456: 0.88832, 512: 0.88949}

SPACE = family(
    "image_size",
    {"batch_size": 32, **ADOPTED, "image_size": Choice(*_FOUND)},
    [({"image_size": size}, cv) for size, cv in _FOUND.items()],
)
