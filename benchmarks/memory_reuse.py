"""What it brings a training step on a CPU that its process keeps freed memory and uses huge pages, as workers do.

python -m benchmarks.memory_reuse [--rounds 5] [--steps 8]

In turns, each in a process of its own with one thread: steps (forward, loss, backward, AdamW) of random images, with
the system's defaults and with `cluster.session.REUSED`. The median step of each process, and the most memory it had;
medians and ranges over rounds, and the ratio of the second to the first by round. The loss after the steps must be the
same.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

from benchmarks.spread import spread
from cluster.session import REUSED

WORK = (("mobilenetv2_100", 160, 32), ("mobilenetv2_100", 128, 16), ("resnet18", 128, 32), ("test_vit", 64, 32))
"""Backbone, image size, batch size."""


def steps(backbone: str, size: int, batch: int, count: int) -> dict[str, float]:
    """In this process."""
    import timm
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = timm.create_model(backbone, num_classes=5).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(net.parameters())
    images = torch.rand(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    labels, seconds = torch.randint(0, 5, (batch,)), []
    for _ in range(count + 2):
        started = time.perf_counter()
        loss = torch.nn.functional.cross_entropy(net(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"ms": statistics.median(seconds[2:]) * 1000, "mb": peak, "loss": float(loss.detach())}


def in_own_process(work: tuple[str, int, int], count: int, environment: dict[str, str]) -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks.memory_reuse", "--steps", str(count), "--one", *map(str, work)]
    plain = {name: value for name, value in os.environ.items() if name not in REUSED}
    said = subprocess.run(words, env=plain | environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, float] = json.loads(said)
    return found


def compared(work: tuple[str, int, int], rounds: int, count: int) -> str:
    """A line of the table."""
    default: list[dict[str, float]] = []
    reused: list[dict[str, float]] = []
    for number in range(rounds):
        pairs = [(default, dict[str, str]()), (reused, REUSED)]
        for found, environment in pairs[:: 1 if number % 2 else -1]:
            found.append(in_own_process(work, count, environment))
    assert len({each["loss"] for each in default + reused}) == 1, "memory changed a result"
    cells = [spread([each[name] for each in found], 0) for name in ("ms", "mb") for found in (default, reused)]
    ratio = spread([b["ms"] / a["ms"] for a, b in zip(default, reused, strict=True)], 2)
    return f"| `{work[0]}`, {work[1]} px, {work[2]} | {' | '.join(cells)} | {ratio} |"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory_reuse", description=str(__doc__).splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.one:
        print(json.dumps(steps(asked.one[0], int(asked.one[1]), int(asked.one[2]), asked.steps)))
        return
    print(
        "| net, size, batch | ms a step | ms, reused | MB | MB, reused | ms, second over first |\n" + "|---" * 6 + "|"
    )
    for work in WORK:
        print(compared(work, asked.rounds, asked.steps), flush=True)


if __name__ == "__main__":
    main()
