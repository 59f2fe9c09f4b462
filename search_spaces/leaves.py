"""About a thousand real leaf photos on a CPU: small sizes, light backbones, pretrained weights.

Where the ranges come from: one MobileNetV2 on fold 0 of 1,167 bean leaves, a net each (n = 234, standard error
0.016, so the losses say more than the accuracies): AdamW's rate 1e-3 at batch 32, 6 epochs, val_loss 0.33; 7e-4 at
batch 16, 0.18; 3e-4 at batch 16, 5 epochs, 0.14, all at 160 px; 4e-4 at batch 16, 6 epochs, 128 px, 0.21. Hence the
rates around 6e-4 at batch 32. t1 and t2 lie around the cassava diary's final 0.9 and 1.5 and the competition
winner's 0.8 and 1.4. With `--weights DIR` only the backbones that have a file there are tried; without it timm
downloads the weights.

    python search.py --space leaves --data FOLDER --weights DIR     # README has its time and accuracy
"""

from search_spaces.ranges import Choice, LinearScaling, Uniform
from search_spaces.space import Space

SPACE = Space(
    name="leaves",
    fields={
        "backbone": Choice("mobilenetv2_100", "mobilenetv3_large_100", "efficientnet_lite0", "resnet18"),
        "pretrained": True,
        "image_size": Choice(128, 160),
        "batch_size": Choice(16, 32),
        "learning_rate": LinearScaling(base=6e-4, per=32),
        "t1": Uniform(0.5, 1.0),
        "t2": Uniform(1.0, 1.6),
        "smoothing": Choice(0.0, 0.02, 0.05, 0.1),
        "tta_count": Choice(1, 2, 4),
        "augment": "flips",
        "weight_decay": 0.05,
    },
    known_good=(
        {
            "backbone": "mobilenetv2_100",
            "image_size": 160,
            "batch_size": 16,
            "learning_rate": 3e-4,
            "t1": 0.9,
            "t2": 1.1,
            "smoothing": 0.05,
            "tta_count": 4,
        },
        {
            "backbone": "mobilenetv2_100",
            "image_size": 160,
            "batch_size": 16,
            "learning_rate": 2e-4,
            "t1": 0.8,
            "t2": 1.4,
            "smoothing": 0.02,
            "tta_count": 4,
        },
    ),
    trials=6,
    epochs=5,
    promote=2,
)
