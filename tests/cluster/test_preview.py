"""What is said of a search before it begins, and what of it is kept for the report."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import search
from cluster.flags import read_flags
from cluster.plan import Plan, make_plan
from cluster.preview import outlook_of, write_forecast
from cluster.resources import Resources, Slots, Wishes
from cluster.space import space_of
from trainables.data.place import DataPlace
from trainables.files import load_json
from trainables.node import NodeFacts, facts
from trainables.throughput import Throughput, cost_key

TWO_SLOTS = Resources(Slots(2, 1, 0.0))
Planned = Callable[..., Plan]


@pytest.fixture
def planned(stripes: Path, tmp_path: Path) -> Planned:
    def make(*words: str) -> Plan:
        flags = ["--data", str(stripes), "--folds", "2", "--epochs", "6", "--out", str(tmp_path / "OUT"), "--quiet"]
        asked = read_flags([*flags, *words])
        made = make_plan(asked, space_of(asked))
        assert made is not None
        return made

    return make


def timed(plan: Plan) -> Plan:
    """As `--measure` finds it: an epoch of a few seconds."""
    return replace(plan, throughputs={cost_key(recipe): Throughput(0.5, 0.1) for recipe in plan.recipes})


def test_a_plan_says_what_a_budget_buys(
    capsys: pytest.CaptureFixture[str], stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["--data", str(stripes), "--folds", "2", "--epochs", "6", "--out", str(tmp_path / "OUT"), "--plan"]
    assert search.main([*asked, "--epoch-budget", "80", "--concurrent", "1"]) == 0
    (expected,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("expected")]
    low, high = map(int, expected.split()[1].split("-"))
    assert 9 <= low < high <= 30
    assert "trials; rung 2 stops" in expected
    assert "in all 67 epochs of the search and 12 of promotion (nineteen searches in twenty)" in expected
    assert search.main([*asked, "--time-budget", "2h"]) == 0
    printed = capsys.readouterr().out
    assert "expected   as many trials as the time budget has room for; their time is not known" in printed
    assert "disk  " not in printed
    monkeypatch.setattr("cluster.plan.measured_here", lambda plan, slots: timed(plan).throughputs)
    assert search.main([*asked, "--time-budget", "1h", "--measure", "--price", "2", "--concurrent", "1"]) == 0
    printed = capsys.readouterr().out
    assert " trials; rung 2 stops" in printed
    assert "on 1 slots" in printed
    assert "at 2 an hour" in printed


def test_the_grace_period_moves_the_rungs(
    planned: Planned, capsys: pytest.CaptureFixture[str], stripes: Path, tmp_path: Path
) -> None:
    plan = planned("--grace-period", "1")
    assert (plan.rungs, plan.scored_epochs) == ((1, 3), {1, 3, 6})
    assert plan.setting(TWO_SLOTS.usual).curve_epochs == (1, 3)
    assert "--grace-period 1" in plan.command
    assert (planned().rungs, planned("--grace-period", "6").rungs) == ((2,), ())
    words = ["--data", str(stripes), "--folds", "2", "--epochs", "6", "--out", str(tmp_path / "OUT"), "--plan"]
    assert search.main([*words, "--grace-period", "1"]) == 0
    assert "(grace 1, factor 3, rungs 1, 3)" in capsys.readouterr().out
    assert search.main([*words, "--grace-period", "4", "--epoch-budget", "31"]) == 2
    assert "--epoch-budget must be at least 32, got 31" in capsys.readouterr().err
    assert search.main([*words, "--grace-period", "100", "--epoch-budget", "35"]) == 2
    assert "--epoch-budget must be at least 36, got 35" in capsys.readouterr().err, "no trial has more than 6 epochs"


def test_the_data_is_listed_once_in_a_command(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[DataPlace] = []

    def counted(place: DataPlace) -> NodeFacts:
        listed.append(place)
        return facts(place)

    monkeypatch.setattr("cluster.plan.facts", counted)
    plan = replace(planned(), throughputs={})
    assert len({plan.setting(Slots(1, 1, 0.0)) for _stage in range(3)}) == 1
    assert listed == [plan.place]


def test_trials_that_share_gpus_and_denoising_take_disk(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.resources.gpu_share", lambda recipe, n_classes, gpu_bytes: 0.125)
    nodes = [{"CPU": 64.0, "GPU": 4.0}]
    alone = Resources(Slots(4, 8, 1.0), nodes, Wishes(64))
    shared = replace(alone, gpu_bytes=16 * 10**9, n_classes=2)
    plan = planned("--trials", "64", "--promote", "1")
    assert shared.of(plan.recipes[0]).concurrent == 32
    several = outlook_of(plan, shared)
    assert several.disk_bytes > 4 * outlook_of(plan, alone).disk_bytes
    assert several.slots == 4, "their time is counted as if one came after the other"
    few = planned("--trials", "4", "--promote", "4")
    cleaned = replace(few, denoise="drop", denoise_folds=(0, 1))
    assert 1.9 < outlook_of(cleaned, TWO_SLOTS).disk_bytes / outlook_of(few, TWO_SLOTS).disk_bytes <= 2


def test_what_was_said_at_first_is_kept_until_something_else_is_asked_for(planned: Planned) -> None:
    plan, greater = planned("--epoch-budget", "80"), planned("--epoch-budget", "160")
    in_time, counted = planned("--time-budget", "1h"), planned("--trials", "4")
    path = plan.search.forecast
    write_forecast(plan, TWO_SLOTS)
    said = load_json(path)
    assert said["budget"] == {"seconds": None, "epochs": 80}
    assert said["trials"] is None
    assert said["search_trials"][0] < said["search_trials"][1]
    assert "wall_s" not in said, "nothing was measured"
    write_forecast(plan, replace(TWO_SLOTS, usual=Slots(4, 1, 0.0)))
    assert load_json(path) == said
    write_forecast(greater, TWO_SLOTS)
    assert load_json(path)["search_trials"][0] > said["search_trials"][1]
    write_forecast(in_time, TWO_SLOTS)
    assert not path.exists(), "how long an epoch takes was not measured, and what was said is of another search"
    write_forecast(timed(in_time), TWO_SLOTS)
    assert load_json(path)["wall_s"][1] < 1.02 * 3600
    write_forecast(counted, TWO_SLOTS)
    assert (load_json(path)["trials"], load_json(path)["budget"]) == (4, None)
