"""The picture of augmentations and mixings is made, of what is there."""

from pathlib import Path

import cv2
import pytest

from search_spaces.kinds import AUGMENTS, MIXES
from trainables import gallery
from trainables.data.kaggle import load_data


def test_a_row_for_everything_that_a_recipe_can_ask_for(stripes: Path) -> None:
    drawn = list(gallery.rows(load_data(stripes), 32, seed=0))
    assert [name for name, _ in drawn] == ["plain", *AUGMENTS, *(name for name in MIXES if name != "none")]
    assert {image.shape for _, shown in drawn for image, _ in shown} == {(32, 32, 3)}
    assert len({below for _, below in drawn[0][1]}) == 2, "both classes are shown"


def test_the_command_draws_and_refuses(stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gallery.main(["--data", str(stripes), "--out", str(tmp_path / "new" / "a.png"), "--image-size", "16"]) == 0
    assert cv2.imread(str(tmp_path / "new" / "a.png")) is not None
    assert gallery.main(["--data", str(tmp_path / "none"), "--out", str(tmp_path / "b.png")]) == 2
    assert "A data folder needs" in capsys.readouterr().err
