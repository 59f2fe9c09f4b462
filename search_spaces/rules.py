"""What a recipe's fields may be: every rule that some values break, at once."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field
from types import SimpleNamespace
from typing import Any

from search_spaces.backbones import fits, size_step
from search_spaces.kinds import KINDS, MOST_VIEWS, Kinds

Fields = Mapping[str, "Field[Any]"]

_BELOW_ONE, _ABOVE_ZERO = math.nextafter(1.0, 0.0), math.nextafter(0.0, 1.0)
_SMALLEST_SIZE, _LARGEST_SIZE = 16, 2048

_RANGES: dict[str, tuple[float, float, str]] = {
    "image_size": (_SMALLEST_SIZE, _LARGEST_SIZE, " px"),
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
    "inference_size": (0, _LARGEST_SIZE, " px"),
    "rand_augment_n": (1, 10, " operations"),
    "rand_augment_m": (0, 30, ""),
    "plain_first_epochs": (0, 10_000, ""),
    "plain_last_epochs": (0, 10_000, ""),
    "sam_rho": (0.0, 1.0, ""),
    "clip_norm": (0.0, math.inf, ""),
    "ema_decay": (0.0, _BELOW_ONE, ""),
    "answer_epochs": (2, 100, ""),
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

_TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}


def problems(declared: Fields, values: Mapping[str, Any]) -> list[str]:
    """Every rule that the values break: unknown and missing names, types, ranges, names of kinds, contradictions.

    Contradictions are looked for once every field is there and of its type.
    """
    known = {name: value for name, value in values.items() if name in declared}
    missing = [name for name, field in declared.items() if field.default is MISSING and name not in known]
    mistyped = {name for name, value in known.items() if not _is_of_type(value, str(declared[name].type))}
    sound = {name: value for name, value in known.items() if name not in mistyped}
    complete = {name: field.default for name, field in declared.items()} | known
    return [
        *unknown(values, declared),
        *(f"{name} is missing" for name in missing),
        *(f"{name} must be {declared[name].type}, got {known[name]!r}" for name in known if name in mistyped),
        *_range_problems(sound),
        *(problem for kind, names in KINDS.items() if kind in sound for problem in _kind(kind, names, sound, declared)),
        *(() if missing or mistyped else _contradictions(SimpleNamespace(**complete))),
    ]


def limits(name: str) -> tuple[float, float]:
    """The least and the greatest value of a numeric field."""
    low, high, _ = _RANGES.get(name, (-math.inf, math.inf, ""))
    return low, high


def unknown(names: Iterable[str], declared: Iterable[str]) -> list[str]:
    """The names that are no field, each with the nearest one that is."""
    fields = list(declared)
    return [f"{name!r}{_nearest(name, fields)} is no field of a recipe" for name in names if name not in fields]


def _nearest(name: str, names: Iterable[str]) -> str:
    return "".join(f" (did you mean {close!r}?)" for close in difflib.get_close_matches(name, list(names), n=1))


def _is_of_type(value: Any, name: str) -> bool:
    wanted = _TYPES[name]
    return isinstance(value, wanted) and (bool in wanted or not isinstance(value, bool))


def _range_problems(values: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} must be in [{low}, {high}]{unit}, got {values[name]!r}"
        for name, (low, high, unit) in _RANGES.items()
        if name in values and not low <= values[name] <= high  # NaN is refused too
    ]


def _kind(kind: str, names: Kinds, values: Mapping[str, Any], declared: Fields) -> list[str]:
    """An unknown name of a kind, or fields that belong to another one than was asked for."""
    name = values[kind]
    if name not in names:
        return [f"{kind} must be one of {', '.join(names)}, got {name!r}{_nearest(name, names)}"]
    others = {field for own in names.values() for field in own} - {*names[name]}
    return [
        f"{field} belongs to another {kind}; with {name!r} it must be {default!r}, got {value!r}"
        for field, value in values.items()
        if field in others and value != (default := declared[field].default)
    ]


def _contradictions(r: SimpleNamespace) -> Iterator[str]:
    """Fields that exclude each other. `r` has a value for every field."""
    if r.ousm_drop and r.ohem_keep < 1.0:
        yield "ousm_drop and ohem_keep exclude each other: the one drops the rows that the other keeps"
    if r.ousm_drop >= r.batch_size:
        yield f"ousm_drop must be less than batch_size {r.batch_size}, got {r.ousm_drop}"
    if r.head_epochs and r.head_epochs >= r.epochs:
        yield f"head_epochs must be less than epochs {r.epochs}, got {r.head_epochs}"
    plain = r.plain_first_epochs + r.plain_last_epochs
    if plain and plain >= r.epochs:
        yield f"plain_first_epochs + plain_last_epochs must be less than epochs {r.epochs}, got {plain}"
    if r.answer != "last" and r.answer_epochs > r.epochs:
        yield f"answer_epochs must be at most epochs {r.epochs}, got {r.answer_epochs}"
    if r.freeze_bn and not r.pretrained:
        yield "freeze_bn must be false where pretrained is false: there are no statistics to keep"
    yield from _size_problems(r)
    if r.augment == "custom" and not _is_json_object(r.augment_pipeline):
        yield "augment_pipeline must be the JSON text of an albumentations pipeline, as search_spaces.pipeline reads it"


def _size_problems(r: SimpleNamespace) -> Iterator[str]:
    step = size_step(r.backbone)
    if not fits(r.backbone, r.image_size):
        yield f"image_size of {r.backbone} must be a multiple of {step} px, got {r.image_size}"
    if 0 < r.inference_size < _SMALLEST_SIZE:
        yield f"inference_size must be 0, for image_size, or at least {_SMALLEST_SIZE} px, got {r.inference_size}"
    if step > 1 and r.inference_size not in (0, r.image_size):
        yield f"inference_size of {r.backbone} must be 0: its position embeddings are those of image_size"


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
