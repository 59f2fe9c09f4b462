"""The diary's Adam and SGD, with SAM and without (nb005 ver24-28)."""

from search_spaces.diary.family import SMOOTHING, family
from search_spaces.ranges import Choice

SPACE = family(
    "optimizers",
    {
        "t1": 0.9,
        "t2": 1.5,
        "smoothing": SMOOTHING,
        "optimizer": Choice("adam", "sgd"),
        "sam_rho": Choice(0.0, 0.05),
    },
    [
        ({"optimizer": "adam", "sam_rho": 0.0}, 0.87028),
        ({"optimizer": "adam", "sam_rho": 0.05}, 0.87234),
        ({"optimizer": "sgd", "sam_rho": 0.05}, 0.69813),
    ],
)
