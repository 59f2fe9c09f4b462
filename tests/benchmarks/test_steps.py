"""benchmarks/steps.py at tiny sizes: variants differ in what their names say, and take turns."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmarks import steps
from search_spaces import Recipe
from trainables.backbones import Net

RECIPE = Recipe(
    backbone="test_efficientnet", image_size=32, batch_size=4, learning_rate=1e-3, epochs=1, optimizer="adamw"
)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def weights(net: torch.nn.Module) -> list[torch.Tensor]:
    return [weight.detach().clone() for weight in net.parameters()]


def differs(variant: str) -> list[str]:
    """In what a variant is not the plain one."""
    own = steps.stepper(RECIPE, variant)
    assert isinstance(own.net, Net)
    (foreach,) = {group["foreach"] for group in own.optimizer.param_groups}
    (fused,) = {group["fused"] for group in own.optimizer.param_groups}
    large = [weight for weight in own.net.parameters() if weight.ndim == 4 and weight.shape[2] > 1]
    contiguous = not large[0].is_contiguous(memory_format=torch.channels_last)
    bfloat16 = own.recipe.precision == "bfloat16"
    seen = {"contiguous": contiguous, "foreach": foreach, "fused": fused, "bfloat16": bfloat16}
    return [name for name, is_so in seen.items() if is_so]


@pytest.mark.parametrize("variant", steps.VARIANTS)
def test_a_variant_differs_in_what_its_name_says(variant: str) -> None:
    assert differs(variant) == [variant] * (variant != steps.PLAIN)


@pytest.mark.parametrize("variant", [each for each in steps.VARIANTS if each != steps.PLAIN])
def test_a_variant_is_the_same_step(variant: str) -> None:
    images = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    both = [steps.stepper(RECIPE, name) for name in (steps.PLAIN, variant)]
    losses = [float(each.step(images, torch.arange(4))) for each in both]
    assert losses[1] == pytest.approx(losses[0], rel=0.1 if variant == "bfloat16" else 1e-4)  # it has three digits
    if variant in steps.OPTIMIZERS:  # on the same gradients, to the bit
        torch.testing.assert_close(weights(both[1].net), weights(both[0].net), atol=1e-6, rtol=0.0)


def test_the_optimizer_alone_leaves_its_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    own = steps.stepper(RECIPE, steps.PLAIN)
    monkeypatch.setattr(steps, "stepper", lambda recipe, variant: own)
    step = steps.steps_of(RECIPE, steps.PLAIN, alone=True)
    before, gradients = weights(own.net), [weight.grad for weight in own.net.parameters()]
    kept = [grad.clone() for grad in gradients if grad is not None]
    step()
    assert kept and all(torch.equal(a, b) for a, b in zip(kept, gradients, strict=True) if b is not None)
    assert any(not torch.equal(a, b) for a, b in zip(before, own.net.parameters(), strict=True))


@pytest.mark.parametrize(("alone", "variants"), [(False, steps.VARIANTS), (True, steps.OPTIMIZERS)])
def test_all_take_turns_and_none_is_always_the_first(
    alone: bool, variants: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(steps, "steps_of", lambda recipe, variant, alone: lambda: said.append(variant))
    monkeypatch.setattr(
        steps, "seconds", lambda step, repeats: next(float(repeats) for _ in range(repeats) if not step())
    )
    found = steps.compare(RECIPE, 1, len(variants), sample_s=1.0, alone=alone)
    rounds = said[-(len(variants) ** 2) :]
    first = rounds[:: len(variants)]
    assert sorted(first) == sorted(variants)
    assert list(found) == list(variants) and found.shape == (len(variants), len(variants))
    assert torch.get_num_threads() == 1


def test_ratios_are_by_round() -> None:
    found = pd.DataFrame({"plain": [0.1, 0.2, 0.4], "fused": [0.05, 0.2, 0.2]})
    said = steps.summary(found)
    assert said.loc["plain", "ms a step"] == "200.00 (100.00–400.00)"
    assert said.loc["fused", "of the plain"] == "0.500 (0.500–1.000)"


def test_the_command_says_and_keeps_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = (
        "--batch",
        "2",
        "--rounds",
        "2",
        "--threads",
        "1",
        "--sample-s",
        "0",
        "--json",
        str(tmp_path / "found.json"),
    )
    steps.main(["test_efficientnet=32", *flags])
    (found,) = json.loads((tmp_path / "found.json").read_text()).values()
    assert set(found) == set(steps.VARIANTS) and all(len(each) == 2 for each in found.values())
    assert min(min(each) for each in found.values()) > 0
    assert "n = 2 rounds" in capsys.readouterr().out
