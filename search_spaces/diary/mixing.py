"""The diary's mixed images (nb005 ver48-51, at 380 px with the photos of 2019, under SAM); none helped."""

from search_spaces.diary.family import ADOPTED, family
from search_spaces.ranges import Choice

_FOUND = {"none": 0.87946, "mixup": 0.87130, "cutmix": 0.87870, "fmix": 0.88041}

SPACE = family(
    "mixing",
    {
        "image_size": 380,
        "batch_size": 32,
        **ADOPTED,
        "mix": Choice(*_FOUND),
    },
    [({"mix": name}, cv) for name, cv in _FOUND.items()],
)
