"""The diary's orders of Taylor cross-entropy on DeiT at 384 px (nb031 ver5, 8, 9), with RandAugment."""

from search_spaces.diary.family import family
from search_spaces.ranges import Choice

_FOUND = {2: 0.88715, 4: 0.88668, 6: 0.88318}

SPACE = family(
    "taylor_deit",
    {
        "backbone": "deit_base_patch16_384.fb_in1k",
        "image_size": 384,
        "batch_size": 16,
        "augment": "rand_augment",
        "rand_augment_n": 3,
        "rand_augment_m": 11,
        "smoothing": 0.0625,  # the diary's 0.05
        "loss": "taylor_cross_entropy",
        "taylor_order": Choice(*_FOUND),
    },
    [({"taylor_order": order}, cv) for order, cv in _FOUND.items()],
)
