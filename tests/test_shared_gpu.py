"""A whole search on a machine whose Ray was told of a GPU. Where there is none, they train on the CPU."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from trainables.files import load_json
from trainables.layout import SearchFolder
from trainables.trial import load_epochs

Command = Callable[..., CompletedProcess[str]]

WITH_A_GPU = """
import os, sys, functools, ray
ray.init = functools.partial(ray.init, num_cpus=4, num_gpus=int(os.environ["NUM_GPUS"]))
import search
sys.exit(search.main(sys.argv[1:]))
"""
ON_RAY = {"RAY_ADDRESS": "local", "CUDA_VISIBLE_DEVICES": "0", "NUM_GPUS": "1"}
SMALL = ("--trials", "2", "--epochs", "1", "--promote", "1", "--folds", "2", "--quiet")


@pytest.mark.slow
def test_two_trials_share_a_gpu(many_stripes: Path, tmp_path: Path, command: Command) -> None:
    """Each takes less than half of 4 GB, so they run side by side; folds and predictions get the same share."""
    out = tmp_path / "OUT"
    flags = ("--data", many_stripes, "--out", out, *SMALL, "--gpu-memory", "4")
    done = command("-c", WITH_A_GPU, *flags, **ON_RAY)
    assert done.returncode == 0, done.stderr
    first, second = (load_epochs(SearchFolder(out).trial(number).fold(0)) for number in range(2))
    assert set(first["threads"]) == set(second["threads"]) == {2}, "half of the CPUs too"
    begun = [float(rows["ended_at"].iloc[0] - rows["seconds"].iloc[0]) for rows in (first, second)]
    assert max(begun) < min(first["ended_at"].max(), second["ended_at"].max()), "one after the other"


@pytest.mark.slow
def test_a_trial_that_no_machine_could_hold_ends_at_once(stripes: Path, tmp_path: Path, command: Command) -> None:
    flags = ("--data", stripes, "--out", tmp_path / "OUT", *SMALL, "--gpus-per-trial", "2")
    done = command("-c", WITH_A_GPU, *flags, **ON_RAY)
    assert done.returncode == 2
    assert "A trial wants 2 GPUs of one node and no node has more than 1" in done.stderr
    assert not (tmp_path / "OUT" / "trials").exists()


@pytest.mark.slow
def test_a_fold_is_trained_on_two_gpus_together(stripes: Path, tmp_path: Path, command: Command) -> None:
    """By Ray Train, the batch divided among them; trials and predictions have a GPU each as before."""
    out = tmp_path / "OUT"
    flags = ("--data", stripes, "--out", out, *SMALL, "--epochs", "2", "--set", "batch_size=8")
    asked = (*flags, "--gpus-per-fold", "2")
    two = {**ON_RAY, "CUDA_VISIBLE_DEVICES": "0,1", "NUM_GPUS": "2"}
    done = command("-c", WITH_A_GPU, *asked, **two)
    assert done.returncode == 0, done.stderr
    search = SearchFolder(out)
    (promoted,) = load_json(search.promoted)
    searched, folded = (load_epochs(search.trial(promoted).fold(fold)) for fold in range(2))
    assert set(searched["processes"]) == {1} and list(folded["processes"]) == [2, 2]
    assert set(folded["threads"]) == {2}
    assert search.trial(promoted).fold(1).test_probs.exists()
