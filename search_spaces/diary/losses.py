"""The diary's four losses (nb005 ver35-39), under SAM."""

from search_spaces.diary.family import SMOOTHING, family
from search_spaces.ranges import Choice, Only

_FOUND = {"bi_tempered": 0.87103, "symmetric_cross_entropy": 0.86729, "focal": 0.86706, "focal_cosine": 0.87313}

SPACE = family(
    "losses",
    {
        "sam_rho": 0.05,
        "loss": Choice(*_FOUND),
        "t1": Only(0.9, loss="bi_tempered"),
        "t2": Only(1.5, loss="bi_tempered"),
        "smoothing": Only(SMOOTHING, loss="bi_tempered"),
    },
    [({"loss": loss}, cv) for loss, cv in _FOUND.items()],
)
