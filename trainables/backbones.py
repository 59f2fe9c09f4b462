"""From a backbone's name to a net: timm's models, local or downloaded weights, and our own weight files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import timm
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from search_spaces.backbones import size_step
from search_spaces.errors import InputError
from search_spaces.recipe import Recipe
from trainables.files import write_whole
from trainables.losses.of_recipe import loss_of
from trainables.pretrained import Weights, weights_of_file, weights_of_timm
from trainables.weights import weights_file


@dataclass(frozen=True)
class Build:
    """What builds a net beside its recipe. It travels in the header of a weight file."""

    n_classes: int
    create: dict[str, Any] = field(default_factory=dict)
    """Arguments of `timm.create_model` that the pretrained weights ask for."""
    mean: tuple[float, ...] | None = None
    """Of the input in [0, 1], by channel; timm's default for the backbone where None."""
    std: tuple[float, ...] | None = None


DROPS = ("drop_rate", "drop_path_rate")
"""Arguments of a timm model that are fields of a recipe too."""


_SAFE = "weights must be safetensors: a pickle can run code when it is opened, and is not opened here"


class Net(nn.Module):
    """A backbone that takes images as they are read, and normalises them itself, on its own device.

    With `freeze_bn` its BatchNorm layers normalise by their stored statistics in training too. (timm's
    `freeze_batch_norm_2d` also stops the training of their scale and shift, which a new task needs.)
    """

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], recipe: Recipe) -> None:
        super().__init__()
        self.body = body
        self.freeze_bn = recipe.freeze_bn
        self._memory = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.to(memory_format=self._memory)
        self._head_only = False
        self._trained = [parameter for parameter in body.parameters() if parameter.requires_grad]
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, S, S, 3) uint8 to logits (n, K), and what further outputs the loss has."""
        logits: Tensor = self.body(self._normalised(images))
        return logits

    def class_maps(self, images: Tensor) -> Tensor:
        """What the classifier would say of each place: images (n, S, S, 3) to (n, K, h, w), without the bias.

        Only for the backbones that `has_class_maps` says yes to.
        """
        features = self.body.forward_features(self._normalised(images))  # type: ignore[operator]
        (head,) = self._heads()
        return F.conv2d(features, head.weight[:, :, None, None])  # type: ignore[index]

    def _normalised(self, images: Tensor) -> Tensor:
        """By rows of an image and in place: an axis of three channels is too short for a CPU to be quick with."""
        width = images.shape[2]
        rows = images.flatten(2).to(self.mean.dtype)
        for step, by_channel in ((rows.sub_, self.mean), (rows.div_, self.std)):
            step(by_channel.mul(255.0).flatten().repeat(width))
        return rows.view(images.shape).permute(0, 3, 1, 2).contiguous(memory_format=self._memory)

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


def build_net(recipe: Recipe, build: Build, pretrained: Weights | None = None) -> Net:
    """A net for the recipe: random, or with these weights as far as its classes and its image size allow."""
    drops = {name: value for name in DROPS if (value := getattr(recipe, name))}
    body = timm.create_model(
        recipe.backbone,
        pretrained=pretrained is not None,
        pretrained_cfg_overlay={"state_dict": pretrained} if pretrained else None,
        num_classes=build.n_classes + loss_of(recipe).extra_outputs,
        **build.create,
        **_grid(recipe),
        **drops,
    )
    usual = body.pretrained_cfg
    usual.pop("state_dict", None)  # or the net, and every copy of it, would keep another set of weights
    return Net(body, build.mean or usual["mean"], build.std or usual["std"], recipe)


def _grid(recipe: Recipe) -> dict[str, int]:
    """A ViT is built for its image size, and timm resamples the position embeddings of the weights to it."""
    return {"img_size": recipe.image_size} if size_step(recipe.backbone) > 1 else {}


def starting_net(recipe: Recipe, n_classes: int, weights_folder: Path | None) -> tuple[Net, Build]:
    """The net that a training begins with, and what builds it again."""
    if recipe.pretrained and weights_folder:
        file, build = local_weights(recipe.backbone, weights_folder, n_classes)
        net = build_net(recipe, build, weights_of_file(file))
    else:
        build = Build(n_classes)
        net = build_net(recipe, build, weights_of_timm(recipe.backbone) if recipe.pretrained else None)
    if recipe.compile:
        net.body.compile()  # in place: names of weights stay as they are
    return net, build


def local_weights(backbone: str, folder: Path, n_classes: int) -> tuple[Path, Build]:
    """NAME.safetensors of `folder`, built as its NAME.json (`create`, `mean`, `std`; all optional) says."""
    file, about = weights_file(backbone, folder), folder / f"{backbone}.json"
    try:
        facts = json.loads(about.read_text()) if about.exists() else {}
        mean, std = facts.get("mean"), facts.get("std")
        with safe_open(file, "pt") as tensors:
            tensors.keys()
        build = Build(n_classes, dict(facts.get("create", {})), mean and tuple(mean), std and tuple(std))
    except (SafetensorError, OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(f"The weights of {backbone} in {folder} cannot be used: {error}; {_SAFE}") from None
    return file, build


def check_nets(paths: Iterable[Path]) -> None:
    """Refuse files that `save_net` did not write, by their headers."""
    problems = []
    for path in paths:
        try:
            with safe_open(path, "pt") as file:
                header = file.metadata() or {}
            problems += [] if {"recipe", "build"} <= set(header) else [f"{path}: its header has no recipe"]
        except (SafetensorError, OSError) as error:
            problems.append(f"{path}: {error}")
    if problems:
        raise InputError(f"These weights cannot be used; {_SAFE}:", problems)


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


def has_class_maps(recipe: Recipe) -> bool:
    """Whether the backbone's one classifier is linear in a feature map (n, C, h, w), as class activation maps need."""
    with torch.device("meta"):
        body = timm.create_model(recipe.backbone, num_classes=2, **_grid(recipe)).eval()
        features = body.forward_features(torch.empty(1, 3, recipe.image_size, recipe.image_size))
    head = body.get_classifier()
    return (
        isinstance(head, nn.Linear)
        and isinstance(features, Tensor)
        and features.dim() == 4
        and features.shape[1] == head.in_features
        and getattr(body, "output_fmt", "NCHW") == "NCHW"
    )


def net_bytes(recipe: Recipe, n_classes: int) -> int:
    """Of the recipe's parameters and buffers. Nothing is allocated for it."""
    with torch.device("meta"):
        body = build_net(recipe, Build(n_classes)).body
    return sum(tensor.numel() * tensor.element_size() for tensor in body.state_dict().values())
