import re
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from search_spaces import InputError, Recipe, load_space, space_names
from trainables.backbones import Build, build_net, load_net, local_weights, save_net, starting_net
from trainables.checks import check_backbones, check_downloads, check_drops

RECIPE = Recipe(backbone="test_vit", image_size=32, batch_size=4, learning_rate=1e-3, epochs=1)
IMAGES = torch.randint(0, 255, (2, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", space_names())
def test_timm_knows_every_backbone_of_every_space(name: str) -> None:
    space = load_space(name)
    check_backbones(space.values("backbone"), bool(space.fields.get("pretrained")))


def test_digits_has_three_families_and_a_vit() -> None:
    names = load_space("digits").values("backbone")
    assert len({name.rstrip("0123456789") for name in names}) >= 3
    assert any("vit" in name for name in names)


def test_an_unknown_backbone_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"'mobilenetv2_10' .*mobilenetv2_100"):
        check_backbones(["mobilenetv2_10", "resnet18"], pretrained=False)
    with pytest.raises(InputError, match=r"tf_efficientnet_b0\.aa_in1"):
        check_backbones(["tf_efficientnet_b0.aa_in1"], pretrained=True)


def test_a_saved_net_is_the_same_net(tmp_path: Path) -> None:
    torch.manual_seed(0)
    build = Build(3, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    net = build_net(RECIPE, build).eval()
    save_net(tmp_path / "w.safetensors", net, RECIPE, build)
    loaded, recipe = load_net(tmp_path / "w.safetensors")
    assert recipe == RECIPE
    with torch.inference_mode():
        torch.testing.assert_close(loaded(IMAGES), net(IMAGES))


def test_local_weights_begin_the_body_but_not_the_head(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = timm.create_model("test_resnet", num_classes=7)
    save_file(source.state_dict(), tmp_path / "test_resnet.safetensors")
    (tmp_path / "test_resnet.json").write_text('{"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}')
    recipe = Recipe(backbone="test_resnet", image_size=32, batch_size=4, learning_rate=1e-3, epochs=1, pretrained=True)
    net, build = starting_net(recipe, 3, tmp_path)
    weights = net.body.state_dict()
    assert all(torch.equal(weights[k], v) for k, v in source.state_dict().items() if not k.startswith("fc."))
    assert weights["fc.weight"].shape[0] == 3
    assert build.std == (0.25, 0.25, 0.25)
    assert net.std.flatten().tolist() == [0.25] * 3


@pytest.mark.parametrize("freeze_bn", [False, True])
def test_frozen_batchnorm_keeps_its_statistics_in_training(freeze_bn: bool) -> None:
    recipe = Recipe.from_dict(
        {**RECIPE.to_dict(), "backbone": "test_resnet", "pretrained": True, "freeze_bn": freeze_bn}
    )
    net = build_net(recipe, Build(3)).train()
    before = {name: tensor.clone() for name, tensor in net.named_buffers() if "running" in name}
    net(IMAGES).sum().backward()
    after = dict(net.named_buffers())
    assert before
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items()) is freeze_bn
    scales = [weight for name, weight in net.named_parameters() if "bn1.weight" in name]
    assert all(weight.grad is not None and weight.requires_grad for weight in scales)


def test_weights_that_are_no_safetensors_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "test_resnet.safetensors")
    with pytest.raises(InputError, match="weights of test_resnet"):
        local_weights("test_resnet", tmp_path, 3)


def test_the_net_normalises_itself() -> None:
    net = build_net(RECIPE, Build(3, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))).eval()
    seen = []
    net.body.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        net(IMAGES)
    wanted = (IMAGES.permute(0, 3, 1, 2) / 255 - torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)) / torch.tensor(
        [0.4, 0.5, 0.6]
    ).view(1, 3, 1, 1)
    torch.testing.assert_close(seen[0], wanted)


@pytest.mark.parametrize(
    ("old", "now"),
    [
        ("tf_efficientnet_b3_ns", "tf_efficientnet_b3.ns_jft_in1k"),
        ("swsl_resnext50_32x4d", "resnext50_32x4d.fb_swsl_ig1b_ft_in1k"),
    ],
)
def test_an_old_name_of_timm_is_refused_with_its_present_one(old: str, now: str) -> None:
    with pytest.raises(InputError, match=f"old name of {re.escape(now)}"):
        check_backbones([old], pretrained=True)
    check_backbones([now], pretrained=True)


def test_position_embeddings_are_resampled_to_the_size_that_is_asked_for(tmp_path: Path) -> None:
    """A distilled DeiT at 64 px from weights of 224 px: its two extra tokens stay, its grid of 14 becomes one of 4."""
    name = "deit_tiny_distilled_patch16_224"
    source = timm.create_model(name, num_classes=7)
    ramp = torch.arange(14.0).view(1, 14, 1, 1).expand(1, 14, 14, 192).reshape(1, 196, 192)
    source.pos_embed.data[:, 2:] = ramp
    save_file(source.state_dict(), tmp_path / f"{name}.safetensors")
    recipe = Recipe.from_dict({**RECIPE.to_dict(), "backbone": name, "image_size": 64, "pretrained": True})
    net, _ = starting_net(recipe, 3, tmp_path)
    positions = net.body.pos_embed.detach()
    assert positions.shape == (1, 2 + 16, 192)
    torch.testing.assert_close(positions[:, :2], source.pos_embed.detach()[:, :2])
    down = positions[0, 2:, 0].view(4, 4)
    assert (down.diff(dim=0) > 2).all()
    torch.testing.assert_close(down[:, 0], down[:, 3])
    images = torch.zeros(2, 64, 64, 3, dtype=torch.uint8)
    assert net.train()(images).shape == net.eval()(images).shape == (2, 3)


@pytest.mark.parametrize("name", ["test_nfnet", "test_convnext", "test_mambaout"])
def test_nets_without_batchnorm_train(name: str) -> None:
    recipe = Recipe.from_dict({**RECIPE.to_dict(), "backbone": name, "drop_path_rate": 0.1, "drop_rate": 0.1})
    check_drops([recipe])
    net = build_net(recipe, Build(3)).train()
    net(IMAGES).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_weights_out_of_reach_are_said_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> bool:
        raise ConnectionError("no network")

    monkeypatch.setattr("trainables.checks.huggingface_hub.file_exists", unreachable)
    monkeypatch.setattr("trainables.checks.huggingface_hub.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(InputError, match=r"give --weights DIR .*\n  - resnet18: ConnectionError .*\n  - resnet34"):
        check_downloads(["resnet18", "resnet34"])
