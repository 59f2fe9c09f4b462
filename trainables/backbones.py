"""From a backbone's name to a net: timm's models, local or downloaded weights, and our own weight files."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import huggingface_hub
import timm
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from timm.models._registry import _deprecated_models  # timm publishes its renamings nowhere else
from torch import Tensor, nn

from search_spaces.backbones import size_step
from search_spaces.errors import InputError
from search_spaces.recipe import Recipe
from trainables.layout import write_whole
from trainables.losses.of_recipe import loss_of


@dataclass(frozen=True)
class Build:
    """What builds a net beside its recipe. It travels in the header of a weight file."""

    n_classes: int
    create: dict[str, Any] = field(default_factory=dict)
    """Arguments of `timm.create_model` that the pretrained weights ask for."""
    mean: tuple[float, ...] | None = None
    """Of the input in [0, 1], by channel; timm's default for the backbone where None."""
    std: tuple[float, ...] | None = None


_DROPS = ("drop_rate", "drop_path_rate")


class Net(nn.Module):
    """A backbone that takes images as they are read, and normalises them itself, on its own device.

    With `freeze_bn` its BatchNorm layers normalise by their stored statistics in training too. (timm's
    `freeze_batch_norm_2d` also stops the training of their scale and shift, which a new task needs.)
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, body: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], freeze_bn: bool = False
    ) -> None:
        super().__init__()
        self.body = body
        self.freeze_bn = freeze_bn
        self._head_only = False
        self._trained = [parameter for parameter in body.parameters() if parameter.requires_grad]
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, S, S, 3) uint8 to logits (n, K), and what further outputs the loss has."""
        pixels = images.permute(0, 3, 1, 2).to(self.mean.dtype).div(255.0)
        logits: Tensor = self.body((pixels - self.mean) / self.std)
        return logits

    def head_only(self, only: bool) -> Net:
        """Train the classifier alone, as timm names it, on the features of a body at rest; or all again."""
        self._head_only = only
        head = {id(parameter) for module in self._heads() for parameter in module.parameters()}
        for parameter in self._trained:
            parameter.requires_grad_(not only or id(parameter) in head)
        return self

    def _heads(self) -> list[nn.Module]:
        found = self.body.get_classifier()  # type: ignore[operator]
        return list(found) if isinstance(found, tuple) else [found]  # distilled ViTs have two

    def train(self, mode: bool = True) -> Net:
        """As every module's, but that a body at rest and frozen BatchNorm layers stay in evaluation mode."""
        super().train(mode)
        if self._head_only:
            self.body.eval()
            for module in self._heads():
                module.train(mode)
        if self.freeze_bn:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self


def build_net(recipe: Recipe, build: Build, pretrained_file: Path | None = None, download: bool = False) -> Net:
    """A net for the recipe, in channels-last memory: random, from a local file, or with timm's weights."""
    grid = {"img_size": recipe.image_size} if size_step(recipe.backbone) > 1 else {}
    drops = {name: value for name in _DROPS if (value := getattr(recipe, name))}
    overlay = {"file": str(pretrained_file)} if pretrained_file else None
    body = timm.create_model(
        recipe.backbone,
        pretrained=pretrained_file is not None or download,
        pretrained_cfg_overlay=overlay,
        num_classes=build.n_classes + loss_of(recipe).extra_outputs,
        **build.create,
        **grid,
        **drops,
    )
    usual = body.pretrained_cfg
    net = Net(body, build.mean or usual["mean"], build.std or usual["std"], recipe.freeze_bn)
    return net.to(memory_format=torch.channels_last)


def starting_net(recipe: Recipe, n_classes: int, weights_folder: Path | None) -> tuple[Net, Build]:
    """The net that a training begins with, and what builds it again."""
    if not recipe.pretrained:
        build = Build(n_classes)
        return build_net(recipe, build), build
    if weights_folder is None:
        build = Build(n_classes)
        return build_net(recipe, build, download=True), build
    file, build = local_weights(recipe.backbone, weights_folder, n_classes)
    return build_net(recipe, build, pretrained_file=file), build


def has_local_weights(backbone: str, folder: Path) -> bool:
    """Whether `folder` holds NAME.safetensors for the backbone."""
    return (folder / f"{backbone}.safetensors").is_file()


def local_weights(backbone: str, folder: Path, n_classes: int) -> tuple[Path, Build]:
    """NAME.safetensors of `folder`, built as its NAME.json (`create`, `mean`, `std`; all optional) says."""
    file, about = folder / f"{backbone}.safetensors", folder / f"{backbone}.json"
    try:
        facts = json.loads(about.read_text()) if about.exists() else {}
        mean, std = facts.get("mean"), facts.get("std")
        with safe_open(file, "pt") as tensors:
            tensors.keys()
        build = Build(n_classes, dict(facts.get("create", {})), mean and tuple(mean), std and tuple(std))
    except (SafetensorError, OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(f"The weights of {backbone} in {folder} cannot be used: {error}") from None
    return file, build


def save_net(path: Path, net: Net, recipe: Recipe, build: Build) -> None:
    """Weights with all that rebuilds the net in the file's header, written whole."""
    header = {"recipe": json.dumps(recipe.to_dict()), "build": json.dumps(asdict(build))}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    write_whole(path, to_safetensors(tensors, header))


def load_net(path: Path) -> tuple[Net, Recipe]:
    """The inverse of `save_net`: the net on the CPU, in evaluation mode, and its recipe."""
    with safe_open(path, "pt") as file:
        header = file.metadata()
        recipe = Recipe.from_dict(json.loads(header["recipe"]))
        net = build_net(recipe, Build(**json.loads(header["build"])))
        net.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    return net.eval(), recipe


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
    asked = {(r.backbone, name, getattr(r, name)) for r in recipes for name in _DROPS if getattr(r, name)}
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
