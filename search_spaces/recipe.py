"""`Recipe`: one fully decided training setup, a point of a search space."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from search_spaces.backbones import fits, size_step
from search_spaces.errors import InputError

AUGMENTS: dict[str, tuple[str, ...]] = {
    "flips": (),
    "shifts": (),
    "diary": (),
    "diary_reduced": (),
    "rand_augment": ("rand_augment_n", "rand_augment_m"),
    "auto_augment": (),
}
"""Each with the fields that belong to it. `trainables/augment.py`. All but `shifts` mirror images."""

FITS: dict[str, tuple[str, ...]] = {"resize": (), "center_crop": ()}
"""How an image becomes square where nothing is drawn at random."""

SAMPLINGS: dict[str, tuple[str, ...]] = {"natural": (), "sqrt": (), "balanced": ()}
"""How often a class is trained on: as often as it is, as the square root of that, or as often as any other."""

LOSSES: dict[str, tuple[str, ...]] = {
    "bi_tempered": ("t1", "t2"),
    "cross_entropy": (),
    "symmetric_cross_entropy": ("sce_alpha", "sce_beta"),
    "focal": ("focal_gamma",),
    "focal_cosine": ("focal_gamma", "focal_weight"),
    "taylor_cross_entropy": ("taylor_order",),
    "gamblers": ("gamblers_reward",),
}
"""Each with the fields that belong to it; under another loss they must keep their defaults. `trainables/losses/`."""

OPTIMIZERS = ("adamw", "adam", "sgd", "adabelief")
"""`trainables/optimizers.py`. SGD has Nesterov momentum 0.9."""

SCHEDULES: dict[str, tuple[str, ...]] = {
    "cosine": (),
    "cosine_restarts": ("restart_epochs",),
    "plateau": ("plateau_factor", "plateau_patience"),
}
"""Each with the fields that belong to it. `trainables/schedules.py`."""

MIXES: dict[str, tuple[str, ...]] = {
    "none": (),
    "mixup": ("mix_prob", "mix_alpha"),
    "cutmix": ("mix_prob", "mix_alpha"),
    "fmix": ("mix_prob", "mix_alpha"),
}
"""Each with the fields that belong to it. `trainables/mixing.py`."""

MOST_VIEWS = 8
"""Each family has this many test-time views; view 1 is always the plain image."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides one training, checked at birth.

    `InputError` lists every field that breaks its rule. `learning_rate` is the peak rate, reached after a linear
    warm-up.
    """

    backbone: str
    """A model name of timm."""
    image_size: int
    """Side of the square input, px."""
    batch_size: int
    """Rows of one optimizer step, whatever fits in memory at once."""
    learning_rate: float
    epochs: int
    loss: str = "bi_tempered"
    """One of `LOSSES`. The default with t1 = t2 = 1 is cross-entropy."""
    t1: float = 1.0
    """Below 1 the loss is bounded, which limits what one wrong label can do."""
    t2: float = 1.0
    """Above 1 the tails of the tempered softmax are heavy, which forgives labels near the boundary."""
    smoothing: float = 0.0
    """Share of the target spread evenly over all K classes: y = (1 - s) onehot + s / K, as in torch.

    The bi-tempered loss's reference implementation and the cassava diary spread it over the K - 1 others, so that
    their s means s K / (K - 1) here: 0.01 of five classes is 0.0125.
    """
    sce_alpha: float = 0.1
    """Weight of cross-entropy in the symmetric one."""
    sce_beta: float = 1.0
    """Weight of reverse cross-entropy in the symmetric one."""
    focal_gamma: float = 2.0
    """The greater, the less an easy row counts."""
    focal_weight: float = 0.1
    """Weight of the focal part in the focal cosine loss."""
    taylor_order: int = 2
    gamblers_reward: float = 2.0
    """What a right bet pays, in (1, K] of K classes; the smaller, the sooner the net abstains from a label."""
    ousm_drop: int = 0
    """Rows of a batch that are left out, those with the greatest loss."""
    ohem_keep: float = 1.0
    """Share of a batch's rows that are trained on, those with the greatest loss."""
    tta_count: int = 1
    """Test-time views averaged in a prediction. It is a prefix of one nested list, so it costs no training."""
    augment: str = "flips"
    """One of `AUGMENTS`."""
    rand_augment_n: int = 2
    """Operations in a row of RandAugment (arXiv 1909.13719)."""
    rand_augment_m: int = 9
    """Their magnitude, in [0, 30]."""
    plain_first_epochs: int = 0
    """First epochs without augmentation and mixing."""
    plain_last_epochs: int = 0
    fit: str = "resize"
    """One of `FITS`."""
    sampling: str = "natural"
    """One of `SAMPLINGS`. Any but the natural draws with replacement, as many rows an epoch."""
    mix: str = "none"
    """One of `MIXES`: two images of a batch in one, their labels as shares."""
    mix_prob: float = 1.0
    """Of a batch being mixed."""
    mix_alpha: float = 1.0
    """Of the Beta distribution that the shares are drawn from; small ones mix little."""
    weight_decay: float = 0.05
    optimizer: str = "adamw"
    """One of `OPTIMIZERS`."""
    sam_rho: float = 0.0
    """How far sharpness-aware minimization (arXiv 2010.01412) climbs for its gradient; 0 is off."""
    clip_norm: float = 0.0
    """Longest gradient, all parameters together; 0 is off."""
    ema_decay: float = 0.0
    """Of the moving average of weights that is then scored and saved, warmed up as timm does it; 0 is off."""
    layer_decay: float = 1.0
    """Factor of the rate from each layer to the one below it; 1 is off."""
    schedule: str = "cosine"
    """One of `SCHEDULES`."""
    warm_up: float = 0.1
    """Share of all steps in which the rate rises to its peak."""
    restart_epochs: int = 10
    plateau_factor: float = 0.2
    plateau_patience: int = 4
    """Epochs without a better `val_loss` that are still borne."""
    head_epochs: int = 0
    """First epochs in which only the classifier is trained."""
    drop_rate: float = 0.0
    """Dropout before the classifier."""
    drop_path_rate: float = 0.0
    """Stochastic depth; refused for backbones that timm gives none."""
    pretrained: bool = False
    freeze_bn: bool = False
    """BatchNorm keeps its pretrained statistics while the net trains; its scale and shift are trained all the same."""
    seed: int = 0

    def __post_init__(self) -> None:
        problems = [*self._type_problems()] or [*self._range_problems()]
        if problems:
            raise InputError("A recipe's fields must keep their ranges:", problems)

    def _type_problems(self) -> list[str]:
        kinds: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
        problems = []
        for field in fields(self):
            value = getattr(self, field.name)
            wanted = kinds[str(field.type)]
            if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
                problems.append(f"{field.name} must be {field.type}, got {value!r}")
        return problems

    def _range_problems(self) -> list[str]:
        problems = [
            f"{name} must be in [{low}, {high}]{unit}, got {getattr(self, name)!r}"
            for name, (low, high, unit) in _RANGES.items()
            if not low <= getattr(self, name) <= high  # NaN is refused too
        ]
        problems += [
            *self._kind_problems("loss", LOSSES),
            *self._kind_problems("schedule", SCHEDULES),
            *self._kind_problems("mix", MIXES),
            *self._kind_problems("augment", AUGMENTS),
            *self._kind_problems("fit", FITS),
            *self._kind_problems("sampling", SAMPLINGS),
            *self._kind_problems("optimizer", dict.fromkeys(OPTIMIZERS, ())),
            *self._contradictions(),
        ]
        if self.freeze_bn and not self.pretrained:
            problems.append("freeze_bn must be false where pretrained is false: there are no statistics to keep")
        if not fits(self.backbone, self.image_size):
            step = size_step(self.backbone)
            problems.append(f"image_size of {self.backbone} must be a multiple of {step} px, got {self.image_size}")
        return problems

    def _kind_problems(self, kind: str, names: Mapping[str, tuple[str, ...]]) -> list[str]:
        """Unknown names of a loss, schedule or optimizer, and fields that belong to another one than was asked for."""
        name = getattr(self, kind)
        if name not in names:
            near = "".join(f" (did you mean {close!r}?)" for close in difflib.get_close_matches(name, names, n=1))
            return [f"{kind} must be one of {', '.join(names)}, got {name!r}{near}"]
        owned = {field for own in names.values() for field in own}
        return [
            f"{field.name} belongs to another {kind}; with {name!r} it must be {field.default!r}, got {value!r}"
            for field in fields(self)
            if field.name in owned - {*names[name]} and (value := getattr(self, field.name)) != field.default
        ]

    def _contradictions(self) -> list[str]:
        problems = []
        if self.ousm_drop and self.ohem_keep < 1.0:
            problems.append("ousm_drop and ohem_keep exclude each other: the one drops the rows that the other keeps")
        if self.ousm_drop >= self.batch_size:
            problems.append(f"ousm_drop must be less than batch_size {self.batch_size}, got {self.ousm_drop}")
        if self.head_epochs and self.head_epochs >= self.epochs:
            problems.append(f"head_epochs must be less than epochs {self.epochs}, got {self.head_epochs}")
        plain = self.plain_first_epochs + self.plain_last_epochs
        if plain and plain >= self.epochs:
            problems.append(
                f"plain_first_epochs + plain_last_epochs must be less than epochs {self.epochs}, got {plain}"
            )
        return problems

    def augments(self, epoch: int) -> bool:
        """Whether training images are augmented and mixed in an epoch, from 1 on."""
        return self.plain_first_epochs < epoch <= self.epochs - self.plain_last_epochs

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, read back by `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """The inverse of `to_dict`. An unknown or a missing key is an `InputError`."""
        check_names(values)
        needed = [name for name in REQUIRED if name not in values]
        if needed:
            raise InputError("A recipe needs these fields:", needed)
        return cls(**values)

    def training_key(self) -> str:
        """Equal for recipes whose training is the same, i.e. that differ only in `tta_count`."""
        values = {name: value for name, value in self.to_dict().items() if name != "tta_count"}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


_BELOW_ONE, _ABOVE_ZERO = math.nextafter(1.0, 0.0), math.nextafter(0.0, 1.0)

_RANGES: dict[str, tuple[float, float, str]] = {
    "image_size": (16, 2048, " px"),
    "batch_size": (1, 4096, ""),
    "learning_rate": (1e-8, 10.0, ""),
    "epochs": (1, 10_000, ""),
    "t1": (0.0, 1.0, ""),
    "t2": (1.0, 4.0, ""),
    "smoothing": (0.0, _BELOW_ONE, ""),
    "sce_alpha": (0.0, 100.0, ""),
    "sce_beta": (0.0, 100.0, ""),
    "focal_gamma": (0.0, 10.0, ""),
    "focal_weight": (0.0, 10.0, ""),
    "taylor_order": (1, 10, ""),
    "gamblers_reward": (math.nextafter(1.0, 2.0), math.inf, ""),
    "ousm_drop": (0, 4095, " rows"),
    "ohem_keep": (_ABOVE_ZERO, 1.0, ""),
    "tta_count": (1, MOST_VIEWS, " views"),
    "rand_augment_n": (1, 10, " operations"),
    "rand_augment_m": (0, 30, ""),
    "plain_first_epochs": (0, 10_000, ""),
    "plain_last_epochs": (0, 10_000, ""),
    "sam_rho": (0.0, 1.0, ""),
    "clip_norm": (0.0, math.inf, ""),
    "ema_decay": (0.0, _BELOW_ONE, ""),
    "layer_decay": (_ABOVE_ZERO, 1.0, ""),
    "warm_up": (0.0, _BELOW_ONE, ""),
    "restart_epochs": (1, 10_000, ""),
    "plateau_factor": (_ABOVE_ZERO, _BELOW_ONE, ""),
    "plateau_patience": (0, 10_000, ""),
    "head_epochs": (0, 10_000, ""),
    "drop_rate": (0.0, _BELOW_ONE, ""),
    "drop_path_rate": (0.0, _BELOW_ONE, ""),
    "mix_prob": (_ABOVE_ZERO, 1.0, ""),
    "mix_alpha": (_ABOVE_ZERO, 100.0, ""),
    "weight_decay": (0.0, 1.0, ""),
    "seed": (0, 2**31 - 1, ""),
}

FIELDS = tuple(field.name for field in fields(Recipe))
REQUIRED = ("backbone", "image_size", "batch_size", "learning_rate", "epochs")


def check_names(values: Mapping[str, Any]) -> None:
    """Refuse names that are no field of a recipe, each with the nearest one that is."""
    problems = []
    for name in values:
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1)
            problems.append(f"{name!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
    if problems:
        raise InputError(f"A recipe has the fields {', '.join(FIELDS)}; unknown:", problems)
