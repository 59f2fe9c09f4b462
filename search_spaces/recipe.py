"""`Recipe`: one fully decided training setup, a point of a search space."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from search_spaces import rules
from search_spaces.errors import InputError
from search_spaces.kinds import ALL_SOURCES


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
    """One of `kinds.LOSSES`. The default with t1 = t2 = 1 is cross-entropy."""
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
    tta: str = "as_trained"
    """Family of test-time views, one of `kinds.TTAS`."""
    tta_count: int = 1
    """Test-time views averaged in a prediction. It is a prefix of one nested list, so it costs no training."""
    inference_size: int = 0
    """Side of the square at validation and prediction, px; 0 is `image_size`."""
    sources: str = ALL_SOURCES
    """Sources of train.csv whose rows are trained on, with commas between them."""
    augment: str = "flips"
    """One of `kinds.AUGMENTS`."""
    augment_pipeline: str = ""
    """An albumentations pipeline as its JSON text, for `custom`; `search_spaces.pipeline(FILE)` reads one."""
    rand_augment_n: int = 2
    """Operations in a row of RandAugment (arXiv 1909.13719)."""
    rand_augment_m: int = 9
    """Their magnitude, in [0, 30]."""
    plain_first_epochs: int = 0
    """First epochs without augmentation and mixing."""
    plain_last_epochs: int = 0
    fit: str = "resize"
    """One of `kinds.FITS`."""
    sampling: str = "natural"
    """One of `kinds.SAMPLINGS`. Any but the natural draws with replacement, as many rows an epoch."""
    denoise: str = "none"
    """One of `kinds.DENOISES`. Any but `none` reads the fold's `cleaned.csv`, which `--denoise` writes."""
    mix: str = "none"
    """One of `kinds.MIXES`: two images of a batch in one, their labels as shares."""
    mix_prob: float = 1.0
    """Of a batch being mixed."""
    mix_alpha: float = 1.0
    """Of the Beta distribution that the shares are drawn from; small ones mix little."""
    weight_decay: float = 0.05
    optimizer: str = "adamw"
    """One of `kinds.OPTIMIZERS`."""
    sam_rho: float = 0.0
    """How far sharpness-aware minimization (arXiv 2010.01412) climbs for its gradient; 0 is off."""
    clip_norm: float = 0.0
    """Longest gradient, all parameters together; 0 is off."""
    ema_decay: float = 0.0
    """Of the moving average of weights that is then scored and saved, warmed up as timm does it; 0 is off.

    BatchNorm's statistics are averaged with the weights.
    """
    answer: str = "last"
    """One of `kinds.ANSWERS`. After earlier epochs a training is judged by the net of that epoch, whatever is asked."""
    answer_epochs: int = 3
    """How many last epochs make a soup or a mean."""
    layer_decay: float = 1.0
    """Factor of the rate from each layer to the one below it; 1 is off."""
    schedule: str = "cosine"
    """One of `kinds.SCHEDULES`."""
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
    precision: str = "auto"
    """One of `kinds.PRECISIONS`."""
    channels_last: bool = True
    """Memory order of the net and its images; the other one is `contiguous`."""
    compile: bool = False
    """Train through `torch.compile`. Needs a C++ compiler on the machine that trains."""
    seed: int = 0

    def __post_init__(self) -> None:
        _refuse(vars(self))

    @property
    def plain_size(self) -> int:
        """Side of the square at validation and prediction, px."""
        return self.inference_size or self.image_size

    def augments(self, epoch: int) -> bool:
        """Whether training images are augmented and mixed in an epoch, from 1 on."""
        return self.plain_first_epochs < epoch <= self.epochs - self.plain_last_epochs

    @property
    def late_epochs(self) -> range:
        """The last `answer_epochs` epochs, or all of them where there are fewer."""
        return range(max(1, self.epochs - self.answer_epochs + 1), self.epochs + 1)

    @property
    def answering_epochs(self) -> range:
        """Those of whose nets each is kept and predicts; a soup is one net, kept with the last."""
        return self.late_epochs if self.answer == "mean" else self.late_epochs[-1:]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, read back by `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """The inverse of `to_dict`. An unknown or a missing key is an `InputError`, with all else that is wrong."""
        _refuse(values)
        return cls(**values)

    def training_key(self) -> str:
        """Equal for recipes whose training is the same, i.e. that differ only in `tta_count`."""
        values = {name: value for name, value in self.to_dict().items() if name != "tta_count"}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


_FIELDS = {field.name: field for field in fields(Recipe)}
FIELDS = tuple(_FIELDS)
TEXT_FIELDS = tuple(name for name, field in _FIELDS.items() if field.type == "str")
REQUIRED = tuple(name for name, field in _FIELDS.items() if field.default is MISSING)


def _refuse(values: Mapping[str, Any]) -> None:
    problems = rules.problems(_FIELDS, values)
    if problems:
        raise InputError("A recipe's fields must keep their rules:", problems)


def check_names(values: Iterable[str]) -> None:
    """Refuse names that are no field of a recipe, each with the nearest one that is."""
    problems = rules.unknown(values, FIELDS)
    if problems:
        raise InputError(f"A recipe has the fields {', '.join(FIELDS)}:", problems)
