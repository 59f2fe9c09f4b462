"""More nets than a GPU has room for. The device without values, `meta`, is the GPU here."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from search_spaces import Recipe
from trainables import many_nets
from trainables.backbones import Build, Net, build_net
from trainables.data.images import square
from trainables.many_nets import at_once, brought, settle
from trainables.predict import looks

GPU = torch.device("meta")
RECIPE = Recipe(backbone="test_resnet", image_size=32, batch_size=4, learning_rate=1e-3, epochs=1, tta_count=2)


def layer(width: int) -> nn.Module:
    """Of 4 * width bytes."""
    return nn.Linear(width, 1, bias=False)


@pytest.mark.parametrize(("room", "settled"), [(799, 0), (800, 1), (1600, 2), (1999, 2), (2000, 3), (float("inf"), 3)])
def test_nets_settle_in_their_order_while_half_of_the_room_holds_them(room: float, settled: int) -> None:
    nets = [layer(100), layer(100), layer(50)]
    settle(nets, GPU, room)
    assert [net.weight.device.type == "meta" for net in nets] == [place < settled for place in range(3)]


def test_who_is_there_looks_together_and_each_other_one_alone() -> None:
    nets = [layer(1), layer(1).to(GPU), layer(1), layer(1).to(GPU)]
    assert at_once(nets, GPU) == [[1, 3], [0], [2]]
    assert at_once(nets[::2], GPU) == [[0], [1]]
    assert at_once(nets[::2], torch.device("cpu")) == [[0, 1]]


def test_a_net_that_comes_leaves_no_trace() -> None:
    """Nothing of a net with parameters and buffers may be left behind: devices do not mix in one operation."""
    net = build_net(RECIPE, Build(2)).eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert brought(net, GPU)(torch.zeros(4, 32, 32, 3, dtype=torch.uint8, device=GPU)).device == GPU
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert brought(net, torch.device("cpu")) is net


def test_nets_that_come_and_go_say_what_they_say_where_all_have_room(monkeypatch: pytest.MonkeyPatch) -> None:
    recipes = [RECIPE, RECIPE, replace(RECIPE, tta="crops"), RECIPE]
    nets = [(build_net(recipe, Build(2)).eval(), recipe) for recipe in recipes]
    images = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def said() -> dict[tuple[int, int], np.ndarray]:
        return {
            (look.net, look.view): look.probs.numpy() for look in looks(nets, {square(RECIPE): images}, (2, 1, 2, 2))
        }

    expected, calls = said(), list[Net]()
    copied = many_nets.functional_call

    def counted(net: Net, weights: dict[str, Tensor], words: tuple[Tensor]) -> Tensor:
        calls.append(net)
        return copied(net, weights, words)

    away = {id(nets[0][0]), id(nets[2][0])}
    monkeypatch.setattr(many_nets, "_on", lambda net, where: id(net) not in away)
    monkeypatch.setattr(many_nets, "functional_call", counted)
    found = said()
    assert [id(net) for net in calls].count(id(nets[0][0])) == 2 and len(calls) == 4
    assert found.keys() == expected.keys()
    for key, probs in found.items():
        np.testing.assert_array_equal(probs, expected[key])
