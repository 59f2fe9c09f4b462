"""About a thousand real leaf photos on a CPU, in about an hour: small sizes, light backbones, pretrained weights.

Where the ranges come from: single nets on fold 0, `mobilenetv2_100` at 160 px, from ImageNet weights, eight epochs,
on 1,263 coffee leaves (n = 253 in the fold, standard error 0.02, so the losses say more than the accuracies):

    BatchNorm statistics   rate, batch     val_nll, accuracy after epoch 5       after epoch 8
    trained                8e-4, 32        0.70      0.822                       0.59      0.854
    frozen                 8e-4, 32        0.52      0.834                       0.39      0.881
    frozen                 4e-4, 32        0.37      0.893                       0.32      0.893
    frozen                 3e-4, 16        0.38      0.874                       0.35      0.901

With statistics of small batches the net that validates is not the net that trains: early scores are erratic, rungs
judge by luck, and statistics estimated anew before each validation helped little. Hence `freeze_bn`. t1 and t2 lie
around the cassava diary's final 0.9 and 1.5 and the competition winner's 0.8 and 1.4. Sizes and `shifts` are those
that won two searches, one on coffee and one on bean leaves, over sizes from 160 px and flips alone. With
`--weights DIR` only the backbones that have a file there are tried; without it timm downloads the weights. What a
search costs and finds on both sets is in the README.

    python search.py --space leaves --data FOLDER --weights DIR
"""

from search_spaces.ranges import Choice, LinearScaling, Uniform
from search_spaces.space import Space

SPACE = Space(
    name="leaves",
    fields={
        "backbone": Choice("mobilenetv2_100", "mobilenetv3_large_100", "efficientnet_lite0", "resnet18"),
        "pretrained": True,
        "freeze_bn": True,
        "image_size": Choice(160, 192, 224),
        "batch_size": Choice(16, 32),
        "learning_rate": LinearScaling(base=4e-4, per=32),
        "t1": Uniform(0.5, 1.0),
        "t2": Uniform(1.0, 1.6),
        "smoothing": Choice(0.0, 0.02, 0.05, 0.1),
        "tta_count": Choice(1, 2, 4),
        "augment": Choice("flips", "shifts"),
        "weight_decay": 0.05,
    },
    known_good=(
        {
            "backbone": "mobilenetv2_100",
            "image_size": 224,
            "batch_size": 16,
            "learning_rate": 3e-4,
            "t1": 0.9,
            "t2": 1.1,
            "smoothing": 0.05,
            "tta_count": 4,
            "augment": "shifts",
        },
        {
            "backbone": "mobilenetv2_100",
            "image_size": 160,
            "batch_size": 32,
            "learning_rate": 4e-4,
            "t1": 0.8,
            "t2": 1.1,
            "smoothing": 0.05,
            "tta_count": 4,
            "augment": "flips",
        },
    ),
    trials=6,
    epochs=8,
    promote=2,
)
