"""`--bad-images skip`: a whole search that leaves out what cannot be read, and says so."""

import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pandas as pd
import pytest

from trainables.files import load_array, load_json
from trainables.layout import SearchFolder

Command = Callable[..., CompletedProcess[str]]
pytestmark = pytest.mark.slow

FLAGS = ("--trials", "1", "--epochs", "1", "--promote", "1", "--folds", "2")


@pytest.mark.filterwarnings("default")  # in this process, for speed: what Ray warns of is not ours
def test_bad_images_are_left_out_and_listed(command_here: Command, more_stripes: Path, tmp_path: Path) -> None:
    (more_stripes / "train_images/train_1.png").write_bytes(b"")
    (more_stripes / "train_images/train_4.png").unlink()
    (more_stripes / "test_images/test_3.png").write_text("text")
    with (more_stripes / "train.csv").open("a") as table:  # class 0 becomes the commonest
        for number in (0, 2, 6):
            table.write(f"more_{number}.png,0\n")
            image = more_stripes / f"train_images/more_{number}.png"
            shutil.copy(more_stripes / f"train_images/train_{number}.png", image)
    flags = ("--data", more_stripes, "--out", tmp_path / "OUT", *FLAGS)
    search = SearchFolder(tmp_path / "OUT")

    done = command_here("search.py", *flags, "--bad-images", "skip")
    assert done.returncode == 0, done.stderr
    assert "skipped    2 training and 1 test images that cannot be used" in done.stdout
    rows = [
        ("train_1.png", "train_images", "is not an image"),
        ("train_4.png", "train_images", "is missing"),
        ("test_3.png", "test_images", "is not an image"),
    ]
    listed = load_json(search.summary)["skipped"]
    assert [(row["image_id"], row["folder"]) for row in listed] == [row[:2] for row in rows]
    page = search.report.read_text()
    for image_id, folder, reason in rows:
        assert f'{image_id}</span></th><td class="left">{folder}</td><td class="left">{reason}' in page
    answer, sample = pd.read_csv(search.submission), pd.read_csv(more_stripes / "sample_submission.csv")
    assert answer["image_id"].tolist() == sample["image_id"].tolist()
    assert answer.set_index("image_id")["label"]["test_3.png"] == 0
    place = answer["image_id"].tolist().index("test_3.png")
    np.testing.assert_allclose(load_array(search.trial(0).fold(0).test_probs)[place], [12 / 21, 9 / 21], rtol=1e-6)
    assert len(pd.read_csv(search.oof)) == 21

    again = command_here("search.py", *flags, "--bad-images", "skip", "--resume")
    assert again.returncode == 0, again.stderr
    assert pd.read_csv(search.submission).equals(answer)
    replayed = command_here("search.py", "--replay", search.path, "0")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr

    shutil.copy(more_stripes / "train_images/train_6.png", more_stripes / "train_images/train_4.png")
    changed = command_here("search.py", *flags, "--bad-images", "skip", "--resume")
    assert changed.returncode == 2
    assert "labels, tables or images changed since this search began" in changed.stderr
