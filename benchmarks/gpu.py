"""Training on real JPEGs beside a net that is fed nothing: how much of a GPU our input and our loop leave unused.

python -m benchmarks.gpu [--models NAME=SIZE ...] [--batch 64] [--steps 60] [--rounds 5] [--device cuda|cpu]
                         [--loss bi_tempered] [--augment diary] [--cache-gb 10] [--json FILE] [--quick] [...]

ours       an epoch as `trainables.train` has it, on JPEGs of 800 x 600 px in the Kaggle layout: reading, augmentation,
           copies, normalisation, loss, optimizer; from cold loader workers to the loss of its last batch
synthetic  as timm's benchmark.py: one random batch that lies on the device; forward, cross-entropy, backward, step

The same model, size, batch, precision, order of memory and optimizer; in one process and in turns. The first epoch,
which fills the cache of decoded images and in which cuDNN chooses, is not counted. Images a second and their ratio by
round, medians and ranges. No Ray. Without a GPU it says so, and goes on only with `--device cpu` or `--quick`, which
is a small net at a small size: there the command is tested, not the speed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F

from benchmarks.photos import made_photos
from benchmarks.spread import spread
from search_spaces.recipe import Recipe
from trainables.backbones import starting_net
from trainables.data import kaggle
from trainables.data.images import TrainingImages
from trainables.data.kaggle import ImageData, load_data
from trainables.data.pixels import reader
from trainables.epoch import EpochInput, Training, train_epoch
from trainables.files import save_json
from trainables.optimizers import optimizer_of
from trainables.precision import autocast, scaler_of
from trainables.predict import device
from trainables.setting import Setting
from trainables.threads import use_machine

MODELS = ("tf_efficientnet_b0=380", "tf_efficientnet_b3=470", "resnext50_32x4d=512", "vit_base_patch16_384=384")
QUICK = ("test_efficientnet=64",)
CLASSES = 5
_PHOTOS = 256
"""Different images; more names than that are links to them, which are read and kept as other images are."""
_MOST_EPOCHS = 1000

Round = dict[str, float]
"""Images a second of both, their ratio, and the share of our time in which the loop waited for images."""


def write_photos(root: Path, images: int) -> ImageData:
    """A data folder in the Kaggle layout."""
    made = min(images, _PHOTOS)
    made_photos(root / kaggle.TRAIN_IMAGES, made)
    names = [f"{number}.jpg" for number in range(images)]
    for number in range(made, images):
        os.link(root / kaggle.TRAIN_IMAGES / names[number % made], root / kaggle.TRAIN_IMAGES / names[number])
    (root / kaggle.TEST_IMAGES).mkdir()
    os.link(root / kaggle.TRAIN_IMAGES / names[0], root / kaggle.TEST_IMAGES / "test.jpg")
    labels, classes = np.arange(images) % CLASSES, [f"class {label}" for label in range(CLASSES)]
    kaggle.write_tables(root, names, labels, ["test.jpg"], classes)
    return load_data(root)


class Ours:
    """One training on all images, an epoch a call."""

    def __init__(self, recipe: Recipe, data: ImageData, setting: Setting) -> None:
        self.recipe, self.data, self.setting = recipe, data, setting
        net, build = starting_net(recipe, CLASSES, None)
        net = net.to(device())
        self.training = Training(net, build, optimizer_of(recipe, net), scaler_of(recipe, device()))
        self._rows = np.arange(len(data.image_ids))
        self._read = reader(data.root, setting.cache_gb)
        self._epoch = 0

    def epoch(self) -> tuple[float, float]:
        """Images a second, and the share of the time in which the loop waited for images."""
        self._epoch += 1
        started = time.perf_counter()
        images = TrainingImages(self.data, self._rows, self.recipe, 0, self._epoch, self._read)
        given = EpochInput(images, self.recipe, 0, self._epoch, self.setting.loader_workers)
        passed = train_epoch(self.training, self.recipe, given, self.setting)
        settle()
        return sum(given.sizes) / (time.perf_counter() - started), passed["data_wait"]


class Synthetic:
    """Steps as timm's benchmark.py takes them, of the net and with the optimizer that ours has; never compiled."""

    def __init__(self, recipe: Recipe) -> None:
        size, where = recipe.image_size, device()
        net = starting_net(replace(recipe, compile=False), CLASSES, None)[0].to(where).train()
        self.recipe, self.optimizer, self._scaler = recipe, optimizer_of(recipe, net), scaler_of(recipe, where)
        self._body = net.body  # without what normalises images
        memory = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self._images = torch.randn(recipe.batch_size, 3, size, size, device=where).contiguous(memory_format=memory)
        self._labels = torch.randint(0, CLASSES, (recipe.batch_size,), device=where)

    def take(self, steps: int) -> float:
        """Images a second."""
        settle()
        started = time.perf_counter()
        for _ in range(steps):
            self._step()
        settle()
        return steps * self.recipe.batch_size / (time.perf_counter() - started)

    def _step(self) -> None:
        self.optimizer.zero_grad()
        with autocast(self.recipe, self._images.device):
            logits = self._body(self._images)
        loss = F.cross_entropy(logits.float(), self._labels)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self.optimizer)
        self._scaler.update()


