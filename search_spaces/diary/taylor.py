"""The diary's orders of Taylor cross-entropy on SE-ResNeXt50 at 410 px (nb028 ver11-12), under SAM."""

from search_spaces.diary.family import family
from search_spaces.ranges import Choice

_FOUND = {4: 0.89332, 6: 0.89256}

SPACE = family(
    "taylor",
    {
        "backbone": "seresnext50_32x4d.racm_in1k",
        "image_size": 410,
        "batch_size": 16,
        "sam_rho": 0.05,
        "loss": "taylor_cross_entropy",
        "taylor_order": Choice(2, 3, *_FOUND),
    },
    [({"taylor_order": order}, cv) for order, cv in _FOUND.items()],
)
