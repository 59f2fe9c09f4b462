"""scikit-learn's digit images with a fifth of the training labels flipped: a whole search on a laptop.

Where the ranges come from: timm's `test_*` models train from scratch on 8x8 digits in seconds, enlarged to
32-48 px so that their strides and patches have something to see; t1, t2 and smoothing span the cassava diary's
sweeps; the learning rates are AdamW's, around 2e-3 at batch 32. Digits do not survive a flip: the views are moves.

    python search.py            # 16 trials, 2 promoted; README has its time and accuracy
"""

from search_spaces.ranges import Choice, LinearScaling, Uniform
from search_spaces.space import Space

SPACE = Space(
    name="digits",
    fields={
        "backbone": Choice("test_vit", "test_resnet", "test_efficientnet", "test_byobnet"),
        "image_size": Choice(32, 40, 48),
        "batch_size": Choice(16, 32, 64),
        "learning_rate": LinearScaling(base=2e-3, per=32),
        "t1": Uniform(0.2, 1.0),
        "t2": Uniform(1.0, 2.0),
        "smoothing": Choice(0.0, 0.05, 0.1, 0.2),
        "tta_count": Choice(1, 2, 3, 5),
        "augment": "shifts",
        "weight_decay": 0.05,
    },
    known_good=tuple(
        {
            "backbone": backbone,
            "image_size": 32,
            "batch_size": 32,
            "learning_rate": 2e-3,
            "t1": 0.8,
            "t2": 1.4,
            "smoothing": 0.1,
            "tta_count": 3,
        }
        for backbone in ("test_resnet", "test_efficientnet")
    ),
    trials=16,
    epochs=12,
    promote=2,
)
