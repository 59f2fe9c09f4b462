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

AUGMENTS = ("shifts", "flips")
"""Families of training augmentations and test-time views: small moves (digits, text), or flips and crops (leaves)."""

MOST_VIEWS = 8
"""Each family has this many test-time views; view 1 is always the plain image."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides one training, checked at birth. The loss is the bi-tempered logistic loss (arXiv 1906.03361).

    `InputError` lists every field that breaks its rule. `learning_rate` is AdamW's peak rate,
    reached after a linear warm-up and followed by a cosine to zero over `epochs`.
    """

    backbone: str
    """A model name of timm."""
    image_size: int
    """Side of the square input, px."""
    batch_size: int
    learning_rate: float
    epochs: int
    t1: float = 1.0
    """Below 1 the loss is bounded, which limits what one wrong label can do."""
    t2: float = 1.0
    """Above 1 the tails of the tempered softmax are heavy, which forgives labels near the boundary."""
    smoothing: float = 0.0
    """Share of the target spread evenly over all K classes: y = (1 - s) onehot + s / K, as in torch.

    The bi-tempered loss's reference implementation and the cassava diary spread it over the K - 1 others, so that
    their s means s K / (K - 1) here: 0.01 of five classes is 0.0125.
    """
    tta_count: int = 1
    """Test-time views averaged in a prediction. It is a prefix of one nested list, so it costs no training."""
    augment: str = "flips"
    weight_decay: float = 0.05
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
        if self.augment not in AUGMENTS:
            problems.append(f"augment must be one of {', '.join(AUGMENTS)}, got {self.augment!r}")
        if self.freeze_bn and not self.pretrained:
            problems.append("freeze_bn must be false where pretrained is false: there are no statistics to keep")
        if not fits(self.backbone, self.image_size):
            step = size_step(self.backbone)
            problems.append(f"image_size of {self.backbone} must be a multiple of {step} px, got {self.image_size}")
        return problems

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


_RANGES: dict[str, tuple[float, float, str]] = {
    "image_size": (16, 2048, " px"),
    "batch_size": (1, 4096, ""),
    "learning_rate": (1e-8, 10.0, ""),
    "epochs": (1, 10_000, ""),
    "t1": (0.0, 1.0, ""),
    "t2": (1.0, 4.0, ""),
    "smoothing": (0.0, math.nextafter(1.0, 0.0), ""),
    "tta_count": (1, MOST_VIEWS, " views"),
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
