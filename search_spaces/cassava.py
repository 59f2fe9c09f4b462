"""Cassava Leaf Disease Classification (21,397 photos, 5 classes) and problems of its size, on GPUs.

Where the ranges come from: the cassava diary's backbones (EfficientNet B0-B4 and their Noisy Student weights,
SE-ResNeXt50, ResNeXt50 and its semi-weakly supervised weights, ViT and DeiT at 384 px), its sweeps of t1, t2 and
smoothing, its sizes 224-512 and batches 8-128. The diary's learning rate is 1e-4 at batch 32 with Adam.
`known_good` are the best recipe of each of its families of backbones, with what each had on one fold (standard error
0.0043), all but DeiT's with the photos of 2019 and under SAM, which doubles a step, and the recipe family of the
winning ViT (t1 0.8, t2 1.4, smoothing 0.06, here 0.075). Its smoothing of 0.01 is 0.0125 here.

What it costs: an epoch took the diary 510 s (B0 at 380 px) to 2,390 s (B4 at 500 px) with SAM, which doubles a
step, on one Kaggle GPU. Forty trials of ten epochs stopped by ASHA are some 120-160 epochs, and three promoted
recipes another 120. What it should find: single recipes near CV 0.89-0.90, whose standard error on a fold is 0.0043.

    ray submit cluster.yaml search.py -- --space cassava --data /mnt/shared/cassava --out /mnt/shared/runs/cassava
"""

from search_spaces.ranges import Choice, LinearScaling, Uniform
from search_spaces.space import Space

_DIARY = {"optimizer": "adam", "weight_decay": 0.0, "augment": "diary", "tta": "crop_flips", "tta_count": 5}
_TEMPERED = {**_DIARY, "sam_rho": 0.05, "t1": 0.9, "t2": 1.5, "smoothing": 0.0125}
_TAYLOR = {**_DIARY, "loss": "taylor_cross_entropy", "t1": 1.0, "t2": 1.0}

SPACE = Space(
    name="cassava",
    fields={
        "backbone": Choice(
            "tf_efficientnet_b0.aa_in1k",
            "tf_efficientnet_b1.aa_in1k",
            "tf_efficientnet_b2.aa_in1k",
            "tf_efficientnet_b3.aa_in1k",
            "tf_efficientnet_b4.aa_in1k",
            "tf_efficientnet_b0.ns_jft_in1k",
            "tf_efficientnet_b1.ns_jft_in1k",
            "tf_efficientnet_b2.ns_jft_in1k",
            "tf_efficientnet_b3.ns_jft_in1k",
            "tf_efficientnet_b4.ns_jft_in1k",
            "seresnext50_32x4d.racm_in1k",
            "resnext50_32x4d.tv_in1k",
            "resnext50_32x4d.fb_swsl_ig1b_ft_in1k",
            "vit_base_patch16_384.augreg_in21k_ft_in1k",
            "deit_base_patch16_384.fb_in1k",
        ),
        "pretrained": True,
        "image_size": Choice(224, 256, 320, 380, 384, 410, 440, 470, 500, 512),
        "batch_size": Choice(8, 16, 32, 64, 128),
        "learning_rate": LinearScaling(base=1e-4, per=32),
        "t1": Uniform(0.5, 1.0),
        "t2": Uniform(1.0, 2.0),
        "smoothing": Choice(0.0, 0.0125, 0.0375, 0.075, 0.125),
        "tta_count": Choice(1, 2, 3, 5, 8),
        "augment": Choice("diary", "flips", "rand_augment"),
        "weight_decay": 0.01,
    },
    known_good=(
        {  # nb023 ver1: 0.89427
            "backbone": "tf_efficientnet_b3.ns_jft_in1k",
            "image_size": 470,
            "batch_size": 16,
            "learning_rate": 5e-5,
            **_TEMPERED,
        },
        {  # nb028 ver14: 0.89560
            "backbone": "seresnext50_32x4d.racm_in1k",
            "image_size": 410,
            "batch_size": 32,
            "learning_rate": 1e-4,
            **_TAYLOR,
            "taylor_order": 4,
            "sam_rho": 0.05,
            "smoothing": 0.0,
        },
        {
            "backbone": "vit_base_patch16_384.augreg_in21k_ft_in1k",
            "image_size": 384,
            "batch_size": 16,
            "learning_rate": 5e-5,
            "t1": 0.8,
            "t2": 1.4,
            "smoothing": 0.075,
            "tta_count": 5,
            "augment": "flips",
        },
        {  # nb013 ver3: 0.89066
            "backbone": "tf_efficientnet_b1.ns_jft_in1k",
            "image_size": 410,
            "batch_size": 32,
            "learning_rate": 1e-4,
            **_TEMPERED,
        },
        {  # nb030: 0.89028, its batch not stated
            "backbone": "resnext50_32x4d.fb_swsl_ig1b_ft_in1k",
            "image_size": 410,
            "batch_size": 16,
            "learning_rate": 5e-5,
            **_TEMPERED,
        },
        {  # nb031 ver5: 0.88715, its batch not stated
            "backbone": "deit_base_patch16_384.fb_in1k",
            "image_size": 384,
            "batch_size": 16,
            "learning_rate": 5e-5,
            **_TAYLOR,
            "taylor_order": 2,
            "smoothing": 0.0625,
            "augment": "rand_augment",
            "rand_augment_n": 3,
            "rand_augment_m": 11,
        },
    ),
    trials=40,
    epochs=10,
    promote=3,
    gpus_per_trial=1.0,
)
