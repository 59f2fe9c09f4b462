"""Every experiment of the diary, as the command line that a user would type, on a few real leaf photos."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import search
from search_spaces.loading import diary_names

SHARED = Path(__file__).parent.parent.parent / "shared" / "data"
WEIGHTS = SHARED / "weights"
PER_CLASS = 12


@pytest.fixture(scope="module")
def leaves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few photos of each class of the bean leaves, where they are."""
    whole = SHARED / "ibean"
    if not whole.exists() or not WEIGHTS.exists():
        pytest.skip(f"needs real leaf photos in {whole} and weights in {WEIGHTS}")
    root = tmp_path_factory.mktemp("data") / "leaves"
    for folder in ("train_images", "test_images"):
        (root / folder).mkdir(parents=True)
    train = pd.read_csv(whole / "train.csv").groupby("label").head(PER_CLASS)
    train["source"] = ["2020", "2020", "2019"] * (len(train) // 3)
    sample = pd.read_csv(whole / "sample_submission.csv").head(4)
    for table, name, folder in ((train, "train.csv", "train_images"), (sample, "sample_submission.csv", "test_images")):
        table.to_csv(root / name, index=False)
        for image in table["image_id"]:
            shutil.copy(whole / folder / image, root / folder / image)
    shutil.copy(whole / "label_num_to_disease_map.json", root)
    return root


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # in this process, for speed: what Ray warns of is not ours
@pytest.mark.parametrize("name", diary_names())
def test_a_family_runs_from_its_grid_to_the_answer(name: str, leaves: Path, tmp_path: Path) -> None:
    small = ["backbone=mobilenetv2_100"] + ([] if name == "diary/image_size" else ["image_size=32"])
    epochs = "3" if name == "diary/head_epochs" else "1"
    out = tmp_path / "out"
    flags = ["--space", name, "--data", str(leaves), "--weights", str(WEIGHTS), "--out", str(out), "--set", *small]
    flags += ["--trials", "2", "--epochs", epochs, "--promote", "1", "--folds", "2", "--gpus-per-trial", "0"]
    assert search.main([*flags, "--concurrent", "1"]) == 0
    assert len(pd.read_csv(out / "submission.csv")) == 4
    assert json.loads((out / "search.json").read_text())["space"] == name
