"""What a search does when something breaks: struck, diverging, failing again and again."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from trainables.files import load_json
from trainables.layout import SearchFolder

Command = Callable[..., CompletedProcess[str]]
pytestmark = pytest.mark.slow


QUICK = ("--trials", "3", "--epochs", "9", "--promote", "1", "--folds", "2")
ONE_NET = ("--set", "backbone=test_resnet", "image_size=32", "batch_size=16", "tta_count=1")


def test_searches_that_are_struck_end_as_one_that_is_not(command: Command, many_stripes: Path, tmp_path: Path) -> None:
    """`make chaos`, short: exit code 0 says that no trial was lost and that every number is the same to the bit."""
    kinds = ("truncated", "nan", "full_disk", "worker", "cluster_node")
    flags = ("--faults", "5", "--kinds", *kinds, "--json", tmp_path / "table.json", "--out", tmp_path / "OUT")
    idle = {"OMP_WAIT_POLICY": "PASSIVE"}  # threads that wait leave the cores to others
    done = command("-m", "benchmarks.chaos", *flags, *QUICK, "--data", many_stripes, *ONE_NET, **idle)
    assert done.returncode == 0, done.stdout + done.stderr
    here, cluster = load_json(tmp_path / "table.json")
    assert sum(here["faults"].values()) + len(here["left_out"]) >= 2, "it ended before it was struck"
    assert here["drivers"] >= 2
    assert "cluster_node" in cluster["faults"]
    assert cluster["drivers"] == 1, "neither a training nor a node takes the driver with it"


WILD = """
from search_spaces.digits import SPACE
from dataclasses import replace

wild = {"optimizer": "sgd", "learning_rate": 10.0, "weight_decay": 1.0, "warm_up": 0.0}
SPACE = replace(SPACE, known_good=({**SPACE.known_good[0], **wild}, *SPACE.known_good))
"""


@pytest.mark.filterwarnings("default")  # in this process, for speed: what Ray warns of is not ours
def test_a_trial_that_cannot_be_judged_is_replaced(command_here: Command, many_stripes: Path, tmp_path: Path) -> None:
    """In small batches, so that its weights have the steps that they take to overflow."""
    (tmp_path / "wild.py").write_text(WILD)
    flags = ("--space", tmp_path / "wild.py", "--trials", "3", "--epochs", "2", "--promote", "1", "--folds", "2")
    flags = (*flags, "--data", many_stripes, *ONE_NET, "batch_size=4")
    done = command_here("search.py", *flags, "--out", tmp_path / "OUT", "--quiet")
    assert done.returncode == 0, done.stderr
    assert load_json(tmp_path / "OUT/summary.json")["statuses"] == {"finished": 3, "diverged": 1}
    extended = command_here("search.py", *flags[:3], "5", *flags[4:], "--out", tmp_path / "OUT", "--quiet", "--resume")
    assert extended.returncode == 0, extended.stderr
    found = load_json(tmp_path / "OUT/summary.json")
    assert found["statuses"] == {"finished": 5, "diverged": 1}
    assert {row["trial"] for row in found["standings"]} == {1, 2, 3, 4, 5}


BROKEN = """
import sys

if any("default_worker" in word for word in sys.argv):
    import torch

    def broken(*_words, **_more):
        raise RuntimeError("device 7 is broken")

    torch.optim.AdamW = broken
"""


@pytest.mark.filterwarnings("default")
def test_one_cause_again_and_again_ends_the_search(
    command: Command, command_here: Command, tmp_path: Path, stripes: Path
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(BROKEN)
    flags = ("--trials", "4", "--epochs", "2", "--promote", "1", "--folds", "2", "--concurrent", "1", "--quiet")
    flags = ("--data", str(stripes), *flags)
    out = tmp_path / "OUT"
    done = command("search.py", "--out", out, *flags, PYTHONPATH=str(tmp_path / "site"))
    assert done.returncode == 1
    assert "3 trials in a row failed for the same cause" in done.stderr
    assert "device 7 is broken" in done.stderr
    search = SearchFolder(out)
    failed = [number for number in search.trial_numbers() if search.trial(number).error.exists()]
    assert failed == [0, 1, 2], "the others were not tried"
    assert search.trial(0).attempts.read_text().count("device 7 is broken") >= 2
    mended = command_here("search.py", "--out", out, *flags, "--resume")
    assert mended.returncode == 0, mended.stderr
    assert load_json(search.summary)["statuses"].get("failed") is None
