"""The picture of augmentations and mixings is made, of what is there."""

from pathlib import Path

import cv2
import pytest

from search_spaces import Recipe
from search_spaces.kinds import AUGMENTS, MIXES
from trainables import gallery
from trainables.backbones import Build, build_net, save_net
from trainables.data.kaggle import load_data


def test_a_row_for_everything_that_a_recipe_can_ask_for(stripes: Path) -> None:
    recipe = Recipe(backbone="test_resnet", image_size=32, batch_size=6, learning_rate=1e-3, epochs=1)
    drawn = list(gallery.rows(load_data(stripes), 32, seed=0, net=build_net(recipe, Build(2))))
    named = [name for name in AUGMENTS if name != "custom"]
    assert [name for name, _ in drawn] == ["plain", *named, "attention", *(name for name in MIXES if name != "none")]
    assert {image.shape for _, shown in drawn for image, _ in shown} == {(32, 32, 3)}
    assert len({below for _, below in drawn[0][1]}) == 2, "both classes are shown"


def test_the_command_draws_and_refuses(stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gallery.main(["--data", str(stripes), "--out", str(tmp_path / "new" / "a.png"), "--image-size", "16"]) == 0
    assert cv2.imread(str(tmp_path / "new" / "a.png")) is not None
    assert gallery.main(["--data", str(tmp_path / "none"), "--out", str(tmp_path / "b.png")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_a_net_that_cannot_say_what_it_looks_at_is_refused(
    stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = Recipe(backbone="test_vit", image_size=32, batch_size=6, learning_rate=1e-3, epochs=1)
    save_net(tmp_path / "vit.safetensors", build_net(recipe, Build(2)), recipe, Build(2))
    flags = ["--data", str(stripes), "--out", str(tmp_path / "a.png"), "--net", str(tmp_path / "vit.safetensors")]
    assert gallery.main(flags) == 2
    assert "linear in its feature map; test_vit is not so" in capsys.readouterr().err