def settle() -> None:
    """Until the GPU has done all that it was given."""
    if device().type == "cuda":
        torch.cuda.synchronize()


def compare(recipe: Recipe, data: ImageData, setting: Setting, steps: int, rounds: int) -> list[Round]:
    """Both in turns, either one first by turns."""
    ours, synthetic = Ours(recipe, data, setting), Synthetic(recipe)
    ours.epoch()
    synthetic.take(max(1, steps // 4))
    found = []
    for turn in range(rounds):
        beside = synthetic.take(steps) if turn % 2 else 0.0
        speed, wait = ours.epoch()
        beside = beside or synthetic.take(steps)
        found.append({"ours": speed, "synthetic": beside, "ratio": speed / beside, "data_wait": wait})
    return found


def _recipe(model: str, asked: argparse.Namespace) -> Recipe:
    backbone, _, size = model.partition("=")
    t1, t2 = (0.8, 1.4) if asked.loss == "bi_tempered" else (1.0, 1.0)
    return Recipe(
        backbone=backbone, image_size=int(size), batch_size=asked.batch, learning_rate=1e-4, epochs=_MOST_EPOCHS,
        t1=t1, t2=t2, loss=asked.loss, augment=asked.augment, optimizer=asked.optimizer, precision=asked.precision,
        compile=asked.compile,
    )  # fmt: skip


def _said(rounds: Sequence[Round], name: str, digits: int) -> str:
    return spread((each[name] for each in rounds), digits)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=str(__doc__).splitlines()[0])
    made.add_argument("--models", nargs="+", metavar="NAME=SIZE")
    made.add_argument("--batch", type=int, default=64)
    made.add_argument("--steps", type=int, default=60, help="of an epoch")
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    made.add_argument("--loss", default="bi_tempered")
    made.add_argument("--augment", default="diary")
    made.add_argument("--optimizer", choices=("adamw", "adam", "sgd"), default="adamw")
    made.add_argument("--precision", default="auto", help="auto is bfloat16 on a GPU that has it, float32 on a CPU")
    made.add_argument("--compile", action="store_true", help="ours only")
    made.add_argument("--cache-gb", type=float, default=10.0)
    made.add_argument("--loader-workers", type=int, help="default: as a search has it, one for each CPU but one")
    made.add_argument("--json", type=Path)
    made.add_argument("--quick", action="store_true", help="a small net at a small size, a few steps, on what is here")
    return made


def main(arguments: list[str] | None = None) -> int:
    asked = parser().parse_args(arguments)
    if asked.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # of all that asks for a GPU, before it does
    if asked.quick:
        asked.batch, asked.steps, asked.rounds = 8, 3, 2
    if not torch.cuda.is_available():
        print("There is no GPU here: what is timed says nothing about one.", flush=True)
        if not (asked.quick or asked.device == "cpu"):
            return 2
    setting = Setting(cache_gb=asked.cache_gb).on(len(os.sched_getaffinity(0)), float(device().type == "cuda"))
    if asked.loader_workers is not None:
        setting = replace(setting, loader_workers=asked.loader_workers)
    use_machine(setting)
    name = torch.cuda.get_device_name() if device().type == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, timm {timm.__version__}, {setting.threads} threads, ", end="")
    print(
        f"{setting.loader_workers} loader workers, batch {asked.batch}, {asked.steps} steps, n = {asked.rounds} rounds"
    )
    all_found = _all(asked, asked.models or (QUICK if asked.quick else MODELS), setting)
    if asked.json:
        save_json(asked.json, {"device": name, "torch": torch.__version__, "rounds": all_found})
    return 0


def _all(asked: argparse.Namespace, models: Sequence[str], setting: Setting) -> dict[str, list[Round]]:
    """Every model's rounds, each printed once it is measured; all read the same images."""
    all_found = {}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_CACHE_HOME"] = scratch
        data = write_photos(Path(scratch) / "data", asked.batch * asked.steps)
        for model in models:
            found = compare(_recipe(model, asked), data, setting, asked.steps, asked.rounds)
            print(f"{model}: images/s {_said(found, 'ours', 1)}, synthetic {_said(found, 'synthetic', 1)}", end="")
            print(f", ratio {_said(found, 'ratio', 3)}, waited for images {_said(found, 'data_wait', 3)}", flush=True)
            all_found[model] = found
            if device().type == "cuda":
                torch.cuda.empty_cache()
    return all_found


if __name__ == "__main__":
    sys.exit(main())
