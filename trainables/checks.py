"""What only timm, albumentations or the data can say of a recipe: said before anything is trained, all at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

import huggingface_hub
import timm
import torch
from timm.models._registry import _deprecated_models  # timm publishes its renamings nowhere else

from search_spaces.errors import InputError, together
from search_spaces.recipe import Recipe
from trainables.augment import check_augments
from trainables.backbones import DROPS, has_class_maps, local_weights
from trainables.data.kaggle import ImageData
from trainables.losses.of_recipe import check_losses


def check_recipes(recipes: Sequence[Recipe], weights: Path | None) -> None:
    """Refuse recipes that no data could be trained with. What a backbone can do is asked once it is known."""
    downloads = any(recipe.pretrained for recipe in recipes) and weights is None
    together(
        lambda: check_backbones(dict.fromkeys(recipe.backbone for recipe in recipes), downloads),
        lambda: check_augments(recipes),
    )
    together(
        lambda: check_drops(recipes),
        lambda: check_class_maps(recipes),
        lambda: check_weights(recipes, weights),
    )


def check_on_data(recipes: Sequence[Recipe], data: ImageData) -> None:
    """Refuse recipes that do not suit the data's classes and sources."""
    together(
        lambda: check_losses(recipes, len(data.classes)),
        lambda: [data.trains_on(sources) for sources in dict.fromkeys(recipe.sources for recipe in recipes)],
    )


def check_divides(recipes: Sequence[Recipe], processes: int) -> None:
    """Refuse recipes that several processes cannot train together, each on an even part of every batch."""
    problems = {
        f"batch_size must be a multiple of {processes}, got {recipe.batch_size}": None
        for recipe in recipes
        if recipe.batch_size % processes
    }
    if processes > 1 and any(recipe.compile for recipe in recipes):
        problems["compile must be off: it is not tried with several processes"] = None
    if problems:
        raise InputError(f"Every batch is divided among {processes} processes, one a GPU (--gpus-per-fold):", problems)


def check_weights(recipes: Iterable[Recipe], weights: Path | None) -> None:
    """Refuse pretrained backbones whose weights are not within reach."""
    names = dict.fromkeys(recipe.backbone for recipe in recipes if recipe.pretrained)
    if weights is None:
        check_downloads(names)
    else:
        for name in names:
            local_weights(name, weights, n_classes=2)


def check_class_maps(recipes: Iterable[Recipe]) -> None:
    """Refuse SnapMix for backbones without class activation maps."""
    asked = {recipe.backbone: recipe for recipe in recipes if recipe.mix == "snapmix"}
    problems = [name for name, recipe in asked.items() if not has_class_maps(recipe)]
    if problems:
        raise InputError(
            "mix snapmix needs a backbone whose classifier is linear in its feature map; not so:", problems
        )


def check_backbones(names: Iterable[str], pretrained: bool) -> None:
    """Refuse names that timm does not know, or whose pretrained tag it does not, each with the nearest names."""
    problems = []
    for name in names:
        architecture, _, tag = name.partition(".")
        known = timm.list_models(pretrained=True) if tag or pretrained else timm.list_models()
        if name in known or (not tag and timm.is_model(name) and (not pretrained or timm.is_model_pretrained(name))):
            continue
        if name in _deprecated_models:
            problems.append(f"{name!r} (timm's old name of {_deprecated_models[name]})")
            continue
        near = difflib.get_close_matches(name, known, n=3) or difflib.get_close_matches(architecture, known, n=3)
        problems.append(f"{name!r}" + (f" (nearest: {', '.join(near)})" if near else ""))
    if problems:
        raise InputError(f"A backbone must be a {'pretrained ' * pretrained}model name of timm; unknown:", problems)


def check_drops(recipes: Iterable[Recipe]) -> None:
    """Refuse dropout and stochastic depth for backbones that timm gives none."""
    asked = {(r.backbone, name, getattr(r, name)) for r in recipes for name in DROPS if getattr(r, name)}
    problems = []
    for backbone, name, value in sorted(asked):
        try:
            with torch.device("meta"):
                timm.create_model(backbone, **{name: value})
        except TypeError:
            problems.append(f"{backbone} has no {name}, got {value:g}")
    if problems:
        raise InputError("A recipe can only drop what its backbone can:", problems)


def check_downloads(names: Iterable[str]) -> None:
    """Refuse backbones whose pretrained weights are neither cached nor to be had, before a trial needs them."""
    problems = []
    for name in names:
        source = timm.get_pretrained_cfg(name)
        repository, file = str(source.hf_hub_id), source.hf_hub_filename or "model.safetensors"
        if isinstance(huggingface_hub.try_to_load_from_cache(repository, file), str):
            continue
        try:
            found = huggingface_hub.file_exists(repository, file)
        except Exception as error:  # any failure of the network stack means the same to the user
            problems.append(f"{name}: {type(error).__name__} while asking for {repository}")
            continue
        if not found:
            problems.append(f"{name}: {repository} has no {file}")
    if problems:
        raise InputError("Pretrained weights must be within reach; give --weights DIR with NAME.safetensors:", problems)
