"""The diary's SnapMix by its probability (nb023 ver5-8: B3 Noisy Student, 470 px, under SAM): the less, the better."""

from search_spaces.diary.family import ADOPTED, listed
from search_spaces.ranges import Choice, Only

_WITHOUT = 0.89427
_FOUND = {0.1: 0.88819, 0.2: 0.88686, 0.5: 0.88497, 1.0: 0.88136}

SPACE = listed(
    "snapmix",
    {
        "backbone": "tf_efficientnet_b3.ns_jft_in1k",
        "image_size": 470,
        "batch_size": 16,
        **ADOPTED,
        "mix_prob": Only(Choice(*_FOUND), mix="snapmix"),
    },
    [
        ({"mix": "none"}, _WITHOUT),
        *(({"mix": "snapmix", "mix_prob": probability}, cv) for probability, cv in _FOUND.items()),
    ],
)
