"""Every experiment of the diary and the space of leaves, by the flags that a user would type, on a few real photos."""

import math
import shutil
from pathlib import Path

import pandas as pd
import pytest

import search
from cluster.flags import read_flags
from cluster.plan import make_plan
from cluster.resources import Slots
from cluster.space import space_of
from search_spaces.loading import diary_names
from trainables.files import load_array, load_json
from trainables.layout import FoldFolder, SearchFolder
from trainables.train import train

SHARED = Path(__file__).parent.parent.parent / "shared" / "data"
WEIGHTS = SHARED / "weights"
PER_CLASS = 12
WHOLE = ("leaves", "diary/sources")
"""Spaces that are searched to the end, with Ray; of the families one, since that is the same for all."""


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
    sample = pd.read_csv(whole / "sample_submission.csv").head(4)[::-1]  # in an order of its own
    for table, name, folder in ((train, "train.csv", "train_images"), (sample, "sample_submission.csv", "test_images")):
        table.to_csv(root / name, index=False)
        for image in table["image_id"]:
            shutil.copy(whole / folder / image, root / folder / image)
    shutil.copy(whole / "label_num_to_disease_map.json", root)
    return root


def flags_of(name: str, leaves: Path, out: Path) -> list[str]:
    """Two small recipes of the family's grid."""
    small = ["backbone=mobilenetv2_100"] + ([] if name == "diary/image_size" else ["image_size=32"])
    epochs = "3" if name == "diary/head_epochs" else "1"
    flags = ["--space", name, "--data", str(leaves), "--weights", str(WEIGHTS), "--out", str(out), "--set", *small]
    return [*flags, "--trials", "2", "--epochs", epochs, "--promote", "1", "--folds", "2", "--gpus-per-trial", "0"]


@pytest.mark.slow
@pytest.mark.parametrize("name", diary_names())
def test_a_family_trains_the_recipes_of_its_grid(name: str, leaves: Path, tmp_path: Path) -> None:
    """Planned as the command line plans them, and trained in this process."""
    flags = read_flags([*flags_of(name, leaves, tmp_path / "out"), "--quiet"])
    plan = make_plan(flags, space_of(flags))
    assert plan is not None
    for number, recipe in enumerate(plan.recipes):
        folder = FoldFolder(tmp_path / str(number))
        *_, row = train(recipe, plan.data, plan.folds, 0, folder, plan.setting(Slots(1, 2, 0.0)))
        assert row["epoch"] == recipe.epochs
        assert not row["diverged"]
        assert load_array(folder.pred_probs).shape == (len(plan.folds.split(0)[1]), 3)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # in this process, for speed: what Ray warns of is not ours
@pytest.mark.parametrize("name", WHOLE)
def test_a_space_runs_from_local_weights_to_the_answer(name: str, leaves: Path, tmp_path: Path) -> None:
    out = SearchFolder(tmp_path / "out")
    assert search.main([*flags_of(name, leaves, out.path), "--concurrent", "1"]) == 0
    answer, sample = pd.read_csv(out.submission), pd.read_csv(leaves / "sample_submission.csv")
    assert answer["image_id"].tolist() == sample["image_id"].tolist()
    assert load_json(out.search)["space"] == name
    ensemble = load_json(out.summary)["ensemble"]
    assert math.isfinite(ensemble["oof_loss"])
    assert "test_accuracy" not in ensemble, "nobody knows the true labels"
