"""About a thousand real leaf photos on a CPU: small sizes, light backbones, pretrained weights.

Where the ranges come from: single nets on fold 0, `mobilenetv2_100` at 160 px, 5 epochs unless said otherwise.
On 1,167 bean leaves (n = 234 in the fold, standard error 0.016, so the losses say more than the accuracies):

    rate 1e-3, batch 32, 6 epochs: val_loss 0.33, accuracy 0.927      rate 7e-4, batch 16, 6 epochs: 0.18, 0.940
    rate 8e-4, batch 32:                    0.31          0.932      rate 3e-4, batch 16:            0.14, 0.944

On 1,263 coffee leaves (n = 253, standard error 0.022): 8e-4 at batch 32, 0.46 and 0.870; 2e-4 at batch 16, 0.48
and 0.838; the training loss was still falling, hence eight epochs. t1 and t2 lie around the cassava diary's final
0.9 and 1.5 and the competition winner's 0.8 and 1.4. With `--weights DIR` only the backbones that have a file there
are tried; without it timm downloads the weights.

    python search.py --space leaves --data FOLDER --weights DIR
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
        "learning_rate": LinearScaling(base=7e-4, per=32),
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
            "batch_size": 32,
            "learning_rate": 8e-4,
            "t1": 0.8,
            "t2": 1.1,
            "smoothing": 0.05,
            "tta_count": 4,
        },
    ),
    trials=5,
    epochs=8,
    promote=2,
)
