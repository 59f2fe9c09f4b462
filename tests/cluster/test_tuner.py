"""What becomes of a search whose machine has no memory left, by a Ray Tune that is told to raise."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from ray.exceptions import OutOfMemoryError

from cluster import tuner
from cluster.errors import SearchFailed
from cluster.flags import read_flags
from cluster.plan import Plan, make_plan
from cluster.resources import Resources, Slots
from cluster.space import space_of
from cluster.spending import Spending
from trainables.files import save_json, write_whole
from trainables.scores import METRICS


@pytest.fixture
def plan(stripes: Path, tmp_path: Path) -> Plan:
    words = ["--data", str(stripes), "--folds", "2", "--out", str(tmp_path / "OUT"), "--trials", "2", "--promote", "1"]
    flags = read_flags([*words, "--epochs", "6", "--quiet"])
    made = make_plan(flags, space_of(flags))
    assert made is not None
    return made


def trained(plan: Plan, number: int, epochs: int) -> None:
    trial = plan.search.trial(number)
    save_json(trial.recipe, plan.space.recipes(2, 0)[number].to_dict())
    row = dict.fromkeys(METRICS, 0.5) | {"seconds": 1.0, "ended_at": 0.0, "diverged": False}
    rows = [{"epoch": epoch, **row} for epoch in range(1, epochs + 1)]
    write_whole(trial.fold(0).metrics, pd.DataFrame(rows).to_csv(index=False))


def searched(plan: Plan, monkeypatch: pytest.MonkeyPatch, drives: list[Callable[[], None]]) -> int:
    """Of how many drives of Ray Tune the search made use: each but the last one ends for want of memory."""
    used = 0

    class Tuner:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def fit(self) -> None:
            nonlocal used
            used += 1
            drives[used - 1]()
            if used < len(drives):
                raise RuntimeError("Caught unexpected exception") from OutOfMemoryError("1 worker(s) were killed")

    fake = {"with_parameters": lambda function, **_: function, "with_resources": lambda function, _: function}
    monkeypatch.setattr(tuner, "tune", SimpleNamespace(**fake, Tuner=Tuner))
    monkeypatch.setattr(tuner.Proposals, "finished", True, raising=False)
    monkeypatch.setattr(tuner, "_check_ended", lambda *_: None)
    resources = Resources(Slots(2, 1, 0.0))
    tuner.search(plan, resources, Spending(plan, resources))
    return used


def test_a_search_goes_on_where_ray_ended_a_trial_for_its_memory(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four times, each after an epoch."""
    drives = [lambda epochs=epochs: trained(plan, 0, epochs) for epochs in range(1, 6)]
    assert searched(plan, monkeypatch, drives) == 5
    assert capsys.readouterr().out.count("the memory of a machine was full") == 4


def test_without_an_epoch_in_between_it_is_no_use(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    drives = [lambda: trained(plan, 0, 1)] * 4
    with pytest.raises(SearchFailed, match=r"(?s)is full again and again.*--concurrent N.*--resume") as failed:
        searched(plan, monkeypatch, drives)
    assert str(plan.search.path) in str(failed.value)


def test_another_error_of_ray_tune_is_not_taken_for_that(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise RuntimeError("Caught unexpected exception") from ValueError("another")

    with pytest.raises(RuntimeError, match="unexpected"):
        searched(plan, monkeypatch, [fails, fails])
