"""The memory that a training was said to take beside what torch's allocator counts.

python -m benchmarks.memory [--batch 8] [BACKBONE=SIZE ...]

On a machine with a GPU: its tensors' peak (`max_memory_allocated`), and what the caching allocator held
(`max_memory_reserved`); both without the CUDA context. Elsewhere: the CPU's allocator, by torch's profiler.
Adam, three steps beside a soup of the last epochs, in float32 and in bfloat16.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable
from itertools import accumulate

import torch
from torch.optim.swa_utils import AveragedModel
from torch.profiler import ProfilerActivity, profile

from search_spaces.recipe import Recipe
from trainables.backbones import Build, build_net
from trainables.gpu_memory import training_bytes
from trainables.losses.of_recipe import loss_of
from trainables.optimizers import optimizer_of
from trainables.precision import scaler_of
from trainables.predict import device
from trainables.steps import Stepper

_KINDS = ("test_efficientnet=128", "test_vit=128", "mobilenetv2_100=128")
_CLASSES, _STEPS = 5, 3


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description="Memory, said and measured.")
    parser.add_argument("kinds", nargs="*", default=_KINDS, metavar="BACKBONE=SIZE")
    parser.add_argument("--batch", type=int, default=8)
    flags = parser.parse_args(arguments)
    where = torch.cuda.get_device_name() if device().type == "cuda" else "CPU"
    for kind in flags.kinds:
        backbone, _, size = kind.partition("=")
        for precision in ("float32", "bfloat16"):
            recipe = Recipe(
                backbone=backbone,
                image_size=int(size),
                batch_size=flags.batch,
                learning_rate=1e-4,
                epochs=1,
                optimizer="adam",
                precision=precision,
            )
            said = training_bytes(recipe, _CLASSES)
            held = [f"{by} {_mib(held)} ({said / held - 1:+.1%})" for by, held in measured_bytes(recipe).items()]
            what = f"{backbone} {size} px, batch {flags.batch}, {precision}"
            print(f"{where}  {what}: said {_mib(said)}, {', '.join(held)}", flush=True)


def _mib(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"


def measured_bytes(recipe: Recipe) -> dict[str, int]:
    """Of real steps on this machine, by what counted it."""
    gc.collect()
    if device().type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        _train(recipe)
        return {"allocated": torch.cuda.max_memory_allocated(), "reserved": torch.cuda.max_memory_reserved()}
    return {"allocated": _cpu_peak(lambda: _train(recipe))}


def _train(recipe: Recipe) -> None:
    """A net from its birth through a few steps, as a training takes them."""
    where = device()
    net = build_net(recipe, Build(_CLASSES)).to(where).train()
    optimizer, soup = optimizer_of(recipe, net), AveragedModel(net)
    stepper = Stepper(net, optimizer, loss_of(recipe), recipe, scaler_of(recipe, where), recipe.batch_size)
    shape = (recipe.batch_size, recipe.image_size, recipe.image_size, 3)
    for _ in range(_STEPS):
        images = torch.randint(0, 256, shape, dtype=torch.uint8).to(where)
        stepper.step(images, torch.zeros(recipe.batch_size, dtype=torch.int64, device=where))
    soup.update_parameters(net)


def _cpu_peak(compute: Callable[[], object]) -> int:
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        compute()
    assert seen.profiler is not None and seen.profiler.kineto_results is not None
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate(int(event.nbytes()) for event in events))


if __name__ == "__main__":
    main()
