"""Seconds of a training step on the CPU: order of memory, kinds of optimizer loop, numbers, threads.

python -m benchmarks.steps [NET=SIZE ...] [--batch 32] [--rounds 7] [--threads 1 2] [--optimizer adamw] [--json FILE]

Our own step (`trainables/steps.py`) on random images and with random weights. Each variant differs from `plain`
(channels last, the optimizer weight by weight, float32) in one thing:

contiguous  NCHW in place of channels last
foreach     the optimizer over lists of weights (torch's default on GPUs)
fused       the optimizer in one kernel
bfloat16    the net under autocast

With `--alone` only the optimizer's part of a step is timed, whose gradients are there. Round by round all take turns,
in an order that turns too; a sample is the mean of as many steps as last `--sample-s`. Medians and ranges over rounds,
and ratios to `plain` by round.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from benchmarks.spread import spread
from search_spaces.recipe import Recipe
from trainables.backbones import Build, build_net
from trainables.files import save_json
from trainables.losses.of_recipe import loss_of
from trainables.optimizers import optimizer_of
from trainables.precision import scaler_of
from trainables.steps import Stepper

NETS = ("test_efficientnet=32", "mobilenetv2_100=128", "resnet18=128")
"""The first is the digits'."""

PLAIN = "plain"
VARIANTS = (PLAIN, "contiguous", "foreach", "fused", "bfloat16")
OPTIMIZERS = (PLAIN, "foreach", "fused")
"""Variants that differ in the optimizer."""
_CLASSES, _WARM_UP_STEPS = 5, 2
_CPU = torch.device("cpu")


def stepper(recipe: Recipe, variant: str) -> Stepper:
    """Of a fresh net, the same for every variant."""
    torch.manual_seed(0)
    asked = replace(
        recipe,
        channels_last=variant != "contiguous",
        precision="bfloat16" if variant == "bfloat16" else "float32",
    )
    net = build_net(asked, Build(_CLASSES)).train()
    optimizer = optimizer_of(asked, net)
    for group in optimizer.param_groups:
        group["foreach"], group["fused"] = variant == "foreach", variant == "fused"
    return Stepper(net, optimizer, loss_of(asked), asked, scaler_of(asked, _CPU), asked.batch_size)


def steps_of(recipe: Recipe, variant: str, alone: bool) -> Callable[[], object]:
    """A function that takes one step, or the optimizer's part of it alone, always on the same batch."""
    own = stepper(recipe, variant)
    generator = torch.Generator().manual_seed(1)
    shape = (recipe.batch_size, recipe.image_size, recipe.image_size, 3)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, _CLASSES, (recipe.batch_size,), generator=generator)
    if not alone:
        return lambda: own.step(images, labels)
    own.step(images, labels)  # leaves its gradients
    return own.optimizer.step


def seconds(step: Callable[[], object], repeats: int) -> float:
    """Of one step, a mean of `repeats`."""
    started = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - started) / repeats


def compare(recipe: Recipe, threads: int, rounds: int, sample_s: float, alone: bool = False) -> pd.DataFrame:
    """Seconds of a step: a row a round, a column a variant."""
    torch.set_num_threads(threads)
    variants = OPTIMIZERS if alone else VARIANTS
    steps = {variant: steps_of(recipe, variant, alone) for variant in variants}
    for step in steps.values():
        seconds(step, _WARM_UP_STEPS)
    repeats = {variant: max(1, round(sample_s / seconds(step, 1))) for variant, step in steps.items()}
    rows = []
    for turn in range(rounds):
        names = [variants[(turn + place) % len(variants)] for place in range(len(variants))]
        rows.append({name: seconds(steps[name], repeats[name]) for name in names})
    return pd.DataFrame(rows)[list(variants)]


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """By variant: milliseconds of a step, and how many times as long as the plain one it takes."""
    ratios = found.div(found[PLAIN], axis=0)
    return pd.DataFrame(
        {
            "ms a step": [spread(1000 * found[name], 2) for name in found],
            "of the plain": [spread(ratios[name], 3) for name in found],
        },
        index=list(found),
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=str(__doc__).splitlines()[0])
    parser.add_argument("nets", nargs="*", default=NETS, metavar="NET=SIZE")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=(1, 2))
    parser.add_argument("--optimizer", default="adamw", choices=("sgd", "adam", "adamw"))
    parser.add_argument("--sample-s", type=float, default=0.5)
    parser.add_argument("--alone", action="store_true", help="time the optimizer's part of a step alone")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    all_found = {}
    for net, threads in [(net, threads) for net in asked.nets for threads in asked.threads]:
        backbone, _, size = net.partition("=")
        recipe = Recipe(
            backbone=backbone, image_size=int(size), batch_size=asked.batch, learning_rate=1e-3, epochs=1,
            optimizer=asked.optimizer,
        )  # fmt: skip
        found = compare(recipe, threads, asked.rounds, asked.sample_s, asked.alone)
        what = f"{backbone}, {size} px, batch {asked.batch}, {asked.optimizer}, threads {threads}"
        what += ", the optimizer alone" if asked.alone else ""
        print(f"{what}, n = {len(found)} rounds: median (range)\n{summary(found).to_string()}\n", flush=True)
        all_found[what] = found.to_dict("list")
    if asked.json:
        save_json(asked.json, all_found)


if __name__ == "__main__":
    main()
