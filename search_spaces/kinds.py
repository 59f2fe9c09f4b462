"""The named alternatives of a recipe's fields, each with the fields that belong to it.

Where a recipe asks for another alternative, the fields of this one must keep their defaults.
"""

Kinds = dict[str, tuple[str, ...]]

LOSSES: Kinds = {
    "bi_tempered": ("t1", "t2"),
    "cross_entropy": (),
    "symmetric_cross_entropy": ("sce_alpha", "sce_beta"),
    "focal": ("focal_gamma",),
    "focal_cosine": ("focal_gamma", "focal_weight"),
    "taylor_cross_entropy": ("taylor_order",),
    "gamblers": ("gamblers_reward",),
}
"""`trainables/losses/`, a file each."""

OPTIMIZERS: Kinds = {"adamw": (), "adam": (), "sgd": (), "adabelief": ()}
"""`trainables/optimizers.py`. SGD has Nesterov momentum 0.9."""

SCHEDULES: Kinds = {
    "cosine": (),
    "cosine_restarts": ("restart_epochs",),
    "plateau": ("plateau_factor", "plateau_patience"),
}
"""`trainables/schedules.py`."""

AUGMENTS: Kinds = {
    "flips": (),
    "shifts": (),
    "diary": (),
    "diary_reduced": (),
    "rand_augment": ("rand_augment_n", "rand_augment_m"),
    "auto_augment": (),
    "custom": ("augment_pipeline",),
}
"""`trainables/augment.py`. All but `shifts` and `custom` mirror images."""

MIXES: Kinds = {
    "none": (),
    "mixup": ("mix_prob", "mix_alpha"),
    "cutmix": ("mix_prob", "mix_alpha"),
    "fmix": ("mix_prob", "mix_alpha"),
    "snapmix": ("mix_prob", "mix_alpha"),
}
"""`trainables/mixing.py`."""

FITS: Kinds = {"resize": (), "center_crop": ()}
"""How an image becomes square where nothing is drawn at random."""

SAMPLINGS: Kinds = {"natural": (), "sqrt": (), "balanced": ()}
"""How often a class is trained on: as often as it is, as the square root of that, or as often as any other."""

DENOISES: Kinds = {"none": (), "drop": (), "relabel": (), "reweight": ()}
"""What became of training rows whose labels look wrong: `trainables/data/cleaned.py`."""

TTAS: Kinds = {"as_trained": (), "flips": (), "shifts": (), "crops": (), "crop_flips": (), "tiles": (), "diary": ()}
"""`trainables/tta.py`. `as_trained` is `shifts` after training with them, else `flips`."""

MOST_VIEWS = 8
"""Each family has this many test-time views; view 1 is always the plain image."""

ANSWERS: Kinds = {"last": (), "soup": ("answer_epochs",), "mean": ("answer_epochs",)}
"""What answers once a training has ended: the last epoch's net, one net whose weights are the mean of the last epochs',
or the mean of what the last epochs' nets say. `trainables/last_epochs.py`."""

PRECISIONS: Kinds = {"auto": (), "float32": (), "bfloat16": (), "float16": ()}
"""`trainables/precision.py`. `auto` is mixed precision on a GPU and float32 on a CPU."""

ALL_SOURCES = "all"

KINDS: dict[str, Kinds] = {
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "augment": AUGMENTS,
    "mix": MIXES,
    "fit": FITS,
    "sampling": SAMPLINGS,
    "denoise": DENOISES,
    "tta": TTAS,
    "answer": ANSWERS,
    "precision": PRECISIONS,
}
"""By the field that names one."""
